"""Many networks in one program: pretrained on many tasks, tuned with few labels.

A network is a few hidden layers; what differs is what they learned before they met the
labels. All networks of a task train side by side, one for each seed; then those of all
tasks, all numbers of labels, all rates. Each has a start, an order of its data and
labeled examples of its own, all fixed by its seed. Tests:
tests/test_claims_pretraining.py.
"""

import functools
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from dtlib import datasets, optimizers, pretraining, training

CLASSES = 10
SIDE = {"quick": 14, "standard": 28, "full": 28}  # pixels; 14 are means of 2 × 2
WIDTH = {"quick": 64, "standard": 100, "full": 100}
# Passes over the pool in pretraining: for each layer, where one is trained at a time.
EPOCHS = {"quick": 8, "standard": 20, "full": 20}
STEPS = {"quick": 200, "standard": 600, "full": 600}  # of fine-tuning, of 50 labels
BATCH = 50
LABELS = (50, 200, 1000)
# Of fine-tuning, by Adam: two to a decade around Keras' default, 0.001. The last was
# added when 0.03, the end of the grid at first, was found to be chosen.
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
# Of pretraining: the best of 0.001, 0.003, 0.01 by the task's own loss, on the tuning
# seeds; the greedy one's is that of all layers at once. No label was asked.
ADAM = {"rebuilding": 0.01, "pairs": 0.01, "spoiled": 0.003}
MACHINE = dict(learning_rate=0.05, momentum=0.9)  # as Hinton, 2012, advises


class Sample(NamedTuple):
    """All images, flat, in one table, their labels, and which rows are which part's."""

    x: np.ndarray
    y: np.ndarray
    pool: np.ndarray
    valid: np.ndarray
    test: np.ndarray


@functools.cache
def sample(scale):
    """Fashion-MNIST, pixels in [0, 1]; the pool are its training images."""
    data = datasets.fashion_mnist("full" if scale == "full" else "sample")
    k = 28 // SIDE[scale]
    x = np.concatenate(data[::2])
    x = x.reshape(len(x), SIDE[scale], k, SIDE[scale], k).mean(axis=(2, 4))
    ends = np.cumsum([len(part) for part in data[::2]])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    return Sample(x.reshape(len(x), -1), np.concatenate(data[1::2]), *rows)


@functools.cache
def bad_copies(scale, epoch):
    """Each image of the pool with its right half from another: new in each epoch."""
    given = sample(scale)
    x = given.x[given.pool].reshape(-1, SIDE[scale], SIDE[scale])
    return pretraining.corrupt(x, "swap", amount=0.5, seed=epoch).reshape(len(x), -1)


def draw(seed, number, fans, gain):
    """A kernel from N(0, gain / fan_in), fixed by the seed and the layer's number."""
    rng = np.random.default_rng([seed, number])
    return rng.standard_normal(fans) * np.sqrt(gain / fans[0])


def starts(scale, seeds, activation, depth=2):
    """`{name: array}` of the hidden layers: He's under ReLU, N(0, 1/fan_in) else."""
    units, gain = WIDTH[scale], 2 if activation == "relu" else 1
    fans = [SIDE[scale] ** 2] + [units] * depth
    weights = {}
    for i in range(depth):
        number = i if i < 2 else 10 + i  # 2 and 3 are those of layers on top
        kernels = [draw(seed, number, fans[i : i + 2], gain) for seed in seeds]
        weights[f"kernel_{i}"] = np.stack(kernels)
        weights[f"bias_{i}"] = np.zeros((len(seeds), 1, units))
    return weights


def top(seeds, fans):
    """Kernel and bias of a layer on top, the same for all tasks of a seed."""
    kernels = np.stack([draw(seed, 2, fans, 1) for seed in seeds])
    return dict(top=kernels, top_bias=np.zeros((len(seeds), 1, fans[1])))


def hidden(x, w, i, activation):
    """Layer `i` of every network, (N, batch, units)."""
    z = ops.matmul(x, w[f"kernel_{i}"]) + w[f"bias_{i}"]
    return keras.activations.get(activation)(z)


def depth_of(w):
    return sum(name.startswith("kernel_") for name in w)


def encode(x, w, activation="relu", layers=None):
    """The features of the first `layers` of them, or of all."""
    for i in range(depth_of(w) if layers is None else layers):
        x = hidden(x, w, i, activation)
    return x


def on_top(a, w):
    return ops.matmul(a, w["top"]) + w["top_bias"]


class Nets(keras.Model):
    """N networks, fed with row numbers: a column, or k, for each.

    Args:
        table: All examples, (rows, features).
        weights: `{name: array (N, ...)}`.
        loss: A function of the examples (kN, batch, features), the targets (N, batch)
            and the weights, to a mean loss for each network, (N,).
        frozen: Names of weights that do not learn.
        draws: Whether the loss draws random numbers, from `self.seed_generator`.
    """

    def __init__(self, table, weights, loss, frozen=(), draws=False):
        super().__init__()
        self.table = self._weight("table", table, False)
        self.loss_of = loss
        self.w = {k: self._weight(k, v, k not in frozen) for k, v in weights.items()}
        if draws:
            self.seed_generator = keras.random.SeedGenerator(0)
        self.built = True

    def _weight(self, name, value, trainable):
        weight = self.add_weight(shape=value.shape, trainable=trainable, name=name)
        weight.assign(value)
        return weight

    def call(self, rows):
        return ops.transpose(ops.take(self.table, rows, axis=0), (1, 0, 2))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The sum over networks of each one's mean: none feels the others."""
        more = [self.seed_generator] if hasattr(self, "seed_generator") else []
        return ops.sum(self.loss_of(y_pred, ops.transpose(y), self.w, *more))

    def learned(self):
        return {name: np.array(weight) for name, weight in self.w.items()}


