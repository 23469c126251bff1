"""Measurements behind some claims on batch normalization: rates, steps, clocks.

Tests: tests/test_claims_normalization.py.
"""

import functools
import itertools
import math

import keras
import numpy as np

from dtlib import datasets, normalization, training
from dtlib.claims import _normalization_nets as nets
from dtlib.claims._normalization_nets import RATES, Kind, Net
from dtlib.claims.arms import (
    LEAST,
    SETTINGS,
    WIDTHS,
    crossing,
    network,
    rounds,
    training_data,
)
from dtlib.claims.evidence import row

SHORT = 4  # epochs: whether a rate is usable shows at once
# Half-doublings: finer than the doubling that C15 asks for.
FINE = 2.0 ** np.arange(-4, 4.5, 0.5)
LONG = {"quick": 12, "standard": 20, "full": 20}
DROPS = (0.0, 0.1, 0.2, 0.3, 0.5)
FEW, NARROW = 400, 8  # examples that are overfitted, units that underfit
MANY_EPOCHS = {"over": 40, "longer": 200}
# From 0, no memory at all, so that no best lies beyond an end of them.
MOMENTA = (0.0, 0.5, 0.9, 0.99, 0.999)
SIZES = {"quick": (400, 1600, 6400), "standard": (500, 2000, 8000)}
SIZES["full"] = (500, 4000, 32000)
EPOCHS = 8
GO, ROWS = 10, 50_000  # epochs and rows a timing: enough to drown what a call costs


@functools.cache
def rates(scale, norm, depth):
    """Test accuracy (rates, seeds), and whether the network still learned."""
    setting, given = SETTINGS[scale], nets.plain(scale)
    runs = [*itertools.product([Net()], FINE, setting["seeds"])]
    how = dict(epochs=SHORT, batch_size=setting["batch_size"])
    model = nets.train(runs, Kind(norm, "relu", depth, WIDTHS[scale]), given, **how)
    accuracy, _ = nets.measured(model, given.test, given.y)
    _, loss = nets.measured(model, given.train, given.y)
    shape = (len(FINE), -1)
    return FINE, accuracy.reshape(shape), loss.reshape(shape) < math.log(10)


def largest(rates, usable):
    """log2 of the largest rate below which all are usable, for each seed.

    >>> largest([1, 2, 4, 8], np.array([[True], [True], [False], [True]]))
    array([1.])
    """
    first, second = np.log2(rates[:2])
    count = np.cumprod(usable, axis=0).sum(axis=0)
    return first + (second - first) * (count - 1.0)


@functools.cache
def fitting(scale, norm, net):
    """`{rate of dropout: Found}` of a net: "over"- or "under"fitting, or "longer".

    "longer" is the overfitting one, trained for longer and without dropout.
    """
    data, setting = training_data(scale), SETTINGS[scale]
    if net in MANY_EPOCHS:
        kind, given = Kind(norm, "relu", 2, WIDTHS[scale]), nets.sample(data, FEW)
        epochs, drops = MANY_EPOCHS[net], DROPS if net == "over" else (0.0,)
    else:
        kind, given = Kind(norm, "relu", 2, NARROW), nets.sample(data)
        epochs, drops = nets.EPOCHS[scale], (0.0,)
    some = tuple(Net(drop=drop) for drop in drops)
    done = nets.tune(kind, some, given, setting, epochs=epochs)
    return {net.drop: each for net, each in done.items()}


def dropout_rows(scale, arms):
    """C17b: the rate of dropout that is best on validation, without BN − with."""
    best = {}
    for norm, name in (("none", "none"), ("before", "BN")):
        each = fitting(scale, norm, "over")
        arms |= {f"{name}, dropout {drop:g}": each[drop] for drop in DROPS}
        choice = np.argmax([each[drop].valid for drop in DROPS], axis=0)
        best[name] = np.array(DROPS)[choice]
    values = best["none"] - best["BN"]
    name = "C17b: best rate of dropout, none − BN"
    told = {f"{name}: best dropout": rate.mean() for name, rate in best.items()}
    # Half the step of the grid: less is the same rate.
    return [row(name, values, min_effect=0.05, part="b")], told


