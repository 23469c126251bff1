"""Classification: cross-entropy under Keras' names, from logits or from probabilities.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

from keras import ops
from keras.src.backend.common.masking import set_keras_mask  # no public name sets one

from dtlib._check import integer_in, number_in, one_of
from dtlib._register import serializable
from dtlib.losses._base import RuleLoss, agree, mean, paired, tensors
from dtlib.losses._labels import check_classes, check_probabilities
from dtlib.losses.crossentropy import (
    binary_crossentropy_of_logits,
    binary_crossentropy_of_probabilities,
    categorical_crossentropy_of_logits,
    categorical_crossentropy_of_probabilities,
    clipped_log,
    log_softmax,
    negative_log_likelihood,
    of_sum_one,
    smooth_labels,
)


def binary_crossentropy(
    y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1
):
    """The mean over `axis` of the binary cross-entropy of every output.

    Args:
        y_true: Labels in [0, 1], shape (..., d). Values outside raise, except inside a
            compiled graph, where they cannot be seen.
        y_pred: Probabilities or logits, the same shape.
        from_logits: Whether `y_pred` are logits, the better choice.
        label_smoothing: α of `smooth_labels`, with K = 2.
        axis: The axis of the outputs, over which the mean is taken.

    Returns:
        The loss of each sample, without that axis.

    Differs from Keras: it sees only numbers. Keras' function looks for the logits that
    a sigmoid or softmax left on its output; here the classes do that.

    Reference: see `binary_crossentropy_of_probabilities` and `..._of_logits`.
    """
    y, x = paired(y_true, y_pred)
    check_probabilities(y)
    y = smooth_labels(y, label_smoothing=label_smoothing, num_classes=2)
    if from_logits:
        return mean(binary_crossentropy_of_logits(y, x), axis=axis)
    return mean(binary_crossentropy_of_probabilities(y, x), axis=axis)


def categorical_crossentropy(
    y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1
):
    """The cross-entropy of labels given as probabilities, one-hot or soft.

    Args:
        y_true: Probabilities of the K ≥ 2 classes, any shape. Values outside [0, 1]
            raise, except inside a compiled graph, where they cannot be seen.
        y_pred: Probabilities (divided by their sum first) or logits, the same shape.
        from_logits: Whether `y_pred` are logits, the better choice.
        label_smoothing: α of `smooth_labels`.
        axis: The axis of the classes.

    Returns:
        The loss of each sample, without that axis.

    Differs from Keras: it sees only numbers, as `binary_crossentropy` does; one class
    raises instead of warning; smoothing counts the classes on `axis`, not on the last.

    Reference: see `categorical_crossentropy_of_probabilities` and `..._of_logits`.
    """
    y, x = paired(
        y_true, y_pred, " For class numbers use `sparse_categorical_crossentropy`."
    )
    k = _classes(x, axis)
    check_probabilities(y)
    y = smooth_labels(y, label_smoothing=label_smoothing, num_classes=k)
    if from_logits:
        return categorical_crossentropy_of_logits(y, x, axis=axis)
    p = of_sum_one(x, axis)
    loss = categorical_crossentropy_of_probabilities(y, p, axis=axis)
    return ops.cast(loss, x.dtype)


def sparse_categorical_crossentropy(
    y_true, y_pred, from_logits=False, ignore_class=None, axis=-1
):
    """The cross-entropy of labels given as class numbers.

    Args:
        y_true: Class numbers 0, ..., K − 1: the shape of `y_pred` without the axis of
            the classes, or with length 1 there. Any other number raises; inside a
            compiled graph nothing can, and the loss of that sample is NaN.
        y_pred: Probabilities (divided by their sum first) or logits; K ≥ 2.
        from_logits: Whether `y_pred` are logits, the better choice.
        ignore_class: A number whose samples have loss 0, such as −1, or None.
        axis: The axis of the classes.

    Returns:
        The loss of each sample, without that axis.

    >>> sparse_categorical_crossentropy([3], [[0.2, 0.8]])
    Traceback (most recent call last):
        ...
    ValueError: `y_true` must hold integers in [0, 1]. Received: 1 of 1 others, first 3.

    Differs from Keras: Keras does not look at the labels, so one out of range gives
    NaN or an error of the device, by the way it was compiled; and on TensorFlow it
    takes no `axis` but the last.

    Reference: see `negative_log_likelihood` and `log_softmax`.
    """
    y = ops.convert_to_tensor(y_true)
    _, x = tensors(0, y_pred)
    k = _classes(x, axis)
    if len(y.shape) == len(x.shape) and y.shape[axis] == 1:
        y = ops.squeeze(y, axis)
    samples = list(x.shape)
    del samples[axis]
    if not agree(tuple(y.shape), tuple(samples)):
        raise ValueError(
            f"`y_true` must have the shape of `y_pred` without axis {axis}. Received: "
            f"y_true.shape={tuple(y.shape)}, y_pred.shape={tuple(x.shape)}. "
            "For one-hot labels use `categorical_crossentropy`."
        )
    if ignore_class is not None:
        ignored = y == ops.cast(ignore_class, y.dtype)
        y = ops.where(ignored, ops.zeros_like(y), y)
    check_classes(y, k)
    if from_logits:
        log_p = log_softmax(x, axis=axis)
    else:
        log_p = clipped_log(of_sum_one(x, axis))
    loss = negative_log_likelihood(y, log_p, axis=axis)
    loss = loss if ignore_class is None else ops.where(ignored, 0.0, loss)
    return ops.cast(loss, x.dtype)


def _classes(x, axis):
    """How many classes there are on `axis`; at least 2, or nothing is learned."""
    shape = tuple(x.shape)
    if not -len(shape) <= axis < len(shape):
        raise ValueError(
            f"`axis` must be an axis of `y_pred`. Received: axis={axis}, "
            f"y_pred.shape={shape}."
        )
    if shape[axis] is None or shape[axis] < 2:
        raise ValueError(
            "`y_pred` must have at least 2 classes: with 1 the loss is always 0. "
            f"Received: y_pred.shape={shape}, axis={axis}. "
            "For a yes-or-no output use `binary_crossentropy`."
        )
    return shape[axis]


@serializable
class BinaryCrossentropy(RuleLoss):
    """Cross-entropy of yes-or-no labels; the rule is `binary_crossentropy`.

    Args:
        from_logits: Whether the network ends without a sigmoid.
        label_smoothing: α in [0, 1]; labels move to (1 − α)·y + α/2.
        axis: The axis of the outputs.
        reduction, name, dtype: As in `keras.losses.Loss`.

    Where `y_pred` is the output of a Keras sigmoid, which carries its logits, they are
    used and nothing is clipped, as in Keras.

    Differs from Keras: labels outside [0, 1] and shapes that do not match raise; the
    config keeps `dtype`. See also the rule.

    Reference: see `binary_crossentropy_of_logits`.
    """

    rule = staticmethod(binary_crossentropy)
    options = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="binary_crossentropy",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)
        self.from_logits = one_of("from_logits", from_logits, (False, True))
        self.label_smoothing = number_in("label_smoothing", label_smoothing, "[0, 1]")
        self.axis = integer_in("axis", axis, "(-inf, inf)")


@serializable
class CategoricalCrossentropy(RuleLoss):
    """Cross-entropy of one-hot or soft labels; the rule is `categorical_crossentropy`.

    Args:
        from_logits: Whether the network ends without a softmax.
        label_smoothing: α in [0, 1]; labels move to (1 − α)·y + α/K.
        axis: The axis of the classes.
        reduction, name, dtype: As in `keras.losses.Loss`.

    Where `y_pred` is the output of a Keras softmax, which carries its logits, they are
    used and nothing is clipped, as in Keras.

    Differs from Keras: as `BinaryCrossentropy` does. See also the rule.

    Reference: see `categorical_crossentropy_of_logits`.
    """

    rule = staticmethod(categorical_crossentropy)
    options = ("from_logits", "label_smoothing", "axis")

    def __init__(
        self,
        from_logits=False,
        label_smoothing=0.0,
        axis=-1,
        reduction="sum_over_batch_size",
        name="categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)
        self.from_logits = one_of("from_logits", from_logits, (False, True))
        self.label_smoothing = number_in("label_smoothing", label_smoothing, "[0, 1]")
        self.axis = integer_in("axis", axis, "(-inf, inf)")


@serializable
class SparseCategoricalCrossentropy(RuleLoss):
    """Cross-entropy of class numbers; the rule is `sparse_categorical_crossentropy`.

    Args:
        from_logits: Whether the network ends without a softmax.
        ignore_class: A class number that is left out of the mean, or None.
        axis: The axis of the classes.
        reduction, name, dtype: As in `keras.losses.Loss`.

    Where `y_pred` is the output of a Keras softmax, which carries its logits, they are
    used and nothing is clipped, as in Keras.

    Differs from Keras: labels out of range raise when run eagerly, and give NaN in a
    compiled graph; the config keeps `axis` and `dtype`. See also the rule.

    Reference: see `negative_log_likelihood`.
    """

    rule = staticmethod(sparse_categorical_crossentropy)
    options = ("from_logits", "ignore_class", "axis")

    def __init__(
        self,
        from_logits=False,
        ignore_class=None,
        reduction="sum_over_batch_size",
        axis=-1,
        name="sparse_categorical_crossentropy",
        dtype=None,
    ):
        super().__init__(name, reduction, dtype)
        self.from_logits = one_of("from_logits", from_logits, (False, True))
        if ignore_class is not None:
            ignore_class = integer_in("ignore_class", ignore_class, "(-inf, inf)")
        self.ignore_class = ignore_class
        self.axis = integer_in("axis", axis, "(-inf, inf)")

    def call(self, y_true, y_pred):
        values = super().call(y_true, y_pred)
        if self.ignore_class is not None:
            kept = y_true != ops.cast(self.ignore_class, y_true.dtype)
            # The base class divides by what the mask keeps.
            set_keras_mask(values, ops.reshape(kept, ops.shape(values)))
        return values
