"""What a training step costs with each optimizer of dtlib and with its Keras twin.

    python bench/optimizers.py            # some minutes; writes bench/optimizers.json
    python bench/optimizers.py --quick    # only to see that it works; writes nothing

bench/README.md says what is measured and how to read it.
"""

import argparse
import inspect
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))  # this dtlib, installed or not

import keras  # noqa: E402  (TensorFlow reads its settings when it is imported)
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from _common import machine, seconds, write  # noqa: E402

from dtlib import optimizers, training  # noqa: E402

BATCH = 32
WIDTHS = (300, 100)  # 784-300-100-10
MOST = 1.05  # our step may take so many times the twin's
# Settings beside the defaults, where others run another code.
SETTINGS = {
    "SGD": [{}, dict(momentum=0.9), dict(momentum=0.9, nesterov=True)],
    "RMSprop": [{}, dict(momentum=0.9, centered=True)],
    "Adam": [{}, dict(amsgrad=True)],
}


def cases():
    """Name → the two classes and their arguments."""
    for name in optimizers.__all__:
        cls = getattr(optimizers, name)
        if inspect.isclass(cls):
            twin = getattr(keras.optimizers, name)
            for arguments in SETTINGS.get(name, [{}]):
                given = ", ".join(f"{k}={v}" for k, v in arguments.items())
                yield f"{name}({given})", {"dtlib": cls, "Keras": twin}, arguments


def build(optimizer):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(width, "relu") for width in WIDTHS]
    model = keras.Sequential(
        [keras.Input((784,)), *hidden, keras.layers.Dense(10, "softmax")]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    return model


def loop_of(model, x, y):
    """The loop that `training.fit` compiles by XLA, over all batches."""

    def run():
        training.fit(model, x, y, epochs=1, batch_size=BATCH, shuffle=False, verbose=0)

    return run


def steps_of(model, x, y):
    """One step compiled by XLA, as `model.fit` does by default, called once a batch."""
    step = tf.function(model.train_step, autograph=False, jit_compile=True)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH)
    batches = list(batches)

    def run():
        for batch in batches:
            step(batch)

    return run


WAYS = {"loop": loop_of, "step": steps_of}


def measure(classes, arguments, x, y, rounds):
    """Return microseconds a step by way and home, all rounds, alternating."""
    times = {way: {home: [] for home in classes} for way in WAYS}
    runs = {
        (way, home): WAYS[way](build(cls(**arguments)), x, y)
        for way in WAYS
        for home, cls in classes.items()
    }
    for run in runs.values():
        run()  # compiles
    for number in range(rounds):
        # In turn: what starts a round may find the caches cold.
        homes = list(classes)[:: 1 if number % 2 else -1]
        for way in WAYS:
            for home in homes:
                spent = seconds(runs[way, home])
                times[way][home].append(1e6 * spent * BATCH / len(x))
    return times


def ratio(times):
    """The median over the rounds: the two of a round share the machine's mood."""
    return float(np.median(np.divide(times["dtlib"], times["Keras"])))


def table(results):
    """Return the results as a Markdown table."""
    lines = [
        "| optimizer | loop: Keras | dtlib | ratio | step: Keras | dtlib | ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        cells = [f"`{name}`"]
        for way in WAYS:
            times = result[way]
            cells += [f"{np.median(times[home]):.0f}" for home in ("Keras", "dtlib")]
            cells.append(f"{ratio(times):.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41, help="their median counts")
    parser.add_argument("--steps", type=int, default=60, help="steps a round")
    parser.add_argument("--only", default="", help="optimizers with this in their name")
    parser.add_argument("--quick", action="store_true", help="tiny, writes nothing")
    options = parser.parse_args()
    rounds, steps = (2, 20) if options.quick else (options.rounds, options.steps)
    generator = np.random.default_rng(0)
    x = generator.random((steps * BATCH, 784), dtype="float32")
    y = generator.integers(0, 10, len(x)).astype("int32")
    results = {}
    for name, classes, arguments in cases():
        if options.only in name:
            print(f"{name} …", file=sys.stderr, flush=True)
            results[name] = measure(classes, arguments, x, y, rounds)
    about = machine()
    print(table(results))
    print(
        f"\nMicroseconds a step of 784-300-100-10, batch {BATCH}, medians of {rounds} "
        f"rounds of {steps} steps; {about['processor']}, {about['cores']} cores, "
        f"TensorFlow {about['tensorflow']}, Keras {about['keras']}."
    )
    ratios = {(n, way): ratio(r[way]) for n, r in results.items() for way in WAYS}
    slow = [f"{n}, {way}: {r:.2f}" for (n, way), r in ratios.items() if r > MOST]
    print(f"Above {MOST}: {'; '.join(slow) or 'none'}.")
    if not options.quick and not options.only:
        content = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": about,
            "settings": {"batch": BATCH, "rounds": rounds, "steps": steps},
            "ratio": {
                name: {w: ratio(r[w]) for w in WAYS} for name, r in results.items()
            },
            "microseconds a step, all rounds": results,
        }
        write(Path(__file__).with_suffix(".json"), content)


if __name__ == "__main__":
    main()
