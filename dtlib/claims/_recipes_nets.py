"""Networks of one recipe on three sets of data, trained side by side as one program.

A recipe decides all but the learning rate: the layers, the optimizer, the schedule and
what early stopping keeps are read from it, by the functions that `Recipe.build` uses.
Each network goes the way it would go alone. Tests: tests/test_claims_recipes.py.
"""

import functools
import math
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from dtlib import initializers, schedules, training
from dtlib.claims._recipes_data import CLASSES, DATA, SIZES, data, joined
from dtlib.claims.arms import SETTINGS, WIDTHS
from dtlib.recipes import EDITIONS, _building, recommend, textbook

RECIPES = (*EDITIONS, "modern")
DEPTHS = {"shallow": 3, "deep": 10}  # hidden layers
EPOCHS = {"quick": 10, "standard": 20, "full": 40}
MOMENTUM, EPSILON = 0.99, 1e-3  # of batch normalization, as `Recipe.build` has it
CHUNK = 200  # rows that are measured at once


class Net(NamedTuple):
    """A network: its data, its learning rate, and the seed of its start and batches."""

    data: str
    rate: float
    seed: int


@functools.cache
def recipe(name, depth, scale, on=DATA[0]):
    """The `Recipe` of this name, of a depth in `DEPTHS` and the scale's size."""
    task = ("multiclass", SIZES[scale][0], data(on, scale)[0].shape[1])
    chosen = textbook(name, *task) if name in EDITIONS else recommend(*task, name)
    return chosen.replace(
        layers=DEPTHS[depth],
        width=WIDTHS[scale],
        batch_size=SETTINGS[scale]["batch_size"],
        epochs=EPOCHS[scale],
    )


