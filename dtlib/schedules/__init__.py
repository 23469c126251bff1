"""Schedules: a rate that is right in the first step is too long in the last.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

from dtlib.schedules.annealing import (
    CosineDecay,
    CosineDecayRestarts,
    PolynomialDecay,
    cosine_decay,
    cosine_decay_restarts,
    polynomial_decay,
)
from dtlib.schedules.cycles import (
    ANNEALINGS,
    OneCycle,
    Warmup,
    one_cycle,
    one_cycle_momentum,
    warmup,
)
from dtlib.schedules.decays import (
    ExponentialDecay,
    InverseTimeDecay,
    PowerDecay,
    exponential_decay,
    inverse_time_decay,
    power_decay,
)
from dtlib.schedules.pieces import PiecewiseConstantDecay, piecewise_constant_decay
from dtlib.schedules.runs import change, record

__all__ = [
    "ANNEALINGS",
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "PowerDecay",
    "Warmup",
    "change",
    "cosine_decay",
    "cosine_decay_restarts",
    "exponential_decay",
    "inverse_time_decay",
    "one_cycle",
    "one_cycle_momentum",
    "piecewise_constant_decay",
    "polynomial_decay",
    "power_decay",
    "record",
    "warmup",
]
