"""Seconds an epoch of `dtlib.training.fit` and of `model.fit`, in one run.

Run by `make bench`, or:

    python bench/fit.py            # a few minutes; writes bench/fit.json
    python bench/fit.py --quick    # only to see that it works; writes nothing

bench/README.md says what is measured and how to read it.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))  # this dtlib, installed or not

import keras  # noqa: E402  (TensorFlow reads its settings when it is imported)
import numpy as np  # noqa: E402
from _common import machine, seconds, write  # noqa: E402

from dtlib import training  # noqa: E402

BATCH = 32
NETWORKS = {  # widths of the hidden layers, training rows
    "784-300-100-10": ((300, 100), 55_000),
    "784-100-100-10": ((100, 100), 10_000),
    "784-20×100-10": ((100,) * 20, 10_000),
}
WAYS = {  # the arguments of `compile` for each way to train
    "fit": {},
    "model.fit": {},
    "model.fit, best": dict(steps_per_execution=50, jit_compile=True),
}


def build(widths, seed=0, **arguments):
    keras.utils.set_random_seed(seed)
    hidden = [
        keras.layers.Dense(width, "relu", kernel_initializer="he_normal")
        for width in widths
    ]
    model = keras.Sequential(
        [keras.Input((784,)), *hidden, keras.layers.Dense(10, "softmax")]
    )
    model.compile(
        keras.optimizers.SGD(0.01),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        **arguments,
    )
    return model


def train(way, model, x, y, epochs):
    given = dict(epochs=epochs, batch_size=BATCH, verbose=0)
    if way == "fit":
        training.fit(model, x, y, **given)
    else:
        model.fit(x, y, **given)


def second_seed(model, widths, x, y):
    """Build the model of another seed, restart from it, train one epoch."""
    training.restart(model, build(widths, seed=1))
    train("fit", model, x, y, epochs=1)


def measure(widths, rows, rounds, epochs):
    """Return seconds by name for one network, the ways alternating in each round."""
    generator = np.random.default_rng(0)
    x = generator.random((rows, 784), dtype="float32")
    y = generator.integers(0, 10, rows).astype("int32")
    models = {way: build(widths, **arguments) for way, arguments in WAYS.items()}
    # One epoch with its compilation, from which the epoch is subtracted below.
    first = {way: seconds(train, way, model, x, y, 1) for way, model in models.items()}
    times = {way: [] for way in WAYS}
    again = []
    for _ in range(rounds):
        for way, model in models.items():
            times[way].append(seconds(train, way, model, x, y, epochs) / epochs)
        again.append(seconds(second_seed, models["fit"], widths, x, y))
    epoch = {way: min(values) for way, values in times.items()}
    return {
        "rows": rows,
        "epoch": epoch,
        "epoch, all rounds": times,
        "first call": {way: first[way] - epoch[way] for way in WAYS},
        "second seed": min(again) - epoch["fit"],
        "traces": models["fit"]._dtlib_program.traces,
    }


def table(results):
    """Return the results as a Markdown table, ratios to `fit` in brackets."""
    lines = [
        "| network, rows | `fit` | `model.fit` | `model.fit`, best setting "
        "| first call of `fit` | second seed |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        ours = result["epoch"]["fit"]
        cells = [f"{name}, {result['rows']:,}", f"{ours:.3f}"]
        for way in ("model.fit", "model.fit, best"):
            other = result["epoch"][way]
            cells.append(f"{other:.3f} (×{other / ours:.1f})")
        cells += [f"{result['first call']['fit']:.2f}", f"{result['second seed']:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds, the best counts")
    parser.add_argument("--epochs", type=int, default=3, help="epochs a call")
    parser.add_argument("--quick", action="store_true", help="tiny, writes nothing")
    options = parser.parse_args()
    rounds, epochs = (1, 1) if options.quick else (options.rounds, options.epochs)
    results = {}
    for name, (widths, rows) in NETWORKS.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        rows = 1_000 if options.quick else rows
        results[name] = measure(widths, rows, rounds, epochs)
    about = machine()
    print(table(results))
    print(
        f"\nSeconds, batch {BATCH}, the best of {rounds} rounds of {epochs} epochs; "
        f"{about['processor']}, {about['cores']} cores, TensorFlow "
        f"{about['tensorflow']}, Keras {about['keras']}."
    )
    if not options.quick:
        content = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": about,
            "settings": {"batch": BATCH, "rounds": rounds, "epochs": epochs},
            "results": results,
        }
        write(Path(__file__).with_suffix(".json"), content)


if __name__ == "__main__":
    main()
