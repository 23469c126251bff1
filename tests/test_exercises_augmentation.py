"""What the references of the exercises on augmentation compute, by other means."""

import numpy as np
import pytest
from scipy import optimize, special

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"augmentation.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


def test_the_rectangle_of_augmentation_1_has_its_share_and_lies_inside():
    ours, cases = reference(1)
    for u, v, height, width, (low, high) in cases:
        top, left, bottom, right = ours(u, v, height, width, (low, high))
        assert 0 <= top <= bottom <= height * (1 + 1e-6)
        assert 0 <= left <= right <= width * (1 + 1e-6)
        wide, tall = ((right - left) / width, (bottom - top) / height)
        shares = [low + (high - low) * draw for draw in u]
        assert [wide**2, tall**2] == pytest.approx(shares, rel=1e-5)
        if wide < 1:  # where it lies, as a share of the room that it has
            assert left / (width - (right - left)) == pytest.approx(v[0], abs=1e-5)
            assert top / (height - (bottom - top)) == pytest.approx(v[1], abs=1e-5)


def test_the_blends_of_augmentation_2_are_those_of_a_loop():
    ours, cases = reference(2)
    for x, y, partner, weight in cases:
        for found, given in zip(ours(x, y, partner, weight), (x, y), strict=True):
            for i, j in enumerate(partner):
                expected = weight[i] * given[i] + (1 - weight[i]) * given[j]
                np.testing.assert_allclose(found[i], expected, atol=1e-6)


def test_the_weights_of_augmentation_3_are_what_many_noisy_copies_give():
    ours, cases = reference(3)
    rng, times = np.random.default_rng(0), 20_000
    for X, y, sigma in cases:
        copies = np.tile(X, (times, 1))
        copies = copies + rng.normal(0, sigma, size=copies.shape)
        fitted = np.linalg.lstsq(copies, np.tile(y, times), rcond=None)[0]
        # 160,000 copies are good to 0.01; one penalty for all points shows 0.1.
        np.testing.assert_allclose(ours(X, y, sigma), fitted, atol=0.01)


def test_no_prediction_costs_less_than_the_floor_of_augmentation_4():
    ours, cases = reference(4)
    for partner, p in cases:
        lowest = []
        for form, other in enumerate(partner):
            labels = np.zeros(len(partner))
            labels[form] += 1 - p  # its own images
            labels[other] += p  # its partner's, mirrored

            def loss(logits, labels=labels):
                return -labels @ special.log_softmax(logits)

            start = np.zeros(len(partner))
            lowest.append(optimize.minimize(loss, start, method="Nelder-Mead").fun)
        # A certain answer is reached only at infinity.
        assert ours(partner, p) == pytest.approx(np.mean(lowest), abs=1e-3)


def test_the_worth_of_augmentation_5_is_seen_in_the_variance_of_a_mean():
    ours, _ = reference(5)
    rng, tries = np.random.default_rng(0), 40_000
    for n, k, rho in ((3, 4, 0.5), (2, 5, 0.9), (4, 2, 0.0)):
        common = rng.normal(size=(tries, n, 1)) * rho**0.5
        values = common + rng.normal(size=(tries, n, k)) * (1 - rho) ** 0.5
        found = 1 / values.mean(axis=(1, 2)).var()
        assert ours(n, k, rho) == pytest.approx(found, rel=4 * (2 / tries) ** 0.5)
