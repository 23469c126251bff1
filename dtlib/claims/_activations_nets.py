"""Networks of the claims of the chapter `activations` that need a loop of their own.

Tests: tests/test_claims_activations.py.
"""

import functools
import math

import keras
import numpy as np

from dtlib import (
    activations,
    datasets,
    diagnostics,
    experiments,
    initializers,
    training,
)
from dtlib.claims.arms import SETTINGS, WIDTHS, network, training_data
from dtlib.experiments import runs

# --- C05: dying

DYING_DEPTH = 5
# From a small rate to one that no run survives, close together near that end.
DYING_RATES = (0.03, 0.1, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
LEARNS = 0.2  # of ten equal classes, chance names 0.1


def dying(scale):
    """Dead share, training accuracy and finiteness of ReLU networks, by rate and seed.

    Returns:
        A list of dictionaries with `rate`, `seed`, `finite`, `dead`, `accuracy` and
        `learns`.
    """
    data, setting, found, model = training_data(scale), SETTINGS[scale], [], None
    shape = data.x_train.shape[1:]
    for rate in DYING_RATES:
        for seed in setting["seeds"]:
            keras.utils.set_random_seed(seed)
            fresh = mortal(WIDTHS[scale], shape, rate)
            model = after(fresh, model, data, seed, setting["epochs"], scale)
            right = accuracy(model, data.x_train, data.y_train)
            finite = all(np.isfinite(w).all() for w in model.get_weights())
            dead = diagnostics.dead_units(model, data.x_train)
            hidden = list(dead.values())[:-1]  # the last layer has no activation
            found.append(
                {
                    "rate": rate,
                    "seed": seed,
                    "finite": finite,
                    "dead": float(np.mean(hidden)),
                    "accuracy": right,
                    "learns": finite and right > LEARNS,
                }
            )
    return found


def mortal(width, shape, rate):
    layers = [
        keras.layers.Dense(
            width, activations.relu, kernel_initializer=initializers.HeNormal()
        )
        for _ in range(DYING_DEPTH)
    ]
    return network(shape, layers, keras.optimizers.SGD(rate))


def after(fresh, model, data, seed, epochs, scale):
    """`fresh` after training, in the compiled `model` where there is one."""
    if model is None:
        model = fresh
    else:
        training.restart(model, fresh)
    training.fit(
        model,
        data.x_train,
        data.y_train,
        epochs=epochs,
        batch_size=SETTINGS[scale]["batch_size"],
        callbacks=[runs.StopWhenNotFinite()],
        seed=seed,
        verbose=0,
    )
    return model


def accuracy(model, x, y):
    return float(training.evaluate(model, x, y)["accuracy"])


# --- C07: random slopes

# The paper's slopes, 1/8 to 1/3, are 0.229 ± 0.104; the widest that stay ≥ 0, ± 0.229.
MIDDLE, SPREADS = 0.229, (0.104, 0.229)
# Examples, width and epochs: one network overfits, the other cannot. A thousand
# others choose: by the noise of a hundred, chance would, and RReLU has more settings.
REGULARIZED = {"over": (400, 100, 40), "under": (1600, 8, 10)}
VALIDATION = 1000
SLOPE_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)


def random_slopes(width, *, learning_rate, spread):
    """Two hidden layers with slopes from U(m − s, m + s); s = 0 is a fixed slope."""
    layers = []
    for _ in range(2):
        layers += [
            keras.layers.Dense(width, kernel_initializer=initializers.HeNormal()),
            activations.RReLU(MIDDLE - spread, MIDDLE + spread),
        ]
    return network((40,), layers, keras.optimizers.SGD(learning_rate, momentum=0.9))


