"""What the claims on the first steps, on long budgets and on generalization measure.

The claims stand in `claims/optimizers.py`. Tests: tests/test_claims_optimizers.py.
"""

import functools
import itertools

import keras
import numpy as np

from dtlib import optimizers
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._optimizers_runs import ACCURACY, LOSS
from dtlib.claims._optimizers_sweep import epochs, text
from dtlib.claims.arms import crossing
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.optimizers import adam_update

LONG = 20  # epochs at the quick scale, two and a half times the sweep's
LONG_RATES = dict.fromkeys(
    ("SGD", "momentum", "Nesterov", "Adagrad"), (0.01, 0.03, 0.1, 0.3, 1.0)
)
LONG_RATES |= dict.fromkeys(("RMSprop", "Adam"), (0.0003, 0.001, 0.003, 0.01, 0.03))
# At 20 epochs every loss is still falling: whether one stops early shows later.
LONGEST = 100
SHARES = (0.05, 0.1, 0.2, 0.5)  # of that budget, shown beside its end
BY_LOSS = "each rate tuned by training loss"


def long_runs(arms, scale, cache=None, quick=LONG):
    """Arms at a long budget: {arm: Runs}."""
    return {
        arm: nets.train(
            nets.ARMS[arm], nets.TASK, scale, LONG_RATES[arm], epochs=quick, cache=cache
        )
        for arm in arms
    }


def gaps(pairs, scale, cache, *, least):
    """Evidence on final training losses, first − second; the first pair decides.

    At each budget every arm has the rate that is best at that budget. A shorter budget
    is a look at the same runs before their end.
    """
    arms = dict.fromkeys(arm for pair in pairs for arm in pair)
    found, rows, shown = long_runs(arms, scale, cache, LONGEST), [], []
    last = LONGEST * nets.TIMES[scale]
    numbers, losses = {}, {}
    for arm, share in itertools.product(arms, (*SHARES, 1)):
        runs, epoch = found[arm], round(share * last)
        best = runs.at(epoch)[runs.n :].mean(axis=0).argmin()
        losses[arm, epoch] = runs.at(epoch)[: runs.n, best]
        numbers[f"{arm}, {epoch} epochs: loss"] = losses[arm, epoch].mean()
        numbers[f"{arm}, {epoch} epochs: learning rate"] = runs.rates[best]
    for arm in arms:
        for rate, loss in zip(found[arm].rates, found[arm].at(last).T, strict=True):
            numbers[f"{arm} at {rate:g}: loss"] = loss[: found[arm].n].mean()
    for first, second in pairs:
        decides = (first, second) == pairs[0]
        for epoch in sorted({epoch for _, epoch in losses}, reverse=True):
            gap = losses[first, epoch] - losses[second, epoch]
            name = f"training loss after {epoch} epochs, {first} − {second}, each tuned"
            labels = dict(first=first, second=second, epochs=epoch, min_effect=least)
            now = decides and epoch == last
            (rows if now else shown).append(row(name, gap, decides=now, **labels))
    said = text(scale, length=epochs(scale, LONGEST), how=BY_LOSS)
    rows += shown
    return Evidence(combine(rows), numbers, rows, said)


class Uncorrected(optimizers.Adam):
    """Adam that can leave out the correction of the mean, of the square, or both.

    m̂ is m if α is multiplied by 1 − β₁ᵗ; v̂ is v if α and ε are divided by √(1 − β₂ᵗ).
    """

    def __init__(self, learning_rate, mean, square):
        super().__init__(learning_rate)
        self.mean, self.square = mean, square

    def update(self, g, w, t, learning_rate, m, v):
        rate, epsilon = learning_rate, self.epsilon
        if not self.mean:
            rate = rate * (1 - self.beta_1**t)
        if not self.square:
            root = keras.ops.sqrt(1 - self.beta_2**t)
            rate, epsilon = rate / root, epsilon / root
        betas = dict(beta_1=self.beta_1, beta_2=self.beta_2)
        return adam_update(g, m, v, t, learning_rate=rate, epsilon=epsilon, **betas)


