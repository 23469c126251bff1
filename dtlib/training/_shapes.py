"""Do the arrays fit the model and its loss? Asked before anything is compiled."""

import numpy as np
from keras import losses, tree

# Keras losses whose targets have a shape of their own.
_OTHER_SHAPES = {"ctc", "circle", "categoricalgeneralizedcrossentropy"}


def check_inputs(model, x, name="x"):
    """Raise `ValueError` where `x` has not the shapes of the model's inputs."""
    inputs, arrays = getattr(model, "inputs", None), tree.flatten(x)
    if not inputs or isinstance(x, dict):
        return  # not known before the model is built; Keras matches names itself
    if len(arrays) != len(inputs):
        raise ValueError(
            f"`{name}` must hold {len(inputs)} array(s), one for each input of the "
            f"model. Received: {len(arrays)}."
        )
    for array, expected in zip(arrays, inputs, strict=True):
        if not _agree(array.shape, expected.shape):
            raise ValueError(
                f"`{name}` must have the shape of the model's inputs, "
                f"{_text(expected.shape)}. Received: {name}.shape={array.shape}."
            )


def check_targets(model, y, name="y"):
    """Raise `ValueError` where `y` cannot be the targets of `model`.

    Keras broadcasts: a `y` of shape (n,) against outputs of shape (n, 10) trains, on
    n × 10 differences nobody asked for. And a class label beyond the outputs gives a
    loss of NaN on a GPU. Only losses of Keras and of this package are checked; what
    the targets of another loss look like is that loss's business.
    """
    outputs = getattr(model, "outputs", None)
    loss = model.loss
    if not outputs or loss is None or isinstance(y, dict) or isinstance(loss, dict):
        return
    targets, loss = tree.flatten(y), tree.flatten(loss)
    if len(targets) != len(outputs):
        raise ValueError(
            f"`{name}` must hold {len(outputs)} array(s), one for each output of the "
            f"model. Received: {len(targets)}."
        )
    if len(loss) == 1:
        loss = loss * len(outputs)
    for target, output, one_loss in zip(targets, outputs, loss, strict=False):
        kind = loss_name(one_loss)
        if target is None or kind is None:
            continue
        if _is_sparse(kind, target.shape, output.shape):
            _check_labels(name, target, output.shape, one_loss)
        else:
            _check_shape(name, target.shape, output.shape, kind)


def loss_name(loss):
    """Return the name of a known loss in lower case without `_`, or None.

    >>> loss_name("mse"), loss_name(losses.MeanSquaredError()), loss_name(max)
    ('meansquarederror', 'meansquarederror', None)
    """
    if isinstance(loss, str):
        if loss in ("crossentropy", "ce"):
            return "crossentropy"
        loss = losses.get(loss)
    named = loss if hasattr(loss, "__name__") else type(loss)
    module = getattr(named, "__module__", None) or ""
    name = named.__name__.lower().replace("_", "")
    if not module.startswith(("keras.", "dtlib.")) or name == "lossfunctionwrapper":
        return None
    return None if name in _OTHER_SHAPES else name


def _is_sparse(kind, target, output):
    """Are these class labels? "crossentropy" decides by shape, as in Keras."""
    if kind == "crossentropy":
        return output[-1] != 1 and (len(target) < len(output) or target[-1] == 1)
    return kind == "sparsecategoricalcrossentropy"


def _check_labels(name, target, output, loss):
    classes = output[-1]
    if not _agree(target.shape, output[:-1]):
        raise ValueError(
            f"`{name}` must hold one class label for each prediction, shape "
            f"{_text(output[:-1])}, for sparse categorical crossentropy. Received: "
            f"{name}.shape={target.shape}. One-hot rows go with "
            "categorical_crossentropy."
        )
    ignored = getattr(loss, "ignore_class", None)
    labels = target if ignored is None else target[target != ignored]
    if classes is None or labels.size == 0:
        return
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        raise ValueError(
            f"`{name}` must hold class labels in [0, {classes}), because the model "
            f"has {classes} outputs. Received: labels from {low} to {high}."
        )
    if not np.issubdtype(labels.dtype, np.integer) and (labels % 1).any():
        raise ValueError(
            f"`{name}` must hold whole class labels. Received: "
            f"{labels[labels % 1 != 0][0]}."
        )


def _check_shape(name, target, output, kind):
    if _agree(target, output):
        return
    hint = ""
    if kind in ("categoricalcrossentropy", "crossentropy") and len(target) < len(
        output
    ):
        hint = " Integer labels go with sparse_categorical_crossentropy."
    raise ValueError(
        f"`{name}` must have the shape of the model's outputs, {_text(output)}. "
        f"Received: {name}.shape={target}.{hint}"
    )


def _agree(target, output):
    """Is `target` of shape `output`, but for the rows and a last axis of length 1?"""

    def axes(shape):
        return shape[1:-1] if len(shape) > 1 and shape[-1] == 1 else shape[1:]

    a, b = axes(tuple(target)), axes(tuple(output))
    return len(a) == len(b) and all(
        p == q or q is None for p, q in zip(a, b, strict=True)
    )


def _text(shape):
    """Write a shape with n for the number of rows: (n, 10)."""
    axes = ["n", *("any" if axis is None else str(axis) for axis in shape[1:])]
    return f"({', '.join(axes)})" if len(axes) > 1 else "(n,)"
