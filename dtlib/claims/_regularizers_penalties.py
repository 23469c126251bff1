"""What penalties and bounds do to weights and accuracy: C40, C41, C44, C64.

Tests: tests/test_claims_regularizers.py.
"""

import itertools

import numpy as np

from dtlib import optimizers, training
from dtlib.claims import _regularizers_nets as nets
from dtlib.claims._regularizers_arms import (
    ACCURACY,
    EVERY,
    TEST,
    TRAIN,
    VALID,
    ZERO,
    arm,
    by_setting,
    strongest,
    text,
)
from dtlib.claims._regularizers_weights import THRESHOLDS
from dtlib.claims.arms import SETTINGS
from dtlib.claims.evidence import Evidence, combine, row

PENALTIES = ("l1", "l2", "decay", "max-norm")
STRENGTH, STEPS = 1e-3, 100  # λ of the penalty whose way is compared; the decay is 2λ
OPTIMIZERS = {
    "Adam": lambda: optimizers.Adam(0.01),
    "SGD": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.03, momentum=0.9),
}


def zeros(scale, cache, *, share, octaves, costs):
    """C40: shares of zeros and Σw² of the strongest penalties of enough accuracy."""
    none, l1, l2 = (arm(name, scale, cache) for name in ("none", "l1", "l2"))
    k = none.tuned()[0]
    target = none.tried(none.at(VALID))[k] - costs
    chosen = {none: k, l1: strongest(l1, target), l2: strongest(l2, target)}
    numbers, zero, squares, right = {}, {}, {}, {}
    for each, k in chosen.items():
        zero[each] = each.found["zeros"][:, : each.n, k]
        squares[each] = each.found["squares"][: each.n, k]
        right[each] = each.at(TEST)[: each.n, k]
        numbers |= each.told(k, each.at(TEST))
        numbers[f"{each.name}: share of zeros"] = zero[each][ZERO].mean()
        numbers[f"{each.name}: sum of squares"] = squares[each].mean()
        for threshold, values in zip(THRESHOLDS, zero[each], strict=True):
            name = f"{each.name}, threshold {threshold:g}: share of zeros"
            numbers[name] = values.mean()
        if each is not none:
            numbers |= by_setting(each, "share of zeros", each.found["zeros"][ZERO])
    smaller, ratio = (np.log2(squares[a] / squares[l2]) for a in (none, l1))
    more, shown = zero[l1] - zero[l2], dict(decides=False)
    name = "share of zeros, l1 − l2"
    rows = [
        row(name, more[ZERO], min_effect=share, part="a"),
        row("log2 of Σw², none / l2", smaller, min_effect=octaves, part="b"),
        row("log2 of Σw², l1 / l2", ratio, min_effect=octaves, **shown),
    ]
    for i, threshold in enumerate(THRESHOLDS):
        if i != ZERO:
            labels = dict(min_effect=share, threshold=threshold, **shown)
            rows.append(row(f"{name}, threshold {threshold:g}", more[i], **labels))
    for rate in nets.RATES["Adam"]:
        pair = [
            each.found["zeros"][ZERO][: each.n, strongest(each, target, rate)]
            for each in (l1, l2)
        ]
        labels = dict(min_effect=share, rate=rate, **shown)
        rows.append(row(f"{name}, both at {rate:g}", pair[0] - pair[1], **labels))
    for each in (l1, l2):
        gain, labels = right[each] - right[none], dict(arm=each.name, **shown)
        name = f"{each.name} − none, accuracy"
        rows.append(row(name, gain, min_effect=costs, **labels))
    said = " The rows by rate were added when the verdict was known."
    return Evidence(combine(rows), numbers, rows, text(scale, "l1", "l2") + said)


def decay(scale, cache, *, differ, same, least):
    """C41: an ℓ2 penalty and decoupled decay, where they lead and how good they are."""
    apart = distances(scale)
    kinds = {"Adam": (differ, "beats"), "SGD": (same, "equals")}
    kinds["momentum"] = kinds["Adam"]
    rows = [
        row(
            f"distance of ℓ2 from decay, {kind}",
            apart[kind],
            min_effect=smallest,
            relation=relation,
            decides=kind != "momentum",
            part="a",
            optimizer=kind,
        )
        for kind, (smallest, relation) in kinds.items()
    ]
    numbers = {f"{kind}: distance": each.mean() for kind, each in apart.items()}
    none, l2, wd = (arm(name, scale, cache) for name in ("none", "l2", "decay"))
    scores = {each: each.tuned()[1] for each in (none, l2, wd)}
    name = "decay − l2, accuracy"
    rows.append(row(name, scores[wd] - scores[l2], min_effect=least, part="b"))
    again = [each.by(EVERY).tuned()[1] for each in (wd, l2)]
    labels = dict(min_effect=least, decides=False)
    rows.append(row(name, again[0] - again[1], tuned=EVERY, **labels))
    for each in scores:
        if each is not none:
            gain = scores[each] - scores[none]
            name = f"{each.name} − none, accuracy"
            rows.append(row(name, gain, arm=each.name, **labels))
        numbers |= each.told(each.tuned()[0], each.at(TEST))
        numbers |= by_setting(each, "accuracy", each.at(TEST))
    return Evidence(combine(rows), numbers, rows, text(scale, "l2", "decay"))


