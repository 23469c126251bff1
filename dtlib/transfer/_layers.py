"""The layers of a model: all of them by name, and the chain of a straight one.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

import keras
from keras import layers

from dtlib._check import integer_in


def graph_of(model):
    """The calls that a built model is made of: its functional graph."""
    if isinstance(model, keras.Sequential):
        return model._functional  # private; None before it is built
    return model if hasattr(model, "_nodes_by_depth") else None


def calls_of(model):
    """The calls of layers in one model, in no order; none where they are not known."""
    by_depth = getattr(graph_of(model), "_nodes_by_depth", {})
    return [node for nodes in by_depth.values() for node in nodes]


def checked(model):
    """Return `model`, or raise `ValueError` where it is no built Keras model."""
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(
            "`model` must be a built Keras model: begin it with `keras.Input(shape)`, "
            f"or call it once. Received: {model!r}."
        )
    return model


def own_layers(model):
    """The layers of a model without those that only stand for its inputs."""
    return [one for one in model.layers if not isinstance(one, layers.InputLayer)]


def walk(model, prefix=""):
    """Each layer of `model` at any depth, parents first, as (path, layer)."""
    for layer in own_layers(model):
        path = prefix + layer.name
        yield path, layer
        if isinstance(layer, keras.Model):
            yield from walk(layer, f"{path}/")


def weighted(model):
    """`{path: layer}` for the layers at any depth that hold weights themselves."""
    return {
        path: layer
        for path, layer in walk(model)
        if layer.weights and not isinstance(layer, keras.Model)
    }


def chain(model):
    """The layers of a straight model, and the tensors between them.

    Returns:
        `(layers, tensors)`: n layers and the n + 1 symbolic tensors around them.

    Raises:
        ValueError: Where the model has a branch, shares a layer with itself, or calls
            one with more than a tensor; the message says where.
    """
    graph = graph_of(checked(model))
    if graph is None or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise not_straight("it is not one graph from one input to one output")
    found, tensors = [], [graph.outputs[0]]
    while tensors[0] is not graph.inputs[0]:
        layer, index, _ = tensors[0]._keras_history  # private, as the nodes are
        node = layer._inbound_nodes[index]
        if not isinstance(layer, layers.Layer):
            raise not_straight(f"{layer.name!r} is an operation, not a layer")
        if layer in found:
            raise not_straight(f"the layer {layer.name!r} is called twice")
        if len(node.input_tensors) != 1 or len(node.outputs) != 1 or not _plain(node):
            raise not_straight(f"{layer.name!r} is not called with one tensor alone")
        found.insert(0, layer)
        tensors.insert(0, node.input_tensors[0])
    return found, tensors


def not_straight(why):
    return ValueError(
        "`model` must be straight, each layer called once with what the layer before "
        f"it gives. Received: a model where {why}."
    )


def _plain(node):
    first, *rest = (*node.arguments.args, *node.arguments.kwargs.values(), None)
    return isinstance(first, keras.KerasTensor) and not any(
        value is not None and value is not False for value in rest
    )


def how_many(keep, chained):
    """`keep`, a number or the name of the last layer kept, as a number from 0 on."""
    names = [layer.name for layer in chained]
    if isinstance(keep, str):
        if keep not in names:
            raise ValueError(
                f"`keep` must be a number or one of {names}. Received: keep={keep!r}."
            )
        return names.index(keep) + 1
    keep = integer_in("keep", keep, f"[{-len(names)}, {len(names)}]")
    return keep if keep >= 0 else len(names) + keep
