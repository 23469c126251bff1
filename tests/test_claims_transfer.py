"""The claims on transfer: networks against NumPy, draws, and their arithmetic."""

import math

import keras
import numpy as np
import pytest

from dtlib import claims
from dtlib.claims import _transfer_arms as arms
from dtlib.claims import _transfer_cache as cache
from dtlib.claims import _transfer_nets as nets
from dtlib.claims import _transfer_rows as rows

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(30, 5)).astype("float32")
LAMBDA, ALPHA = 1.0507009873554805, 1.6732632423543772


def by_hand(weights, x, y, batches, rates):
    """Gradient descent of one SELU network on a yes or no, in float64."""
    weights = [w.astype("float64") for w in weights]
    for batch in batches:
        inputs, slopes, a = [], [], x[batch].astype("float64")
        for i in range(0, len(weights), 2):
            inputs.append(a)
            z = a @ weights[i] + weights[i + 1]
            a = LAMBDA * np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0)))
            slopes.append(LAMBDA * np.where(z > 0, 1, ALPHA * np.exp(np.minimum(z, 0))))
        delta = (1 / (1 + np.exp(-z)) - y[batch][:, None]) / len(batch)
        for i in reversed(range(len(slopes))):
            step = inputs[i].T @ delta, delta.sum(0)
            if i:
                delta = delta @ weights[2 * i].T * slopes[i - 1]
            weights[2 * i] = weights[2 * i] - rates[i] * step[0]
            weights[2 * i + 1] = weights[2 * i + 1] - rates[i] * step[1]
    return weights


