"""Many small recurrent networks trained side by side in NumPy, for the claim C21.

A network of 16 units keeps no processor busy. Here all runs of an experiment are one
array, and take each step together; each has its own rate, threshold, seed and order of
batches. Tests: tests/test_claims_clipping.py compares the steps with those of Keras.
"""

import numpy as np

from dtlib import training


def adding_problem(n, length, seed):
    """Sequences of numbers, two of them marked; the target is the sum of those two.

        values ~ U(0, 1)      one mark in each half      y = Σ value · mark

    Args:
        n: Number of sequences.
        length: Of a sequence, ≥ 2.
        seed: Integer.

    Returns:
        `(x, y)`, float32 of shapes (n, length, 2) and (n, 1).

    Reference: Hochreiter and Schmidhuber, 1997, "Long Short-Term Memory", experiment 4.
    """
    rng = np.random.default_rng(seed)
    values, marks = rng.uniform(size=(n, length)), np.zeros((n, length))
    half, rows = length // 2, np.arange(n)
    marks[rows, rng.integers(half, size=n)] = 1
    marks[rows, rng.integers(half, length, size=n)] = 1
    y = (values * marks).sum(axis=1, keepdims=True)
    return np.stack([values, marks], axis=-1).astype("float32"), y.astype("float32")


def start(seeds, units):
    """First weights, one set a seed: the identity, Glorot's draws, and zeros.

    Returns:
        `[W, U, b, V, d]`, each with the runs as its first axis; in Keras' order.
    """
    W, V = [], []
    for seed in seeds:
        rng, a = np.random.default_rng([seed, 21]), np.sqrt(6 / (units + 2))
        W.append(rng.uniform(-a, a, size=(2, units)))
        a = np.sqrt(6 / (units + 1))
        V.append(rng.uniform(-a, a, size=(units, 1)))
    runs = len(W)
    U, b, d = np.eye(units), np.zeros((1, units)), np.zeros((1, 1))
    weights = W, [U] * runs, [b] * runs, V, [d] * runs
    return [np.array(w, "float32") for w in weights]


def states(x, weights):
    """h₀ … h_T of a network of rectifiers; x has shape (runs or 1, batch, T, 2)."""
    W, U, b, *_ = weights
    h = [np.zeros((len(U), x.shape[1], U.shape[-1]), "float32")]
    for t in range(x.shape[2]):
        h.append(np.maximum(x[:, :, t] @ W + h[-1] @ U + b, 0))
    return h


def losses(x, y, weights):
    """The mean squared error of each run."""
    *_, V, d = weights
    return np.mean((states(x[None], weights)[-1] @ V + d - y) ** 2, axis=(1, 2))


def gradients(x, y, weights):
    """Those of the mean squared error, by going back through the time steps."""
    W, U, b, V, d = weights
    h = states(x, weights)
    error = 2 * (h[-1] @ V + d - y) / y.shape[1]
    gW, gU, gb = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    dh = error @ V.swapaxes(1, 2)
    for t in reversed(range(x.shape[2])):
        dz = dh * (h[t + 1] > 0)
        gW += x[:, :, t].swapaxes(1, 2) @ dz
        gU += h[t].swapaxes(1, 2) @ dz
        gb += dz.sum(axis=1, keepdims=True)
        dh = dz @ U.swapaxes(1, 2)
    gV = h[-1].swapaxes(1, 2) @ error
    return [gW, gU, gb, gV, error.sum(axis=1, keepdims=True)]


def train(runs, data, *, units, epochs, batch_size):
    """Train all runs by plain SGD, and measure each before and after.

    Args:
        runs: List of (rate, threshold of the global norm, seed); a threshold of
            infinity never clips.
        data: x and y for training, validation and test.
        units, epochs, batch_size: Of all runs. The batch size divides the examples.

    Returns:
        `(before, valid, test)`: the test loss before training, the losses after it.
    """
    x, y, x_valid, y_valid, x_test, y_test = data
    rates, clips, seeds = (np.array(column) for column in zip(*runs, strict=True))
    weights = start(seeds, units)
    before = losses(x_test, y_test, weights)
    rate = rates.astype("float32")[:, None, None]
    with np.errstate(all="ignore"):  # runs without clipping overflow
        for epoch in range(epochs):
            order = np.array(
                [training.batch_order(len(x), seed=s, epoch=epoch) for s in seeds]
            )
            for rows in np.split(order, len(x) // batch_size, axis=1):
                found = gradients(x[rows], y[rows], weights)
                squares = (np.sum(g.astype("float64") ** 2, axis=(1, 2)) for g in found)
                factor = np.minimum(1, clips / np.sqrt(sum(squares)))
                factor = np.where(np.isinf(clips), 1, factor).astype("float32")
                for w, g in zip(weights, found, strict=True):
                    w -= rate * (factor[:, None, None] * g)
        return before, *(
            losses(*pair, weights) for pair in ((x_valid, y_valid), (x_test, y_test))
        )
