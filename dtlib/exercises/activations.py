"""Bends by hand: their slopes, their parameters, their dead units, their fixed point.

The chapter `activations` of the book ends with them. Tests: tests/test_exercises.py.
"""

import math

import numpy as np

from dtlib import activations, diagnostics
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(4)


def parameters(widths, biases=True, slopes="units"):
    n, total = [int(width) for width in widths], 0
    for fan_in, fan_out in zip(n[:-1], n[1:], strict=True):
        total += fan_in * fan_out + fan_out * biases
    learned = {
        "units": sum(n[1:-1]),
        "layers": len(n) - 2,
        "last too": sum(n[1:]),
        "inputs too": sum(n[:-1]),
        "none": 0,
    }
    return total + learned[slopes]


@exercise(
    "activations.1",
    title="Parameters of a network with PReLU",
    difficulty=1,
    minutes=5,
    hints=[
        "A dense layer has a weight for each connection and a bias for each unit. How "
        "many numbers does a PReLU after it learn?",
        "One slope for each unit. The last layer gives logits: does a PReLU follow it?",
    ],
    cases=[
        ("a classifier of images", ([784, 300, 100, 10],)),
        ("one hidden layer", ([40, 32, 10],)),
        ("no hidden layer, so no PReLU", ([784, 10],)),
        ("a narrow waist", ([8, 3, 8, 5],)),
    ],
    mistakes=[
        lambda widths: parameters(widths, slopes="none"),
        "The slopes are missing. PReLU's α is learned: one parameter for each unit.",
        lambda widths: parameters(widths, slopes="layers"),
        "You count one slope a layer. That is PyTorch's default; in Keras and here "
        "each unit has its own.",
        lambda widths: parameters(widths, slopes="last too"),
        "You put a PReLU behind the last layer, too. Logits need no activation.",
        lambda widths: parameters(widths, slopes="inputs too"),
        "The inputs pass no PReLU. Count the units of the hidden layers only.",
        lambda widths: parameters(widths, biases=False),
        "The biases are missing: each unit of a dense layer has one.",
    ],
)
def count_with_prelu(widths):
    """Return the number of parameters of a dense net with PReLUs.

    widths: units of the input and of each layer; a PReLU with a
    slope for each unit follows each hidden layer, but not the last
    """
    return parameters(widths)


def logistic(z):
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-abs(z)))


@exercise(
    "activations.2",
    title="tanh from the logistic function",
    difficulty=1,
    minutes=10,
    hints=[
        "The logistic function goes from 0 to 1 and tanh from −1 to 1. Which stretch "
        "and shift do that? And what is then the slope at 0, which should be 1?",
        "2σ(z) − 1 has the slope ½ at 0. Make z count double: tanh(z) = 2σ(2z) − 1.",
        "At z = 1000, `np.exp(1000)` is infinite, and inf/inf is NaN. Let only numbers "
        "≤ 0 into `np.exp`: tanh(−z) = −tanh(z).",
    ],
    cases=[
        ("small numbers", ([-1.0, -0.5, 0.0, 0.3, 2.0],)),
        ("in rows", ([[0.1, 0.2], [-3.0, 4.0]],)),
        ("far out", ([-1000.0, -30.0, 30.0, 1000.0],)),
    ],
    mistakes=[
        lambda z: 2 * logistic(z) - 1,
        "That is tanh(z/2), as is (1 − e⁻ᶻ)/(1 + e⁻ᶻ): its slope at 0 is ½, and that "
        "of tanh is 1.",
        lambda z: (1 - np.exp(-z)) / (1 + np.exp(-z)),
        "That is tanh(z/2), a formula often given for tanh; and far out it is inf/inf.",
        lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
        "The formula is right, and its exponentials overflow: far out it is inf/inf, "
        "NaN. Take `np.exp` of numbers ≤ 0 only.",
        lambda z: logistic(2 * z),
        "Your answer goes from 0 to 1. Stretch it by 2, and subtract 1.",
    ],
)
def tanh_of(z):
    """Return tanh(z) without np.tanh, by the logistic function.

    z: numbers of any size and shape
    """
    return np.asarray(activations.tanh(z))


def elu(z, alpha):
    return np.asarray(activations.elu(z, alpha))


