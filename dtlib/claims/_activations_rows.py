"""From runs to judged parts: the rows of the claims of the chapter `activations`.

Tests: tests/test_claims_activations.py.
"""

import math

import numpy as np

from dtlib.claims import _activations_arms as arms
from dtlib.claims import _activations_nets as nets
from dtlib.claims.arms import LEAST
from dtlib.claims.evidence import row

# A tenth of the time: less would change nobody's choice.
TENTH = math.log(1.1)
# Standard deviations within [1/1.25, 1.25] count as kept, as the gains of C02.
BAND = math.log(1.25)
OTHERS = ("leaky 0.2", "ELU", "SELU", "GELU", "swish")


def versus(runs, first, second, where, name=None, **labels):
    """The row of first − second in test accuracy; `where` begins with "depth 2"."""
    depth = int(where.split(",")[0].removeprefix("depth "))
    labels = {"depth": depth, "first": first, "second": second, **labels}
    gain = runs[first].scores - runs[second].scores
    name = name or f"{first} − {second}, {where}"
    return row(name, gain, min_effect=LEAST, **labels)


def dying(found):
    """C05: rows and numbers of what `nets.dying` found."""
    rates, seeds = ({run[k] for run in found} for k in ("rate", "seed"))
    of = {(run["rate"], run["seed"]): run for run in found}
    more, most, numbers = [], [], {}
    for seed in sorted(seeds):
        runs = [of[rate, seed] for rate in sorted(rates)]
        finite = [run["dead"] for run in runs if run["finite"]]
        more.append(finite[-1] - finite[0])
        most.append(max(run["dead"] for run in runs if run["learns"]))
    for rate in sorted(rates):
        runs = [of[rate, seed] for seed in sorted(seeds)]
        numbers[f"rate {rate:g}: diverged"] = np.mean([not r["finite"] for r in runs])
        numbers[f"rate {rate:g}: learns"] = np.mean([r["learns"] for r in runs])
        runs = [r for r in runs if r["finite"]]
        for name in ("dead", "accuracy") if runs else ():
            numbers[f"rate {rate:g}: {name}"] = np.mean([r[name] for r in runs])
    numbers["largest dead share of a run that learns"] = max(most)
    name = "C05a: dead share, largest finite rate − smallest"
    rows = [row(name, more, min_effect=0.05, part="a")]  # one unit in twenty
    name = "C05b: largest dead share of a run that learns − 1/2"
    rows.append(row(name, np.array(most) - 0.5, min_effect=0.0, part="b"))
    return rows, numbers


def regularized(found):
    """C07: rows and numbers of `{net: (fixed, random)}`, as `nets.randomized` says."""
    rows, numbers = [], {}
    for net, pair in found.items():
        for name, runs in zip(("fixed slope", "RReLU"), pair, strict=True):
            for key, value in runs.items():
                numbers[f"{net}, {name}: {key.replace('_', ' ')}"] = np.mean(value)
        train, test = (
            pair[1][f"{which} accuracy"] - pair[0][f"{which} accuracy"]
            for which in ("training", "test")
        )
        for part, values, what in (
            ("gap", test - train, "gap narrowed"),
            ("accuracy", test, "test accuracy gained"),
        ):
            name = f"{what} by random slopes, {net}fitting network"
            labels = dict(part=part, net=net, decides=net == "over")
            rows.append(row(name, values, min_effect=LEAST, **labels))
    return rows, numbers


def growing(found):
    """C08: rows and numbers of `{n: Comparison}`, as `nets.growing` says."""
    gains, numbers = {}, {}
    for n, runs in found.items():
        gains[n] = runs.differences("PReLU", "ReLU")
        for arm in runs.arms:
            name = f"{arm}, n = {n}"
            numbers[f"{name}: accuracy"] = runs.scores[arm].mean()
            numbers[f"{name}: learning rate"] = runs.tuned[arm]["learning_rate"]
            numbers[f"{name}: diverged"] = runs.diverged[arm]
    small, *_, large = gains
    more = gains[large] - gains[small]
    name = f"PReLU's gain at n = {large} − its gain at n = {small}"
    rows = [row(name, more, min_effect=LEAST, part="interaction", examples=large)]
    name = f"PReLU − ReLU, n = {large}"
    rows.append(row(name, gains[large], min_effect=LEAST, part="large", examples=large))
    name = f"ReLU − PReLU, n = {small}"
    rows.append(
        row(name, -gains[small], min_effect=LEAST, part="small", examples=small)
    )
    for n in list(gains)[:-1]:
        name, shown = f"PReLU − ReLU, n = {n}", dict(part="curve", decides=False)
        rows.append(row(name, gains[n], min_effect=LEAST, examples=n, **shown))
    return rows, numbers


