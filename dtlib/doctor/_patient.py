"""The patient: a model with its data, and what the checks ask of both.

Tests: tests/test_doctor.py.
"""

from contextlib import contextmanager

import keras
import numpy as np

from dtlib.diagnostics._taps import restored

ROWS = 500  # of the data, at most, are looked at
_REGRESSION = ("meansquared", "meanabsolute", "huber", "logcosh")
_PASSING = (
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.Reshape,
)
NORMALIZING = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
)


class Patient:
    """A model, a sample of its data, and how it will be trained."""

    def __init__(self, model, x, y, *, validation, batch_size, epochs):
        self.model, self.n = model, len(x)
        self.all_x, self.all_y, self.validation = x, y, validation
        self.batch_size, self.steps = batch_size, epochs * -(-self.n // batch_size)
        rows = np.random.default_rng(0).permutation(self.n)[:ROWS]
        self.x, self.y = x[rows], y[rows]
        self.loss, self.from_logits = loss_of(model)
        self.layers = list(leaves(model))
        self.graphs = list(graphs(model))
        self.head, self.squashings = head(model)
        self.outputs = model.output_shape[-1]

    @property
    def classes(self):
        """Each row's class, or None where the targets are numbers."""
        if self.loss == "sparse" or (self.loss == "binary" and self.y[0].size == 1):
            labels = self.y.reshape(len(self.y), -1)
            return labels[:, 0].astype(int) if labels.shape[1] == 1 else None
        return self.y.argmax(-1) if one_hot(self.y) else None

    @property
    def fresh(self):
        """Is the network as it was drawn, before a first step?"""
        optimizer = self.model.optimizer
        begun = optimizer.built and int(optimizer.iterations) > 0
        return not begun and all(untouched(layer) for layer in self.layers)

    def followers(self, layer):
        """The operations that take this layer's output."""
        return [to for graph in self.graphs for to in graph.get(layer, ())]


def loss_of(model):
    """`(kind, from_logits)` of the compiled loss."""
    loss = model.loss
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    name = getattr(loss, "__name__", type(loss).__name__).lower().replace("_", "")
    logits = bool(getattr(loss, "from_logits", False))
    if "categoricalcrossentropy" in name:
        return ("sparse" if "sparse" in name else "categorical"), logits
    if "binarycrossentropy" in name:
        return "binary", logits
    if any(word in name for word in _REGRESSION):
        return "regression", logits
    return "other", logits


def leaves(model):
    """Each layer at any depth that has no layers of its own, and each RNN whole."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def graph_of(model):
    if isinstance(model, keras.Sequential):
        return model._functional  # private; None before it is built
    return model if hasattr(model, "_nodes_by_depth") else None


def graphs(model):
    """`{operation: [operations that take its output]}` of the model and inside it."""
    found, graph = {}, graph_of(model)
    by_depth = getattr(graph, "_nodes_by_depth", {})
    for node in (node for nodes in by_depth.values() for node in nodes):
        for parent in node.parent_nodes:
            found.setdefault(parent.operation, []).append(node.operation)
    yield found
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from graphs(layer)


def head(model):
    """The last layer with a kernel, and the activations from there on, last first."""
    graph, found = graph_of(model), []
    if graph is None or len(graph.outputs) != 1:
        return None, None
    operation = graph.outputs[0]._keras_history.operation
    while True:
        if isinstance(operation, keras.Model):
            inner, names = head(operation)
            return inner, None if names is None else found + names
        name = activation_of(operation)
        if name not in (None, "linear"):
            found.append(name)
        parents = operation._inbound_nodes[0].parent_nodes
        passing = name is not None or isinstance(operation, _PASSING)
        if hasattr(operation, "kernel") or not passing or len(parents) != 1:
            return operation, found
        operation = parents[0].operation


def activation_of(layer):
    """The name of the layer's activation in lower case; None where it has none."""
    if isinstance(layer, (keras.layers.Softmax, keras.layers.ReLU)):
        return type(layer).__name__.lower()
    function = getattr(layer, "activation", None)
    name = getattr(function, "__name__", type(function).__name__).lower()
    return None if function is None else name


def beyond(patient, layer):
    """The operations after `layer`, past those that change no line into a curve."""
    for to in patient.followers(layer):
        yield to
        if isinstance(to, _PASSING):
            yield from beyond(patient, to)


def untouched(layer):
    """Are the layer's biases, if it has any, still exactly zero, as drawn?"""
    drawn = getattr(layer, "bias_initializer", None)
    bias = getattr(layer, "bias", None)
    if bias is None or not isinstance(drawn, keras.initializers.Zeros):
        return True
    return not keras.ops.convert_to_numpy(bias).any()


def one_hot(y):
    """Is `y` a table with one 1 a row and zeros else?"""
    return (
        y.ndim == 2
        and y.shape[1] > 1
        and bool(np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all())
    )


def rms(values):
    return float(np.sqrt(np.mean(np.square(np.asarray(values, "float64")))))


@contextmanager
def as_it_was(model):
    """Within the block the model may train; then each variable has its old bits."""
    from keras.src.backend.common import global_state  # private: no public door

    metrics = [v for metric in model.metrics for v in metric.variables]
    variables = [*model.variables, *model.optimizer.variables, *metrics]
    shared = global_state.get_global_attribute("global_seed_generator")
    if shared is not None:
        variables.append(shared.state)
    with restored(variables):
        yield
