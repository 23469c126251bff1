"""What the references of the exercises on transfer compute, by other means."""

import keras
import numpy as np
import pytest
from scipy.stats import contingency

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"transfer.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


def test_the_counts_of_transfer_1_are_those_of_a_frozen_keras_model():
    ours, cases = reference(1)
    for widths, frozen in cases:
        layers = [keras.layers.Dense(units) for units in widths[1:]]
        model = keras.Sequential([keras.Input((widths[0],)), *layers])
        for layer in layers[:frozen]:
            layer.trainable = False
        still = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
        assert ours(widths, frozen) == (still, model.count_params() - still)


def test_the_step_of_transfer_2_is_that_of_keras_frozen_layer():
    ours, cases = reference(2)
    for x, *kept in cases:
        layer = keras.layers.BatchNormalization(epsilon=0.001)
        layer.build(x.shape)
        layer.set_weights(kept)
        layer.trainable = False
        expected = layer(x.astype("float32"), training=True)
        y, mean, var = ours(x, *kept)
        # float32 is good to 1e-6; the batch's own mean shows 1.
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(mean, layer.moving_mean, rtol=1e-6)
        np.testing.assert_allclose(var, layer.moving_variance, rtol=1e-6)


def test_the_kernel_of_transfer_3_gives_the_old_outputs_behind_keras_flatten():
    ours, cases = reference(3)
    for weight, height, width in cases:
        channels = weight.shape[1] // (height * width)
        first = np.random.default_rng(0).normal(size=(5, channels, height, width))
        expected = first.reshape(5, -1) @ weight.T
        last = keras.layers.Flatten()(np.moveaxis(first, 1, -1).astype("float32"))
        found = np.asarray(last, "float64") @ ours(weight, height, width)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_plan_of_transfer_4_thaws_from_the_head_downward_and_never_refreezes():
    ours, cases = reference(4)
    for layers, epochs, every in cases:
        trains = {layers - 1}
        for epoch, row in enumerate(ours(layers, epochs, every)):
            if epoch and epoch % every == 0 and min(trains):
                trains.add(min(trains) - 1)
            assert set(np.flatnonzero(row)) == trains
            assert row.dtype == bool


def test_the_interval_of_transfer_5_is_that_of_a_relative_risk():
    ours, cases = reference(5)
    for a, b, n in cases:
        risk = contingency.relative_risk(a, n, b, n)
        ends = risk.confidence_interval(0.95)
        assert ours(a, b, n) == pytest.approx((risk.relative_risk, *ends))


def test_the_interval_of_transfer_6_is_as_wide_as_leaving_draws_out_says():
    ours, _ = reference(6)
    rng = np.random.default_rng(0)
    hard = rng.gamma(4.0, 2.0, 300)  # what makes a draw hard for both networks
    a, b = rng.poisson(1.6 * hard), rng.poisson(hard)
    ratio, low, high = ours(a, b)
    assert (b == 0).any()  # where a mean of ratios has no value
    left = [np.log((a.sum() - i) / (b.sum() - j)) for i, j in zip(a, b, strict=True)]
    error = np.sqrt(299) * np.std(left)  # the jackknife's standard error
    assert ratio == pytest.approx(a.sum() / b.sum())
    # The two agree to 1/n; taken as unpaired, the interval is 1.5 times as wide.
    assert np.log(high / ratio) == pytest.approx(1.96 * error, rel=0.02)
    assert np.log(ratio / low) == pytest.approx(1.96 * error, rel=0.02)
