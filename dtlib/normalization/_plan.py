"""Which batch norms of a model can be folded, and into which layer.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

import keras
from keras import layers

from dtlib.normalization._graph import Chains
from dtlib.normalization.batch_layer import BatchNormalization

NORMS = (layers.BatchNormalization, BatchNormalization)
AFFINE = (layers.Dense, layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)


def plan(model):
    """Batch norm → (layer that takes it, whether it stands ahead), in order of folding.

    Raises `ValueError` for what is not a built model whose calls are known.
    """
    if not isinstance(model, keras.Model) or not (
        isinstance(model, keras.Sequential) or is_graph(model)
    ):
        raise ValueError(
            "`model` must be a `keras.Sequential` or a functional model. Received: "
            f"model={model!r}."
        )
    if not model.built or not is_graph(model):
        raise ValueError(
            "`model` must be built: give it a `keras.Input`, or call it on data. "
            f"Received: a {type(model).__name__} without weights."
        )
    chains, planned = Chains(model), {}
    norms = [layer for layer in chains.calls if type(layer) in NORMS]
    for norm in norms:
        layer = chains.before(norm, planned)
        if _can_take_back(layer, norm):
            planned[norm] = layer, False
    for norm in reversed([norm for norm in norms if norm not in planned]):
        layer = chains.after(norm, planned)
        if _can_take_ahead(layer, norm):
            planned[norm] = layer, True
    return planned


def is_graph(model):
    """Is `model` one whose calls are known?"""
    if isinstance(model, keras.Sequential):
        return model._functional is not None  # private: None until it is built
    return isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth")


def _can_take_back(layer, norm):
    return (
        type(layer) in AFFINE + DEPTHWISE
        and _acts_on(layer, norm)
        and _is_linear(layer.activation)
    )


def _can_take_ahead(layer, norm):
    if type(layer) not in AFFINE or not _acts_on(layer, norm):
        return False
    pads = getattr(layer, "padding", "valid") != "valid"
    window = getattr(layer, "kernel_size", ())
    return getattr(layer, "groups", 1) == 1 and (not pads or set(window) == {1})


def _acts_on(layer, norm):
    """Are the features of `norm` the channels of `layer`, whose kernel is its own?"""
    rank = norm.input_spec.ndim
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    special = getattr(layer, "lora_enabled", False) or layer.quantization_mode
    return norm.axis % rank == (1 if first else rank - 1) and not special


def _is_linear(activation):
    if activation is keras.activations.linear:
        return True
    return keras.saving.get_registered_name(activation) == "dtlib>linear"
