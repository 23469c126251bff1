"""Constraints in float64 NumPy: vectors picked out one by one, then measured.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import math

import numpy as np


def each_vector(w, axis, change):
    """`w` with change(vector) in place of each vector along the axes `axis`."""
    w = np.array(w, "float64")
    axes = range(w.ndim) if axis is None else np.atleast_1d(axis) % w.ndim
    others = [size if i not in axes else 1 for i, size in enumerate(w.shape)]
    for place in np.ndindex(*others):
        where = tuple(slice(None) if i in axes else p for i, p in enumerate(place))
        w[where] = change(w[where])
    return w


def norm(vector):
    return math.hypot(*np.ravel(vector))


def weight_norms(w, axis):
    axes = tuple(range(np.ndim(w))) if axis is None else tuple(np.atleast_1d(axis))
    return each_vector(w, axis, lambda v: np.full_like(v, norm(v))).mean(axes)


def unit_norm(w, axis):
    return each_vector(w, axis, lambda v: v / norm(v) if norm(v) else v)


def max_norm(w, max_value, axis):
    """The nearest point of the ball."""
    return each_vector(
        w, axis, lambda v: v if norm(v) <= max_value else v / norm(v) * max_value
    )


def min_max_norm(w, min_value, max_value, rate, axis):
    """Lengths go a part, `rate`, of the way to the nearest bound."""

    def change(v):
        if not norm(v):
            return v
        nearest = min(max(norm(v), min_value), max_value)
        return v / norm(v) * (norm(v) + rate * (nearest - norm(v)))

    return each_vector(w, axis, change)


def keras_max_norm(w, max_value):
    """Keras' convention for a column: w · min(‖w‖, c) / (1e-7 + ‖w‖)."""
    return each_vector(w, 0, lambda v: v * min(norm(v), max_value) / (1e-7 + norm(v)))
