"""The claims of the chapter `optimizers`: which one, at which rate, how good, how fast.

All but those of `_optimizers_speed` rest on one sweep: every optimizer at every rate.
Tests: tests/test_claims_optimizers.py.
"""

import itertools

import numpy as np
from scipy import stats

from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._optimizers_runs import crossing
from dtlib.claims.arms import LEAST, SETTINGS
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11, and the notes that follow it"
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


def on_tasks(arms, scale, cache=None):
    """{(task, arm): Runs} on the three tasks; the first is the sweep's."""
    found = {}
    for task, arm in itertools.product(TASKS, arms):
        rates = nets.RATES if task == nets.TASK else AROUND[arm]
        found[task, arm] = nets.train(nets.ARMS[arm], task, scale, rates, cache=cache)
    return found


def text(scale, tasks=(nets.TASK,), epochs=8, how="each optimizer's rate tuned"):
    """One sentence: what was run."""
    setting = SETTINGS[scale]
    times = {"quick": 1, "standard": 2, "full": 3}[scale]
    return (
        f"{' · '.join(tasks)}; {epochs * times} epochs, {len(setting['seeds'])} "
        f"paired seeds, {how} on validation with {len(setting['tune_seeds'])} others."
    )


def tuned_numbers(found):
    """Accuracy, rate and diverged runs of each task and arm, as numbers."""
    numbers = {}
    for (task, arm), runs in found.items():
        name = arm if task == nets.TASK else f"{arm}, {task}"
        numbers[f"{name}: accuracy"] = runs.tuned().mean()
        numbers[f"{name}: learning rate"] = runs.rate()
        numbers[f"{name}: diverged"] = int(runs.diverged[: runs.n, runs.chosen()].sum())
    return numbers


@claim(
    "C49",
    statement="Adaptive optimizers need less tuning of the learning rate",
    source=GERON,
    chapter="optimizers",
)
def c49(scale, *, cache=None, **running):
    """How many decades of rates lie within a point of each optimizer's best accuracy.

    A quarter of a decade is the smallest effect: half a step of the grid.
    """
    found, numbers = sweep(scale, cache), {}
    width = {}
    for arm, runs in found.items():
        scores = runs.final()
        width[arm] = np.array([decades(runs.rates, s) for s in scores])
        for rate, score in zip(runs.rates, scores.mean(axis=0), strict=True):
            numbers[f"{arm} at {rate:g}: accuracy"] = score
        numbers[f"{arm}: best rate"] = runs.rate()
        numbers[f"{arm}: accuracy"] = runs.tuned().mean()
        numbers[f"{arm}: decades"] = width[arm].mean()
        mean = decades(runs.rates, scores.mean(axis=0))
        numbers[f"{arm}: decades of the mean curve"] = mean
        numbers[f"{arm}: diverged"] = int(runs.diverged[: runs.n].sum())
    told = np.mean([width[arm] for arm in ADAPTIVE], axis=0)
    told = told - np.mean([width[arm] for arm in PLAIN], axis=0)
    name = "decades within a point of the best: adaptive − not"
    rows = [row(name, told, min_effect=0.25)]
    for arm in found:
        if arm != "momentum":
            more = width[arm] - width["momentum"]
            name = f"decades: {arm} − momentum"
            rows.append(row(name, more, min_effect=0.25, decides=False, arm=arm))
    how = f"{len(nets.RATES)} rates from {nets.RATES[0]:g} to {nets.RATES[-1]:g}"
    return Evidence(
        combine(rows),
        numbers,
        rows,
        f"{text(scale, how=f'{how}; the best rate chosen')} Decades are read off each "
        f"seed's test accuracy, interpolated between rates. Adaptive: "
        f"{', '.join(ADAPTIVE)}; not: {', '.join(PLAIN)}.",
    )


def decades(rates, scores, within=LEAST):
    """How much of the axis log10(rate) has a score within `within` of the best.

    >>> round(decades((0.1, 1.0, 10.0), np.array([0.0, 0.02, 0.0])), 3)
    1.0
    """
    fine = np.linspace(np.log10(rates[0]), np.log10(rates[-1]), 2001)
    values = np.interp(fine, np.log10(rates), scores)
    return float(np.mean(values >= values.max() - within) * (fine[-1] - fine[0]))


