"""Sums of squares that neither overflow nor vanish: wide types, and scaled norms."""

import math

import keras
from keras import ops


def wide_type(*tensors):
    """The type to compute in: float64 if one of the tensors has it, else float32."""
    types = {keras.backend.standardize_dtype(x.dtype) for x in tensors}
    return "float64" if "float64" in types else "float32"


def wide(x):
    """`x` in float32 at least: in float16 the square of 256 already overflows."""
    x = ops.convert_to_tensor(x)
    return ops.cast(x, wide_type(x))


def directions(tensors, axes=None):
    """The tensors over the norm of all of them, and that norm.

        s = max|g|      r = √Σ(g/s)²      direction = (g/s) / r      norm = s·r

    The largest term of the sum is 1, so that no square overflows or vanishes. With
    `axes`, each vector along them has its own norm; these axes stay, with size 1.
    """
    if not tensors:
        return [], ops.zeros(())
    kind = wide_type(*tensors)
    tensors = [ops.cast(g, kind) for g in tensors]
    over = dict(axis=axes, keepdims=axes is not None)
    largest = [ops.max(ops.abs(g), initial=0, **over) for g in tensors]
    s = ops.max(ops.stack(largest), axis=0)
    # Compilers divide by multiplying with 1/s, which must not vanish.
    top = 1e307 if kind == "float64" else 1e37
    s = ops.where(s < top, s, top * ops.ones_like(s))
    tensors = [g / ops.where(s > 0, s, ops.ones_like(s)) for g in tensors]
    total = sum(ops.sum(ops.square(g), **over) for g in tensors)
    # Below 1 for zeros only.
    r = ops.sqrt(ops.where(total < 1, ops.ones_like(total), total))
    norm = s * r
    r = ops.where(ops.isfinite(norm), r, ops.full_like(r, math.nan))
    return [g / r for g in tensors], norm
