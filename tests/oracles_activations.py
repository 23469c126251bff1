"""The activations in float64 NumPy, a line for each line of their definition.

Each `name` has its derivative in `name_slope`; at a kink that is the slope on the left.
Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import numpy as np
from scipy.special import erf, erfc


def linear(x):
    return x


def linear_slope(x):
    return np.ones_like(x)


def sigmoid(x):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def sigmoid_slope(x):
    return sigmoid(x) * sigmoid(-x)


def tanh(x):
    with np.errstate(over="ignore", invalid="ignore"):
        up, down = np.exp(x), np.exp(-x)
        return np.where(abs(x) > 300, np.sign(x), (up - down) / (up + down))


def tanh_slope(x):
    with np.errstate(over="ignore"):
        return 1 / np.cosh(x) ** 2


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def log_softmax(x, axis=-1):
    top = x.max(axis, keepdims=True)
    return x - top - np.log(np.exp(x - top).sum(axis, keepdims=True))


def softmax_jacobian(x):
    """∂pᵢ/∂xⱼ of one vector."""
    p = softmax(x)
    return np.diag(p) - np.outer(p, p)


def relu(x, negative_slope=0.0, max_value=np.inf, threshold=0.0):
    with np.errstate(invalid="ignore"):
        left = 0.0 if negative_slope == 0 else negative_slope * (x - threshold)
    return np.where(x > threshold, np.minimum(x, max_value), left)


def relu_slope(x, negative_slope=0.0, max_value=np.inf, threshold=0.0):
    return np.where(x <= threshold, negative_slope, np.where(x <= max_value, 1.0, 0.0))


def leaky_relu(x, negative_slope=0.2):
    return np.where(x > 0, x, negative_slope * x)


def leaky_relu_slope(x, negative_slope=0.2):
    return np.where(x > 0, 1.0, negative_slope)


def elu(x, alpha=1.0):
    with np.errstate(over="ignore"):
        return np.where(x > 0, x, alpha * np.expm1(x))


def elu_slope(x, alpha=1.0):
    with np.errstate(over="ignore"):
        return np.where(x > 0, 1.0, alpha * np.exp(x))


def selu_constants():
    """α and λ of Klambauer et al., 2017, equation 14, for mean 0 and variance 1."""
    e, pi = np.e, np.pi
    c1, c2 = erfc(1 / np.sqrt(2)), erfc(np.sqrt(2))
    alpha = -np.sqrt(2 / pi) / (c1 * np.exp(1 / 2) - 1)
    root = 2 * c2 * e**2 + pi * c1**2 * e - 2 * (2 + pi) * c1 * np.sqrt(e) + pi + 2
    return alpha, (1 - c1 * np.sqrt(e)) * np.sqrt(2 * pi) / np.sqrt(root)


def selu(x):
    alpha, scale = selu_constants()
    return scale * elu(x, alpha)


def selu_slope(x):
    alpha, scale = selu_constants()
    return scale * elu_slope(x, alpha)


def softplus(x):
    return np.logaddexp(0, x)


def softplus_slope(x):
    return sigmoid(x)


def gelu(x, approximate=False):
    if approximate:
        inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        return 0.5 * x * (1 + np.tanh(inner))
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def gelu_slope(x, approximate=False):
    if approximate:
        inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
        rate = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2)
        return 0.5 * (1 + np.tanh(inner)) + 0.5 * x * tanh_slope(inner) * rate
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    return 0.5 * (1 + erf(x / np.sqrt(2))) + x * density


def silu(x):
    return x * sigmoid(x)


def silu_slope(x):
    return sigmoid(x) + x * sigmoid_slope(x)


def mish(x):
    return x * np.tanh(softplus(x))


def mish_slope(x):
    t = np.tanh(softplus(x))
    return t + x * (1 - t**2) * sigmoid(x)


def prelu(x, alpha):
    """He et al., 2015, equation 1, element by element."""
    x, alpha = np.broadcast_arrays(x, alpha)
    return np.array(
        [y if y > 0 else a * y for y, a in zip(x.flat, alpha.flat, strict=True)]
    ).reshape(x.shape)


def rrelu_at_test_of_the_paper(x, low, high):
    """Xu et al., 2015: x over the mean of divisors drawn from U(low, high)."""
    return np.where(x > 0, x, x / ((low + high) / 2))
