"""Tasks about two examples: is this the same kind? Which of them is the better?

The chapter `pretraining` of the book explains it. Tests: tests/test_pretraining.py.
"""

from collections import namedtuple

import keras
import numpy as np
from keras import layers, ops

from dtlib._check import integer_in, number_in

Pairs = namedtuple("Pairs", "first second same")
Pairs.__doc__ = "Two arrays of n examples, and 1.0 where both are of one class, (n,)."


def make_pairs(x, y, n, *, seed):
    """Draw pairs of examples: half of one class, half of two classes.

    Never an example with itself: that would be told by its pixels. Of the labels only
    this is kept: same, or different.

    Args:
        x: Examples, of any shape (N, ...).
        y: Their classes, (N,).
        n: How many pairs, an even number.
        seed: Integer ≥ 0.

    Returns:
        `Pairs(first, second, same)`, in random order.

    Raises:
        ValueError: If there is one class only, or none with two examples; or an
            argument is out of its range.

    Example: three letters of two kinds.

    >>> x, y = np.array(["a", "A", "b"]), [0, 0, 1]
    >>> pairs = make_pairs(x, y, 4, seed=0)
    >>> sorted(zip(pairs.first, pairs.second, pairs.same))[:1] == [("A", "a", 1.0)]
    True

    Reference: Bromley et al., 1993, https://papers.nips.cc/paper/769-signature-verification
    """
    x, y = np.asarray(x), np.asarray(y)
    n = integer_in("n", n, "[2, inf)")
    if n % 2:
        raise ValueError(f"`n` must be even, half of them same. Received: n={n}.")
    if y.ndim != 1 or len(x) != len(y):
        raise ValueError(
            "`y` must have one class for each example. Received: shapes "
            f"{x.shape} and {y.shape}."
        )
    rng = np.random.default_rng(integer_in("seed", seed, "[0, inf)"))
    # Rows in the order of their classes: each class is a block [start, start + size).
    order = np.argsort(y, kind="stable")
    _, starts, sizes = np.unique(y[order], return_index=True, return_counts=True)
    if len(sizes) < 2 or sizes.max() < 2:
        raise ValueError(
            "`y` must have two classes or more, and two examples of one of them. "
            f"Received: classes of {sizes.tolist()} examples."
        )
    start, size = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    place = np.arange(len(y)) - start
    a = rng.choice(np.flatnonzero(size > 1), n // 2)
    b = start[a] + (place[a] + rng.integers(1, size[a])) % size[a]
    c = rng.integers(0, len(y), n // 2)
    beyond = start[c] + size[c] + rng.integers(0, len(y) - size[c])
    d = beyond % len(y)
    first, second = order[np.concatenate([a, c])], order[np.concatenate([b, d])]
    mixed = rng.permutation(n)
    same = np.repeat(np.array([1, 0], "float32"), n // 2)
    return Pairs(x[first[mixed]], x[second[mixed]], same[mixed])


def siamese(encoder):
    """One encoder looks at both examples; a unit tells same from different.

        p(same) = σ(w·|f(a) − f(b)| + β)

    Args:
        encoder: A built Keras model from an example to flat features. It is shared,
            not copied: training the result trains it.

    Returns:
        A Keras model from `[a, b]` to p, shape (n, 1); not compiled.

    Example: an example and itself are at distance 0, so that p = σ(β), here at β = 0.

    >>> encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = siamese(encoder)
    >>> float(model([np.ones((1, 3)), np.ones((1, 3))])[0, 0])
    0.5

    Reference: Bromley et al., 1993, https://papers.nips.cc/paper/769-signature-verification
    """
    a, b = _two(encoder)
    distance = ops.abs(encoder(a) - encoder(b))
    same = layers.Dense(1, "sigmoid", name="same")
    return keras.Model([a, b], same(distance))


def margin_ranking(good, bad, *, margin):
    """Max-margin ranking: the good must score `margin` more than the bad.

        ℓ = max(0, margin − (s(good) − s(bad)))

    With a margin of 1 it is the hinge loss of the difference, with the label 1.

    Args:
        good, bad: Scores, of one shape.
        margin: > 0. Scores can grow, so its size only sets their scale.

    Returns:
        ℓ, of the same shape.

    Example: the wrong way round, right by too little, right by enough.

    >>> good, bad = [0.0, 0.5, 2.0], [1.0, 0.0, 0.0]
    >>> print(ops.convert_to_numpy(margin_ranking(good, bad, margin=1)))
    [2.  0.5 0. ]

    Reference: Collobert and Weston, 2008, https://doi.org/10.1145/1390156.1390177

    Equation: eq-pretraining-ranking
    """
    number_in("margin", margin, "(0, inf)")
    good, bad = ops.convert_to_tensor(good), ops.convert_to_tensor(bad)
    if tuple(good.shape) != tuple(bad.shape):
        raise ValueError(
            "`good` and `bad` must have one shape. Received: "
            f"{tuple(good.shape)} and {tuple(bad.shape)}."
        )
    return ops.relu(margin - (good - bad))


def ranker(encoder):
    """One encoder and one score look at a good and a bad example.

        output = s(good) − s(bad)          s(x) = w·f(x)

    Train it with the target 1 and `dtlib.losses.Hinge()`: that is `margin_ranking`.

    Args:
        encoder: A built Keras model from an example to flat features; shared, not
            copied.

    Returns:
        A Keras model from `[good, bad]` to the difference, (n, 1); not compiled. Its
        layer "score" is s; it has no bias, which the difference would lose.

    >>> encoder = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> model = ranker(encoder)
    >>> float(model([np.ones((1, 3)), np.ones((1, 3))])[0, 0])
    0.0

    Reference: Collobert and Weston, 2008, https://doi.org/10.1145/1390156.1390177
    """
    good, bad = _two(encoder)
    score = layers.Dense(1, use_bias=False, name="score")
    return keras.Model([good, bad], score(encoder(good)) - score(encoder(bad)))


def _two(encoder):
    """Two inputs of the shape that the encoder takes."""
    if not isinstance(encoder, keras.Model) or not encoder.built:
        raise ValueError(
            f"`encoder` must be a built Keras model. Received: {encoder!r}."
        )
    if len(encoder.output_shape) != 2:
        raise ValueError(
            "`encoder` must give flat features, (n, features). Received: output shape "
            f"{encoder.output_shape}."
        )
    return [keras.Input(encoder.input_shape[1:]) for _ in range(2)]
