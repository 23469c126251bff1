"""The named members of the variance-scaling family.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

from dtlib._register import serializable
from dtlib.initializers.scaling import VarianceScaling


class _Named(VarianceScaling):
    """A member of the family: its class fixes scale, mode and distribution."""

    def __init__(self, seed=None, input_axes=None, output_axes=None):
        super().__init__(*self.family, seed, input_axes, output_axes)


@serializable
class LecunNormal(_Named):
    """Keeps a signal's variance through linear layers: 1/fan_in, truncated normal.

    Args:
        seed, input_axes, output_axes: As in `VarianceScaling`.

    Reference: LeCun et al., 1998, "Efficient BackProp".
    """

    family = (1.0, "fan_in", "truncated_normal")


@serializable
class LecunUniform(_Named):
    """Keeps a signal's variance through linear layers: 1/fan_in, uniform.

    Args:
        seed, input_axes, output_axes: As in `VarianceScaling`.

    Reference: see `LecunNormal`.
    """

    family = (1.0, "fan_in", "uniform")


@serializable
class GlorotNormal(_Named):
    """The middle of what both directions ask: 2/(fan_in + fan_out), truncated normal.

    Args:
        seed, input_axes, output_axes: As in `VarianceScaling`.

    Reference: Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """

    family = (1.0, "fan_avg", "truncated_normal")


@serializable
class GlorotUniform(_Named):
    """The middle of what both directions ask: 2/(fan_in + fan_out), uniform.

    Keras starts its kernels so unless told otherwise.

    Args:
        seed, input_axes, output_axes: As in `VarianceScaling`.

    Reference: see `GlorotNormal`.
    """

    family = (1.0, "fan_avg", "uniform")


@serializable
class HeNormal(_Named):
    """Twice LeCun's variance, since ReLU discards half: 2/fan_in, truncated normal.

    Args:
        seed, input_axes, output_axes: As in `VarianceScaling`.

    Reference: He et al., 2015, https://arxiv.org/abs/1502.01852
    """

    family = (2.0, "fan_in", "truncated_normal")


@serializable
class HeUniform(_Named):
    """Twice LeCun's variance, since ReLU discards half: 2/fan_in, uniform.

    Args:
        seed, input_axes, output_axes: As in `VarianceScaling`.

    Reference: see `HeNormal`.
    """

    family = (2.0, "fan_in", "uniform")
