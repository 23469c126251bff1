"""Losses: one number that says how wrong, whose gradient says which way is less so.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.

Functions give the loss of each sample; classes reduce it to one number and are what
`model.compile` takes. `RootMeanSquaredError` and `R2Score` are metrics, as in Keras.
"""

from dtlib.losses.classification import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from dtlib.losses.crossentropy import (
    binary_crossentropy_of_logits,
    binary_crossentropy_of_probabilities,
    categorical_crossentropy_of_logits,
    categorical_crossentropy_of_probabilities,
    log_softmax,
    negative_log_likelihood,
    smooth_labels,
)
from dtlib.losses.margins import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from dtlib.losses.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    mean_absolute_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from dtlib.losses.scores import (
    R2Score,
    RootMeanSquaredError,
    r2_score,
    root_mean_squared_error,
)

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "Hinge",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "R2Score",
    "RootMeanSquaredError",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "binary_crossentropy_of_logits",
    "binary_crossentropy_of_probabilities",
    "categorical_crossentropy",
    "categorical_crossentropy_of_logits",
    "categorical_crossentropy_of_probabilities",
    "categorical_hinge",
    "hinge",
    "log_softmax",
    "mean_absolute_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "negative_log_likelihood",
    "poisson",
    "r2_score",
    "root_mean_squared_error",
    "smooth_labels",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]
