"""Scaling: paper rules, data larger than memory, and processes that train as one."""

import importlib.util
import json
import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from dtlib import scaling, training
from tests import oracles_scaling as oracles
from tests import scaling_workers as jobs

# Keras turns its variables into arrays in the way of NumPy 1.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning"),
    pytest.mark.tensorflow,
]
ROOT = Path(__file__).parent.parent
LINK = dict(bandwidth=1e9, latency=1e-4)
PATIENCE = 300  # seconds for a group of processes; a busy machine is slow


def launch(name, folder, workers=1, **settings):
    command = [sys.executable, "-m", "tests.scaling_workers", name, str(folder)]
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    settings = {"workers": workers, "time_limit": PATIENCE, **settings}
    environment = {"PYTHONPATH": os.pathsep.join(paths)}
    return scaling.launch_workers(command, **settings, environment=environment)


def python(code, **settings):
    settings = {"workers": 2, "time_limit": 60, **settings}
    return scaling.launch_workers([sys.executable, "-c", code], **settings)


def left(folder, name):
    """The arrays a worker left: what a step changes, and the losses."""
    with np.load(folder / name) as file:
        stored = dict(file)
    loss = stored.pop("loss")
    return list(stored.values()), loss


def alone(norm=False, **changes):
    """The same training, on one device in one process: variables and losses."""
    model = jobs.network(norm)
    settings = {**jobs.SETTINGS, **changes}
    history = training.fit(model, jobs.X, jobs.Y, verbose=0, **settings)
    return jobs.found(model), history.history["loss"]


def equal(found, expected, tolerance=0.0):
    (arrays, loss), (others, other) = found, expected
    assert len(arrays) == len(others) > 10
    for one, two in zip(arrays, others, strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=tolerance)
    np.testing.assert_allclose(loss, other, rtol=0, atol=tolerance)


# A step of Adam is 1e-3; a share of the loss that is off by a tenth moves weights 1e-4.
ROUNDING = 2e-6


# The learning rate


@pytest.mark.equation("eq-scaling-rate")
def test_the_linear_rule_keeps_the_distance_and_the_root_keeps_the_noise():
    sizes = dict(batch_size=8 * 32, base_batch_size=32)
    assert scaling.scaled_learning_rate(0.1, **sizes) == pytest.approx(0.8)
    root = scaling.scaled_learning_rate(0.1, **sizes, rule="sqrt")
    assert root == pytest.approx(0.1 * 8**0.5)
    same = dict(batch_size=32, base_batch_size=32)
    assert scaling.scaled_learning_rate(0.1, **same) == pytest.approx(0.1)


def test_one_large_step_of_the_linear_rule_is_many_small_ones_to_second_order():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(64, 3)), rng.normal(size=3)
    y = rng.normal(size=64)
    small, large = np.split(np.arange(64), 8), [np.arange(64)]

    def gap(rate, **rule):
        sizes = dict(batch_size=64, base_batch_size=8)
        more = scaling.scaled_learning_rate(rate, **sizes, **rule)
        many = oracles.descent(x, y, w, rate, small)
        return np.linalg.norm(oracles.descent(x, y, w, more, large) - many)

    # Halving the rate quarters the gap; another factor than B/B₀ would halve it.
    assert gap(2e-4) / gap(1e-4) == pytest.approx(4, rel=0.01)
    assert gap(2e-4, rule="sqrt") / gap(1e-4, rule="sqrt") == pytest.approx(2, rel=0.01)


def test_the_linear_rule_fails_where_the_rate_is_no_longer_small():
    x, y = np.ones((64, 1)), np.zeros(64)
    small = np.split(np.arange(64), 8)
    rate = scaling.scaled_learning_rate(0.5, batch_size=64, base_batch_size=8)
    assert abs(oracles.descent(x, y, np.ones(1), 0.5, small * 8)) < 1e-9
    assert abs(oracles.descent(x, y, np.ones(1), rate, [np.arange(64)] * 8)) > 1e3


# Mixed precision


@pytest.mark.equation("eq-scaling-loss-scale")
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_scale_is_that_of_keras_and_of_the_paper(seed):
    finite = np.random.default_rng(seed).random(40) < 0.8
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.1), initial_scale=64.0, dynamic_growth_steps=3
    )
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    state, scales = (64.0, 0), []
    for good in finite:
        optimizer.apply([tf.constant([1.0 if good else np.inf])], [weight])
        state = scaling.loss_scale_update(*state, bool(good), growth_steps=3)
        scales.append(state[0])
        assert state == (float(optimizer.dynamic_scale), int(optimizer.step_counter))
    assert scales == oracles.loss_scales(64.0, finite, 3)
    assert len(set(scales)) > 2


