"""Weights whose size does not know the layer: for biases, and to see what goes wrong.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

import keras
from keras import ops, random

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.initializers._base import Initializer, Random


@serializable
class RandomNormal(Random):
    """One size for every layer, N(mean, stddev²): what goes wrong with depth.

    Args:
        mean, stddev: Numbers, stddev ≥ 0.
        seed: As in `VarianceScaling`.

    Reference: see the chapter `initializers`.
    """

    def __init__(self, mean=0.0, stddev=0.05, seed=None):
        super().__init__(seed)
        self.mean = number_in("mean", mean, "(-inf, inf)")
        self.stddev = number_in("stddev", stddev, "[0, inf)")

    def __call__(self, shape, dtype=None):
        return random.normal(shape, self.mean, self.stddev, dtype, self.seed)


@serializable
class TruncatedNormal(RandomNormal):
    """`RandomNormal` without the draws beyond 2·stddev; its spread is 0.88·stddev.

    Args:
        mean, stddev, seed: As in `RandomNormal`. Unlike `VarianceScaling`, it does not
            widen the normal first to make up for the cut.

    Reference: see `RandomNormal`.
    """

    def __call__(self, shape, dtype=None):
        return random.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)


@serializable
class RandomUniform(Random):
    """One range for every layer, U(minval, maxval).

    Args:
        minval, maxval: Numbers, minval < maxval.
        seed: As in `VarianceScaling`.

    Reference: see `RandomNormal`.
    """

    def __init__(self, minval=-0.05, maxval=0.05, seed=None):
        super().__init__(seed)
        self.minval = number_in("minval", minval, "(-inf, inf)")
        self.maxval = number_in("maxval", maxval, f"({self.minval}, inf)")

    def __call__(self, shape, dtype=None):
        return random.uniform(shape, self.minval, self.maxval, dtype, self.seed)


@serializable
class Constant(Initializer):
    """Every weight the same number: the units of a layer then stay copies of one.

    Args:
        value: A number.

    Reference: see `RandomNormal`.
    """

    def __init__(self, value=0.0):
        self.value = number_in("value", value, "(-inf, inf)")

    def __call__(self, shape, dtype=None):
        return ops.full(shape, self.value, keras.backend.standardize_dtype(dtype))


@serializable
class Zeros(Constant):
    """For biases; as a kernel, it stops both the signal and the gradient.

    Args: None.

    Reference: see `RandomNormal`.
    """

    def __init__(self):
        super().__init__(0.0)


@serializable
class Ones(Constant):
    """For the scale of a normalization.

    Args: None.

    Reference: see `RandomNormal`.
    """

    def __init__(self):
        super().__init__(1.0)


@serializable
class Identity(Initializer):
    """A matrix that passes its input on, times `gain`.

    Args:
        gain: A number.

    Reference: see `RandomNormal`.
    """

    def __init__(self, gain=1.0):
        self.gain = number_in("gain", gain, "(-inf, inf)")

    def __call__(self, shape, dtype=None):
        if len(shape) != 2:
            given = tuple(shape)
            raise ValueError(f"`shape` must have 2 axes. Received: shape={given}.")
        return self.gain * ops.eye(*shape, dtype=dtype)
