"""Batch norm by hand: forward, backward, its averages, folded, and its limits.

The chapter `normalization` of the book ends with them. Tests: tests/test_exercises.py.
"""

import math

import numpy as np

from dtlib import normalization
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(5)
X = rng.normal(4.0, [0.2, 1.0, 5.0], (6, 3))
G = rng.normal(1.0, 1.0, (6, 3))
GAMMA, BETA = np.array([1.0, 0.5, 2.0]), np.array([0.0, -1.0, 3.0])


def forward(x, gamma, beta, epsilon, *, axis=0, ddof=0):
    mean = x.mean(axis, keepdims=True)
    variance = x.var(axis, keepdims=True, ddof=ddof)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def x_hat(x, epsilon):
    return forward(x, 1.0, 0.0, epsilon)


@exercise(
    "normalization.1",
    title="Batch norm in training",
    difficulty=1,
    minutes=10,
    hints=[
        "Which numbers share a mean: those of one sample, or those of one feature?",
        "Mean and variance run over axis 0, the samples. Where does ε go: to the "
        "variance, or to its root?",
        "`(x - x.mean(0)) / np.sqrt(x.var(0) + epsilon)`, then γ and β.",
    ],
    cases=[
        ("three features in different units", (X, GAMMA, BETA, 1e-3)),
        ("two samples", (X[:2], GAMMA, BETA, 1e-3)),
        ("a large ε", (X, GAMMA, BETA, 0.5)),
        ("more features than samples", (X[:3].T.repeat(2, 1), 1.5, 0.5, 1e-3)),
    ],
    mistakes=[
        lambda x, g, b, e: forward(x, g, b, e, axis=1),
        "You normalize each sample over its features: that is layer norm. Average "
        "over axis 0.",
        lambda x, g, b, e: forward(x, g, b, e, ddof=1),
        "You divide by m − 1. The batch is normalized by its biased variance, 1/m.",
        lambda x, g, b, e: g * (x - x.mean(0)) / (x.std(0) + e) + b,
        "You add ε to the standard deviation. It belongs inside the root.",
        lambda x, g, b, e: g * (x_hat(x, e) + b),
        "β is scaled by γ, too. First scale, then shift.",
    ],
)
def batch_norm(x, gamma, beta, epsilon):
    """Return γ·x̂ + β, with the statistics of the batch itself.

    x: shape (samples, features); gamma, beta: one number a feature
    """
    scale, shift = (np.broadcast_to(w, x.shape[1]) for w in (gamma, beta))
    moments = normalization.batch_statistics(x, axis=-1)
    where = {"axis": -1, "epsilon": epsilon}
    y = normalization.batch_norm(x, scale, shift, *moments, **where)
    return np.asarray(y)


def average(values, momentum, *, start=0.0):
    r = start
    for value in values:
        r = momentum * r + (1 - momentum) * value
    return np.float64(r)


@exercise(
    "normalization.2",
    title="Where the running average has come to",
    difficulty=1,
    minutes=5,
    hints=[
        "In Keras' convention, which of the two does momentum weigh: the old average "
        "or the new value?",
        "Loop over the values: r = momentum · r + (1 − momentum) · value. Where does "
        "r start?",
    ],
    cases=[
        ("fifty steps at a mean of 5", (np.full(50, 5.0), 0.99)),
        ("a short memory", ([4.0, 6.0, 5.0, 3.0], 0.9)),
        ("one step", ([2.0], 0.99)),
        ("a mean that moves", (np.linspace(0.0, 9.0, 30), 0.95)),
    ],
    mistakes=[
        lambda v, m: average(v, 1 - m),
        "Your momentum weighs the *new* value, as PyTorch's does. In Keras it weighs "
        "the old average.",
        lambda v, m: average(v, m) / (1 - m ** len(v)),
        "You divide by 1 − momentumᵗ, as Adam does. Batch norm leaves the bias of its "
        "start in.",
        lambda v, m: average(v[1:], m, start=v[0]),
        "You start at the first value. Keras' running mean starts at 0.",
    ],
)
def running_mean(values, momentum):
    """Return Keras' running mean after these batch means.

    values: the means in order; momentum: a number in [0, 1)
    """
    r = 0.0
    for value in values:
        r = normalization.update_running(r, np.float64(value), momentum=momentum)
    return np.float64(r)


