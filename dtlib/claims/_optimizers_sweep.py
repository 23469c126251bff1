"""One sweep, every optimizer at every rate, and what five claims read off it.

The claims stand in `claims/optimizers.py`. Tests: tests/test_claims_optimizers.py.
"""

import functools
import itertools

import keras
import numpy as np
from scipy import stats

from dtlib import experiments, schedules
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims.arms import LEAST, SETTINGS, crossing
from dtlib.claims.evidence import Evidence, combine, row

ADAPTIVE = ("Adagrad", "RMSprop", "Adam", "Adamax", "Nadam")
PLAIN = ("SGD", "momentum", "Nesterov")
TASKS = (nets.TASK, nets.TANH, nets.IMAGES)
# On the other tasks: around the optimum, and equally many for all.
AROUND = dict.fromkeys(ADAPTIVE, (0.001, 0.003, 0.01, 0.03, 0.1))
AROUND["Nesterov"] = (0.003, 0.01, 0.03, 0.1, 0.3)


def sweep(scale, cache=None, arms=nets.ARMS):
    """Every optimizer × every rate, on MNIST-1D at the quick scale: {arm: Runs}."""
    return {
        arm: nets.train(nets.ARMS[arm], nets.TASK, scale, cache=cache) for arm in arms
    }


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    """R rates that fall together along half a cosine, to 0 after `steps`."""

    def __init__(self, rates, steps):
        self.rates, self.steps = rates, steps

    def __call__(self, step):
        whole = dict(initial_learning_rate=1.0, decay_steps=self.steps, alpha=0.0)
        return self.rates() * schedules.cosine_decay(
            step, **whole, warmup_target=None, warmup_steps=0
        )


def _falling(make, steps, rates):
    return make(Falling(rates, steps))


@functools.cache
def falling(arm, scale):
    """The optimizer of this name, its rate falling along a cosine over the sweep."""
    steps = nets.EPOCHS * nets.TIMES[scale] * nets.steps_an_epoch(scale)
    return functools.partial(_falling, nets.ARMS[arm], steps)


def on_tasks(arms, scale, cache=None):
    """{(task, arm): Runs} on the three tasks; the first is the sweep's."""
    found = {}
    for task, arm in itertools.product(TASKS, arms):
        rates = nets.RATES if task == nets.TASK else AROUND[arm]
        found[task, arm] = nets.train(nets.ARMS[arm], task, scale, rates, cache=cache)
    return found


def text(scale, tasks=(nets.TASK,), length=None, how="each optimizer's rate tuned"):
    """One sentence: what was run; `length` in words, by default the sweep's."""
    setting = SETTINGS[scale]
    return (
        f"{' · '.join(tasks)}; {length or epochs(scale)}, {len(setting['seeds'])} "
        f"paired seeds, {how} on validation with {len(setting['tune_seeds'])} others."
    )


def epochs(scale, quick=nets.EPOCHS):
    """The budget at a scale, in words.

    >>> epochs("standard", quick=8)
    '16 epochs'
    """
    return f"{quick * nets.TIMES[scale]} epochs"


def tuned_numbers(found):
    """Accuracy, rate and diverged runs of each task and arm, as numbers."""
    numbers = {}
    for (task, arm), runs in found.items():
        name = arm if task == nets.TASK else f"{arm}, {task}"
        numbers |= runs.told(name)
    return numbers


