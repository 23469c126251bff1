"""Arms of the claims on dropout: how much of it, where, and in which form.

Tests: tests/test_claims_dropout.py.
"""

import functools
import itertools

import numpy as np
from scipy.special import ndtri

from dtlib import activations, dropout
from dtlib.claims import _dropout_nets as nets
from dtlib.claims._dropout_nets import Kind, Net, everywhere
from dtlib.claims.arms import LEAST, SETTINGS, unseen
from dtlib.claims.evidence import Evidence, combine, row

# Two seeds, as elsewhere, chose by chance: networks that were about to diverge.
TRIALS, GRID = range(1100, 1105), nets.RATES[1:]
CHANGED = "The tuning was changed after trials, whose seeds are not among these."
# The rates that notes recommend, 10 to 50 %, and beyond them on both sides.
DROPS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
FEWER = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)  # for what is only shown
SOME = (0.05, 0.1, 0.3, 0.5)
INPUT = 0.2  # the rate that notes recommend at the input
# Name: data, kind, whether of few examples, epochs, rates of dropout.
FITS = {
    "over": ("images", Kind(), True, 40, DROPS),
    "under": ("images", Kind(width=8), False, 10, DROPS),
    "MNIST-1D": ("MNIST-1D", Kind(), True, 40, FEWER),
}
WIDTHS, WIDE_DROPS = (16, 64, 128), (0.0, 0.1, 0.3, 0.5, 0.7)
SELU = Kind("selu", 5, 32)
SELU_DROPS = (0.05, 0.1, 0.2)  # alpha dropout's paper keeps to small ones
DEEP = Kind("relu", 5, 32)
PLACES = {
    "none": [everywhere(0.0, 5)],
    "last": [Net((0, 0, 0, 0, 0, r)) for r in SOME],
    "top three": [Net((0, 0, 0, r, r, r)) for r in SOME],
    "all": [everywhere(r, 5) for r in SOME],
    "all and input": [everywhere(r, 5, start=INPUT) for r in SOME],
    "input": [everywhere(0.0, 5, start=INPUT)],
}


@functools.cache
def tuned(name, kind, scarce, epochs, arms, scale):
    """`{net: Found}` of these networks on this data."""
    given = nets.data(name, scale)
    given = nets.few(given) if scarce else given
    setting = unseen(SETTINGS[scale]) | {"tune_seeds": TRIALS}
    how = dict(epochs=epochs * nets.TIMES[scale], grid=GRID)
    return nets.tune(kind, arms, given, setting, **how)[0]


def curve(fit, scale):
    """`{rate of dropout: Found}` of one of `FITS`."""
    name, kind, scarce, epochs, drops = FITS[fit]
    arms = tuple(everywhere(drop) for drop in drops)
    found = tuned(name, kind, scarce, epochs, arms, scale)
    return dict(zip(drops, found.values(), strict=True))


def wide(width, scale):
    """`{rate of dropout: Found}` of 2 layers of this width on few images."""
    arms = tuple(everywhere(drop) for drop in WIDE_DROPS)
    found = tuned("images", Kind(width=width), True, 40, arms, scale)
    return dict(zip(WIDE_DROPS, found.values(), strict=True))


def chosen(found):
    """The rate of dropout, not 0, that is best on the tuning seeds' validation."""
    return max((drop for drop in found if drop), key=lambda drop: found[drop].score)


def best(found):
    """Each seed's best rate of dropout on validation, 0 among them."""
    drops = list(found)
    return np.array(drops)[np.argmax([found[d].valid for d in drops], axis=0)]


def gap(found):
    """Training accuracy − test accuracy."""
    return found.train - found.test


def fit_rows(fit, found):
    """C42a and C42b for one of `FITS`: gap and accuracy, and what was chosen."""
    none, some = found[0.0], found[chosen(found)]
    how = {"net": fit, "decides": fit == "over", "min_effect": LEAST}
    gaps, gain = gap(none) - gap(some), some.test - none.test
    return [
        row(f"C42a: gap, none − dropout, {fit}", gaps, part="a", **how),
        row(f"C42b: accuracy, dropout − none, {fit}", gain, part="b", **how),
    ]


def curve_rows(fit, found):
    """The same at every rate of the curve: validation chooses among them by a hair."""
    none, rows = found[0.0], []
    for drop, some in found.items():
        if drop:
            how = {"net": fit, "rate": drop, "decides": False, "min_effect": LEAST}
            gaps, gain = gap(none) - gap(some), some.test - none.test
            name = f"gap, none − dropout {drop:g}, {fit}"
            rows.append(row(name, gaps, part="curve a", **how))
            name = f"accuracy, dropout {drop:g} − none, {fit}"
            rows.append(row(name, gain, part="curve b", **how))
    return rows


