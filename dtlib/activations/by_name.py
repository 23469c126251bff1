"""An activation as a layer, found by its name.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

import keras

from dtlib._register import serializable
from dtlib.activations._base import ActivationLayer
from dtlib.activations.exponential import elu, selu, softplus
from dtlib.activations.gated import gelu, mish, silu
from dtlib.activations.probabilities import log_softmax, softmax
from dtlib.activations.rectifiers import leaky_relu, relu
from dtlib.activations.squashing import linear, sigmoid, tanh

OURS = {
    f.__name__: f
    for f in (
        linear,
        sigmoid,
        tanh,
        softmax,
        log_softmax,
        relu,
        leaky_relu,
        elu,
        selu,
        gelu,
        silu,
        mish,
        softplus,
    )
}


@serializable
class Activation(ActivationLayer):
    """Any activation as a layer: a function of dtlib, of Keras, or your own.

    Args:
        activation: A name, a function, its saved config, or None for `linear`. A name
            means dtlib's function where there is one, else Keras'.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Example:

    >>> import numpy as np
    >>> print(np.asarray(Activation("relu")(np.array([-3.0, 2.0]))))
    [0. 2.]

    Differs from Keras: a bare name means dtlib's function, which computes the same.

    Reference: `keras.layers.Activation`, https://keras.io/api/layers/core_layers/
    """

    def __init__(self, activation, **kwargs):
        super().__init__(**kwargs)
        self.activation = _found(activation)

    def call(self, inputs):
        return self.activation(inputs)

    def get_config(self):
        return {**super().get_config(), "activation": _saved(self.activation)}


def _found(activation):
    """The function that a name, a config or None stands for."""
    names = {**OURS, "swish": silu, None: linear}
    if activation is None or isinstance(activation, str) and activation in names:
        return names[activation]
    try:
        return keras.activations.get(activation)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "`activation` must be the name of an activation, a function, or the config "
            f"of one. Received: activation={activation!r}."
        ) from error


def _saved(function):
    """What `_found` turns into the same function again."""
    name = getattr(function, "__name__", None)
    if OURS.get(name) is function:
        return name
    if name not in OURS:
        return keras.activations.serialize(function)
    return keras.saving.serialize_keras_object(function)  # its bare name would be ours