def widths(scale, cache, *, least, gain):
    """The evidence on C49: decades of rates within a point of the best accuracy.

    Beside it, what a rate that falls along a cosine gains; `gain` would count.
    """
    found, numbers = sweep(scale, cache), {}
    width, shown = {}, []
    for arm, runs in found.items():
        scores = runs.final()
        width[arm] = np.array([decades(runs.rates, s) for s in scores])
        for rate, score in zip(runs.rates, scores.mean(axis=0), strict=True):
            numbers[f"{arm} at {rate:g}: accuracy"] = score
        cosine = nets.train(falling(arm, scale), nets.TASK, scale, cache=cache)
        for name, each in {arm: runs, f"{arm}, cosine": cosine}.items():
            low, high = experiments.interval(each.tuned())
            numbers[f"{name}: best rate"] = each.rate()
            numbers[f"{name}: accuracy"] = each.tuned().mean()
            numbers |= {f"{name}: low": low, f"{name}: high": high}
        name, part = f"accuracy: {arm} with a cosine − constant", dict(kind="schedule")
        more = cosine.tuned() - runs.tuned()
        shown.append(row(name, more, min_effect=gain, decides=False, arm=arm, **part))
        numbers[f"{arm}: decades"] = width[arm].mean()
        mean = decades(runs.rates, scores.mean(axis=0))
        numbers[f"{arm}: decades of the mean curve"] = mean
        numbers[f"{arm}: diverged"] = int(runs.diverged[: runs.n].sum())
        for epoch, loss in enumerate(runs.history(runs.chosen()).mean(axis=0)):
            numbers[f"{arm}, epoch {epoch}: training loss"] = loss
    told = np.mean([width[arm] for arm in ADAPTIVE], axis=0)
    told = told - np.mean([width[arm] for arm in PLAIN], axis=0)
    name = "decades within a point of the best: adaptive − not"
    rows = [row(name, told, min_effect=least)]
    for arm in found:
        if arm != "momentum":
            more = width[arm] - width["momentum"]
            name = f"decades: {arm} − momentum"
            rows.append(row(name, more, min_effect=least, decides=False, arm=arm))
    rows += shown
    how = f"{len(nets.RATES)} rates from {nets.RATES[0]:g} to {nets.RATES[-1]:g}"
    return Evidence(
        combine(rows),
        numbers,
        rows,
        f"{text(scale, how=f'{how}; the best rate chosen')} Decades are read off each "
        f"seed's test accuracy, interpolated between rates. Adaptive: "
        f"{', '.join(ADAPTIVE)}; not: {', '.join(PLAIN)}. The cosine falls to 0 at the "
        "end, its peak tuned over the same rates.",
    )


def decades(rates, scores, within=LEAST):
    """How much of the axis log10(rate) has a score within `within` of the best.

    >>> round(decades((0.1, 1.0, 10.0), np.array([0.0, 0.02, 0.0])), 3)
    1.0
    """
    fine = np.linspace(np.log10(rates[0]), np.log10(rates[-1]), 2001)
    values = np.interp(fine, np.log10(rates), scores)
    return float(np.mean(values >= values.max() - within) * (fine[-1] - fine[0]))


def shares(scale, cache, *, usually, sometimes, least):
    """The evidence on C27: how often Nadam wins over Adam, and RMSprop over Nadam."""
    arms = ("RMSprop", "Adam", "Nadam")
    found = on_tasks(arms, scale, cache)
    scores = {
        arm: np.concatenate([found[task, arm].tuned() for task in TASKS])
        for arm in arms
    }
    wins = (np.sign(scores["Nadam"] - scores["Adam"]) + 1) / 2
    other = (scores["RMSprop"] - scores["Nadam"] >= least).astype("float64")
    name, share = "Nadam's share of wins over Adam − ½", wins - usually
    rows = [row(name, share, min_effect=0, part="a")]
    name = "RMSprop's share of wins over Nadam"
    rows.append(row(name, other, min_effect=sometimes, part="b"))
    for task in TASKS:
        gain = found[task, "Nadam"].tuned() - found[task, "Adam"].tuned()
        part = dict(min_effect=least, decides=False, task=task)
        rows.append(row(f"Nadam − Adam, accuracy, {task}", gain, **part))
    numbers = {"Nadam's share": wins.mean(), "RMSprop's share": other.mean()}
    numbers |= tuned_numbers(found)
    return Evidence(combine(rows), numbers, rows, text(scale, TASKS))


