"""Foreign weights: arrays from PyTorch, in the order that Keras keeps them in.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

from dtlib import activations, normalization
from dtlib._check import integer_in, one_of
from dtlib.transfer._layers import calls_of, checked, own_layers, weighted

CONVOLUTIONS = (
    *(layers.Conv1D, layers.Conv2D, layers.Conv3D),
    *(layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
    *(layers.DepthwiseConv1D, layers.DepthwiseConv2D),
)
NORMS = (
    *(layers.BatchNormalization, normalization.BatchNormalization),
    *(layers.LayerNormalization, normalization.LayerNormalization),
    layers.GroupNormalization,
)
SLOPES = (layers.PReLU, activations.PReLU)
KNOWN = (layers.Dense, layers.Embedding, *CONVOLUTIONS, *NORMS, *SLOPES)
# PyTorch's name for each of Keras'.
NAMES = dict.fromkeys(("kernel", "gamma", "embeddings", "alpha"), "weight") | {
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
LAYOUTS = ("torch", "keras")


def kernel_from_torch(weight):
    """A kernel of PyTorch in the order of Keras.

        K[window…, i, o] = W[o, i, window…]

    A dense layer is the case without a window: its kernel is transposed. PyTorch's
    transposed convolution keeps inputs and outputs the other way round, and so does
    Keras', so the same permutation holds.

    Args:
        weight: Array of two or more axes: `weight` of `nn.Linear` (out, in), of
            `nn.Conv2d` (out, in, height, width), or of `nn.ConvTranspose2d`.

    Returns:
        NumPy array: (in, out), (height, width, in, out), …

    >>> kernel_from_torch(np.zeros((8, 3, 5, 7))).shape
    (5, 7, 3, 8)

    Reference: https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html

    Equation: eq-transfer-layout
    """
    weight = np.asarray(weight)
    if weight.ndim < 2:
        raise ValueError(
            f"`weight` must have 2 or more axes. Received: shape {weight.shape}."
        )
    return np.moveaxis(weight, (0, 1), (-1, -2))


def flatten_order(shape):
    """Where PyTorch's flattening puts what Keras' flattening gives in turn.

        n(h, w, c) = (c·H + h)·W + w        in the order of h, then w, then c

    PyTorch flattens (C, H, W) and Keras (H, W, C): the dense layer that comes next
    finds its inputs in another order. `kernel[flatten_order((H, W, C))]` puts the rows
    of its kernel in Keras' order.

    Args:
        shape: Of what is flattened, channels last, without the batch: (H, W, C), or
            (L, C), or more.

    Returns:
        Array of H·W·C row numbers.

    >>> flatten_order((1, 3, 2))
    array([0, 3, 1, 4, 2, 5])

    Equation: eq-transfer-flatten
    """
    *window, channels = [integer_in("shape", size, "[1, inf)") for size in shape]
    rows = np.arange(channels * int(np.prod(window))).reshape(channels, *window)
    return np.moveaxis(rows, 0, -1).ravel()


def import_weights(model, arrays, *, layout="torch", names=None):
    """Give a model weights that another framework has trained.

    With `layout="torch"` kernels are reordered (`kernel_from_torch`), and what comes
    after a `Flatten` is too (`flatten_order`): a dense kernel, and norms before it.
    The dense layer after a `Flatten` of (28, 28) is not, unless a convolution came
    before: that is an image without channels. `num_batches_tracked` is ignored. Check
    the outputs afterwards: ε, padding, and the order of gates are not weights.

    Args:
        model: A built Keras model, channels last, of dense layers, embeddings,
            convolutions (also depthwise, grouped, transposed), batch, layer and group
            normalization, PReLU; other layers must have no weights.
        arrays: Dict from name to array: "features.0.weight", as a `state_dict` of NumPy
            arrays or a ".npz" or ".safetensors" file gives it. No file is read here.
        layout: "torch", or "keras" for "name.kernel", "name.moving_mean" and so on.
        names: Dict from layer ("nested/name" inside a nested model) to what stands
            before the last dot: `{"conv1": "features.0"}`; the others stay as they are.
            None takes all layers and all arrays: for "torch" in the order of both, for
            "keras" by name.

    Returns:
        A dict, layer → what stood before the last dot.

    Raises:
        ValueError: Where a layer is unknown or of another kind, an array is missing,
            left over, or of another shape; then no weight is changed.

    Example: y = W·x + b, with W as the paper writes it.

    >>> model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="line")])
    >>> w, b = np.arange(6.0).reshape(2, 3), np.array([7.0, 8.0])
    >>> import_weights(model, {"fc.weight": w, "fc.bias": b})
    {'line': 'fc'}
    >>> print(model(np.array([[10.0, 11.0, 12.0]])).numpy(), w @ [10, 11, 12] + b)
    [[ 42. 142.]] [ 42. 142.]
    """
    torch = one_of("layout", layout, LAYOUTS) == "torch"
    own = weighted(checked(model))
    groups = _groups(arrays)
    pairs = _pairs(names, own, groups, in_order=torch)
    orders = dict(_orders(model)) if torch else {}
    new = {}
    for name, prefix in pairs.items():
        given = dict(groups.get(prefix, {}))
        if torch and not isinstance(own[name], KNOWN):
            raise ValueError(
                f"`model` must have layers whose layout is known. Received: {name!r}, "
                f"a {type(own[name]).__name__}."
            )
        new[name] = []
        for weight in own[name].weights:
            key = NAMES[weight.name] if torch else weight.name
            if key not in given:
                raise ValueError(
                    f"`arrays` must hold '{prefix}.{key}' for the layer {name!r}. "
                    f"Received: {sorted(groups.get(prefix, {}))} under {prefix!r}."
                )
            array = given.pop(key)
            if torch:
                array = _to_keras(own[name], weight, array, orders.get(name))
            if array.shape != tuple(weight.shape):
                raise ValueError(
                    f"`arrays` must fit: '{prefix}.{key}' in Keras' layout is "
                    f"{array.shape}, and {name!r} takes {tuple(weight.shape)}."
                )
            new[name].append(array)
        if given:
            raise ValueError(
                f"`arrays` must hold nothing else for {name!r}. Received: "
                f"{[f'{prefix}.{key}' for key in given]}."
            )
    for name, values in new.items():
        own[name].set_weights(values)
    return pairs


def _groups(arrays):
    """`{prefix: {last part of the name: array}}`."""
    if not isinstance(arrays, Mapping):
        raise ValueError(
            f"`arrays` must be a dict from name to array. Received: {type(arrays)}."
        )
    groups = {}
    for key, array in arrays.items():
        prefix, _, last = str(key).rpartition(".")
        if last != "num_batches_tracked":
            groups.setdefault(prefix, {})[last] = np.asarray(array)
    return groups


def _pairs(names, own, groups, in_order):
    if names is not None:
        unknown = [name for name in names if name not in own]
        if unknown:
            raise ValueError(
                f"`names` must be layers of `model` with weights, among {list(own)}. "
                f"Received: {unknown}."
            )
        return dict(names)
    fit = len(own) == len(groups) if in_order else set(own) == set(groups)
    if not fit:
        raise ValueError(
            "`names` must say which is which where layers and arrays differ. Received: "
            f"None, with {len(own)} layers {list(own)} and {len(groups)} groups of "
            f"arrays {list(groups)}."
        )
    return dict(zip(own, groups if in_order else own, strict=True))


def _to_keras(layer, weight, array, order):
    if weight.name == "kernel" and array.ndim >= 2:
        array = kernel_from_torch(array)
        if isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
            # (*window, 1, channel · multiplier) → (*window, channel, multiplier)
            return array.reshape(weight.shape) if array.size == _size(weight) else array
    if weight.name == "alpha" and array.size == _size(weight):
        return array.reshape(weight.shape)
    takes = weight.name == "kernel" or isinstance(layer, NORMS)
    fits = order is not None and array.shape[:1] == order.shape
    return array[order] if takes and fits else array


def _size(weight):
    return int(np.prod(weight.shape))


def _orders(model, prefix=""):
    """(path, row numbers) of each layer that takes flattened channels."""
    nodes = calls_of(model)
    made_by = {id(tensor): node for node in nodes for tensor in node.outputs}
    calls = {id(node.operation): node for node in nodes if not node.is_input}
    for layer in own_layers(model):
        if isinstance(layer, keras.Model):
            yield from _orders(layer, f"{prefix}{layer.name}/")
        elif isinstance(layer, (layers.Dense, *NORMS)):
            shape = _flattened(calls.get(id(layer)), made_by)
            if shape is not None:
                yield prefix + layer.name, flatten_order(shape)


def _flattened(node, made_by):
    """The shape with channels of which `node` takes the flattening, or None."""
    found = None
    while node is not None and len(node.input_tensors) == 1:
        if found and isinstance(node.operation, CONVOLUTIONS):
            return found
        tensor = node.input_tensors[0]
        if isinstance(node.operation, layers.Flatten) and len(tensor.shape) > 2:
            found = tuple(tensor.shape[1:])
            if len(found) > 2:
                return found
        node = made_by.get(id(tensor))
        if not (found or _keeps_order(node)):
            return None
    return None


def _keeps_order(node):
    """Whether a call gives its features in the order in which it takes them."""
    if node is None or len(node.input_tensors) != 1:
        return False
    if isinstance(node.operation, (layers.Flatten, *NORMS)):
        return True
    weightless = not getattr(node.operation, "weights", [])
    return weightless and node.outputs[0].shape == node.input_tensors[0].shape
