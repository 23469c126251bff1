"""Arms and reports of the claims on batch normalization.

Tests: tests/test_claims_normalization.py.
"""

import functools

from dtlib.claims import _normalization_more as more
from dtlib.claims._normalization_nets import (
    EPOCHS,
    RATES,
    Kind,
    Net,
    found,
    sample,
    tune,
)
from dtlib.claims.arms import SETTINGS, WIDTHS, data_name, training_data
from dtlib.claims.evidence import Evidence, combine

NAMES = {"none": "none", "before": "BN", "after": "after", "noisy": "noisy BN"}


def report(rows, arms, scale, text, grid=RATES, **numbers):
    """The `Evidence` of judged rows and of `{arm: Found}`.

    Args:
        rows: The parts.
        arms: What was trained.
        scale: Of the run.
        text: Two sentences: how, and what else a reader should know.
        grid: The rates that all arms were tuned over.
        **numbers: More of them, by name.
    """
    told = {}
    for name, arm in arms.items():
        told[f"{name}: accuracy"] = arm.test.mean()
        told[f"{name}: learning rate"] = arm.rate
        told[f"{name}: diverged"] = arm.diverged
    edges = ", ".join(name for name, arm in arms.items() if arm.at_edge)
    how = f"{data_name(scale)}, plain SGD, "
    how += f"{len(SETTINGS[scale]['seeds'])} paired seeds, {text}"
    if arms:
        how += f" Rates tuned on validation over {list(grid)}; the best was an end of "
        how += f"them for: {edges or 'none'}."
    return Evidence(combine(rows), told | numbers, rows, how)


def pair(scale, activation, depth):
    """`none` and `BN` of this activation and depth, by the names of their arms."""
    where = f"{activation}, {depth} layers"
    return {
        f"{NAMES[norm]}, {where}": found(scale, norm, activation, depth)[""]
        for norm in ("none", "before")
    }


def gain(scale, activation, depth):
    """Accuracy with batch normalization − without, one number a seed."""
    without, with_ = pair(scale, activation, depth).values()
    return with_.test - without.test


@functools.cache
def inputs(scale):
    """`{arm: Found}` of 2 layers on features in unlike units."""
    data = training_data(scale)
    raw = more.unlike_units(data)
    told = {"raw": (raw, "none"), "standardized": (more.standardized(raw), "none")}
    told["BN on the input"] = (raw, "input")
    return {
        name: tune(
            Kind(norm, "relu", 2, WIDTHS[scale]),
            (Net(),),
            sample(some),
            SETTINGS[scale],
            epochs=EPOCHS[scale],
        )[Net()]
        for name, (some, norm) in told.items()
    }
