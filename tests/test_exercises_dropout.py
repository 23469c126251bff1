"""What the references of the exercises on dropout compute, by other means."""

import itertools
import math

import keras
import numpy as np
import pytest
from scipy import stats

from dtlib import dropout, exercises
from dtlib.exercises._exercise import REGISTRY
from tests import oracles_dropout as oracles

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"dropout.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


def every_mask(units, rate):
    """Each mask of so many units, with its chance."""
    for mask in itertools.product([False, True], repeat=units):
        yield np.array(mask), math.prod(1 - rate if kept else rate for kept in mask)


def test_the_units_of_dropout_1_keep_their_mean_over_all_masks():
    ours, cases = reference(1)
    for x, mask, rate in cases:
        found = ours(x, mask, rate)
        np.testing.assert_allclose(found, dropout.dropout(x, mask, rate=rate), 1e-6)
        row = np.ravel(x)[:4]
        mean = sum(p * ours(row, m, rate) for m, p in every_mask(len(row), rate))
        np.testing.assert_allclose(mean, row, rtol=1e-12)


def test_dropout_1_leaves_nothing_of_a_dropped_nan():
    assert reference(1)[0](np.array([math.nan]), np.array([False]), 0.5) == 0


def test_the_noise_of_dropout_2_is_that_of_all_masks():
    ours, cases = reference(2)
    for rate, x, w in [case for case in cases if len(case[1]) < 10]:
        z, p = zip(
            *(
                (oracles.dropout(x, mask, rate) @ w, chance)
                for mask, chance in every_mask(len(x), rate)
            ),
            strict=True,
        )
        mean = np.average(z, weights=p)
        variance = np.average((np.array(z) - mean) ** 2, weights=p)
        assert ours(rate, x, w) == pytest.approx((mean, variance), rel=1e-12)


def test_the_mean_of_dropout_3_is_that_of_a_keras_layer_over_many_draws():
    ours, cases = reference(3)
    for h, W, b, rate in cases:
        drop = keras.layers.Dropout(rate, seed=1)
        kept = np.asarray(drop(np.tile(h, (20_000, 1)), training=True))
        z = kept @ W + b
        p = np.exp(z - z.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        # 20,000 draws stray by s/√20,000; four of those, and float32's last digit.
        four = 4 * p.std(0) / math.sqrt(len(p)) + 1e-6
        assert (abs(ours(h, W, b, rate) - p.mean(0)) < four).all()


def test_the_doubt_of_dropout_4_is_that_of_scipy():
    ours, cases = reference(4)
    for (samples,) in cases:
        total, own, dispute = ours(samples)
        np.testing.assert_allclose(total, stats.entropy(samples.mean(0), axis=-1))
        np.testing.assert_allclose(own, stats.entropy(samples, axis=-1).mean(0))
        # The mutual information is also the samples' mean divergence from their mean.
        apart = stats.entropy(samples, samples.mean(0)[None], axis=-1).mean(0)
        np.testing.assert_allclose(dispute, apart, atol=1e-12)


def test_the_calibration_error_of_dropout_5_is_that_of_guos_table():
    ours, cases = reference(5)
    for y, p, bins in cases:
        expected = oracles.calibration(y, p, bins)[1]
        assert ours(y, p, bins) == pytest.approx(expected, rel=1e-12)
        assert ours(y, p, bins) >= ours(y, p, 1) - 1e-12


def test_the_line_of_dropout_6_is_exact_for_two_levels():
    ours, cases = reference(6)
    for value, rate, mean, variance in cases:
        a, b = ours(value, rate, mean, variance)
        # x at mean ± its deviation, with equal chances, has this mean and variance.
        x = mean + math.sqrt(variance) * np.array([1, -1])
        y, p = a * np.append(x, value) + b, [(1 - rate) / 2] * 2 + [rate]
        assert a > 0
        assert np.average(y, weights=p) == pytest.approx(mean, abs=1e-12)
        assert np.average((y - mean) ** 2, weights=p) == pytest.approx(variance)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.6])
def test_the_line_of_dropout_6_is_that_of_alpha_dropout(rate):
    from dtlib.dropout import alpha

    found = reference(6)[0](alpha.ALPHA_PRIME, rate, 0.0, 1.0)
    assert found == pytest.approx(dropout.alpha_dropout_affine(rate=rate), rel=1e-12)
