"""The claims of the chapter `clipping`: a recurrent net that explodes, and a deep one.

Tests: tests/test_claims_clipping.py.
"""

import functools
import math

import keras
import numpy as np

from dtlib import datasets, experiments
from dtlib.claims.arms import LEAST, SETTINGS, WIDTHS, network
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

# --- C21: a recurrent network on the adding problem

# Half decades. Without clipping the low end is best, with it the high end.
RATES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
CLIPS = (0.1, 1.0, 10.0)
LENGTHS = {"quick": 20, "standard": 30, "full": 50}
UNITS = {"quick": 16, "standard": 32, "full": 32}
EXAMPLES = {"quick": 800, "standard": 2000, "full": 5000}
TRAINING = {
    "quick": dict(epochs=10, batch_size=25),
    "standard": dict(epochs=20, batch_size=25),
    "full": dict(epochs=40, batch_size=25),
}
SEEDS = {"quick": range(10), "standard": range(20), "full": range(30)}
# Who always says 1, the mean, pays the variance of a sum of two numbers from U(0, 1).
CONSTANT = 1 / 6
# A tenth of that: less would not be called learning. It is C21's smallest loss, and
# what a usable rate must gain on the constant.
LEAST_LOSS = 0.1 * CONSTANT
LEAST_SHARE = 0.1  # one run in ten
LEAST_FACTOR = 2.0  # of two rates: less is within what any tuning tries


def adding_problem(n, length, seed):
    """Sequences of numbers, two of them marked; the target is the sum of those two.

        values ~ U(0, 1)      one mark in each half      y = Σ value · mark

    Args:
        n: Number of sequences.
        length: Of a sequence, ≥ 2.
        seed: Integer.

    Returns:
        `(x, y)`, float32 of shapes (n, length, 2) and (n, 1).

    Reference: Hochreiter and Schmidhuber, 1997, "Long Short-Term Memory", experiment 4.
    """
    rng = np.random.default_rng(seed)
    values, marks = rng.uniform(size=(n, length)), np.zeros((n, length))
    half, rows = length // 2, np.arange(n)
    marks[rows, rng.integers(half, size=n)] = 1
    marks[rows, rng.integers(half, length, size=n)] = 1
    y = (values * marks).sum(axis=1, keepdims=True)
    return np.stack([values, marks], axis=-1).astype("float32"), y.astype("float32")


def adding_data(scale):
    """Training, validation and test data of the adding problem, for `compare`."""
    sizes = EXAMPLES[scale], 500, 1000
    parts = (adding_problem(n, LENGTHS[scale], i) for i, n in enumerate(sizes))
    return tuple(array for part in parts for array in part)


