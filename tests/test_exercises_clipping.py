"""What the references of the exercises on clipping compute, by Keras and by hand."""

import math

import keras
import numpy as np
import pytest

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry

CLOSE = dict(rtol=2e-6, atol=1e-7)  # Keras' optimizers compute in float32


def cases(number):
    exercise = REGISTRY[f"clipping.{number}"]
    return [(exercise.reference, *args) for _, args in exercise.cases]


def walk(optimizer, gradients):
    """Where the optimizer takes zeros: for each step, a list of a place a variable."""
    places = [keras.Variable(np.zeros(g.shape, "float32")) for g in gradients[0]]
    path = []
    for step in gradients:
        parts = [keras.ops.convert_to_tensor(np.float32(g)) for g in step]
        optimizer.apply(parts, places)
        path.append([np.array(place) for place in places])
    return path


def test_clipping_1_is_what_keras_subtracts_with_clipnorm():
    for clip, g, c in cases(1):
        ((moved,),) = walk(keras.optimizers.SGD(1.0, clipnorm=c), [[g]])
        np.testing.assert_allclose(clip(g, c), -moved, **CLOSE)


def test_clipping_2_is_what_keras_subtracts_with_global_clipnorm():
    for clip, kernel, bias, c in cases(2):
        (moved,) = walk(keras.optimizers.SGD(1.0, global_clipnorm=c), [[kernel, bias]])
        for ours, theirs in zip(clip(kernel, bias, c), moved, strict=True):
            np.testing.assert_allclose(ours, -theirs, **CLOSE)


def test_clipping_3_is_what_keras_subtracts_after_accumulation():
    for accumulated, gradients, c in cases(3):
        sgd = keras.optimizers.SGD(
            1.0, clipnorm=c, gradient_accumulation_steps=len(gradients)
        )
        *_, (moved,) = walk(sgd, [[g] for g in gradients])
        np.testing.assert_allclose(accumulated(gradients, c), -moved, **CLOSE)


def test_clipping_4_is_the_path_of_keras_momentum():
    for path, gradients, rate, beta, c in cases(4):
        sgd = keras.optimizers.SGD(rate, momentum=beta, clipnorm=c)
        theirs = np.array([w for (w,) in walk(sgd, [[g] for g in gradients])])
        # A spike that entered the velocity would show 1.
        np.testing.assert_allclose(path(gradients, rate, beta, c), theirs, **CLOSE)


def test_clipping_5_is_the_hypotenuse_of_the_standard_library():
    for length, g in cases(5):
        assert float(length(g)) == pytest.approx(math.hypot(*g), rel=1e-12, abs=0)


def test_the_way_of_clipping_6_is_gone_by_gradients_that_point_one_way():
    for reach, rate, beta, c, steps in cases(6):
        sgd = keras.optimizers.SGD(rate, momentum=beta, clipnorm=c)
        *_, (end,) = walk(sgd, [[np.array([7 * c])]] * int(steps))
        # 400 float32 sums leave 1e-5; the way without momentum is ten times shorter.
        assert reach(rate, beta, c, steps) == pytest.approx(-end[0], rel=1e-4)
