"""Auxiliary tasks: are the pairs what they say, and the bad copies bad?"""

import math
from collections import Counter

import keras
import numpy as np
import pytest

from dtlib import losses, pretraining, training
from tests import oracles_pretraining as oracles
from tests.engines import array, gradient

RNG = np.random.default_rng(6)
IMAGES = RNG.uniform(size=(30, 4, 6)).astype("float32")


# Spoiled images -----------------------------------------------------------------------

AMOUNTS = dict(noise=0.2, mask=0.3, shuffle=2, swap=0.5)
every_way = pytest.mark.parametrize("how", AMOUNTS)


@every_way
def test_a_bad_copy_is_an_image_and_another_one(how):
    before = IMAGES.copy()
    bad = pretraining.corrupt(IMAGES, how, amount=AMOUNTS[how], seed=0)
    assert bad.shape == IMAGES.shape and bad.dtype == IMAGES.dtype
    assert bad.min() >= 0 and bad.max() <= 1
    assert (bad != IMAGES).any(axis=(1, 2)).all()
    assert (IMAGES == before).all()


@every_way
def test_the_seed_repeats_the_spoiling(how):
    def bad(seed):
        return pretraining.corrupt(IMAGES, how, amount=AMOUNTS[how], seed=seed)

    assert (bad(1) == bad(1)).all() and (bad(1) != bad(2)).any()


def test_noise_is_normal_and_cut_at_black_and_white():
    gray = np.full((100, 20, 20), 0.5)
    bad = pretraining.corrupt(gray, "noise", amount=0.1, seed=0)
    # 40,000 draws: 4·σ/√(2n) is 0.0014, and cutting at 5 σ changes less than that.
    assert bad.std() == pytest.approx(0.1, abs=0.0015)
    wild = pretraining.corrupt(gray, "noise", amount=5, seed=0)
    assert ((wild == 0) | (wild == 1)).mean() > 0.9


def test_a_mask_blackens_its_share_and_leaves_the_rest():
    gray = np.full((100, 20, 20), 0.5)
    bad = pretraining.corrupt(gray, "mask", amount=0.3, seed=0)
    four = 4 * math.sqrt(0.3 * 0.7 / gray.size)
    assert (bad == 0).mean() == pytest.approx(0.3, abs=four)
    assert set(np.unique(bad)) == {0, 0.5}


def test_shuffling_moves_whole_patches():
    bad = pretraining.corrupt(IMAGES, "shuffle", amount=2, seed=0)
    corners = [(a, b) for a in (0, 2) for b in (0, 3)]
    orders = set()
    for old, new in zip(IMAGES, bad, strict=True):
        patches = [old[a : a + 2, b : b + 3].tolist() for a, b in corners]
        moved = [new[a : a + 2, b : b + 3].tolist() for a, b in corners]
        order = tuple(patches.index(patch) for patch in moved)  # each found once
        assert sorted(order) == [0, 1, 2, 3] and order != (0, 1, 2, 3)
        orders.add(order)
    assert len(orders) > 10  # of 23


def test_swapping_keeps_the_left_and_takes_the_right_from_another():
    bad = pretraining.corrupt(IMAGES, "swap", amount=0.3, seed=0)
    assert (bad[:, :, :4] == IMAGES[:, :, :4]).all()  # round(0.3 · 6) = 2 columns go
    givers = [
        next(k for k, x in enumerate(IMAGES) if (x[:, 4:] == new[:, 4:]).all())
        for new in bad
    ]
    assert all(giver != k for k, giver in enumerate(givers))
    assert len(set(givers)) > 10


def test_some_columns_go_and_some_stay_whatever_the_share():
    for share, kept in ((0.01, 5), (0.99, 1)):
        bad = pretraining.corrupt(IMAGES, "swap", amount=share, seed=0)
        same = (bad == IMAGES).all(axis=(0, 1))
        assert same.tolist() == [True] * kept + [False] * (6 - kept)


def test_good_and_bad_says_which_is_which():
    images, good = pretraining.good_and_bad(IMAGES, "swap", amount=0.5, seed=3)
    assert (images[good == 1] == IMAGES).all()
    bad = pretraining.corrupt(IMAGES, "swap", amount=0.5, seed=3)
    assert (images[good == 0] == bad).all() and len(good) == 60


@pytest.mark.parametrize(
    "how, amount",
    [
        ("noise", 0),
        ("noise", math.inf),
        ("mask", 1),
        ("mask", 0),
        ("shuffle", 1),
        ("shuffle", 4),
        ("shuffle", 2.0),
        ("swap", 0),
        ("swap", 1.0),
    ],
)
def test_amounts_that_spoil_nothing_or_everything_are_refused(how, amount):
    with pytest.raises(ValueError, match="`amount` must"):
        pretraining.corrupt(IMAGES, how, amount=amount, seed=0)


