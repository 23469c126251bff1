"""The same methods in float64 NumPy, a line for each line of their definition.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import numpy as np
from scipy.special import logsumexp


def _f64(*arrays):
    return [np.asarray(a, "float64") for a in arrays]


# -- losses: each sample's loss, over the last axis ---------------------------------


def mean_squared_error(y, y_hat):
    y, y_hat = _f64(y, y_hat)
    return ((y - y_hat) ** 2).mean(-1)


def root_mean_squared_error(y, y_hat):
    y, y_hat = _f64(y, y_hat)
    return np.sqrt(np.mean((y - y_hat) ** 2))


def mean_absolute_error(y, y_hat):
    y, y_hat = _f64(y, y_hat)
    return np.abs(y - y_hat).mean(-1)


def mean_squared_logarithmic_error(y, y_hat):
    y, y_hat = _f64(y, y_hat)
    return (np.log((1 + y) / (1 + y_hat)) ** 2).mean(-1)


def poisson(y, y_hat):
    y, y_hat = _f64(y, y_hat)
    return (y_hat - y * np.log(y_hat + 1e-7)).mean(-1)


def r2_score(y, y_hat):
    y, y_hat = _f64(y, y_hat)
    unexplained = ((y - y_hat) ** 2).sum(0)
    variance = ((y - y.mean(0)) ** 2).sum(0)
    return 1 - unexplained / variance


def binary_crossentropy(y, p):
    y, p = _f64(y, np.clip(np.asarray(p, "float64"), 1e-7, 1 - 1e-7))
    return -(y * np.log(p) + (1 - y) * np.log1p(-p))


def binary_crossentropy_of_logits(y, z):
    """With the event's probability e^z/(e^0 + e^z), as a softmax over [0, z]."""
    y, z = _f64(y, z)
    both = np.stack([np.zeros_like(z), z], -1)
    log_no, log_yes = np.moveaxis(both - logsumexp(both, -1, keepdims=True), -1, 0)
    return -np.where(y == 0, 0, y * log_yes) - np.where(y == 1, 0, (1 - y) * log_no)


def categorical_crossentropy(y, p):
    y, p = _f64(y, p)
    p = np.clip(p / p.sum(-1, keepdims=True), 1e-7, 1 - 1e-7)
    return -(y * np.log(p)).sum(-1)


def categorical_crossentropy_of_logits(y, z):
    y, z = _f64(y, z)
    log_p = z - logsumexp(z, -1, keepdims=True)
    return -np.where(y == 0, 0, y * log_p).sum(-1)


def sparse_categorical_crossentropy(y, log_p):
    """log_p of shape (samples, classes)."""
    return np.array([-row[k] for row, k in zip(log_p, y, strict=True)], "float64")


def smooth_labels(y, alpha, k):
    """With probability α the label is drawn anew from the k classes."""
    y = np.asarray(y, "float64")
    return y + alpha * (1 / k - y)


def hinge(y, s):
    """Labels coded -1 and 1."""
    y, s = _f64(y, s)
    return np.where(y * s < 1, 1 - y * s, 0).mean(-1)


def squared_hinge(y, s):
    y, s = _f64(y, s)
    return np.where(y * s < 1, (1 - y * s) ** 2, 0).mean(-1)


def categorical_hinge(y, s):
    """Crammer and Singer: one sample after the other, every rival looked at."""
    losses = []
    for row, scores in zip(*_f64(y, s), strict=True):
        true = int(np.argmax(row))
        shortfalls = [
            1 + scores[c] - scores[true] for c in range(len(row)) if c != true
        ]
        losses.append(max(0.0, *shortfalls))
    return np.array(losses)
