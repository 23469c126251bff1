"""Normalization: against the papers, autodiff, finite differences, Keras' twins."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from dtlib import normalization
from dtlib.normalization import (
    BatchNormalization,
    LayerNormalization,
    fold_batch_norm,
    foldable,
)
from tests import oracles_normalization as oracles
from tests.engines import BACKEND, array, compiled, gradient

# Keras turns its variables into arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

BETA = dict(beta_initializer="ones", beta_regularizer="l1", beta_constraint="non_neg")
GAMMA = dict(
    gamma_initializer="zeros", gamma_regularizer="l2", gamma_constraint="unit_norm"
)
SWITCHES = dict(center=False, scale=False)
BAD_SWITCHES = dict(center="yes", scale=None)
CASES = {
    BatchNormalization: (
        dict(
            **dict(axis=1, momentum=0.5, epsilon=0.01, **SWITCHES, **BETA, **GAMMA),
            moving_mean_initializer="ones",
            moving_variance_initializer="zeros",
            renorm=True,
            renorm_clipping={"rmax": 2.0, "rmin": 0.5, "dmax": 1.0},
            renorm_momentum=0.5,
            synchronized=BACKEND == "tensorflow",
        ),
        dict(
            **dict(axis=0.5, momentum=1.5, epsilon=0.0, **BAD_SWITCHES),
            renorm="no",
            renorm_clipping={"rmin": 2.0, "rmax": 1.0},
            renorm_momentum=-0.1,
            synchronized="all",
        ),
    ),
    LayerNormalization: (
        dict(axis=1, epsilon=0.01, **SWITCHES, **BETA, **GAMMA),
        dict(axis="last", epsilon=-1e-3, **BAD_SWITCHES),
    ),
}

# x and the axis of its features.
SHAPES = {
    "dense": ((7, 4), -1),
    "sequence": ((3, 5, 4), -1),
    "image": ((2, 3, 2, 4), 3),
    "channels first": ((2, 4, 3, 3), 1),
}
every_shape = pytest.mark.parametrize("shape, axis", SHAPES.values(), ids=SHAPES)
EPSILON = 1e-3


def draws(*shape, seed=0, mean=2.0, std=3.0):
    return np.random.default_rng(seed).normal(mean, std, shape)


def rows(x, axis):
    """The features of `x` last, all else in one axis, as the oracles want it."""
    return np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])


def shaped(y, x, axis):
    """The way back from `rows`."""
    return np.moveaxis(y.reshape(np.moveaxis(x, axis, -1).shape), -1, axis)


def norm(x, gamma, beta, axis=-1, epsilon=EPSILON):
    """Batch norm in training."""
    statistics = normalization.batch_statistics(x, axis=axis)
    return normalization.batch_norm(
        x, gamma, beta, *statistics, axis=axis, epsilon=epsilon
    )


# Outside TensorFlow, Keras takes means in float32, also of float64.
EXACT = 1e-12 if BACKEND == "tensorflow" else 2e-5


def close(ours, expected, tolerance=EXACT):
    tolerance = max(tolerance, EXACT)
    if not isinstance(ours, (list, tuple)):
        ours, expected = [ours], [expected]
    for one, other in zip(ours, expected, strict=True):
        assert tuple(one.shape) == np.shape(other)
        np.testing.assert_allclose(array(one), other, rtol=tolerance, atol=tolerance)


# The rules against the papers ---------------------------------------------------------


@pytest.mark.equation("eq-normalization-moments", "eq-normalization-normalize")
@every_shape
def test_batch_norm_is_algorithm_1(shape, axis):
    x, gamma, beta = draws(*shape), draws(4, seed=1), draws(4, seed=2)
    y, mu, sigma2 = oracles.batch_norm(rows(x, axis), gamma, beta, EPSILON)
    # An unbiased variance would be off by 1/(m − 1) > 5 %, ε outside the root by 1 %.
    close(normalization.batch_statistics(x, axis=axis), [mu, sigma2])
    close(norm(x, gamma, beta, axis), shaped(y, x, axis))
    plain = oracles.batch_norm(rows(x, axis), 1, 0, EPSILON)[0]
    close(norm(x, None, None, axis), shaped(plain, x, axis))


@pytest.mark.equation("eq-normalization-backward")
@every_shape
def test_the_backward_pass_is_the_chain_rule_of_the_paper(shape, axis):
    x, dy, gamma = draws(*shape), draws(*shape, seed=3), draws(4, seed=1)
    dx, *rest = oracles.batch_norm_gradients(
        rows(dy, axis), rows(x, axis), gamma, EPSILON
    )
    ours = normalization.batch_norm_gradients(dy, x, gamma, axis=axis, epsilon=EPSILON)
    close(ours, [shaped(dx, x, axis), *rest])
    plain = normalization.batch_norm_gradients(dy, x, None, axis=axis, epsilon=EPSILON)
    close(plain[0], shaped(dx / gamma, x, axis))


@every_shape
def test_the_backward_pass_is_autodiff(shape, axis):
    x, dy, gamma, beta = draws(*shape), draws(*shape, seed=3), draws(4), draws(4)
    weight = ops.convert_to_tensor(dy)
    found = gradient(lambda x, g, b: norm(x, g, b, axis) * weight, x, gamma, beta)
    ours = normalization.batch_norm_gradients(dy, x, gamma, axis=axis, epsilon=EPSILON)
    close(ours, found, 1e-11)


LAYER_AXES = {"last": -1, "first": 1, "both": [1, 2], "backward": [-1, -2]}
every_axis = pytest.mark.parametrize("axis", LAYER_AXES.values(), ids=LAYER_AXES)


def layer_case(axis):
    """x of shape (5, 3, 4) and what one sample of it is, as rows and back."""
    x, dy = draws(5, 3, 4), draws(5, 3, 4, seed=3)
    if isinstance(axis, list):
        return x, dy, (3, 4), lambda a: a.reshape(5, 12), lambda a: a.reshape(5, 3, 4)
    size = x.shape[axis]
    return x, dy, (size,), lambda a: rows(a, axis), lambda a: shaped(a, x, axis)


@pytest.mark.equation("eq-normalization-layer")
@every_axis
def test_layer_norm_is_that_of_the_paper_forward_and_backward(axis):
    x, dy, shape, flat, back = layer_case(axis)
    gamma, beta = draws(*shape, seed=1), draws(*shape, seed=2)
    where = dict(axis=axis, epsilon=EPSILON)
    y = oracles.layer_norm(flat(x), gamma.ravel(), beta.ravel(), EPSILON)
    close(normalization.layer_norm(x, gamma, beta, **where), back(y))
    dx, dgamma, dbeta = oracles.layer_norm_gradients(
        flat(dy), flat(x), gamma.ravel(), EPSILON
    )
    ours = normalization.layer_norm_gradients(dy, x, gamma, **where)
    close(ours, [back(dx), dgamma.reshape(shape), dbeta.reshape(shape)])
    weight = ops.convert_to_tensor(dy)
    found = gradient(
        lambda *a: normalization.layer_norm(*a, **where) * weight, x, gamma, beta
    )
    close(ours, found, 1e-11)


@pytest.mark.parametrize("rule", ["batch", "layer"])
@pytest.mark.parametrize("spread", [0.0, 1e-6, 1e-2, 1e4], ids=str)
def test_the_backward_pass_is_the_slope_at_any_spread(rule, spread):
    x, dy, gamma = 3 + spread * draws(6, 4), draws(6, 4, seed=3), draws(4, seed=1)
    forward = {
        "batch": lambda x: oracles.batch_norm(x, gamma, 0, EPSILON)[0],
        "layer": lambda x: oracles.layer_norm(x, gamma, 0, EPSILON),
    }[rule]
    backward = getattr(normalization, f"{rule}_norm_gradients")
    dx = array(backward(dy, x, gamma, axis=-1, epsilon=EPSILON)[0])
    h = 1e-5 * max(spread, 0.03)  # √ε is the width of the kink at no spread
    for seed in range(3):
        v = draws(6, 4, seed=10 + seed)
        slope = ((forward(x + h * v) - forward(x - h * v)) * dy).sum() / (2 * h)
        # Steps of h err by h² relative, rounding by 1e-16/h.
        size = np.linalg.norm(dx) * np.linalg.norm(v)
        assert (dx * v).sum() == pytest.approx(slope, rel=1e-6, abs=1e-6 * size)


def test_a_backward_pass_with_fixed_statistics_is_unlike_the_common_bug():
    """Inference's dx = γ·dy/√(σ² + ε), taken in training, is another direction."""
    x, dy, gamma = draws(8, 4), draws(8, 4, seed=3), draws(4, seed=1)
    weight = ops.convert_to_tensor(dy)
    found = gradient(lambda x: norm(x, gamma, None) * weight, x)
    buggy = dy * gamma / np.sqrt(x.var(0) + EPSILON)
    ours = normalization.batch_norm_gradients(dy, x, gamma, axis=-1, epsilon=EPSILON)
    close(ours[0], found, 1e-11)
    assert abs(buggy - found).max() > 0.3 * abs(found).max()


