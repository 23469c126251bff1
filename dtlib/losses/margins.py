"""Margins: right is not enough; be right by 1, and then stop.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

from keras import ops

from dtlib._register import serializable
from dtlib.losses._base import RuleLoss, mean, paired
from dtlib.losses.crossentropy import times


def signed(y):
    """Labels as ±1: a 0 becomes −1, so that {0, 1} and {−1, 1} mean the same."""
    return ops.where(y == 0, -1.0, y)


def hinge(y_true, y_pred):
    """Linear in the shortfall of the margin y·s below 1, and 0 beyond it.

        ℓ = (1/d) Σᵢ max(0, 1 − yᵢ sᵢ)          y ∈ {−1, 1}

    At the margin itself the slope jumps from −y to 0; the gradient returned there is 0.

    Args:
        y_true: y, shape (..., d), coded {−1, 1} or {0, 1}.
        y_pred: s, scores of any size, the same shape; no activation.

    Returns:
        ℓ of each sample, shape (...).

    Example: a mistake, a hit short of the margin, and one beyond it.

    >>> import numpy as np
    >>> print(np.asarray(hinge([[1.0], [1.0], [1.0]], [[-1.0], [0.5], [9.0]])))
    [2.  0.5 0. ]

    Differs from Keras: a 0 always means −1. Keras recodes a batch only if it holds
    nothing but 0 and 1. Shapes that differ are an error.

    Reference: Cortes and Vapnik, 1995, https://doi.org/10.1007/BF00994018
    Equation: eq-losses-hinge
    """
    y, s = paired(y_true, y_pred)
    return mean(ops.relu(1 - signed(y) * s), axis=-1)


def squared_hinge(y_true, y_pred):
    """The hinge squared: smooth at the margin, and harder on large mistakes.

        ℓ = (1/d) Σᵢ max(0, 1 − yᵢ sᵢ)²          y ∈ {−1, 1}

    Args:
        y_true: y, shape (..., d), coded {−1, 1} or {0, 1}.
        y_pred: s, the same shape.

    Returns:
        ℓ of each sample, shape (...).

    >>> import numpy as np
    >>> print(np.asarray(squared_hinge([[1.0], [1.0]], [[-1.0], [0.5]])))
    [4.   0.25]

    Differs from Keras: as `hinge` does.

    Reference: Lee and Mangasarian, 2001, https://doi.org/10.1023/A:1011215321374
    Equation: eq-losses-squared-hinge
    """
    y, s = paired(y_true, y_pred)
    return mean(ops.square(ops.relu(1 - signed(y) * s)), axis=-1)


def categorical_hinge(y_true, y_pred):
    """Max-margin: the true class must beat its best rival by 1.

        ℓ = max(0, 1 + max_{c ≠ y} s_c − s_y)

    Only the best rival gets a gradient. Where rivals tie, or the margin is exactly 1,
    the slope jumps; the gradient returned lies between both sides.

    Args:
        y_true: One-hot labels, shape (..., K) with K ≥ 2.
        y_pred: s, scores, the same shape.

    Returns:
        ℓ of each sample, shape (...).

    Example: adding a constant to every score changes nothing.

    >>> import numpy as np
    >>> y, s = np.array([1.0, 0.0, 0.0]), np.array([0.5, 0.0, -2.0])
    >>> float(categorical_hinge(y, s)), float(categorical_hinge(y, s - 100))
    (0.5, 0.5)

    Differs from Keras: Keras takes the maximum of (1 − y)·s, where the true class
    leaves a 0, so that a rival never counts less than 0. The two agree unless every
    rival's score is below 0; there Keras' loss changes with a constant added to all.

    Reference: Crammer and Singer, 2001, https://www.jmlr.org/papers/v2/crammer01a.html
    Equation: eq-losses-categorical-hinge
    """
    y, s = paired(y_true, y_pred)
    true = ops.sum(times(y, s), axis=-1)
    rival = ops.max(ops.where(y == 0, s, float("-inf")), axis=-1)
    return ops.relu(1 + rival - true)


@serializable
class Hinge(RuleLoss):
    """The shortfall of a margin of 1; the rule is `hinge`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: see the rule; and the config keeps `dtype`.

    Reference: see `hinge`.
    """

    rule = staticmethod(hinge)

    def __init__(self, reduction="sum_over_batch_size", name="hinge", dtype=None):
        super().__init__(name, reduction, dtype)


@serializable
class SquaredHinge(RuleLoss):
    """The squared shortfall of a margin of 1; the rule is `squared_hinge`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: see the rule; and the config keeps `dtype`.

    Reference: see `squared_hinge`.
    """

    rule = staticmethod(squared_hinge)

    def __init__(
        self, reduction="sum_over_batch_size", name="squared_hinge", dtype=None
    ):
        super().__init__(name, reduction, dtype)


@serializable
class CategoricalHinge(RuleLoss):
    """Max-margin over several classes; the rule is `categorical_hinge`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: see the rule; and the config keeps `dtype`.

    Reference: see `categorical_hinge`.
    """

    rule = staticmethod(categorical_hinge)

    def __init__(
        self, reduction="sum_over_batch_size", name="categorical_hinge", dtype=None
    ):
        super().__init__(name, reduction, dtype)
