"""Pruning: the smallest weights become zero, and a mask keeps them there.

The chapter `regularizers` of the book explains it. Tests: tests/test_regularizers.py.
"""

import math

import keras
import numpy as np
from keras import ops

from dtlib._check import number_in, one_of

SCOPES = ("layer", "global")


def sparsity(w, *, threshold):
    """The share of weights that are zero, or next to it.

        share of entries with |w| ≤ threshold · max|w|

    After ℓ1 and gradient descent hardly a weight is exactly 0, so a sparsity without
    the threshold that it was counted at says nothing.

    Args:
        w: Weights, of any shape.
        threshold: In [0, 1], relative to the largest weight. 0 counts exact zeros;
            1e-3 is what this book calls zero.

    Returns:
        A scalar in [0, 1]; 1 if all are 0, NaN if a weight is not finite.

    Example:

    >>> import numpy as np
    >>> w = np.array([0.0, 1e-4, -0.5, 1.0])
    >>> print(*(float(sparsity(w, threshold=t)) for t in (0.0, 1e-3)))
    0.25 0.5

    Equation: eq-regularizers-sparsity
    """
    number_in("threshold", threshold, "[0, 1]")
    size = _magnitudes(w)
    zero = ops.cast(size <= threshold * ops.max(size, initial=0), size.dtype)
    share = ops.sum(zero) / max(math.prod(zero.shape), 1)
    known = ops.all(ops.isfinite(size))
    return ops.where(known, share, ops.full_like(share, math.nan))


def magnitude_mask(w, *, sparsity):
    """Which weights stay when the smallest ones go.

        k = round(sparsity · n)      the k smallest of the n magnitudes go

    Args:
        w: Weights, of any shape.
        sparsity: The share that goes, in [0, 1]. `round` is Python's: halves go to
            the even number.

    Returns:
        A tensor of booleans shaped like `w`: exactly k are False. Among equal
        magnitudes the first, in row order, goes first. NaN always stays, and shows.

    Example:

    >>> import numpy as np
    >>> w = np.array([[3.0, -1.0], [1.0, -2.0]])
    >>> print(np.asarray(magnitude_mask(w, sparsity=0.25)))
    [[ True False]
     [ True  True]]

    Reference: Han et al., 2015, https://arxiv.org/abs/1506.02626

    Equation: eq-regularizers-magnitude
    """
    number_in("sparsity", sparsity, "[0, 1]")
    size = ops.ravel(_magnitudes(w))
    missing = ops.isnan(size)
    size = ops.where(missing, ops.full_like(size, math.inf), size)
    n = math.prod(w.shape)
    rank = ops.argsort(ops.argsort(size))
    stays = ops.logical_or(rank >= round(sparsity * n), missing)
    return ops.reshape(stays, w.shape)


def prune_by_magnitude(w, *, sparsity):
    """Set the weights of smallest magnitude to zero.

    Args:
        w, sparsity: As in `magnitude_mask`, which says what counts as smallest.

    Returns:
        A tensor like `w`.

    Example:

    >>> import numpy as np
    >>> w = np.array([[3.0, -1.0], [1.0, -2.0]])
    >>> print(np.asarray(prune_by_magnitude(w, sparsity=0.5)))
    [[ 3.  0.]
     [ 0. -2.]]

    Reference: Han et al., 2015, https://arxiv.org/abs/1506.02626
    """
    w = ops.convert_to_tensor(w)
    return ops.where(magnitude_mask(w, sparsity=sparsity), w, ops.zeros_like(w))


def prune_model(model, *, sparsity, scope):
    """Prune every kernel of a model; biases and scales of normalization stay.

    A kernel is a weight whose name ends in "kernel". All masks are made before the
    first weight changes: an error leaves the model as it was.

    Args:
        model: A built Keras model.
        sparsity: The share of weights that goes, in [0, 1].
        scope: "layer" takes this share of each kernel; "global" ranks the weights of
            all kernels together, so that a layer of small weights loses more.

    Returns:
        Masks for `apply_masks`: path of the kernel → array of booleans, True where the
        weight stays. `1 - mask.mean()` is what a layer lost.

    Raises:
        ValueError: If there is no kernel, two share a path, or one is not finite.

    Example:

    >>> import keras
    >>> layers = [keras.Input((4,)), keras.layers.Dense(5, name="dense")]
    >>> model = keras.Sequential(layers, name="net")
    >>> masks = prune_model(model, sparsity=0.9, scope="layer")
    >>> {path: round(1 - float(mask.mean()), 3) for path, mask in masks.items()}
    {'net/dense/kernel': 0.9}

    Reference: Han et al., 2015, https://arxiv.org/abs/1506.02626
    """
    number_in("sparsity", sparsity, "[0, 1]")
    one_of("scope", scope, SCOPES)
    kernels = _kernels(model)
    size = {path: ops.ravel(_magnitudes(v)) for path, v in kernels.items()}
    for path, values in size.items():
        if not ops.all(ops.isfinite(values)):
            raise ValueError(f"`{path}` must be finite. Received: NaN or inf in it.")
    if scope == "layer":
        kept = [magnitude_mask(values, sparsity=sparsity) for values in size.values()]
    else:
        together = ops.concatenate(list(size.values()))
        ends = np.cumsum([len(values) for values in size.values()])[:-1].tolist()
        kept = ops.convert_to_numpy(magnitude_mask(together, sparsity=sparsity))
        kept = np.split(kept, ends)
    masks = {
        path: ops.convert_to_numpy(keep).reshape(v.shape)
        for (path, v), keep in zip(kernels.items(), kept, strict=True)
    }
    apply_masks(model, masks)
    return masks


def apply_masks(model, masks):
    """Set the weights that were pruned to zero again, as after each step of training.

    Args:
        model: The model that was pruned, or one of the same names and shapes.
        masks: What `prune_model` returned, or a part of it.

    Returns:
        None. A path or a shape that does not fit raises before any weight changes.

    Example: training on without a mask brings the weights back.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5)])
    >>> masks = prune_model(model, sparsity=0.9, scope="global")
    >>> keep = keras.callbacks.LambdaCallback(
    ...     on_train_batch_end=lambda batch, logs: apply_masks(model, masks)
    ... )
    """
    kernels = _kernels(model)
    for path, mask in masks.items():
        expected = tuple(kernels[path].shape) if path in kernels else None
        if np.shape(mask) != expected:
            raise ValueError(
                f"`masks` must fit the kernels of the model. Received: a mask of shape "
                f"{np.shape(mask)} for {path!r}, whose shape is {expected}."
            )
    for path, mask in masks.items():
        w = ops.convert_to_tensor(kernels[path])
        kernels[path].assign(ops.where(mask, w, ops.zeros_like(w)))


def _kernels(model):
    """Path → kernel, for each kernel of the model, once."""
    found = [v for v in model.weights if v.name.endswith("kernel")]
    kernels = {v.path: v for v in found}
    if not found or len(kernels) != len(found):
        raise ValueError(
            "`model` must be built and have kernels, each under a path of its own. "
            f"Received: kernels {[v.path for v in found]}."
        )
    return kernels


def _magnitudes(w):
    """|w| in 32 bits or more."""
    w = ops.convert_to_tensor(w)
    is_double = keras.backend.standardize_dtype(w.dtype) == "float64"
    return ops.abs(ops.cast(w, "float64" if is_double else "float32"))
