"""Transfer by hand: loops over indices in float64, and a training in NumPy."""

import math

import numpy as np


def kernel_from_torch(weight):
    """K[window…, i, o] = W[o, i, window…], index by index."""
    weight = np.asarray(weight)
    outputs, inputs, *window = weight.shape
    found = np.empty((*window, inputs, outputs), weight.dtype)
    for o in range(outputs):
        for i in range(inputs):
            for at in np.ndindex(*window):
                found[(*at, i, o)] = weight[(o, i, *at)]
    return found


def flatten_order(height, width, channels):
    """Where (c, h, w) stands in PyTorch's flattening, in the order of Keras'."""
    return [
        (c * height + h) * width + w
        for h in range(height)
        for w in range(width)
        for c in range(channels)
    ]


def convolution(x, weight, bias):
    """PyTorch's convolution by its definition; x (C, H, W), weight (O, C, K, L)."""
    outputs, _, k, m = weight.shape
    _, height, width = x.shape
    found = np.zeros((outputs, height - k + 1, width - m + 1))
    for o in range(outputs):
        for i in range(found.shape[1]):
            for j in range(found.shape[2]):
                found[o, i, j] = (x[:, i : i + k, j : j + m] * weight[o]).sum() + bias[
                    o
                ]
    return found


def error_ratio(a, b, n, z):
    """Of two independent proportions: the delta method on log(a/n) − log(b/n)."""
    p, q = a / n, b / n
    deviation = math.sqrt((1 - p) / (n * p) + (1 - q) / (n * q))
    low, high = (math.log(p / q) + side * z * deviation for side in (-1, 1))
    return p / q, math.exp(low), math.exp(high)


def train_last(hidden, kernel, bias, x, y, batches, rate):
    """Gradient descent on the mean square of a linear layer on frozen tanh layers.

    `hidden` is a list of (kernel, bias). Returns the trained kernel and bias.
    """
    for w, b in hidden:
        x = np.tanh(x @ w + b)
    for rows in batches:
        error = x[rows] @ kernel + bias - y[rows]
        slope = 2 * error / error.size
        kernel = kernel - rate * x[rows].T @ slope
        bias = bias - rate * slope.sum(0)
    return kernel, bias
