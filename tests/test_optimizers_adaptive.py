"""Adam and its kin, Lion, Muon: against their papers, Keras' twins, closed forms.

What only Muon does is in tests/test_optimizers_muon.py.
"""

import math

import keras
import numpy as np
import pytest
from keras import ops

from dtlib.optimizers._base import one_minus_power
from dtlib.optimizers.adam import Adam, adam_update, amsgrad_update
from dtlib.optimizers.adamax import Adamax, adamax_update
from dtlib.optimizers.adamw import AdamW, adamw_update
from dtlib.optimizers.lion import Lion, lion_update
from dtlib.optimizers.muon import Muon, muon_update
from dtlib.optimizers.nadam import Nadam, nadam_momentum, nadam_update
from tests import oracles_optimizers_adaptive as oracles
from tests.engines import array, compiled

# Each public class, all its arguments at other values than the default, and bad ones.
BAD = dict(learning_rate=-1.0, beta_1=1.0, beta_2=1.5, epsilon=0)
BETAS = dict(learning_rate=0.25, beta_1=0.5, beta_2=0.75)
CASES = {
    Adam: (dict(BETAS, epsilon=0.5, amsgrad=True), dict(BAD, amsgrad="yes")),
    AdamW: (
        dict(BETAS, weight_decay=0.125, epsilon=0.5, amsgrad=True),
        dict(BAD, weight_decay=None, amsgrad=None),
    ),
    Adamax: (dict(BETAS, epsilon=0.5), BAD),
    Nadam: (
        dict(BETAS, epsilon=0.5, momentum_decay=0.25),
        dict(BAD, momentum_decay=-0.004),
    ),
    Lion: (BETAS, dict(learning_rate="fast", beta_1=1.5, beta_2=1.0)),
    Muon: (
        dict(
            learning_rate=0.25,
            adam_beta_1=0.5,
            adam_beta_2=0.75,
            adam_weight_decay=None,
            epsilon=0.5,
            weight_decay=0.125,
            exclude_layers=["head"],
            exclude_embeddings=False,
            muon_a=1.5,
            muon_b=-0.5,
            muon_c=0.0,
            adam_lr_ratio=0.5,
            momentum=0.75,
            ns_steps=3,
            nesterov=False,
            rms_rate=None,
        ),
        dict(
            learning_rate=None,
            adam_beta_1=1.0,
            adam_beta_2=-0.5,
            adam_weight_decay=-1.0,
            epsilon=-1e-7,
            weight_decay="0.004",
            exclude_layers="head",
            exclude_embeddings="yes",
            muon_a=math.nan,
            muon_b=None,
            muon_c=math.inf,
            adam_lr_ratio=-1,
            momentum=1.0,
            ns_steps=0,
            nesterov="no",
            rms_rate=0.0,
        ),
    ),
}

# Rules: one signature for all, `step(g, w, t, *slots, **hyperparameters)` -------------

ADAM = dict(learning_rate=1e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-7)
QUINTIC = (3.4445, -4.775, 2.0315)
MUON = dict(learning_rate=1e-3, momentum=0.95, nesterov=True, steps=5)
MUON = dict(MUON, coefficients=QUINTIC, rms_rate=0.2)


def nadam_step(g, w, t, m, v, product, **k):
    mu = nadam_momentum(t, beta_1=k["beta_1"], momentum_decay=k["momentum_decay"])
    product = product * ops.cast(mu, product.dtype)
    return *nadam_update(g, m, v, t, product, **k), product


