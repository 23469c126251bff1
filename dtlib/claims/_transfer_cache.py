"""What caching the output of frozen layers saves, and that it changes nothing.

Tests: tests/test_claims_transfer.py.
"""

import math

import keras
import numpy as np

from dtlib import training, transfer
from dtlib.claims._transfer_arms import (
    BATCH,
    EPOCHS,
    LABELS,
    USUAL,
    data,
    pool,
    rows_of_b,
)
from dtlib.claims.arms import rounds
from dtlib.claims.evidence import Evidence, combine, row

SEEDS = {"quick": 10, "standard": 20, "full": 30}
EQUAL = 1e-4  # a weight; float32 keeps seven digits, and 200 steps add up
TWICE = math.log(2)


def network(seed):
    """The notes' network with its five hidden layers frozen, not compiled.

    Whose weights the hidden layers have changes neither the time nor the sums.
    """
    keras.utils.set_random_seed(seed)
    hidden = [
        keras.layers.Dense(n, "selu", kernel_initializer="lecun_normal")
        for n in USUAL["widths"]
    ]
    model = keras.Sequential([keras.Input((784,)), *hidden, keras.layers.Dense(1)])
    transfer.freeze(model, range(len(hidden)))
    return model


def compiled(model):
    """`model`, ready to tell sandals from shirts."""
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    return model


def caching(scale):
    """Largest difference of a weight after training, and the ratio of the times."""
    images, labels, _ = data("standard")
    rows_used = pool("standard", 0, LABELS)
    x = images[rows_used].reshape(LABELS, -1).astype("float32")
    y = (labels[rows_used] == 6).astype("float32")[:, None]
    model = compiled(network(0))
    top = compiled(transfer.remaining(model, -1))
    how = dict(epochs=EPOCHS, batch_size=BATCH)
    differences = []
    for seed in range(SEEDS[scale]):
        start = network(seed).get_weights()
        ends = []
        for cached in (False, True):
            model.set_weights(start)
            if cached:
                training.fit(top, features(model, x), y, seed=seed, **how)
            else:
                training.fit(model, x, y, seed=seed, **how)
            ends.append(model.get_weights())
        pairs = zip(*ends, strict=True)
        differences.append(max(float(np.abs(a - b).max()) for a, b in pairs))
    known = features(model, x)
    seconds = rounds(
        {
            "frozen": lambda: training.fit(model, x, y, **how),
            "cached": lambda: training.fit(top, known, y, **how),
            "caching": lambda: features(model, x),
        },
        best=3,
    )
    with_cost = seconds["cached"] + seconds["caching"]
    ratio = seconds["frozen"] / with_cost
    rows = [
        row(
            "the same weights",
            differences,
            min_effect=EQUAL,
            relation="equals",
            part="a",
        ),
        row("twice as fast", np.log(ratio), min_effect=TWICE, part="b"),
    ]
    rows.append(batched(images, labels, model, top))
    numbers = {"largest difference": max(differences)}
    numbers["times faster, batches of 200"] = np.exp(rows[-1]["estimate"])
    numbers["times faster"] = np.exp(np.log(ratio).mean())
    numbers |= {f"seconds: {name}": each.min() for name, each in seconds.items()}
    text = (
        f"784-300-100-50-50-50-1, the last layer trained on {LABELS} images for "
        f"{EPOCHS} epochs of batches of {BATCH}; processor time, computing the "
        "features included. Part c: all images of B."
    )
    return Evidence(combine(rows), numbers, rows, text)


def batched(images, labels, model, top):
    """The same on all images of B, in batches of 200: few steps, more sums in each."""
    used = rows_of_b("standard", 0)
    x = images[used].reshape(len(used), -1).astype("float32")
    y = (labels[used] == 6).astype("float32")[:, None]
    how = dict(epochs=EPOCHS, batch_size=200)
    seconds = rounds(
        {
            "frozen": lambda: training.fit(model, x, y, **how),
            "cached": lambda: training.fit(top, features(model, x), y, **how),
        },
        best=3,
    )
    gains = np.log(seconds["frozen"] / seconds["cached"])
    name = "twice as fast, batches of 200"
    return row(name, gains, min_effect=TWICE, part="c", decides=False)


def features(model, x):
    """What the frozen layers give."""
    return transfer.cache_features(model, x, -1)
