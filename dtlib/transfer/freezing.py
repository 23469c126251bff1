"""Freezing: which layers train, said so that it cannot be left without effect.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

from collections.abc import Iterable
from numbers import Integral

import keras

from dtlib._check import integer_in
from dtlib.transfer._layers import checked, own_layers, walk


def freeze(model, layers="all"):
    """Keep layers from training: set their `trainable` to False.

    Keras compiles a training step once. What is frozen after that goes on training in
    `model.fit`, without a word; what is unfrozen stays as it is. Therefore a model that
    was compiled, and in which this changes anything, counts as not compiled from then
    on: `model.fit`, `model.evaluate` and dtlib's `training.fit` ask for `compile`.

    A frozen batch normalization is at inference also in training: it uses its running
    statistics and does not update them. A frozen dropout drops as before.

    Args:
        model: A built Keras model. It is changed.
        layers: "all", or a name, a number in `model.layers` (without input layers;
            negative from the end), or a list, range or set of names and numbers.
            "nested/dense" is the layer `dense` of a nested model, "nested" all of it.

    Returns:
        The names of the layers with weights that were changed, in order.

    Raises:
        ValueError: For a layer that the model does not have; nothing is changed.

    >>> model = keras.Sequential([
    ...     keras.Input((3,)), keras.layers.Dense(4, name="old"),
    ...     keras.layers.Dense(1, name="new"),
    ... ])
    >>> model.compile("sgd", "mse")
    >>> freeze(model, "old")
    ['old']
    >>> model.compiled
    False
    """
    return _set(model, layers, False)


def unfreeze(model, layers="all"):
    """Let layers train again: set their `trainable` to True; else as `freeze`.

    A nested model that was frozen as a whole is opened for the layers that are named;
    its other layers stay frozen. `compile` must be given a new optimizer: the old one
    knows the variables that trained before, and no others.

    >>> model = keras.Sequential([
    ...     keras.Input((3,)), keras.layers.Dense(4, name="old"),
    ...     keras.layers.Dense(1, name="new"),
    ... ])
    >>> freeze(model), unfreeze(model, -1)
    (['old', 'new'], ['new'])
    """
    return _set(model, layers, True)


def _set(model, layers, value):
    everything = dict(walk(checked(model)))
    chosen = _chosen(model, layers, everything)
    within = tuple(f"{path}/" for path in chosen)
    wanted, changed = {}, []
    for path, layer in everything.items():
        hit = path in chosen or path.startswith(within)
        opened = value and any(one.startswith(f"{path}/") for one in chosen)
        wanted[path] = value if hit or opened else layer.trainable
        inner = isinstance(layer, keras.Model) or not layer.weights
        if hit and layer.trainable != value and not inner:
            changed.append(path)
    before = [layer.trainable for layer in (model, *everything.values())]
    if value and chosen and not model.trainable:
        model.trainable = True  # which sets all others: they are set right below
    for path, layer in everything.items():
        if layer.trainable != wanted[path]:
            layer.trainable = wanted[path]
    if before != [layer.trainable for layer in (model, *everything.values())]:
        model.compiled = False  # `compile` makes it True, and the new step
    return changed


def _chosen(model, layers, everything):
    """The paths that `layers` names."""
    top = [layer.name for layer in own_layers(model)]
    if isinstance(layers, str) and layers == "all":
        return set(top)
    if isinstance(layers, (str, Integral)) or not isinstance(layers, Iterable):
        layers = [layers]
    found = set()
    for one in layers:
        if isinstance(one, str):
            if one not in everything:
                raise ValueError(
                    f'`layers` must be "all", numbers, or names among '
                    f"{list(everything)}. Received: {one!r}."
                )
            found.add(one)
        else:
            found.add(top[integer_in("layers", one, f"[{-len(top)}, {len(top) - 1}]")])
    return found
