"""The claims of the chapter `optimizers` on momentum: how fast it is, and beside BN.

Tests: tests/test_claims_optimizers.py.
"""

import numpy as np

from dtlib.claims import _optimizers_bowl as bowls
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._optimizers_runs import LOSS, crossing
from dtlib.claims._optimizers_speed import LONG, long_runs
from dtlib.claims.arms import LEAST
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.optimizers import GERON, TASKS, text
from dtlib.claims.registry import claim

TUNE_STARTS = (100, 101)


def faster(slow, fast, least, scale, cache):
    """Rows and numbers: log2 of steps of `slow` ÷ steps of `fast`, bowl and network.

    Part a keeps the rate that is best for `slow`; part b tunes each. On the bowl the
    target is a millionth of the first loss, in the network the training loss that
    `slow` has at half of its budget, at the same rate.
    """
    seeds, rates = range(10), bowls.RATES
    tried = {arm: bowls.bowl(arm, rates, TUNE_STARTS).mean(1) for arm in (slow, fast)}
    steps = {arm: bowls.bowl(arm, rates, seeds) for arm in (slow, fast)}
    best = {arm: int(tried[arm].argmin()) for arm in (slow, fast)}
    rows, shown, numbers = [], [], {}

    def add(rows, name, ratio, key, **labels):
        part = row(f"log2 times faster, {name}", np.log2(ratio), **labels)
        rows.append(part)
        numbers[f"{key}: times faster"] = float(np.exp(np.log(ratio).mean()))

    for part, pair, how in (
        ("a", (best[slow], best[slow]), "same rate"),
        ("b", (best[slow], best[fast]), "each tuned"),
    ):
        ratio = steps[slow][pair[0]] / steps[fast][pair[1]]
        labels = dict(part=part, where="bowl", min_effect=least)
        add(rows, f"bowl, {how}", ratio, f"bowl, {how}", **labels)
    for k in range(0, len(rates), 3):
        ratio = steps[slow][k] / steps[fast][k]
        name = f"bowl, rate {rates[k]:.2g}"
        labels = dict(where="bowl", rate=float(rates[k]), min_effect=least)
        add(shown, name, ratio, name, decides=False, **labels)
    for arm in (slow, fast):
        numbers[f"bowl, {arm}: rate"] = float(rates[best[arm]])
        numbers[f"bowl, {arm}: steps"] = steps[arm][best[arm]].mean()

    found = long_runs((slow, fast), scale, cache)
    best = {arm: runs.chosen(LOSS, "train") for arm, runs in found.items()}
    for part, pair, how in (
        ("a", (best[slow], best[slow]), "same rate"),
        ("b", (best[slow], best[fast]), "each tuned"),
    ):
        ratio = network_ratio(found[slow], found[fast], *pair)
        labels = dict(part=part, where="network", min_effect=least)
        add(rows, f"network, {how}", ratio, f"network, {how}", **labels)
    for k, rate in enumerate(found[slow].rates):
        ratio = network_ratio(found[slow], found[fast], k, k)
        name = f"network, rate {rate:g}"
        labels = dict(where="network", rate=rate, min_effect=least)
        add(shown, name, ratio, name, decides=False, **labels)
    for arm, runs in found.items():
        numbers[f"network, {arm}: rate"] = runs.rates[best[arm]]
    return rows + shown, numbers


