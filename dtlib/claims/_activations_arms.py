"""Arms, runs and stopwatches of the claims of the chapter `activations`.

Tests: tests/test_claims_activations.py.
"""

import functools
import math
from typing import NamedTuple

import keras
import numpy as np

from dtlib import activations, datasets, experiments, initializers, training
from dtlib.claims.arms import (
    SETTINGS,
    WIDTHS,
    crossing,
    data_name,
    network,
    rounds,
    training_data,
)
from dtlib.claims.evidence import Evidence, combine

DEPTHS = (2, 20)
# Two to the decade, the same for all arms of a depth. Trials set the ends: beyond them
# no whole arm was at its best.
RATES = {2: (0.01, 0.03, 0.1, 0.3, 1.0), 20: (0.003, 0.01, 0.03, 0.1)}
OTHER_RATES = (0.001, 0.003, 0.01, 0.03, 0.1)  # of `other_data`, at depth 2
# More for networks with a broken condition: their signal grows, their best rate falls.
SMALLER = (0.00001, 0.00003, 0.0001, 0.0003, 0.001)
# And for the α that are not 1: with α = 2 the best was at the lower end of the grid.
LOWER = (0.001, 0.003)
# With it, ten epochs suffice to learn something: it is ten times plain SGD's step.
MOMENTUM = 0.9


class SteepSigmoid(keras.layers.Layer):
    """2σ(2z) = 1 + tanh(z): as steep as tanh, and not centered."""

    def call(self, z):
        return 2 * activations.sigmoid(2 * z)


HE, GLOROT = initializers.HeNormal, initializers.GlorotNormal
# Each with the draw that is usual for it: a function, or a layer that is made anew.
ARMS = {
    "σ": (GLOROT, activations.sigmoid),
    "2σ(2z)": (GLOROT, SteepSigmoid),
    "tanh": (GLOROT, activations.tanh),
    "ReLU": (HE, activations.relu),
    "leaky 0.01": (HE, functools.partial(activations.LeakyReLU, 0.01)),
    "leaky 0.2": (HE, activations.leaky_relu),
    "ELU": (HE, activations.elu),
    "SELU": (initializers.LecunNormal, activations.selu),
    "GELU": (HE, activations.gelu),
    "swish": (HE, activations.silu),
    "ELU α = 0.5": (HE, functools.partial(activations.ELU, 0.5)),
    "ELU α = 2": (HE, functools.partial(activations.ELU, 2.0)),
}
CONDITIONS = {
    "inputs": "inputs in [0, 1] instead of standardized",
    "draw": "He's draw instead of LeCun's",
    "skip": "a skip connection around every layer",
}
# Arms trained together: a compiled program serves the trials and the runs of a group.
GROUPS = {
    "squashing": ("σ", "2σ(2z)", "tanh"),
    "rectifiers": ("ReLU", "leaky 0.01", "leaky 0.2"),
    "exponential": ("ELU", "SELU"),
    "gated": ("GELU", "swish"),
    "kinked": ("ELU α = 0.5", "ELU α = 2"),
    "broken": ("SELU, inputs", "SELU, draw", "SELU, skip", "ELU, inputs", "ELU, skip"),
}


def hidden(arm, depth, width, shape, condition=None):
    """`depth` equal layers of an arm, one condition of self-normalization broken."""
    draw, kind = ARMS[arm]
    draw = HE if condition == "draw" else draw
    plain = hasattr(kind, "__name__") and not isinstance(kind, type)
    layers = []
    if condition == "inputs":
        layers.append(keras.layers.Rescaling(*unit_interval(shape)))
    for _ in range(depth):
        dense = keras.layers.Dense(
            width, kind if plain else None, kernel_initializer=draw()
        )
        layers += [dense] if plain else [dense, kind()]
    if condition != "skip":
        return layers
    inputs = keras.Input((math.prod(shape),))
    a = layers[0](inputs)
    for layer in layers[1:]:
        a = keras.layers.add([a, layer(a)])
    return [keras.Model(inputs, a)]


@functools.cache
def unit_interval(shape):
    """Scale and offset that put the standardized inputs of this shape into [0, 1]."""
    x = training_data("quick" if len(shape) == 1 else "standard").x_train
    spread = float(x.max() - x.min())
    return 1 / spread, -float(x.min()) / spread


def build(arm, depth, width, shape, *, learning_rate):
    """A plain deep classifier of an arm, "SELU, draw" with a condition broken."""
    name, _, condition = arm.partition(", ")
    layers = hidden(name, depth, width, shape, condition or None)
    optimizer = keras.optimizers.SGD(learning_rate, momentum=MOMENTUM)
    return network(shape, layers, optimizer, start=GLOROT())


class Trained(NamedTuple):
    """An arm after its runs: test accuracy and training losses, one row a seed."""

    scores: np.ndarray
    losses: np.ndarray
    rate: float
    diverged: int
    at_edge: bool


