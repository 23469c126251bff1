"""Initializers: weights whose size keeps a signal's variance from layer to layer.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

from dtlib.initializers.gains import (
    backward_gain,
    forward_gain,
    mean_square,
    mean_square_slope,
)
from dtlib.initializers.named import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
)
from dtlib.initializers.plain import (
    Constant,
    Identity,
    Ones,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    Zeros,
)
from dtlib.initializers.rotation import Orthogonal, orthogonal
from dtlib.initializers.scaling import (
    DISTRIBUTIONS,
    MODES,
    TRUNCATED_STD,
    VarianceScaling,
    compute_fans,
    layer_gains,
    variance_scaling,
    weight_variance,
)

__all__ = [
    "DISTRIBUTIONS",
    "MODES",
    "TRUNCATED_STD",
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "backward_gain",
    "compute_fans",
    "forward_gain",
    "layer_gains",
    "mean_square",
    "mean_square_slope",
    "orthogonal",
    "variance_scaling",
    "weight_variance",
]