def moved(precision, wrap=lambda optimizer: optimizer):
    """How far a weight goes under a gradient of 1e-8, in units of what it should."""
    keras.utils.set_random_seed(0)
    dense = keras.layers.Dense(
        1, use_bias=False, kernel_initializer="zeros", dtype=precision
    )
    model = keras.Sequential([keras.Input((1,)), dense])
    optimizer = wrap(keras.optimizers.SGD(1e6))
    model.compile(optimizer, lambda y, p: 1e-8 * p, auto_scale_loss=False)
    model.fit(np.ones((4, 1)), np.ones((4, 1)), batch_size=4, verbose=0)
    return float(dense.kernel[0, 0]) / -0.01


def test_a_small_gradient_is_lost_in_float16_and_saved_by_a_loss_scale():
    assert moved("float32") == pytest.approx(1, rel=1e-5)
    assert moved("mixed_bfloat16") == pytest.approx(1, rel=2**-7)
    assert moved("mixed_float16") == 0
    saved = moved("mixed_float16", keras.optimizers.LossScaleOptimizer)
    assert saved == pytest.approx(1, rel=2**-9)


# Time on paper


@pytest.mark.equation("eq-scaling-all-reduce")
@pytest.mark.parametrize("n", [1, 2, 3, 4, 8])
def test_the_ring_takes_as_long_as_its_messages(n):
    parts = np.random.default_rng(0).normal(size=(n, 240))
    sums, seconds = oracles.ring(parts, **LINK)
    for found in sums:
        np.testing.assert_allclose(found, parts.sum(0), rtol=1e-12, atol=1e-12)
    told = scaling.all_reduce_seconds(parts[0].nbytes, workers=n, **LINK)
    assert told == pytest.approx(seconds, rel=1e-12, abs=1e-15)


@pytest.mark.equation("eq-scaling-speedup")
@pytest.mark.parametrize("batch", ["per_worker", "global"])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("n", [1, 2, 8, 100])
@pytest.mark.parametrize("t", [0.01, 1.0])
def test_the_speedup_is_that_of_a_clock(n, t, overlap, batch):
    ring = scaling.all_reduce_seconds(1e8, workers=n, **LINK)
    share = (overlap, 32, batch == "per_worker")
    expected = oracles.throughput(n, t, ring, *share) / (32 / t)
    settings = dict(compute_seconds=t, n_bytes=1e8, overlap=overlap, batch=batch)
    assert scaling.speedup(n, **settings, **LINK) == pytest.approx(expected)


def test_overlap_is_none_by_default_and_the_batch_grows():
    settings = dict(compute_seconds=0.1, n_bytes=1e8, **LINK)
    told = scaling.speedup(8, **settings)
    assert told == scaling.speedup(8, **settings, overlap=0.0, batch="per_worker")
    assert told < scaling.speedup(8, **settings, overlap=1.0)


def test_a_link_is_found_from_its_times():
    sizes, rng = np.geomspace(1e4, 1e8, 9), np.random.default_rng(0)
    seconds = [scaling.all_reduce_seconds(m, workers=4, **LINK) for m in sizes]
    found = scaling.fit_link(sizes, seconds, workers=4)
    assert found == pytest.approx(LINK, rel=1e-6)
    noisy = seconds * rng.uniform(0.95, 1.05, size=9)
    assert scaling.fit_link(sizes, noisy, workers=4) == pytest.approx(LINK, rel=0.1)
    # Times that go through the origin leave no latency, and never a negative one.
    assert scaling.fit_link([1e3, 1e6], [1e-6, 1.1e-3], workers=2)["latency"] == 0


# Data larger than memory


