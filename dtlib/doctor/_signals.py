"""Checks of one pass forward and back: what reaches the last and the first layer.

Tests: tests/test_doctor.py.
"""

import keras
import numpy as np

from dtlib.diagnostics import signal_propagation
from dtlib.doctor._remedies import finding
from dtlib.doctor.rules import expected_initial_loss, gradient_reach

DEAD = 0.5  # C05's half; on a sample of at least ENOUGH rows, in UNITS units
ENOUGH, UNITS = 100, 8
VANISHED = 1e-3  # first kernel's gradient over the largest: what 5 logistic layers do
EXPLODED = 100  # norm of the gradient; with clipping by the optimizer no fault
PENALTY = 10  # penalty over loss on the data
DEPENDS = 0.01  # by how much, of the outputs' size, other rows may change an answer
REACHED = 0.1  # share of the initial value in a moving average that is no matter
LAG = (1.5, 0.1)  # loss at inference over that in training, and their difference


def inference(patient):
    """Yield batch normalization at odds with inference."""
    layers = [
        layer
        for layer in patient.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    if not layers or len(patient.x) < 8:
        return
    model, x = patient.model, keras.ops.convert_to_tensor(patient.x)
    together, again, alone = (
        keras.ops.convert_to_numpy(model(rows, training=False))[:4]
        for rows in (x, x, x[:4])
    )
    size = 1e-7 + float(np.abs(together).max())
    apart = float(np.abs(together - alone).max()) / size
    if (together == again).all() and apart > DEPENDS:
        yield finding("bn_training_mode", relative_change=apart)
    elif not patient.fresh:
        begun = int(model.optimizer.iterations) if model.optimizer.built else 0
        slowest = max(layer.momentum for layer in layers)
        if begun and slowest**begun > REACHED:
            return  # on the way; `bn_momentum` knows whether it will arrive
        used, learned = (loss(patient, training=mode) for mode in (False, True))
        if used > LAG[0] * learned and used - learned > LAG[1]:
            yield finding(
                "bn_not_updated", loss_at_inference=used, loss_in_training=learned
            )


def passes(patient):
    """Yield dead units, penalties, gradients that vanish or explode."""
    model, data = patient.model, loss(patient, penalties=False)
    penalty = float(sum(map(float, model.losses)))
    if penalty > PENALTY * max(data, 1e-3):
        yield finding("penalty_dominates", penalty=penalty, loss_on_data=data)
    seen = signal_propagation(model, patient.x, patient.y)
    by_name = dict(zip(seen.names, range(len(seen.names)), strict=True))
    found = False
    for layer in patient.layers:
        row = by_name.get(layer.name)
        units = getattr(layer, "units", getattr(layer, "filters", UNITS))
        if row is None or len(patient.x) < ENOUGH or units < UNITS:
            continue
        if seen.dead[row] >= DEAD and layer is not patient.head:
            found = True
            yield finding("dead_relus", layer=layer.name, share=float(seen.dead[row]))
    sizes = dict(_kernels(patient, by_name))
    rows = [by_name[name] for name in sizes]
    norms = seen.weight_gradient_rms[rows] * np.sqrt(list(sizes.values()))
    norms = norms[~np.isnan(norms) | ~np.isfinite(seen.gradient_rms[rows])]
    whole = len(norms) > 1 and np.isfinite(norms).all()
    reach = gradient_reach(norms) if whole else 1
    low = reach < VANISHED and 0 < VANISHED * norms.max() < EXPLODED
    if low and not found and not _silent(patient):
        yield finding(
            "vanishing_gradient", first=float(norms[0]), largest=float(norms.max())
        )
    clips = ("clipnorm", "global_clipnorm", "clipvalue")
    clipped = any(getattr(model.optimizer, clip, None) for clip in clips)
    norm = float(np.sqrt(np.sum(norms**2)))
    if not (norm <= EXPLODED or clipped):  # also NaN
        yield finding("exploding_gradient", norm=norm, limit=EXPLODED)


def _kernels(patient, names):
    """`{name: number of weights}` of the kernels that the diagnostics measured."""
    for layer in patient.layers:
        matrix = next((w for w in layer.weights if len(w.shape) > 1), None)
        if matrix is not None and layer.name in names:
            yield layer.name, int(np.prod(matrix.shape))


def _silent(patient):
    """Does a last layer of zeros keep the gradient to itself, as it may?"""
    kernel = getattr(patient.head, "kernel", None)
    return kernel is not None and not keras.ops.convert_to_numpy(kernel).any()


def loss(patient, *, training=False, penalties=True):
    """The loss on the sample."""
    value = float(_loss(patient, training))
    if penalties:
        return value
    return value - float(sum(map(float, patient.model.losses)))


def expected_loss(patient, *, training=False):
    """What a fresh softmax should pay, with its penalties; None for other networks."""
    logits = patient.from_logits and not patient.squashings
    softmax = patient.squashings == ["softmax"] and not patient.from_logits
    classes = patient.loss in ("sparse", "categorical") and (logits or softmax)
    if not (classes and patient.fresh):
        return None
    x = keras.ops.convert_to_tensor(patient.x)
    scores = keras.ops.convert_to_numpy(patient.model(x, training=training))
    if softmax:  # the logarithm gives the logits back, less a number a row
        scores = np.log(np.maximum(scores, keras.config.epsilon()))
    variance = float(np.var(scores, -1, dtype="float64").mean())
    if not np.isfinite(variance):
        return None
    value = expected_initial_loss(variance, patient.outputs)
    return value + float(sum(map(float, patient.model.losses)))


def _loss(patient, training):
    x, y = map(keras.ops.convert_to_tensor, (patient.x, patient.y))
    guess = patient.model(x, training=training)
    return patient.model.compute_loss(x=x, y=y, y_pred=guess, training=training)