# name: step, slots shaped like the weight, oracle, hyperparameters
RULES = {
    "adam": (lambda g, w, t, *s, **k: adam_update(g, *s, t, **k), 2, oracles.adam),
    "amsgrad": (
        lambda g, w, t, *s, **k: amsgrad_update(g, *s, t, **k),
        3,
        oracles.amsgrad,
    ),
    "adamw": (
        lambda g, w, t, *s, **k: adamw_update(g, w, *s, t, **k),
        2,
        oracles.adam,
        dict(ADAM, weight_decay=0.0625),
    ),
    "adamax": (
        lambda g, w, t, *s, **k: adamax_update(g, *s, t, **k),
        2,
        oracles.adamax,
    ),
    "nadam": (nadam_step, 2, oracles.nadam, dict(ADAM, momentum_decay=1.0)),
    "lion": (
        lambda g, w, t, *s, **k: lion_update(g, *s, **k),
        1,
        oracles.lion,
        dict(learning_rate=1e-3, beta_1=0.9, beta_2=0.99),
    ),
    "muon": (
        lambda g, w, t, *s, **k: muon_update(g, *s, **k),
        1,
        oracles.muon,
        MUON,
    ),
}
RULES = {name: (*row, ADAM)[:4] for name, row in RULES.items()}
SETTINGS = {
    "defaults": {},
    "huge rate": dict(learning_rate=10.0),
    "short memories": dict(beta_1=0.5, beta_2=0.7, momentum=0.5),
    "other form": dict(
        epsilon=0.5, momentum_decay=0.004, nesterov=False, rms_rate=None
    ),
}
every_rule = pytest.mark.parametrize("name", RULES)
every_setting = pytest.mark.parametrize("setting", SETTINGS)


def told(name, setting):
    """The hyperparameters of a rule under a setting."""
    changed = {k: v for k, v in SETTINGS[setting].items() if k in RULES[name][3]}
    return {**RULES[name][3], **changed}


def problem(steps=10, shape=(4, 3), seed=0):
    """A start, and gradients of sizes from 0.01 to 10, a fifth of them 0."""
    rng = np.random.default_rng(seed)
    grads = rng.normal(size=(steps, *shape)) * 10 ** rng.uniform(-2, 1, (steps, *shape))
    return rng.normal(size=shape), grads * (rng.uniform(size=grads.shape) > 0.2)


def state(name, w):
    scalars = [ops.ones((), "float64")] if name == "nadam" else []
    return [ops.zeros_like(w)] * RULES[name][1] + scalars


def walk(name, start, grads, at=lambda t: {}, **k):
    """The path of a rule in float64; `at(t)` gives hyperparameters for that step."""
    rule, k = RULES[name][0], {**RULES[name][3], **k}
    w, t = (ops.convert_to_tensor(np.array(x, "float64")) for x in (start, 1))
    grads = ops.convert_to_tensor(np.array(grads, "float64"))
    now = (w, t, *state(name, w))

    def step(now, g, **changed):
        w, t, *slots = now
        delta, *slots = rule(g, w, t, *slots, **{**k, **changed})
        now = (w - delta, t + 1, *slots)
        return now, now

    if len(grads) > 50:
        return array(compiled(lambda *given: ops.scan(step, *given)[1][0])(now, grads))
    path = []
    for n in range(len(grads)):
        now, _ = step(now, grads[n], **at(n + 1))
        path.append(array(now[0]))
    return np.array(path)


@pytest.mark.equation(
    "eq-optimizers-adam",
    "eq-optimizers-amsgrad",
    "eq-optimizers-adamax",
    "eq-optimizers-nadam",
    "eq-optimizers-nadam-momentum",
    "eq-optimizers-adamw",
    "eq-optimizers-lion",
    "eq-optimizers-muon",
)
@every_rule
@every_setting
def test_every_rule_walks_the_path_of_its_paper(name, setting):
    start, grads = problem(1000 if setting == "defaults" else 10)
    k = told(name, setting)
    expected = RULES[name][2](start, grads, **k)
    # float64 against float64: a share of 1e-9 of one step of a thousand would show.
    atol = 1e-9 * k["learning_rate"]
    np.testing.assert_allclose(
        walk(name, start, grads, **k), expected, rtol=1e-12, atol=atol
    )


# Classes ------------------------------------------------------------------------------

MADE_BY = {"adam": Adam, "adamw": AdamW, "adamax": Adamax, "nadam": Nadam, "lion": Lion}


def optimizer(name, **k):
    """The class of a rule, with the rule's hyperparameters."""
    if name == "amsgrad":
        return Adam(amsgrad=True, **k)
    if name == "muon":
        k["ns_steps"], (a, b, c) = k.pop("steps"), k.pop("coefficients")
        return Muon(muon_a=a, muon_b=b, muon_c=c, weight_decay=None, **k)
    return MADE_BY[name](**k)


