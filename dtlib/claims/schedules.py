"""The claims of the chapter `schedules`: which shape of the rate, and for whom.

All rest on one comparison: the same networks under every schedule at every rate.
Tests: tests/test_claims_schedules.py.
"""

import numpy as np

from dtlib.claims import _optimizers_nets as optimizers_nets
from dtlib.claims import _schedules_nets as nets
from dtlib.claims._optimizers_runs import ACCURACY
from dtlib.claims.arms import LEAST, SETTINGS, crossing
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11, and the notes that follow it"
SHAPES = ("piecewise", "power", "exponential", "performance", "cosine", "1cycle")
SPEEDS = ("exponential ÷ 3", "exponential ÷ 10", "exponential ÷ 1000")
ADAPTIVE = ("constant", "warm-up", "exponential", "cosine", "1cycle")
LEAST_TIMES = np.log2(1.1)  # "a little faster": one step in eleven saved
AFTER = (
    " The rows against the constant rate that is best on test were added when the "
    "verdict was known, and do not decide."
)
SPOILED = 0.05  # below the tuned rate's validation accuracy: too high to be chosen


def momentum(scale, cache, budget="full"):
    """SGD with momentum under a constant rate and the six schedules: {arm: Runs}."""
    return nets.train("momentum", ("constant", *SHAPES), scale, budget, cache)


def adam(scale, cache):
    """Adam under a constant rate and four schedules: {arm: Runs}."""
    return nets.train("Adam", ADAPTIVE, scale, "full", cache)


def best(found):
    """The schedule that the tuning seeds' validation ranks first, constant aside."""
    tried = {arm: runs.trials().max() for arm, runs in found.items()}
    del tried["constant"]
    return max(tried, key=tried.get)


def tuned_numbers(found, kind="", after=""):
    """Accuracy, rate and diverged runs of each arm at the rate tuning chose."""
    numbers = {}
    for arm, runs in found.items():
        numbers |= runs.told(f"{kind}{arm}{after}")
    return numbers


def by_rate(found, kind=""):
    """Test accuracy of each arm at each rate it was started with."""
    return {
        f"{kind}{arm} at {rate:g}: accuracy": score
        for arm, runs in found.items()
        for rate, score in zip(runs.rates, runs.final().mean(axis=0), strict=True)
    }


def over_constant(found, kind):
    """Rows to be shown: each schedule − the constant rate, both tuned."""
    constant = found["constant"].tuned()
    labels = dict(min_effect=LEAST, decides=False, optimizer=kind)
    return [
        row(f"{kind}: {arm} − constant", runs.tuned() - constant, arm=arm, **labels)
        for arm, runs in found.items()
        if arm != "constant"
    ]


def hindsight(runs):
    """Scores at the rate that is best on test: what no tuning could have surpassed."""
    scores = runs.final()
    return scores[:, scores.mean(axis=0).argmax()]


def in_hindsight(name, scores, found):
    """Row to be shown: against the constant rate that only the test could choose."""
    gain = scores - hindsight(found["constant"])
    name = f"{name} − constant rate best on test, accuracy"
    return row(name, gain, min_effect=LEAST, decides=False, hindsight=True)


def text(scale, kind, epochs=None):
    """One sentence: what was run."""
    setting, times = SETTINGS[scale], optimizers_nets.TIMES[scale]
    rates = ", ".join(f"{rate:g}" for rate in nets.RATES[kind])
    return (
        f"{optimizers_nets.TASK}; {kind}, {epochs or nets.EPOCHS['full'] * times} "
        f"epochs, {len(setting['seeds'])} paired seeds; each schedule's largest rate "
        f"tuned on validation with {len(setting['tune_seeds'])} others over {rates}."
    )