@pytest.mark.parametrize(
    "name, bad",
    [
        ("how", dict(how="blur")),
        ("x", dict(x=IMAGES[0])),
        ("x", dict(x=IMAGES * 255)),
        ("x", dict(x=-IMAGES)),
        ("x", dict(x=IMAGES * math.nan)),
        ("x", dict(x=IMAGES[:0])),
        ("x", dict(x=IMAGES[:1], how="swap")),
        ("seed", dict(seed=-1)),
        ("seed", dict(seed=None)),
    ],
)
def test_corrupt_refuses(name, bad):
    given = dict(x=IMAGES, how="mask", amount=0.5, seed=0)
    with pytest.raises(ValueError, match=f"`{name}` must"):
        pretraining.corrupt(**given | bad)


# Spoiled sentences --------------------------------------------------------------------

SENTENCES = ["the dog sleeps", "they eat", "a cat  sees the dog"]


@pytest.mark.parametrize("words", [1, 2])
def test_so_many_words_are_wrong_as_were_asked_for(words):
    known = set(" ".join(SENTENCES).split())
    for seed in range(20):
        bad = pretraining.corrupt_words(SENTENCES, words=words, seed=seed)
        for old, new in zip(SENTENCES, bad, strict=True):
            pairs = list(zip(old.split(), new.split(), strict=True))
            assert sum(a != b for a, b in pairs) == words
            assert {b for _, b in pairs} <= known


def test_every_place_and_every_other_word_gets_its_turn():
    found = {
        pretraining.corrupt_words(["a b", "c c"], seed=seed)[0] for seed in range(60)
    }
    assert found == {"b b", "c b", "a a", "a c"}


@pytest.mark.parametrize(
    "name, bad",
    [
        ("sentences", dict(sentences="the dog sleeps")),
        ("sentences", dict(sentences=["the dog", 3])),
        ("sentences", dict(sentences=["dog", "dog dog"])),
        ("sentences", dict(words=3)),
        ("words", dict(words=0)),
        ("seed", dict(seed=-1)),
    ],
)
def test_corrupt_words_refuses(name, bad):
    with pytest.raises(ValueError, match=f"`{name}` must"):
        pretraining.corrupt_words(**dict(sentences=SENTENCES, seed=0) | bad)


# Pairs --------------------------------------------------------------------------------

Y = np.array([2, 0, 1, 0, 2, 2, 0, 7])  # class 1 and class 7 have one example each
ROWS = np.arange(len(Y))


def test_half_of_the_pairs_are_same_and_the_labels_are_true():
    pairs = pretraining.make_pairs(ROWS, Y, 400, seed=0)
    assert pairs.same.sum() == 200 and set(pairs.same) == {0, 1}
    assert ((Y[pairs.first] == Y[pairs.second]) == pairs.same).all()


def test_no_example_is_paired_with_itself():
    pairs = pretraining.make_pairs(ROWS, Y, 4000, seed=0)
    assert (pairs.first != pairs.second).all()


def test_every_pair_that_can_be_is_drawn_and_evenly():
    n = 12_000
    pairs = pretraining.make_pairs(ROWS, Y, n, seed=1)
    drawn = Counter(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    ordered = {(a, b) for a in ROWS for b in ROWS if a != b}
    assert set(drawn) == ordered
    # Same: 6 rows have company, each 2 others: 12 ordered pairs, 500 draws each.
    same = [drawn[a, b] for a, b in ordered if Y[a] == Y[b]]
    assert len(same) == 12 and all(abs(k - 500) < 4 * math.sqrt(500) for k in same)
    # Different: the first is any of 8, the second any row of the other classes.
    for a, b in ordered:
        if Y[a] != Y[b]:
            expected = n / 2 / 8 / (Y != Y[a]).sum()
            assert abs(drawn[a, b] - expected) < 4.5 * math.sqrt(expected)


def test_pairs_hold_examples_in_a_mixed_order_fixed_by_the_seed():
    x = RNG.normal(size=(8, 3, 2))
    one, again = (pretraining.make_pairs(x, Y, 60, seed=4) for _ in range(2))
    assert one.first.shape == (60, 3, 2)
    assert all((a == b).all() for a, b in zip(one, again, strict=True))
    assert 5 < one.same[:30].sum() < 25  # not first all same, then all different


@pytest.mark.parametrize(
    "name, bad",
    [
        ("n", dict(n=3)),
        ("n", dict(n=0)),
        ("y", dict(y=Y[:5])),
        ("y", dict(y=np.eye(8))),
        ("y", dict(y=np.zeros(8))),
        ("y", dict(y=np.arange(8))),
        ("seed", dict(seed=None)),
    ],
)
def test_make_pairs_refuses(name, bad):
    with pytest.raises(ValueError, match=f"`{name}` must"):
        pretraining.make_pairs(**dict(x=ROWS, y=Y, n=4, seed=0) | bad)


# Models of two inputs -----------------------------------------------------------------

A, B = RNG.normal(size=(2, 9, 5))


def encoder():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, "relu")])


