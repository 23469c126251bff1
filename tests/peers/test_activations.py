"""Activations against PyTorch: values, slopes, and where the conventions part."""

import math

import keras
import numpy as np
import pytest
import torch
from torch.nn import functional

from dtlib import activations
from tests import oracles_activations as oracles
from tests.engines import array, gradient

GRID = np.concatenate([np.arange(-8, 8.1, 0.125), [-40.0, -1e-3, 1e-3, 40.0]])

# name here, arguments, the same in PyTorch
TWINS = {
    "sigmoid": ("sigmoid", {}, torch.sigmoid),
    "tanh": ("tanh", {}, torch.tanh),
    "relu": ("relu", {}, functional.relu),
    "relu6": ("relu", dict(max_value=6.0), functional.relu6),
    "leaky": ("leaky_relu", dict(negative_slope=0.01), functional.leaky_relu),
    "steep": (
        "leaky_relu",
        dict(negative_slope=2.0),
        lambda x: functional.leaky_relu(x, 2.0),
    ),
    "elu": ("elu", dict(alpha=0.5), lambda x: functional.elu(x, 0.5)),
    "selu": ("selu", {}, functional.selu),
    "softplus": ("softplus", {}, lambda x: functional.softplus(x, threshold=1e3)),
    "gelu": ("gelu", {}, functional.gelu),
    "gelu tanh": (
        "gelu",
        dict(approximate=True),
        lambda x: functional.gelu(x, approximate="tanh"),
    ),
    "silu": ("silu", {}, functional.silu),
    "mish": ("mish", {}, lambda x: x * torch.tanh(torch.log1p(torch.exp(x)))),
}


def of_torch(f, x):
    """Value and gradient of an elementwise f, in float64."""
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y = f(x)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("name, given, twin", TWINS.values(), ids=TWINS)
def test_value_and_slope_are_pytorchs_also_at_the_kink(name, given, twin):
    def ours(x):
        return getattr(activations, name)(x, **given)

    y, slope = of_torch(twin, GRID)
    np.testing.assert_allclose(array(ours(GRID)), y, rtol=1e-12, atol=1e-14)
    inside = GRID != given.get("max_value")  # there PyTorch takes 0, Keras and we 1
    np.testing.assert_allclose(
        gradient(ours, GRID)[inside], slope[inside], rtol=1e-11, atol=1e-13
    )


@pytest.mark.parametrize("axis", [-1, 0, 1])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_is_pytorchs(name, axis):
    rng = np.random.default_rng(0)
    x, weight = 3 * rng.normal(size=(2, 4, 3, 5))

    def ours(x):
        return getattr(activations, name)(x, axis) * weight

    y, slope = of_torch(
        lambda x: getattr(functional, name)(x, dim=axis) * torch.tensor(weight), x
    )
    np.testing.assert_allclose(array(ours(x)), y, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient(ours, x), slope, rtol=1e-10, atol=1e-13)


@pytest.mark.convention("Left slope of a leaky ReLU")
def test_pytorchs_leaky_slope_is_001():
    x = np.array([-1.0, 1.0])
    for theirs in (functional.leaky_relu, torch.nn.LeakyReLU()):
        np.testing.assert_allclose(of_torch(theirs, x)[0], [-0.01, 1])
    found = [array(f(x))[0] for f in (activations.leaky_relu, activations.LeakyReLU())]
    np.testing.assert_allclose(found, [-0.2, -0.3], rtol=1e-7)
    converted = activations.LeakyReLU(negative_slope=0.01)(x)
    np.testing.assert_allclose(array(converted), [-0.01, 1], rtol=1e-7)


@pytest.mark.convention("Slopes of PReLU")
def test_pytorchs_prelu_has_one_slope_from_a_quarter():
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype("float32")
    theirs = torch.nn.PReLU()
    mine = activations.PReLU()
    mine.build(x.shape)
    assert theirs.weight.tolist() == [0.25]
    assert tuple(mine.alpha.shape) == (4, 3) and not array(mine.alpha).any()
    quarter = keras.initializers.Constant(0.25)
    for home in (activations, keras.layers):
        converted = home.PReLU(quarter, shared_axes=[1, 2])
        y = theirs(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(array(converted(x)), y, rtol=1e-6)
        assert converted.count_params() == theirs.weight.numel() == 1
    # One slope each channel: PyTorch's channels are axis 1, Keras' the last.
    channels = activations.PReLU(quarter, shared_axes=[1])
    y = torch.nn.PReLU(3)(torch.tensor(x.transpose(0, 2, 1))).detach().numpy()
    np.testing.assert_allclose(array(channels(x)), y.transpose(0, 2, 1), rtol=1e-6)


@pytest.mark.convention("Slope of PReLU at x = 0")
def test_pytorchs_prelu_takes_the_left_slope_at_zero():
    alpha = torch.tensor([0.25], dtype=torch.float64)
    _, theirs = of_torch(lambda x: functional.prelu(x, alpha), np.zeros(1))
    assert theirs == gradient(lambda x: activations.prelu(x, 0.25), np.zeros(1)) == 0.25


@pytest.mark.convention("Slope of SELU at x = 0")
def test_pytorchs_selu_takes_the_left_slope_at_zero():
    _, theirs = of_torch(functional.selu, np.zeros(1))
    left = activations.SELU_SCALE * activations.SELU_ALPHA
    assert theirs == pytest.approx(left, rel=1e-12)


@pytest.mark.convention("RReLU at test")
def test_pytorchs_rrelu_has_our_range_and_our_mean_slope():
    x = np.array([-2.0, 1.0])
    y, _ = of_torch(torch.nn.RReLU().eval(), x)
    np.testing.assert_allclose(array(activations.RReLU()(x)), y, rtol=1e-6)
    papers = oracles.rrelu_at_test_of_the_paper(x, 3, 8)
    assert y[0] / papers[0] == pytest.approx(121 / 96)
    theirs = torch.nn.RReLU()
    assert (theirs.lower, theirs.upper) == (1 / 8, 1 / 3)
    torch.manual_seed(0)
    drawn = -theirs(-torch.ones(20_000)).numpy()
    ours = -array(activations.RReLU(seed=0)(-np.ones(20_000), training=True))
    # Means of 20,000 draws of standard deviation 0.06: four times 4e-4.
    assert drawn.mean() == pytest.approx(ours.mean(), abs=4 * 6e-4)
    assert drawn.std() == pytest.approx(ours.std(), rel=0.03)


@pytest.mark.convention("GELU")
def test_pytorchs_gelu_is_exact_by_default():
    exact, tanh = (of_torch(TWINS[k][2], GRID)[0] for k in ("gelu", "gelu tanh"))
    np.testing.assert_allclose(exact, oracles.gelu(GRID), rtol=1e-10, atol=1e-14)
    assert abs(exact - tanh).max() == pytest.approx(4.7e-4, rel=0.02)


@pytest.mark.convention("Softplus far to the right")
def test_pytorchs_softplus_is_the_identity_beyond_20():
    x = np.array([19.9, 20.1])
    theirs, slope = of_torch(functional.softplus, x)
    ours = array(activations.softplus(x))
    apart = ours - theirs
    assert apart[0] == pytest.approx(0, abs=1e-14)
    assert apart[1] == pytest.approx(math.log1p(math.exp(-20.1)), rel=1e-5)  # 1.9e-9
    assert slope[1] == 1
    converted, _ = of_torch(lambda x: functional.softplus(x, threshold=math.inf), x)
    np.testing.assert_allclose(converted, ours, rtol=1e-15)
