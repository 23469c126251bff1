"""Muon: against singular value decompositions, Keras' twin and what it must not see."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from dtlib.optimizers.muon import Muon, newton_schulz
from tests import oracles_optimizers_adaptive as oracles
from tests.engines import array
from tests.test_optimizers_adaptive import MUON, QUINTIC, problem, train, walk


def spectrum(*singular, shape=(6, 9), seed=3):
    """A matrix with these singular values, and the factors U, V of it."""
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.normal(size=(n, len(singular))))[0] for n in shape)
    return (u * singular) @ v.T, u, v


@pytest.mark.equation("eq-optimizers-newton-schulz")
@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (6, 6)], ids=str)
def test_newton_schulz_lifts_singular_values_and_turns_nothing(shape):
    g, u, v = spectrum(40.0, 3.0, 0.5, 0.1, shape=shape)
    for coefficients, steps in ((QUINTIC, 5), (QUINTIC, 1), ((1.5, -0.5, 0.0), 3)):
        x = array(newton_schulz(g, steps=steps, coefficients=coefficients))
        expected = oracles.orthogonalized(g, steps, coefficients)
        np.testing.assert_allclose(x, expected, atol=1e-12)
    x = array(newton_schulz(g, steps=40, coefficients=(1.5, -0.5, 0.0)))
    np.testing.assert_allclose(x, u @ v.T, atol=1e-11)  # the classic one converges


def test_five_steps_bring_singular_values_between_0_68_and_1_21():
    share = np.geomspace(0.00151, 1, 1_000_000)  # of the matrix' norm
    lifted = oracles.lifted(share, 5, QUINTIC)
    assert 0.68 < lifted.min() < 0.683 and 1.202 < lifted.max() < 1.21
    assert oracles.lifted(0.00149, 5, QUINTIC) < 0.68  # below, the band is left
    singular = np.geomspace(1, 0.002, 6)
    x = newton_schulz(spectrum(*singular)[0], steps=5, coefficients=QUINTIC)
    found = np.linalg.svd(array(x), compute_uv=False)
    assert 0.68 < found.min() and found.max() < 1.21


def test_newton_schulz_takes_stacks_zeros_and_half_precision():
    rng = np.random.default_rng(1)
    g = rng.normal(size=(2, 3, 5, 4))
    k = dict(steps=5, coefficients=QUINTIC)
    stack = array(newton_schulz(g, **k))
    np.testing.assert_allclose(stack[1, 2], array(newton_schulz(g[1, 2], **k)))
    assert (array(newton_schulz(np.zeros((3, 4)), **k)) == 0).all()
    half = ops.cast(ops.convert_to_tensor(np.full((300, 300), 6e4)), "float16")
    x = array(newton_schulz(half, **k))  # its norm, 2e7, is beyond float16
    np.testing.assert_allclose(x, oracles.lifted(1.0, 5, QUINTIC) / 300, rtol=2e-3)
    with pytest.raises(
        ValueError, match=r"`g` must have at least 2 axes.*shape=\(7,\)"
    ):
        newton_schulz(np.ones(7), **k)


def test_muon_does_not_know_the_axes():
    start, grads = problem()
    (q, _), (r, _) = (
        np.linalg.qr(np.random.default_rng(n).normal(size=(n, n))) for n in (4, 3)
    )
    turned = walk("muon", q @ start @ r, q @ grads @ r, learning_rate=0.1)
    straight = walk("muon", start, grads, learning_rate=0.1)
    np.testing.assert_allclose(turned, q @ straight @ r, atol=1e-12)


@pytest.mark.convention("Muon's scale for an n × k kernel")
@pytest.mark.parametrize("shape", [(4, 30), (30, 4), (12, 12)], ids=str)
def test_a_step_of_muon_has_the_size_of_a_step_of_adam(shape):
    _, (g,) = problem(1, shape)
    k = {**MUON, "learning_rate": 1.0, "coefficients": (1.5, -0.5, 0.0), "steps": 30}
    step = -walk("muon", 0 * g, [g], **k)[0]
    assert np.sqrt((step**2).mean()) == pytest.approx(0.2, rel=1e-9)
    bare = -walk("muon", 0 * g, [g], **{**k, "rms_rate": None})[0]
    np.testing.assert_allclose(step, 0.2 * math.sqrt(max(shape)) * bare, rtol=1e-12)


@pytest.mark.convention("Muon's momentum")
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_walks_the_path_of_keras_whose_momentum_is_a_sum(nesterov):
    start, grads = problem(20, (5, 8))
    k = dict(learning_rate=0.1, weight_decay=0.5, nesterov=nesterov)
    ours, theirs = Muon(**k), keras.optimizers.Muon(**k)
    paths = [train(made, start, 100 * grads, "float32") for made in (ours, theirs)]
    np.testing.assert_allclose(*paths, atol=2e-5)  # a step is 0.1
    mean, total = array(ours._m[0]), array(theirs.momentums[0])
    np.testing.assert_allclose(total * (1 - 0.95), mean, rtol=1e-4, atol=1e-4)


def layers():
    """An embedding, a hidden layer and a head, as Keras names their weights."""
    made = {
        "embedding": keras.layers.Embedding(7, 4, name="embedding"),
        "hidden": keras.layers.Dense(5, name="hidden"),
        "head": keras.layers.Dense(3, name="head"),
    }
    made["embedding"].build((None, 2))
    made["hidden"].build((None, 4))
    made["head"].build((None, 5))
    return {w.path: w for layer in made.values() for w in layer.trainable_variables}


@pytest.mark.convention("Muon's weight decay")
@pytest.mark.parametrize("cls", [Muon, keras.optimizers.Muon])
@pytest.mark.parametrize("embeddings", [True, False])
def test_muon_takes_the_matrices_that_nothing_excludes(cls, embeddings):
    made = cls(
        0.5,
        weight_decay=0.25,
        adam_weight_decay=0.125,
        exclude_layers=["^head"],
        exclude_embeddings=embeddings,
        adam_lr_ratio=0.01,
        epsilon=1e-12,
    )
    ws = layers()
    before = {path: array(w) for path, w in ws.items()}
    made.apply([ops.ones(w.shape) for w in ws.values()], list(ws.values()))
    by_muon = {"hidden/kernel"} | (set() if embeddings else {"embedding/embeddings"})
    for path, w in ws.items():
        decay = 0.25 if path in by_muon else 0.125
        step = before[path] * (1 - 0.5 * decay) - array(w)
        if path in by_muon:  # of a matrix of ones, all but the largest value is 0
            lifted = oracles.lifted(1.0, 5, QUINTIC) / math.sqrt(
                w.shape[0] * w.shape[1]
            )
            length = 0.5 * 0.2 * math.sqrt(max(w.shape)) * lifted
        else:
            length = 0.5 * 0.01
        np.testing.assert_allclose(step, length, rtol=1e-4, err_msg=path)
    default = cls()
    assert default.weight_decay == default.adam_weight_decay == 0.004


def test_muon_keeps_one_slot_for_a_matrix_and_decays_only_what_it_is_told_to():
    ws = list(layers().values())
    made = Muon(0.5, weight_decay=None, adam_weight_decay=None)
    made.exclude_from_weight_decay(var_names=["bias"])
    made.build(ws)
    sizes = sorted(math.prod(v.shape) for v in made.variables)
    # A rate, a step count and two place holders; hidden and head one slot, others two.
    assert sizes == sorted([1, 1, 1, 1, 20, 15, 28, 28, 5, 5, 3, 3])
    before = [array(w) for w in ws]
    made.apply([ops.zeros(w.shape) for w in ws])
    for w, old in zip(ws, before, strict=True):
        np.testing.assert_array_equal(array(w), old)
    made = Muon(0.5, weight_decay=0.5, adam_weight_decay=0.5)
    made.exclude_from_weight_decay(var_names=["bias"])
    for w in ws:
        w.assign(ops.ones(w.shape))
    made.apply([ops.zeros(w.shape) for w in ws], ws)
    for w in ws:
        np.testing.assert_allclose(array(w), 1.0 if "bias" in w.path else 0.75)