def sooner(found):
    """C09a: rows and numbers of epochs to the target, ReLU − ELU."""
    rows, numbers = [], {}
    for depth, runs in zip(arms.DEPTHS, found.values(), strict=True):
        epochs = epochs_to_target(runs)
        for arm, values in epochs.items():
            numbers[f"{arm}, depth {depth}: epochs to target"] = values.mean()
        name = f"C09a: epochs to target, ReLU − ELU, depth {depth}"
        fewer = epochs["ReLU"] - epochs["ELU"]
        rows.append(row(name, fewer, min_effect=1.0, part="a", depth=depth))
    return rows, numbers


def slower(seconds, batch):
    """C09b: the row and the number of inference time, ELU ÷ ReLU."""
    ratio = np.log(seconds["ELU"] / seconds["ReLU"])
    numbers = {f"batch {batch}: time, ELU ÷ ReLU": typical(ratio)}
    name = f"C09b: log of inference time, ELU ÷ ReLU, batch {batch}"
    told = row(name, coarse(ratio), min_effect=TENTH, part="b", batch=batch)
    return told, numbers


def stacked(found):
    """C10: rows and numbers of `{condition: (stds, means)}`, one row a seed."""
    rows, numbers = [], {}
    for condition, (stds, means) in found.items():
        for layer in (1, 10, 50):
            numbers[f"{condition}: std of layer {layer}"] = stds[:, layer - 1].mean()
        numbers[f"{condition}: mean of layer 50"] = means[:, -1].mean()
        drift = np.abs(np.log(stds)).max(axis=1)
        if condition == "none":
            name, values = "every layer's std is in the band: log 1.25 − ", BAND - drift
            name += "the largest |log std|"
        else:
            name, values = (
                f"std leaves the band: {nets.STACKS[condition]}",
                drift - BAND,
            )
        labels = dict(part="std", condition=condition)
        rows.append(row(name, values, min_effect=0.0, **labels))
    return rows, numbers


def fastest(found, seconds):
    """C59: rows and numbers of seconds to the target, other ÷ ReLU.

    Seconds are epochs to the target times seconds an epoch: of seed i, those of round
    i. The two factors are shown beside them.
    """
    told, shown, numbers = [], [], {}
    for depth, runs in zip(arms.DEPTHS, found.values(), strict=True):
        epochs = epochs_to_target(runs)
        for arm, values in epochs.items():
            numbers[f"{arm}, depth {depth}: epochs to target"] = values.mean()
        for other in OTHERS:
            more = np.log(epochs[other] / epochs["ReLU"])
            dearer = coarse(np.log(seconds[other] / seconds["ReLU"]))
            total = more + dearer[np.arange(len(more)) % len(dearer)]
            labels = dict(min_effect=TENTH, depth=depth, other=other)
            end = f"{other} ÷ ReLU, depth {depth}"
            told.append(row(f"log of seconds to target, {end}", total, **labels))
            told[-1]["part"] = "seconds"
            name, aside = f"log of epochs to target, {end}", dict(decides=False)
            shown.append(row(name, more, part="epochs", **aside, **labels))
    for other in OTHERS:
        ratio = np.log(seconds[other] / seconds["ReLU"])
        numbers[f"{other}: time a step ÷ ReLU's"] = typical(ratio)
        name = f"log of time a step, {other} ÷ ReLU"
        labels = dict(part="step", other=other, decides=False)
        shown.append(row(name, coarse(ratio), min_effect=TENTH, **labels))
    return told + shown, numbers


def epochs_to_target(runs):
    """Epochs of every run to the median loss of ReLU's after half of the epochs."""
    relu = runs["ReLU"].losses
    target = np.median(relu[:, relu.shape[1] // 2 - 1])
    return {
        arm: np.array([arms.epochs_to(losses, target) for losses in run.losses])
        for arm, run in runs.items()
    }


def coarse(values):
    """Timings to a sixteenth: more digits would be the machine's, not the method's."""
    return np.round(np.asarray(values) * 16) / 16


def typical(logs):
    """The median ratio of the rounds, to a tenth."""
    return np.round(np.exp(np.median(logs)), 1)