class Curve(keras.callbacks.Callback):
    """The accuracy of every network on `rows`, at the start and after each epoch."""

    def __init__(self, rows, labels):
        super().__init__()
        self.rows, self.labels, self.seen = rows, labels, []

    def on_train_begin(self, logs=None):
        self.on_epoch_end(0)

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(nets.measured(self.model, self.rows, self.labels)[0])


def reached(curve, target):
    """Epochs until `target`, between two epochs by a straight line; at most the run.

    >>> reached(np.array([[0.1, 0.1], [0.3, 0.1], [0.5, 0.2]]), 0.4)
    array([1.5, 2. ])
    """
    return np.array([crossing(-line, -target) for line in np.asarray(curve).T])


@functools.cache
def steps(scale, depth):
    """Steps to the target with and without BN, the target, and the rates, tuned."""
    setting, given, curves = SETTINGS[scale], nets.plain(scale), {}
    seeds, trials = list(setting["seeds"]), list(setting["tune_seeds"])
    how = dict(epochs=LONG[scale], batch_size=setting["batch_size"])
    shape = (LONG[scale] + 1, len(RATES), len(trials))
    models = {}
    for norm in ("none", "before"):
        watch = Curve(given.valid, given.y)
        kind = Kind(norm, "relu", depth, WIDTHS[scale])
        runs = [*itertools.product([Net()], RATES, trials)]
        models[norm] = nets.train(runs, kind, given, **how, callbacks=[watch])
        curves[norm] = np.array(watch.seen).reshape(shape)
    target = curves["none"][-1].mean(-1).max() - 2 * LEAST
    count, best, found = math.ceil(len(given.train) / how["batch_size"]), {}, {}
    for norm, curve in curves.items():
        speed = reached(curve.reshape(len(curve), -1), target).reshape(shape[1:])
        best[norm] = RATES[speed.mean(-1).argmin()]
        spare = len(RATES) * len(trials) - len(seeds)
        runs = [(Net(), best[norm], seed) for seed in seeds + trials[:1] * spare]
        again = models[norm] if spare >= 0 else None
        watch = Curve(given.test, given.y)
        kind = Kind(norm, "relu", depth, WIDTHS[scale])
        nets.train(runs, kind, given, **how, model=again, callbacks=[watch])
        found[norm] = count * reached(np.array(watch.seen), target)[: len(seeds)]
    return found, target, best


def clock(scale, depth):
    """log2 of three ratios a round: step and inference, BN ÷ none, and folded ÷ none.

    The clock is the processor's, which stands still while the machine does other work.
    The networks take turns; the fastest of three goes was disturbed least.
    """
    data, width = training_data(scale), WIDTHS[scale]
    shape = data.x_train.shape[1:]

    def build(norm):
        layers = []
        for _ in range(depth):
            layers.append(keras.layers.Dense(width, kernel_initializer="he_normal"))
            if norm:
                layers.append(normalization.BatchNormalization(momentum=0.9))
            layers.append(keras.layers.Activation("relu"))
        return network(shape, layers, keras.optimizers.SGD(0.03))

    plain, bn = build(False), build(True)
    rows = np.resize(np.arange(len(data.x_test)), ROWS)
    x, y = data.x_test[rows], data.y_test[rows]
    some = data.x_train[:4000], data.y_train[:4000]

    def fit(model):
        training.fit(model, *some, epochs=GO, batch_size=40)

    def infer(model):
        training.evaluate(model, x, y, batch_size=250)

    fit(plain), fit(bn)
    folded = normalization.fold_batch_norm(bn)
    calls = {
        "fit": lambda: fit(plain),
        "fit, BN": lambda: fit(bn),
        "infer": lambda: infer(plain),
        "infer, BN": lambda: infer(bn),
        "infer, folded": lambda: infer(folded),
    }
    spent = rounds(calls, n=len(SETTINGS[scale]["seeds"]), best=3)
    pairs = ("fit, BN", "fit"), ("infer, BN", "infer"), ("infer, folded", "infer")
    return np.round([np.log2(spent[a] / spent[b]) for a, b in pairs], 1)