def test_no_gradient_is_left_for_shifting_and_little_for_stretching_a_feature():
    x, dy = draws(16, 4), draws(16, 4, seed=3)
    dx = array(
        normalization.batch_norm_gradients(dy, x, None, axis=-1, epsilon=1e-9)[0]
    )
    # What is left is ε/(σ² + ε), 1e-10, of |dy|·|x|, some 1e3.
    np.testing.assert_allclose(dx.sum(0), 0, atol=EXACT)
    np.testing.assert_allclose((dx * x).sum(0), 0, atol=max(1e-7, EXACT))


@pytest.mark.equation("eq-normalization-running")
def test_a_running_average_is_the_weighted_sum_of_what_came():
    values, r = draws(30), 1.0
    for value in values:
        r = normalization.update_running(r, value, momentum=0.9)
    assert array(r) == pytest.approx(oracles.running(values, 1.0, 0.9), rel=1e-6)


def test_after_50_steps_a_momentum_of_099_has_come_39_percent_of_the_way():
    x = np.full((4, 1), 5.0)
    layer, short = BatchNormalization(), BatchNormalization(momentum=0.9)
    for _ in range(50):
        layer(x, training=True), short(x, training=True)
    reached = array(layer.moving_mean)[0]
    assert reached == pytest.approx(5 * (1 - 0.99**50), rel=1e-5)
    assert round(reached, 3) == 1.975
    assert array(short.moving_mean)[0] == pytest.approx(4.974, abs=5e-4)


