"""Planted faults of the data, of the outputs with the loss, and of the layers.

Tests: tests/test_doctor.py.
"""

import numpy as np
from keras import layers, losses

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
)

FAULTS = {}
fault = planting(FAULTS)
HOT, BINARY = "categorical_crossentropy", "binary_crossentropy"


# Data


@fault("nan_in_data")
def nan_in_data(seed):
    """One value of the inputs is missing."""
    x, y = blobs(seed)
    x[7, 3] = np.nan
    return plain(seed, (x, y)), (x, y)


@fault("constant_input")
def constant_input(seed):
    """One column is the same on every row."""
    x, y = blobs(seed)
    x[:, 5] = 0.5
    return plain(seed, (x, y)), (x, y)


@fault("unscaled_inputs")
def forgotten_scaling(seed):
    """Inputs between 0 and 255."""
    x, y = blobs(seed)
    x = 255 * (x - x.min()) / np.ptp(x)
    return plain(seed, (x, y)), (x, y)


@fault("unscaled_inputs")
def tiny_inputs(seed):
    """Inputs a thousand times too small."""
    x, y = blobs(seed)
    return plain(seed, (x, y)), (x / 1000, y)


@fault("uneven_inputs")
def one_large_column(seed):
    """One column in grams, the others in tons."""
    x, y = blobs(seed)
    x[:, 0] *= 1000
    return plain(seed, (x, y)), (x, y)


@fault("unscaled_targets")
def targets_in_thousands(seed):
    """Prices as they stand."""
    x, y = curve(seed)
    data = x, 50_000 + 10_000 * y
    return plain(seed, data, out=1, last=None, loss="mse", rate=0.01), data


@fault("leak")
def data_leak(seed):
    """A fifth of the validation rows stands in the training data too."""
    x, y = blobs(seed, 400)
    held = np.r_[0:20, 300:380]
    data = x[:300], y[:300]
    return plain(seed, data), data, {"validation_data": (x[held], y[held])}


@fault("labels_shuffled")
def labels_shuffled(seed):
    """Labels in another order than the inputs."""
    x, y = blobs(seed)
    data = x, np.random.default_rng([seed, 1]).permutation(y)
    return plain(seed, data), data


@fault("labels_shuffled")
def targets_shuffled(seed):
    """A regression's targets in another order."""
    x, y = curve(seed)
    data = x, np.random.default_rng([seed, 1]).permutation(y)
    return plain(seed, data, out=1, last=None, loss="mse", rate=0.01), data


# Outputs and loss


@fault("label_shape")
def one_hot_with_sparse(seed):
    """One-hot targets, and a loss that wants numbers."""
    data = blobs(seed)
    return plain(seed, data), hot(data)


@fault("label_shape")
def numbers_with_categorical(seed):
    """Class numbers, and a loss that wants one-hot targets."""
    data = blobs(seed)
    return plain(seed, data, loss=HOT), data


@fault("outputs_not_classes")
def too_few_outputs(seed):
    """Four classes, three outputs."""
    data = blobs(seed)
    return plain(seed, data, out=3), data


@fault("labels_start_at_one")
def labels_from_one(seed):
    """Labels 1 to 4."""
    x, y = blobs(seed)
    return plain(seed, (x, y)), (x, y + 1)


@fault("labels_out_of_range")
def labels_plus_minus(seed):
    """Labels −1 and 1 under binary cross-entropy."""
    x, y = blobs(seed, classes=2)
    model = plain(seed, (x, y), out=1, last="sigmoid", loss=BINARY)
    return model, (x, 2.0 * y[:, None] - 1)


@fault("targets_not_probabilities")
def several_labels_with_softmax(seed):
    """Up to three labels a row, under a softmax."""
    x, _ = blobs(seed)
    y = (x[:, :3] + x[:, 3:6] > 0).astype("float32")
    return plain(seed, (x, y), out=3, loss=HOT), (x, y)


