"""The adaptive optimizers against PyTorch and Optax, and where these two part."""

import inspect
import math

import jax
import numpy as np
import optax
import pytest
import torch

from tests import oracles_optimizers_adaptive as oracles
from tests.test_optimizers_adaptive import (
    ADAM,
    MUON,
    QUINTIC,
    RULES,
    SETTINGS,
    problem,
    walk,
)

NAMES = {"beta_1": "b1", "beta_2": "b2", "epsilon": "eps"}
three_settings = pytest.mark.parametrize("setting", list(SETTINGS)[:3])


def by_torch(cls, start, grads, **k):
    """PyTorch's path in float64; its names for ours."""
    betas = [k.pop(n) for n in ("beta_1", "beta_2") if n in k]
    k.update({"betas": tuple(betas)} if betas else {})
    k.update({"eps": k.pop("epsilon")} if "epsilon" in k else {})
    w = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    made, path = cls([w], lr=k.pop("learning_rate"), **k), []
    for g in grads:
        w.grad = torch.tensor(g)
        made.step()
        path.append(w.detach().numpy().copy())
    return np.array(path)


def by_optax(make, start, grads, **k):
    """Optax' path in float64; its names for ours."""
    made = make(**{NAMES.get(name, name): value for name, value in k.items()})
    path, step = [], jax.jit(made.update)
    with jax.enable_x64(True):
        w = jax.numpy.asarray(start)
        state = made.init(w)
        for g in grads:
            updates, state = step(jax.numpy.asarray(g), state, w)
            w = optax.apply_updates(w, updates)
            path.append(np.asarray(w))
    assert path[0].dtype == "float64"
    return np.array(path)


def told(name, setting, **more):
    changed = {k: v for k, v in SETTINGS[setting].items() if k in RULES[name][3]}
    return {**RULES[name][3], **changed, "epsilon": 0.01, **more}


TORCH = {
    "adam": (torch.optim.Adam, {}),
    "amsgrad": (torch.optim.Adam, {"amsgrad": True}),
    "adamw": (torch.optim.AdamW, {}),
}


@pytest.mark.convention("Where Adam adds ε", "AMSGrad takes the largest")
@three_settings
@pytest.mark.parametrize("name", TORCH)
def test_adam_amsgrad_and_adamw_walk_the_path_of_pytorch(name, setting):
    start, grads = problem()
    cls, more = TORCH[name]
    k = told(name, setting)
    np.testing.assert_allclose(
        walk(name, start, grads, **k), by_torch(cls, start, grads, **k, **more), 1e-11
    )


OPTAX = {"adam": optax.adam, "adamw": optax.adamw, "lion": optax.lion}


@three_settings
@pytest.mark.parametrize("name", OPTAX)
def test_adam_adamw_and_lion_walk_the_path_of_optax(name, setting):
    start, grads = problem()
    k = told(name, setting)
    more = {}
    if name == "lion":
        k.pop("epsilon")
        more = {"weight_decay": 0.0}
    theirs = by_optax(OPTAX[name], start, grads, **k, **more)
    np.testing.assert_allclose(walk(name, start, grads, **k), theirs, 1e-9, 1e-12)


@pytest.mark.convention("AMSGrad takes the largest")
def test_the_amsgrad_of_optax_takes_the_largest_corrected_v():
    start, grads = problem()
    k = dict(ADAM, learning_rate=0.1, epsilon=0.01)
    theirs = by_optax(optax.amsgrad, start, grads, **k)
    expected = oracles.amsgrad(start, grads, form="optax", **k)
    np.testing.assert_allclose(theirs, expected, 1e-9)
    ours = walk("amsgrad", start, grads, **k)
    assert abs(ours - theirs).max() > 0.1
    # After an early spike the two sizes differ by √((1 − β₂ᵗ)/(1 − β₂)).
    for t, factor in {2: 1.4, 10: 3.2}.items():
        assert math.sqrt((1 - 0.999**t) / (1 - 0.999)) == pytest.approx(
            factor, abs=0.05
        )
        spike = np.array([[1e3]] + (t - 1) * [[1e-6]])
        last = [
            np.diff(path[-2:, 0])[0]
            for path in (
                walk("amsgrad", np.zeros(1), spike, **dict(k, epsilon=1e-9)),
                by_optax(optax.amsgrad, np.zeros(1), spike, **dict(k, epsilon=1e-9)),
            )
        ]
        assert last[0] / last[1] == pytest.approx(
            math.sqrt((1 - 0.999**t) / 0.001), rel=1e-5
        )