@pytest.mark.parametrize("shape", [(7, 4), (3, 5, 4), (2, 3, 2, 4)], ids=str)
def test_a_mask_takes_values_out_of_the_statistics_even_if_they_are_nan(shape):
    x = draws(*shape)
    keep = np.random.default_rng(5).uniform(size=shape[:-1]) < 0.6
    expected = oracles.masked_statistics(rows(x, -1), keep.ravel())
    x[~keep] = np.nan
    # Elsewhere Keras selects and compares in float32, too.
    close(normalization.batch_statistics(x, keep, axis=-1), expected, 1e-6)
    nothing = normalization.batch_statistics(x, np.zeros_like(keep), axis=-1)
    close(nothing, np.zeros((2, shape[-1])))


def test_shapes_that_do_not_fit_are_refused():
    x = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match=r"shape \(3,\) does not fit the axes \(2,\)"):
        norm(x, np.ones(3), None)
    with pytest.raises(ValueError, match=r"`dy` must have.*\(2, 3\) and \(2, 3, 4\)"):
        normalization.layer_norm_gradients(x[..., 0], x, None, axis=1, epsilon=EPSILON)
    with pytest.raises(ValueError, match=r"`mask` must.*\(2, 3, 4\).*\(2, 3, 4\)"):
        normalization.batch_statistics(x, np.ones((2, 3, 4)), axis=-1)
    with pytest.raises(ValueError, match=r"`axis`.*\[-3, 3\).*axis=3"):
        normalization.batch_statistics(x, axis=3)
    with pytest.raises(ValueError, match=r"different axes.*axis=\[1, -2\]"):
        normalization.layer_norm(x, None, None, axis=[1, -2], epsilon=EPSILON)
    for layer in (BatchNormalization(axis=3), LayerNormalization(axis=[0, 3])):
        with pytest.raises(ValueError, match=r"`axis` must.*\[-3, 3\)"):
            layer.compute_output_shape((2, 3, 4))
        with pytest.raises(ValueError, match=r"`axis` must.*\[-3, 3\)"):
            layer.build((2, 3, 4))
    with pytest.raises(ValueError, match=r"known size along `axis`.*\(None, None\)"):
        BatchNormalization().build((None, None))


# Types and extremes -------------------------------------------------------------------