def test_networks_side_by_side_train_as_each_would_alone_and_frozen_ones_stay():
    y = (IMAGES[:, 0] > 0).astype("int32")
    starts = [nets.start([5, 4, 3, 1], seed) for seed in range(3)]
    rates = np.array([[0.5, 0.0, 0.1], [0.5, 0.0, 0.3], [0.5, 0.2, 0.5]])
    orders = [nets.batches(np.arange(30), 9, 10, [seed]) for seed in range(3)]
    many = nets.Trainer(IMAGES, y, starts, 10)
    many.run(np.stack(orders, 1), rates)
    for n, found in enumerate(many.weights()):
        expected = by_hand(
            starts[n], IMAGES, y, orders[n].reshape(-1, 10), rates[:, n].tolist()
        )
        for mine, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)
    for old, new in zip(starts[1][:4], many.weights()[1][:4], strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("classes", [1, 3])
def test_errors_and_losses_are_those_of_keras(classes):
    y = RNG.integers(0, max(classes, 2), 30)
    starts = [nets.start([5, 4, classes], seed) for seed in range(2)]
    many = nets.Trainer(IMAGES, y, starts, 10)
    wrong, loss = many.measure(np.arange(7, 30), chunk=9)
    for n, (w, b, v, c) in enumerate(starts):
        z = keras.activations.selu(IMAGES[7:] @ w + b).numpy() @ v + c
        kind = "Binary" if classes == 1 else "SparseCategorical"
        each = getattr(keras.losses, f"{kind}Crossentropy")(from_logits=True)
        target = y[7:, None] if classes == 1 else y[7:]
        assert loss[n] == pytest.approx(float(each(target, z)), rel=1e-5)
        said = z[:, 0] > 0 if classes == 1 else z.argmax(1)
        assert wrong[n] == (said != y[7:]).sum()


def test_a_network_that_diverged_errs_as_one_that_guesses():
    start = [w + np.float32(np.nan) for w in nets.start([5, 4, 1], 0)]
    wrong, _ = nets.Trainer(IMAGES, np.zeros(30, int), [start], 10).measure(range(20))
    assert wrong[0] == 10


def test_the_batches_of_a_network_are_its_images_over_and_over():
    found = nets.batches(np.arange(7), 5, 4, [3])
    assert len(found) == 20
    assert sorted(found[:7]) == sorted(found[7:14]) == list(range(7))
    assert not np.array_equal(found, nets.batches(np.arange(7), 5, 4, [4]))


@pytest.mark.parametrize(
    "arm, early, late",
    [
        (arms.Arm(), [2] * 6, [2] * 6),
        (arms.Arm(2, "frozen"), [0, 0, 2, 2, 2, 2], [0, 0, 2, 2, 2, 2]),
        (arms.Arm(5, "frozen first"), [0] * 5 + [2], [2] * 6),
        (arms.Arm(5, "frozen first", 10), [0] * 5 + [2], [0.2] * 6),
        (arms.Arm(5, "at once", 10), [0.2] * 5 + [2], [0.2] * 5 + [2]),
    ],
)
def test_the_rates_of_an_arm_before_and_after_unfreezing(arm, early, late):
    np.testing.assert_allclose(arm.rates(2, 3), early)
    np.testing.assert_allclose(arm.rates(2, 4), late)


def test_labelled_images_are_balanced_nested_and_neither_tested_nor_validated():
    _, labels, (_, valid, test) = arms.data("quick")
    few, many, all_ = (arms.pool("quick", 0, n) for n in (20, 200, 2000))
    assert [len(p) for p in (few, many, all_)] == [20, 200, 2000]
    for some in (few, many, all_):
        assert (labels[some] == 5).mean() == (labels[some] == 6).mean() == 0.5
        assert not set(some) & set(test)
    assert set(few) < set(many) and not set(many) & set(valid)
    assert len(set(all_)) == 2000 and set(valid[labels[valid] == 5]) < set(all_)
    assert set(many) != set(arms.pool("quick", 1, 200))


def test_what_a_source_sees_are_the_same_pixels_elsewhere():
    pictures = RNG.normal(size=(3, 4, 4))
    plain, turned, mixed = (arms.seen(pictures, s) for s in arms.SOURCES)
    np.testing.assert_array_equal(plain, pictures.reshape(3, 16))
    np.testing.assert_array_equal(turned[0], np.rot90(pictures[0]).ravel())
    np.testing.assert_array_equal(np.sort(mixed), np.sort(plain))
    assert not np.array_equal(mixed, plain)


def test_b_on_a_begins_with_the_layers_of_its_own_a(monkeypatch):
    learned = {d: [np.full(1, d)] * 12 for d in (0, 1)}
    monkeypatch.setattr(arms, "sources", lambda *_: (learned, None))
    found = arms.start_of("quick", arms.Arm(2, "frozen"), 1)
    assert [w.shape for w in found[:4]] == [(1,)] * 4 and found[0][0] == 1
    fresh = arms.start_of("quick", arms.Arm(), 1)
    for kept, new in zip(found[4:], fresh[4:], strict=True):
        np.testing.assert_array_equal(kept, new)


def test_the_rate_is_chosen_on_validation_and_not_on_test(monkeypatch):
    def found(scale, runs, **_):
        rate = np.array([run[1] for run in runs])
        return (rate != 0.3) * 1.0, (rate != 0.01) * 5.0, None

    monkeypatch.setattr(arms, "train", found)
    tuned = arms.tune("quick", (arms.Arm(),))
    assert tuned.rates == {arms.Arm(): 0.01} and tuned.valid == {arms.Arm(): 0.0}
    assert tuned.trials[arms.Arm()][0.3] == 0.0


def test_labels_and_epochs_needed_are_read_off_the_curves():
    curve = np.array([[9.0, 9], [8, 9], [7, 9], [4, 9], [2, 9], [1, 9], [0, 9]])
    found = rows.labels_needed(curve, 3.0)
    np.testing.assert_allclose(found, [math.sqrt(200 * 500), 2000])
    loss = np.array([[1.0, 1.0], [0.6, 0.1], [0.2, 0.0]])
    np.testing.assert_allclose(rows.epochs_needed(loss, [0.4, 1.0]), [1.5, 0.05])


def test_half_an_error_keeps_the_ratio_finite_and_its_sign():
    assert arms.log_ratio([0], [0])[0] == 0 and arms.log_ratio([3], [0])[0] > 0
    assert arms.log_ratio(32, 20) == pytest.approx(math.log(32.5 / 20.5))


def test_only_the_last_layer_of_the_timed_network_trains():
    model = cache.network(0)
    assert [w.shape for w in model.trainable_weights] == [(50, 1), (1,)]


def test_the_ledgers_ratios_are_those_of_its_first_draws_run_again(monkeypatch):
    numbers = claims.load()["C34"]["quick"]["numbers"]
    monkeypatch.setattr(arms, "draws_of", lambda scale: ((0, 1), ()))
    arms.sources.cache_clear()
    rates = {
        rows.SCRATCH: numbers["B: learning rate"],
        rows.REUSED: numbers["B on A: learning rate"],
    }
    found = arms.measure("quick", rates, (0, 1))
    arms.sources.cache_clear()
    b, b_on_a = found[rows.SCRATCH].test, found[rows.REUSED].test
    for draw in (0, 1):
        # Sums in another order may turn one image of 800.
        low = (b[draw] - 0.5) / (b_on_a[draw] + 1.5)
        high = (b[draw] + 1.5) / (max(b_on_a[draw] - 1, 0) + 0.5)
        assert low < numbers[f"ratio {draw}"] < high


def test_the_numbers_of_c34_hang_together():
    found = claims.load()["C34"]["quick"]
    ratios = np.array([found["numbers"][f"ratio {d}"] for d in range(30)])
    assert np.exp(np.log(ratios).mean()) == pytest.approx(
        found["numbers"]["ratio"], rel=1e-3
    )
    assert (ratios < 1).mean() == pytest.approx(
        found["numbers"]["share below 1"], abs=1e-3
    )
