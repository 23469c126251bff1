"""Constraints: against vectors measured one by one, projections, and Keras' twins."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import optimize

from dtlib import constraints
from dtlib.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm
from tests import engines
from tests import oracles_constraints as oracles
from tests.engines import array

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    NonNeg: ({}, {}),
    UnitNorm: (dict(axis=1), dict(axis="rows")),
    MaxNorm: (dict(max_value=0.75, axis=1), dict(max_value=0, axis=0.5)),
    MinMaxNorm: (
        dict(min_value=0.25, max_value=0.75, rate=0.5, axis=1),
        dict(min_value=2.0, max_value=-1.0, rate=0.0, axis=[0, 0]),
    ),
}
every_class = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
DTYPES = ["float16", "bfloat16", "float32", "float64"]
# Rounding of the type, four times over; norms are taken in 32 bits.
ROUNDING = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 5e-7, "float64": 1e-14}
SHAPES = {
    "bias": ((7,), [0, -1, None]),
    "dense": ((5, 4), [0, 1, (0, 1), None]),
    "convolution": ((3, 2, 4, 6), [0, (0, 1, 2), [0, 1, 2], -1, None]),
}
EVERY_AXIS = [(shape, axis) for shape, axes in SHAPES.values() for axis in axes]
every_axis = pytest.mark.parametrize("shape, axis", EVERY_AXIS, ids=str)


def kernel(shape=(5, 4), seed=0):
    """Weights whose vectors, along any axis, have norms from about 0.1 to 10."""
    rng = np.random.default_rng(seed)
    w = rng.normal(size=shape) * 10 ** rng.uniform(-1, 0.7, size=(1, *shape[1:]))
    return w * 10 ** rng.uniform(-0.5, 0.5, size=(*shape[:-1], 1))


# The rules ----------------------------------------------------------------------------


@every_axis
def test_each_rule_computes_its_definition_along_every_axis(shape, axis):
    w = kernel(shape)
    bounds = dict(min_value=0.8, max_value=2.0, rate=0.3)
    plain = tuple(axis) if isinstance(axis, list) else axis
    pairs = [
        (constraints.weight_norms(w, axis=axis), oracles.weight_norms(w, plain)),
        (constraints.unit_norm(w, axis=axis), oracles.unit_norm(w, plain)),
        (
            constraints.max_norm(w, max_value=2.0, axis=axis),
            oracles.max_norm(w, 2.0, plain),
        ),
        (
            constraints.min_max_norm(w, **bounds, axis=axis),
            oracles.min_max_norm(w, **bounds, axis=plain),
        ),
    ]
    for ours, expected in pairs:
        assert tuple(ours.shape) == expected.shape
        np.testing.assert_allclose(array(ours), expected, rtol=1e-13)
    assert np.array_equal(array(constraints.non_negative(w)), np.clip(w, 0, None))


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_class_calls_its_rule_and_keeps_the_type(dtype):
    w = ops.cast(kernel(), dtype)
    exact = array(w)
    given = CASES[MinMaxNorm][0]
    for constraint, expected in [
        (NonNeg(), np.clip(exact, 0, None)),
        (UnitNorm(axis=1), oracles.unit_norm(exact, 1)),
        (MaxNorm(0.75, axis=1), oracles.max_norm(exact, 0.75, 1)),
        (MaxNorm(), oracles.max_norm(exact, 2, 0)),
        (MinMaxNorm(**given), oracles.min_max_norm(exact, **given)),
        (MinMaxNorm(0.5, 1.5), oracles.min_max_norm(exact, 0.5, 1.5, 1, 0)),
    ]:
        ours = constraint(w)
        assert keras.backend.standardize_dtype(ours.dtype) == dtype
        np.testing.assert_allclose(array(ours), expected, rtol=ROUNDING[dtype])


@every_class
@pytest.mark.parametrize("shape, axis", [((5, 4), 0), ((3, 3, 2, 4), [0, 1, 2])])
def test_it_is_the_twin_of_keras_but_for_the_epsilon(cls, shape, axis):
    w = kernel(shape).astype("float32")
    arguments = {} if cls is NonNeg else {**CASES[cls][0], "axis": axis}
    twin = getattr(keras.constraints, cls.__name__)(**arguments)
    # 1e-7 beside norms of 0.1 and more is 1e-6; a rate of 1 in place of ½ shows at 0.1.
    np.testing.assert_allclose(array(cls(**arguments)(w)), array(twin(w)), rtol=3e-6)


# Projections --------------------------------------------------------------------------


@pytest.mark.parametrize("constraint", [NonNeg(), MaxNorm(1.5), MinMaxNorm(0.8, 1.5)])
def test_projecting_twice_is_projecting_once(constraint):
    for dtype in ("float32", "float64"):
        once = array(constraint(kernel().astype(dtype)))
        twice = array(constraint(once.astype(dtype)))
        np.testing.assert_allclose(twice, once, rtol=4 * np.finfo(dtype).eps)


def test_a_column_inside_the_ball_stays_to_the_last_bit():
    w = kernel().astype("float32")
    inside = np.linalg.norm(w, axis=0) < 2
    assert 0 < inside.sum() < 4
    out = array(MaxNorm(2.0)(w))
    assert np.array_equal(out[:, inside], w[:, inside])
    assert np.all(np.abs(out[:, ~inside]) < np.abs(w[:, ~inside]))


@pytest.mark.convention("Max-norm constraint")
def test_a_thousand_projections_leave_a_column_where_it_was_unlike_keras():
    w = np.float32([[0.3, 3.0], [0.4, 4.0]])  # norms ½ and 5, and the bound 1
    ours, theirs = MaxNorm(1.0), keras.constraints.MaxNorm(1.0)
    a = b = ops.convert_to_tensor(w)
    project = engines.compiled(lambda a, b: (ours(a), theirs(b)))
    for _ in range(1000):
        a, b = project(a, b)
    assert np.array_equal(array(a)[:, 0], w[:, 0])
    np.testing.assert_allclose(np.linalg.norm(array(a), axis=0), [0.5, 1], rtol=1e-6)
    # Keras multiplies by 1/(1 + 1e-7/‖w‖) each time: after k steps ‖w‖ − k·1e-7. In
    # float32 the factor rounds to a multiple of 6e-8, so that it is not exact.
    shrunk = np.linalg.norm(array(b), axis=0)
    np.testing.assert_allclose(shrunk, np.array([0.5, 1.0]) - 1e-4, atol=5e-5)
    assert np.all(shrunk < np.array([0.5, 1.0]) - 5e-5)
    # The factor between the two, in exact arithmetic: (ε + ‖w‖) / ‖w‖.
    one = oracles.keras_max_norm(w, 1.0) * (1e-7 + np.array([0.5, 5])) / [0.5, 5]
    np.testing.assert_allclose(one, oracles.max_norm(w, 1.0, 0), rtol=1e-7)
    np.testing.assert_allclose(
        array(theirs(w)), oracles.keras_max_norm(w, 1.0), rtol=3e-7
    )


def test_the_idempotence_check_fails_on_the_common_bug():
    w = np.array([[0.3], [0.4]])
    shrinking = w
    for _ in range(1000):
        shrinking = oracles.keras_max_norm(shrinking, 1.0)
    assert abs(np.linalg.norm(shrinking) - 0.5) > 9e-5  # ours: 0


def test_max_norm_gives_the_nearest_point_of_the_ball():
    w = np.array([1.0, -2.0, 0.5])
    found = optimize.minimize(
        lambda p: ((p - w) ** 2).sum(),
        np.zeros(3),
        constraints={"type": "ineq", "fun": lambda p: 1 - p @ p},
        options={"ftol": 1e-14},
    ).x
    ours = array(constraints.max_norm(w, max_value=1.0, axis=0))
    np.testing.assert_allclose(ours, found, atol=1e-6)


def test_max_norm_is_min_max_norm_without_a_lower_bound():
    w = kernel()
    arguments = dict(max_value=1.5, axis=0)
    both = constraints.min_max_norm(w, min_value=0.0, rate=1.0, **arguments)
    assert np.array_equal(array(both), array(constraints.max_norm(w, **arguments)))
    unit = constraints.min_max_norm(w, min_value=1, max_value=1, rate=1.0, axis=0)
    np.testing.assert_allclose(array(unit), array(UnitNorm()(w)), rtol=1e-15)


def test_a_rate_below_one_closes_the_same_share_of_the_gap_each_time():
    w = np.array([[0.3, 3.0], [0.4, 4.0]])  # norms ½ and 5, and the interval [1, 2]
    constraint = MinMaxNorm(1.0, 2.0, rate=0.25)
    for step in range(1, 9):
        w = array(constraint(w))
        gaps = np.array([0.5, 3.0]) * 0.75**step
        expected = np.array([1.0, 2.0]) + gaps * [-1, 1]
        np.testing.assert_allclose(np.linalg.norm(w, axis=0), expected, rtol=1e-12)


def test_the_share_of_vectors_that_a_bound_holds_back():
    w = np.concatenate([np.full((4, 3), 0.1), np.full((4, 1), 5.0)], axis=1)
    share = dict(max_value=2.0, axis=0, tolerance=1e-3)
    assert float(constraints.binding_share(w, **share)) == 0.25
    held = MaxNorm(2.0)(w.astype("float32"))
    assert float(constraints.binding_share(held, **share)) == 0.25
    assert float(constraints.binding_share(w, **{**share, "max_value": 100.0})) == 0
    assert float(constraints.binding_share(w, **{**share, "axis": 1})) == 1
    assert float(constraints.binding_share(w, **{**share, "tolerance": 0.91})) == 1
    w[0, 0] = math.nan
    assert math.isnan(float(constraints.binding_share(w, **share)))


# In a layer ---------------------------------------------------------------------------


def step_of(layer, shape, rate=100.0):
    """One huge step of gradient descent through `layer`, and what Keras does after."""
    layer.build((None, *shape))
    optimizer = keras.optimizers.SGD(rate)
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=v.shape).astype("float32") for v in layer.weights]
    optimizer.apply([ops.convert_to_tensor(g) for g in gradients], layer.weights)
    return [array(v) for v in layer.weights]


def test_an_optimizer_step_ends_inside_the_bound():
    dense = keras.layers.Dense(
        4, kernel_constraint=MaxNorm(2.0), bias_constraint=NonNeg()
    )
    w, b = step_of(dense, (6,))
    np.testing.assert_allclose(np.linalg.norm(w, axis=0), 2.0, rtol=1e-6)
    assert b.min() == 0.0 < b.max()
    conv = keras.layers.Conv2D(3, 2, kernel_constraint=MaxNorm(2.0, axis=[0, 1, 2]))
    w, _ = step_of(conv, (8, 8, 5))
    norms = np.sqrt((w**2).sum((0, 1, 2)))
    np.testing.assert_allclose(norms, 2.0, rtol=1e-6)


def test_axis_0_of_a_convolution_bounds_columns_of_its_window_only():
    conv = keras.layers.Conv2D(3, 2, kernel_constraint=MaxNorm(2.0))  # the default axis
    w, _ = step_of(conv, (8, 8, 5))
    filters = np.sqrt((w**2).sum((0, 1, 2)))
    # 2 rows of a window, 5 channels: √10 vectors of norm 2 in each filter.
    np.testing.assert_allclose(filters, 2 * math.sqrt(10), rtol=1e-6)


def test_the_bias_constraint_is_an_argument_of_the_layer():
    with pytest.raises(TypeError, match="bias_constraint"):
        MaxNorm(2.0, bias_constraint=MaxNorm(1.0))
    layer = keras.layers.Dense(3, bias_constraint=MaxNorm(1.0))
    _, b = step_of(layer, (2,))
    assert np.linalg.norm(b) == pytest.approx(1.0, rel=1e-6)  # one vector: axis 0


# Extremes -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_vector_of_zeros_stays_zero(dtype):
    w = ops.zeros((3, 2), dtype)
    for constraint in (UnitNorm(), MaxNorm(), MinMaxNorm(0.5, 1.0), NonNeg()):
        assert np.array_equal(array(constraint(w)), np.zeros((3, 2)))


def test_short_and_long_vectors_get_their_length_where_keras_loses_them():
    tiny = np.float32([[6e-8], [8e-8]])
    assert np.linalg.norm(array(UnitNorm()(tiny))) == pytest.approx(1, rel=1e-6)
    keras_norm = np.linalg.norm(array(keras.constraints.UnitNorm()(tiny)))
    assert keras_norm == pytest.approx(0.5, rel=1e-3)
    for size, dtype in ((1e30, "float32"), (3e4, "float16")):
        w = np.full((4, 1), size, dtype)
        for constraint in (MaxNorm(1.0), UnitNorm(), MinMaxNorm()):
            np.testing.assert_allclose(array(constraint(w)), 0.5, rtol=1e-3)
        assert not array(keras.constraints.MaxNorm(1.0)(w)).any()  # squares overflow


@pytest.mark.parametrize(
    "xla", [False, pytest.param(True, marks=pytest.mark.tensorflow)]
)
def test_a_norm_beyond_the_type_counts_as_infinite_compiled_or_not(xla):
    w = np.full((4, 1), 3e38, "float32")

    def rules(w):
        return [c(w) for c in (MaxNorm(1.0), UnitNorm(), MinMaxNorm())]

    for f in (rules, engines.compiled(rules, xla)):
        for out in f(ops.convert_to_tensor(w)):
            assert np.isnan(array(out)).all()


def test_what_is_not_a_number_shows_in_its_vector_and_nowhere_else():
    for bad in (math.nan, math.inf):
        w = np.array([[bad, 0.3], [1.0, 0.4]])
        for constraint in (UnitNorm(), MaxNorm(1.0), MinMaxNorm(0.2, 1.0)):
            out = array(constraint(w))
            assert np.isnan(out[:, 0]).all(), constraint
            assert np.isfinite(out[:, 1]).all()
    np.testing.assert_array_equal(
        array(NonNeg()(np.array([math.nan, -math.inf, math.inf, -0.5]))),
        [math.nan, 0.0, math.inf, 0.0],
    )


def test_the_rules_are_differentiable_also_at_zero():
    w = kernel()
    w[:, 0] = 0.0
    for constraint in (UnitNorm(), MaxNorm(1.0), MinMaxNorm(0.5, 1.0), NonNeg()):
        assert np.isfinite(engines.gradient(constraint, w)).all()


# Compilation, arguments ---------------------------------------------------------------


@pytest.mark.parametrize(
    "xla", [False, pytest.param(True, marks=pytest.mark.tensorflow)]
)
def test_the_classes_compute_the_same_compiled(xla):
    made = [cls(**CASES[cls][0]) for cls in CASES]
    w = ops.convert_to_tensor(kernel())
    found = engines.compiled(lambda w: [c(w) for c in made], xla)(w)
    for ours, constraint in zip(found, made, strict=True):
        np.testing.assert_allclose(array(ours), array(constraint(w)), rtol=1e-13)


@pytest.mark.parametrize("bad", [True, "0", 0.5, [], [0, 0], (0, None)], ids=str)
def test_an_axis_that_is_none_is_refused_by_the_constructor(bad):
    for cls in (UnitNorm, MaxNorm, MinMaxNorm):
        with pytest.raises(ValueError, match="`axis` must be None, or one or more"):
            cls(axis=bad)


@pytest.mark.parametrize("bad", [2, -3, [0, 1, 2], [1, -1]], ids=str)
def test_an_axis_that_the_weights_lack_is_refused_with_what_they_have(bad):
    for constraint in (UnitNorm(bad), MaxNorm(axis=bad), MinMaxNorm(axis=bad)):
        with pytest.raises(
            ValueError, match=r"`axis` must .*\[-2, 2\).*Received: axis="
        ):
            constraint(np.ones((3, 2)))
    with pytest.raises(ValueError, match="`axis` must"):
        constraints.weight_norms(np.ones((3, 2)), axis=bad)


def test_a_lower_bound_above_the_upper_one_is_refused():
    with pytest.raises(ValueError, match="`min_value` must be at most `max_value`"):
        MinMaxNorm(min_value=0.9, max_value=0.5)
    assert MinMaxNorm(0.5, 0.5).max_value == 0.5


@every_class
def test_it_comes_back_from_its_config(cls):
    given = CASES[cls][0]
    assert cls(**given).get_config() == given
    assert cls.from_config(given).get_config() == given
    revived = keras.constraints.deserialize(keras.constraints.serialize(cls(**given)))
    assert type(revived) is cls and revived.get_config() == given
