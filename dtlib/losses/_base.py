"""What every loss shares: look at the shapes before anything can broadcast.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

import numpy as np
from keras import backend, losses, ops


def tensors(y_true, y_pred):
    """Both as tensors of the floating dtype of `y_pred`."""
    y_pred = ops.convert_to_tensor(y_pred)
    if "float" not in backend.standardize_dtype(y_pred.dtype):
        y_pred = ops.cast(y_pred, backend.floatx())
    return ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype), y_pred


def paired(y_true, y_pred, remedy=""):
    """Both as tensors, or `ValueError` unless they have the same shape.

    A target of shape (n,) minus a prediction of shape (n, 1) has shape (n, n), and
    its mean square measures nothing. So nothing here broadcasts.
    """
    y_true, y_pred = tensors(y_true, y_pred)
    same_shape(tuple(y_true.shape), tuple(y_pred.shape), remedy)
    return y_true, y_pred


def same_shape(true, pred, remedy=""):
    """Raise unless the two static shapes agree; None stands for any length."""
    agree = len(true) == len(pred) and all(
        None in pair or pair[0] == pair[1] for pair in zip(true, pred, strict=True)
    )
    if not agree or not pred:
        raise ValueError(
            "`y_true` and `y_pred` must have the same shape, with at least 1 axis. "
            f"Received: y_true.shape={true}, y_pred.shape={pred}.{remedy}"
        )


def aligned(y_true, y_pred):
    """Undo one missing or superfluous last axis of length 1, as Keras' losses do."""
    longer, shorter = sorted((y_true, y_pred), key=lambda a: -len(a.shape))
    if len(longer.shape) == len(shorter.shape) + 1 and longer.shape[-1] == 1:
        if len(shorter.shape) == 1:
            shorter = ops.expand_dims(shorter, -1)
        else:
            longer = ops.squeeze(longer, -1)
        short_is_true = len(y_true.shape) < len(y_pred.shape)
        return (shorter, longer) if short_is_true else (longer, shorter)
    return y_true, y_pred


def values_of(x):
    """The numbers of `x` as an array, or None inside a compiled graph."""
    try:
        return np.asarray(ops.convert_to_numpy(x))
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


class RuleLoss(losses.Loss):
    """A Keras loss that aligns the last axis and calls its pure `rule`.

    Subclasses set `rule` and name its options, which are also their attributes.
    """

    rule = None
    options = ()

    def call(self, y_true, y_pred):
        options = {name: getattr(self, name) for name in self.options}
        return type(self).rule(*aligned(y_true, y_pred), **options)

    def get_config(self):
        options = {name: getattr(self, name) for name in self.options}
        return {**options, **super().get_config(), "dtype": self.dtype}