def train(made, start, grads, dtype="float64"):
    """The path of an optimizer."""
    w, path = keras.Variable(start, dtype=dtype, name="kernel"), []
    for g in grads:
        made.apply([ops.convert_to_tensor(g, dtype)], [w])
        path.append(array(w))
    return np.array(path)


# A class counts t in float32: 1 − βᵗ has a relative error of 1e-7, and so has a step.
STEP = 1e-6


@every_rule
@every_setting
def test_every_class_walks_the_path_of_its_rule(name, setting):
    k = told(name, setting)
    start, grads = problem()
    expected = RULES[name][2](start, grads, **k)
    path = train(optimizer(name, **k), start, grads)
    # Keras takes the decay itself, in PyTorch with the rate in float32.
    rtol = 1e-6 if name == "adamw" else 1e-9
    np.testing.assert_allclose(path, expected, rtol, STEP * k["learning_rate"])


@every_rule
def test_every_class_walks_it_in_float32(name):
    k = dict(RULES[name][3], learning_rate=1e-2)
    start, grads = (x.astype("float32") for x in problem(20))
    path = train(optimizer(name, **k), start, grads, "float32")
    # Twenty roundings of w, of 6e-8 of itself each; a hundredth of a step would show.
    expected = RULES[name][2](start, grads, **k)
    np.testing.assert_allclose(path, expected, rtol=3e-6, atol=1e-5)


def test_these_checks_see_what_a_wide_tolerance_does_not():
    """AMSGrad off, β₂ = 0.9, a missing last step: each a thousand tolerances away."""
    start, grads = problem()
    right = oracles.amsgrad(start, grads, **ADAM)
    wrong = {
        "AMSGrad off": oracles.adam(start, grads, **ADAM),
        "beta_2 0.9": oracles.amsgrad(start, grads, **{**ADAM, "beta_2": 0.9}),
        "last step": np.concatenate([right[:-1], right[-2:-1]]),
    }
    for path in wrong.values():
        assert abs(path - right).max() > 1e3 * STEP * ADAM["learning_rate"]


EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2**-7}


@every_rule
@pytest.mark.parametrize("dtype", EPS)
def test_every_rule_keeps_the_dtype(name, dtype):
    rule, _, oracle, k = RULES[name]
    start, grads = problem(1)
    g = np.sign(grads[0]) * (0.5 + abs(start))  # none whose square float16 cannot hold
    w, g = (ops.cast(ops.convert_to_tensor(x), dtype) for x in (start, g))
    delta, *slots = rule(g, w, ops.cast(1, "float32"), *state(name, w), **k)
    shaped = [delta, *slots[: RULES[name][1]]]
    assert {keras.backend.standardize_dtype(x.dtype) for x in shaped} == {dtype}
    expected = array(w) - oracle(array(w), [array(g)], **k)[0]
    # A dozen roundings, and in bfloat16 the products that Muon's matrices sum.
    np.testing.assert_allclose(array(delta), expected, rtol=12 * EPS[dtype], atol=1e-6)


@every_rule
def test_every_rule_is_the_same_compiled(name):
    rule, _, _, k = RULES[name]
    w, (g,) = problem(1)
    w, g, t = (ops.convert_to_tensor(x, "float64") for x in (w, g, 3.0))
    slots = [x + 0.5 for x in state(name, w)]
    run = compiled(lambda *tensors: rule(*tensors, **k), xla=True)
    for one, other in zip(
        run(g, w, t, *slots), rule(g, w, t, *slots, **k), strict=True
    ):
        np.testing.assert_allclose(array(one), array(other), rtol=1e-10)


@every_rule
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_no_finite_gradient_gives_nan(name, dtype):
    start, grads = problem(9)
    grads[:, 0] = 0.0
    grads[:, 1] = 1e4
    grads[:, 2] *= 1e-30
    grads[:, 3] = np.where(np.arange(9) == 1, -1e4, 1e-4)[:, None]
    path = train(optimizer(name, **RULES[name][3]), start, grads, dtype)
    assert np.isfinite(path).all()


@every_rule
def test_nan_passes_through_and_stays_where_it_is(name):
    start, grads = problem()
    grads[3, 1, 1] = np.nan
    end = train(optimizer(name, **RULES[name][3]), start, grads)[-1]
    reached = np.full(start.shape, name == "muon")
    reached[1, 1] = True
    np.testing.assert_array_equal(np.isnan(end), reached)


