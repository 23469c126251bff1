"""Orthogonal kernels: a rotation keeps every length, not only the mean.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

import keras
from keras import ops, random

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.initializers._base import Random
from dtlib.initializers.scaling import compute_fans


def orthogonal(shape, *, gain, dtype=None, seed=None):
    """Draw a kernel that rotates a signal and multiplies its length by `gain`.

        Q·R = A                      A standard normal, at least as tall as wide
        W = gain · Q · sign(diag R)

    Q alone is not uniform: the algorithm, not chance, fixes the sign of each column.
    The factor undoes that, so that every rotation is equally likely (Haar's measure).

    Args:
        shape: Kernel shape, read as a matrix of fan_in rows and `out` columns. Its
            columns are orthonormal, times gain, or its rows if those are fewer.
        gain: What each length is multiplied by.
        dtype, seed: As in `variance_scaling`. Half precision is rounded from float32.

    Returns:
        A tensor of shape `shape`. A dense kernel that does not narrow keeps every
        length; a convolution keeps a patch's, not the image's.

    Equation: eq-initializers-orthogonal
    """
    rows, columns = compute_fans(shape)[0], shape[-1]
    tall = (max(rows, columns), min(rows, columns))
    dtype = keras.backend.standardize_dtype(dtype)
    wide = "float64" if dtype == "float64" else "float32"  # QR has no half precision
    A = random.normal(tall, dtype=wide, seed=seed)
    Q, R = ops.qr(A)
    W = gain * ops.where(ops.diagonal(R) < 0, -Q, Q)
    W = W if rows >= columns else ops.transpose(W)
    return ops.cast(ops.reshape(W, shape), dtype)


@serializable
class Orthogonal(Random):
    """Keeps lengths, not only on average: a random rotation, drawn by `orthogonal`.

    Args:
        gain: A number > 0. For deep ReLU layers √2, the root of `forward_gain`.
        seed: As in `VarianceScaling`.

    Differs from Keras: as `VarianceScaling`; half precision works.

    Reference: Saxe et al., 2014, https://arxiv.org/abs/1312.6120; on the signs,
    Mezzadri, 2007, https://arxiv.org/abs/math-ph/0609050
    """

    def __init__(self, gain=1.0, seed=None):
        super().__init__(seed)
        self.gain = number_in("gain", gain, "(0, inf)")

    def __call__(self, shape, dtype=None):
        return orthogonal(shape, gain=self.gain, dtype=dtype, seed=self.seed)
