"""The claims of the chapter `activations`: which one trains, how fast, and when.

Tests: tests/test_claims_activations.py.
"""

import itertools

from dtlib.claims import _activations_arms as arms
from dtlib.claims import _activations_nets as nets
from dtlib.claims import _activations_rows as parts
from dtlib.claims.evidence import Evidence, combine
from dtlib.claims.registry import claim

NOTES = "Textbooks and lecture notes"
TIMES = "Times are processor seconds of a 784-300-100-10 network with Keras' own "
TIMES += "activations, in rounds that take turns, and depend on the machine."
TARGET = "Target: the loss that ReLU's runs reach in half of the epochs."


@claim(
    "C05",
    statement="With a large learning rate ReLU units die, half of them in networks "
    "that still learn",
    source=f"{NOTES}, as a warning against large rates",
    chapter="activations",
)
def c05(scale):
    """C05a: dead share, largest rate that stays finite − smallest. C05b: is it half?"""
    rows, numbers = parts.dying(nets.dying(scale))
    return Evidence(
        combine(rows),
        numbers,
        rows,
        f"{nets.DYING_DEPTH} ReLU layers, He's draw, plain SGD, {rows[0]['n']} seeds, "
        f"rates {nets.DYING_RATES}. A unit is dead if z ≤ 0 on all training examples. "
        f"A run learns if it is right on more than {nets.LEARNS:.0%} of them, twice "
        "what chance is.",
    )


@claim(
    "C06",
    statement="Leaky ReLU beats ReLU always, and with slope 0.2 it beats slope 0.01",
    source=f"{NOTES}; Xu et al., 2015, for the larger slope",
    chapter="activations",
)
def c06(scale, **running):
    """C06a: leaky 0.01 − ReLU. C06b: leaky 0.2 − leaky 0.01. Both on two data sets."""
    names = ("ReLU", "leaky 0.01", "leaky 0.2")
    sets = ("MNIST-1D", "Fashion-MNIST")[:: 1 if scale == "quick" else -1]
    found = at_depths(names, scale, **running)
    other = arms.trained(names, 2, scale, other=True, **running)
    found[f"depth 2, {sets[1]}"] = other
    rows = []
    for part, (worse, better) in zip("ab", itertools.pairwise(names), strict=True):
        for where, runs in found.items():
            name = f"C06{part}: {better} − {worse}, {where}"
            labels = dict(part=part, data=sets["," in where])
            rows.append(parts.versus(runs, better, worse, where, name, **labels))
    return arms.evidence(found, rows, scale, f"{sets[1]} as well, at depth 2.")


@claim(
    "C07",
    statement="RReLU regularizes: where a network overfits, random slopes narrow the "
    "gap to test and raise test accuracy",
    source=f"{NOTES}; Xu et al., 2015",
    chapter="activations",
)
def c07(scale, **running):
    """Beside the same slope without randomness, in a net that overfits; shown: not."""
    pairs = {net: nets.randomized(net, scale, **running) for net in nets.REGULARIZED}
    rows, numbers = parts.regularized(pairs)
    return Evidence(
        combine(rows),
        numbers,
        rows,
        "MNIST-1D, slopes from U(m − s, m + s) with the paper's m = 0.229, s and the "
        "rate tuned on validation, beside s = 0. The overfitting network: 2 layers of "
        "100 on 400 examples; the underfitting one: 2 layers of 8 on 1,600.",
    )


@claim(
    "C08",
    statement="PReLU beats ReLU on large data, and overfits on small data",
    source=f"{NOTES}; He et al., 2015, for large data",
    chapter="activations",
)
def c08(scale, **running):
    """PReLU − ReLU at each n, and by how much more at the largest than the smallest."""
    rows, numbers = parts.growing(nets.growing(scale, **running))
    epochs = ", ".join(str(nets.epochs_for(n)) for n in nets.EXAMPLES[scale])
    return Evidence(
        combine(rows),
        numbers,
        rows,
        f"MNIST-1D, 2 layers, n examples of which a fifth is for validation, {epochs} "
        "epochs: as many steps for few examples as for 2,000. Rates tuned on "
        "validation. Slopes start at 0.25, one a unit.",
    )


@claim(
    "C09",
    statement="ELU needs fewer epochs than ReLU, and is slower at inference",
    source=f"{NOTES}; Clevert et al., 2016",
    chapter="activations",
)
def c09(scale, **running):
    """C09a: epochs to a training loss, ReLU − ELU. C09b: inference, ELU ÷ ReLU."""
    found = at_depths(("ReLU", "ELU"), scale, **running)
    rows, numbers = parts.sooner(found)
    for batch, samples in (1, 300), (256, 2048):
        seconds = arms.inference_seconds(("ReLU", "ELU"), batch, samples)
        part, ratio = parts.slower(seconds, batch)
        rows, numbers = [*rows, part], numbers | ratio
    return arms.evidence(found, rows, scale, f"{TARGET} {TIMES}", **numbers)


