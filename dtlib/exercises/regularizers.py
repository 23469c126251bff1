"""What a layer pays, where a weight ends, how far it may go, and when to stop.

The chapter `regularizers` of the book ends with them. Tests: tests/test_exercises.py.
"""

import math

import numpy as np

from dtlib import callbacks, constraints, regularizers
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(11)
LAYER = rng.normal(size=(5, 3)), rng.normal(size=3)


def ridge(w, l2):
    return float(regularizers.l2_penalty(w, l2=l2))


def lasso(a, l1):
    return float(regularizers.l1_penalty(a, l1=l1))


@exercise(
    "regularizers.1",
    title="What a layer pays",
    difficulty=1,
    minutes=5,
    hints=[
        "Which of the three arrays have a price? Which price is divided by something?",
        "The kernel pays l2 times the sum of its squares, whatever the batch. The "
        "outputs pay l1 times the sum of their sizes, divided by the batch size.",
        "`l2 * (w**2).sum() + l1 * np.abs(outputs).sum() / len(outputs)`",
    ],
    cases=[
        ("one example", ([[3.0], [-4.0]], [1.0], [[-2.0]], 0.5, 0.1)),
        ("a batch", (*LAYER, rng.normal(size=(8, 3)), 0.01, 0.2)),
        ("a large batch", (*LAYER, rng.normal(size=(32, 3)), 0.1, 0.01)),
    ],
    mistakes=[
        lambda w, b, a, l2, l1: ridge(w, l2) + lasso(a, l1),
        "The price of the outputs grows with your batch. Keras divides it by the batch "
        "size; the kernel's price it does not divide.",
        lambda w, b, a, l2, l1: ridge(w, l2) + ridge(b, l2) + lasso(a, l1) / len(a),
        "You charged the biases. `kernel_regularizer` charges the kernel alone.",
        lambda w, b, a, l2, l1: l2 * np.linalg.norm(w) + lasso(a, l1) / len(a),
        "You took the norm of the kernel. ℓ2 charges its *square*, the sum of w².",
        lambda w, b, a, l2, l1: ridge(w, l2) / 2 + lasso(a, l1) / len(a),
        "The ½ is TensorFlow 1's. Keras charges λΣw².",
    ],
)
def layer_price(w, b, outputs, l2, l1):
    """Return the sum of a layer's penalties, as in `layer.losses`.

    kernel_regularizer=L2(l2), activity_regularizer=L1(l1), no other;
    outputs: shape (batch, units)
    """
    return ridge(w, l2) + lasso(outputs, l1) / len(outputs)


def lowest(target, c, l1, l2):
    return np.sign(target) * np.maximum(c * np.abs(target) - l1, 0) / (c + 2 * l2)


@exercise(
    "regularizers.2",
    title="Where a weight ends",
    difficulty=2,
    minutes=10,
    hints=[
        "Take target > 0 first. What is the slope of the whole sum at a w > 0?",
        "c(w − target) + l1 + 2·l2·w = 0. What if its solution is negative?",
        "Then w is 0. For a negative target the signs change: "
        "`np.sign(target) * np.maximum(…, 0)`.",
    ],
    cases=[
        ("ℓ1 alone", ([2.0, 0.3, -0.2, -1.5], 2.0, 1.0, 0.0)),
        ("ℓ2 alone", ([2.0, 0.3, -0.2, -1.5], 2.0, 0.0, 1.0)),
        ("both", ([3.0, 0.1, -0.9, -5.0], 0.5, 0.4, 0.3)),
        ("a steep bowl", ([1.0, -0.05], 10.0, 1.0, 2.0)),
    ],
    mistakes=[
        lambda t, c, l1, l2: lowest(t, c, l1, l2 / 2),
        "Your weights are too large: the slope of l2·w² is *twice* l2·w.",
        lambda t, c, l1, l2: (c * t - l1 * np.sign(t)) / (c + 2 * l2),
        "Small targets end on the other side of 0. Beyond 0 the slope of |w| turns "
        "around, and holds the weight at 0.",
        lambda t, c, l1, l2: c * lowest(t, 1.0, l1, 0.0) / (c + 2 * l2),
        "Your threshold is l1, whatever the bowl. A steep bowl resists: it is l1/c.",
        lambda t, c, l1, l2: lowest(c * t / (c + 2 * l2), c, l1, 0.0),
        "You shrank first and subtracted afterward. Both penalties act at one point: "
        "solve one equation.",
    ],
)
def lowest_point(target, c, l1, l2):
    """Return the w with the lowest ½c(w − target)² + l1·|w| + l2·w².

    target: an array; each of its entries is a weight of its own
    """
    return lowest(target, c, l1, l2)


