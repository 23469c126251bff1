"""Optimizers: against their papers in float64, closed forms, invariants, Keras' twins.

Those of Adam's family are tested in tests/test_optimizers_adaptive.py, and what all
share in tests/test_optimizers_shared.py.
"""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import optimize

from dtlib import optimizers
from dtlib.optimizers import SGD, Adagrad, Ftrl, RMSprop
from tests import oracles_optimizers as oracles
from tests.engines import BACKEND, array, compiled

FTRL = dict(
    learning_rate_power=-0.75,
    initial_accumulator_value=0.25,
    l1_regularization_strength=0.125,
    l2_regularization_strength=0.0625,
    l2_shrinkage_regularization_strength=0.03125,
    beta=0.5,
)
NEGATIVE = {name: -0.1 for name in FTRL if name != "learning_rate_power"}

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    SGD: (
        dict(learning_rate=0.125, momentum=0.75, nesterov=True),
        dict(learning_rate="0.1", momentum=1.5, nesterov="yes"),
    ),
    Adagrad: (
        dict(learning_rate=0.125, initial_accumulator_value=0.25, epsilon=0.0625),
        dict(learning_rate=-0.1, initial_accumulator_value=-1.0, epsilon=0),
    ),
    RMSprop: (
        dict(
            learning_rate=0.125, rho=0.75, momentum=0.5, epsilon=0.0625, centered=True
        ),
        dict(learning_rate=None, rho=1.0, momentum=-0.5, epsilon=0.0, centered="no"),
    ),
    Ftrl: (
        dict(learning_rate=0.125, **FTRL),
        dict(learning_rate=0, learning_rate_power=0.5, **NEGATIVE),
    ),
}


def problem(steps=10, shape=(3, 2), seed=0):
    """A start and gradients, one in four of them 0, exact in float32."""
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=shape), rng.normal(size=(steps, *shape))
    grads *= rng.uniform(size=grads.shape) < 0.75
    return start.astype("float32"), grads.astype("float32")


def walk(optimizer, start, grads, dtype="float32"):
    """The weight after each step, in float64."""
    w, path = keras.Variable(start, dtype=dtype), []
    for g in grads:
        optimizer.apply([ops.convert_to_tensor(g, dtype)], [w])
        path.append(array(w))
    return np.array(path)


def compiled_walk(optimizer, start, grads, xla=False, slope=lambda g, w: g):
    """`walk` with each step compiled, and how often it was traced."""
    w, traces, path = keras.Variable(start, dtype="float32"), [], []
    optimizer.build([w])

    def apply(g):
        traces.append(1)
        optimizer.apply([slope(g, ops.convert_to_tensor(w))], [w])

    def apply_to(state, g):
        traces.append(1)
        weights, variables = state
        return optimizer.stateless_apply(variables, [slope(g, weights[0])], weights)

    step = compiled(apply_to if BACKEND == "jax" else apply, xla)
    state = [w.value], [v.value for v in optimizer.variables]
    for g in grads:
        g = ops.convert_to_tensor(g, "float32")
        if BACKEND == "jax":
            state = step(state, g)
        else:
            step(g)
        path.append(array(state[0][0] if BACKEND == "jax" else w))
    return np.array(path), 1 if BACKEND == "torch" else len(traces)


def close(ours, expected):
    """Equal but for float32 rounding; every step in `problem` is above 1e-3."""
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-6)


# Rules against papers -----------------------------------------------------------------

ADAGRAD = dict(alpha=0.125, first=0.125, epsilon=1e-7)
RMS = dict(alpha=0.03125, rho=0.9, epsilon=1e-7)
PAPER = dict(alpha=0.125, beta=1.0, lambda_1=0.0, lambda_2=0.0)


def adagrad(alpha, first, epsilon):
    return Adagrad(alpha, initial_accumulator_value=first, epsilon=epsilon)


def rmsprop(alpha, rho, epsilon, beta=0.0, centered=False):
    return RMSprop(alpha, rho, beta, epsilon, centered)


def ftrl(alpha, beta, lambda_1, lambda_2, first=0.0, power=0.5, shrink=0.0):
    # The paper's λ₂ and the shrinkage multiply w in the gradient of ½·λ·w².
    return Ftrl(alpha, -power, first, lambda_1, lambda_2 / 2, shrink / 2, beta)


