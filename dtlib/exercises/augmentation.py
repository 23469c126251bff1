"""Copies of images by hand, and what they are worth.

The chapter `augmentation` of the book ends with them. Tests:
tests/test_exercises_augmentation.py.
"""

import math

import numpy as np

from dtlib import augmentation
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(13)


def box(side, place, height, width, scale):
    """The rule of the library, for one image."""
    found = augmentation.erasing_box(
        np.reshape(side, (1, 2)),
        np.reshape(place, (1, 2)),
        height=height,
        width=width,
        scale=scale,
    )
    return np.asarray(found, "float64")[0]


def sides(u, height, width, scale, power=0.5):
    low, high = scale
    w, h = (width, height) * (low + (high - low) * np.asarray(u)) ** power
    return h, w


def rectangle(top, left, h, w):
    return np.array([top, left, top + h, left + w])


def anywhere(u, v, height, width, scale):
    h, w = sides(u, height, width, scale)
    return rectangle(height * v[1], width * v[0], h, w)


def unrooted(u, v, height, width, scale):
    h, w = sides(u, height, width, scale, power=1)
    return rectangle((height - h) * v[1], (width - w) * v[0], h, w)


def size_of(u, v, height, width, scale):
    top, left, bottom, right = box(u, v, height, width, scale)
    return np.array([top, left, bottom - top, right - left])


@exercise(
    "augmentation.1",
    title="Where the rectangle lies",
    difficulty=1,
    minutes=10,
    rtol=1e-5,
    hints=[
        "If a share s of the *area* is to be covered, what share of each side is it?",
        "A side is √s of the image's. How far can a rectangle of width w be moved "
        "inside an image of width W?",
        "left = (W − w)·v, and right = left + w; likewise from top to bottom.",
    ],
    cases=[
        ("a quarter, in the middle", ([0.5, 0.5], [0.5, 0.5], 8, 4, (0.25, 0.25))),
        ("wide and flat", ([0.9, 0.1], [0.2, 0.7], 28, 28, (0.02, 0.33))),
        ("at the corner", ([0.3, 0.6], [0.0, 0.0], 14, 28, (0.1, 0.4))),
        ("all of it", ([0.3, 0.6], [0.3, 0.6], 6, 9, (1.0, 1.0))),
    ],
    mistakes=[
        unrooted,
        "Each of your sides takes the share of the *area*. A square of a quarter of "
        "the area has half of the side: take the root.",
        anywhere,
        "Your rectangle may stick out. It can move by W − w only, not by W.",
        lambda u, v, height, width, scale: box(u[::-1], v, height, width, scale),
        "u holds the width's draw first, then the height's.",
        lambda u, v, height, width, scale: box(u, v[::-1], height, width, scale),
        "v holds the left edge's draw first, then the top edge's.",
        size_of,
        "Your last two numbers are the height and the width. Bottom and right are "
        "wanted.",
    ],
)
def erasing_rectangle(u, v, height, width, scale):
    """Return (top, left, bottom, right) of the rectangle to erase.

    u: draws in [0, 1) for its width and its height; v: for its left
    and its top edge; scale: (low, high), shares of the area
    """
    return box(u, v, height, width, scale)


def blend(x, y, partner, weight):
    found = augmentation.mixup(np.asarray(x), np.asarray(y), partner, weight)
    return tuple(np.asarray(v, "float64") for v in found)


def classes(y):
    """One-hot rows of the likeliest classes."""
    return np.eye(y.shape[1])[y.argmax(axis=1)]


X = rng.normal(size=(4, 3))
Y = np.eye(3)[[0, 2, 1, 2]]
TURN = np.array([1, 2, 3, 0])
WEIGHTS = np.array([0.9, 0.3, 0.5, 1.0])


