"""The protocol, its verdicts, and what happens to a sweep when something breaks."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from scipy import stats

from dtlib import experiments, training
from dtlib.experiments import runs, store

SEEDS = range(3)


def tiny_data(classes=2):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6)).astype("float32")
    y = (np.abs(x).sum(1) * 3).astype("int32") % classes
    return x[:60], y[:60], x[60:90], y[60:90], x[90:], y[90:]


def build(learning_rate=0.1, width=4, loss=None):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(width, "tanh"),
            keras.layers.Dense(2),
        ]
    )
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(learning_rate), loss, metrics=["accuracy"])
    return model


ARMS = {"narrow": lambda **h: build(width=2, **h), "wide": lambda **h: build(**h)}
QUICK = dict(seeds=SEEDS, epochs=2, batch_size=20, jobs=1)


def sweep(cache=None, jobs=1, epochs=2):
    return experiments.compare(
        ARMS,
        tiny_data(),
        seeds=range(4),
        tune={"learning_rate": (0.1, 1.0)},
        tune_seeds=(10, 11),
        epochs=epochs,
        batch_size=20,
        jobs=jobs,
        cache=cache,
    )


def by_hand(build, seed, data, epochs=2, batch_size=20):
    """A run without any of the machinery: what its score must be, exactly."""
    keras.utils.set_random_seed(seed)
    model = build()
    kept = dict(epochs=epochs, batch_size=batch_size, seed=seed)
    training.fit(model, *data[:2], **kept)
    return training.evaluate(model, *data[4:], batch_size=batch_size)["accuracy"]


class Pretended:
    """Stands for `training`: scores come from `score(learning_rate, seed, part)`."""

    def __init__(self, data, score):
        self.data, self.score, self.calls = data, score, []

    def part(self, x):
        parts = ("train", None, "valid", None, "test")
        return next(p for p, d in zip(parts, self.data, strict=False) if d is x)

    def fit(self, model, x, y, *, validation_data, seed, **settings):
        rate = float(model.optimizer.learning_rate)
        self.last = round(rate, 6), seed
        self.calls.append(("fit", *self.last, self.part(x), settings["epochs"]))
        value = self.score(*self.last, self.part(validation_data[0]))
        history = {"loss": [1.0], "accuracy": [0.5], "val_accuracy": [value]}
        return _History(history)

    def evaluate(self, model, x, y, **settings):
        self.calls.append(("evaluate", *self.last, self.part(x)))
        return {"loss": 1.0, "accuracy": self.score(*self.last, self.part(x))}

    def restart(self, model, fresh):
        model.optimizer.learning_rate.assign(fresh.optimizer.learning_rate)


class _History:
    def __init__(self, history):
        self.history = history


@pytest.fixture
def pretend(monkeypatch):
    def use(score):
        data = tuple(map(np.asarray, tiny_data()))
        fake = Pretended(data, score)
        monkeypatch.setattr(runs, "training", fake)
        return fake, data

    return use


# --- verdicts


@pytest.mark.parametrize(
    ("center", "relation", "outcome"),
    [
        (0.30, "beats", "supported"),
        (0.11, "beats", "inconclusive"),
        (0.05, "beats", "contradicted"),  # better, by too little
        (-0.3, "beats", "contradicted"),
        (0.00, "equals", "supported"),
        (0.11, "equals", "inconclusive"),
        (-0.11, "equals", "inconclusive"),
        (0.30, "equals", "contradicted"),
        (-0.3, "equals", "contradicted"),
    ],
)
def test_the_whole_interval_must_lie_on_one_side_of_the_smallest_effect(
    center, relation, outcome
):
    values = center + np.linspace(-0.06, 0.06, 12)  # interval: center ± 0.02
    found = experiments.verdict(values, min_effect=0.1, relation=relation)
    assert found.outcome == outcome
    assert found.low < found.estimate < found.high
    assert found.estimate == pytest.approx(center) and found.n == 12


def test_no_difference_at_all_does_not_beat():
    assert experiments.verdict([0.0] * 5, min_effect=0).outcome == "inconclusive"
    assert experiments.verdict([0.0] * 5, min_effect=0.01).outcome == "contradicted"


@pytest.mark.parametrize("values", [[0.3] * 4, [0.1 + 0.2, 0.3, 0.3, 0.3]])
def test_equal_differences_have_an_interval_of_width_zero(values):
    assert experiments.interval(values) == pytest.approx((0.3, 0.3), abs=1e-15)


def test_a_verdict_reads_as_a_sentence():
    found = experiments.verdict([0.02, 0.03, 0.04], min_effect=0.01)
    assert str(found).startswith("supported: +0.03 [")
    assert str(found).endswith("n = 3, smallest effect of interest 0.01")


def bca_by_hand(x, confidence=0.95, draws=20000):
    """Efron 1987, (2.2) and (6.6), in NumPy, with draws of its own."""
    rng = np.random.default_rng(1)
    means = x[rng.integers(len(x), size=(draws, len(x)))].mean(1)
    z0 = stats.norm.ppf((means < x.mean()).mean())
    left_out = (x.sum() - x) / (len(x) - 1)
    d = left_out.mean() - left_out
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    z = z0 + stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    return np.quantile(means, stats.norm.cdf(z0 + z / (1 - a * z)))


@pytest.mark.parametrize("skewed", [False, True])
def test_the_interval_is_bca_of_an_independent_resampling(skewed):
    x = np.random.default_rng(2).exponential(size=15) ** (2 if skewed else 1)
    x = x if skewed else np.concatenate([x, -x])
    got, expected = np.array(experiments.interval(x)), bca_by_hand(x)
    # A 2.5 % point of B draws is off by √(p(1−p)/B)/φ(1.96) = 0.027 standard errors at
    # B = 10⁴; in the stretched tail of skewed data by some three times that. Without
    # the correction the skewed interval would lie 0.8 lower, a 90 % one end 0.3 short.
    error = x.std() / np.sqrt(len(x))
    np.testing.assert_allclose(got, expected, atol=(0.25 if skewed else 0.15) * error)


def test_ninety_five_in_a_hundred_intervals_hold_the_truth():
    rng, n = np.random.default_rng(3), 600
    held = 0
    for _ in range(n):
        low, high = experiments.interval(rng.normal(1, 2, size=50), resamples=999)
        held += low <= 1 <= high
    # At n = 50 the nominal 95 % are 94; 4 standard deviations of the count beyond that.
    # A 90 % interval would be 4.1 % short.
    assert held / n > 0.94 - 4 * np.sqrt(0.94 * 0.06 / n)
    assert held / n < 0.95 + 4 * np.sqrt(0.95 * 0.05 / n)


def test_an_interval_repeats():
    values = np.random.default_rng(4).normal(size=9)
    assert experiments.interval(values) == experiments.interval(values)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: experiments.verdict([1.0], min_effect=0), "`differences`.*shape"),
        (
            lambda: experiments.verdict([1, np.nan], min_effect=0),
            "`differences` must be finite",
        ),
        (lambda: experiments.verdict([1, 2], min_effect=-1), "`min_effect`.*inf"),
        (
            lambda: experiments.verdict([1, 2], min_effect=0, relation="equals"),
            r"`min_effect`.*\(0, inf\)",
        ),
        (
            lambda: experiments.verdict([1, 2], min_effect=0, relation="loses to"),
            "`relation`.*beats",
        ),
        (lambda: experiments.interval([1, 2], confidence=95), "`confidence`"),
    ],
)
def test_a_verdict_refuses(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_smallest_effect_has_no_default():
    with pytest.raises(TypeError, match="min_effect"):
        experiments.verdict([1.0, 2.0])


# --- the protocol


def test_all_arms_meet_the_same_seeds_data_and_epochs(pretend):
    fake, data = pretend(lambda rate, seed, part: 0.5)
    experiments.compare(ARMS, data, **QUICK)
    fits = [call for call in fake.calls if call[0] == "fit"]
    assert [call[2] for call in fits] == [0, 1, 2, 0, 1, 2]
    assert {call[3:] for call in fits} == {("train", 2)}


def test_tuning_never_looks_at_test_and_chooses_what_validation_prefers(pretend):
    def score(rate, seed, part):  # test would choose the other rate
        return rate if part == "valid" else 1 - rate

    fake, data = pretend(score)
    found = experiments.compare(
        ARMS, data, tune={"learning_rate": (0.1, 0.7)}, tune_seeds=(8, 9), **QUICK
    )
    assert found.tuned == {arm: {"learning_rate": 0.7} for arm in ARMS}
    assert {call[2] for call in fake.calls if call[-1] == "test"} == set(SEEDS)
    fits = [call[2] for call in fake.calls if call[0] == "fit"]
    assert fits == [8, 9] * 4 + [*SEEDS] * 2
    fake.calls.clear()
    tuned = experiments.tune(ARMS, data, {"learning_rate": (0.1, 0.7)}, jobs=1)
    assert tuned.chosen == found.tuned
    assert all(call[-1] != "test" for call in fake.calls)


def test_a_rate_is_judged_by_its_mean_over_the_tuning_seeds(pretend):
    score = {(0.1, 8): 0.9, (0.1, 9): 0.1, (0.7, 8): 0.6, (0.7, 9): 0.6}
    _, data = pretend(lambda rate, seed, part: score[rate, seed])
    grid = {"learning_rate": np.array([0.1, 0.7])}
    chosen, table = experiments.tune(ARMS, data, grid, seeds=(8, 9), jobs=1)
    assert chosen["wide"] == {"learning_rate": 0.7}
    assert [row["score"] for row in table] == pytest.approx([0.5, 0.6] * 2)
    assert [row["chosen"] for row in table] == [False, True] * 2


def test_the_table_says_where_the_best_is_at_the_edge_of_the_grid(pretend):
    best = {"narrow": 0.3, "wide": 0.3}
    _, data = pretend(lambda rate, seed, part: -abs(rate - best["wide"]))
    for grid, edge in ((0.1, 0.3, 0.9), []), ((0.3, 0.9), ["learning_rate"]):
        tune = {"learning_rate": grid}
        found = experiments.compare(ARMS, data, tune=tune, **QUICK)
        chosen = [row for row in found.tuning if row["chosen"]]
        assert [row["at_edge"] for row in chosen] == [edge] * 2
        assert ("widen the grid" in found.summary()) == bool(edge)


def test_the_first_of_equal_settings_is_chosen_and_every_combination_tried(pretend):
    _, data = pretend(lambda rate, seed, part: 0.5)
    grid = {"learning_rate": (0.3, 0.1), "width": (2, 4)}
    chosen, table = experiments.tune({"a": build}, data, grid, seeds=(1,), jobs=1)
    assert chosen["a"] == {"learning_rate": 0.3, "width": 2}
    tried = [(row["learning_rate"], row["width"]) for row in table]
    assert tried == [(0.3, 2), (0.3, 4), (0.1, 2), (0.1, 4)]


def test_differences_are_paired_by_seed(pretend):
    luck = {0: 0.1, 1: 0.5, 2: 0.9}  # seeds differ far more than arms

    def score(rate, seed, part):
        return luck[seed] + (0.02 + 0.001 * seed if rate == 0.2 else 0)

    _, data = pretend(score)
    arms = {"slow": lambda: build(0.1), "fast": lambda: build(0.2)}
    found = experiments.compare(arms, data, **QUICK)
    gains = found.differences("fast", "slow")
    np.testing.assert_allclose(gains, [0.02, 0.021, 0.022], atol=1e-12)
    np.testing.assert_allclose(found.differences("slow", "fast"), -gains)
    assert found.verdict("fast", "beats", "slow", min_effect=0.01)[0] == "supported"
    assert found.verdict("slow", "beats", "fast", min_effect=0.01)[0] == "contradicted"
    assert found.verdict("slow", "equals", "fast", min_effect=0.05)[0] == "supported"


def test_a_lower_loss_is_better(pretend):
    _, data = pretend(lambda rate, seed, part: rate)
    arms = {"low": lambda: build(0.1), "high": lambda: build(0.2)}
    found = experiments.compare(arms, data, mode="min", **QUICK)
    np.testing.assert_allclose(found.differences("low", "high"), 0.1, atol=1e-9)
    tuned = experiments.tune(
        {"a": build}, data, {"learning_rate": (0.1, 0.2)}, jobs=1, mode="min"
    )
    assert tuned.chosen["a"] == {"learning_rate": 0.1}


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("accuracy", "max"),
        ("loss", "min"),
        ("auc", "max"),
        ("mean_absolute_error", "min"),
    ],
)
def test_the_name_of_a_metric_tells_its_direction(metric, mode):
    assert experiments.protocol.checks.mode(metric, "auto") == mode


# --- real runs


@pytest.fixture(scope="module")
def swept():
    return sweep()


def test_a_run_is_what_the_same_lines_by_hand_give(swept):
    rate = swept.tuned["wide"]["learning_rate"]
    for seed in (0, 3):  # one program served both arms' rates and seeds: no bit differs
        alone = by_hand(lambda: build(rate), seed, tiny_data())
        assert alone == swept.scores["wide"][seed]


def test_arms_that_are_equal_differ_by_nothing():
    found = experiments.compare(
        {"a": build, "b": lambda: build()}, tiny_data(), **QUICK
    )
    assert not found.differences("a", "b").any()
    assert len(set(found.scores["a"])) > 1  # and the seeds do matter


def test_the_runs_are_a_row_an_arm_seed_and_epoch(swept):
    assert len(swept.runs) == 2 * 4 * 2
    last = [row for row in swept.runs if row["epoch"] == 2]
    assert [row["test_accuracy"] for row in last] == [
        score for arm in ARMS for score in swept.scores[arm]
    ]
    assert all("test_accuracy" not in row for row in swept.runs if row["epoch"] == 1)
    names = {"arm", "seed", "epoch", "diverged", "loss", "accuracy", "val_loss"}
    assert names | {"val_accuracy"} == set(swept.runs[0])
    assert all(type(row["loss"]) is float for row in swept.runs)


def test_the_summary_is_a_table(swept):
    head, narrow, wide, *_ = swept.summary().splitlines()
    assert head.split()[:3] == ["arm", "test", "accuracy"]
    assert narrow.startswith("narrow") and "learning_rate=" in narrow
    assert f"{swept.scores['wide'].mean():.3f}" in wide
    assert repr(swept) == swept.summary()


def test_the_plot_shows_every_score(swept):
    ax = swept.plot()
    drawn = {round(float(y), 9) for line in ax.lines for y in line.get_ydata()}
    assert {round(float(s), 9) for v in swept.scores.values() for s in v} <= drawn


def test_a_program_is_not_shared_where_code_of_ones_own_may_differ():
    def loss(sign):
        def own(y, z):
            one = keras.ops.one_hot(y[:, 0], 2)
            return sign * keras.losses.categorical_crossentropy(
                one, z, from_logits=True
            )

        return own

    arms = {"down": lambda: build(loss=loss(1.0)), "up": lambda: build(loss=loss(-1.0))}
    data = tiny_data()
    data = tuple(d[:, None] if d.ndim == 1 else d for d in data)
    found = experiments.compare(arms, data, **(QUICK | {"seeds": (0,)}))
    assert found.runs[0]["loss"] > 0 > found.runs[-1]["loss"]
    assert found.scores["up"] == by_hand(arms["up"], 0, data)


def test_a_diverged_run_is_counted_and_scores_as_untrained():
    data = tiny_data()
    arms = {"sane": build, "wild": lambda: build(1e38)}
    found = experiments.compare(arms, data, **QUICK)
    assert found.diverged == {"sane": 0, "wild": 3}
    for seed, score in zip(SEEDS, found.scores["wild"], strict=True):
        keras.utils.set_random_seed(seed)
        guessed = np.argmax(build()(data[4]), axis=-1)
        assert score == pytest.approx(np.mean(guessed == data[5]), abs=1e-6)
    wild = [row for row in found.runs if row["arm"] == "wild"]
    assert all(row["diverged"] for row in wild)
    assert len({row["seed"] for row in wild}) == 3
    assert found.summary().splitlines()[2].split()[-1] == "3"


def test_processes_give_the_numbers_of_one_process_and_take_closures(swept, tmp_path):
    found = sweep(tmp_path, jobs=2)
    assert found.runs == swept.runs
    assert found.tuning == swept.tuning
    assert len(list(tmp_path.glob("*.json"))) == 2 * 2 * 2 + 2 * 4


def test_groups_keep_every_task_once_and_all_jobs_busy():
    tasks = [
        runs.Task(arm, None, {"learning_rate": rate, "width": width}, seed, False)
        for arm in "abc"
        for rate in (0.1, 0.2)
        for width in (2, 4)
        for seed in range(5)
    ]
    for jobs in (1, 2, 4, 7):
        groups = runs._groups(tasks, jobs)
        assert sorted(i for group in groups for i, _ in group) == [*range(len(tasks))]
        assert len(groups) % jobs == 0
        for group in groups:
            kinds = {(task.arm, task.hyperparameters["width"]) for _, task in group}
            assert len(kinds) == 1


def test_progress_is_silent_unless_asked_or_in_a_terminal(pretend, capfd):
    _, data = pretend(lambda rate, seed, part: 0.5)
    experiments.compare(ARMS, data, **QUICK)
    assert capfd.readouterr() == ("", "")
    experiments.compare(ARMS, data, progress=True, **QUICK)
    assert "6/6" in capfd.readouterr().err


# --- interruptions


class Counting:
    """Stands for `training` where only what is kept matters: counts its runs."""

    fits = 0

    def fit(self, model, x, y, *, epochs, seed, **settings):
        self.fits += 1
        wild = float(model.optimizer.learning_rate) > 1e30
        loss = [float("nan") if wild else 1 / 3 + seed] * epochs
        return _History({"loss": loss, "accuracy": loss, "val_accuracy": loss})

    def evaluate(self, model, x, y, **settings):
        return {"loss": 0.1, "accuracy": float(keras.ops.sum(model.weights[0]))}

    def restart(self, model, fresh):
        model.set_weights(fresh.get_weights())


@pytest.fixture
def counting(monkeypatch):
    counter = Counting()
    monkeypatch.setattr(runs, "training", counter)
    return counter


class Fuse:
    """Raises what Ctrl-C does, once it has burned down."""

    left = 99

    def burn(self):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path, counting):
    fuse = Fuse()

    def arm():
        fuse.burn()
        return build()

    whole = experiments.compare({"a": arm}, tiny_data(), **QUICK)
    fuse.left, counting.fits = 2, 0
    with pytest.raises(KeyboardInterrupt) as stop:
        experiments.compare({"a": arm}, tiny_data(), cache=tmp_path, **QUICK)
    assert "No finished run is lost" in stop.value.__notes__[0]
    assert counting.fits == 2 == len(list(tmp_path.iterdir()))
    fuse.left = 9
    again = experiments.compare({"a": arm}, tiny_data(), cache=tmp_path, **QUICK)
    assert counting.fits == 3
    assert again.runs == whole.runs


def test_without_a_cache_an_interrupt_says_what_would_have_helped(counting):
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stop:
        experiments.compare({"a": interrupted}, tiny_data(), **QUICK)
    assert "Give `cache`" in stop.value.__notes__[0]


def test_ctrl_c_in_a_parallel_sweep_loses_no_finished_run(tmp_path, swept):
    # Where this test runs in a shell's background, children ignore SIGINT.
    command = "import signal, sys; "
    command += "signal.signal(signal.SIGINT, signal.default_int_handler); "
    command += "from tests.test_experiments import sweep; "
    command += "sweep(sys.argv[1], jobs=2, epochs=60)"
    process = subprocess.Popen(
        [sys.executable, "-c", command, str(tmp_path)],
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    give_up = time.monotonic() + 300
    while not list(tmp_path.glob("*.json")) and time.monotonic() < give_up:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0 and "KeyboardInterrupt" in said
    assert "No finished run is lost" in said
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    assert 0 < len(kept) < 16
    found = sweep(tmp_path, epochs=60)
    assert len(list(tmp_path.glob("*.json"))) == 16
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())
    assert len(found.runs) == 2 * 4 * 60


def test_a_full_disk_costs_the_cache_and_not_the_runs(tmp_path, monkeypatch, counting):
    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(store, "write_atomically", full)
    with pytest.warns(UserWarning, match="`cache`.*No space left") as said:
        found = experiments.compare({"a": build}, tiny_data(), cache=tmp_path, **QUICK)
    assert len(said) == 1 and str(tmp_path) in str(said[0].message)
    assert len(found.scores["a"]) == 3


@pytest.mark.parametrize(
    "text", ["", '{"key": "x", "run": {}}', "[1]", '{"run": {"hist']
)
def test_a_corrupt_file_is_named_and_computed_again(tmp_path, text, counting):
    once = dict(QUICK, seeds=(0,), cache=tmp_path)
    before = experiments.compare({"a": build}, tiny_data(), **once)
    (path,) = tmp_path.iterdir()
    whole = path.read_text()
    path.write_text(text)
    with pytest.warns(UserWarning, match=path.name):
        again = experiments.compare({"a": build}, tiny_data(), **once)
    assert again.runs == before.runs
    assert path.read_text() == whole and counting.fits == 2


def test_a_stored_run_is_json_without_nan_and_comes_back_as_it_was(tmp_path, counting):
    wild = {"wild": lambda: build(1e38), "sane": build}
    first, second = (
        experiments.compare(wild, tiny_data(), cache=tmp_path, **QUICK) for _ in "12"
    )
    assert counting.fits == 6
    np.testing.assert_equal(first.runs, second.runs)  # NaN equals NaN here
    assert np.isnan(second.runs[0]["loss"])
    for path in tmp_path.iterdir():
        json.loads(path.read_text(), parse_constant=pytest.fail)


def test_whatever_defines_a_run_makes_it_another(tmp_path, counting):
    def run(arm="a", how=build, data=None, **settings):
        settings = dict(QUICK, seeds=(0,), cache=tmp_path) | settings
        before = counting.fits
        experiments.compare({arm: how}, data or tiny_data(), **settings)
        return counting.fits - before

    steep = [1.0]

    def own(y, z):
        one = keras.ops.one_hot(keras.ops.cast(y, "int32"), 2)
        return steep[0] * keras.losses.categorical_crossentropy(
            one, z, from_logits=True
        )

    def flat():
        model = build()
        model.set_weights([0 * w for w in model.get_weights()])
        return model

    assert run() == 1
    assert run() == 0
    assert run(arm="b") == 1
    assert run(epochs=1) == 1
    assert run(batch_size=15) == 1
    assert run(seeds=(1,)) == 1
    assert run(how=flat) == 1
    assert (
        run(how=flat, seeds=(1,)) == 1
    )  # the same start, the batches in another order
    assert run(metric="loss") == 1
    x, *rest = tiny_data()
    assert run(data=(x + 1e-3, *rest)) == 1
    assert run(how=lambda: build(0.2)) == 1
    assert run(how=lambda: build(width=5)) == 1
    assert run(how=lambda: build(loss=own)) == 1
    steep[0] = 2.0  # nothing in the model's configuration shows it
    assert run(how=lambda: build(loss=own)) == 1


def test_names_that_keras_numbers_do_not_make_a_run_another(counting, tmp_path):
    once = dict(QUICK, seeds=(0,), cache=tmp_path)
    experiments.compare({"a": build}, tiny_data(), **once)
    for _ in range(3):
        build()
    experiments.compare({"a": build}, tiny_data(), **once)
    assert counting.fits == 1


def test_a_broken_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    store.write_atomically(path, "old")

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        store.write_atomically(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


# --- bad input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(arms={}), "`arms` must be a dictionary"),
        (dict(arms=[build]), "`arms` must be a dictionary"),
        (dict(arms={"a": build()}), r"`arms\['a'\]` must be a function.*Sequential"),
        (dict(arms={"a": 3}), r"`arms\['a'\]` must be a function.*int"),
        (dict(arms={"a": lambda: keras.Sequential()}), "uncompiled Sequential"),
        (dict(arms={"a": lambda: "net"}), r"`arms\['a'\]`.*Received: str"),
        (dict(seeds=[1, 2, 1]), r"`seeds`.*\[1\] more than once"),
        (dict(seeds=[]), "`seeds`.*none"),
        (dict(seeds=[0.5]), "`seeds` must be an integer"),
        (
            dict(tune={"learning_rate": [0.1]}, tune_seeds=[2, 3]),
            r"`tune_seeds` must be disjoint.*\[2\] in both",
        ),
        (dict(tune={}), "`tune` must be a dictionary"),
        (dict(tune={"learning_rate": ()}), "`tune` must be a dictionary"),
        (dict(metric="accuracies"), r"`metric` must be one of \['accuracy', 'loss'\]"),
        (dict(metric="score"), "`mode` must be 'min' or 'max' for metric='score'"),
        (dict(mode="best"), "`mode`"),
        (dict(epochs=0), "`epochs`"),
        (dict(batch_size=0), "`batch_size`"),
        (dict(jobs=0), "`jobs`"),
        (dict(progress="loud"), "`progress`"),
        (dict(data=tiny_data()[:4]), "`data` must hold six arrays"),
    ],
)
def test_compare_refuses(change, words):
    given = dict(arms={"a": build}, data=tiny_data(), **QUICK) | change
    with pytest.raises(ValueError, match=words):
        experiments.compare(given.pop("arms"), given.pop("data"), **given)


def test_test_data_cannot_stand_in_for_validation():
    x, y, _, _, x_test, y_test = tiny_data()
    data = x, y, x_test.copy(), y_test, x_test, y_test
    with pytest.raises(ValueError, match="x_valid and x_test are the same rows"):
        experiments.compare({"a": build}, data, **QUICK)


def test_parts_of_the_data_must_match():
    x, y, *rest = tiny_data()
    with pytest.raises(ValueError, match="60 in x_train, 59 in y_train"):
        experiments.compare({"a": build}, (x, y[1:], *rest), **QUICK)


def test_nan_in_the_data_is_named():
    x, *rest = tiny_data()
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="`x` must be finite"):
        experiments.compare({"a": build}, (x, *rest), **QUICK)


def test_an_error_in_an_arm_says_which():
    with pytest.raises(TypeError) as error:
        experiments.compare({"odd one": lambda rate: build()}, tiny_data(), **QUICK)
    assert "odd one" in error.value.__notes__[0]


def test_an_unknown_arm_gets_the_list_of_the_known(swept):
    with pytest.raises(ValueError, match=r"\['narrow', 'wide'\].*'broad'"):
        swept.verdict("wide", "beats", "broad", min_effect=0.01)
    with pytest.raises(ValueError, match="`relation`"):
        swept.verdict("wide", "is", "narrow", min_effect=0.01)
