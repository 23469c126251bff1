"""Penalties and pruning in float64 NumPy, a line for each line of their definition.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import itertools
import math

import numpy as np


def _f64(w):
    return np.asarray(w, "float64")


def l1_penalty(w, l1):
    return l1 * math.fsum(abs(x) for x in _f64(w).flat)


def l2_penalty(w, l2):
    return l2 * math.fsum(x * x for x in _f64(w).flat)


def orthogonal_penalty(w, factor, mode):
    """The mean of |cos| over pairs, each pair by itself."""
    vectors = _f64(w) if mode == "rows" else _f64(w).T
    cosines = []
    for a, b in itertools.combinations(vectors, 2):
        lengths = math.hypot(*a) * math.hypot(*b)
        cosines.append(abs(a @ b) / lengths if lengths else 0.0)
    return factor * math.fsum(cosines) / max(len(cosines), 1)


def magnitude_mask(w, sparsity):
    """The k smallest go, one after the other; the first of equals first."""
    w = _f64(w)
    stays = np.ones(w.size, bool)
    order = sorted(range(w.size), key=lambda i: (abs(w.flat[i]), i))
    stays[order[: round(sparsity * w.size)]] = False
    return stays.reshape(w.shape)


def sparsity(w, threshold):
    w = np.abs(_f64(w))
    return np.mean(w <= threshold * w.max())


def tf1_l2_regularizer(w, scale):
    """tf.contrib.layers.l2_regularizer: scale · tf.nn.l2_loss(w), which is ½Σw²."""
    return scale * 0.5 * (_f64(w) ** 2).sum()
