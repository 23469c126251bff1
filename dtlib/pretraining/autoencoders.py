"""Autoencoders: a network that must say its input again, through a narrow place.

The chapter `pretraining` of the book explains it. Tests: tests/test_pretraining.py.
"""

from collections import namedtuple

import keras
import numpy as np
from keras import layers as keras_layers
from keras import ops

from dtlib import training
from dtlib._check import finite, integer_in

Autoencoder = namedtuple("Autoencoder", "model encoder decoder")
Autoencoder.__doc__ = """A network and its two halves, which are the same layers.

The `model` is decoder(encoder(x)). Training it trains both halves.
"""


def stacked_autoencoder(widths, *, activation="relu", output="linear", noise=None):
    """An encoder of the given widths, and a decoder that is its mirror image.

        x → widths[1] → ... → widths[-1] → ... → widths[1] → x̂

    Args:
        widths: The width of the input, then of each layer of the encoder.
        activation: Of every layer but the last.
        output: The activation of the last layer, the reconstruction.
        noise: A Keras layer that disturbs the input in training, such as
            `keras.layers.GaussianNoise(0.3)`. The target stays clean: a *denoising*
            autoencoder, which cannot learn to copy.

    Returns:
        `Autoencoder(model, encoder, decoder)`, not compiled. Train the model with the
        input as the target; then put the encoder below a new head.

    Raises:
        ValueError: If there are fewer than two widths, or one is no positive integer.

    Example: three layers down, and three up.

    >>> auto = stacked_autoencoder([784, 100, 50, 10])
    >>> [layer.units for half in auto[1:] for layer in half.layers]
    [100, 50, 10, 50, 100, 784]

    Reference: Hinton and Salakhutdinov, 2006, https://doi.org/10.1126/science.1127647
    """
    _at_least("widths", widths, 2)
    widths = [integer_in("widths", width, "[1, inf)") for width in widths]
    if noise is not None and not isinstance(noise, keras.Layer):
        raise ValueError(
            f"`noise` must be a Keras layer or None. Received: noise={noise!r}."
        )
    down = [keras_layers.Dense(units, activation) for units in widths[1:]]
    up = [keras_layers.Dense(units, activation) for units in widths[-2:0:-1]]
    up.append(keras_layers.Dense(widths[0], output))
    encoder = keras.Sequential([keras.Input(widths[:1]), *down], name="encoder")
    decoder = keras.Sequential([keras.Input(widths[-1:]), *up], name="decoder")
    first = [] if noise is None else [noise]
    model = keras.Sequential([keras.Input(widths[:1]), *first, encoder, decoder])
    return Autoencoder(model, encoder, decoder)


def pretrain_greedily(
    layers, x, *, epochs, batch_size=32, optimizer="adam", noise=None, seed=0
):
    """Train one layer at a time, each to let the features below it be rebuilt.

        for each layer f, from the bottom:
            minimize mean (g(f(a)) − a)²  over f and a linear g;  throw g away
            a ← f(a)

    The layers below are only run, so they cannot change. A layer with a kernel is
    trained together with those after it that have none (an `Activation`, a
    `BatchNormalization`). A frozen layer is run and not trained.

    Args:
        layers: Keras layers in order, without the head: `model.layers[:-1]`. They are
            trained where they stand.
        x: Examples without labels; flat by the time they reach the first kernel.
        epochs: Passes over `x` for each layer.
        batch_size: Rows a step.
        optimizer: A name or an optimizer, of which each layer gets a fresh copy.
        noise: None, or a Keras layer that disturbs the features in training, of which
            each layer gets a fresh copy.
        seed: Integer ≥ 0: the order of the rows, and the start of the decoders. A
            layer that is not built yet starts from its own initializer.

    Returns:
        A list with the history of each trained layer: `[{"loss": [...]}, ...]`.

    Raises:
        ValueError: naming the argument that is wrong.

    Example: a bottleneck of two finds the two directions that the data have.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6))
    >>> start = keras.initializers.GlorotUniform(seed=0)
    >>> hidden = [keras_layers.Dense(2, kernel_initializer=start)]
    >>> adam = keras.optimizers.Adam(0.01)
    >>> losses = pretrain_greedily(hidden, x, epochs=20, optimizer=adam)[0]["loss"]
    >>> losses[-1] < 0.01 * losses[0]
    True

    Reference: Bengio et al., 2007, "Greedy Layer-Wise Training of Deep Networks",
    https://papers.nips.cc/paper/3048-greedy-layer-wise-training-of-deep-networks
    """
    _at_least("layers", layers, 1)
    for layer in layers:
        if not isinstance(layer, keras.Layer) or isinstance(layer, keras.Model):
            raise ValueError(
                "`layers` must hold Keras layers; of a model inside, give the layers. "
                f"Received: {layer!r}."
            )
    epochs = integer_in("epochs", epochs, "[1, inf)")
    seed = integer_in("seed", seed, "[0, inf)")
    features, histories = finite("x", x), []
    for number, stage in enumerate(_stages(layers)):
        inputs = keras.Input(features.shape[1:])
        code = _apply([] if noise is None else [_copy(noise)], inputs)
        code = _apply(stage, code)
        if _has_kernel(stage[0]) and stage[0].trainable:
            start = keras.initializers.GlorotUniform(seed=seed + number)
            _check_flat(stage[0], inputs, code)
            decoder = keras_layers.Dense(features.shape[1], kernel_initializer=start)
            model = keras.Model(inputs, decoder(code))
            model.compile(_copy(keras.optimizers.get(optimizer)), "mse")
            how = dict(epochs=epochs, batch_size=batch_size, seed=seed)
            histories.append(training.fit(model, features, features, **how).history)
        features = _run(keras.Model(inputs, code), features)
    return histories


def _stages(layers):
    """The layers in groups: each begins with a kernel, but for the first, perhaps."""
    stages = []
    for layer in layers:
        if _has_kernel(layer) or not stages:
            stages.append([layer])
        else:
            stages[-1].append(layer)
    return stages


def _has_kernel(layer):
    return hasattr(layer, "kernel_initializer")  # `kernel` is there once it is built


def _apply(layers, a):
    for layer in layers:
        a = layer(a)
    return a


def _copy(thing):
    """A new layer or optimizer of the same settings."""
    return type(thing).from_config(thing.get_config())


def _run(model, x, rows=1000):
    """The outputs at inference: noise and dropout are off."""
    parts = (x[k : k + rows] for k in range(0, len(x), rows))
    parts = [model(ops.convert_to_tensor(p, "float32"), training=False) for p in parts]
    return np.concatenate([ops.convert_to_numpy(part) for part in parts])


def _check_flat(layer, inputs, code):
    if len(inputs.shape) != 2 or len(code.shape) != 2:
        raise ValueError(
            f"`layers` must turn flat rows into flat rows, as `Dense` does. Received: "
            f"{layer.name!r}, from {inputs.shape[1:]} to {code.shape[1:]}."
        )


def _at_least(name, values, n):
    if not isinstance(values, (list, tuple)) or len(values) < n:
        raise ValueError(
            f"`{name}` must be a list of at least {n}. Received: {name}={values!r}."
        )
