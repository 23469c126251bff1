"""Checks of a model and a batch, before anything is measured.

The chapter `diagnostics` of the book explains it. Tests: tests/test_diagnostics.py.
"""

import keras
import numpy as np

from dtlib._check import finite


def check_batch(model, x, y=None):
    """Return `(x, y)` as tensors, or raise `ValueError`."""
    if not isinstance(model, keras.Model):
        raise ValueError(f"`model` must be a Keras model. Received: model={model!r}.")
    if not (model.built and model.weights):
        raise ValueError(
            f"`model` must be built and have weights. Received: model={model.name!r} "
            f"with built={model.built}. Start it with `keras.Input(shape)`, or call it "
            "on a batch."
        )
    x = _arrays("x", x)
    _shape_fits(model, x)
    if y is None:
        return keras.tree.map_structure(keras.ops.convert_to_tensor, x), None
    if not model.compiled or model.loss is None:
        raise ValueError(
            f"`model` must be compiled with a loss if `y` is given. Received: "
            f"model={model.name!r} without one."
        )
    y = _arrays("y", y)
    n, m = (len(keras.tree.flatten(values)[0]) for values in (x, y))
    if n != m:
        raise ValueError(f"`y` must have {n} rows, as `x` has. Received: {m} rows.")
    _labels_fit(model, y)
    return tuple(keras.tree.map_structure(keras.ops.convert_to_tensor, (x, y)))


def _arrays(name, values):
    """`values` with an array at each leaf: finite, not empty."""

    def array(leaf):
        leaf = finite(name, leaf)
        if leaf.ndim == 0 or leaf.size == 0:
            raise ValueError(
                f"`{name}` must hold at least one sample. Received: an array of shape "
                f"{leaf.shape}."
            )
        return leaf

    return keras.tree.map_structure(array, values)


def _shape_fits(model, x):
    """One input, of known shape: the batch must have it."""
    wanted = getattr(model, "input_shape", None)
    if not (isinstance(x, np.ndarray) and isinstance(wanted, tuple)):
        return
    fits = len(wanted) == x.ndim and all(
        w in (None, s) for w, s in zip(wanted, x.shape, strict=True)
    )
    if not fits:
        shape = ("n", *wanted[1:])
        raise ValueError(
            f"`x` must have shape ({', '.join(map(str, shape))}). Received: {x.shape}."
        )


def _labels_fit(model, y):
    """Class numbers must be in [0, classes): TensorFlow on a GPU would return NaN."""
    loss = model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", None)
    name = name or getattr(loss, "__name__", "")
    classes = getattr(model, "output_shape", (None,))[-1]
    if not (
        "sparse" in name and isinstance(classes, int) and isinstance(y, np.ndarray)
    ):
        return
    wrong = y[(y < 0) | (y >= classes)]
    if wrong.size:
        raise ValueError(
            f"`y` must hold labels in [0, {classes}). Received: {wrong.size} others, "
            f"such as {wrong.flat[0]}."
        )
