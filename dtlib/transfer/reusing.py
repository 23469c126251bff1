"""Reusing: a new model that begins with copies of another's layers.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

import keras
import numpy as np
from keras import layers

from dtlib.transfer._layers import (
    calls_of,
    chain,
    checked,
    how_many,
    own_layers,
    walk,
)


def reuse(model, keep, head=(), *, name=None):
    """A new model: copies of the first layers of `model`, then new ones.

    Copies, so that training the new model leaves the old one as it was. A model made
    of `model.layers[:-1]` shares them, and training one trains both.

    Args:
        model: A built, straight model: Sequential, or functional with each layer called
            once on the output of the one before. It is not changed.
        keep: How many layers to keep, without counting the input layer, or the name of
            the last one kept. A negative number counts from the end, so −1 keeps all
            but the last.
        head: Layers to put on top, in order; new ones, not built.
        name: Of the new model.

    Returns:
        A `keras.Sequential`, built and not compiled. The copies have the names, the
        weights and the `trainable` of their models.

    Raises:
        ValueError: For a model with branches, a layer in `head` that is built or whose
            name is taken, or a `keep` that the model does not have.

    Example: the old model's layer, another output.

    >>> a = keras.Sequential([
    ...     keras.Input((3,)), layers.Dense(4, name="hidden"), layers.Dense(8)
    ... ])
    >>> b = reuse(a, "hidden", [layers.Dense(1, name="new")])
    >>> [layer.name for layer in b.layers], b.output_shape
    (['hidden', 'new'], (None, 1))
    >>> b.layers[0].set_weights([0 * w for w in b.layers[0].get_weights()])
    >>> bool(np.any(a.layers[0].get_weights()[0]))
    True

    Reference: Yosinski et al., 2014, "How transferable are features in deep neural
    networks?", https://arxiv.org/abs/1411.1792
    """
    found, tensors = chain(model)
    kept = found[: how_many(keep, found)]
    head = _checked_head(head, {layer.name for layer in kept})
    if not kept and not head:
        raise ValueError("`head` must hold a layer where none is kept. Received: none.")
    given = keras.Input(batch_shape=tensors[0].shape, dtype=tensors[0].dtype)
    copies = [_copy(layer) for layer in kept]
    new = keras.Sequential([given, *copies, *head], name=name)
    for old, copy in zip(kept, copies, strict=True):
        copy.set_weights(old.get_weights())
    return new


def _checked_head(head, taken):
    head = list(head) if isinstance(head, (list, tuple)) else [head]
    for layer in head:
        if not isinstance(layer, layers.Layer) or layer.built:
            raise ValueError(
                f"`head` must hold new layers, not yet built. Received: {layer!r}."
            )
        if layer.name in taken:
            raise ValueError(
                "`head` must hold layers with names of their own. Received: a second "
                f"{layer.name!r}."
            )
        taken.add(layer.name)
    return head


def _copy(layer):
    """A layer like `layer`, without its weights but with all its flags `trainable`."""
    if not isinstance(layer, keras.Model):
        return type(layer).from_config(layer.get_config())
    copy = keras.models.clone_model(layer)
    copy.trainable = layer.trainable
    for (_, old), (_, new) in zip(walk(layer), walk(copy), strict=True):
        new.trainable = old.trainable  # parents first: they set their children's
    return copy


def inventory(model):
    """What a model is made of, a row a layer: how to read one that has no manual.

    Args:
        model: A built Keras model.

    Returns:
        A list of dicts. `layer` is the name, "nested/name" inside a nested model;
        `kind` the class; `output` the shape without the batch, None where it is not
        known; `weights` how many numbers it holds, `trainable` how many of them train.

    Example:

    >>> model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization()])
    >>> row = inventory(model)[0]
    >>> row["kind"], row["output"], row["weights"], row["trainable"]
    ('BatchNormalization', (3,), 12, 6)
    """
    rows, graphs = [], {"": _shapes(checked(model))}
    for path, layer in walk(model):
        if isinstance(layer, keras.Model):
            graphs[f"{path}/"] = _shapes(layer)
            continue
        shapes = graphs[path[: len(path) - len(layer.name)]]
        rows.append(
            {
                "layer": path,
                "kind": type(layer).__name__,
                "output": shapes.get(id(layer)),
                "weights": _count(layer.weights),
                "trainable": _count(layer.trainable_weights),
            }
        )
    return rows


def _shapes(model):
    """`{id of a layer: shape of what it gives}` in one model, without the batch."""
    calls = {id(node.operation): node.outputs for node in calls_of(model)}
    return {
        id(layer): tuple(calls[id(layer)][0].shape[1:])
        for layer in own_layers(model)
        if len(calls.get(id(layer), [])) == 1
    }


def _count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)
