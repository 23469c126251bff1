"""The claims of the chapter `dropout`: what it buys, how much, where, and as doubt.

Tests: tests/test_claims_dropout.py.
"""

import itertools

from dtlib.claims import _dropout_arms as arms
from dtlib.claims import _dropout_doubt as doubt
from dtlib.claims.arms import LEAST
from dtlib.claims.evidence import row
from dtlib.claims.registry import claim

STEP = 0.1  # of the grid of rates: a smaller difference is the same rate
NARROW, *_, WIDE = arms.WIDTHS


@claim(
    "C42",
    statement="Dropout narrows the generalization gap and raises the test accuracy of "
    "a network that overfits; the more it overfits, the higher its best rate",
    source="Srivastava et al., 2014, section 6; textbooks, which add: lower the rate "
    "when the network underfits",
    chapter="dropout",
)
def c42(scale):
    """C42a: gap. C42b: accuracy. C42c: the best rate, overfitting − underfitting.

    The network that overfits decides the first two: no regularizer is expected to help
    the other. Shown: both, of that one and of curves, and alpha dropout under SELU.
    """
    every, numbers, shown, curves, rates = {}, {}, [], [], {}
    for fit in arms.FITS:
        found = arms.curve(fit, scale)
        every |= {f"{fit}, dropout {drop:g}": each for drop, each in found.items()}
        shown += arms.fit_rows(fit, found)
        curves += arms.curve_rows(fit, found)
        rates[fit] = arms.best(found)
        numbers[f"{fit}: best dropout"] = rates[fit].mean()
        numbers[f"{fit}: chosen dropout"] = arms.chosen(found)
    name = "C42c: best rate of dropout, over − under"
    more = row(name, rates["over"] - rates["under"], min_effect=STEP, part="c")
    rows = [*shown[:2], more, *shown[2:], *arms.selu_rows(scale), *curves]
    for name, found in every.items():
        numbers |= arms.told(name, found)
    every |= arms.selu_named(scale)
    text = f"2 ReLU layers: 64 units and {arms.nets.FEW} images (over; MNIST-1D: as "
    text += "many curves), 8 units and all images (under). Fashion-MNIST, coarse at "
    text += "the quick scale. The gap is training − test accuracy, the rate of dropout "
    text += "chosen on validation too. SELU: 5 layers of 32 units. "
    text += f"{len(arms.TRIALS)} tuning seeds. {arms.CHANGED}"
    numbers |= arms.selu_numbers(scale)
    return arms.evidence(rows, every, numbers, scale, text, arms.GRID)


@claim(
    "C43",
    statement="Monte-Carlo dropout improves the accuracy, the calibration and the "
    "likelihood of a trained network that has dropout, without training it again",
    source="Gal and Ghahramani, 2016, on likelihood; textbooks on all three",
    chapter="dropout",
)
def c43(scale):
    """C43a, b, c: MC − dropout off, in accuracy, and how much lower ECE and NLL are."""
    rows, numbers = doubt.better(scale)
    text = f"Means of {doubt.SAMPLES} samples against the same network with dropout "
    text += f"off. 2 ReLU layers of 64 units, {doubt.TRAINED} epochs, dropout after "
    text += "the input and each layer, rate 0.2 decides. ECE of 15 bins. The rows of "
    text += f"few images, {arms.nets.FEW}, were added since the verdict. What is only "
    text += f"shown is the mean of {doubt.FEWER} samples. The cost is a ratio of "
    text += "processor seconds in one run, and depends on the machine."
    every = doubt.every(scale, (*doubt.DATA, *doubt.LONGER))
    return arms.evidence(rows, every, numbers, scale, text)


@claim(
    "C62",
    statement="Dropout belongs after the top three hidden layers rather than after "
    "all, and wide layers want a higher rate",
    source="Textbooks",
    chapter="dropout",
)
def c62(scale):
    """C62a: top three − all hidden layers. C62b: best rate, wide − narrow."""
    found, every, numbers = arms.favorites(scale), {}, {}
    for place, each in arms.placed(scale).items():
        numbers |= arms.told(place, found[place][1])
        numbers[f"{place}: dropout"] = found[place][0]
        for drop, one in each.items():
            every[f"{place}, dropout {drop:g}"] = one
            numbers[f"{place}, dropout {drop:g}: accuracy"] = one.test.mean()
    test = {place: one.test for place, (_, one) in found.items()}
    pairs = [("top three", "all"), ("last", "all"), ("last", "top three")]
    pairs += [("all and input", "all")]
    pairs += [(place, "none") for place in test if place != "none"]
    rows = []
    for one, other in pairs:
        decides = (one, other) == pairs[0]
        name = f"{'C62a: ' * decides}{one} − {other}"
        how = {"part": "a", "placement": one, "against": other, "decides": decides}
        rows.append(row(name, test[one] - test[other], min_effect=LEAST, **how))
    best = {}
    for width in arms.WIDTHS:
        curve = arms.wide(width, scale)
        best[width] = arms.best(curve)
        numbers[f"width {width}: best dropout"] = best[width].mean()
        for drop, one in curve.items():
            every[f"width {width}, dropout {drop:g}"] = one
            numbers |= arms.told(f"width {width}, dropout {drop:g}", one)
    for wide, narrow in itertools.combinations(reversed(arms.WIDTHS), 2):
        decides = (wide, narrow) == (WIDE, NARROW)
        name = f"{'C62b: ' * decides}best rate of dropout, {wide} − {narrow} units"
        how = {"part": "b", "decides": decides, "width": wide, "against": narrow}
        rows.append(row(name, best[wide] - best[narrow], min_effect=STEP, **how))
    rows.sort(key=lambda part: not part["decides"])
    text = f"{arms.nets.FEW} images of Fashion-MNIST, coarse at the quick scale. "
    text += "Placement: 5 ReLU layers of 32 units, rates of dropout "
    text += f"{list(arms.SOME)} chosen on validation, {arms.INPUT} at the input. "
    text += "Width: 2 ReLU layers, dropout after both. "
    text += f"{len(arms.TRIALS)} tuning seeds. {arms.CHANGED}"
    return arms.evidence(rows, every, numbers, scale, text, arms.GRID)


@claim(
    "C67",
    statement="Monte-Carlo dropout ranks errors and outliers better than the softmax "
    "of the same network",
    source="Gal and Ghahramani, 2016, sections 4 and 5; textbooks",
    chapter="dropout",
)
def c67(scale):
    """AUROC of the entropy, MC − dropout off: of errors, digits and noise."""
    rows, numbers = doubt.ranks(scale)
    text = "AUROC: how often an error, or an outlier, has the higher score. Means of "
    text += f"{doubt.SAMPLES} samples against the same network with dropout off, rate "
    text += f"{doubt.DROP} after the input and each of 2 ReLU layers of 64 units. "
    text += "Outliers are scaled to the mean and deviation of the training images."
    return arms.evidence(rows, doubt.every(scale), numbers, scale, text)
