"""The claims on dropout: the machinery they train with, and the ledger's numbers."""

import itertools
import types

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from dtlib import claims, dropout, training
from dtlib.claims import _dropout_arms as arms
from dtlib.claims import _dropout_doubt as doubt
from dtlib.claims import _dropout_nets as nets
from dtlib.claims._dropout_nets import Found, Kind, Net, everywhere
from dtlib.claims._normalization_nets import Sample, measured
from dtlib.claims.arms import SEEDS, SETTINGS, unseen

pytestmark = pytest.mark.tensorflow
OURS = "C42 C43 C62 C67".split()
KIND = Kind("relu", 2, 5)
PLAIN = everywhere(0.0)


@pytest.fixture(scope="module")
def few():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 6)).astype("float32"), rng.integers(10, size=90)
    rows = np.split(np.arange(90), [60, 75])
    return Sample(x, y.astype("int32"), *rows)


def columns(rows, count):
    return np.repeat(rows[:, None], count, 1).astype("int32")


def test_this_file_knows_all_claims_of_its_chapter():
    found = [id for id in claims.identifiers() if claims.get(id).chapter == "dropout"]
    assert found == OURS


# --- many networks in one program


def test_networks_side_by_side_train_as_each_does_alone(few):
    """In a program that trained others before: its velocities start again at 0."""
    how = dict(epochs=2, batch_size=20)
    runs = [(PLAIN, 0.03, 0), (PLAIN, 0.1, 1)]
    model = nets.train([(PLAIN, 0.1, s) for s in (7, 8)], KIND, few, **how)
    assert nets.train(runs, KIND, few, **how, model=model) is model
    logits = np.array(model(columns(few.test, 2)))
    for k, (_, rate, seed) in enumerate(runs):
        layers = [keras.layers.Dense(5, "relu") for _ in range(2)]
        single = keras.Sequential([keras.Input((6,)), *layers, keras.layers.Dense(10)])
        for i, layer in enumerate(single.layers):
            shape = tuple(layer.kernel.shape)
            variance = 2 / (sum(shape) if i == 2 else shape[0])
            draw = np.random.default_rng([seed, i]).standard_normal(shape)
            layer.kernel.assign(draw * np.sqrt(variance))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        sgd = keras.optimizers.SGD(rate, momentum=0.9)
        single.compile(sgd, loss, run_eagerly=True)
        rows = nets.orders(60, [seed])[:, 0]
        for epoch in range(2):
            order = rows[training.batch_order(60, seed=0, epoch=epoch)]
            for batch in np.split(order, 3):
                single.train_on_batch(few.x[batch], few.y[batch])
        # Six steps move the logits by about 0.3.
        expected = np.array(single(few.x[few.test]))
        np.testing.assert_allclose(logits[:, k], expected, atol=2e-5)


def test_a_network_drops_at_its_own_rates_and_in_its_own_form():
    some = [Net((0.0, 0.5)), Net((0.0, 0.5), alpha=True), Net((0.0, 0.0))]
    layer, x = nets.Toss(some, 1, 4), np.ones((2000, 12), "float32")
    np.testing.assert_array_equal(layer(x), x)
    y = np.array(layer(x, training=True))
    np.testing.assert_array_equal(y[:, 8:], 1)
    assert sorted(set(y[:, :4].ravel())) == [0, 2]
    kept = y[:, 4:8] > 0
    rule = np.asarray(dropout.alpha_dropout(x[:, 4:8], kept, rate=0.5))
    np.testing.assert_allclose(y[:, 4:8], rule, rtol=1e-5)
    # 8,000 coins: a standard deviation of 0.0056.
    for dropped in (y[:, :4] == 0, ~kept):
        assert dropped.mean() == pytest.approx(0.5, abs=0.023)


def test_layers_of_one_width_do_not_drop_the_same_units():
    x, some = np.ones((500, 4), "float32"), [everywhere(0.5)]
    first, second = (
        np.array(nets.Toss(some, place, 4)(x, training=True)) for place in (1, 2)
    )
    # Equal by chance in half of 2,000 places, with a standard deviation of 0.011.
    assert (first == second).mean() == pytest.approx(0.5, abs=0.045)


def test_each_place_drops_where_it_says():
    """What reaches the output when every unit of a layer is dropped: its bias, 0."""
    x = np.ones((40, 6), "float32")
    for place, found in arms.PLACES.items():
        dropped = Net([float(r > 0) for r in found[-1].rates])
        assert len(dropped.rates) == 6
        expected = {
            "none": [],
            "last": [5],
            "top three": [3, 4, 5],
            "all": [1, 2, 3, 4, 5],
            "all and input": [0, 1, 2, 3, 4, 5],
            "input": [0],
        }
        assert np.flatnonzero(dropped.rates).tolist() == expected[place]
    half = Net((0.0, 0.0, 0.999999))
    model = nets.networks(KIND, [PLAIN, half], [3, 3], [1, 1], x)
    logits = np.array(model(columns(np.arange(40), 2), training=True))
    assert np.abs(logits[:, 0]).max() > 0 and not logits[:, 1].any()
    plain = np.array(model(columns(np.arange(40), 2)))
    np.testing.assert_array_equal(plain[:, 0], plain[:, 1])


