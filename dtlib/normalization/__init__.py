"""Normalization: give each feature, or each sample, the mean and spread it should have.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

from dtlib.normalization.batch import (
    batch_norm,
    batch_norm_gradients,
    batch_statistics,
    update_running,
)
from dtlib.normalization.batch_layer import BatchNormalization
from dtlib.normalization.folding import (
    as_line,
    fold_batch_norm,
    fold_into_next,
    fold_into_previous,
    foldable,
)
from dtlib.normalization.layer_norm import (
    LayerNormalization,
    layer_norm,
    layer_norm_gradients,
)
from dtlib.normalization.renorm import (
    batch_renorm,
    renorm_correction,
    update_renorm,
)

__all__ = [
    "BatchNormalization",
    "LayerNormalization",
    "as_line",
    "batch_norm",
    "batch_norm_gradients",
    "batch_renorm",
    "batch_statistics",
    "fold_batch_norm",
    "fold_into_next",
    "fold_into_previous",
    "foldable",
    "layer_norm",
    "layer_norm_gradients",
    "renorm_correction",
    "update_renorm",
    "update_running",
]
