"""The claims C21 and C54: their own measurements, and an arm run again."""

import functools
import math

import keras
import numpy as np
import pytest

from dtlib import claims, experiments, training
from dtlib.claims import _clipping_recurrent as _recurrent
from dtlib.claims import clipping as c_clipping
from dtlib.claims.arms import SETTINGS, WIDTHS

pytestmark = pytest.mark.tensorflow


# --- the recurrent networks in NumPy


def test_the_adding_problem_marks_one_number_in_each_half_and_sums_them():
    x, y = _recurrent.adding_problem(500, 7, seed=3)
    values, marks = x[..., 0], x[..., 1]
    assert x.dtype == y.dtype == np.float32 and y.shape == (500, 1)
    assert np.array_equal(marks[:, :3].sum(1), np.ones(500))
    assert np.array_equal(marks[:, 3:].sum(1), np.ones(500))
    assert marks.any(axis=0).all()  # every place is used
    np.testing.assert_allclose((values * marks).sum(1), y[:, 0], rtol=1e-6)
    x, y = _recurrent.adding_problem(20_000, 4, seed=0)
    # The variance of a variance from n draws: 4·√(2/n)·(1/6) bounds it generously.
    assert y.mean() == pytest.approx(1, abs=4 / math.sqrt(6 * 20_000))
    assert y.var() == pytest.approx(c_clipping.CONSTANT, abs=0.007)


@pytest.mark.parametrize("clip", [math.inf, 0.5])
def test_the_steps_in_numpy_are_those_of_keras(clip):
    data = [_recurrent.adding_problem(n, 6, i) for i, n in enumerate((40, 10, 12))]
    data = tuple(array for part in data for array in part)
    settings = dict(units=4, epochs=2)
    runs = [(0.02, clip, 5), (0.05, clip, 8)]
    before, valid, test = _recurrent.train(runs, data, batch_size=10, **settings)
    for i, (rate, c, seed) in enumerate(runs):
        c = None if math.isinf(c) else c
        model = c_clipping.recurrent(4, 6, learning_rate=rate, clip=c)
        weights = _recurrent.start([seed], 4)
        model.set_weights(
            [w[0].reshape(v.shape) for w, v in zip(weights, model.weights, strict=True)]
        )
        found = [training.evaluate(model, *data[4:])["loss"]]
        training.fit(model, *data[:2], epochs=2, batch_size=10, seed=seed)
        found += [training.evaluate(model, *data[k : k + 2])["loss"] for k in (2, 4)]
        # Eight steps in 32 bits; a step without clipping would differ by 1e-2.
        np.testing.assert_allclose([before[i], valid[i], test[i]], found, rtol=1e-4)


def test_the_networks_start_as_keras_would_draw_them_and_differ_by_seed():
    W, U, b, V, d = _recurrent.start(range(200), 16)
    assert np.array_equal(U[0], np.eye(16)) and not b.any() and not d.any()
    for found, fans in ((W, 18), (V, 17)):
        limit = math.sqrt(6 / fans)
        assert 0.99 * limit < np.abs(found).max() <= limit * (1 + 1e-6)
    assert not np.array_equal(W[0], W[1])
    again = _recurrent.start([7], 16)
    assert np.array_equal(again[0][0], W[7])


# --- C21


def judged(after, before=1.0, best=None):
    shape = len(c_clipping.RATES), 10
    after = {arm: np.broadcast_to(v, shape).astype(float) for arm, v in after.items()}
    before = {arm: np.full(shape, before) for arm in after}
    tried = np.ones((1 + len(c_clipping.CLIPS), shape[0]))
    tried[2, 3] = 0.1
    best = best or {"none": 1, "clipped": 3}
    return c_clipping.judge_c21(before, after, best, tried, "quick")