DTYPES = ["float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_rule_keeps_the_type_and_computes_wide(dtype):
    # Squares of 1e4 are beyond float16; γ and β stay float32 as in a layer.
    x = ops.cast(draws(8, 4, mean=0, std=1e4), dtype)
    dy, w = ops.cast(draws(8, 4, seed=3), dtype), ops.ones((4,), "float32")
    exact, where = array(x), dict(axis=-1, epsilon=EPSILON)
    unit = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": EXACT}[dtype]
    y, dx, *sums = norm(x, w, w), *normalization.batch_norm_gradients(dy, x, w, **where)
    z = normalization.layer_norm(x, w, w, **where)
    dz, *_ = normalization.layer_norm_gradients(dy, x, w, **where)
    for tensor in (y, dx, z, dz):
        assert keras.backend.standardize_dtype(tensor.dtype) == dtype
    wider = "float64" if dtype == "float64" else "float32"
    for tensor in (*sums, *normalization.batch_statistics(x, axis=-1)):
        assert keras.backend.standardize_dtype(tensor.dtype) == wider
    close(y, oracles.batch_norm(exact, 1, 1, EPSILON)[0], 3 * unit)
    close(z, oracles.layer_norm(exact, 1, 1, EPSILON), 3 * unit)
    scaled = oracles.batch_norm_gradients(array(dy), exact, 1, EPSILON)[0]
    np.testing.assert_allclose(array(dx), scaled, rtol=9 * unit, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "x",
    [
        np.full((5, 3), 7.0),
        np.full((1, 3), 7.0),
        np.zeros((4, 3)),
        np.full((4, 3), 1e4),
    ],
    ids=["constant", "batch of one", "zeros", "huge"],
)
def test_without_any_spread_the_output_is_beta_and_no_gradient_passes(x, dtype):
    w, dy = np.array([2.0, 3.0, 4.0]), np.ones_like(x) * [1.0, -2.0, 3.0]
    x = ops.cast(x, dtype)
    np.testing.assert_allclose(array(norm(x, w, w)), np.tile(w, (len(x), 1)))
    dx, dgamma, dbeta = normalization.batch_norm_gradients(
        ops.cast(dy, dtype), x, w, axis=-1, epsilon=EPSILON
    )
    np.testing.assert_allclose(array(dx), 0, atol=1e-4)
    np.testing.assert_allclose(array(dgamma), 0, atol=1e-4)
    np.testing.assert_allclose(array(dbeta), dy.sum(0))
    found = gradient(lambda x: norm(x, w.astype(dtype), None), array(x), dtype=dtype)
    np.testing.assert_allclose(found, 0, atol=1e-4)


def test_a_nan_stays_in_its_feature_and_in_its_sample():
    x = draws(6, 3)
    x[2, 1] = np.nan
    assert np.isnan(array(norm(x, None, None))).any(0).tolist() == [False, True, False]
    y = array(normalization.layer_norm(x, None, None, axis=-1, epsilon=EPSILON))
    assert np.isnan(y).any(1).tolist() == [False, False, True, False, False, False]


@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_the_rules_compile(xla):
    x, w = draws(6, 3).astype("float32"), np.ones(3, "float32")

    def rules(x):
        where = dict(axis=-1, epsilon=EPSILON)
        return (
            norm(x, w, w),
            normalization.layer_norm(x, w, w, **where),
            *normalization.batch_norm_gradients(x, x, w, **where),
        )

    for one, other in zip(compiled(rules, xla)(x), rules(x), strict=True):
        np.testing.assert_allclose(array(one), array(other), rtol=1e-5, atol=1e-5)


@pytest.mark.tensorflow
def test_a_large_mean_costs_keras_the_digits_that_it_leaves_us():
    x = (1e4 + draws(64, 3, mean=0, std=1)).astype("float32")
    errors = {"inference": [], "synchronized": []}
    for module in (normalization, layers):
        layer = module.BatchNormalization(synchronized=True)
        layer.build((None, 3))
        layer.set_weights([np.ones(3), np.zeros(3), np.full(3, 1e4), np.ones(3)])
        y = array(layer(x)) - (x.astype("float64") - 1e4) / np.sqrt(1 + EPSILON)
        errors["inference"].append(abs(y).max())
        layer(x, training=True)
        variance = (array(layer.moving_variance) - 0.99) / 0.01
        errors["synchronized"].append(abs(variance / x.var(0) - 1).max())
    # A unit in the last place of 1e4 is 1e-3, of 1e8, the mean square, 8.
    assert errors["inference"][0] < 1e-6 and errors["inference"][1] > 2e-4
    assert errors["synchronized"][0] < 1e-3 and errors["synchronized"][1] > 0.5


# The layers beside Keras' -------------------------------------------------------------


def twins(ours, theirs, shape, seed=5):
    """Both layers built, with the same weights, none at its default."""
    rng = np.random.default_rng(seed)
    for layer in (ours, theirs):
        layer.build((None, *shape[1:]))
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    values = [rng.uniform(0.5, 2, w.shape) for w in theirs.weights]
    ours.set_weights(values), theirs.set_weights(values)
    return ours, theirs


BOUNDS = {"rmax": 1.2, "rmin": 0.9, "dmax": 0.1}
SETTINGS = {
    "default": {},
    "short memory": dict(momentum=0.3, epsilon=0.5),
    "no center": dict(center=False),
    "no scale": dict(scale=False),
    "renorm": dict(renorm=True, momentum=0.9, renorm_momentum=0.8),
    "clipped": dict(renorm=True, renorm_clipping=BOUNDS, scale=False, center=False),
}


@pytest.mark.parametrize("arguments", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("shape, axis", [SHAPES["dense"], SHAPES["channels first"]])
def test_batch_norm_is_that_of_keras_in_training_and_after(shape, axis, arguments):
    ours, theirs = twins(
        BatchNormalization(axis, **arguments),
        layers.BatchNormalization(axis, **arguments),
        shape,
    )
    for step in range(5):
        x = draws(*shape, seed=step).astype("float32")
        np.testing.assert_allclose(
            array(ours(x, training=True)), array(theirs(x, training=True)), atol=5e-6
        )
        np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=5e-6)
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(array(one), array(other), rtol=2e-6, atol=1e-6)


def test_with_a_mask_too_it_is_that_of_keras():
    ours, theirs = twins(BatchNormalization(), layers.BatchNormalization(), (2, 5, 3))
    for step in range(3):
        x = draws(2, 5, 3, seed=step).astype("float32")
        keep = np.arange(5) < [[2], [4]]
        one, other = (c(x, training=True, mask=keep) for c in (ours, theirs))
        np.testing.assert_allclose(array(one), array(other), atol=5e-6)
    np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=5e-6)
    # And a model hands it on, from a layer that makes one.
    for norm_layer in (BatchNormalization(), layers.BatchNormalization()):
        model = keras.Sequential([keras.Input((5, 3)), layers.Masking(9.0), norm_layer])
        x[:, 3:] = 9.0
        model(x, training=True)
        expected = 0.01 * x[:, :3].mean((0, 1))
        np.testing.assert_allclose(array(norm_layer.moving_mean), expected, rtol=1e-5)


