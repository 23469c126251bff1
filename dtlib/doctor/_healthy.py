"""Healthy networks of many kinds, of which the doctor must not complain.

Tests: tests/test_doctor.py.
"""

import keras
import numpy as np
from keras import initializers, layers, losses, optimizers, regularizers

from dtlib.doctor._build import (
    Builder,
    blobs,
    curve,
    hot,
    images,
    network,
    plain,
    planting,
    trained,
    waves,
)

HEALTHY = {}
healthy = planting(HEALTHY)
BINARY = "binary_crossentropy"


@healthy()
def dense_relu(seed):
    """Two ReLU layers with He's initialization."""
    data = blobs(seed)
    return plain(seed, data, hidden=2), data


@healthy()
def dense_trained(seed):
    """The same, after 60 steps."""
    data = blobs(seed)
    return trained(plain(seed, data, hidden=2), data), data


@healthy()
def dense_tanh(seed):
    """Three tanh layers with Glorot's initialization, under Adam."""
    b, data = Builder(seed), blobs(seed)
    hidden = [b.dense(24, "tanh") for _ in range(3)]
    by = optimizers.Adam(0.01)
    return network((32,), *hidden, b.dense(4, "softmax"), by=by), data


@healthy()
def dense_logistic(seed):
    """One layer of logistic units."""
    b, data = Builder(seed), blobs(seed)
    return network((32,), b.dense(32, "sigmoid"), b.dense(4, "softmax")), data


@healthy()
def few_rows(seed):
    """Forty rows."""
    data = blobs(seed, 40)
    return plain(seed, data), data


@healthy()
def many_rows(seed):
    """Five thousand rows, and validation data apart from them."""
    x, y = blobs(seed, 6000)
    data = x[:5000], y[:5000]
    return plain(seed, data), data, {"validation_data": (x[5000:], y[5000:])}


@healthy()
def logits(seed):
    """Raw scores, and a loss that knows it."""
    data = blobs(seed)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return plain(seed, data, last=None, loss=loss), data


@healthy()
def one_hot_targets(seed):
    """One-hot targets under categorical cross-entropy, with momentum."""
    data = blobs(seed)
    by = optimizers.SGD(0.05, momentum=0.9, nesterov=True)
    return plain(seed, data, loss="categorical_crossentropy", by=by), hot(data)


@healthy()
def binary(seed):
    """Two classes and one sigmoid, seven rows in ten of one class."""
    x, y = blobs(seed, classes=10)
    y = (y < 3).astype("int32")[:, None]
    return plain(seed, (x, y), out=1, last="sigmoid", loss=BINARY), (x, y)


@healthy()
def several_labels(seed):
    """Three answers of yes or no, each a sigmoid."""
    x, _ = blobs(seed)
    y = (x[:, :3] + x[:, 3:6] > 0).astype("float32")
    return plain(seed, (x, y), out=3, last="sigmoid", loss=BINARY), (x, y)


@healthy()
def regression(seed):
    """A regression by the squared error."""
    data = curve(seed)
    return plain(seed, data, out=1, last=None, loss="mse", rate=0.01), data


@healthy()
def line(seed):
    """One linear layer: a regression line needs no activation."""
    data = curve(seed)
    b = Builder(seed)
    return network((8,), b.dense(1), loss="mse", rate=0.05), data


@healthy()
def deep_relu(seed):
    """Eight ReLU layers with He's initialization."""
    data = blobs(seed)
    return plain(seed, data, hidden=8, rate=0.03), data


@healthy()
def deep_selu(seed):
    """Six SELU layers with LeCun's initialization and alpha dropout."""
    b, data = Builder(seed), blobs(seed)
    stack = [b.dense(32, "selu", start=b.lecun()) for _ in range(6)]
    stack.append(layers.AlphaDropout(0.1, seed=seed))
    return network((32,), *stack, b.dense(4, "softmax"), rate=0.03), data


@healthy()
def convolutional(seed):
    """Pictures on a black frame, with pooling."""
    b, data = Builder(seed), images(seed)
    stack = (
        layers.Conv2D(8, 3, activation="relu", kernel_initializer=b.he()),
        layers.MaxPooling2D(),
        layers.Flatten(),
        b.dense(2, "softmax"),
    )
    return network((8, 8, 1), *stack), data


