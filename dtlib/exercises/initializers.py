"""How large to start, by hand: fans, limits, gains, and a scale derived, not copied.

The chapter `initializers` of the book ends with them. Tests: tests/test_exercises.py.
"""

import functools
import math

import numpy as np

from dtlib import initializers
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(3)


def facts(shape, fans=None, biases=True):
    fans = fans or initializers.compute_fans(shape)
    return *fans, math.prod(shape) + shape[-1] * biases


@exercise(
    "initializers.1",
    title="Fans and parameters of a kernel",
    difficulty=1,
    minutes=5,
    hints=[
        "How many products does one output sum? For a convolution: how many places has "
        "its window, and how many channels are at each?",
        "`*window, n_in, n_out = shape`; every fan is a number of channels times "
        "`math.prod(window)`. How many biases are there?",
    ],
    cases=[
        ("the output layer of softmax regression", ((784, 10),)),
        ("a dense layer of 64 units", ((784, 64),)),
        ("a 3 × 3 convolution", ((3, 3, 16, 32),)),
        ("a convolution over time", ((5, 8, 4),)),
    ],
    mistakes=[
        lambda shape: facts(shape, biases=False),
        "The biases are missing: beside its kernel, a layer has one a unit or channel.",
        lambda shape: facts(shape, fans=initializers.compute_fans(shape)[::-1]),
        "fan_in and fan_out changed places. fan_in counts what one output sums.",
        lambda shape: facts(shape, fans=shape[-2:]),
        "You count channels alone. In a convolution each place of the window brings "
        "its own inputs: multiply by the window's size.",
        lambda shape: facts(shape, fans=(fan_in(shape), shape[-1])),
        "fan_in is right; in fan_out, too, each place of the window counts.",
        lambda shape: facts(shape, fans=(shape[0], shape[1])),
        "You read the first two axes. Keras keeps channels last: (*window, in, out).",
    ],
)
def count_kernel(shape):
    """Return (fan_in, fan_out, number of parameters with biases).

    shape: (in, out), or (*window, in, out) for a convolution
    """
    return facts(shape)


@exercise(
    "initializers.2",
    title="Glorot's limit",
    difficulty=1,
    minutes=5,
    hints=[
        "Glorot's variance is 1/fan_avg. What is the variance of U(−a, a)?",
        "It is a²/3. Set it equal to 2/(fan_in + fan_out), and solve for a.",
    ],
    cases=[
        ("a wide layer", (300, 100)),
        ("the same, turned", (100, 300)),
        ("a square layer", (64, 64)),
        ("a convolution", (144, 288)),
    ],
    mistakes=[
        lambda i, o: math.sqrt(2 / (i + o)),
        "Your answer is the standard deviation. A uniform draw reaches √3 times that.",
        lambda i, o: math.sqrt(3 / i),
        "You took fan_in alone, as LeCun does. Glorot takes the mean of both fans.",
        lambda i, o: math.sqrt(3 / (i + o)),
        "You divided by the *sum* of the fans. Glorot divides by their mean.",
        lambda i, o: 6 / (i + o),
        "Your answer is the limit's square. Take the root.",
        lambda i, o: math.sqrt(6 / i),
        "Your answer is He's limit, √(6/fan_in).",
    ],
)
def glorot_limit(fan_in, fan_out):
    """Return a, where Glorot's initializer draws from U(−a, a)."""
    shape = fan_in, fan_out
    variance = initializers.weight_variance(shape, scale=1.0, mode="fan_avg")
    return math.sqrt(3 * variance)


def he(n, cut=initializers.TRUNCATED_STD):
    return math.sqrt(2 / n) / cut


def fan_in(shape):
    return math.prod(shape[:-1])


