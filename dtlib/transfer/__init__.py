"""Transfer: the layers of one network at work in another.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

from dtlib.transfer.features import cache_features, remaining
from dtlib.transfer.foreign import flatten_order, import_weights, kernel_from_torch
from dtlib.transfer.freezing import freeze, unfreeze
from dtlib.transfer.ratio import error_ratio
from dtlib.transfer.restoring import load_layers
from dtlib.transfer.reusing import inventory, reuse

__all__ = [
    "cache_features",
    "error_ratio",
    "flatten_order",
    "freeze",
    "import_weights",
    "inventory",
    "kernel_from_torch",
    "load_layers",
    "remaining",
    "reuse",
    "unfreeze",
]
