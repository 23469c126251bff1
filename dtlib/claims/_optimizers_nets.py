"""Many networks in one program: every seed × every learning rate of one optimizer.

The claims of the chapter `optimizers` need thousands of small networks. Side by side in
one tensor they train as one: S starts, R rates, and an optimizer whose rate is a tensor
of R numbers. Each goes the way it would go alone, in `experiments.compare`: the same
start, the same batches. Tests: tests/test_claims_optimizers.py.
"""

import functools
import math

import keras
import numpy as np
from keras import ops

from dtlib import datasets, initializers, optimizers, training
from dtlib.claims._optimizers_runs import PARTS, Runs
from dtlib.claims.arms import SETTINGS, WIDTHS, network, remembered, training_data
from dtlib.experiments import store

CLASSES = 10
EPOCHS = 8  # at the quick scale
TIMES = {"quick": 1, "standard": 2, "full": 3}  # as many beyond it
WATCHED = 400  # training examples that are measured after each epoch
# Two to a decade, from where the slowest optimizer still moves to where all fail.
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
TASK = "MNIST-1D"
# Two tasks of another kind: layers that saturate, and images, made coarse to be quick.
TANH, IMAGES = "MNIST-1D, 3 tanh layers", "Fashion-MNIST, 7 × 7 pixels"
DEEP = "MNIST-1D, 5 layers"
TASKS = {TASK: ("relu", 2), TANH: ("tanh", 3), IMAGES: ("relu", 2), DEEP: ("relu", 5)}


class Muon(optimizers.Muon):
    """Muon, told which weights are stacks of matrices: the hidden kernels.

    Its factor √max(n, k) is right as long as a layer is wider than S and R.
    """

    def _is_left_to_adam(self, variable):
        return not ("hidden" in variable.name and "kernel" in variable.name)


@functools.cache
def momentum(beta):
    """SGD with a momentum of β."""
    return functools.partial(optimizers.SGD, momentum=beta)


# The optimizers by name, each a function of the learning rate; all else is the default.
ARMS = {
    "SGD": optimizers.SGD,
    "momentum": momentum(0.9),
    "Nesterov": functools.partial(optimizers.SGD, momentum=0.9, nesterov=True),
    "Adagrad": optimizers.Adagrad,
    "RMSprop": optimizers.RMSprop,
    "Adam": optimizers.Adam,
    "AdamW": optimizers.AdamW,
    "Adamax": optimizers.Adamax,
    "Nadam": optimizers.Nadam,
    "Lion": optimizers.Lion,
    "Muon": Muon,
    "Ftrl": optimizers.Ftrl,
}


