"""The claims of the chapter `optimizers` on the first steps and on long budgets.

Tests: tests/test_claims_optimizers.py.
"""

import functools
import itertools

import keras
import numpy as np

from dtlib import optimizers
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._optimizers_runs import ACCURACY, LOSS, crossing
from dtlib.claims.arms import LEAST
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.optimizers import GERON, text
from dtlib.claims.registry import claim
from dtlib.optimizers import adam_update

LONG = 20  # epochs at the quick scale, two and a half times the sweep's
LONG_RATES = dict.fromkeys(("SGD", "momentum", "Nesterov"), (0.01, 0.03, 0.1, 0.3, 1.0))
LONG_RATES["Adagrad"] = (0.003, 0.01, 0.03, 0.1, 0.3)
LONG_RATES |= dict.fromkeys(("RMSprop", "Adam"), (0.0003, 0.001, 0.003, 0.01, 0.03))
LEAST_LOSS = 0.05  # nats: a twentieth of what such a network has left after training


def long_runs(arms, scale, cache=None):
    """Arms at a long budget: {arm: Runs}."""
    return {
        arm: nets.train(
            nets.ARMS[arm], nets.TASK, scale, LONG_RATES[arm], epochs=LONG, cache=cache
        )
        for arm in arms
    }


def final_losses(arms, scale, cache):
    """{arm: final training losses at the rate tuned by it}, and the numbers."""
    found, losses, numbers = long_runs(arms, scale, cache), {}, {}
    for arm, runs in found.items():
        best = runs.chosen(LOSS, "train")
        losses[arm] = runs.final(LOSS, "train")[:, best]
        numbers[f"{arm}: loss"] = losses[arm].mean()
        numbers[f"{arm}: learning rate"] = runs.rates[best]
        halves = runs.history(best).mean(axis=0)
        numbers[f"{arm}: loss at half"] = halves[(len(halves) - 1) // 2]
        for rate, loss in zip(runs.rates, runs.final(LOSS, "train").T, strict=True):
            numbers[f"{arm} at {rate:g}: loss"] = loss.mean()
    return losses, numbers


@claim(
    "C24",
    statement="AdaGrad stops too early: at a long budget its loss stays above SGD's",
    source=GERON,
    chapter="optimizers",
)
def c24(scale, *, cache=None, **running):
    """Final training loss, AdaGrad − SGD, each tuned; beside it, both at rate 0.01."""
    losses, numbers = final_losses(("SGD", "Adagrad"), scale, cache)
    gap = losses["Adagrad"] - losses["SGD"]
    rows = [row("training loss, Adagrad − SGD, each tuned", gap, min_effect=LEAST_LOSS)]
    found = long_runs(("SGD", "Adagrad"), scale, cache)
    same = [
        runs.final(LOSS, "train")[:, runs.rates.index(0.01)] for runs in found.values()
    ]
    part = dict(min_effect=LEAST_LOSS, decides=False, rate=0.01)
    rows.append(
        row("training loss, Adagrad − SGD, rate 0.01", same[1] - same[0], **part)
    )
    how = "each rate tuned by training loss"
    return Evidence(combine(rows), numbers, rows, text(scale, epochs=LONG, how=how))


@claim(
    "C25",
    statement="RMSProp cures AdaGrad's early stop",
    source=GERON,
    chapter="optimizers",
)
def c25(scale, *, cache=None, **running):
    """Final training loss, AdaGrad − RMSProp, each tuned; beside it, SGD − RMSProp."""
    losses, numbers = final_losses(("SGD", "Adagrad", "RMSprop"), scale, cache)
    rows = [
        row(
            f"training loss, {arm} − RMSprop, each tuned",
            losses[arm] - losses["RMSprop"],
            min_effect=LEAST_LOSS,
            decides=arm == "Adagrad",
            arm=arm,
        )
        for arm in ("Adagrad", "SGD")
    ]
    how = "each rate tuned by training loss"
    return Evidence(combine(rows), numbers, rows, text(scale, epochs=LONG, how=how))


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
FIRST_RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)


@claim(
    "C26",
    statement="Both of Adam's corrections speed up the start of training",
    source=f"{GERON}: they boost the two averages at the beginning",
    chapter="optimizers",
)
def c26(scale, *, cache=None, **running):
    """Training loss after 100 steps, a correction left out − both kept.

    At Adam's default rate, where the sentence is meant, and beside it each tuned.
    """
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
        rows.append(row(title, gain, min_effect=LEAST_LOSS, **labels))
    how = "each rate tuned by training loss"
    more = f" Stopped after {FIRST} steps."
    said = text(scale, epochs=3, how=how)
    return Evidence(combine(rows), numbers, rows, said + more)


def mean_step(make):
    """Length of the first 100 steps under a constant gradient, the rate being 1."""
    optimizer, w = make(1.0), keras.Variable(np.zeros(1, "float32"))
    lengths = []
    for _ in range(FIRST):
        before = float(w.numpy()[0])
        optimizer.apply([np.ones(1, "float32")], [w])
        lengths.append(before - float(w.numpy()[0]))
    return lengths


@claim(
    "C29",
    statement="Adaptive optimizers generalize worse than momentum",
    source=f"Wilson et al., 2017; {GERON}",
    chapter="optimizers",
)
def c29(scale, *, cache=None, **running):
    """Test error, adaptive − momentum, where both have the same training loss.

    Each at its tuned rate; the loss is the lowest that both reach, so that the better
    trained of the two is not called the better generalizing.
    """
    adaptive = ("Adagrad", "RMSprop", "Adam")
    found, rows, numbers = long_runs(("momentum", *adaptive), scale, cache), [], {}
    for arm in adaptive:
        pairs = np.array(matched(found[arm], found["momentum"]))
        name = f"test error at equal training loss, {arm} − momentum"
        rows.append(row(name, pairs[:, 0] - pairs[:, 1], min_effect=LEAST, arm=arm))
        for who, error in zip(
            (arm, "momentum"), pairs[:, :2].mean(axis=0), strict=True
        ):
            numbers[f"{arm} and momentum: test error of {who}"] = error
        numbers[f"{arm} and momentum: training loss"] = pairs[:, 2].mean()
    for arm, runs in found.items():
        numbers[f"{arm}: test error"] = 1 - runs.tuned().mean()
        numbers[f"{arm}: learning rate"] = runs.rate()
    return Evidence(combine(rows), numbers, rows, text(scale, epochs=LONG))


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
