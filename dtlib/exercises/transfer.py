"""Reusing layers by hand: what trains, what a frozen layer does, what a ratio says.

The chapter `transfer` of the book ends with them. Tests: tests/test_exercises.py.
"""

import numpy as np

from dtlib import transfer
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(7)
NOTES = (784, 300, 100, 50, 50, 50, 1)  # Flatten, five hidden layers, one logit


def sizes(widths, biases=True):
    widths = [int(width) for width in widths]
    return [i * o + o * biases for i, o in zip(widths[:-1], widths[1:], strict=True)]


def split(parts, frozen):
    return sum(parts[frozen:]), sum(parts[:frozen])


@exercise(
    "transfer.1",
    title="What still trains",
    difficulty=1,
    minutes=5,
    hints=[
        "How many numbers does one dense layer hold, kernel and biases? Which layers "
        "are frozen, the first or the last?",
        "`sizes = [i * o + o for i, o in zip(widths, widths[1:])]`; the first `frozen` "
        "of them do not train.",
    ],
    cases=[
        ("all but the head", (NOTES, 5)),
        ("the two lowest layers", (NOTES, 2)),
        ("nothing is frozen", (NOTES, 0)),
    ],
    mistakes=[
        lambda widths, frozen: split(sizes(widths, biases=False), frozen),
        "The biases are missing: each layer has one a unit, frozen with the kernel.",
        lambda widths, frozen: split(sizes(widths), frozen)[::-1],
        "The two numbers changed places: those that train come first.",
        lambda widths, frozen: split(sizes(widths)[::-1], frozen),
        "You froze layers at the top. What is reused and frozen lies next to the "
        "input.",
        lambda widths, frozen: split(sizes(widths), max(frozen - 1, 0)),
        "One layer too few is frozen. The input is no layer here: it has no weights.",
    ],
)
def count_trained(widths, frozen):
    """Return (numbers that train, numbers that are frozen).

    widths: units of the input and of each dense layer, all with biases;
    frozen: how many layers, counted from the input, are frozen
    """
    return split(sizes(widths), frozen)


def normalize(x, gamma, beta, mean, var, epsilon=1e-3):
    return gamma * (x - mean) / np.sqrt(var + epsilon) + beta


def moved(x, mean, var, momentum=0.9):
    new_mean = momentum * mean + (1 - momentum) * x.mean(0)
    return new_mean, momentum * var + (1 - momentum) * x.var(0)


def by_batch(x, gamma, beta, mean, var):
    return normalize(x, gamma, beta, x.mean(0), x.var(0))


@exercise(
    "transfer.2",
    title="A frozen batch normalization",
    difficulty=2,
    minutes=10,
    hints=[
        "γ and β stay, since they are frozen. Which mean and which variance normalize, "
        "those of this batch or those that were tracked?",
        "In Keras `trainable = False` also means inference: the tracked ones "
        "normalize. Do they move?",
        "`gamma * (x - mean) / np.sqrt(var + 0.001) + beta`, and mean and var as they "
        "came.",
    ],
    cases=[
        (
            "a batch unlike the old task's",
            (rng.normal(3, 2, (8, 2)), [1.0, 2.0], [0.0, -1.0], [0.0, 1.0], [1.0, 4.0]),
        ),
        ("small variances", (rng.normal(0, 0.1, (6, 1)), [1.5], [0.5], [0.1], [0.002])),
        ("one example", ([[1.0, 2.0]], [1.0, 1.0], [0.0, 0.0], [0.5, 0.5], [1.0, 9.0])),
    ],
    mistakes=[
        lambda x, g, b, m, v: (by_batch(x, g, b, m, v), *moved(x, m, v)),
        "That is a batch normalization that trains. Frozen, it runs as at inference.",
        lambda x, g, b, m, v: (by_batch(x, g, b, m, v), m, v),
        "The averages stay, which is right. They also normalize, in place of the "
        "batch's mean and variance.",
        lambda x, g, b, m, v: (normalize(x, g, b, m, v), *moved(x, m, v)),
        "The output is right. The tracked mean and variance must not move: a frozen "
        "layer keeps them.",
        lambda x, g, b, m, v: (normalize(x, 1.0, 0.0, m, v), m, v),
        "γ and β are frozen, not absent: they still scale and shift.",
    ],
)
def frozen_step(x, gamma, beta, mean, var):
    """Return (output, mean, var) after a training step, frozen.

    x: (batch, features); mean, var: tracked on the old task; ε = 0.001
    """
    return normalize(x, gamma, beta, mean, var), mean, var


