"""What the references of the exercises on optimizers compute, by other means."""

import keras
import numpy as np
import pytest
from scipy import optimize

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"optimizers.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


def kept(made, slots, steps):
    """What a Keras optimizer subtracts after `steps` steps, and its slots then."""
    g, *values = (np.asarray(value, "float32") for value in slots)
    w = keras.Variable(np.zeros_like(g))
    made.build([w])
    made.iterations.assign(steps)
    own = made.variables[2:]
    for slot, value in zip(own, values, strict=True):
        slot.assign(value)
    made.apply([g], [w])
    return -w.numpy(), [slot.numpy() for slot in own]


def test_the_speed_of_optimizers_1_is_that_of_keras_last_step():
    ours, cases = reference(1)
    for g, beta, rate, steps in cases:
        made = keras.optimizers.SGD(rate, momentum=beta)
        w, path = keras.Variable([0.0]), [0.0]
        for _ in range(steps):
            made.apply([np.array([g], "float32")], [w])
            path.append(float(w.numpy()[0]))
        # float32 at a place of 800: a step of 4 is good to 6e-5, 2e-5 of it.
        assert ours(g, beta, rate, steps) == pytest.approx(path[-2] - path[-1], 1e-4)


def test_the_step_of_optimizers_2_takes_the_slope_of_the_height_ahead():
    ours, cases = reference(2)
    for w, v, c, rate, beta in cases:
        w, v, c = (np.array(value) for value in (w, v, c))
        ahead = w + beta * v
        g = optimize.approx_fprime(ahead, lambda at, c=c: c @ at**2 / 2, 1e-7)
        place, speed = ours(w, v, c, rate, beta)
        # Forward differences are good to 1e-6; a look from w itself shows 0.01.
        np.testing.assert_allclose(speed, beta * v - rate * g, atol=1e-5)
        np.testing.assert_allclose(place, w + speed, rtol=1e-12)


def test_the_adam_of_optimizers_3_is_keras_with_an_epsilon_that_waits():
    """Keras adds its ε before the bias is undone: there √(1 − 0.999ᵗ)·ε is ε."""
    ours, cases = reference(3)
    for g, m, v, t, rate, epsilon in cases:
        made = keras.optimizers.Adam(rate, epsilon=(1 - 0.999**t) ** 0.5 * epsilon)
        expected, _ = kept(made, (g, m, v), t - 1)
        found = ours(np.array(g), m, v, t, rate, epsilon)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_adamax_of_optimizers_4_is_that_of_keras():
    ours, cases = reference(4)
    for g, m, u, t, rate in cases:
        expected, slots = kept(keras.optimizers.Adamax(rate), (g, m, u), t - 1)
        step, size = ours(np.array(g), m, u, t, rate)
        np.testing.assert_allclose(step, expected, rtol=1e-4)
        np.testing.assert_allclose(size, slots[1], rtol=1e-6)


def test_at_the_rate_of_optimizers_5_descent_turns_from_converging_to_diverging():
    ours, cases = reference(5)
    for (h,) in cases:
        ends = []
        for share in (0.99, 1.01):
            w = np.ones(len(h))
            for _ in range(3000):
                w = w - share * ours(h) * h @ w
            ends.append(np.linalg.norm(w))
        assert ends[1] > 1e3 and ends[0] < 10


def test_no_neighbor_of_the_answer_to_optimizers_6_is_faster():
    ours, cases = reference(6)

    def slowest(rate, beta, low, ratio):
        """The largest factor a step in the end, over all curvatures."""
        curvatures = low * np.geomspace(1, ratio, 50)
        pairs = [np.roots([1, -(1 + beta - rate * c), beta]) for c in curvatures]
        return np.abs(pairs).max()

    for low, ratio in cases:
        rate, beta = ours(low, ratio)
        best = slowest(rate, beta, low, ratio)
        # Two equal roots are good to the root of a rounding.
        assert best == pytest.approx(beta**0.5, abs=1e-6)
        for turn in np.linspace(0, 2 * np.pi, 16, endpoint=False):
            near = rate * (1 + 0.02 * np.cos(turn)), beta * (1 + 0.02 * np.sin(turn))
            assert slowest(*near, low, ratio) > best + 1e-6
