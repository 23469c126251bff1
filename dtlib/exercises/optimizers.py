"""One step, by hand: terminal speed, a look ahead, Adam's hats, the limits of a bowl.

The chapter `optimizers` of the book ends with them. Tests: tests/test_exercises.py.
"""

import numpy as np

from dtlib import optimizers
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(9)


def speed(g, beta, rate, steps):
    """The length of the last of some steps with momentum under one gradient."""
    v = 0.0
    for _ in range(steps):
        delta, v = optimizers.momentum_update(g, v, learning_rate=rate, momentum=beta)
    return delta


@exercise(
    "optimizers.1",
    title="Toward the terminal velocity",
    difficulty=1,
    minutes=5,
    hints=[
        "What is the velocity after one step, two, three? Which sum do you see?",
        "v grows by β·v + rate·g each time: rate·g·(1 + β + β² + …). How many terms?",
        "The sum of `steps` terms is (1 − β**steps) / (1 − β).",
    ],
    cases=[
        ("the usual friction", (2.0, 0.9, 0.1, 10)),
        ("the first step", (3.0, 0.5, 0.01, 1)),
        ("little friction", (1.0, 0.99, 0.5, 25)),
        ("a long time", (4.0, 0.8, 0.2, 200)),
    ],
    mistakes=[
        lambda g, beta, rate, steps: rate * g / (1 - beta),
        "That is the terminal velocity. After a few steps the ball is still slower.",
        lambda g, beta, rate, steps: rate * g * (1 - beta**steps),
        "You averaged: (1 − β) stands before your g. Momentum *sums*; Adam averages.",
        lambda g, beta, rate, steps: g * (1 - beta**steps) / (1 - beta),
        "The rate is missing. The velocity is a step, not a gradient.",
        lambda g, beta, rate, steps: speed(g, beta, rate, steps + 1),
        "You are one step ahead: the ball starts at rest, so step 1 has length rate·g.",
    ],
)
def speed_after(g, beta, rate, steps):
    """Return the length of the last of `steps` steps of momentum.

    g: a gradient that never changes; the ball starts at rest
    """
    return speed(g, beta, rate, steps)


def look_ahead(w, v, c, rate, beta, at=1.0, moved=0.0):
    v = beta * v - rate * c * (w + at * beta * v)
    return w + v + moved, v


@exercise(
    "optimizers.2",
    title="Nesterov's step on a bowl",
    difficulty=2,
    minutes=10,
    hints=[
        "Where does the velocity carry the ball before the new gradient comes in?",
        "To w + βv. The gradient of c·w²/2 is c times the place: take it there.",
        "`v_new = beta * v - rate * c * (w + beta * v)`, and w moves by v_new.",
    ],
    cases=[
        ("about to cross the middle", ([0.5], [-1.0], [4.0], 0.1, 0.9)),
        ("at rest", ([1.0, -2.0], [0.0, 0.0], [1.0, 10.0], 0.05, 0.9)),
        (
            "three directions",
            ([1.0, 0.2, -1.5], [0.3, -0.4, 0.1], [1.0, 5.0, 20.0], 0.02, 0.5),
        ),
    ],
    mistakes=[
        lambda *a: look_ahead(*a, at=0.0),
        "You took the gradient where the ball is. That is momentum without the look.",
        lambda w, v, c, rate, beta: look_ahead(w, v, c, rate, beta, at=1 / beta),
        "You looked ahead by v. Friction slows the ball first: βv.",
        lambda w, v, *a: look_ahead(w, v, *a, moved=a[2] * v),
        "You stepped from the point ahead. It is for the look alone; the step starts "
        "at w, and v_new holds βv already.",
        lambda w, v, *a: look_ahead(w, v, *a, moved=-2 * look_ahead(w, v, *a)[1]),
        "You subtract the velocity, which points downhill already: add it.",
    ],
)
def nesterov_step(w, v, c, rate, beta):
    """Return (w, v) after one step on the bowl with heights c·w²/2.

    w, v, c: arrays of one shape: place, velocity, curvature
    """
    return look_ahead(w, v, c, rate, beta)


NINES = dict(beta_1=0.9, beta_2=0.999)


