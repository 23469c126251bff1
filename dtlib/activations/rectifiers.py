"""Rectifiers: two half-lines that meet in a kink.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.activations._base import ActivationLayer, floating


@serializable
def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """The positive part of x; the slope is 1 or 0, so that no product of slopes fades.

        f(x) = max(x, 0)          f′(x) = 1 for x > 0, else 0

    Range [0, ∞), f(0) = 0, a kink at 0, where the slope taken is that of the left. With
    the other arguments a, M and θ, the two half-lines move:

        f(x) = min(x, M) for x > θ, else a·(x − θ)

    which jumps by θ at θ, and bends again at M.

    A unit whose x ≤ 0 for one sample only skips that sample. It is dead when x ≤ 0 for
    all of them: then it gets no gradient, and stays as it is.

    Args:
        x: Tensor of any shape.
        negative_slope: a, a number, the slope left of θ.
        max_value: M, a number, or None for no bound.
        threshold: θ, a number.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([-2.0, 0.0, 3.0, 9.0])
    >>> print(np.asarray(relu(x)), np.asarray(relu(x, max_value=6.0)))
    [0. 0. 3. 9.] [0. 0. 3. 6.]

    Differs from Keras: at x = θ Keras takes the slope 0, not a, if M is given or θ ≠ 0.
    With θ < 0 *and* M, it sets what lies between θ and 0 to 0. Integers become floats.

    Reference: Nair and Hinton, 2010, "Rectified linear units improve restricted
    Boltzmann machines"; Glorot, Bordes and Bengio, 2011,
    https://proceedings.mlr.press/v15/glorot11a.html

    Equation: eq-activations-relu
    """
    x = floating(x)
    # Not 0·x, which is NaN where x = −inf.
    left = negative_slope * (x - threshold) if negative_slope else 0
    right = x if max_value is None else ops.where(x > max_value, max_value, x)
    return ops.where(x <= threshold, left, right)


@serializable
def leaky_relu(x, negative_slope=0.2):
    """ReLU with a small slope a on the left, so that no unit is without a gradient.

        f(x) = x for x > 0, else a·x          f′(x) = 1 for x > 0, else a

    Range (−∞, ∞) for a > 0, f(0) = 0, a kink at 0. It is max(a·x, x) only for a ≤ 1;
    for a > 1 that would be min(a·x, x).

    Args:
        x: Tensor of any shape.
        negative_slope: a, a number. The default is that of Keras' function; Keras'
            layer has 0.3, PyTorch and the paper 0.01.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> x = np.array([-1.0, 1.0])
    >>> print(np.asarray(leaky_relu(x, negative_slope=3.0)), np.maximum(3 * x, x))
    [-3.  1.] [-1.  3.]

    Reference: Maas et al., 2013, "Rectifier nonlinearities improve neural network
    acoustic models".

    Equation: eq-activations-leaky-relu
    """
    return relu(x, negative_slope=negative_slope)


@serializable
class ReLU(ActivationLayer):
    """The rectified linear unit as a layer; the rule is `relu`.

    Args:
        max_value: A number ≥ 0, or None for no bound.
        negative_slope: A number ≥ 0.
        threshold: A number ≥ 0.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Reference: Nair and Hinton, 2010, "Rectified linear units improve restricted
    Boltzmann machines".
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **kwargs):
        super().__init__(**kwargs)
        if max_value is not None:
            max_value = number_in("max_value", max_value, "[0, inf)")
        self.max_value = max_value
        self.negative_slope = number_in("negative_slope", negative_slope, "[0, inf)")
        self.threshold = number_in("threshold", threshold, "[0, inf)")

    def call(self, inputs):
        return relu(inputs, self.negative_slope, self.max_value, self.threshold)


@serializable
class LeakyReLU(ActivationLayer):
    """The leaky rectified linear unit as a layer; the rule is `leaky_relu`.

    Args:
        negative_slope: A number ≥ 0. Its default, 0.3, is that of Keras' layer; the
            function's is 0.2.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Reference: Maas et al., 2013, "Rectifier nonlinearities improve neural network
    acoustic models".
    """

    def __init__(self, negative_slope=0.3, **kwargs):
        super().__init__(**kwargs)
        self.negative_slope = number_in("negative_slope", negative_slope, "[0, inf)")

    def call(self, inputs):
        return leaky_relu(inputs, self.negative_slope)