@pytest.mark.convention("AdaMax's ε")
@pytest.mark.parametrize("library", ["torch", "optax"])
def test_adamax_adds_epsilon_to_u_and_the_others_to_each_gradient(library):
    """Their ε fades with the gradient that was the largest; ours stays."""
    grads = np.array([[2.0], [1.0], [-0.5], [1.0], [0.25], [3.0]])
    k = dict(learning_rate=0.1, beta_1=0.9, beta_2=0.8, epsilon=0.01)
    if library == "torch":
        theirs = by_torch(torch.optim.Adamax, np.zeros(1), grads, **k)
    else:
        theirs = by_optax(optax.adamax, np.zeros(1), grads, **k)
    ours = walk("adamax", np.zeros(1), grads, **k)
    assert abs(ours - theirs).max() > 1e-4
    age = [0, 1, 2, 3, 4, 0]  # steps since the gradient that u remembers: 2, then 3

    def faded(t):
        return {"epsilon": 0.01 * 0.8 ** age[t - 1]}

    walked = walk("adamax", np.zeros(1), grads, at=faded, **k)
    np.testing.assert_allclose(walked, theirs, 1e-10)


def test_adamax_with_decay_shrinks_before_it_steps_as_adamaxw_does():
    start, grads = problem()
    k = dict(ADAM, learning_rate=0.1, epsilon=1e-12, weight_decay=0.0)
    theirs = by_optax(optax.adamaxw, start, grads[grads.any((1, 2))], **k)
    k.pop("weight_decay")
    seen = abs(grads).cumsum(0) > 0  # before its first gradient u is ε or 0: no step
    ours = walk("adamax", start, grads, **k)
    np.testing.assert_allclose(ours[seen], theirs[seen], 1e-8)


@pytest.mark.convention("Nadam's momentum at step t", "Nadam's averages")
@three_settings
def test_nadam_walks_the_path_of_pytorch_with_its_momentum_decay(setting):
    start, grads = problem(40)
    k = told("nadam", setting, momentum_decay=0.004)
    theirs = by_torch(torch.optim.NAdam, start, grads, **k)
    # PyTorch keeps the product of the momenta in float32.
    atol = 1e-7 * k["learning_rate"]
    np.testing.assert_allclose(walk("nadam", start, grads, **k), theirs, 0, atol)
    default = inspect.signature(torch.optim.NAdam).parameters["momentum_decay"].default
    assert default == 0.004


@pytest.mark.convention("Nadam's momentum at step t")
def test_the_nadam_of_optax_has_a_constant_momentum():
    start, grads = problem()
    k = dict(ADAM, learning_rate=0.1, epsilon=0.01)
    constant = walk("nadam", start, grads, momentum_decay=1e6, **k)
    np.testing.assert_allclose(by_optax(optax.nadam, start, grads, **k), constant, 1e-9)
    theirs = by_optax(optax.nadamw, start, grads, weight_decay=0.0, **k)
    np.testing.assert_allclose(theirs, constant, 1e-9)
    assert abs(walk("nadam", start, grads, **k) - constant).max() > 0.05


@pytest.mark.convention(
    "Default ε of Adam and its kin", "AdamW's decay in one step", "Muon's weight decay"
)
def test_the_defaults_of_pytorch():
    def default(cls, name):
        return inspect.signature(getattr(torch.optim, cls)).parameters[name].default

    for cls in ("Adam", "AdamW", "Adamax", "NAdam"):
        assert default(cls, "eps") == 1e-8
    assert default("Adamax", "lr") == default("NAdam", "lr") == 2e-3
    assert default("AdamW", "weight_decay") == 0.01
    assert default("Muon", "weight_decay") == 0.1
    assert default("Muon", "adjust_lr_fn") is None


@pytest.mark.convention("What AdamW decays")
def test_pytorch_decays_every_parameter_of_a_group_biases_too():
    layer = torch.nn.Linear(2, 2)
    before = layer.bias.detach().clone()
    made = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=0.5)
    for p in layer.parameters():
        p.grad = torch.zeros_like(p)
    made.step()
    torch.testing.assert_close(layer.bias.detach(), 0.95 * before)


