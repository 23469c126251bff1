"""Calibration: of what a model is 80 % sure, 80 % should be true.

The chapter `dropout` of the book explains it. Tests:
tests/test_dropout_uncertainty.py.
"""

import numpy as np
from keras import ops

from dtlib._check import integer_in
from dtlib.dropout._arrays import checked, checked_labels, dtype_of, to_numpy


def _pair(y_true, probabilities):
    p = checked("probabilities", probabilities, 2)
    return checked_labels(y_true, p), p


def calibration_curve(y_true, probabilities, *, bins=15):
    """Sort predictions into bins of confidence; compare it with accuracy in each.

        bin m holds the predictions whose top probability is in ((m − 1)/M, m/M]

    Args:
        y_true: Class labels, shape (n,).
        probabilities: Shape (n, K).
        bins: M, an integer ≥ 1.

    Returns:
        Three arrays of length M: the mean confidence of each bin and its accuracy, both
        NaN where the bin is empty, and the number of predictions in it.

    Example: three predictions at 0.8, two of them right; the bin is overconfident.

    >>> p = [[0.8, 0.2], [0.8, 0.2], [0.2, 0.8]]
    >>> confidence, accuracy, count = calibration_curve([0, 1, 1], p, bins=2)
    >>> print(confidence.round(2), accuracy.round(2), count)
    [nan 0.8] [ nan 0.67] [0 3]

    Reference: Guo et al., 2017, https://arxiv.org/abs/1706.04599
    """
    bins = integer_in("bins", bins, "[1, inf)")
    y, p = _pair(y_true, probabilities)
    confidence, right = p.max(-1).ravel(), (p.argmax(-1) == y).ravel()
    # Edges rounded as the probabilities were: a float32 third is in the bin up to ⅓.
    edges = np.arange(1, bins) / bins
    if dtype_of(probabilities) in ("float16", "bfloat16", "float32"):
        edges = to_numpy(ops.cast(edges, probabilities.dtype)).astype("float64")
    place = np.searchsorted(edges, confidence, side="left")
    count = np.bincount(place, minlength=bins)
    filled = np.where(count > 0, count, np.nan)
    means = (np.bincount(place, v, bins) / filled for v in (confidence, right))
    return *means, count


def expected_calibration_error(y_true, probabilities, *, bins=15):
    """How far confidence is from accuracy, on average over predictions.

        ECE = Σₘ (nₘ/n)·|accuracyₘ − confidenceₘ|

    with the bins of `calibration_curve`. An error within a bin that cancels is missed,
    so compare models at one number of bins.

    Args:
        y_true, probabilities, bins: As in `calibration_curve`.

    Returns:
        A float in [0, 1].

    Example: sure, and right half of the time.

    >>> expected_calibration_error([0, 1], [[1.0, 0.0], [1.0, 0.0]])
    0.5

    Reference: Guo et al., 2017, https://arxiv.org/abs/1706.04599

    Equation: eq-dropout-ece
    """
    confidence, accuracy, count = calibration_curve(y_true, probabilities, bins=bins)
    gap = np.nan_to_num(abs(accuracy - confidence))  # an empty bin weighs nothing
    return float(count @ gap / count.sum())


def brier_score(y_true, probabilities):
    """The squared distance of the probabilities from the truth, over all classes.

        B = (1/n) Σᵢ Σₖ (pᵢₖ − [yᵢ = k])²

    It pays to say what one believes: the mean is least at the true probabilities.

    Args:
        y_true, probabilities: As in `calibration_curve`.

    Returns:
        A float in [0, 2]. A coin between two classes costs ½:

    >>> brier_score([0], [[0.5, 0.5]])
    0.5

    Reference: Brier, 1950, "Verification of Forecasts Expressed in Terms of
    Probability".
    """
    y, p = _pair(y_true, probabilities)
    truth = np.eye(p.shape[-1])[y]
    return float(((p - truth) ** 2).sum(-1).mean())


def negative_log_likelihood(y_true, probabilities):
    """How surprised the model is by the truth, in nats, on average.

        NLL = −(1/n) Σᵢ log p(yᵢ)

    Nothing is clipped: one true class called impossible costs ∞, where Keras'
    cross-entropy stops at 16.1.

    Args:
        y_true, probabilities: As in `calibration_curve`.

    Returns:
        A float ≥ 0.

    >>> round(negative_log_likelihood([0, 1], [[0.5, 0.5], [0.5, 0.5]]), 4)
    0.6931

    Reference: see `calibration_curve`.
    """
    y, p = _pair(y_true, probabilities)
    with np.errstate(divide="ignore"):
        return float(-np.log(np.take_along_axis(p, y[..., None], -1)).mean()) + 0.0