def randomized(net, scale, **running):
    """Accuracies of the fixed and of the random slope, tuned, one entry a seed."""
    n, width, epochs = REGULARIZED[net]
    every, setting, found = n + VALIDATION, SETTINGS[scale], []
    data = datasets.mnist1d(every, 1000, validation_split=VALIDATION / every)
    for spreads in (0.0,), SPREADS:
        build = functools.partial(random_slopes, width)
        chosen = experiments.tune(
            {"slopes": build},
            data,
            {"learning_rate": SLOPE_RATES, "spread": spreads},
            seeds=setting["tune_seeds"],
            epochs=epochs,
            batch_size=setting["batch_size"],
            **running,
        ).chosen["slopes"]
        model, parts = None, {"training accuracy": [], "test accuracy": []}
        for seed in setting["seeds"]:
            keras.utils.set_random_seed(seed)
            model = after(build(**chosen), model, data, seed, epochs, scale)
            for name, x, y in (
                ("training", data.x_train, data.y_train),
                ("test", data.x_test, data.y_test),
            ):
                parts[f"{name} accuracy"].append(accuracy(model, x, y))
        found.append({k: np.array(v) for k, v in {**parts, **chosen}.items()})
    return found


# --- C08: learned slopes

EXAMPLES = {"quick": (250, 600, 1600, 4000)}
EXAMPLES["standard"] = (250, 1000, 4000, 16_000)
EXAMPLES["full"] = (500, 2000, 8000, 60_000)
GROWING_RATES = (0.003, 0.01, 0.03, 0.1, 0.3)


def growing(scale, **running):
    """`{n: Comparison}` of PReLU and ReLU on n examples."""
    setting, found = dict(SETTINGS[scale]), {}
    for n in EXAMPLES[scale]:
        setting["epochs"] = epochs_for(n)
        found[n] = experiments.compare(
            {
                arm: functools.partial(learned_slopes, arm, WIDTHS[scale])
                for arm in ("PReLU", "ReLU")
            },
            datasets.mnist1d(n, 1000),
            tune={"learning_rate": GROWING_RATES},
            **setting,
            **running,
        )
    return found


def epochs_for(n):
    """Ten, and more where n < 2000, so that few examples are not few steps."""
    return max(10, 20_000 // n)


def learned_slopes(arm, width, *, learning_rate):
    layers = []
    for _ in range(2):
        layers.append(
            keras.layers.Dense(width, kernel_initializer=initializers.HeNormal())
        )
        start = keras.initializers.Constant(0.25)  # the paper's
        layers.append(
            activations.PReLU(start) if arm == "PReLU" else activations.ReLU()
        )
    return network((40,), layers, keras.optimizers.SGD(learning_rate, momentum=0.9))


# --- C10: spread through a stack of SELU

STACKS = {
    "none": "no condition broken",
    "inputs": "inputs in [0, 1]",
    "draw": "He's draw",
    "skip": "skip connections",
    "convolution": "convolutions",
    "dropout": "plain dropout of a tenth",
}
STACK_WIDTH, STACK_DEPTH = 100, 50
STACK_SAMPLES = {"quick": 200, "standard": 500, "full": 1000}


def spreads(condition, scale):
    """Standard deviation and mean of the 50 layers of SELU, one row a seed."""
    x = training_data("quick").x_train[: STACK_SAMPLES[scale]].astype("float64")
    if condition == "inputs":
        x = (x - x.min()) / (x.max() - x.min())
    found = [stack(x, condition, seed) for seed in SETTINGS[scale]["seeds"]]
    return np.array([[f[0] for f in found], [f[1] for f in found]])


def stack(x, condition, seed):
    """Standard deviations and means of the layers for one seed's draw."""
    rng, a = np.random.default_rng(seed), x
    convolution, width = condition == "convolution", STACK_WIDTH
    if convolution:  # 32 channels of width 3: about as many inputs a unit
        a, width = x[:50, :, None], 32
    stds, means = [], []
    for _ in range(STACK_DEPTH):
        before = a
        if convolution:
            padded = np.pad(a, ((0, 0), (1, 1), (0, 0)))
            a = np.concatenate([padded[:, k : k + a.shape[1]] for k in range(3)], -1)
        gain = 2 if condition == "draw" else 1
        draw = rng.standard_normal((a.shape[-1], width)) * math.sqrt(gain / a.shape[-1])
        a = np.asarray(activations.selu(a @ draw))
        if condition == "skip" and before.shape == a.shape:
            a = a + before
        if condition == "dropout":
            a = a * (rng.random(a.shape) > 0.1) / 0.9
        stds.append(a.std())
        means.append(a.mean())
    return stds, means
