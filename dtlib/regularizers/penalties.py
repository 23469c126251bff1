"""Penalties: a term of the loss that grows with the weights.

The chapter `regularizers` of the book explains it. Tests: tests/test_regularizers.py.
"""

import math

import keras
from keras import ops

from dtlib._check import number_in, one_of
from dtlib._register import arguments, serializable
from dtlib._wide import wide

MODES = ("rows", "columns")


def l1_penalty(w, *, l1):
    """The lasso's price: every unit of weight costs the same.

        λ₁·Σ|w|      slope λ₁·sign(w), and 0 at w = 0

    Args:
        w: Weights, of any shape.
        l1: λ₁ ≥ 0.

    Returns:
        A scalar in the type of `w`; 16-bit types are summed in 32 bits.

    Example: the pull towards 0 does not fade, so small weights end at 0.

    >>> import numpy as np
    >>> print(float(l1_penalty(np.array([3.0, -4.0]), l1=0.5)))
    3.5

    Reference: Tibshirani, 1996, https://www.jstor.org/stable/2346178

    Equation: eq-regularizers-l1
    """
    w = _floating(w)
    return ops.cast(l1 * ops.sum(_absolute(wide(w))), w.dtype)


def l2_penalty(w, *, l2):
    """The ridge's price: a weight twice as large costs four times as much.

        λ₂·Σw²      slope 2·λ₂·w

    It is the square of the norm, and has no ½: the slope is 2·λ₂·w. Decoupled weight
    decay of strength 2·λ₂ does the same to plain gradient descent, and something else
    to momentum and to Adam.

    Args:
        w: Weights, of any shape.
        l2: λ₂ ≥ 0.

    Returns:
        A scalar in the type of `w`; 16-bit types are summed in 32 bits.

    Example:

    >>> import numpy as np
    >>> print(float(l2_penalty(np.array([3.0, -4.0]), l2=0.5)))
    12.5

    Reference: Hoerl and Kennard, 1970, https://doi.org/10.1080/00401706.1970.10488634

    Equation: eq-regularizers-l2
    """
    w = _floating(w)
    return ops.cast(l2 * ops.sum(ops.square(wide(w))), w.dtype)


def l1_l2_penalty(w, *, l1, l2):
    """Both prices, the elastic net's: λ₁·Σ|w| + λ₂·Σw².

    Args:
        w: Weights, of any shape.
        l1, l2: λ₁ ≥ 0 and λ₂ ≥ 0.

    Returns:
        A scalar in the type of `w`.

    Example:

    >>> import numpy as np
    >>> print(float(l1_l2_penalty(np.array([3.0, -4.0]), l1=1.0, l2=0.5)))
    19.5

    Reference: Zou and Hastie, 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x

    Equation: eq-regularizers-elastic
    """
    w = _floating(w)
    x = wide(w)
    return ops.cast(l1_penalty(x, l1=l1) + l2_penalty(x, l2=l2), w.dtype)


def orthogonal_penalty(w, *, factor, mode):
    """A price on rows, or columns, of a matrix that point the same way.

        λ · mean over pairs i < j of |cos(wᵢ, wⱼ)|

    Args:
        w: A matrix. A dense kernel is (in, out).
        factor: λ ≥ 0, the price when all are parallel.
        mode: "rows" compares what each input sends out, "columns" the weights into
            each unit.

    Returns:
        A scalar in the type of `w`: 0 if all are orthogonal, or if there is one only.
        A row of zeros is orthogonal to all.

    Example:

    >>> import numpy as np
    >>> w = np.array([[2.0, 5.0], [0.0, 5.0]])  # its columns are 45° apart
    >>> print(round(float(orthogonal_penalty(w, factor=1.0, mode="columns")), 4))
    0.7071

    Reference: Chollet et al., 2015, https://keras.io/api/layers/regularizers/
    """
    w = _floating(w)
    if len(w.shape) != 2:
        raise ValueError(
            "`w` must be a matrix, of 2 axes. Received: shape "
            f"{tuple(w.shape)}. Reshape a convolution's kernel to (-1, out)."
        )
    x = wide(w)
    if one_of("mode", mode, MODES) == "columns":
        x = ops.transpose(x)
    u = _rows_of_length_one(x)
    cosines = u @ ops.transpose(u)
    n = int(x.shape[0])
    pairs = max(n * (n - 1) / 2, 1)
    mean = ops.sum(ops.triu(_absolute(cosines), k=1)) / pairs
    return ops.cast(factor * mean, w.dtype)