VARIANTS = {
    "both": functools.partial(Uncorrected, mean=True, square=True),
    "neither": functools.partial(Uncorrected, mean=False, square=False),
    "square only": functools.partial(Uncorrected, mean=False, square=True),
    "mean only": functools.partial(Uncorrected, mean=True, square=False),
}
FIRST = 100  # steps
FIRST_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)


def corrections(scale, cache, *, least):
    """The evidence on C26: loss after 100 steps, a correction left out − both kept."""
    found = {
        name: nets.train(make, nets.TASK, scale, FIRST_RATES, steps=FIRST, cache=cache)
        for name, make in VARIANTS.items()
    }
    numbers, losses, best = {}, {}, {}
    for name, runs in found.items():
        losses[name] = runs.final(LOSS, "train")
        best[name] = runs.chosen(LOSS, "train")
        numbers[f"{name}: best rate"] = runs.rates[best[name]]
        for rate, loss in zip(runs.rates, losses[name].T, strict=True):
            numbers[f"{name} at {rate:g}: loss"] = loss.mean()
        g = mean_step(VARIANTS[name])
        for t in (1, 10, FIRST):
            numbers[f"{name}: step {t} in units of the rate"] = g[t - 1]
    default, rows = FIRST_RATES.index(0.001), []
    for tuned, (part, name) in itertools.product(
        (False, True), zip("abc", ("neither", "square only", "mean only"), strict=True)
    ):
        pick = best if tuned else dict.fromkeys(VARIANTS, default)
        gain = losses[name][:, pick[name]] - losses["both"][:, pick["both"]]
        how = "each tuned" if tuned else "rate 0.001"
        labels = dict(part=part, variant=name, tuned=tuned, decides=not tuned)
        title = f"loss after {FIRST} steps, corrected {name} − both, {how}"
        rows.append(row(title, gain, min_effect=least, **labels))
    said = text(scale, length=f"{FIRST} steps", how=BY_LOSS)
    return Evidence(combine(rows), numbers, rows, said)


def mean_step(make):
    """Length of the first 100 steps under a constant gradient, the rate being 1."""
    optimizer, w = make(1.0), keras.Variable(np.zeros(1, "float32"))
    lengths = []
    for _ in range(FIRST):
        before = float(w.numpy()[0])
        optimizer.apply([np.ones(1, "float32")], [w])
        lengths.append(before - float(w.numpy()[0]))
    return lengths


def generalization(scale, cache, *, least):
    """The evidence on C29: test errors at the lowest training loss both reach."""
    adaptive = ("Adagrad", "RMSprop", "Adam")
    found, rows, numbers = long_runs(("momentum", *adaptive), scale, cache), [], {}
    for arm in adaptive:
        pairs = np.array([*matched(found[arm], found["momentum"])])
        name = f"test error at equal training loss, {arm} − momentum"
        rows.append(row(name, pairs[:, 0] - pairs[:, 1], min_effect=least, arm=arm))
        for who, error in zip(
            (arm, "momentum"), pairs[:, :2].mean(axis=0), strict=True
        ):
            numbers[f"{arm} and momentum: test error of {who}"] = error
        numbers[f"{arm} and momentum: training loss"] = pairs[:, 2].mean()
    for arm, runs in found.items():
        numbers[f"{arm}: test error"] = 1 - runs.tuned().mean()
        numbers[f"{arm}: learning rate"] = runs.rate()
    said = text(scale, length=epochs(scale, LONG))
    return Evidence(combine(rows), numbers, rows, said)


def matched(first, second):
    """A row a seed: test errors of two `Runs` at the lowest loss both reach, and it."""
    k = [runs.chosen() for runs in (first, second)]
    pair = [runs.history(i) for runs, i in zip((first, second), k, strict=True)]
    tests = [
        runs.history(i, ACCURACY, "test")
        for runs, i in zip((first, second), k, strict=True)
    ]
    for s in range(first.n):
        level = max(curves[s].min() for curves in pair)
        errors = [
            1 - np.interp(crossing(c[s], level), np.arange(len(c[s])), test[s])
            for c, test in zip(pair, tests, strict=True)
        ]
        yield [*errors, level]