@exercise(
    "activations.3",
    title="The slope of ELU",
    difficulty=2,
    minutes=10,
    hints=[
        "Left of 0, ELU is α(eᶻ − 1). What is the derivative of that?",
        "α·eᶻ, which is ELU's own value plus α. On the right it is 1.",
        "`np.where(z > 0, 1.0, alpha * np.exp(np.minimum(z, 0)))`",
    ],
    cases=[
        ("α = 1, where the slope is smooth", ([-2.0, -0.5, 0.0, 1.0], 1.0)),
        ("α = 0.5, a kink; at 0 the left slope", ([-2.0, -0.5, 0.0, 1.0], 0.5)),
        ("α = 2, and far out", ([[-1000.0, -1.0], [1.0, 1000.0]], 2.0)),
    ],
    mistakes=[
        lambda z, a: np.where(z > 0, 1.0, 0.0),
        "That is ReLU's slope. ELU's is not 0 for z < 0: its units keep learning.",
        lambda z, a: np.where(z > 0, 1.0, elu(z, a)),
        "Left of 0 you return ELU's value. Its slope is the value plus α.",
        lambda z, a: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
        "The factor α is missing: α·eᶻ.",
        lambda z, a: np.where(z > 0, 1.0, a),
        "A constant slope α belongs to leaky ReLU. ELU bends: α·eᶻ.",
        lambda z, a: a * np.exp(np.minimum(z, 0)),
        "Right of 0 ELU is z itself: the slope is 1 there, whatever α is.",
        lambda z, a: elu(z, a) + a,
        "Value plus α holds left of 0 only; on the right the slope is 1.",
    ],
)
def elu_slope(z, alpha):
    """Return the slope of ELU at each z; at 0, the left one.

    z: numbers of any shape; alpha: α, a number > 0
    """
    return np.where(z > 0, 1.0, elu(z, alpha) + alpha)


@exercise(
    "activations.4",
    title="Which units are dead",
    difficulty=2,
    minutes=10,
    hints=[
        "On one sample with z < 0 a ReLU unit gets no gradient. Is that enough for it "
        "never to learn again?",
        "It is dead when z ≤ 0 on *every* sample. Which axis holds the samples?",
    ],
    cases=[
        ("a unit that one sample saves", ([[-1.0, -1.0], [-9.0, 0.5]],)),
        ("a unit that stands at 0", ([[0.0, 2.0, -1.0], [0.0, -3.0, -1.0]],)),
        ("more units than samples", (rng.normal(size=(2, 6)),)),
        ("a convolution: samples, places, channels", (rng.normal(-2, 1, (4, 6, 5)),)),
    ],
    mistakes=[
        lambda z: np.any(z <= 0, axis=tuple(range(z.ndim - 1))),
        "You count a unit as dead if *one* sample is on its left. It still learns from "
        "the others.",
        lambda z: z.sum(tuple(range(z.ndim - 1))) < 0,
        "A negative sum kills nothing: one large positive z is enough to learn from.",
        lambda z: np.all(z < 0, axis=tuple(range(z.ndim - 1))),
        "At z = 0 ReLU's slope is 0, too: z ≤ 0.",
        lambda z: np.all(z <= 0, axis=-1),
        "You go over the units of a sample. Go over the samples of a unit: they are on "
        "the first axis, the units on the last.",
        lambda z: np.all(z <= 0, axis=0),
        "A channel is one unit at many places: go over all axes but the last.",
        lambda z: np.all(z <= 0, axis=tuple(range(z.ndim - 1))).mean(),
        "Your answer is the share of dead units. Say of each unit whether it is dead.",
        lambda z: ~np.all(z <= 0, axis=tuple(range(z.ndim - 1))),
        "You say which units live.",
    ],
)
def dead(z):
    """Return for each ReLU unit whether it is dead, as booleans.

    z: what enters the ReLU; samples first, units (or channels) last
    """
    return diagnostics.dead(z > 0)


