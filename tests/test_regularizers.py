"""Regularizers: against sums in NumPy, Keras' twins and layers, and counted masks."""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import ops

from dtlib import regularizers
from dtlib.regularizers import L1, L1L2, L2, OrthogonalRegularizer
from tests import engines
from tests import oracles_regularizers as oracles
from tests.engines import array

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    L1: (dict(l1=0.25), dict(l1=-0.1)),
    L2: (dict(l2=0.25), dict(l2=math.nan)),
    L1L2: (dict(l1=0.25, l2=0.5), dict(l1=math.inf, l2="0.1")),
    OrthogonalRegularizer: (
        dict(factor=0.25, mode="columns"),
        dict(factor=None, mode="both"),
    ),
}
every_class = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
DTYPES = ["float16", "bfloat16", "float32", "float64"]
# The result is rounded once; sums are taken in 32 bits.
ROUNDING = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": 1e-14}


def kernel(shape=(5, 4), seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def expected(regularizer, w):
    """What `regularizer` charges for `w`, by the oracles."""
    config = regularizer.get_config()
    if "mode" in config:
        return oracles.orthogonal_penalty(w, **config)
    l1 = oracles.l1_penalty(w, config.get("l1", 0.0))
    return l1 + oracles.l2_penalty(w, config.get("l2", 0.0))


def made(cls):
    return cls(**CASES[cls][0])


# Penalties ----------------------------------------------------------------------------


@pytest.mark.equation(
    "eq-regularizers-l1", "eq-regularizers-l2", "eq-regularizers-elastic"
)
@every_class
@pytest.mark.parametrize("dtype", DTYPES)
def test_each_penalty_is_its_sum_in_every_type_and_the_one_of_keras(cls, dtype):
    w = ops.cast(kernel(), dtype)
    twin = getattr(keras.regularizers, cls.__name__)
    for arguments in ({}, CASES[cls][0]):
        ours = cls(**arguments)(w)
        assert keras.backend.standardize_dtype(ours.dtype) == dtype
        assert tuple(ours.shape) == ()
        # A factor of ½ or a root would show at once.
        exact = expected(cls(**arguments), array(w))
        assert float(ours) == pytest.approx(exact, rel=ROUNDING[dtype])
        if dtype == "float32":
            assert float(ours) == pytest.approx(float(twin(**arguments)(w)), rel=1e-6)


def test_the_rules_are_what_the_classes_charge():
    w = kernel()
    rules = {
        L1: regularizers.l1_penalty(w, l1=0.25),
        L2: regularizers.l2_penalty(w, l2=0.25),
        L1L2: regularizers.l1_l2_penalty(w, l1=0.25, l2=0.5),
        OrthogonalRegularizer: regularizers.orthogonal_penalty(
            w, factor=0.25, mode="columns"
        ),
    }
    for cls, value in rules.items():
        assert float(value) == pytest.approx(expected(made(cls), w), rel=1e-14)
    whole_numbers = np.array([[3, -4]])
    assert float(regularizers.l2_penalty(whole_numbers, l2=0.5)) == 12.5
    assert float(regularizers.l1_penalty(whole_numbers, l1=0.5)) == 3.5


def test_the_names_in_lower_case_are_the_same_classes_as_in_keras():
    for name in ("l1", "l2", "l1_l2", "orthogonal_regularizer"):
        twin = getattr(keras.regularizers, name)
        assert getattr(regularizers, name).__name__ == twin.__name__


def test_the_l2_penalty_is_the_squared_norm_unlike_the_common_bug():
    def by_norm(w, l2):
        return l2 * np.linalg.norm(w)

    w = np.array([30.0, 40.0])
    assert float(regularizers.l2_penalty(w, l2=0.01)) == pytest.approx(25.0)
    assert by_norm(w, 0.01) == pytest.approx(0.5)
    # The slope tells them apart, too: 2λw grows with w, λw/‖w‖ has length λ always.
    slope = engines.gradient(lambda w: regularizers.l2_penalty(w, l2=0.01), w)
    np.testing.assert_allclose(slope, [0.6, 0.8], rtol=1e-12)


@pytest.mark.convention("ℓ2 penalty of strength λ")
def test_keras_has_no_half_and_tensorflow_1_has_one():
    w = kernel().astype("float32")
    theirs = oracles.tf1_l2_regularizer(w, 0.02)
    assert float(keras.regularizers.L2(0.02)(w)) == pytest.approx(2 * theirs, rel=1e-6)
    for l2 in (keras.regularizers.L2, L2):  # halve λ when migrating
        assert float(l2(0.02 / 2)(w)) == pytest.approx(theirs, rel=1e-6)


def numeric_gradient(f, w, h=1e-6):
    found = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = h
        found[i] = (float(f(w + step)) - float(f(w - step))) / (2 * h)
    return found


@every_class
def test_gradients_are_difference_quotients(cls):
    w = kernel((4, 3), seed=3)
    w[1] = [1e-3, -1e-3, 2.0]  # beside the kink
    found = engines.gradient(made(cls), w)
    np.testing.assert_allclose(found, numeric_gradient(made(cls), w), rtol=1e-5)


def test_the_slope_of_l1_at_its_kink_is_zero_and_beside_it_is_whole():
    w = np.array([0.0, 1e-12, -1e-12])
    found = engines.gradient(lambda w: regularizers.l1_penalty(w, l1=0.5), w)
    np.testing.assert_array_equal(found, [0.0, 0.5, -0.5])
    assert not numeric_gradient(L1(0.5), np.zeros(2)).any()  # |w| is symmetric


def test_l1_reaches_zero_and_l2_does_not():
    # Gradient descent on the penalty alone: the pull of ℓ2 fades, that of ℓ1 does not.
    w = {L1: 1.0, L2: 1.0}
    for _ in range(12):
        for cls in w:
            w[cls] -= 0.1 * float(engines.gradient(cls(1.0), np.array([w[cls]]))[0])
    assert abs(w[L1]) <= 0.1  # within one step of 0
    assert w[L2] == pytest.approx(0.8**12, rel=1e-9)


# Orthogonality ------------------------------------------------------------------------


def test_orthogonal_rows_cost_nothing_and_parallel_ones_the_whole_factor():
    q, _ = np.linalg.qr(kernel((4, 4)))
    for mode in regularizers.MODES:
        charge = OrthogonalRegularizer(0.5, mode)
        assert float(charge(q * [[1.0], [2.0], [3.0], [4.0]])) < (
            1e-15 if mode == "rows" else 1.0
        )
        assert float(charge(np.ones((3, 5)))) == pytest.approx(0.5, rel=1e-12)
        assert float(charge(-np.eye(3))) == 0.0


def test_a_single_row_costs_nothing_where_keras_has_nan():
    w = np.float32([[1.0, 2.0]])
    assert float(OrthogonalRegularizer()(w)) == 0.0
    assert math.isnan(float(keras.regularizers.OrthogonalRegularizer()(w)))


def test_a_row_of_zeros_is_orthogonal_and_has_a_gradient():
    w = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    charge = OrthogonalRegularizer(1.0)
    assert float(charge(w)) == pytest.approx(math.sqrt(0.5) / 3)
    assert np.isfinite(engines.gradient(charge, w)).all()
    short = w * 1e-30  # a direction all the same
    assert float(charge(short)) == pytest.approx(math.sqrt(0.5) / 3)


def test_only_a_matrix_has_rows_to_compare():
    for shape in [(3,), (3, 3, 2, 4)]:
        with pytest.raises(ValueError, match=r"`w` must be a matrix.*shape \(3"):
            OrthogonalRegularizer()(np.ones(shape))
    with pytest.raises(ValueError, match="`mode` must be one of"):
        regularizers.orthogonal_penalty(np.ones((2, 2)), factor=1.0, mode="cols")


# Extremes -----------------------------------------------------------------------------


@every_class
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_weights_give_no_nan_and_nan_shows(cls, dtype):
    w = ops.cast(np.array([[1e4, -1e4], [0.0, 1e-4]]), dtype)
    for arguments in ({}, CASES[cls][0], dict.fromkeys(("l1", "l2"), 0.0)):
        if set(arguments) <= set(CASES[cls][0]):
            assert not math.isnan(float(cls(**arguments)(w)))
    assert not np.isnan(engines.gradient(made(cls), array(w))).any()
    assert math.isnan(float(made(cls)(np.array([[1.0, math.nan], [1.0, 1.0]]))))


def test_a_sum_in_16_bits_does_not_overflow_on_the_way():
    ones = ops.ones(70_000, "float16")  # more than the largest float16, 65504
    assert float(L2(0.01)(ones)) == pytest.approx(700, rel=1e-3)
    assert float(L1(0.01)(ones)) == pytest.approx(700, rel=1e-3)
    if engines.BACKEND == "tensorflow":
        assert float(keras.regularizers.L2(0.01)(ones)) == math.inf


# Penalties in a model -----------------------------------------------------------------


def network(seed=0, **regularizer):
    keras.utils.set_random_seed(seed)
    first = keras.layers.Dense(4, "relu", name="first", **regularizer)
    layers = [keras.Input((3,)), first, keras.layers.Dense(2, name="last")]
    return keras.Sequential(layers, name="net")


def total_of(model):
    return float(array(sum(model.losses)))


def test_a_custom_loop_finds_the_penalties_in_the_losses_of_the_model():
    model = network(
        kernel_regularizer=L2(0.25), bias_regularizer=L1(0.5), activity_regularizer=None
    )
    w, b = (v for v in model.get_layer("first").weights)
    b.assign(np.ones(4))
    x, y = np.ones((6, 3), "float32"), np.zeros((6, 2), "float32")
    total = oracles.l2_penalty(array(w), 0.25) + oracles.l1_penalty(array(b), 0.5)
    assert total_of(model) == pytest.approx(total, rel=1e-6)
    model.compile("sgd", "mse", run_eagerly=True)
    error = ((array(model(x)) - y) ** 2).mean()  # what a forgetful loop minimizes
    reported = model.evaluate(x, y, verbose=0)
    assert reported == pytest.approx(error + total, rel=1e-5)
    assert reported > error + 0.5


@pytest.mark.parametrize("batch", [1, 8, 32])
def test_an_activity_penalty_is_divided_by_the_batch_and_a_kernels_is_not(batch):
    x = np.ones((batch, 3), "float32")
    of_weights, of_outputs = (
        network(kernel_regularizer=L1(0.1)),
        network(activity_regularizer=L1(0.1)),
    )
    outputs = of_outputs.get_layer("first")(x)
    of_outputs(x), of_weights(x)
    w = array(of_weights.get_layer("first").kernel)
    weights_price = oracles.l1_penalty(w, 0.1)
    outputs_price = oracles.l1_penalty(array(outputs), 0.1) / batch
    assert total_of(of_weights) == pytest.approx(weights_price, rel=1e-6)
    assert total_of(of_outputs) == pytest.approx(outputs_price, rel=1e-5)


def test_an_activity_regularizer_is_no_penalty_on_the_weights_unlike_the_common_bug():
    model = network(activity_regularizer=L1(0.1))
    model(np.zeros((4, 3), "float32"))  # no signal, hence no activity
    assert total_of(model) == 0.0  # though the weights are there:
    assert oracles.l1_penalty(array(model.get_layer("first").kernel), 0.1) > 0.1


def test_a_penalty_of_001_can_start_above_the_loss():
    # He's weights have variance 2/fan_in: Σw² = 2·fan_out a layer, whatever fan_in.
    sizes = [784, 300, 100, 10]
    initializer = keras.initializers.HeNormal(seed=1)
    kernels = [initializer(pair) for pair in itertools.pairwise(sizes)]
    start = sum(float(L2(0.01)(w)) for w in kernels)
    assert start == pytest.approx(0.01 * 2 * (300 + 100 + 10), rel=0.02)  # 8.2
    assert start > 3 * math.log(10)  # the cross-entropy of guessing among 10 classes


# Decay --------------------------------------------------------------------------------


def walk(w, steps, optimizer, l2=0.0):
    """Steps on the loss ½·c·w², with an ℓ2 penalty in the gradient, by Keras."""
    variable = keras.Variable(np.asarray(w, "float32"))
    curvature = np.array([0.5, 2.0, 4.0], "float32")
    for _ in range(steps):
        penalty = engines.gradient(L2(l2), array(variable))
        g = curvature * array(variable) + penalty
        optimizer.apply([ops.convert_to_tensor(g, "float32")], [variable])
    return array(variable)


@pytest.mark.convention("`weight_decay=λ` in SGD")
def test_decay_is_an_l2_penalty_of_half_the_strength_without_momentum_only():
    w, lam = [1.0, -2.0, 3.0], 0.05
    decayed = walk(w, 10, keras.optimizers.SGD(0.1, weight_decay=2 * lam))
    charged = walk(w, 10, keras.optimizers.SGD(0.1), l2=lam)
    np.testing.assert_allclose(decayed, charged, rtol=1e-5)
    # One and the same number for both is not it, by 5 to 60 % after ten steps.
    same_number = walk(w, 10, keras.optimizers.SGD(0.1, weight_decay=lam))
    assert np.all(abs(same_number / charged - 1) > 0.03)


@pytest.mark.parametrize(
    "make",
    [
        lambda **decay: keras.optimizers.SGD(0.1, momentum=0.9, **decay),
        lambda **decay: keras.optimizers.Adam(0.1, **decay),
    ],
    ids=["momentum", "Adam"],
)
def test_decay_is_no_l2_penalty_unlike_the_common_bug(make):
    w, lam = [1.0, -2.0, 3.0], 0.25
    decayed, charged = walk(w, 10, make(weight_decay=2 * lam)), walk(w, 10, make(), lam)
    assert np.abs(decayed - charged).max() > 0.1


# Sparsity and pruning -----------------------------------------------------------------

SHARES = [0.0, 0.01, 0.25, 1 / 3, 0.5, 0.9, 1.0]


@pytest.mark.equation("eq-regularizers-magnitude")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", SHARES)
def test_exactly_the_smallest_weights_go(share, dtype):
    w = ops.cast(kernel((3, 5, 7)), dtype)
    mask = array(regularizers.magnitude_mask(w, sparsity=share)).astype(bool)
    assert np.array_equal(mask, oracles.magnitude_mask(array(w), share))
    assert mask.size - mask.sum() == round(share * mask.size)
    pruned = regularizers.prune_by_magnitude(w, sparsity=share)
    assert keras.backend.standardize_dtype(pruned.dtype) == dtype
    assert np.array_equal(array(pruned), np.where(mask, array(w), 0.0))
    assert float(regularizers.sparsity(pruned, threshold=0)) == pytest.approx(
        round(share * mask.size) / mask.size, rel=1e-6
    )


@pytest.mark.parametrize(
    "xla", [False, pytest.param(True, marks=pytest.mark.tensorflow)]
)
def test_among_equals_the_first_goes_first_compiled_or_not(xla):
    w = np.tile([1.0, -1.0, 0.5, -0.5], 500)

    def rule(w):
        return regularizers.magnitude_mask(w, sparsity=0.6)

    expected_mask = oracles.magnitude_mask(w, 0.6)
    assert expected_mask.sum() == 800
    for f in (rule, engines.compiled(rule, xla)):
        mask = array(f(ops.convert_to_tensor(w))).astype(bool)
        assert np.array_equal(mask, expected_mask)


def test_a_threshold_at_the_quantile_prunes_too_much_unlike_the_common_bug():
    def by_threshold(w, share):
        return np.where(np.abs(w) <= np.quantile(np.abs(w), share), 0, w)

    w = np.array([1.0, -1.0, 1.0, 1.0, 2.0, 3.0])
    assert (by_threshold(w, 0.5) == 0).mean() == pytest.approx(4 / 6)
    ours = array(regularizers.prune_by_magnitude(w, sparsity=0.5))
    assert np.array_equal(ours, [0, 0, 0, 1, 2, 3])


def test_half_a_weight_is_rounded_to_the_even_number():
    for n, gone in [(5, 2), (7, 4), (3, 2), (1, 0)]:
        mask = array(regularizers.magnitude_mask(np.ones(n), sparsity=0.5))
        assert n - mask.sum() == gone


def test_nan_is_not_pruned_away():
    w = np.array([math.nan, 0.1, -5.0, math.inf])
    for share in (0.5, 1.0):
        pruned = array(regularizers.prune_by_magnitude(w, sparsity=share))
        assert math.isnan(pruned[0]) and pruned[1] == 0.0
        assert math.isnan(float(regularizers.sparsity(w, threshold=share)))


@pytest.mark.equation("eq-regularizers-sparsity")
@pytest.mark.parametrize("threshold", [0.0, 1e-3, 0.5, 1.0])
def test_sparsity_counts_what_is_small_beside_the_largest(threshold):
    w = kernel((40, 5)) ** 5
    w[:4] = 0.0
    ours = float(regularizers.sparsity(w, threshold=threshold))
    assert ours == pytest.approx(oracles.sparsity(w, threshold), rel=1e-12)
    scaled = regularizers.sparsity(w * 1e-6, threshold=threshold)
    assert float(scaled) == pytest.approx(ours, abs=1 / w.size)
    assert float(regularizers.sparsity(np.zeros((3, 2)), threshold=threshold)) == 1.0


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, "half", True])
def test_a_share_outside_0_to_1_is_refused(bad):
    w = np.ones((2, 2))
    for rule in (regularizers.magnitude_mask, regularizers.prune_by_magnitude):
        with pytest.raises(ValueError, match=r"`sparsity` must be .*\[0, 1\]"):
            rule(w, sparsity=bad)
    with pytest.raises(ValueError, match=r"`threshold` must be .*\[0, 1\]"):
        regularizers.sparsity(w, threshold=bad)