@claim(
    "C31",
    statement="Adaptive optimizers need no schedule",
    source=f"{GERON}: AdaGrad, RMSProp and Adam lower the rate by themselves",
    chapter="schedules",
)
def c31(scale, *, cache=None, **running):
    """Adam: the best schedule equals the constant rate, within a point of accuracy.

    Beside it the gain of momentum with its best schedule less that gain of Adam.
    """
    found, other = adam(scale, cache), momentum(scale, cache)
    first, second = best(found), best(other)
    gain = found[first].tuned() - found["constant"].tuned()
    theirs = other[second].tuned() - other["constant"].tuned()
    rows = [
        row(
            "Adam: best schedule − constant, accuracy",
            gain,
            min_effect=LEAST,
            relation="equals",
            arm=first,
        ),
        row(
            "gain by the best schedule, momentum − Adam",
            theirs - gain,
            min_effect=LEAST,
            decides=False,
        ),
        in_hindsight("Adam: best schedule", found[first].tuned(), found),
        *over_constant(found, "Adam"),
    ]
    numbers = tuned_numbers(found, "Adam, ") | by_rate(found, "Adam, ")
    numbers["Adam: gain"], numbers["momentum: gain"] = gain.mean(), theirs.mean()
    said = f"{text(scale, 'Adam')} Validation ranks first: {first}; for momentum: "
    return Evidence(combine(rows), numbers, rows, f"{said}{second}.{AFTER}")


@claim(
    "C32",
    statement="Performance and exponential scheduling both help, and exponential "
    "converges a little faster",
    source=f"Senior et al., 2013; {GERON}",
    chapter="schedules",
)
def c32(scale, *, cache=None, **running):
    """Parts a and b: accuracy above the constant rate. Part c: steps to its loss.

    The loss to reach is the training loss at which the tuned constant rate ends, of
    the tuning seeds. A network that never does counts as taking the whole budget.
    """
    found, rows, shown = momentum(scale, cache), [], []
    arms = ("constant", "exponential", "performance")
    found = {arm: found[arm] for arm in arms}
    # Added when the verdict was known, to see whether it hangs on the speed of decay.
    speeds = nets.train("momentum", SPEEDS, scale, "full", cache)
    for part, arm in zip("ab", arms[1:], strict=True):
        gain = found[arm].tuned() - found["constant"].tuned()
        name = f"{arm} − constant, accuracy"
        rows.append(row(name, gain, min_effect=LEAST, part=part, arm=arm))
        shown.append(in_hindsight(arm, found[arm].tuned(), found))
    level = found["constant"].tried(found["constant"].chosen())[-1]
    numbers = tuned_numbers(found | speeds) | {"training loss to reach": level}
    numbers |= by_rate(found | speeds)
    steps = {}
    for arm, runs in (found | speeds).items():
        curves = runs.history(runs.chosen())
        taken = np.array([crossing(curve, level) for curve in curves])
        steps[arm] = taken * optimizers_nets.steps_an_epoch(scale)
        numbers[f"{arm}: steps"] = steps[arm].mean()
        numbers[f"{arm}: never"] = int((curves.min(axis=1) > level).sum())
    pairs = [("performance", arm) for arm in ("exponential", *SPEEDS)]
    for slow, fast in (*pairs, ("constant", "exponential"), ("constant", arms[-1])):
        told = (slow, fast) == ("performance", "exponential")
        labels = dict(part="c") if told else dict(arm=fast)
        name = f"log2 of steps, {slow} / {fast}"
        ratio = np.log2(steps[slow] / steps[fast])
        part = row(name, ratio, min_effect=LEAST_TIMES, decides=told, **labels)
        (rows if told else shown).append(part)
    for arm, runs in speeds.items():
        gain = runs.tuned() - found["constant"].tuned()
        name = f"{arm} − constant, accuracy"
        shown.append(row(name, gain, min_effect=LEAST, decides=False, arm=arm))
    runs = found["performance"]
    left = runs.left[: runs.n, runs.chosen()]
    numbers["performance: rate left"] = left.mean()
    said = f"{text(scale, 'momentum')} Exponential leaves a hundredth of the rate; "
    said += f"other shares were tried later, and do not decide.{AFTER}"
    return Evidence(combine(rows), numbers, rows + shown, said)