@claim(
    "C27",
    statement="Nadam usually beats Adam; sometimes RMSprop beats Nadam",
    source=f"Dozat, 2016; {GERON}",
    chapter="optimizers",
)
def c27(scale, *, cache=None, **running):
    """Shares of the pairs task × seed: (a) Nadam above Adam; (b) RMSprop above Nadam.

    Usually is more than half; a tie counts half. Sometimes is more than a tenth, each
    by a point at least.
    """
    found = on_tasks(("RMSprop", "Adam", "Nadam"), scale, cache)
    scores = {
        arm: np.concatenate([found[task, arm].tuned() for task in TASKS])
        for arm in ("RMSprop", "Adam", "Nadam")
    }
    wins = (np.sign(scores["Nadam"] - scores["Adam"]) + 1) / 2
    other = (scores["RMSprop"] - scores["Nadam"] >= LEAST).astype("float64")
    rows = [
        row("Nadam's share of wins over Adam − ½", wins - 0.5, min_effect=0, part="a"),
        row("RMSprop's share of wins over Nadam", other, min_effect=0.1, part="b"),
    ]
    for task in TASKS:
        gain = found[task, "Nadam"].tuned() - found[task, "Adam"].tuned()
        part = dict(min_effect=LEAST, decides=False, task=task)
        rows.append(row(f"Nadam − Adam, accuracy, {task}", gain, **part))
    numbers = {"Nadam's share": wins.mean(), "RMSprop's share": other.mean()}
    numbers |= tuned_numbers(found)
    return Evidence(combine(rows), numbers, rows, text(scale, TASKS))


@claim(
    "C28",
    statement="AdaMax improves on Adam",
    source=f"{GERON}: an improvement, though Adam is the better one in some cases",
    chapter="optimizers",
)
def c28(scale, *, cache=None, **running):
    """AdaMax − Adam, test accuracy, on every task."""
    found = on_tasks(("Adam", "Adamax"), scale, cache)
    rows = [
        row(
            f"Adamax − Adam, accuracy, {task}",
            found[task, "Adamax"].tuned() - found[task, "Adam"].tuned(),
            min_effect=LEAST,
            task=task,
        )
        for task in TASKS
    ]
    return Evidence(combine(rows), tuned_numbers(found), rows, text(scale, TASKS))


@claim(
    "C69",
    statement="Where an adaptive optimizer disappoints, Nesterov's momentum is better",
    source=GERON,
    chapter="optimizers",
)
def c69(scale, *, cache=None, **running):
    """On each task, Nesterov − the adaptive optimizer that validation ranks last."""
    adaptive = ("RMSprop", "Adam", "Adamax", "Nadam")
    found, gains, worst = on_tasks((*adaptive, "Nesterov"), scale, cache), [], []
    for task in TASKS:
        tried = {arm: found[task, arm].trials().max() for arm in adaptive}
        worst.append(min(tried, key=tried.get))
        gains.append(found[task, "Nesterov"].tuned() - found[task, worst[-1]].tuned())
    name = "Nesterov − the adaptive optimizer that disappoints, accuracy"
    rows = [row(f"{name}, all tasks", np.concatenate(gains), min_effect=LEAST)]
    for task, arm, gain in zip(TASKS, worst, gains, strict=True):
        part = dict(min_effect=LEAST, decides=False, task=task, arm=arm)
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


@claim(
    "C30",
    statement="The table of stars for optimizers ranks their speed and their quality",
    source=f"{GERON}: one to three stars each",
    chapter="optimizers",
)
def c30(scale, *, cache=None, **running):
    """Kendall's τ, on each seed, between the stars told and the terciles measured.

    Speed: steps to the training loss that tuned SGD has at half of the budget. Quality:
    test accuracy. The smallest effect is τ = ½: of the pairs the table orders, three in
    four are in its order.
    """
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
        rows.append(row(name, tau, min_effect=0.5, part=part, kind=kind))
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