def uneven():
    """A model with weights of very different sizes in its two kernels."""
    model = network(1)
    for v, size in zip(model.weights, (0.01, 1.0, 10.0, 1.0), strict=True):
        v.assign(kernel(v.shape, seed=len(v.shape)) * size + 0.001 * size)
    return model


def test_pruning_each_layer_takes_the_same_share_and_leaves_biases():
    model = uneven()
    before = {v.path: array(v) for v in model.weights}
    masks = regularizers.prune_model(model, sparsity=0.5, scope="layer")
    assert set(masks) == {"net/first/kernel", "net/last/kernel"}
    for v in model.weights:
        old = before[v.path]
        mask = oracles.magnitude_mask(old, 0.5) if v.path in masks else True
        assert np.array_equal(array(v), np.where(mask, old, 0.0)), v.path
        if v.path in masks:
            assert masks[v.path].dtype == bool
            assert np.array_equal(masks[v.path], mask)


def test_pruning_globally_takes_more_from_the_layer_of_small_weights():
    model = uneven()
    kernels = [v for v in model.weights if v.name == "kernel"]
    joined = np.concatenate([array(v).ravel() for v in kernels])
    masks = regularizers.prune_model(model, sparsity=0.5, scope="global")
    found = np.concatenate([mask.ravel() for mask in masks.values()])
    assert np.array_equal(found, oracles.magnitude_mask(joined, 0.5))
    first, last = masks.values()
    assert first.sum() == 2 and last.all()  # 10 of 12 are gone, and none of 8
    left = np.concatenate([array(v).ravel() for v in kernels])
    assert np.array_equal(left, np.where(found, joined, 0.0))