# name: (our class made by the paper's letters, the paper, its letters)
PATHS = {
    "sgd": (SGD, oracles.gradient_descent, dict(alpha=0.25)),
    "sgd, long stride": (SGD, oracles.gradient_descent, dict(alpha=64.0)),
    "momentum": (SGD, oracles.momentum, dict(alpha=0.25, beta=0.9)),
    "momentum, never forgets": (SGD, oracles.momentum, dict(alpha=0.25, beta=1.0)),
    "nesterov": (SGD, oracles.nesterov_of_gradients, dict(alpha=0.25, beta=0.9)),
    "nesterov, short": (SGD, oracles.nesterov_of_gradients, dict(alpha=0.5, beta=0.3)),
    "adagrad": (adagrad, oracles.adagrad, ADAGRAD),
    "adagrad, from 0": (adagrad, oracles.adagrad, {**ADAGRAD, "first": 0.0}),
    "adagrad, large ε": (adagrad, oracles.adagrad, {**ADAGRAD, "epsilon": 0.5}),
    "rmsprop": (rmsprop, oracles.rmsprop, RMS),
    "rmsprop, short": (rmsprop, oracles.rmsprop, {**RMS, "rho": 0.3}),
    "rmsprop, large ε": (rmsprop, oracles.rmsprop, {**RMS, "epsilon": 0.5}),
    "rmsprop, momentum": (rmsprop, oracles.rmsprop, {**RMS, "beta": 0.75}),
    "rmsprop, centered": (rmsprop, oracles.rmsprop, {**RMS, "centered": True}),
    "rmsprop, both": (
        rmsprop,
        oracles.rmsprop,
        dict(alpha=0.5, rho=0.6, epsilon=0.01, beta=0.5, centered=True),
    ),
    "ftrl, as AdaGrad": (ftrl, oracles.ftrl, PAPER),
    "ftrl, ℓ1": (ftrl, oracles.ftrl, {**PAPER, "lambda_1": 1.0}),
    "ftrl, ℓ2": (ftrl, oracles.ftrl, {**PAPER, "lambda_2": 4.0}),
    "ftrl, Keras'": (ftrl, oracles.ftrl, {**PAPER, "beta": 0.0, "first": 0.125}),
    "ftrl, all": (
        ftrl,
        oracles.ftrl,
        dict(
            alpha=4.0, beta=0.5, lambda_1=0.5, lambda_2=0.25, first=0.5, power=0.75,
            shrink=0.125,
        ),
    ),
}  # fmt: skip
paths = pytest.mark.parametrize("name", PATHS)


def of_paper(name):
    make, oracle, letters = PATHS[name]
    if make is SGD:
        beta = letters.get("beta", 0)
        return SGD(letters["alpha"], beta, name.startswith("nesterov")), oracle, letters
    return make(**letters), oracle, letters


@pytest.mark.equation(
    "eq-optimizers-sgd",
    "eq-optimizers-momentum",
    "eq-optimizers-nesterov",
    "eq-optimizers-adagrad",
    "eq-optimizers-rmsprop",
    "eq-optimizers-ftrl",
)
@paths
def test_ten_steps_are_those_of_the_paper(name):
    optimizer, oracle, letters = of_paper(name)
    start, grads = problem()
    # Both in float64, the rates exact in float32: any other formula would show.
    expected = oracle(start, grads, **letters)
    np.testing.assert_allclose(
        walk(optimizer, start, grads, "float64"), expected, rtol=1e-11, atol=1e-12
    )


