"""The networks of C48: built one by one for the clock, trained side by side.

Tests: tests/test_claims_recipes_latency.py.
"""

import functools

import keras
import numpy as np
from keras import ops

from dtlib import normalization
from dtlib.claims import _normalization_nets as many
from dtlib.claims._normalization_layers import Blocks, Norm
from dtlib.claims._normalization_nets import Kind, Net
from dtlib.claims.arms import SETTINGS, training_data

WIDTH = 64
# Half-decades. Of C18, five layers with batch norm did best at 0.3.
RATES = (0.03, 0.1, 0.3, 1.0, 3.0)
ACTIVATIONS = {
    "ELU": keras.activations.elu,
    "SELU": keras.activations.selu,
    "swish": keras.activations.silu,
    "ReLU": keras.activations.relu,
    "leaky 0.2": functools.partial(keras.activations.leaky_relu, negative_slope=0.2),
}
STARTS = dict.fromkeys(ACTIVATIONS, "He") | {"SELU": "LeCun"}

ARMS = {  # batch norm or not, activation, hidden layers
    "original": (True, "ELU", 5),
    "2 layers": (True, "ELU", 2),
    "ReLU": (True, "ReLU", 5),
    "SELU": (True, "SELU", 5),
    "swish": (True, "swish", 5),
    "leaky 0.2": (True, "leaky 0.2", 5),
    "no BN": (False, "ELU", 5),
    "2 layers, ReLU": (True, "ReLU", 2),
}
PROGRAMS = (  # arms trained side by side
    ("original", "ReLU", "SELU", "swish", "leaky 0.2"),
    ("2 layers", "2 layers, ReLU"),
    ("no BN",),
)


def build(normed, activation, depth, inputs, width, dtype="float32", classes=10):
    """A variant as a reader would build it, of Keras' own layers."""
    layers = [keras.Input((inputs,), dtype="float32")]
    for _ in range(depth):
        draw = "lecun_normal" if STARTS[activation] == "LeCun" else "he_normal"
        layers.append(keras.layers.Dense(width, kernel_initializer=draw, dtype=dtype))
        if normed:
            layers.append(keras.layers.BatchNormalization(dtype=dtype))
        layers.append(keras.layers.Activation(ACTIVATIONS[activation], dtype=dtype))
    return keras.Sequential([*layers, keras.layers.Dense(classes, dtype=dtype)])


@functools.cache
def data(scale):
    """MNIST-1D at the quick scale, Fashion-MNIST beyond."""
    return many.sample(training_data(scale))


def beside(rules):
    """One function of features: equal shares of them, each through its own rule."""

    def apply(x):
        parts = ops.split(x, len(rules), axis=-1)
        return ops.concatenate([f(z) for f, z in zip(rules, parts, strict=True)], -1)

    return apply


def tune(arms, given, setting, width=WIDTH):
    """Train arms of one depth side by side: a rate each on validation, fresh seeds.

    Args:
        arms: `{name: (normed, activation, depth)}`.
        given: A `Sample`.
        setting: Of the protocol, as in `SETTINGS`.
        width: Of the hidden layers.

    Returns:
        `{name: Found}`, and the model of the fresh networks, arm by arm, seed by seed.
    """
    ((normed, depth),) = {(arm[0], arm[2]) for arm in arms.values()}
    rule = beside([ACTIVATIONS[arm[1]] for arm in arms.values()])
    kind = Kind("before" if normed else "none", rule, depth, width)
    own = [Net(STARTS[arm[1]]) for arm in arms.values()]
    how = dict(epochs=setting["epochs"], grid=RATES)
    found, model = many.tuned(kind, own, given, setting, **how)
    return dict(zip(arms, found, strict=True)), model


def one_of(model, arm, k):
    """The network number k of a model of many, as `build` makes one."""
    blocks = [layer for layer in model.layers if isinstance(layer, Blocks)]
    norms = [layer for layer in model.layers if isinstance(layer, Norm)]
    count, inputs, width = blocks[0].kernel.shape

    def own(values):
        return np.asarray(values).reshape(count, -1)[k]

    weights = []
    for i, block in enumerate(blocks):
        weights += [np.asarray(block.kernel)[k], own(block.bias)]
        if i < len(norms):
            norm = norms[i]
            averages = norm.moving_mean, norm.moving_variance
            weights += [own(w) for w in (norm.gamma, norm.beta, *averages)]
    single = build(*arm, inputs, width, classes=blocks[-1].kernel.shape[-1])
    single.set_weights(weights)
    return single


def half(folded, inputs):
    """A folded network of the variant "original" with weights and sums in float16."""
    depth = sum(isinstance(layer, keras.layers.Dense) for layer in folded.layers) - 1
    width = folded.layers[0].units
    model = build(False, "ELU", depth, inputs, width, dtype="float16")
    model.set_weights(folded.get_weights())
    return model


def quantized(model):
    """A copy in int8, by Keras' own method."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    copy.quantize("int8", filters=lambda layer: isinstance(layer, keras.layers.Dense))
    return copy


def trained(scale):
    """Accuracy of every variant, one a seed; rates; what folding changes of a logit."""
    given = data(scale)
    found = {"accuracy": {}, "learning rate": {}, "diverged": {}, "edges": []}
    x, y, changed = given.x[given.test], given.y[given.test], 0.0
    for names in PROGRAMS:
        arms = {name: ARMS[name] for name in names}
        done, model = tune(arms, given, SETTINGS[scale])
        for k, (name, tuned) in enumerate(done.items()):
            name = name.replace("2 layers, ReLU", "all three")
            found["accuracy"][name] = list(tuned.test)
            found["learning rate"][name] = tuned.rate
            found["diverged"][name] = tuned.diverged
            found["edges"] += [name] if tuned.at_edge else []
            if name == "original":
                n = len(tuned.test)
                own = [one_of(model, ARMS[name], k * n + i) for i in range(n)]
                shrunk = [smaller(each, x, y) for each in own]
                for kind in ("folded", "float16", "int8"):
                    found["accuracy"][kind] = [each[kind] for each in shrunk]
                changed = max(each["changed"] for each in shrunk)
    return found | {"changed": changed}


def smaller(model, x, y):
    """Accuracy of a trained network's folded, float16 and int8 forms, and a check.

    `changed` is the largest change of a logit by folding, ÷ the largest logit.
    """
    x = x.reshape(len(x), -1).astype("float32")
    folded = normalization.fold_batch_norm(model)
    forms = {"folded": folded, "float16": half(folded, x.shape[1])}
    forms["int8"] = quantized(folded)
    logits = {name: np.asarray(form(x), "float32") for name, form in forms.items()}
    found = {name: float((z.argmax(-1) == y).mean()) for name, z in logits.items()}
    before = np.asarray(model(x))
    change = np.abs(logits["folded"] - before).max() / np.abs(before).max()
    # Float32 leaves 1e-6 a layer; a wrong ε or a lost bias would change per cents.
    if not change < 1e-4:
        raise AssertionError(f"Folding changed the logits by {change:.1g} of them.")
    return found | {"changed": float(change)}
