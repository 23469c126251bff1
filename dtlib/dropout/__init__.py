"""Dropout: units switched off at random, in training and, to see doubt, in prediction.

The chapter `dropout` of the book explains it. Tests: tests/test_dropout.py.
"""

from dtlib.dropout.alpha import AlphaDropout, alpha_dropout, alpha_dropout_affine
from dtlib.dropout.calibration import (
    brier_score,
    calibration_curve,
    expected_calibration_error,
    negative_log_likelihood,
)
from dtlib.dropout.gaussian import GaussianDropout, gaussian_dropout
from dtlib.dropout.masks import keep_mask
from dtlib.dropout.monte_carlo import MCAlphaDropout, MCDropout, mc_predict
from dtlib.dropout.plain import Dropout, dropout
from dtlib.dropout.uncertainty import (
    entropy,
    expected_entropy,
    mutual_information,
    predictive_entropy,
    predictive_mean,
    variation_ratio,
)

__all__ = [
    "AlphaDropout",
    "Dropout",
    "GaussianDropout",
    "MCAlphaDropout",
    "MCDropout",
    "alpha_dropout",
    "alpha_dropout_affine",
    "brier_score",
    "calibration_curve",
    "dropout",
    "entropy",
    "expected_calibration_error",
    "expected_entropy",
    "gaussian_dropout",
    "keep_mask",
    "mc_predict",
    "mutual_information",
    "negative_log_likelihood",
    "predictive_entropy",
    "predictive_mean",
    "variation_ratio",
]
