"""Many networks trained side by side, as one: for the claims on batch normalization.

R networks beside one another are one network whose kernels are block-diagonal. Batch
normalization treats every feature apart, so the library's own layer normalizes all of
them at once. Each has its own rate, its own start and its own order of the data, the
last two fixed by its seed; what costs seconds, the compilation, is done once for all.

Tests: tests/test_claims_normalization.py.
"""

import functools
import itertools
import math
from typing import NamedTuple

import keras
import numpy as np

from dtlib import training
from dtlib.claims._normalization_layers import Blocks, Drop, Norm, Rate, Rows, Shift
from dtlib.claims.arms import SETTINGS, WIDTHS, training_data
from dtlib.experiments import protocol

# Half-decades, wide enough for a network whose signal fades and one that is normalized.
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
EPOCHS = {"quick": 8, "standard": 15, "full": 15}
CHANCE = 0.1  # the accuracy of a network that diverged, of ten classes


class Kind(NamedTuple):
    """What all networks of one program share.

    `norm` is "none", "before" or "after" the activation, "noisy" (before, with noise
    that shifts), or "input" (on the input alone).
    """

    norm: str = "none"
    activation: str = "relu"
    depth: int = 2
    width: int = 32


class Net(NamedTuple):
    """What is a network's own, beside its seed and its rate."""

    start: str = ""
    drop: float = 0.0
    momentum: float = 0.9


class Found(NamedTuple):
    """How the networks of one variant did at the chosen rate, one number a seed."""

    rate: float
    at_edge: bool
    valid: np.ndarray
    test: np.ndarray
    train: np.ndarray
    diverged: int


def deviation(start, activation, fans):
    """The standard deviation of a kernel's start."""
    fan_in, fan_out = fans
    start = start or ("He" if activation == "relu" else "Glorot")
    variance = {
        "He": 2 / fan_in,
        "LeCun": 1 / fan_in,
        "Glorot": 2 / (fan_in + fan_out),
        "N(0, 1)": 1.0,
        "N(0, 0.01²)": 1e-4,
    }
    return math.sqrt(variance[start])


def networks(kind, nets, seeds, rates, x, classes=10):
    """A compiled model of one network for each of `nets`, `seeds` and `rates`.

    Networks of one seed start from one standard normal draw, scaled as `start` says;
    the output layer's start is Glorot's.
    """
    count, units = len(nets), kind.width
    fans = [math.prod(x.shape[1:])] + [units] * kind.depth + [classes]
    momenta = [net.momentum for net in nets]

    def kernels(i):
        shape, last = (fans[i], fans[i + 1]), i == kind.depth
        return np.stack(
            [
                np.random.default_rng([seed, i]).standard_normal(shape)
                * deviation("Glorot" if last else net.start, kind.activation, shape)
                for net, seed in zip(nets, seeds, strict=True)
            ]
        ).astype("float32")

    layers = [keras.Input((count,), dtype="int32"), Rows(x)]
    if kind.norm == "input":
        layers.append(Norm(momenta, fans[0]))
    for i in range(kind.depth):
        layers.append(Blocks(kernels(i)))
        if kind.norm in ("before", "noisy"):
            layers.append(Norm(momenta, units))
        if kind.norm == "noisy":
            layers.append(Shift(seed=i))
        layers.append(keras.layers.Activation(kind.activation))
        if kind.norm == "after":
            layers.append(Norm(momenta, units))
        if any(net.drop for net in nets):
            layers.append(Drop([net.drop for net in nets], units, seed=i))
    layers += [Blocks(kernels(kind.depth)), keras.layers.Reshape((count, classes))]
    model = keras.Sequential([*layers, Rate(rates)])
    # Keras takes the mean over the networks too; times their number it is a sum.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(float(count)), loss)
    return model


def orders(n, seeds):
    """A column a network: the rows 0 … n − 1 in an order of its seed's own."""
    columns = [np.random.default_rng([seed, n]).permutation(n) for seed in seeds]
    return np.stack(columns, axis=1).astype("int32")


def measured(model, rows, labels, chunk=500):
    """Accuracy and mean cross-entropy of every network on `rows` of its table.

    A network that diverged has the accuracy of guessing, and a loss that is not finite.
    """
    hits, losses, count = [], [], model.input_shape[1]
    for k in range(0, len(rows), chunk):
        part = np.asarray(rows[k : k + chunk], "int32")
        logits = model(np.repeat(part[:, None], count, 1), training=False)
        logits = np.asarray(logits, "float64")
        y = labels[part]
        with np.errstate(all="ignore"):
            shifted = logits - logits.max(-1, keepdims=True)
            own = shifted[np.arange(len(y)), :, y]
            losses.append(np.log(np.exp(shifted).sum(-1)) - own)
        hits.append(logits.argmax(-1) == y[:, None])
    loss = np.concatenate(losses).mean(0)
    return np.where(np.isfinite(loss), np.concatenate(hits).mean(0), CHANCE), loss


