"""Many networks in one program, each with its own images and a rate for each layer.

The claims of the chapter `transfer` compare networks that differ in where a layer's
weights come from and how fast the layer learns: a rate of 0 freezes it. So hundreds of
them train side by side, as one. Tests: tests/test_claims_transfer.py.
"""

import math
import re

import keras
import numpy as np
from keras import ops

from dtlib import training


class Nets(keras.Model):
    """N multilayer SELU networks of one shape, fed with row numbers, a column each.

    Args:
        images: All examples, array (n, pixels).
        weights: Of all networks, as `start` makes them.
    """

    def __init__(self, images, weights):
        super().__init__()
        self.images = self._weight("images", images, trainable=False)
        self.layered = [self._weight(f"w{i}", w) for i, w in enumerate(weights)]
        self.built = True

    def _weight(self, name, value, trainable=True):
        weight = self.add_weight(shape=value.shape, trainable=trainable, name=name)
        weight.assign(value)
        return weight

    def call(self, rows):
        return self.logits(
            ops.transpose(ops.take(self.images, rows, axis=0), (1, 0, 2))
        )

    def logits(self, a):
        """(N or 1, batch, pixels) → (N, batch, classes)."""
        for i in range(0, len(self.layered), 2):
            z = a @ self.layered[i] + self.layered[i + 1][:, None]
            a = keras.activations.selu(z)
        return z

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The sum over networks of each one's mean: none feels the others."""
        return ops.sum(ops.mean(cross_entropy(ops.transpose(y), y_pred), axis=-1))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {}


class LayerRates(keras.optimizers.Optimizer):
    """Plain gradient descent with a rate for each layer of each network."""

    def __init__(self, layers, nets):
        super().__init__(learning_rate=1.0)
        zeros = np.zeros((layers, nets), "float32")
        self.rates = keras.Variable(zeros, trainable=False, name="rates")

    def update_step(self, gradient, variable, learning_rate):
        number = int(re.search(r"w(\d+)", variable.name)[1])
        rate = self.rates[number // 2]
        shape = (-1,) + (1,) * (len(variable.shape) - 1)
        self.assign_sub(variable, ops.reshape(rate, shape) * gradient)


def cross_entropy(y, z):
    """Of labels (N, batch) and logits (N, batch, classes); one class is a yes or no."""
    if z.shape[-1] == 1:
        z = z[..., 0]
        return ops.softplus(z) - ops.cast(y, z.dtype) * z
    true = ops.one_hot(y, z.shape[-1], dtype=z.dtype)
    return -ops.sum(ops.log_softmax(z) * true, axis=-1)


def start(sizes, seed):
    """Kernels and biases of one network, LeCun's start: [kernel, bias, kernel, …]."""
    rng = np.random.default_rng([seed, 7])
    found = []
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        kernel = rng.standard_normal((fan_in, fan_out)) / math.sqrt(fan_in)
        found += [kernel.astype("float32"), np.zeros(fan_out, "float32")]
    return found


def stack(networks):
    """Weights of several networks, as `start` gives them, side by side."""
    return [np.stack(weights) for weights in zip(*networks, strict=True)]


class Trainer:
    """N networks with one compiled step.

    Args:
        images, labels: All examples.
        networks: A list of weights, one for each network.
        batch_size: Rows a step.
    """

    def __init__(self, images, labels, networks, batch_size):
        self.labels, self.batch_size = labels, batch_size
        self.nets = Nets(images.astype("float32"), stack(networks))
        self.optimizer = LayerRates(len(networks[0]) // 2, len(networks))
        self.nets.compile(self.optimizer)

    def run(self, rows, rates):
        """Train on `rows`, (steps · batch, N), at `rates`, (layers, N)."""
        self.optimizer.rates.assign(np.asarray(rates, "float32"))
        y = self.labels[rows].astype("int32")
        settings = dict(batch_size=self.batch_size, shuffle=False)
        training.fit(self.nets, rows.astype("int32"), y, **settings)

    def measure(self, rows, chunk=400):
        """Errors and mean cross-entropy of every network on `rows`: two arrays (N,).

        A network that diverged errs as one that guesses: on all but a classes' share.
        """
        wrong, loss = 0, 0
        for part in np.array_split(rows, math.ceil(len(rows) / chunk)):
            z = self.nets.logits(ops.take(self.nets.images, part, axis=0)[None])
            y = np.broadcast_to(self.labels[part], z.shape[:2]).astype("int32")
            loss += ops.convert_to_numpy(ops.sum(cross_entropy(y, z), axis=-1))
            z = ops.convert_to_numpy(z)
            said = z[..., 0] > 0 if z.shape[-1] == 1 else z.argmax(-1)
            wrong += (said != y).sum(-1)
        loss = loss / len(rows)
        guessed = len(rows) * (1 - 1 / max(z.shape[-1], 2))
        return np.where(np.isfinite(loss), wrong, guessed), loss

    def weights(self):
        """The networks' weights: a list of lists, as `networks` was."""
        arrays = [ops.convert_to_numpy(weight) for weight in self.nets.layered]
        return [[array[i] for array in arrays] for i in range(len(arrays[0]))]


def batches(pool, steps, batch_size, seed):
    """The rows of a network: `pool` in new orders, one after another, cut to length."""
    need = steps * batch_size
    rounds = math.ceil(need / len(pool))
    rng = np.random.default_rng([*seed, 11])
    return np.concatenate([rng.permutation(pool) for _ in range(rounds)])[:need]
