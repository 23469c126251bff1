"""Regression: the distance between a number and its prediction, and what it forgives.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

from keras import ops

from dtlib._register import serializable
from dtlib.losses._base import RuleLoss, mean, paired, widened

# Poisson's log is taken of ŷ + ε, Keras' own guard, so that ŷ = 0 stays finite.
EPSILON = 1e-7


def mean_squared_error(y_true, y_pred):
    """The mean of the squared errors: twice the error costs four times as much.

        ℓ = (1/d) Σᵢ (yᵢ − ŷᵢ)²

    Args:
        y_true: y, shape (..., d).
        y_pred: ŷ, the same shape. Nothing broadcasts.

    Returns:
        ℓ of each sample: the mean over the last axis, shape (...).

    Raises:
        ValueError: when the shapes differ.

    Example: the constant that minimizes it is the mean, so one outlier drags it along.

    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 3.0, 94.0])
    >>> at = lambda c: float(mean_squared_error(y, np.full(4, c)))
    >>> at(25.0) < min(at(24.9), at(25.1))
    True

    Differs from Keras: shapes (n,) and (n, 1) are an error here, not a guess.

    Reference: Bishop, 2006, "Pattern Recognition and Machine Learning", §1.2.5.
    Equation: eq-losses-mse
    """
    y, y_hat = paired(y_true, y_pred)
    return mean(ops.square(y - y_hat), axis=-1)


def mean_absolute_error(y_true, y_pred):
    """The mean of the absolute errors: every unit of error costs the same.

        ℓ = (1/d) Σᵢ |yᵢ − ŷᵢ|

    Where y = ŷ the slope jumps from −1 to 1; the gradient returned there is 0
    (JAX returns the left slope, −1).

    Args:
        y_true: y, shape (..., d).
        y_pred: ŷ, the same shape.

    Returns:
        ℓ of each sample, shape (...).

    Example: the constant that minimizes it is the median, which ignores how far off an
    outlier is.

    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 94.0])
    >>> at = lambda c: float(mean_absolute_error(y, np.full(3, c)))
    >>> at(2.0) < min(at(1.9), at(2.1))
    True

    Differs from Keras: shapes that differ are an error.

    Reference: Bishop, 2006, "Pattern Recognition and Machine Learning", exercise 1.27.
    Equation: eq-losses-mae
    """
    y, y_hat = paired(y_true, y_pred)
    return mean(ops.abs(y - y_hat), axis=-1)


def mean_squared_logarithmic_error(y_true, y_pred):
    """The squared error of log(1 + y): ratios count, not differences.

        ℓ = (1/d) Σᵢ [log(1 + yᵢ) − log(1 + ŷᵢ)]²

    A negative y or ŷ counts as 0, and a negative ŷ then gets no gradient: end the
    network in an activation that is positive, such as softplus.

    Args:
        y_true: y ≥ 0, shape (..., d).
        y_pred: ŷ ≥ 0, the same shape.

    Returns:
        ℓ of each sample, shape (...).

    Example: 10 % too low costs much the same at 100 and at 1,000,000.

    >>> import numpy as np
    >>> loss = mean_squared_logarithmic_error([[1e2], [1e6]], [[0.9e2], [0.9e6]])
    >>> print(np.round(loss, 4))
    [0.0109 0.0111]

    Differs from Keras: Keras counts values below 1e-7 as 1e-7, and takes log(x + 1),
    which loses the digits of a small x; here 0 is 0 and the log is `log1p`.

    Reference: `sklearn.metrics.mean_squared_log_error`,
    https://scikit-learn.org/stable/modules/model_evaluation.html
    Equation: eq-losses-msle
    """
    y, y_hat = paired(y_true, y_pred)
    logs = [ops.log1p(ops.relu(values)) for values in (y, y_hat)]
    return mean(ops.square(logs[0] - logs[1]), axis=-1)


def poisson(y_true, y_pred):
    """Minus the log-likelihood of counts under a Poisson law of mean ŷ.

        ℓ = (1/d) Σᵢ [ŷᵢ − yᵢ log(ŷᵢ + ε)]          ε = 1e-7

    The term log(yᵢ!) does not depend on ŷ and is left out, so the least value is not 0.

    Args:
        y_true: y, the counts, shape (..., d).
        y_pred: ŷ > 0, the expected counts, the same shape: the output of exp or
            softplus. A negative ŷ gives NaN.

    Returns:
        ℓ of each sample, shape (...).

    Example: being off by 2 costs more where counts are small than where they are large.

    >>> import numpy as np
    >>> excess = lambda y: poisson([y], [y + 2.0]) - poisson([y], [y])
    >>> print(np.round(excess(1.0), 3), np.round(excess(100.0), 3))
    0.901 0.02

    Differs from Keras: shapes that differ are an error.

    Reference: McCullagh and Nelder, 1989, "Generalized Linear Models", chapter 6.
    Equation: eq-losses-poisson
    """
    y, y_hat = paired(y_true, y_pred)
    log = ops.cast(ops.log(widened(y_hat) + EPSILON), y_hat.dtype)
    return mean(y_hat - y * log, axis=-1)


@serializable
class MeanSquaredError(RuleLoss):
    """The mean squared error; the rule is `mean_squared_error`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: shapes that do not match raise instead of broadcasting, and the
    config keeps `dtype`.

    Reference: see `mean_squared_error`.
    """

    rule = staticmethod(mean_squared_error)

    def __init__(
        self, reduction="sum_over_batch_size", name="mean_squared_error", dtype=None
    ):
        super().__init__(name, reduction, dtype)


@serializable
class MeanAbsoluteError(RuleLoss):
    """The mean absolute error; the rule is `mean_absolute_error`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: as `MeanSquaredError` does.

    Reference: see `mean_absolute_error`.
    """

    rule = staticmethod(mean_absolute_error)

    def __init__(
        self, reduction="sum_over_batch_size", name="mean_absolute_error", dtype=None
    ):
        super().__init__(name, reduction, dtype)


@serializable
class MeanSquaredLogarithmicError(RuleLoss):
    """The mean squared error of logs; the rule is `mean_squared_logarithmic_error`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: see the rule; and as `MeanSquaredError` does.

    Reference: see `mean_squared_logarithmic_error`.
    """

    rule = staticmethod(mean_squared_logarithmic_error)

    def __init__(
        self,
        reduction="sum_over_batch_size",
        name="mean_squared_logarithmic_error",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)


@serializable
class Poisson(RuleLoss):
    """Minus the log-likelihood of counts; the rule is `poisson`.

    Args:
        reduction, name, dtype: As in `keras.losses.Loss`.

    Differs from Keras: as `MeanSquaredError` does.

    Reference: see `poisson`.
    """

    rule = staticmethod(poisson)

    def __init__(self, reduction="sum_over_batch_size", name="poisson", dtype=None):
        super().__init__(name, reduction, dtype)
