"""The claims on pretraining: what each arm is shown, and networks side by side."""

import itertools

import keras
import numpy as np
import pytest

from dtlib import claims, losses, optimizers, pretraining
from dtlib.claims import _pretraining_arms as arms
from dtlib.claims import _pretraining_nets as nets
from dtlib.claims import pretraining as c_pretraining

OURS = ["C38", "C39"]
RNG = np.random.default_rng(8)


def test_this_file_knows_all_claims_of_its_chapter():
    every = claims.identifiers()
    assert [id for id in every if claims.get(id).chapter == "pretraining"] == OURS


# --- the labels, and what the arms are shown before them


def test_the_labeled_images_are_balanced_few_are_part_of_more_and_seeds_differ():
    given = nets.sample("quick")
    fifty, more = (nets.labeled(given, 3, n, range(10)) for n in (50, 1000))
    assert np.bincount(given.y[fifty]).tolist() == [5] * 10
    assert np.bincount(given.y[more]).tolist() == [100] * 10
    assert set(fifty) < set(more) <= set(given.pool)
    assert len(set(fifty) & set(nets.labeled(given, 4, 50, range(10)))) < 10


def test_the_parts_do_not_meet_and_the_images_are_means_of_pixels():
    given = nets.sample("quick")
    parts = [set(rows) for rows in given[2:]]
    assert [len(part) for part in parts] == [8000, 2000, 4000]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(given.x)
    whole = nets.datasets.fashion_mnist().x_train[7]
    corner = given.x[7].reshape(14, 14)[0:2, 5]
    np.testing.assert_allclose(
        corner, [whole[:2, 10:12].mean(), whole[2:4, 10:12].mean()], rtol=1e-6
    )


@pytest.fixture
def shown(monkeypatch):
    """What an arm hands to its training, with nothing trained."""
    seen = []

    def train(model, rows, targets, optimizer, batch_size):
        table = model.table.numpy()
        frozen = {name for name, v in model.w.items() if not v.trainable}
        seen.append((table, rows, targets, batch_size, frozen))
        return model.learned(), 0.0

    monkeypatch.setattr(nets, "train", train)
    return seen


@pytest.mark.parametrize("arm", ["pairs", "pairs of others"])
def test_the_pairs_are_true_and_their_classes_those_they_are_named_for(arm, shown):
    given, seeds = nets.sample("quick"), [0, 7]
    arms.pretrained(arm, "quick", seeds)
    ((_, rows, same, size, _),) = shown
    assert rows.shape == (arms.seen("quick") // 2, 4) and size == 50
    for k, seed in enumerate(seeds):
        first, second = given.y[rows[:, k]], given.y[rows[:, 2 + k]]
        assert ((first == second) == same[:, k]).all()
        known = arms.classes_of(arm, seed)
        met = set(range(10)) - set(known) if arm == "pairs of others" else set(known)
        assert set(first) == set(second) == met
        assert len(known) == (5 if arm == "pairs of others" else 10)
    assert set(rows.ravel()) <= set(given.pool)


def test_the_bad_are_copies_of_the_good_and_the_labels_say_which(shown):
    arms.pretrained("corrupted", "quick", [0])
    ((table, rows, good, size, _),) = shown
    assert rows.shape == (arms.seen("quick"), 1) and size == 100
    for batch in (0, 300, 639):
        part = slice(100 * batch, 100 * (batch + 1))
        assert good[part, 0].tolist() == [1.0] * 50 + [0.0] * 50
        x = table[rows[part, 0]].reshape(2, 50, 14, 14)
        assert (x[0, :, :, :7] == x[1, :, :, :7]).all()
        assert (x[0] != x[1]).any(axis=(1, 2)).mean() > 0.9


def test_ranking_sees_each_image_beside_its_own_bad_copy(shown):
    arms.pretrained("ranking", "quick", [0, 1])
    ((table, rows, _, size, frozen),) = shown
    assert rows.shape == (arms.seen("quick") // 2, 4) and size == 50
    assert frozen == {"top_bias"}  # a difference of scores has none
    for k in (0, 1):
        good, bad = (table[rows[::997, c]].reshape(-1, 14, 14) for c in (k, 2 + k))
        assert (good[:, :, :7] == bad[:, :, :7]).all() and (good != bad).any()


@pytest.mark.parametrize("arm, depth", [("greedy", 2), ("RBM", 2), ("RBM, deep", 5)])
def test_one_layer_at_a_time_is_trained(arm, depth, shown):
    arms.pretrained(arm, "quick", [0])
    below = [
        {f"{part}_{k}" for k in range(depth) if k != i for part in ("kernel", "bias")}
        for i in range(depth)
    ]
    assert [call[-1] for call in shown] == below
    assert all(len(call[1]) == arms.seen("quick") for call in shown)


def test_arms_that_are_compared_start_from_the_same_layers():
    for arm, base in arms.AGAINST.items():
        assert arms.activation_of(arm) == arms.activation_of(base)
        assert arms.depth_of(arm) == arms.depth_of(base)
        assert (arms.classes_of(arm, 3) == arms.classes_of(base, 3)).all()
    starts = nets.starts("quick", [0], "relu")
    assert starts["kernel_0"].std() == pytest.approx((2 / 196) ** 0.5, rel=0.03)


# --- the losses, of every network apart


def weights(n, units=4, features=6, out=1, **more):
    shapes = dict(kernel_0=(features, units), bias_0=(1, units))
    shapes |= dict(kernel_1=(units, units), bias_1=(1, units))
    shapes |= dict(top=(units, out), top_bias=(1, out), **more)
    drawn = {name: RNG.normal(size=(n, *shape)) for name, shape in shapes.items()}
    return {name: value.astype("float32") for name, value in drawn.items()}


def alone(x, w, k, activation="relu"):
    """Features of network `k`, by Keras' layers."""
    for i in (0, 1):
        layer = keras.layers.Dense(4, activation)
        layer.build((None, x.shape[-1]))
        layer.set_weights([w[f"kernel_{i}"][k], w[f"bias_{i}"][k, 0]])
        x = layer(x)
    return np.asarray(x)


X = RNG.uniform(size=(4, 5, 6)).astype("float32")  # 2 networks, two columns each


def test_a_task_about_one_image_is_its_loss():
    w, y = weights(2), np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 1]], "float32")
    found = np.asarray(nets.good_or_bad(X[:2], y, w))
    for k in (0, 1):
        z = alone(X[k], w, k) @ w["top"][k] + w["top_bias"][k]
        binary = keras.losses.BinaryCrossentropy(from_logits=True)
        assert found[k] == pytest.approx(float(binary(y[k][:, None], z)), rel=1e-5)