def first(w, g, rate, inside=0.0):
    """Adam's first step without ε: the length of the rate, whatever the gradient."""
    return w - rate * np.sign(g + inside * w)


@exercise(
    "regularizers.3",
    title="Adam's first step, with a penalty and with decay",
    difficulty=2,
    minutes=10,
    hints=[
        "What is m̂/√v̂ at Adam's first step, when both means hold one gradient?",
        "Its sign. The penalty's gradient is g + decay·w. What does decay do to w, and "
        "is it inside the quotient?",
        "Decay takes rate·decay·w from the old weight, beside the step with g alone.",
    ],
    cases=[
        ("loud gradients", ([1.0, -2.0, 0.5], [3.0, 4.0, -5.0], 0.1, 0.5)),
        ("quiet ones", ([1.0, -2.0, 0.5, 1.0], [-0.1, 0.2, -0.1, -0.7], 0.1, 0.5)),
        ("strong decay", ([4.0, -0.2, 1.0, -3.0], [-1.0, 1.0, 0.5, 2.0], 0.01, 3.0)),
    ],
    mistakes=[
        lambda w, g, a, d: (w - a * (g + d * w), (1 - a * d) * w - a * g),
        "These are steps of plain gradient descent, where the two agree. Adam divides "
        "by √v̂.",
        lambda w, g, a, d: (first(w, g, a, d), first(w, g, a, d)),
        "You put the decay into the gradient as well. It stands outside the quotient.",
        lambda w, g, a, d: (first(w, g, a, d), first(w, g, a) - d * w),
        "Your decay is not multiplied by the rate. In AdamW and in Keras it is.",
        lambda w, g, a, d: (first(w, g, a, 2 * d), first(w, g, a) - a * d * w),
        "You doubled the strength of the penalty. Its λ₂ is decay/2 already, so its "
        "slope is decay·w.",
        lambda w, g, a, d: (first(w, g, a) - a * d * w, first(w, g, a, d)),
        "The two changed places: the penalty comes first.",
        lambda w, g, a, d: (first(w, g, a, d), (1 - a * d) * first(w, g, a)),
        "You stepped first and shrank afterward. Keras takes rate·decay·w from the "
        "*old* weight.",
    ],
)
def first_steps(w, g, rate, decay):
    """Return the weights after Adam's first step: (penalty, decay).

    penalty: ℓ2 with λ₂ = decay/2, in the gradient; decay: decoupled.
    Both means start at 0; take ε = 0
    """
    return first(w, g, rate, decay), first(w, g, rate) - rate * decay * w


def bounded(kernel, c, axis):
    return np.asarray(constraints.max_norm(kernel, max_value=c, axis=axis))


@exercise(
    "regularizers.4",
    title="Max-norm for any kernel",
    difficulty=2,
    minutes=10,
    hints=[
        "Which axis of a kernel counts the units, and which lead into one of them?",
        "All axes but the last lead into a unit. Take the norm over these, and keep "
        "them, so that the shapes fit.",
        "Multiply by `np.minimum(1, c / norm)`; what if a norm is 0?",
    ],
    cases=[
        ("a dense kernel", ([[3.0, 0.3, 0.0], [4.0, 0.4, 0.0]], 1.0)),
        ("a convolution", (rng.normal(size=(3, 3, 2, 4)) * [0.1, 0.3, 1, 3], 2.0)),
        ("a convolution over time", (rng.normal(size=(5, 3, 2)) * [0.1, 2], 1.5)),
        ("a narrow one", (rng.normal(size=(4, 3)) * [0.1, 1, 2], 0.8)),
    ],
    mistakes=[
        lambda w, c: bounded(w, c, 0),
        "Axis 0 serves a dense kernel. A filter extends over its window's axes and its "
        "inputs: all axes but the last.",
        lambda w, c: bounded(w, c, None),
        "You bounded the kernel as a whole. Each unit has a bound of its own.",
        lambda w, c: bounded(w, c, -1),
        "You bounded what goes *out* of each input. A unit's vector is what comes in.",
        lambda w, c: c * bounded(w * 1e9, 1.0, tuple(range(w.ndim - 1))),
        "You made short vectors longer. Max-norm leaves them: min(1, c/norm).",
        lambda w, c: np.clip(w, -c, c),
        "You cut each weight. That changes the vector's direction; shorten it instead.",
    ],
)
def project(kernel, c):
    """Return the kernel, the weights into each unit no longer than c.

    kernel: (in, out), or (*window, in, out) for a convolution
    """
    return bounded(kernel, c, tuple(range(kernel.ndim - 1)))


