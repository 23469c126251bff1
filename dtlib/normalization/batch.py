"""Batch normalization: each feature gets the mean and spread that the network wants.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

from keras import ops

from dtlib._wide import wide
from dtlib.normalization import _base
from dtlib.normalization._base import axes_of, like, others, scale_and_shift


def batch_statistics(x, mask=None, *, axis, synchronized=False):
    """The mean and the biased variance of each feature over the batch.

        μ = (1/m) Σᵢ xᵢ          σ² = (1/m) Σᵢ (xᵢ − μ)²

    The m values of a feature are those of all samples and, in an image, of all places.

    Args:
        x: A tensor of at least 2 axes.
        mask: None, or True where a value counts; shaped as `x` without its last axis.
            With nothing to count, both statistics are 0.
        axis: The axis of the features, an int.
        synchronized: Whether m runs over all replicas of a `tf.distribute` strategy,
            not over this one alone. Only on the TensorFlow backend.

    Returns:
        `(mean, variance)`, each of shape (features,), in float32 at least.

    Example: the second feature is the first in other units, and its statistics say so.

    >>> import numpy as np
    >>> mean, variance = batch_statistics(np.array([[1.0, 100], [3, 300]]), axis=-1)
    >>> print(np.array(mean), np.array(variance))
    [  2. 200.] [1.e+00 1.e+04]

    Reference: Ioffe and Szegedy, 2015, Algorithm 1,
    https://proceedings.mlr.press/v37/ioffe15.html

    Equation: eq-normalization-moments
    """
    x = wide(x)
    axes = others(axes_of(axis, len(x.shape)), len(x.shape))

    def average(values):
        if synchronized:
            return ops.moments(values, axes, keepdims=True, synchronized=True)[0]
        return ops.mean(values, axes, keepdims=True)

    if mask is None:
        mean = average(x)
        variance = average(ops.square(x - mean))
    else:
        keep = _beside(mask, x)
        share = average(ops.cast(keep, x.dtype))
        share = ops.where(share > 0, share, 1)
        mean = average(ops.where(keep, x, 0)) / share
        variance = average(ops.square(ops.where(keep, x - mean, 0))) / share
    return ops.reshape(mean, (-1,)), ops.reshape(variance, (-1,))


def batch_norm(x, gamma, beta, mean, variance, *, axis, epsilon):
    """Standardize each feature by given statistics, then scale and shift it.

        x̂ = (x − μ) / √(σ² + ε)          y = γ·x̂ + β

    In training μ and σ² are those of the batch (`batch_statistics`), at inference the
    running averages (`update_running`).

    Args:
        x: A tensor with features along `axis`.
        gamma, beta: γ and β, shape (features,); None stands for 1 and 0.
        mean, variance: μ and σ², shape (features,).
        axis: The axis of the features, an int.
        epsilon: ε > 0, added to the variance, inside the root.

    Returns:
        y, of the shape and type of `x`, computed in float32 at least.

    Example: γ and β become the feature's standard deviation and mean, whatever they
    were before.

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0], [8.0]])
    >>> y = batch_norm(
    ...     x, [2.0], [5.0], *batch_statistics(x, axis=-1), axis=-1, epsilon=1e-9
    ... )
    >>> print(np.round(np.mean(y), 6), np.round(np.std(y), 6))
    5.0 2.0

    Reference: Ioffe and Szegedy, 2015, Algorithm 1,
    https://proceedings.mlr.press/v37/ioffe15.html

    Equation: eq-normalization-normalize
    """
    z = wide(x)
    axes = axes_of(axis, len(z.shape))
    mean, variance = (_base.spread(w, z, axes) for w in (mean, variance))
    x_hat = (z - mean) * ops.rsqrt(variance + epsilon)
    return like(scale_and_shift(x_hat, gamma, beta, axes), x)


def batch_norm_gradients(dy, x, gamma, *, axis, epsilon):
    """The backward pass of `batch_norm` in training, where μ and σ² depend on x.

    With x̂ as in `batch_norm` and means over the m values of a feature:

        dβ = Σ dy
        dγ = Σ dy·x̂
        dx = γ/√(σ² + ε) · [dy − mean(dy) − x̂·mean(dy·x̂)]

    The two means are what the batch takes back: no gradient is left for shifting all
    of a feature's values, and next to none for stretching them.

    Args:
        dy: The loss's gradient with respect to y, of the shape of `x`.
        x: The input.
        gamma: γ, shape (features,), or None for 1.
        axis: The axis of the features, an int.
        epsilon: ε, as in the forward pass.

    Returns:
        `(dx, dgamma, dbeta)`: of the shape and type of `x`, and twice of shape
        (features,), in float32 at least.

    Example: asking every output to rise moves no input, since the mean is taken off.

    >>> import numpy as np
    >>> x = np.array([[1.0], [3.0], [8.0]])
    >>> dx, dgamma, dbeta = batch_norm_gradients(
    ...     np.ones((3, 1)), x, [2.0], axis=-1, epsilon=1e-3
    ... )
    >>> print(np.abs(dx).max() < 1e-12, np.array(dbeta))
    True [3.]

    Reference: Ioffe and Szegedy, 2015, section 3,
    https://proceedings.mlr.press/v37/ioffe15.html

    Equation: eq-normalization-backward
    """
    rank = len(ops.shape(x))
    kept = axes_of(axis, rank)
    return _base.gradients(dy, x, gamma, others(kept, rank), kept, epsilon)


def update_running(running, batch, *, momentum):
    """One step of a running average, for use at inference.

        r ← momentum·r + (1 − momentum)·b

    Here momentum weighs the old value. From 0, after t batches of one mean, r has come
    1 − momentumᵗ of the way.

    Args:
        running: r, of any shape.
        batch: b, the new batch's mean or variance, of the same shape.
        momentum: In [0, 1].

    Returns:
        The new r, in the type of `batch`.

    Example: a run of 50 steps leaves a momentum of 0.99 far behind a mean of 5.

    >>> r = 0.0
    >>> for _ in range(50):
    ...     r = update_running(r, 5.0, momentum=0.99)
    >>> print(f"{float(r):.3f}")
    1.975

    Reference: Ioffe and Szegedy, 2015, section 3.1,
    https://proceedings.mlr.press/v37/ioffe15.html

    Equation: eq-normalization-running
    """
    batch = ops.convert_to_tensor(batch)
    return momentum * ops.cast(running, batch.dtype) + (1 - momentum) * batch


def _beside(mask, x):
    """`mask`, which has all axes of `x` but the last, spread over `x`."""
    if len(mask.shape) != len(x.shape) - 1:
        raise ValueError(
            "`mask` must have the shape of the input without its last axis. Received: "
            f"a mask of shape {tuple(mask.shape)}, an input of shape {tuple(x.shape)}."
        )
    return ops.broadcast_to(ops.cast(mask, "bool")[..., None], ops.shape(x))
