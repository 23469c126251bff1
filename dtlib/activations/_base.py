"""What the activations share: floating tensors, the two halves of a line, one layer.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

import keras
from keras import backend, ops

from dtlib._register import arguments


def floating(x):
    """`x` as a tensor of its own floating dtype; integers become Keras' default."""
    x = ops.convert_to_tensor(x)
    if "float" not in backend.standardize_dtype(x.dtype):
        x = ops.cast(x, backend.floatx())
    return x


def halves(x):
    """min(x, 0) and max(x, 0); NaN goes to the first.

    At 0 their slopes are 1 and 0. So low − high is −|x| without the slope 0 that |x|
    is given there, and a smooth function built from the two keeps its slope at 0.
    """
    return ops.where(x > 0, 0, x), ops.where(x > 0, x, 0)


def remember_logits(output, logits):
    """Leave `logits` on `output`, where Keras' cross-entropies and dtlib's look."""
    try:
        output._keras_logits = logits
    except AttributeError:
        pass  # an array of JAX takes no attributes
    return output


class ActivationLayer(keras.layers.Layer):
    """A layer that keeps its input's shape and mask, and lists every argument."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), **arguments(self)}