def rows_of(weight, height, width, order):
    """The columns of `weight`, (C·H·W), as rows in another order of the axes."""
    out = len(weight)
    shaped = weight.reshape(out, -1, height, width)
    return shaped.transpose(0, *order).reshape(out, -1).T


@exercise(
    "transfer.3",
    title="A dense layer after Flatten, from PyTorch",
    difficulty=2,
    minutes=15,
    hints=[
        "PyTorch flattens (channels, height, width), Keras (height, width, channels). "
        "Which input does each *column* of the old matrix belong to?",
        "`weight.reshape(out, channels, height, width)` gives each column its place. "
        "Which order of axes does Keras want?",
        "Transpose to (height, width, channels, out), then flatten the first three.",
    ],
    cases=[
        ("two channels, a 2 × 3 image", (rng.normal(size=(2, 12)), 2, 3)),
        ("three channels", (rng.normal(size=(4, 3 * 3 * 2)), 3, 2)),
        ("numbers that say their place", ([[0, 1, 2, 3, 4, 5, 6, 7]], 2, 2)),
        ("one channel", (rng.normal(size=(3, 6)), 2, 3)),
    ],
    mistakes=[
        lambda w, h, k: w.T,
        "Transposed, and no more: that is right for one channel only. With several, "
        "the two frameworks flatten in different orders.",
        lambda w, h, k: w.reshape(-1, len(w)),
        "`reshape` does not transpose. It reads the numbers on in the old order.",
        lambda w, h, k: rows_of(w, h, k, (3, 2, 1)),
        "You have (width, height, channels). Keras flattens (height, width, channels).",
        lambda w, h, k: rows_of(w, h, k, (2, 3, 1)).T,
        "The order is right. Keras' kernel is (in, out): transpose.",
    ],
)
def kernel_after_flatten(weight, height, width):
    """Return Keras' kernel, (height·width·channels, out).

    weight: PyTorch's, (out, channels·height·width)
    """
    return rows_of(weight, height, width, (2, 3, 1))


