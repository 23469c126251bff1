"""The measurements of the claims on transfer, a function a claim.

Tests: tests/test_claims_transfer.py.
"""

import functools
import math

import numpy as np

from dtlib.claims._transfer_arms import (
    A_EPOCHS,
    EPOCHS,
    LABELS,
    RATES,
    SCALES,
    SOURCES,
    Arm,
    draws_of,
    log_ratio,
    measure,
    sources,
    train,
    tune,
)
from dtlib.claims.arms import crossing
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.experiments import interval

TENTH = math.log(1.1)  # a tenth of the errors: less nobody would reuse a network for
SCRATCH, REUSED = Arm(), Arm(5, "frozen first")
KEPT = range(6)
# Labels, and steps an epoch: the more images, the more there is to learn.
SIZES = {20: 10, 50: 10, 100: 10, 200: 10, 500: 40, 1000: 40, 2000: 40}
FEWER = 15  # draws of the curve over labels, which has fourteen arms


@functools.cache
def run(scale, arms, steps=10, draws=None):
    """Tune arms and measure them: `Tuned`, and `{arm: Found}`."""
    tuned = tune(scale, arms, steps=steps)
    return tuned, measure(scale, tuned.rates, draws_of(scale)[0][:draws], steps=steps)


def setting(scale, more):
    """What was run, in words."""
    side, draws = SCALES[scale]["pixels"], SCALES[scale]["draws"]
    return (
        f"Fashion-MNIST, {side} × {side} pixels, five SELU layers, plain gradient "
        f"descent, {EPOCHS} epochs; {draws} draws of A, of the labelled images and of "
        f"the start; each arm's rate chosen on validation from {list(RATES)}. {more}"
    )


def edges(rates):
    """A sentence on the arms whose best rate lies at an end of the grid."""
    ends = [arm for arm, rate in rates.items() if rate in (RATES[0], RATES[-1])]
    return f"At an end of it: {len(ends)} of {len(rates)} arms."


def once(scale):
    """Errors of B from scratch ÷ errors of B on A, with 200 labels."""
    tuned, found = run(scale, (SCRATCH, REUSED))
    gains = log_ratio(found[SCRATCH].test, found[REUSED].test)
    rows = [
        row("errors cut 1.6-fold", gains - math.log(1.6), min_effect=0, part="a"),
        row("fewer errors", gains, min_effect=TENTH, part="b", decides=False),
    ]
    arms, draws = (SCRATCH, REUSED), draws_of(scale)[0]
    notes = measure(scale, dict.fromkeys(arms, RATES[0]), draws)
    untuned = log_ratio(notes[SCRATCH].test, notes[REUSED].test)
    rows.append(
        row("at the notes' rate", untuned, min_effect=TENTH, part="c", decides=False)
    )
    numbers = spread("ratio", gains) | spread("untuned: ratio", untuned)
    numbers |= {"share below 1": (gains < 0).mean()}
    numbers |= {"A: accuracy": accuracy(scale, "clothes").mean()}
    for name, arm in (("B", SCRATCH), ("B on A", REUSED)):
        numbers[f"{name}: errors"] = found[arm].test.mean()
        numbers[f"{name}: learning rate"] = tuned.rates[arm]
        numbers[f"untuned: {name}: errors"] = notes[arm].test.mean()
    numbers |= {f"ratio {d}": value for d, value in enumerate(np.exp(gains))}
    more = f"{edges(tuned.rates)} A learned {A_EPOCHS} epochs. Half an error is added."
    return Evidence(combine(rows), numbers, rows, setting(scale, more))


def accuracy(scale, source):
    """Of each draw's A, on the validation images of its own eight classes."""
    return sources(scale, source, sum(draws_of(scale), ()))[1]


def spread(name, logs):
    """A geometric mean and its interval, as numbers."""
    low, high = np.exp(interval(logs))
    return {name: np.exp(np.mean(logs)), f"{name}: low": low, f"{name}: high": high}


