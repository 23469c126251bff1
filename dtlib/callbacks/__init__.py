"""Callbacks: watch a value after each epoch, and act when it stops improving.

The chapter `regularizers` of the book explains it. Tests: tests/test_callbacks.py.
"""

from dtlib.callbacks._base import MODES, improved
from dtlib.callbacks.plateau import ReduceLROnPlateau, plateau_update
from dtlib.callbacks.stopping import EarlyStopping, stopping_update

__all__ = [
    "MODES",
    "EarlyStopping",
    "ReduceLROnPlateau",
    "improved",
    "plateau_update",
    "stopping_update",
]
