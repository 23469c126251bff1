"""Tensors as NumPy arrays, and the question whether they are probabilities.

The chapter `dropout` of the book explains it. Tests:
tests/test_dropout_uncertainty.py.
"""

import numpy as np
from keras import backend, ops

# By how much a sum of rounded probabilities may miss 1: four roundings of its type.
_SLACK = {"float16": 4e-3, "bfloat16": 3e-2}


def to_numpy(x):
    """`x` as a NumPy array; bfloat16, which NumPy has not, as float32."""
    if dtype_of(x) == "bfloat16":
        x = ops.cast(x, "float32")
    return np.asarray(ops.convert_to_numpy(x))


def dtype_of(x):
    """The type's name; lists of numbers are float64."""
    return backend.standardize_dtype(x.dtype) if hasattr(x, "dtype") else "float64"


def checked(name, p, axes, remedy=""):
    """Return `p` as a float64 array of probabilities over its last axis, or raise.

    `p` must have at least `axes` axes; `remedy` says what to do where it has not.
    """
    slack = _SLACK.get(dtype_of(p), 1e-5)
    p = to_numpy(p).astype("float64")
    if p.ndim < axes or p.size == 0:
        raise ValueError(
            f"`{name}` must have at least {axes} axes, none of them empty. Received: "
            f"{name}.shape={p.shape}.{remedy}"
        )
    wrong = p[~((p >= 0) & (p <= 1 + slack))]
    if wrong.size:
        raise ValueError(
            f"`{name}` must be probabilities in [0, 1]. Received: {wrong.size} of "
            f"{p.size} values outside, first {wrong[0]:.4g}. Logits need a softmax."
        )
    sums = p.sum(-1)
    wrong = sums[abs(sums - 1) > slack]
    if wrong.size:
        raise ValueError(
            f"`{name}` must sum to 1 over the last axis. Received: a sum of "
            f"{wrong[0]:.4g}. For one probability p of a yes, give [1 − p, p]."
        )
    return p


def checked_labels(y_true, p):
    """Return `y_true` as class labels of the probabilities `p`, or raise."""
    y = to_numpy(y_true)
    if y.shape != p.shape[:-1]:
        raise ValueError(
            f"`y_true` must hold one class label for each row, shape {p.shape[:-1]}. "
            f"Received: y_true.shape={y.shape}. Of one-hot rows take the argmax."
        )
    wrong = y[(y < 0) | (y >= p.shape[-1]) | (y % 1 != 0)]
    if wrong.size:
        raise ValueError(
            f"`y_true` must hold class labels in [0, {p.shape[-1]}). Received: "
            f"{wrong[0]}."
        )
    return y.astype("int64")
