"""Caching: what frozen layers give, computed once instead of in every epoch.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
from keras import ops

from dtlib._check import integer_in
from dtlib.experiments.store import digest, replacing
from dtlib.transfer._layers import chain, how_many, walk


def remaining(model, keep):
    """The layers of a model after the first `keep`, as a model of their own.

        f(x) = g(φ(x))      φ: the first layers, at inference;  g: the remaining ones

    The layers are shared, not copied: training g trains the model f.

    Args:
        model: A built, straight model, as for `reuse`.
        keep: As for `reuse`: how many layers φ has, or the name of its last.

    Returns:
        A `keras.Sequential`, built and not compiled.

    Raises:
        ValueError: Where no layer remains, and as `reuse`.

    >>> model = keras.Sequential([
    ...     keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2),
    ... ])
    >>> top = remaining(model, 1)
    >>> top.input_shape, top.layers[0] is model.layers[1]
    ((None, 4), True)

    Equation: eq-transfer-composed
    """
    found, tensors = chain(model)
    k = how_many(keep, found)
    if k == len(found):
        raise ValueError(
            f"`keep` must leave a layer of {k}. Received: keep={keep!r}, which is all."
        )
    given = keras.Input(batch_shape=tensors[k].shape, dtype=tensors[k].dtype)
    return keras.Sequential([given, *found[k:]])


def cache_features(model, x, keep, *, batch_size=256, path=None):
    """What the first `keep` layers of a model give for `x`, as at inference.

        φ(x): for a frozen φ the same in every epoch, so it need be computed only once

    Train `remaining(model, keep)` on it. That equals training the model itself, but for
    layers among the first that are random in training: φ is without their noise.

    Args:
        model: A built, straight model, as for `reuse`, whose first layers are frozen.
        x: Inputs, an array with one row an example.
        keep: As for `reuse`.
        batch_size: Rows at a time; it changes the memory, not the result.
        path: None, or the name of an ".npz" file. It is read instead if it was made by
            the same layers with the same weights from the same data (their SHA-256
            stands in it); otherwise it is written anew, whole or not at all.

    Returns:
        Array of shape (n, …).

    Raises:
        ValueError: Where a layer that is kept could still train, `x` does not fit, or
            the file is none that this function wrote; that is never overwritten.

    >>> model = keras.Sequential([
    ...     keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(2),
    ... ])
    >>> model.layers[0].trainable = False
    >>> x = np.eye(3, dtype="float32")
    >>> features = cache_features(model, x, 1)
    >>> bool(np.allclose(remaining(model, 1)(features), model(x)))
    True

    Reference: Géron, 2017, "Hands-On Machine Learning", chapter 11, "Caching the
    Frozen Layers".
    """
    found, tensors = chain(model)
    kept = found[: how_many(keep, found)]
    batch_size = integer_in("batch_size", batch_size, "[1, inf)")
    x = _fitting(x, tensors[0])
    _check_frozen(kept)
    if path is None:
        return _features(kept, x, batch_size)
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"`path` must end in .npz. Received: path={str(path)!r}.")
    key = digest(
        *[keras.saving.serialize_keras_object(layer) for layer in kept],
        *[weight for layer in kept for weight in layer.get_weights()],
        x,
    )
    features = _stored(path, key)
    if features is None:
        features = _features(kept, x, batch_size)
        with replacing(path, "wb") as file:
            np.savez(file, digest=np.array(key), features=features)
    return features


def _fitting(x, tensor):
    x = np.asarray(x)
    shape = tuple(tensor.shape[1:])
    if x.ndim != len(shape) + 1 or any(
        size not in (None, given)
        for size, given in zip(shape, x.shape[1:], strict=True)
    ):
        raise ValueError(
            f"`x` must have the shape (n, *{shape}). Received: shape {x.shape}."
        )
    return x.astype(tensor.dtype)


def _check_frozen(kept):
    inside = [(layer.name, layer) for layer in kept]
    for layer in kept:
        if isinstance(layer, keras.Model):
            inside += walk(layer, f"{layer.name}/")
    leaves = [(path, one) for path, one in inside if not isinstance(one, keras.Model)]
    free = [path for path, one in leaves if one.weights and one.trainable]
    if free:
        raise ValueError(
            "`model` must have its kept layers frozen, or the features go out of date: "
            f"`freeze(model, …)`. Received: trainable layers {free}."
        )
    noisy = [path for path, one in leaves if _is_random(one)]
    if noisy:
        warnings.warn(
            f"{noisy} act in training only: the features are without what they do.",
            stacklevel=3,
        )


def _is_random(layer):
    return any(isinstance(v, keras.random.SeedGenerator) for v in vars(layer).values())


def _features(kept, x, batch_size):
    parts = []
    for start in range(0, max(len(x), 1), batch_size):
        part = ops.convert_to_tensor(x[start : start + batch_size])
        for layer in kept:
            part = layer(part, training=False)
        parts.append(ops.convert_to_numpy(part))
    return np.concatenate(parts)


def _stored(path, key):
    """The features in the file; None where there is no file, or it is out of date."""
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            if str(file["digest"]) == key:
                return file["features"]
            return None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            "`path` must be new, or a file that `cache_features` wrote. Received: "
            f"{str(path)!r}, which is none ({type(error).__name__}: {error})."
        ) from error