@functools.cache
def selu(scale):
    """`{arm: [Found of each rate]}`: SELU networks without, with, and with alpha."""
    plain = [everywhere(r, 5) for r in SELU_DROPS]
    alpha = [everywhere(r, 5, alpha=True) for r in SELU_DROPS]
    arms = {"none": [everywhere(0.0, 5)], "dropout": plain, "alpha dropout": alpha}
    every = tuple(itertools.chain(*arms.values()))
    found = tuned("images", SELU, True, 40, every, scale)
    return {arm: [found[net] for net in some] for arm, some in arms.items()}


def favorite(found):
    """Index of the arm that is best on the tuning seeds' validation."""
    return int(np.argmax([each.score for each in found]))


def selu_rows(scale):
    """Alpha dropout against dropout and against none, each at its own rate."""
    picked = {arm: some[favorite(some)] for arm, some in selu(scale).items()}
    rows, alpha = [], picked["alpha dropout"].test
    for other in ("dropout", "none"):
        name, shown = f"SELU: alpha dropout − {other}", {"decides": False}
        how = {"part": "alpha", "net": "SELU", "min_effect": LEAST}
        rows.append(row(name, alpha - picked[other].test, **how, **shown))
    return rows


def selu_named(scale):
    """`{name: Found}` of the SELU arms."""
    return {
        "SELU, none" if arm == "none" else f"SELU, {arm} {drop:g}": each
        for arm, some in selu(scale).items()
        for drop, each in zip(SELU_DROPS, some, strict=False)
    }


def selu_numbers(scale):
    """What each SELU arm reached, and the standard deviation of each layer."""
    numbers = {}
    for name, each in selu_named(scale).items():
        numbers |= told(name, each)
    for arm, values in spread(SELU_DROPS[1]).items():
        for k, value in enumerate(values, 1):
            numbers[f"SELU, {arm}, layer {k}: std"] = value
    return numbers


def spread(rate, depth=10, width=100, n=1000):
    """Standard deviation of each layer of SELU networks at their start, dropping.

    The input is standard normal, the weights are LeCun's; each layer's deviation is
    measured after the unit was dropped, and averaged over ten draws.
    """
    found = {}
    for arm in ("none", f"dropout {rate:g}", f"alpha dropout {rate:g}"):
        stds = np.zeros(depth)
        for seed in range(10):
            rng = np.random.default_rng(seed)
            x = ndtri(rng.random((n, width)))
            for k in range(depth):
                kernel = rng.standard_normal((width, width)) / np.sqrt(width)
                x = np.asarray(activations.selu(x @ kernel))
                kept = rng.random(x.shape) >= rate
                if arm != "none":
                    rule = dropout.alpha_dropout if "alpha" in arm else dropout.dropout
                    x = np.asarray(rule(x, kept, rate=rate))
                stds[k] += x.std() / 10
        found[arm] = stds
    return found


def told(name, found):
    """Accuracy, training accuracy, learning rate and diverged runs, for `name`."""
    return {
        f"{name}: accuracy": found.test.mean(),
        f"{name}: training accuracy": found.train.mean(),
        f"{name}: learning rate": found.rate,
        f"{name}: diverged": found.diverged,
    }


@functools.cache
def placed(scale):
    """`{place: {rate: Found}}` of 5 layers on few images."""
    every = tuple(itertools.chain(*PLACES.values()))
    found = tuned("images", DEEP, True, 40, every, scale)
    return {
        place: {net.rates[-1] or net.rates[0]: found[net] for net in some}
        for place, some in PLACES.items()
    }


def favorites(scale):
    """`{place: (rate of dropout, Found)}` as validation chooses."""
    return {
        place: max(found.items(), key=lambda pair: pair[1].score)
        for place, found in placed(scale).items()
    }


def evidence(rows, arms, numbers, scale, text, grid=nets.RATES):
    """The `Evidence`, with a word on the protocol and on rates at an end."""
    ends = ", ".join(name for name, found in arms.items() if found.at_edge)
    how = f"{text} SGD with momentum {nets.MOMENTUM}, batches of "
    how += f"{SETTINGS[scale]['batch_size']}, {len(SETTINGS[scale]['seeds'])} paired "
    how += f"seeds. Learning rates tuned on validation over {list(grid)}; the "
    how += f"best was an end of them for: {ends or 'none'}."
    return Evidence(combine(rows), numbers, rows, how)
