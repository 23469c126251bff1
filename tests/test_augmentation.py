"""Augmentation: against the papers in NumPy, Keras' twins, and counting pixels."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

from dtlib import augmentation
from dtlib.augmentation import MixUp, RandomErasing, erasing
from tests import oracles_augmentation as oracles
from tests.engines import array, compiled, gradient, slope

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    MixUp: (
        dict(alpha=0.4, data_format="channels_first", seed=5),
        dict(alpha=0, data_format="channels", seed=0.5),
        "images",
    ),
    RandomErasing: (
        dict(
            factor=(0.25, 0.75),
            scale=(0.1, 0.2),
            fill_value=(0.1, 0.2, 0.3),
            value_range=(-1.0, 1.0),
            seed=5,
            data_format="channels_first",
        ),
        dict(
            factor=1.5,
            scale=(0.3, 0.2),
            fill_value="noise",
            value_range=(0, 1, 2),
            seed=True,
            data_format=3,
        ),
        "images",
    ),
}
every_class = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
every_dtype = pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "float64"]
)
RNG = np.random.default_rng(3)
IMAGES = RNG.uniform(0, 255, size=(24, 9, 7, 3)).astype("float32")
LABELS = np.eye(5, dtype="float32")[RNG.integers(0, 5, size=24)]
ORDER = RNG.permutation(24)
WEIGHT = RNG.uniform(size=24)


def batch():
    return {"images": IMAGES, "labels": LABELS}


def tensor(x, dtype="float32"):
    return ops.convert_to_tensor(x, dtype)


# Mixup --------------------------------------------------------------------------------


@pytest.mark.equation("eq-augmentation-mixup")
@every_dtype
def test_mixup_is_the_papers_blend_in_every_type(dtype):
    x, y = tensor(IMAGES / 255, dtype), tensor(LABELS, dtype)
    blended = augmentation.mixup(x, y, ORDER, WEIGHT)
    expected = oracles.mixup(array(x), array(y), ORDER, WEIGHT)
    digits = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6}.get(dtype, 1e-7)
    for ours, theirs in zip(blended, expected, strict=True):
        assert keras.backend.standardize_dtype(ours.dtype) == dtype
        np.testing.assert_allclose(array(ours), theirs, rtol=digits, atol=digits)


def test_labels_stay_distributions_and_say_how_much_of_each_image_there_is():
    # Image k is the number k everywhere, and its label says k.
    images = np.arange(24.0)[:, None, None, None] * np.ones((1, 4, 4, 1))
    x, y = map(array, augmentation.mixup(images, np.eye(24), ORDER, WEIGHT))
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(-1), 1, rtol=1e-6)
    np.testing.assert_allclose(x[:, 0, 0, 0], y @ np.arange(24.0), rtol=1e-5)
    np.testing.assert_allclose(y[range(24), ORDER], 1 - WEIGHT, atol=1e-6)


def test_a_weight_of_1_leaves_a_sample_alone_and_0_swaps_it():
    for weight, expected in ((1.0, range(24)), (0.0, ORDER)):
        x, y = augmentation.mixup(IMAGES, LABELS, ORDER, np.full(24, weight))
        assert (array(x) == IMAGES[expected]).all()
        assert (array(y) == LABELS[expected]).all()
    x, none = augmentation.mixup(IMAGES, None, ORDER, np.ones(24))
    assert none is None and (array(x) == IMAGES).all()


@pytest.mark.equation("eq-augmentation-weight")
@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.049, 0.05, 0.2, 1.0, 8.0])
def test_the_weight_has_the_law_of_beta(alpha):
    weight = array(augmentation.mixup_weight((40_000,), alpha=alpha, seed=1))
    assert ((weight >= 0) & (weight <= 1)).all()
    law, n = stats.beta(alpha, alpha), weight.size
    variance = 1 / (4 * (2 * alpha + 1))
    assert law.var() == pytest.approx(variance)
    # A mean strays by √(Var/N), a variance by √((kurtosis + 2)/N) of itself; four.
    assert weight.mean() == pytest.approx(0.5, abs=4 * math.sqrt(variance / n))
    kurtosis = float(law.stats("k"))
    stray = 4 * math.sqrt(max(kurtosis + 2, 1 / n) / n)
    assert weight.var() == pytest.approx(variance, rel=stray + 1e-6)
    if alpha >= 0.2:
        lower = weight[weight < 0.5]  # near 1, float32 has too few numbers
        assert stats.kstest(lower, lambda w: 2 * law.cdf(w)).pvalue > 1e-3
    else:  # the ends, which float32 rounds to 0 and 1, hold almost everything
        middle = ((weight > 0.1) & (weight < 0.9)).mean()
        expected = law.cdf(0.9) - law.cdf(0.1)
        four = 4 * math.sqrt(expected / n) + 1 / n
        assert middle == pytest.approx(expected, abs=four)


@pytest.mark.tensorflow
def test_a_tiny_alpha_leaves_samples_alone_where_keras_blends_them_by_halves():
    keras_own = array(keras.random.beta((10_000,), 0.001, 0.001, seed=1))
    assert (keras_own == 0.5).mean() > 0.5  # the law: 0.2 % are between 0.1 and 0.9
    ours = array(augmentation.mixup_weight((10_000,), alpha=0.001, seed=1))
    assert (abs(ours - 0.5) < 0.4).mean() < 0.01


def test_the_two_factors_of_a_tiny_alphas_weight_are_independent_of_the_seeds_kind():
    for seed in (3, keras.random.SeedGenerator(3), None):
        weight = array(augmentation.mixup_weight((4000,), alpha=0.01, seed=seed))
        assert weight.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(4000))
    again = array(augmentation.mixup_weight((4000,), alpha=0.01, seed=3))
    first = array(augmentation.mixup_weight((4000,), alpha=0.01, seed=3))
    assert (again == first).all() and (again != weight).any()


@pytest.mark.parametrize("shape", [(24,), (24, 1)], ids=str)
def test_class_numbers_are_refused_and_binary_labels_are_blended(shape):
    numbers = RNG.integers(0, 5, size=shape)
    with pytest.raises(ValueError, match="`labels` must be one-hot rows.*Received"):
        augmentation.mixup(IMAGES, numbers, ORDER, WEIGHT)
    binary = (numbers > 2).astype("float32")
    y = array(augmentation.mixup(IMAGES, binary, ORDER, WEIGHT)[1])
    expected = oracles.mixup(binary, binary, ORDER, WEIGHT)[1]
    np.testing.assert_allclose(y, expected, atol=1e-6)
    y = augmentation.mixup(tensor(IMAGES), LABELS.astype("int32"), ORDER, WEIGHT)[1]
    expected = oracles.mixup(IMAGES, LABELS, ORDER, WEIGHT)[1]
    np.testing.assert_allclose(array(y), expected, atol=1e-6)


def test_extreme_pixels_blend_without_nan():
    x = np.array([1e4, -1e4, 6e4, -6e4])
    for dtype in ("float16", "float32"):
        y = augmentation.mixup(tensor(x, dtype), None, [1, 0, 3, 2], [0.0, 1, 0.5, 0.9])
        expected = [-1e4, -1e4, 0, -4.8e4]
        np.testing.assert_allclose(array(y[0]), expected, rtol=1e-3, atol=1)
    x[3] = math.nan
    y = array(augmentation.mixup(x, None, [1, 0, 3, 2], [0.2] * 4)[0])
    assert np.isnan(y).tolist() == [False, False, True, True]  # not lost


# Random erasing -----------------------------------------------------------------------


@pytest.mark.equation("eq-augmentation-box")
def test_the_box_is_the_rule_lies_within_and_has_the_share_it_is_asked_for():
    side, place = RNG.uniform(size=(2, 3000, 2))
    box = array(
        augmentation.erasing_box(side, place, height=90, width=70, scale=(0.1, 0.4))
    )
    expected = oracles.erasing_box(side, place, 90, 70, (0.1, 0.4))
    np.testing.assert_allclose(box, expected, rtol=1e-4, atol=1e-4)
    top, left, bottom, right = box.T
    assert (box >= 0).all() and (bottom <= 90.001).all() and (right <= 70.001).all()
    share = (bottom - top) * (right - left) / (90 * 70)
    assert (share > 0.0999).all() and (share < 0.4001).all()
    four = 4 * share.std() / math.sqrt(len(share))
    assert share.mean() == pytest.approx(oracles.mean_share(0.1, 0.4), abs=four)


@pytest.mark.equation("eq-augmentation-erase")
@every_dtype
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_erasing_is_counted_pixel_by_pixel(dtype, data_format):
    box = np.array(
        [
            [0.0, 0.0, 0.0, 0.0],  # nothing
            [0.0, 0.0, 9.0, 7.0],  # everything
            [2.0, 1.0, 4.0, 6.0],  # rows 2 and 3, columns 1 to 5
            [1.5, 0.6, 3.5, 2.4],  # centers 1.5 and 2.5, not 3.5; 1.5, not 2.5
        ]
    )
    x = tensor(IMAGES[:4], dtype)
    expected = oracles.erase(array(x), box, 7.0)
    if data_format == "channels_first":
        x, expected = ops.transpose(x, (0, 3, 1, 2)), expected.transpose(0, 3, 1, 2)
    y = augmentation.erase(x, box, 7.0, data_format=data_format)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    assert (array(y) == expected).all()
    counts = [(array(y)[n] == 7).sum() // 3 for n in range(4)]
    assert counts == [0, 63, 2 * 5, 2 * 1]


def test_what_is_erased_has_no_gradient_and_the_rest_all_of_it():
    box = np.array([[0.0, 0.0, 1.0, 2.0]])

    def f(x):
        return augmentation.erase(x, box, math.pi, data_format="channels_last")

    x = RNG.normal(size=(1, 2, 3, 1))
    x[0, 0, 0] = math.nan  # hidden, it does no harm
    assert np.isfinite(array(f(x))).all()
    assert gradient(f, x).ravel().tolist() == [0, 0, 1, 1, 1, 1]
    np.testing.assert_allclose(slope(f, x).ravel()[2:], 1, rtol=1e-6)

    def blend(x):
        return augmentation.mixup(x, None, [1, 0], [0.3, 0.6])[0]

    # Both weights enter each sample: 0.3 + 0.4 and 0.6 + 0.7.
    both = gradient(blend, np.ones((2, 1))).ravel()
    np.testing.assert_allclose(both, [0.7, 1.3], rtol=1e-6)


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_the_rules_compute_the_same_compiled(xla):
    side, place = (tensor(u) for u in RNG.uniform(size=(2, 24, 2)))

    def rules(x, y, order, weight):
        box = augmentation.erasing_box(side, place, height=9, width=7, scale=(0.1, 0.5))
        erased = augmentation.erase(x, box, 0.0, data_format="channels_last")
        return (erased, *augmentation.mixup(x, y, order, weight))

    given = tensor(IMAGES), tensor(LABELS), tensor(ORDER, "int32"), tensor(WEIGHT)
    for a, b in zip(compiled(rules, xla)(*given), rules(*given), strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    "factor, expected",
    [((1, 1), 1.0), (1.0, 0.5), (0.4, 0.2), ((0.2, 0.6), 0.4), (0, 0)],
)
def test_factor_is_the_chance_that_an_image_is_erased(factor, expected):
    layer = RandomErasing(factor, (0.3, 0.6), fill_value=9.0, seed=1)
    x = np.ones((4000, 5, 5, 1), "float32")
    y = array(layer(x))
    hit = (y == 9).any(axis=(1, 2, 3))
    four = 4 * math.sqrt(expected * (1 - expected) / len(x))
    assert hit.mean() == pytest.approx(expected, abs=four)


@pytest.mark.parametrize("scale", [(0.25, 0.25), (0.02, 0.33), 0.4], ids=str)
def test_the_erased_share_of_pixels_is_as_asked(scale):
    layer = RandomErasing((1, 1), scale, fill_value=0.0, seed=1)
    y = array(layer(np.ones((400, 60, 80, 1), "float32")))
    share = (y == 0).mean(axis=(1, 2, 3))
    low, high = scale if isinstance(scale, tuple) else (0, scale)
    # A side may be off by a pixel: 1/60 + 1/80 of the area, at most.
    assert (share >= low - 0.03).all() and (share <= high + 0.03).all()
    if low < high:
        four = 4 * share.std() / math.sqrt(400) + 0.002
        assert share.mean() == pytest.approx(oracles.mean_share(low, high), abs=four)


def test_what_is_written_is_noise_or_the_value_within_the_range():
    x = np.full((50, 20, 20, 3), -7.0, "float32")
    everything = dict(factor=(1, 1), scale=(1, 1), seed=2)
    noise = array(RandomErasing(value_range=(-1, 2), **everything)(x)).ravel()
    # N(0, 2²) cut at −1 and 2: the mass beyond either end sits on it.
    for end, mass in ((-1, stats.norm.cdf(-0.5)), (2, stats.norm.sf(1))):
        assert (noise == end).mean() == pytest.approx(mass, abs=4 * 0.5 / 245)
    inner = noise[(noise > -1) & (noise < 2)]
    assert stats.kstest(inner, stats.truncnorm(-0.5, 1, scale=2).cdf).pvalue > 1e-3
    given = dict(value_range=(0, 1), **everything)
    y = array(RandomErasing(fill_value=(0.5, 3.0, -9), **given)(x))
    assert (y == [0.5, 1, 0]).all()
    first = RandomErasing(
        fill_value=(0.5, 1.0, 0), data_format="channels_first", **everything
    )
    y = array(first(x.transpose(0, 3, 1, 2)))
    assert (y.transpose(0, 2, 3, 1) == [0.5, 1, 0]).all()


# The layers ---------------------------------------------------------------------------

TWINS = {
    "mixup": (MixUp, {}),
    "mixup, alpha": (MixUp, dict(alpha=1.3)),
    "erasing": (RandomErasing, {}),
    "erasing, numbers": (RandomErasing, dict(factor=0.9, scale=0.5, fill_value=3.0)),
    "erasing, range": (
        RandomErasing,
        dict(factor=(0.3, 0.9), scale=(0.2, 0.7), value_range=(-1, 1)),
    ),
    "erasing, first": (RandomErasing, dict(data_format="channels_first")),
}


@pytest.mark.parametrize("cls, given", TWINS.values(), ids=TWINS)
def test_a_seed_gives_what_keras_gives(cls, given, monkeypatch):
    def by_corners(images, box, fill, **options):
        return augmentation.erase(images, box + 0.5, fill, **options)

    monkeypatch.setattr(erasing, "erase", by_corners)  # half a pixel is all there is
    ours, theirs = (c(seed=9, **given) for c in (cls, getattr(layers, cls.__name__)))
    for _ in range(3):
        a, b = ours(batch()), theirs(batch())
        for key in ("images", "labels"):
            np.testing.assert_allclose(
                array(a[key]), array(b[key]), rtol=1e-5, atol=1e-4
            )
    assert (array(a["images"]) != IMAGES).any()
    a, b = ours(IMAGES), theirs(IMAGES)  # images alone
    np.testing.assert_allclose(array(a), array(b), rtol=1e-5, atol=1e-4)


@every_class
def test_at_inference_a_layer_is_the_identity(cls):
    layer = cls(seed=1)
    given = batch() | {"more": ops.ones((24,))}
    y = layer(given, training=False)
    assert (array(y["images"]) == IMAGES).all() and (array(y["labels"]) == LABELS).all()
    assert (array(layer(IMAGES, training=False)) == IMAGES).all()
    assert (array(layer(given)["more"]) == 1).all()
    assert (given["images"] is IMAGES) and (array(layer(IMAGES)) != IMAGES).any()


@every_class
def test_a_seed_repeats_and_draws_go_on(cls):
    first, again, other = cls(seed=4), cls(seed=4), cls(seed=5)
    a, b, c = (array(layer(IMAGES)) for layer in (first, again, other))
    assert (a == b).all() and (a != c).any()
    assert (array(first(IMAGES)) != a).any()
    assert (array(first(IMAGES)) != array(cls()(IMAGES))).any()


@every_class
def test_a_single_image_is_a_batch_of_one(cls):
    layer = RandomErasing((1, 1), seed=1) if cls is RandomErasing else cls(seed=1)
    one = {"images": IMAGES[0], "labels": LABELS[0]}
    y = layer(one)
    assert y["images"].shape == IMAGES[0].shape and y["labels"].shape == (5,)
    np.testing.assert_allclose(array(y["labels"]), LABELS[0], rtol=1e-6)
    close = np.allclose(array(y["images"]), IMAGES[0], rtol=1e-5)
    assert close == (cls is MixUp)  # there is nobody else to blend with


@every_class
def test_what_it_cannot_change_along_is_refused(cls):
    layer = cls()
    for key in ("bounding_boxes", "segmentation_masks"):
        with pytest.raises(ValueError, match=f"`data` must not have the key '{key}'"):
            layer(batch() | {key: IMAGES})
    with pytest.raises(ValueError, match="`data` must have the key 'images'.*labels"):
        layer({"labels": LABELS})
    with pytest.raises(ValueError, match=r"`images` must have 3 axes.*\(24, 5\)"):
        layer(LABELS)


@every_class
def test_a_bad_argument_is_named_with_what_came(cls):
    for name, value in CASES[cls][1].items():
        with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {name}="):
            cls(**{name: value})


@every_class
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_half(cls, policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        y = cls(seed=1)(batch())
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    images, labels = y["images"], y["labels"]
    half = policy.removeprefix("mixed_")
    assert keras.backend.standardize_dtype(images.dtype) == half
    assert np.isfinite(array(images)).all()
    np.testing.assert_allclose(array(labels).sum(-1), 1, rtol=1e-2)


@every_class
def test_bytes_become_numbers_of_the_layers_type(cls):
    y = cls(seed=1)(IMAGES.astype("uint8"))
    assert keras.backend.standardize_dtype(y.dtype) == "float32"
    assert array(y).min() >= 0 and array(y).max() <= 255


@every_class
def test_it_works_in_a_model_in_fit_and_is_silent_in_predict(cls):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((9, 7, 3)), cls(seed=1), layers.Flatten(), layers.Dense(5)]
    )
    model.compile("sgd", "mse")
    history = model.fit(IMAGES / 255, LABELS, batch_size=10, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    plain = keras.Sequential(model.layers[1:])
    expected = plain.predict(IMAGES / 255, verbose=0)
    np.testing.assert_allclose(model.predict(IMAGES / 255, verbose=0), expected, 1e-5)


@pytest.mark.tensorflow
@every_class
def test_it_works_in_a_dataset_as_outside(cls):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(batch()).batch(10).map(cls(seed=3))
    drawn = [{k: array(v) for k, v in part.items()} for part in data]
    assert [len(part["images"]) for part in drawn] == [10, 10, 4]
    layer = cls(seed=3)
    for start, part in zip((0, 10, 20), drawn, strict=True):
        rows = {k: v[start : start + 10] for k, v in batch().items()}
        for key, value in layer(rows).items():
            np.testing.assert_allclose(part[key], array(value), rtol=1e-5, atol=1e-4)


# Conventions --------------------------------------------------------------------------


@pytest.mark.convention("Weights of one mixup batch")
def test_each_image_has_a_weight_of_its_own_where_the_papers_code_draws_one_a_batch():
    images = np.arange(24.0)[:, None, None, None] * np.ones((1, 2, 2, 1))
    own = {}
    for module in (augmentation, layers):
        layer = module.MixUp(alpha=1.0, seed=2)
        labels = array(layer({"images": images, "labels": np.eye(24)})["labels"])
        own[module] = len(np.unique(labels.max(-1).round(5)))
    assert own[augmentation] == own[layers] > 20
    # One λ for all is the rule with one weight repeated.
    y = array(augmentation.mixup(images, np.eye(24), ORDER, np.full(24, 0.7))[1])
    moved = y.max(-1)[range(24) != ORDER]
    np.testing.assert_allclose(moved, 0.7, rtol=1e-6)


@pytest.mark.convention("Chance of erasing an image")
def test_a_factor_of_1_erases_half_of_the_images_in_keras_too():
    x = np.full((4000, 4, 4, 1), 5.0, "float32")
    for factor, share in ((1.0, 0.5), ((1, 1), 1.0), ((0.5, 0.5), 0.5)):
        for module in (augmentation, layers):
            layer = module.RandomErasing(factor, (0.5, 0.6), fill_value=0.0, seed=3)
            hit = (array(layer(x)) == 0).any(axis=(1, 2, 3)).mean()
            assert hit == pytest.approx(share, abs=4 * 0.5 / math.sqrt(4000))


@pytest.mark.convention("A pixel at the edge of the erased rectangle")
def test_keras_never_erases_the_first_row_and_column():
    x = np.ones((500, 6, 5, 1), "float32")
    missed = {}
    for module in (augmentation, layers):
        layer = module.RandomErasing((1, 1), (0.2, 0.8), fill_value=0.0, seed=3)
        hit = (array(layer(x)) == 0)[..., 0]
        missed[module] = [not hit[:, i].any() for i in range(6)]
        assert hit[:, :, -1].any() and hit[:, :, 0].any() == (module is augmentation)
    assert missed[augmentation] == [False] * 6
    assert missed[layers] == [True] + [False] * 5
    # Half a pixel turns one into the other.
    box = np.array([[0.2, 0.4, 3.7, 2.1]])
    y = augmentation.erase(x[:1], box + 0.5, 0.0, data_format="channels_last")
    i, j = np.arange(6)[:, None], np.arange(5)
    corners = (i >= 0.2) & (i < 3.7) & (j >= 0.4) & (j < 2.1)
    assert ((array(y)[0, :, :, 0] == 0) == corners).all()


@pytest.mark.convention("Size of the erased rectangle")
def test_keras_draws_two_sides_where_the_paper_draws_a_share_and_a_ratio():
    low, high, n = 0.02, 0.33, 20_000
    share = RNG.uniform(low, high, size=n)
    ratio = RNG.uniform(0.3, 1 / 0.3, size=n)
    h, w = np.sqrt(share * ratio), np.sqrt(share / ratio)
    assert (h * w).mean() == pytest.approx((low + high) / 2, rel=0.02)
    side = RNG.uniform(size=(n, 2))
    box = array(
        augmentation.erasing_box(side, 0 * side, height=1, width=1, scale=(low, high))
    )
    area, mean = box[:, 2] * box[:, 3], oracles.mean_share(low, high)
    assert area.mean() == pytest.approx(mean, rel=0.02)
    assert mean / ((low + high) / 2) == pytest.approx(0.922, abs=5e-4)
    # The sides' ratio reaches further: 1/√(0.33/0.02) = 0.246 to 4.06.
    assert box[:, 2].min() / box[:, 3].max() < 0.3
