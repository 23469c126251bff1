"""Coins by hand: what dropout keeps, the networks inside a network, doubt, a line.

The chapter `dropout` of the book ends with them. Tests: tests/test_exercises.py and
tests/test_exercises_dropout.py.
"""

import itertools
import math

import numpy as np
from scipy.special import entr, softmax

from dtlib import dropout
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(12)


@exercise(
    "dropout.1",
    title="Drop and strengthen",
    difficulty=1,
    minutes=5,
    hints=[
        "On average a unit is there in a share 1 − rate of the steps. What must it be "
        "multiplied by, so that its mean stays what it was?",
        "By 1/(1 − rate), where the mask is true. What is dropped is 0.",
    ],
    cases=[
        ("half of four units", ([1.0, 2.0, 3.0, 4.0], [True, False, True, False], 0.5)),
        ("a fifth is dropped", ([2.0, -1.0, 0.5], [True, True, False], 0.2)),
        ("a high rate", ([2.0, -1.0, 0.5], [False, True, False], 0.9)),
        ("a batch", (rng.normal(size=(3, 4)), rng.random((3, 4)) > 0.3, 0.3)),
    ],
    mistakes=[
        lambda x, mask, rate: x * mask,
        "The kept units stay as they were, so on average the next layer gets less than "
        "without dropout. Strengthen them.",
        lambda x, mask, rate: x * mask / rate,
        "You divide by the chance to be *dropped*. A unit is kept with 1 − rate.",
        lambda x, mask, rate: x * mask * (1 - rate),
        "You weaken the kept units. They must make up for those that are missing.",
        lambda x, mask, rate: x * ~mask / (1 - rate),
        "The mask is true where a unit is *kept*.",
        lambda x, mask, rate: x * mask * mask.size / max(mask.sum(), 1),
        "You divide by the share that this mask happened to keep. Divide by its "
        "expectation, 1 − rate, which is the same for every mask.",
    ],
)
def drop(x, mask, rate):
    """Return what dropout makes of activations, in training.

    x: activations; mask: true where a unit is kept;
    rate: the probability with which it was dropped
    """
    return np.where(mask, x / (1 - rate), 0.0)


def sums(rate, x, w, factor=lambda r: r / (1 - r)):
    return float(x @ w), factor(rate) * float(((x * w) ** 2).sum())


@exercise(
    "dropout.2",
    title="The noise that a layer receives",
    difficulty=2,
    minutes=10,
    hints=[
        "Each kept unit adds x·w/(1 − rate) to the sum, each dropped one 0. What are "
        "mean and variance of one such term?",
        "A coin m with P(m = 1) = q has variance q(1 − q). The term is (x·w/q)·m.",
        "The coins are independent, so variances add: rate/(1 − rate) · Σ (x·w)².",
    ],
    cases=[
        ("three units", (0.5, [1.0, 2.0, -1.0], [0.5, 1.0, 2.0])),
        ("a low rate", (0.2, [1.0, 2.0, -1.0], [0.5, 1.0, 2.0])),
        ("a high rate", (0.8, [3.0, 1.0], [1.0, -1.0])),
        ("a wide layer", (0.3, rng.normal(size=100), rng.normal(size=100))),
    ],
    mistakes=[
        lambda rate, x, w: sums(rate, x, w, lambda r: r * (1 - r)),
        "The variance is that of dropout without the division. Dividing by 1 − rate "
        "divides the variance by its square.",
        lambda rate, x, w: sums(rate, x, w, lambda r: (1 - r) / r),
        "You exchanged keeping and dropping: at a rate of 0 nothing varies.",
        lambda rate, x, w: ((1 - rate) * float(x @ w), sums(rate, x, w)[1]),
        "The variance is right. The division keeps the mean: it is Σ x·w.",
        lambda rate, x, w: (float(x @ w), rate / (1 - rate) * float(x @ w) ** 2),
        "You squared the sum. The coins are independent: sum the squares.",
        lambda rate, x, w: (float(x @ w), math.sqrt(sums(rate, x, w)[1])),
        "Your second number is the standard deviation. Give its square.",
    ],
)
def noise_of_sum(rate, x, w):
    """Return (mean, variance) of Σ y·w, where y is x after dropout.

    rate: the probability to drop; x, w: activations and weights, (n,)
    """
    return sums(rate, x, w)


def crowd(h, W, b, rate, *, divisor=None, chance=None):
    """The mean over all masks; `chance` is the rate that weighs them."""
    masks = np.array([*itertools.product([0.0, 1.0], repeat=len(h))])
    divisor = 1 - rate if divisor is None else divisor
    chance = rate if chance is None else chance
    weights = np.where(masks, 1 - chance, chance).prod(1)
    p = softmax((masks * h / divisor) @ W + b, axis=-1)
    return np.average(p, axis=0, weights=weights)


