"""Gated units: x times a smooth gate between 0 and 1 that x itself opens.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

import math

from keras import ops

from dtlib._register import serializable
from dtlib.activations._base import floating
from dtlib.activations.exponential import softplus
from dtlib.activations.squashing import sigmoid, tanh


@serializable
def gelu(x, approximate=False):
    """x times the share of a normal distribution that lies below x.

        exact   f(x) = x·Φ(x),   Φ(x) = ½ (1 + erf(x/√2))
        tanh    f(x) ≈ x·½ (1 + tanh(√(2/π)·(x + 0.044715 x³)))

        f′(x) = Φ(x) + x·φ(x),   φ the density of N(0, 1)

    Range [−0.170, ∞), f(0) = 0 with slope ½, smooth, least at x = −0.752. The two forms
    differ by up to 4.7e-4, near x = ±2.7. x need not be normal: Φ is a gate, not an
    assumption.

    Args:
        x: Tensor of any shape.
        approximate: Whether to take the tanh form.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([-2.7, 0.5, 2.7])
    >>> print(np.round([gelu(x), gelu(x, approximate=True)], 4))
    [[-0.0094  0.3457  2.6906]
     [-0.0089  0.3457  2.6911]]

    Reference: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415

    Equation: eq-activations-gelu
    """
    x = _bounded(floating(x))
    u = ops.clip(x, -10, 10)  # beyond, Φ is 0 or 1 in any dtype; u³ fits in float16
    if approximate:
        return x * 0.5 * (1 + tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)))
    return x * 0.5 * (1 + ops.erf(u / math.sqrt(2)))


@serializable
def silu(x):
    """x times its logistic function: the sigmoid linear unit, also called swish.

        f(x) = x·σ(x)          f′(x) = σ(x) + x·σ(x)·(1 − σ(x))

    Range [−0.278, ∞), f(0) = 0 with slope ½, smooth, least at x = −1.278.

    Args:
        x: Tensor of any shape.

    Returns:
        A tensor like `x`.

    Example: it dips below 0, and comes back.

    >>> import numpy as np
    >>> print(np.round(silu(np.array([-20.0, -1.278, 0.0, 20.0])), 3))
    [-0.    -0.278  0.    20.   ]

    References: Elfwing et al., 2018, https://arxiv.org/abs/1702.03118; Ramachandran et
    al., 2017, https://arxiv.org/abs/1710.05941

    Equation: eq-activations-silu
    """
    x = _bounded(floating(x))
    return x * sigmoid(x)


swish = silu


@serializable
def mish(x):
    """x times the tanh of its softplus: like `silu`, and a little steeper at 0.

        f(x) = x·tanh(softplus(x))
        f′(x) = t + x·(1 − t²)·σ(x),   t = tanh(softplus(x))

    Range [−0.309, ∞), f(0) = 0 with slope 0.6, smooth, least at x = −1.192.

    Args:
        x: Tensor of any shape.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> print(np.round(mish(np.array([-20.0, -1.192, 0.0, 20.0])), 3))
    [-0.    -0.309  0.    20.   ]

    Reference: Misra, 2020, https://arxiv.org/abs/1908.08681

    Equation: eq-activations-mish
    """
    x = _bounded(floating(x))
    return x * tanh(softplus(x))


def _bounded(x):
    """`x`, but no less than −1e4: every gate is 0 there, and −inf·0 would be NaN."""
    return ops.where(x < -1e4, -1e4, x)
