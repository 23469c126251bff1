"""Look at the labels of a classification while they can be seen.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

import numpy as np

from dtlib.losses._base import values_of


def check_probabilities(y):
    """Raise when a label lies outside [0, 1], where the loss has no least value."""
    values = values_of(y)
    if values is not None:
        _none_of(values[~((values >= 0) & (values <= 1))], values, "numbers in [0, 1]")


def check_classes(y, k):
    """Raise when a label is not one of the class numbers 0, ..., K − 1."""
    values = values_of(y)
    if values is not None:
        right = (values == np.round(values)) & (values >= 0) & (values < k)
        _none_of(values[~right], values, f"integers in [0, {k - 1}]")


def _none_of(bad, values, wanted):
    if bad.size:
        raise ValueError(
            f"`y_true` must hold {wanted}. "
            f"Received: {bad.size} of {values.size} others, first {bad[0]:g}."
        )