def adam(g, m, v, t, rate, epsilon, form="right"):
    """One step of Adam, or of an Adam that has been seen in print."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    one = 1 if form == "t" else t
    m_hat, v_hat = m / (1 - 0.9**one), v / (1 - 0.999**one)
    wrong_hat = (1 - 0.999**t) * epsilon
    alpha_t = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    return {
        "t": rate * m_hat / (np.sqrt(v_hat) + epsilon),
        "no hat on v": rate * m_hat / (np.sqrt(v) + epsilon),
        "no root": rate * m_hat / (v_hat + epsilon),
        "under": rate * m_hat / np.sqrt(v_hat + epsilon),
        "hat": alpha_t * m / (np.sqrt(v) + epsilon),
        "wrong hat": alpha_t * m / (np.sqrt(v) + wrong_hat),
        "after": rate * (m_hat / np.sqrt(v_hat) + epsilon),
    }[form]


def seen(form):
    return lambda *args: adam(*args, form=form)


@exercise(
    "optimizers.3",
    title="Adam with both of its hats",
    difficulty=2,
    minutes=15,
    hints=[
        "Both means start at 0. By what are they too small after t steps?",
        "m is too small by 1 − 0.9ᵗ and v by 1 − 0.999ᵗ. Where does ε stand in the "
        "paper: under the root or beside it?",
        "rate · m̂ / (√v̂ + ε), with both hats inside and ε outside the root.",
    ],
    cases=[
        ("the first step", ([0.3, -2.0], [0.0, 0.0], [0.0, 0.0], 1, 0.1, 0.01)),
        ("step 10", ([0.3, -2.0], [0.1, 0.5], [0.01, 0.3], 10, 0.1, 0.01)),
        (
            "long after",
            ([0.02, 1.0, -3.0], [0.1, 0.5, -1.0], [0.04, 2.0, 5.0], 3000, 0.5, 0.1),
        ),
    ],
    mistakes=[
        seen("no hat on v"),
        "v has lost its hat: it is still 1 − 0.999ᵗ times too small, and the step is "
        "up to 32 times too long.",
        seen("no root"),
        "You divide by v̂. Its *root* has the unit of a gradient.",
        seen("t"),
        "Your t never advances: at step 10 you still divide by 1 − β, not by 1 − β¹⁰.",
        seen("under"),
        "Your ε stands under the root, as RMSProp's does. In Adam it is added to √v̂.",
        seen("hat"),
        "You add ε to √v, before the bias is undone, as Keras does. The paper's "
        "Algorithm 1 adds it to √v̂.",
        seen("wrong hat"),
        "You turned ε into an ε for √v by 1 − 0.999ᵗ. It is the root of that.",
        seen("after"),
        "You divide first and add ε to the quotient. It belongs to the denominator.",
    ],
)
def adam_step(g, m, v, t, rate, epsilon):
    """Return what step t of Adam subtracts; β₁ = 0.9, β₂ = 0.999.

    g: gradient; m, v: the two means after step t − 1
    """
    m, v, t = np.asarray(m), np.asarray(v), float(t)
    rule = dict(learning_rate=rate, epsilon=epsilon, **NINES)
    return np.asarray(optimizers.adam_update(g, m, v, t, **rule)[0])


def adamax(g, m, u, t, rate, size=np.abs, root=False, hat=False):
    m = 0.9 * m + 0.1 * g
    u = np.maximum(0.999 * u, size(g))
    scale = np.sqrt(u + 1e-7) if root else u / (1 - 0.999**t if hat else 1)
    return rate * m / (1 - 0.9**t) / (scale + (not root) * 1e-7), u


@exercise(
    "optimizers.4",
    title="AdaMax: a size, not a square",
    difficulty=2,
    minutes=10,
    rtol=1e-5,
    hints=[
        "u is the largest gradient lately. How large is a gradient of −3?",
        "u ← max(0.999·u, |g|). It has the unit of a gradient. Does it need a root?",
        "`rate * m / (1 - 0.9**t) / (u + 1e-7)`, and return u too.",
    ],
    cases=[
        ("the first step", ([0.3, -2.0], [0.0, 0.0], [0.0, 0.0], 1, 0.1)),
        ("a small gradient", ([0.1, 0.1], [0.5, -0.5], [2.0, 4.0], 5, 0.1)),
        (
            "a burst downward",
            ([-50.0, 0.5, 3.0], [0.2, 0.1, -1.0], [1.0, 0.3, 3.001], 12, 0.02),
        ),
    ],
    mistakes=[
        lambda *a: adamax(*a, size=np.positive),
        "You compared with g, not |g|: large negative gradients are not seen.",
        lambda *a: adamax(*a, root=True),
        "You take a root of u. It is a size already, not a square.",
        lambda *a: adamax(*a, hat=True),
        "You corrected u for a start at 0. The first gradient replaces that start.",
        lambda *a: adamax(*a, size=np.square),
        "You compared with g². In this norm the size is |g|.",
    ],
)
def adamax_step(g, m, u, t, rate):
    """Return (what step t of AdaMax subtracts, u).

    g: gradient; m, u: mean and size after step t − 1;
    β₁ = 0.9, β₂ = 0.999, ε = 1e-7 is added to u
    """
    m, u, t = np.asarray(m), np.asarray(u), float(t)
    rule = dict(learning_rate=rate, epsilon=1e-7, **NINES)
    delta, _, u = optimizers.adamax_update(g, m, u, t, **rule)
    return np.asarray(delta), np.asarray(u)


tilted = np.array([[3.0, 2.0], [2.0, 6.0]])
draw = rng.normal(size=(4, 6))


@exercise(
    "optimizers.5",
    title="The largest rate of a bowl",
    difficulty=2,
    minutes=10,
    hints=[
        "In one dimension a step multiplies w by 1 − rate·c. When does |w| grow?",
        "When rate·c > 2. In several dimensions, which curvature comes first?",
        "The largest eigenvalue of H: `2 / np.linalg.eigvalsh(H).max()`.",
    ],
    cases=[
        ("two slopes", (np.diag([1.0, 50.0]),)),
        ("a tilted bowl", (tilted,)),
        ("a draw", (draw @ draw.T,)),
    ],
    mistakes=[
        lambda H: 1 / np.linalg.eigvalsh(H).max(),
        "That rate lands at the bottom of the steepest direction. Twice that diverges.",
        lambda H: 2 / np.linalg.eigvalsh(H).min(),
        "You took the flattest direction. The steepest one diverges first.",
        lambda H: 2 / np.diag(H).max(),
        "You took the largest entry of the diagonal. A tilted bowl is steeper along "
        "its own axes: take eigenvalues.",
        lambda H: 2 / np.trace(H),
        "You took the sum of all curvatures. That is safe, and too careful.",
    ],
)
def largest_rate(H):
    """Return the rate beyond which gradient descent diverges.

    H: the symmetric matrix of second derivatives, all directions up
    """
    return 2 / np.linalg.eigvalsh(H).max()


def heavy(low, ratio, power=2):
    small, large = np.sqrt(low), np.sqrt(low * ratio)
    return (2 / (small + large)) ** 2, ((large - small) / (large + small)) ** power


@exercise(
    "optimizers.6",
    title="Open question: how fast can a heavy ball be?",
    difficulty=3,
    minutes=30,
    hints=[
        "With momentum, w after a step depends on w before it and before that. Which "
        "quadratic equation has the two factors as roots?",
        "x² − (1 + β − rate·c)·x + β = 0. While its roots are complex, both have size "
        "√β, whatever c. For which c are they?",
        "For (1 − √β)² ≤ rate·c ≤ (1 + √β)². Let both ends be met.",
    ],
    cases=[
        ("the narrow bowl", (1.0, 50.0)),
        ("a narrower one", (0.01, 1000.0)),
        ("nearly round", (2.0, 1.5)),
    ],
    mistakes=[
        lambda low, ratio: (2 / (low + low * ratio), 0.0),
        "That is the best gradient descent. Momentum can do better.",
        lambda low, ratio: (heavy(low, ratio)[0], heavy(low, ratio, power=1)[1]),
        "Your β is the factor a step, √β. Square it.",
        lambda low, ratio: (4 / (low + low * ratio), heavy(low, ratio)[1]),
        "Your rate has the root of a sum. It takes the sum of the two roots.",
        lambda low, ratio: (heavy(low, ratio)[0], ((ratio - 1) / (ratio + 1)) ** 2),
        "Your β is made of the curvatures. It is made of their roots, and that is "
        "the gain.",
    ],
)
def best_momentum(low, ratio):
    """Return (rate, beta) with which momentum is fastest, in the end.

    low: smallest curvature of a bowl; ratio: the largest over it
    """
    return heavy(low, ratio)
