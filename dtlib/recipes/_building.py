"""The network of a recipe, its callbacks, and what follows the training.

Tests: tests/test_recipes.py.
"""

import itertools
import math

import keras

from dtlib import activations as a
from dtlib import callbacks as c
from dtlib import constraints, dropout, initializers, losses, normalization
from dtlib import optimizers as o
from dtlib import regularizers as r
from dtlib import schedules as s
from dtlib._check import checked_seed, integer_in

DROP = 0.1  # share of units
SHIFT = 0.1  # of an image's side
DECAY = 0.1  # of AdamW, times the rate
L1, L2 = 1e-3, 1e-3
FTRL_L1 = 0.01
BOUND = 1.0  # of max-norm, the textbooks'
SLOPE = 0.2  # of leaky ReLU
SPARSITY = 0.9  # share of weights that pruning takes
SAMPLES = 100  # of Monte-Carlo dropout
WARMUP = 20  # a twentieth of the run
PATIENCE = 10  # epochs

INITIALIZERS = {
    "he_normal": initializers.HeNormal,
    "lecun_normal": initializers.LecunNormal,
    "glorot_normal": initializers.GlorotNormal,
}
ACTIVATIONS = {
    "elu": a.ELU,
    "selu": lambda: a.Activation(a.selu),
    "leaky_relu": lambda: a.LeakyReLU(SLOPE),
    "relu": a.ReLU,
    "swish": lambda: a.Activation(a.swish),
}
DROPOUTS = {"dropout": dropout.Dropout, "alpha_dropout": dropout.AlphaDropout}
PENALTIES = {"none": lambda: None, "l1": lambda: r.L1(L1), "l2": lambda: r.L2(L2)}
CONSTRAINTS = {"none": lambda: None, "max_norm": lambda: constraints.MaxNorm(BOUND)}
OPTIMIZERS = {
    "nesterov": lambda rate: o.SGD(rate, momentum=0.9, nesterov=True),
    "momentum": lambda rate: o.SGD(rate, momentum=0.9),
    "rmsprop": o.RMSprop,
    "adam": o.Adam,
    "nadam": o.Nadam,
    "adamw": lambda rate: o.AdamW(rate, weight_decay=DECAY),
    "ftrl": lambda rate: o.Ftrl(rate, l1_regularization_strength=FTRL_L1),
}
# Schedules that reach their end when the run does.
WITH_AN_END = ("1cycle", "cosine", "exponential")


def build(recipe, input_shape, n_classes, seed):
    """See `Recipe.build`."""
    chosen, shape = recipe.settings, _shape(recipe, input_shape)
    outputs = _outputs(recipe.task, n_classes)
    seed = checked_seed(seed, "[0, inf)")
    seeds = itertools.count(1000 * seed) if seed is not None else itertools.repeat(None)
    layers = [keras.Input(shape), *_front(chosen, shape, seeds)]
    for _ in range(chosen["layers"]):
        layers += _hidden(chosen, seeds)
    layers.append(
        keras.layers.Dense(
            outputs,
            kernel_initializer=initializers.GlorotNormal(seed=next(seeds)),
            kernel_regularizer=PENALTIES[chosen["penalty"]](),
        )
    )
    model = keras.Sequential(layers)
    rate = _rate(chosen, recipe.steps)
    loss, metric = _judged(recipe.task)
    model.compile(OPTIMIZERS[chosen["optimizer"]](rate), loss, metrics=[metric])
    return model


def _front(chosen, shape, seeds):
    """What stands before the first dense layer."""
    layers = []
    if chosen["augmentation"] == "shift":
        layers += [keras.layers.Reshape((*shape, 1))] if len(shape) == 2 else []
        layers.append(
            keras.layers.RandomTranslation(
                SHIFT, SHIFT, fill_mode="nearest", seed=next(seeds)
            )
        )
    return layers + [keras.layers.Flatten()] * (len(shape) > 1)


def _hidden(chosen, seeds):
    """A hidden layer: dense, normalization, activation, dropout."""
    normal = chosen["normalization"] == "batch"
    layers = [
        keras.layers.Dense(
            chosen["width"],
            use_bias=not normal,
            kernel_initializer=INITIALIZERS[chosen["initializer"]](seed=next(seeds)),
            kernel_regularizer=PENALTIES[chosen["penalty"]](),
            kernel_constraint=CONSTRAINTS[chosen["constraint"]](),
        )
    ]
    layers += [normalization.BatchNormalization()] * normal
    layers.append(ACTIVATIONS[chosen["activation"]]())
    if chosen["dropout"] != "none":
        layers.append(DROPOUTS[chosen["dropout"]](DROP, seed=next(seeds)))
    return layers