def counted(widths, *, bias=0, last=0):
    dense = sum(i * o for i, o in zip(widths[:-1], widths[1:], strict=True))
    hidden = sum(widths[1:-1])
    total = dense + widths[-1] * (1 - last) + (2 + bias) * hidden
    return int(total), int(2 * hidden)


@exercise(
    "normalization.3",
    title="Count what is trained, and what is tracked",
    difficulty=1,
    minutes=10,
    hints=[
        "How many vectors has a batch norm, and which of them does a gradient reach?",
        "γ and β are trained, the running mean and variance are tracked. Which biases "
        "does the network still need?",
        "Hidden layer of n units: i·n weights, no bias, 2n trained and 2n tracked. The "
        "last layer: i·n + n.",
    ],
    cases=[
        ("two hidden layers", ([784, 300, 100, 10],)),
        ("one hidden layer", ([40, 32, 10],)),
        ("three of equal width", ([8, 16, 16, 16, 4],)),
    ],
    mistakes=[
        lambda widths: (counted(widths)[0] + counted(widths)[1], 0),
        "You train all four vectors. No gradient reaches the running mean and "
        "variance.",
        lambda widths: counted(widths, bias=1),
        "You gave the hidden layers biases. The batch norm takes them off again; β "
        "does their work.",
        lambda widths: counted(widths, last=1),
        "The last layer lost its bias. No batch norm follows it, so it needs one.",
        lambda widths: (counted(widths)[0], counted(widths)[1] // 2),
        "Two vectors are tracked in each batch norm: the mean *and* the variance.",
    ],
)
def count_weights(widths):
    """Return (trained, tracked) for dense layers with batch norm.

    widths: of the input, each hidden layer, and the output; batch norm
    follows each hidden kernel, and no bias is left that does nothing
    """
    return counted([int(n) for n in widths])


def backward(dy, x, gamma, epsilon, *, mean=1.0, stretch=1.0, axis=0, scale=None):
    x = x_hat(x, epsilon), np.sqrt(x.var(0) + epsilon)
    first = dy - mean * dy.mean(axis, keepdims=True)
    second = stretch * x[0] * (dy * x[0]).mean(axis, keepdims=True)
    return (gamma if scale is None else scale) / x[1] * (first - second)


@exercise(
    "normalization.4",
    title="The gradient through the batch",
    difficulty=2,
    minutes=20,
    hints=[
        "An input changes its own output directly. Through which two numbers does it "
        "change all the others?",
        "Through μ and σ². What they take back is mean(dy), and x̂ · mean(dy · x̂). Is "
        "it added or subtracted?",
        "`gamma / s * (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0))`",
    ],
    cases=[
        ("three features", (G, X, GAMMA, 1e-3)),
        ("all outputs wish to rise", (1 + 0.1 * G, X, GAMMA, 0.1)),
        ("two samples", (G[:2], X[:2], GAMMA, 1e-3)),
        ("one output alone", (np.eye(6)[:, :3], X, GAMMA, 1e-3)),
    ],
    mistakes=[
        lambda dy, x, g, e: backward(dy, x, g, e, mean=0.0, stretch=0.0),
        "You took μ and σ² for constants. Each input moves both.",
        lambda dy, x, g, e: backward(dy, x, g, e, stretch=0.0),
        "The mean's part is right; the variance's is missing: x̂ · mean(dy · x̂).",
        lambda dy, x, g, e: backward(dy, x, g, e, mean=len(x), stretch=len(x)),
        "You subtract sums where means belong: divide both by m.",
        lambda dy, x, g, e: backward(dy, x, g, e, stretch=-1.0),
        "The variance's part has the wrong sign: it is taken off, too.",
        lambda dy, x, g, e: backward(dy, x, g, e, scale=1.0),
        "γ is missing: the gradient of x̂ is γ · dy.",
        lambda dy, x, g, e: backward(dy, x, g, e, axis=1),
        "Your means run over the features. A batch norm averages over axis 0.",
    ],
)
def batch_norm_gradient(dy, x, gamma, epsilon):
    """Return the loss's gradient with respect to x, in training.

    dy: that with respect to y, shape (samples, features), as x
    """
    where = {"axis": -1, "epsilon": epsilon}
    return np.asarray(normalization.batch_norm_gradients(dy, x, gamma, **where)[0])


def folded(kernel, bias, gamma, beta, mean, variance, *, shift=1.0):
    s = gamma / np.sqrt(variance)
    return kernel * s, s * bias + beta - shift * s * mean


W, B = rng.normal(size=(3, 3)), rng.normal(size=3)
MEAN, VARIANCE = rng.normal(size=3), np.array([0.3, 1.0, 4.0])


@exercise(
    "normalization.5",
    title="Fold a batch norm away",
    difficulty=2,
    minutes=15,
    hints=[
        "At inference μ and σ² are constants. Which scale s and shift t make the batch "
        "norm y = s·z + t?",
        "s = γ/√σ² and t = β − s·μ. What is s·(x W + b) + t, written as one layer?",
        "The kernel's *columns* are scaled by s; the bias becomes s·b + t.",
    ],
    cases=[
        ("a square kernel", (W, B, GAMMA, BETA, MEAN, VARIANCE)),
        ("five inputs", (rng.normal(size=(5, 3)), B, GAMMA, BETA, MEAN, VARIANCE)),
        ("a fresh batch norm", (W, B, np.ones(3), np.zeros(3), MEAN, VARIANCE)),
        ("no bias yet", (W, np.zeros(3), GAMMA, BETA, MEAN, VARIANCE)),
    ],
    mistakes=[
        lambda w, b, *a: (folded(w, b, *a)[0], b + folded(w, 0 * b, *a)[1]),
        "The old bias must be scaled by s as well: it passes through the batch norm.",
        lambda w, b, g, be, m, v: folded(w, b, g, be, m, v, shift=0.0),
        "The running mean is missing: t = β − s·μ.",
        lambda w, b, g, be, m, v: folded(w, b, g, be, m, v**2),
        "You divide by the variance. Take its root.",
        lambda w, b, g, be, m, v: (w, folded(w, b, g, be, m, v)[1]),
        "The kernel is as before. Each of its columns is scaled by s.",
        lambda w, b, g, be, m, v: folded(w, b, g, be * g / v**0.5, m, v),
        "β comes after the scaling: it enters as it is.",
    ],
)
def fold(kernel, bias, gamma, beta, mean, variance):
    """Return (kernel, bias) of a layer that does dense and batch norm.

    kernel: shape (inputs, units), all else (units,); take ε = 0
    """
    parts = normalization.fold_into_previous(
        kernel, bias, gamma, beta, mean, variance, epsilon=0.0
    )
    return tuple(np.asarray(part) for part in parts)


@exercise(
    "normalization.6",
    title="Open question: how far out can a sample stand?",
    difficulty=3,
    minutes=25,
    hints=[
        "Of m numbers with mean 0 and mean square 1, one shall be as large as it can. "
        "What should the others be?",
        "All equal, by symmetry. Let the others be −a, so that the one is (m − 1)·a. "
        "What does the mean square of 1 say about a?",
        "(m − 1)²a² + (m − 1)a² = m gives a² = 1/(m − 1).",
    ],
    cases=[
        ("two samples", (2,)),
        ("five", (5,)),
        ("an ordinary batch", (32,)),
        ("a large batch", (1000,)),
    ],
    mistakes=[
        lambda m: math.sqrt(m),
        "Close for large m. But the others must bring the mean back to 0, and that "
        "uses up some of the mean square.",
        lambda m: float(m - 1),
        "You have the ratio of the one to the others. Scale so that the mean square "
        "is 1.",
        lambda m: (m - 1) / math.sqrt(m),
        "You divide by the standard deviation with m − 1. Batch norm takes 1/m.",
        lambda m: 1 / math.sqrt(m - 1),
        "That is how far the *others* stand from 0, on the other side.",
    ],
)
def largest_x_hat(m):
    """Return the largest x̂ that batch norm can give one of m samples.

    m: samples in the batch, at least 2; take ε = 0
    """
    spike = np.eye(int(m))[:, :1]
    moments = normalization.batch_statistics(spike, axis=-1)
    y = normalization.batch_norm(spike, None, None, *moments, axis=-1, epsilon=0.0)
    return np.asarray(y)[0, 0]
