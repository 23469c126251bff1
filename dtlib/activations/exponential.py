"""Exponential units: the left half-line bends towards a bound, so that means near 0.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.activations._base import ActivationLayer, floating, halves

# The one pair for which z ~ N(0, 1) keeps mean 0 and variance 1; a test solves for it.
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


@serializable
def elu(x, alpha=1.0):
    """The exponential linear unit: negative outputs pull the mean of a layer to 0.

        f(x) = x for x > 0, else α·(eˣ − 1)
        f′(x) = 1 for x > 0, else α·eˣ = f(x) + α

    Range (−α, ∞), f(0) = 0. At 0 the slope jumps from α to 1: it is smooth there only
    for α = 1. For x < 0 the slope is not 0, so that no unit dies; it still vanishes as
    x → −∞.

    Args:
        x: Tensor of any shape.
        alpha: α, a number: minus the bound on the left.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> print(np.round(elu(np.array([-1e4, -1.0, 0.0, 2.0])), 3))
    [-1.    -0.632  0.     2.   ]

    Reference: Clevert et al., 2016, https://arxiv.org/abs/1511.07289

    Equation: eq-activations-elu
    """
    low, high = halves(floating(x))
    return high + alpha * ops.expm1(low)


@serializable
def selu(x):
    """ELU scaled so that N(0, 1) keeps its mean 0 and its variance 1.

        f(x) = λ·elu(x, α),   λ = 1.0507009873554805,   α = 1.6732632423543772

    Range (−λα, ∞) = (−1.758, ∞), f(0) = 0. f′(x) = λ for x > 0, else λα·eˣ: the slope
    drops from 1.758 to 1.051 at 0. A layer keeps the statistics only if its inputs have
    mean 0 and variance 1, its weights are LeCun's, and nothing stands between.

    Args:
        x: Tensor of any shape.

    Returns:
        A tensor like `x`.

    Example: ten thousand quantiles of N(0, 1) keep their spread and their mean.

    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> y = np.asarray(selu(norm.ppf((np.arange(10_000) + 0.5) / 10_000)))
    >>> print(f"{y.std():.3f}", abs(y.mean()) < 1e-3)
    1.000 True

    Differs from Keras: at x = 0 the slope taken is λα, the left one; Keras takes λ.

    Reference: Klambauer et al., 2017, https://arxiv.org/abs/1706.02515

    Equation: eq-activations-selu
    """
    return SELU_SCALE * elu(x, SELU_ALPHA)


@serializable
def softplus(x):
    """A smooth ReLU, and the way to a positive output; its slope is the logistic one.

        f(x) = log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|)          f′(x) = σ(x)

    Range (0, ∞), f(0) = log 2 = 0.693, smooth. The right-hand form takes the
    exponential of numbers ≤ 0 only.

    Args:
        x: Tensor of any shape.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> print(np.round(softplus(np.array([-1e4, 0.0, 100.0])), 3))
    [  0.      0.693 100.   ]

    Reference: Dugas et al., 2001, "Incorporating second-order functional knowledge for
    better option pricing".

    Equation: eq-activations-softplus
    """
    low, high = halves(floating(x))
    return high + ops.log1p(ops.exp(low - high))


@serializable
class ELU(ActivationLayer):
    """The exponential linear unit as a layer; the rule is `elu`.

    Args:
        alpha: α, a number ≥ 0.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Reference: Clevert et al., 2016, https://arxiv.org/abs/1511.07289
    """

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = number_in("alpha", alpha, "[0, inf)")

    def call(self, inputs):
        return elu(inputs, self.alpha)
