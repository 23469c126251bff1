"""Larger batches at the rate that a rule names: many networks, a program a batch.

The networks and their starts are those of `_optimizers_nets`. The number of epochs is
the same for all batches, so a batch k times as large takes one step where the base
takes k. Tests: tests/test_claims_scaling.py.
"""

import functools
import itertools
from typing import NamedTuple

import keras
import numpy as np

from dtlib import datasets, optimizers, scaling, training
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._schedules_nets import Table
from dtlib.claims.arms import SETTINGS, WIDTHS, remembered
from dtlib.claims.evidence import row

BASE = 32
BATCHES = (32, 64, 128, 256, 512, 1024)
EPOCHS = {"quick": 12, "standard": 20, "full": 20}
KINDS = {"momentum": nets.momentum(0.9), "Adam": optimizers.Adam}
# From one batch to the next the linear rule moves by one of these, the root by half.
GRID = {
    "momentum": tuple(2.0 ** np.arange(-7, 1)),
    "Adam": tuple(2.0 ** np.arange(-9, -2)),
}
RULES = {"unscaled": None, "linear": "linear", "square root": "sqrt"}
WARM = {"momentum": "linear", "Adam": "square root"}  # the rule each is known for
WARM_SHARE = 6  # of all steps a sixth climbs from the base rate to the scaled one
FAR = 256  # 8 times the base: there a warm-up is expected to be needed
GUESS = 1 / nets.CLASSES  # the accuracy of a network that has diverged
AT_ONCE = 1000  # examples measured in one call


class Arm(NamedTuple):
    """A rate, what its networks score on test, and how many of them diverged."""

    rate: float
    test: np.ndarray
    diverged: int


@functools.cache
def data(scale):
    """Six arrays. At the quick scale the largest batch is half of the first."""
    drawn = 4096 if scale == "quick" else 20480
    found = datasets.mnist1d(drawn, 4000, validation_split=0.5)
    return tuple(
        p.reshape(len(p), -1) if k % 2 == 0 else p for k, p in enumerate(found)
    )


def arms(kind):
    """The names of the arms of one optimizer, in order."""
    return (*RULES, "tuned", f"{WARM[kind]}, warm-up")


