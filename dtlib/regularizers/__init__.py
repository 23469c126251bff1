"""Regularizers: a price on large weights, and the removal of small ones.

The chapter `regularizers` of the book explains it. Tests: tests/test_regularizers.py.
"""

from dtlib.regularizers.penalties import (
    L1,
    L1L2,
    L2,
    MODES,
    OrthogonalRegularizer,
    l1_l2_penalty,
    l1_penalty,
    l2_penalty,
    orthogonal_penalty,
)
from dtlib.regularizers.pruning import (
    SCOPES,
    apply_masks,
    magnitude_mask,
    prune_by_magnitude,
    prune_model,
    sparsity,
)

# Keras' second names of the same classes.
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "MODES",
    "SCOPES",
    "OrthogonalRegularizer",
    "apply_masks",
    "l1",
    "l1_l2",
    "l1_l2_penalty",
    "l1_penalty",
    "l2",
    "l2_penalty",
    "magnitude_mask",
    "orthogonal_penalty",
    "orthogonal_regularizer",
    "prune_by_magnitude",
    "prune_model",
    "sparsity",
]
