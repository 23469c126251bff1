"""Constraints: after each step the weights return to a set, such as a ball.

The chapter `regularizers` of the book explains it. Tests: tests/test_constraints.py.
"""

from dtlib.constraints.named import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from dtlib.constraints.rules import (
    binding_share,
    max_norm,
    min_max_norm,
    non_negative,
    unit_norm,
    weight_norms,
)

__all__ = [
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "binding_share",
    "max_norm",
    "min_max_norm",
    "non_negative",
    "unit_norm",
    "weight_norms",
]
