"""What the claims on transfer train: A on eight classes, B, and B on A, for many draws.

A draw has its own A, its own labelled images of B and its own start. The rate of an arm
is chosen on validation with other draws. Tests: tests/test_claims_transfer.py.
"""

import functools
from typing import NamedTuple

import numpy as np

from dtlib import datasets
from dtlib.claims._transfer_nets import Trainer, batches, start
from dtlib.experiments import protocol

SANDAL, SHIRT = 5, 6
SMALL = dict(data="sample", pixels=14, widths=(50,) * 5, draws=30)
USUAL = dict(data="sample", pixels=28, widths=(300, 100, 50, 50, 50), draws=30)
SCALES = {"quick": SMALL, "standard": USUAL, "full": USUAL | {"data": "full"}}
TUNING = 4  # draws on which rates are chosen; their numbers begin at 100
# Plain gradient descent: half-decades from the notes' rate to where it fails.
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
LABELS, BATCH, EPOCHS, FROZEN_EPOCHS = 200, 20, 20, 4
A_RATE, A_BATCH, A_EPOCHS = 0.05, 40, 6
LAYERS = 6  # five hidden ones and the output
SOURCES = ("clothes", "turned", "shuffled")


class Arm(NamedTuple):
    """How B's network starts and trains.

    `keep` layers are A's, the others new. `how` is "at once"; "frozen", A's layers
    never train; or "frozen first", they do after `FROZEN_EPOCHS`. `slower` divides the
    rate of all layers after that; with "at once" that of A's layers, all the time.
    """

    keep: int = 0
    how: str = "at once"
    slower: float = 1.0
    source: str = "clothes"
    labels: int = LABELS

    def rates(self, rate, epoch):
        """The rate of each layer in an epoch."""
        layers = np.full(LAYERS, float(rate))
        early = epoch < FROZEN_EPOCHS
        if self.how == "frozen" or (self.how == "frozen first" and early):
            layers[: self.keep] = 0
        elif self.how == "frozen first":
            layers /= self.slower
        else:
            layers[: self.keep] /= self.slower
        return layers


class Found(NamedTuple):
    """Of one arm at one rate: errors on test, and what validation says, a draw each.

    `curve` is the cross-entropy on validation before and after each epoch, (E + 1, D).
    """

    test: np.ndarray
    valid: np.ndarray
    curve: np.ndarray


class Tuned(NamedTuple):
    """In the trials: the rate with the fewest errors on validation, and how many.

    `trials` are the mean errors on test at every rate, which chose nothing.
    """

    rates: dict
    valid: dict
    trials: dict


@functools.cache
def data(scale):
    """Images in rows, labels 0…9, and the rows of the three parts."""
    setting = SCALES[scale]
    found = datasets.fashion_mnist(setting["data"], standardize=True)
    images, size = np.concatenate(found[::2]), setting["pixels"]
    k = 28 // size
    images = images.reshape(-1, size, k, size, k).mean(axis=(2, 4))
    ends = np.cumsum([len(part) for part in found[::2]])
    return images, np.concatenate(found[1::2]), np.split(np.arange(ends[-1]), ends[:-1])


def rows_of_b(scale, part):
    """The rows of sandals and shirts in a part: 0 training, 1 validation, 2 test."""
    _, labels, parts = data(scale)
    return parts[part][np.isin(labels[parts[part]], (SANDAL, SHIRT))]