def coarse(value):
    """`value` to two digits: a ratio of seconds holds no more."""
    return float(f"{value:.2g}")


def unlike_units(data):
    """The features of `data`, each in a unit and from an origin of its own."""
    rng, axes = np.random.default_rng(0), data.x_train.shape[1:]
    size = 10 ** rng.uniform(-1, 1, axes)
    origin = size * rng.standard_normal(axes)
    parts = (data.x_train, data.x_valid, data.x_test)
    x = ((size * part + origin).astype("float32") for part in parts)
    return data._replace(**dict(zip(("x_train", "x_valid", "x_test"), x, strict=True)))


def standardized(data):
    """Each feature by its mean and standard deviation over the training part."""
    mean, std = data.x_train.mean(0), np.sqrt(data.x_train.var(0) + 1e-3)
    names = ("x_train", "x_valid", "x_test")
    return data._replace(**{n: (getattr(data, n) - mean) / std for n in names})


@functools.cache
def momenta(scale, size, epochs):
    """Test accuracy and validation loss (momenta, seeds) after training on `size`."""
    if scale == "quick":
        data = datasets.mnist1d(8000, 1000)
    else:
        data = training_data(scale)
    given, setting = nets.sample(data, size), SETTINGS[scale]
    rate = nets.found(scale, "before")[""].rate
    some = [Net(momentum=momentum) for momentum in MOMENTA]
    runs = [(n, rate, seed) for n, seed in itertools.product(some, setting["seeds"])]
    how = dict(epochs=epochs, batch_size=setting["batch_size"])
    model = nets.train(runs, Kind("before", "relu", 2, WIDTHS[scale]), given, **how)
    accuracy, _ = nets.measured(model, given.test, given.y)
    _, loss = nets.measured(model, given.valid, given.y)
    shape = (len(MOMENTA), -1)
    return accuracy.reshape(shape), loss.reshape(shape)


def momentum_rows(scale):
    """C53's rows and numbers, at equal epochs and at equal steps."""
    sizes, rows, numbers = SIZES[scale], [], {}
    nines = np.abs(np.log10(1 - np.array(MOMENTA)))
    for equal in ("epochs", "steps"):
        best, end = {}, ", equal steps" if equal == "steps" else ""
        for size in sizes:
            epochs = EPOCHS if equal == "epochs" else EPOCHS * sizes[1] // size
            accuracy, loss = momenta(scale, size, epochs)
            best[size] = nines[loss.argmin(axis=0)]
            numbers[f"nines at n = {size}{end}"] = best[size].mean()
            for momentum, each in zip(MOMENTA, accuracy, strict=True):
                name = f"momentum {momentum:g}, n = {size}{end}: accuracy"
                numbers[name] = each.mean()
            if equal == "epochs":
                name = f"0.999 − 0.9, n = {size}"
                values = accuracy[-1] - accuracy[MOMENTA.index(0.9)]
                shown = {"decides": False, "size": size}
                rows.append(row(name, values, min_effect=LEAST, **shown))
        name = f"nines of the best, n = {sizes[-1]} − n = {sizes[0]}, equal {equal}"
        how = {"decides": equal == "epochs", "equal": equal}
        values = best[sizes[-1]] - best[sizes[0]]
        rows.insert(0, row(name, values, min_effect=0.5, **how))
    rows.sort(key=lambda part: not part["decides"])
    return rows, numbers
