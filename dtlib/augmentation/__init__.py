"""Augmentation: change the inputs in ways that leave their labels true.

Shifts, flips, rotations, zoom, contrast and noise are Keras' own layers; here are the
two whose rule is worth reading.

The chapter `augmentation` of the book explains it. Tests: tests/test_augmentation.py.
"""

from dtlib.augmentation.erasing import RandomErasing, erase, erasing_box
from dtlib.augmentation.mixing import MixUp, mixup, mixup_weight

__all__ = [
    "MixUp",
    "RandomErasing",
    "erase",
    "erasing_box",
    "mixup",
    "mixup_weight",
]
