"""What each worker of the claim on workers does: steps alone, at once, and together.

    python -m dtlib.claims._scaling_workers FOLDER PLAN

`_scaling_speed` starts it as several processes with `TF_CONFIG`; worker 0 leaves what
it measured in FOLDER. Tests: tests/test_claims_scaling.py.
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np

from dtlib import scaling
from dtlib.scaling.loop import _is_first

FEATURES, CLASSES = 784, 10


def network(hidden, seed=0):
    """A compiled classifier of images; `hidden` are the units of its layers."""
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(units, "relu") for units in hidden]
    inputs, last = keras.Input((FEATURES,)), keras.layers.Dense(CLASSES)
    model = keras.Sequential([inputs, *layers, last])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01), loss)
    return model


def gradient_bytes(model):
    """Size of what the workers sum at each step."""
    return sum(4 * int(np.prod(v.shape)) for v in model.trainable_variables)


def meeting(strategy):
    """A function in which every worker waits for all others."""
    import tensorflow as tf

    def part():
        context = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", tf.ones(1))

    @tf.function
    def meet():
        return strategy.run(part)

    def wait():
        for value in strategy.experimental_local_results(meet()):
            value.numpy()

    return wait


def epoch(step, x, y, size):
    """Seconds of one pass over the rows in batches of `size`."""
    begin = time.perf_counter()
    for first in range(0, len(x), size):
        rows = slice(first, first + size)
        float(step(x[rows], y[rows]))
    return time.perf_counter() - begin


def turns(strategy, hidden, *, rows, batch):
    """A function that measures an epoch: worker 0 alone, all at once, all together.

    Alone and at once there is no communication; in the latter every worker goes through
    its share of the rows, so the difference is what sharing this machine costs.

    Args:
        strategy: Of the workers.
        hidden: As for `network`.
        rows: Examples in an epoch.
        batch: Rows a worker takes at a step.

    Returns:
        The function, which gives `{"alone", "at once", "together": seconds}` on worker
        0; and the bytes of a gradient.
    """
    import tensorflow as tf

    workers, first = strategy.num_replicas_in_sync, _is_first(strategy)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, FEATURES)).astype("float32")
    y = rng.integers(0, CLASSES, rows)
    meet, share = meeting(strategy), rows // workers
    model = network(hidden)
    alone = scaling.distributed_step(model, tf.distribute.get_strategy())
    with strategy.scope():
        together = scaling.distributed_step(network(hidden), strategy)

    def turn():
        meet()
        seconds = {"alone": epoch(alone, x, y, batch)} if first else {}
        meet()
        seconds["at once"] = epoch(alone, x[:share], y[:share], batch)
        meet()
        return seconds | {"together": epoch(together, x, y, batch * workers)}

    return turn, gradient_bytes(model)


def measure(strategy, networks, *, batch, rounds, sizes):
    """All that `_scaling_speed.measured` returns, in rounds after one that compiles."""
    said, calls = {"link": []}, {}
    for name, one in networks.items():
        calls[name], size = turns(strategy, **one, batch=batch)
        said[name] = {"alone": [], "at once": [], "together": [], "bytes": size}
    for i in range(rounds + 1):
        for name, turn in calls.items():
            for kind, seconds in turn().items():
                said[name][kind] += [seconds] * (i > 0)
        if i % 2:  # every other round: each measurement compiles anew
            sums = [scaling.measure_all_reduce(strategy, m, repeats=2) for m in sizes]
            said["link"].append(sums)
    return said


def main(folder, plan):
    """Measure what the plan says; worker 0 writes it down."""
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    said = measure(strategy, **json.loads(plan))
    if _is_first(strategy):
        Path(folder, "said.json").write_text(json.dumps(said), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
