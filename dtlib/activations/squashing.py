"""Squashing functions: any number in, a number between two bounds out.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

from keras import ops

from dtlib._register import serializable
from dtlib.activations._base import floating, halves, remember_logits


@serializable
def linear(x):
    """No activation: x itself, of slope 1.

    Layers with nothing else between them are one linear layer, however many they are.

    Args:
        x: Anything.

    Returns:
        `x`, untouched.

    Example:

    >>> linear(-2.5)
    -2.5
    """
    return x


@serializable
def sigmoid(x):
    """The logistic function: a number becomes a probability.

        σ(x) = 1 / (1 + e⁻ˣ)          σ′(x) = σ(x) (1 − σ(x))

    Range (0, 1), σ(0) = ½, smooth. The slope is greatest at 0, where it is ¼, and less
    than 0.0001 beyond ±9.3: the unit is saturated. Only the exponential of a number ≤ 0
    is taken, so that nothing overflows:

        σ(x) = e^min(x,0) / (e^min(x,0) + e^−max(x,0))

    Args:
        x: Tensor of any shape.

    Returns:
        A tensor like `x`. It carries `x` as its logits, as Keras' own does, so that a
        binary cross-entropy can be taken of them.

    Example: ten layers multiply the gradient by ¼¹⁰ at best.

    >>> import numpy as np
    >>> print(np.round(sigmoid(np.array([-1e4, 0.0, 1e4])), 3))
    [0.  0.5 1. ]
    >>> f"{0.25**10:.1e}"
    '9.5e-07'

    Reference: LeCun et al., 1998, "Efficient BackProp", section 4.4.

    Equation: eq-activations-sigmoid
    """
    x = floating(x)
    low, high = halves(x)
    yes, no = ops.exp(low), ops.exp(-high)
    return remember_logits(yes / (yes + no), x)


@serializable
def tanh(x):
    """The hyperbolic tangent: the logistic function, centered and four times as steep.

        tanh(x) = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ) = 2 σ(2x) − 1          tanh′ = 1 − tanh²

    Range (−1, 1), tanh(0) = 0 with slope 1, smooth. The formula
    (1 − e⁻ˣ) / (1 + e⁻ˣ), often given for it, is tanh(x/2). What is computed is
    ∓u / (2 + u) with u = e^−2|x| − 1, which neither overflows nor cancels.

    Args:
        x: Tensor of any shape.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([1.0, 2.0])
    >>> print(np.round([tanh(x), 2 * sigmoid(2 * x) - 1], 3))
    [[0.762 0.964]
     [0.762 0.964]]

    Reference: LeCun et al., 1998, "Efficient BackProp", section 4.4.

    Equation: eq-activations-tanh
    """
    x = floating(x)
    low, high = halves(x)
    u = ops.expm1(2 * (low - high))
    return ops.where(x > 0, -u, u) / (2 + u)