@pytest.mark.parametrize(
    "n, size, pool", [(12, 3, 2), (13, 3, 2), (5, 8, 1), (7, 1, 3)]
)
def test_every_row_comes_once_and_from_its_pool(n, size, pool):
    order = dict(block_size=size, pool=pool)
    pools = [*scaling.block_order(n, **order, seed=0, epoch=0)]
    assert sorted(np.concatenate(pools)) == [*range(n)]
    for rows in pools[:-1]:
        assert len(rows) == size * pool
        blocks, counts = np.unique(rows // size, return_counts=True)
        assert len(blocks) == pool and set(counts) == {size}
    assert n % size == 0 or (n - 1) in pools[-1]  # the short block stays last
    plain = [*scaling.block_order(n, **order, seed=None, epoch=5)]
    assert np.concatenate(plain).tolist() == [*range(n)]


def test_the_order_is_one_of_seed_and_epoch_and_each_row_may_come_anywhere():
    order = dict(block_size=4, pool=3)

    def rows(seed, epoch):
        found = scaling.block_order(48, **order, seed=seed, epoch=epoch)
        return np.concatenate([*found]).tolist()

    assert rows(1, 2) == rows(1, 2)
    assert len({tuple(rows(s, e)) for s in (0, 1) for e in (0, 1)}) == 4
    first = [rows(0, epoch)[0] for epoch in range(600)]
    counts = np.bincount(first, minlength=48)
    # 600/48 expected; χ² with 47 degrees of freedom exceeds 47 + 4·√94 once in 10⁴
    assert ((counts - 12.5) ** 2 / 12.5).sum() < 47 + 4 * 94**0.5


@pytest.fixture
def files(tmp_path):
    x, y = np.arange(44.0).reshape(22, 2).astype("float32"), np.arange(22)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    return x, y, tmp_path / "x.npy", tmp_path / "y.npy"


def test_batches_are_rows_of_all_files_in_the_order_of_the_blocks(files):
    x, y, *paths = files
    order = dict(block_size=2, pool=4, seed=3)
    data = scaling.stream(*paths, batch_size=4, **order, epoch=1)
    assert len(data) == 6
    for epoch in (1, 2):  # each pass is one epoch later
        found = [*data.as_numpy_iterator()]
        assert [len(b) for b, _ in found] == [4, 4, 4, 4, 4, 2]
        rows = np.concatenate([*scaling.block_order(22, **order, epoch=epoch)])
        np.testing.assert_array_equal(np.concatenate([b for b, _ in found]), x[rows])
        np.testing.assert_array_equal(np.concatenate([b for _, b in found]), y[rows])
        assert {b.dtype.name for b, _ in found} == {"float32"}


def test_by_default_a_block_is_a_batch_and_sixteen_are_a_pool(files):
    x, _, path, _ = files
    one = scaling.stream(path, batch_size=1, seed=0)
    order = scaling.block_order(22, block_size=1, pool=16, seed=0, epoch=0)
    expected = x[np.concatenate([*order])]
    np.testing.assert_array_equal(np.concatenate([*one.as_numpy_iterator()]), expected)
    plain = np.concatenate([*scaling.stream(path, batch_size=5).as_numpy_iterator()])
    np.testing.assert_array_equal(plain, x)


def test_keras_trains_on_a_stream_as_on_the_arrays(files):
    x, y, *paths = files
    models = []
    for _ in range(2):
        keras.utils.set_random_seed(0)
        models.append(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
        models[-1].compile(keras.optimizers.SGD(1e-4), "mse")
    settings = dict(epochs=2, shuffle=False, verbose=0)
    models[0].fit(scaling.stream(*paths, batch_size=4), **settings)
    models[1].fit(x, y, batch_size=4, **settings)
    for one, two in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="RLIMIT_DATA is a limit of Linux"
)
def test_a_file_larger_than_memory_is_streamed_where_it_cannot_be_loaded(tmp_path):
    launch("memory", tmp_path)
    said = json.loads((tmp_path / "memory.json").read_text())
    assert said["bytes"] > 2 * said["left"] - 1
    assert said["whole"] == "MemoryError"
    assert said["rows"] and said["shuffled"]


# Processes


def test_workers_are_started_and_heard_in_order():
    code = "import os, json; c = json.loads(os.environ['TF_CONFIG']);"
    code += "print(c['task']['index'], len(c['cluster']['worker']), os.environ['WHAT'])"
    found = python(code, workers=3, environment={"WHAT": "this"})
    assert found.outputs == ["0 3 this\n", "1 3 this\n", "2 3 this\n"]
    assert found.attempts == 1 and 0 < found.seconds < 60


def ended(path):
    """Is the process whose id stands in the file gone, or going?"""
    stop = time.monotonic() + 10
    while time.monotonic() < stop:
        try:
            os.kill(int(path.read_text()), 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{path.read_text()}/stat")
        if state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


# Worker 0 sleeps, with a child that sleeps; `{}` is what worker 1 then does.
SLEEPER = """
import json, os, pathlib, subprocess, sys, time
folder = pathlib.Path(os.environ["FOLDER"])
if json.loads(os.environ["TF_CONFIG"])["task"]["index"] == 0:
    child = subprocess.Popen(["sleep", "300"])
    for name, pid in (("child", child.pid), ("self", os.getpid())):
        (folder / (name + ".tmp")).write_text(str(pid))
        os.replace(folder / (name + ".tmp"), folder / name)
    time.sleep(300)
while not (folder / "self").exists():
    time.sleep(0.01)
print("worker one", flush=True)
{}
"""


@pytest.mark.parametrize(
    "then, error, message",
    [
        (
            "sys.exit(3)",
            scaling.WorkerFailed,
            "Worker 1 of 2 ended with 3 .*worker one",
        ),
        ("os.kill(os.getpid(), 9)", scaling.WorkerFailed, "ended with -9"),
        ("time.sleep(300)", TimeoutError, "`time_limit`.*worker one"),
        ("", TimeoutError, "killed"),
    ],
)
def test_when_one_fails_or_time_is_over_nothing_is_left_running(
    tmp_path, then, error, message
):
    limit = 2 if error is TimeoutError else 60
    begin = time.monotonic()
    with pytest.raises(error, match=f"(?s){message}"):
        folder = {"FOLDER": str(tmp_path)}
        python(SLEEPER.format(then), time_limit=limit, environment=folder)
    assert time.monotonic() - begin < 40
    assert ended(tmp_path / "self") and ended(tmp_path / "child")


def test_all_are_started_again_as_often_as_allowed(tmp_path):
    code = "import os, sys, json, pathlib;"
    code += "p = pathlib.Path(os.environ['FOLDER'], json.loads("
    code += "os.environ['TF_CONFIG'])['task']['type']);"
    code += "n = len(p.read_text()) if p.exists() else 0; p.write_text('x' * (n + 1));"
    code += "print('try', n); sys.exit(n < 2)"
    folder = {"FOLDER": str(tmp_path)}
    found = python(code, workers=1, restarts=2, environment=folder)
    assert (found.outputs, found.attempts) == (["try 2\n"], 3)
    (tmp_path / "worker").unlink()
    with pytest.raises(scaling.WorkerFailed, match=r"attempt 2 of 2\).*\ntry 1"):
        python(code, workers=1, restarts=1, environment=folder)


def test_devices_are_cut_before_tensorflow_starts_or_not_at_all():
    tf.constant(1.0) + 1.0
    with pytest.raises(RuntimeError, match="initialized"):
        scaling.logical_cpus(2)


# Training as one


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """What two workers left that nothing disturbed."""
    folder = tmp_path_factory.mktemp("pair")
    launch("two", folder, 2)
    return folder


def test_one_replica_walks_the_path_of_training_fit():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = jobs.network()
    seen = []
    history = scaling.fit_distributed(
        model,
        jobs.X,
        jobs.Y,
        strategy=strategy,
        on_step=lambda *at: seen.append(at),
        **jobs.SETTINGS,
    )
    equal((jobs.found(model), history["loss"]), alone(), ROUNDING)
    assert seen == [(epoch, b) for epoch in range(3) for b in range(5)]


def test_two_devices_of_one_machine_equal_one(tmp_path):
    launch("mirrored", tmp_path)
    equal(left(tmp_path, "mirrored0.npz"), alone(), ROUNDING)
    equal(left(tmp_path, "mirrored1.npz"), alone(norm=True), 2 * ROUNDING)


@pytest.mark.equation("eq-scaling-share")
def test_two_processes_equal_one(pair):
    both = left(pair, "two0.npz"), left(pair, "two1.npz")
    equal(*both)
    equal(both[0], alone(), ROUNDING)


def test_four_processes_equal_one(tmp_path):
    launch("four", tmp_path, 4)
    for index in range(4):
        equal(left(tmp_path, f"four{index}.npz"), alone(), ROUNDING)


def test_larger_sums_take_longer_between_processes(pair):
    for index in range(2):
        said = json.loads((pair / f"said{index}.json").read_text())
        small, large = said["seconds"]
        assert 0 < small < large < 60
        link = scaling.fit_link(said["sizes"], said["seconds"], workers=2)
        assert 1e5 < link["bandwidth"] < 1e12


def test_model_fit_of_keras_3_still_fails_between_processes(pair):
    # https://github.com/keras-team/keras/issues/20585. Where this test fails, Keras has
    # mended it, and `fit_distributed` is no longer needed.
    for index in range(2):
        said = json.loads((pair / f"said{index}.json").read_text())["fit"]
        assert said is not None
        assert "unsupported" in said.lower() or "PerReplica" in said, said


def test_a_killed_worker_costs_time_and_nothing_else(pair, tmp_path):
    found = launch("dying", tmp_path, 2, restarts=1)
    assert found.attempts == 2 and (tmp_path / "died").exists()
    for index, output in enumerate(found.outputs):
        steps = [line for line in output.splitlines() if line.startswith("step")]
        # Killed after the third step of an epoch, with a backup every two.
        assert steps[0] == "step 1 2" and len(steps) == 8, output
        equal(left(tmp_path, f"dying{index}.npz"), left(pair, f"two{index}.npz"))
    assert {p.name for p in tmp_path.iterdir()} == {
        *("died", "backup.npz", "dying0.npz", "dying1.npz")
    }


# The backup, in one process


class Stop(Exception):
    """Raised in the middle of an epoch."""


def one_replica(folder, epochs=3, stop=None, x=jobs.X, optimizer="adam", **settings):
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = jobs.network(optimizer=optimizer)

    def on_step(*at):
        if at == stop:
            raise Stop

    settings = {"batch_size": jobs.BATCH, "seed": jobs.SEED, **settings}
    settings.setdefault("backup", folder / "run.npz")
    history = scaling.fit_distributed(
        model,
        x,
        jobs.Y,
        strategy=strategy,
        epochs=epochs,
        on_step=on_step,
        **settings,
    )
    return jobs.found(model), history["loss"]


@pytest.mark.parametrize("every, stop", [(2, (1, 2)), (None, (1, 4)), (3, (0, 0))])
def test_a_resumed_run_is_the_unbroken_one(tmp_path, every, stop):
    with pytest.raises(Stop):
        one_replica(tmp_path, stop=stop, backup_steps=every)
    found = one_replica(tmp_path, backup_steps=every)
    equal(found, one_replica(tmp_path, backup=None))
    equal(one_replica(tmp_path), found)  # there is nothing left to do
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_a_run_can_be_lengthened(tmp_path):
    one_replica(tmp_path, epochs=1)
    equal(one_replica(tmp_path, epochs=2), one_replica(tmp_path, 2, backup=None))


@pytest.mark.parametrize(
    "first, change",
    [
        ("adam", dict(seed=2)),
        ("adam", dict(batch_size=9)),
        ("adam", dict(optimizer="sgd")),
        ("sgd", dict(optimizer="adam")),
    ],
)
def test_the_backup_of_another_run_is_refused_and_kept(tmp_path, first, change):
    one_replica(tmp_path, epochs=1, optimizer=first)
    before = (tmp_path / "run.npz").read_bytes()
    with pytest.raises(ValueError, match="another run's"):
        one_replica(tmp_path, **{"optimizer": first, **change})
    assert (tmp_path / "run.npz").read_bytes() == before


@pytest.mark.parametrize("text", [b"", b"PK\x03\x04 half of a file", b"text"])
def test_a_damaged_backup_is_refused_and_kept(tmp_path, text):
    (tmp_path / "run.npz").write_bytes(text)
    with pytest.raises(ValueError, match="cannot be read, and is not overwritten"):
        one_replica(tmp_path)
    assert (tmp_path / "run.npz").read_bytes() == text


def test_a_backup_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    one_replica(tmp_path, epochs=1)
    before = (tmp_path / "run.npz").read_bytes()

    def full(file, **state):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space"):
        one_replica(tmp_path, epochs=2)
    assert (tmp_path / "run.npz").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.npz"]


def test_rows_are_read_from_a_mapped_file(tmp_path):
    np.save(tmp_path / "x.npy", jobs.X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    found = one_replica(tmp_path, x=mapped, backup=None)
    equal(found, one_replica(tmp_path, backup=None))


# The sweep of `experiments` on another scheduler


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason="Dask's scheduler is not installed (the extra `scaling`)",
)
def test_a_sweep_on_two_workers_of_dask_gives_the_same_runs(tmp_path):
    launch("dask", tmp_path)
    said = json.loads((tmp_path / "dask.json").read_text())
    assert len(said["here"]) == 4 and said["here"] == said["there"]


# Errors

PAPER = dict(bandwidth=1e9, latency=0.0)
RATE = dict(batch_size=1, base_batch_size=1)
SPEED = dict(compute_seconds=1.0, n_bytes=1.0, **PAPER)
BLOCKS = dict(block_size=1, pool=1, seed=0, epoch=0)


@pytest.mark.parametrize(
    "call, argument",
    [
        (lambda: scaling.scaled_learning_rate(0, **RATE), "learning_rate"),
        (lambda: scaling.scaled_learning_rate(1, **{**RATE, "batch_size": 0}), "batch"),
        (
            lambda: scaling.scaled_learning_rate(1, **{**RATE, "base_batch_size": 0.5}),
            "base_batch_size",
        ),
        (lambda: scaling.scaled_learning_rate(1, **RATE, rule="cube"), "rule"),
        (lambda: scaling.loss_scale_update(0, 0, True, growth_steps=1), "scale"),
        (lambda: scaling.loss_scale_update(1, 2, True, growth_steps=2), "streak"),
        (lambda: scaling.loss_scale_update(1, 0, True, growth_steps=0), "growth_steps"),
        (lambda: scaling.all_reduce_seconds(-1, workers=1, **PAPER), "n_bytes"),
        (lambda: scaling.all_reduce_seconds(1, workers=0, **PAPER), "workers"),
        (
            lambda: scaling.all_reduce_seconds(1, workers=1, bandwidth=0, latency=0),
            "bandwidth",
        ),
        (
            lambda: scaling.all_reduce_seconds(1, workers=1, bandwidth=1, latency=-1),
            "latency",
        ),
        (lambda: scaling.speedup(0, **SPEED), "workers"),
        (
            lambda: scaling.speedup(2, **{**SPEED, "compute_seconds": 0}),
            "compute_secon",
        ),
        (lambda: scaling.speedup(2, **SPEED, batch="some"), "batch"),
        (lambda: scaling.speedup(2, **SPEED, overlap=1.1), "overlap"),
        (lambda: scaling.fit_link([1, 2], [1, 2], workers=1), "workers"),
        (lambda: scaling.fit_link([1, 2], [1], workers=2), "seconds"),
        (lambda: scaling.fit_link([2, 2], [1, 2], workers=2), "n_bytes"),
        (lambda: scaling.fit_link([0, 2], [1, 2], workers=2), "n_bytes"),
        (lambda: scaling.fit_link([1, 9], [0, 1], workers=2), "seconds"),
        (lambda: scaling.fit_link([1, 9], [2, 1], workers=2), "seconds"),
        (lambda: scaling.block_order(0, **BLOCKS), "n"),
        (lambda: scaling.block_order(9, **{**BLOCKS, "block_size": 0}), "block_size"),
        (lambda: scaling.block_order(9, **{**BLOCKS, "pool": 0}), "pool"),
        (lambda: scaling.block_order(9, **{**BLOCKS, "seed": -1}), "seed"),
        (lambda: scaling.block_order(9, **{**BLOCKS, "epoch": -1}), "epoch"),
        (lambda: scaling.worker_config(["host"], 0), "addresses"),
        (lambda: scaling.worker_config([], 0), "addresses"),
        (lambda: scaling.worker_config(["a:1", "a:1"], 0), "addresses"),
        (lambda: scaling.worker_config(["a:1", "b:1"], 2), "index"),
        (lambda: scaling.logical_cpus(0), "n"),
        (lambda: python("", workers=0), "workers"),
        (lambda: python("", time_limit=0), "time_limit"),
        (lambda: python("", restarts=-1), "restarts"),
        (lambda: scaling.launch_workers("ls", workers=1, time_limit=1), "command"),
    ],
)
def test_a_bad_argument_is_named(call, argument):
    with pytest.raises(ValueError, match=f"^`{argument}"):
        call()


def test_a_stream_refuses_files_it_cannot_map(files, tmp_path):
    x, _, path, other = files
    np.save(tmp_path / "objects.npy", np.array([{}, None]), allow_pickle=True)
    np.save(tmp_path / "point.npy", np.array(1.0))
    np.save(tmp_path / "short.npy", x[:3])
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01")
    (tmp_path / "empty.npy").write_bytes(b"")
    for paths, message in [
        ([], "at least one file"),
        ([tmp_path / "x.txt"], "end in .npy"),
        ([tmp_path / "objects.npy"], "arrays of numbers"),
        ([tmp_path / "broken.npy"], "arrays of numbers"),
        ([tmp_path / "empty.npy"], "arrays of numbers"),
        ([tmp_path / "point.npy"], "at least one row"),
        ([path, tmp_path / "short.npy"], r"equally many rows.*\[22, 3\]"),
    ]:
        with pytest.raises(ValueError, match=f"^`paths` must .*{message}"):
            scaling.stream(*paths, batch_size=2)
    with pytest.raises(FileNotFoundError):
        scaling.stream(tmp_path / "none.npy", batch_size=2)
    for bad in [dict(batch_size=0), dict(batch_size=4, epoch=-1)]:
        with pytest.raises(ValueError, match=f"^`{[*bad][-1]}`"):
            scaling.stream(path, **bad)
    with pytest.raises(ValueError, match="must be a multiple of `batch_size`"):
        scaling.stream(path, batch_size=4, block_size=3, pool=2)


def test_a_training_refuses_what_would_not_be_equal(tmp_path):
    for bad, message in [
        (dict(epochs=0), "^`epochs`"),
        (dict(batch_size=0), "^`batch_size`"),
        (dict(seed=None), "^`seed`"),
        (dict(seed=-1), "^`seed`"),
        (dict(backup_steps=0), "^`backup_steps`"),
        (dict(backup=None, backup_steps=1), "needs `backup`"),
        (dict(backup=tmp_path / "run.txt"), "must end in .npz"),
        (dict(x=jobs.X[:3]), "equally many rows"),
    ]:
        with pytest.raises(ValueError, match=message):
            one_replica(tmp_path, **bad)
    assert [*tmp_path.iterdir()] == []


class Pair:
    """As much of a strategy as the checks look at: two replicas."""

    num_replicas_in_sync = 2


def test_a_model_must_belong_to_the_strategy_and_treat_all_replicas_alike():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with pytest.raises(ValueError, match=r"in `strategy.scope\(\)`. Received: one"):
        scaling.distributed_step(jobs.network(), strategy)
    with pytest.raises(ValueError, match="must be built and compiled"):
        scaling.distributed_step(keras.Sequential([keras.Input((1,))]), strategy)
    sgd = keras.optimizers.SGD
    for optimizer, named in [
        (sgd(clipnorm=1.0), "clipnorm"),
        (sgd(clipvalue=1.0), "clipvalue"),
        (sgd(global_clipnorm=1.0), "global_clipnorm"),
        (sgd(gradient_accumulation_steps=2), "gradient_accumulation_steps"),
        (keras.optimizers.LossScaleOptimizer(sgd()), "LossScaleOptimizer"),
    ]:
        model, both = jobs.network(optimizer=optimizer), Pair()
        model._distribute_strategy = optimizer._distribution_strategy = both
        with pytest.raises(ValueError, match=f"every replica.* Received: {named}"):
            scaling.distributed_step(model, both)
    with strategy.scope():
        model = jobs.network()
        model.compile("sgd", keras.losses.MeanSquaredError(reduction="sum"))
    with pytest.raises(ValueError, match="means over the batch"):
        scaling.distributed_step(model, strategy)


def test_a_batch_or_what_remains_of_it_must_reach_every_replica():
    for size in (1, 6):  # 37 = 6·6 + 1
        with pytest.raises(ValueError, match="^`batch_size` must leave"):
            scaling.fit_distributed(
                None, jobs.X, jobs.Y, strategy=Pair(), batch_size=size
            )


def test_an_all_reduce_is_measured_and_its_size_checked():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    assert 0 < scaling.measure_all_reduce(strategy, 4096, repeats=1) < 10
    with pytest.raises(ValueError, match="multiple of 4"):
        scaling.measure_all_reduce(strategy, 6)
    with pytest.raises(ValueError, match="^`n_bytes`"):
        scaling.measure_all_reduce(strategy, 0)
    with pytest.raises(ValueError, match="^`repeats`"):
        scaling.measure_all_reduce(strategy, 4, repeats=0)
