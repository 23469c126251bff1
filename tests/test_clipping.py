"""Clipping: against its definition in NumPy, Keras' three arguments, and its limits."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from dtlib import clipping
from tests import engines
from tests import oracles_clipping as oracles
from tests.engines import array

CASES = {}  # Keras has no classes here
DTYPES = ["float16", "bfloat16", "float32", "float64"]
# Rounding of the type, four times over; the norm itself is taken in 32 bits.
ROUNDING = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 5e-7, "float64": 1e-14}


def gradients(seed=0, dtype="float64"):
    """A kernel's, a bias's, and that of a variable the loss does not depend on."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(4, 3)).astype(dtype), None, rng.normal(size=5) * 3]


def joined(tensors):
    return np.concatenate([array(g).ravel() for g in tensors if g is not None])


def difference_quotient(f, x, h=1e-6):
    """The gradient of Σ f(x) by central differences, entry by entry."""
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        found[i] = (array(f(x + step)) - array(f(x - step))).sum() / (2 * h)
    return found


# The rules ----------------------------------------------------------------------------


@pytest.mark.equation(
    "eq-clipping-value",
    "eq-clipping-norm",
    "eq-clipping-length",
    "eq-clipping-global",
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("c", [0.1, 1.0, 2.5, 100.0])
def test_each_rule_computes_its_definition_and_keeps_the_type(c, dtype):
    g = ops.cast(gradients(1)[0], dtype)
    exact = array(g)  # as rounded to the type
    rest = ops.cast(np.float64([3.0, -4.0]), dtype)
    pairs = [
        (clipping.clip_by_value(g, c), oracles.clip_by_value(exact, c)),
        (clipping.clip_by_norm(g, c), oracles.clip_by_norm(exact, c)),
        (clipping.clip_by_norm(g, c, axes=0), oracles.clip_by_norm(exact, c, 0)),
        (clipping.clip_by_norm(g, c, (0, -1)), oracles.clip_by_norm(exact, c)),
    ]
    clipped, norm = clipping.clip_by_global_norm([g, None, rest], c)
    expected = oracles.clip_by_global_norm([exact, None, [3.0, -4.0]], c)
    assert clipped[1] is None
    pairs += [(clipped[0], expected[0]), (clipped[2], expected[2])]
    for ours, theirs in pairs:
        assert keras.backend.standardize_dtype(ours.dtype) == dtype
        np.testing.assert_allclose(array(ours), theirs, rtol=ROUNDING[dtype])
    wide = "float64" if dtype == "float64" else "float32"
    assert keras.backend.standardize_dtype(norm.dtype) == wide
    exact_norm = oracles.global_norm([exact, [3.0, -4.0]])
    assert float(norm) == pytest.approx(exact_norm, rel=max(ROUNDING[wide], 1e-14))
    assert float(clipping.global_norm([g, None, rest])) == float(norm)


def test_a_short_gradient_comes_back_to_the_last_bit_and_a_long_one_has_the_bound():
    g = gradients(2, "float32")
    norm = oracles.global_norm(g)
    kept, _ = clipping.clip_by_global_norm(g, norm * 1.001)
    assert np.array_equal(array(kept[0]), array(g[0]))
    assert np.array_equal(array(clipping.clip_by_norm(g[0], 100.0)), array(g[0]))
    clipped, before = clipping.clip_by_global_norm(g, norm * 0.1)
    assert float(before) == pytest.approx(norm, rel=1e-6)
    assert float(clipping.global_norm(clipped)) == pytest.approx(0.1 * norm, rel=1e-6)
    again, _ = clipping.clip_by_global_norm(clipped, norm * 0.1)
    np.testing.assert_allclose(joined(again), joined(clipped), rtol=3e-7)


@pytest.mark.parametrize("rule", ["norm", "global"])
def test_a_short_gradient_is_not_made_longer_unlike_the_common_bug(rule):
    def always_scaled(g, c):  # the `min(1, ...)` forgotten
        return g * (c / np.linalg.norm(g))

    g = np.array([0.3, 0.4])
    ours = {
        "norm": lambda: clipping.clip_by_norm(g, 5.0),
        "global": lambda: clipping.clip_by_global_norm([g], 5.0)[0][0],
    }[rule]()
    assert np.array_equal(array(ours), g)
    assert np.linalg.norm(always_scaled(g, 5.0)) == pytest.approx(5)


def test_the_global_norm_is_that_of_the_joined_vector_unlike_the_common_bug():
    g = gradients(3)
    norms = [np.linalg.norm(x) for x in g if x is not None]
    assert float(clipping.global_norm(g)) == pytest.approx(np.hypot(*norms), rel=1e-14)
    assert sum(norms) > 1.2 * np.hypot(*norms)  # the sum of norms would show


def test_gradients_of_several_types_are_measured_together():
    g = [np.float16([3.0]), np.float32([4.0]), np.float64([12.0])]
    clipped, norm = clipping.clip_by_global_norm(g, 1.3)
    assert float(norm) == 13.0
    for ours, given in zip(clipped, g, strict=True):
        assert keras.backend.standardize_dtype(ours.dtype) == given.dtype.name
    np.testing.assert_allclose(joined(clipped), [0.3, 0.4, 1.2], rtol=1e-3)


def test_no_gradient_at_all_has_norm_zero():
    for g in ([], [None], [None, np.zeros(3)], [np.zeros((0, 2))]):
        clipped, norm = clipping.clip_by_global_norm(g, 1.0)
        assert float(norm) == 0.0 and len(clipped) == len(g)
        assert not joined(clipped + [np.zeros(1)]).any()


# Keras' arguments ---------------------------------------------------------------------


def keras_steps(tensors, **clip):
    """What an optimizer of Keras makes of gradients: a step of rate 1, reversed."""
    variables = [keras.Variable(np.zeros_like(g), dtype=g.dtype) for g in tensors]
    optimizer = keras.optimizers.SGD(1.0, **clip)
    optimizer.apply([ops.convert_to_tensor(g) for g in tensors], variables)
    return [-array(v) for v in variables]


@pytest.mark.parametrize("c", [0.3, 2.0, 50.0])
def test_clipvalue_clipnorm_and_global_clipnorm_are_the_three_rules(c):
    g = [x for x in gradients(4, "float32") if x is not None]
    g[1] = g[1].astype("float32")
    ours = {
        "clipvalue": [clipping.clip_by_value(x, c) for x in g],
        "clipnorm": [clipping.clip_by_norm(x, c) for x in g],
        "global_clipnorm": clipping.clip_by_global_norm(g, c)[0],
    }
    for name, clipped in ours.items():
        theirs = keras_steps(g, **{name: c})
        for a, b in zip(clipped, theirs, strict=True):
            np.testing.assert_allclose(array(a), b, rtol=1e-6)


def test_keras_takes_one_of_its_three_arguments_at_a_time():
    three = dict(clipvalue=1.0, clipnorm=1.0, global_clipnorm=1.0)
    for name in three:
        two = {key: value for key, value in three.items() if key != name}
        with pytest.raises(ValueError, match="Only one of"):
            keras.optimizers.SGD(**two)


@pytest.mark.convention("Norm clipping")
def test_clipnorm_measures_each_variable_and_global_clipnorm_all():
    g = [np.float32([3.0]), np.float32([4.0])]
    each, together = keras_steps(g, clipnorm=1.0), keras_steps(g, global_clipnorm=1.0)
    np.testing.assert_allclose(each, [[1.0], [1.0]], rtol=1e-6)
    np.testing.assert_allclose(together, [[0.6], [0.8]], rtol=1e-6)
    # The two agree when a variable's own bound is its share of the global norm.
    shares = [keras_steps([x], clipnorm=float(x[0]) / 5)[0] for x in g]
    np.testing.assert_allclose(shares, together, rtol=1e-6)
    # N variables, each at its bound, have the global norm √N·c.
    assert oracles.global_norm(each) == pytest.approx(math.sqrt(2), rel=1e-6)


# Directions ---------------------------------------------------------------------------


def test_clipping_by_value_turns_a_gradient_and_by_norm_does_not():
    g = np.array([100.0, 1.0])
    assert float(clipping.direction_change(g, clipping.clip_by_norm(g, 1.0))) < 1e-6
    by_value = clipping.direction_change(g, clipping.clip_by_value(g, 1.0))
    assert float(by_value) == pytest.approx(45 - math.degrees(math.atan(0.01)))


def test_clipping_each_variable_turns_the_step_of_the_model_and_all_does_not():
    g = [np.array([30.0, 40.0]), np.array([0.5])]
    each = [clipping.clip_by_norm(x, 1.0) for x in g]
    together, _ = clipping.clip_by_global_norm(g, 1.0)
    assert float(clipping.direction_change(g, together)) < 1e-6
    turned = math.degrees(math.atan(0.5) - math.atan(0.01))
    assert float(clipping.direction_change(g, each)) == pytest.approx(turned)


@pytest.mark.equation("eq-clipping-angle")
@pytest.mark.parametrize("degrees", [0, 1e-7, 1e-3, 30, 90, 135, 179.999, 180])
def test_the_angle_is_the_one_between_the_polar_angles(degrees):
    turn = math.radians(degrees)
    a, b = np.array([3.0, 0.0]), 7 * np.array([math.cos(turn), math.sin(turn)])
    ours = float(clipping.direction_change(a, b))
    # Keras' arctangent of two numbers is one of 32 bits on JAX and PyTorch.
    rel = 1e-9 if engines.BACKEND == "tensorflow" else 3e-7
    assert ours == pytest.approx(oracles.angle(a, b), rel=rel, abs=1e-12)
    halves = clipping.direction_change([a[:1], None, a[1:]], [b[:1], None, b[1:]])
    assert float(halves) == pytest.approx(ours, rel=1e-9, abs=1e-12)


def test_a_small_angle_is_not_lost_unlike_the_common_bug():
    def by_arccosine(a, b):
        return math.degrees(
            math.acos(min(1, a @ b / np.linalg.norm(a) / np.linalg.norm(b)))
        )

    a, b = np.array([1.0, 0.0]), np.array([1.0, 1e-9])
    exact = math.degrees(1e-9)
    assert float(clipping.direction_change(a, b)) == pytest.approx(exact, rel=1e-6)
    assert by_arccosine(a, b) == 0.0


def test_a_gradient_without_direction_has_no_angle():
    for bad in (0.0, math.nan, math.inf):
        angle = clipping.direction_change(np.full(2, bad), np.ones(2))
        assert math.isnan(float(angle))
        assert math.isnan(float(clipping.direction_change(np.ones(2), np.full(2, bad))))
    assert float(clipping.direction_change([np.full(2, 1e300)], [np.ones(2)])) < 1e-6


def test_gradients_of_different_shapes_have_no_angle():
    for after in (np.ones(3), [np.ones(2), None], [None]):
        with pytest.raises(ValueError, match="`before` and `after`.*same shapes"):
            clipping.direction_change(np.ones(2), after)


# Extremes -----------------------------------------------------------------------------


def test_squares_that_overflow_do_not_make_the_norm_infinite():
    for size in (1e30, 1e-30):
        g = np.float32([3.0, -4.0]) * np.float32(size)
        assert float(clipping.global_norm([g])) == pytest.approx(5 * size, rel=1e-6)
    g = np.float32([3e30, -4e30])
    clipped = (
        clipping.clip_by_norm(g, 1.0),
        clipping.clip_by_global_norm([g], 1)[0][0],
    )
    for ours in clipped:
        np.testing.assert_allclose(array(ours), [0.6, -0.8], rtol=1e-6)
    # Keras' squares are infinite: the first rule returns zeros, the second NaN.
    assert not np.any(keras_steps([g], clipnorm=1.0))
    assert np.isnan(keras_steps([g], global_clipnorm=1.0)).all()


@pytest.mark.parametrize(
    "xla", [False, pytest.param(True, marks=pytest.mark.tensorflow)]
)
def test_a_norm_beyond_the_type_counts_as_infinite(xla):
    g = np.full(4, 3e38, "float32")  # its norm of 6e38 has no float32

    def rule(g):
        return clipping.clip_by_norm(g, 1.0), clipping.clip_by_global_norm([g], 1.0)

    for f in (rule, engines.compiled(rule, xla)):
        by_norm, (together, norm) = f(ops.convert_to_tensor(g))
        assert np.isnan(array(by_norm)).all() and np.isnan(array(together[0])).all()
        assert float(norm) == math.inf


def test_float16_is_measured_in_32_bits():
    g = np.full(10_000, 1e3, "float16")  # a norm of 1e5, squares of 1e6
    assert float(clipping.global_norm([g])) == pytest.approx(1e5, rel=1e-5)
    np.testing.assert_allclose(array(clipping.clip_by_norm(g, 50.0)), 0.5, rtol=1e-3)
    assert np.isfinite(array(clipping.clip_by_value(np.float16([1e4]), 1e5))).all()


@pytest.mark.convention("A gradient of infinite norm, clipped")
@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_cannot_pass_for_a_small_one(bad):
    g = [np.float32([bad, 1.0]), np.float32([2.0])]
    clipped, norm = clipping.clip_by_global_norm(g, 1.0)
    assert np.isnan(joined(clipped)).all()
    assert math.isnan(float(norm)) if math.isnan(bad) else float(norm) == math.inf
    assert np.isnan(array(clipping.clip_by_norm(g[0], 1.0))).all()
    assert np.isnan(np.concatenate(keras_steps(g, global_clipnorm=1.0))).all()
    alone = keras_steps(g, clipnorm=1.0)  # ... which Keras' other argument lets happen
    assert math.isnan(alone[0][0]) and alone[1][0] == 1.0
    if math.isinf(bad):
        assert alone[0][1] == 0.0
    # Only the slice with the bad entry is lost, when there are slices.
    sliced = array(clipping.clip_by_norm(np.array([[bad, 1.0], [3.0, 4.0]]), 1.0, 1))
    assert np.isnan(sliced[0]).all()
    np.testing.assert_allclose(sliced[1], [0.6, 0.8], rtol=1e-6)


def test_clipping_by_value_hides_an_overflow_and_keeps_nan():
    g = np.array([math.inf, -math.inf, math.nan, 0.5])
    ours = array(clipping.clip_by_value(g, 2.0))
    np.testing.assert_array_equal(ours, [2.0, -2.0, math.nan, 0.5])


def test_one_bad_entry_is_seen_wherever_it_stands():
    for i in range(5):
        g = np.zeros(5, "float32")
        g[i] = math.nan
        assert math.isnan(float(clipping.global_norm([np.float32([7]), g])))
        assert np.isnan(array(clipping.clip_by_norm(g, 1.0))).all()


# Gradients of the rules, compilation, arguments ---------------------------------------


@pytest.mark.parametrize("c", [0.5, 100.0])
def test_gradients_of_the_rules_are_their_difference_quotients(c):
    x, weights = gradients(5)[0], np.arange(12.0).reshape(4, 3)
    weights = ops.convert_to_tensor(weights, "float64")
    for rule in (
        lambda g: clipping.clip_by_value(g, c) * weights,
        lambda g: clipping.clip_by_norm(g, c) * weights,
        lambda g: clipping.clip_by_norm(g, c, axes=0) * weights,
        lambda g: clipping.clip_by_global_norm([g], c)[0][0] * weights,
    ):
        found = engines.gradient(rule, x)
        expected = difference_quotient(
            lambda y, rule=rule: rule(ops.convert_to_tensor(y)), x
        )
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_a_gradient_of_zero_stays_zero_and_differentiable():
    zero = np.zeros((2, 2))
    for rule in (
        lambda g: clipping.clip_by_norm(g, 1.0),
        lambda g: clipping.clip_by_norm(g, 1.0, axes=0),
        lambda g: clipping.clip_by_global_norm([g], 1.0)[0][0],
    ):
        assert not array(rule(ops.convert_to_tensor(zero))).any()
        assert np.array_equal(engines.gradient(rule, zero), np.ones((2, 2)))
    assert np.isfinite(
        engines.gradient(lambda g: clipping.global_norm([g]), zero)
    ).all()


@pytest.mark.parametrize(
    "xla", [False, pytest.param(True, marks=pytest.mark.tensorflow)]
)
def test_the_rules_compile_and_take_a_tensor_as_the_bound(xla):
    g = [x for x in gradients(6) if x is not None]

    def rules(a, b, c):
        return [
            clipping.clip_by_value(a, c),
            clipping.clip_by_norm(a, c, axes=0),
            *clipping.clip_by_global_norm([a, None, b], c)[0][::2],
            clipping.direction_change([a, b], [b[:4, None] * a, b]),
        ]

    tensors = [ops.convert_to_tensor(x, "float64") for x in (*g, 0.7)]
    found = engines.compiled(rules, xla)(*tensors)
    for ours, eager in zip(found, rules(*g, 0.7), strict=True):
        np.testing.assert_allclose(array(ours), array(eager), rtol=1e-12)


@pytest.mark.tensorflow
def test_repeated_rows_of_an_embedding_are_summed_before_they_are_measured():
    import tensorflow as tf

    table = tf.Variable(np.zeros((4, 2)))
    with tf.GradientTape() as tape:
        rows = tf.gather(table, [1, 1, 3])
        loss = tf.reduce_sum(rows * [[3.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    g = tape.gradient(loss, table)
    assert isinstance(g, tf.IndexedSlices)
    assert float(clipping.global_norm([g])) == 5.0  # √(4² + 3²)
    assert float(tf.linalg.global_norm([g])) == pytest.approx(math.sqrt(9 + 1 + 9))
    clipped = [
        clipping.clip_by_norm(g, 1.0),
        clipping.clip_by_global_norm([g], 1.0)[0][0],
    ]
    for ours in clipped:
        np.testing.assert_allclose(
            ours, [[0, 0], [0.8, 0], [0, 0], [0, 0.6]], rtol=1e-9
        )


@pytest.mark.tensorflow
@pytest.mark.parametrize("c", [0.5, 4.0, 100.0])
def test_the_rules_are_those_of_tensorflow(c):
    import tensorflow as tf

    g = gradients(7)
    pairs = [
        (clipping.clip_by_value(g[0], c), tf.clip_by_value(g[0], -c, c)),
        (clipping.clip_by_norm(g[0], c), tf.clip_by_norm(g[0], c)),
        (clipping.clip_by_norm(g[0], c, 1), tf.clip_by_norm(g[0], c, 1)),
    ]
    (a, _, b), norm = clipping.clip_by_global_norm(g, c)
    (p, _, q), tf_norm = tf.clip_by_global_norm(g, c)
    for ours, theirs in [*pairs, (a, p), (b, q), (norm, tf_norm)]:
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda g: clipping.clip_by_value(g, 0), r"`clip_value`.*\(0, inf\).*=0"),
        (lambda g: clipping.clip_by_norm(g, -1.0), r"`clip_norm`.*clip_norm=-1\.0"),
        (lambda g: clipping.clip_by_global_norm([g], math.inf), r"`clip_norm`.*=inf"),
        (lambda g: clipping.clip_by_norm([g, g], 1.0), r"`g` must.*list of 2.*global"),
        (lambda g: clipping.clip_by_value((g,), 1.0), r"`g` must.*tuple of 1"),
        (lambda g: clipping.clip_by_norm(g, 1.0, axes=2), r"\[-2, 2\).*axes=2"),
        (
            lambda g: clipping.clip_by_norm(g, 1.0, axes=(0, -2)),
            r"different.*\(0, -2\)",
        ),
        (lambda g: clipping.clip_by_norm(g, 1.0, axes=[]), r"`axes`.*axes=\[\]"),
        (lambda g: clipping.clip_by_norm(g, 1.0, axes=0.5), r"`axes`.*axes=0\.5"),
        (lambda g: clipping.global_norm(g), "`gradients` must be a list.*Received"),
        (lambda g: clipping.clip_by_global_norm(g, 1.0), "`gradients` must be a list"),
        (lambda g: clipping.clip_by_norm(g.astype(int), 1.0), "floats.*int64"),
    ],
)
def test_what_cannot_be_clipped_is_named(call, said):
    with pytest.raises(ValueError, match=said):
        call(np.ones((2, 2)))


def test_gradients_explode_without_clipping_and_do_not_with_it():
    # A quadratic w² whose rate is beyond 1: each step multiplies w by −2.
    plain = clipped = 1.0
    for _ in range(60):
        plain -= 1.5 * 2 * plain
        clipped -= 1.5 * float(
            array(clipping.clip_by_norm(np.float64(2 * clipped), 0.1))
        )
    assert abs(plain) > 1e17
    assert abs(clipped) <= 1.0
