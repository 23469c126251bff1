"""The claims of the chapter `normalization`: what batch normalization buys, and why.

Tests: tests/test_claims_normalization.py.
"""

import itertools

import numpy as np

from dtlib.claims import _normalization_more as more
from dtlib.claims._normalization_arms import NAMES, gain, inputs, pair, report
from dtlib.claims._normalization_nets import EPOCHS, RATES, found
from dtlib.claims.arms import LEAST
from dtlib.claims.evidence import row
from dtlib.claims.registry import claim

SHALLOW, DEEP, MIDDLE = 2, 20, 5
# Of C16: a start that is too large asks for less.
WIDER = (0.00001, 0.0001, 0.001, *RATES)
STARTS = ("He", "Glorot", "LeCun", "N(0, 1)", "N(0, 0.01²)")


@claim(
    "C14",
    statement="With batch normalization, tanh and even the logistic function train "
    "well in deep networks",
    source="Ioffe and Szegedy, 2015, section 4.2.1; textbooks",
    chapter="normalization",
)
def c14(scale):
    """BN − none for both saturating functions: 20 layers decide, 2 are shown."""
    arms, rows = {}, []
    for act, depth in itertools.product(("tanh", "sigmoid"), (DEEP, SHALLOW)):
        arms |= pair(scale, act, depth)
        name = f"BN − none, {act}, {depth} layers"
        labels = {"depth": depth, "activation": act, "decides": depth == DEEP}
        rows.append(row(name, gain(scale, act, depth), min_effect=LEAST, **labels))
    return report(rows, arms, scale, f"{EPOCHS[scale]} epochs, test accuracy.")


@claim(
    "C15",
    statement="Batch normalization allows much larger learning rates",
    source="Ioffe and Szegedy, 2015, sections 3.3 and 4.2.1; textbooks",
    chapter="normalization",
)
def c15(scale):
    """Largest usable rate with ÷ without, in doublings; at least one, or nobody cares.

    Usable: this rate and all below it leave a training loss below that of guessing.
    """
    numbers, logs = {}, {}
    for norm in ("none", "before"):
        rates, accuracy, usable = more.rates(scale, norm, MIDDLE)
        logs[norm] = more.largest(rates, usable)
        for k, rate in enumerate(rates):
            where = f"{NAMES[norm]} at {rate:.3g}"
            numbers[f"{where}: accuracy"] = accuracy[k].mean()
            numbers[f"{where}: usable"] = usable[k].mean()
        numbers[f"{NAMES[norm]}: largest rate"] = 2 ** logs[norm].mean()
    doublings = logs["before"] - logs["none"]
    numbers["times larger"] = 2 ** doublings.mean()
    rows = [row("log2(BN ÷ none)", doublings, min_effect=1.0, depth=MIDDLE)]
    text = f"{MIDDLE} ReLU layers, {more.SHORT} epochs, rates {rates[0]:g} to "
    text += (
        f"{rates[-1]:g} in half-doublings; the largest at which a network still learns."
    )
    return report(rows, {}, scale, text, **numbers)


@claim(
    "C16",
    statement="With batch normalization a network is less sensitive to how its "
    "weights start",
    source="Ioffe and Szegedy, 2015, section 3.3; textbooks",
    chapter="normalization",
)
def c16(scale):
    """Best start − worst start, on each seed: without batch normalization − with."""
    arms, spread, rows = {}, {}, []
    for norm in ("none", "before"):
        each = found(scale, norm, "relu", MIDDLE, STARTS, WIDER)
        arms |= {f"{NAMES[norm]}, {start}": f for start, f in each.items()}
        spread[NAMES[norm]] = np.ptp([f.test for f in each.values()], axis=0)
    name = "spread over starts, none − BN"
    values = spread["none"] - spread["BN"]
    rows = [row(name, values, min_effect=LEAST, depth=MIDDLE)]
    for norm, values in spread.items():
        name, shown = f"spread over starts, {norm}", {"decides": False, "norm": norm}
        rows.append(row(name, values, min_effect=LEAST, **shown))
    numbers = {f"{norm}: spread": values.mean() for norm, values in spread.items()}
    text = f"{MIDDLE} ReLU layers, {EPOCHS[scale]} epochs, each start at its own rate."
    return report(rows, arms, scale, text, WIDER, **numbers)


