"""A doctor's tests by hand: the first loss, a leak, a gradient, a curve, chance.

The chapter `doctor` of the book ends with them. Tests: tests/test_exercises.py and
tests/test_exercises_doctor.py.
"""

import math

import numpy as np
from scipy.special import expit

from dtlib import doctor
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(15)


def first(z, *, axis=-1, power=1.0, share=0.5):
    return math.log(z.shape[-1]) + share * z.var(axis).mean() ** power


@exercise(
    "doctor.1",
    title="The first loss to expect",
    difficulty=1,
    minutes=5,
    hints=[
        "What is the loss of a network that gives each of the K classes the same "
        "probability? And what is added where the logits of a sample differ?",
        "ln K, and half the variance of the logits. Along which axis do the logits of "
        "*one* sample lie?",
    ],
    cases=[
        ("all logits equal", ([[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]],)),
        ("two classes", ([[1.0, -1.0], [0.5, 0.5], [0.0, 1.0]],)),
        ("each sample shifted as a whole", (rng.normal(size=(5, 3)) + [[9.0]] * 5,)),
        ("ten classes", (0.8 * rng.normal(size=(40, 10)) + np.arange(40)[:, None],)),
    ],
    mistakes=[
        lambda z: math.log(z.shape[-1]),
        "ln K is the loss of a network that prefers no class. Here some logits differ.",
        lambda z: first(z, share=1.0),
        "Logits of variance v add v/2, not v.",
        lambda z: first(z, power=0.5),
        "You took the standard deviation. Half the *variance* is added.",
        lambda z: first(z, axis=None),
        "You took the variance over all logits at once. A number added to all of a "
        "sample's changes no probability: take the variance within each sample.",
        lambda z: first(z, axis=0),
        "You took the variance over the samples. Take it over the classes.",
    ],
)
def expected_loss(logits):
    """Return ln K + v/2, the loss to expect before any training.

    logits: shape (samples, K); v: the mean over the samples of the
    variance that a sample's logits have over the classes
    """
    return doctor.expected_initial_loss(logits.var(-1).mean(), logits.shape[-1])


def leaked(train, held):
    seen = set(map(tuple, train.tolist()))
    return np.array([tuple(row) in seen for row in held.tolist()])


few = rng.normal(size=(30, 3))


@exercise(
    "doctor.2",
    title="Which share has leaked?",
    difficulty=2,
    minutes=10,
    hints=[
        "Comparing each row with each other takes n·m comparisons. Which container of "
        "Python tells at once whether it holds something?",
        "A set. It holds what cannot change: make a tuple of each row, with "
        "`set(map(tuple, train.tolist()))`.",
    ],
    cases=[
        ("one of two", ([[0.0, 1.0], [2.0, 3.0]], [[2.0, 3.0], [4.0, 5.0]])),
        ("the same numbers", ([[1.0, 2.0], [3.0, 4.0]], [[1.0, 4.0], [3.0, 4.0]] * 3)),
        ("a row backward", ([[1.0, 2.0]] * 2, [[2.0, 1.0], [1.0, 2.0], [5.0, 5.0]])),
        ("copies of copies", ([[1.0], [1.0], [2.0]], [[2.0], [1.0], [1.0], [7.0]])),
        ("near ones", (few, np.concatenate([few[:7], few[7:20] + 1e-9, few[:4] + 1]))),
    ],
    mistakes=[
        lambda train, held: np.isin(held, train).all(1).mean(),
        "You ask whether the *numbers* of a row occur in the other array. They must "
        "stand together, in one row.",
        lambda train, held: leaked(held, train).mean(),
        "Your answer is the share of the *training* rows that were held out, too.",
        lambda train, held: leaked(np.sort(train), np.sort(held)).mean(),
        "The same numbers in another order are another example. Keep the order.",
        lambda train, held: leaked(train, np.unique(held, axis=0)).mean(),
        "You count rows that repeat only once. Each held-out row counts in the score.",
        lambda train, held: leaked(train.round(6), held.round(6)).mean(),
        "You allow for rounding. Asked for are exact copies; near ones are another "
        "question, with another answer.",
        lambda train, held: 1 - leaked(train, held).mean(),
        "Your answer is the share that has *not* leaked.",
    ],
)
def leaked_share(train, held_out):
    """Return the share of the held-out rows that also stand in `train`.

    train: (n, d); held_out: (m, d); a row counts if all d numbers are
    equal to those of one training row
    """
    return leaked(train, held_out).mean()