def features(model, x):
    kernel, bias = model.get_weights()
    return np.maximum(x @ kernel + bias, 0)


def test_the_siamese_network_looks_at_distances():
    f = encoder()
    model = pretraining.siamese(f)
    kernel, bias = RNG.normal(size=(3, 1)), RNG.normal(size=1)
    model.get_layer("same").set_weights([kernel, bias])
    z = abs(features(f, A) - features(f, B)) @ kernel + bias
    found = array(model([A, B]))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-z)), rtol=1e-5)
    np.testing.assert_allclose(array(model([B, A])), found, rtol=1e-6)  # no order


def test_the_siamese_network_learns_what_is_the_same():
    centers = 3 * RNG.normal(size=(4, 5))
    y = RNG.integers(0, 4, 200)
    x = centers[y] + 0.3 * RNG.normal(size=(200, 5))
    pairs, f = pretraining.make_pairs(x, y, 600, seed=0), encoder()
    before = f.get_weights()[0]
    model = pretraining.siamese(f)
    adam = keras.optimizers.Adam(0.02)
    model.compile(adam, "binary_crossentropy", metrics=["accuracy"])
    given = [pairs.first, pairs.second]
    found = training.fit(model, given, pairs.same[:, None], epochs=15).history
    assert found["accuracy"][-1] > 0.9
    assert (f.get_weights()[0] != before).any()  # shared: the encoder learned


def test_the_rankers_output_is_a_difference_of_scores():
    f = encoder()
    model = pretraining.ranker(f)
    score = model.get_layer("score").get_weights()[0]
    expected = (features(f, A) - features(f, B)) @ score
    np.testing.assert_allclose(array(model([A, B])), expected, rtol=1e-4, atol=1e-6)


def test_the_hinge_of_the_difference_is_the_ranking_loss():
    good, bad = RNG.normal(size=(2, 40))
    found = array(pretraining.margin_ranking(good, bad, margin=1))
    hinge = array(losses.hinge(np.ones((40, 1)), (good - bad)[:, None]))
    np.testing.assert_allclose(found, hinge, rtol=1e-12)


@pytest.mark.equation("eq-pretraining-ranking")
@pytest.mark.parametrize("margin", [0.5, 2])
def test_ranking_asks_for_the_margin(margin):
    good, bad = 2 * RNG.normal(size=(2, 40))
    found = pretraining.margin_ranking(good, bad, margin=margin)
    expected = oracles.margin_ranking(good, bad, margin)
    np.testing.assert_allclose(array(found), expected, rtol=1e-12)
    assert 3 < np.count_nonzero(expected) < 38
    up, down = gradient(
        lambda a, b: pretraining.margin_ranking(a, b, margin=margin), good, bad
    )
    short = np.array(expected) > 0
    assert (up == -1.0 * short).all() and (down == 1.0 * short).all()


@pytest.mark.parametrize("margin", [0, -1, math.nan])
def test_ranking_refuses_a_margin(margin):
    with pytest.raises(ValueError, match="`margin` must be"):
        pretraining.margin_ranking([1.0], [0.0], margin=margin)


def test_ranking_refuses_shapes_that_would_broadcast():
    with pytest.raises(ValueError, match="`good` and `bad` must have one shape"):
        pretraining.margin_ranking(np.ones((3, 1)), np.ones(3), margin=1)


@pytest.mark.parametrize("build", [pretraining.siamese, pretraining.ranker])
@pytest.mark.parametrize(
    "bad",
    [
        None,
        keras.layers.Dense(3),
        keras.Sequential([keras.layers.Dense(3)]),
        keras.Sequential([keras.Input((2, 2)), keras.layers.Dense(3)]),
    ],
)
def test_the_models_of_two_inputs_refuse(build, bad):
    with pytest.raises(ValueError, match="`encoder` must"):
        build(bad)
