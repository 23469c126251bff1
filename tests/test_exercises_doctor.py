"""What the references of the exercises on the doctor compute, by other means."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dtlib import doctor, exercises
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"doctor.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


@pytest.mark.parametrize(("deviation", "classes"), [(0.2, 2), (0.2, 10), (0.7, 100)])
def test_doctor_1_expects_the_loss_of_labels_that_nothing_knows(deviation, classes):
    rng = np.random.default_rng(0)
    z = rng.normal(0, deviation, (20_000, classes)) + rng.normal(0, 3, (20_000, 1))
    # The mean over all labels is their expectation: no draw of labels is needed.
    loss = np.mean(np.log(np.exp(z).sum(-1)) - z.mean(-1))
    # What is left is of fourth order: v²/16 for two classes (ln cosh), less for more,
    # and chance. A lost ½ shows v/2, and a variance over all logits 4.5.
    v = deviation**2
    assert reference(1)[0](z) == pytest.approx(loss, abs=v**2 / 8)


def test_doctor_1_of_equal_logits_is_the_logarithm_of_the_classes():
    assert reference(1)[0](np.full((3, 7), 5.0)) == pytest.approx(math.log(7))


def test_the_share_of_doctor_2_is_that_of_all_pairs_of_rows():
    ours, cases = reference(2)
    for train, held in cases:
        pairs = (train[:, None] == held).all(-1)
        assert ours(train, held) == pairs.any(0).mean()


def test_doctor_2_finds_what_the_doctor_finds():
    case = doctor.FAULTS["data_leak"](0)
    found = doctor.diagnose(case.model, case.x, case.y, **case.options)
    assert found.names == ["leak"]
    share = reference(2)[0](case.x, case.options["validation_data"][0])
    assert found[0].evidence["copied_share"] == pytest.approx(share)


def test_doctor_2_takes_the_two_zeros_for_equal():
    assert reference(2)[0](np.array([[0.0, 1.0]]), np.array([[-0.0, 1.0]])) == 1


def test_the_error_of_doctor_3_for_a_cube_is_the_square_of_h():
    ours, _ = reference(3)
    x = np.array([[0.3, -2.0], [1.1, 4.0]])
    # Central differences of x³ are 3x² + h², exactly.
    for h in (0.5, 0.1, 0.01):
        g, c = 3 * x**2 + h**2, 3 * x**2
        expected = np.linalg.norm(g - c) / np.linalg.norm(g)
        assert ours(lambda x: (x**3).sum(), x, c, h) == pytest.approx(expected, 1e-8)


def test_doctor_3_knows_the_gradient_of_each_case():
    ours, cases = reference(3)
    for f, x, claimed, _ in cases:
        g = complex_step(f, x)
        apart = np.linalg.norm(g - claimed)
        expected = apart / max(np.linalg.norm(g), np.linalg.norm(claimed))
        assert ours(f, x, claimed, 1e-5) == pytest.approx(expected, abs=1e-8)


def complex_step(f, x):
    """The gradient by one step into the complex plane, where nothing cancels."""
    g = np.empty(x.shape)
    for at in np.ndindex(x.shape):
        z = x.astype(complex)
        z[at] += 1e-20j
        g[at] = f(z).imag / 1e-20
    return g


def verdict(curve):
    """One run, judged loss by loss."""
    allowed = all(loss <= 3 * curve[0] for loss in curve)
    if not (allowed and curve[-1] <= 1.05 * curve[0]):  # NaN is not <=, either
        return True, False
    return False, curve[-1] > 0.99 * curve[0]


def test_the_verdicts_of_doctor_4_run_by_run():
    ours, cases = reference(4)
    drawn = np.random.default_rng(0).lognormal(0, 0.5, (200, 5))
    drawn[::7, 3:] = math.nan
    for losses in [*[case for (case,) in cases], drawn]:
        expected = [verdict(curve) for curve in losses.tolist()]
        np.testing.assert_array_equal(np.transpose(ours(losses)), expected)
    assert {verdict(curve) for curve in drawn.tolist()} == {
        (True, False),
        (False, True),
        (False, False),
    }


def test_doctor_5_is_right_over_every_order_of_the_labels():
    ours, cases = reference(5)
    for guess, labels in [case for case in cases if len(case[1]) <= 6]:
        n = range(len(labels))
        hits = [guess[n, list(p)].sum() for p in itertools.permutations(labels)]
        expected = np.mean(hits), np.std(hits)
        assert ours(guess, labels) == pytest.approx(expected, rel=1e-12)


def test_doctor_5_of_two_classes_is_the_hypergeometric_distribution():
    ours, _ = reference(5)
    for n, ones, guessed in [(10, 6, 1), (40, 10, 25)]:
        labels = (np.arange(n) < ones).astype(int)
        said = np.arange(n) < guessed
        # Ones that are guessed: their number fixes the hits, two apart at a time.
        both = stats.hypergeom(n, ones, guessed)
        mean = 2 * both.mean() + n - ones - guessed
        found = ours(np.stack([~said, said], 1).astype(float), labels)
        assert found == pytest.approx((mean, 2 * both.std()), rel=1e-12)


def test_doctor_5_is_the_scale_of_the_doctors_score():
    ours, cases = reference(5)
    for guess, labels in cases:
        mean, deviation = ours(guess, labels)
        hits = guess[np.arange(len(labels)), labels].sum()
        score = doctor.permutation_score(guess, np.eye(guess.shape[1])[labels])
        assert score == pytest.approx((hits - mean) / deviation, abs=1e-9)
