"""The claim on augmentation: its copies, its networks, and what is read off them."""

import keras
import numpy as np
import pytest
from scipy import ndimage

from dtlib import claims, training
from dtlib.claims import _augmentation_images as pictures
from dtlib.claims import _augmentation_nets as nets
from dtlib.claims import augmentation as c_augmentation
from dtlib.claims.arms import LEAST, SETTINGS, unseen

ONE_HOT = np.eye(10)


def test_this_file_knows_all_claims_of_its_chapter():
    ids = claims.identifiers()
    assert [id for id in ids if claims.get(id).chapter == "augmentation"] == ["C46"]


@pytest.fixture(scope="module")
def some():
    """200 images, and their labels."""
    data = pictures.task("quick")
    return data.x_train[:200], data.y_train[:200]


def copies(arm, strength, some):
    """Pixels in [0, 1] of a copy of each, and the labels."""
    x, y = pictures.Source(arm, strength, 20, 5, "quick").changed(*some)
    mean, std = pictures.moments("quick")
    return (x * std + mean).reshape(some[0].shape), y


# --- the copies


def test_the_images_are_means_of_four_pixels_and_the_rows_are_standardized():
    data = pictures.task("quick")
    assert data.x_train.shape[1:] == (14, 14, 1) and len(data.x_train) == 8000
    rows = pictures.flat(data.x_train, "quick")
    assert abs(rows.mean()) < 1e-3 and abs(rows.std() - 1) < 1e-3


@pytest.mark.parametrize(
    "arm, strength", [(a, s) for a, ss in pictures.ARMS.items() for s in ss], ids=str
)
def test_every_arm_but_none_changes_and_only_mixup_touches_labels(arm, strength, some):
    x, y = copies(arm, strength, some)
    same = np.abs(x - some[0]).max(axis=(1, 2, 3)) < 1e-4
    # A coin leaves half of the images; the weakest noise moves every pixel by 0.05.
    least, most = {"none": (1, 1), "mixup": (0, 0.2)}.get(arm, (0, 0.65))
    assert least <= same.mean() <= most
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)
    assert (y == ONE_HOT[some[1]]).all() == (arm != "mixup")


def test_flips_are_mirror_images_and_upside_down_is_the_other_axis(some):
    for arm, axis in (("flip", 2), ("upside down", 1)):
        x, _ = copies(arm, 1, some)
        both = np.stack([some[0], np.flip(some[0], axis)])
        gaps = np.abs(both - x).max(axis=(2, 3, 4))
        assert gaps.min(axis=0).max() < 1e-4
        assert 0.35 < (gaps[1] < gaps[0]).mean() < 0.65  # symmetric ones count as none


@pytest.mark.parametrize(
    "strength, pixels", [*zip(pictures.SHIFTS, (0.5, 1, 2), strict=True)]
)
def test_shifts_reach_as_many_pixels_as_the_chapter_says(strength, pixels):
    x = np.zeros((400, 14, 14, 1), "float32")
    x[:, 6:8, 6:8] = 1
    moved, _ = copies("shift", strength, (x, np.zeros(400, int)))
    far = [np.array(ndimage.center_of_mass(image[..., 0])) - 6.5 for image in moved]
    far = np.abs(far).max()
    # The largest of 800 uniform draws; the next strength is twice as large.
    assert 0.97 * pixels < far < 1.001 * pixels


def test_noise_has_the_deviation_it_is_named_for(some):
    for strength in pictures.NOISE["white noise"]:
        x, _ = copies("white noise", strength, some)
        found = (x - some[0]).std()
        assert found == pytest.approx(strength, rel=4 / np.sqrt(2 * x.size))


def test_half_of_the_noise_images_show_nothing_else(some):
    x, _ = copies("noise images", 0.5, some)
    kept = np.abs(x - some[0]).max(axis=(1, 2, 3)) < 1e-4
    assert abs(kept.mean() - 0.5) < 4 * 0.5 / np.sqrt(200)
    correlation = np.corrcoef(x[~kept].ravel(), some[0][~kept].ravel())[0, 1]
    # The mean image would show as 0.5.
    assert abs(correlation) < 4 / np.sqrt(x[~kept].size)


def test_seeds_draw_other_images_and_a_smaller_set_is_part_of_a_larger():
    many, few = (pictures.chosen_images(n, 3, "quick") for n in (300, 100))
    assert (many[:100] == few).all() and len(set(many)) == 300
    assert len(set(many) & set(pictures.chosen_images(300, 4, "quick"))) < 40


def test_every_image_has_its_share_of_copies():
    for n in nets.SIZES:
        counts = np.bincount(pictures.visits(n, 0), minlength=n)
        assert len(counts) == n and np.ptp(counts) <= 1


