"""Many networks trained side by side, each with dropout of its own, as one program.

The layers that hold networks beside one another are those of `_normalization_layers`;
what is new is noise: each network drops at rates of its own, at its input and after
each of its hidden layers, to 0 or as alpha dropout does. Each has its own learning
rate too. Tests: tests/test_claims_dropout.py.
"""

import functools
import itertools
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops
from sklearn.datasets import load_digits

from dtlib import datasets, training
from dtlib.claims._normalization_layers import Blocks, Rate, Rows, own
from dtlib.claims._normalization_nets import (
    deviation,
    measured,
    orders,
    sample,
    started,
)
from dtlib.claims.arms import training_data
from dtlib.dropout import alpha_dropout_affine
from dtlib.dropout.alpha import ALPHA_PRIME
from dtlib.experiments import protocol

# Half-decades, for a momentum of 0.9. A rate of 0.3 was tried too, and never chosen.
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
MOMENTUM = 0.9
FEW = 400  # examples that are overfitted
COARSE = 2  # pixels averaged, a side
SIZES = (1600, 400, 1000)  # of the quick scale, as MNIST-1D's
TIMES = {"quick": 1, "standard": 2, "full": 3}  # as many epochs beyond it
CLASSES = 10


class Net(NamedTuple):
    """Rates of dropout, at the input and after each hidden layer, and its form."""

    rates: tuple
    alpha: bool = False


class Kind(NamedTuple):
    """What all networks of one program share."""

    activation: str = "relu"
    depth: int = 2
    width: int = 64


class Found(NamedTuple):
    """How the networks of one `Net` did at the chosen rate, one number a seed.

    `score` is the mean validation accuracy of the tuning seeds, which chose the rate.
    """

    rate: float
    at_edge: bool
    score: float
    valid: np.ndarray
    test: np.ndarray
    train: np.ndarray
    diverged: int


class Toss(keras.layers.Layer):
    """The coins of every network: y = a·(x or, where dropped, d) + b.

    Args:
        nets: One `Net` a network.
        place: Which of its rates.
        units: How many features each network has here.
    """

    def __init__(self, nets, place, units):
        super().__init__()
        rates = [net.rates[place] for net in nets]
        lines = [line(rate, net.alpha) for rate, net in zip(rates, nets, strict=True)]
        self.rates = own(self, rates, units)
        self.dropped, self.a, self.b = (
            own(self, v, units) for v in zip(*lines, strict=True)
        )
        # A seed of its own: layers of one seed would drop the same units.
        self.seed_generator = keras.random.SeedGenerator(place)

    def call(self, x, training=False):
        if not training:
            return x
        draw = keras.random.uniform(ops.shape(x), seed=self.seed_generator)
        return self.a * ops.where(draw >= self.rates, x, self.dropped) + self.b


def line(rate, alpha):
    """What a dropped unit becomes, and the slope and offset after that."""
    if alpha:
        return ALPHA_PRIME, *alpha_dropout_affine(rate=rate)
    return 0.0, 1 / (1 - rate), 0.0


def everywhere(rate, depth=2, *, start=0.0, alpha=False):
    """The same rate after every hidden layer; `start` at the input."""
    return Net((start, *[rate] * depth), alpha)


def networks(kind, nets, seeds, rates, x):
    """A compiled model of one network for each of `nets`, `seeds` and `rates`.

    Networks of one seed start alike. Nothing but dropout differs in training, so
    `model(rows, training=True)` is Monte-Carlo dropout.
    """
    count, units = len(nets), kind.width
    fans = [math.prod(x.shape[1:])] + [units] * kind.depth + [CLASSES]
    start = "He" if kind.activation == "relu" else "LeCun"

    def kernels(i):
        shape, last = (fans[i], fans[i + 1]), i == kind.depth
        scale = deviation("Glorot" if last else start, kind.activation, shape)
        draws = {
            s: np.random.default_rng([s, i]).standard_normal(shape) for s in set(seeds)
        }
        return (scale * np.stack([draws[s] for s in seeds])).astype("float32")

    layers = [keras.Input((count,), dtype="int32"), Rows(x)]
    for i in range(kind.depth + 1):
        if any(net.rates[i] for net in nets):
            layers.append(Toss(nets, i, fans[i]))
        layers.append(Blocks(kernels(i)))
        if i < kind.depth:
            layers.append(keras.layers.Activation(kind.activation))
    layers.append(keras.layers.Reshape((count, CLASSES)))
    model = keras.Sequential([*layers, Rate(rates)])
    # Keras takes the mean over the networks too; times their number it is a sum.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(float(count), momentum=MOMENTUM), loss)
    return model


