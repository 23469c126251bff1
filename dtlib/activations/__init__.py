"""Activations: what stands between two linear layers, so that they are not one.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.

Pass a function to any layer of Keras, `Dense(3, activation=relu)`; a saved model finds
it again as `dtlib>relu`. A bare name, `"relu"`, means Keras' own there.
"""

from dtlib.activations.by_name import Activation
from dtlib.activations.exponential import (
    ELU,
    SELU_ALPHA,
    SELU_SCALE,
    elu,
    selu,
    softplus,
)
from dtlib.activations.gated import gelu, mish, silu, swish
from dtlib.activations.probabilities import Softmax, log_softmax, softmax
from dtlib.activations.rectifiers import LeakyReLU, ReLU, leaky_relu, relu
from dtlib.activations.slopes import PReLU, RReLU, prelu, rrelu
from dtlib.activations.squashing import linear, sigmoid, tanh

__all__ = [
    "ELU",
    "SELU_ALPHA",
    "SELU_SCALE",
    "Activation",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "ReLU",
    "Softmax",
    "elu",
    "gelu",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "prelu",
    "relu",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "swish",
    "tanh",
]