def test_a_part_of_the_networks_is_those_networks(few):
    some = [everywhere(r) for r in (0.0, 0.1, 0.2, 0.3)]
    model = nets.networks(KIND, some, [1, 2, 3, 4], [1] * 4, few.x)
    for layer in nets.blocks(model):
        layer.bias.assign(np.random.default_rng(0).normal(size=layer.bias.shape))
    small = nets.part_of(model, KIND, some[1:3], 1, few)
    expected = np.array(model(columns(few.test, 4)))[:, 1:3]
    np.testing.assert_allclose(small(columns(few.test, 2)), expected, atol=1e-6)


def test_tuning_takes_the_rate_that_validation_likes_best(few, monkeypatch):
    """Scores that are scripted: the second network is best at the lower rate."""
    score = {(0, 0.1): 0.3, (0, 0.2): 0.5, (1, 0.1): 0.6, (1, 0.2): 0.4}
    some = [everywhere(0.1), everywhere(0.2)]
    monkeypatch.setattr(nets, "train", lambda runs, *_, **__: runs)

    def measured(runs, rows, labels):
        hits = [score[some.index(net), rate] + seed / 1000 for net, rate, seed in runs]
        return np.array(hits), np.ones(len(runs))

    monkeypatch.setattr(nets, "measured", measured)
    setting = dict(seeds=[1, 2, 3], tune_seeds=[10, 20], batch_size=20)
    found, runs = nets.tune(KIND, some, few, setting, epochs=1, grid=(0.1, 0.2))
    assert [found[net].rate for net in some] == [0.2, 0.1]
    assert found[some[0]].score == pytest.approx(0.515) and found[some[0]].at_edge
    assert found[some[1]].test.tolist() == pytest.approx([0.601, 0.602, 0.603])
    assert len(runs) == 6


# --- data and readings


def test_coarse_pixels_are_means_and_outliers_resemble_the_images_in_size():
    x = np.arange(16.0).reshape(1, 4, 4)
    assert nets.coarse(x, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    given = nets.data("images", "quick")
    like = given.x[given.train]
    for x in nets.outliers("images", "quick").values():
        assert x.shape == (250, 14, 14)
        # 250 digits of all: their own mean and deviation differ by some percent.
        assert x.mean() == pytest.approx(like.mean(), abs=0.03)
        assert x.std() == pytest.approx(like.std(), rel=0.03)


def test_samples_are_counted_as_they_come():
    said = np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9], [0.1, 0.9]])
    answers = iter(said)
    model = types.SimpleNamespace(input_shape=(None, 1))
    inner = type("", (), {"input_shape": (None, 1), "__call__": lambda *_: [[[0, 0]]]})
    model.model = inner()
    model.predict_on_batch = lambda columns: next(answers)[None, None]
    found = doubt.samples(model, np.array([0]), 2, (1, 4))
    off, mean, within, means = found
    assert off.ravel().tolist() == [0.5, 0.5]
    assert mean.ravel().tolist() == pytest.approx([0.7, 0.3])
    assert means[4].ravel().tolist() == pytest.approx([0.4, 0.6])
    assert within.item() == pytest.approx(dropout.entropy(said[:2]).mean())


def test_a_sampler_of_networks_without_dropout_says_the_same_each_time(few):
    model = nets.networks(KIND, [PLAIN] * 2, [1, 2], [1, 1], few.x)
    found = doubt.samples(doubt.Sampler(model), few.test, 3, (2,))
    off, mean, within, means = found
    expected = softmax(np.array(model(columns(few.test, 2))), axis=-1)
    for each in (off, mean, means[2]):
        np.testing.assert_allclose(each, expected, atol=1e-6)
    np.testing.assert_allclose(within, dropout.entropy(off), atol=1e-5)


def test_the_area_is_scikit_learns_also_where_scores_are_equal():
    rng = np.random.default_rng(0)
    high, low = rng.integers(3, 9, 40), rng.integers(0, 6, 60)
    truth = np.repeat([1, 0], [40, 60])
    expected = roc_auc_score(truth, np.concatenate([high, low]))
    assert doubt.auroc(high, low) == pytest.approx(expected)


def found_of(score, valid, test=(0.0,), train=(0.0,)):
    each = map(np.array, (valid, test, train))
    return Found(0.1, False, score, *each, diverged=0)


