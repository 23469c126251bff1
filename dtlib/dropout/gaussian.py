"""Gaussian dropout: no unit falls silent, each speaks louder or softer by chance.

The chapter `dropout` of the book explains it. Tests: tests/test_dropout.py.
"""

import math

from keras import ops, random

from dtlib._register import serializable
from dtlib.dropout._base import Noise


def gaussian_dropout(x, noise, *, rate):
    """Multiply by noise with the mean and variance of dropout's, but a Gaussian's.

        y = x·(1 + σ·z),    σ² = rate / (1 − rate)

    Args:
        x: Activations, of any shape.
        noise: z, draws of a standard normal, that broadcast to `x`.
        rate: The rate of the dropout it stands for, in [0, 1).

    Returns:
        A tensor like `x`.

    Example: at a rate of one half, z = −1 is a unit dropped and z = 1 one doubled.

    >>> import numpy as np
    >>> y = gaussian_dropout(np.ones(2), np.array([-1.0, 1.0]), rate=0.5)
    >>> print(ops.convert_to_numpy(y))
    [0. 2.]

    Reference: Srivastava et al., 2014, §10, whose p is 1 − rate,
    https://jmlr.org/papers/v15/srivastava14a.html

    Equation: eq-dropout-gaussian
    """
    x = ops.convert_to_tensor(x)
    z = ops.convert_to_tensor(noise, x.dtype)
    sigma = math.sqrt(rate / (1 - rate))
    return x * (1 + sigma * z)


@serializable
class GaussianDropout(Noise):
    """Dropout's mean and variance without its zeros, by `gaussian_dropout`.

    Args:
        rate: The rate of the dropout it stands for, in [0, 1).
        seed: As in `Dropout`.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Differs from Keras: a rate of 1 is refused here; there it divides by zero when the
    layer is first called in training.

    Reference: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    rates = "[0, 1)"

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(rate, seed, **kwargs)

    def perturb(self, x):
        noise = random.normal(ops.shape(x), dtype=x.dtype, seed=self.seed_generator)
        return gaussian_dropout(x, noise, rate=self.rate)