@claim(
    "C10",
    statement="Dense SELU layers keep standard deviation 1; without any one of the "
    "conditions they lose it, and accuracy",
    source=f"{NOTES}; Klambauer et al., 2017",
    chapter="activations",
)
def c10(scale, **running):
    """The spread through 50 layers, each condition broken in turn, and accuracy."""
    spreads = {condition: nets.spreads(condition, scale) for condition in nets.STACKS}
    rows, numbers = parts.stacked(spreads)
    found = whole_and_broken("SELU", scale, **running)
    for condition, why in arms.CONDITIONS.items():
        rows.append(
            parts.versus(
                found["depth 20"],
                "SELU",
                f"SELU, {condition}",
                "depth 20",
                f"accuracy lost at depth 20: {why}",
                part="accuracy",
                condition=condition,
            )
        )
    more = "Spread: at initialization, width 100, the inputs of MNIST-1D."
    return arms.evidence(found, rows, scale, more, **numbers)


@claim(
    "C11",
    statement="SELU > ELU > leaky ReLU > ReLU > tanh > σ",
    source=f"{NOTES}, as the general order of preference",
    chapter="activations",
)
def c11(scale, **running):
    """All five adjacent pairs, at each depth. Leaky has the better slope, 0.2."""
    order = ("SELU", "ELU", "leaky 0.2", "ReLU", "tanh", "σ")
    found = at_depths(order, scale, **running)
    pairs = itertools.product(found, itertools.pairwise(order))
    rows = [parts.versus(found[where], *pair, where) for where, pair in pairs]
    held = [part["name"] for part in rows if part["outcome"] == "supported"]
    more = f"Of {len(rows)} pairs these hold: {'; '.join(held) or 'none'}."
    return arms.evidence(found, rows, scale, more)


@claim(
    "C12",
    statement="tanh beats σ because it is steeper",
    source="Lecture notes",
    chapter="activations",
)
def c12(scale, **running):
    """tanh(z) = 2σ(2z) − 1: the arm 2σ(2z) is as steep as tanh, and not centered."""
    found, rows = at_depths(("tanh", "2σ(2z)", "σ"), scale, **running), []
    for part, first, second in (
        ("a", "tanh", "σ"),
        ("steepness", "2σ(2z)", "σ"),
        ("centering", "tanh", "2σ(2z)"),
    ):
        labels = dict(part=part, decides=part != "centering")
        for where, runs in found.items():
            rows.append(parts.versus(runs, first, second, where, **labels))
    return arms.evidence(found, rows, scale)


@claim(
    "C13",
    statement="GELU and swish beat ReLU, in shallow and in deep networks",
    source="Hendrycks and Gimpel, 2016; Ramachandran et al., 2017",
    chapter="activations",
)
def c13(scale, **running):
    """GELU − ReLU and swish − ReLU, at each depth."""
    found = at_depths(("GELU", "swish", "ReLU"), scale, **running)
    pairs = itertools.product(found, ("GELU", "swish"))
    rows = [parts.versus(found[where], name, "ReLU", where) for where, name in pairs]
    return arms.evidence(found, rows, scale)


@claim(
    "C58",
    statement="Where self-normalization fails, ELU beats SELU",
    source=NOTES,
    chapter="activations",
)
def c58(scale, **running):
    """ELU − SELU with each condition broken; shown: with none broken.

    ELU has He's draw throughout, its usual one: where SELU has it too, a condition of
    SELU's is broken and nothing of ELU's.
    """
    runs = {}
    for name in ("SELU", "ELU"):
        runs |= whole_and_broken(name, scale, **running)["depth 20"]
    rows = []
    for condition, why in {**arms.CONDITIONS, "none": "no condition broken"}.items():
        elu, selu = f"ELU, {condition}", f"SELU, {condition}"
        labels = dict(condition=condition, decides=condition != "none")
        first, second = elu if elu in runs else "ELU", selu if selu in runs else "SELU"
        name = f"ELU − SELU, depth 20: {why}"
        rows.append(parts.versus(runs, first, second, "depth 20", name, **labels))
    return arms.evidence({"depth 20": runs}, rows, scale)


@claim(
    "C59",
    statement="ReLU trains fastest",
    source=f"{NOTES}, as a rule where training time matters",
    chapter="activations",
)
def c59(scale, **running):
    """Seconds to a training loss = epochs to it × seconds an epoch, other ÷ ReLU."""
    names = ("ReLU", *parts.OTHERS)
    found = at_depths(names, scale, **running)
    rows, numbers = parts.fastest(found, arms.epoch_seconds(names))
    return arms.evidence(found, rows, scale, f"{TARGET} {TIMES}", **numbers)


@claim(
    "C60",
    statement="ELU's α = 1, where it is smooth, is better than an α that leaves a kink",
    source=f"{NOTES}, which praise the smoothness",
    chapter="activations",
)
def c60(scale, **running):
    """α = 1 against a smaller and a larger α: if smoothness helps, it beats both."""
    names = ("ELU", "ELU α = 0.5", "ELU α = 2")
    found = {"depth 2": arms.trained(names, 2, scale, **running)}
    rows = [parts.versus(found["depth 2"], "ELU", a, "depth 2") for a in names[1:]]
    return arms.evidence(found, rows, scale)


def at_depths(names, scale, **running):
    """`{"depth 2": {arm: Trained}, "depth 20": …}`."""
    return {
        f"depth {depth}": arms.trained(names, depth, scale, **running)
        for depth in arms.DEPTHS
    }


def whole_and_broken(name, scale, **running):
    """An arm at depth 20, whole, and with each condition broken that was trained."""
    broken = [arm for arm in arms.GROUPS["broken"] if arm.startswith(f"{name}, ")]
    return {"depth 20": arms.trained((name, *broken), 20, scale, **running)}
