"""Three sets of data for recipes: curves, coarse images, and a table drawn at random.

All have as many examples in each part, so that networks on different data can stand in
one program. Tests: tests/test_claims_recipes.py.
"""

import functools

import numpy as np

from dtlib import datasets

CURVES, IMAGES, TABLE = "MNIST-1D", "Fashion-MNIST", "table"
DATA = (CURVES, IMAGES, TABLE)
PARTS = ("train", "valid", "test")
CLASSES = 10
# Training, validation and test examples. MNIST-1D takes a fifth for validation.
SIZES = {"quick": (1600, 400, 1000)}
SIZES |= dict.fromkeys(("standard", "full"), (6400, 1600, 4000))
COARSE = 4  # pixels averaged, a side
COLUMNS, USED, UNITS, GAIN, NOISE = 20, 5, 16, 2.0, 0.1  # of the table


@functools.cache
def data(name, scale):
    """Six arrays, inputs flat: one of `DATA` at a scale."""
    sizes = SIZES[scale]
    if name == CURVES:
        return tuple(datasets.mnist1d(sum(sizes[:2]), sizes[2]))
    return images(sizes) if name == IMAGES else table(sizes)


def images(sizes):
    """Standardized images of 7 × 7 pixels, some of each part of Fashion-MNIST's sample.

    Each pixel is the mean of 16.
    """
    found, parts = datasets.fashion_mnist(standardize=True), []
    for k, n in zip((0, 2, 4), sizes, strict=True):
        rows = np.random.default_rng(0).permutation(len(found[k]))[:n]
        coarse = found[k][rows].reshape(n, 7, COARSE, 7, COARSE).mean(axis=(2, 4))
        parts += [coarse.reshape(n, -1), found[k + 1][rows]]
    return tuple(parts)


def table(sizes, seed=47):
    """A table of normal numbers, whose class is what a random tanh network says.

        x ~ N(0, 1)²⁰        only the first 5 columns are used
        h ← tanh(2·W·h/√n)   twice, 16 units; W ~ N(0, 1)
        y = argmax of 10 random sums of h, each standardized

    One label in ten is drawn anew, from all classes.

    Args:
        sizes: Examples in each of the three parts.
        seed: Fixes the network and the draws.
    """
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    x = rng.standard_normal((n, COLUMNS))
    h = x[:, :USED]
    for _ in range(2):
        kernel = rng.standard_normal((h.shape[1], UNITS)) / np.sqrt(h.shape[1])
        h = np.tanh(GAIN * h @ kernel)
    sums = h @ rng.standard_normal((UNITS, CLASSES))
    y = ((sums - sums.mean(axis=0)) / sums.std(axis=0)).argmax(axis=1)
    y = np.where(rng.random(n) < NOISE, rng.integers(CLASSES, size=n), y)
    ends = np.cumsum(sizes)[:-1]
    parts = zip(np.split(x, ends), np.split(y, ends), strict=True)
    return tuple(array for part in parts for array in part)


@functools.cache
def joined(scale):
    """All data in one table: features (3n, widest), labels (3n,), and whose rows.

    Narrower examples end in zeros: their kernels' rows get no gradient. The rows are
    `{part: array (data, examples)}`.
    """
    every = [data(name, scale) for name in DATA]
    widest = max(parts[0].shape[1] for parts in every)
    pads = [[(0, 0), (0, widest - parts[0].shape[1])] for parts in every]
    x = [
        np.pad(x, pad)
        for parts, pad in zip(every, pads, strict=True)
        for x in parts[::2]
    ]
    y = np.concatenate([y for parts in every for y in parts[1::2]])
    rows = np.arange(len(y)).reshape(len(DATA), -1)
    rows = np.split(rows.astype("int32"), np.cumsum(SIZES[scale])[:-1], axis=1)
    rows = dict(zip(PARTS, rows, strict=True))
    return np.concatenate(x).astype("float32"), y.astype("int32"), rows
