"""Learning without labels, by hand: energies, contrastive divergence, pairs, ranks.

The chapter `pretraining` of the book ends with them. Tests: tests/test_exercises.py.
"""

import itertools

import numpy as np

from dtlib import pretraining
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(8)


def dense(widths):
    """Parameters of dense layers between the widths, biases included."""
    return sum((i + 1) * o for i, o in itertools.pairwise(widths))


def whole(widths):
    return dense([*widths, *widths[-2::-1]])


@exercise(
    "pretraining.1",
    title="What of an autoencoder is kept",
    difficulty=1,
    minutes=5,
    hints=[
        "Write the widths of all layers in a row: the encoder's go down, the decoder's "
        "come back up. How many parameters has one dense layer?",
        "(in + 1) · out each. For the classifier, count the encoder's layers and a "
        "head from the code to the classes.",
    ],
    cases=[
        ("one hidden layer", ([784, 30], 10)),
        ("the chapter's", ([784, 100, 100], 10)),
        ("three layers, two classes", ([40, 20, 10, 5], 2)),
    ],
    mistakes=[
        lambda widths, k: (dense(widths), dense([*widths, k])),
        "The first number counts the encoder alone. The decoder goes back to the "
        "input's width, with biases of its own.",
        lambda widths, k: (2 * dense(widths), dense([*widths, k])),
        "The decoder is not as large as the encoder: its biases belong to the wider "
        "side of each kernel.",
        lambda widths, k: (whole(widths), dense(widths)),
        "The classifier lacks its head: code + 1 numbers for each class.",
        lambda widths, k: (whole(widths), whole(widths) + dense([widths[-1], k])),
        "You kept the decoder. It is thrown away; the head reads the code.",
        lambda widths, k: (
            sum(2 * i * o for i, o in itertools.pairwise(widths)),
            sum(i * o for i, o in itertools.pairwise([*widths, k])),
        ),
        "The biases are missing.",
    ],
)
def count_autoencoder(widths, n_classes):
    """Count the autoencoder's parameters, and the classifier's.

    widths: of input, hidden layers and code, such as [784, 100, 100];
    n_classes: of the head that replaces the decoder
    """
    return whole(widths), dense([*widths, n_classes])


SMALL = rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=3)
ONE = np.ones((2, 2)), np.zeros(2), np.zeros(2)


def free(v, W, b, c):
    return np.asarray(pretraining.free_energy(v, W, b, c))


@exercise(
    "pretraining.2",
    title="The free energy of an image",
    difficulty=2,
    minutes=10,
    hints=[
        "F(v) = −log Σ exp(−E(v, h)), summed over all h. What does E look like, once v "
        "is fixed? It is a sum over hidden units.",
        "So the sum over h becomes a product over the units, each 1 + exp(cⱼ + vᵀW_j); "
        "the logarithm makes it a sum again.",
        "`-v @ b - np.logaddexp(0, c + v @ W).sum()`",
    ],
    cases=[
        ("weights of one, no bias", (np.array([1.0, 0.0]), *ONE)),
        ("a random machine", (np.array([1.0, 0.0, 1.0, 1.0]), *SMALL)),
        ("a dark image", (np.zeros(4), *SMALL)),
    ],
    mistakes=[
        lambda v, W, b, c: -free(v, W, b, c),
        "The sign is turned: likely images have a *low* energy.",
        lambda v, W, b, c: free(v, W, 0 * b, c),
        "The visible biases are missing: −v·b.",
        lambda v, W, b, c: free(v, W, b, 0 * c),
        "The hidden biases are missing inside the softplus.",
        lambda v, W, b, c: -(v @ b) - (c + v @ W).sum(),
        "You set every hidden unit to 1. Sum over both of its states: 1 + exp(…).",
        lambda v, W, b, c: -(v @ b) - np.log1p(np.exp((c + v @ W).sum())),
        "You summed inside the exponential. The units are independent: one softplus "
        "each.",
    ],
)
def free_energy(v, W, b, c):
    """Return F(v), a number.

    v: (visible,); W: (visible, hidden);
    b: visible biases; c: hidden biases
    """
    return free(v, W, b, c)


def hidden(v, W, c):
    return np.asarray(pretraining.hidden_probabilities(v, W, c))


BATCH = rng.integers(0, 2, (5, 4)).astype(float)
DREAM = rng.integers(0, 2, (5, 4)).astype(float)


def phases(v, dream, W, c):
    return v.T @ hidden(v, W, c), dream.T @ hidden(dream, W, c)


@exercise(
    "pretraining.3",
    title="One step of contrastive divergence",
    difficulty=2,
    minutes=15,
    hints=[
        "The data should become more likely, what the machine makes less. Which of the "
        "two products is added to the weights?",
        "The products are of pixels and hidden *probabilities*, v pᵀ, and the brackets "
        "are means over the batch.",
        "`W + rate * (v.T @ p(v) - dream.T @ p(dream)) / len(v)`",
    ],
    cases=[
        ("five images", (BATCH, DREAM, SMALL[0], SMALL[2], 0.1)),
        ("one image", (BATCH[:1], DREAM[:1], SMALL[0], SMALL[2], 1.0)),
        ("a larger rate", (BATCH, 1 - DREAM, SMALL[0], SMALL[2], 2.0)),
    ],
    mistakes=[
        lambda v, d, W, c, rate: W - rate * np.subtract(*phases(v, d, W, c)) / len(v),
        "Your step goes the wrong way: it makes the data less likely.",
        lambda v, d, W, c, rate: W + rate * np.subtract(*phases(v, d, W, c)),
        "You summed over the batch. Take the mean, or the rate would grow with it.",
        lambda v, d, W, c, rate: W + rate * phases(v, d, W, c)[0] / len(v),
        "The second part is missing. Without it the weights grow forever: nothing "
        "becomes less likely.",
        lambda v, d, W, c, rate: W + rate * (v - d).T @ hidden(v, W, c) / len(v),
        "You used the data's hidden probabilities in both parts. The dream has its "
        "own.",
        lambda v, d, W, c, rate: (
            W + rate * np.subtract(*phases(v, d, W, 0 * c)) / len(v)
        ),
        "The hidden biases are missing in p(h | v).",
    ],
)
def contrastive_step(v, dream, W, c, rate):
    """Return the weights after one step.

    v: images (n, visible); dream: what became of them, same shape;
    W: (visible, hidden); c: hidden biases
    """
    data, made = phases(v, dream, W, c)
    return W + rate * (data - made) / len(v)