@exercise(
    "augmentation.2",
    title="Mixup, with its labels",
    difficulty=2,
    minutes=10,
    rtol=1e-5,
    hints=[
        "How do you line up every sample with the one it meets? `x[partner]`.",
        "The weight of sample i must multiply the whole row i: `weight[:, None]`.",
        "Treat the one-hot labels exactly as you treat the samples.",
    ],
    cases=[
        ("two samples", (np.eye(2) * 8, np.eye(2), [1, 0], np.array([0.75, 0.75]))),
        ("in a circle", (X, Y, TURN, WEIGHTS)),
        ("alone", (X, Y, TURN, np.ones(4))),
        ("swapped", (X, Y, TURN, np.zeros(4))),
    ],
    mistakes=[
        lambda x, y, partner, w: (blend(x, y, partner, w)[0], y),
        "The samples are blended and the labels are not. A network would learn that "
        "three quarters of a boot and a quarter of a shirt is a boot.",
        lambda x, y, partner, w: blend(x, y, partner, 1 - w),
        "The weight belongs to the sample itself, and the rest to its partner.",
        lambda x, y, partner, w: (
            blend(x, y, partner, w)[0],
            classes(blend(x, y, partner, w)[1]),
        ),
        "Your labels are those of the larger share. Mixup keeps both shares.",
        lambda x, y, partner, w: blend(x, y, np.argsort(partner), w),
        "Each sample meets the wrong partner: sample i meets `partner[i]`, and that is "
        "not the sample whose partner is i.",
        lambda x, y, partner, w: blend(x, y, partner, np.full(len(x), w[0])),
        "You use the first weight for all. Each sample has its own.",
    ],
)
def mixup(x, y, partner, weight):
    """Return the blended samples and the blended labels.

    x: (n, features); y: (n, classes), one-hot; sample i meets sample
    partner[i] and keeps the share weight[i] of itself
    """
    return blend(x, y, partner, weight)


def penalized(X, y, penalty):
    return np.linalg.solve(X.T @ X + penalty * np.eye(X.shape[1]), X.T @ y)


POINTS, TARGET = rng.normal(size=(8, 3)), rng.normal(size=8)


@exercise(
    "augmentation.3",
    title="What white noise does to a line",
    difficulty=2,
    minutes=20,
    rtol=1e-6,
    hints=[
        "Write the mean over the noise of (w·(x + ε) − y)². Which terms survive, if "
        "every entry of ε has mean 0 and variance σ²?",
        "(w·x − y)² + σ²‖w‖² for *each* of the n points. Sum them, and set the "
        "gradient to zero.",
        "(XᵀX + nσ²·1) w = Xᵀy; `np.linalg.solve`.",
    ],
    cases=[
        ("eight points", (POINTS, TARGET, 0.5)),
        ("no noise", (POINTS, TARGET, 0.0)),
        ("much noise", (POINTS, TARGET, 3.0)),
        ("one feature", (POINTS[:, :1], TARGET, 1.0)),
    ],
    mistakes=[
        lambda X, y, sigma: penalized(X, y, sigma**2),
        "Every one of the n points brings its own σ²‖w‖²; you count it once.",
        lambda X, y, sigma: penalized(X, y, len(X) * sigma),
        "You used σ. The mean of ε² is the *variance*, σ².",
        lambda X, y, sigma: penalized(X, y, 0.0),
        "You left the noise out. It vanishes from the middle term only: (w·ε)² has the "
        "mean σ²‖w‖².",
        lambda X, y, sigma: penalized(X, y, len(X) * sigma**2 / 2),
        "Half of the penalty is missing: no ½ stands before the squared error either.",
        lambda X, y, sigma: penalized(X, y, 0.0) / (1 + sigma**2),
        "You shrink all weights alike. That is right only where XᵀX/n is the identity.",
    ],
)
def weights_under_noise(X, y, sigma):
    """Return w after least squares on infinitely many noisy copies.

    X: (n, features); y: (n,); copies add N(0, σ²) to every entry of X
    """
    return penalized(X, y, len(X) * sigma**2)


