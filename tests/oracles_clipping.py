"""Gradient clipping in float64 NumPy, a line for each line of its definition.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import math

import numpy as np


def _f64(g):
    return np.asarray(g, "float64")


def clip_by_value(g, c):
    return np.where(_f64(g) > c, c, np.where(_f64(g) < -c, -c, _f64(g)))


def global_norm(gradients):
    return math.hypot(*(x for g in gradients if g is not None for x in _f64(g).flat))


def clip_by_global_norm(gradients, c):
    """Pascanu et al., Algorithm 1: if ‖g‖ > c then g ← c·g/‖g‖."""
    norm = global_norm(gradients)
    if norm <= c:
        return list(gradients)
    return [None if g is None else c / norm * _f64(g) for g in gradients]


def clip_by_norm(g, c, axes=None):
    g = _f64(g)
    norm = np.sqrt((g**2).sum(axes, keepdims=True))
    return np.where(norm > c, c * g / np.where(norm > 0, norm, 1), g)


def angle(a, b):
    """Degrees between two vectors in the plane, by their polar angles."""
    turn = math.atan2(a[1], a[0]) - math.atan2(b[1], b[0])
    return abs(math.degrees(math.remainder(turn, 2 * math.pi)))