def train(runs, kind, given, *, epochs, batch_size, model=None):
    """Train a network for each `(net, rate, seed)` of `runs`, all at once.

    Args:
        runs: A list of triples.
        kind, given: The `Kind` and the `Sample`.
        epochs, batch_size: As in `training.fit`.
        model: A model of as many networks of this kind, to be used again: its program
            is compiled.

    Returns:
        The trained model.
    """
    nets, rates, seeds = zip(*runs, strict=True)
    model = started(model, networks(kind, nets, seeds, rates, given.x))
    rows = orders(len(given.train), seeds)
    how = dict(epochs=epochs, batch_size=batch_size)
    training.fit(model, rows, given.y[rows], **how)
    return model


def tune(kind, nets, given, setting, *, epochs, grid=RATES):
    """Choose each net's learning rate on validation, then train it on fresh seeds.

    Returns:
        `{net: Found}`, and the model of the fresh networks: seed by seed, net by net.
    """
    nets, seeds = list(nets), list(setting["seeds"])
    trials = list(setting["tune_seeds"])
    how = dict(epochs=epochs, batch_size=setting["batch_size"])
    tried = [*itertools.product(nets, grid, trials)]
    model = train(tried, kind, given, **how)
    score = measured(model, given.valid, given.y)[0]
    score = score.reshape(len(nets), len(grid), len(trials)).mean(-1)
    best = [protocol.choose(list(each), "max") for each in score]
    runs = [(net, grid[k], s) for net, k in zip(nets, best, strict=True) for s in seeds]
    # As many networks as were tried have the same program.
    same = model if len(runs) == len(tried) else None
    model = train(runs, kind, given, **how, model=same)
    found = {}
    for part in ("valid", "test", "train"):
        hits, loss = measured(model, getattr(given, part), given.y)
        found[part] = hits.reshape(len(nets), -1)
    lost = ~np.isfinite(loss).reshape(len(nets), -1)
    return {
        net: Found(
            grid[k],
            k in (0, len(grid) - 1),
            score[i, k],
            **{part: values[i] for part, values in found.items()},
            diverged=int(lost[i].sum()),
        )
        for i, (net, k) in enumerate(zip(nets, best, strict=True))
    }, model


def part_of(model, kind, nets, first, given):
    """A model of `nets` alone, which stand in `model` from the network `first` on."""
    some = slice(first, first + len(nets))
    seeds, ones = [0] * len(nets), [1.0] * len(nets)
    small = networks(kind, nets, seeds, ones, given.x)
    for new, old in zip(blocks(small), blocks(model), strict=True):
        new.kernel.assign(old.kernel[some])
        rows = ops.reshape(old.bias, (-1, old.kernel.shape[-1]))[some]
        new.bias.assign(ops.reshape(rows, (-1,)))
    return small


def blocks(model):
    """The dense layers of all networks."""
    return [layer for layer in model.layers if isinstance(layer, Blocks)]


@functools.cache
def data(name, scale):
    """MNIST-1D, or Fashion-MNIST's images, made coarse at the quick scale."""
    if name == "MNIST-1D":
        return sample(datasets.mnist1d(*(2000, 1000) if scale == "quick" else (8000,)))
    found = training_data("standard" if scale == "quick" else scale)
    if scale != "quick":
        return sample(found)
    parts = []
    for k, n in zip((0, 2, 4), SIZES, strict=True):
        rows = np.random.default_rng(0).permutation(len(found[k]))[:n]
        parts += [coarse(found[k][rows], COARSE), found[k + 1][rows]]
    return sample(found._make(parts))


def few(given):
    """The same with the first `FEW` training examples alone."""
    return given._replace(train=given.train[:FEW])


def coarse(x, step):
    """Images whose pixels are the means of step × step pixels."""
    n, side = len(x), x.shape[1] // step
    return x.reshape(n, side, step, side, step).mean((2, 4))


@functools.cache
def outliers(name, scale):
    """`{kind: features}`: noise and, for images, digits, of the data's mean and size.

    The digits are scikit-learn's, of 8 × 8 pixels, each read off as often as needed.
    """
    given = data(name, scale)
    like, n = given.x[given.train], len(given.test) // 4
    rng, found = np.random.default_rng(0), {}
    if name == "images":
        digits = load_digits().images
        places = np.arange(like.shape[1]) * 8 // like.shape[1]
        digits = digits[rng.permutation(len(digits))[:n]][:, places][:, :, places]
        found["digits"] = (digits - digits.mean()) / digits.std()
    found["noise"] = rng.standard_normal((n, *like.shape[1:]))
    return {
        kind: (like.mean() + like.std() * x).astype("float32")
        for kind, x in found.items()
    }