ORDERS = {
    "frozen first, same": Arm(5, "frozen first"),
    "frozen first, ÷ 10": Arm(5, "frozen first", 10.0),
    "at once, same": Arm(5, "at once"),
    "at once, ÷ 10": Arm(5, "at once", 10.0),
}


BEFORE = tuple(ORDERS)[:2]  # unfrozen later


def freezing_first(scale):
    """{freeze first, all at once} × {the same rate, a tenth of it}."""
    tuned, found = run(scale, tuple(ORDERS.values()))
    errors = {name: found[arm].test for name, arm in ORDERS.items()}

    def gain(better, worse):
        return log_ratio(errors[worse], errors[better])

    same, slower = BEFORE
    rows = [
        row("freezing first", gain(same, "at once, same"), min_effect=TENTH, part="a"),
        row("a tenth after it", gain(slower, same), min_effect=TENTH, part="b"),
        row(
            "both, against neither",
            gain(slower, "at once, same"),
            min_effect=TENTH,
            part="c",
            decides=False,
        ),
        row(
            "a tenth for A's layers, at once",
            gain("at once, ÷ 10", "at once, same"),
            min_effect=TENTH,
            part="d",
            decides=False,
        ),
    ]
    numbers = {}
    for name, arm in ORDERS.items():
        numbers[f"{name}: errors"] = errors[name].mean()
        numbers[f"{name}: learning rate"] = tuned.rates[arm]
        for rate, wrong in tuned.trials[arm].items():
            numbers[f"{name}: errors at {rate}"] = wrong
    draws, usual = draws_of(scale)[0], RATES[2:]
    grid = [(ORDERS[name], rate, d) for name in BEFORE for rate in usual for d in draws]
    wrong = train(scale, grid, steps=10)[0].reshape(2, len(usual), -1).mean(-1)
    for name, line in zip(BEFORE, wrong, strict=True):
        for rate, mean in zip(usual, line, strict=True):
            numbers[f"{name}: all draws at {rate}"] = mean
    more = (
        f"{edges(tuned.rates)} All at once, only A's layers learn at a tenth. A few "
        "errors on validation name a rate, and part b hangs on it: the numbers give "
        "both at each."
    )
    return Evidence(combine(rows), numbers, rows, setting(scale, more))


def layers_kept(scale):
    """Errors with the first k layers of A, frozen or not, the others new."""
    frozen = [Arm(k, "frozen" if k else "at once") for k in KEPT]
    free = [Arm(k, "frozen first" if k else "at once") for k in KEPT]
    tuned, found = run(scale, tuple(dict.fromkeys(frozen + free)))
    chosen = 1 + int(np.argmin([tuned.valid[arm] for arm in frozen[1:5]]))
    errors = [found[arm].test for arm in frozen]
    rows = [
        row(
            f"{chosen} layers against {name}",
            log_ratio(errors[other], errors[chosen]),
            min_effect=TENTH,
            part=part,
        )
        for part, name, other in (("a", "none", 0), ("b", "all", 5))
    ]
    numbers = {"chosen": chosen}
    for name, arms in (("frozen", frozen), ("tuned", free)):
        for k, arm in enumerate(arms):
            wrong = found[arm].test
            low, high = interval(wrong)
            numbers[f"{name} {k}: errors"] = wrong.mean()
            numbers |= {f"{name} {k}: low": low, f"{name} {k}: high": high}
            numbers[f"{name} {k}: learning rate"] = tuned.rates[arm]
    more = f"{edges(tuned.rates)} How many layers to keep was chosen on other draws."
    return Evidence(combine(rows), numbers, rows, setting(scale, more))


