"""Regularizers: weight decay and pruning against PyTorch."""

import keras
import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from dtlib import regularizers
from dtlib.regularizers import L2
from tests.engines import array, gradient

CURVATURE = np.array([0.5, 2.0, 4.0])
START = np.array([1.0, -2.0, 3.0])


def by_torch(steps, **arguments):
    """Steps of SGD on ½·c·w² with PyTorch's `weight_decay`."""
    w = torch.tensor(START, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1, **arguments)
    for _ in range(steps):
        optimizer.zero_grad()
        (0.5 * torch.tensor(CURVATURE) * w**2).sum().backward()
        optimizer.step()
    return w.detach().numpy()


def by_keras(steps, optimizer, l2=0.0):
    """The same steps by Keras, with an ℓ2 penalty in the gradient."""
    w = keras.Variable(START, dtype="float64")
    for _ in range(steps):
        g = CURVATURE * array(w) + gradient(L2(l2), array(w))
        optimizer.apply([keras.ops.convert_to_tensor(g)], [w])
    return array(w)


def test_the_penalties_are_sums_of_pytorch():
    w = np.random.default_rng(0).normal(size=(6, 5))
    t = torch.tensor(w)
    l1, l2 = regularizers.l1_penalty(w, l1=0.3), regularizers.l2_penalty(w, l2=0.3)
    assert float(l1) == pytest.approx(0.3 * float(t.norm(p=1)), rel=1e-13)
    assert float(l2) == pytest.approx(0.3 * float(t.norm(p=2) ** 2), rel=1e-13)


@pytest.mark.convention("ℓ2 penalty of strength λ", "`weight_decay=λ` in SGD")
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_decay_of_pytorch_is_the_penalty_with_a_half_also_under_momentum(momentum):
    theirs = by_torch(10, momentum=momentum, weight_decay=0.2)

    def sgd(**decay):
        return keras.optimizers.SGD(0.1, momentum=momentum, **decay)

    np.testing.assert_allclose(by_keras(10, sgd(), l2=0.1), theirs, rtol=2e-6)
    # Keras' own `weight_decay` is the same only without momentum.
    decoupled = by_keras(10, sgd(weight_decay=0.2))
    difference = np.abs(decoupled - theirs).max()
    assert difference < 2e-6 if momentum == 0 else difference > 0.1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.77, 1.0])
def test_pruning_takes_as_many_weights_as_pytorch_and_the_same(share):
    w = np.random.default_rng(1).normal(size=(7, 5))
    layer = torch.nn.Linear(5, 7, dtype=torch.float64)
    layer.weight.data = torch.tensor(w)
    prune.l1_unstructured(layer, "weight", amount=share)
    ours = array(regularizers.prune_by_magnitude(w, sparsity=share))
    np.testing.assert_array_equal(ours, layer.weight.detach().numpy())


def test_global_pruning_is_that_of_pytorch():
    layers = [keras.Input((3,)), keras.layers.Dense(5), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    twins = [torch.nn.Linear(3, 5), torch.nn.Linear(5, 2)]
    kernels = [v for v in model.weights if v.name == "kernel"]
    for twin, kernel in zip(twins, kernels, strict=True):
        twin.weight.data = torch.tensor(array(kernel).T.copy())
    pairs = [(twin, "weight") for twin in twins]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.4)
    regularizers.prune_model(model, sparsity=0.4, scope="global")
    for twin, kernel in zip(twins, kernels, strict=True):
        assert np.array_equal(twin.weight.detach().numpy().T, array(kernel))
