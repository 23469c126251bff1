"""Layers of many networks side by side, for the claims on batch normalization.

Tests: tests/test_claims_normalization.py.
"""

import keras
import numpy as np
from keras import ops

from dtlib.normalization import BatchNormalization

SHIFT, STRETCH = 0.5, 0.25  # of the noise after BN, in standard deviations


def own(layer, values, units=1):
    """A weight of `layer` that is not trained: a value a network, for all its units."""
    values = np.repeat(np.asarray(values, "float32"), units)
    weight = layer.add_weight(shape=values.shape, trainable=False, autocast=False)
    weight.assign(values)
    return weight


class Rows(keras.layers.Layer):
    """From row numbers (batch, R) to the rows' features, side by side."""

    def __init__(self, x):
        super().__init__()
        x = x.reshape(len(x), -1).astype("float32")
        self.table = self.add_weight(shape=x.shape, trainable=False, name="table")
        self.table.assign(x)

    def call(self, rows):
        x = ops.take(self.table, ops.cast(rows, "int32"), axis=0)
        return ops.reshape(x, (-1, x.shape[1] * x.shape[2]))


class Blocks(keras.layers.Layer):
    """R dense layers side by side: each network's features meet its own kernel."""

    def __init__(self, kernels):
        super().__init__()
        self.kernel = self.add_weight(shape=kernels.shape, initializer="zeros")
        self.kernel.assign(kernels)
        shape = (kernels.shape[0] * kernels.shape[2],)
        self.bias = self.add_weight(shape=shape, initializer="zeros")

    def call(self, x):
        count, fan_in, fan_out = self.kernel.shape
        x = ops.reshape(x, (-1, count, fan_in))
        z = ops.einsum("bri,rio->bro", x, self.kernel)
        return ops.reshape(z, (-1, count * fan_out)) + self.bias


class Norm(BatchNormalization):
    """The library's layer, each network's averages with a momentum of its own."""

    def __init__(self, momenta, units):
        super().__init__()
        self.momentum = own(self, momenta, units)


class Shift(keras.layers.Layer):
    """Noise that moves and stretches each feature, for a whole batch, anew each step.

    So the next layer meets another distribution at every step: the covariate shift
    that batch normalization is said to remove. None at inference.
    """

    def __init__(self, seed):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if not training:
            return x
        noise = keras.random.uniform(
            (2, x.shape[1]), -1.0, 1.0, seed=self.seed_generator
        )
        return x * (1 + STRETCH * noise[0]) + SHIFT * noise[1]


class Drop(keras.layers.Layer):
    """Inverted dropout, each network with a rate of its own, each layer with a seed."""

    def __init__(self, rates, units, seed):
        super().__init__()
        self.rates = own(self, rates, units)
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if not training:
            return x
        draw = keras.random.uniform(ops.shape(x), seed=self.seed_generator)
        return ops.where(draw >= self.rates, x / (1 - self.rates), 0.0)


class Rate(keras.layers.Layer):
    """Gives logits (batch, R, classes) on, and each network's gradient times its η."""

    def __init__(self, rates):
        super().__init__()
        self.rates = own(self, rates)

    def call(self, x):
        still = ops.stop_gradient(x)
        return still + self.rates[:, None] * (x - still)