@exercise(
    "initializers.3",
    title="He's standard deviation, before the cut",
    difficulty=2,
    minutes=10,
    rtol=1e-4,
    hints=[
        "Cutting off the tails makes a distribution narrower. Must the uncut one be "
        "wider or narrower than √(2/fan_in)?",
        "A standard normal cut at ±2 has standard deviation 0.87963.",
        "√(2/fan_in) / 0.87963, where fan_in counts the window's places too.",
    ],
    cases=[
        ("a dense layer", ((784, 300),)),
        ("a convolution", ((3, 3, 16, 32),)),
        ("a convolution over time", ((5, 8, 4),)),
    ],
    mistakes=[
        lambda shape: he(fan_in(shape), cut=1.0),
        "Your answer is the deviation after the cut, which takes 12 % away. The draw "
        "must start wider.",
        lambda shape: he(fan_in(shape), cut=1 / initializers.TRUNCATED_STD),
        "You multiply by 0.8796. The cut already narrows; divide, to make up for it.",
        lambda shape: he(fan_in(shape) * shape[-1] / shape[-2]),
        "You took fan_out. He's rule keeps the signal going forward: fan_in.",
        lambda shape: he(sum(initializers.compute_fans(shape)) / 2),
        "You took fan_avg, which is Glorot's. He's rule divides by fan_in.",
        lambda shape: he(2 * fan_in(shape)),
        "You used 1/fan_in, LeCun's variance. ReLU discards half: He has 2/fan_in.",
        lambda shape: he(shape[-2]),
        "You left out the window: one output sums over all of its places.",
    ],
)
def he_std_before_cut(shape):
    """Return the standard deviation s of the normal to be cut at ±2s.

    shape: (in, out) or (*window, in, out); cut, it has 2/fan_in
    """
    return he(initializers.compute_fans(shape)[0])


def gains(n, direction):
    layers = [(int(i), int(o)) for i, o in zip(n[:-1], n[1:], strict=True)]
    rule = functools.partial(initializers.layer_gains, scale=1.0, mode="fan_avg")
    return np.array([rule(layer)[direction] for layer in layers])


@exercise(
    "initializers.4",
    title="Variance through layers of unequal width",
    difficulty=2,
    minutes=10,
    hints=[
        "A unit sums fan_in products w·x. What is that sum's variance, if x has v?",
        "One layer multiplies by fan_in · Var[w] = 2·fan_in/(fan_in + fan_out). And "
        "several layers?",
        "`variance * np.cumprod(2 * widths[:-1] / (widths[:-1] + widths[1:]))`",
    ],
    cases=[
        ("100 to 300 and back", ([100, 300, 100], 1.0)),
        ("equal widths", ([50, 50, 50], 2.0)),
        ("a pyramid", ([784, 300, 100, 10], 0.5)),
        ("one layer", ([10, 30], 3.0)),
    ],
    mistakes=[
        lambda n, v: v * np.cumprod(gains(n, 1)),
        "Your factors, fan_out · Var[w], are the *gradient's*. Going forward, a unit "
        "sums fan_in terms.",
        lambda n, v: v * gains(n, 0),
        "You give each layer's own factor. The factors of the layers before it "
        "multiply: `np.cumprod`.",
        lambda n, v: v * np.cumprod(np.sqrt(gains(n, 0))),
        "Your factor is that of the standard deviation. The variance's is its square.",
        lambda n, v: v * np.ones(len(n) - 1),
        "Glorot keeps the variance only where fan_in equals fan_out.",
        lambda n, v: v * np.cumprod(np.append(1.0, gains(n, 0))),
        "You also return the input's variance. The answer starts after layer 1.",
        lambda n, v: v * np.cumprod(2 * gains(n, 0)),
        "A factor 2 a layer is too many: He's, for ReLU. These layers are linear.",
    ],
)
def variance_through(widths, variance):
    """Return the variance after each layer of a linear net.

    widths: units of the input and of each layer, (layers + 1,);
    variance: the input's; the result has shape (layers,)
    """
    return variance * np.cumprod(gains(widths, 0))