def distances(scale):
    """‖ℓ2 − decay‖ / ‖ℓ2 − none‖ of the kernels after 100 steps: {optimizer: (S,)}."""
    seeds = [*SETTINGS[scale]["seeds"]]
    parts = zip(*nets.chunks("network", scale, seeds), strict=True)
    rows = [np.concatenate(part)[: STEPS * nets.BATCH] for part in parts]
    found = {}
    for kind, make in OPTIMIZERS.items():
        l2 = [STRENGTH, 0.0, 0.0]
        many = nets.side_by_side("network", scale, seeds, [0.0] * 3, l2)
        optimizer = make()
        nets.decoupled(optimizer, [0.0, 2 * STRENGTH, 0.0])
        many.compile(optimizer)
        training.fit(many, *rows, batch_size=nets.BATCH, shuffle=False)
        found[kind] = ratio([np.asarray(kernel) for kernel in many.kernels])
    return found


def ratio(kernels):
    """Of kernels (S, 3, in, out): ‖first − second‖ / ‖first − third‖, each seed's."""

    def apart(a, b):
        squares = [((k[:, a] - k[:, b]).astype("float64") ** 2) for k in kernels]
        return np.sqrt(sum(s.sum(axis=(1, 2)) for s in squares))

    return apart(0, 1) / apart(0, 2)


def bound(scale, cache, *, least):
    """C44: max-norm and none, the gap and the accuracy of each."""
    rows = []
    for by in ("", EVERY):
        none, held = (arm(name, scale, cache).by(by) for name in ("none", "max-norm"))
        (first, plain), (k, scores) = none.tuned(), held.tuned()
        gaps = [each.gap()[: each.n, i] for each, i in ((none, first), (held, k))]
        less, gain = gaps[0] - gaps[1], scores - plain
        labels = dict(min_effect=least, decides=not by) | (dict(tuned=by) if by else {})
        rows.append(row("gap, none − max-norm", less, part="a", **labels))
        rows.append(row("max-norm − none, accuracy", gain, part="b", **labels))
        if by:
            continue
        numbers = none.told(first, none.at(TEST)) | held.told(k, held.at(TEST))
        numbers["none: gap"], numbers["max-norm: gap"] = map(np.mean, gaps)
        binding = held.found["bound"]
        numbers["max-norm: binding share"] = binding[: held.n, k].mean()
        of = {"binding share": binding, "accuracy": held.at(TEST), "gap": held.gap()}
        for name, values in of.items():
            means = values[: held.n].mean(axis=0)
            for (rate, c), value in zip(held.settings, means, strict=True):
                if rate == held.settings[k][0]:
                    numbers[f"c = {c:g}: {name}"] = value
    return Evidence(combine(rows), numbers, rows, text(scale, "max-norm"))


def size(scale, cache, *, correlation, least):
    """C64: does the gap go with Σw², and does it go when Σw² goes?"""
    found = {name: arm(name, scale, cache) for name in ("none", *PENALTIES)}
    none, numbers = found["none"], {}
    gaps = {name: each.gap()[: each.n] for name, each in found.items()}
    logs = {n: np.log(each.found["squares"][: each.n]) for n, each in found.items()}
    gap_of, log_of = (np.concatenate([*v.values()], axis=1) for v in (gaps, logs))
    labels, said = dict(min_effect=correlation), "correlation of gap and log Σw²"
    together = correlations(gap_of, log_of)
    rows, numbers["correlation"] = [row(said, together, part="a", **labels)], together
    k = none.tuned()[0]
    gap, after = gaps["none"][:, k], none.found["halved"][ACCURACY]
    left = after[TRAIN, : none.n, k] - after[TEST, : none.n, k].mean(axis=0)
    name = "gap, as trained − with all weights halved"
    rows.append(row(name, gap - left, min_effect=least, part="b"))
    labels["decides"] = False
    for name in PENALTIES:
        numbers[f"{name}: correlation"] = r = correlations(gaps[name], logs[name])
        rows.append(row(f"{said}, {name}", r, arm=name, **labels))
    rates = [rate for each in found.values() for rate, _ in each.settings]
    for rate in nets.RATES["Adam"]:
        here = np.array(rates) == rate
        r = correlations(gap_of[:, here], log_of[:, here])
        numbers[f"rate {rate:g}: correlation"] = r
        rows.append(row(f"{said}, rate {rate:g}", r, rate=rate, **labels))
    l2 = gaps["l2"][:, found["l2"].tuned()[0]]
    rows.append(row("gap, none − l2", gap - l2, min_effect=least, decides=False))
    squares = np.exp(logs["none"][:, k])
    numbers |= {"gap as trained": gap, "gap, weights halved": left, "gap, l2": l2}
    numbers["sum of squares as trained"] = squares
    numbers["sum of squares, weights halved"] = squares / 4
    numbers = {name: np.mean(value) for name, value in numbers.items()}
    for each, (what, values) in itertools.product(
        found.values(), (("gap", gaps), ("sum of squares", logs))
    ):
        values = values[each.name]
        values = values if what == "gap" else np.exp(values)
        numbers |= by_setting(each, what, values)
    more = " The rows by rate were added when the verdict was known."
    return Evidence(combine(rows), numbers, rows, text(scale, *PENALTIES) + more)


def correlations(a, b):
    """Pearson's correlation of each row of `a` with the same row of `b`."""
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
