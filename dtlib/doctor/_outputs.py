"""Checks of the outputs: do the last layer, the loss and the targets fit together?

Tests: tests/test_doctor.py.
"""

import numpy as np

from dtlib.doctor._patient import one_hot
from dtlib.doctor._remedies import finding

CROSS_ENTROPIES = ("sparse", "categorical", "binary")
SUM = 0.01  # how far the sum of a row's probabilities may be from 1
OUTSIDE = 0.01  # share of targets beyond the last activation's range that is too many


def shapes(patient):
    """Yield targets that the loss cannot take, or takes wrongly."""
    y, outputs, loss = patient.y, patient.outputs, patient.loss
    rank = len(patient.model.output_shape)
    one_each = y.ndim == rank - 1 or (y.ndim == rank and y.shape[-1] == 1)
    width = 1 if one_each else y.shape[-1]
    facts = dict(loss=loss, targets=y.shape[1:], outputs=outputs)
    if loss == "sparse":
        if not one_each:
            yield finding("label_shape", **facts)
        elif y.min() < 0 or y.max() >= outputs:
            name = "outputs_not_classes"
            if y.min() == 1 and y.max() == outputs:
                name = "labels_start_at_one"
            labels = dict(lowest=int(y.min()), highest=int(y.max()))
            yield finding(name, **labels, outputs=outputs)
    elif loss == "categorical" and one_hot(y) and width != outputs:
        yield finding("outputs_not_classes", classes=width, outputs=outputs)
    elif loss in ("categorical", "binary", "regression") and width != outputs:
        yield finding("label_shape", **facts)
    elif loss == "binary" and (y.min() < 0 or y.max() > 1):
        yield finding(
            "labels_out_of_range", lowest=float(y.min()), highest=float(y.max())
        )


def losses(patient):
    """Yield a last activation, a loss and targets that do not fit together."""
    names, loss, y = patient.squashings, patient.loss, patient.y
    if names is None:
        return  # it ends in a subclassed model, which does not show its graph
    last = names[0] if names else "linear"
    squashed = [name for name in names if name in ("softmax", "sigmoid")]
    facts = dict(last_activation=last, loss=loss, from_logits=patient.from_logits)
    if last == "softmax" and patient.outputs == 1:
        yield finding("softmax_of_one", outputs=1)
    elif len(squashed) > 1 or (squashed and patient.from_logits):
        yield finding("softmax_twice", squashings=squashed, **facts)
    elif loss == "categorical" and not _adds_up(y):
        sums = y.sum(-1)
        yield finding(
            "targets_not_probabilities",
            lowest_sum=float(sums.min()),
            largest_sum=float(sums.max()),
            outputs=patient.outputs,
        )
    elif last in ("relu", "relu6") and (loss in CROSS_ENTROPIES or y.min() < 0):
        yield finding("relu_output", lowest_target=float(y.min()), **facts)
    elif loss in CROSS_ENTROPIES and last == "linear" and not patient.from_logits:
        yield finding("logits_as_probabilities", **facts)
    elif _mismatched(last, loss, y, patient.outputs):
        yield finding("wrong_loss", outputs=patient.outputs, **facts)
    elif loss == "regression" and last in ("sigmoid", "tanh"):
        low = 0 if last == "sigmoid" else -1
        outside = float(np.mean((y < low) | (y > 1)))
        if outside > OUTSIDE:
            yield finding("targets_out_of_range", share_outside=outside, **facts)


def _adds_up(y):
    """Is each row a set of probabilities? Padding makes rows of zeros in sequences."""
    sums = y.sum(-1)
    allowed = np.abs(sums - 1) <= SUM
    return bool(y.min() >= 0 and (allowed | ((sums == 0) & (y.ndim > 2))).all())


def _mismatched(last, loss, y, outputs):
    if loss in ("sparse", "categorical"):
        return last in ("sigmoid", "tanh")
    if loss == "binary":
        return last in ("softmax", "tanh")
    labels = one_hot(y) or bool(outputs == 1 and np.isin(y, (0, 1)).all())
    return loss == "regression" and last in ("softmax", "sigmoid") and labels