def on_every_task(first, second, scale, cache, *, least):
    """Evidence that one optimizer is more accurate than another on each task."""
    found = on_tasks((second, first), scale, cache)
    rows = [
        row(
            f"{first} − {second}, accuracy, {task}",
            found[task, first].tuned() - found[task, second].tuned(),
            min_effect=least,
            task=task,
        )
        for task in TASKS
    ]
    return Evidence(combine(rows), tuned_numbers(found), rows, text(scale, TASKS))


def fall_back(scale, cache, *, least):
    """The evidence on C69: Nesterov − the adaptive one that validation ranks last."""
    adaptive = ("RMSprop", "Adam", "Adamax", "Nadam")
    found, gains, worst = on_tasks((*adaptive, "Nesterov"), scale, cache), [], []
    for task in TASKS:
        tried = {arm: found[task, arm].trials().max() for arm in adaptive}
        worst.append(min(tried, key=tried.get))
        gains.append(found[task, "Nesterov"].tuned() - found[task, worst[-1]].tuned())
    name = "Nesterov − the adaptive optimizer that disappoints, accuracy"
    rows = [row(f"{name}, all tasks", np.concatenate(gains), min_effect=least)]
    for task, arm, gain in zip(TASKS, worst, gains, strict=True):
        part = dict(min_effect=least, decides=False, task=task, arm=arm)
        rows.append(row(f"Nesterov − {arm}, accuracy, {task}", gain, **part))
    more = " It disappoints where the tuning seeds' validation ranks it last of "
    more += f"{', '.join(adaptive)}."
    numbers = tuned_numbers(found)
    return Evidence(combine(rows), numbers, rows, text(scale, TASKS) + more)


# Stars for speed and for quality; "two or three" is 2.5.
STARS = {
    "SGD": (1, 3),
    "momentum": (2, 3),
    "Nesterov": (2, 3),
    "Adagrad": (3, 1),
    "RMSprop": (3, 2.5),
    "Adam": (3, 2.5),
    "Nadam": (3, 2.5),
    "Adamax": (3, 2.5),
}


def table_of_stars(scale, cache, *, least):
    """The evidence on C30: the order of the stars and that of the measurements."""
    found = sweep(scale, cache, tuple(STARS))
    sgd = found["SGD"].tried(found["SGD"].chosen())
    level = sgd[(len(sgd) - 1) // 2]
    speed, quality = {}, {}
    for arm, runs in found.items():
        curves = runs.history(runs.chosen())
        speed[arm] = -np.array([crossing(curve, level) for curve in curves])
        quality[arm] = runs.tuned()
    rows, numbers = [], {"training loss to reach": level}
    for k, (part, kind, values) in enumerate(
        (("a", "speed", speed), ("b", "quality", quality))
    ):
        told = [STARS[arm][k] for arm in STARS]
        table = np.array([values[arm] for arm in STARS])  # (arms, seeds)
        tau = [stats.kendalltau(told, stars(seed)).statistic for seed in table.T]
        name = f"Kendall's τ, stars told and measured: {kind}"
        rows.append(row(name, tau, min_effect=least, part=part, kind=kind))
        # Below 1, since the table has other ties than terciles have.
        right = stars(stats.rankdata(told, method="ordinal"))
        numbers[f"{kind}: τ if the order were right"] = stats.kendalltau(
            told, right
        ).statistic
        for arm, mean in zip(STARS, stars(table.mean(axis=1)), strict=True):
            numbers[f"{arm}: {kind} told"] = STARS[arm][k]
            numbers[f"{arm}: {kind} measured"] = mean
    for arm in STARS:
        numbers[f"{arm}: steps"] = -speed[arm].mean() * nets.steps_an_epoch(scale)
        numbers[f"{arm}: accuracy"] = quality[arm].mean()
    return Evidence(combine(rows), numbers, rows, text(scale))


def stars(values):
    """One to three: the tercile of each value among all, ties together.

    >>> stars([10.0, 30.0, 20.0])
    array([1., 3., 2.])
    """
    return np.ceil(3 * stats.rankdata(values) / len(values))
