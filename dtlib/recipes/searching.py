"""What a search needs: points that fill a cube evenly, and how many of them.

Tests: tests/test_recipes.py.
"""

import math

import numpy as np

from dtlib._check import integer_in, number_in

PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


def halton(n, dimensions):
    """Points of the Halton sequence: they fill the unit cube more evenly than chance.

        φ_b(k) = Σᵢ dᵢ(k) b⁻ⁱ⁻¹,   k = Σᵢ dᵢ(k) bⁱ   the digits of k, mirrored

    The coordinates of point k are φ₂(k), φ₃(k), φ₅(k), …: one prime a dimension. The
    first points of a longer sequence are a shorter one, so a search can be continued.

    Args:
        n: Number of points, ≥ 1.
        dimensions: From 1 to 8; beyond, the points begin to line up.

    Returns:
        A float array of shape (n, dimensions), in (0, 1). Point 0, a corner of the
        cube, is left out.

    Raises:
        ValueError: For a number out of its range.

    Example: each new point falls into the largest hole.

    >>> print(*(halton(7, 1)[:, 0] * 8))
    4.0 2.0 6.0 1.0 5.0 3.0 7.0

    Reference: Halton, 1960, Numerische Mathematik 2

    Equation: eq-recipes-halton
    """
    integer_in("n", n, "[1, inf)")
    integer_in("dimensions", dimensions, f"[1, {len(PRIMES)}]")
    points = np.zeros((n, dimensions))
    for column, base in zip(points.T, PRIMES, strict=False):
        rest, unit = np.arange(1, n + 1), 1.0
        while rest.any():
            unit /= base
            column += unit * (rest % base)
            rest //= base
    return points


def trials_needed(share, probability):
    """How many random trials find one of the best settings with some probability.

        n = ⌈log(1 − p) / log(1 − q)⌉

    A trial misses the best share q with probability 1 − q; all n miss with (1 − q)ⁿ.
    The number of hyperparameters does not enter.

    Args:
        share: q in (0, 1), the best share of all settings: 0.05 for the best
            twentieth.
        probability: p in (0, 1), with which one trial or more shall be in it.

    Returns:
        n, an int.

    Raises:
        ValueError: For a number out of its range.

    Example: the best twentieth, and the best hundredth.

    >>> trials_needed(0.05, 0.95), trials_needed(0.01, 0.95)
    (59, 299)

    Reference: Bergstra and Bengio, 2012, Journal of Machine Learning Research 13

    Equation: eq-recipes-trials
    """
    share = number_in("share", share, "(0, 1)")
    probability = number_in("probability", probability, "(0, 1)")
    needed = math.log1p(-probability) / math.log1p(-share)
    return math.ceil(needed * (1 - 1e-12))  # a rounding error is no trial


def bits_per_weight(sparsity, bits):
    """The least room a sparse weight takes, in bits, if nothing else is known of it.

        s log₂(1/s) + (1 − s) log₂(1/(1 − s)) + (1 − s) · bits

    The first two terms say *where* the zeros are, the last says the other values.

    Args:
        sparsity: s in [0, 1], the share of zeros.
        bits: Of a value that is not zero, > 0: 32 for float32, less if it is known.

    Returns:
        A float. No lossless compression gets below it on average.

    Raises:
        ValueError: For a number out of its range.

    Example: nine zeros of ten save nearly nine tenths.

    >>> [round(bits_per_weight(s, 32), 1) for s in (0, 0.5, 0.9, 0.99)]
    [32.0, 17.0, 3.7, 0.4]

    Reference: Shannon, 1948, A Mathematical Theory of Communication, section 9

    Equation: eq-recipes-bits
    """
    sparsity = number_in("sparsity", sparsity, "[0, 1]")
    bits = number_in("bits", bits, "(0, inf)")
    where = sum(p * math.log2(1 / p) for p in (sparsity, 1 - sparsity) if p > 0)
    return where + (1 - sparsity) * bits