def test_the_best_rate_is_each_seeds_own_and_the_chosen_one_is_the_tuning_seeds():
    found = {
        0.0: found_of(0.9, [0.5, 0.1]),
        0.1: found_of(0.2, [0.4, 0.2]),
        0.5: found_of(0.3, [0.4, 0.3]),
    }
    assert arms.best(found).tolist() == [0, 0.5]
    assert arms.chosen(found) == 0.5  # never none
    assert arms.gap(found_of(0, [0], [0.6], [0.9])).tolist() == pytest.approx([0.3])


def test_alpha_dropout_keeps_the_deviation_that_plain_dropout_raises():
    found = arms.spread(0.1, depth=2, n=200)
    # SELU gives mean 0 and variance 1; dropout makes of it 1 / 0.9.
    assert found["dropout 0.1"][0] == pytest.approx(np.sqrt(1 / 0.9), abs=0.01)
    assert found["alpha dropout 0.1"] == pytest.approx([1, 1], abs=0.03)
    assert found["none"] == pytest.approx([1, 1], abs=0.03)


# --- the ledger still tells the truth


def test_the_ledgers_diagrams_hold_every_prediction_once():
    numbers = claims.load()["C43"]["quick"]["numbers"]
    for data, arm in itertools.product(doubt.DATA, ("off", "MC")):
        name, bins = f"{data}, {arm}", range(1, doubt.BINS + 1)
        count, right, sure = (
            np.array([numbers.get(f"{name}, bin {m}: {what}", 0) for m in bins])
            for what in ("count", "accuracy", "confidence")
        )
        assert count.sum() == len(SETTINGS["quick"]["seeds"]) * nets.SIZES[2]
        # Four digits are kept.
        expected = numbers[f"{name}: accuracy"]
        assert count @ right / count.sum() == pytest.approx(expected, abs=2e-4)
        expected = numbers[f"{name}: confidence"]
        assert count @ sure / count.sum() == pytest.approx(expected, abs=2e-4)
        # Errors of single networks do not cancel, those of all may.
        pooled = count @ abs(right - sure) / count.sum()
        assert pooled < numbers[f"{name}: ECE"] + 0.001


def test_the_ledgers_samples_end_in_its_mean_and_doubt_never_shrinks():
    numbers = claims.load()["C43"]["quick"]["numbers"]
    for data in doubt.DATA:
        for measure in doubt.MEASURES:
            name = f"{data}, {doubt.SAMPLES} samples: {measure}"
            assert numbers[name] == numbers[f"{data}, MC: {measure}"]
        total = numbers[f"{data}: entropy of the mean"]
        within = numbers[f"{data}: mean entropy"]
        other = claims.load()["C67"]["quick"]["numbers"]
        assert total == other[f"{data}, test: entropy"] > within
        dispute = other[f"{data}, test: mutual information"]
        assert total - within == pytest.approx(dispute, abs=1e-3)


def test_no_seed_of_the_trials_chooses_or_judges(monkeypatch):
    """They took these settings' seeds, and five of the same hundred for tuning."""
    monkeypatch.setattr(nets, "tune", lambda *args, **_: [args[3]])
    setting = arms.tuned.__wrapped__("images", KIND, True, 1, (PLAIN,), "quick")
    before = {seed for key in SEEDS for seed in SETTINGS["quick"][key]}
    chooses, judges = set(setting["tune_seeds"]), set(setting["seeds"])
    assert (len(chooses), len(judges)) == (5, 10)
    assert not (chooses | judges) & (before | {*range(100, 105)})
    assert not chooses & judges


def test_the_ledgers_accuracy_is_what_a_new_run_of_two_arms_finds():
    numbers = claims.load()["C42"]["quick"]["numbers"]
    name, kind, _, epochs, _ = arms.FITS["over"]
    setting, drops = unseen(SETTINGS["quick"]), (0.0, 0.3)
    runs = [
        (everywhere(drop), numbers[f"over, dropout {drop:g}: learning rate"], seed)
        for drop, seed in itertools.product(drops, setting["seeds"])
    ]
    given = nets.few(nets.data(name, "quick"))
    how = dict(epochs=epochs, batch_size=setting["batch_size"])
    model = nets.train(runs, kind, given, **how)
    found = measured(model, given.test, given.y)[0].reshape(len(drops), -1).mean(1)
    # Without dropout, sums in another order; with it, other coins: a mean of ten runs
    # that differ by 0.012 each.
    for drop, accuracy, slack in zip(drops, found, (0.004, 0.015), strict=True):
        expected = numbers[f"over, dropout {drop:g}: accuracy"]
        assert accuracy == pytest.approx(expected, abs=slack)