@fault("softmax_of_one")
def softmax_of_one(seed):
    """Two classes, and one output with softmax."""
    x, y = blobs(seed, classes=2)
    return plain(seed, (x, y), out=1, loss=BINARY), (x, y[:, None])


@fault("softmax_twice")
def softmax_and_logits(seed):
    """A softmax, and a loss that applies another."""
    data = blobs(seed)
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    return plain(seed, data, loss=loss), data


@fault("softmax_twice")
def two_softmax_layers(seed):
    """A softmax in the last layer, and a layer of softmax."""
    b, data = Builder(seed), blobs(seed)
    stack = b.dense(32, "relu"), b.dense(4, "softmax"), layers.Softmax()
    return network((32,), *stack), data


@fault("logits_as_probabilities")
def forgotten_from_logits(seed):
    """No softmax, neither in the network nor in the loss."""
    data = blobs(seed)
    return plain(seed, data, last=None), data


@fault("wrong_loss")
def squared_error_on_classes(seed):
    """The squared error on a softmax."""
    data = blobs(seed)
    return plain(seed, data, loss="mse"), hot(data)


@fault("wrong_loss")
def sigmoid_with_categorical(seed):
    """Sigmoid outputs under categorical cross-entropy."""
    data = blobs(seed)
    return plain(seed, data, last="sigmoid", loss=HOT), hot(data)


@fault("wrong_loss")
def softmax_with_binary(seed):
    """Softmax outputs under binary cross-entropy."""
    data = blobs(seed)
    return plain(seed, data, loss=BINARY), hot(data)


@fault("relu_output")
def relu_output(seed):
    """A ReLU on the last layer of a regression."""
    data = curve(seed)
    return plain(seed, data, out=1, last="relu", loss="mse", rate=0.01), data


@fault("targets_out_of_range")
def sigmoid_on_regression(seed):
    """A sigmoid on the last layer of a regression."""
    data = curve(seed)
    return plain(seed, data, out=1, last="sigmoid", loss="mse"), data


# Layers


@fault("linear_network")
def no_activation(seed):
    """Two dense layers with nothing between."""
    b, data = Builder(seed), blobs(seed)
    return network((32,), b.dense(32), b.dense(4, "softmax")), data


@fault("linear_network")
def no_activation_in_convolutions(seed):
    """Two convolutions, one without activation."""
    b, data = Builder(seed), images(seed)
    stack = (
        layers.Conv2D(4, 3, kernel_initializer=b.glorot()),
        layers.Conv2D(8, 3, activation="relu", kernel_initializer=b.he()),
        layers.Flatten(),
        b.dense(2, "softmax"),
    )
    return network((8, 8, 1), *stack), data


@fault("dropout_too_high")
def dropout_of_nine_tenths(seed):
    """The share to keep, given as the share to drop."""
    b, data = Builder(seed), blobs(seed)
    stack = b.dense(32, "relu"), layers.Dropout(0.9, seed=seed), b.dense(4, "softmax")
    return network((32,), *stack), data


@fault("nothing_trains")
def everything_frozen(seed):
    """`trainable = False` on the whole model."""
    model, data = plain(seed, blobs(seed)), blobs(seed)
    model.trainable = False
    return model, data


@fault("frozen_layer")
def frozen_layer(seed):
    """A hidden layer frozen before it learned."""
    b, data = Builder(seed), blobs(seed)
    stack = b.dense(32, "relu", trainable=False), b.dense(4, "softmax")
    return network((32,), *stack), data


@fault("unfrozen_without_compile")
def unfrozen_without_compile(seed):
    """Trained with a frozen layer, which then is opened."""
    data = blobs(seed)
    model = plain(seed, data)
    model.layers[0].trainable = False
    model.optimizer.build(model.trainable_variables)
    trained(model, data, steps=3)
    model.layers[0].trainable = True
    return model, data