@exercise(
    "activations.5",
    title="How PReLU learns its slopes",
    difficulty=2,
    minutes=15,
    hints=[
        "f(z) = max(z, 0) + α·min(z, 0). What is ∂f/∂α, for z > 0 and for z ≤ 0?",
        "∂f/∂α = min(z, 0). By the chain rule ∂ℓ/∂α sums ∂ℓ/∂f · ∂f/∂α: over what?",
        "One α serves a unit on all samples: `(g * np.minimum(z, 0)).sum(0)`.",
    ],
    cases=[
        ("one unit, two samples", ([[-2.0], [-1.0]], [[1.0], [0.5]])),
        (
            "a unit that is never on the left",
            ([[1.0, -1.0], [2.0, 3.0]], np.eye(2) + 1),
        ),
        ("a batch", (rng.normal(size=(6, 4)), rng.normal(size=(6, 4)))),
    ],
    mistakes=[
        lambda z, g: g * np.minimum(z, 0),
        "That is each sample's share. One α serves all samples: sum over them.",
        lambda z, g: (g * np.minimum(z, 0)).mean(0),
        "You take the mean over samples. g is the loss's gradient already: sum.",
        lambda z, g: (g * np.minimum(z, 0)).sum(1),
        "You sum over units. Each unit has its own α; the samples are on axis 0.",
        lambda z, g: (g * z).sum(0),
        "Where z > 0, α does not touch the output: ∂f/∂α is 0 there, not z.",
        lambda z, g: (g * (z <= 0)).sum(0),
        "You take ∂f/∂α as 1 left of 0. It is z there: f = α·z.",
        lambda z, g: (g * np.maximum(-z, 0)).sum(0),
        "The sign is wrong: left of 0, ∂f/∂α = z, and that is negative.",
    ],
)
def slope_gradient(z, g):
    """Return ∂ℓ/∂α, one number for each unit.

    z: what enters the PReLU, (samples, units); g: ∂ℓ/∂f there
    """
    return (g * np.minimum(z, 0)).sum(0)


def tail(z):
    return z / (1 + abs(z))


def two_thirds(z):
    return z * 2 / 3


def expectation(f):
    """E[f(z)] for z ~ N(0, 1), by a fine sum over ±10."""
    z = np.linspace(-10, 10, 20_001)
    return (f(z) * np.exp(-(z**2) / 2)).sum() * (z[1] - z[0]) / math.sqrt(2 * math.pi)


def constants(h):
    alpha = -expectation(lambda z: np.maximum(z, 0))
    alpha /= expectation(lambda z: h(np.minimum(z, 0)))
    square = expectation(lambda z: bent(h, alpha, z) ** 2)
    return float(alpha), float(1 / math.sqrt(square))


def bent(h, alpha, z):
    return np.maximum(z, 0) + alpha * h(np.minimum(z, 0))


@exercise(
    "activations.6",
    title="Open question: another self-normalizing bend",
    difficulty=3,
    minutes=30,
    rtol=3e-4,
    hints=[
        "λ cannot change whether the mean is 0. So which equation gives α alone?",
        "α = −E[max(z, 0)] / E[h(min(z, 0))]. Then Var = 1 asks for λ² · E[(…)²] = 1, "
        "as the mean is 0.",
        "On a fine grid from −10 to 10, take sums weighted by exp(−z²/2)/√(2π) times "
        "the spacing. With `np.expm1` as h you must find SELU's 1.6733 and 1.0507.",
    ],
    cases=[
        ("SELU", (np.expm1,)),
        ("tanh on the left", (np.tanh,)),
        ("a softer bend, z/(1 + |z|)", (tail,)),
        ("a straight line, and so the identity", (two_thirds,)),
    ],
    mistakes=[
        lambda h: constants(h)[::-1],
        "α and λ changed places: α bends the left side, λ stretches the whole.",
        lambda h: (constants(h)[0], constants(h)[1] ** 2),
        "Your λ is its own square: λ² · E[f²] = 1, so take a root.",
        lambda h: (constants(h)[0], 1 / constants(h)[1]),
        "Your λ is the standard deviation before scaling. Divide by it: 1 over that.",
        lambda h: (-constants(h)[0], constants(h)[1]),
        "The sign of α: h(min(z, 0)) is negative, so a positive α pulls the mean down.",
        lambda h: (1.0, expectation(lambda z: bent(h, 1.0, z) ** 2) ** -0.5),
        "You left α at 1, so that the mean is not 0. Find α from the mean first.",
    ],
)
def self_normalizing(h):
    """Return (α, λ) of f(z) = λ·(max(z, 0) + α·h(min(z, 0))).

    h: a function with h(0) = 0 and h < 0 left of it, to be called
    on an array; z ~ N(0, 1) must give f mean 0 and variance 1
    """
    return constants(h)
