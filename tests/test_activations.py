"""Activations: against float64 formulas, slopes, closed forms, Keras' twins."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import integrate, optimize, special, stats

from dtlib import activations, losses
from tests import engines
from tests import oracles_activations as oracles
from tests.engines import array, gradient

NAMES = (
    "linear sigmoid tanh softmax log_softmax relu leaky_relu elu selu gelu silu mish "
    "softplus"
).split()
# What Keras saves by name.
FUNCTIONS = [getattr(activations, name) for name in NAMES]
ALPHA = dict(
    alpha_initializer=keras.initializers.Constant(0.25),
    alpha_regularizer=keras.regularizers.L2(0.01),
    alpha_constraint=keras.constraints.NonNeg(),
)
# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    activations.Activation: (dict(activation="mish"), dict(activation="rellu")),
    activations.ReLU: (
        dict(max_value=6.0, negative_slope=0.1, threshold=0.5),
        dict(max_value=-1.0, negative_slope=None, threshold=-0.5),
    ),
    activations.LeakyReLU: (dict(negative_slope=0.1), dict(negative_slope=-0.1)),
    activations.PReLU: (dict(**ALPHA, shared_axes=[1]), dict(shared_axes=0)),
    activations.RReLU: (
        dict(lower=0.2, upper=0.5, seed=3),
        dict(lower=-0.1, upper=0.1, seed=0.5),
    ),
    activations.ELU: (dict(alpha=0.5), dict(alpha=-1.0)),
    activations.Softmax: (dict(axis=1), dict(axis="last")),
}

# name, arguments, kinks: elementwise, with the same arguments in Keras and the oracle.
ELEMENTWISE = [
    ("linear", {}, []),
    ("sigmoid", {}, []),
    ("tanh", {}, []),
    ("relu", {}, [0]),
    ("relu", dict(negative_slope=0.25), [0]),
    ("relu", dict(max_value=2.0), [0, 2]),
    ("relu", dict(negative_slope=0.5, max_value=4.0, threshold=1.0), [1, 4]),
    ("relu", dict(threshold=-1.0), [-1]),
    ("leaky_relu", {}, [0]),
    ("leaky_relu", dict(negative_slope=2.0), [0]),
    ("elu", {}, []),
    ("elu", dict(alpha=0.5), [0]),
    ("selu", {}, [0]),
    ("softplus", {}, []),
    ("gelu", {}, []),
    ("gelu", dict(approximate=True), []),
    ("silu", {}, []),
    ("mish", {}, []),
]
each = pytest.mark.parametrize(
    "name, given, kinks", ELEMENTWISE, ids=[f"{n}{g or ''}" for n, g, _ in ELEMENTWISE]
)
# Steps of ⅛ hit every kink; all are numbers of 16 bits too.
GRID = np.concatenate([np.arange(-8, 8.1, 0.125), [-40.0, -(2.0**-8), 2.0**-8, 40.0]])
BITS = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
EPS = {dtype: 2.0**-bits for dtype, bits in BITS.items()}
every_dtype = pytest.mark.parametrize("dtype", EPS)


def ours(name, given):
    return lambda x: getattr(activations, name)(x, **given)


def cast(x, dtype):
    return ops.cast(ops.convert_to_tensor(np.asarray(x, "float64")), dtype)


# The formulas -------------------------------------------------------------------------


@pytest.mark.equation(
    "eq-activations-sigmoid",
    "eq-activations-tanh",
    "eq-activations-relu",
    "eq-activations-leaky-relu",
    "eq-activations-elu",
    "eq-activations-selu",
    "eq-activations-softplus",
    "eq-activations-gelu",
    "eq-activations-silu",
    "eq-activations-mish",
)
@each
@every_dtype
def test_it_computes_its_formula_in_its_own_dtype(name, given, kinks, dtype):
    y = ours(name, given)(cast(GRID, dtype))
    assert keras.backend.standardize_dtype(y.dtype) == dtype
    expected = getattr(oracles, name)(GRID, **given)
    # A few roundings of x itself, which each formula adds to or multiplies.
    near = EPS[dtype] * (4 + 4 * np.minimum(abs(GRID), 8))
    assert (abs(array(y) - expected) <= near + 4 * EPS[dtype] * abs(expected)).all()


@each
def test_its_gradient_is_its_derivative_and_the_left_slope_at_a_kink(
    name, given, kinks
):
    expected = getattr(oracles, name + "_slope")(GRID, **given)
    found = gradient(ours(name, given), GRID)
    # GELU's 1 + tanh cancels on the left: a rounding of 1, times x.
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    # 0 is left out for ELU, too, whose second derivative jumps there.
    smooth = np.min([abs(GRID - k) for k in [0, *kinks]], axis=0) > 1e-3
    numeric = engines.slope(ours(name, given), GRID[smooth])
    # Central differences err by h²f‴/6 + ε·|x|/h = 1e-10 + 4e-10 at most.
    np.testing.assert_allclose(found[smooth], numeric, atol=2e-9)
    for kink in kinks:
        left, right = (
            engines.slope(ours(name, given), [kink + d], h=1e-7) for d in (-1e-6, 1e-6)
        )
        assert found[GRID == kink] == pytest.approx(left, abs=1e-5)
        assert abs(right - left) > 0.01


@each
def test_it_computes_what_keras_computes(name, given, kinks):
    twin = getattr(keras.activations, name)
    x = cast(GRID, "float32")
    theirs = array(twin(x, **given))
    np.testing.assert_allclose(
        array(ours(name, given)(x)), theirs, rtol=5e-7, atol=1e-6
    )
    if engines.BACKEND != "tensorflow":
        return  # the slopes at the kinks are those of Keras' TensorFlow backend
    moved = "threshold" in given and "negative_slope" in given
    mine = gradient(ours(name, given), GRID)
    theirs = gradient(lambda x: twin(x, **given), GRID)
    apart = GRID[abs(mine - theirs) > 1e-8]  # TensorFlow has 0.2 and √2 in float32
    assert list(apart) == ([0] if name == "selu" else [given.get("threshold")][:moved])


@each
def test_it_is_the_same_compiled_and_takes_integers_and_lists(name, given, kinks):
    x = cast(GRID, "float64")
    compiled = engines.compiled(ours(name, given))
    np.testing.assert_allclose(
        array(compiled(x)), array(ours(name, given)(x)), rtol=1e-12, atol=1e-15
    )
    if name != "linear":
        found = ours(name, given)([-2, 3])
        assert keras.backend.standardize_dtype(found.dtype) == keras.config.floatx()
        expected = getattr(oracles, name)(np.array([-2.0, 3.0]), **given)
        np.testing.assert_allclose(array(found), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.tensorflow
def test_values_and_gradients_are_the_same_under_xla():
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def run(x):
        found = {}
        for name, given, _ in ELEMENTWISE:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = ours(name, given)(x)
            found[f"{name}{given}"] = y, tape.gradient(y, x)
        return found

    found = run(tf.constant(GRID))
    for name, given, _ in ELEMENTWISE:
        y, slope = map(array, found[f"{name}{given}"])
        expected = getattr(oracles, name)(GRID, **given)
        np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
        expected = getattr(oracles, name + "_slope")(GRID, **given)
        np.testing.assert_allclose(slope, expected, rtol=1e-11, atol=1e-13)


# At the ends of the line --------------------------------------------------------------

# name → limits at −∞ and ∞
ENDS = {
    "linear": (-math.inf, math.inf),
    "sigmoid": (0, 1),
    "tanh": (-1, 1),
    "relu": (0, math.inf),
    "leaky_relu": (-math.inf, math.inf),
    "elu": (-1, math.inf),
    "selu": (-1.7580993408473766, math.inf),
    "softplus": (0, math.inf),
    "gelu": (0, math.inf),
    "silu": (0, math.inf),
    "mish": (0, math.inf),
}


@each
@every_dtype
def test_huge_inputs_have_finite_values_and_slopes(name, given, kinks, dtype):
    sizes = np.array([300.0, 1e4, 3e4] + [1e30] * (dtype != "float16"))
    x = array(cast(np.concatenate([-sizes, sizes]), dtype))
    y, rough = array(ours(name, given)(cast(x, dtype))), 4 * EPS[dtype]
    expected = getattr(oracles, name)(x, **given)
    np.testing.assert_allclose(y, expected, rtol=rough, atol=rough)
    slope = gradient(ours(name, given), x, dtype=dtype)
    expected = getattr(oracles, name + "_slope")(x, **given)
    np.testing.assert_allclose(slope, expected, rtol=rough, atol=rough)


@pytest.mark.parametrize("name", ENDS)
@every_dtype
def test_infinity_gives_the_limit_and_nan_stays_nan(name, dtype):
    x = cast([-math.inf, math.inf, math.nan] * 9, dtype)  # long enough for vector code
    y = array(ours(name, {})(x)).reshape(9, 3)
    np.testing.assert_allclose(y[:, :2], [ENDS[name]] * 9, rtol=4 * EPS[dtype])
    assert np.isnan(y[:, 2]).all()


def test_leaking_and_bounding_lose_no_nan_and_no_infinity():
    x = cast([-math.inf, math.inf, math.nan], "float64")
    moved = dict(negative_slope=0.5, max_value=4.0, threshold=1.0)
    np.testing.assert_array_equal(
        array(activations.relu(x, **moved)), [-math.inf, 4, math.nan]
    )
    y = array(activations.gelu(x, approximate=True))
    np.testing.assert_array_equal(y, [0, math.inf, math.nan])
    np.testing.assert_array_equal(
        array(activations.prelu(x, 0.5)), [-math.inf, math.inf, math.nan]
    )


def test_tiny_values_keep_their_digits():
    x = np.array([-30.0, -100.0, -700.0])
    for f in (activations.sigmoid, activations.softplus):
        np.testing.assert_allclose(array(f(cast(x, "float64"))), np.exp(x), rtol=2e-13)
    np.testing.assert_allclose(gradient(activations.softplus, x), np.exp(x), rtol=2e-13)
    small = np.array([-1e-12, -1e-20])
    np.testing.assert_allclose(array(activations.elu(cast(small, "float64"))), small)


def test_the_shortcuts_to_a_slope_of_zero_at_zero_unlike_the_common_bug():
    # |x| has slope 0 at 0 in autodiff, so σ and softplus built on it have none there.
    def softplus(x):
        return ops.where(x > 0, x, 0) + ops.log1p(ops.exp(-ops.abs(x)))

    def naive_sigmoid(x):
        return 1 / (1 + ops.exp(-x))

    zero = np.zeros(1)
    assert gradient(activations.softplus, zero) == 0.5
    assert gradient(activations.sigmoid, zero) == 0.25
    if engines.BACKEND != "jax":  # where the slope of |x| at 0 is 1
        assert gradient(softplus, zero) != 0.5
    assert np.isnan(gradient(naive_sigmoid, np.array([-1e4])))[0]
    assert gradient(activations.sigmoid, np.array([-1e4])) == 0


# What ties them together --------------------------------------------------------------


def test_the_identities_of_the_chapter_hold():
    a, x = activations, cast(GRID, "float64")

    def same(left, right):
        np.testing.assert_allclose(array(left), array(right), rtol=1e-12, atol=1e-14)

    same(a.tanh(x), 2 * a.sigmoid(2 * x) - 1)
    same(a.sigmoid(-x), 1 - a.sigmoid(x))
    same(a.softplus(x) - a.softplus(-x), x)
    for gated in (a.gelu, a.silu):
        same(gated(x) - gated(-x), x)
    same(gradient(a.softplus, GRID), a.sigmoid(x))
    same(a.relu(x), a.elu(x, alpha=0.0))
    same(a.relu(x), a.prelu(x, 0.0))
    same(a.leaky_relu(x, 0.3), a.prelu(x, 0.3))
    same(a.sigmoid(x), a.softmax(ops.stack([x, 0 * x], -1))[:, 0])
    assert a.swish is a.silu


def test_elu_identity_f_prime_is_f_plus_alpha():
    x = GRID[GRID <= 0]
    for alpha in (0.5, 1.0, 2.0):
        slope = gradient(lambda x, alpha=alpha: activations.elu(x, alpha), x)
        expected = oracles.elu(x, alpha) + alpha
        np.testing.assert_allclose(slope, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "name, where, least, steepest",
    [
        ("gelu", -0.751792, -0.169971, 1.128904),
        ("silu", -1.278465, -0.278465, 1.099839),
        ("mish", -1.192431, -0.308843, 1.088498),
    ],
)
def test_the_gated_units_dip_below_zero_and_rise_faster_than_x(
    name, where, least, steepest
):
    f, slope = getattr(activations, name), getattr(oracles, name + "_slope")
    assert optimize.brentq(slope, -3, -0.1) == pytest.approx(where, abs=1e-6)
    assert float(array(f(cast(where, "float64")))) == pytest.approx(least, abs=1e-6)
    best = optimize.minimize_scalar(lambda x: -slope(x), (0.5, 2, 4))
    assert -best.fun == pytest.approx(steepest, abs=1e-6)
    assert gradient(f, np.array([best.x])) == pytest.approx(-best.fun, rel=1e-9)
    assert gradient(f, np.array([where])) == pytest.approx(0, abs=1e-5)


def gaussian_mean(f):
    """E[f(z)] for z ~ N(0, 1), by quadrature, split at 0."""
    density = stats.norm.pdf
    options = dict(epsabs=1e-14, epsrel=1e-13, limit=300)
    return sum(
        integrate.quad(lambda z: f(z) * density(z), *ends, **options)[0]
        for ends in ((-14, 0), (0, 14))
    )


def test_selus_constants_are_the_fixed_point_of_mean_0_and_variance_1():
    def left(z):
        return np.expm1(min(z, 0.0))

    # Mean 0: E[max(z, 0)] + α·E[expm1(min(z, 0))] = 0. Then the variance gives λ.
    alpha = -gaussian_mean(lambda z: max(z, 0.0)) / gaussian_mean(left)
    square = gaussian_mean(lambda z: (max(z, 0.0) + alpha * left(z)) ** 2)
    scale = 1 / math.sqrt(square)
    assert activations.SELU_ALPHA == pytest.approx(alpha, rel=1e-13)
    assert activations.SELU_SCALE == pytest.approx(scale, rel=1e-13)
    # The digits that its authors published: nothing but the nearest double will do.
    assert activations.SELU_ALPHA == 1.6732632423543772848170429916717
    assert activations.SELU_SCALE == 1.0507009873554804934193349852946
    closed = oracles.selu_constants()
    assert (activations.SELU_ALPHA, activations.SELU_SCALE) == pytest.approx(
        closed, rel=1e-15
    )


@pytest.mark.parametrize("start", [0.8, 1.5])
def test_selu_pulls_a_wrong_variance_back_to_1_and_relu_loses_it(start):
    z, weights = np.polynomial.hermite_e.hermegauss(100)
    weights = weights / weights.sum()
    after = {}
    for name in ("selu", "relu"):
        variance = start
        for _ in range(25):  # layers whose weights sum to 0, their squares to 1
            y = array(ours(name, {})(cast(math.sqrt(variance) * z, "float64")))
            variance = weights @ (y - weights @ y) ** 2
        after[name] = variance
    # The paper's slope at the fixed point is 0.783 a layer, 0.002 after 25. The sums
    # over 100 nodes miss the kink by 0.1 %.
    assert after["selu"] == pytest.approx(1, abs=5e-3)
    assert after["relu"] < 1e-10


# Softmax ------------------------------------------------------------------------------

Z = np.random.default_rng(1).normal(size=(4, 3, 5)) * 3


@pytest.mark.equation("eq-activations-softmax")
@pytest.mark.parametrize("axis", [-1, 0, 1, (0, 2), (-2, -1)], ids=str)
@every_dtype
def test_softmax_gives_shares_of_one_along_its_axes_as_keras_does(axis, dtype):
    x = array(cast(Z, dtype))
    p = activations.softmax(cast(x, dtype), axis)
    log_p = activations.log_softmax(cast(x, dtype), axis)
    assert keras.backend.standardize_dtype(p.dtype) == dtype
    rough = 16 * EPS[dtype]
    np.testing.assert_allclose(array(p), oracles.softmax(x, axis), rough, rough)
    np.testing.assert_allclose(array(p), special.softmax(x, axis), rough, rough)
    np.testing.assert_allclose(array(p).sum(axis), 1, rough)
    np.testing.assert_allclose(
        array(log_p), oracles.log_softmax(x, axis), rough, 2 * rough
    )
    if isinstance(axis, int):  # Keras' log_softmax takes no tuple
        for name, found in {"softmax": p, "log_softmax": log_p}.items():
            theirs = array(getattr(keras.activations, name)(cast(x, dtype), axis))
            np.testing.assert_allclose(array(found), theirs, rough, 2 * rough)


def test_softmax_gradients_are_the_jacobian():
    x = Z[0, 0]
    jacobian = oracles.softmax_jacobian(x)
    p = oracles.softmax(x)
    for i in range(5):
        found = gradient(lambda x, i=i: activations.softmax(x)[i], x)
        np.testing.assert_allclose(found, jacobian[i], rtol=1e-12, atol=1e-16)
        found = gradient(lambda x, i=i: activations.log_softmax(x)[i], x)
        np.testing.assert_allclose(found, np.eye(5)[i] - p, rtol=1e-12)


@every_dtype
def test_softmax_of_huge_scores_and_minus_infinity_is_finite(dtype):
    # Only differences count. e^{1e4} overflows in every dtype.
    x = [[1e4, 1e4, -math.inf, -1e4], [-1e4, -1e4, -1e4, -1e4]]
    expected = [[0.5, 0.5, 0, 0], [0.25] * 4]
    np.testing.assert_array_equal(array(activations.softmax(cast(x, dtype))), expected)
    log_p = array(activations.log_softmax(cast(x, dtype)))
    np.testing.assert_allclose(log_p[0, :3], [-math.log(2)] * 2 + [-math.inf], 2e-2)
    np.testing.assert_allclose(log_p[1], [-math.log(4)] * 4, EPS[dtype])

    def first(x):
        return activations.softmax(x)[:, 0] + activations.log_softmax(x)[:, 1]

    assert np.isfinite(gradient(first, np.array(x, "float32"), dtype=dtype)).all()


def test_softmax_does_not_hide_what_has_no_answer():
    nowhere = cast([-math.inf, -math.inf], "float32")
    assert np.isnan(array(activations.softmax(nowhere))).all()
    assert np.isnan(array(activations.softmax(cast([0, math.nan], "float32")))).all()
    with pytest.raises(ValueError, match=r"`axis` must be .*\[-2, 2\)\. .*axis=2"):
        activations.softmax(np.ones((2, 3)), axis=2)
    with pytest.raises(ValueError, match=r"`axis` must be .*axis=-3"):
        activations.log_softmax(np.ones((2, 3)), axis=(0, -3))
    with pytest.raises(ValueError, match=r"`x` must have at least 1 axis"):
        activations.softmax(np.float64(1.0))
    with pytest.warns(UserWarning, match=r"softmax over 1 score is 1 .*`sigmoid`"):
        activations.softmax(np.ones((2, 1)))


def test_softmax_of_a_mask_shares_among_the_rest():
    mask = np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1]], bool)
    x = np.array([[1.0, 9.0, 2.0], [1.0, 2.0, 3.0], [1e4, 0.0, -1e4]])
    shares = [1 / (1 + math.e), 0, math.e / (1 + math.e)]
    expected = [shares, [0, 0, 0], [1, 0, 0]]
    layer, twin = activations.Softmax(), keras.layers.Softmax()
    for given in (mask, mask.astype("int32"), mask.astype("float32")):
        y = array(layer(x.astype("float32"), mask=ops.convert_to_tensor(given)))
        np.testing.assert_allclose(y, expected, atol=1e-6)
        keras_own = twin(x.astype("float32"), mask=ops.convert_to_tensor(given))
        np.testing.assert_allclose(y, array(keras_own), atol=1e-6)
    slope = gradient(lambda x: layer(x, mask=mask)[:, 0], x, dtype="float32")
    assert np.isfinite(slope).all() and not slope[~mask].any()
    broad = array(layer(x.astype("float32"), mask=mask[0]))
    np.testing.assert_array_equal(broad[:, 1], 0)
    np.testing.assert_allclose(broad.sum(-1), 1, atol=1e-6)
    with pytest.raises(ValueError, match=r"`mask` must have a shape.*\(3, 2\)"):
        layer(x, mask=np.ones((3, 2), bool))
    with pytest.raises(ValueError, match=r"`mask` must have a shape.*\(1, 3, 3\)"):
        layer(x, mask=np.ones((1, 3, 3), bool))


@pytest.mark.tensorflow
def test_a_mask_of_nothing_makes_no_nan_even_in_between():
    import tensorflow as tf

    tf.debugging.enable_check_numerics()
    try:
        y = activations.Softmax()(np.ones((1, 3)), mask=np.zeros((1, 3), bool))
    finally:
        tf.debugging.disable_check_numerics()
    assert not array(y).any()


def test_a_masked_logit_is_minus_infinity_where_keras_has_minus_30000():
    x, mask = np.array([[-4e4, -4e4, 0.0]]), np.array([[True, True, False]])
    half = dict(dtype="float16")
    y, theirs = (
        array(layer(x, mask=mask))
        for layer in (activations.Softmax(**half), keras.layers.Softmax(**half))
    )
    np.testing.assert_array_equal(y, [[0.5, 0.5, 0]])
    np.testing.assert_array_equal(theirs, [[0, 0, 0]])


@pytest.mark.tensorflow
@pytest.mark.parametrize("source", [keras, None], ids=["keras", "dtlib"])
@pytest.mark.parametrize("name", ["softmax", "sigmoid"])
def test_a_loss_finds_the_logits_that_were_left_on_the_output(name, source):
    kind = {"softmax": "Categorical", "sigmoid": "Binary"}[name] + "Crossentropy"
    loss = getattr(getattr(source, "losses", losses), kind)()
    z, y = np.array([[0.0, 60.0]], "float32"), np.array([[1.0, 0.0]], "float32")
    found = {}
    for home in (activations, keras.activations):
        p = getattr(home, name)(ops.convert_to_tensor(z))
        slope = gradient(lambda z, home=home: loss(y, getattr(home, name)(z)), z)
        found[home] = float(loss(y, p)), slope.tolist()
    # From probabilities the loss stops at 16.1, the log of the clip, with slope 0.
    expected = {"softmax": 60.0, "sigmoid": 0.5 * (math.log(2) + 60)}[name]
    assert found[activations][0] == pytest.approx(expected, rel=1e-6)
    assert found[keras.activations][0] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(*[slope for _, slope in found.values()], rtol=1e-6)


@pytest.mark.tensorflow
def test_a_model_trains_as_with_keras_own_output_activation():
    x, y = 50 * np.eye(4, 3, dtype="float32") - 25, np.array([0, 1, 2, 0])
    weights = []
    for home in (activations, keras.activations):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Dense(3, activation=home.softmax)])
        rate, loss = keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy"
        model.compile(rate, loss, jit_compile=False)
        model.fit(x, y, epochs=3, batch_size=4, shuffle=False, verbose=0)
        weights.append(array(model.layers[0].kernel))
    # The scores are ±25 wide: taken of probabilities, the loss would stop teaching.
    np.testing.assert_allclose(*weights, rtol=1e-5, atol=1e-6)


# Learned and drawn slopes -------------------------------------------------------------


@pytest.mark.equation("eq-activations-prelu")
def test_prelu_is_its_formula_and_learns_where_x_is_negative():
    rng = np.random.default_rng(2)
    x, alpha = rng.normal(size=(6, 2, 3)), rng.uniform(0, 2, size=(2, 3))
    np.testing.assert_allclose(
        array(activations.prelu(x, alpha)), oracles.prelu(x, alpha), rtol=1e-15
    )
    slope, learning = gradient(activations.prelu, x, alpha)
    np.testing.assert_allclose(slope, np.where(x > 0, 1, alpha))
    np.testing.assert_allclose(learning, np.minimum(x, 0).sum(0), rtol=1e-12)
    _, learning = gradient(activations.prelu, x, 0 * alpha)  # from a ReLU too
    np.testing.assert_allclose(learning, np.minimum(x, 0).sum(0), rtol=1e-12)
    for bad in (np.ones(2), np.ones((1, 6, 2, 3))):
        with pytest.raises(ValueError, match="`alpha` must have a shape.*alpha.shape="):
            activations.prelu(x, bad)


@pytest.mark.parametrize(
    "shape, axes, slopes",
    [
        ((None, 300), None, (300,)),
        ((None, 4, 5, 3), None, (4, 5, 3)),
        ((None, 4, 5, 3), [1, 2], (1, 1, 3)),
        ((None, None, None, 3), (1, 2), (1, 1, 3)),
        ((None, 4, 3), 2, (4, 1)),
    ],
    ids=str,
)
def test_prelu_learns_a_slope_for_each_element_that_shares_none(shape, axes, slopes):
    layer = activations.PReLU(shared_axes=axes)
    layer.build(shape)
    assert tuple(layer.alpha.shape) == slopes and not array(layer.alpha).any()
    # A parameter, not a hyperparameter: 300 units have 300 more of them.
    assert [tuple(w.shape) for w in layer.trainable_weights] == [slopes]
    assert layer.count_params() == math.prod(slopes)
    x = np.random.default_rng(0).normal(size=(2, *(n or 4 for n in shape[1:])))
    twin = keras.layers.PReLU(shared_axes=axes)
    twin.build(shape)
    for built in (layer, twin):
        built.alpha.assign(np.linspace(0.1, 0.9, math.prod(slopes)).reshape(slopes))
    np.testing.assert_allclose(array(layer(x)), array(twin(x)), rtol=1e-6)


def test_prelu_refuses_axes_that_keras_reads_as_others():
    for axes in (0, -1, [1, 0]):
        with pytest.raises(ValueError, match=r"`shared_axes` must be .*\[1, inf\)"):
            activations.PReLU(shared_axes=axes)
    with pytest.raises(ValueError, match=r"`shared_axes` must be .*\[1, 3\).*=3"):
        activations.PReLU(shared_axes=[3]).build((None, 4, 3))
    with pytest.raises(ValueError, match=r"unknown length must be in `shared_axes`"):
        activations.PReLU(shared_axes=[2]).build((None, None, 3))
    wrong = keras.layers.PReLU(shared_axes=[-1])
    wrong.build((None, 4, 3))
    assert tuple(wrong.alpha.shape) == (1, 3)  # asked to share the last axis


def test_prelu_penalizes_and_projects_its_slopes():
    layer = activations.PReLU(**ALPHA)
    layer.build((None, 4))
    assert float(array(sum(layer.losses))) == pytest.approx(0.01 * 4 * 0.25**2)
    assert layer.alpha.constraint is layer.alpha_constraint


@pytest.mark.convention("Slope of PReLU at x = 0")
def test_at_zero_prelu_takes_the_left_slope_and_keras_takes_0():
    slopes = []
    for home in (activations, keras.layers):
        layer = home.PReLU(alpha_initializer=keras.initializers.Constant(0.25))
        layer.build((None, 1))
        slopes.append(gradient(layer, np.zeros((1, 1)), dtype="float32").item())
    # (1 + α)·s with s the slope of max(x, 0) at 0: 0 on TensorFlow, JAX and PyTorch.
    assert slopes == [0.25, 0.0]


@pytest.mark.convention("Slope of SELU at x = 0")
@pytest.mark.tensorflow
def test_at_zero_selu_takes_the_left_slope_and_keras_the_right_one():
    mine, theirs = (
        gradient(home.selu, np.zeros(1)) for home in (activations, keras.activations)
    )
    assert theirs == pytest.approx(activations.SELU_SCALE)
    assert mine == pytest.approx(theirs * activations.SELU_ALPHA)


@pytest.mark.equation("eq-activations-rrelu")
def test_rrelu_draws_each_slope_from_the_whole_range():
    n = 20_000
    layer = activations.RReLU(0.1, 0.5, seed=1)
    x = -np.random.default_rng(0).uniform(0.5, 2.0, size=(n // 100, 100))
    drawn = array(layer(x, training=True)) / array(cast(x, "float32"))
    law = stats.uniform(0.1, 0.4)
    assert stats.kstest(drawn.ravel(), law.cdf).pvalue > 1e-3
    # Slopes shared by a row or a column would correlate; four times 1/√pairs.
    for a, b in ((drawn[1:], drawn[:-1]), (drawn[:, 1:], drawn[:, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / math.sqrt(a.size)
    # At test, the mean of training: its error is that of n draws, four times.
    at_test = array(layer(x)) / array(cast(x, "float32"))
    np.testing.assert_allclose(at_test, 0.3, rtol=1e-6)
    assert drawn.mean() == pytest.approx(0.3, abs=4 * law.std() / math.sqrt(n))
    positive = array(layer(-x, training=True))
    np.testing.assert_array_equal(positive, array(cast(-x, "float32")))


def test_rrelu_repeats_with_its_seed_and_draws_anew_at_each_call():
    x = -np.ones((4, 5), "float32")

    def two(seed):
        layer = activations.RReLU(seed=seed)
        return [array(layer(x, training=True)) for _ in range(2)]

    first, again, other, free = two(3), two(3), two(4), two(None)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(free[0], free[1])
    assert ((-1 / 3 <= first[0]) & (first[0] <= -1 / 8)).all()
    y = array(activations.RReLU()(x))
    np.testing.assert_allclose(y, -11 / 48, rtol=1e-6)
    assert activations.RReLU(0.2, 0.2)(x, training=True) is not None
    assert activations.RReLU(11 / 48, 11 / 48).upper == 11 / 48  # to the last digit
    with pytest.raises(ValueError, match=r"`upper` must be .*\[0\.5, inf\)"):
        activations.RReLU(0.5, 0.4)


def test_rrelu_has_the_slope_it_drew():
    x = np.array([-2.0, -1.0, 3.0])
    rule = dict(lower=0.1, upper=0.5, training=True, seed=7)
    y = array(activations.rrelu(x, **rule))
    slope = gradient(lambda x: activations.rrelu(x, **rule), x)
    np.testing.assert_allclose(slope, y / x, rtol=1e-12)


@pytest.mark.convention("RReLU at test")
def test_rrelu_at_test_has_the_mean_slope_and_the_paper_the_mean_divisor():
    x = np.array([-2.0, 1.0])
    rule = dict(training=False, seed=None)
    mine = array(activations.rrelu(x, lower=1 / 8, upper=1 / 3, **rule))
    papers = oracles.rrelu_at_test_of_the_paper(x, 3, 8)
    assert mine[0] / papers[0] == pytest.approx(121 / 96)  # 0.229 against 0.182
    converted = activations.rrelu(x, lower=1 / 5.5, upper=1 / 5.5, **rule)
    np.testing.assert_allclose(array(converted), papers, rtol=1e-15)
    # Nor is 1/5.5 the mean of the slopes that the paper draws in training.
    mean_slope = integrate.quad(lambda a: 1 / a / 5, 3, 8)[0]
    assert mean_slope == pytest.approx(math.log(8 / 3) / 5)  # 0.196


# Layers -------------------------------------------------------------------------------

TWINS = [
    ("ReLU", {}),
    ("ReLU", dict(max_value=2.0, negative_slope=0.1, threshold=0.5)),
    ("LeakyReLU", {}),
    ("LeakyReLU", dict(negative_slope=1.5)),
    ("PReLU", {}),
    ("PReLU", ALPHA),
    ("ELU", {}),
    ("ELU", dict(alpha=0.3)),
    ("Softmax", {}),
    ("Softmax", dict(axis=[1, 2])),
    ("Softmax", dict(axis=(1,))),
    ("Activation", dict(activation="selu")),
    ("Activation", dict(activation=None)),
    ("Activation", dict(activation="hard_silu")),
]
TWIN_NAMES = [f"{name}-{n}" for n, (name, _) in enumerate(TWINS)]


@pytest.mark.parametrize("name, given", TWINS, ids=TWIN_NAMES)
def test_a_layer_is_its_keras_twin(name, given):
    x = np.random.default_rng(3).normal(size=(2, 4, 3)).astype("float32") * 2
    mine, twin = (getattr(home, name)(**given) for home in (activations, keras.layers))
    np.testing.assert_allclose(array(mine(x)), array(twin(x)), rtol=1e-6, atol=1e-7)
    assert mine.supports_masking and twin.supports_masking
    assert mine.compute_output_shape((None, 4, 3)) == (None, 4, 3)
    again = type(mine).from_config(mine.get_config())
    np.testing.assert_array_equal(array(again(x)), array(mine(x)))


@pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
def test_a_layer_works_in_mixed_precision_and_in_a_symbolic_model(cls):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        inputs = keras.Input((3,))
        layer = cls(**CASES[cls][0])
        model = keras.Model(inputs, layer(inputs))
    finally:
        keras.config.set_dtype_policy(policy)
    x = np.array([[-1e4, 0.5, 1e4]], "float32")
    y = model(x, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert np.isfinite(array(y)).all() and y.shape == (1, 3)
    assert all(w.dtype == "float32" for w in layer.trainable_weights)


# Keras reads a variable by NumPy's older protocol, of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_function_survives_saving_in_any_layer(f, tmp_path):
    inputs = keras.Input((3,))
    y = keras.layers.Dense(2, activation=f)(inputs)
    model = keras.Model(inputs, activations.Activation(f)(y))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [layer.activation for layer in loaded.layers[1:]] == [f, f]
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    np.testing.assert_array_equal(array(loaded(x)), array(model(x)))


@keras.saving.register_keras_serializable("elsewhere", name="relu")
def relu(x):
    return x


def test_a_name_is_dtlibs_and_a_function_stays_whose_it_is():
    def kept(activation):
        layer = activations.Activation(activation)
        return activations.Activation.from_config(layer.get_config()).activation

    assert kept("swish") is kept("silu") is activations.silu
    assert kept(None) is activations.linear
    for function in (
        activations.relu,
        keras.activations.relu,  # a namesake
        keras.activations.hard_silu,
        relu,  # a stranger's namesake
    ):
        assert kept(function) is function
    assert kept("hard_silu") is keras.activations.hard_silu
    with pytest.raises(ValueError, match="`activation` must be the name .*=3"):
        activations.Activation(3)


# Mistakes in common notes -------------------------------------------------------------


def test_a_common_formula_for_tanh_is_that_of_half_of_x():
    x = np.linspace(-4, 4, 33)
    common = (1 - np.exp(-x)) / (1 + np.exp(-x))
    half = array(activations.tanh(x / 2))
    np.testing.assert_allclose(common, half, rtol=1e-12, atol=1e-15)
    assert abs(common - array(activations.tanh(x))).max() > 0.29


def test_leaky_relu_is_a_maximum_only_for_slopes_up_to_1_unlike_the_common_bug():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    for a in (0.0, 0.2, 1.0):
        y = array(activations.leaky_relu(x, negative_slope=a))
        np.testing.assert_array_equal(y, np.maximum(a * x, x))
    steep = array(activations.leaky_relu(x, negative_slope=3.0))
    np.testing.assert_array_equal(steep, [-6, -3, 0, 1, 2])
    np.testing.assert_array_equal(steep, np.minimum(3 * x, x))
    assert not np.array_equal(steep, np.maximum(3 * x, x))


def test_elus_left_slope_is_not_zero_and_jumps_at_0_unless_alpha_is_1():
    h = 1e-9
    for alpha in (0.5, 1.0, 2.0):
        x = np.array([-1.0, -h, 0.0, h])
        at = gradient(lambda x, a=alpha: activations.elu(x, a), x)
        np.testing.assert_allclose(at, [alpha / math.e, alpha, alpha, 1], rtol=1e-8)
        assert (abs(at[1] - at[3]) < 1e-8) == (alpha == 1)


def test_a_relu_unit_is_dead_only_when_every_sample_is_on_its_left():
    x = np.array([-3.0, -1.0, 2.0])

    def unit(b):
        return activations.relu(b + ops.convert_to_tensor(x))

    assert activations.relu(x.sum()) == 0  # a negative sum kills nothing
    assert gradient(unit, np.zeros(1)) == 1  # one sample of three still teaches it
    assert gradient(unit, -2 * np.ones(1)) == 0  # all z ≤ 0, one of them at the kink


def test_layers_without_an_activation_are_one_layer():
    rng = np.random.default_rng(0)
    w1, w2, x = (rng.normal(size=size) for size in ((3, 8), (8, 2), (5, 3)))

    def network(activation):
        return array(activation(ops.convert_to_tensor(x @ w1))) @ w2

    one_layer = x @ (w1 @ w2)
    np.testing.assert_allclose(network(activations.linear), one_layer, rtol=1e-12)
    assert abs(network(activations.relu) - one_layer).max() > 0.5


def test_gelus_gate_is_a_formula_and_assumes_nothing_of_x():
    # Inputs that no normal distribution has seen: the value depends on x alone.
    x = np.array([-3.0, 0.1, 5.0])
    alone = [float(array(activations.gelu(np.array([v])))[0]) for v in x]
    np.testing.assert_allclose(array(activations.gelu(x)), alone, rtol=1e-14)
    np.testing.assert_allclose(alone, x * special.ndtr(x), rtol=1e-12, atol=1e-15)


# Conventions --------------------------------------------------------------------------


@pytest.mark.convention("Left slope of a leaky ReLU")
def test_the_leaky_slope_is_02_in_the_function_and_03_in_the_layer():
    x = np.array([-1.0, 1.0])
    for function in (activations.leaky_relu, keras.activations.leaky_relu):
        np.testing.assert_allclose(array(function(x)), [-0.2, 1], rtol=1e-7)
    for home in (activations, keras.layers):
        np.testing.assert_allclose(array(home.LeakyReLU()(x)), [-0.3, 1], rtol=1e-7)
        papers = home.LeakyReLU(negative_slope=0.01)(x)
        np.testing.assert_allclose(array(papers), [-0.01, 1], rtol=1e-7)


@pytest.mark.convention("GELU")
def test_the_two_forms_of_gelu_differ_in_the_fourth_digit():
    def difference(x):
        exact, tanh = (array(activations.gelu(x, approximate=a)) for a in (False, True))
        return abs(exact - tanh)

    x = np.linspace(-8, 8, 160_001)
    apart = difference(x)
    assert apart.max() == pytest.approx(4.7324e-4, rel=1e-4)
    assert abs(x[apart.argmax()]) == pytest.approx(2.699, abs=1e-3)
    # By default Keras' function is exact, and keras.ops' is not.
    given = cast(x, "float64")
    theirs = array(keras.activations.gelu(given)), array(ops.gelu(given))
    # Keras' TensorFlow backend divides by a √2 of float32.
    np.testing.assert_allclose(theirs[0], oracles.gelu(x), atol=1e-8)
    np.testing.assert_allclose(theirs[1], oracles.gelu(x, True), atol=1e-8)
