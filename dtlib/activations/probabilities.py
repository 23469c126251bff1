"""Softmax: scores become shares of one.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

import math
import warnings

from keras import backend, ops

from dtlib._check import integer_in
from dtlib._register import serializable
from dtlib.activations._base import ActivationLayer, floating, remember_logits


@serializable
def softmax(x, axis=-1):
    """The shares of eˣ: positive numbers that sum to 1.

        pᵢ = e^xᵢ / Σⱼ e^xⱼ          ∂pᵢ/∂xⱼ = pᵢ ([i = j] − pⱼ)

    The same number added to every x changes nothing, so the greatest x is subtracted
    first, and no exponential overflows. Equal scores give equal shares.

    Args:
        x: Logits, a tensor of at least 1 axis. −inf means a share of 0.
        axis: The axis that sums to 1, or a tuple of axes.

    Returns:
        A tensor like `x`. It carries `x` as its logits, as Keras' own does, so that a
        cross-entropy can be taken of them. Where every x is −inf it is NaN.

    Raises:
        ValueError: when `x` has no such axis.

    Example:

    >>> import numpy as np
    >>> print(np.round(softmax(np.array([1e4, 1e4 + 1, -np.inf])), 3))
    [0.269 0.731 0.   ]

    Reference: Bridle, 1990, "Probabilistic interpretation of feedforward classification
    network outputs".

    Equation: eq-activations-softmax
    """
    x = _with_axes(x, axis)
    if isinstance(axis, int) and x.shape[axis] == 1:
        warnings.warn(
            f"A softmax over 1 score is 1 whatever the score: x.shape={x.shape}, "
            f"axis={axis}. For one probability use `sigmoid`.",
            stacklevel=2,
        )
    e = ops.exp(_shifted(x, axis))
    return remember_logits(e / ops.sum(e, axis=axis, keepdims=True), x)


@serializable
def log_softmax(x, axis=-1):
    """The logarithm of `softmax`, finite where the share itself rounds to 0.

        log pᵢ = xᵢ − log Σⱼ e^xⱼ          ∂ log pᵢ/∂xⱼ = [i = j] − pⱼ

    Args:
        x: Logits, a tensor of at least 1 axis.
        axis: The axis along which the shares sum to 1, or a tuple of axes.

    Returns:
        A tensor like `x`, of numbers ≤ 0.

    Raises:
        ValueError: when `x` has no such axis.

    Example:

    >>> import numpy as np
    >>> print(np.asarray(log_softmax(np.array([0.0, -1e4]))))
    [     0. -10000.]

    Reference: see `softmax`.
    """
    shifted = _shifted(_with_axes(x, axis), axis)
    return shifted - ops.log(ops.sum(ops.exp(shifted), axis=axis, keepdims=True))


def masked_softmax(x, mask, axis):
    """`softmax` of the entries whose mask is true or > ½; the others' share is 0.

    A mask that is false along the whole axis gives zeros.

    Args:
        x: Logits.
        mask: Of a shape that broadcasts to that of `x`.
        axis: As in `softmax`.

    Returns:
        A tensor like `x`.

    Raises:
        ValueError: when the mask does not broadcast.
    """
    x = _with_axes(x, axis)
    mask = ops.convert_to_tensor(mask)
    if len(mask.shape) > len(x.shape) or any(
        m not in (1, None) and n is not None and m != n
        for m, n in zip(mask.shape[::-1], x.shape[::-1], strict=False)
    ):
        raise ValueError(
            "`mask` must have a shape that broadcasts to that of `x`. Received: "
            f"mask.shape={tuple(mask.shape)}, x.shape={tuple(x.shape)}."
        )
    if backend.standardize_dtype(mask.dtype) != "bool":
        mask = ops.cast(mask, "float32") > 0.5
    mask = ops.broadcast_to(mask, ops.shape(x))
    # Such a slice keeps its scores, so that no NaN arises even in between.
    nothing = ops.logical_not(ops.any(mask, axis=axis, keepdims=True))
    kept = ops.where(ops.logical_or(mask, nothing), x, -math.inf)
    return ops.where(mask, softmax(kept, axis), 0)


def _shifted(x, axis):
    """`x` minus its greatest entry, which counts as a constant: its slope cancels."""
    return x - ops.stop_gradient(ops.max(x, axis=axis, keepdims=True))


def _with_axes(x, axis):
    """`x` as a tensor that has every axis of `axis`, or `ValueError`."""
    x = floating(x)
    rank = len(x.shape)
    if rank == 0:
        raise ValueError("`x` must have at least 1 axis. Received: x.shape=().")
    for one in axis if isinstance(axis, (list, tuple)) else [axis]:
        integer_in("axis", one, f"[{-rank}, {rank})")
    return x


@serializable
class Softmax(ActivationLayer):
    """`softmax` as a layer that takes a mask; the rule is `softmax`.

    Args:
        axis: An integer, or a list of integers: what sums to 1.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Call with `mask`, of a shape that broadcasts to the inputs', to share only among the
    entries where it is true or > ½. A mask that is false everywhere gives zeros.

    Differs from Keras: what a mask removes counts as −inf; Keras sets it to −1e9, or
    −3e4 in float16, which wins over a logit that is less.

    Reference: Bridle, 1990, "Probabilistic interpretation of feedforward classification
    network outputs".
    """

    def __init__(self, axis=-1, **kwargs):
        super().__init__(**kwargs)
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        if not axes or not all(isinstance(a, int) for a in axes):
            raise ValueError(
                "`axis` must be an integer or a list of integers. "
                f"Received: axis={axis!r}."
            )
        self.axis = axis

    def call(self, inputs, mask=None):
        axis = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        if mask is None:
            return softmax(inputs, axis)
        return masked_softmax(inputs, mask, axis)