def pool(scale, draw, labels):
    """The labelled images of a draw, as many sandals as shirts; the small in the large.

    All images of the training part, and those of the validation part where more are
    asked for: the rate was then chosen with fewer.
    """
    _, y, _ = data(scale)
    mine = rows_of_b(scale, 0)
    if labels > len(mine):
        mine = np.concatenate([mine, rows_of_b(scale, 1)])
    mine = np.random.default_rng([draw, 5]).permutation(mine)
    halves = [mine[y[mine] == c][: labels // 2] for c in (SANDAL, SHIRT)]
    return np.concatenate(halves)


def seen(images, source):
    """The images as a source's A sees them; its labels are the same."""
    if source == "turned":
        images = np.rot90(images, axes=(1, 2))
    flat = images.reshape(len(images), -1)
    if source == "shuffled":
        flat = flat[:, np.random.default_rng(0).permutation(flat.shape[1])]
    return flat


@functools.cache
def sources(scale, source, draws):
    """The trained weights of A, `{draw: weights}`, and its accuracy on validation."""
    images, labels, parts = data(scale)
    flat = seen(images, source)
    sizes = [flat.shape[1], *SCALES[scale]["widths"], 8]
    others = [part[~np.isin(labels[part], (SANDAL, SHIRT))] for part in parts]
    names = np.setdiff1d(np.arange(10), (SANDAL, SHIRT))
    eight = np.searchsorted(names, labels) % 8  # of the two left out: never asked for
    starts = [start(sizes, draw) for draw in draws]
    many = Trainer(flat, eight, starts, A_BATCH)
    steps = len(others[0]) // A_BATCH
    for epoch in range(A_EPOCHS):
        columns = [batches(others[0], steps, A_BATCH, [d, epoch]) for d in draws]
        many.run(np.stack(columns, 1), np.full((LAYERS, len(draws)), A_RATE))
    wrong, _ = many.measure(others[1])
    return dict(zip(draws, many.weights(), strict=True)), 1 - wrong / len(others[1])


def draws_of(scale):
    """The numbers of the draws that are measured, and of those for the rates."""
    return tuple(range(SCALES[scale]["draws"])), tuple(range(100, 100 + TUNING))


def start_of(scale, arm, draw):
    """Weights of B before training: A's in the first layers, new ones after."""
    side = SCALES[scale]["pixels"]
    sizes = [side * side, *SCALES[scale]["widths"], 1]
    new = start(sizes, 1000 + draw)
    if arm.keep == 0:
        return new
    learned, _ = sources(scale, arm.source, sum(draws_of(scale), ()))
    return learned[draw][: 2 * arm.keep] + new[2 * arm.keep :]


def train(scale, runs, *, steps, curves=False):
    """Train a network for each `(arm, rate, draw)`, side by side.

    Args:
        scale: One of `SCALES`.
        runs: A list of triples.
        steps: Steps an epoch, of `EPOCHS`.
        curves: Whether to measure on validation after each epoch.

    Returns:
        Errors on test and on validation, arrays (runs,), and the curve.
    """
    images, labels, _ = data(scale)
    starts = [start_of(scale, arm, draw) for arm, _, draw in runs]
    flat = images.reshape(len(images), -1)
    many = Trainer(flat, labels == SHIRT, starts, BATCH)
    orders = np.stack(
        [
            batches(pool(scale, draw, arm.labels), EPOCHS * steps, BATCH, [draw])
            for arm, _, draw in runs
        ],
        axis=1,
    )
    valid, curve = rows_of_b(scale, 1), []
    for epoch, rows in enumerate(np.split(orders, EPOCHS)):
        if curves:
            curve.append(many.measure(valid)[1])
        many.run(rows, np.stack([a.rates(r, epoch) for a, r, _ in runs], 1))
    wrong, loss = many.measure(valid)
    return many.measure(rows_of_b(scale, 2))[0], wrong, np.array([*curve, loss])


def tune(scale, arms, *, steps=10, grid=RATES):
    """Choose the rate of each arm: the fewest errors on validation, over all trials.

    Returns:
        `Tuned`: the rates, and in the trials the errors on test at every rate.
    """
    _, trials = draws_of(scale)
    tried = [(arm, rate, draw) for arm in arms for rate in grid for draw in trials]
    test, valid, _ = train(scale, tried, steps=steps)
    shape = len(arms), len(grid), len(trials)
    test, valid = test.reshape(shape), valid.reshape(shape)
    best = [grid[protocol.choose([*each.mean(-1)], "min")] for each in valid]
    trial = {
        arm: dict(zip(grid, each.mean(-1), strict=True))
        for arm, each in zip(arms, test, strict=True)
    }
    least = [each.mean(-1).min() for each in valid]
    return Tuned(
        dict(zip(arms, best, strict=True)), dict(zip(arms, least, strict=True)), trial
    )


def measure(scale, rates, draws, *, steps=10):
    """`{arm: Found}` at the rates chosen, `{arm: rate}`, one run for each draw."""
    runs = [(arm, rate, draw) for arm, rate in rates.items() for draw in draws]
    test, valid, curve = train(scale, runs, steps=steps, curves=True)
    found = {}
    for i, arm in enumerate(rates):
        own = slice(i * len(draws), (i + 1) * len(draws))
        found[arm] = Found(test[own], valid[own], curve[:, own])
    return found


def log_ratio(errors, against):
    """log of the ratio of errors, half an error added: a draw may have none."""
    return np.log((np.asarray(errors) + 0.5) / (np.asarray(against) + 0.5))