def test_a_task_about_two_images_is_its_loss():
    w, y = weights(2), np.array([[0, 1, 1, 0, 1], [1, 0, 0, 0, 1]], "float32")
    same = np.asarray(nets.same_or_different(X, y, w))
    rank = np.asarray(nets.good_above_bad(X, y, w))
    for k in (0, 1):
        a, b = alone(X[k], w, k), alone(X[2 + k], w, k)
        z = abs(a - b) @ w["top"][k] + w["top_bias"][k]
        binary = keras.losses.BinaryCrossentropy(from_logits=True)
        assert same[k] == pytest.approx(float(binary(y[k][:, None], z)), rel=1e-5)
        hinge = losses.hinge(np.ones((5, 1), "float32"), (a - b) @ w["top"][k])
        assert rank[k] == pytest.approx(float(np.mean(hinge)), rel=1e-5)


def test_rebuilding_is_a_mean_squared_error():
    w = weights(2, out=6, up=(4, 4), up_bias=(1, 4))
    found = np.asarray(nets.rebuilding(X[:2], None, w))
    first, second = (nets.layer_rebuilding(i) for i in (0, 1))
    for k in (0, 1):
        up = np.maximum(alone(X[k], w, k) @ w["up"][k] + w["up_bias"][k], 0)
        again = up @ w["top"][k] + w["top_bias"][k]
        assert found[k] == pytest.approx(np.square(again - X[k]).mean(), rel=1e-5)
        a = np.maximum(X[k] @ w["kernel_0"][k] + w["bias_0"][k], 0)
        again = a @ w["top"][k] + w["top_bias"][k]
        value = np.asarray(first(X[:2], None, w))[k]
        assert value == pytest.approx(np.square(again - X[k]).mean(), rel=1e-5)
    w = weights(2, out=4)
    for k in (0, 1):
        a = np.maximum(X[k] @ w["kernel_0"][k] + w["bias_0"][k], 0)
        again = alone(X[k], w, k) @ w["top"][k] + w["top_bias"][k]
        value = np.asarray(second(X[:2], None, w))[k]
        assert value == pytest.approx(np.square(again - a).mean(), rel=1e-5)


