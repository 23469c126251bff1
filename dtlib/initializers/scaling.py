"""Variance scaling: a weight's variance is a number over how many terms are summed.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

import math

from keras import random

from dtlib._check import integer_in, number_in, one_of
from dtlib._register import serializable
from dtlib.initializers._base import Random

MODES = ("fan_in", "fan_avg", "fan_out")
DISTRIBUTIONS = ("truncated_normal", "normal", "untruncated_normal", "uniform")

# Standard deviation of a standard normal cut at ±2; a test derives it again.
TRUNCATED_STD = 0.8796256610342398


def compute_fans(shape, input_axes=None, output_axes=None):
    """How many inputs each output sums, and how many outputs each input enters.

        fan_in = taps · channels in      fan_out = taps · channels out

    A dense kernel is `(in, out)`, with one tap; a convolution's `(*window, in, out)`
    has a tap for each place of its window. Without axes every shape is read so.

    Args:
        shape: Kernel shape, of at least 2 axes.
        input_axes, output_axes: For any other kernel, the axes whose product is the
            fan. A depthwise one `(*window, in, multiplier)` sums over its window only.

    Returns:
        Two ints, `(fan_in, fan_out)`.

    >>> compute_fans((300, 100)), compute_fans((3, 3, 16, 32))
    ((300, 100), (144, 288))
    >>> compute_fans((3, 3, 16, 1), input_axes=(0, 1), output_axes=(0, 1, 3))
    (9, 9)

    Differs from Keras: a vector or a scalar raises, since it has no fans, and so does
    one kind of axes without the other, which Keras ignores.

    Equation: eq-initializers-fans
    """
    shape = tuple(integer_in("shape", size, "[1, inf)") for size in shape)
    if len(shape) < 2:
        raise ValueError(
            f"`shape` must have at least 2 axes, else a weight has no fans. Received: "
            f"shape={shape}. Start biases and scales with `zeros` or `ones`."
        )
    if input_axes is None and output_axes is None:
        *window, channels_in, channels_out = shape
        return math.prod(window) * channels_in, math.prod(window) * channels_out
    _check_axes(input_axes, output_axes, len(shape))
    return tuple(
        math.prod(shape[a] for a in axes) for axes in (input_axes, output_axes)
    )


def weight_variance(shape, *, scale, mode, **axes):
    """The variance that a kernel of this shape should have: Var[w] = scale / n.

    Args:
        shape: Kernel shape.
        scale: n times the variance, so that a sum of n terms w·x has variance
            scale · E[x²] when the w are independent and centered.
        mode: Which fan is n: "fan_in", "fan_out", or "fan_avg", their mean.
        axes: `input_axes` and `output_axes`, as in `compute_fans`.

    Returns:
        A float.

    >>> weight_variance((100, 300), scale=2.0, mode="fan_in")
    0.02

    Equation: eq-initializers-variance
    """
    fan_in, fan_out = compute_fans(shape, **axes)
    n = {"fan_in": fan_in, "fan_avg": (fan_in + fan_out) / 2, "fan_out": fan_out}[mode]
    return scale / n


def layer_gains(shape, *, scale, mode):
    """What a linear layer multiplies a signal's mean square by, forward and backward.

        forward = fan_in · Var[w]      backward = fan_out · Var[w]

    Args:
        shape, scale, mode: As in `weight_variance`.

    Returns:
        Two floats. Both are 1 only if the layer is square; Glorot's compromise splits
        the difference:

    >>> layer_gains((100, 300), scale=1.0, mode="fan_avg")
    (0.5, 1.5)

    Equation: eq-initializers-gains
    """
    fan_in, fan_out = compute_fans(shape)
    variance = weight_variance(shape, scale=scale, mode=mode)
    return fan_in * variance, fan_out * variance


def variance_scaling(
    shape, *, scale, mode, distribution, dtype=None, seed=None, **axes
):
    """Draw a weight of mean 0 and variance s² = scale/n, where n is the chosen fan.

        uniform              U(−a, a), a = √3·s
        untruncated_normal   N(0, s²)
        truncated_normal     N(0, r²) cut at ±2r, r = s / 0.8796

    Args:
        shape, scale, mode, axes: As in `weight_variance`.
        distribution: One of the three names above, or "normal", by which Keras, and so
            dtlib, means "truncated_normal".
        dtype: As in `keras.random.normal`.
        seed: An int draws the same each time; None draws anew from Keras' own seed.

    Returns:
        A tensor of shape `shape`.

    Equation: eq-initializers-draw
    """
    s = math.sqrt(weight_variance(shape, scale=scale, mode=mode, **axes))
    if distribution == "uniform":
        a = math.sqrt(3) * s
        return random.uniform(shape, -a, a, dtype=dtype, seed=seed)
    if distribution == "untruncated_normal":
        return random.normal(shape, 0.0, s, dtype=dtype, seed=seed)
    r = s / TRUNCATED_STD
    return random.truncated_normal(shape, 0.0, r, dtype=dtype, seed=seed)


@serializable
class VarianceScaling(Random):
    """The family the named initializers belong to; it draws by `variance_scaling`.

        name     scale   mode      keeps the mean square through
        Lecun    1       fan_in    linear layers, and SELU
        Glorot   1       fan_avg   linear layers, both ways, as a compromise
        He       2       fan_in    ReLU, which discards half of it

    Args:
        scale: A number > 0.
        mode: "fan_in", "fan_avg" or "fan_out".
        distribution: "truncated_normal" (or "normal", the same), "untruncated_normal"
            or "uniform".
        seed: An int repeats its draw at each call, None draws anew.
        input_axes, output_axes: None for dense and convolution kernels; see
            `compute_fans`.

    Example:

    >>> import keras
    >>> w = VarianceScaling(scale=2.0, mode="fan_in", seed=0)((784, 300))
    >>> round(784 * float(keras.ops.var(w)), 1)
    2.0

    Differs from Keras: with `seed=None`, two layers that share one instance get
    different weights; Keras' own initializers fix their draw when they are made. A
    `keras.random.SeedGenerator` is refused.

    References: LeCun et al., 1998, "Efficient BackProp"; Glorot and Bengio, 2010,
    https://proceedings.mlr.press/v9/glorot10a.html; He et al., 2015,
    https://arxiv.org/abs/1502.01852
    """

    def __init__(
        self,
        scale=1.0,
        mode="fan_in",
        distribution="truncated_normal",
        seed=None,
        input_axes=None,
        output_axes=None,
    ):
        super().__init__(seed)
        _check_axes(input_axes, output_axes)
        self.scale = number_in("scale", scale, "(0, inf)")
        self.mode = one_of("mode", mode, MODES)
        self.distribution = one_of("distribution", distribution, DISTRIBUTIONS)
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape, dtype=None):
        return variance_scaling(
            shape,
            scale=self.scale,
            mode=self.mode,
            distribution=self.distribution,
            dtype=dtype,
            seed=self.seed,
            input_axes=self.input_axes,
            output_axes=self.output_axes,
        )


def _check_axes(input_axes, output_axes, rank=math.inf):
    """Both None, or both lists of axes of a shape of `rank` axes."""
    for name, axes in {"input_axes": input_axes, "output_axes": output_axes}.items():
        if axes is not None and not (
            isinstance(axes, (list, tuple))
            and all(isinstance(axis, int) and -rank <= axis < rank for axis in axes)
        ):
            raise ValueError(
                f"`{name}` must be a list of integers in [{-rank}, {rank}), or None. "
                f"Received: {name}={axes!r}."
            )
    if (input_axes is None) != (output_axes is None):
        raise ValueError(
            "`input_axes` and `output_axes` must both be lists or both be None. "
            f"Received: input_axes={input_axes!r}, output_axes={output_axes!r}."
        )
