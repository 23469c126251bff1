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


def compute_fans(shape):
    """How many inputs each output sums, and the reverse: `(fan_in, fan_out)`.

        fan_in = taps · channels in      fan_out = taps · channels out

    A dense kernel is `(in, out)`, with one tap; a convolution's `(*window, in, out)`
    has a tap for each place of its window. Every shape is read so, as in Keras; the
    true fans of a depthwise kernel `(*window, in, multiplier)`, of a transposed one
    `(*window, out, in)` and of a projection of attention are others.

    >>> compute_fans((300, 100)), compute_fans((3, 3, 16, 32))
    ((300, 100), (144, 288))

    Differs from Keras: a vector or a scalar raises, since it has no fans.

    Equation: eq-initializers-fans
    """
    shape = tuple(integer_in("shape", size, "[1, inf)") for size in shape)
    if len(shape) < 2:
        raise ValueError(
            f"`shape` must have at least 2 axes, else a weight has no fans. Received: "
            f"shape={shape}. Start biases and scales with `zeros` or `ones`."
        )
    *window, channels_in, channels_out = shape
    taps = math.prod(window)
    return taps * channels_in, taps * channels_out


def weight_variance(shape, *, scale, mode):
    """Var[w] = scale / n, with n = fan_in, fan_out or, for "fan_avg", their mean.

    Equation: eq-initializers-variance
    """
    fan_in, fan_out = compute_fans(shape)
    n = {"fan_in": fan_in, "fan_avg": (fan_in + fan_out) / 2, "fan_out": fan_out}[mode]
    return scale / n


def layer_gains(shape, *, scale, mode):
    """What a linear layer multiplies a signal's mean square by, forward and backward.

        forward = fan_in · Var[w]      backward = fan_out · Var[w]

    Both are 1 only if the layer is square. Glorot's compromise splits the difference:

    >>> layer_gains((100, 300), scale=1.0, mode="fan_avg")
    (0.5, 1.5)

    Equation: eq-initializers-gains
    """
    fan_in, fan_out = compute_fans(shape)
    variance = weight_variance(shape, scale=scale, mode=mode)
    return fan_in * variance, fan_out * variance


def variance_scaling(shape, *, scale, mode, distribution, dtype=None, seed=None):
    """Draw a weight of mean 0 and variance s² = scale/n, where n is the chosen fan.

        uniform              U(−a, a), a = √3·s
        untruncated_normal   N(0, s²)
        truncated_normal     N(0, r²) cut at ±2r, r = s / 0.8796

    Args:
        shape: Kernel shape; see `compute_fans`.
        scale: n times the variance, so that a sum of n terms w·x has variance
            scale · E[x²] when the w are independent and centered.
        mode: "fan_in", "fan_out", or "fan_avg", their mean.
        distribution: One of the three names above, or "normal", by which Keras, and so
            dtlib, means "truncated_normal".
        dtype: As in `keras.random.normal`.
        seed: An int draws the same each time; None draws anew from Keras' own seed.

    Returns:
        A tensor of shape `shape`.

    Equation: eq-initializers-draw
    """
    std = math.sqrt(weight_variance(shape, scale=scale, mode=mode))
    if distribution == "uniform":
        limit = math.sqrt(3) * std
        return random.uniform(shape, -limit, limit, dtype=dtype, seed=seed)
    if distribution == "untruncated_normal":
        return random.normal(shape, 0.0, std, dtype=dtype, seed=seed)
    std /= TRUNCATED_STD
    return random.truncated_normal(shape, 0.0, std, dtype=dtype, seed=seed)


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

    Example:

    >>> import keras
    >>> w = VarianceScaling(scale=2.0, mode="fan_in", seed=0)((784, 300))
    >>> round(784 * float(keras.ops.var(w)), 1)
    2.0

    Differs from Keras: as `Random` says for `seed=None`; the fans cannot be chosen by
    axes.

    References: LeCun et al., 1998, "Efficient BackProp"; Glorot and Bengio, 2010,
    https://proceedings.mlr.press/v9/glorot10a.html; He et al., 2015,
    https://arxiv.org/abs/1502.01852
    """

    def __init__(
        self, scale=1.0, mode="fan_in", distribution="truncated_normal", seed=None
    ):
        super().__init__(seed)
        self.scale = number_in("scale", scale, "(0, inf)")
        self.mode = one_of("mode", mode, MODES)
        self.distribution = one_of("distribution", distribution, DISTRIBUTIONS)

    def __call__(self, shape, dtype=None):
        chosen = dict(scale=self.scale, mode=self.mode, distribution=self.distribution)
        return variance_scaling(shape, **chosen, dtype=dtype, seed=self.seed)


class _Named(VarianceScaling):
    """A member of the family: its class fixes scale, mode and distribution."""

    def __init__(self, seed=None):
        super().__init__(*self.family, seed=seed)


@serializable
class LecunNormal(_Named):
    """Keeps a signal's variance through linear layers: 1/fan_in, truncated normal."""

    family = (1.0, "fan_in", "truncated_normal")


@serializable
class LecunUniform(_Named):
    """`LecunNormal`'s variance, drawn evenly."""

    family = (1.0, "fan_in", "uniform")


@serializable
class GlorotNormal(_Named):
    """The mean of what the two directions ask: 2/(fan_in + fan_out)."""

    family = (1.0, "fan_avg", "truncated_normal")


@serializable
class GlorotUniform(_Named):
    """`GlorotNormal`'s variance, drawn evenly. Keras' default for kernels."""

    family = (1.0, "fan_avg", "uniform")


@serializable
class HeNormal(_Named):
    """Twice LeCun's variance, 2/fan_in, since ReLU discards half of the mean square."""

    family = (2.0, "fan_in", "truncated_normal")


@serializable
class HeUniform(_Named):
    """`HeNormal`'s variance, drawn evenly."""

    family = (2.0, "fan_in", "uniform")
