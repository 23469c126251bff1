"""Gradient clipping: a bound on the step that one exploding gradient can cause.

The chapter `clipping` of the book explains it. Tests: tests/test_clipping.py.
"""

import math
from numbers import Real

import keras
from keras import ops

from dtlib._check import number_in
from dtlib._wide import directions, wide_type

__all__ = [
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "direction_change",
    "global_norm",
]


def clip_by_value(g, clip_value):
    """Cut each entry of one gradient to [−c, c]; this turns the gradient.

        g ← min(max(g, −c), c)

    Args:
        g: Gradient of one variable, of any shape.
        clip_value: c, a number > 0.

    Returns:
        A tensor like `g`. An infinite entry becomes ±c, so an overflow no longer
        shows; NaN stays NaN.

    Example: a gradient along the first axis now points between two axes.

    >>> import numpy as np
    >>> g = np.array([100.0, 1.0])
    >>> print(np.asarray(clip_by_value(g, 1.0)))
    [1. 1.]
    >>> round(float(direction_change(g, clip_by_value(g, 1.0))), 2)
    44.43

    Reference: Mikolov, 2012, "Statistical Language Models Based on Neural Networks".

    Equation: eq-clipping-value
    """
    c = _bound("clip_value", clip_value)
    g = _tensor(g)
    c = c * ops.ones_like(g)  # `ops.clip` would round it to float32 on PyTorch
    return ops.where(g > c, c, ops.where(g < -c, -c, g))


def clip_by_norm(g, clip_norm, axes=None):
    """Shorten one gradient to length c if it is longer; its direction stays.

        g ← g · min(1, c / ‖g‖₂)

    Args:
        g: Gradient of one variable, of any shape.
        clip_norm: c, a number > 0.
        axes: None measures the whole tensor. An int or a tuple of ints measures each
            vector along these axes alone.

    Returns:
        A tensor like `g`; `g` itself where it is short enough, and zeros where it is
        zero. If the norm is not finite, or beyond the largest float32, all that it
        measures becomes NaN: a gradient without a length has no direction to keep.

    Example:

    >>> import numpy as np
    >>> print(np.asarray(clip_by_norm(np.array([3.0, 4.0]), 1.0)).round(6))
    [0.6 0.8]

    Differs from Keras: `clipnorm` sums squares in the gradient's own type, so that a
    float32 entry of 1e20 makes the norm infinite and the finite entries zero. Here the
    norm is taken of g / max|g|, in 32 bits or more, and a gradient of 1e20 is clipped
    like any other.

    Reference: Pascanu, Mikolov and Bengio, 2013, Algorithm 1,
    https://arxiv.org/abs/1211.5063

    Equation: eq-clipping-norm
    """
    c = _bound("clip_norm", clip_norm)
    g = _tensor(g)
    axes = _checked_axes(axes, len(g.shape))
    (direction,), norm = directions([g], axes)
    return _clipped(g, direction, norm, c)


def global_norm(gradients):
    """The length of all gradients of a model, joined into one vector.

        ‖g‖ = √Σᵢ ‖gᵢ‖₂²

    Args:
        gradients: List of tensors. A None, the gradient of a variable that the loss
            does not depend on, counts as zero.

    Returns:
        A scalar of type float32, or float64 if a gradient has that type. It is
        infinite or NaN if an entry is; no square on the way overflows.

    Example:

    >>> import numpy as np
    >>> print(float(global_norm([np.array([3.0]), None, np.array([[0.0, 4.0]])])))
    5.0
    >>> f"{float(global_norm([np.array([3e30, 4e30], 'float32')])):.5g}"  # not inf
    '5e+30'

    Reference: Pascanu, Mikolov and Bengio, 2013, https://arxiv.org/abs/1211.5063

    Equation: eq-clipping-length
    """
    tensors = [_tensor(g) for g in _checked_list(gradients) if g is not None]
    return directions(tensors)[1]