@pytest.mark.parametrize("switches", [{}, dict(center=False), dict(scale=False)])
@pytest.mark.parametrize("axis", [-1, 1, [1, 2], [2, 1], [-2, -1]], ids=str)
def test_layer_norm_is_that_of_keras(axis, switches):
    arguments, shape = dict(axis=axis, epsilon=0.1, **switches), (5, 3, 4)
    ours, theirs = twins(
        LayerNormalization(**arguments), layers.LayerNormalization(**arguments), shape
    )
    x = draws(*shape).astype("float32")
    if (BACKEND, axis) != ("torch", 1):  # there Keras' own raises, an axis in between
        np.testing.assert_allclose(array(ours(x)), array(theirs(x)), atol=5e-6)
    assert ours.get_config()["axis"] == axis
    assert ours.compute_output_shape((None, 3, 4)) == (None, 3, 4)


def test_mixed_signs_in_axis_keep_the_order_of_the_input_unlike_keras():
    ours, theirs = (m.LayerNormalization([1, -1]) for m in (normalization, layers))
    ours.build((None, 3, 4)), theirs.build((None, 3, 4))
    assert tuple(ours.gamma.shape) == (3, 4) and tuple(theirs.gamma.shape) == (4, 3)


def test_renorm_is_algorithm_1_of_its_paper():
    arguments = dict(renorm=True, renorm_clipping=BOUNDS, renorm_momentum=0.7)
    layer = BatchNormalization(**arguments, dtype="float64")
    gamma, beta, state = draws(4, seed=1), draws(4, seed=2), (np.zeros(4), np.ones(4))
    layer.build((None, 4))
    layer.gamma.assign(gamma), layer.beta.assign(beta)
    bounds = {name: BOUNDS[name] for name in ("rmin", "rmax", "dmax")}
    for step in range(5):
        x = draws(8, 4, seed=step, mean=0.2, std=1.2)
        y, state = oracles.batch_renorm(x, gamma, beta, state, 1e-3, 0.7, **bounds)
        close(layer(x, training=True), y, 1e-5)
    close([layer.renorm_mean, layer.renorm_stddev], state, 1e-6)
    variance = array(layer.moving_stddev) ** 2 - 1e-3
    close(layer.moving_variance, variance, 1e-6)


def test_an_average_of_no_spread_is_not_divided_by():
    zero = np.zeros(2)
    r, d = normalization.renorm_correction(
        zero + 3, zero + 8.0, zero, zero, epsilon=1.0, rmin=None, rmax=None, dmax=None
    )
    close([r, d], [[3, 3], [3, 3]], 1e-6)  # divided by √ε = 1


def test_no_gradient_passes_through_the_corrections_of_renorm():
    def corrections(x):
        mean, variance = normalization.batch_statistics(x, axis=-1)
        r, d = normalization.renorm_correction(
            mean, variance, w, w, epsilon=EPSILON, rmin=None, rmax=None, dmax=None
        )
        return r + d + 0 * mean

    w = np.ones(3)
    assert not gradient(corrections, draws(6, 3)).any()


def test_of_four_vectors_two_are_learned_and_two_are_tracked():
    """Not "four learned parameters": the gradient reaches γ and β only."""
    layer = BatchNormalization()
    layer.build((None, 10))
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    tracked = [w.name for w in layer.non_trainable_weights]
    assert tracked == ["moving_mean", "moving_variance"]
    assert layer.count_params() == 4 * 10
    x = draws(32, 10, mean=7).astype("float32")
    before = [array(w) for w in layer.weights]
    layer(x, training=True)
    moved = [
        abs(array(w) - b).max() for w, b in zip(layer.weights, before, strict=True)
    ]
    assert moved[:2] == [0, 0] and moved[2] > 0.06 and moved[3] > 0.05


@pytest.mark.convention("Batch norm, frozen")
def test_a_frozen_layer_infers_even_when_it_is_told_to_train():
    x = draws(8, 3).astype("float32")
    for module in (normalization, layers):
        layer = module.BatchNormalization()
        y = array(layer(x, training=False))
        layer.trainable = False
        assert np.array_equal(array(layer(x, training=True)), y)
        assert not array(layer.moving_mean).any()
        layer.trainable = True
        assert abs(array(layer(x, training=True)) - y).max() > 1


def test_half_precision_policies_compute_in_float32_and_return_half():
    before = keras.config.dtype_policy()
    x = np.where(draws(8, 4, mean=0) > 0, 300.0, -300.0)  # 300² is beyond float16
    try:
        for policy in ("mixed_float16", "mixed_bfloat16"):
            keras.config.set_dtype_policy(policy)
            for layer in (BatchNormalization(), LayerNormalization()):
                batch = isinstance(layer, BatchNormalization)
                y = layer(x, training=True) if batch else layer(x)
                half = policy.removeprefix("mixed_")
                assert keras.backend.standardize_dtype(y.dtype) == half
                assert {w.dtype for w in layer.weights} == {"float32"}
                oracle = oracles.batch_norm(x, 1, 0, 1e-3)[0]
                if not batch:
                    oracle = oracles.layer_norm(x, 1, 0, 1e-3)
                np.testing.assert_allclose(array(y), oracle, rtol=8e-3)
            # An input in float32 is not cut down before layer norm, as in Keras.
            fine = (1 + 1e-4 * draws(8, 4, mean=0)).astype("float32")
            oracle = oracles.layer_norm(fine, 1, 0, 1e-3)
            np.testing.assert_allclose(array(layer(fine)), oracle, rtol=0.01, atol=1e-4)
    finally:
        keras.config.set_dtype_policy(before)