def same_share(counts):
    counts = np.asarray(counts, float)
    return (counts * (counts - 1)).sum() / (counts.sum() * (counts.sum() - 1))


@exercise(
    "pretraining.4",
    title="How often two random images agree",
    difficulty=1,
    minutes=10,
    hints=[
        "Draw the first image, then the second from the *others*. How many of the "
        "others have its class?",
        "Σ n_c (n_c − 1), over n (n − 1).",
    ],
    cases=[
        ("ten equal classes", ([800] * 10,)),
        ("one of each person", ([1, 1, 1, 1],)),
        ("three faces, unequal", ([2, 3, 5],)),
        ("one class", ([6],)),
    ],
    mistakes=[
        lambda counts: float(np.sum((np.array(counts) / np.sum(counts)) ** 2)),
        "You let an image be paired with itself. Draw the second from the others.",
        lambda counts: 1 / len(counts),
        "One in the number of classes holds only for many images in equal classes.",
        lambda counts: 1 - same_share(counts),
        "Your answer is the share that differs.",
        lambda counts: same_share(counts) / 2,
        "You counted ordered pairs below and unordered ones above.",
    ],
)
def share_of_same(counts):
    """Return the probability that two random images agree.

    counts: images of each class
    """
    return same_share(counts)


def costs(good, bad, margin):
    """1 for each pair within the margin, else 0."""
    return (np.subtract(good, bad) < margin).astype(float)


@exercise(
    "pretraining.5",
    title="The slope of a ranking",
    difficulty=2,
    minutes=10,
    hints=[
        "Which pairs cost anything? Only they have a slope.",
        "For such a pair ∂ℓ/∂s_good is −1. The mean divides by *all* pairs.",
    ],
    cases=[
        ("reached, near, wrong", ([2.0, 1.2, 0.0], [0.0, 1.0, 1.0], 1.0)),
        ("all reached", ([3.0, 4.0], [0.0, 1.0], 1.0)),
        ("a wider margin", ([1.0, 2.0, 3.0, 0.5], [0.0, 0.0, 0.0, 0.0], 2.5)),
    ],
    mistakes=[
        lambda g, b, m: costs(g, b, m) / len(g),
        "The sign: a higher good score makes the loss *smaller*.",
        lambda g, b, m: -np.ones(len(g)) / len(g),
        "Pairs that have reached the margin cost nothing and have no slope.",
        lambda g, b, m: -costs(g, b, m),
        "That is the slope of the sum. The loss is a mean over the pairs.",
        lambda g, b, m: -costs(g, b, 0.0) / len(g),
        "You count only the pairs in the wrong order. Those within the margin cost "
        "too.",
        lambda g, b, m: -costs(g, b, m) / max(1, costs(g, b, m).sum()),
        "You divide by the pairs that cost. The mean divides by all of them.",
    ],
)
def ranking_slope(good, bad, margin):
    """Return the gradient of the mean loss for the good scores.

    good, bad: scores, shape (n,) each
    """
    return -costs(good, bad, margin) / len(good)


def corners(n):
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def normalized(weights):
    return weights / weights.sum()


@exercise(
    "pretraining.6",
    title="Open question: what does the machine believe?",
    difficulty=3,
    minutes=25,
    hints=[
        "With four pixels there are only 16 images. Which of them does the machine "
        "find likely, and how likely exactly?",
        "p(v) is proportional to exp(−F(v)). Make the 16 numbers sum to 1.",
        "`itertools.product([0, 1], repeat=len(b))` gives the images in the order "
        "asked for; subtract the smallest F before the exponential.",
    ],
    cases=[
        ("weights of one", ONE),
        ("a random machine", SMALL),
        (
            "a machine without hidden use",
            (np.zeros((3, 2)), rng.normal(size=3), ONE[2]),
        ),
    ],
    mistakes=[
        lambda W, b, c: np.exp(-free(corners(len(b)), W, b, c)),
        "Your numbers do not sum to 1.",
        lambda W, b, c: normalized(np.exp(free(corners(len(b)), W, b, c))),
        "You have the likely and the unlikely exchanged: p ∝ exp(−F).",
        lambda W, b, c: normalized(-free(corners(len(b)), W, b, c)),
        "The exponential is missing.",
        lambda W, b, c: normalized(np.exp(corners(len(b)) @ b)),
        "You left the hidden units out.",
        lambda W, b, c: normalized(np.exp(-free(corners(len(b)), W, b, c)))[::-1],
        "The order is turned: count from 00…0 up, the last pixel fastest.",
    ],
)
def beliefs(W, b, c):
    """Return p(v) of all images, from 00…0 to 11…1: (2**visible,).

    W: (visible, hidden); b: visible biases; c: hidden biases
    """
    return normalized(np.exp(-free(corners(len(b)), W, b, c)))