def network_ratio(slow, fast, k_slow, k_fast):
    """Measurements of `slow` ÷ those of `fast` to the loss of `slow` at half budget."""
    ratios = []
    for a, b in zip(slow.history(k_slow), fast.history(k_fast), strict=True):
        level = a[(len(a) - 1) // 2]
        ratios.append(crossing(a, level) / max(crossing(b, level), 0.1))
    return np.array(ratios)


BOWL_TEXT = (
    f"A bowl of {bowls.DIMENSIONS} dimensions with κ = {bowls.KAPPA}, ten starts, "
    f"{len(bowls.RATES)} rates tuned on two others; and a network. "
)


@claim(
    "C22",
    statement="Momentum of 0.9 makes gradient descent ten times faster",
    source=f"{GERON}: terminal velocity is ten times the gradient's step",
    chapter="optimizers",
)
def c22(scale, *, cache=None, **running):
    """Steps of SGD ÷ steps with momentum: ten but for a fifth, eight, is enough."""
    rows, numbers = faster("SGD", "momentum", float(np.log2(8)), scale, cache)
    more = text(scale, epochs=LONG, how="each rate tuned by training loss")
    return Evidence(combine(rows), numbers, rows, BOWL_TEXT + more)


@claim(
    "C23",
    statement="Nesterov's momentum is almost always faster than plain momentum",
    source=GERON,
    chapter="optimizers",
)
def c23(scale, *, cache=None, **running):
    """Steps with momentum ÷ steps with Nesterov's: a tenth fewer would be noticed."""
    rows, numbers = faster("momentum", "Nesterov", float(np.log2(1.1)), scale, cache)
    more = text(scale, epochs=LONG, how="each rate tuned by training loss")
    return Evidence(combine(rows), numbers, rows, BOWL_TEXT + more)


BETAS = (0.5, 0.8, 0.9, 0.95, 0.99)
# α/(1 − β), the step that a constant gradient ends up with, is the same for all β.
FINAL_STEPS = (0.1, 0.3, 1.0, 3.0)


@claim(
    "C50",
    statement="A momentum of 0.9 rarely needs tuning",
    source=GERON,
    chapter="optimizers",
)
def c50(scale, *, cache=None, **running):
    """Accuracy of the β that validation ranks first − that of 0.9, task × seed.

    Every β has its own rate, chosen among four that end in steps of the same lengths.
    """
    gains, numbers, shown = [], {}, []
    for task in TASKS:
        found = {}
        for beta in BETAS:
            rates = tuple(float(f"{(1 - beta) * step:.4g}") for step in FINAL_STEPS)
            make = nets.momentum(beta)
            found[beta] = nets.train(make, task, scale, rates, cache=cache)
            key = f"beta {beta:g}, {task}"
            numbers[f"{key}: accuracy"] = found[beta].tuned().mean()
            numbers[f"{key}: learning rate"] = found[beta].rate()
        best = max(BETAS, key=lambda beta: found[beta].trials().max())
        numbers[f"{task}: best beta"] = best
        gains.append(found[best].tuned() - found[0.9].tuned())
        for beta in BETAS:
            gain = found[beta].tuned() - found[0.9].tuned()
            if beta != 0.9:
                labels = dict(task=task, beta=beta, relation="equals", decides=False)
                name = f"accuracy, β = {beta:g} − β = 0.9, {task}"
                shown.append(row(name, gain, min_effect=LEAST, **labels))
    name = "accuracy, best β − β = 0.9, all tasks"
    gain = np.concatenate(gains)
    rows = [row(name, gain, min_effect=LEAST, relation="equals"), *shown]
    return Evidence(combine(rows), numbers, rows, text(scale, TASKS, how=HOW))


HOW = "each β's rate, and the best β, chosen"
NORMALIZED = {"plain": False, "BN": True}
WITH = {"SGD": (0.03, 0.1, 0.3, 1.0, 3.0), "momentum": (0.003, 0.01, 0.03, 0.1, 0.3)}


@claim(
    "C51",
    statement="Momentum helps more in a deep network without batch normalization",
    source=f"{GERON}: without it, the scales of the layers' inputs differ",
    chapter="optimizers",
)
def c51(scale, *, cache=None, **running):
    """The gain of momentum over SGD without BN − the gain with it, at depth 5."""
    found, gain, numbers = {}, {}, {}
    for kind, bn in NORMALIZED.items():
        for arm, rates in WITH.items():
            runs = nets.train(
                nets.ARMS[arm], nets.DEEP, scale, rates, bn=bn, cache=cache
            )
            found[arm, kind] = runs
            numbers[f"{arm}, {kind}: accuracy"] = runs.tuned().mean()
            numbers[f"{arm}, {kind}: learning rate"] = runs.rate()
            numbers[f"{arm}, {kind}: training loss"] = runs.tuned(LOSS, "train").mean()
        gain[kind] = found["momentum", kind].tuned() - found["SGD", kind].tuned()
    name = "gain of momentum without BN − gain with BN, accuracy"
    rows = [row(name, gain["plain"] - gain["BN"], min_effect=LEAST)]
    for kind in NORMALIZED:
        name = f"momentum − SGD, accuracy, {kind}"
        rows.append(row(name, gain[kind], min_effect=LEAST, decides=False, kind=kind))
    said = text(scale, (nets.DEEP,), how="each arm's rate tuned")
    return Evidence(combine(rows), numbers, rows, said)