def test_initializers_penalties_and_projections_act_and_survive_as_given_or_made():
    made = dict(
        beta_initializer=keras.initializers.Constant(-2.0),
        gamma_regularizer=keras.regularizers.L2(0.5),
        gamma_constraint=keras.constraints.MaxNorm(1.5),
    )
    for cls in CASES:
        layer = cls(beta_constraint="non_neg", gamma_initializer="ones", **made)
        again = cls.from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        getattr(layers, cls.__name__).from_config(layer.get_config())
        again.build((None, 3))
        assert array(again.beta).tolist() == [-2, -2, -2]
        assert array(again.beta.constraint(again.beta)).tolist() == [0, 0, 0]
        assert array(sum(again.losses)) == pytest.approx(0.5 * 3)
        norm = np.linalg.norm(array(again.gamma.constraint(again.gamma)))
        assert norm == pytest.approx(1.5, rel=1e-6)
    with pytest.raises(ValueError, match="Could not interpret"):
        BatchNormalization(gamma_initializer="once")


@pytest.mark.parametrize(
    "bad", [{"rmin": 2, "rmax": 1}, {"dmax": -1}, {"r": 1}, [1], {"rmax": "2"}], ids=str
)
def test_bounds_that_leave_nothing_between_are_refused(bad):
    with pytest.raises(ValueError, match=r"`renorm_clipping` must be None or a dict"):
        BatchNormalization(renorm_clipping=bad)


def test_synchronized_needs_tensorflow():
    if BACKEND == "tensorflow":
        assert BatchNormalization(synchronized=True).synchronized
    else:
        with pytest.raises(
            ValueError, match=r"`synchronized` must be one of \[False\]"
        ):
            BatchNormalization(synchronized=True)


@pytest.mark.tensorflow
def test_model_fit_and_both_engines_of_training_fit_give_the_curve_of_keras(
    monkeypatch,
):
    from dtlib import training
    from dtlib.training import _program

    x = draws(50, 4).astype("float32")
    y = (x[:, 0] > 2).astype("int32")
    plan = dict(epochs=3, batch_size=16, shuffle=False, verbose=0)

    def trained(fit, module):
        keras.utils.set_random_seed(0)
        arguments = dict(momentum=0.8, gamma_regularizer="l2", name="norm")
        model = keras.Sequential([keras.Input((4,)), layers.Dense(8, use_bias=False)])
        model.add(module.BatchNormalization(**arguments))
        model.add(layers.Activation("relu"))
        model.add(module.LayerNormalization(beta_constraint="non_neg", name="own"))
        model.add(layers.Dense(2))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("sgd", loss)
        curve = fit(model, x, y, **plan).history["loss"]
        return [np.array(curve), *model.get_weights()]

    expected = trained(keras.Model.fit, layers)
    found = [trained(keras.Model.fit, normalization)]
    for xla in (False, True):
        monkeypatch.setattr(_program, "xla_pays", lambda model, xla=xla: xla)
        found.append(trained(training.fit, normalization))
    for curve_and_weights in found:
        for one, other in zip(curve_and_weights, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


# Folding ------------------------------------------------------------------------------


def shaken(model, seed=0):
    """`model` with weights of which none is at its default, some of them negative."""
    rng = np.random.default_rng(seed)
    for w in model.weights:
        low = 0.5 if "variance" in w.name else -1.5
        w.assign(rng.uniform(low, 1.5, w.shape))
    return model


def sequential(shape, *stack):
    return shaken(keras.Sequential([keras.Input(shape), *stack]))


def assert_folds(model, expected, fewer=0):
    """The folded model predicts the same and lacks `expected`; `model` is as before."""
    x = draws(6, *model.input_shape[1:], mean=0, std=1).astype("float32")
    before, names = model.get_weights(), [layer.name for layer in model.layers]
    y = array(model(x))
    assert foldable(model) == expected
    folded = fold_batch_norm(model)
    # Without t, or with s at the wrong end, the error is of the size of y.
    np.testing.assert_allclose(array(folded(x)), y, rtol=1e-5, atol=1e-5 * abs(y).max())
    left = [layer.name for layer in folded.layers]
    assert left == [name for name in names if name not in expected]
    assert model.count_params() - folded.count_params() == fewer
    assert names == [layer.name for layer in model.layers]
    for one, other in zip(model.get_weights(), before, strict=True):
        assert np.array_equal(one, other)
    return folded


@pytest.mark.equation("eq-normalization-line", "eq-normalization-fold-previous")
@pytest.mark.parametrize("module", [normalization, layers], ids=["dtlib", "keras"])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("switches", [{}, SWITCHES], ids=["full", "bare"])
def test_before_the_activation_it_goes_into_the_layer_before(
    module, use_bias, switches
):
    model = sequential(
        (5,),
        layers.Dense(4, use_bias=use_bias, name="one"),
        module.BatchNormalization(name="norm", **switches),
        layers.Activation("tanh"),
        layers.Dense(2, name="two"),
    )
    model.get_layer("norm").trainable = False  # frozen or not, it infers
    weights = (2 if switches else 4) * 4 - (0 if use_bias else 4)
    assert_folds(model, {"norm": "one"}, weights)


@pytest.mark.equation("eq-normalization-fold-next")
@pytest.mark.parametrize("module", [normalization, layers], ids=["dtlib", "keras"])
@pytest.mark.parametrize("use_bias", [True, False])
def test_after_the_activation_it_goes_into_the_next_dense_layer(module, use_bias):
    model = sequential(
        (5,),
        layers.Dense(4, "relu", name="one"),
        module.BatchNormalization(name="norm"),
        layers.Dense(3, "tanh", use_bias=use_bias, name="two"),
    )
    assert_folds(model, {"norm": "two"}, 16 - (0 if use_bias else 3))


CONVOLUTIONS = {
    "Conv1D": (lambda: layers.Conv1D(4, 3, padding="same", name="conv"), (6, 2)),
    "Conv2D": (lambda: layers.Conv2D(4, (2, 3), strides=2, name="conv"), (6, 6, 2)),
    "groups": (lambda: layers.Conv2D(4, 3, groups=2, name="conv"), (6, 6, 2)),
    "Conv3D": (lambda: layers.Conv3D(4, 2, name="conv"), (3, 3, 3, 2)),
    "depthwise": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, name="conv"),
        (6, 6, 2),
    ),
}


