"""What the tests of `scaling` run in processes of their own.

    python -m tests.scaling_workers NAME FOLDER

Devices, workers and limits on memory must be set before TensorFlow starts, so none of
this can run where the tests do. Each part leaves its findings in FOLDER.
"""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(37, 5)).astype("float32")  # a last batch of 5 rows
Y = np.tanh(X[:, :2] - X[:, 2:4]).astype("float32")
EPOCHS, BATCH, SEED = 3, 8, 1
SETTINGS = dict(epochs=EPOCHS, batch_size=BATCH, seed=SEED)


def network(norm=False, optimizer="adam", seed=0):
    """A small model whose penalty and odd batches show a wrong share of the loss."""
    import keras
    from keras import layers

    if seed is not None:
        keras.utils.set_random_seed(seed)
    inner = [layers.BatchNormalization(synchronized=True)] if norm else []
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(6, "tanh", kernel_regularizer="l2"),
            *inner,
            layers.Dense(2),
        ]
    )
    model.compile(optimizer=optimizer, loss="mse")
    return model


def found(model):
    """All that a step changes, as arrays."""
    from keras import ops

    variables = (*model.variables, *model.optimizer.variables)
    return [ops.convert_to_numpy(v) for v in variables]


def leave(folder, name, model, history):
    np.savez(Path(folder, name), *found(model), loss=history["loss"])


def _workers():
    import tensorflow as tf

    return tf.distribute.MultiWorkerMirroredStrategy()


def two(folder):
    """Two workers: the loop, the time of an all-reduce, and `model.fit`."""
    _train(folder, "two")


def four(folder):
    _train(folder, "four")


def _train(folder, name):
    from dtlib import scaling

    strategy = _workers()
    index = strategy.cluster_resolver.task_id
    with strategy.scope():
        model = network()
    history = scaling.fit_distributed(model, X, Y, strategy=strategy, **SETTINGS)
    leave(folder, f"{name}{index}.npz", model, history)
    if name == "two":
        sizes = [4096, 4194304]
        seconds = [scaling.measure_all_reduce(strategy, m, repeats=3) for m in sizes]
        said = {"sizes": sizes, "seconds": seconds}
        try:
            model.fit(X, Y, batch_size=BATCH, verbose=0)
            said["fit"] = None
        except Exception as error:
            said["fit"] = f"{type(error).__name__}: {error}"
        Path(folder, f"said{index}.json").write_text(json.dumps(said))


def dying(folder):
    """Two workers, the second of which is killed in the middle of an epoch, once."""
    from dtlib import scaling

    strategy = _workers()
    index = strategy.cluster_resolver.task_id
    died = Path(folder, "died")

    def on_step(epoch, step):
        print("step", epoch, step, flush=True)
        if index == 1 and (epoch, step) == (1, 2) and not died.exists():
            died.write_text("once")
            os.kill(os.getpid(), signal.SIGKILL)

    with strategy.scope():
        model = network()
    backup = dict(backup=Path(folder, "backup.npz"), backup_steps=2, on_step=on_step)
    history = scaling.fit_distributed(
        model, X, Y, strategy=strategy, **SETTINGS, **backup
    )
    leave(folder, f"dying{index}.npz", model, history)


def mirrored(folder):
    """Two logical devices: the loop, with a batch norm that looks at both halves."""
    import tensorflow as tf

    from dtlib import scaling

    strategy = tf.distribute.MirroredStrategy(scaling.logical_cpus(2))
    assert strategy.num_replicas_in_sync == 2
    for norm in (False, True):
        with strategy.scope():
            model = network(norm)
        history = scaling.fit_distributed(model, X, Y, strategy=strategy, **SETTINGS)
        leave(folder, f"mirrored{norm:d}.npz", model, history)


def memory(folder):
    """A file larger than what this process may yet allocate: whole, and streamed."""
    import resource

    import tensorflow as tf

    from dtlib import scaling

    path, rows = Path(folder, "large.npy"), 4096
    shape = (rows, 16384)  # 256 MB, of which the disk holds what is written below
    large = np.lib.format.open_memmap(path, "w+", "float32", shape)
    large[:, -1] = np.arange(rows)
    del large
    batches = scaling.stream(path, batch_size=16, pool=8, seed=0)
    next(iter(batches))  # all that TensorFlow allocates once
    status = Path("/proc/self/status").read_text().split("VmData:")[1]
    limit = int(status.split()[0]) * 1024 + 128 * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    said = {"whole": None, "bytes": path.stat().st_size, "left": 128 * 2**20}
    try:
        np.load(path)
    except MemoryError:
        said["whole"] = "MemoryError"
    last = tf.concat([batch[:, -1] for batch in batches], 0).numpy()
    said["rows"] = bool((np.sort(last) == np.arange(rows)).all())
    said["shuffled"] = bool((last != np.arange(rows)).any())
    Path(folder, "memory.json").write_text(json.dumps(said))


def build(learning_rate):
    """An arm of the sweep."""
    model = network(optimizer="sgd", seed=None)
    model.optimizer.learning_rate = learning_rate
    return model


def dask(folder):
    """A sweep in this process, and on two workers of Dask's scheduler."""
    import joblib
    from distributed import Client, LocalCluster

    from dtlib import experiments

    data = (X[:20], Y[:20], X[20:28], Y[20:28], X[28:], Y[28:])
    settings = dict(seeds=range(2), epochs=2, batch_size=8, metric="loss")
    tune = {"learning_rate": [0.1, 0.01]}
    here = experiments.compare({"a": build}, data, tune=tune, jobs=1, **settings)
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    )
    with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
        there = experiments.compare({"a": build}, data, tune=tune, jobs=2, **settings)
    said = {"here": here.runs, "there": there.runs}
    Path(folder, "dask.json").write_text(json.dumps(said))


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