@paths
def test_ten_steps_in_float32_are_those_of_the_paper(name):
    optimizer, oracle, letters = of_paper(name)
    start, grads = problem(seed=1)
    expected = oracle(start, grads, **letters)
    # Roundings are relative to the largest number on the way.
    scale = abs(expected).max()
    ours = walk(optimizer, start, grads)
    np.testing.assert_allclose(ours / scale, expected / scale, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", ["momentum", "adagrad", "rmsprop, both", "ftrl, all"])
def test_a_thousand_steps_are_those_of_the_paper(name):
    optimizer, oracle, letters = of_paper(name)
    start, grads = problem(1000, shape=(2,))
    w = ops.convert_to_tensor(start, "float64")
    optimizer.build([keras.Variable(start, dtype="float64")])
    slots = [
        keras.initializers.get(s)(w.shape, "float64")
        for s in optimizer.slots().values()
    ]
    rate = ops.convert_to_tensor(letters["alpha"], "float64")

    def step(g, w, *slots):
        delta, *slots = optimizer.update(g, w, ops.ones(()), rate, *slots)
        return w - delta, *slots

    step = compiled(step)
    for g in grads:
        w, *slots = step(ops.convert_to_tensor(g, "float64"), w, *slots)
    np.testing.assert_allclose(array(w), oracle(start, grads, **letters)[-1], rtol=1e-9)


def test_rules_take_arrays_and_keep_their_type():
    g = np.array([1.0, -2.0], "float64")
    if BACKEND == "torch":  # adds no array to a tensor
        g = ops.convert_to_tensor(g)
    rates = dict(learning_rate=0.5, epsilon=0.25)
    zero, push = 0 * g, dict(learning_rate=0.5, momentum=0.5)
    results = [
        [optimizers.sgd_update(g, learning_rate=0.5)],
        optimizers.momentum_update(g, zero, **push),
        optimizers.nesterov_update(g, zero, **push),
        optimizers.adagrad_update(g, zero, **rates),
        optimizers.rmsprop_update(g, zero, zero, zero, rho=0.5, momentum=0.5, **rates),
        optimizers.ftrl_update(
            g, g, zero, zero, learning_rate=0.5, learning_rate_power=-0.5, l1=0.5,
            l2=0.5, l2_shrinkage=0.5, beta=0.5,
        ),
    ]  # fmt: skip
    for result in results:
        assert all(
            keras.backend.standardize_dtype(r.dtype) == "float64" for r in result
        )


# What each method is known for --------------------------------------------------------


@pytest.mark.parametrize("nesterov, slow", [(False, 21), (True, 20)])
def test_a_constant_push_reaches_a_tenfold_step_at_nine_tenths(nesterov, slow):
    optimizer = SGD(0.125, 0.9, nesterov)
    path, _ = compiled_walk(optimizer, np.zeros(1), np.ones((150, 1)))
    steps = np.diff(path[:, 0], prepend=0.0)
    assert steps[0] == pytest.approx(-0.125 * (1.9 if nesterov else 1))
    assert steps[-1] == pytest.approx(-0.125 / (1 - 0.9), rel=1e-4)
    # The step is ten times as long, not the acceleration: for so many steps it is
    # shorter than nine tenths of that.
    assert (steps > 0.9 * steps[-1]).sum() == slow


@pytest.mark.parametrize("beta, overshoots", [(0.3, False), (0.9, True)])
def test_friction_decides_whether_momentum_overshoots(beta, overshoots):
    # On c·w²/2 momentum oscillates if (1 + β − αc)² < 4β: the roots turn complex.
    path, _ = compiled_walk(
        SGD(0.1, beta), np.ones(1), np.zeros((60, 1)), slope=lambda g, w: w
    )
    assert ((1 + beta - 0.1) ** 2 < 4 * beta) == overshoots
    assert (path.min() < -0.1) == overshoots


@pytest.mark.convention("Where Nesterov takes the gradient")
def test_nesterov_looks_ahead_or_is_rewritten_and_the_two_are_one_path():
    curvature, start = np.array([1.0, 30.0]), np.array([1.0, -2.0])
    behind, ahead = oracles.nesterov(start, lambda w: curvature * w, 10, 0.03125, 0.75)
    w, optimizer, path, velocity = keras.Variable(start, dtype="float64"), None, [], []
    optimizer = SGD(0.03125, 0.75, nesterov=True)
    for _ in range(10):
        optimizer.apply([ops.convert_to_tensor(curvature) * w], [w])
        path.append(array(w))
        velocity.append(array(optimizer._momentum[0]))
    # The weights are the points at which the look-ahead form takes its gradients.
    np.testing.assert_allclose(path, ahead, rtol=1e-12)
    # w = φ − β·v turns them into the points that the look-ahead form holds.
    np.testing.assert_allclose(np.array(path) - 0.75 * np.array(velocity), behind)
    assert abs(path[0] - behind[0]).max() > 0.5


def test_momentum_off_is_gradient_descent_whatever_nesterov_says():
    start, grads = problem()
    expected = walk(SGD(0.125), start, grads)
    for arguments in [dict(momentum=0), dict(momentum=0.0, nesterov=True)]:
        assert np.array_equal(walk(SGD(0.125, **arguments), start, grads), expected)
    with pytest.raises(ValueError, match="momentum"):
        keras.optimizers.SGD(0.125, momentum=0)  # an integer


def keeps_no_memory(optimizer):
    """After one push, does the weight stand still?"""
    first, *rest = walk(optimizer, np.zeros(2), [[1.0, -1.0], [0.0, 0.0], [0.0, 0.0]])
    return all(np.array_equal(w, first) for w in rest)


def test_plain_sgd_has_no_momentum_unlike_the_common_bug():
    # Baselines called "SGD" in comparisons were run with momentum 0.9.
    assert keeps_no_memory(SGD()) and not SGD().slots()
    assert not keeps_no_memory(keras.optimizers.SGD(0.01, momentum=0.9))


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_no_decay_of_the_rate_hides_in_the_memories(memory):
    # β₁ and ρ are often shown as decays of the learning rate. Once they have filled, a
    # step has length α, at whatever memory, and stays so.
    for optimizer in (optimizers.Adam(0.125, beta_1=memory), RMSprop(0.125, memory)):
        path, _ = compiled_walk(optimizer, np.zeros(1), np.ones((120, 1)))
        np.testing.assert_allclose(np.diff(path[-20:, 0]), -0.125, rtol=2e-4)


def test_no_method_is_promised_the_global_minimum():
    # (w² − 1)² + 0.3·w has its lower valley at −1.04; from 1.2 all end near 0.96.
    def slope(g, w):
        return 4 * w * (w**2 - 1) + 0.3

    valley = optimize.brentq(lambda w: slope(None, w), 0.5, 1.5)
    for optimizer in (SGD(0.01), SGD(0.01, 0.5), RMSprop(0.001), Adagrad(0.05)):
        path, _ = compiled_walk(
            optimizer, np.full(1, 1.2), np.zeros((400, 1)), slope=slope
        )
        assert path[-1, 0] == pytest.approx(valley, abs=0.02)


def test_centered_rmsprop_survives_what_rounding_makes_of_a_steady_gradient():
    # v − m² of a constant gradient goes to 0, and rounding takes it below −ε.
    g, half = np.linspace(0.5, 300, 400, dtype="float32"), np.float32(0.5)
    v, m, bare = 0 * g, 0 * g, []
    for _ in range(40):
        v, m = half * v + half * (g * g), half * m + half * g
        bare.append(v - m * m + np.float32(1e-7))
    assert np.min(bare) < 0  # and its root is not a number
    path, _ = compiled_walk(RMSprop(0.001, 0.5, centered=True), g, [g] * 40)
    assert np.isfinite(path).all()


# Conventions of TensorFlow 1 ----------------------------------------------------------


@pytest.mark.convention("First mean square of RMSProp")
def test_rmsprop_started_at_one_in_tensorflow_1_and_so_with_shorter_steps():
    start, grads = problem()
    mean_square, w, tf1 = np.ones_like(start, "float64"), np.float64(start), []
    for g in np.float64(grads):
        mean_square = 0.75 * mean_square + 0.25 * g**2
        w = w - 0.125 * g / np.sqrt(mean_square + 1e-10)
        tf1.append(w)
    for cls in (RMSprop, keras.optimizers.RMSprop):
        assert abs(walk(cls(0.125, 0.75), start, grads)[0] - tf1[0]).max() > 0.05
        # A slot filled with ones turns one into the other.
        weight, optimizer = keras.Variable(start), cls(0.125, 0.75, epsilon=1e-10)
        optimizer.build([weight])
        optimizer.variables[2].assign(np.ones_like(start))
        path = []
        for g in grads:
            optimizer.apply([ops.convert_to_tensor(g)], [weight])
            path.append(array(weight))
        close(path, tf1)


@pytest.mark.convention("First sum of AdaGrad")
def test_adagrad_had_no_epsilon_in_tensorflow_1():
    start, grads = problem()
    tf1 = start - np.cumsum(
        0.125 * grads / np.sqrt(0.1 + np.cumsum(np.float64(grads) ** 2, 0)), 0
    )
    for cls in (Adagrad, keras.optimizers.Adagrad):
        close(walk(cls(0.125), start, grads), tf1)  # ε is a millionth of 0.1


# FTRL ---------------------------------------------------------------------------------


def test_ftrl_without_penalties_walks_the_path_of_adagrad():
    _, grads = problem(30)
    start = np.zeros(grads.shape[1:])
    ours = walk(Ftrl(0.125, initial_accumulator_value=0.25), start, grads, "float64")
    expected = oracles.adagrad(start, grads, 0.125, 0.25, 0.0)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_ftrl_solves_the_problem_it_is_named_after():
    # w′ minimizes z·w + λ₁·|w| + ½·((β + √n)/α + 2·λ₂)·w².
    rng = np.random.default_rng(0)
    for z in rng.normal(scale=2, size=6):
        state = (ops.convert_to_tensor(x, "float64") for x in (0.0, 0.5, 4.0, z))
        delta, n, z_new = optimizers.ftrl_update(
            *state, learning_rate=0.5, learning_rate_power=-0.5, l1=0.75, l2=0.25,
            l2_shrinkage=0.0, beta=1.0,
        )  # fmt: skip
        curvature = (1 + 2) / 0.5 + 0.5

        def leader(w, z=z, curvature=curvature):
            return z * w + 0.75 * abs(w) + curvature * w**2 / 2

        found = optimize.minimize_scalar(leader, bounds=(-3, 3), method="bounded",
                                         options=dict(xatol=1e-9)).x  # fmt: skip
        assert 0.5 - float(array(delta)) == pytest.approx(found, abs=1e-6)
        assert (float(array(n)), float(array(z_new))) == (4.0, z)


def test_ftrl_makes_weights_exactly_zero_until_their_gradients_agree():
    rng = np.random.default_rng(0)
    noise = rng.choice([-1.0, 1.0], size=(60, 40))
    grads = np.concatenate([noise, noise - 1.5], axis=1)  # the second half agrees
    optimizer = Ftrl(0.125, l1_regularization_strength=30.0)
    w = walk(optimizer, np.zeros(80), grads)[-1]
    assert not w[:40].any() and w[40:].all()


@pytest.mark.convention("ℓ1 in FTRL")
def test_ftrls_l1_acts_on_the_sum_of_gradients_and_a_penalty_on_each():
    # A penalty λ·|w| in the loss, met by descent: the gradient is g + λ·sign(w), and
    # the weight hovers about 0. FTRL's λ₁ is compared with |z|, a sum: t steps of a
    # penalty λ weigh as much as λ₁ = t·λ.
    g, t = 0.25, 16
    for l1, zero in [(0.9 * g * t, False), (1.1 * g * t, True)]:
        # β large: w stays small and z is the sum of gradients.
        optimizer = Ftrl(0.125, l1_regularization_strength=l1, beta=1e6)
        for other in (optimizer, keras.optimizers.Ftrl(
            0.125, l1_regularization_strength=l1, beta=1e6
        )):  # fmt: skip
            w = walk(other, np.zeros(1), np.full((t, 1), g))[-1]
            assert (w == 0).all() == zero
    descent, penalty, hovers = SGD(0.125), 1.1 * g, []
    w = keras.Variable([0.1])
    for _ in range(t):
        descent.apply([g + penalty * ops.sign(w)], [w])
        hovers.append(float(array(w)[0]))
    assert 0 not in hovers and min(hovers) < 0 < max(hovers)


@pytest.mark.convention("λ₂ in FTRL")
def test_ftrls_l2_is_half_of_the_papers():
    start, grads = problem()
    paper = oracles.ftrl(start, grads, 0.125, 0.0, 0.0, lambda_2=4.0, first=0.25)
    arguments = dict(initial_accumulator_value=0.25, l2_regularization_strength=2.0)
    for cls in (Ftrl, keras.optimizers.Ftrl):
        close(walk(cls(0.125, **arguments), start, grads), paper)


def test_ftrl_forgets_its_start_and_rescales_with_the_rate():
    # As Keras does: the docstring warns of both.
    for cls in (Ftrl, keras.optimizers.Ftrl):
        assert not walk(cls(0.125), np.ones(3), np.zeros((1, 3))).any()
        optimizer = cls(0.125)
        w = walk(optimizer, np.zeros(3), np.ones((5, 3)))[-1]
        optimizer.learning_rate = 0.0625
        var = keras.Variable(w, dtype="float32")
        fresh = cls(0.0625)
        fresh.build([var])
        for mine, its in zip(fresh.variables[2:], optimizer.variables[2:], strict=True):
            mine.assign(its)
        fresh.apply([ops.zeros(3)], [var])
        np.testing.assert_allclose(array(var), w / 2, rtol=1e-5)


def test_ftrl_leaves_a_weight_without_gradient_at_zero_where_keras_divides_by_zero():
    nothing = dict(initial_accumulator_value=0.0)
    for cls, expected in [(Ftrl, 0.0), (keras.optimizers.Ftrl, np.nan)]:
        w = walk(cls(0.125, **nothing), np.ones(2), np.zeros((2, 2)))
        np.testing.assert_array_equal(w, np.full((2, 2), expected))


def test_no_slot_is_kept_that_no_rule_reads():
    assert list(SGD(nesterov=True).slots()) == []
    assert list(SGD(momentum=0.5).slots()) == ["momentum"]
    assert list(RMSprop().slots()) == ["velocity"]
    assert list(RMSprop(momentum=0.5).slots()) == ["velocity", "momentum"]
    assert list(RMSprop(centered=True).slots()) == ["velocity", "average_gradient"]


def test_integers_are_numbers():
    assert float(SGD(1).learning_rate) == 1.0
    assert Adagrad(1, 0).initial_accumulator_value == 0.0