@pytest.mark.parametrize("make, shape", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_every_convolution_takes_the_batch_norm_behind_it(make, shape):
    model = sequential(shape, make(), BatchNormalization(name="norm"))
    assert_folds(model, {"norm": "conv"}, 4 * 4)


def test_a_convolution_takes_the_one_before_it_only_if_it_does_not_pad():
    def model(**arguments):
        return sequential(
            (5, 5, 2),
            BatchNormalization(name="norm"),
            layers.Conv2D(3, name="conv", **arguments),
        )

    assert_folds(model(kernel_size=3), {"norm": "conv"}, 8)
    assert_folds(model(kernel_size=1, padding="same"), {"norm": "conv"}, 8)
    assert_folds(model(kernel_size=3, padding="same"), {})
    assert_folds(model(kernel_size=(1, 2), padding="same"), {})


def test_across_zero_padding_the_border_would_be_wrong_and_the_inside_right():
    """What folding there would do: zeros stand where batch norm would put t."""
    model = sequential(
        (7, 7, 2), BatchNormalization(), layers.Conv2D(3, 3, padding="same")
    )
    norm_layer, conv = model.layers
    statistics = [norm_layer.gamma, norm_layer.beta, norm_layer.moving_mean]
    kernel, bias = normalization.fold_into_next(
        *(array(w) for w in (conv.kernel, conv.bias, *statistics)),
        array(norm_layer.moving_variance),
        epsilon=norm_layer.epsilon,
    )
    forced = sequential((7, 7, 2), layers.Conv2D(3, 3, padding="same"))
    forced.set_weights([array(kernel), array(bias)])
    x = draws(4, 7, 7, 2, mean=0, std=1).astype("float32")
    error = abs(array(forced(x)) - array(model(x))).max((0, 3))
    assert error[1:-1, 1:-1].max() < 1e-4
    border = np.ones((7, 7), bool)
    border[1:-1, 1:-1] = False
    assert error[border].min() > 0.1


def test_a_chain_of_batch_norms_folds_whole_and_both_ways():
    model = sequential(
        (3,),
        BatchNormalization(name="input"),
        layers.Dense(4, name="one"),
        BatchNormalization(name="a"),
        layers.BatchNormalization(name="b"),
        layers.Activation("relu"),
        BatchNormalization(name="c"),
        BatchNormalization(name="d"),
        layers.Dense(2, name="two"),
        BatchNormalization(name="logits"),
    )
    expected = {"input": "one", "a": "one", "b": "one", "logits": "two"}
    assert_folds(model, expected | {"d": "two", "c": "two"}, 4 * (3 + 4 * 4 + 2))


def test_what_folding_would_change_stays():
    x = keras.Input((4,))
    shared, twice = BatchNormalization(name="shared"), layers.Dense(4, name="twice")
    branch = layers.Dense(4, name="branch")(x)  # two consumers
    h = BatchNormalization(name="beside")(branch)
    h = layers.Activation("relu")(shared(h) + branch)
    h = shared(layers.Activation("tanh")(h))
    h = BatchNormalization(name="of_twice")(twice(layers.ReLU()(h)))
    h = layers.BatchNormalization(name="drop")(layers.ReLU()(twice(layers.ReLU()(h))))
    h = layers.Dense(4, name="mid")(layers.Dropout(0.5)(h))
    h = layers.BatchNormalization(name="told")(h, training=True)
    out = layers.Dense(2, name="shown")(layers.ReLU()(h))  # an output, too
    split = BatchNormalization(name="split")(layers.ReLU()(out))
    heads = [layers.Dense(1)(split), layers.Dense(1)(split)]
    ends = [out, BatchNormalization(name="last")(out), *heads]
    model = shaken(keras.Model(x, ends))
    assert foldable(model) == {}
    folded, data = fold_batch_norm(model), draws(6, 4).astype("float32")
    assert folded.count_params() == model.count_params()
    for one, other in zip(folded(data), model(data), strict=True):
        np.testing.assert_allclose(array(one), array(other), rtol=1e-5)


class Doubled(layers.Dense):
    def call(self, inputs):
        return 2 * super().call(inputs)


@pytest.mark.parametrize(
    "shape, stack",
    {
        "an axis that is not the channels": (
            (3, 4),
            lambda: [layers.Dense(4), BatchNormalization(axis=1)],
        ),
        "a subclass": ((4,), lambda: [Doubled(4), BatchNormalization()]),
        "flattened": (
            (2, 2, 3),
            lambda: [BatchNormalization(), layers.Flatten(), layers.Dense(2)],
        ),
        "pooled": (
            (4, 4, 3),
            lambda: [layers.Conv2D(2, 1), layers.MaxPool2D(), BatchNormalization()],
        ),
        "padded by hand": (
            (4, 4, 3),
            lambda: [BatchNormalization(), layers.ZeroPadding2D(), layers.Conv2D(2, 3)],
        ),
        "alone": ((4,), lambda: [layers.Dense(4, "relu"), BatchNormalization()]),
    }.values(),
)
def test_beside_another_layer_it_stays(shape, stack):
    assert_folds(sequential(shape, *stack()), {})


def test_a_layer_with_lora_keeps_its_batch_norm():
    model = sequential((4,), layers.Dense(4), BatchNormalization())
    model.layers[0].enable_lora(2)
    assert foldable(model) == {}


def test_a_functional_model_folds_around_its_branches():
    x = keras.Input((6, 6, 2))
    h = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    h = layers.ReLU()(BatchNormalization(name="inner")(h))
    skip = h
    h = layers.Conv2D(4, 3, padding="same", name="second")(h)
    h = layers.BatchNormalization(name="outer")(h)
    h = layers.GlobalAveragePooling2D()(layers.Add()([h, skip]) * 2.0)
    h = layers.Dense(2, name="head")(BatchNormalization(name="pooled")(h))
    model = shaken(keras.Model(x, h))
    expected = {"inner": "conv", "outer": "second", "pooled": "head"}
    assert_folds(model, expected, 3 * 16 - 4)


def test_a_nested_model_is_folded_inside():
    base = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, name="one")], name="base"
    )
    base.add(BatchNormalization(name="norm"))
    model = sequential((3,), base, layers.ReLU(), layers.Dense(1, name="head"))
    assert foldable(model) == {"base/norm": "base/one"}
    folded, x = fold_batch_norm(model), draws(5, 3).astype("float32")
    np.testing.assert_allclose(array(folded(x)), array(model(x)), rtol=1e-5, atol=1e-5)
    assert model.count_params() - folded.count_params() == 16


