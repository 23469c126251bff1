"""What an activation leaves of a Gaussian signal and of its gradient, by quadrature.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

import math

import numpy as np
from keras import activations, ops

from dtlib._check import number_in


def mean_square(activation, *, std):
    """How much of a signal an activation leaves: E[φ(z)²] for z ~ N(0, std²).

    By Gauss-Legendre quadrature in panels, so a kink at a multiple of ½ costs nothing.

    Args:
        activation: A Keras name, or an elementwise function φ of a tensor.
        std: Standard deviation of the pre-activation, a number > 0.

    Returns:
        A float. ReLU discards half:

    >>> round(mean_square("relu", std=3.0) / 3.0**2, 6)
    0.5

    Equation: eq-initializers-mean-square
    """
    z, weight, phi = _quadrature(activation, std)
    return float(weight @ phi(z) ** 2)


def mean_square_slope(activation, *, std):
    """How much of a gradient an activation leaves: E[φ'(z)²] for z ~ N(0, std²).

    The slope is a central difference, so it needs a backend that has float64.

    Args:
        activation, std: As in `mean_square`.

    Returns:
        A float. The logistic function, whose slope is at most ¼, leaves 4 %:

    >>> round(mean_square_slope("sigmoid", std=1.0), 3)
    0.045

    Equation: eq-initializers-mean-square-slope
    """
    z, weight, phi = _quadrature(activation, std)
    h = 1e-4 * min(1.0, std)
    return float(weight @ ((phi(z + h) - phi(z - h)) / (2 * h)) ** 2)


def forward_gain(activation):
    """The `scale`, with `mode="fan_in"`, that keeps a signal's mean square.

        scale = 1 / E[φ(z)²],    z ~ N(0, 1)

    The activation leaves φ(z) with a mean square of 1/scale; the next layer's z has 1.

    Args:
        activation: As in `mean_square`.

    Returns:
        A float. He's 2 is the answer for ReLU, LeCun's 1 for SELU, made for it:

    >>> [round(forward_gain(name), 4) for name in ("linear", "relu", "selu")]
    [1.0, 2.0, 1.0]

    Equation: eq-initializers-forward-gain
    """
    return 1 / mean_square(activation, std=1.0)


def backward_gain(activation):
    """The `scale`, with `mode="fan_out"`, that keeps a gradient's mean square.

        scale = 1 / E[φ'(z)²],    z ~ N(0, 1)

    Args:
        activation: As in `mean_square`.

    Returns:
        A float. ReLU asks the same in both directions; the logistic function does not:

    >>> [round(gain("sigmoid"), 1) for gain in (forward_gain, backward_gain)]
    [3.4, 22.3]

    Equation: eq-initializers-backward-gain
    """
    return 1 / mean_square_slope(activation, std=1.0)


def _quadrature(activation, std):
    """Nodes, their weights under N(0, std²), and φ on float64 NumPy arrays."""
    std = number_in("std", std, "(0, inf)")
    panel = min(0.5, std / 2)
    panels = math.ceil(12 * std / panel)  # beyond 12 std the density is below 1e-31
    left = panel * np.arange(-panels, panels)
    node, weight = np.polynomial.legendre.leggauss(16)
    z = (left[:, None] + panel * (node + 1) / 2).ravel()
    density = np.exp(-((z / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))
    weight = np.tile(panel / 2 * weight, 2 * panels) * density
    function = activations.get(activation)

    def phi(z):
        return ops.convert_to_numpy(function(ops.convert_to_tensor(z, "float64")))

    if not np.allclose(phi(z)[:3], phi(z[:3]), rtol=1e-6, atol=0):
        raise ValueError(
            f"`activation` must act on each element by itself. Received: "
            f"activation={activation!r}."
        )
    return z, weight, phi
