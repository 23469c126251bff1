"""The numbers that describe a layer: each is one line of NumPy.

The chapter `diagnostics` of the book explains it. Tests: tests/test_diagnostics.py.
"""

import numpy as np

from dtlib.initializers import mean_square_slope


def rms(values):
    """Root mean square, √(mean of v²): the size of a typical entry.

    Args:
        values: Array of any shape.

    Returns:
        A float.

    >>> rms([[3.0, -3.0], [3.0, 3.0]])
    3.0

    Equation: eq-diagnostics-rms
    """
    return float(np.sqrt(np.mean(np.square(np.asarray(values, "float64")))))


def saturated(slope, *, largest, threshold):
    """Share of the entries where the activation is almost flat.

        mean over samples and units of [ |φ'(z)| ≤ threshold · max |φ'| ]

    Args:
        slope: Array of φ'(z).
        largest: max |φ'|: ¼ for the logistic function, 1 for tanh and ReLU.
        threshold: A number in [0, 1). At 0.19 the logistic function counts as saturated
            where its value is outside (0.05, 0.95).

    Returns:
        A float in [0, 1].

    >>> a = np.array([0.04, 0.06, 0.5, 0.96])
    >>> saturated(a * (1 - a), largest=0.25, threshold=0.19)
    0.5

    Equation: eq-diagnostics-saturated
    """
    return float(np.mean(np.abs(slope) <= threshold * largest))


def dead(slope):
    """Which units are flat for every sample: φ'(z) = 0 throughout, so none can learn.

    For ReLU that is z ≤ 0 for all samples; one sample with z > 0 and the unit lives.

    Args:
        slope: Array of φ'(z), units on the last axis (a convolution's channels).

    Returns:
        A boolean array, one a unit.

    >>> z = np.array([[-1.0, -1.0], [-2.0, 0.1]])
    >>> dead(z > 0).tolist()
    [True, False]

    Equation: eq-diagnostics-dead
    """
    slope = np.asarray(slope)
    return np.all(slope == 0, axis=tuple(range(slope.ndim - 1)))


def relative_change(before, after):
    """How far a weight went, next to its size: ‖after − before‖ / ‖before‖.

    A step of about 0.001 is a common target; far above it the weights are overwritten,
    far below they stand still.

    Args:
        before, after: Arrays of one shape.

    Returns:
        A float. From a weight of 0 it is inf, or 0 if nothing changed.

    >>> round(relative_change([3.0, 4.0], [3.0, 4.005]), 6)
    0.001

    Reference: A. Karpathy, notes to CS231n, "Ratio of weights:updates",
    https://cs231n.github.io/neural-networks-3/

    Equation: eq-diagnostics-update-ratio
    """
    before, after = np.asarray(before, "float64"), np.asarray(after, "float64")
    change, size = np.linalg.norm(after - before), np.linalg.norm(before)
    if size == 0:
        return 0.0 if change == 0 else float("inf")
    return float(change / size)


def gradient_factor(activation, *, z_std, fan_out, weight_std):
    """What one layer multiplies the gradient's rms by, on its way down.

        factor = √( fan_out · Var[w] · E[φ'(z)²] ),    z ~ N(0, z_std²)

    For N(0, 1) weights and a saturated logistic function z_std² ≈ n/2, and the factor
    is near √(√n / (6√π)): gradients vanish in narrow nets and grow in wide ones.

    Args:
        activation: The layer's φ, a Keras name or an elementwise function.
        z_std: Standard deviation of the layer's pre-activation.
        fan_out, weight_std: Of the kernel above, through which the gradient comes.

    Returns:
        A float.

    >>> for n in (10, 100, 300):
    ...     factor = gradient_factor(
    ...         "sigmoid", z_std=(n / 2) ** 0.5, fan_out=n, weight_std=1.0
    ...     )
    ...     print(n, round(factor, 2))
    10 0.52
    100 0.96
    300 1.27

    Equation: eq-diagnostics-gradient-factor
    """
    return float(
        np.sqrt(fan_out * weight_std**2 * mean_square_slope(activation, std=z_std))
    )
