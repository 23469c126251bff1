"""Checks of the layers: what can be read from them without a step of training.

Tests: tests/test_doctor.py.
"""

import keras
import numpy as np

from dtlib.doctor._patient import (
    NORMALIZING,
    activation_of,
    beyond,
    untouched,
)
from dtlib.doctor._remedies import finding

DROPPED = 0.8  # the chapter `dropout` uses 0.1 to 0.5
LEFT = 0.5  # share of the initial value in a moving average that is too much
CONSTANT = 0.01  # a schedule that changes the rate by less does not act
# √(fan_in · mean W²) of a fresh kernel: LeCun and Glorot 1, He 1.4 (chapter
# `initializers`). Beyond these, three layers change the signal by 64 or by 1/296.
LARGE, SMALL = 4, 0.15
_LINEAR = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Dense,
)


def structure(patient):
    """Yield faults of the layers and of what trains."""
    for layer in patient.layers:
        if isinstance(layer, _LINEAR) and activation_of(layer) == "linear":
            for to in beyond(patient, layer):
                if isinstance(to, _LINEAR) and not _narrow(layer, to):
                    yield finding("linear_network", layers=[layer.name, to.name])
        rate = getattr(layer, "rate", 0)
        kinds = (keras.layers.Dropout, keras.layers.SpatialDropout1D)
        kinds += (keras.layers.SpatialDropout2D, keras.layers.AlphaDropout)
        if isinstance(layer, kinds) and rate >= DROPPED:
            yield finding("dropout_too_high", layer=layer.name, rate=rate)
    yield from _trainable(patient)
    yield from _schedule(patient)
    yield from _moving_averages(patient)


def _narrow(layer, to):
    """A linear layer narrower than both its neighbors is a code, and meant."""
    units = layer.kernel.shape[-1]
    return units < layer.kernel.shape[-2] and units < to.kernel.shape[-1]


def _trainable(patient):
    model = patient.model
    trained = {id(weight) for weight in model.trainable_variables}
    if model.weights and not trained:
        yield finding("nothing_trains", weights=len(model.weights))
        return
    optimizer = model.optimizer
    if optimizer.built:
        held = {id(weight) for weight in optimizer._trainable_variables}  # private
        if held != trained:
            yield finding(
                "unfrozen_without_compile",
                trainable=len(trained),
                in_optimizer=len(held),
            )
            return
    for layer in patient.layers:
        frozen = layer.weights and not layer.trainable
        if frozen and _kernel(layer) is not None and _as_drawn(layer):
            yield finding("frozen_layer", layer=layer.name)


def _as_drawn(layer):
    return getattr(layer, "bias", None) is not None and untouched(layer)


def _schedule(patient):
    rate = patient.model.optimizer._learning_rate  # private: the schedule itself
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rates = rates_of(rate, patient.steps)
        if np.ptp(rates) < CONSTANT * rates.max():
            yield finding(
                "schedule_never_acts",
                steps=patient.steps,
                first_rate=float(rates[0]),
                last_rate=float(rates[-1]),
            )


def rates_of(schedule, steps):
    """The rates of a schedule at 40 steps of the training, first and last too."""
    at = np.unique(np.linspace(0, steps, 40).astype(int))
    return np.array([float(schedule(int(step))) for step in at])


def _moving_averages(patient):
    for layer in patient.layers:
        if not isinstance(layer, keras.layers.BatchNormalization):
            continue
        mean, variance = (
            keras.ops.convert_to_numpy(v)
            for v in (layer.moving_mean, layer.moving_variance)
        )
        initial = not mean.any() and (variance == 1).all()
        left = layer.momentum**patient.steps
        if initial and not (patient.fresh and layer.trainable):
            yield finding("bn_not_updated", layer=layer.name, moving_mean=0)
        elif layer.trainable and left > LEFT:
            yield finding(
                "bn_momentum",
                layer=layer.name,
                momentum=layer.momentum,
                steps=patient.steps,
                initial_share_left=left,
            )


def weights(patient):
    """Yield kernels that no initializer of the book would draw, in a fresh network."""
    if not patient.fresh:
        return
    for layer in patient.layers:
        kernel = _kernel(layer)
        if kernel is None:
            continue
        followers = patient.followers(layer)
        scaled = any(isinstance(to, NORMALIZING) for to in followers)
        last = layer is patient.head
        added = any(isinstance(to, keras.layers.Add) for to in followers)
        meant = not kernel.any() and (last or added)  # zeros where they do no harm
        if not meant and kernel.shape[-1] > 1 and not last and not _differ(kernel):
            yield finding(
                "constant_initializer", layer=layer.name, value=float(kernel.flat[0])
            )
            continue
        fan_in = int(np.prod(kernel.shape[:-1]))
        gain = float(np.sqrt(fan_in * np.mean(np.square(kernel, dtype="float64"))))
        facts = dict(layer=layer.name, gain=gain, fan_in=fan_in)
        if not scaled and gain > LARGE:
            yield finding("init_too_large", **facts, limit=LARGE)
        elif not (scaled or meant or last) and gain < SMALL:
            yield finding("init_too_small", **facts, limit=SMALL)


def _differ(kernel):
    return bool(np.ptp(kernel, axis=-1).any())


def _kernel(layer):
    if not isinstance(layer, _LINEAR):
        return None
    return keras.ops.convert_to_numpy(layer.kernel)
