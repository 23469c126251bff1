"""What the claims on momentum measure: how fast it is, its best β, and beside BN.

The claims stand in `claims/optimizers.py`. Tests: tests/test_claims_optimizers.py.
"""

import itertools

import numpy as np
from keras import ops

from dtlib import optimizers
from dtlib.claims import _optimizers_bowl as bowls
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._optimizers_runs import LOSS
from dtlib.claims._optimizers_speed import BY_LOSS, LONG, long_runs
from dtlib.claims._optimizers_sweep import TASKS, epochs, text
from dtlib.claims.arms import crossing
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.optimizers import momentum_update

TUNE_STARTS = (100, 101)
BOWL_TEXT = (
    f"A bowl of {bowls.DIMENSIONS} dimensions with κ = {bowls.KAPPA}, ten starts, "
    f"{len(bowls.RATES)} rates tuned on two others; and a network. "
)


def faster(slow, fast, scale, cache, *, least, more=""):
    """The evidence on log2 of steps of `slow` ÷ steps of `fast`, bowl and network.

    Part a keeps the rate that is best for `slow`; part b tunes each. On the bowl the
    target is a millionth of the first loss, in the network the training loss that
    `slow` has at half of its budget, at the same rate. `least` is in times.
    """
    least = float(np.log2(least))
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
    reached = (steps[slow] < bowls.LIMIT).all(axis=1)  # else there is nothing to beat
    for k in np.flatnonzero(reached)[::3]:
        ratio = steps[slow][k] / steps[fast][k]
        name = f"bowl, rate {rates[k]:.2g}"
        labels = dict(where="bowl", rate=float(rates[k]), min_effect=least)
        add(shown, name, ratio, name, decides=False, **labels)
    for arm in (slow, fast):
        numbers[f"bowl, {arm}: rate"] = float(rates[best[arm]])
        numbers[f"bowl, {arm}: steps"] = steps[arm][best[arm]].mean()
        near = rates[tried[arm] <= 1.1 * tried[arm].min()]
        numbers[f"bowl, {arm}: lowest rate within a tenth of the best"] = near.min()
        numbers[f"bowl, {arm}: highest rate within a tenth of the best"] = near.max()

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
    rows += shown
    said = BOWL_TEXT + text(scale, length=epochs(scale, LONG), how=BY_LOSS) + more
    return Evidence(combine(rows), numbers, rows, said)


def network_ratio(slow, fast, k_slow, k_fast):
    """Measurements of `slow` ÷ those of `fast` to the loss of `slow` at half budget."""
    ratios = []
    for a, b in zip(slow.history(k_slow), fast.history(k_fast), strict=True):
        level = a[(len(a) - 1) // 2]
        ratios.append(crossing(a, level) / max(crossing(b, level), 0.1))
    return np.array(ratios)


BETAS = (0.5, 0.8, 0.9, 0.95, 0.99)
# α/(1 − β), the step that a constant gradient ends up with, is the same for all β.
FINAL_STEPS = (0.03, 0.1, 0.3, 1.0, 3.0)
PAIRS = tuple(itertools.product(BETAS, FINAL_STEPS))


class ManyBetas(optimizers.SGD):
    """SGD with a β for each column of networks, beside a rate for each."""

    def __init__(self, learning_rate):
        super().__init__(learning_rate, momentum=0.9)  # any: it makes the slot
        self.betas = np.array([beta for beta, _ in PAIRS], "float32")[:, None, None]

    def update(self, g, w, t, learning_rate, v):
        betas = ops.convert_to_tensor(self.betas)
        return momentum_update(g, v, learning_rate=learning_rate, momentum=betas)


def best_beta(scale, cache, *, least):
    """The evidence on C50: accuracy of the β that is best by validation − that of 0.9.

    Tuning that loses is no case against 0.9: what it gains alone is judged.
    """
    rates = tuple(float(f"{(1 - beta) * step:.4g}") for beta, step in PAIRS)
    gains, numbers, shown = [], {}, []
    for task in TASKS:
        runs = nets.train(ManyBetas, task, scale, rates, cache=cache)
        scores, tried = {}, {}
        for k, beta in enumerate(BETAS):
            own = slice(k * len(FINAL_STEPS), (k + 1) * len(FINAL_STEPS))
            best, tried[beta] = runs.trials()[own].argmax(), runs.trials()[own].max()
            scores[beta] = runs.final()[:, own][:, best]
            numbers[f"beta {beta:g}, {task}: accuracy"] = scores[beta].mean()
            numbers[f"beta {beta:g}, {task}: learning rate"] = rates[own][best]
        first = max(BETAS, key=tried.get)
        numbers[f"{task}: best beta"] = first
        gains.append(scores[first] - scores[0.9])
        for beta in BETAS:
            if beta != 0.9:
                labels = dict(task=task, beta=beta, relation="equals", decides=False)
                name = f"accuracy, β = {beta:g} − β = 0.9, {task}"
                gain = scores[beta] - scores[0.9]
                shown.append(row(name, gain, min_effect=least, **labels))
    numbers["best beta − 0.9: accuracy"] = np.mean(gains)
    name = f"{least:g} − the gain in accuracy of the best β over 0.9, all tasks"
    rows = [row(name, least - np.concatenate(gains), min_effect=0)]
    name, labels = "accuracy, best β − β = 0.9, all tasks", dict(decides=False)
    labels |= dict(min_effect=least, relation="equals")
    rows += [row(name, np.concatenate(gains), **labels), *shown]
    said = text(scale, TASKS, how="each β's rate, and the best β, chosen")
    return Evidence(combine(rows), numbers, rows, said)


NORMALIZED = {"plain": False, "BN": True}
WITH = {"SGD": (0.03, 0.1, 0.3, 1.0, 3.0), "momentum": (0.003, 0.01, 0.03, 0.1, 0.3)}


def beside_normalization(scale, cache, *, least):
    """The evidence on C51: momentum's gain over SGD without BN − its gain with it."""
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
    rows = [row(name, gain["plain"] - gain["BN"], min_effect=least)]
    for kind in NORMALIZED:
        name = f"momentum − SGD, accuracy, {kind}"
        rows.append(row(name, gain[kind], min_effect=least, decides=False, kind=kind))
    said = text(scale, (nets.DEEP,), how="each arm's rate tuned")
    return Evidence(combine(rows), numbers, rows, said)
