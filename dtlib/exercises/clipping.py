"""A bound on a step, by hand: one factor, in the right place, that never overflows.

The chapter `clipping` of the book ends with them. Tests: tests/test_exercises.py.
"""

import numpy as np

from dtlib import clipping
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(6)


def scaled(g, c):
    return g * (c / np.linalg.norm(g))


def short(g, c):
    return np.asarray(clipping.clip_by_norm(g, c))


@exercise(
    "clipping.1",
    title="Clip by norm",
    difficulty=1,
    minutes=5,
    hints=[
        "Which one number must all entries be multiplied by, so that the length is c? "
        "And when must nothing happen?",
        "`g * min(1, c / norm)`, where norm is the root of the sum of all squares.",
    ],
    cases=[
        ("a long gradient", ([6.0, 8.0], 5.0)),
        ("a short one", ([0.3, -0.4], 2.0)),
        ("a kernel", (rng.normal(size=(3, 4)), 1.5)),
        ("one large entry", ([0.5, -20.0, 0.1], 1.0)),
    ],
    mistakes=[
        lambda g, c: np.clip(g, -c, c),
        "That is clipping by value: it cuts each entry, and so turns the gradient.",
        scaled,
        "A short gradient became longer. The factor is at most 1: `min(1, c / norm)`.",
        lambda g, c: g * max(1, c / np.linalg.norm(g)),
        "You took the larger of 1 and c/norm. Clipping shortens: take the smaller.",
        lambda g, c: short(g / np.linalg.norm(g), 1.0),
        "Your answer has length 1 always. It should have at most length c.",
        lambda g, c: g * min(1, c / np.abs(g).sum()),
        "You divide by the sum of the absolute values. The length is the root of the "
        "sum of squares.",
        lambda g, c: g * min(1, c / np.sum(g**2)),
        "You divide by the squared length. Take the root of the sum of squares.",
    ],
)
def clip_by_norm(g, c):
    """Return g, shortened to length c if it is longer.

    g: gradient of one variable, of any shape; c: a number > 0
    """
    return short(g, c)


def by(factor):
    return lambda kernel, bias, c: tuple(
        g * min(1, f)
        for g, f in zip((kernel, bias), factor(kernel, bias, c), strict=True)
    )


@exercise(
    "clipping.2",
    title="One factor for the whole model",
    difficulty=1,
    minutes=10,
    hints=[
        "If kernel and bias were written into one long vector, how long would it be?",
        "√(‖kernel‖² + ‖bias‖²); both are multiplied by min(1, c / that).",
    ],
    cases=[
        ("3 and 4 make 5", ([[3.0, 0.0]], [0.0, 4.0], 1.0)),
        ("a short gradient", ([[0.1, 0.2]], [0.3, 0.1], 1.0)),
        ("only the bias is long", ([[0.1], [0.2]], [5.0], 2.0)),
        ("a layer", (rng.normal(size=(4, 3)), rng.normal(size=3), 0.5)),
    ],
    mistakes=[
        by(lambda k, b, c: [c / np.linalg.norm(k), c / np.linalg.norm(b)]),
        "Each is clipped by its own norm, as `clipnorm` does. That turns the gradient "
        "of the model; one factor for both does not.",
        by(lambda k, b, c: [c / (np.linalg.norm(k) + np.linalg.norm(b))] * 2),
        "You add the two lengths. The parts are perpendicular: add the squares.",
        by(lambda k, b, c: [c / max(np.linalg.norm(k), np.linalg.norm(b))] * 2),
        "You measure the longer of the two alone. Both count: add the squares.",
        lambda k, b, c: (np.clip(k, -c, c), np.clip(b, -c, c)),
        "That is clipping by value: it cuts each entry.",
        lambda k, b, c: (
            k * c / np.hypot(np.linalg.norm(k), np.linalg.norm(b)),
            b * c / np.hypot(np.linalg.norm(k), np.linalg.norm(b)),
        ),
        "A short gradient became longer. The factor is at most 1.",
    ],
)
def clip_together(kernel, bias, c):
    """Return (kernel, bias), shortened together to norm c if longer."""
    clipped, _ = clipping.clip_by_global_norm([kernel, bias], c)
    return tuple(map(np.asarray, clipped))


@exercise(
    "clipping.3",
    title="Clip what has been accumulated",
    difficulty=2,
    minutes=10,
    hints=[
        "Accumulation imitates one large batch. What would be clipped there?",
        "The gradient of the large batch is the mean of the rows. Take the mean first.",
    ],
    cases=[
        ("4 and −2", ([[4.0], [-2.0]], 1.0)),
        ("two directions", ([[6.0, 0.0], [0.0, 8.0]], 1.0)),
        ("nothing to clip", ([[0.1, 0.2], [0.3, 0.0]], 5.0)),
        ("four batches", (rng.normal(size=(4, 3)), 0.3)),
    ],
    mistakes=[
        lambda g, c: np.mean([short(row, c) for row in g], axis=0),
        "You clip each row and then average. Keras averages first and clips the mean.",
        lambda g, c: short(g.sum(axis=0), c),
        "You clip the sum. Keras accumulates the mean.",
        lambda g, c: short(g, c).mean(axis=0),
        "You measure all rows as one vector. The mean of the rows is what is clipped.",
        lambda g, c: scaled(g.mean(axis=0), c),
        "A short gradient became longer. The factor is at most 1.",
        lambda g, c: np.clip(g.mean(axis=0), -c, c),
        "The mean is right; it is clipped by value. Clip it by its norm.",
    ],
)
def accumulated(gradients, c):
    """Return what the optimizer gets: the mean, clipped by norm.

    gradients: one row for each small batch, (batches, n)
    """
    return short(gradients.mean(axis=0), c)