class Nets(keras.Model):
    """S × R networks of one shape, fed with row numbers: one column a seed.

    Args:
        x: All examples, an array (n, features).
        starts: The weights of each seed's network, as `get_weights` gives them.
        rates: How many copies of each.
        activation: Of the hidden layers.
        normalized: Whether batch normalization comes before each activation.
    """

    def __init__(self, x, starts, rates, activation, normalized=False):
        super().__init__()
        self.phi = keras.activations.get(activation)
        self.examples = self._weight("examples", x, trainable=False)
        self.kernels, self.biases, self.scales, self.averages = [], [], [], []
        weights = [np.stack(w)[:, None] for w in zip(*starts, strict=True)]
        for i in range(0, len(weights), 2):
            last = i == len(weights) - 2
            kernel = np.repeat(weights[i], rates, 1)
            bias = np.repeat(weights[i + 1], rates, 1)[:, :, None]
            name = "output" if last else f"hidden_{i // 2}"
            self.kernels.append(self._weight(f"{name}_kernel", kernel))
            self.biases.append(self._weight(f"{name}_bias", bias))
            if normalized and not last:
                start = {"gamma": np.ones_like(bias), "beta": np.zeros_like(bias)}
                pair = [self._weight(f"{name}_{k}", v) for k, v in start.items()]
                self.scales.append(pair)
                start = {"mean": np.zeros_like(bias), "variance": np.ones_like(bias)}
                pair = [self._weight(f"{name}_{k}", start[k], False) for k in start]
                self.averages.append(pair)
        self.parts = Parts(len(PARTS), (len(starts), rates))
        self.built = True

    def _weight(self, name, value, trainable=True):
        weight = self.add_weight(shape=value.shape, trainable=trainable, name=name)
        weight.assign(value)
        return weight

    def call(self, rows, training=False):
        a = ops.transpose(ops.take(self.examples, rows, axis=0), (1, 0, 2))
        z = ops.einsum("sbi,srio->srbo", a, self.kernels[0]) + self.biases[0]
        for i in range(1, len(self.kernels)):
            if self.scales:
                z = self.normalize(z, i - 1, training)
            z = self.phi(z) @ self.kernels[i] + self.biases[i]
        return z  # (S, R, batch, classes)

    def normalize(self, z, i, training):
        """Keras' batch normalization, with its ε and a momentum of 0.9."""
        averages, (gamma, beta) = self.averages[i], self.scales[i]
        if training:
            found = ops.moments(z, axes=[-2], keepdims=True)
            for average, value in zip(averages, found, strict=True):
                average.assign(0.9 * average + 0.1 * ops.stop_gradient(value))
        mean, variance = found if training else averages
        return (z - mean) * ops.rsqrt(variance + 1e-3) * gamma + beta

    def each(self, y, z):
        """Loss and rightness of every prediction, (S, R, batch)."""
        labels = ops.transpose(y % CLASSES)[:, None]
        true = ops.one_hot(labels, CLASSES, dtype=z.dtype)
        loss = -ops.sum(ops.log_softmax(z) * true, axis=-1)
        return loss, ops.cast(ops.argmax(z, axis=-1) == labels, z.dtype)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The sum over networks of each one's mean: none feels the others."""
        return ops.sum(ops.mean(self.each(y, y_pred)[0], axis=-1))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.parts.update_state(y[:, 0] // CLASSES, *self.each(y, y_pred))
        return self.get_metrics_result()


class Parts(keras.metrics.Metric):
    """Mean loss and accuracy of every network on every part: (2, P, S, R)."""

    def __init__(self, parts, shape, name="parts"):
        super().__init__(name=name)
        zeros = dict(initializer="zeros")
        self.total = self.add_variable((2, parts, *shape), name="total", **zeros)
        self.count = self.add_variable((parts, 1, 1), name="count", **zeros)

    def update_state(self, part, loss, right):
        share = ops.one_hot(part, self.count.shape[0], dtype=loss.dtype)
        sums = [ops.einsum("srb,bp->psr", v, share) for v in (loss, right)]
        self.total.assign(self.total + ops.stack(sums))
        self.count.assign(self.count + ops.sum(share, axis=0)[:, None, None])

    def result(self):
        return self.total / ops.maximum(self.count, 1)


@functools.cache
def task_data(task, scale):
    """Six arrays, inputs flat, of a task at a scale."""
    quick = scale == "quick"
    if task == IMAGES:
        size = "full" if scale == "full" else "sample"
        data = [*datasets.fashion_mnist(size, standardize=True)]
        for k, few in ((0, 1600), (2, 400), (4, 1000)):
            n = few if quick else len(data[k])
            take = np.random.default_rng(0).permutation(len(data[k]))[:n]
            coarse = data[k][take].reshape(n, 7, 4, 7, 4).mean(axis=(2, 4))
            data[k : k + 2] = coarse, data[k + 1][take]
    else:
        data = training_data(scale) if quick else datasets.mnist1d(10000, 4000)
    return tuple(p.reshape(len(p), -1) if k % 2 == 0 else p for k, p in enumerate(data))


def steps_an_epoch(scale, task=TASK):
    """How many batches the training examples are."""
    return math.ceil(len(task_data(task, scale)[0]) / SETTINGS[scale]["batch_size"])


@functools.cache
def start(task, scale, seed):
    """The weights from which the network of a seed starts: He's, Glorot's output."""
    keras.utils.set_random_seed(seed)
    activation, depth = TASKS[task]
    draw = initializers.HeNormal if activation == "relu" else initializers.GlorotNormal
    hidden = [
        keras.layers.Dense(WIDTHS[scale], activation, kernel_initializer=draw())
        for _ in range(depth)
    ]
    shape = task_data(task, scale)[0].shape[1:]
    plain = keras.optimizers.SGD()
    return network(
        shape, hidden, plain, start=initializers.GlorotNormal()
    ).get_weights()


@functools.cache
def train(
    make, task, scale, rates=RATES, *, epochs=EPOCHS, steps=None, bn=False, cache=None
):
    """Train S × R networks, and measure all of them at the start and every epoch.

    Args:
        make: Rate → optimizer. The rate is a function that returns R rates.
        task: One of `TASKS`.
        scale: One of the claims' scales.
        rates: The R learning rates.
        epochs: How many at the quick scale; `TIMES` as many beyond.
        steps: Stop after so many steps instead, and measure every tenth of them.
        bn: Whether to normalize each batch.
        cache: None, or a folder where the result is kept.

    Returns:
        `Runs`.
    """
    setting = SETTINGS[scale]
    seeds = [*setting["seeds"], *setting["tune_seeds"]]
    epochs *= TIMES[scale]

    def run():
        return _train(make, task, scale, rates, seeds, epochs, steps, bn).tolist()

    key = [task, scale, list(rates), epochs, steps, bn, seeds], store.code(make)
    curve = remembered(run, cache, "nets", *key, code=[__file__])
    return Runs(curve, rates, setting)


def _train(make, task, scale, rates, seeds, epochs, steps, bn):
    data = task_data(task, scale)
    size = SETTINGS[scale]["batch_size"]
    starts = [start(task, scale, seed) for seed in seeds]
    keras.utils.set_random_seed(0)
    nets = Nets(np.concatenate(data[::2]), starts, len(rates), TASKS[task][0], bn)
    column = np.array(rates, "float32")[:, None, None]
    nets.compile(make(lambda: ops.convert_to_tensor(column)))
    labels, firsts = np.concatenate(data[1::2]), np.cumsum([0, *map(len, data[::2])])
    watched = np.concatenate([np.arange(WATCHED), np.arange(firsts[1], firsts[3])])
    part = np.searchsorted(firsts[1:], watched, side="right")

    def batches(rows, part=0):
        return [v.astype("int32") for v in (rows, labels[rows] + CLASSES * part)]

    everywhere = np.repeat(watched[:, None], len(seeds), 1)
    measured = batches(everywhere, part[:, None])
    orders = chunks(firsts[1], seeds, size, epochs, steps)
    curve = [training.evaluate(nets, *measured, batch_size=size)["parts"]]
    for rows in orders:
        found = training.fit(
            nets,
            *batches(rows),
            batch_size=size,
            shuffle=False,
            validation_data=tuple(measured),
        ).history["val_parts"]
        curve.append(found[-1])
    return np.array(curve)


def chunks(n, seeds, size, epochs, steps):
    """The rows each seed visits, (rows, S), from one measurement to the next."""
    needed = epochs if steps is None else math.ceil(steps * size / n)
    orders = [
        np.stack([training.batch_order(n, seed=s, epoch=e) for s in seeds], axis=1)
        for e in range(needed)
    ]
    if steps is None:
        return orders
    return np.split(np.concatenate(orders)[: steps * size], 10)
