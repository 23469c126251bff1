"""The normalizations in float64 NumPy, features last, a line for a line of the papers.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import numpy as np


def batch_norm(x, gamma, beta, epsilon):
    """Ioffe and Szegedy, Algorithm 1: x of shape (m, features) → (y, μ, σ²)."""
    x = np.asarray(x, "float64")
    m = len(x)
    mu = sum(x[i] for i in range(m)) / m
    sigma2 = sum((x[i] - mu) ** 2 for i in range(m)) / m
    x_hat = (x - mu) / np.sqrt(sigma2 + epsilon)
    return gamma * x_hat + beta, mu, sigma2


def batch_norm_gradients(dy, x, gamma, epsilon):
    """Ioffe and Szegedy, section 3: the six lines of the chain rule."""
    _, mu, sigma2 = batch_norm(x, 1, 0, epsilon)
    m = len(x)
    x_hat = (x - mu) / np.sqrt(sigma2 + epsilon)
    dx_hat = dy * gamma
    dsigma2 = (dx_hat * (x - mu)).sum(0) * -0.5 * (sigma2 + epsilon) ** -1.5
    dmu = -dx_hat.sum(0) / np.sqrt(sigma2 + epsilon) + dsigma2 * (-2 * (x - mu)).mean(0)
    dx = dx_hat / np.sqrt(sigma2 + epsilon) + dsigma2 * 2 * (x - mu) / m + dmu / m
    dgamma = (dy * x_hat).sum(0)
    dbeta = dy.sum(0)
    return dx, dgamma, dbeta


def masked_statistics(x, keep):
    """Mean and variance of the rows of x (m, features) that `keep` (m,) names."""
    rows = np.asarray(x, "float64")[keep]
    return rows.mean(0), rows.var(0)


def layer_norm(x, gamma, beta, epsilon):
    """Ba et al., equations 3 and 4, with ε: x of shape (samples, H)."""
    x = np.asarray(x, "float64")
    y = np.empty_like(x)
    for i, a in enumerate(x):
        mu = a.sum() / len(a)
        sigma2 = ((a - mu) ** 2).sum() / len(a)
        y[i] = gamma / np.sqrt(sigma2 + epsilon) * (a - mu) + beta
    return y


def layer_norm_gradients(dy, x, gamma, epsilon):
    """By the Jacobian of one sample: ∂x̂ᵢ/∂xⱼ = (δᵢⱼ − 1/H − x̂ᵢx̂ⱼ/H) / s."""
    x_hat = layer_norm(x, 1, 0, epsilon)
    h = x.shape[1]
    dx = np.empty_like(x_hat)
    for i in range(len(x)):
        s = np.sqrt(x[i].var() + epsilon)
        jacobian = (np.eye(h) - 1 / h - np.outer(x_hat[i], x_hat[i]) / h) / s
        dx[i] = (gamma * dy[i]) @ jacobian
    return dx, (dy * x_hat).sum(0), dy.sum(0)


def running(values, start, momentum):
    """The running average after all `values`, as the weighted sum that it is."""
    t = len(values)
    weights = [(1 - momentum) * momentum ** (t - 1 - i) for i in range(t)]
    seen = sum(w * v for w, v in zip(weights, values, strict=True))
    return momentum**t * start + seen


def batch_renorm(x, gamma, beta, state, epsilon, momentum, rmin, rmax, dmax):
    """Ioffe, 2017, Algorithm 1: → (y, (μ, σ)), with the running μ and σ as state."""
    mu, sigma = state
    mu_b = x.mean(0)
    sigma_b = np.sqrt(epsilon + ((x - mu_b) ** 2).mean(0))
    r = np.clip(sigma_b / sigma, rmin, rmax)
    d = np.clip((mu_b - mu) / sigma, -dmax, dmax)
    x_hat = (x - mu_b) / sigma_b * r + d
    alpha = 1 - momentum
    state = mu + alpha * (mu_b - mu), sigma + alpha * (sigma_b - sigma)
    return gamma * x_hat + beta, state