@pytest.mark.convention("Precision of 1 − βᵗ")
def test_pytorch_corrects_the_bias_in_double_precision_for_every_dtype():
    for kind in (torch.float32, torch.bfloat16, torch.float16):
        w = torch.zeros(1, dtype=kind, requires_grad=True)
        w.grad = torch.ones_like(w)
        torch.optim.Adam([w], lr=0.5, betas=(0.9, 0.9999), foreach=False).step()
        assert w.item() == pytest.approx(-0.5, rel=2e-2)


# Muon ---------------------------------------------------------------------------------

SHAPES = pytest.mark.parametrize("shape", [(5, 8), (8, 5)], ids=str)


@pytest.mark.convention("Muon's momentum", "Muon's scale for an n × k kernel")
@SHAPES
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_walks_the_path_of_pytorch_which_iterates_in_bfloat16(shape, nesterov):
    start, grads = problem(10, shape)
    k = dict(learning_rate=0.1, momentum=0.9, nesterov=nesterov)
    ours = walk("muon", start, 1e3 * grads, **{**MUON, **k})

    def theirs():
        more = dict(adjust_lr_fn="match_rms_adamw", weight_decay=0.0)
        return by_torch(torch.optim.Muon, start, 1e3 * grads, **k, **more)

    # 8 bits of precision, five iterations: a few hundredths of each of ten steps.
    np.testing.assert_allclose(ours, theirs(), rtol=0, atol=0.03)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
        np.testing.assert_allclose(ours, theirs(), 1e-7, 1e-9)  # 1e-7 beside a norm


@pytest.mark.convention("Muon's scale for an n × k kernel")
@SHAPES
def test_the_original_scale_is_the_root_of_outputs_over_inputs(shape):
    start, grads = problem(1, shape)
    grads = 1e3 * grads
    k = dict(learning_rate=0.1, momentum=0.9, nesterov=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
        theirs = by_torch(torch.optim.Muon, start, grads, weight_decay=0.0, **k)
    bare = walk("muon", start, grads, **{**MUON, **k, "rms_rate": None}) - start
    rows, columns = shape  # out, in: PyTorch's kernels are the other way round
    scale = math.sqrt(max(1, rows / columns))
    np.testing.assert_allclose(theirs - start, scale * bare, 1e-6)
    # Keras' 0.2·√max(n, k) is 0.2·√inputs times as much where it widens or narrows.
    ours = walk("muon", start, grads, **{**MUON, **k}) - start
    factor = 0.2 * math.sqrt(max(shape)) / scale
    np.testing.assert_allclose(ours, factor * (theirs - start), 1e-6)
    assert factor == pytest.approx(0.2 * math.sqrt(columns))


@pytest.mark.convention("Muon's momentum")
@SHAPES
def test_muon_walks_the_path_of_optax_but_for_its_look_ahead(shape):
    start, grads = problem(10, shape)
    k = dict(learning_rate=0.1, nesterov=False)
    theirs = dict(beta=0.9, consistent_rms=0.2, ns_coeffs=QUINTIC)
    path = walk("muon", start, 1e3 * grads, **{**MUON, **k, "momentum": 0.9})
    found = by_optax(optax.contrib.muon, start, 1e3 * grads, **k, **theirs)
    np.testing.assert_allclose(path, found, 1e-7, 1e-8)
    # With the look-ahead Optax undoes a bias of each term, as Nadam does.
    k["nesterov"] = True
    path = walk("muon", start, 1e3 * grads, **{**MUON, **k, "momentum": 0.9})
    found = by_optax(optax.contrib.muon, start, 1e3 * grads, **k, **theirs)
    assert 1e-3 < abs(path - found).max() < 0.1
    m, corrected = 0 * start, []
    for t, g in enumerate(1e3 * grads, start=1):
        m = 0.9 * m + 0.1 * g
        corrected.append(0.9 * m / (1 - 0.9 ** (t + 1)) + 0.1 * g / (1 - 0.9**t))
    redone = walk("muon", start, corrected, **{**MUON, **k, "momentum": 0.0})
    np.testing.assert_allclose(redone, found, 1e-7, 1e-8)