class _Regularizer(keras.regularizers.Regularizer):
    """Lists every constructor argument, in order, as its config."""

    def get_config(self):
        return arguments(self)


@serializable
class L1(_Regularizer):
    """The lasso's penalty on a layer's weights; the rule is `l1_penalty`.

    Args:
        l1: λ₁ ≥ 0.

    `kernel_regularizer` takes it for the weights. `activity_regularizer` makes it a
    penalty on the outputs instead, and Keras divides that one by the batch size.

    Reference: Tibshirani, 1996, https://www.jstor.org/stable/2346178
    """

    def __init__(self, l1=0.01):
        self.l1 = number_in("l1", l1, "[0, inf)")

    def __call__(self, x):
        return l1_penalty(x, l1=self.l1)


@serializable
class L2(_Regularizer):
    """The ridge's penalty on a layer's weights; the rule is `l2_penalty`.

    Args:
        l2: λ₂ ≥ 0. With He's weights a layer of n units starts at a penalty of 2·n·λ₂,
            and with 0.01 that alone can exceed the loss: compare the two first.

    Reference: Hoerl and Kennard, 1970, https://doi.org/10.1080/00401706.1970.10488634
    """

    def __init__(self, l2=0.01):
        self.l2 = number_in("l2", l2, "[0, inf)")

    def __call__(self, x):
        return l2_penalty(x, l2=self.l2)


@serializable
class L1L2(_Regularizer):
    """The elastic net's penalty on a layer's weights; the rule is `l1_l2_penalty`.

    Args:
        l1: λ₁ ≥ 0.
        l2: λ₂ ≥ 0. Both are 0 unless given, also under the name `l1_l2`.

    Reference: Zou and Hastie, 2005, https://doi.org/10.1111/j.1467-9868.2005.00503.x
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1 = number_in("l1", l1, "[0, inf)")
        self.l2 = number_in("l2", l2, "[0, inf)")

    def __call__(self, x):
        return l1_l2_penalty(x, l1=self.l1, l2=self.l2)


@serializable
class OrthogonalRegularizer(_Regularizer):
    """A penalty on parallel rows or columns; the rule is `orthogonal_penalty`.

    Args:
        factor: λ ≥ 0.
        mode: "rows" or "columns" of the kernel.

    Differs from Keras: a kernel of one row costs 0, where Keras divides 0 by its 0
    pairs and returns NaN. Rows shorter than 1e-7 count like all others.

    Reference: Chollet et al., 2015, https://keras.io/api/layers/regularizers/
    """

    def __init__(self, factor=0.01, mode="rows"):
        self.factor = number_in("factor", factor, "[0, inf)")
        self.mode = one_of("mode", mode, MODES)

    def __call__(self, inputs):
        return orthogonal_penalty(inputs, factor=self.factor, mode=self.mode)


def _floating(w):
    """`w` as a tensor of floats."""
    w = ops.convert_to_tensor(w)
    if keras.backend.is_float_dtype(keras.backend.standardize_dtype(w.dtype)):
        return w
    return ops.cast(w, keras.config.floatx())


def _absolute(w):
    """|w|, of slope 0 at 0; JAX's own has slope 1 there, and would move a zero."""
    return w * ops.sign(w)


def _rows_of_length_one(x):
    """Each row over its norm; a row of zeros stays, and its gradient is finite."""
    s = ops.stop_gradient(ops.max(ops.abs(x), axis=1, keepdims=True))
    x = x / ops.where(ops.logical_and(s > 0, s < math.inf), s, ops.ones_like(s))
    squares = ops.sum(ops.square(x), axis=1, keepdims=True)
    return x / ops.sqrt(ops.where(squares > 0, squares, ops.ones_like(squares)))