def plan(layers, epochs, every, first=1):
    count = np.minimum(np.arange(epochs) // every + first, layers)
    return np.arange(layers) >= layers - count[:, None]


@exercise(
    "transfer.4",
    title="A plan for gradual unfreezing",
    difficulty=2,
    minutes=10,
    hints=[
        "How many layers train in epoch 0, in epoch `every`, in epoch 2 · `every`?",
        "`1 + epoch // every` layers, at most all. Which ones?",
        "`np.arange(layers) >= layers - count`, a row an epoch.",
    ],
    cases=[
        ("one more layer each epoch", (4, 5, 1)),
        ("every two epochs", (3, 6, 2)),
        ("the run ends early", (5, 3, 2)),
        ("more epochs than layers", (2, 5, 1)),
    ],
    mistakes=[
        lambda layers, epochs, every: plan(layers, epochs, every)[:, ::-1],
        "You thaw from the input. Start at the top: its layers fit the new task least.",
        lambda layers, epochs, every: plan(layers, epochs, every, first=0),
        "In the first epoch nothing trains, not even the new head.",
        lambda layers, epochs, every: np.eye(layers, dtype=bool)[
            layers - np.minimum(np.arange(epochs) // every + 1, layers)
        ],
        "One layer trains at a time. A layer that has thawed stays so.",
        lambda layers, epochs, every: np.where(
            np.arange(epochs)[:, None] < every, plan(layers, epochs, every), True
        ),
        "After the head you thaw all layers at once. That is plain fine-tuning.",
    ],
)
def thaw_plan(layers, epochs, every):
    """Return an array (epochs, layers): True where a layer trains.

    Epoch 0 trains the last layer alone; each `every` epochs the
    highest layer that is still frozen joins, until all train
    """
    return plan(layers, epochs, every)


def of_counts(a, b, n, z=1.959964, part=1.0):
    half = z * np.sqrt(1 / a + 1 / b - part * 2 / n)
    return a / b, a / b * np.exp(-half), a / b * np.exp(half)


@exercise(
    "transfer.5",
    title="What one ratio of errors says",
    difficulty=2,
    minutes=10,
    rtol=1e-4,
    hints=[
        "A ratio cannot be negative. On which scale is an interval around it even?",
        "On the logarithm's. Its variance is the sum of both: 1/a − 1/n + 1/b − 1/n.",
        "`half = 1.96 * np.sqrt(1/a + 1/b - 2/n)`; the ends are a/b · exp(±half).",
    ],
    cases=[
        ("the notes' run", (32, 20, 2000)),
        ("ten times the images", (320, 200, 20_000)),
        ("few errors", (5, 3, 800)),
        ("equal nets", (50, 50, 100)),
    ],
    mistakes=[
        lambda a, b, n: of_counts(b, a, n),
        "You divided the new model's errors by the old one's; it is the other way.",
        lambda a, b, n: of_counts(a, b, n, z=1.0),
        "That is one standard error, which covers 68 %. For 95 % take 1.96.",
        lambda a, b, n: of_counts(a, b, n, part=0.0),
        "Nearly: you count errors as if any number could come. Of n images at most n "
        "can be wrong, which takes 1/n off for each net.",
        lambda a, b, n: (a / b, *np.log(of_counts(a, b, n)[1:])),
        "Your ends are logarithms. Take exp of both.",
        lambda a, b, n: (
            a / b,
            *(a / b * (1 + s * np.log(of_counts(a, b, n)[2] * b / a)) for s in (-1, 1)),
        ),
        "Your interval is even around the ratio. It is even on the logarithm's scale.",
    ],
)
def ratio_interval(a, b, n):
    """Return (a/b, low, high), the 95 % interval by counting alone.

    a, b: errors of two nets, each on n images
    """
    return transfer.error_ratio(a, b, n)


def over_draws(a, b, paired=True, root=True):
    a, b, n = np.asarray(a, float), np.asarray(b, float), len(a)
    ratio, rest = a.mean() / b.mean(), (a / a.mean(), b / b.mean())
    var = np.var(rest[0] - rest[1], ddof=1)
    if not paired:
        var = np.var(rest[0], ddof=1) + np.var(rest[1], ddof=1)
    half = 1.96 * np.sqrt(var / n if root else var)
    return ratio, ratio * np.exp(-half), ratio * np.exp(half)


@exercise(
    "transfer.6",
    title="Open question: one ratio from many draws",
    difficulty=3,
    minutes=30,
    rtol=1e-4,
    hints=[
        "In one draw the new net makes no error. What is the mean of the ratios then? "
        "What is the ratio of the means?",
        "Near its mean, log ā moves by (ā − μ)/μ. So log(ā/b̄) moves like the mean of "
        "aᵢ/μ_a − bᵢ/μ_b, and a mean has a standard error.",
        "`e = a / a.mean() - b / b.mean()`; se = e.std(ddof=1)/√n; the ends are "
        "ratio · exp(±1.96 se).",
    ],
    cases=[
        ("a draw without errors", ([8, 5, 9, 4, 6, 12], [3, 0, 4, 2, 3, 6])),
        ("hard draws are hard for both", ([20, 2, 40, 10], [11, 1, 19, 5])),
        ("no relation", ([6, 5, 7, 6, 8], [4, 6, 3, 7, 2])),
    ],
    mistakes=[
        lambda a, b: over_draws(a, b, paired=False),
        "You add the two variances as if the draws were different ones. Both nets saw "
        "the same images: take the difference of each pair first.",
        lambda a, b: over_draws(a, b, root=False),
        "That is how far one draw strays. The mean of n draws strays √n times less.",
        lambda a, b: over_draws(b, a),
        "The ratio is turned over: divide a's errors by b's.",
        lambda a, b: (np.mean(a / b), *over_draws(a, b)[1:]),
        "You average the ratios. A draw with few errors below then counts most, and "
        "one with none is infinite. Divide the means.",
    ],
)
def ratio_over_draws(a, b):
    """Return (mean of a / mean of b, low, high), 95 %, by paired draws.

    a, b: errors of two nets in the same draws, shape (draws,)
    """
    return over_draws(a, b)
