"""Digits as curves of 40 points, drawn at random: an experiment in a second.

The chapter `losses` of the book explains it. Tests: tests/test_datasets.py.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from dtlib._check import integer_in, number_in
from dtlib.datasets._common import Data, scale_by_training, stratified_split

# Twelve heights a digit. These numbers and the settings below are those of the
# reference implementation (Greydanus 2020, Apache License 2.0).
TEMPLATES = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)
PADDING = (36, 60)  # zeros behind the digit, fewest and most: how wide it becomes
MAX_TRANSLATION = 48
SCALE = 0.4
SHEAR = 0.75
CORRELATED_NOISE = 0.25
BLUR = 2  # standard deviation of the Gaussian that correlates the noise, in points
WHITE_NOISE = 0.02
LENGTH = 40


def mnist1d(n_train=4000, n_test=1000, *, validation_split=0.2, seed=42):
    """Draw MNIST-1D: ten classes of curves that a linear model cannot tell apart.

    Each example is a template of 12 points, squeezed, scaled, moved, put on correlated
    noise, sheared, and read off at 40 points. A linear model reaches about 32 % of
    the test curves, a network of two hidden layers 68 %, a convolutional one 94 %.

    Args:
        n_train: Int ≥ 10: examples drawn for training and validation. Default 4000.
        n_test: Int ≥ 10: examples drawn for testing, independently of `n_train`.
            Default 1000.
        validation_split: Number in [0, 1): the share of the `n_train` examples, of
            every class alike, that becomes the validation part. Default 0.2.
        seed: Int ≥ 0: the one source of chance. Default 42.

    Returns:
        `Data` with curves float32 (n, 40), of mean 0 and standard deviation 1 over the
        training part, and labels int32 (n,) in 0..9, as even as n allows.

    Example: more training examples leave the test examples as they were, but for the
    common shift and scale.

    >>> few, many = mnist1d(500), mnist1d(5000)
    >>> few.x_train.shape, many.x_train.shape
    ((400, 40), (4000, 40))
    >>> bool(np.corrcoef(few.x_test.ravel(), many.x_test.ravel())[0, 1] > 0.999999)
    True

    Reference: Greydanus (2020), "Scaling down deep learning", arXiv:2011.14439. The
    curves follow its procedure, not its random numbers; it also scales by the
    statistics of training and test examples together.
    """
    integer_in("n_train", n_train, "[10, inf)")
    integer_in("n_test", n_test, "[10, inf)")
    number_in("validation_split", validation_split, "[0, 1)")
    integer_in("seed", seed, "[0, inf)")
    seeds = np.random.SeedSequence(seed)
    train_rng, test_rng = map(np.random.default_rng, seeds.spawn(2))
    x, y = draw(n_train, train_rng)
    x_test, y_test = draw(n_test, test_rng)
    train, valid = stratified_split(y, seed, validation_split=validation_split)
    data = Data(x[train], y[train], x[valid], y[valid], x_test, y_test)
    return scale_by_training(data, axis=None)


def draw(n, rng):
    """n curves, float32 (n, 40), and their labels, int32 (n,), before scaling."""
    y = rng.permutation(np.arange(n) % 10)
    low, high = PADDING
    padding = rng.integers(low, high, size=(n, 1), endpoint=True)
    shift = rng.integers(MAX_TRANSLATION, size=(n, 1))
    scale = 1 + SCALE * rng.uniform(-0.5, 0.5, (n, 1))
    shear = SHEAR * rng.uniform(-0.5, 0.5, (n, 1))

    # Template and padding, stretched to one length and moved round in a circle.
    points = len(TEMPLATES[0])
    length = points + high
    place = (np.arange(length) - shift) % length  # (n, length)
    place = place / (length - 1) * (points + padding - 1)
    digit = np.pad(templates(), ((0, 0), (0, high)))[y]  # (n, length)
    curve = scale * read_off(digit, place)

    # Noise fills the padding; the digit itself stays as drawn.
    noise = CORRELATED_NOISE * rng.standard_normal((n, length))
    curve = np.where(place < points, curve, gaussian_filter1d(noise, BLUR, axis=1))
    curve += WHITE_NOISE * rng.standard_normal((n, length))
    curve -= shear * np.linspace(-0.5, 0.5, length)

    places = np.broadcast_to(np.linspace(0, length - 1, LENGTH), (n, LENGTH))
    return read_off(curve, places).astype(np.float32), y.astype(np.int32)


def templates():
    """The ten digits, (10, 12): standard deviation 1/6 each, first point at 0."""
    x = np.array(TEMPLATES)
    x = x / x.std(axis=1, keepdims=True)
    return (x - x[:, :1]) / 6


def read_off(curves, places):
    """Values of `curves` (n, length) at `places` (n, m), linear between points."""
    left = np.minimum(places.astype(int), curves.shape[1] - 2)
    a = np.take_along_axis(curves, left, axis=1)
    b = np.take_along_axis(curves, left + 1, axis=1)
    return a + (places - left) * (b - a)
