"""What many networks' weights look like in the end, and what is left without some.

Tests: tests/test_claims_regularizers.py.
"""

import numpy as np

THRESHOLDS = (0.0, 1e-4, 1e-3, 1e-2)  # of zero, relative to a kernel's largest weight
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)  # pruned
BOUND = 1e-3  # a norm this near its bound, or nearer, is held by it


def looked_at(kernels, settings):
    """Of every network's kernels: Σw², shares of zeros, and what the bound holds.

    Args:
        kernels: Variables (S, C, in, out).
        settings: C pairs of a rate and a strength; for max-norm that is the bound.
    """
    kernels = [np.asarray(kernel) for kernel in kernels]
    size = sum(k[0, 0].size for k in kernels)
    zeros = [
        sum((np.abs(k) <= t * _largest(k)).sum(axis=(2, 3)) for k in kernels) / size
        for t in THRESHOLDS
    ]
    caps = np.array([[strength] for _, strength in settings])
    norms = np.concatenate([np.linalg.norm(k, axis=2) for k in kernels], axis=2)
    return {
        "squares": sum((k**2.0).sum(axis=(2, 3)) for k in kernels),
        "zeros": np.array(zeros),
        "bound": (norms >= (1 - BOUND) * caps).mean(axis=2),
    }


def _largest(kernels):
    return np.abs(kernels).max(axis=(2, 3), keepdims=True)


def halved(many, evaluate):
    """Measured with all kernels halved, and biases so that the logits are an eighth.

    A ReLU network's hidden layers only change their scale, so the classes stay.
    """
    layers = [*zip(many.kernels, many.biases, strict=True)]
    before = [[np.asarray(v) for v in pair] for pair in layers]
    for i, (kernel, bias) in enumerate(layers):
        kernel.assign(before[i][0] / 2)
        bias.assign(before[i][1] / 2 ** (i + 1))
    found = evaluate()
    for pair, values in zip(layers, before, strict=True):
        for variable, value in zip(pair, values, strict=True):
            variable.assign(value)
    return np.array(found)


def pruned(many, evaluate):
    """Measured after the smallest weights of each network went, a share at a time."""
    kernels = [np.asarray(kernel) for kernel in many.kernels]
    sizes = [np.abs(k).reshape(*k.shape[:2], -1) for k in kernels]
    ends = np.cumsum([s.shape[2] for s in sizes])
    together = np.concatenate(sizes, axis=2)
    rank = together.argsort(axis=2, kind="stable").argsort(axis=2)
    curve = []
    for share in SHARES:
        stays = np.split(rank >= round(share * ends[-1]), ends[:-1], axis=2)
        for variable, k, s in zip(many.kernels, kernels, stays, strict=True):
            variable.assign(k * s.reshape(k.shape))
        curve.append(evaluate())
    for variable, k in zip(many.kernels, kernels, strict=True):
        variable.assign(k)
    return np.array(curve)
