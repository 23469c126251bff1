"""What the references of the exercises on recipes compute, by other means."""

import fractions
import math

import keras
import numpy as np
import pytest
from keras import quantizers
from scipy import sparse, stats
from scipy.stats import qmc

from dtlib import exercises, recipes
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"recipes.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


def test_one_trial_less_than_recipes_1_says_is_too_few():
    ours, cases = reference(1)
    for share, chance in cases:
        n = ours(share, chance)
        hit = [1 - stats.binom.pmf(0, trials, share) for trials in (n - 1, n)]
        assert hit[0] < chance <= hit[1] + 1e-12


def test_the_points_of_recipes_2_are_those_of_scipy():
    ours, cases = reference(2)
    theirs = qmc.Halton(4, scramble=False).random(200)  # bases 2, 3, 5, 7
    for k in range(200):
        found = [ours(k, base) for base in (2, 3, 5, 7)]
        np.testing.assert_allclose(found, theirs[k], rtol=1e-12)


def test_the_points_of_recipes_2_fill_the_steps_of_their_base():
    ours, _ = reference(2)
    points = {fractions.Fraction(ours(k, 3)).limit_denominator(81) for k in range(81)}
    assert points == {fractions.Fraction(i, 81) for i in range(81)}


def test_recipes_3_finds_the_top_of_a_hill_that_it_was_shown():
    ours, cases = reference(3)
    rates = np.tile(np.arange(5.0), 2)
    method = np.repeat([0, 1], 5)
    best, at_end = ours(method, rates, -((rates - 2.0 - 2 * method) ** 2))
    assert best.tolist() == [0, 0] and at_end.tolist() == [False, True]
    for case in cases:
        method, nuisance, scores = map(np.asarray, case)
        best, at_end = ours(method, nuisance, scores)
        for i, name in enumerate(np.unique(method)):
            trials = sorted(
                (n, s)
                for m, n, s in zip(method, nuisance, scores, strict=True)
                if m == name
            )
            top = max(s for _, s in trials)
            assert best[i] == top
            assert at_end[i] == (top in (trials[0][1], trials[-1][1]))


def test_the_ranks_of_recipes_4_add_up_and_decide_the_test_of_friedman():
    ours, cases = reference(4)
    for (scores,) in cases:
        n, sets = scores.shape
        mean = ours(scores)
        assert mean.sum() == pytest.approx(n * (n + 1) / 2)
        each = stats.rankdata(-scores, axis=0)
        ties = sum(
            (c**3 - c) for r in each.T for c in np.unique(r, return_counts=True)[1]
        )
        chi = 12 * sets / (n * (n + 1)) * (mean**2).sum() - 3 * sets * (n + 1)
        chi /= 1 - ties / (sets * n * (n * n - 1))
        assert chi == pytest.approx(stats.friedmanchisquare(*scores).statistic)


def test_the_integers_of_recipes_5_are_those_of_keras():
    ours, cases = reference(5)
    for (w,) in cases:
        numbers, scale = ours(w)
        quantizer = quantizers.AbsMaxQuantizer(axis=0)
        theirs, factor = quantizer(keras.ops.convert_to_tensor(w, "float32"))
        # No weight of the cases lies so near to a half that float32 rounds otherwise.
        np.testing.assert_array_equal(numbers, np.asarray(theirs))
        np.testing.assert_allclose(1 / scale, np.ravel(factor), rtol=1e-5)


def test_the_error_of_recipes_5_is_at_most_half_a_step():
    ours, cases = reference(5)
    for (w,) in cases:
        numbers, scale = ours(w)
        assert np.abs(numbers).max(0).tolist() == [127] * w.shape[1]
        assert (np.abs(numbers * scale - w) <= scale / 2 * (1 + 1e-12)).all()


@pytest.mark.parametrize("value", [np.float64, np.float32])
def test_the_count_of_recipes_6_is_that_of_a_matrix_of_scipy(value):
    ours, rows, columns = reference(6)[0], 30, 21
    dense = np.zeros((rows, columns), value)
    limit, _ = ours(rows, columns, dense.itemsize, 4)
    for n in (limit, limit + 1):
        dense.flat[:n] = 1.0
        found = sparse.csr_array(dense)
        assert found.indices.itemsize == found.indptr.itemsize == 4
        size = found.data.nbytes + found.indices.nbytes + found.indptr.nbytes
        assert (size < dense.nbytes) == (n == limit)


def test_the_mask_of_recipes_6_is_that_of_packed_bits():
    ours, cases = reference(6)
    for rows, columns, value, index in cases:
        _, limit = ours(rows, columns, value, index)
        mask = np.packbits(np.zeros(rows * columns, bool)).nbytes
        dense = rows * columns * value
        assert mask + limit * value < dense <= mask + (limit + 1) * value


def test_the_cases_of_recipes_6_lead_to_counts_that_are_there():
    ours, cases = reference(6)
    for rows, columns, value, index in cases:
        found = ours(rows, columns, value, index)
        assert all(type(n) is int and 0 < n < rows * columns for n in found)
        assert math.isclose(
            found[0] / (rows * columns), value / (value + index), rel_tol=0.05
        )


def test_the_references_agree_with_the_functions_of_the_chapter():
    ours, cases = reference(1)
    for share, chance in cases:
        assert ours(share, chance) == recipes.trials_needed(share, chance)
    points = recipes.halton(50, 2)
    ours, _ = reference(2)
    for k in range(1, 51):
        np.testing.assert_allclose(points[k - 1], [ours(k, 2), ours(k, 3)], rtol=1e-12)