class Sample(NamedTuple):
    """All features in one table, all labels, and which rows are which part's."""

    x: np.ndarray
    y: np.ndarray
    train: np.ndarray
    valid: np.ndarray
    test: np.ndarray


def sample(data, n=None):
    """A `Sample` of a `datasets.Data`, of its first `n` training examples alone."""
    parts = [data.x_train[:n], data.x_valid, data.x_test]
    labels = [data.y_train[:n], data.y_valid, data.y_test]
    ends = np.cumsum([len(part) for part in parts])
    rows = np.split(np.arange(ends[-1]), ends[:-1])
    return Sample(np.concatenate(parts), np.concatenate(labels), *rows)


def started(model, fresh):
    """`model` at the start of `fresh`, to save a compilation; `fresh` if it is None."""
    if model is None:
        return fresh
    for old, new in zip(model.variables, fresh.variables, strict=True):
        old.assign(new)
    iterations, _, *velocities = model.optimizer.variables
    for slot in (iterations, *velocities):
        slot.assign(keras.ops.zeros_like(slot))
    return model


def train(runs, kind, given, *, epochs, batch_size=40, model=None, callbacks=()):
    """Train a network for each `(net, rate, seed)` of `runs`, all at once.

    Args:
        runs: A list of triples.
        kind, given: The `Kind` and the `Sample`.
        epochs, batch_size, callbacks: As in `training.fit`.
        model: A model of as many networks of this kind, to be used again: its program
            is compiled.

    Returns:
        The trained model.
    """
    nets, rates, seeds = zip(*runs, strict=True)
    model = started(model, networks(kind, nets, seeds, rates, given.x))
    rows = orders(len(given.train), seeds)
    training.fit(
        model,
        rows,
        given.y[rows],
        epochs=epochs,
        batch_size=batch_size,
        callbacks=list(callbacks),
    )
    return model


def tune(kind, nets, given, setting, *, epochs, grid=RATES):
    """Choose each variant's rate on validation, then train it on fresh seeds.

    Returns:
        `{net: Found}`.
    """
    done, _ = tuned(kind, nets, given, setting, epochs=epochs, grid=grid)
    return dict(zip(nets, done, strict=True))


def tuned(kind, nets, given, setting, *, epochs, grid=RATES):
    """As `tune`, of variants of which some may be equal, and with the networks.

    Returns:
        A `Found` for each of `nets`, and the model of the fresh networks: variant by
        variant, seed by seed.
    """
    seeds, trials = list(setting["seeds"]), list(setting["tune_seeds"])
    how = dict(epochs=epochs, batch_size=setting["batch_size"])
    tried = [*itertools.product(nets, grid, trials)]
    model = train(tried, kind, given, **how)
    score = measured(model, given.valid, given.y)[0]
    score = score.reshape(len(nets), len(grid), len(trials)).mean(-1)
    best = [grid[protocol.choose(list(each), "max")] for each in score]
    pairs = zip(nets, best, strict=True)
    runs = [(*pair, seed) for pair, seed in itertools.product(pairs, seeds)]
    # As many networks as were tried, so that their program serves again.
    spare = tried[: max(0, len(tried) - len(runs))]
    again = model if len(runs) + len(spare) == len(tried) else None
    model = train([*runs, *spare], kind, given, **how, model=again)
    accuracy, lost = {}, None
    for part in ("valid", "test", "train"):
        hits, loss = measured(model, getattr(given, part), given.y)
        accuracy[part] = hits[: len(runs)].reshape(len(nets), len(seeds))
        lost = ~np.isfinite(loss[: len(runs)]).reshape(len(nets), len(seeds))
    return [
        Found(
            rate,
            rate in (grid[0], grid[-1]),
            **{part: values[i] for part, values in accuracy.items()},
            diverged=int(lost[i].sum()),
        )
        for i, rate in enumerate(best)
    ], model


@functools.cache
def plain(scale):
    """The data of most claims."""
    return sample(training_data(scale))


@functools.cache
def found(scale, norm, activation="relu", depth=2, starts=("",), grid=RATES):
    """`{start: Found}`: networks of one kind on the usual data, tuned over `grid`."""
    kind = Kind(norm, activation, depth, WIDTHS[scale])
    nets = tuple(Net(start=start) for start in starts)
    how = dict(epochs=EPOCHS[scale], grid=grid)
    done = tune(kind, nets, plain(scale), SETTINGS[scale], **how)
    return {net.start: each for net, each in done.items()}
