"""The claim of the chapter `diagnostics`: how a deep network loses its signal.

Tests: tests/test_claims.py.
"""

import itertools
import math

import keras
import numpy as np

from dtlib import diagnostics
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

DEPTH = 10
WIDTHS = (30, 100, 300)
# Draws of the story's own networks, and of those beside them.
SEEDS = {"quick": (10, 3), "standard": (30, 30), "full": (100, 100)}
SAMPLES = {"quick": 200, "standard": 500, "full": 1000}
DRAWS = {
    "N(0, 1)": lambda: keras.initializers.RandomNormal(stddev=1.0),
    "Glorot": keras.initializers.GlorotNormal,
}
# 5 % a layer is 1.6-fold over ten layers: less than that, nobody would call it growth,
# and no gradient would be said to vanish.
LEAST = math.log(1.05)


@claim(
    "C01",
    statement="With N(0, 1) weights and a sigmoid, the variance grows layer by layer "
    "and the gradients of the lower layers vanish",
    source="Common lecture notes, which credit Glorot and Bengio, 2010",
    chapter="diagnostics",
)
def c01(scale):
    """Two parts at each width: Var(z) grows with depth, and ∂L/∂z shrinks below."""
    told, shown, numbers = [], [], {}
    for act, draw, width in itertools.product(("sigmoid", "tanh"), DRAWS, WIDTHS):
        story = act == "sigmoid" and draw == "N(0, 1)"
        seeds = range(SEEDS[scale][0 if story else 1])
        found = [measure(act, draw, width, seed, scale) for seed in seeds]
        slopes = {k: np.array([f[k] for f in found]) for k in found[0]}
        where = f"{act}, {draw}, width {width}"
        for quantity, text in (
            ("z", "Var(z) grows, log a layer"),
            ("a", "Var(a) grows, log a layer"),
            ("gradient", "∂L/∂z shrinks toward the input, log a layer"),
        ):
            way = -1 if quantity == "gradient" else 1  # a layer down, a layer up
            factor = math.exp(way * slopes[quantity].mean())
            numbers[f"{where}: {quantity} a layer"] = factor
            part = row(
                f"{where}: {text}",
                slopes[quantity],
                min_effect=LEAST,
                decides=story and quantity != "a",
                activation=act,
                draw=draw,
                width=width,
                quantity=quantity,
            )
            (told if part["decides"] else shown).append(part)
        for quantity in ("saturated", "saturated first", "z first", "z last"):
            numbers[f"{where}: {quantity}"] = slopes[quantity].mean()
    told.sort(key=lambda part: (part["quantity"] != "z", part["width"] != 100))
    factors = {
        quantity: ", ".join(
            f"{numbers[f'sigmoid, N(0, 1), width {width}: {quantity} a layer']:.2f}"
            for width in WIDTHS
        )
        for quantity in ("z", "gradient")
    }
    return Evidence(
        combine(told),
        numbers,
        told + shown,
        f"{DEPTH} layers at initialization, inputs N(0, 1), {SEEDS[scale][0]} draws of "
        f"the story's networks, {SEEDS[scale][1]} of the others. At widths "
        f"{', '.join(map(str, WIDTHS))} the story's Var(z) changes by a factor of "
        f"{factors['z']} a layer up, its gradient by {factors['gradient']} a layer "
        "down.",
    )


def measure(activation, draw, width, seed, scale):
    """One network at initialization: its slopes a layer, and its saturated shares."""
    rng = np.random.default_rng([seed, width])
    x = rng.standard_normal((SAMPLES[scale], width)).astype("float32")
    y = rng.integers(10, size=len(x))
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((width,))])
    for _ in range(DEPTH):
        model.add(
            keras.layers.Dense(width, activation, kernel_initializer=DRAWS[draw]())
        )
    model.add(keras.layers.Dense(10))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = diagnostics.signal_propagation(model, x, y)
    z, a = found.z_std[:DEPTH] ** 2, found.std[:DEPTH] ** 2
    return {
        "z": slope(z),
        "a": slope(a),
        "gradient": slope(found.gradient_rms[:DEPTH]),
        "saturated": found.saturated[:DEPTH].mean(),
        "saturated first": found.saturated[0],
        "z first": z[0],
        "z last": z[-1],
    }


def slope(values):
    """How much log(value) gains a layer: the least-squares line over the layers."""
    return float(np.polyfit(np.arange(len(values)), np.log(values), 1)[0])