def test_c21_reads_its_three_parts_from_the_runs():
    rates = np.array(c_clipping.RATES)[:, None]
    good, bad = np.full_like(rates, 0.1), np.full_like(rates, np.nan)
    none = np.where(rates > 0.0005, bad, good)
    clipped = np.where(rates > 0.05, 0.16, 0.05)
    found = judged({"none": none, "clipped": clipped})
    share, loss, rate = (part["estimate"] for part in found.rows)
    assert share == 1.0  # at the clipped arm's rate, 0.003
    assert loss == pytest.approx(0.05)
    assert rate == pytest.approx(2, abs=1e-3)  # 0.03 against 0.0003
    assert found.verdict == "supported"
    assert found.numbers["clipped: clip"] == c_clipping.CLIPS[1]
    assert found.numbers["none 0.001: median loss"] == 99.0


def test_c21_counts_a_stuck_run_as_failed_and_not_as_diverged():
    found = judged({"none": 0.166, "clipped": 0.05})
    assert found.numbers["none 1: diverged"] == 0
    assert found.numbers["none 1: failed"] == 1
    assert found.numbers["none: loss"] == pytest.approx(0.166)
    share, _, rate = (part["estimate"] for part in found.rows)
    assert share == 0  # and half a decade below the lowest, where it never learned
    assert rate == pytest.approx(math.log10(3.0 / 0.0001) + 0.5, abs=1e-3)


def test_c21_gives_a_diverged_run_the_loss_before_training():
    found = judged({"none": np.inf, "clipped": 0.05}, before=2.5)
    assert found.numbers["none: loss"] == 2.5
    assert found.numbers["none 1: diverged"] == 1


def test_the_ledgers_c21_is_what_a_new_run_of_one_rate_finds():
    """All of C21 takes a minute; the clipped arm at its own rate, seconds."""
    stored = claims.load()["C21"]["quick"]["numbers"]
    rate, c = stored["clipped: learning rate"], stored["clipped: clip"]
    settings = c_clipping.TRAINING["quick"] | {"units": c_clipping.UNITS["quick"]}
    runs = [(rate, c, seed) for seed in c_clipping.SEEDS["quick"]]
    _, _, after = _recurrent.train(runs, c_clipping.adding_data("quick"), **settings)
    # Such a run amplifies rounding, which differs between processors.
    assert np.mean(after) == pytest.approx(stored["clipped: loss"], abs=0.02)


# --- C54


def test_c54_builds_ten_layers_that_differ_in_normalization_and_threshold_alone():
    def kinds(normalized, **setting):
        model = c_clipping.deep(10, 8, (40,), normalized, learning_rate=0.1, **setting)
        return model, [type(layer).__name__ for layer in model.layers]

    model, found = kinds(True, clip=0.3)
    assert found.count("Dense") == 11 and found.count("BatchNormalization") == 10
    assert model.optimizer.global_clipnorm == 0.3
    assert not any(layer.use_bias for layer in model.layers[:-1:3])
    model, found = kinds(False)
    assert found.count("Dense") == 11 and "BatchNormalization" not in found
    assert model.optimizer.global_clipnorm is None


def test_the_ledgers_c54_is_what_a_new_run_of_one_arm_finds():
    """All of C54 takes a minute; one arm at its chosen rate, seconds."""
    stored = claims.load()["C54"]["quick"]["numbers"]
    data = c_clipping.deep_data("quick")
    net = functools.partial(
        c_clipping.deep, c_clipping.DEPTHS["quick"], WIDTHS["quick"], (40,), False
    )
    setting = {k: SETTINGS["quick"][k] for k in ("epochs", "batch_size")} | {"jobs": 1}
    found = experiments.compare(
        {"plain": functools.partial(net, learning_rate=stored["plain: learning rate"])},
        data,
        seeds=c_clipping.SEEDS["quick"],
        **setting,
    )
    # Rounding that differs between processors flips a few of 4,000 test examples.
    assert found.scores["plain"].mean() == pytest.approx(
        stored["plain: accuracy"], abs=0.005
    )


def test_the_recurrent_network_starts_as_the_identity_and_clips_all_together():
    model = c_clipping.recurrent(5, 9, learning_rate=0.2, clip=0.7)
    memory = model.layers[0]
    assert np.array_equal(memory.cell.recurrent_kernel, np.eye(5))
    assert memory.cell.activation is keras.activations.relu
    assert model.optimizer.global_clipnorm == 0.7
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