@claim(
    "C33",
    statement="The one cycle trains fastest: it is ahead of every other schedule",
    source=f"Smith, 2018; {GERON}",
    chapter="schedules",
)
def c33(scale, *, cache=None, **running):
    """1cycle − each other schedule, test accuracy, when the same budget is over.

    Beside it the same at a quarter of the budget, and what its source shows: the one
    cycle after the quarter against a constant rate after the whole.
    """
    found, short = (momentum(scale, cache, budget) for budget in nets.EPOCHS)
    rows, shown = [], []
    for budget, runs in (("full", found), ("short", short)):
        for arm in SHAPES[:-1]:
            gain = runs["1cycle"].tuned() - runs[arm].tuned()
            labels = dict(min_effect=LEAST, arm=arm, budget=budget)
            name = f"1cycle − {arm}, accuracy, {budget} budget"
            part = row(name, gain, decides=budget == "full", **labels)
            (rows if budget == "full" else shown).append(part)
    gain = short["1cycle"].tuned() - found["constant"].tuned()
    name = "1cycle, short budget − constant, full budget, accuracy"
    shown.append(row(name, gain, min_effect=LEAST, decides=False, arm="constant"))
    numbers = tuned_numbers(found) | tuned_numbers(short, after=", short")
    numbers |= by_rate(found)
    for arm, runs in found.items():
        k = runs.chosen()
        curves = runs.history(k), runs.history(k, ACCURACY, "test")
        for name, curve in zip(("training loss", "test accuracy"), curves, strict=True):
            for epoch, value in enumerate(curve.mean(axis=0)):
                numbers[f"{arm}, epoch {epoch}: {name}"] = value
    said = text(scale, "momentum") + " The short budget is a quarter, tuned anew. The "
    said += "one cycle is of the rate alone; its momentum stays at 0.9."
    return Evidence(combine(rows), numbers, rows + shown, said)


@claim(
    "C61",
    statement="The best schedule is better than the best constant rate",
    source=GERON,
    chapter="schedules",
)
def c61(scale, *, cache=None, **running):
    """Momentum: the schedule that validation ranks first − the constant rate."""
    found = momentum(scale, cache)
    first = best(found)
    gain = found[first].tuned() - found["constant"].tuned()
    name = "best schedule − best constant rate, accuracy"
    rows = [row(name, gain, min_effect=LEAST, arm=first)]
    rows.append(in_hindsight("best schedule", found[first].tuned(), found))
    rows += over_constant(found, "momentum")
    said = f"{text(scale, 'momentum')} Validation ranks first: {first}.{AFTER}"
    return Evidence(combine(rows), tuned_numbers(found), rows, said)


@claim(
    "C68",
    statement="Where no good rate is found, exponential decay from a rate that is too "
    "high rescues the run",
    source=GERON,
    chapter="schedules",
)
def c68(scale, *, cache=None, **running):
    """Part a: it helps a rate too high. Part b: it comes within a point of tuning.

    Too high is the first rate above the tuned one whose constant run loses 5 points of
    validation accuracy, on the tuning seeds. Beside it, the gain at every start.
    """
    found = momentum(scale, cache)
    constant, decayed = found["constant"], found["exponential"]
    rates, k = constant.rates, too_high(constant)
    gains = (decayed.final() - constant.final()).T
    rescued = decayed.final()[:, k]
    rows = [
        row(
            f"exponential − constant, both from {rates[k]:g}, accuracy",
            gains[k],
            min_effect=LEAST,
            part="a",
        ),
        row(
            f"exponential from {rates[k]:g} − tuned constant + a point, accuracy",
            rescued - constant.tuned() + LEAST,
            min_effect=0,
            part="b",
        ),
    ]
    rows.append(in_hindsight(f"exponential from {rates[k]:g}", rescued, found))
    for rate, gain in zip(rates, gains, strict=True):
        name = f"exponential − constant, both from {rate:g}, accuracy"
        labels = dict(min_effect=LEAST, decides=False, rate=rate)
        rows.append(row(name, gain, **labels))
    numbers = by_rate({"constant": constant, "exponential": decayed})
    numbers["tuned rate"], numbers["too high rate"] = constant.rate(), rates[k]
    numbers["tuned constant: accuracy"] = constant.tuned().mean()
    said = text(scale, "momentum") + AFTER
    return Evidence(combine(rows), numbers, rows, said)


def too_high(runs):
    """Index of the first rate above the tuned one that tuning would call spoiled.

    The last of all rates if none is.
    """
    scores, k = runs.trials(), runs.chosen()
    spoiled = np.flatnonzero(scores[k:] <= scores[k] - SPOILED)
    return k + int(spoiled[0]) if len(spoiled) else len(scores) - 1