def slopes(f, x, h, *, behind=1, width=2):
    g = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        e = np.zeros(x.shape)
        e[at] = h
        g[at] = (f(x + e) - f(x - behind * e)) / (width * h)
    return g


def apart(g, c, by=max):
    return np.linalg.norm(g - c) / by(np.linalg.norm(g), np.linalg.norm(c))


def cubes(x):
    return (x**3).sum()


def valley(x):
    return (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2


def softplus_of_product(w):
    return np.log1p(np.exp(w @ [1.0, -2.0, 0.5])).sum()


weights = rng.normal(size=(2, 3))
right = expit(weights @ [1.0, -2.0, 0.5])[:, None] * [1.0, -2.0, 0.5]


@exercise(
    "doctor.3",
    title="Is this gradient right?",
    difficulty=2,
    minutes=15,
    hints=[
        "What does f do if one entry of x moves by +h, and what if it moves by −h?",
        "(f(x + h·e) − f(x − h·e))/(2h), where e is 1 at one entry and 0 elsewhere. "
        "`np.ndindex(x.shape)` goes through the entries of any array.",
    ],
    cases=[
        ("a right one", (cubes, [1.0, 2.0, -1.0], [3.0, 12.0, 3.0], 0.1)),
        ("a factor lost", (cubes, [1.0, 2.0, -1.0], [1.0, 4.0, 1.0], 0.01)),
        ("one entry too large", (valley, [0.5, 0.5], [-3.5, 6.0], 0.01)),
        ("a matrix", (softplus_of_product, weights, right, 0.05)),
    ],
    mistakes=[
        lambda f, x, c, h: apart(slopes(f, x, h, behind=0, width=1), c),
        "You look ahead only. That errs by a multiple of h; look to both sides, and "
        "the error is a multiple of h².",
        lambda f, x, c, h: apart(slopes(f, x, h, width=1), c),
        "From x − h to x + h it is 2h. You divide by h.",
        lambda f, x, c, h: np.linalg.norm(slopes(f, x, h) - c),
        "Your error is absolute. Divide by the larger length, or a small gradient is "
        "always right.",
        lambda f, x, c, h: apart(slopes(f, x, h), c, by=lambda g, c: g),
        "You divide by the length of your own gradient. Take the larger of the two, "
        "and 0 against anything is 1.",
        lambda f, x, c, h: apart((f(x + h) - f(x - h)) / (2 * h) + 0 * x, c),
        "You move all entries at once. Each entry has a slope of its own.",
    ],
)
def gradient_error(f, x, claimed, h):
    """Return ‖g − claimed‖ / max(‖g‖, ‖claimed‖).

    f: a function of an array like x, with a number as value; claimed:
    its gradient at x, as somebody says; g: the gradient by central
    differences, each entry moved by h and by −h
    """
    return apart(slopes(f, x, h), claimed)


def reading(losses, *, strict=True, leaps=True, apart=True, low=False):
    begin, end = losses[:, 0], losses[:, -1]
    wild = (end > 1.05 * begin) | (leaps & (losses.max(1) > 3 * begin))
    wild |= strict & ~np.isfinite(losses).all(1)
    still = (losses.min(1) if low else end) > 0.99 * begin
    return wild, still & ~(wild & apart)


curves = [
    [2.3, 1.9, 1.4, 0.9],  # fine
    [2.3, 2.6, 4.1, 5.0],  # grows
    [2.3, 9.9, 2.1, 1.6],  # leaps, and recovers
    [2.3, 2.301, 2.299, 2.298],  # stands still
    [2.3, 1.8, 2.0, 2.29],  # comes back
]


@exercise(
    "doctor.4",
    title="Too high, too low, or fine",
    difficulty=2,
    minutes=10,
    hints=[
        "What does `nan > 3` say? Which test finds a curve that is lost?",
        "`np.isfinite(losses).all(1)`. Then compare the highest and the last loss of "
        "each run with its first one.",
        "Too low is judged only where the rate is not too high: `still & ~wild`.",
    ],
    cases=[
        ("a run that learns, one that grows", (curves[:2],)),
        ("all that is finite", (curves,)),
        ("with one that is lost", ([*curves, [2.3, 1.9, np.nan, np.nan]],)),
    ],
    mistakes=[
        lambda losses: reading(losses, strict=False),
        "Any comparison with NaN is false, so a lost run passes as fine. Ask whether "
        "all its losses are finite.",
        lambda losses: reading(losses, leaps=False),
        "A run that leaped and came back is missing. Look at the highest loss, too.",
        lambda losses: reading(losses, apart=False),
        "A rate cannot be both. Judge *too low* only where it is not too high.",
        lambda losses: reading(losses, low=True),
        "For *too low* you took the lowest loss. A run that fell and came back has "
        "made no progress either: take the last one.",
        lambda losses: reading(losses)[::-1],
        "Your two answers are exchanged. The first one is *too high*.",
    ],
)
def judge_rates(losses):
    """Return (too_high, too_low), booleans for each run.

    losses: (runs, steps). Too high: a loss that is not finite, or more
    than 3 times the first, or a last one above 1.05 times the first.
    Too low: not too high, and the last above 0.99 times the first.
    """
    return reading(losses)


def placed(guess, labels, *, columns=True, less=1, power=0.5):
    """Mean and deviation of Σ guess[i, labels[i]] over all orders of the labels."""
    a = guess[:, labels]
    d = a - a.mean(1, keepdims=True) - columns * (a.mean(0) - a.mean())
    return a.sum() / len(a), ((d**2).sum() / (len(a) - less)) ** power


def binomial(guess, labels):
    n, mean = len(labels), placed(guess, labels)[0]
    return mean, math.sqrt(abs(mean * (1 - mean / n)))


@exercise(
    "doctor.5",
    title="Open question: could chance have guessed so well?",
    difficulty=3,
    minutes=30,
    hints=[
        "Let A[i, j] = guess[i, labels[j]]. A shuffle picks one entry of each row and "
        "of each column. What is the mean of an entry, and so of the sum of n of them?",
        "The variance does not change if you subtract from A its row means and its "
        "column means, for a shuffle takes each row and each column once. Call the "
        "rest D (add the mean of all, so that its sums are 0).",
        "E[D²] of one pick is ΣD²/n². Two picks share no row and no column, so their "
        "mean product is ΣD²/(n²·(n − 1)²), since all sums are 0. Add n of the first "
        "and n·(n − 1) of the second.",
    ],
    cases=[
        ("four rows, two classes", ([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2, [0, 0, 1, 1])),
        ("probabilities", (rng.dirichlet([1.0] * 3, 6), [0, 2, 1, 0, 0, 1])),
        (
            "thirty rows",
            (np.eye(3)[rng.integers(3, size=30)], rng.integers(3, size=30)),
        ),
        ("a favorite", (np.eye(2)[[0] * 9 + [1]], [1, 0, 1, 1, 0, 0, 1, 1, 1, 1])),
    ],
    mistakes=[
        binomial,
        "Your deviation is that of n independent throws. A shuffle deals out a fixed "
        "set of labels: what one row gets, no other can get.",
        lambda guess, labels: placed(guess, labels, columns=False, less=0),
        "You let each row draw its label anew. In a shuffle the labels are dealt out, "
        "each of them once.",
        lambda guess, labels: placed(guess, labels, less=0),
        "You divide by n. It is n − 1: the picks are not independent.",
        lambda guess, labels: (guess.mean() * len(guess), placed(guess, labels)[1]),
        "Your mean takes all classes as equally frequent. Count the labels.",
        lambda guess, labels: placed(guess, labels, power=1.0),
        "Your second number is the variance. Give its root.",
    ],
)
def chance_of_hits(guess, labels):
    """Return (mean, standard deviation) of S over all orders of labels.

    guess: (n, K), for each row a number for each class; labels: n
    integers; S = Σ guess[i, labels[i]], the hits if guess is one-hot
    """
    return placed(guess, labels)
