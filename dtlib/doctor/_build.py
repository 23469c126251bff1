"""Small networks and data for the gallery, every draw from a seed.

Tests: tests/test_doctor.py.
"""

from itertools import count
from typing import NamedTuple

import keras
import numpy as np
from keras import initializers, layers


class Case(NamedTuple):
    """A network to look at: `diagnose(case.model, case.x, case.y, **case.options)`.

    `fault` is the name of the finding, None for a healthy network.
    """

    fault: str | None
    model: keras.Model
    x: np.ndarray
    y: np.ndarray
    options: dict


def case(fault, model, data, **options):
    return Case(fault, model, *data, options)


def planting(table):
    """A decorator that enters a builder in `table` under its name.

    The builder returns `(model, data)` or `(model, data, options)`; what is entered
    returns a `Case` with the finding that the decorator was given.
    """

    def fault(finding=None):
        def enter(build):
            def made(seed):
                model, data, *options = build(seed)
                return case(finding, model, data, **(options[0] if options else {}))

            made.__name__, made.__doc__ = build.__name__, build.__doc__
            table[build.__name__] = made
            return made

        return enter

    return fault


def blobs(seed, n=300, width=32, classes=4):
    """Gaussian classes that overlap little: inputs of size 1, labels 0, 1, …"""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % classes)
    x = rng.normal(size=(classes, width))[y] + rng.normal(size=(n, width))
    return (x / np.sqrt(2)).astype("float32"), y.astype("int32")


def curve(seed, n=300, width=8):
    """A smooth function of a few inputs, with noise: a regression."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width))
    y = np.sin(x[:, 0]) + 0.5 * x[:, 1] + 0.1 * rng.normal(size=n)
    return x.astype("float32"), y.astype("float32")[:, None]


def images(seed, n=300, side=8):
    """Pictures of one bright bar, upright or level, on a black frame."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = np.zeros((n, side, side, 1), "float32")
    inner = 0.2 * rng.random((n, side - 2, side - 2))
    where = rng.integers(side - 2, size=n)
    for picture, level, at in zip(inner, y, where, strict=True):
        if level:
            picture[at] += 0.8
        else:
            picture[:, at] += 0.8
    x[:, 1:-1, 1:-1, 0] = inner
    return x, y.astype("int32")


def waves(seed, n=300, length=8):
    """Sequences that rise or fall on average, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    trend = np.linspace(-1, 1, length) * (2 * y[:, None] - 1)
    x = trend + 0.7 * rng.normal(size=(n, length))
    return x[..., None].astype("float32"), y.astype("int32")


def hot(data, classes=4):
    """The same data with one-hot targets."""
    return data[0], np.eye(classes, dtype="float32")[data[1]]


class Builder:
    """Layers whose initializers take one seed after another."""

    def __init__(self, seed):
        self.seeds = count(1000 * seed)

    def he(self):
        return initializers.HeNormal(seed=next(self.seeds))

    def glorot(self):
        return initializers.GlorotUniform(seed=next(self.seeds))

    def lecun(self):
        return initializers.LecunNormal(seed=next(self.seeds))

    def normal(self, std):
        return initializers.RandomNormal(stddev=std, seed=next(self.seeds))

    def dense(self, units, activation=None, start=None, **options):
        """A Dense layer: He's initialization under ReLU, Glorot's under others."""
        if start is None:
            start = self.he() if activation == "relu" else self.glorot()
        return layers.Dense(units, activation, kernel_initializer=start, **options)

    def recurrent(self, kind, units, **options):
        return kind(
            units,
            kernel_initializer=options.pop("start", None) or self.glorot(),
            recurrent_initializer=options.pop("again", None)
            or initializers.Orthogonal(seed=next(self.seeds)),
            **options,
        )


def network(shape, *stack, loss="sparse_categorical_crossentropy", rate=0.1, by=None):
    """A compiled sequence of layers; SGD unless `by` is an optimizer."""
    model = keras.Sequential([keras.Input(shape), *stack])
    model.compile(by or keras.optimizers.SGD(rate), loss)
    return model


def plain(seed, data, *, hidden=1, out=None, last="softmax", **options):
    """The network most faults are planted in: ReLU layers and an output."""
    b = Builder(seed)
    stack = [b.dense(32, "relu") for _ in range(hidden)]
    out = out or int(data[1].max()) + 1
    return network(data[0].shape[1:], *stack, b.dense(out, last), **options)


def trained(model, data, steps=60, rows=50):
    """The model after some steps of its own optimizer, in a loop by hand."""
    import tensorflow as tf

    optimizer, weights = model.optimizer, model.trainable_variables
    optimizer.build(weights)

    @tf.function(autograph=False)
    def step(x, y):
        with tf.GradientTape() as tape:
            guess = model(x, training=True)
            loss = model.compute_loss(x=x, y=y, y_pred=guess)
        optimizer.apply(tape.gradient(loss, [w.value for w in weights]), weights)

    for number in range(steps):
        at = (number * rows + np.arange(rows)) % len(data[0])
        step(*map(keras.ops.convert_to_tensor, (data[0][at], data[1][at])))
    return model
