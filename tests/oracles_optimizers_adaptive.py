"""The adaptive optimizers in float64 NumPy, a line for each line of their papers.

Each takes the start and the gradients of all steps, and returns the weights after each.
Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import numpy as np


def _path(w, grads, step):
    """The weights after each step, `step(w, g, t)` being what to subtract."""
    w, path = np.array(w, "float64"), []
    for t, g in enumerate(np.asarray(grads, "float64"), start=1):
        w = w - step(w, g, t)
        path.append(w)
    return np.array(path)


def adam(
    w, grads, *, learning_rate, beta_1, beta_2, epsilon, weight_decay=0.0, hat=False
):
    """Kingma and Ba, Algorithm 1; with `hat`, the form before their section 2.1."""
    m, v = np.zeros_like(w), np.zeros_like(w)

    def step(w, g, t):
        nonlocal m, v
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        if hat:
            alpha_t = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            return alpha_t * m / (np.sqrt(v) + epsilon)
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        decay = learning_rate * weight_decay * w
        return learning_rate * m_hat / (np.sqrt(v_hat) + epsilon) + decay

    return _path(w, grads, step)


def amsgrad(w, grads, *, learning_rate, beta_1, beta_2, epsilon, form="keras"):
    """Reddi et al., Algorithm 2 ("paper"), and the two ways to correct it.

    Keras and PyTorch correct the largest v, Optax takes the largest corrected v.
    """
    m, v, largest = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)

    def step(w, g, t):
        nonlocal m, v, largest
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        largest = np.maximum(largest, v / (1 - beta_2**t) if form == "optax" else v)
        if form == "paper":
            return learning_rate * m / np.sqrt(largest)
        v_hat = largest / (1 - beta_2**t) if form == "keras" else largest
        return learning_rate * (m / (1 - beta_1**t)) / (np.sqrt(v_hat) + epsilon)

    return _path(w, grads, step)


def adamw(w, grads, *, eta, alpha, beta_1, beta_2, epsilon, decay):
    """Loshchilov and Hutter, Algorithm 2: `eta` multiplies both, `alpha` only Adam."""
    m, v = np.zeros_like(w), np.zeros_like(w)

    def step(w, g, t):
        nonlocal m, v
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g * g
        m_hat = m / (1 - beta_1**t)
        v_hat = v / (1 - beta_2**t)
        return eta * (alpha * m_hat / (np.sqrt(v_hat) + epsilon) + decay * w)

    return _path(w, grads, step)


def adamax(w, grads, *, learning_rate, beta_1, beta_2, epsilon):
    """Kingma and Ba, Algorithm 2, with ε beside u."""
    m, u = np.zeros_like(w), np.zeros_like(w)

    def step(w, g, t):
        nonlocal m, u
        m = beta_1 * m + (1 - beta_1) * g
        u = np.maximum(beta_2 * u, np.abs(g))
        return learning_rate / (1 - beta_1**t) * m / (u + epsilon)

    return _path(w, grads, step)


def momenta(n, beta_1, decay):
    """Dozat's μ₁ ... μₙ."""
    return beta_1 * (1 - 0.5 * 0.96 ** (decay * np.arange(1, n + 1)))


def nadam(
    w,
    grads,
    *,
    learning_rate,
    beta_1,
    beta_2,
    epsilon,
    momentum_decay,
    report=False,
):
    """Nadam as Keras and PyTorch have it, or as Dozat's report prints it."""
    mu = momenta(len(grads) + 1, beta_1, momentum_decay)
    m, n = np.zeros_like(w), np.zeros_like(w)

    def step(w, g, t):
        nonlocal m, n
        now, following = mu[t - 1], mu[t]
        kept = now if report else beta_1
        m = kept * m + (1 - kept) * g
        n = beta_2 * n + (1 - beta_2) * g * g
        m_hat = following * m / (1 - mu[: t + 1].prod())
        m_hat = m_hat + (1 - now) * g / (1 - mu[:t].prod())
        n_hat = (beta_2 if report else 1) * n / (1 - beta_2**t)
        return learning_rate / (np.sqrt(n_hat) + epsilon) * m_hat

    return _path(w, grads, step)


def lion(w, grads, *, learning_rate, beta_1, beta_2):
    """Chen et al., Algorithm 2, without its weight decay."""
    m = np.zeros_like(w)

    def step(w, g, t):
        nonlocal m
        c = beta_1 * m + (1 - beta_1) * g
        m = beta_2 * m + (1 - beta_2) * g
        return learning_rate * np.sign(c)

    return _path(w, grads, step)


def lifted(x, steps, coefficients):
    """A singular value after `steps` of a·x + b·x³ + c·x⁵."""
    a, b, c = coefficients
    for _ in range(steps):
        x = a * x + b * x**3 + c * x**5
    return x


def orthogonalized(g, steps, coefficients):
    """Newton and Schulz' iteration by a singular value decomposition instead."""
    u, s, vt = np.linalg.svd(np.asarray(g, "float64"), full_matrices=False)
    norm = np.sqrt((s**2).sum(-1, keepdims=True))
    s = lifted(s / (norm + 1e-7), steps, coefficients)
    return u * s[..., None, :] @ vt


def muon(
    w,
    grads,
    *,
    learning_rate,
    momentum,
    nesterov,
    steps,
    coefficients,
    rms_rate,
    weight_decay=0.0,
):
    """Jordan et al., with the scale of Liu et al., section 2.2."""
    m = np.zeros_like(w)
    scale = 1.0 if rms_rate is None else rms_rate * np.sqrt(max(w.shape))

    def step(w, g, t):
        nonlocal m
        m = momentum * m + (1 - momentum) * g
        d = momentum * m + (1 - momentum) * g if nesterov else m
        o = orthogonalized(d, steps, coefficients)
        return learning_rate * (scale * o + weight_decay * w)

    return _path(w, grads, step)
