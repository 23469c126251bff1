"""Planted faults of normalization, schedules, weights, signals and training.

Tests: tests/test_doctor.py.
"""

import numpy as np
from keras import initializers, layers, optimizers, regularizers

from dtlib.doctor._build import (
    Builder,
    blobs,
    curve,
    network,
    plain,
    planting,
    trained,
    waves,
)

FAULTS = {}
fault = planting(FAULTS)


class AlwaysTraining(layers.BatchNormalization):
    """Hands on `training=True`. (At the call of a layer in a functional model it would
    have no effect: Keras 3 puts the model's own `training` in its place.)"""

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=True, mask=mask)


def normalized(seed, **options):
    """Two layers, each with batch normalization, and an output."""
    b, stack = Builder(seed), []
    for _ in range(2):
        stack += [b.dense(32, use_bias=False), layers.BatchNormalization(**options)]
        stack += [layers.ReLU()]
    return network((32,), *stack, b.dense(4, "softmax"))


@fault("bn_training_mode")
def normalization_left_training(seed):
    """Batch normalization in training mode, whatever the model is told."""
    b, data = Builder(seed), blobs(seed)
    stack = b.dense(32), AlwaysTraining(), layers.ReLU(), b.dense(4, "softmax")
    return network((32,), *stack), data


@fault("bn_not_updated")
def averages_never_updated(seed):
    """A loop by hand that took the averages' updates back."""
    model, data = normalized(seed), blobs(seed)
    kept = [variable.numpy() for variable in model.non_trainable_variables]
    trained(model, data, steps=5)
    for variable, value in zip(model.non_trainable_variables, kept, strict=True):
        variable.assign(value)
    return model, data


@fault("bn_not_updated")
def averages_of_other_data(seed):
    """Trained long enough on data of another size, with another mean."""
    x, y = blobs(seed)
    model = trained(normalized(seed, momentum=0.8), (5 + 3 * x, y), steps=25)
    return model, (x, y)


@fault("bn_momentum")
def momentum_too_high(seed):
    """Moving averages that need a hundred thousand steps, in a training of 1,000."""
    return normalized(seed, momentum=0.99999), blobs(seed)


@fault("schedule_never_acts")
def schedule_in_epochs(seed):
    """Boundaries far behind the last step."""
    data = blobs(seed)
    schedule = optimizers.schedules.PiecewiseConstantDecay([50_000], [0.1, 0.01])
    return plain(seed, data, by=optimizers.SGD(schedule)), data, {"epochs": 20}


# Weights and signals


@fault("constant_initializer")
def zeros(seed):
    """A hidden layer that begins with zeros."""
    b, data = Builder(seed), blobs(seed)
    hidden = b.dense(32, "relu", start=initializers.Zeros())
    return network((32,), hidden, b.dense(4, "softmax")), data


@fault("constant_initializer")
def equal_weights(seed):
    """A hidden layer of equal weights."""
    b, data = Builder(seed), blobs(seed)
    hidden = b.dense(32, "tanh", start=initializers.Constant(0.1))
    return network((32,), hidden, b.dense(4, "softmax")), data


@fault("init_too_large")
def standard_normal(seed):
    """N(0, 1) weights, as once was usual."""
    b, data = Builder(seed), blobs(seed)
    hidden = b.dense(32, "sigmoid", start=b.normal(1.0))
    return network((32,), hidden, b.dense(4, "softmax")), data


@fault("init_too_small")
def tiny_weights(seed):
    """N(0, 0.001²) weights in three layers."""
    b, data = Builder(seed), blobs(seed)
    hidden = [b.dense(32, "relu", start=b.normal(0.001)) for _ in range(3)]
    return network((32,), *hidden, b.dense(4, "softmax")), data


@fault("penalty_dominates")
def penalty_too_strong(seed):
    """An ℓ2 penalty of 1."""
    b, data = Builder(seed), blobs(seed)
    hidden = b.dense(32, "relu", kernel_regularizer=regularizers.L2(1.0))
    return network((32,), hidden, b.dense(4, "softmax"), rate=0.01), data


@fault("dead_relus")
def dead_relus(seed):
    """Biases that one large step has pushed far below zero."""
    data = blobs(seed)
    model = plain(seed, data, hidden=2)
    model.layers[1].bias.assign(np.full(32, -20.0, "float32"))
    return model, data


@fault("dead_relus")
def dead_by_initial_bias(seed):
    """A negative initial bias."""
    b, data = Builder(seed), blobs(seed)
    bias = initializers.Constant(-10.0)
    hidden = b.dense(32, "relu", bias_initializer=bias)
    return network((32,), hidden, b.dense(4, "softmax")), data


@fault("vanishing_gradient")
def ten_logistic_layers(seed):
    """Ten layers of logistic units."""
    b, data = Builder(seed), blobs(seed)
    hidden = [b.dense(32, "sigmoid") for _ in range(10)]
    return network((32,), *hidden, b.dense(4, "softmax")), data


@fault("exploding_gradient")
def exploding_recurrence(seed):
    """A linear recurrence that grows with each of 40 time steps."""
    b, data = Builder(seed), waves(seed, length=40)
    recurrent = b.recurrent(
        layers.SimpleRNN, 16, activation="relu", again=b.normal(0.6)
    )
    return network((40, 1), recurrent, b.dense(2, "softmax")), data


# Training


@fault("rate_too_high")
def rate_too_high(seed):
    """A rate of 30 with SGD."""
    data = blobs(seed)
    return plain(seed, data, rate=30.0), data


@fault("rate_too_high")
def rate_too_high_for_adam(seed):
    """A rate of 3 with Adam."""
    data = blobs(seed)
    return plain(seed, data, hidden=2, by=optimizers.Adam(3.0)), data


@fault("rate_too_high")
def rate_too_high_in_regression(seed):
    """A regression that becomes NaN."""
    data = curve(seed)
    return plain(seed, data, out=1, last=None, loss="mse", rate=3.0), data


@fault("rate_too_low")
def rate_too_low(seed):
    """A rate of 0.00001 with SGD."""
    data = blobs(seed)
    return plain(seed, data, rate=1e-5), data


@fault("rate_too_low")
def rate_too_low_for_adam(seed):
    """A rate of 0.0000001 with Adam."""
    data = blobs(seed)
    return plain(seed, data, by=optimizers.Adam(1e-7)), data


@fault("majority_prediction")
def rare_class(seed):
    """Nineteen rows in twenty are of one class, and the others hide among them."""
    y = (np.arange(500) % 20 == 0).astype("int32")
    x = np.random.default_rng(seed).normal(size=(500, 4))
    x[:, 0] += 1.6 * y
    data = x.astype("float32"), y
    return plain(seed, data, rate=0.05), data
