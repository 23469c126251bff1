"""What the references of the exercises on schedules compute, by other means."""

import keras
import numpy as np
import pytest
from scipy import optimize

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def cases(number):
    found = REGISTRY[f"schedules.{number}"]
    return [(found.reference, *args) for _, args in found.cases]


def test_the_rate_of_schedules_1_is_what_that_many_updates_leave():
    for left, first, r, examples, batch_size, epochs in cases(1):
        rate = first
        for _ in range(epochs):
            for _ in range(0, examples, batch_size):
                rate *= 10 ** (-1 / r)
        # 2,000 products leave 1e-13; a batch more shows 1e-5.
        ours = left(first, r, examples, batch_size, epochs)
        assert ours == pytest.approx(rate, rel=1e-9)


def test_the_cycle_of_schedules_2_is_a_line_between_its_corners():
    for cycle, t, top, total in cases(2):
        x = [0, 0.45 * total, 0.9 * total, total, 1e9]
        y = [top / 10, top, top / 10, top / 10_000, top / 10_000]
        np.testing.assert_allclose(cycle(t, top, total), np.interp(t, x, y), rtol=1e-6)


def test_schedules_3_is_keras_cosine_with_its_warm_up():
    for rates, t, top, warm, total in cases(3):
        theirs = keras.optimizers.schedules.CosineDecay(
            0.0, total - warm, warmup_target=top, warmup_steps=warm
        )
        expected = [float(theirs(np.float32(step))) for step in t]
        # float32 there; a cosine that lands late by the climb shows 1e-3.
        np.testing.assert_allclose(rates(t, top, warm, total), expected, atol=1e-6)


def test_schedules_4_is_the_path_of_keras_callback():
    for rates, losses, rate, factor, patience in cases(4):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        callback = keras.callbacks.ReduceLROnPlateau(
            "loss", factor=factor, patience=patience, min_delta=0.0
        )
        callback.set_model(model)
        callback.on_train_begin()
        seen = []
        for epoch, loss in enumerate(losses):
            seen.append(float(model.optimizer.learning_rate))
            callback.on_epoch_end(epoch, {"loss": loss})
        ours = rates(losses, rate, factor, patience)
        np.testing.assert_allclose(ours, seen, rtol=1e-6)


def test_each_rate_of_schedules_5_is_the_lowest_point_of_a_parabola():
    def after(rate, c, noise, square):
        return (1 - rate * c) ** 2 * square + rate**2 * noise

    for rates, c, noise, square, steps in cases(5):
        for rate in rates(c, noise, square, steps):
            lowest = optimize.minimize_scalar(after, args=(c, noise, square)).x
            assert lowest == pytest.approx(rate, rel=1e-6)
            square = after(rate, c, noise, square)
