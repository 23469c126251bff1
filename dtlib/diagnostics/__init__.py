"""Diagnostics: what a network does to the signal and to the gradient, layer by layer.

The chapter `diagnostics` of the book explains it. Tests: tests/test_diagnostics.py.
"""

from dtlib.diagnostics.measure import (
    SignalPropagation,
    dead_units,
    kernels,
    signal_propagation,
    update_ratio,
)
from dtlib.diagnostics.monitor import GradientMonitor
from dtlib.diagnostics.rules import (
    dead,
    gradient_factor,
    relative_change,
    rms,
    saturated,
)

__all__ = [
    "GradientMonitor",
    "SignalPropagation",
    "dead",
    "dead_units",
    "gradient_factor",
    "kernels",
    "relative_change",
    "rms",
    "saturated",
    "signal_propagation",
    "update_ratio",
]
