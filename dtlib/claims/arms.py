"""What the claims that train share: data, settings, a plain network, and the report.

The appendix `claims` of the book shows it. Tests: tests/test_claims.py.
"""

import json
import time
from pathlib import Path

import keras
import numpy as np

from dtlib import datasets
from dtlib.claims.evidence import Evidence, combine
from dtlib.experiments import store

# A percentage point: what a reader would call better. One run moves by more than that.
LEAST = 0.01
# 40 divides all parts of the quick data: no smaller batch remains.
QUICK = dict(epochs=10, batch_size=40, seeds=range(10), tune_seeds=range(100, 102))
LONGER = dict(epochs=20, batch_size=32, tune_seeds=range(100, 103))
SEEDS = ("seeds", "tune_seeds")
# The protocol's numbers at each scale, and the width of the networks.
SETTINGS = {"quick": QUICK, "standard": LONGER | {"seeds": range(20)}}
SETTINGS["full"] = LONGER | {"seeds": range(30)}
WIDTHS = {"quick": 32, "standard": 64, "full": 100}


def unseen(setting):
    """The setting on seeds that no trial has used.

    For an experiment whose design was changed after its first results: they must not
    judge it again.
    """
    seeds = {key: [1000 + seed for seed in setting[key]] for key in SEEDS}
    return setting | seeds


def remembered(run, cache, name, *key, code):
    """What `run` returns, or what a file of an earlier run holds, as JSON gives it.

    Args:
        run: A function without arguments; its result is lists, numbers and texts.
        cache: None, or the folder of the files.
        name: With which the file's name begins.
        *key: What the result depends on, beside the package's sources.
        code: Paths of the sources of claims on which it depends, too.
    """
    if cache is None:
        return run()
    own = [Path(path).read_text("utf-8") for path in code]
    path = Path(cache) / f"{name}-{store.digest(*key, store.sources(), *own)}.json"
    if not path.exists():
        store.write_atomically(path, json.dumps(run()))
    return json.loads(path.read_text("utf-8"))


def training_data(scale):
    """MNIST-1D at the quick scale, Fashion-MNIST's sample or all of it beyond."""
    if scale == "quick":
        return datasets.mnist1d(2000, 1000)
    size = "sample" if scale == "standard" else "full"
    return datasets.fashion_mnist(size, standardize=True)


def data_name(scale):
    """What `training_data` is called in a text."""
    return "MNIST-1D" if scale == "quick" else "Fashion-MNIST"


def network(shape, hidden, optimizer, *, classes=10, start="glorot_normal"):
    """Layers between an input of `shape` and a compiled classifier that gives logits.

    Args:
        shape: Of one sample; more than one axis is flattened.
        hidden: Layers, in order.
        optimizer: A Keras optimizer.
        classes: Units of the last layer.
        start: Its kernel's initializer.
    """
    flat = [keras.layers.Flatten()] if len(shape) > 1 else []
    last = keras.layers.Dense(classes, kernel_initializer=start)
    model = keras.Sequential([keras.Input(shape), *flat, *hidden, last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


def report(found, rows, scale, how="plain SGD", more=""):
    """The evidence of a `Comparison`: scores, chosen settings, diverged runs, and text.

    Args:
        found: The comparison.
        rows: The claim's parts, judged.
        scale: Of the run.
        how: The method of training, in words.
        more: A sentence to end with.
    """
    numbers, tuned = {}, {}
    for arm in found.arms:
        numbers[f"{arm}: {found.metric}"] = found.scores[arm].mean()
        for name, value in found.tuned[arm].items():
            numbers[f"{arm}: {name.replace('_', ' ')}"] = value
        numbers[f"{arm}: diverged"] = found.diverged[arm]
    for part in found.tuning:
        for name in found.tuned[part["arm"]]:
            tuned.setdefault(name, set()).add(part[name])
    text = f"{data_name(scale)}, {how}, "
    text += f"{SETTINGS[scale]['epochs']} epochs, {len(found.seeds)} paired seeds, "
    text += f"test {found.metric}"
    if tuned:
        edges = sorted({part["arm"] for part in found.tuning if part["at_edge"]})
        grid = "; ".join(f"{NAMES.get(k, k)} {sorted(v)}" for k, v in tuned.items())
        text += f", tuned on validation over {grid}; the best was an end of them for: "
        text += ", ".join(edges) or "none"
    return Evidence(combine(rows), numbers, rows, f"{text}. {more}".rstrip())


NAMES = {"learning_rate": "rates"}


def crossing(curve, level):
    """Where a measured curve first falls to `level`: in measurements, interpolated.

    One that never does gives its length less 1, the last measurement.

    >>> crossing(np.array([3.0, 2.0, 1.0, 2.0]), 1.5)
    1.5
    """
    below = np.flatnonzero(curve <= level)
    if not len(below) or below[0] == 0:
        return 0.0 if len(below) else float(len(curve) - 1)
    k = below[0]
    return float(k - 1 + (curve[k - 1] - level) / (curve[k - 1] - curve[k]))


def rounds(calls, n=10, best=5):
    """Seconds of processor time of each call, in n rounds that take turns.

    A busy machine does not count, and what slows a round slows all of its calls; each
    is the best of some. Every call is made once before, to compile.

    Args:
        calls: `{name: function without arguments}`.
        n: Rounds.
        best: Calls a round, of which the quickest counts.

    Returns:
        `{name: array of n seconds}`.
    """
    for call in calls.values():
        call()
    seconds = {name: np.full(n, np.inf) for name in calls}
    for i in range(n):
        for _ in range(best):
            for name, call in calls.items():
                started = time.process_time()
                call()
                spent = time.process_time() - started
                seconds[name][i] = min(seconds[name][i], spent)
    return seconds
