"""Scores of a regression: the error in the target's own unit, and the share explained.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

from keras import metrics, ops

from dtlib._check import integer_in, one_of
from dtlib._register import serializable
from dtlib.losses._base import aligned, mean, paired, same_shape, widened

AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")

# A variance below this share of the mean square is rounding: it is a spread of 3e-7 of
# the targets' size, five of the steps that float32 can tell apart.
ROUNDING = 1e-13


def root_mean_squared_error(y_true, y_pred):
    """The root of the mean squared error over all values: a size in the unit of y.

        RMSE = √[(1/n) Σᵢ (yᵢ − ŷᵢ)²]

    Args:
        y_true: y, n values in any shape with at least one axis.
        y_pred: ŷ, the same shape.

    Returns:
        One number.

    Example: the mean of two batches' RMSE is not the RMSE of both. So it is a metric
    with a state, not a loss.

    >>> import numpy as np
    >>> y, y_hat = np.zeros(4), np.array([3.0, 3.0, 0.0, 0.0])
    >>> rmse = lambda part: float(root_mean_squared_error(y[part], y_hat[part]))
    >>> print(round((rmse(slice(2)) + rmse(slice(2, 4))) / 2, 2), round(rmse(...), 2))
    1.5 2.12

    Reference: Hyndman and Koehler, 2006, https://doi.org/10.1016/j.ijforecast.2006.03.001
    Equation: eq-losses-rmse
    """
    y, y_hat = paired(y_true, y_pred)
    square = mean(ops.square(widened(y) - widened(y_hat)))
    exact = square == 0  # there the slope of the root is infinite; the gradient is 0
    root = ops.sqrt(ops.where(exact, ops.ones_like(square), square))
    return ops.cast(ops.where(exact, 0.0, root), y_hat.dtype)


def r2_score(y_true, y_pred):
    """The share of the targets' variance that the predictions explain.

        R² = 1 − Σᵢ (yᵢ − ŷᵢ)² / Σᵢ (yᵢ − ȳ)²          ȳ = (1/n) Σᵢ yᵢ

    1 is perfect, 0 is as good as the constant ȳ, and below 0 is worse than that.

    Args:
        y_true: y, shape (n,) or (n, d).
        y_pred: ŷ, the same shape.

    Returns:
        R² over the first axis: one number, or one for each of the d outputs. Where
        all targets are equal, 1 if the predictions are exact and 0 if not.

    Example: predicting the mean is worth nothing.

    >>> float(r2_score([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]))
    0.0

    Reference: Draper and Smith, 1998, "Applied Regression Analysis", chapter 1.
    Equation: eq-losses-r2
    """
    y, y_hat = paired(y_true, y_pred)
    dtype, y, y_hat = y_hat.dtype, widened(y), widened(y_hat)
    residual = ops.sum(ops.square(y - y_hat), axis=0)
    total = ops.sum(ops.square(y - mean(y, axis=0)), axis=0)
    return ops.cast(explained(residual, total), dtype)


def explained(residual, total):
    """1 − residual/total. Where total is 0: 1 if the residual is 0 too, else 0."""
    constant = total <= 0
    share = 1 - residual / ops.where(constant, ops.ones_like(total), total)
    return ops.where(constant, ops.where(residual > 0, 0.0, 1 - residual), share)


def r2_sums(y, y_hat, w):
    """What R² remembers of a batch, per output: Σw, Σwy, Σwy², Σw(y − ŷ)²."""
    terms = w, w * y, w * ops.square(y), w * ops.square(y - y_hat)
    return [ops.sum(term, axis=0) for term in terms]


def r2_of_sums(weights, first, second, residual):
    """R² of each output, and its Σw(y − ȳ)², from the sums of `r2_sums`."""
    n = ops.where(weights == 0, ops.ones_like(weights), weights)
    total = second - ops.square(first) / n
    total = ops.where(total <= ROUNDING * second, ops.zeros_like(total), total)
    return explained(residual, total), total


def aggregated(score, total, how):
    """The scores of all outputs as one: their mean, plain or weighted by variance."""
    if how is None:
        return score
    if how == "uniform_average":
        return mean(score)
    weight = total + ops.cast(ops.sum(total) <= 0, total.dtype)
    return ops.sum(weight * score) / ops.sum(weight)


def adjusted(r2, n, regressors):
    """R² less the chance fit of p regressors: 1 − (1 − R²)(n − 1)/(n − p − 1).

    NaN unless n > p + 1: with fewer samples there is nothing left to judge by.
    """
    freedom = n - regressors - 1
    share = 1 - (1 - r2) * (n - 1) / ops.maximum(freedom, 1)
    return ops.where(freedom > 0, share, float("nan"))


@serializable
class RootMeanSquaredError(metrics.Mean):
    """The root of a running mean square; the rule is `root_mean_squared_error`.

    Args:
        name, dtype: As in `keras.metrics.Metric`.

    Differs from Keras: shapes that do not match raise instead of broadcasting.

    Reference: see `root_mean_squared_error`.
    """

    def __init__(self, name="root_mean_squared_error", dtype=None):
        super().__init__(name, dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y, y_hat = _pair(y_true, y_pred, self.dtype)
        return super().update_state(ops.square(y - y_hat), sample_weight)

    def result(self):
        return ops.sqrt(super().result())


@serializable
class R2Score(metrics.Metric):
    """R² over all batches; the rule is `r2_score`.

    Args:
        class_aggregation: How to join the scores of d outputs: "uniform_average",
            "variance_weighted_average", or None, which returns them all.
        num_regressors: p ≥ 0, an integer. If not 0, the score is the adjusted R².
        name, dtype: As in `keras.metrics.Metric`.

    Differs from Keras: the sums are kept in float64 (on JAX, only in its x64 mode). In
    float32, Σy² − (Σy)²/n cancels where the mean is large against the spread (years,
    temperatures in kelvin), and the score is noise. Where all targets are equal a
    perfect prediction scores 1, as in scikit-learn, not NaN. The adjusted score counts
    samples, not samples × outputs, and is NaN, not the plain score, when there are too
    few of them.

    Reference: see `r2_score`; for the adjusted score Draper and Smith, chapter 5.
    """

    def __init__(
        self,
        class_aggregation="uniform_average",
        num_regressors=0,
        name="r2_score",
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        self.class_aggregation = one_of(
            "class_aggregation", class_aggregation, AGGREGATIONS
        )
        self.num_regressors = integer_in("num_regressors", num_regressors, "[0, inf)")
        self.num_samples = self._sum("num_samples", ())
        self._sums = None

    def _sum(self, name, shape):
        return self.add_variable(shape, "zeros", dtype="float64", name=name)

    def _build(self, shape):
        if len(shape) != 2 or shape[-1] is None:
            raise ValueError(
                "`y_pred` must have shape (samples, outputs). "
                f"Received: y_pred.shape={shape}."
            )
        names = "weights", "first", "second", "residual"
        self._sums = [self._sum(name, shape[-1:]) for name in names]

    def update_state(self, y_true, y_pred, sample_weight=None):
        y, y_hat = _pair(y_true, y_pred, self.dtype)
        if self._sums is None:
            self._build(tuple(y_hat.shape))
        y, y_hat = ops.cast(y, "float64"), ops.cast(y_hat, "float64")
        w = ops.cast(1.0 if sample_weight is None else sample_weight, "float64")
        w = ops.expand_dims(w, -1) if len(w.shape) == 1 else w
        self.num_samples.assign_add(ops.cast(ops.shape(y)[0], "float64"))
        w = ops.broadcast_to(w, ops.shape(y))
        for total, part in zip(self._sums, r2_sums(y, y_hat, w), strict=True):
            total.assign_add(part)

    def result(self):
        if self._sums is None:
            return ops.zeros((), self.dtype)
        sums = [ops.convert_to_tensor(total) for total in self._sums]
        score = aggregated(*r2_of_sums(*sums), self.class_aggregation)
        if self.num_regressors:
            n = ops.convert_to_tensor(self.num_samples)
            score = adjusted(score, n, self.num_regressors)
        return ops.cast(score, self.dtype)

    def get_config(self):
        return {
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
            "name": self.name,
            "dtype": self.dtype,
        }


def _pair(y_true, y_pred, dtype):
    y, y_hat = aligned(*(ops.convert_to_tensor(a, dtype) for a in (y_true, y_pred)))
    same_shape(tuple(y.shape), tuple(y_hat.shape))
    return y, y_hat