@exercise(
    "dropout.3",
    title="All networks inside a network",
    difficulty=2,
    minutes=15,
    hints=[
        "Which masks of n units are there, and how probable is each of them?",
        "`itertools.product([0, 1], repeat=n)`. A mask that keeps k of n units has the "
        "chance (1 − rate)ᵏ · rateⁿ⁻ᵏ.",
        "Take the softmax of each network's own logits first, then the mean, with the "
        "chances as weights.",
    ],
    cases=[
        ("one unit", ([2.0], [[1.0, -1.0]], [0.0, 0.5], 0.5)),
        ("fair coins", (rng.random(4), rng.normal(size=(4, 3)), np.zeros(3), 0.5)),
        ("a low rate", (rng.random(3), rng.normal(size=(3, 2)), np.arange(2.0), 0.2)),
        ("a high rate", (rng.random(5), 2 * rng.normal(size=(5, 3)), np.ones(3), 0.7)),
    ],
    mistakes=[
        lambda h, W, b, rate: crowd(h, W, b, rate, chance=0.5),
        "You give each mask the same weight. That is right at a rate of one half only.",
        lambda h, W, b, rate: softmax(h @ W + b),
        "That is the network with dropout off: the *geometric* mean. Asked for is the "
        "mean of the probabilities.",
        lambda h, W, b, rate: crowd(h, W, b, rate, divisor=1.0),
        "The kept units must be divided by 1 − rate, as in training.",
        lambda h, W, b, rate: crowd(h, W, b, rate, chance=1 - rate),
        "In the chances, `rate` is the probability to drop, not to keep.",
        lambda h, W, b, rate: crowd(h, W, 0 * b, rate),
        "The bias is missing. No mask drops it.",
    ],
)
def mean_of_networks(h, W, b, rate):
    """Return the mean probabilities over all masks of the hidden units.

    h: hidden activations, (n,); W: (n, classes) and b: (classes,), of
    the softmax layer; rate: the probability to drop a unit of h
    """
    return crowd(h, W, b, rate)


def doubt(p, own=lambda p: entr(p).sum(-1).mean(0)):
    total = entr(p.mean(0)).sum(-1)
    return total, own(p), total - own(p)


@exercise(
    "dropout.4",
    title="Doubt, in two parts",
    difficulty=2,
    minutes=10,
    hints=[
        "There are two orders: the mean first, then the entropy; or the entropy first. "
        "Which of them sees that the samples contradict each other?",
        "The mean first: it is all the doubt. The entropy of each sample first, and "
        "then their mean: what each sample has by itself. The rest is dispute.",
        "0·log 0 is 0. `scipy.special.entr` knows; or `p * np.log(p)` where p > 0.",
    ],
    cases=[
        ("two sure samples, opposed", ([[[1.0, 0.0]], [[0.0, 1.0]]],)),
        ("two open samples, agreed", ([[[0.5, 0.5]], [[0.5, 0.5]]],)),
        ("five samples, three images", (rng.dirichlet([0.5] * 4, size=(5, 3)),)),
    ],
    mistakes=[
        lambda p: tuple(part / math.log(2) for part in doubt(p)),
        "Your numbers are in bits. Asked for are nats: the natural logarithm.",
        lambda p: (doubt(p)[1], doubt(p)[0], -doubt(p)[2]),
        "You exchanged the first two. All the doubt is the entropy of the *mean*.",
        lambda p: tuple(float(part.mean()) for part in doubt(p)),
        "You averaged over the images. Each image has a doubt of its own.",
        lambda p: doubt(p, lambda p: entr(p[0]).sum(-1)),
        "You took the entropy of the first sample alone. Take the mean over samples.",
        lambda p: doubt(p, lambda p: entr(p).sum((0, -1))),
        "You summed the entropies of the samples. Take their mean.",
    ],
)
def doubt_of(samples):
    """Return (all doubt, the samples' own, dispute), each (n,).

    samples: probabilities, (S, n, classes); entropies in nats
    """
    total, own = dropout.predictive_entropy(samples), dropout.expected_entropy(samples)
    return total, own, total - own


def binned(y, p, bins, *, top=True, left=False, weigh=True, absolute=True):
    right = p.argmax(-1) == y
    confidence = p.max(-1) if top else p[np.arange(len(y)), y]
    place = np.floor(confidence * bins) if left else np.ceil(confidence * bins) - 1
    used = [place.clip(0, bins - 1) == m for m in range(bins)]
    used = [bin for bin in used if bin.any()]
    gaps = np.array([right[bin].mean() - confidence[bin].mean() for bin in used])
    counts = [bin.sum() if weigh else 1 for bin in used]
    return float(abs(np.average(abs(gaps) if absolute else gaps, weights=counts)))