def train(nets, rows, targets, optimizer, batch_size):
    """Train on the rows in their order; return the weights and the mean loss."""
    nets.compile(optimizer)
    data = rows.astype("int32"), targets
    how = dict(batch_size=batch_size, shuffle=False)
    loss = training.fit(nets, *data, **how).history["loss"][-1]
    return nets.learned(), loss / nets.w["kernel_0"].shape[0]


# --- what is learned without the labels, or from less than them


def rebuilding(x, y, w):
    """The autoencoder: its decoder mirrors the encoder."""
    a = ops.relu(ops.matmul(encode(x, w), w["up"]) + w["up_bias"])
    return ops.mean(ops.square(on_top(a, w) - x), axis=(1, 2))


def layer_rebuilding(i):
    """Greedy: layer `i` and a linear decoder; the layer below is run, not trained."""

    def loss(x, y, w):
        below = encode(x, w, layers=i)
        again = on_top(hidden(below, w, i, "relu"), w)
        return ops.mean(ops.square(again - below), axis=(1, 2))

    return loss


def machine(i):
    """Contrastive divergence of layer `i`, on the probabilities of the one below."""

    def loss(x, y, w, seed):
        v = encode(x, w, "sigmoid", layers=i)
        parts = w[f"kernel_{i}"], w["visible_bias"], w[f"bias_{i}"]
        parts = [ops.convert_to_tensor(part) for part in parts]
        chain = pretraining.gibbs_chain(v, *parts, steps=1, seed=seed)
        chain = ops.stop_gradient(chain)
        gap = [pretraining.free_energy(rows, *parts) for rows in (v, chain)]
        return ops.mean(gap[0] - gap[1], axis=1)

    return loss


def crossentropy(z, y):
    """Mean binary crossentropy of logits, (N, batch) to (N,)."""
    return ops.mean(ops.softplus(z) - y * z, axis=1)


def same_or_different(x, y, w):
    a, b = ops.split(encode_twice(x, w), 2)
    return crossentropy(on_top(ops.abs(a - b), w)[..., 0], y)


def good_or_bad(x, y, w):
    return crossentropy(on_top(encode(x, w), w)[..., 0], y)


def good_above_bad(x, y, w):
    a, b = ops.split(encode_twice(x, w), 2)
    score = ops.matmul(a - b, w["top"])[..., 0]
    return ops.mean(pretraining.margin_ranking(score, 0 * score, margin=1), axis=1)


def encode_twice(x, w):
    """`encode` of 2N columns: those of all first examples, then of all second."""
    return ops.concatenate([encode(part, w) for part in ops.split(x, 2)])


# --- fine-tuning


def classifying(activation):
    def loss(x, y, w):
        z = on_top(encode(x, w, activation), w)
        true = ops.one_hot(ops.cast(y, "int32"), CLASSES, dtype=z.dtype)
        return -ops.mean(ops.sum(ops.log_softmax(z) * true, axis=-1), axis=1)

    return loss


def labeled(given, seed, count, classes):
    """Rows of `count` labeled images, as many of each class; few are part of more."""
    rng, pool = np.random.default_rng([seed, 50]), given.pool
    found = [rng.permutation(pool[given.y[pool] == c]) for c in classes]
    return np.concatenate([rows[: count // len(classes)] for rows in found])


def orders(rows, seed, length):
    """The rows again and again, each time in another order, `length` in all."""
    rng = np.random.default_rng([seed, 51])
    times = -(-length // len(rows))
    return np.concatenate([rng.permutation(rows) for _ in range(times)])[:length]


class Run(NamedTuple):
    """One network to be fine-tuned."""

    arm: str
    labels: int
    rate: float
    seed: int


def finetune(runs, learned, classes, scale, activation):
    """Fine-tune all parameters of every network; return a list of their weights.

    Args:
        runs: A list of `Run`.
        learned: `{arm: {seed: weights of the hidden layers}}`.
        classes: A function of arm and seed: the classes that its task knows.
        scale, activation: Of all.
    """
    given, length = sample(scale), STEPS[scale] * BATCH
    parts = [learned[run.arm][run.seed] for run in runs]
    weights = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    weights |= top([run.seed for run in runs], (WIDTH[scale], CLASSES))
    columns = []
    for run in runs:
        rows = labeled(given, run.seed, run.labels, classes(run.arm, run.seed))
        columns.append(orders(rows, run.seed, length))
    rows = np.stack(columns, axis=1)
    rates = np.array([run.rate for run in runs], "float32")[:, None, None]
    nets = Nets(given.x, weights, classifying(activation))
    adam = optimizers.Adam(lambda: ops.convert_to_tensor(rates))
    found, _ = train(nets, rows, given.y[rows].astype("int32"), adam, BATCH)
    return [{name: found[name][i] for name in found} for i in range(len(runs))]


def accuracy(w, given, part, classes, activation):
    """Of one network, on the images of the classes that its task knows."""
    rows = getattr(given, part)
    rows = rows[np.isin(given.y[rows], classes)]
    a = given.x[rows]
    for i in range(depth_of(w)):
        a = a @ w[f"kernel_{i}"] + w[f"bias_{i}"]
        a = np.maximum(a, 0) if activation == "relu" else 1 / (1 + np.exp(-a))
    guess = (a @ w["top"] + w["top_bias"]).argmax(axis=1)
    return (guess == given.y[rows]).mean()
