"""Early stopping, alone and beside a penalty: C45 and C63.

Tests: tests/test_claims_regularizers.py.
"""

import numpy as np

from dtlib.claims import _regularizers_nets as nets
from dtlib.claims._regularizers_arms import (
    ACCURACY,
    EVERY,
    LOSS,
    TEST,
    TRAIN,
    VALID,
    arm,
    optimism,
    steps,
    text,
)
from dtlib.claims.evidence import Evidence, combine, row

LEAST_LOSS = 0.05  # nats, as for the optimizers
PAIRS = (("restore", "run on", "a"), ("restore", "stop", "b"), ("stop", "run on", None))
CURVES = {
    "training loss": (LOSS, TRAIN),
    "validation loss": (LOSS, VALID),
    "validation accuracy": (ACCURACY, VALID),
    "test accuracy": (ACCURACY, TEST),
}
WAYS = (("loss", ""), ("accuracy", ""), ("loss", EVERY))


def ends(none, kind):
    """Where each of the three ways ends: {way: measurement of each network}."""
    kept, stop = none.stops(kind)
    return {"run on": np.full_like(stop, nets.MEASUREMENTS), "stop": stop} | {
        "restore": kept
    }


def alone(scale, cache, *, least):
    """C45: run on, stop, and stop and restore; and the optimism of the test set."""
    none = arm("none", scale, cache)
    numbers, rows = {}, []
    for monitor, by in WAYS:
        found, chooser = {}, none.by(by)
        for way, where in ends(none, LOSS if monitor == "loss" else ACCURACY).items():
            right = none.at(TEST, measurement=where)
            k = chooser.best(none.at(VALID, measurement=where))
            lost = none.at(TEST, LOSS, where)[: none.n, k]
            found[way] = right[: none.n, k], lost
            key = way if monitor == "loss" else f"{way}, watching accuracy"
            key += f", tuned by {by}" if by else ""
            numbers |= none.told(k, right, key) | {f"{key}: loss": lost.mean()}
            numbers[f"{key}: steps"] = steps(where[: none.n, k], scale).mean()
        for a, b, part in PAIRS:
            name, gain = f"{a} − {b}, accuracy", found[a][0] - found[b][0]
            decides = part is not None and (monitor, by) == WAYS[0]
            labels = dict(part=part) if decides else dict(monitor=monitor)
            labels |= dict(tuned=by) if by else {}
            rows.append(
                row(
                    f"{name}, watching {monitor}",
                    gain,
                    min_effect=least,
                    decides=decides,
                    **labels,
                )
            )
            if (monitor, by) == WAYS[0]:
                less = found[b][1] - found[a][1]
                labels = dict(min_effect=LEAST_LOSS, decides=False, metric="loss")
                rows.append(row(f"test loss, {b} − {a}", less, **labels))
    where = ends(none, LOSS)
    for k, (rate, _) in enumerate(none.settings):
        both = [none.at(TEST, measurement=where[way])[: none.n, k] for way in where]
        name, gain = f"restore − run on, accuracy, both at {rate:g}", both[2] - both[0]
        labels = dict(min_effect=least, decides=False, rate=rate)
        rows.append(row(name, gain, **labels))
        for way, values in zip(where, both, strict=True):
            numbers[f"{way} at {rate:g}: accuracy"] = values.mean()
    rows.sort(key=lambda part: not part["decides"])
    more, flattery = flattered(none, least)
    numbers |= flattery | curves_of(none, none.tuned()[0], scale)
    said = "The rows by rate, and those tuned on the validation of every seed, were "
    said += "added when the verdict was known."
    return Evidence(combine(rows), numbers, rows + more, text(scale, more=said))


def flattered(none, least):
    """Rows and numbers: how the test examples that choose the step flatter it."""
    judged = none.curve[:, ACCURACY, TEST, : none.n, none.tuned()[0]]
    rows, numbers = [], {}
    for blocks in (1, 2, 5):
        examples = blocks * 1000 // nets.BLOCKS
        values = optimism(judged, blocks)
        name = f"optimism, n = {examples}: on the examples that choose − on fresh ones"
        labels = dict(min_effect=least, decides=False, examples=examples)
        rows.append(row(name, values, **labels))
        numbers[f"optimism, {examples} examples"] = values.mean()
    return rows, numbers


def curves_of(none, k, scale):
    """Numbers: what one setting goes through, at every measurement."""
    return {
        f"step {steps(m, scale):g}: {name}": none.at(part, kind, m)[: none.n, k].mean()
        for m in range(nets.MEASUREMENTS + 1)
        for name, (kind, part) in CURVES.items()
    }


def together(scale, cache, *, least):
    """C63: early stopping, each penalty, and both."""
    none, rows, numbers = arm("none", scale, cache), [], {}
    for by in ("", EVERY):
        k, alone_, kept = none.by(by).restored()
        if not by:
            scores = none.at(TEST, measurement=none.stops()[0])
            numbers |= none.told(k, scores, "early stopping")
            numbers["early stopping: steps"] = steps(kept, scale).mean()
            numbers |= none.told(none.tuned()[0], none.at(TEST))
        for name in ("l2", "l1", "decay", "max-norm"):
            each = arm(name, scale, cache).by(by)
            k, ran = each.tuned()
            j, both, kept = each.restored()
            if not by:
                numbers |= each.told(k, each.at(TEST))
                stopped = each.at(TEST, measurement=each.stops()[0])
                numbers |= each.told(j, stopped, f"{name} + early stopping")
                mean = steps(kept, scale).mean()
                numbers[f"{name} + early stopping: steps"] = mean
            labels = dict(min_effect=least, arm=name, decides=name == "l2" and not by)
            labels |= dict(tuned=by) if by else {}
            pairs = [("a", "early stopping", alone_), ("b", name, ran)]
            for part, other, theirs in pairs:
                said = f"{name} + early stopping − {other} alone, accuracy"
                rows.append(row(said, both - theirs, part=part, **labels))
    said = "The rows tuned on the validation of every seed were added when the verdict "
    said += "was known."
    names = ("l2", "l1", "decay", "max-norm")
    return Evidence(combine(rows), numbers, rows, text(scale, *names, more=said))