@claim(
    "C17",
    statement="Batch normalization regularizes, as dropout does, and reduces the need "
    "for dropout",
    source="Ioffe and Szegedy, 2015, sections 3.4 and 4.2.1; textbooks",
    chapter="normalization",
)
def c17(scale):
    """C17a: gap and accuracy against none. C17b: the best rate of dropout.

    The overfitting network decides: a regularizer is not expected to help another.
    Shown beside it: the same trained five times as long, since a network that has not
    yet fitted its examples has a small gap for another reason.
    """
    arms, numbers, shown = {}, {}, []
    rows, best = more.dropout_rows(scale, arms)
    nets = {"over": "overfitting", "under": "underfitting"}
    nets["longer"] = "overfitting, longer"
    for norm, (net, told) in itertools.product(("none", "before"), nets.items()):
        name = f"{NAMES[norm]}, {told}"
        arms[name] = more.fitting(scale, norm, net)[0.0]
        numbers[f"{name}: training accuracy"] = arms[name].train.mean()
        numbers[f"{name}: gap"] = (arms[name].train - arms[name].test).mean()
    for net, told in nets.items():
        none, bn = (arms[f"{norm}, {told}"] for norm in ("none", "BN"))
        gaps = none.train - none.test - (bn.train - bn.test)
        for name, values in (
            ("gap, none − BN", gaps),
            ("accuracy, BN − none", bn.test - none.test),
        ):
            labels = {"part": "a", "net": told, "decides": net == "over"}
            name = f"C17a: {name}, {told}"
            shown.append(row(name, values, min_effect=LEAST, **labels))
    rows = [*shown[:2], *rows, *shown[2:]]
    epochs = more.MANY_EPOCHS
    text = f"2 ReLU layers: one network too large for its {more.FEW} examples, "
    text += f"{epochs['over']} epochs (longer: {epochs['longer']}), and one too small. "
    text += "The gap is training − test accuracy."
    return report(rows, arms, scale, text, **numbers, **best)


@claim(
    "C18",
    statement="With batch normalization training takes far fewer steps to the same "
    "accuracy; each step takes longer, the whole less time, and inference is slower",
    source="Ioffe and Szegedy, 2015 (fourteen times fewer steps); textbooks on time",
    chapter="normalization",
)
def c18(scale):
    """Four ratios, in doublings. A tenth is what a reader would notice on a clock.

    Processor seconds are measured in alternating rounds of one run, and told coarsely:
    they are the machine's as much as the method's.
    """
    steps, target, rates = more.steps(scale, MIDDLE)
    slower, inference, folded = more.clock(scale, MIDDLE)
    fewer = np.log2(steps["none"] / steps["before"])
    noticed = np.log2(1.1)
    parts = {
        "a": ("log2(steps to target, none ÷ BN)", fewer, 1.0),
        "b": ("log2(seconds a step, BN ÷ none)", slower, noticed),
        "c": ("log2(seconds to target, none ÷ BN)", fewer - slower, noticed),
        "d": ("log2(inference, BN ÷ none)", inference, noticed),
    }
    rows = [
        row(f"C18{part}: {name}", values, min_effect=least, part=part)
        for part, (name, values, least) in parts.items()
    ]
    name, shown = "log2(inference, folded BN ÷ none)", {"decides": False}
    rows.append(row(name, folded, min_effect=noticed, relation="equals", **shown))
    numbers = {
        "target": target,
        "none: steps": steps["none"].mean(),
        "BN: steps": steps["before"].mean(),
        "none: learning rate": rates["none"],
        "BN: learning rate": rates["before"],
        "fewer steps (times)": 2 ** fewer.mean(),
        "slower steps (times)": more.coarse(2 ** slower.mean()),
        "seconds to target (times fewer)": more.coarse(2 ** (fewer - slower).mean()),
        "slower inference (times)": more.coarse(2 ** inference.mean()),
        "folded inference (times)": more.coarse(2 ** folded.mean()),
    }
    text = f"{MIDDLE} ReLU layers; the target is what the network without it reaches "
    text += f"in {more.LONG[scale]} epochs, less 2 points; rates tuned for speed. "
    text += "Timings: processor seconds, as ratios of alternating rounds, inference "
    text += "compiled and in batches of 250; they vary by machine."
    return report(rows, {}, scale, text, **numbers)


