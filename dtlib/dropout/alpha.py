"""Alpha dropout: drop to where SELU saturates, so that mean and variance survive.

The chapter `dropout` of the book explains it. Tests: tests/test_dropout.py.
"""

import math

from keras import ops

from dtlib._register import serializable
from dtlib.dropout._base import Masked
from dtlib.dropout.masks import check_fit

# SELU's constants, solved for a fixed point of mean 0 and variance 1; a test derives
# them again. α′ = −λα is the value SELU tends to on the left.
ALPHA = 1.6732632423543772
SCALE = 1.0507009873554805
ALPHA_PRIME = -SCALE * ALPHA


def alpha_dropout_affine(*, rate):
    """The line that gives dropped-to-α′ activations their mean and variance back.

        q = 1 − rate
        a = (q + α′²·q·(1 − q))^(−½)
        b = −a·(1 − q)·α′

    Args:
        rate: Probability of dropping a unit, in [0, 1).

    Returns:
        Two floats, `(a, b)`.

    Example: without dropout the line is the identity.

    >>> alpha_dropout_affine(rate=0.0)
    (1.0, 0.0)

    Reference: Klambauer et al., 2017, §2, https://arxiv.org/abs/1706.02515

    Equation: eq-dropout-line
    """
    q = 1 - rate
    a = 1 / math.sqrt(q + ALPHA_PRIME**2 * q * (1 - q))
    b = a * (1 - q) * -ALPHA_PRIME
    return a, b


def alpha_dropout(x, mask, *, rate):
    """Drop units to α′ = −λα, then rescale, so that mean 0 and variance 1 remain.

        y = a·x + b     where the unit is kept
        y = a·α′ + b    where it is dropped

    with a and b from `alpha_dropout_affine`. Plain dropout keeps the mean too, but
    raises the variance to 1/(1 − rate), which SELU's fixed point does not forgive.

    Args:
        x: Activations of SELU, of mean 0 and variance 1, of any shape.
        mask: As in `dropout`.
        rate: Probability with which the mask drops a unit, in [0, 1).

    Returns:
        A tensor like `x`.

    Raises:
        ValueError: when the mask does not broadcast to the shape of `x`.

    Example: a dropped unit is not 0.

    >>> import numpy as np
    >>> kept = np.array([True, False])
    >>> print(ops.convert_to_numpy(alpha_dropout(np.zeros(2), kept, rate=0.5)).round(2))
    [ 0.78 -0.78]

    Reference: Klambauer et al., 2017, §2, https://arxiv.org/abs/1706.02515

    Equation: eq-dropout-alpha
    """
    check_fit(x, mask)
    a, b = alpha_dropout_affine(rate=rate)
    x = ops.convert_to_tensor(x)
    alpha_prime = ops.convert_to_tensor(ALPHA_PRIME, x.dtype)  # with all its digits
    return a * ops.where(mask, x, alpha_prime) + b


@serializable
class AlphaDropout(Masked):
    """Dropout for SELU networks: it keeps their mean and variance, by `alpha_dropout`.

    Args:
        rate: Probability of dropping a unit, in [0, 1).
        noise_shape, seed: As in `Dropout`.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Differs from Keras: a rate of 1 is refused here; there it divides by zero when the
    layer is first called in training.

    Reference: Klambauer et al., 2017, https://arxiv.org/abs/1706.02515
    """

    rates = "[0, 1)"

    def perturb(self, x):
        return alpha_dropout(x, self.draw_mask(x), rate=self.rate)
