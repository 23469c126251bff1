"""Three data sets, split without leaks: a model is judged on examples it never met.

The chapter `losses` of the book explains it. Tests: tests/test_datasets.py.

Every loader returns `Data`, cut into training, validation and test examples with the
same share of every class in each part. `seed` decides the split, and nothing else
does: the same seed gives the same split on every machine.

>>> from dtlib import datasets
>>> data = datasets.fashion_mnist()
>>> data
Data(
    x_train: float32 (8000, 28, 28), y_train: int32 (8000,),
    x_valid: float32 (2000, 28, 28), y_valid: int32 (2000,),
    x_test: float32 (4000, 28, 28), y_test: int32 (4000,),
)
>>> datasets.FASHION_CLASSES[data.y_train[0]]
'Ankle boot'
"""

from dtlib.datasets._common import Data, DataUnavailable
from dtlib.datasets._fashion import FASHION_CLASSES, fashion_mnist
from dtlib.datasets._mnist1d import mnist1d
from dtlib.datasets._thoracic import (
    THORACIC_FEATURES,
    thoracic_available,
    thoracic_surgery,
)

__all__ = [
    "FASHION_CLASSES",
    "THORACIC_FEATURES",
    "Data",
    "DataUnavailable",
    "fashion_mnist",
    "mnist1d",
    "thoracic_available",
    "thoracic_surgery",
]