@claim(
    "C19",
    statement="Batch normalization does little in a network of 2 layers and much in a "
    "deep one",
    source="Textbooks, on an example of two hidden layers",
    chapter="normalization",
)
def c19(scale):
    """The gain in 20 layers − the gain in 2, and each of the two."""
    shallow, deep = gain(scale, "relu", SHALLOW), gain(scale, "relu", DEEP)
    name = f"gain at {DEEP} layers − gain at {SHALLOW}"
    rows = [row(name, deep - shallow, min_effect=LEAST, part="interaction")]
    name, few = f"BN − none, {DEEP} layers", f"BN − none, {SHALLOW} layers, little"
    rows.append(row(name, deep, min_effect=LEAST, depth=DEEP))
    how = {"relation": "equals", "depth": SHALLOW}
    rows.append(row(few, shallow, min_effect=LEAST, **how))
    arms = pair(scale, "relu", SHALLOW) | pair(scale, "relu", DEEP)
    return report(rows, arms, scale, f"{EPOCHS[scale]} epochs, test accuracy.")


@claim(
    "C20",
    statement="Batch normalization before the activation and after it do equally well",
    source="Textbooks, which call it a matter of taste",
    chapter="normalization",
)
def c20(scale):
    """Before − after, both ways, in 2 and in 20 ReLU layers."""
    arms, rows = {}, []
    for depth in (SHALLOW, DEEP):
        each = [found(scale, k, "relu", depth)[""] for k in ("before", "after")]
        names = [f"{k}, {depth} layers" for k in ("before", "after")]
        arms |= dict(zip(names, each, strict=True))
        values = each[0].test - each[1].test
        how = {"relation": "equals", "depth": depth}
        name = f"before − after, {depth} layers"
        rows.append(row(name, values, min_effect=LEAST, **how))
    text = f"ReLU, {EPOCHS[scale]} epochs, test accuracy."
    return report(rows, arms, scale, text)


@claim(
    "C52",
    statement="Batch normalization of the input replaces standardizing the data",
    source="Textbooks",
    chapter="normalization",
)
def c52(scale):
    """BN on the raw input − standardized features, both ways; beside it, raw ones."""
    arms = inputs(scale)
    first = arms["BN on the input"].test
    name, other = "BN on the input − standardized", arms["standardized"].test
    rows = [row(name, first - other, min_effect=LEAST, relation="equals")]
    name, shown = "BN on the input − raw", {"decides": False}
    rows.append(row(name, first - arms["raw"].test, min_effect=LEAST, **shown))
    text = f"2 ReLU layers, {EPOCHS[scale]} epochs, features in units whose sizes "
    return report(rows, arms, scale, text + "differ up to a hundredfold.")


@claim(
    "C53",
    statement="The momentum of batch normalization needs more nines for more data",
    source="Textbooks",
    chapter="normalization",
)
def c53(scale):
    """Nines of the best momentum, most data − least: half a nine, or it is no rule.

    Decides at equal epochs, as told. Beside it the same with equal steps.
    """
    rows, numbers = more.momentum_rows(scale)
    rate = found(scale, "before")[""].rate
    text = f"2 ReLU layers, learning rate {rate:g}, {more.EPOCHS} epochs, or as many "
    text += "steps as the middle size takes. Best is the lowest validation loss."
    return report(rows, {}, scale, text, **numbers)


@claim(
    "C55",
    statement="Batch normalization helps because it reduces internal covariate shift",
    source="Ioffe and Szegedy, 2015; doubted by Santurkar et al., 2018",
    chapter="normalization",
)
def c55(scale):
    """If so, noise that shifts every layer anew at each step takes at least half of it.

    The noise stands after each batch normalization, as in Santurkar et al.
    """
    none, bn, noisy = (
        found(scale, norm, "relu", DEEP)[""] for norm in ("none", "before", "noisy")
    )
    lost = (bn.test - noisy.test) - (bn.test - none.test) / 2
    rows = [row("what the shift takes − half of BN's gain", lost, min_effect=0.0)]
    for name, first, second in (
        ("BN − none", bn, none),
        ("noisy BN − none", noisy, none),
        ("BN − noisy BN", bn, noisy),
    ):
        values, shown = first.test - second.test, {"decides": False}
        rows.append(row(name, values, min_effect=LEAST, **shown))
    arms = {"none": none, "BN": bn, "noisy BN": noisy}
    text = f"{DEEP} ReLU layers, {EPOCHS[scale]} epochs; each feature of each layer "
    text += "moved by up to 0.5 and stretched by up to 0.25 standard deviations."
    return report(rows, arms, scale, text, depth=DEEP)
