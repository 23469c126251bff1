"""SGD, AdaGrad and RMSProp beside PyTorch's and Optax'; the rows of the conventions."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import pytest
import torch
from keras import ops

from dtlib.optimizers import SGD, Adagrad, RMSprop
from tests.engines import array

RATE = 0.0625


def problem(steps=10, seed=0):
    rng = np.random.default_rng(seed)
    start, grads = rng.normal(size=(3, 2)), rng.normal(size=(steps, 3, 2))
    return start, grads * (rng.uniform(size=grads.shape) < 0.75)


def ours(optimizer, start, grads, rates=None):
    w, path = keras.Variable(start, dtype="float64"), []
    for t, g in enumerate(grads):
        if rates:
            optimizer.learning_rate = rates[t]
        optimizer.apply([ops.convert_to_tensor(g, "float64")], [w])
        path.append(array(w))
    return np.array(path)


def pytorch(cls, start, grads, rates=None, **arguments):
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimizer, path = cls([w], lr=RATE, **arguments), []
    for t, g in enumerate(grads):
        if rates:
            optimizer.param_groups[0]["lr"] = rates[t]
        w.grad = torch.tensor(g, dtype=torch.float64)
        optimizer.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def optaxs(transform, start, grads):
    with jax.enable_x64(True):
        w, path = jnp.asarray(start, "float64"), []
        state = transform.init(w)
        for g in grads:
            updates, state = transform.update(jnp.asarray(g, "float64"), state, w)
            w = optax.apply_updates(w, updates)
            path.append(np.asarray(w))
        return np.array(path)


def same(one, other, rtol=1e-9):
    np.testing.assert_allclose(one, other, rtol=rtol, atol=1e-12)


SGDS = {
    "plain": (dict(), dict()),
    "momentum": (dict(momentum=0.75), dict(momentum=0.75)),
    "nesterov": (dict(momentum=0.75, nesterov=True),) * 2,
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", SGDS)
def test_sgd_is_theirs_at_a_constant_rate(name, seed):
    start, grads = problem(seed=seed)
    mine, theirs = SGDS[name]
    path = ours(SGD(RATE, **mine), start, grads)
    same(path, pytorch(torch.optim.SGD, start, grads, dampening=0, **theirs))
    same(path, optaxs(optax.sgd(RATE, **theirs), start, grads))


@pytest.mark.parametrize("first", [0.125, 4.0])
def test_adagrad_is_theirs_where_epsilon_is_part_of_the_first_sum(first):
    start, grads = problem()
    path = ours(Adagrad(RATE, first, 0.25), start, grads)
    arguments = dict(initial_accumulator_value=first + 0.25, eps=0)
    same(path, pytorch(torch.optim.Adagrad, start, grads, **arguments))
    same(path, optaxs(optax.adagrad(RATE, first, eps=0.25), start, grads))


RMS = {
    "plain": dict(),
    "momentum": dict(momentum=0.75),
    "centered": dict(centered=True),
    "both": dict(momentum=0.75, centered=True),
}


@pytest.mark.parametrize("rho", [0.9, 0.3])
@pytest.mark.parametrize("name", RMS)
def test_rmsprop_is_theirs(name, rho):
    start, grads = problem()
    epsilon = 0.125  # under the root, as in Optax
    path = ours(RMSprop(RATE, rho, epsilon=epsilon, **RMS[name]), start, grads)
    same(path, optaxs(optax.rmsprop(RATE, rho, epsilon, **RMS[name]), start, grads))
    # PyTorch adds it to the root: with next to none of it the two are one.
    grads = problem()[1] + 2.0  # no zeros, and v − m² well above 0 from step 2 on
    if not RMS[name].get("centered"):
        path = ours(RMSprop(RATE, rho, epsilon=1e-24, **RMS[name]), start, grads)
        theirs = dict(alpha=rho, eps=1e-24, **RMS[name])
        same(path, pytorch(torch.optim.RMSprop, start, grads, **theirs))


def test_centered_rmsprop_takes_the_same_mean_off_in_pytorch():
    start, grads = problem()
    path = ours(RMSprop(RATE, 0.5, 0.75, 1e-24, True), start, 1 + abs(grads))
    theirs = dict(alpha=0.5, momentum=0.75, eps=1e-24, centered=True)
    same(path, pytorch(torch.optim.RMSprop, start, 1 + abs(grads), **theirs))


# Conventions --------------------------------------------------------------------------


@pytest.mark.convention("Learning rate and the momentum buffer")
def test_keras_puts_the_rate_into_the_buffer_and_pytorch_multiplies_it_afterwards():
    start, grads = problem()
    rates = [RATE] * 4 + [RATE / 8] * 6
    path = ours(SGD(RATE, 0.75), start, grads, rates)
    sgd = dict(momentum=0.75)
    theirs = pytorch(torch.optim.SGD, start, grads, rates, **sgd)
    same(path[:4], theirs[:4])
    assert abs(path[4] - theirs[4]).max() > 0.01
    tf1, w, accumulator = [], start, 0.0
    for g, rate in zip(grads, rates, strict=True):  # MomentumOptimizer
        accumulator = 0.75 * accumulator + g
        w = w - rate * accumulator
        tf1.append(w)
    same(theirs, tf1)
    # When the rate becomes α′, PyTorch rescales the velocity it has by α′/α; Keras
    # lets it run on. A buffer multiplied by α/α′ at that moment undoes it.
    w = torch.tensor(start, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=RATE, **sgd)
    for t, g in enumerate(grads):
        if t == 4:
            optimizer.state[w]["momentum_buffer"] *= rates[3] / rates[4]
        optimizer.param_groups[0]["lr"] = rates[t]
        w.grad = torch.tensor(g)
        optimizer.step()
        same(path[t], w.detach().numpy())


@pytest.mark.convention("1 − β in the momentum buffer")
def test_a_buffer_that_is_a_mean_takes_steps_shorter_by_one_minus_beta():
    start, grads = problem()
    beta = 0.75
    # PyTorch's dampening, the mean of Optax' `ema`, and Adam's m: weight 1 − β. With
    # dampening PyTorch still takes the first gradient whole.
    mean, w, buffer = [], start, 0.0
    for g in grads:
        buffer = beta * buffer + (1 - beta) * g
        w = w - RATE / (1 - beta) * buffer
        mean.append(w)
    path = ours(SGD(RATE, beta), start, grads)
    same(path, mean)
    chain = optax.chain(optax.ema(beta, debias=False), optax.scale(-RATE / (1 - beta)))
    same(path, optaxs(chain, start, grads))
    grads[0] = 0  # the whole first gradient is then no matter
    damped = dict(momentum=beta, dampening=beta)
    theirs = pytorch(torch.optim.SGD, start, grads / (1 - beta), **damped)
    same(ours(SGD(RATE, beta), start, grads), theirs)


@pytest.mark.convention("First sum of AdaGrad")
def test_keras_starts_adagrads_sum_at_a_tenth_and_pytorch_at_zero():
    start, grads = problem()
    grads = np.where(grads == 0, 0.5, grads)
    theirs = pytorch(torch.optim.Adagrad, start, grads)
    path = ours(Adagrad(RATE), start, grads)
    # The first step: PyTorch's has length α; Keras' is α·|g|/√(0.1 + g²).
    same(abs(theirs[0] - start), np.full_like(start, RATE), rtol=1e-6)
    expected = RATE * abs(grads[0]) / np.sqrt(0.1 + grads[0] ** 2)
    same(abs(path[0] - start), expected, rtol=1e-6)
    matched = pytorch(torch.optim.Adagrad, start, grads, initial_accumulator_value=0.1)
    same(path, matched, rtol=1e-6)


@pytest.mark.convention("ε in AdaGrad")
def test_epsilon_of_adagrad_under_the_root_is_a_larger_first_sum():
    start, grads = problem()
    big = dict(initial_accumulator_value=0.25)
    path = ours(Adagrad(RATE, 0.25, 0.25), start, grads)
    theirs = pytorch(torch.optim.Adagrad, start, grads, eps=0.25, **big)
    assert abs(path - theirs).max() > 0.01
    moved = dict(initial_accumulator_value=0.25 + 0.25, eps=0)
    same(path, pytorch(torch.optim.Adagrad, start, grads, **moved))
    # Optax' stands under the root, too.
    same(path, optaxs(optax.adagrad(RATE, 0.25, eps=0.25), start, grads))


@pytest.mark.convention("ε in RMSProp")
def test_epsilon_of_rmsprop_under_the_root_counts_by_its_root():
    start = np.zeros((3, 2))
    for size, epsilon in [(1e-7, np.sqrt(1e-7)), (1e2, 0.0)]:
        # Far below √ε, ε under the root is √ε added to it; far above, neither counts.
        grads = np.full((10, 3, 2), size)
        path = ours(RMSprop(RATE, 0.75), start, grads)
        given = dict(alpha=0.75, eps=epsilon)
        same(path, pytorch(torch.optim.RMSprop, start, grads, **given), rtol=1e-3)
        if (
            epsilon
        ):  # the same number added to the root: steps up to 3,000 times as long
            given["eps"] = 1e-7
            theirs = pytorch(torch.optim.RMSprop, start, grads, **given)
            assert abs(theirs).max() > 500 * abs(path).max()


@pytest.mark.convention("Decay of RMSProp")
def test_rmsprop_forgets_ten_times_as_fast_in_keras_by_default():
    start, grads = problem()
    grads += 2.0
    path = ours(RMSprop(RATE), start, grads)
    theirs = pytorch(torch.optim.RMSprop, start, grads)
    # The first steps are α/√(1 − ρ): 3.2·α and 10·α.
    assert abs(path[0] - start).max() == pytest.approx(RATE / np.sqrt(0.1), rel=1e-5)
    assert abs(theirs[0] - start).max() == pytest.approx(RATE / np.sqrt(0.01), rel=1e-5)
    # The ε of either counts for 1e-7 of a step here.
    theirs = pytorch(torch.optim.RMSprop, start, grads, alpha=0.9)
    np.testing.assert_allclose(path, theirs, atol=1e-6)


@pytest.mark.convention("Clipping arguments of an optimizer")
def test_pytorch_clips_all_gradients_together_and_a_little_more():
    starts, grads = zip(*(problem(1, seed) for seed in (0, 1)), strict=True)
    grads = [g[0] for g in grads]
    weights = [torch.tensor(w, requires_grad=True) for w in starts]
    for w, g in zip(weights, grads, strict=True):
        w.grad = torch.tensor(g)
    norm = float(torch.nn.utils.clip_grad_norm_(weights, 0.5))
    steps = {}
    for argument in ("global_clipnorm", "clipnorm"):
        held = [keras.Variable(w, dtype="float64") for w in starts]
        SGD(1.0, **{argument: 0.5}).apply(
            [ops.convert_to_tensor(g) for g in grads], held
        )
        steps[argument] = [w - array(v) for w, v in zip(starts, held, strict=True)]
    for w, step in zip(weights, steps["global_clipnorm"], strict=True):
        same(step, w.grad.numpy() * (norm + 1e-6) / norm)
    assert [np.linalg.norm(s) for s in steps["clipnorm"]] == pytest.approx([0.5, 0.5])