def test_half_are_changed_where_copies_are_to_be_told_apart():
    apart = pictures.Apart("heavy noise", 1.0, "quick")
    x, answer = apart.asked()
    plain = pictures.flat(pictures.task("quick").x_valid, "quick")
    changed = np.abs(x - plain).max(axis=1) > 1e-3
    assert (changed == answer).all() and answer.mean() == 0.5


# --- the networks


def test_a_network_among_many_goes_the_way_it_goes_alone(monkeypatch):
    """Against Keras' layers and momentum, on the same copies in the same order."""
    monkeypatch.setattr(pictures, "COPIES", 400)
    monkeypatch.setattr(nets, "CHUNK", 5)
    pairs = [(nets.Variant("mixup", 1.0, 50), 3), (nets.Variant("none", 0, 50), 4)]
    sources, rates = nets.build(pairs, "quick"), [[0.01, 0.05], [0.02, 0.03]]
    (*_, many) = nets.train(
        sources, [3, 4], rates, "quick", lambda found, i: found.arrays
    )
    x, y = sources[0].pool()
    model = keras.Sequential(
        [keras.Input((196,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(10)]
    )
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss)
    first, second = nets.start(3, 64)
    model.set_weights([first, np.zeros(64), second, np.zeros(10)])
    order = nets.visits(600)
    training.fit(model, x[order], y[order], batch_size=20, shuffle=False)
    for ours, theirs in zip(many, model.get_weights(), strict=True):
        # 30 steps carry a rounding of 1e-7 to 1e-5; a rate of 0.01 shows 0.01.
        np.testing.assert_allclose(ours[0, 1].squeeze(), theirs, atol=2e-4)


@pytest.mark.parametrize("scale", SETTINGS)
def test_no_seed_both_tunes_and_judges_and_none_was_in_the_pilot(scale):
    judging, tuning = set(unseen(SETTINGS[scale])["seeds"]), set(nets.TUNE_SEEDS[scale])
    assert not judging & tuning
    assert min(judging | tuning) >= 1000 > max(SETTINGS[scale]["tune_seeds"])


def test_validation_chooses_strength_rate_and_step():
    scores = {s: np.full((6, 3), 0.1 * s) for s in (1, 2)}
    scores[1][4, 2] = 0.9
    tried = {nets.Variant("shift", s, 300): {"plain": scores[s]} for s in (1, 2)}
    (choice,) = nets.choose(tried).values()
    assert choice == (nets.Variant("shift", 1, 300), nets.RATES[2], 4, 0.9)


# --- the ledger


@pytest.fixture(scope="module")
def stored():
    return claims.load()["C46"]["quick"]


def test_the_verdict_follows_from_the_intervals(stored):
    rows = {r["name"]: r for r in stored["rows"]}
    gain, gap, noise = (r for r in stored["rows"] if r["decides"])
    assert [r["part"] for r in (gain, gap, noise)] == ["a", "a", "b"]
    assert gain["high"] < LEAST < gap["low"] and noise["low"] > 0
    white = rows["white noise − none, accuracy"]
    assert noise["estimate"] == pytest.approx(LEAST - white["estimate"], abs=1e-5)
    assert stored["verdict"] == "contradicted"


def test_the_gains_are_those_of_the_accuracies(stored):
    numbers = stored["numbers"]
    for r in stored["rows"]:
        if not r["decides"]:
            key = r["arm"], r["images"], r["world"]
            with_, without = (
                numbers[f"{c_augmentation.name_of(arm, *key[1:])}: accuracy"]
                for arm in (r["arm"], "none")
            )
            assert r["estimate"] == pytest.approx(with_ - without, abs=2e-4)


def test_the_ledgers_accuracy_is_found_again(stored):
    """White noise and no augmentation on noisy test images, by the claim's program."""
    told, choices = stored["numbers"], {}
    for arm in ("none", "white noise"):
        name = c_augmentation.name_of(arm, 300, "noisy")
        variant = nets.Variant(arm, told[f"{name}: strength"], 300)
        stop = int(told[f"{name}: steps"]) // nets.CHUNK - 1
        key = arm, 300, "noisy"
        choices[key] = nets.Choice(variant, told[f"{name}: learning rate"], stop, 0)
    found = nets.judge(choices, unseen(SETTINGS["quick"])["seeds"], "quick")
    for key, (test, own) in zip(choices, found, strict=True):
        name = c_augmentation.name_of(*key)
        # Another processor rounds otherwise, which moves some of the 4,000 answers.
        assert test.mean() == pytest.approx(told[f"{name}: accuracy"], abs=0.005)
        told_own = told[f"{name}: training accuracy"]
        assert own.mean() == pytest.approx(told_own, abs=0.01)
