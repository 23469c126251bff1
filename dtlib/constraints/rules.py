"""The sets themselves, as functions that bring a weight back into them.

The chapter `regularizers` of the book explains it. Tests: tests/test_constraints.py.
"""

import math
from numbers import Integral

from keras import ops

from dtlib._wide import directions


def non_negative(w):
    """Set each negative weight to zero: w ← max(w, 0).

    Args:
        w: Weights, of any shape.

    Returns:
        A tensor like `w`; NaN stays NaN.

    Example:

    >>> import numpy as np
    >>> print(np.asarray(non_negative(np.array([-1.0, 2.0]))))
    [0. 2.]
    """
    w = ops.convert_to_tensor(w)
    return ops.where(w < 0, ops.zeros_like(w), w)


def weight_norms(w, *, axis):
    """The length ‖w‖₂ of each weight vector: what the constraints below act on.

    Args:
        w: Weights. A dense kernel is (in, out), a convolution's (*window, in, out).
        axis: The axes that one vector extends over: 0 for the weights into each unit
            of a dense kernel, (0, 1, 2) for each filter of a two-dimensional
            convolution, None for the whole tensor.

    Returns:
        A tensor without these axes, of at least 32 bits; squares do not overflow.

    Example: a kernel of 3 inputs and 2 units has 2 norms, not 3.

    >>> import numpy as np
    >>> w = np.array([[1.0, 0.0], [2.0, 3.0], [2.0, 4.0]])
    >>> print(np.asarray(weight_norms(w, axis=0)))
    [3. 5.]
    """
    w = ops.convert_to_tensor(w)
    axes = _axes_of(w, axis)
    _, n = directions([w], axes)
    return ops.squeeze(n, axis=axes)


def unit_norm(w, *, axis):
    """Give each weight vector the length 1: w ← w / ‖w‖.

    Args:
        w, axis: As in `weight_norms`.

    Returns:
        A tensor like `w`. A vector of zeros has no direction and stays zero.

    Example:

    >>> import numpy as np
    >>> w = np.array([[3.0, 0.0], [4.0, 0.0]])
    >>> print(np.asarray(unit_norm(w, axis=0)))
    [[0.6 0. ]
     [0.8 0. ]]

    Reference: Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868
    """
    w = ops.convert_to_tensor(w)
    (u,), _ = directions([w], _axes_of(w, axis))
    return ops.cast(u, w.dtype)


def max_norm(w, *, max_value, axis):
    """Shorten each weight vector to the length c if it is longer.

        w ← w · min(1, c / ‖w‖)

    This is the projection onto the ball of radius c: the nearest point inside. A
    vector inside stays as it is, to the last bit, and projecting twice is projecting
    once.

    Args:
        w, axis: As in `weight_norms`.
        max_value: c > 0.

    Returns:
        A tensor like `w`. A vector with an entry that is not finite becomes NaN.

    Example:

    >>> import numpy as np
    >>> w = np.array([[0.3, 3.0], [0.4, 4.0]])  # of norms 0.5 and 5
    >>> print(np.asarray(max_norm(w, max_value=1.0, axis=0)))
    [[0.3 0.6]
     [0.4 0.8]]

    Reference: Srivastava et al., 2014, section 5.1,
    https://jmlr.org/papers/v15/srivastava14a.html
    """
    return _rescaled(w, axis, lambda n: _between(n, 0, max_value))


def min_max_norm(w, *, min_value, max_value, rate, axis):
    """Bring the length of each weight vector towards an interval.

        p = w · clip(‖w‖, low, high) / ‖w‖      the projection
        w ← (1 − rate)·w + rate·p               a part of the way there

    Args:
        w, axis: As in `weight_norms`.
        min_value, max_value: low ≥ 0 and high ≥ low.
        rate: In (0, 1]; 1 goes all the way. Below 1, the distance of the length from
            the interval shrinks by 1 − rate at each call.

    Returns:
        A tensor like `w`. A vector of zeros has no direction and stays zero.

    Example:

    >>> import numpy as np
    >>> w = np.array([[0.3, 3.0], [0.4, 4.0]])  # of norms 0.5 and 5
    >>> bounds = dict(min_value=1.0, max_value=2.0)
    >>> half = min_max_norm(w, **bounds, rate=0.5, axis=0)
    >>> print(np.asarray(weight_norms(half, axis=0)).round(6))
    [0.75 3.5 ]
    """
    w = ops.convert_to_tensor(w)
    p = _rescaled(w, axis, lambda n: _between(n, min_value, max_value))
    return (1 - rate) * w + rate * p


def binding_share(w, *, max_value, axis, tolerance):
    """The share of weight vectors that a bound on the norm holds back.

    A constraint that never binds regularizes nothing, whatever its name promises.

    Args:
        w, max_value, axis: As in `max_norm`; `w` before or after the projection.
        tolerance: A vector counts from the length (1 − tolerance)·c upward: after
            the projection its length is c but for rounding. 1e-3 is ample.

    Returns:
        A scalar in [0, 1]; NaN if a norm is NaN.

    Example:

    >>> import numpy as np
    >>> w = np.array([[0.3, 3.0], [0.4, 4.0]])  # of norms 0.5 and 5
    >>> print(float(binding_share(w, max_value=2.0, axis=0, tolerance=1e-3)))
    0.5
    """
    n = weight_norms(w, axis=axis)
    held = ops.cast(n >= (1 - tolerance) * max_value, n.dtype)
    return ops.sum(ops.where(ops.isnan(n), n, held)) / max(math.prod(n.shape), 1)


def _between(n, low, high):
    """`n` cut to [low, high], in its own type, which `ops.clip` may narrow."""
    n = ops.where(n > high, high * ops.ones_like(n), n)
    return ops.where(n < low, low * ops.ones_like(n), n)


def _rescaled(w, axis, wanted):
    """`w`, each vector of norm n made as long as wanted(n)."""
    w = ops.convert_to_tensor(w)
    (u,), n = directions([w], _axes_of(w, axis))
    return ops.where(wanted(n) == n, w, ops.cast(u * wanted(n), w.dtype))


def checked_axis(axis, rank=math.inf):
    """`axis`, if it is None or one or several axes of a tensor of `rank` axes."""
    axes = axis if isinstance(axis, (list, tuple)) else (axis,)
    if axis is None or (
        axes
        and all(isinstance(a, Integral) and not isinstance(a, bool) for a in axes)
        and all(-rank <= a < rank for a in axes)
        and len({a if rank == math.inf else a % rank for a in axes}) == len(axes)
    ):
        return axis
    raise ValueError(
        f"`axis` must be None, or one or more different integers in [{-rank}, {rank}). "
        f"Received: axis={axis!r}."
    )


def _axes_of(w, axis):
    """The axes of `w` as a tuple, which every backend takes, or None."""
    checked_axis(axis, len(w.shape))
    return tuple(axis) if isinstance(axis, list) else axis