# Keras' twins -------------------------------------------------------------------------


@pytest.mark.parametrize("setting", list(SETTINGS)[:3])
@pytest.mark.parametrize("name", ["adamax", "nadam", "lion"])
def test_where_the_conventions_agree_the_path_is_that_of_keras(name, setting):
    k = told(name, setting)
    start, grads = problem()
    k.pop("momentum_decay", None)
    theirs = getattr(keras.optimizers, MADE_BY[name].__name__)(**k)
    np.testing.assert_allclose(
        train(MADE_BY[name](**k), start, grads),
        train(theirs, start, grads),
        rtol=1e-9,
        atol=STEP * k["learning_rate"],
    )


FORMS = {
    "adam": (keras.optimizers.Adam, {}),
    "amsgrad": (keras.optimizers.Adam, dict(amsgrad=True)),
    "adamw": (keras.optimizers.AdamW, {}),
}


# Numbers that float32 holds exactly: Keras reads its arguments in it, in float64, too.
EXACT = dict(learning_rate=0.125, beta_1=0.875, beta_2=0.9375, epsilon=0.5)


@pytest.mark.convention("Where Adam adds ε")
@pytest.mark.parametrize("name", FORMS)
def test_keras_adds_epsilon_before_the_bias_is_undone(name):
    start, grads = problem(12)
    cls, more = FORMS[name]
    k = {**RULES[name][3], **EXACT}
    theirs = train(cls(**k, **more), start, grads)
    ours = walk(name, start, grads, **k)
    if name == "adam":  # it is the paper's other form, before its section 2.1
        hat = oracles.adam(start, grads, hat=True, **k)
        np.testing.assert_allclose(theirs, hat, rtol=1e-12)

    def root(t):
        return math.sqrt(1 - k["beta_2"] ** t)

    assert abs(theirs - ours).max() > 0.1
    # Their ε is ours over √(1 − β₂ᵗ), step by step ...
    at = walk(name, start, grads, at=lambda t: {"epsilon": 0.5 / root(t)}, **k)
    np.testing.assert_allclose(at, theirs, rtol=1e-11)
    # ... and ours is theirs times it. The gap closes as t grows.
    theirs, path = cls(**k, **more), []
    w = keras.Variable(start, dtype="float64")
    for t, g in enumerate(grads, start=1):
        theirs.epsilon = 0.5 * root(t)
        theirs.apply([ops.convert_to_tensor(g)], [w])
        path.append(array(w))
    np.testing.assert_allclose(path, ours, rtol=1e-11)
    # With the default β₂ the factor is 32 at the first step, and 1 in the end.
    assert 1 / math.sqrt(1 - 0.999) == pytest.approx(31.6, abs=0.1)
    assert 1 / math.sqrt(1 - 0.999**10_000) == pytest.approx(1, abs=1e-4)


@pytest.mark.tensorflow
@pytest.mark.convention("Where Adam adds ε")
def test_tensorflow_1_adds_epsilon_where_keras_does():
    import tensorflow as tf

    start, grads = problem()
    w, path = tf.Variable(start), []
    theirs = tf.compat.v1.train.AdamOptimizer(*EXACT.values())
    for g in grads:
        theirs.apply_gradients([(tf.constant(g), w)])
        path.append(w.numpy())
    expected = oracles.adam(start, grads, hat=True, **EXACT)
    np.testing.assert_allclose(path, expected, rtol=1e-7)  # its βᵗ are in float32


@pytest.mark.convention("Default ε of Adam and its kin")
def test_the_default_epsilon_is_that_of_keras_and_too_small_for_float16():
    for cls in (Adam, AdamW, Adamax, Nadam):
        twin = getattr(keras.optimizers, cls.__name__)
        assert cls().epsilon == twin().epsilon == 1e-7
    # The papers' 1e-8 is 0 in float16, where 1e-7 still is a number.
    assert np.float16(1e-8) == 0 < np.float16(1e-7)


