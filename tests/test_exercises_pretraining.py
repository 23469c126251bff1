"""What the references of the exercises on pretraining compute, by other means."""

import itertools

import keras
import numpy as np
import pytest
from scipy import optimize

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def cases(number):
    found = REGISTRY[f"pretraining.{number}"]
    return [(found.reference, *args) for _, args in found.cases]


def states(n):
    return [np.array(state) for state in itertools.product([0.0, 1.0], repeat=n)]


def joint(v, h, W, b, c):
    """exp(−E), one product of numbers after the other."""
    pairs = sum(W[i, j] * v[i] * h[j] for i in range(len(v)) for j in range(len(h)))
    return np.exp(pairs + sum(b * v) + sum(c * h))


def marginal(v, W, b, c):
    return sum(joint(v, h, W, b, c) for h in states(len(c)))


def test_pretraining_1_counts_as_keras_does():
    for count, widths, n_classes in cases(1):
        found = []
        for sizes in ([*widths[1:], *widths[-2::-1]], [*widths[1:], n_classes]):
            model = keras.Sequential([keras.layers.Dense(int(n)) for n in sizes])
            model.build((None, widths[0]))
            found.append(model.count_params())
        assert count(widths, n_classes) == tuple(found)


def test_the_free_energy_of_pretraining_2_sums_over_all_hidden_states():
    for free_energy, v, W, b, c in cases(2):
        expected = -np.log(marginal(v, W, b, c))
        assert free_energy(v, W, b, c) == pytest.approx(expected, rel=1e-12)


def test_pretraining_3_descends_the_difference_of_free_energies():
    for step, v, dream, W, c, rate in cases(3):
        b = np.zeros(len(W))

        def loss(flat, v=v, dream=dream, shape=W.shape, b=b, c=c):
            def mean(x):
                found = [-np.log(marginal(row, flat.reshape(shape), b, c)) for row in x]
                return np.mean(found)

            return mean(v) - mean(dream)

        slope = optimize.approx_fprime(W.ravel(), loss, 1e-7).reshape(W.shape)
        # One-sided differences are good to 1e-6; a missing part shows 1e-2.
        ours = step(v, dream, W, c, rate)
        np.testing.assert_allclose(ours, W - rate * slope, atol=1e-5)


def test_pretraining_4_is_the_share_among_all_pairs():
    for share, counts in cases(4):
        small = [count if sum(counts) < 100 else count // 100 for count in counts]
        labels = np.repeat(np.arange(len(small)), small)
        same = [a == b for a, b in itertools.combinations(labels, 2)]
        assert share(small) == pytest.approx(np.mean(same), rel=1e-12)


def test_pretraining_5_is_the_slope_of_keras_hinge():
    for slope, good, bad, margin in cases(5):

        def loss(scores, bad=bad, margin=margin):
            difference = (scores - np.array(bad)) / margin
            hinge = keras.losses.hinge(np.ones((1, len(bad))), difference[None])
            return margin * float(hinge[0])

        numeric = optimize.approx_fprime(np.array(good), loss, 1e-6)
        # No score stands on the kink, where the slope jumps by 1/n.
        np.testing.assert_allclose(slope(good, bad, margin), numeric, atol=1e-5)


def test_pretraining_6_is_each_image_s_share_of_the_sum():
    for beliefs, W, b, c in cases(6):
        weights = np.array([marginal(v, W, b, c) for v in states(len(b))])
        np.testing.assert_allclose(
            beliefs(W, b, c), weights / weights.sum(), rtol=1e-12
        )