class Rates(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of every network at each step: a shape, times its own rate.

    Args:
        shape: Array (steps,), the schedule of a rate of 1.
        own: The networks' rates.
    """

    def __init__(self, shape, own):
        self.shape = ops.convert_to_tensor(np.asarray(shape, "float32"))
        self.own = keras.Variable(np.asarray(own)[:, None, None], trainable=False)

    def __call__(self, step):
        return ops.take(self.shape, step) * ops.convert_to_tensor(self.own)


class Nets(keras.Model):
    """N networks of one recipe, fed with row numbers: one column a network.

    Args:
        chosen: The recipe's settings.
        x: The examples of all data, (rows, features).
        weights: `{name: array}`, as `starts` gives them.
    """

    def __init__(self, chosen, x, weights):
        super().__init__()
        for name, value in {"examples": x, **weights}.items():
            kept = dict(trainable=name not in ("examples", "moving"), name=name)
            setattr(self, name, self.add_weight(shape=value.shape, **kept))
            getattr(self, name).assign(value)
        self.phi = _building.ACTIVATIONS[chosen["activation"]]()
        self.normal = chosen["normalization"] == "batch"
        self.drops, self.depth = [], chosen["layers"]
        if chosen["dropout"] != "none":
            drop = _building.DROPOUTS[chosen["dropout"]]
            self.drops = [drop(_building.DROP, seed=i) for i in range(self.depth)]
        self.built = True

    def call(self, rows, training=False):
        a = ops.transpose(ops.take(self.examples, rows, axis=0), (1, 0, 2))
        averages = []
        for i in range(self.depth):
            z = a @ (self.hidden[i - 1] if i else self.first)
            z, average = self.normalize(z, i, training)
            averages.append(average)
            a = self.phi(z)
            if self.drops:
                a = self.drops[i](a, training=training)
        if self.normal and training:
            self.moving.assign(ops.stack(averages, axis=1))
        return a @ self.last + self.last_bias  # (N, batch, classes)

    def normalize(self, z, i, training):
        """Keras' batch normalization, and the averages after it; else the bias."""
        if not self.normal:
            return z + self.bias[i], None
        found = average = self.moving[:, i]
        if training:
            found = ops.stack(ops.moments(z, axes=[1], keepdims=True))
            average = MOMENTUM * average + (1 - MOMENTUM) * ops.stop_gradient(found)
        z = (z - found[0]) * ops.rsqrt(found[1] + EPSILON)
        return z * self.gamma[i] + self.beta[i], average

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The sum over networks of each one's mean: none feels the others."""
        each = keras.losses.sparse_categorical_crossentropy
        return ops.sum(ops.mean(each(ops.transpose(y), y_pred, from_logits=True), 1))


def starts(chosen, nets, scale):
    """The weights before training, stacked: networks of one seed start from one draw.

    The draw is a truncated normal one, scaled as the recipe's initializer says; a row
    of the first kernel that belongs to a padded feature is never used.
    """
    count, units, depth = len(nets), WIDTHS[scale], chosen["layers"]
    widest = joined(scale)[0].shape[1]
    used = [data(net.data, scale)[0].shape[1] for net in nets]
    share = {"he_normal": 2.0, "lecun_normal": 1.0}[chosen["initializer"]]
    draws = [draw(net.seed, widest, units, depth) for net in nets]
    first, hidden, last = (np.stack(each) for each in zip(*draws, strict=True))
    scales = np.sqrt(share / np.array(used, "float32"))[:, None, None]
    weights = {
        "first": first * scales,
        "hidden": np.moveaxis(hidden, 1, 0) * math.sqrt(share / units),
        "last": last * math.sqrt(2 / (units + CLASSES)),
        "last_bias": np.zeros((count, 1, CLASSES)),
    }
    shape = (depth, count, 1, units)
    if chosen["normalization"] == "none":
        return weights | {"bias": np.zeros(shape)}
    moving = np.stack([np.zeros(shape), np.ones(shape)])
    return weights | {
        "gamma": np.ones(shape),
        "beta": np.zeros(shape),
        "moving": moving,
    }


@functools.cache
def draw(seed, fan_in, units, depth):
    """Truncated normal kernels of variance 1: first, hidden (stacked), last."""

    def kernel(place, shape):
        # LeCun's variance is 1/n.
        own = initializers.LecunNormal(seed=1000 * seed + place)
        return np.array(own(shape)) * math.sqrt(shape[0])

    hidden = [kernel(i, (units, units)) for i in range(1, depth)]
    return kernel(0, (fan_in, units)), np.stack(hidden), kernel(999, (units, CLASSES))


class Program:
    """The networks of one recipe, `count` of them: compiled once, trained many times.

    Args:
        chosen: The `Recipe`.
        count: How many networks stand side by side.
        scale: One of the claims' scales.
    """

    def __init__(self, chosen, count, scale):
        self.recipe, self.count, self.scale = chosen, count, scale
        self.settings, self.model = chosen.settings, None

    def train(self, nets, parts=("valid", "test")):
        """Train a network for each `Net`, and measure what the recipe may keep.

        Args:
            nets: At most `count`; the last fills up what is missing.
            parts: Of "valid" and "test", what is measured.

        Returns:
            `{part: accuracies}`, (networks,), of the weights that the recipe keeps, and
            under "diverged" which networks lost their way.
        """
        n = len(nets)
        nets = [*nets, *nets[-1:] * (self.count - n)]
        self.begin(nets)
        _, y, rows = joined(self.scale)
        own = [DATA.index(net.data) for net in nets]
        curves, lost = {part: [] for part in parts}, False
        for epoch in range(self.settings["epochs"]):
            order = rows["train"][own].T
            for column, net in zip(order.T, nets, strict=True):
                how = dict(seed=net.seed, epoch=epoch)
                column[:] = column[training.batch_order(len(column), **how)]
            size = self.settings["batch_size"]
            training.fit(self.model, order, y[order], batch_size=size, shuffle=False)
            if not self.measures(epoch):
                continue
            for part in parts:
                right, finite = measured(self.model, rows[part][own].T, y)
                curves[part].append(right)
                lost = lost | ~finite
        kept = np.argmax(curves["valid"], axis=0)
        every = np.arange(self.count)
        found = {part: np.array(curves[part])[kept, every][:n] for part in parts}
        return found | {"diverged": lost[:n]}

    def begin(self, nets):
        """Put the networks at their starts; the first time, make and compile them."""
        weights = starts(self.settings, nets, self.scale)
        rates = np.array([net.rate for net in nets])
        if self.model is None:
            steps = self.recipe.steps
            self.rate = Rates(shape(self.settings, steps), rates)
            self.model = Nets(self.settings, joined(self.scale)[0], weights)
            make = _building.OPTIMIZERS[self.settings["optimizer"]]
            self.model.compile(make(self.rate))
        for name, value in weights.items():
            getattr(self.model, name).assign(value)
        self.rate.own.assign(rates[:, None, None])
        for slot in self.model.optimizer.variables:
            slot.assign(ops.zeros_like(slot))

    def measures(self, epoch):
        """Whether the recipe may keep this epoch's weights: any one's, or the last."""
        early = self.settings["stopping"] == "early"
        return early or epoch == self.settings["epochs"] - 1


def shape(chosen, steps):
    """The recipe's schedule of a rate of 1, (steps,)."""
    rate = _building._rate(chosen | {"learning_rate": 1.0}, steps)
    return schedules.record(rate, steps) if callable(rate) else np.ones(steps)


def measured(model, rows, y):
    """Accuracy of every network on its column of rows, and whether it is finite."""
    right, finite = [], True
    for k in range(0, len(rows), CHUNK):
        part = rows[k : k + CHUNK]
        logits = np.asarray(model(part, training=False))
        right.append(logits.argmax(axis=-1).T == y[part])
        finite = finite & np.isfinite(logits).all(axis=(1, 2))
    return np.concatenate(right).mean(axis=0), finite