def momentum(gradients, rate, beta, clip=lambda g: g, end=lambda v: v, push=None):
    v, w, path = 0.0, 0.0, []
    for g in gradients:
        v = end(beta * v - (push(g) if push else rate * clip(g)))
        w = w + v
        path.append(w)
    return np.array(path)


@exercise(
    "clipping.4",
    title="Clip, then remember",
    difficulty=2,
    minutes=15,
    hints=[
        "A spike that has entered the velocity stays there for many steps. So what "
        "must be clipped: the gradient, the velocity, or the step?",
        "In each step: g ← g · min(1, c/‖g‖), then v ← βv − ηg, then w ← w + v.",
    ],
    cases=[
        ("a spike", ([[1.0], [100.0], [1.0]], 0.1, 0.9, 2.0)),
        ("two directions", ([[3.0, 4.0], [0.3, 0.4]], 1.0, 0.5, 1.0)),
        ("nothing to clip", (rng.normal(size=(4, 2)), 0.1, 0.9, 50.0)),
        ("everything clipped", (rng.normal(size=(5, 3)), 0.2, 0.8, 0.1)),
    ],
    mistakes=[
        lambda g, r, b, c: momentum(g, r, b, end=lambda v: short(v, c)),
        "You clip the velocity. The spike must be clipped before it enters it.",
        lambda g, r, b, c: momentum(g, r, b, push=lambda x: short(r * x, c)),
        "You clip the rate times the gradient. The threshold is for the gradient.",
        lambda g, r, b, c: momentum(g, r, b),
        "Nothing is clipped.",
        lambda g, r, b, c: momentum(g, r, 0.0, lambda x: short(x, c)),
        "The velocity is forgotten at each step: v ← βv − ηg.",
        lambda g, r, b, c: momentum(g, (1 - b) * r, b, lambda x: short(x, c)),
        "You weigh the gradient by 1 − β. Keras' momentum does not.",
        lambda g, r, b, c: -momentum(g, r, b, lambda x: short(x, c)),
        "The sign: the step goes against the gradient.",
        lambda g, r, b, c: momentum(g, r, b, lambda x: np.clip(x, -c, c)),
        "You clip by value. Clip by the norm of each step's gradient.",
    ],
)
def momentum_path(gradients, rate, beta, c):
    """Return the weights after each step of momentum, from 0, at rest.

    gradients: one row a step, (steps, n); each is clipped to norm c
    """
    return momentum(gradients, rate, beta, lambda g: short(g, c))


def by_largest(g):
    m = np.abs(g).max()
    return np.float64(m * np.sqrt(np.sum((g / m) ** 2)))


@exercise(
    "clipping.5",
    title="A length that does not overflow",
    difficulty=2,
    minutes=10,
    hints=[
        "The square of 1e200 is infinite, the length of (3e200, 4e200) is not. By what "
        "could you divide before squaring, and multiply at the end?",
        "m · √Σ(g/m)² with m = max|g|. And if all entries are zero?",
    ],
    cases=[
        ("ordinary numbers", ([3.0, -4.0],)),
        ("squares that overflow", ([3e200, 4e200],)),
        ("squares that vanish", ([3e-200, -4e-200],)),
        ("zeros", ([0.0, 0.0],)),
    ],
    mistakes=[
        lambda g: np.sqrt(np.sum(g**2)),
        "The squares overflow, or vanish. Divide by the largest entry first.",
        by_largest,
        "Right but for zeros, where you divide 0 by 0.",
        lambda g: np.abs(g).max(),
        "Your answer is the largest entry. The length counts the others, too.",
        lambda g: np.abs(g).sum(),
        "Your answer is the sum of the absolute values.",
        lambda g: by_largest(g) / np.abs(g).max() if g.any() else 0.0,
        "Multiply by the largest entry again at the end.",
    ],
)
def length(g):
    """Return the length of g, wherever it is a finite number.

    g: a vector in float64
    """
    return np.asarray(clipping.global_norm([g]))


@exercise(
    "clipping.6",
    title="Open question: how far can the weights go?",
    difficulty=3,
    minutes=25,
    hints=[
        "Which sequence of clipped gradients takes the weights farthest? How long is "
        "the velocity after k steps of it?",
        "All point the same way with length c. Then |v| after k steps is "
        "ηc(1 + β + … + β^(k−1)).",
        "Sum ηc(1 − β^k)/(1 − β) over k = 1 … t.",
    ],
    cases=[
        ("one step", (0.1, 0.9, 2.0, 1.0)),
        ("no momentum", (0.1, 0.0, 1.0, 50.0)),
        ("ten steps", (0.01, 0.9, 5.0, 10.0)),
        ("many", (0.3, 0.5, 0.1, 400.0)),
    ],
    mistakes=[
        lambda r, b, c, t: r * c * t,
        "That is right without momentum. The velocity adds up earlier steps.",
        lambda r, b, c, t: r * c * t / (1 - b),
        "That is the limit for many steps: from rest, the velocity needs time to grow.",
        lambda r, b, c, t: r * c * (1 - b**t) / (1 - b),
        "That is the length of the *last* step. Add up all of them.",
        lambda r, b, c, t: r * c * np.sqrt(t) / (1 - b),
        "√t is how far steps in random directions go. The farthest go straight.",
        lambda r, b, c, t: r * c * np.sum(1 - b ** np.arange(1, t + 1)),
        "You divide nothing by 1 − β; in Keras' momentum the gradient has weight 1.",
    ],
)
def reach(rate, beta, c, steps):
    """Return the longest way from the start that momentum can go.

    Each gradient is clipped to norm c; v ← beta·v − rate·g; w ← w + v
    """
    k = np.arange(1, steps + 1)
    return np.sum(rate * c * (1 - beta**k) / (1 - beta))
