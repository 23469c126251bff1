"""Losses: against float64 definitions, slopes, closed forms, scikit-learn, Keras."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy.stats import poisson as poisson_law
from sklearn import metrics as sk

from dtlib import losses
from tests import engines, oracles
from tests.engines import array

INF = float("inf")
N, K = 40, 5
REDUCTIONS = ["none", "sum", "sum_over_batch_size", "mean_with_sample_weight"]


def draw(kind, dtype="float64", n=N, k=K):
    """`(y_true, y_pred)` of a kind, away from every kink and clip."""
    rng = np.random.default_rng(7)
    classes, z = rng.integers(k, size=n), 3 * rng.normal(size=(n, k))
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    bits = (rng.uniform(size=(n, k)) < 0.5).astype(float)
    y, pred = {
        "real": (rng.normal(size=(n, k)), z),
        "positive": (rng.gamma(2.0, size=(n, k)), rng.gamma(2.0, size=(n, k))),
        "counts": (rng.poisson(3.0, size=(n, k)), rng.gamma(3.0, size=(n, k))),
        "bits, p": (bits, np.clip(p, 0.01, 0.99)),
        "bits, z": (bits, z),
        "signs": (2 * bits - 1, z),
        "one-hot, p": (np.eye(k)[classes], p),
        "one-hot, z": (np.eye(k)[classes], z),
        "soft, z": (rng.dirichlet(np.ones(k), size=n), z),
        "classes, p": (classes, p),
        "classes, z": (classes, z),
    }[kind]
    return (y if kind.startswith("classes") else y.astype(dtype)), pred.astype(dtype)


def cce_of_logits(y, z):
    return losses.categorical_crossentropy_of_logits(y, z, axis=-1)


def scce_of_logits(y, z):
    return losses.sparse_categorical_crossentropy(y, z, from_logits=True)


def log_probabilities(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


# rule, oracle, kind of data
RULES = {
    "mse": (losses.mean_squared_error, oracles.mean_squared_error, "real"),
    "rmse": (losses.root_mean_squared_error, oracles.root_mean_squared_error, "real"),
    "mae": (losses.mean_absolute_error, oracles.mean_absolute_error, "real"),
    "msle": (
        losses.mean_squared_logarithmic_error,
        oracles.mean_squared_logarithmic_error,
        "positive",
    ),
    "poisson": (losses.poisson, oracles.poisson, "counts"),
    "r2": (losses.r2_score, oracles.r2_score, "real"),
    "bce": (
        losses.binary_crossentropy_of_probabilities,
        oracles.binary_crossentropy,
        "bits, p",
    ),
    "bce logits": (
        losses.binary_crossentropy_of_logits,
        oracles.binary_crossentropy_of_logits,
        "bits, z",
    ),
    "cce": (
        losses.categorical_crossentropy,
        oracles.categorical_crossentropy,
        "one-hot, p",
    ),
    "cce logits": (
        cce_of_logits,
        oracles.categorical_crossentropy_of_logits,
        "one-hot, z",
    ),
    "cce logits, soft": (
        cce_of_logits,
        oracles.categorical_crossentropy_of_logits,
        "soft, z",
    ),
    "scce": (
        losses.sparse_categorical_crossentropy,
        lambda y, p: oracles.sparse_categorical_crossentropy(
            y, np.log(p / p.sum(-1, keepdims=True))
        ),
        "classes, p",
    ),
    "scce logits": (
        scce_of_logits,
        lambda y, z: oracles.sparse_categorical_crossentropy(y, log_probabilities(z)),
        "classes, z",
    ),
    "hinge": (losses.hinge, oracles.hinge, "signs"),
    "squared hinge": (losses.squared_hinge, oracles.squared_hinge, "signs"),
    "categorical hinge": (
        losses.categorical_hinge,
        oracles.categorical_hinge,
        "one-hot, z",
    ),
}
every_rule = pytest.mark.parametrize(
    "rule, oracle, kind", RULES.values(), ids=list(RULES)
)


@pytest.mark.equation(
    "eq-losses-mse",
    "eq-losses-rmse",
    "eq-losses-mae",
    "eq-losses-msle",
    "eq-losses-poisson",
    "eq-losses-r2",
    "eq-losses-bce",
    "eq-losses-bce-logits",
    "eq-losses-cce",
    "eq-losses-cce-logits",
    "eq-losses-scce",
    "eq-losses-hinge",
    "eq-losses-squared-hinge",
    "eq-losses-categorical-hinge",
)
@every_rule
def test_every_rule_computes_its_definition(rule, oracle, kind):
    y, pred = draw(kind)
    # float64 against float64: a wrong ε of 1e-8 would show.
    np.testing.assert_allclose(rule(y, pred), oracle(y, pred), rtol=1e-12)


# The distance from 1 to the next number.
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2**-7}


@every_rule
@pytest.mark.parametrize("dtype", EPS)
def test_every_rule_keeps_the_dtype_of_the_prediction(rule, oracle, kind, dtype):
    y, pred = draw(kind)
    pred = ops.cast(pred, dtype)
    rounded = array(pred)
    if not kind.startswith("classes"):
        y = array(ops.cast(y, dtype))
    value = rule(y, pred)
    assert keras.backend.standardize_dtype(value.dtype) == dtype
    expected = oracle(y, rounded)
    # Rounding: a few units of the inputs' own size in every one of K terms.
    atol = 4 * EPS[dtype] * max(1.0, np.abs(rounded).max(), np.abs(expected).max())
    np.testing.assert_allclose(array(value), expected, rtol=8 * EPS[dtype], atol=atol)


def test_values_are_the_same_compiled():
    given = {name: draw(kind) for name, (_, _, kind) in RULES.items()}

    def every(given):
        return {name: rule(*given[name]) for name, (rule, _, _) in RULES.items()}

    tensors = {n: tuple(map(ops.convert_to_tensor, pair)) for n, pair in given.items()}
    eager = every(given)
    for name, found in engines.compiled(every)(tensors).items():
        np.testing.assert_allclose(found, eager[name], rtol=1e-10, err_msg=name)


@pytest.mark.tensorflow
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_values_and_gradients_are_the_same_compiled(xla):
    import tensorflow as tf

    given = {name: draw(kind) for name, (_, _, kind) in RULES.items()}

    @tf.function(jit_compile=xla, autograph=False)
    def compiled(given):
        results = {}
        for name, (rule, _, _) in RULES.items():
            y, pred = given[name]
            value = rule(y, pred)
            results[name] = value, tf.gradients(ops.sum(value), pred)[0]
        return results

    for name, found in compiled(tf.nest.map_structure(tf.constant, given)).items():
        rule = RULES[name][0]
        eager = rule(*given[name]), gradient(rule, *given[name])
        for one, other in zip(found, eager, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14, err_msg=name)


def gradient(rule, y, pred, dtype=None):
    """The gradient by the prediction, in its own dtype or in another."""
    pred = np.asarray(pred)
    return engines.gradient(lambda p: rule(y, p), pred, dtype=dtype or pred.dtype.name)


@every_rule
def test_the_gradient_is_the_slope(rule, oracle, kind):
    y, pred = draw(kind, n=4, k=3)
    slope, h = np.zeros_like(pred), 1e-5
    for i in np.ndindex(pred.shape):
        up, down = pred.copy(), pred.copy()
        up[i] += h
        down[i] -= h
        slope[i] = np.sum(oracle(y, up) - oracle(y, down)) / (2 * h)
    # Central differences in float64: h² = 1e-10 of curvature, 1e-11 of rounding.
    np.testing.assert_allclose(gradient(rule, y, pred), slope, rtol=1e-6, atol=1e-8)


# -- closed forms -------------------------------------------------------------------


@pytest.mark.equation("eq-losses-cce-logits")
def test_the_gradient_of_cross_entropy_is_softmax_minus_the_label():
    y, z = draw("soft, z")
    p = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    np.testing.assert_allclose(gradient(cce_of_logits, y, z), p - y, atol=1e-14)


@pytest.mark.equation("eq-losses-bce-logits")
def test_the_gradient_of_binary_cross_entropy_is_sigmoid_minus_the_label():
    y, z = draw("bits, z")
    found = gradient(losses.binary_crossentropy_of_logits, y, z)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-z)) - y, atol=1e-14)


def test_two_classes_are_a_softmax_over_z_and_0():
    y, z = draw("bits, z")
    two = np.stack([z, 0 * z], -1), np.stack([y, 1 - y], -1)
    binary = losses.binary_crossentropy_of_logits(y, z)
    np.testing.assert_allclose(binary, cce_of_logits(two[1], two[0]), rtol=1e-12)


def test_log_softmax_does_not_see_a_constant_added_to_all_logits():
    _, z = draw("one-hot, z")
    found = losses.log_softmax(z + 512.0, axis=-1)
    np.testing.assert_allclose(found, losses.log_softmax(z, axis=-1), atol=1e-12)
    np.testing.assert_allclose(np.exp(array(found)).sum(-1), 1.0, rtol=1e-12)


def test_poisson_is_the_log_likelihood_up_to_a_term_without_the_prediction():
    y, mean = draw("counts")
    law = -poisson_law.logpmf(y, mean).mean(-1)
    free = -poisson_law.logpmf(y, 1.0).mean(-1) - 1
    # The ε of 1e-7 inside the log leaves y·ε/ŷ.
    np.testing.assert_allclose(losses.poisson(y, mean), law - free, atol=1e-5)


def test_an_untrained_classifier_costs_the_log_of_the_number_of_classes():
    y, z = draw("classes, z")
    assert np.allclose(scce_of_logits(y, 0 * z), np.log(K), rtol=1e-15)


@pytest.mark.parametrize("rule", [losses.hinge, losses.squared_hinge])
def test_hinges_read_zeros_as_minus_ones(rule):
    y, s = draw("signs")
    np.testing.assert_array_equal(rule((y + 1) / 2, s), rule(y, s))


# -- kinks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule, y, pred, left, right, given",
    [
        (losses.mean_absolute_error, [2.0], [2.0], [-1], [1], [0]),
        (losses.hinge, [1.0], [1.0], [-1], [0], [0]),
        (losses.squared_hinge, [1.0], [1.0], [0], [0], [0]),
        (losses.categorical_hinge, [1.0, 0.0], [1.0, 0.0], [-1, 0], [0, 1], [0, 0]),
    ],
    ids=["mae", "hinge", "squared hinge", "categorical hinge"],
)
def test_at_a_kink_the_gradient_lies_between_both_slopes(
    rule, y, pred, left, right, given
):
    y, pred, h = np.array(y), np.array(pred), 1e-6
    for i, step in enumerate(h * np.eye(len(pred))):
        slopes = [(rule(y, pred + s * step) - rule(y, pred)) / (s * h) for s in (-1, 1)]
        np.testing.assert_allclose(slopes, [left[i], right[i]], atol=2e-6)
    found = gradient(rule, y, pred)
    if engines.BACKEND == "jax" and rule is losses.mean_absolute_error:
        given = left  # JAX' |x| takes the slope on the left
    np.testing.assert_array_equal(found, given)


@pytest.mark.parametrize(
    "rule, y, pred, i, d",
    [
        (losses.mean_absolute_error, [2.0, 1.0], [2.0, 3.0], 0, 1e-3),
        (losses.root_mean_squared_error, [2.0], [2.0], 0, 1e-3),
        (losses.mean_squared_logarithmic_error, [1.0, 1.0], [0.0, 2.0], 0, 1e-3),
        (losses.poisson, [0.0, 3.0], [1e-6, 2.0], 0, 1e-7),
        (losses.poisson, [3.0, 3.0], [1e-6, 2.0], 0, 1e-7),
        (losses.hinge, [1.0, 0.0], [1.0, 1.0], 0, 1e-3),
        (losses.hinge, [1.0, 0.0], [1.0, -1.0], 1, 1e-3),
        (losses.squared_hinge, [1.0, 0.0], [1.0, -1.0], 1, 1e-3),
        (losses.categorical_hinge, [1.0, 0.0, 0.0], [1.0, 0.0, -1.0], 0, 1e-3),
        (losses.categorical_hinge, [1.0, 0.0, 0.0], [0.0, 0.5, 0.5], 1, 1e-3),
        (losses.binary_crossentropy, [1.0, 0.0], [1e-7, 0.5], 0, 1e-9),
        (losses.binary_crossentropy, [0.0, 0.0], [1 - 1e-7, 0.5], 0, 1e-9),
        (losses.categorical_crossentropy, [1.0, 0.0], [1e-7, 1 - 1e-7], 0, 1e-9),
        (losses.binary_crossentropy_of_logits, [1.0, 0.0], [0.0, 0.0], 0, 1e-3),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_beside_a_kink_the_gradient_is_the_slope(rule, y, pred, i, d):
    y, pred, h = np.array(y), np.array(pred), d / 100
    for side in (-d, d):
        at, up, down = (pred.copy() for _ in range(3))
        at[i] += side
        up[i], down[i] = at[i] + h, at[i] - h
        slope = (np.sum(array(rule(y, up))) - np.sum(array(rule(y, down)))) / (2 * h)
        # Rounding of a loss near 16 over a step of 2e-11 leaves 1e-4 of a slope of 1e7.
        found = gradient(rule, y, at)[i]
        assert found == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_a_perfect_fit_has_an_rmse_of_0_without_slope():
    y = np.array([1.0, 2.0])
    assert float(losses.root_mean_squared_error(y, y)) == 0.0
    assert not gradient(losses.root_mean_squared_error, y, y).any()


# -- extreme inputs -----------------------------------------------------------------

EXTREME = [1e4, -1e4, 80.0, -80.0, 0.0]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("y", [0.0, 0.3, 1.0])
def test_binary_logits_of_any_size_give_a_loss_and_a_gradient(y, dtype):
    z = np.array(EXTREME, dtype)
    rule = losses.binary_crossentropy_of_logits
    for logits in (z, np.array([np.inf, -np.inf], dtype)):
        labels = np.full_like(logits, y)
        value, slope = rule(labels, logits), gradient(rule, labels, logits)
        assert not np.isnan(array(value)).any()
        half = 1 / (1 + np.exp(-logits.astype("float64").clip(-700, 700)))
        np.testing.assert_allclose(slope, half - labels, atol=2 * EPS[dtype])
    expected = oracles.binary_crossentropy_of_logits(np.full_like(z, y), z)
    # The oracle's log-sum-exp rounds a loss below 1e-16 to 0.
    found = rule(np.full_like(z, y), z)
    np.testing.assert_allclose(found, expected, rtol=2 * EPS[dtype], atol=1e-16)


# Logits of five classes, the class of each, and the loss.
RULED_OUT = [-np.inf, 1e4, -1e4, 0.0, -np.inf]
LARGE = np.array([EXTREME, EXTREME[::-1], RULED_OUT, [-1e4] * 5, [1e4] * 5])
CLASSES, COST = [1, 1, 3, 0, 0], [2e4, 1e4 + 80, 1e4, np.log(5), np.log(5)]
# The largest loss, 2e4, lies between two numbers of float16 and of bfloat16.
SURE = np.array([[1, 0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 1, 0, 0, 0], *[[0.2] * 5] * 2])


@pytest.mark.parametrize("dtype", EPS)
def test_logits_of_any_size_give_a_loss_and_a_gradient(dtype):
    z, y = ops.cast(LARGE, dtype), np.eye(5)[CLASSES]
    tolerance = dict(rtol=2 * EPS[dtype])
    np.testing.assert_allclose(array(cce_of_logits(y, z)), COST, **tolerance)
    np.testing.assert_allclose(array(scce_of_logits(CLASSES, z)), COST, **tolerance)
    for rule, labels in ((cce_of_logits, y), (scce_of_logits, CLASSES)):
        slope = gradient(rule, labels, LARGE, dtype)
        np.testing.assert_allclose(slope, SURE - y, atol=2 * EPS[dtype])


@pytest.mark.tensorflow
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_with_xla_too(dtype):
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def both(y, classes, z):
        value = cce_of_logits(y, z)
        return value, tf.gradients(value, z)[0], scce_of_logits(classes, z)

    y = np.eye(5, dtype=dtype)[CLASSES]
    value, slope, sparse = both(y, tf.constant(CLASSES), tf.constant(LARGE, dtype))
    np.testing.assert_allclose(value, COST, rtol=2 * EPS[dtype])
    np.testing.assert_allclose(slope, SURE - y, atol=2 * EPS[dtype])
    np.testing.assert_allclose(sparse, COST, rtol=2 * EPS[dtype])


# What a label and a prediction may be, at its ends.
ENDS = {
    "real": ([-1e4, 0, 1e4], [-1e4, 0, 1e4]),
    "positive": ([0, 1e-6, 1e4], [0, 1e-6, 1e4]),
    "counts": ([0, 1, 1e4], [0, 1e-6, 1e4]),
    "bits, p": ([0, 1], [0, 1e-6, 1 - 1e-6, 1]),
    "bits, z": ([0, 1], [-1e4, 0, 1e4]),
    "signs": ([-1, 1], [-1e4, 0, 1e4]),
}


def ends(kind):
    """Every label with every prediction, at the ends of what they may be."""
    if kind in ENDS:
        pairs = np.array(list(itertools.product(*ENDS[kind])))
        return pairs[:, :1], pairs[:, 1:]
    rows = itertools.product([-1e4, 0.0, 1e4], repeat=3)
    if kind.endswith("p"):
        sure, shared = [1 - 1e-6, 1e-6, 0.0], [0.5, 0.5, 0.0]
        rows = [*itertools.permutations(sure), *itertools.permutations(shared)]
    rows = np.array(list(rows))
    classes = np.repeat(np.arange(3), len(rows))
    y = classes if kind.startswith("classes") else np.eye(3)[classes]
    return y, np.tile(rows, (3, 1))


@every_rule
@pytest.mark.parametrize("dtype", EPS)
def test_the_largest_inputs_give_no_nan(rule, oracle, kind, dtype):
    y, pred = ends(kind)
    assert not np.isnan(array(rule(y, ops.cast(pred, dtype)))).any()
    assert not np.isnan(gradient(rule, y, pred, dtype)).any()


def test_in_half_precision_a_score_does_not_overflow():
    y, y_hat = np.array([1e4, -1e4, 0.0]), ops.cast([-1e4, 1e4, 0.0], "float16")
    # The square of 2e4 is not a float16, but its root is.
    rmse = array(losses.root_mean_squared_error(y, y_hat))
    assert float(rmse) == pytest.approx(2e4 * np.sqrt(2 / 3), rel=EPS["float16"])
    assert float(array(losses.r2_score(y, y_hat))) == -3.0


@pytest.mark.parametrize(
    "rule, y, pred, expected",
    [
        (losses.mean_squared_error, [[0.0]] * 2, [[INF], [-INF]], [INF, INF]),
        (losses.mean_absolute_error, [[0.0]] * 2, [[INF], [-INF]], [INF, INF]),
        (losses.mean_squared_logarithmic_error, [[0.0]], [[INF]], [INF]),
        (losses.hinge, [[1.0], [1.0], [0.0]], [[INF], [-INF], [INF]], [0, INF, INF]),
        (losses.squared_hinge, [[1.0]] * 2, [[INF], [-INF]], [0, INF]),
        (
            losses.categorical_hinge,
            [[1.0, 0.0]] * 4,
            [[0, INF], [0, -INF], [INF, 0], [-INF, 0]],
            [INF, 0, 0, INF],
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_infinite_prediction_costs_nothing_or_everything(rule, y, pred, expected):
    y, pred = np.array(y), np.array(pred)
    np.testing.assert_array_equal(array(rule(y, pred)), expected)
    if rule is not losses.mean_squared_logarithmic_error:  # there, inf times 0
        assert not np.isnan(gradient(rule, y, pred)).any()


@every_rule
def test_a_nan_is_never_taken_for_a_number(rule, oracle, kind):
    y, pred = draw(kind)
    finite = array(rule(y, pred))
    pred.flat[0] = np.nan
    found = array(rule(y, pred))
    assert np.isnan(found.flat[0]) and np.isfinite(finite).all()
    # The other samples (the other outputs, of R²) do not see it.
    np.testing.assert_array_equal(found.ravel()[K:], finite.ravel()[K:])


def test_a_nan_is_no_exact_prediction_of_equal_targets():
    y = np.ones((3, 2))
    found = array(losses.r2_score(y, y + [[0.0, np.nan]]))
    np.testing.assert_array_equal(found, [1.0, np.nan])


def test_an_infinite_loss_is_infinite_and_a_nan_stays_nan():
    y, z = np.array([[1.0, 0.0]] * 2), np.array([[-np.inf, 0.0], [np.nan, 0.0]])
    for value in (cce_of_logits(y, z), scce_of_logits([0, 0], z)):
        np.testing.assert_array_equal(value, [np.inf, np.nan])
    rule = losses.binary_crossentropy_of_logits
    found = rule(np.array([1.0, 0.0, 0.0]), np.array([-np.inf, np.inf, np.nan]))
    np.testing.assert_array_equal(found, [np.inf, np.inf, np.nan])


def test_small_losses_keep_their_digits():
    z = np.float32(20)
    found = losses.binary_crossentropy_of_logits(np.float32([1]), np.array([z]))
    # max(z, 0) − z·y + log(1 + e^−|z|) is as exact; log(1 + e^z) − z·y gives 0.
    np.testing.assert_allclose(found, np.log1p(np.exp(-20.0)), rtol=1e-6)


# -- the clip -----------------------------------------------------------------------


def test_probabilities_forget_what_logits_know():
    y, z = np.array([[0.0, 1.0]]), np.array([[200.0, 0.0]], "float32")
    p = array(ops.softmax(z)).astype("float32")
    loss = losses.categorical_crossentropy
    assert float(loss(y, z, from_logits=True)[0]) == 200.0
    assert float(loss(y, p)[0]) == pytest.approx(-np.log(1e-7), rel=1e-6)
    assert -np.log(1e-7) == pytest.approx(16.1, abs=0.02)
    sparse = losses.sparse_categorical_crossentropy
    assert float(sparse([1], z, from_logits=True)[0]) == 200.0
    assert float(sparse([1], p)[0]) == pytest.approx(-np.log(1e-7), rel=1e-6)
    # Beyond the clip the worst mistake teaches nothing; from logits it teaches most.
    assert not gradient(loss, y, p).any()
    assert gradient(cce_of_logits, y.astype("float32"), z).tolist() == [[1.0, -1.0]]


def test_probabilities_are_divided_by_their_sum_as_in_keras():
    for kind in ("one-hot, p", "classes, p"):
        y, p = draw(kind)
        name = "categorical_crossentropy"
        name = name if kind == "one-hot, p" else "sparse_" + name
        ours, theirs = getattr(losses, name), getattr(keras.losses, name)
        np.testing.assert_allclose(ours(y, 0.5 * p), ours(y, p), rtol=1e-12)
        np.testing.assert_allclose(ours(y, 0.5 * p), theirs(y, 0.5 * p), rtol=1e-11)


def test_the_cap_is_the_same_on_both_sides_in_every_dtype_and_keras_cap_is_not():
    for dtype in EPS:
        y, p = (ops.cast(v, dtype) for v in ([0.0, 1.0], [1.0, 0.0]))
        ours = losses.binary_crossentropy_of_probabilities(y, p)
        ours = array(ours)
        # On PyTorch, Keras keeps the bounds of a clip in float32.
        rtol = max(2 * EPS[dtype], 0 if engines.BACKEND == "tensorflow" else 1e-8)
        np.testing.assert_allclose(ours, -np.log(1e-7), rtol=rtol)
        assert ours[0] == ours[1]
    y, p = np.float32([0, 1]), np.float32([1, 0])
    keras_cap = array(ops.binary_crossentropy(y, p))
    np.testing.assert_allclose(keras_cap, [15.942, 16.118], atol=1e-3)


@pytest.mark.tensorflow  # Keras loses them on JAX, where a loss converts its arguments
def test_the_classes_use_the_logits_that_a_keras_activation_left_behind():
    z = ops.convert_to_tensor([[200.0, 0.0]])
    softmax, sigmoid = keras.activations.softmax(z), keras.activations.sigmoid(z)
    one_hot, one = np.array([[0.0, 1.0]]), np.array([1])
    assert float(losses.CategoricalCrossentropy()(one_hot, softmax)) == 200.0
    assert float(losses.SparseCategoricalCrossentropy()(one, softmax)) == 200.0
    found = float(losses.BinaryCrossentropy()(one_hot, sigmoid))
    assert found == pytest.approx((200 + np.log(2)) / 2)
    with pytest.warns(UserWarning, match="`from_logits=True`, but `y_pred` is the out"):
        twice = losses.CategoricalCrossentropy(from_logits=True)(one_hot, softmax)
    assert float(twice) == 200.0


# -- label smoothing ----------------------------------------------------------------


@pytest.mark.equation("eq-losses-smoothing")
@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0])
def test_smoothing_draws_a_share_of_the_labels_anew(alpha):
    y, _ = draw("one-hot, z")
    found = losses.smooth_labels(y, label_smoothing=alpha, num_classes=K)
    np.testing.assert_allclose(found, oracles.smooth_labels(y, alpha, K), rtol=1e-14)
    np.testing.assert_allclose(np.sum(found, -1), 1.0, rtol=1e-14)


def test_under_smoothing_the_best_logits_are_finite():
    y, alpha = np.eye(K)[:1], 0.1
    best = np.log(oracles.smooth_labels(y, alpha, K))

    def smoothed(y, z):
        return losses.categorical_crossentropy(y, z, True, alpha)

    assert np.abs(gradient(smoothed, y, best)).max() < 1e-15


def test_smoothing_counts_the_classes_on_their_own_axis():
    y, z = draw("one-hot, z")  # 40 samples, 5 classes
    across = losses.categorical_crossentropy(y.T, z.T, True, 0.1, axis=0)
    usual = losses.categorical_crossentropy(y, z, True, 0.1)
    np.testing.assert_allclose(across, usual, rtol=1e-12)


# -- Keras twins --------------------------------------------------------------------

# class, kind of data, arguments
TWINS = {
    "mse": ("MeanSquaredError", "real", {}),
    "mae": ("MeanAbsoluteError", "real", {}),
    "msle": ("MeanSquaredLogarithmicError", "positive", {}),
    "poisson": ("Poisson", "counts", {}),
    "bce": ("BinaryCrossentropy", "bits, p", {}),
    "bce, smooth": ("BinaryCrossentropy", "bits, p", {"label_smoothing": 0.2}),
    "bce, logits": ("BinaryCrossentropy", "bits, z", {"from_logits": True}),
    "bce, axis": ("BinaryCrossentropy", "bits, z", {"from_logits": True, "axis": 0}),
    "cce": ("CategoricalCrossentropy", "one-hot, p", {}),
    "cce, smooth": (
        "CategoricalCrossentropy",
        "one-hot, z",
        {"from_logits": True, "label_smoothing": 0.2},
    ),
    "cce, axis": (
        "CategoricalCrossentropy",
        "soft, z",
        {"from_logits": True, "axis": 0},
    ),
    "scce": ("SparseCategoricalCrossentropy", "classes, p", {}),
    "scce, logits": (
        "SparseCategoricalCrossentropy",
        "classes, z",
        {"from_logits": True},
    ),
    "scce, ignored": (
        "SparseCategoricalCrossentropy",
        "classes, p",
        {"ignore_class": 2},
    ),
    "hinge": ("Hinge", "signs", {}),
    "squared hinge": ("SquaredHinge", "bits, z", {}),
    "categorical hinge": ("CategoricalHinge", "one-hot, p", {}),
}


# Keras takes a mean of float64 in float32 on JAX and PyTorch.
TWIN = dict(rtol=1e-11)
if engines.BACKEND != "tensorflow":
    TWIN = dict(rtol=2e-6, atol=1e-6)
every_twin = pytest.mark.parametrize(
    "name, kind, given", TWINS.values(), ids=list(TWINS)
)


@every_twin
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_each_class_gives_keras_numbers(name, kind, given, reduction):
    y, pred = draw(kind)
    given = {**given, "reduction": reduction, "dtype": "float64"}
    ours, theirs = getattr(losses, name)(**given), getattr(keras.losses, name)(**given)
    samples = K if given.get("axis") == 0 else N
    weight = np.random.default_rng(1).uniform(size=samples)
    for w in (None, weight, weight[:, None] if samples == N else weight):
        # float64; a clip of 1e-8 instead of 1e-7 would show only below, at the clip.
        np.testing.assert_allclose(ours(y, pred, w), theirs(y, pred, w), **TWIN)


@every_twin
def test_each_function_takes_keras_arguments_and_gives_its_numbers(name, kind, given):
    snake = getattr(keras.losses, name)().name
    y, pred = draw(kind)
    ours = getattr(losses, snake)(y, pred, **given)
    theirs = getattr(keras.losses, snake)(y, pred, **given)
    np.testing.assert_allclose(ours, theirs, **TWIN)


def test_a_class_accepts_the_missing_last_axis_that_keras_accepts():
    y, pred = draw("counts", k=1)
    whole = float(oracles.poisson(y, pred).mean())  # not symmetric in y and pred
    for flat in ((y[:, 0], pred), (y, pred[:, 0])):
        found = losses.Poisson(dtype="float64")(*flat)
        assert float(found) == pytest.approx(whole, rel=TWIN["rtol"])
    y, z = draw("classes, z")
    column = losses.SparseCategoricalCrossentropy(True)(y[:, None], z)
    assert float(column) == float(losses.SparseCategoricalCrossentropy(True)(y, z))


def test_sparse_takes_the_classes_on_any_axis():
    y, z = draw("classes, z")
    images = z.reshape(8, 5, K), y.reshape(8, 5)
    usual = losses.sparse_categorical_crossentropy(images[1], images[0], True)
    for axis, logits in ((1, images[0].swapaxes(1, 2)), (-2, images[0].swapaxes(1, 2))):
        found = losses.sparse_categorical_crossentropy(
            images[1], logits, from_logits=True, axis=axis
        )
        np.testing.assert_allclose(found, usual, rtol=1e-14)


def test_a_mask_is_divided_out_as_in_keras():
    y, p = draw("classes, p", "float32")
    y = np.where(np.arange(N) < 30, y, -1)
    ours = losses.SparseCategoricalCrossentropy(ignore_class=-1)(y, p)
    kept = losses.SparseCategoricalCrossentropy()(y[:30], p[:30])
    assert float(ours) == pytest.approx(float(kept), rel=1e-6)


def test_training_with_dtlib_is_training_with_keras():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 6)).astype("float32"), rng.integers(3, size=96)
    curves = []
    for package in (losses, keras.losses):
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [keras.layers.Dense(8, "tanh"), keras.layers.Dense(3, "softmax")]
        )
        model.compile("sgd", package.SparseCategoricalCrossentropy())
        history = model.fit(x, y, epochs=3, batch_size=20, verbose=0, shuffle=False)
        curves.append(history.history["loss"])
    # float32 over 15 steps; a loss wrong by 1 % would move the third digit.
    np.testing.assert_allclose(*curves, rtol=1e-5)
    assert curves[0][-1] < curves[0][0]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_under_mixed_precision_a_loss_is_taken_in_float32(policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        layer = keras.layers.Dense(3, kernel_initializer=keras.initializers.Constant(9))
        z = layer(np.full((2, 10), 100.0, "float32"))
        squared = losses.MeanSquaredError()(np.zeros((2, 3)), z)
        surprise = losses.SparseCategoricalCrossentropy(True)(np.array([0, 1]), z)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(z.dtype) == policy.removeprefix("mixed_")
    for loss, expected in ((squared, 9000.0**2), (surprise, np.log(3))):
        assert keras.backend.standardize_dtype(loss.dtype) == "float32"
        # bfloat16 rounds 9000 to 8960; a float16 holds no square of it.
        assert array(loss) == pytest.approx(expected, rel=0.01)


def test_regression_with_dtlib_metrics_is_regression_with_keras_metrics():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)).astype("float32")
    logs = []
    for package, metrics in ((losses, losses), (keras.losses, keras.metrics)):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.layers.Dense(1)])
        scores = [metrics.RootMeanSquaredError(), metrics.R2Score()]
        model.compile("sgd", package.MeanSquaredError(), metrics=scores)
        target = x @ np.float32([1, -1, 2, 0])  # shape (50,), as users pass it
        logs.append(model.fit(x, target, batch_size=16, epochs=2, verbose=0).history)
    assert logs[0].keys() == logs[1].keys()
    for name, values in logs[0].items():
        np.testing.assert_allclose(values, logs[1][name], rtol=1e-5)


# -- scores -------------------------------------------------------------------------


def batches(metric, y, y_hat, weight=None):
    for part in np.split(np.arange(len(y)), [1, 4, 20, 33]):
        w = None if weight is None else weight[part]
        metric.update_state(y[part], y_hat[part], sample_weight=w)
    return array(metric.result())


@pytest.mark.equation("eq-losses-rmse")
@pytest.mark.parametrize("weighted", [False, True])
def test_rmse_over_uneven_batches_is_that_of_the_whole(weighted):
    y, y_hat = draw("real", "float32")
    w = np.random.default_rng(2).uniform(size=N) if weighted else None
    found = batches(losses.RootMeanSquaredError(), y, y_hat, w)
    # scikit-learn averages the outputs after the root; ours, as Keras', before it.
    whole = np.sqrt(sk.mean_squared_error(y, y_hat, sample_weight=w))
    theirs = batches(keras.metrics.RootMeanSquaredError(), y, y_hat, w)
    np.testing.assert_allclose(found, whole, rtol=1e-6)
    np.testing.assert_allclose(found, theirs, rtol=1e-6)


SKLEARN = {
    None: "raw_values",
    "uniform_average": "uniform_average",
    "variance_weighted_average": "variance_weighted",
}


@pytest.mark.equation("eq-losses-r2")
@pytest.mark.parametrize("how", SKLEARN)
@pytest.mark.parametrize("weighted", [False, True])
def test_r2_over_uneven_batches_is_that_of_the_whole(how, weighted):
    y, y_hat = draw("real", "float32")
    w = np.random.default_rng(2).uniform(size=N) if weighted else None
    found = batches(losses.R2Score(how), y, y_hat, w)
    whole = sk.r2_score(y, y_hat, sample_weight=w, multioutput=SKLEARN[how])
    np.testing.assert_allclose(found, whole, rtol=1e-6)
    theirs = batches(keras.metrics.R2Score(how), y, y_hat, w)
    np.testing.assert_allclose(found, theirs, rtol=1e-4)


def test_r2_of_large_targets_is_right_where_keras_is_noise():
    rng = np.random.default_rng(0)
    y = (1e4 + rng.normal(size=(N, 1))).astype("float32")
    y_hat = (y + 0.5 * rng.normal(size=(N, 1))).astype("float32")
    truth = sk.r2_score(y.astype("float64"), y_hat.astype("float64"))
    found = batches(losses.R2Score(), y, y_hat)
    assert float(found) == pytest.approx(truth, rel=1e-6)
    keras_found = batches(keras.metrics.R2Score(), y, y_hat)
    assert abs(float(keras_found) - truth) > 0.05


@pytest.mark.parametrize("how", SKLEARN)
@pytest.mark.parametrize("miss", [0.0, 1.0], ids=["exact", "wrong"])
def test_r2_of_equal_targets_is_that_of_scikit_learn(how, miss):
    y = np.full((N, 2), 0.5, "float32")
    y[:, 1] = np.arange(N) if how == "variance_weighted_average" else 0.5
    y_hat = y + np.float32(miss)
    for rows in (y, np.full_like(y, 0.5)):  # some equal, all equal
        found = batches(losses.R2Score(how), rows, rows + np.float32(miss))
        whole = sk.r2_score(rows, rows + miss, multioutput=SKLEARN[how])
        np.testing.assert_allclose(found, whole, rtol=1e-6)
    plain = losses.r2_score(y, y_hat)
    np.testing.assert_allclose(plain, sk.r2_score(y, y_hat, multioutput="raw_values"))


def test_r2_of_equal_targets_is_not_the_rounding_of_their_sums():
    # In float64, Σwy² − (Σwy)²/Σw of these comes to ±1e-16 of Σwy², not to 0.
    weight = np.random.default_rng(4).uniform(size=N).astype("float32")
    for constant in (0.1, 0.7, 0.9, 1.1, 2.3, 1e4 / 3):
        y = np.full((N, 1), constant, "float32")
        assert batches(losses.R2Score(), y, y + 1, weight) == 0.0
        assert batches(losses.R2Score(), y, y, weight) == 1.0


def test_adjusted_r2_takes_off_the_chance_fit():
    y, y_hat = draw("real", "float32", k=1)
    plain = sk.r2_score(y, y_hat)
    expected = 1 - (1 - plain) * (N - 1) / (N - 3 - 1)
    found = batches(losses.R2Score(num_regressors=3), y, y_hat)
    assert float(found) == pytest.approx(expected, rel=1e-6)
    theirs = batches(keras.metrics.R2Score(num_regressors=3), y, y_hat)
    assert float(found) == pytest.approx(float(theirs), rel=1e-5)
    for few in (N - 1, N, N + 1):
        assert np.isnan(batches(losses.R2Score(num_regressors=few), y, y_hat))


def test_a_metric_starts_again_after_reset():
    y, y_hat = draw("real", "float32")
    for metric in (losses.R2Score(), losses.RootMeanSquaredError()):
        assert float(metric.result()) == 0.0
        once = batches(metric, y, y_hat)
        metric.reset_state()
        assert batches(metric, y, y_hat) == once


# -- errors -------------------------------------------------------------------------


PAIRED = [
    getattr(losses, name)
    for name in losses.__all__
    if name.islower() and "_of_" not in name and not name.startswith("sparse")
    if name not in ("log_softmax", "negative_log_likelihood", "smooth_labels")
]


@pytest.mark.parametrize("rule", PAIRED, ids=lambda rule: rule.__name__)
def test_shapes_that_differ_are_named(rule):
    wanted = r"`y_true` and `y_pred` must have the same shape.*y_true.shape=\(4,\), y_p"
    for true, pred in (((4,), (4, 1)), ((4,), ())):
        with pytest.raises(ValueError, match=wanted):
            rule(np.ones(true), np.ones(pred))
    with pytest.raises(ValueError, match=r"y_pred.shape=\(4, 3\)"):
        rule(np.ones((4, 2)), np.ones((4, 3)))


@pytest.mark.parametrize("xla", [None, False, True], ids=["eager", "graph", "xla"])
def test_a_class_does_not_broadcast_where_keras_does(xla):
    y, pred = np.zeros((4, 1), "float32"), np.ones((4, 3), "float32")
    assert float(keras.losses.MeanSquaredError()(y, pred)) == 1.0
    loss = losses.MeanSquaredError()
    call = loss if xla is None else engines.compiled(loss, xla)
    with pytest.raises(ValueError, match=r"\(4, 1\), y_pred.shape=\(4, 3\)"):
        call(y, pred)


def test_wrong_shapes_point_to_the_right_loss():
    classes, one_hot, p = np.array([0, 1]), np.eye(3)[:2], np.full((2, 3), 1 / 3)
    with pytest.raises(ValueError, match="use `sparse_categorical_crossentropy`"):
        losses.categorical_crossentropy(classes, p)
    with pytest.raises(ValueError, match=r"without axis -1.*use `categorical_crossent"):
        losses.sparse_categorical_crossentropy(one_hot, p)
    one_class = "at least 2 classes.*use `binary_crossentropy`"
    for rule in (
        losses.categorical_crossentropy,
        losses.sparse_categorical_crossentropy,
    ):
        with pytest.raises(ValueError, match=one_class):
            rule(np.zeros((2, 1)), np.ones((2, 1)))
    with pytest.raises(ValueError, match=r"`axis` must be an axis.*axis=2"):
        losses.categorical_crossentropy(one_hot, p, axis=2)
    with pytest.raises(ValueError, match=r"must have shape \(samples, outputs\)"):
        losses.R2Score().update_state(np.ones(3), np.ones(3))


@pytest.mark.parametrize("bad", [3, -1, 1.5, float("nan")])
def test_a_label_that_is_no_class_is_named(bad):
    z = np.zeros((2, 3), "float32")
    for loss in (scce_of_logits, losses.SparseCategoricalCrossentropy(True)):
        wanted = r"`y_true` must hold integers in \[0, 2\]. Received: 1 of 2 others, fi"
        with pytest.raises(ValueError, match=wanted):
            loss(np.array([0, bad]), z)


@pytest.mark.parametrize("bad", [3, -1])
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_inside_a_graph_a_label_that_is_no_class_gives_nan(bad, xla):
    compiled, y = engines.compiled(scce_of_logits, xla), ops.convert_to_tensor([0, bad])
    if engines.BACKEND == "torch":  # it has no graph, and so can always look
        pytest.raises(ValueError, compiled, y, ops.zeros((2, 3)))
        return
    found = compiled(y, ops.zeros((2, 3)))
    np.testing.assert_allclose(found, [np.log(3), np.nan], rtol=1e-6)


def test_an_ignored_class_may_lie_out_of_range():
    found = losses.sparse_categorical_crossentropy(
        [0, 255], np.zeros((2, 3)), from_logits=True, ignore_class=255
    )
    np.testing.assert_allclose(found, [np.log(3), 0.0])


@pytest.mark.parametrize("bad", [-1.0, 1.01, 2.0, float("nan")])
def test_a_label_that_is_no_probability_is_named(bad):
    y, p = np.array([[bad, 0.0]]), np.array([[0.5, 0.5]])
    wanted = r"`y_true` must hold numbers in \[0, 1\]. Received: 1 of 2 others, first"
    for rule in (losses.binary_crossentropy, losses.categorical_crossentropy):
        with pytest.raises(ValueError, match=wanted):
            rule(y, p)


def test_whole_numbers_are_taken_as_numbers():
    found = losses.mean_squared_error([1, 2], [2, 4])
    assert float(found) == 2.5
    assert keras.backend.standardize_dtype(found.dtype) == "float32"


# -- where notes go wrong -----------------------------------------------------------


def test_minus_sum_q_log_q_is_no_loss():
    """E02: "BCE = −Σ q log q with q ∈ {1, −1}"; it has no prediction in it."""
    q = np.array([1.0, -1.0])
    with np.errstate(invalid="ignore"):
        noted = -q * np.log(q)
    np.testing.assert_array_equal(noted, [0.0, np.nan])
    # Read with q = p it is the prediction's entropy: least where the net is certain,
    # right or wrong alike. The cross-entropy tells them apart.
    p, y = np.array([0.001, 0.999]), np.array([1.0, 1.0])
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    assert entropy[0] == pytest.approx(entropy[1], rel=1e-12)
    wrong, right = array(losses.binary_crossentropy_of_probabilities(y, p))
    np.testing.assert_allclose([wrong, right], [-np.log(0.001), -np.log(0.999)])


@pytest.mark.convention("Mean of a class-weighted loss")
def test_a_weighted_mean_is_over_the_batch_in_keras_and_over_the_weights_in_pytorch():
    y, z = np.array([0, 0, 0, 1]), np.zeros((4, 2)) + [[0.0, 1.0]]
    weight = np.where(y == 1, 3.0, 1.0)
    each = array(scce_of_logits(y, z))
    keras_mean = losses.SparseCategoricalCrossentropy(True)(y, z, weight)
    torch_mean = losses.SparseCategoricalCrossentropy(
        True, reduction="mean_with_sample_weight"
    )(y, z, weight)
    assert float(keras_mean) == pytest.approx((weight @ each) / 4, rel=1e-6)
    assert float(torch_mean) == pytest.approx((weight @ each) / 6, rel=1e-6)
    # So in Keras the class weights scale the learning rate too: here by 6/4.
    assert float(keras_mean) / float(torch_mean) == pytest.approx(1.5, rel=1e-6)


def test_keras_max_margin_changes_with_a_constant_added_to_every_score():
    y, s = np.array([[1.0, 0.0]]), np.array([[0.5, -2.0]])
    ours, theirs = losses.categorical_hinge, keras.losses.categorical_hinge
    assert [float(ours(y, s + c)[0]) for c in (0, 9)] == [0.0, 0.0]
    assert [float(theirs(y, s + c)[0]) for c in (0, 9)] == [0.5, 0.0]


@pytest.mark.convention("Logarithmic error near 0")
def test_keras_counts_a_logarithm_from_one_ten_millionth_on():
    y, y_hat = np.array([[0.0]]), np.array([[3e-8]])
    ours = losses.mean_squared_logarithmic_error
    theirs = keras.losses.mean_squared_logarithmic_error
    assert float(theirs(y, y_hat)[0]) == 0.0
    assert float(ours(y, y_hat)[0]) == pytest.approx(9e-16, rel=1e-6)
    # Beyond the clip they agree, but for the digits that 1 + x loses.
    y, y_hat = draw("positive")
    np.testing.assert_allclose(ours(y, y_hat), theirs(y, y_hat), rtol=1e-6)


@pytest.mark.convention("R² where all targets are equal")
def test_keras_has_no_score_for_a_perfect_prediction_of_equal_targets():
    y, found = np.ones((4, 1), "float32"), {}
    for package in (losses, keras.metrics):
        found[package] = []
        for miss in (0, 1):
            metric = package.R2Score()
            metric.update_state(y, y + np.float32(miss))
            found[package].append(float(metric.result()))
    assert found[losses] == [1.0, 0.0] == [sk.r2_score(y, y + miss) for miss in (0, 1)]
    np.testing.assert_array_equal(found[keras.metrics], [np.nan, 0.0])


def test_a_mean_of_batch_rmse_is_not_the_rmse():
    y, y_hat = np.zeros((4, 1)), np.array([[3.0], [3.0], [0.0], [0.0]])
    rmse = losses.root_mean_squared_error
    parts = [float(rmse(y[i : i + 2], y_hat[i : i + 2])) for i in (0, 2)]
    assert np.mean(parts) == 1.5
    assert float(rmse(y, y_hat)) == pytest.approx(np.sqrt(4.5))


# Every public class: arguments at other values than the default, bad ones, its data.
LOSS = {"reduction": "sum", "name": "renamed", "dtype": "float64"}
METRIC = {"name": "renamed", "dtype": "float64"}
REDUCTION = {"reduction": "average"}
CROSSENTROPY = {"from_logits": "yes", "axis": 0.5, **REDUCTION}

CASES = {
    losses.MeanSquaredError: (LOSS, REDUCTION),
    losses.MeanAbsoluteError: (LOSS, REDUCTION),
    losses.MeanSquaredLogarithmicError: (LOSS, REDUCTION),
    losses.Poisson: (LOSS, REDUCTION),
    losses.BinaryCrossentropy: (
        {"from_logits": True, "label_smoothing": 0.25, "axis": 0, **LOSS},
        {"label_smoothing": 1.5, **CROSSENTROPY},
        "binary",
    ),
    losses.CategoricalCrossentropy: (
        {"from_logits": True, "label_smoothing": 0.25, "axis": 1, **LOSS},
        {"label_smoothing": -0.1, **CROSSENTROPY},
        "one-hot",
    ),
    losses.SparseCategoricalCrossentropy: (
        {"from_logits": True, "ignore_class": 2, "axis": 1, **LOSS},
        {"ignore_class": "none", **CROSSENTROPY},
        "classes",
    ),
    losses.Hinge: (LOSS, REDUCTION, "binary"),
    losses.SquaredHinge: (LOSS, REDUCTION, "binary"),
    losses.CategoricalHinge: (LOSS, REDUCTION, "one-hot"),
    losses.RootMeanSquaredError: (METRIC,),
    losses.R2Score: (
        {"class_aggregation": None, "num_regressors": 2, **METRIC},
        {"class_aggregation": "mean", "num_regressors": -1},
    ),
}