def test_kernels_of_every_kind_of_layer_are_found():
    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.SeparableConv2D(4, 3, name="separable"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.Reshape((9, 16)),
        keras.layers.LSTM(5, name="lstm"),
    ]
    model = keras.Sequential(layers, name="net")
    masks = regularizers.prune_model(model, sparsity=0.5, scope="global")
    names = {"separable/depthwise_kernel", "separable/pointwise_kernel"}
    names |= {"lstm/lstm_cell/kernel", "lstm/lstm_cell/recurrent_kernel"}
    assert {path.removeprefix("net/") for path in masks} == names
    total = sum(mask.size for mask in masks.values())
    assert sum(mask.sum() for mask in masks.values()) == total - round(total / 2)


def test_training_on_with_the_masks_keeps_the_zeros_and_without_loses_them():
    x, y = kernel((32, 3)).astype("float32"), kernel((32, 2), 1).astype("float32")
    zeros = {}
    for kept in (True, False):
        model = network(1)
        masks = regularizers.prune_model(model, sparsity=0.5, scope="layer")
        model.compile("adam", "mse", run_eagerly=True)
        for _ in range(3):
            model.train_on_batch(x, y)
            if kept:
                regularizers.apply_masks(model, masks)
        w = array(model.get_layer("last").kernel)
        zeros[kept] = float(regularizers.sparsity(w, threshold=0.0))
    assert zeros[True] == 0.5 and zeros[False] < 0.2