def table(columns, steps):
    """The rate at every step, (steps, columns), from pairs of a first rate and a last.

    >>> table([(0.1, 0.1), (0.1, 0.5)], 12)[:4].round(2).tolist()
    [[0.1, 0.1], [0.1, 0.3], [0.1, 0.5], [0.1, 0.5]]
    """
    risen = np.minimum(np.arange(steps) / (steps // WARM_SHARE), 1)[:, None]
    first, last = np.array(columns).T
    return first + risen * (last - first)


def train(kind, batch, columns, seeds, scale, cache):
    """Accuracies on the validation and the test part: array (2, seeds, columns).

    A network whose loss is not finite in the end has diverged: NaN.

    Args:
        kind: One of `KINDS`.
        batch: Rows in a batch.
        columns: Pairs of rates, as for `table`.
        seeds: Of the starts and the orders.
        scale: One of the claims' scales.
        cache: None, or a folder where the result is kept.
    """

    def run():
        return _train(kind, batch, columns, seeds, scale).tolist()

    key, code = (kind, batch, columns, seeds, scale), (__file__, nets.__file__)
    return np.array(remembered(run, cache, "batches", *key, code=code))


def _train(kind, batch, columns, seeds, scale):
    x, y, *watched = data(scale)
    epochs = EPOCHS[scale]
    steps = epochs * len(x) // batch
    starts = [nets.start(nets.TASK, scale, seed) for seed in seeds]
    keras.utils.set_random_seed(0)
    examples = np.concatenate([x, *watched[::2]])
    many = nets.Nets(examples, starts, len(columns), "relu")
    many.compile(KINDS[kind](Table(table(columns, steps), len(seeds))))
    orders = nets.chunks(len(x), seeds, batch, epochs, None)
    rows = np.concatenate(orders)[: steps * batch].astype("int32")
    training.fit(many, rows, y[rows].astype("int32"), batch_size=batch, shuffle=False)
    labels = watched[1::2]
    numbers = len(x) + np.arange(sum(map(len, labels)))
    right, finite = measured(many, numbers, np.concatenate(labels), len(seeds))
    parts = np.split(right, [len(labels[0])], axis=-1)
    return np.where(finite, [part.mean(axis=-1) for part in parts], np.nan)


def measured(many, numbers, labels, seeds):
    """Which examples each network gets right, (S, R, n), and is its loss finite?"""
    right, loss = [], 0.0
    for first in range(0, len(numbers), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        rows, y = (np.repeat(v[part, None], seeds, 1) for v in (numbers, labels))
        losses, hits = many.each(y.astype("int32"), many(rows.astype("int32")))
        right.append(np.array(hits))
        loss = loss + np.array(losses).sum(axis=-1)
    return np.concatenate(right, axis=-1), np.isfinite(loss)


@functools.cache
def compared(kind, scale, cache=None):
    """Every arm at every batch: `{(arm, batch): Arm}`.

    The rate of a rule is the base's, tuned at batch `BASE`, times what it says; the arm
    "tuned" has the best of the grid at its own batch. Diverged networks guess.
    """
    setting, found, grid, base = SETTINGS[scale], {}, GRID[kind], None
    seeds, tuning = list(setting["seeds"]), list(setting["tune_seeds"])
    for batch in BATCHES:
        columns = [(rate, rate) for rate in grid]
        valid, _ = train(kind, batch, columns, tuning, scale, cache)
        best = grid[np.nan_to_num(valid).mean(axis=0).argmax()]
        base = base or best  # the first batch is `BASE`
        rates = {arm: ruled(base, batch, rule) for arm, rule in RULES.items()}
        rates |= {"tuned": best, arms(kind)[-1]: rates[WARM[kind]]}
        columns = [(rate, rate) for rate in rates.values()]
        columns[-1] = base, columns[-1][1]
        used = columns[:1] if batch == BASE else columns
        _, test = train(kind, batch, used, seeds, scale, cache)
        for i, (arm, rate) in enumerate(rates.items()):
            found[arm, batch] = arm_of(rate, test[:, min(i, len(used) - 1)])
    return found


def arm_of(rate, test):
    """An `Arm`, its diverged networks made to guess."""
    lost = np.isnan(test)
    return Arm(rate, np.where(lost, GUESS, test), int(lost.sum()))


def ruled(base, batch, rule):
    """The rate that a rule names for a batch."""
    if rule is None:
        return base
    sizes = dict(batch_size=batch, base_batch_size=BASE)
    return scaling.scaled_learning_rate(base, **sizes, rule=rule)


def rows(found, least):
    """The claim's parts: a rule against the base, and what warm-up adds."""
    said = []
    for kind, part in (("momentum", "a"), ("Adam", "b")):
        rule = WARM[kind]
        said += [_same(found, kind, rule, b, least, part=part) for b in BATCHES[1:]]
    scores = {key: one.test for key, one in found["momentum"].items()}
    warm = arms("momentum")[-1]
    gains = {b: scores[warm, b] - scores["linear", b] for b in BATCHES[1:]}
    far = [gain for b, gain in gains.items() if b >= FAR]
    name = f"C70c: momentum, warm-up − none, mean of batches ≥ {FAR}"
    labels = dict(optimizer="momentum", arm=warm, against="linear")
    gain = np.mean(far, axis=0)
    said.append(row(name, gain, min_effect=least, part="c", **labels))
    shown = dict(min_effect=least, decides=False)
    for b, gain in gains.items():
        name = f"momentum, warm-up − none at {b}"
        said.append(row(name, gain, batch=b, **labels, **shown))
    for kind in KINDS:
        others = [arm for arm in arms(kind) if arm != WARM[kind]]
        for arm in others:
            said += [_same(found, kind, arm, b, least) for b in BATCHES[1:]]
        for other in ("tuned", "linear")[: 1 + (kind == "Adam")]:
            said += [_gap(found[kind], kind, other, b, least) for b in BATCHES[1:]]
    return said


def _same(found, kind, arm, batch, least, part=None):
    """Row: an arm at a batch equals the base; a part of the claim decides."""
    scores = [found[kind][at].test for at in ((arm, batch), (arm, BASE))]
    labels = dict(optimizer=kind, arm=arm, batch=batch, against="base")
    labels |= dict(part=part) if part else dict(decides=False)
    name = f"{f'C70{part}: ' if part else ''}{kind}, {arm} at {batch} − base"
    how = dict(min_effect=least, relation="equals")
    return row(name, scores[0] - scores[1], **how, **labels)


def _gap(found, kind, other, batch, least):
    """Row to be shown: is the rule's rate as good as the tuned, better than the linear?

    The arm `other` names which of the two.
    """
    gain = found[WARM[kind], batch].test - found[other, batch].test
    name = f"{kind}, {WARM[kind]} − {other} at {batch}"
    labels = dict(optimizer=kind, arm=WARM[kind], batch=batch, against=other)
    relation = "equals" if other == "tuned" else "beats"
    how = dict(min_effect=least, relation=relation, decides=False)
    return row(name, gain, **how, **labels)


def numbers(found, judged):
    """What the chapter quotes: accuracy and rate of every arm at every batch, …"""
    told = {}
    for kind, every in found.items():
        for (arm, batch), one in every.items():
            name = f"{kind}, {arm} at {batch}"
            told[f"{name}: accuracy"] = one.test.mean()
            told[f"{name}: learning rate"] = one.rate
            told[f"{name}: diverged"] = one.diverged
        rates = [every["tuned", batch].rate for batch in BATCHES]
        told[f"{kind}: exponent"] = np.polyfit(np.log(BATCHES), np.log(rates), 1)[0]
        for arm in arms(kind):
            told |= reach(f"{kind}, {arm}", judged, (kind, arm, "base"))
        rule = WARM[kind]
        told |= reach(f"{kind}, {rule} − tuned", judged, (kind, rule, "tuned"))
    return told


def reach(name, judged, which):
    """The largest batch before a row is not supported, the first contradicted: or 0."""
    of = [one for one in judged if "batch" in one and _which(one) == which]
    outcomes = {one["batch"]: one["outcome"] for one in of}
    held = itertools.takewhile(lambda b: outcomes[b] == "supported", outcomes)
    failed = [b for b, outcome in outcomes.items() if outcome == "contradicted"]
    largest, first = max(held, default=BASE), min(failed, default=0)
    return {f"{name}: holds to batch": largest, f"{name}: fails from batch": first}


def _which(one):
    return one["optimizer"], one["arm"], one["against"]


def text(scale):
    """What was run."""
    setting = SETTINGS[scale]
    grids = "; ".join(
        f"{kind}: powers of two from {grid[0]:.2g} to {grid[-1]:.2g}"
        for kind, grid in GRID.items()
    )
    return (
        f"MNIST-1D, {len(data(scale)[0])} training examples, 2 ReLU layers "
        f"of {WIDTHS[scale]} units, {EPOCHS[scale]} epochs at every batch from {BASE} "
        f"to {BATCHES[-1]}; {len(setting['seeds'])} paired seeds, test accuracy. Rates "
        f"tuned on validation with {len(setting['tune_seeds'])} others, {grids}. The "
        "base rate is the one tuned at the smallest batch. Warm-up: a straight line "
        "from it to the scaled one, over the first sixth of the steps."
    )