def trained(arms, depth, scale, *, other=False, **running):
    """`{arm: Trained}`; a group's runs are made once a process and kept.

    Args:
        arms: Names in `GROUPS`.
        depth: 2 or 20.
        scale: Of the run.
        other: Whether on `other_data`.
        **running: `jobs`, `cache`, `progress` of `experiments.compare`.
    """
    groups = [g for g, names in GROUPS.items() if set(names) & set(arms)]
    running = tuple(sorted(running.items()))
    found = {}
    for group in groups:
        found |= _trained(group, depth, scale, other, running)
    return {arm: found[arm] for arm in arms}


@functools.cache
def _trained(group, depth, scale, other, running):
    parts = other_data(scale) if other else training_data(scale)
    shape = parts.x_train.shape[1:]
    arms = {
        arm: functools.partial(build, arm, depth, WIDTHS[scale], shape)
        for arm in GROUPS[group]
    }
    rates = OTHER_RATES if other else RATES[depth]
    rates = (*{"broken": SMALLER, "kinked": LOWER}.get(group, ()), *rates)
    found = experiments.compare(
        arms,
        parts,
        tune={"learning_rate": rates},
        **SETTINGS[scale],
        **dict(running),
    )
    return {arm: _read(found, arm, SETTINGS[scale]["epochs"]) for arm in arms}


def _read(found, arm, epochs):
    losses = np.full((len(found.seeds), epochs), np.inf)
    for run in found.runs:
        if run["arm"] == arm and math.isfinite(run["loss"]):
            losses[found.seeds.index(run["seed"]), run["epoch"] - 1] = run["loss"]
    edge = any(p["at_edge"] for p in found.tuning if p["arm"] == arm)
    rate = found.tuned[arm]["learning_rate"]
    return Trained(found.scores[arm], losses, rate, found.diverged[arm], edge)


def other_data(scale):
    """Another data set: a fifth of Fashion-MNIST's sample at quick, MNIST-1D beyond."""
    if scale != "quick":
        return datasets.mnist1d(10_000, 4000)
    parts = datasets.fashion_mnist(standardize=True)
    return datasets.Data(*(p[::5] for p in parts[:4]), *(p[::4] for p in parts[4:]))


def evidence(found, rows, scale, more="", **numbers):
    """The evidence of `{where: {arm: Trained}}`: scores, rates, edges, and text."""
    edges = []
    for where, arms in found.items():
        for arm, run in arms.items():
            name = f"{arm}, {where}"
            numbers[f"{name}: accuracy"] = run.scores.mean()
            numbers[f"{name}: learning rate"] = run.rate
            numbers[f"{name}: diverged"] = run.diverged
            edges += [name] if run.at_edge else []
    setting = SETTINGS[scale]
    text = f"{data_name(scale)}, width "
    text += f"{WIDTHS[scale]}, SGD with momentum {MOMENTUM}, {setting['epochs']} "
    text += f"epochs, {len(setting['seeds'])} paired seeds, each with its usual draw, "
    text += "test accuracy, rates tuned on validation; the best was an end of the grid "
    text += f"for: {'; '.join(edges) or 'none'}. {more}"
    return Evidence(combine(rows), numbers, rows, text.rstrip())


def epochs_to(losses, target):
    """Epochs until the loss is down to `target`; one more than there are if never.

    >>> epochs_to([3.0, 2.0, 1.0], 1.5)
    2.5
    """
    losses = np.asarray(losses)
    if losses.min() > target:
        return len(losses) + 1.0
    return 1.0 + crossing(losses, target)  # losses[0] is that after epoch 1


def wide(arm):
    """The notes' network, 784-300-100-10, where the activation's cost can show.

    With Keras' own functions: they are what a reader would run, and wait for.
    """
    draw, phi = ARMS[arm]
    phi = getattr(keras.activations, phi.__name__)
    layers = [keras.layers.Dense(n, phi, kernel_initializer=draw()) for n in (300, 100)]
    return network((784,), layers, keras.optimizers.SGD(0.01, momentum=MOMENTUM))


def noise(n):
    """Inputs and labels for a stopwatch."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 784)).astype("float32"), rng.integers(10, size=n)


def inference_seconds(arms, batch_size, samples):
    """Processor seconds of a pass over `samples`, one array of rounds an arm."""
    x, y = noise(samples)
    models = {arm: wide(arm) for arm in arms}
    return rounds(
        {
            arm: functools.partial(
                training.evaluate, model, x, y, batch_size=batch_size
            )
            for arm, model in models.items()
        }
    )


@functools.cache
def epoch_seconds(arms, batch_size=40, samples=1000):
    """Processor seconds of an epoch of training, one array of rounds an arm."""
    x, y = noise(samples)
    models = {arm: wide(arm) for arm in arms}
    return rounds(
        {
            arm: functools.partial(training.fit, model, x, y, batch_size=batch_size)
            for arm, model in models.items()
        }
    )