def stop(losses, patience, min_delta, *, in_a_row=True, ties=False):
    """(best loss, epochs run) by the rule of the chapter, or a variant of it."""
    best, wait = None, 0
    for epoch, loss in enumerate(losses):
        before = wait
        if ties and loss == best:
            wait = 0
            continue
        best, wait, _ = callbacks.stopping_update(
            loss, best, wait, mode="min", min_delta=min_delta, baseline=None
        )
        wait = wait if in_a_row else max(wait, before)
        if wait >= patience:
            return best, epoch + 1
    return best, len(losses)


@exercise(
    "regularizers.5",
    title="Early stopping on a curve",
    difficulty=2,
    minutes=15,
    hints=[
        "Which two numbers must you carry from epoch to epoch?",
        "The best loss, and how many epochs in a row were no better. What resets the "
        "count?",
        "`if loss + min_delta < best:` keep it and reset; otherwise count, and stop "
        "when the count reaches the patience.",
    ],
    cases=[
        ("one minimum", ([0.9, 0.7, 0.6, 0.65, 0.7, 0.8, 0.9], 2, 0.0)),
        ("a tie", ([0.9, 0.7, 0.7, 0.7, 0.7, 0.2], 3, 0.0)),
        ("a better one, too late", ([0.8, 0.5, 0.6, 0.7, 0.1], 2, 0.0)),
        ("ups and downs", ([0.9, 0.95, 0.8, 0.85, 0.7, 0.75, 0.6, 0.5], 2, 0.0)),
        ("small gains", ([0.9, 0.85, 0.81, 0.76, 0.74, 0.73, 0.72], 3, 0.1)),
        ("the epochs run out", ([0.5, 0.4, 0.45, 0.46], 3, 0.0)),
    ],
    mistakes=[
        lambda a, k, d: (min(a), stop(a, k, d)[1]),
        "Your best loss comes after the stop, or is no gain by min_delta.",
        lambda a, k, d: stop(a, k + 1, d),
        "You stop one epoch late: when the count *reaches* the patience.",
        lambda a, k, d: stop(a, k, 0.0),
        "You left out min_delta: a smaller gain does not count.",
        lambda a, k, d: stop(a, k, d, in_a_row=False),
        "You count all epochs without a gain. Only those in a row: a gain resets.",
        lambda a, k, d: stop(a, k, d, ties=True),
        "An equal loss is no gain, so it resets nothing.",
        lambda a, k, d: (stop(a, k, d)[0], stop(a, k, d)[1] - 1),
        "You give the number of the last epoch. Counted from 0, the number of epochs "
        "is one more.",
    ],
)
def stop_early(losses, patience, min_delta):
    """Return (loss of the weights kept, number of epochs run).

    losses: of validation, one an epoch; a gain is more than min_delta
    """
    return stop(losses, patience, min_delta)


def highest(p, n, k):
    """The mean of the largest of k binomial counts."""
    pmf = [math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]
    below = np.minimum(np.cumsum(pmf), 1.0)
    return float((1 - below[:-1] ** k).sum())


@exercise(
    "regularizers.6",
    title="Open question: how good does the best of many look?",
    difficulty=3,
    minutes=25,
    rtol=1e-5,
    hints=[
        "The number of right answers of one model is binomial. With which probability "
        "are *all* k models at j or below?",
        "F(j)**k, where F is the binomial's distribution function. How does one get a "
        "mean from a distribution function?",
        "For counts, E[X] = Σ P(X > j) over j = 0, 1, …: here 1 − F(j)**k.",
    ],
    cases=[
        ("two coins", (0.5, 1, 2)),
        ("ten settings", (0.8, 100, 10)),
        ("sixty epochs", (0.7, 400, 60)),
        ("a large test set", (0.9, 1000, 5)),
    ],
    mistakes=[
        lambda p, n, k: highest(p, n, k) / n,
        "That is what the best one shows. Subtract what it is worth.",
        lambda p, n, k: highest(p, n, k) - n * p,
        "You count right answers. Divide by n: a share is asked for.",
        lambda p, n, k: math.sqrt(p * (1 - p) / n),
        "That is the standard error of *one* model. The best of many is further out.",
        lambda p, n, k: p - (n - highest(1 - p, n, k)) / n,
        "You took the worst of the k, with its sign turned. F(j)**k is for the best.",
    ],
)
def optimism(p, n, k):
    """Return how much the best of k models is overrated, on average.

    Each is right with probability p, independently, on each of n
    examples; the best on these is reported, and p is what it is worth
    """
    return highest(p, n, k) / n - p
