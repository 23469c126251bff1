"""Optimizers in float64 NumPy, a line for each line of their papers.

Each takes a start, the gradients one after the other, and the paper's letters, and
returns the path of the weights. Nothing here may import dtlib: an oracle cannot share
code with what it judges.
"""

import numpy as np


def _f64(start, grads):
    return np.array(start, "float64"), np.asarray(grads, "float64")


def gradient_descent(start, grads, alpha):
    w, grads = _f64(start, grads)
    return np.array([w := w - alpha * g for g in grads])


def momentum(start, grads, alpha, beta):
    """Sutskever et al., 2013, eq. 1-2."""
    w, grads = _f64(start, grads)
    v, path = np.zeros_like(w), []
    for g in grads:
        v = beta * v - alpha * g
        w = w + v
        path.append(w)
    return np.array(path)


def nesterov(start, gradient, steps, alpha, beta):
    """Sutskever et al., 2013, eq. 3-4: `gradient` is a function, asked at w + βv.

    Returns the path of w and that of w + βv, the point ahead.
    """
    w = np.array(start, "float64")
    v, path, ahead = np.zeros_like(w), [], []
    for _ in range(steps):
        v = beta * v - alpha * gradient(w + beta * v)
        w = w + v
        path.append(w)
        ahead.append(w + beta * v)
    return np.array(path), np.array(ahead)


def nesterov_of_gradients(start, grads, alpha, beta):
    """The point ahead, for gradients that are given whatever it is."""
    given = iter(np.asarray(grads, "float64"))
    return nesterov(start, lambda ahead: next(given), len(grads), alpha, beta)[1]


def adagrad(start, grads, alpha, first, epsilon):
    """Duchi et al., 2011, Figure 1: the norm of all gradients so far, by coordinate.

    Here `first` counts as the square of a gradient before step 1, and so does ε.
    """
    w, grads = _f64(start, grads)
    path = []
    for t, g in enumerate(grads, 1):
        seen = np.concatenate([np.full((1, *w.shape), np.sqrt(first)), grads[:t]])
        w = w - alpha * g / np.sqrt((seen**2).sum(0) + epsilon)
        path.append(w)
    return np.array(path)


def rmsprop(start, grads, alpha, rho, epsilon, beta=0.0, centered=False):
    """Graves, 2013, eq. 38-41; the averages as the sums they are."""
    w, grads = _f64(start, grads)
    b, path = np.zeros_like(w), []
    for t, g in enumerate(grads, 1):
        ages = np.arange(t - 1, -1, -1)
        weights = ((1 - rho) * rho**ages).reshape(-1, *[1] * w.ndim)
        n = (weights * grads[:t] ** 2).sum(0)
        mean = (weights * grads[:t]).sum(0) if centered else 0.0
        b = beta * b + alpha * g / np.sqrt(n - mean**2 + epsilon)
        w = w - b
        path.append(w)
    return np.array(path)


def ftrl(start, grads, alpha, beta, lambda_1, lambda_2, first=0.0, power=0.5, shrink=0):
    """McMahan et al., 2013, Algorithm 1, one coordinate after the other.

    The paper has first = 0, power = ½, shrink = 0, and starts at w = 0.
    """
    w, grads = _f64(start, grads)
    path = np.empty_like(grads)
    for i in np.ndindex(w.shape):
        z, n, w_i = 0.0, first, w[i]
        for t, g in enumerate(grads):
            g_i = g[i]
            sigma = ((n + g_i**2) ** power - n**power) / alpha
            z += g_i + shrink * w_i - sigma * w_i
            n += g_i**2
            if abs(z) <= lambda_1:
                w_i = 0.0
            else:
                rate = 1 / ((beta + n**power) / alpha + lambda_2)
                w_i = -rate * (z - np.sign(z) * lambda_1)
            path[(t, *i)] = w_i
    return path
