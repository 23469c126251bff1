"""The claims of the chapter `clipping`: a recurrent net that explodes, and a deep one.

Tests: tests/test_claims_clipping.py.
"""

import functools
import math

import keras
import numpy as np

from dtlib import datasets, experiments
from dtlib.claims._clipping_recurrent import adding_problem, train
from dtlib.claims.arms import LEAST, SETTINGS, WIDTHS, data_name, network
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

# --- C21: a recurrent network on the adding problem

# Half decades, and decades: wide enough that neither arm's best is at an end.
RATES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
CLIPS = (0.01, 0.1, 1.0, 10.0)
LENGTHS = {"quick": 20, "standard": 30, "full": 40}
UNITS = {"quick": 16, "standard": 16, "full": 32}
EXAMPLES = {"quick": 800, "standard": 2000, "full": 5000}
TRAINING = {
    "quick": dict(epochs=20, batch_size=25),
    "standard": dict(epochs=30, batch_size=25),
    "full": dict(epochs=40, batch_size=25),
}
SEEDS = {"quick": range(10), "standard": range(20), "full": range(30)}
TUNE_SEEDS = range(100, 103)  # one more than elsewhere: these runs vary more
# Who always says 1, the mean, pays the variance of a sum of two numbers from U(0, 1).
CONSTANT = 1 / 6
# A tenth of that: less would not be called learning. It is C21's smallest loss, and
# what a usable rate must gain on the constant.
LEAST_LOSS = 0.1 * CONSTANT
LEAST_SHARE = 0.1  # one run in ten
LEAST_FACTOR = 2.0  # of two rates: less is within what any tuning tries


def adding_data(scale):
    """Training, validation and test data of the adding problem."""
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
def c21(scale):
    """C21a: diverged share. C21b: final loss. C21c: largest usable rate.

    Both arms are tuned, the clipped one over its threshold too. Then both run at every
    rate. A run diverges if its last loss is not finite, or above the one before
    training. A rate is usable for a seed if the run ends a tenth below the loss of the
    constant guess.
    """
    data, settings = adding_data(scale), {"units": UNITS[scale]} | TRAINING[scale]
    seeds = TUNE_SEEDS
    grid = [(rate, c) for c in (math.inf, *CLIPS) for rate in RATES]
    runs = [(*setting, seed) for setting in grid for seed in seeds]
    before, valid, _ = train(runs, data, **settings)
    tried = np.where(np.isfinite(valid), valid, before)  # as `compare` scores it
    tried = tried.reshape(-1, len(RATES), len(seeds)).mean(axis=2)
    none = tried[0].argmin()
    clip, clipped = np.unravel_index(tried[1:].argmin(), tried[1:].shape)
    arms = {"none": math.inf, "clipped": CLIPS[clip]}
    runs = [(r, c, s) for c in arms.values() for r in RATES for s in SEEDS[scale]]
    before, _, after = (
        dict(zip(arms, part.reshape(2, len(RATES), -1), strict=True))
        for part in train(runs, data, **settings)
    )
    return judge_c21(before, after, {"none": none, "clipped": clipped}, tried, scale)


def judge_c21(before, after, best, tried, scale):
    """The three parts of C21, and the curves over the rate, from the runs.

    Args:
        before, after: `{arm: test losses of shape (rates, seeds)}`.
        best: `{arm: index of the tuned rate}`.
        tried: Validation losses of the tuning, (1 + thresholds, rates).
        scale: Of the run.
    """
    # NaN is not below anything, and so has diverged.
    diverged = {arm: ~(after[arm] < before[arm]) for arm in after}
    usable = {arm: after[arm] < CONSTANT - LEAST_LOSS for arm in after}
    lowest = np.log10(RATES[0]) - 0.5  # where a seed learned at no rate
    logs = np.log10(RATES)[:, None]
    largest = {arm: np.where(u, logs, lowest).max(axis=0) for arm, u in usable.items()}
    final = {
        arm: np.where(diverged[arm], before[arm], after[arm])[best[arm]] for arm in best
    }
    at = best["clipped"]
    rows = [
        row(
            f"C21a: diverged share at rate {RATES[at]:g}, none − clipped",
            diverged["none"][at] - diverged["clipped"][at].astype(float),
            min_effect=LEAST_SHARE,
            part="diverged",
        ),
        row(
            "C21b: final loss, both tuned, none − clipped",
            final["none"] - final["clipped"],
            min_effect=LEAST_LOSS,
            part="loss",
        ),
        row(
            "C21c: log10 of the largest usable rate, clipped − none",
            largest["clipped"] - largest["none"],
            min_effect=math.log10(LEAST_FACTOR),
            part="rate",
        ),
    ]
    clip = tried[1:].min(axis=1).argmin()
    numbers = {"clipped: clip": CLIPS[clip]}
    for arm, i in best.items():
        numbers[f"{arm}: learning rate"] = RATES[i]
        numbers[f"{arm}: loss"] = final[arm].mean()
        for rate, off, able, loss in zip(
            RATES, diverged[arm], usable[arm], after[arm], strict=True
        ):
            numbers[f"{arm} {rate:g}: diverged"] = off.mean()
            numbers[f"{arm} {rate:g}: failed"] = 1 - able.mean()
            middle = np.median(np.where(np.isfinite(loss), loss, np.inf))
            numbers[f"{arm} {rate:g}: median loss"] = min(middle, 99.0)
    for c, values in zip(("none", *CLIPS), tried, strict=True):
        for rate, value in zip(RATES, values, strict=True):
            numbers[f"c {c}, rate {rate:g}: validation loss"] = min(value, 99.0)
    ends = [arm for arm, i in best.items() if i in (0, len(RATES) - 1)]
    ends += ["the threshold"] if CLIPS[clip] in (CLIPS[0], CLIPS[-1]) else []
    text = (
        f"Adding problem of length {LENGTHS[scale]}, {UNITS[scale]} rectifiers from "
        f"the identity, plain SGD, {TRAINING[scale]['epochs']} epochs, "
        f"{after['none'].shape[1]} paired seeds, test loss; tuned on validation over "
        f"rates {list(RATES)} and thresholds {list(CLIPS)}; the best was an end of "
        f"them for: {', '.join(ends) or 'none'}."
    )
    return Evidence(combine(rows), numbers, rows, text)


# --- C54: a deep network with batch normalization

DEEP_RATES = (0.03, 0.1, 0.3, 1.0)
# A first grid ended at 1, and there the best was its end, 1.5 points below none.
DEEP_CLIPS = (0.1, 1.0, 10.0)
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
    grids = {"learning_rate": DEEP_RATES, "clip": DEEP_CLIPS}
    ends = [
        f"{arm} ({name.replace('_', ' ')})"
        for arm, setting in chosen.items()
        for name, value in setting.items()
        if value in (grids[name][0], grids[name][-1])
    ]
    text = (
        f"{data_name(scale)}, {DEPTHS[scale]} layers"
        f" of ReLU, plain SGD, {SETTINGS[scale]['epochs']} epochs, "
        f"{len(normal.seeds)} paired seeds with BN and {n} without, test accuracy; "
        f"tuned on validation over rates {list(DEEP_RATES)} and thresholds "
        f"{list(DEEP_CLIPS)} of the global norm; the best was an end of them for: "
        f"{', '.join(ends) or 'none'}."
    )
    return Evidence(combine(rows), numbers, rows, text)