def test_a_compiled_model_comes_back_compiled_and_measures_the_same():
    model = sequential((3,), layers.Dense(4), BatchNormalization(), layers.Dense(1))
    model.compile("sgd", "mse")
    x, y = draws(8, 3).astype("float32"), draws(8, 1).astype("float32")
    losses = [m.evaluate(x, y, verbose=0) for m in (model, fold_batch_norm(model))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


class Own(keras.Model):
    def call(self, x):
        return x


@pytest.mark.parametrize(
    "model, said",
    {
        "a layer": (layers.Dense(2), "`model` must be a `keras.Sequential` or a funct"),
        "a subclass": (Own(), "`model` must be a `keras.Sequential` or a functional"),
        "nothing": (None, "functional model. Received: model=None"),
        "unbuilt": (keras.Sequential([layers.Dense(2)]), "`model` must be built"),
    }.values(),
)
def test_what_is_not_a_built_model_of_known_calls_is_refused(model, said):
    for function in (fold_batch_norm, foldable):
        with pytest.raises(ValueError, match=said):
            function(model)


# Conventions --------------------------------------------------------------------------


@pytest.mark.convention("Batch norm, ε")
def test_epsilon_decides_for_features_of_little_spread():
    """A common note sets 1e-5 in the formula beside code whose default is 1e-3."""
    x = draws(4000, 2, mean=0, std=1) * [1.0, 0.01]
    wide, narrow = (array(norm(x, None, None, epsilon=e)).std(0) for e in (1e-3, 1e-5))
    variance = x.var(0)
    factor = np.sqrt((variance + 1e-3) / (variance + 1e-5))
    np.testing.assert_allclose(narrow / wide, factor, rtol=max(1e-9, EXACT))
    assert factor[0] == pytest.approx(1.0005, abs=1e-4)
    assert factor[1] == pytest.approx(np.sqrt(1.1e-3 / 1.1e-4), rel=0.02)  # 3.16
    layer = layers.BatchNormalization()
    assert (layer.epsilon, layer.momentum) == (1e-3, 0.99)
