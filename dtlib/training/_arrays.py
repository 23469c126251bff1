"""The arrays given to `fit`, checked and named before anything is compiled."""

import numpy as np
import scipy.sparse
from keras import tree

from dtlib._check import finite


def not_in_memory(**arguments):
    """Return why these arguments cannot be indexed as arrays, or None if they can.

    A generator, a `tf.data.Dataset`, a `PyDataset`, sparse, ragged or text data have
    no rows that a compiled loop could pick by number.

    >>> not_in_memory(x=np.ones((2, 3)), y=(row for row in "ab"))
    '`y` is a generator, not an array of numbers in memory'
    """
    for name, value in arguments.items():
        for leaf in tree.flatten(value):
            if leaf is not None and not _is_array(leaf):
                kind = type(leaf).__name__
                return f"`{name}` is a {kind}, not an array of numbers in memory"
    return None


def _is_array(leaf):
    if np.isscalar(leaf):
        return True  # a mistake, not a stream: `pack` says which argument it is
    if scipy.sparse.issparse(leaf) or not hasattr(leaf, "shape"):
        return False
    if hasattr(leaf, "dense_shape") or hasattr(leaf, "ragged_rank"):
        return False
    return np.asarray(leaf).dtype.kind not in "OSU"


def pack(x, y, sample_weight=None, *, names=("x", "y", "sample_weight")):
    """Return `(x, y, sample_weight)` with NumPy arrays as leaves.

    Raises:
        ValueError: if an array is empty, of another length than `x`, not an array,
            or holds NaN or infinity.
    """
    values = (x, y, sample_weight)
    if x is None:
        raise ValueError(f"`{names[0]}` must be an array. Received: {names[0]}=None.")
    packed = tuple(
        _map_named(name, value) for name, value in zip(names, values, strict=True)
    )
    rows = count(packed)
    if rows == 0:
        raise ValueError(
            f"`{names[0]}` must hold at least one row. Received: "
            f"{names[0]}.shape={tree.flatten(packed[0])[0].shape}."
        )
    for name, value in zip(names, packed, strict=True):
        for leaf in tree.flatten(value):
            if leaf is not None and len(leaf) != rows:
                raise ValueError(
                    f"`{name}` must have as many rows as `{names[0]}` ({rows}). "
                    f"Received: {name}.shape={leaf.shape}."
                )
    return packed


def _map_named(name, value):
    """Turn each leaf of `value` into a finite array; `name` is for the messages."""

    def convert(leaf):
        if leaf is None:
            return None
        array = np.asarray(leaf)
        if array.ndim == 0:
            raise ValueError(
                f"`{name}` must be an array, or a list, tuple or dict of arrays. "
                f"Received: {name} of type {type(value).__name__} holding {leaf!r}."
            )
        return finite(name, array)

    return tree.map_structure(convert, value)


def pack_validation(validation_data):
    """Return `(x, y, sample_weight)` of `validation_data`, or None."""
    if validation_data is None:
        return None
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (
        2,
        3,
    ):
        length = (
            f" of length {len(validation_data)}"
            if hasattr(validation_data, "__len__")
            else ""
        )
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight). "
            f"Received: {type(validation_data).__name__}{length}."
        )
    names = [f"validation_data[{i}]" for i in range(3)]
    return pack(*validation_data, names=names)


def count(data):
    """Return the number of rows of packed `data`."""
    return len(tree.flatten(data[0])[0])


def class_weights(y, class_weight):
    """Return the weight of each row: that of its class.

    One-hot rows count as the class of their largest entry, as in Keras.

    Differs from Keras: a label without a weight is an error, not a weight of 1.

    >>> class_weights(np.array([0, 1, 1]), {0: 2.0, 1: 0.5})
    array([2. , 0.5, 0.5])
    """
    if not isinstance(class_weight, dict):
        raise ValueError(
            "`class_weight` must be a dict from label to weight. Received: "
            f"class_weight={class_weight!r}."
        )
    if tree.is_nested(y) or y is None:
        raise ValueError("`class_weight` needs a model with one output, and its `y`.")
    if y.ndim > 1:
        y = y.argmax(-1) if y.shape[-1] != 1 else y[..., 0]
    labels, index = np.unique(np.round(y).astype("int64"), return_inverse=True)
    missing = [int(label) for label in labels if int(label) not in class_weight]
    if missing:
        raise ValueError(
            f"`class_weight` must have a weight for every label in `y`; {missing} "
            f"have none. Received: class_weight={class_weight!r}."
        )
    weights = np.array([class_weight[int(label)] for label in labels], dtype="float64")
    return finite("class_weight", weights)[index.reshape(y.shape)]
