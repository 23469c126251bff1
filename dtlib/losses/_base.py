"""What every loss shares: look at the shapes before anything can broadcast.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

import warnings

import numpy as np
from keras import backend, losses, ops


def tensors(y_true, y_pred):
    """Both as tensors of the floating dtype of `y_pred`."""
    y_pred = ops.convert_to_tensor(y_pred)
    if "float" not in backend.standardize_dtype(y_pred.dtype):
        y_pred = ops.cast(y_pred, backend.floatx())
    return ops.cast(ops.convert_to_tensor(y_true), y_pred.dtype), y_pred


def widened(x):
    """Half precision as float32, where the square of 1e4 and 1/1e-7 are finite."""
    half = backend.standardize_dtype(x.dtype) in ("float16", "bfloat16")
    return ops.cast(x, "float32") if half else x


def mean(x, axis=None):
    """The mean over `axis`, in float64 too: on JAX and PyTorch Keras' has 32 bits."""
    if backend.standardize_dtype(x.dtype) != "float64":
        return ops.mean(x, axis=axis)
    return ops.sum(x, axis=axis) / ops.sum(ops.ones_like(x), axis=axis)


def paired(y_true, y_pred, remedy=""):
    """Both as tensors, or `ValueError` unless they have the same shape.

    A target of shape (n,) minus a prediction of shape (n, 1) has shape (n, n), and
    its mean square measures nothing. So nothing here broadcasts.
    """
    y_true, y_pred = tensors(y_true, y_pred)
    same_shape(tuple(y_true.shape), tuple(y_pred.shape), remedy)
    return y_true, y_pred


def agree(a, b):
    """Whether two static shapes are the same; None stands for any length."""
    return len(a) == len(b) and all(
        None in pair or pair[0] == pair[1] for pair in zip(a, b, strict=True)
    )


def same_shape(true, pred, remedy=""):
    """Raise unless the two static shapes agree and have an axis to average over."""
    if not agree(true, pred) or not pred:
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
    """The numbers of `x` as a float64 array, or None inside a compiled graph."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a graph's tensor warns before it raises
            return np.asarray(ops.convert_to_numpy(x)).astype("float64")
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


def with_logits(y_pred, from_logits):
    """The logits that a Keras softmax or sigmoid left on its output, if it did.

    Returns:
        `(logits, True)`, or what came.
    """
    logits = getattr(y_pred, "_keras_logits", None)
    if logits is None:
        return y_pred, from_logits
    if from_logits:
        warnings.warn(
            "`from_logits=True`, but `y_pred` is the output of a softmax or sigmoid. "
            "The logits before it are used. Remove the activation, or `from_logits`.",
            stacklevel=2,
        )
    return logits, True


class RuleLoss(losses.Loss):
    """A Keras loss that aligns the last axis and calls its pure `rule`.

    Subclasses set `rule`, and name in `options` the attributes it takes.
    """

    rule = None
    options = ()

    def _given(self):
        return {name: getattr(self, name) for name in self.options}

    def call(self, y_true, y_pred):
        given = self._given()
        if "from_logits" in given:
            y_pred, given["from_logits"] = with_logits(y_pred, self.from_logits)
        return type(self).rule(*aligned(y_true, y_pred), **given)

    def get_config(self):
        return {**self._given(), **super().get_config(), "dtype": self.dtype}
