"""Every layer of the families in one place: `keras.layers.X` has its namesake here.

Names only: each class is explained by the chapter of its family. Tests:
tests/test_layers.py.

>>> from dtlib import dropout, layers
>>> layers.Dropout is dropout.Dropout
True

What no chapter explains stays Keras': `keras.layers.Dense`, `keras.layers.Conv2D`, ...
"""

from dtlib.activations import ELU, Activation, LeakyReLU, PReLU, ReLU, RReLU, Softmax
from dtlib.augmentation import MixUp, RandomErasing
from dtlib.dropout import (
    AlphaDropout,
    Dropout,
    GaussianDropout,
    MCAlphaDropout,
    MCDropout,
)
from dtlib.normalization import BatchNormalization, LayerNormalization

__all__ = [
    "ELU",
    "Activation",
    "AlphaDropout",
    "BatchNormalization",
    "Dropout",
    "GaussianDropout",
    "LayerNormalization",
    "LeakyReLU",
    "MCAlphaDropout",
    "MCDropout",
    "MixUp",
    "PReLU",
    "RReLU",
    "RandomErasing",
    "ReLU",
    "Softmax",
]


def __getattr__(name):
    import keras

    if hasattr(keras.layers, name):
        raise AttributeError(
            f"module 'dtlib.layers' has no attribute {name!r}: no chapter explains it. "
            f"Use keras.layers.{name}."
        )
    raise AttributeError(f"module 'dtlib.layers' has no attribute {name!r}")