@pytest.mark.convention("Precision of 1 − βᵗ")
def test_the_bias_correction_is_exact_in_every_precision():
    for beta in (0.0, 0.5, 0.9, 0.999, 0.9999, 0.999999):
        for t in (1, 2, 10, 1000, 100_000):
            exact = -math.expm1(t * math.log(beta)) if beta else 1.0
            found = float(one_minus_power(beta, ops.cast(t, "float32")))
            assert found == pytest.approx(exact, rel=3e-7), (beta, t)
    k = dict(learning_rate=1.0, beta_2=0.9999, epsilon=1e-30)
    ours, theirs = Adam(**k), keras.optimizers.Adam(**k)
    zero, g = np.zeros((1, 1)), np.ones((1, 1, 1))
    assert -train(ours, zero, g, "float32") == pytest.approx(1, rel=1e-6)
    # The float32 nearest to 0.9999 is 1.7e-8 away from it, a share of 1.7e-4 of 1e-4.
    first = -train(theirs, zero, g, "float32").item()
    short = (1 - float(np.float32(0.9999))) / (1 - 0.9999)
    assert first == pytest.approx(math.sqrt(short), rel=2e-6) != pytest.approx(1, 5e-5)
    # The bfloat16 nearest to 0.999 is 1, so there Keras' Adam stands still.
    assert train(keras.optimizers.Adam(0.5), zero, g, "bfloat16") == 0
    assert train(Adam(0.5), zero, g, "bfloat16") == pytest.approx(-0.5, rel=2e-2)


# Adam ---------------------------------------------------------------------------------


def test_rmsprop_with_its_bias_undone_is_adam_without_a_mean():
    start, grads = problem()
    k = dict(learning_rate=0.1, beta_2=0.9, epsilon=0.01)
    w, v, path = start, np.zeros_like(start), []
    for t, g in enumerate(grads, start=1):
        v = 0.9 * v + 0.1 * g**2
        w = w - 0.1 * g / (np.sqrt(v / (1 - 0.9**t)) + 0.01)
        path.append(w)
    np.testing.assert_allclose(walk("adam", start, grads, beta_1=0.0, **k), path)


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamax", "nadam", "lion", "muon"])
def test_the_path_does_not_know_the_scale_of_the_loss(name):
    start, grads = problem()
    k = dict(RULES[name][3], learning_rate=0.1)
    scaled = {**k, "epsilon": 1e6 * k["epsilon"]} if "epsilon" in k else k
    np.testing.assert_allclose(
        walk(name, start, 1e6 * grads, **scaled),
        walk(name, start, grads, **k),
        rtol=1e-6 if name == "muon" else 1e-10,  # which adds 1e-7 to a norm
    )


def test_a_float16_weight_needs_a_large_epsilon():
    """`v` cannot hold the square of a small gradient; float32 has room for 1e-18."""
    g, start = np.full((1, 1, 1), 0.005), np.zeros((1, 1))
    for dtype, k, length in (
        ("float32", {}, 1.0),
        ("float16", {}, 40_000),
        ("float16", dict(epsilon=1e-3), 5.0),
    ):
        step = -train(Adam(1e-3, **k), start, g, dtype).item() / 1e-3
        assert step == pytest.approx(length, rel=0.1), (dtype, k)


@pytest.mark.parametrize("name", ["adam", "adamax"])
def test_under_a_constant_gradient_every_step_has_length_alpha(name):
    g = np.full((200, 1), -3.0)
    path = walk(name, np.zeros(1), g, learning_rate=0.1, epsilon=1e-12)
    np.testing.assert_allclose(path[:, 0], 0.1 * np.arange(1, 201), rtol=1e-10)


def bugs_of_adam(g, m, v, t, learning_rate, beta_1, beta_2, epsilon):
    """m̂, v̂, and the steps that are found in print."""
    m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
    wrong_hat = (1 - beta_2**t) * epsilon  # for √(1 − β₂ᵗ)·ε
    alpha_t = learning_rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    once, twice = m / (1 - beta_1), np.sqrt(v / (1 - beta_2))
    return {
        "no hat on v": learning_rate * m_hat / (np.sqrt(v) + epsilon),
        "no root": learning_rate * m_hat / (v_hat + epsilon),
        "t stands still": learning_rate * once / (twice + epsilon),
        "wrong epsilon hat": alpha_t * m / (np.sqrt(v) + wrong_hat),
        "divides, then adds": learning_rate * (m_hat / np.sqrt(v_hat) + epsilon),
    }


