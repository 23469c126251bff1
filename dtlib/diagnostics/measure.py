"""Measure a Keras model's layers on one batch, and leave the model as it was.

The chapter `diagnostics` of the book explains it. Tests: tests/test_diagnostics.py.
"""

from typing import NamedTuple

import keras
import numpy as np

from dtlib._check import number_in
from dtlib.diagnostics import rules
from dtlib.diagnostics._batch import check_batch
from dtlib.diagnostics._taps import Tap, measurable, restored, tapped

_GRID = np.linspace(-8, 8, 1601, dtype="float32")  # where max |φ'| is looked for


class SignalPropagation(NamedTuple):
    """What `signal_propagation` returns: arrays with one entry a layer, first first."""

    names: tuple
    mean: np.ndarray
    std: np.ndarray
    z_mean: np.ndarray
    z_std: np.ndarray
    saturated: np.ndarray
    dead: np.ndarray
    gradient_rms: np.ndarray | None = None
    weight_gradient_rms: np.ndarray | None = None

    def __str__(self):
        columns = [
            field for field in self._fields[1:] if getattr(self, field) is not None
        ]
        width = max(map(len, ("layer", *self.names)))
        lines = ["layer".ljust(width) + "".join(f"  {name:>9.9}" for name in columns)]
        for i, name in enumerate(self.names):
            numbers = (getattr(self, column)[i] for column in columns)
            lines.append(name.ljust(width) + "".join(f"  {n:9.3g}" for n in numbers))
        return "\n".join(lines)


def signal_propagation(model, x, y=None, *, threshold=0.2, training=False):
    """Follow a batch through `model`, and the gradient of its loss back down.

    A layer with weights or with an activation has a row; z is what enters its
    activation φ, a what leaves it, and a layer without φ counts as linear (a = z).

    Args:
        model: A built Keras model on TensorFlow: sequential, functional or nested.
            Units are on the last axis. A shared layer is measured where it runs last.
        x: A batch, as the model takes it.
        y: Its targets, or None to leave out the gradients. Needs a compiled model.
        threshold: A unit is saturated on a sample where |φ'(z)| ≤ threshold · max |φ'|.
        training: True runs batch normalization and dropout as in training. The running
            averages and the seeds are put back in either case.

    Returns:
        A `SignalPropagation`: `names`; `mean` and `std` of a, `z_mean` and `z_std` of
        z, over samples and units together; the shares `saturated` and `dead` (NaN for a
        softmax, which mixes units); with `y` also `gradient_rms`, of n·∂L/∂z, the
        gradient of each sample's own loss if L is their mean over n, and
        `weight_gradient_rms`, of ∂L/∂W with penalties (NaN for a layer without a
        kernel, or a frozen one).

    Raises:
        ValueError: If the model is not built, x or y is empty, holds NaN or has the
            wrong shape, or a label is outside the model's classes.

    Example: under N(0, 1) weights a logistic layer of width 100 starts out saturated.

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((100,))])
    >>> for seed in range(3):
    ...     wild = keras.initializers.RandomNormal(stddev=1.0, seed=seed)
    ...     model.add(keras.layers.Dense(100, "sigmoid", kernel_initializer=wild))
    >>> x = np.random.default_rng(0).normal(size=(200, 100))
    >>> bool((signal_propagation(model, x).saturated > 0.6).all())
    True
    """
    threshold = number_in("threshold", threshold, "[0, 1)")
    taps, gradients, weight_gradients = run(model, x, y, training=training)
    with np.errstate(all="ignore"):  # a diverged net is reported, not refused
        rows = [_forward(tap, threshold) for tap in taps.values()]
        result = SignalPropagation(tuple(taps), *np.array(rows).T)
        if y is None:
            return result
        n = len(keras.tree.flatten(x)[0])
        kernels = [tap.kernel for tap in taps.values()]
        return result._replace(
            gradient_rms=np.array([n * rules.rms(g) for g in gradients]),
            weight_gradient_rms=np.array(
                [rules.rms(weight_gradients.get(id(w), np.nan)) for w in kernels]
            ),
        )


