"""Batch renormalization: batch norm that trains with nearly what it infers with.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

from keras import ops

from dtlib.normalization.batch import batch_norm, update_running


def renorm_correction(
    mean, variance, renorm_mean, renorm_stddev, *, epsilon, rmin, rmax, dmax
):
    """How far a batch's statistics are from their running averages, within bounds.

        s = √(σ² + ε)                      of the batch
        R = max(running s, √ε)
        r = clip(s / R, rmin, rmax)
        d = clip((μ − running μ) / R, −dmax, dmax)

    Without bounds, x̂·r + d is x standardized by the running averages. No gradient
    passes through r and d.

    Args:
        mean, variance: μ and σ² of the batch, shape (features,).
        renorm_mean, renorm_stddev: Running averages of μ and of s.
        epsilon: ε > 0.
        rmin, rmax, dmax: Bounds; None for none.

    Returns:
        `(r, d)`, each of shape (features,).

    Example: a batch that the averages describe needs no correction.

    >>> r, d = renorm_correction(
    ...     [5.0], [3.999], [5.0], [2.0], epsilon=1e-3, rmin=0, rmax=3, dmax=5
    ... )
    >>> print(f"{float(r[0]):.3f} {float(d[0]):.3f}")
    1.000 0.000

    Reference: Ioffe, 2017, Algorithm 1, https://arxiv.org/abs/1702.03275
    """
    mean, variance = map(ops.convert_to_tensor, (mean, variance))
    running, big_r = (ops.cast(w, mean.dtype) for w in (renorm_mean, renorm_stddev))
    big_r = ops.maximum(big_r, epsilon**0.5)
    r = ops.sqrt(variance + epsilon) / big_r
    d = (mean - running) / big_r
    if rmin is not None:
        r = ops.maximum(r, rmin)
    if rmax is not None:
        r = ops.minimum(r, rmax)
    if dmax is not None:
        d = ops.clip(d, -dmax, dmax)
    return ops.stop_gradient(r), ops.stop_gradient(d)


def batch_renorm(x, gamma, beta, mean, variance, r, d, *, axis, epsilon):
    """Batch norm, corrected toward the running averages: y = γ·(x̂·r + d) + β.

    Args:
        x, gamma, beta, mean, variance: As in `batch_norm`.
        r, d: The corrections of `renorm_correction`, shape (features,).
        axis, epsilon: As in `batch_norm`.

    Returns:
        y, of the shape and type of `x`.

    Reference: Ioffe, 2017, Algorithm 1, https://arxiv.org/abs/1702.03275
    """
    corrected = {"axis": axis, "epsilon": epsilon}
    if gamma is not None:
        gamma = ops.cast(gamma, r.dtype)
        r, d = gamma * r, gamma * d
    if beta is not None:
        d = d + ops.cast(beta, d.dtype)
    return batch_norm(x, r, d, mean, variance, **corrected)


def update_renorm(
    mean,
    variance,
    renorm_mean,
    renorm_stddev,
    moving_mean,
    moving_stddev,
    *,
    renorm_momentum,
    momentum,
    epsilon,
):
    """One step of the five averages that batch renormalization keeps.

    Two are for the correction, with a momentum of their own; the others for inference.
    The standard deviation s = √(σ² + ε) is averaged, not the variance.

    Args:
        mean, variance: μ and σ² of the batch, shape (features,).
        renorm_mean, renorm_stddev: Averages for `renorm_correction`.
        moving_mean, moving_stddev: Averages for inference.
        renorm_momentum, momentum: The weights of their old values.
        epsilon: ε > 0.

    Returns:
        The new `(renorm_mean, renorm_stddev, moving_mean, moving_stddev)` and, as the
        fifth, the moving variance, moving_stddev² − ε or 0 if that is negative.

    Reference: Ioffe, 2017, Algorithm 1, https://arxiv.org/abs/1702.03275
    """
    mean, variance = map(ops.convert_to_tensor, (mean, variance))
    s = ops.sqrt(variance + epsilon)
    renorm_mean = update_running(renorm_mean, mean, momentum=renorm_momentum)
    renorm_stddev = update_running(renorm_stddev, s, momentum=renorm_momentum)
    moving_mean = update_running(moving_mean, mean, momentum=momentum)
    moving_stddev = update_running(moving_stddev, s, momentum=momentum)
    moving_variance = ops.relu(ops.square(moving_stddev) - epsilon)
    return renorm_mean, renorm_stddev, moving_mean, moving_stddev, moving_variance