@pytest.mark.parametrize("bug", bugs_of_adam(1.0, 1.0, 1.0, 1, 1.0, 0.5, 0.5, 1.0))
def test_adam_is_unlike_the_common_bugs(bug):
    start, grads = problem()
    grads[grads == 0] = 1.0  # one of the bugs divides by 0
    k = dict(learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=0.01)
    w, m, v, path = start, 0 * start, 0 * start, []
    for t, g in enumerate(grads, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - bugs_of_adam(g, m, v, t, **k)[bug]
        path.append(w)
    right = oracles.adam(start, grads, **k)
    np.testing.assert_allclose(walk("adam", start, grads, **k), right, rtol=1e-12)
    assert abs(path - right).max() > 0.005  # a twentieth of a step


def test_how_far_the_bugs_lead():
    """Under a constant gradient an Adam whose t stays 1 is too fast, then too slow."""
    for t, factor in {10: 2.06, 2000: 0.34}.items():
        m, v = 1 - 0.9**t, 1 - 0.999**t
        step = bugs_of_adam(1.0, m, v, t, 1.0, 0.9, 0.999, 1e-12)["t stands still"]
        assert step == pytest.approx(factor, abs=0.005)
    # The wrong ε hat makes the first step 75 % longer where |g| is 1.26 times ε.
    g = 0.0126
    m, v = 0.1 * g, 0.001 * g**2
    wrong = bugs_of_adam(g, m, v, 1, 1.0, 0.9, 0.999, 0.01)["wrong epsilon hat"]
    assert wrong / (g / (g + 0.01)) == pytest.approx(1.75, abs=0.005)


# AMSGrad ------------------------------------------------------------------------------


@pytest.mark.convention("AMSGrad takes the largest")
def test_amsgrad_corrects_the_largest_v_and_the_paper_nothing():
    start, grads = problem(12)
    grads[grads == 0] = 1e-3  # the paper has no ε
    k = dict(EXACT, epsilon=1e-300)

    def rate(t):
        return {"learning_rate": 0.125 * (1 - 0.875**t) / math.sqrt(1 - 0.9375**t)}

    paper = oracles.amsgrad(start, grads, form="paper", **k)
    plain = walk("amsgrad", start, grads, **k)
    np.testing.assert_allclose(
        walk("amsgrad", start, grads, at=rate, **k), paper, rtol=1e-11
    )
    np.testing.assert_allclose(
        train(keras.optimizers.Adam(amsgrad=True, **k), start, grads), plain, rtol=1e-10
    )
    assert abs(plain - paper).max() > 0.1


def test_amsgrad_never_forgets_a_spike_and_its_correction_does():
    v_max, k = [], {**ADAM, "beta_2": 0.9}
    zero = ops.zeros((1,), "float64")
    slots = [zero] * 3
    for t, g in enumerate([100.0] + 40 * [1.0], start=1):
        _, *slots = amsgrad_update(zero + g, *slots, ops.cast(t, "float64"), **k)
        v_max.append(float(slots[2][0]))
    assert v_max == [v_max[0]] * 41 and v_max[0] == pytest.approx(0.1 * 100**2)
    # v_max / (1 − β₂ᵗ) starts at g² and shrinks; the largest v̂ would stay there.
    assert v_max[0] / (1 - 0.9) == pytest.approx(100**2)
    assert float(array(slots[1])[0]) < 0.2 * v_max[0]


# AdaMax -------------------------------------------------------------------------------


def test_the_size_of_adamax_is_the_largest_faded_gradient():
    _, grads = problem(20, shape=(6,))
    u, m = ops.zeros((6,), "float64"), ops.zeros((6,), "float64")
    for t, g in enumerate(grads, start=1):
        g = ops.convert_to_tensor(g)
        _, m, u = adamax_update(
            g, m, u, ops.cast(t, "float64"), **{**ADAM, "beta_2": 0.8}
        )
    faded = 0.8 ** np.arange(20)[::-1, None] * abs(grads)
    np.testing.assert_allclose(array(u), faded.max(0), rtol=1e-13)
    # The limit of Adam's √v for ever higher powers than the square; here the 200th.
    power = ((1 - 0.8**200) * (faded**200.0).sum(0)) ** (1 / 200)
    np.testing.assert_allclose(array(u), power, rtol=0.02)


def test_adamax_is_unlike_the_common_bug():
    """√(s + ε) for s, with g for |g|: a root of a size, and negative sizes."""
    start, grads = problem()
    k = dict(learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-7)
    w, m, s, path = start, 0 * start, 0 * start, []
    for t, g in enumerate(grads, start=1):
        m = 0.9 * m + 0.1 * g
        s = np.maximum(0.999 * s, g)
        w = w - 0.1 * m / (1 - 0.9**t) / np.sqrt(s + 1e-7)
        path.append(w)
    right = oracles.adamax(start, grads, **k)
    np.testing.assert_allclose(walk("adamax", start, grads, **k), right, rtol=1e-12)
    assert abs(path[0] - right[0]).max() > 10  # a hundred steps, at once


# Nadam --------------------------------------------------------------------------------


@pytest.mark.convention("Nadam's momentum at step t")
def test_keras_drops_the_0_004_from_the_schedule_of_nadam():
    start, grads = problem(12)
    k = dict(ADAM, learning_rate=0.1)
    theirs = train(keras.optimizers.Nadam(**k), start, grads)
    np.testing.assert_allclose(
        train(Nadam(**k, momentum_decay=1.0), start, grads),
        theirs,
        rtol=1e-6,
        atol=1e-6,
    )
    report = train(Nadam(**k, momentum_decay=0.004), start, grads)
    assert abs(report - theirs).max() > 0.05  # half a step
    for d, nearly in ((1.0, 100), (0.004, 25_000)):
        found = [
            float(nadam_momentum(t, beta_1=0.9, momentum_decay=d)) for t in (1, nearly)
        ]
        expected = oracles.momenta(nearly, 0.9, d)[[0, -1]]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        assert expected[0] < 0.49 and expected[1] > 0.99 * 0.9


@pytest.mark.convention("Nadam's averages")
def test_with_constant_momentum_nadam_is_dozats_but_for_the_root_of_beta_2():
    start, grads = problem()
    k = dict(learning_rate=0.1, beta_1=0.9, beta_2=0.9, epsilon=0.01)
    root, constant = math.sqrt(k["beta_2"]), 1e6  # 0.96 to that power is 0
    report = oracles.nadam(start, grads, momentum_decay=constant, report=True, **k)
    scaled = {**k, "learning_rate": 0.1 / root, "epsilon": 0.01 / root}
    np.testing.assert_allclose(
        walk("nadam", start, grads, momentum_decay=constant, **scaled),
        report,
        rtol=1e-11,
    )
    # With a schedule the report's mean is another one.
    ours = walk("nadam", start, grads, momentum_decay=1.0, **scaled)
    report = oracles.nadam(start, grads, momentum_decay=1.0, report=True, **k)
    assert abs(ours - report).max() > 0.01


def test_nadam_counts_its_product_once_a_step_for_all_weights():
    start, grads = problem()
    k = dict(ADAM, learning_rate=0.1)
    ours, path = Nadam(**k), []
    pair = [keras.Variable(start, dtype="float64") for _ in range(2)]
    for g in grads:
        ours.apply([ops.convert_to_tensor(g)] * 2, pair)
        path.append(array(pair[1]))
    right = oracles.nadam(start, grads, momentum_decay=1.0, **k)
    np.testing.assert_allclose(path, right, atol=1e-7)


@every_rule
def test_a_run_can_be_stopped_and_resumed(name):
    start, grads = problem()
    k = dict(RULES[name][3], learning_rate=0.1)
    whole = train(optimizer(name, **k), start, grads)
    first, second = optimizer(name, **k), optimizer(name, **k)
    half = train(first, start, grads[:5])[-1]
    w = keras.Variable(half, dtype="float64", name="kernel")
    second.build([w])
    second.set_weights([array(v) for v in first.variables])
    for g in grads[5:]:
        second.apply([ops.convert_to_tensor(g)], [w])
    np.testing.assert_allclose(array(w), whole[-1], rtol=1e-12)


def test_nadam_accumulates_gradients_as_keras_does():
    start, grads = problem()
    k = dict(ADAM, learning_rate=0.1, gradient_accumulation_steps=2)
    theirs = train(keras.optimizers.Nadam(**k), start, grads)
    np.testing.assert_allclose(train(Nadam(**k), start, grads), theirs, atol=1e-7)


# AdamW --------------------------------------------------------------------------------


@pytest.mark.convention("AdamW's decay in one step")
def test_the_decay_of_adamw_is_multiplied_by_the_rate_and_the_papers_is_not():
    start, grads = problem()
    adam = dict(beta_1=0.9, beta_2=0.999, epsilon=1e-7)
    ours = train(AdamW(0.1, weight_decay=0.5, **adam), start, grads)
    paper = oracles.adamw(start, grads, eta=1.0, alpha=0.1, decay=0.1 * 0.5, **adam)
    np.testing.assert_allclose(ours, paper, atol=1e-6)
    unconverted = oracles.adamw(start, grads, eta=1.0, alpha=0.1, decay=0.5, **adam)
    assert abs(ours - unconverted).max() > 0.1
    # TensorFlow 1: w ← w − λ·w, then Adam. A schedule on α does not reach the decay.
    halved = oracles.adamw(start, grads, eta=0.5, alpha=0.1, decay=0.05, **adam)
    ours = train(AdamW(0.05, weight_decay=0.5, **adam), start, grads)
    np.testing.assert_allclose(ours, halved, atol=1e-6)
    assert AdamW().weight_decay == keras.optimizers.AdamW().weight_decay == 0.004


def test_adamw_without_decay_is_adam():
    start, grads = problem()
    np.testing.assert_array_equal(
        train(AdamW(0.1, weight_decay=0.0), start, grads),
        train(Adam(0.1), start, grads),
    )
    np.testing.assert_array_equal(
        walk("adamw", start, grads, weight_decay=0.0), walk("adam", start, grads)
    )


def test_decay_in_the_gradient_is_not_decay_of_the_weight():
    """Adam divides a penalty's gradient by √v̂: it shrinks by α, whatever λ and w."""
    w = np.array([1.0, 100.0])
    _, at_once = oracles.adam(w, [0.01 * w] * 2, **dict(ADAM, learning_rate=0.1))
    np.testing.assert_allclose(w - at_once, [0.2, 0.2], rtol=1e-3)
    decayed = walk("adamw", w, [[0.0, 0.0]], learning_rate=0.1, weight_decay=0.01)[0]
    np.testing.assert_allclose(decayed, 0.999 * w, rtol=1e-12)


@pytest.mark.convention("What AdamW decays")
@pytest.mark.parametrize("cls", [AdamW, keras.optimizers.AdamW])
def test_biases_decay_unless_they_are_excluded(cls):
    for excluded, bias_after in ((None, 0.95), (["bias", "gamma"], 1.0)):
        made = cls(0.1, weight_decay=0.5)
        if excluded:
            made.exclude_from_weight_decay(var_names=excluded)
        ws = [keras.Variable(np.ones(2), name=n) for n in ("kernel", "bias", "gamma")]
        made.apply([ops.zeros(2)] * 3, ws)
        for w, after in zip(ws, (0.95, bias_after, bias_after), strict=True):
            np.testing.assert_allclose(array(w), after, rtol=1e-6)


# Lion ---------------------------------------------------------------------------------


def test_lion_without_memory_is_descent_by_the_sign():
    start, grads = problem()
    path = train(Lion(0.5, beta_1=0.0), start, grads)
    expected = start - 0.5 * np.sign(grads).cumsum(0)
    np.testing.assert_allclose(path, expected, rtol=1e-12)
    np.testing.assert_allclose(
        walk("lion", start, grads, learning_rate=0.5, beta_1=0.0), expected, rtol=1e-12
    )


def test_lion_steps_by_the_mean_before_it_is_renewed():
    g, m = (
        ops.convert_to_tensor(np.array([1.0])),
        ops.convert_to_tensor(np.array([-0.2])),
    )
    delta, renewed = lion_update(g, m, learning_rate=1.0, beta_1=0.9, beta_2=0.5)
    assert float(delta[0]) == -1.0  # 0.9 · (−0.2) + 0.1 · 1 < 0
    assert float(renewed[0]) == pytest.approx(0.4)
