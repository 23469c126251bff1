"""Dropout: against exact averages over all masks, the papers, Keras' twins, SciPy."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from dtlib import dropout
from tests import oracles_dropout as oracles
from tests.engines import array, compiled, gradient, slope

RATE = dict(rate=0.3, seed=5)
MASK = dict(noise_shape=(None, 1), **RATE)

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    dropout.Dropout: (MASK, dict(rate=1.5, noise_shape=(None, 0), seed=0.5)),
    dropout.AlphaDropout: (MASK, dict(rate=1, noise_shape="(2,)", seed="one")),
    dropout.GaussianDropout: (RATE, dict(rate=1.0, seed=True)),
    dropout.MCDropout: (MASK, dict(rate=-0.1, noise_shape=3, seed=[1])),
    dropout.MCAlphaDropout: (MASK, dict(rate=math.nan, noise_shape=(2.5,), seed=1.5)),
}
TWINS = [dropout.Dropout, dropout.AlphaDropout, dropout.GaussianDropout]
every_class = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
every_twin = pytest.mark.parametrize("cls", TWINS, ids=lambda cls: cls.__name__)
every_dtype = pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float32", "float64"]
)
RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 50)).astype("float32")
KEPT = RNG.uniform(size=X.shape) >= 0.3


def tensor(x, dtype="float32"):
    return ops.convert_to_tensor(x, dtype)


def every_mask(units):
    return [np.array(m) for m in itertools.product([False, True], repeat=units)]


def chance(mask, rate):
    return rate ** (~mask).sum() * (1 - rate) ** mask.sum()


# The coin tosses ----------------------------------------------------------------------


@pytest.mark.equation("eq-dropout-mask")
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.9])
def test_the_mask_drops_the_share_it_is_asked_for(rate):
    kept = array(dropout.keep_mask((400, 500), rate=rate, seed=3))
    # 200,000 coins stray by √(rate(1 − rate)/200,000); four of those.
    four = 4 * math.sqrt(rate * (1 - rate) / kept.size)
    assert 1 - kept.mean() == pytest.approx(rate, abs=four)
    # No row and no column is special: their counts spread as a binomial's do.
    spread = (kept.sum(1) - 500 * (1 - rate)) / math.sqrt(500 * rate * (1 - rate))
    assert spread.var() == pytest.approx(1, abs=4 * math.sqrt(2 / 400))


def test_no_unit_is_dropped_at_rate_0_and_none_kept_at_rate_1():
    assert array(dropout.keep_mask((1000,), rate=0.0, seed=1)).all()
    assert not array(dropout.keep_mask((1000,), rate=1.0, seed=1)).any()


def test_an_int_seed_repeats_and_a_generator_moves_on():
    def tossed(seed):
        return array(dropout.keep_mask((100,), rate=0.5, seed=seed))

    generator = keras.random.SeedGenerator(4)
    assert (tossed(4) == tossed(4)).all()
    assert (tossed(4) != tossed(5)).any()
    assert (tossed(generator) != tossed(generator)).any()
    assert (tossed(None) != tossed(None)).any()


# Plain dropout ------------------------------------------------------------------------


@pytest.mark.equation("eq-dropout-kept")
@every_dtype
@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9])
def test_dropout_is_the_definition_in_every_type(dtype, rate):
    y = dropout.dropout(tensor(X, dtype), KEPT, rate=rate)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    digits = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 3e-7}.get(dtype, 1e-12)
    x = array(tensor(X, dtype))
    np.testing.assert_allclose(array(y), oracles.dropout(x, KEPT, rate), rtol=digits)


def test_averaged_over_all_masks_it_is_the_input_with_variance_rate_over_keep():
    x, rate = np.array([1.0, -2.0, 0.5, 3.0]), 0.3
    drawn = [array(dropout.dropout(x, m, rate=rate)) for m in every_mask(4)]
    p = [chance(m, rate) for m in every_mask(4)]
    mean = np.average(drawn, axis=0, weights=p)
    np.testing.assert_allclose(mean, x, rtol=1e-6)
    variance = np.average((np.array(drawn) - x) ** 2, axis=0, weights=p)
    np.testing.assert_allclose(variance, x**2 * 0.3 / 0.7, rtol=1e-6)


def test_the_activations_are_divided_unlike_the_common_bug_with_the_weights():
    x, w, keep = np.array([1.0, 2.0, -1.0]), np.array([0.5, 1.0, 2.0]), 0.8
    masks = every_mask(3)
    p = [chance(m, 1 - keep) for m in masks]

    def agrees(rule, weights_at_inference):
        trained = sum(c * rule(m) @ w for c, m in zip(p, masks, strict=True))
        return abs(trained / (x @ weights_at_inference) - 1) < 1e-6

    assert agrees(lambda m: array(dropout.dropout(x, m, rate=1 - keep)), w)
    # Masks alone, and weights divided by the keep probability: off by keep² = 0.64.
    assert not agrees(lambda m: x * m, w / keep)
    # The paper's own form: the weights are *multiplied*, after training.
    assert agrees(lambda m: x * m, w * keep)


def test_a_rate_of_1_gives_zeros_and_a_zero_gradient():
    none = np.zeros((2, 3), bool)
    x = np.array([[1.0, -1e4, 0.0], [math.inf, 2.0, -3.0]])
    assert not array(dropout.dropout(x, none, rate=1)).any()
    assert not gradient(lambda x: dropout.dropout(x, none, rate=1.0), x).any()
    layer = dropout.Dropout(1)
    assert not array(layer(X, training=True)).any()


@pytest.mark.parametrize("rule", ["dropout", "alpha_dropout"])
def test_extreme_values_pass_and_leave_no_nan_behind(rule):
    x = np.array([1e4, -1e4, math.inf, -math.inf, math.nan, 0.0])
    kept = np.array([True] * 5 + [False])
    for dtype in ("float16", "float32"):
        y = array(getattr(dropout, rule)(tensor(x, dtype), kept, rate=0.5))
        assert (np.isnan(y) == np.isnan(x)).all()
        assert (np.sign(y[:4]) == np.sign(x[:4])).all()
        # What is dropped is gone, whatever it was; its gradient is 0.
        y = array(getattr(dropout, rule)(tensor(x, dtype), ~kept, rate=0.5))
        assert np.isfinite(y[:5]).all()
        g = gradient(
            lambda x: getattr(dropout, rule)(x, ~kept, rate=0.5), x, dtype=dtype
        )
        assert (g[:5] == 0).all() and g[5] > 0


@pytest.mark.parametrize("rule", ["dropout", "alpha_dropout"])
def test_the_gradient_is_that_of_finite_differences(rule):
    x = np.array([-2.0, -1e-7, 0.0, 1e-7, 3.0, 5.0])
    kept = np.array([True, False, True, True, False, True])
    for rate in (0.1, 0.6):

        def f(x, rate=rate):
            return getattr(dropout, rule)(x, kept, rate=rate)

        np.testing.assert_allclose(gradient(f, x), slope(f, x), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rule", ["dropout", "alpha_dropout"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 4, 3), (5, 4, 3)], ids=str)
def test_a_mask_broadcasts_to_the_input_or_is_refused(rule, shape):
    x, rule = np.ones((4, 3), "float32"), getattr(dropout, rule)
    if shape == (3,):
        y = array(rule(x, np.array([True, False, True]), rate=0.5))
        assert y.shape == (4, 3) and (y == y[0]).all() and y[0, 0] != y[0, 1]
        return
    with pytest.raises(ValueError, match=r"`mask` must broadcast to .*\(4, 3\).*shape"):
        rule(x, np.ones(shape, bool), rate=0.5)


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_the_rules_compute_the_same_compiled(xla):
    z = RNG.normal(size=X.shape).astype("float32")

    def rules(x, kept, z):
        return (
            dropout.dropout(x, kept, rate=0.3),
            dropout.alpha_dropout(x, kept, rate=0.3),
            dropout.gaussian_dropout(x, z, rate=0.3),
        )

    arguments = tensor(X), tensor(KEPT, "bool"), tensor(z)
    for fast, plain in zip(
        compiled(rules, xla)(*arguments), rules(*arguments), strict=True
    ):
        np.testing.assert_allclose(array(fast), array(plain), rtol=1e-6, atol=1e-6)


# Alpha dropout ------------------------------------------------------------------------


def test_alpha_prime_is_made_of_the_constants_that_fix_mean_0_and_variance_1():
    from dtlib.dropout import alpha

    scale, slope_ = oracles.selu_constants()
    assert alpha.SCALE == pytest.approx(scale, rel=1e-9)
    assert alpha.ALPHA == pytest.approx(slope_, rel=1e-9)
    # It is where SELU ends on the left.
    assert alpha.ALPHA_PRIME == pytest.approx(
        float(array(keras.activations.selu(tensor(-1e4)))), rel=1e-6
    )


@pytest.mark.equation("eq-dropout-alpha")
@every_dtype
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.7])
def test_alpha_dropout_is_the_papers_line_in_every_type(dtype, rate):
    y = dropout.alpha_dropout(tensor(X, dtype), KEPT, rate=rate)
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    digits = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6}.get(dtype, 1e-8)
    expected = oracles.alpha_dropout(array(tensor(X, dtype)), KEPT, rate)
    np.testing.assert_allclose(array(y), expected, rtol=digits, atol=digits)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_alpha_dropout_keeps_mean_0_and_variance_1_and_plain_dropout_does_not(rate):
    x = RNG.normal(size=400_000)
    x = (x - x.mean()) / x.std()
    kept = RNG.uniform(size=x.size) >= rate
    y = array(dropout.alpha_dropout(x, kept, rate=rate))
    # 400,000 draws: a mean strays by 1/√N = 0.0016, a variance by at most √(2/N).
    assert abs(y.mean()) < 4 / math.sqrt(x.size)
    assert y.var() == pytest.approx(1, abs=4 * math.sqrt(2 / x.size))
    plain = array(dropout.dropout(x, kept, rate=rate))
    assert plain.var() == pytest.approx(1 / (1 - rate), rel=0.02)


@pytest.mark.equation("eq-dropout-line")
def test_the_line_is_exact_for_any_two_values():
    # x = ±1 with equal chances has mean 0 and variance 1; so has y, averaged exactly.
    rate = 0.35
    y = array(
        dropout.alpha_dropout(
            np.array([1.0, -1.0, 9.0]), np.array([True, True, False]), rate=rate
        )
    )
    p = [(1 - rate) / 2, (1 - rate) / 2, rate]
    assert np.average(y, weights=p) == pytest.approx(0, abs=1e-6)
    assert np.average(y**2, weights=p) == pytest.approx(1, rel=1e-6)
    a, b = dropout.alpha_dropout_affine(rate=rate)
    assert y[0] - y[1] == pytest.approx(2 * a) and y[0] + y[1] == pytest.approx(2 * b)


# Gaussian dropout ---------------------------------------------------------------------


@pytest.mark.equation("eq-dropout-gaussian")
@every_dtype
def test_gaussian_dropout_is_the_papers_noise(dtype):
    z = RNG.normal(size=X.shape)
    for rate in (0.0, 0.2, 0.8):
        y = dropout.gaussian_dropout(tensor(X, dtype), tensor(z, dtype), rate=rate)
        assert keras.backend.standardize_dtype(y.dtype) == dtype
        digits = {"float16": 5e-3, "bfloat16": 4e-2, "float32": 2e-6}.get(dtype, 1e-12)
        x = array(tensor(X, dtype))
        expected = oracles.gaussian_dropout(x, array(tensor(z, dtype)), rate)
        np.testing.assert_allclose(array(y), expected, rtol=digits, atol=digits)


def test_gaussian_dropout_has_the_mean_and_variance_of_dropout():
    layer = dropout.GaussianDropout(0.2, seed=1)
    y = array(layer(np.full((400, 500), 3.0, "float32"), training=True))
    std = 3 * math.sqrt(0.2 / 0.8)
    assert y.mean() == pytest.approx(3, abs=4 * std / math.sqrt(y.size))
    assert y.std() == pytest.approx(std, rel=4 * math.sqrt(0.5 / y.size))
    x = np.array([-1.0, 0.0, 2.0])

    def f(x):
        return dropout.gaussian_dropout(x, np.array([0.5, -3.0, 1.0]), rate=0.2)

    np.testing.assert_allclose(gradient(f, x), slope(f, x), rtol=1e-8)


# The layers ---------------------------------------------------------------------------


SHAPES = [None, (40, 1), (1, 50), (None, 1), (None, 50)]
SAME = [
    (dropout.GaussianDropout, None),
    *((dropout.AlphaDropout, shape) for shape in SHAPES),
    # Elsewhere Keras compares the same numbers otherwise: see `Dropout`.
    *(
        pytest.param(dropout.Dropout, shape, marks=pytest.mark.tensorflow)
        for shape in SHAPES
    ),
]


@pytest.mark.parametrize("cls, shape", SAME)
def test_a_seed_draws_what_keras_draws(cls, shape):
    given = dict(rate=0.3, seed=9) | ({} if shape is None else {"noise_shape": shape})
    ours, theirs = cls(**given), getattr(layers, cls.__name__)(**given)
    for _ in range(3):
        expected, found = (array(layer(X, training=True)) for layer in (theirs, ours))
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@every_twin
def test_the_layer_has_the_law_of_its_twin(cls):
    x = np.full((300, 400), 2.0, "float32")
    ours, theirs = (
        array(c(0.25, seed=s)(x, training=True))
        for s, c in ((1, cls), (2, getattr(layers, cls.__name__)))
    )
    # The means of two sets of N draws of spread s differ by s√(2/N); four of those.
    assert ours.mean() == pytest.approx(
        theirs.mean(), abs=4 * theirs.std() * math.sqrt(2 / x.size)
    )
    assert ours.std() == pytest.approx(theirs.std(), rel=4 / math.sqrt(x.size))
    if cls is not dropout.GaussianDropout:
        np.testing.assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-6)


@every_class
def test_a_layer_is_silent_at_inference_unless_it_is_monte_carlo(cls):
    layer = cls(0.5, seed=1)
    always = cls.__name__.startswith("MC")
    for arguments in ({}, {"training": False}):
        assert (array(layer(X, **arguments)) == X).all() != always
    first, second = (array(layer(X, training=True)) for _ in range(2))
    assert (first != second).any() and (first != X).any()
    again = array(cls(0.5, seed=1)(X, training=True))
    expected = first if not always else array(cls(0.5, seed=1)(X))
    assert (again == expected).all()
    assert cls(0.5).supports_masking


@every_class
def test_a_rate_of_0_is_the_identity_and_needs_no_random_state(cls):
    layer = cls(0)
    assert (array(layer(X, training=True)) == X).all()
    assert layer.variables == []
    assert len(cls(0.1).variables) == 1


@every_class
def test_a_bad_argument_is_named_with_what_came(cls):
    given, refused = CASES[cls]
    for name, value in refused.items():
        with pytest.raises(
            ValueError, match=rf"`{name}` must be .*Received: .*{name}="
        ):
            cls(**{**given, name: value})


def test_a_noise_shape_drops_together_what_it_counts_as_one():
    x = np.ones((6, 5, 4), "float32")
    y = array(dropout.Dropout(0.5, (None, 1, None), seed=1)(x, training=True))
    assert (y == y[:, :1]).all() and (y != y[:1]).any() and (y != y[..., :1]).any()
    y = array(dropout.AlphaDropout(0.5, (4,), seed=1)(x, training=True))
    assert (y == y[:1, :1]).all()
    with pytest.raises(ValueError, match=r"`noise_shape` must have an entry for each"):
        dropout.Dropout(0.5, (None, 1))(x, training=True)
    with pytest.raises(ValueError, match="`mask` must broadcast"):
        dropout.Dropout(0.5, (6, 5, 3))(x, training=True)


@pytest.mark.tensorflow
def test_an_images_channels_fall_together_as_in_spatial_dropout():
    x = np.ones((3, 5, 6, 8), "float32")
    ours = dropout.Dropout(0.4, (None, 1, 1, None), seed=2)
    expected = layers.SpatialDropout2D(0.4, seed=2)(x, training=True)
    np.testing.assert_allclose(ours(x, training=True), expected, rtol=1e-6)


@every_class
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_half(cls, policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        layer = cls(0.4, seed=1)
        y = layer(X, training=True)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(y.dtype) == policy.removeprefix("mixed_")
    assert np.isfinite(array(y)).all()
    expected = array(cls(0.4, seed=1)(X, training=True))
    if cls is not dropout.GaussianDropout:  # its noise is drawn in half
        np.testing.assert_allclose(array(y), expected, rtol=2e-2, atol=2e-2)


@pytest.mark.tensorflow
def test_a_small_rate_holds_in_bfloat16_where_keras_drops_half_as_much_again():
    x = ops.ones((500, 400), "bfloat16")
    dropped = {
        module: 1
        - (
            array(module.Dropout(0.01, seed=1, dtype="bfloat16")(x, training=True)) > 0
        ).mean()
        for module in (dropout, layers)
    }
    # Of 128 values of u, 0 and 1/128 are below 0.01: 2/128 = 1.56 %.
    four = 4 * math.sqrt(0.01 / 200_000)
    assert dropped[dropout] == pytest.approx(0.01, abs=four)
    assert dropped[layers] == pytest.approx(2 / 128, abs=2 * four)


def network(drop, *, jit=False):
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(16, "relu"), drop, layers.Dense(1)]
    )
    model.compile("sgd", "mse", jit_compile=jit)
    return model


@pytest.mark.tensorflow
@every_twin
def test_it_trains_in_one_compiled_epoch_as_in_model_fit_and_as_keras_own(cls):
    from dtlib.training import fit
    from dtlib.training._program import xla_pays

    x = RNG.normal(size=(70, 8)).astype("float32")
    y = x[:, :1] * x[:, 1:2]
    twin = getattr(layers, cls.__name__)
    ours, theirs, keras_own = (network(c(0.4, seed=6)) for c in (cls, cls, twin))
    assert not xla_pays(ours) and xla_pays(network(cls(0.0)))  # drawing is slow there
    fit(ours, x, y, epochs=3, batch_size=32, shuffle=False)
    for model in (theirs, keras_own):
        model.fit(x, y, epochs=3, batch_size=32, shuffle=False, verbose=0)
    weights = [m.get_weights() for m in (ours, theirs, keras_own)]
    for a, b, c in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(b, c, rtol=1e-5, atol=1e-6)
    still = network(cls(0.0)).get_weights()[0]
    assert abs(weights[0][0] - still).max() > 0.01  # it did train


@pytest.mark.convention("The number given to dropout")
def test_the_rate_is_what_is_dropped_and_old_code_says_what_is_kept():
    def tf1(x, keep_prob, mask):  # tf.nn.dropout of TensorFlow 1
        return np.where(mask, x / keep_prob, 0.0)

    y = array(dropout.dropout(X, KEPT, rate=0.3))
    np.testing.assert_allclose(y, tf1(X, 1 - 0.3, KEPT), rtol=1e-6)
    # The same number in the other convention drops 80 % instead of 20 %.
    share = {
        rate: (array(layers.Dropout(rate, seed=1)(X, training=True)) == 0).mean()
        for rate in (0.2, 1 - 0.2)
    }
    four = 4 * math.sqrt(0.16 / X.size)
    assert share[0.2] == pytest.approx(0.2, abs=four)
    assert share[0.8] == pytest.approx(0.8, abs=four)


@pytest.mark.convention("Where dropout rescales")
def test_activations_are_scaled_up_in_training_or_weights_down_afterwards():
    rate, w = 0.3, RNG.normal(size=(50, 3))
    paper = (X * KEPT) @ w, X @ (w * (1 - rate))  # in training, at inference
    ours = array(dropout.dropout(X, KEPT, rate=rate)) @ w, X @ w
    for a, b in zip(ours, paper, strict=True):
        np.testing.assert_allclose(a * (1 - rate), b, rtol=1e-5, atol=1e-5)