@healthy()
def convolutional_normalized(seed):
    """Convolution, batch normalization, ReLU and global pooling."""
    b, data = Builder(seed), images(seed)
    stack = (
        layers.Conv2D(8, 3, use_bias=False, kernel_initializer=b.glorot()),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        b.dense(2, "softmax"),
    )
    return network((8, 8, 1), *stack), data


@healthy()
def flat_pictures(seed):
    """Pictures as rows: the frame is constant, and no fault."""
    x, y = images(seed)
    data = x.reshape(len(x), -1), y
    return plain(seed, data), data


@healthy()
def recurrent(seed):
    """A simple recurrent layer, started orthogonal."""
    b, data = Builder(seed), waves(seed)
    stack = b.recurrent(layers.SimpleRNN, 16), b.dense(2, "softmax")
    return network((8, 1), *stack), data


@healthy()
def gru(seed):
    """A GRU under Adam, with clipped gradients."""
    b, data = Builder(seed), waves(seed)
    stack = b.recurrent(layers.GRU, 8), b.dense(1, "sigmoid")
    by = optimizers.Adam(0.01, clipnorm=1.0)
    model = network((8, 1), *stack, loss=BINARY, by=by)
    return model, (data[0], data[1][:, None])


@healthy()
def normalized_trained(seed):
    """Batch normalization after 40 steps."""
    b, data, stack = Builder(seed), blobs(seed), []
    for _ in range(2):
        stack += [b.dense(32, use_bias=False), layers.BatchNormalization(momentum=0.9)]
        stack += [layers.ReLU()]
    model = network((32,), *stack, b.dense(4, "softmax"), rate=0.03)
    return trained(model, data, steps=40), data


@healthy()
def residual(seed):
    """Residual blocks whose last layer begins with zeros, and layer normalization."""
    b, data = Builder(seed), blobs(seed)
    x = keras.Input((32,))
    z = b.dense(32)(x)
    for _ in range(3):
        inner = b.dense(32, "relu")(layers.LayerNormalization()(z))
        z = layers.Add()([z, b.dense(32, start=initializers.Zeros())(inner)])
    model = keras.Model(x, b.dense(4, "softmax")(z))
    model.compile(optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    return model, data


@healthy()
def dropout(seed):
    """Dropout of one half, and an ℓ2 penalty."""
    b, data = Builder(seed), blobs(seed)
    penalty = regularizers.L2(1e-3)
    stack = (
        b.dense(64, "relu", kernel_regularizer=penalty),
        layers.Dropout(0.5, seed=seed),
        b.dense(4, "softmax"),
    )
    return network((32,), *stack), data


@healthy()
def embedding(seed):
    """Words as numbers, an embedding, and their mean."""
    rng, b = np.random.default_rng(seed), Builder(seed)
    y = rng.integers(2, size=300)
    x = rng.integers(25, size=(300, 12)) + 25 * (
        rng.random((300, 12)) < 0.8 * y[:, None]
    )
    words = layers.Embedding(50, 8, embeddings_initializer=b.normal(0.5))
    stack = words, layers.GlobalAveragePooling1D(), b.dense(2, "softmax")
    return network((12,), *stack, by=optimizers.Adam(0.01)), (x, y)


@healthy()
def autoencoder(seed):
    """A linear code narrower than what stands around it."""
    b, (x, _) = Builder(seed), blobs(seed)
    stack = b.dense(16, "relu"), b.dense(6), b.dense(16, "relu"), b.dense(32)
    return network((32,), *stack, loss="mse", by=optimizers.Adam(0.01)), (x, x)


@healthy()
def transferred(seed):
    """A trained layer, frozen, below a new one."""
    b, data = Builder(seed), blobs(seed)
    old = trained(plain(seed, data), data, steps=20).layers[0]
    old.trainable = False
    return network((32,), old, b.dense(4, "softmax")), data


@healthy()
def scheduled(seed):
    """A rate that warms up and then falls to zero."""
    data = blobs(seed)
    schedule = optimizers.schedules.CosineDecay(
        0.0, 900, warmup_target=0.1, warmup_steps=100
    )
    return plain(seed, data, by=optimizers.SGD(schedule)), data