def _rate(chosen, steps):
    """The learning rate, or its schedule over so many steps."""
    rate = chosen["learning_rate"]
    if chosen["schedule"] == "1cycle":
        return s.OneCycle(rate, steps)
    if chosen["schedule"] == "cosine":
        warm = math.ceil(steps / WARMUP)
        return s.CosineDecay(
            0.0, max(steps - warm, 1), warmup_target=rate, warmup_steps=warm
        )
    if chosen["schedule"] == "exponential":
        return s.ExponentialDecay(rate, steps, 0.01)
    return rate


def _judged(task):
    """The loss and the metric of a task."""
    if task == "regression":
        metric = losses.RootMeanSquaredError(name="root_mean_squared_error")
        return losses.MeanSquaredError(), metric
    if task == "binary":
        metric = keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)
        return losses.BinaryCrossentropy(from_logits=True), metric
    metric = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    return losses.SparseCategoricalCrossentropy(from_logits=True), metric


class Prune(keras.callbacks.Callback):
    """Zero more of the smallest weights after each epoch, until so many have passed.

        share = s · (1 − (1 − t)³)      t, of the epochs until then

    What is left has the rest of the run to take over.

    Reference: Zhu & Gupta (2017), "To prune, or not to prune"
    """

    def __init__(self, share, until):
        super().__init__()
        self.share, self.until = share, until

    def on_epoch_end(self, epoch, logs=None):
        left = max(0.0, 1 - (epoch + 1) / self.until)
        r.prune_model(self.model, sparsity=self.share * (1 - left**3), scope="global")


def callbacks(recipe):
    """See `Recipe.callbacks`."""
    chosen, found, begin = recipe.settings, [], 0
    if chosen["finish"] == "prune":
        begin = chosen["epochs"] // 2
        found.append(Prune(SPARSITY, max(begin, 1)))
    if chosen["schedule"] == "performance":
        found.append(c.ReduceLROnPlateau(patience=PATIENCE // 2))
    if chosen["stopping"] == "early":
        whole = chosen["schedule"] in WITH_AN_END
        found.append(
            c.EarlyStopping(
                "val_loss" if recipe.task == "regression" else "val_accuracy",
                patience=chosen["epochs"] if whole else PATIENCE,
                restore_best_weights=True,
                start_from_epoch=begin,
            )
        )
    return found


def finish(recipe, model):
    """See `Recipe.finish`."""
    how = recipe.settings["finish"]
    if how == "fold":
        return normalization.fold_batch_norm(model)
    if how == "prune":
        pruned = keras.models.clone_model(model)
        pruned.set_weights(model.get_weights())
        r.prune_model(pruned, sparsity=SPARSITY, scope="global")
        if model.compiled:
            pruned.compile_from_config(model.get_compile_config())
        return pruned
    return model


def predict(recipe, model, x, seed):
    """See `Recipe.predict`."""
    seed = checked_seed(seed, "[0, inf)")
    if recipe.settings["prediction"] == "plain":
        return _probabilities(recipe.task, model.predict(x, verbose=0))
    drawn = dropout.mc_predict(model, x, samples=SAMPLES, seed=seed)
    return _probabilities(recipe.task, drawn).mean(axis=0)


def _probabilities(task, logits):
    if task == "regression":
        return logits
    rule = a.sigmoid if task == "binary" else a.softmax
    return keras.ops.convert_to_numpy(rule(keras.ops.convert_to_tensor(logits)))


def _shape(recipe, input_shape):
    """The shape of one example, which must have the recipe's number of features."""
    if not isinstance(input_shape, (list, tuple)):
        raise ValueError(
            f"`input_shape` must be a tuple. Received: input_shape={input_shape!r}."
        )
    shape = tuple(integer_in("input_shape", n, "[1, inf)") for n in input_shape)
    axes = (2, 3) if recipe.task == "images" else range(1, 10)
    if len(shape) not in axes or math.prod(shape) != recipe.n_features:
        wanted = "two or three axes" if recipe.task == "images" else "an axis or more"
        raise ValueError(
            f"`input_shape` must have {wanted} and {recipe.n_features} numbers, the "
            f"recipe's `n_features`. Received: input_shape={input_shape!r}."
        )
    return shape


def _outputs(task, n_classes):
    """Units of the last layer."""
    if task == "binary":
        n_classes = 2 if n_classes is None else n_classes
        return integer_in("n_classes", n_classes, "[2, 2]") - 1
    if task == "regression":
        return integer_in(
            "n_classes", 1 if n_classes is None else n_classes, "[1, inf)"
        )
    return integer_in("n_classes", n_classes, "[2, inf)")