def entropy(p):
    return sum(-q * math.log(q) for q in (p, 1 - p) if q > 0)


def floor(partner, p, each=entropy):
    return float(np.mean([each(p) if i != k else 0.0 for i, k in enumerate(partner)]))


@exercise(
    "augmentation.4",
    title="The price of a wrong flip",
    difficulty=2,
    minutes=15,
    hints=[
        "After flips with probability p, how often is an image that looks like a b "
        "labeled b, and how often d? All classes are equally frequent.",
        "1 − p and p. Which prediction has the smallest cross-entropy, and how large "
        "is it? And for a letter that is its own mirror image?",
        "−p·log p − (1 − p)·log(1 − p) for a class with another partner, 0 for one "
        "that is its own; the mean over the classes.",
    ],
    cases=[
        ("b and d, a coin", ([1, 0], 0.5)),
        ("b, d, o: o is its own mirror image", ([1, 0, 2], 0.5)),
        ("seldom", ([1, 0, 3, 2], 0.1)),
        ("never", ([1, 0], 0.0)),
        ("always", ([1, 0], 1.0)),
    ],
    mistakes=[
        lambda partner, p: floor(partner, p) / math.log(2),
        "Your answer is in bits. Keras' losses are in nats: natural logarithms.",
        lambda partner, p: entropy(p),
        "A class that is its own mirror image costs nothing, and counts in the mean.",
        lambda partner, p: floor(partner, p, lambda q: -math.log(max(1 - q, 1e-300))),
        "That is the loss of an image that kept its label. The flipped ones, a share "
        "of p, have another label.",
        lambda partner, p: floor(partner, p, lambda q: q),
        "Your answer is a share of errors. The loss is an entropy.",
        lambda partner, p: floor(partner, p, lambda q: math.log(2)),
        "log 2 is right for a coin. A flip that is seldom, or certain, costs less.",
    ],
)
def loss_floor(partner, p):
    """Return the lowest mean cross-entropy, in nats, within reach.

    partner: the class that the flipped images of each class look like,
    maybe itself; p: probability of a flip; labels stay
    """
    return floor(partner, p)


@exercise(
    "augmentation.5",
    title="Open question: what is a copy worth?",
    difficulty=3,
    minutes=25,
    hints=[
        "Take a number that is measured on every copy. What is the variance of the "
        "mean of k numbers of variance 1, each pair of which correlates by ρ?",
        "There are k variances and k(k − 1) covariances ρ, over k²: "
        "(1 + (k − 1)ρ)/k. And the mean of n independent groups?",
        "Independent images would have the variance 1/m. Solve "
        "1/m = (1 + (k − 1)ρ)/(n·k) for m.",
    ],
    cases=[
        ("ten copies that differ a little", (300, 10, 0.9)),
        ("copies as good as new images", (300, 10, 0.0)),
        ("ten times the same", (300, 10, 1.0)),
        ("no copies", (300, 1, 0.5)),
        ("very many copies", (100, 1000, 0.5)),
    ],
    mistakes=[
        lambda n, k, rho: float(n * k),
        "You count every copy as a new image. Copies of one image agree with another.",
        lambda n, k, rho: float(n),
        "You say a copy is worth nothing. That is so only at ρ = 1.",
        lambda n, k, rho: n * k / (1 + k * rho),
        "Almost: each copy has k − 1 others to correlate with.",
        lambda n, k, rho: n * k * (1 - rho),
        "Not linear in ρ. At ρ = 1 a group of copies is still worth one image.",
        lambda n, k, rho: (1 + (k - 1) * rho) / (n * k),
        "Your answer is the variance. How many independent images have it?",
    ],
)
def worth(n, k, rho):
    """Return how many independent images give a mean as certain.

    n: images; k: copies of each; rho: correlation of two copies of one
    """
    return n * k / (1 + (k - 1) * rho)