@exercise(
    "initializers.5",
    title="A rotation drawn without favor",
    difficulty=2,
    minutes=15,
    hints=[
        "`np.linalg.qr` splits a into Q and R. Could the same a be split with some "
        "columns of Q turned to their opposites?",
        "It could, so the algorithm's choice would decide. Choose so that the diagonal "
        "of R is positive.",
        "Multiply each *column* of Q by the sign of R's diagonal entry.",
    ],
    cases=[
        ("a 2 × 2 draw", ([[-1.0, 2.0], [0.5, 1.0]],)),
        ("a square draw", (rng.normal(size=(4, 4)),)),
        ("a tall draw", (rng.normal(size=(5, 3)),)),
        ("the identity, turned", (-np.eye(3)[[1, 0, 2]],)),
    ],
    mistakes=[
        lambda a: np.linalg.qr(a)[0],
        "Q's signs are the algorithm's, not chance's. Multiply each column by the sign "
        "of R's diagonal entry.",
        lambda a: np.linalg.qr(a)[0] * np.sign(np.diag(np.linalg.qr(a)[0])),
        "You take the signs from Q's diagonal. They must come from R's.",
        lambda a: rotation(a).T,
        "Your answer is transposed: the columns of the result are orthonormal.",
        lambda a: a / np.linalg.norm(a, axis=0),
        "Your columns have length 1, but are not orthogonal. Use `np.linalg.qr`.",
        lambda a: np.linalg.qr(a)[0] @ np.linalg.qr(a)[1],
        "Q·R is the draw you started from.",
    ],
)
def orthogonal(a):
    """Return the Q of a = Q·R whose R has a positive diagonal.

    a: N(0, 1) numbers, at least as many rows as columns
    """
    return rotation(a)


def rotation(a):
    Q, R = np.linalg.qr(a)
    return Q * np.sign(np.diag(R))


def relu(z):
    return np.maximum(z, 0)


def leaky_relu(z):
    return np.where(z > 0, z, 0.2 * z)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def expectation(g):
    """E[g(z)] for z ~ N(0, 1), by a fine sum over ±10."""
    z = np.linspace(-10, 10, 20_001)
    return (g(z) * np.exp(-(z**2) / 2)).sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi)


@exercise(
    "initializers.6",
    title="Open question: derive the scale",
    difficulty=3,
    minutes=25,
    rtol=3e-4,
    hints=[
        "The next layer sums terms w·f(z). Which mean of f(z) decides the variance of "
        "that sum: E[f], Var[f] or E[f²]?",
        "fan_in · Var[w] · E[f(z)²] must be 1, for z ~ N(0, 1). Check with ReLU, by "
        "symmetry, that the scale is 2.",
        "On a fine grid from −10 to 10, sum f(z)² · exp(−z²/2) / √(2π) times the "
        "spacing; the answer is 1 over that.",
    ],
    cases=[
        ("He's case", (relu,)),
        ("the identity", (np.positive,)),
        ("tanh", (np.tanh,)),
        ("leaky ReLU with slope 0.2", (leaky_relu,)),
        ("the logistic function", (logistic,)),
    ],
    mistakes=[
        lambda f: expectation(lambda z: f(z) ** 2),
        "Your answer is E[f²]. The scale makes up for it: 1 over that.",
        lambda f: 1 / (expectation(lambda z: f(z) ** 2) - expectation(f) ** 2),
        "You took the *variance* of f(z). The weights have mean 0, so the variance of "
        "w·f(z) is Var[w] · E[f(z)²], and the mean of f counts.",
        lambda f: 1 / np.sqrt(expectation(lambda z: f(z) ** 2)),
        "Your answer is the *standard deviation's* gain. The scale is its square.",
        lambda f: 1 / ((f(1e-6) - f(-1e-6)) / 2e-6) ** 2,
        "You took the slope at 0. That serves a signal so small that f is a line; "
        "z ~ N(0, 1) is not.",
        lambda f: 1 / (expectation(lambda z: f(z) ** 2) * math.sqrt(2 * math.pi)),
        "The Gaussian density's 1/√(2π) is missing: its integral must be 1.",
    ],
)
def scale_for(f):
    """Return the scale with which scale/fan_in keeps the mean square.

    f: an activation, to be called on an array; four digits will do
    """
    return initializers.forward_gain(f)