many = rng.dirichlet([1.0] * 3, 60)
sure = np.array([[0.5, 0.5], [0.25, 0.75], [0.875, 0.125], [0.875, 0.125], [1.0, 0.0]])


@exercise(
    "dropout.5",
    title="The calibration error",
    difficulty=2,
    minutes=15,
    hints=[
        "Of each prediction you need two things: how sure it was, and whether it was "
        "right. Which probability says how sure?",
        "The largest one. Its bin is `np.ceil(confidence * bins) - 1`, since a bin "
        "has its right edge.",
        "In each bin, |share right − mean confidence|; then the mean over all "
        "*predictions*, so that a bin with many counts more.",
    ],
    cases=[
        ("sure, and right half of the time", ([0, 1], [[1.0, 0.0], [1.0, 0.0]], 10)),
        ("five predictions, some on an edge", ([1, 1, 0, 1, 0], sure, 4)),
        ("the same in one bin", ([1, 1, 0, 1, 0], sure, 1)),
        ("sixty predictions", (many.argmax(-1) * (rng.random(60) < 0.4), many, 10)),
    ],
    mistakes=[
        lambda y, p, bins: binned(y, p, bins, weigh=False),
        "Each bin counts the same in your mean. Weigh it by its predictions.",
        lambda y, p, bins: binned(y, p, bins, absolute=False),
        "Bins that are too sure and others cancel. Take absolute values bin by bin.",
        lambda y, p, bins: binned(y, p, bins, top=False),
        "You took the probability of the *true* class as confidence. Take the largest: "
        "the model does not know the truth.",
        lambda y, p, bins: binned(y, p, bins, left=True),
        "Your bins hold their left edge. A bin here is (left, right].",
    ],
)
def calibration_error(y, p, bins):
    """Return the expected calibration error.

    y: labels, (n,); p: probabilities, (n, classes); bins: how many, of
    equal width over (0, 1], each with its right edge
    """
    return dropout.expected_calibration_error(y, p, bins=bins)


def line(value, rate, mean, variance, power=0.5, apart=1):
    q = 1 - rate
    mixed = q * variance + apart * q * rate * (mean - value) ** 2
    a = (variance / mixed) ** 0.5
    return a ** (2 * power), mean - a * (q * mean + rate * value)


@exercise(
    "dropout.6",
    title="Open question: a line for any value",
    difficulty=3,
    minutes=25,
    hints=[
        "Before the line, y is x with probability 1 − rate, and the value otherwise. "
        "What are its mean and its variance?",
        "With q = 1 − rate: the mean is M = q·mean + rate·value, and the variance "
        "V = q·variance + q·rate·(mean − value)².",
        "A line a·y + b has the mean a·M + b and the variance a²·V. Solve for a > 0 "
        "and b.",
    ],
    cases=[
        ("SELU: alpha dropout", (-1.7580993408473766, 0.2, 0.0, 1.0)),
        ("plain zeros, mean 0", (0.0, 0.5, 0.0, 1.0)),
        ("zeros after a ReLU", (0.0, 0.3, 0.4, 0.34)),
        ("any numbers", (1.5, 0.7, -0.5, 4.0)),
    ],
    mistakes=[
        lambda v, rate, mean, var: line(v, 1 - rate, mean, var),
        "You exchanged rate and 1 − rate: `rate` is the probability to drop.",
        lambda v, rate, mean, var: line(v, rate, mean, var, apart=0),
        "In the variance the distance of the two levels is missing: dropping moves a "
        "unit from the mean to the value.",
        lambda v, rate, mean, var: (line(v, rate, mean, var)[0], 0.0),
        "Your a is right. Without b the mean is not kept.",
        lambda v, rate, mean, var: line(v, rate, mean, var, power=1),
        "Your a is the ratio of the variances. A line multiplies by a²: take the root.",
        lambda v, rate, mean, var: (line(v, rate, mean, var)[0], rate * (mean - v)),
        "Your b undoes the shift before the line is stretched: multiply by a.",
        lambda v, rate, mean, var: line(v, rate, 0.0, 1.0),
        "You took mean 0 and variance 1, as SELU has. Here x has what is given.",
    ],
)
def line_for(value, rate, mean, variance):
    """Return (a, b), a > 0, so that a·y + b has x's mean and variance.

    y is x with probability 1 − rate and `value` with probability rate;
    mean, variance: those of x
    """
    return line(value, rate, mean, variance)