def dead_units(model, x):
    """Name → which of the layer's units are flat on every sample; see `dead`.

    Args:
        model, x: As in `signal_propagation`. A unit dead on a small batch may live
            on the next sample: give all the training data if it fits in memory.

    Returns:
        A dict of boolean arrays, one entry a unit. A softmax has none.
    """
    slopes = {name: _slope(tap) for name, tap in run(model, x)[0].items()}
    return {name: rules.dead(s) for name, s in slopes.items() if s is not None}


def kernels(model):
    """Name → a copy of the kernel, for `update_ratio`, of each layer that has one.

    Args:
        model: A built Keras model.

    Returns:
        A dict of arrays; a kernel is a layer's first weight of two or more axes.
    """
    found = ((name, Tap(layer).kernel) for name, layer in measurable(model))
    return {name: w.numpy().copy() for name, w in found if w is not None}


def update_ratio(before, after):
    """Name → `relative_change` of a kernel between two calls of `kernels`.

    Args:
        before, after: Dicts of arrays, with the same names.

    Returns:
        A dict of floats.

    >>> update_ratio({"dense": [[3.0, 4.0]]}, {"dense": [[3.0, 9.0]]})
    {'dense': 1.0}
    """
    if before.keys() != after.keys():
        raise ValueError(
            f"`after` must have the layers of `before`, {list(before)}. Received: "
            f"after with {list(after)}."
        )
    return {name: rules.relative_change(before[name], after[name]) for name in before}


def run(model, x, y=None, *, training=False):
    """Run the model once: `(taps, ∂L/∂z of each tap, id of a weight → ∂L/∂w)`."""
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "dtlib.diagnostics needs Keras on TensorFlow. Received: backend="
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
        )
    import tensorflow as tf

    x, y = check_batch(model, x, y)
    metrics = [v for metric in model.metrics for v in metric.variables]
    with (
        restored([*model.non_trainable_variables, *metrics]),
        tf.GradientTape() as tape,
        tapped(model, tape) as taps,
    ):
        y_pred = model(x, training=training)
        if y is not None:
            loss = model.compute_loss(x=x, y=y, y_pred=y_pred, training=training)
    if y is None:
        return taps, None, None
    trained = model.trainable_variables
    gradients, weight_gradients = tape.gradient(
        loss,
        [[tap.z for tap in taps.values()], [w.value for w in trained]],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
    found = zip(trained, map(tf.convert_to_tensor, weight_gradients), strict=True)
    return taps, gradients, {id(w): g for w, g in found}


def _forward(tap, threshold):
    """The forward numbers of a row, in the order of `SignalPropagation`."""
    a, z = (
        np.asarray(keras.ops.convert_to_numpy(v), "float64") for v in (tap.a, tap.z)
    )
    slope, shares = _slope(tap), (np.nan, np.nan)
    if slope is not None:
        flat = rules.saturated(slope, largest=_largest(tap), threshold=threshold)
        shares = flat, rules.dead(slope).mean()
    return a.mean(), a.std(), z.mean(), z.std(), *shares


def _largest(tap):
    """max |φ'|; a layer that learns its slope (PReLU) has 1 where z > 0."""
    if tap.phi is None or (tap.where == "call" and tap.layer.weights):
        return 1.0
    return np.abs(_derivative(tap.phi, keras.ops.convert_to_tensor(_GRID))[0]).max()


def _slope(tap):
    """φ'(z) as an array like z, or None where φ mixes the units (a softmax)."""
    if tap.phi is None:
        return np.ones(tap.z.shape)
    slope, weighted, weight = _derivative(tap.phi, tap.z)
    mixes = not np.allclose(weighted, weight * slope, atol=1e-3, equal_nan=True)
    # Where z is NaN or infinite a ReLU's derivative is 0: that is no dead unit.
    return None if mixes else np.where(np.isfinite(tap.z), slope, np.nan)


def _derivative(phi, z):
    """∂Σφ/∂z and ∂Σcφ/∂z with c = 1, 2, … along the units: c·φ' if φ acts alone."""
    import tensorflow as tf

    c = tf.cast(1 + tf.range(z.shape[-1]), z.dtype) / z.shape[-1]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(z)
        a = phi(z)
        total, weighted = tf.reduce_sum(a), tf.reduce_sum(c * a)
    slope, weighted = tape.gradient(total, z), tape.gradient(weighted, z)
    return tuple(np.asarray(v, "float64") for v in (slope, weighted, c))
