"""Folding: at inference batch norm is a line, and a line fits in the layer beside it.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

import keras
import numpy as np
from keras import layers, ops

from dtlib.normalization._plan import DEPTHWISE, is_graph, plan


def as_line(gamma, beta, mean, variance, *, epsilon):
    """Batch norm at inference as one scale and one shift for each feature.

        s = γ / √(σ² + ε)          t = β − s·μ          so that y = s·x + t

    Args:
        gamma, beta: γ and β, shape (features,); None stands for 1 and 0.
        mean, variance: The running μ and σ², shape (features,).
        epsilon: ε > 0.

    Returns:
        `(s, t)`, each of shape (features,).

    >>> s, t = as_line([2.0], [1.0], [5.0], [4.0], epsilon=0.0)
    >>> print(float(s[0]), float(t[0]))
    1.0 -4.0

    Reference: Jacob et al., 2018, section 3.2, https://arxiv.org/abs/1712.05877

    Equation: eq-normalization-line
    """
    mean, variance = map(ops.convert_to_tensor, (mean, variance))
    s = ops.rsqrt(variance + epsilon)
    s = s if gamma is None else s * ops.convert_to_tensor(gamma)
    return s, (0 if beta is None else ops.convert_to_tensor(beta)) - s * mean


def fold_into_previous(kernel, bias, gamma, beta, mean, variance, *, epsilon):
    """The weights of a linear layer that also does the batch norm after it.

        s·(W·x + b) + t = (s·W)·x + (s·b + t)          s, t as in `as_line`

    Args:
        kernel: W, with the layer's outputs along its last axis.
        bias: b, shape (outputs,), or None for 0.
        gamma, beta, mean, variance: Of the batch norm, shape (outputs,).
        epsilon: ε > 0.

    Returns:
        The new `(kernel, bias)`.

    Example: twice the spread that is wanted, so half the kernel.

    >>> kernel, bias = fold_into_previous(
    ...     [[3.0]], None, None, None, [5.0], [4.0], epsilon=0.0
    ... )
    >>> print(float(kernel[0, 0]), float(bias[0]))
    1.5 -2.5

    Reference: Jacob et al., 2018, section 3.2, https://arxiv.org/abs/1712.05877

    Equation: eq-normalization-fold-previous
    """
    s, t = as_line(gamma, beta, mean, variance, epsilon=epsilon)
    b = 0 if bias is None else ops.convert_to_tensor(bias)
    return ops.convert_to_tensor(kernel) * s, s * b + t


def fold_into_next(kernel, bias, gamma, beta, mean, variance, *, epsilon):
    """The weights of a layer that also does the batch norm before it.

        W·(s·x + t) + b = (W·s)·x + (W·t + b)          s, t as in `as_line`

    W·t sums over all inputs of an output and, in a convolution, over its whole window.
    Where the window hangs over the border, zeros stand for x. The batch norm would not
    make t of them, so a convolution that pads cannot take it.

    Args:
        kernel: W, of shape (*window, inputs, outputs).
        bias: b, shape (outputs,), or None for 0.
        gamma, beta, mean, variance: Of the batch norm, shape (inputs,).
        epsilon: ε > 0.

    Returns:
        The new `(kernel, bias)`.

    >>> kernel, bias = fold_into_next(
    ...     [[3.0]], [1.0], None, None, [5.0], [4.0], epsilon=0.0
    ... )
    >>> print(float(kernel[0, 0]), float(bias[0]))
    1.5 -6.5

    Reference: Jacob et al., 2018, section 3.2, https://arxiv.org/abs/1712.05877

    Equation: eq-normalization-fold-next
    """
    kernel = ops.convert_to_tensor(kernel)
    s, t = as_line(gamma, beta, mean, variance, epsilon=epsilon)
    b = 0 if bias is None else ops.convert_to_tensor(bias)
    shift = ops.sum(kernel * t[:, None], tuple(range(len(kernel.shape) - 1)))
    return kernel * s[:, None], shift + b


def foldable(model):
    """Which batch norms `fold_batch_norm` takes away, and where each one goes.

    Args:
        model: A built `keras.Sequential` or functional model.

    Returns:
        A dict, name of the batch norm → name of the layer that does its work from then
        on. Inside a nested model both are written "model/layer".

    >>> model = keras.Sequential([
    ...     keras.Input((3,)),
    ...     layers.Dense(4, name="one"), layers.BatchNormalization(name="before"),
    ...     layers.Activation("relu"), layers.BatchNormalization(name="after"),
    ...     layers.Dense(2, name="two"),
    ... ])
    >>> foldable(model)
    {'before': 'one', 'after': 'two'}
    """
    names = {norm.name: layer.name for norm, (layer, _) in plan(model).items()}
    for layer in model.layers:
        if is_graph(layer):
            inside = foldable(layer).items()
            names |= {f"{layer.name}/{a}": f"{layer.name}/{b}" for a, b in inside}
    return names


def fold_batch_norm(model):
    """A new model that predicts the same with fewer layers, for inference.

    A batch norm goes into the layer before it if that is linear (no activation); else,
    as when it stands after the activation, into the layer behind it. It stays where
    neither can do its work: beside a layer with several consumers or called twice,
    before a convolution that pads, across a dropout, a pooling or a flattening, where
    it does not normalize the channels, or where it is called with `training=True`.
    Takes and gives: dense layers and convolutions; before a batch norm, depthwise ones
    too. Layers of other kinds, subclasses, and layers with LoRA or quantization stay.

    The new model is for inference: it has nothing left that tracks batches, and a
    penalty on its kernels would be another penalty.

    Args:
        model: A built `keras.Sequential` or functional model, with batch norms of Keras
            or of dtlib, trainable or frozen. It is not changed.

    Returns:
        A new model, with copies of the weights; compiled if `model` is. `foldable`
        tells what it lacks.

    Raises:
        ValueError: for anything else.

    Example: 8 + 4·4 + 10 parameters become (2·4 + 4) + 10.

    >>> model = keras.Sequential([
    ...     keras.Input((2,)),
    ...     layers.Dense(4, use_bias=False), layers.BatchNormalization(),
    ...     layers.Activation("tanh"), layers.Dense(2),
    ... ])
    >>> model.count_params(), fold_batch_norm(model).count_params()
    (34, 22)

    Reference: Jacob et al., 2018, section 3.2, https://arxiv.org/abs/1712.05877
    """
    planned, weights = plan(model), {}
    for norm, (layer, ahead) in planned.items():
        rule = fold_into_next if ahead else fold_into_previous
        kernel, bias = weights.get(layer) or _kernel_and_bias(layer)
        weights[layer] = rule(kernel, bias, *_statistics(norm), epsilon=norm.epsilon)
    copies = []

    def copy(layer):
        if layer in planned:
            return None
        if is_graph(layer):
            return fold_batch_norm(layer)
        config = layer.get_config()
        if layer in weights:
            config["use_bias"] = True
        new = type(layer).from_config(config)
        copies.append((layer, new))
        return new

    new = _rebuilt(model, copy)
    for layer, twin in copies:
        if layer in weights:
            twin.set_weights(_as_stored(layer, *weights[layer]))
        elif isinstance(layer, layers.Layer):
            twin.set_weights(layer.get_weights())
    return new


def _rebuilt(model, copy):
    """`model` made of the copies of its layers, without those whose copy is None."""
    sequential = isinstance(model, keras.Sequential)
    graph = model._functional if sequential else model  # private; built, so not None
    starts = [one for one in graph.layers if isinstance(one, layers.InputLayer)]
    names = {id(one.output): one.name for one in starts}
    inputs = keras.tree.map_structure(
        lambda x: keras.Input(
            batch_shape=x.shape, dtype=x.dtype, name=names.get(id(x), x.name)
        ),
        model.inputs[0] if sequential else model.input,
    )
    if not sequential:

        def call(layer, *args, **kwargs):
            return args[0] if layer is None else layer(*args, **kwargs)

        return keras.models.clone_model(
            model, input_tensors=inputs, clone_function=copy, call_function=call
        )
    kept = [new for new in map(copy, model.layers) if new is not None]
    new = keras.Sequential([inputs, *kept], name=model.name)
    if model.compiled:
        new.compile_from_config(model.get_compile_config())
    return new


def _statistics(norm):
    """γ, β, μ, σ² in float64; None where there is none."""
    found = (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance)
    return [w if w is None else _float64(w) for w in found]


def _kernel_and_bias(layer):
    kernel, bias = _float64(layer.kernel), None
    if layer.use_bias:
        bias = _float64(layer.bias)
    if type(layer) in DEPTHWISE:  # (*window, in, multiplier) → (*window, outputs)
        kernel = kernel.reshape(*kernel.shape[:-2], -1)
    return kernel, bias


def _as_stored(layer, kernel, bias):
    kernel = ops.convert_to_numpy(kernel).reshape(layer.kernel.shape)
    return [kernel, ops.convert_to_numpy(bias)]


def _float64(weight):
    return np.asarray(weight.numpy()).astype("float64")