def recurrent(units, length, *, learning_rate, clip=None):
    """A compiled recurrent network of rectifiers that starts as a perfect memory.

    Its recurrent kernel starts as the identity (Le, Jaitly and Hinton, 2015), so that
    no slope below 1 hides what the kernel does to the gradient.
    """
    memory = keras.layers.SimpleRNN(
        units, activation="relu", recurrent_initializer="identity"
    )
    layers = [keras.Input((length, 2)), memory, keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    optimizer = keras.optimizers.SGD(learning_rate, global_clipnorm=clip)
    model.compile(optimizer, "mse")
    return model


@claim(
    "C21",
    statement="Clipping keeps a recurrent network from diverging, lets it train at a "
    "larger rate, and ends at a lower loss",
    source="Pascanu, Mikolov and Bengio, 2013; textbooks repeat it",
    chapter="clipping",
)
def c21(scale, **running):
    """C21a: diverged share. C21b: final loss. C21c: largest usable rate.

    Both arms are tuned, the clipped one over its threshold too. Then both run at every
    rate. A run diverges if its loss is not finite, or above that of guessing 0. A rate
    is usable for a seed if the run ends a tenth below the loss of the constant guess.
    """
    data, settings = adding_data(scale), TRAINING[scale] | {"metric": "loss"} | running
    net = functools.partial(recurrent, UNITS[scale], LENGTHS[scale])
    chosen, table = {}, []
    for arm, grid in (("none", {}), ("clipped", {"clip": CLIPS})):
        grid = {"learning_rate": RATES} | grid
        seeds = SETTINGS[scale]["tune_seeds"]
        best = experiments.tune({arm: net}, data, grid, seeds=seeds, **settings)
        chosen |= best.chosen
        table += best.table
    clip = {"none": None, "clipped": chosen["clipped"]["clip"]}
    arms = {
        f"{arm} {rate:g}": functools.partial(net, learning_rate=rate, clip=clip[arm])
        for arm in clip
        for rate in RATES
    }
    found = experiments.compare(arms, data, seeds=SEEDS[scale], **settings)
    return judge_c21(found, chosen, table, scale)


def judge_c21(found, chosen, table, scale):
    """The three parts of C21, and the curves over the rate, from the runs."""
    lost, scores = diverged(found), found.scores
    at = {arm: f"{arm} {setting['learning_rate']:g}" for arm, setting in chosen.items()}
    same = f"none {chosen['clipped']['learning_rate']:g}"
    usable = {arm: largest_usable(found, arm) for arm in chosen}
    rows = [
        row(
            f"C21a: diverged share at the rate {same[5:]}, none − clipped",
            lost[same] - lost[at["clipped"]].astype(float),
            min_effect=LEAST_SHARE,
            part="diverged",
        ),
        row(
            "C21b: final loss, none − clipped, both tuned",
            scores[at["none"]] - scores[at["clipped"]],
            min_effect=LEAST_LOSS,
            part="loss",
        ),
        row(
            "C21c: log10 of the largest usable rate, clipped − none",
            usable["clipped"] - usable["none"],
            min_effect=math.log10(LEAST_FACTOR),
            part="rate",
        ),
    ]
    numbers = {"clipped: clip": chosen["clipped"]["clip"]}
    for arm, setting in chosen.items():
        numbers[f"{arm}: learning rate"] = setting["learning_rate"]
        numbers[f"{arm}: loss"] = scores[at[arm]].mean()
        numbers[f"{arm}: usable rate"] = 10 ** usable[arm].mean()
        for rate in RATES:
            name = f"{arm} {rate:g}"
            numbers[f"{name}: diverged"] = lost[name].mean()
            numbers[f"{name}: failed"] = 1 - learned(found, name).mean()
            numbers[f"{name}: median loss"] = np.median(scores[name])
    for trial in table:  # the mean of a diverged run is no number to compare
        if trial["arm"] == "clipped":
            name = f"clip {trial['clip']:g}, rate {trial['learning_rate']:g}"
            numbers[f"{name}: validation loss"] = min(trial["score"], 99.0)
    edges = {t["arm"]: t["at_edge"] for t in table if t["chosen"] and t["at_edge"]}
    text = (
        f"Adding problem of length {LENGTHS[scale]}, {UNITS[scale]} rectifiers from "
        f"the identity, plain SGD, {TRAINING[scale]['epochs']} epochs, "
        f"{len(found.seeds)} paired seeds, test loss; tuned on validation over rates "
        f"{list(RATES)} and thresholds {list(CLIPS)}; the best was an end of them for: "
        f"{', '.join(f'{a} ({b[0]})' for a, b in edges.items()) or 'none'}."
    )
    return Evidence(combine(rows), numbers, rows, text)


def diverged(found):
    """`{arm: one bool a seed}`: was its loss ever not finite, or above that of 0?"""
    above = {(arm, seed): False for arm in found.arms for seed in found.seeds}
    for run in found.runs:
        # E[y²] = 1 + 1/6 for a sum of two from U(0, 1); NaN is not below it either.
        low = run["loss"] < 1 + CONSTANT and not run["diverged"]
        above[run["arm"], run["seed"]] |= run["epoch"] > 1 and not low
        above[run["arm"], run["seed"]] |= run["diverged"]
    return {
        arm: np.array([above[arm, seed] for seed in found.seeds]) for arm in found.arms
    }


def learned(found, arm):
    """One bool a seed: did it end below the constant guess, by the smallest loss?"""
    return ~diverged(found)[arm] & (found.scores[arm] < CONSTANT - LEAST_LOSS)


def largest_usable(found, arm):
    """log10 of the largest rate at which each seed learned.

    A seed that learned at none gets the rate half a decade below the smallest.
    """
    lowest = math.log10(RATES[0]) - 0.5
    logs = np.log10(RATES)[:, None]
    able = np.array([learned(found, f"{arm} {rate:g}") for rate in RATES])
    return np.where(able, logs, lowest).max(axis=0)


# --- C54: a deep network with batch normalization

DEEP_RATES = (0.03, 0.1, 0.3, 1.0)
DEEP_CLIPS = (0.1, 0.3, 1.0)
DEPTHS = {"quick": 10, "standard": 20, "full": 20}
# To tell equal from unequal takes more seeds than to tell a winner, and a larger test
# set: of 1,000 examples, chance alone moves a difference by more than a point.
EQUAL_SEEDS = {"quick": range(20), "standard": range(30), "full": range(50)}


def deep(depth, width, shape, normalized, *, learning_rate, clip=None):
    """`depth` layers of ReLU from He's start, with or without batch normalization."""
    hidden = []
    for _ in range(depth):
        dense = dict(kernel_initializer="he_normal", use_bias=not normalized)
        hidden.append(keras.layers.Dense(width, **dense))
        if normalized:
            hidden.append(keras.layers.BatchNormalization(momentum=0.9))
        hidden.append(keras.layers.ReLU())
    optimizer = keras.optimizers.SGD(learning_rate, global_clipnorm=clip)
    return network(shape, hidden, optimizer)


def deep_data(scale):
    """MNIST-1D with 4,000 test examples at the quick scale, Fashion-MNIST beyond."""
    if scale == "quick":
        return datasets.mnist1d(2000, 4000)
    size = "sample" if scale == "standard" else "full"
    return datasets.fashion_mnist(size, standardize=True)


@claim(
    "C54",
    statement="Beside batch normalization, clipping adds nothing",
    source="Textbooks: normalization is preferred to clipping today",
    chapter="clipping",
)
def c54(scale, **running):
    """Clipped = none with normalization; shown beside it: the same without."""
    data = deep_data(scale)
    shape, width, depth = data.x_train.shape[1:], WIDTHS[scale], DEPTHS[scale]
    settings = {k: SETTINGS[scale][k] for k in ("epochs", "batch_size")} | running
    chosen, found = {}, {}
    for kind, normalized in (("BN", True), ("plain", False)):
        net = functools.partial(deep, depth, width, shape, normalized)
        for arm, grid in ((kind, {}), (f"{kind} clipped", {"clip": DEEP_CLIPS})):
            grid = {"learning_rate": DEEP_RATES} | grid
            seeds = SETTINGS[scale]["tune_seeds"]
            best = experiments.tune({arm: net}, data, grid, seeds=seeds, **settings)
            chosen |= best.chosen
        arms = {
            arm: functools.partial(net, **chosen[arm])
            for arm in (kind, f"{kind} clipped")
        }
        seeds = (EQUAL_SEEDS if normalized else SEEDS)[scale]
        found[kind] = experiments.compare(arms, data, seeds=seeds, **settings)
    return judge_c54(found["BN"], found["plain"], chosen, scale)


def judge_c54(normal, plain, chosen, scale):
    """The part that decides C54, and two that are shown beside it."""
    scores = normal.scores | plain.scores
    n = len(plain.seeds)
    rows = [
        row(
            "with BN: clipped − none",
            normal.differences("BN clipped", "BN"),
            min_effect=LEAST,
            relation="equals",
        ),
        row(
            "without BN: clipped − none",
            plain.differences("plain clipped", "plain"),
            min_effect=LEAST,
            decides=False,
        ),
        row(
            "BN, not clipped − clipped, no BN",
            scores["BN"][:n] - scores["plain clipped"],
            min_effect=LEAST,
            decides=False,
        ),
    ]
    numbers = {}
    for arm, setting in chosen.items():
        numbers[f"{arm}: accuracy"] = scores[arm].mean()
        numbers[f"{arm}: diverged"] = (normal.diverged | plain.diverged)[arm]
        for name, value in setting.items():
            numbers[f"{arm}: {name.replace('_', ' ')}"] = value
    text = (
        f"{'MNIST-1D' if scale == 'quick' else 'Fashion-MNIST'}, {DEPTHS[scale]} layers"
        f" of ReLU, plain SGD, {SETTINGS[scale]['epochs']} epochs, "
        f"{len(normal.seeds)} paired seeds with BN and {n} without, test accuracy; "
        f"tuned on validation over rates {list(DEEP_RATES)} and thresholds "
        f"{list(DEEP_CLIPS)} of the global norm."
    )
    return Evidence(combine(rows), numbers, rows, text)