def fewer(scale):
    """Labels and epochs that B needs from scratch, against B on A."""
    errors, rates = {}, {}
    for steps in sorted(set(SIZES.values())):
        sizes = [n for n in SIZES if SIZES[n] == steps]
        arms = [
            arm._replace(labels=n)
            for n in sizes
            if n <= 1000
            for arm in (SCRATCH, REUSED)
        ]
        chosen = tune(scale, tuple(arms), steps=steps).rates
        for arm in (SCRATCH, REUSED):  # with all images none is left to validate on
            most = arm._replace(labels=max(n for n in sizes if n <= 1000))
            chosen |= {arm._replace(labels=n): chosen[most] for n in sizes if n > 1000}
        draws = draws_of(scale)[0][:FEWER]
        found = measure(scale, chosen, draws, steps=steps)
        errors |= {arm: each.test for arm, each in found.items()}
        rates |= chosen
    curves = {
        name: np.stack([errors[arm._replace(labels=n)] for n in SIZES])
        for name, arm in (("B", SCRATCH), ("B on A", REUSED))
    }
    gains = log_ratio(curves["B"], curves["B on A"])
    labels = labels_needed(curves["B"], curves["B on A"][[*SIZES].index(LABELS)].mean())
    _, once_more = run(scale, (SCRATCH, REUSED))
    epochs = epochs_needed(once_more[REUSED].curve, once_more[SCRATCH].curve[-1])
    rows = [
        row("half the labels", np.log2(labels / LABELS), min_effect=1, part="a"),
        row("half the epochs", np.log2(EPOCHS / epochs), min_effect=1, part="b"),
    ]
    numbers = {}
    for n, gain, b, b_on_a in zip(SIZES, gains, *curves.values(), strict=True):
        name = f"fewer errors with {n} labels"
        rows.append(row(name, gain, min_effect=TENTH, labels=n, decides=False))
        paying = rows[-1]["outcome"] == "supported"
        numbers |= {
            f"B at {n}: errors": b.mean(),
            f"B on A at {n}: errors": b_on_a.mean(),
        }
        numbers |= spread(f"ratio at {n}", gain)
        numbers |= {"pays up to": n} if paying else {}
    numbers |= {"labels": np.exp(np.log(labels).mean())}
    numbers |= {"epochs": np.exp(np.log(epochs).mean())}
    more = (
        f"{edges(rates)} From 500 labels on four times the steps; the curve over "
        f"labels has {FEWER} draws."
    )
    return Evidence(combine(rows), numbers, rows, setting(scale, more))


def labels_needed(curve, level):
    """Labels at which each draw's errors (sizes, draws) first fall to `level`.

    Between two sizes it is interpolated on the logarithm; a draw that never gets there
    is given all. An accidental dip counts, so if anything it finds too few.
    """
    at = [crossing(each, level) for each in curve.T]
    logs = np.log([*SIZES])
    return np.exp(np.interp(at, np.arange(len(logs)), logs))


def epochs_needed(curve, level):
    """Epochs after which each draw's loss, (E + 1, draws), is down to its own level."""
    found = [crossing(each, own) for each, own in zip(curve.T, level, strict=True)]
    return np.maximum(found, 0.05)


def closeness(scale):
    """Of five layers, how many can be reused frozen: from close tasks and from far."""
    arms = {
        (source, k): Arm(k, "frozen", source=source)
        for source in SOURCES
        for k in KEPT[1:]
    }
    tuned, found = run(scale, (SCRATCH, *arms.values()))
    none = found[SCRATCH].test
    reusable = {
        source: np.sum([found[arms[source, k]].test <= none for k in KEPT[1:]], axis=0)
        for source in SOURCES
    }
    near, *far = SOURCES
    rows = [
        row(
            f"{near} against {source}",
            reusable[near] - reusable[source],
            min_effect=0.5,
            part="ab"[i],
        )
        for i, source in enumerate(far)
    ]
    numbers = {"none: errors": none.mean()}
    for source in SOURCES:
        numbers[f"{source}: layers"] = reusable[source].mean()
        numbers[f"{source}: A's accuracy"] = accuracy(scale, source).mean()
        for k in KEPT[1:]:
            numbers[f"{source} {k}: errors"] = found[arms[source, k]].test.mean()
    more = (
        f"{edges(tuned.rates)} A saw its images as they are, turned by 90°, or with "
        "their pixels shuffled; B's are as they are, and A's layers frozen."
    )
    return Evidence(combine(rows), numbers, rows, setting(scale, more))