def clip_by_global_norm(gradients, clip_norm):
    """Shorten all gradients by one factor if, together, they are longer than c.

        gᵢ ← gᵢ · min(1, c / ‖g‖)      ‖g‖ = √Σᵢ ‖gᵢ‖₂²

    The step of the whole model keeps its direction, which clipping each variable by
    its own norm does not.

    Args:
        gradients: List of tensors; a None stays where it is.
        clip_norm: c, a number > 0.

    Returns:
        `(clipped, norm)`: a list like `gradients`, each tensor in its own type, and
        the norm before clipping. If that norm is not finite, every clipped gradient is
        NaN, so that the failure cannot pass for a small step.

    Example:

    >>> import numpy as np
    >>> clipped, norm = clip_by_global_norm([np.array([3.0]), None, np.array([4.0])], 1)
    >>> print([g if g is None else np.asarray(g).round(6) for g in clipped])
    [array([0.6]), None, array([0.8])]
    >>> print(float(norm))
    5.0

    Differs from Keras: `global_clipnorm` overflows as `clipnorm` does, and all is NaN
    from finite gradients. PyTorch's `clip_grad_norm_` adds 1e-6 to the norm; it and
    Optax turn an infinite norm into gradients of 0, NaN only where the entry was
    infinite.

    Reference: Pascanu, Mikolov and Bengio, 2013, Algorithm 1,
    https://arxiv.org/abs/1211.5063

    Equation: eq-clipping-global
    """
    c = _bound("clip_norm", clip_norm)
    tensors = [g if g is None else _tensor(g) for g in _checked_list(gradients)]
    unit, norm = directions([g for g in tensors if g is not None])
    unit = iter(unit)
    clipped = [g if g is None else _clipped(g, next(unit), norm, c) for g in tensors]
    return clipped, norm


def direction_change(before, after):
    """The angle between two gradients, in degrees: what clipping does to a direction.

        u = a/‖a‖    v = b/‖b‖    angle = 2·atan(‖u − v‖ / ‖u + v‖)

    This form is exact near 0°, where the arccosine of u·v loses half of the digits.

    Args:
        before, after: Two tensors of one shape, or two lists of them, joined as in
            `global_norm`; a None must stand in both or in neither.

    Returns:
        A scalar in [0, 180]; NaN where a gradient is zero or not finite.

    Example:

    >>> import numpy as np
    >>> a = np.array([3.0, 4.0])
    >>> round(float(direction_change(a, 0.01 * a)), 4)
    0.0
    >>> round(float(direction_change(a, -a)), 4)
    180.0

    Equation: eq-clipping-angle
    """
    before, after = (
        [g if g is None else _tensor(g) for g in gs]
        if isinstance(gs, (list, tuple))
        else [_tensor(gs)]
        for gs in (before, after)
    )
    shapes = [
        [None if g is None else tuple(g.shape) for g in gs] for gs in (before, after)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "`before` and `after` must have the same shapes, and None at the same "
            f"places. Received: shapes {shapes[0]} and {shapes[1]}."
        )
    present = [(a, b) for a, b in zip(before, after, strict=True) if a is not None]
    kind = wide_type(*[g for pair in present for g in pair])
    u, u_norm = directions([ops.cast(a, kind) for a, _ in present])
    v, v_norm = directions([ops.cast(b, kind) for _, b in present])
    apart = sum((ops.sum(ops.square(a - b)) for a, b in zip(u, v, strict=True)), 0.0)
    along = sum((ops.sum(ops.square(a + b)) for a, b in zip(u, v, strict=True)), 0.0)
    angle = 2 * ops.arctan2(ops.sqrt(apart), ops.sqrt(along)) * (180 / math.pi)
    known = ops.logical_and(u_norm > 0, v_norm > 0)
    return ops.where(known, angle, ops.full_like(angle, math.nan))


def _clipped(g, direction, norm, c):
    return ops.where(norm <= c, g, ops.cast(direction * c, g.dtype))


def _bound(name, value):
    """A number > 0; a tensor, whose value a compiled function cannot see, as it is."""
    return number_in(name, value, "(0, inf)") if isinstance(value, Real) else value


def _tensor(g):
    """`g` as one dense tensor of floats."""
    if isinstance(g, (list, tuple)):
        raise ValueError(
            "`g` must be the gradient of one variable. Received: a "
            f"{type(g).__name__} of {len(g)}. Clip each one in a comprehension, or all "
            "together by `clip_by_global_norm`."
        )
    if hasattr(g, "indices") and hasattr(g, "values"):
        # Of an embedding: rows that may repeat, to be summed before they are measured.
        g = ops.add(ops.zeros(g.shape, g.dtype), g)
    g = ops.convert_to_tensor(g)
    if not keras.backend.is_float_dtype(keras.backend.standardize_dtype(g.dtype)):
        raise ValueError(f"A gradient must hold floats. Received: dtype={g.dtype}.")
    return g


def _checked_list(gradients):
    if not isinstance(gradients, (list, tuple)):
        raise ValueError(
            "`gradients` must be a list of tensors and Nones. Received: "
            f"{type(gradients).__name__}. For one tensor use `clip_by_norm`."
        )
    return gradients


def _checked_axes(axes, rank):
    if axes is None:
        return None
    found = axes if isinstance(axes, (list, tuple)) else (axes,)
    if (
        all(type(a) is int and -rank <= a < rank for a in found)
        and len({a % rank for a in found}) == len(found) > 0
    ):
        return tuple(found)
    raise ValueError(
        f"`axes` must be None or different integers in [{-rank}, {rank}). Received: "
        f"axes={axes!r}."
    )