def test_an_error_leaves_the_model_as_it_was():
    model = uneven()
    last = model.get_layer("last").kernel
    broken = array(last)
    broken[0, 0] = math.nan
    last.assign(broken)
    before = [array(v) for v in model.weights]
    good = np.zeros((3, 4), bool)
    for call, said in [
        (dict(sparsity=0.5, scope="layer"), "`net/last/kernel` must be finite"),
        (dict(sparsity=0.5, scope="global"), "`net/last/kernel` must be finite"),
        (dict(sparsity=1.5, scope="layer"), "`sparsity` must be a number in"),
        (dict(sparsity=0.5, scope="model"), "`scope` must be one of"),
    ]:
        with pytest.raises(ValueError, match=said):
            regularizers.prune_model(model, **call)
    for masks, said in [
        ({"net/last/kernel": good}, r"shape \(3, 4\) for 'net/last/kernel'.*\(4, 2\)"),
        ({"net/third/kernel": good}, "'net/third/kernel', whose shape is None"),
        ({"net/first/bias": good[0]}, "'net/first/bias', whose shape is None"),
    ]:
        with pytest.raises(ValueError, match=said):
            regularizers.apply_masks(model, {"net/first/kernel": good, **masks})
    for v, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(array(v), old)


def test_a_model_without_kernels_or_with_two_of_one_path_is_refused():
    for model in (keras.Sequential([keras.layers.Dense(2)]), keras.Sequential()):
        with pytest.raises(ValueError, match=r"`model` must be built.*kernels \[\]"):
            regularizers.prune_model(model, sparsity=0.5, scope="layer")

    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            layers = [
                [keras.Input((2,)), keras.layers.Dense(2, name="a")] for _ in "ab"
            ]
            self.blocks = [keras.Sequential(pair, name="block") for pair in layers]

    with pytest.raises(ValueError, match="a path of its own.*block/a/kernel.*block/a"):
        regularizers.prune_model(Pair(), sparsity=0.5, scope="layer")


# Compilation, config ------------------------------------------------------------------


@pytest.mark.parametrize(
    "xla", [False, pytest.param(True, marks=pytest.mark.tensorflow)]
)
def test_the_classes_and_the_rules_compute_the_same_compiled(xla):
    def rules(w):
        return [
            *(made(cls)(w) for cls in CASES),
            regularizers.sparsity(w, threshold=0.3),
            regularizers.prune_by_magnitude(w, sparsity=0.3),
        ]

    w = ops.convert_to_tensor(kernel())
    found = engines.compiled(rules, xla)(w)
    for ours, eager in zip(found, rules(w), strict=True):
        np.testing.assert_allclose(array(ours), array(eager), rtol=1e-13)


@every_class
def test_it_comes_back_from_its_config(cls):
    given = CASES[cls][0]
    assert made(cls).get_config() == given
    saved = keras.regularizers.serialize(made(cls))
    revived = keras.regularizers.deserialize(saved)
    assert type(revived) is cls and revived.get_config() == given
