"""The claims of the chapter `initializers`: which draw keeps a signal, which trains.

Tests: tests/test_claims.py.
"""

import functools
import itertools
import math

import keras
import numpy as np

from dtlib import experiments, initializers
from dtlib.claims.arms import LEAST, SETTINGS, WIDTHS, network, report, training_data
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

SHAPES = {"square": (100, 100), "100→300": (100, 300)}
DRAWS = {"quick": 20, "standard": 100, "full": 300}
SAMPLES = {"quick": 500, "standard": 1000, "full": 2000}
BAND = 1.25  # the claim's own: gains within [1/1.25, 1.25]
ACTIVATIONS = {  # φ, and φ' from z and a = φ(z)
    "linear": (lambda z: z, lambda z, a: np.ones_like(z)),
    "tanh": (np.tanh, lambda z, a: 1 - a**2),
    "relu": (lambda z: np.maximum(z, 0), lambda z, a: (z > 0).astype("float64")),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z, a: a * (1 - a)),
}


@claim(
    "C02",
    statement="Glorot's draw keeps the gain of a layer within [0.8, 1.25], forward and "
    "backward",
    source="Glorot and Bengio, 2010, as textbooks repeat it without its conditions",
    chapter="initializers",
)
def c02(scale):
    """Mean squares: of z' over z through φ and W, and of the gradient on its way back.

    Decides where z ~ N(0, 1), as the first layer makes it of standardized inputs. Shown
    beside it: z ten times smaller, where every φ is a straight line.
    """
    told, shown, numbers = [], [], {}
    for (act, (shape, fans)), std in itertools.product(
        itertools.product(ACTIVATIONS, SHAPES.items()), (1.0, 0.1)
    ):
        found = [gains(act, fans, std, seed, scale) for seed in range(DRAWS[scale])]
        for k, direction in enumerate(("forward", "backward")):
            values = np.array([pair[k] for pair in found])
            where = f"{act}, {shape}, {direction}, std(z) = {std:g}"
            numbers[where] = math.exp(np.log(values).mean())
            part = row(
                f"log gain of {where}",
                np.log(values),
                min_effect=math.log(BAND),
                relation="equals",
                decides=std == 1.0,
                activation=act,
                shape=shape,
                direction=direction,
                std=std,
            )
            (told if std == 1.0 else shown).append(part)
    told.sort(key=lambda part: part["activation"] != "relu")
    held = [part for part in told if part["outcome"] == "supported"]
    names = (f"{p['activation']} {p['shape']} {p['direction']}" for p in held)
    return Evidence(
        combine(told),
        numbers,
        told + shown,
        f"{DRAWS[scale]} draws of one layer, z ~ N(0, 1). In the band are {len(held)} "
        f"of {len(told)} gains: {', '.join(names) or 'none'}.",
    )


def gains(activation, fans, std, seed, scale):
    """One layer a = φ(z), z' = W·a: E[z'²]/E[z²] forward, E[δ²]/E[δ'²] backward."""
    phi, slope = ACTIVATIONS[activation]
    rng = np.random.default_rng(seed)
    w = np.asarray(initializers.GlorotNormal(seed=seed)(fans), "float64")
    z = std * rng.standard_normal((SAMPLES[scale], fans[0]))
    a = phi(z)
    delta = rng.standard_normal((SAMPLES[scale], fans[1]))
    forward = np.mean((a @ w) ** 2) / np.mean(z**2)
    backward = np.mean((slope(z, a) * (delta @ w.T)) ** 2) / np.mean(delta**2)
    return forward, backward


# Two to the decade and a half on either side of the book's usual 0.1 for plain SGD, so
# that neither a net whose signal fades nor one whose signal grows is cut short.
RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
DEPTHS = {"quick": (5, 20), "standard": (5, 10, 20), "full": (5, 10, 20)}


@claim(
    "C03",
    statement="Under ReLU, He's draw beats Glorot's, and by more in a deeper network",
    source="He et al., 2015; that depth adds is our reading of its figures 2 and 3",
    chapter="initializers",
)
def c03(scale, **running):
    """C03a: He − Glorot at each depth. C03b: the deepest gain − the shallowest."""
    found, rows = versus(scale, "relu", "He", ("Glorot",), **running)
    shallow, *_, deep = DEPTHS[scale]
    more = found.differences(f"He {deep}", f"Glorot {deep}") - found.differences(
        f"He {shallow}", f"Glorot {shallow}"
    )
    name = f"C03b: gain at depth {deep} − gain at depth {shallow}"
    rows = [row(name, more, min_effect=LEAST, part="interaction"), *rows[::-1]]
    return report(found, rows, scale)


@claim(
    "C04",
    statement="SELU needs LeCun's draw: it beats Glorot's and He's",
    source="Klambauer et al., 2017; textbooks' tables of initializer and activation",
    chapter="initializers",
)
def c04(scale, **running):
    """LeCun − Glorot and LeCun − He, at each depth.

    In a layer with as many inputs as outputs Glorot's variance is LeCun's, so the two
    differ in the first layer alone.
    """
    found, rows = versus(scale, "selu", "LeCun", ("Glorot", "He"), **running)
    return report(found, rows[::-1], scale)


def versus(scale, activation, first, others, **running):
    """Train `first` and each of `others` at every depth; judge first − other."""
    depths, data, arms = DEPTHS[scale], training_data(scale), {}
    for name, depth in itertools.product((first, *others), depths):
        arms[f"{name} {depth}"] = functools.partial(
            build, name, activation, depth, WIDTHS[scale], data.x_train.shape[1:]
        )
    found = experiments.compare(
        arms, data, tune={"learning_rate": RATES}, **SETTINGS[scale], **running
    )
    rows = [
        row(
            f"{first} − {other}, depth {depth}",
            found.differences(f"{first} {depth}", f"{other} {depth}"),
            min_effect=LEAST,
            depth=depth,
            other=other,
        )
        for depth, other in itertools.product(depths, others)
    ]
    return found, rows


def build(draw, activation, depth, width, shape, *, learning_rate):
    """A plain deep network: `depth` equal layers drawn by `draw`, a Glorot output."""
    kinds = {
        "He": initializers.HeNormal,
        "Glorot": initializers.GlorotNormal,
        "LeCun": initializers.LecunNormal,
    }
    layers = [
        keras.layers.Dense(width, activation, kernel_initializer=kinds[draw]())
        for _ in range(depth)
    ]
    start = initializers.GlorotNormal()
    return network(shape, layers, keras.optimizers.SGD(learning_rate), start=start)