def test_a_machine_in_a_stack_has_the_loss_of_one_alone():
    w = weights(1, visible_bias=(1, 6))
    found = nets.machine(0)(X[:1], None, w, keras.random.SeedGenerator(4))
    parts = [w[name][0] for name in ("kernel_0", "visible_bias", "bias_0")]
    parts[1:] = [part[0] for part in parts[1:]]
    chain = pretraining.gibbs_chain(X[0], *parts, steps=1, seed=4)
    expected = pretraining.cd_loss(X[0], chain, *parts)
    assert float(found[0]) == pytest.approx(float(expected), rel=1e-4, abs=1e-5)


def test_a_network_among_many_goes_the_way_it_goes_alone(monkeypatch):
    monkeypatch.setitem(nets.STEPS, "quick", 20)
    learned = {"scratch": arms.pretrained("scratch", "quick", [2, 3])[0]}
    plan = itertools.product((50, 200), (0.003, 0.01), (2, 3))
    runs = [nets.Run("scratch", *each) for each in plan]
    found = nets.finetune(runs, learned, arms.classes_of, "quick", "relu")
    run, given = runs[5], nets.sample("quick")
    layers = [keras.layers.Dense(64, "relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((196,)), *layers, keras.layers.Dense(10)])
    start = learned["scratch"][run.seed]
    top = {name: part[0] for name, part in nets.top([run.seed], (64, 10)).items()}
    kernels = [start["kernel_0"], start["kernel_1"], top["top"]]
    biases = [start["bias_0"][0], start["bias_1"][0], top["top_bias"][0]]
    model.set_weights([w for pair in zip(kernels, biases, strict=True) for w in pair])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.Adam(run.rate), loss)
    rows = nets.labeled(given, run.seed, run.labels, range(10))
    rows = nets.orders(rows, run.seed, 20 * 50)
    how = dict(batch_size=50, shuffle=False, verbose=0)
    model.fit(given.x[rows], given.y[rows], **how)
    # Twenty steps of 0.01 move weights by up to 0.2; sums in another order by 1e-5.
    np.testing.assert_allclose(found[5]["kernel_1"], model.get_weights()[2], atol=1e-3)
    z = np.asarray(model(given.x[given.test]))
    right = (z.argmax(axis=1) == given.y[given.test]).mean()
    ours = nets.accuracy(found[5], given, "test", range(10), "relu")
    assert ours == pytest.approx(right, abs=0.002)


def test_accuracy_counts_the_known_classes_only():
    given, w = nets.sample("quick"), weights(1, features=196, out=10)
    w = {name: 0 * value[0] for name, value in w.items()}
    w["top_bias"][0, 3] = 1  # says 3 of every image
    assert nets.accuracy(w, given, "test", range(10), "relu") == pytest.approx(0.1)
    assert nets.accuracy(w, given, "test", [3, 5], "relu") == pytest.approx(0.5)
    assert nets.accuracy(w, given, "test", [4, 5], "sigmoid") == 0


# --- what is read off the runs, and the ledger


def test_only_few_labels_decide():
    score = np.array([0.5, 0.6])
    found = {
        arm: {n: dict(test=score + (arm == "pairs")) for n in nets.LABELS}
        for arm in arms.ARMS
    }
    rows = c_pretraining.gains(found, ("pairs", "corrupted", "ranking"))
    assert [row["labels"] for row in rows if row["decides"]] == [50, 200] * 3
    assert [row["part"] for row in rows] == list("aaabbbccc")
    assert {row["low"] for row in rows if row["arm"] == "pairs"} == {1.0}
    shown = c_pretraining.gains(found, ("pairs of others",), part=False)
    assert not any(row["decides"] for row in shown)


def test_the_ledgers_claims_quote_one_comparison():
    c38, c39 = (claims.load()[id]["quick"]["numbers"] for id in OURS)
    shared = [name for name in c38 if name in c39]
    assert len(shared) == 9 and all(c38[name] == c39[name] for name in shared)


def test_the_ledgers_accuracy_is_what_a_new_run_finds():
    stored, seeds = claims.load()["C38"]["quick"]["numbers"], range(10)
    arm = "scratch"
    rate = stored[f"{arm}, 50 labels: learning rate"]
    kind = arms.activation_of(arm)
    learned = {arm: arms.pretrained(arm, "quick", list(seeds))[0]}
    runs = [nets.Run(arm, 50, rate, seed) for seed in seeds]
    found = nets.finetune(runs, learned, arms.classes_of, "quick", kind)
    given = nets.sample("quick")
    scores = [nets.accuracy(w, given, "test", range(10), kind) for w in found]
    expected = stored[f"{arm}, 50 labels: accuracy"]
    assert np.mean(scores) == pytest.approx(expected, abs=0.003)
