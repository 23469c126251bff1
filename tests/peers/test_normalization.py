"""Normalization beside PyTorch's, TensorFlow's fused kernel, and several replicas."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers

from dtlib import normalization
from dtlib.normalization import BatchNormalization, LayerNormalization
from tests.engines import array

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

FEATURES = 5


def draws(*shape, seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, shape)


def torch_norm(momentum, epsilon, dims=1, features=FEATURES):
    cls = {1: torch.nn.BatchNorm1d, 2: torch.nn.BatchNorm2d}[dims]
    return cls(features, eps=epsilon, momentum=momentum, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(8, FEATURES), (4, FEATURES, 3, 2)], ids=str)
def test_ten_steps_of_batch_norm_are_those_of_pytorch_but_for_its_variance(shape):
    ours = BatchNormalization(axis=1, momentum=0.7, epsilon=0.05, dtype="float64")
    theirs = torch_norm(0.3, 0.05, dims=len(shape) // 2)
    gamma, beta = draws(FEATURES, seed=1), draws(FEATURES, seed=2)
    ours.build((None, *shape[1:]))
    ours.gamma.assign(gamma), ours.beta.assign(beta)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(gamma))
        theirs.bias.copy_(torch.tensor(beta))
    m = np.prod(shape) // FEATURES
    for step in range(10):
        x, dy = draws(*shape, seed=step), draws(*shape, seed=50 + step)
        leaf = torch.tensor(x, requires_grad=True)
        y = theirs(leaf)
        theirs.zero_grad()
        y.backward(torch.tensor(dy))
        np.testing.assert_allclose(
            array(ours(x, training=True)), y.detach(), rtol=1e-10, atol=1e-12
        )
        found = normalization.batch_norm_gradients(dy, x, gamma, axis=1, epsilon=0.05)
        expected = leaf.grad, theirs.weight.grad, theirs.bias.grad
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(array(one), other, rtol=1e-9, atol=1e-11)
    mean, variance = array(ours.moving_mean), array(ours.moving_variance)
    np.testing.assert_allclose(mean, theirs.running_mean, rtol=1e-10)
    # Both start at 1, the only part that is not scaled by m/(m − 1).
    start = 0.7**10
    unbiased = start + (variance - start) * m / (m - 1)
    np.testing.assert_allclose(unbiased, theirs.running_var, rtol=1e-10)
    theirs.eval()
    theirs.running_var.copy_(torch.tensor(variance))
    expected = theirs(torch.tensor(x)).detach()
    np.testing.assert_allclose(array(ours(x)), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("axis", [-1, [1, 2]], ids=str)
def test_layer_norm_forward_and_backward_is_that_of_pytorch(axis):
    x, dy = draws(4, 3, FEATURES), draws(4, 3, FEATURES, seed=9)
    shape = (FEATURES,) if axis == -1 else (3, FEATURES)
    gamma, beta = draws(*shape, seed=1), draws(*shape, seed=2)
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, gamma, beta)]
    y = torch.nn.functional.layer_norm(leaves[0], shape, *leaves[1:], eps=0.02)
    y.backward(torch.tensor(dy))
    where = dict(axis=axis, epsilon=0.02)
    np.testing.assert_allclose(
        array(normalization.layer_norm(x, gamma, beta, **where)), y.detach(), rtol=1e-10
    )
    found = normalization.layer_norm_gradients(dy, x, gamma, **where)
    for one, leaf in zip(found, leaves, strict=True):
        np.testing.assert_allclose(array(one), leaf.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.convention("Batch norm, `momentum`")
def test_momentum_weighs_the_old_value_here_and_the_new_one_in_pytorch():
    x = draws(64, FEATURES)
    layer = {m: layers.BatchNormalization(momentum=m) for m in (0.9, 0.1)}
    theirs = torch_norm(momentum=0.1, epsilon=1e-3)
    theirs(torch.tensor(x))
    for one in layer.values():
        one(x, training=True)
    reached = {m: array(one.moving_mean) for m, one in layer.items()}
    np.testing.assert_allclose(theirs.running_mean, reached[0.9], rtol=1e-5)
    np.testing.assert_allclose(theirs.running_mean * 9, reached[0.1], rtol=1e-5)
    assert layers.BatchNormalization().momentum == 0.99
    assert torch.nn.BatchNorm1d(1).momentum == 0.1  # 1 − 0.1 = 0.9, not 0.99


@pytest.mark.convention("Batch norm, running variance")
def test_the_running_variance_is_biased_in_keras_and_unbiased_in_pytorch():
    x = draws(8, FEATURES)
    theirs = torch_norm(momentum=1.0, epsilon=1e-3)
    theirs(torch.tensor(x))
    for module in (normalization, layers):
        layer = module.BatchNormalization(momentum=0.0)
        layer(x, training=True)
        ratio = theirs.running_var.numpy() / array(layer.moving_variance)
        np.testing.assert_allclose(ratio, 8 / 7, rtol=1e-5)
    # TensorFlow 1 used this kernel for images, and the plain formula for all else.
    image = x.reshape(2, 2, 2, FEATURES).astype("float32")
    ones = np.ones(FEATURES, "float32")
    kernel = tf.compat.v1.nn.fused_batch_norm
    _, _, variance = kernel(image, ones, 0 * ones, is_training=True)
    np.testing.assert_allclose(array(variance), x.var(0) * 8 / 7, rtol=1e-5)


@pytest.mark.convention("Layer norm, ε")
def test_the_epsilon_of_layer_norm_is_a_hundred_times_larger_than_in_pytorch():
    x = draws(6, 300, seed=3) * 0.01 / 3
    variance = x.var(1, keepdims=True)
    theirs = torch.nn.LayerNorm(300, dtype=torch.float64)
    y = {1e-5: theirs(torch.tensor(x)).detach().numpy()}
    for module in (normalization, layers):
        y[1e-3] = array(module.LayerNormalization(dtype="float64")(x))
        factor = np.sqrt((variance + 1e-3) / (variance + 1e-5))
        np.testing.assert_allclose(y[1e-5], y[1e-3] * factor, rtol=1e-6)
        assert factor.mean() == pytest.approx(3.16, rel=0.02)
    assert theirs.eps == 1e-5 and LayerNormalization().epsilon == 1e-3
    equal = LayerNormalization(epsilon=1e-5, dtype="float64")
    np.testing.assert_allclose(y[1e-5], array(equal(x)), rtol=1e-9)


@pytest.mark.convention("Batch norm, ε")
def test_the_epsilon_of_batch_norm_is_a_hundred_times_larger_than_in_pytorch():
    assert torch.nn.BatchNorm1d(1).eps == 1e-5
    assert layers.BatchNormalization().epsilon == BatchNormalization().epsilon == 1e-3


@pytest.mark.convention("Batch norm, frozen")
def test_frozen_in_pytorch_still_normalizes_by_the_batch_unless_it_is_told_to_eval():
    x = torch.tensor(draws(16, FEATURES))
    theirs = torch_norm(momentum=0.1, epsilon=1e-3)
    for parameter in theirs.parameters():
        parameter.requires_grad_(False)
    frozen = theirs(x)
    assert abs(frozen.mean(0)).max() < 1e-9  # by the batch
    assert (theirs.running_mean.abs() > 0.1).all()  # and the averages moved
    theirs.eval()
    before = theirs.running_mean.clone()
    layer = BatchNormalization(momentum=0.9, dtype="float64")
    layer.build((None, FEATURES))
    layer.moving_mean.assign(before.numpy())
    layer.moving_variance.assign(theirs.running_var.numpy())
    layer.trainable = False
    found = array(layer(x.numpy(), training=True))
    np.testing.assert_allclose(found, theirs(x), rtol=1e-9, atol=1e-12)
    assert torch.equal(theirs.running_mean, before)


# Two devices must be made before TensorFlow starts, so this needs a process of its own.
TWO_REPLICAS = """
import numpy as np, tensorflow as tf
from dtlib.normalization import BatchNormalization

cpu, = tf.config.list_physical_devices("CPU")
device = tf.config.LogicalDeviceConfiguration()
tf.config.set_logical_device_configuration(cpu, [device, device])
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = np.arange(12, dtype="float32").reshape(6, 2) ** 2 + 1000

def parts(array):  # four rows and two
    def part(context):
        first = context.replica_id_in_sync_group == 0
        return tf.constant(array[:4] if first else array[4:])

    return strategy.experimental_distribute_values_from_function(part)

for keep in (np.ones(6, bool), np.array([1, 1, 0, 1, 0, 1], bool)):
    with strategy.scope():
        layer = BatchNormalization(momentum=0.0, synchronized=True)
        layer.build((None, 2))
    masked = not keep.all()

    def call(x, mask):
        return layer(x, training=True, mask=mask if masked else None)

    strategy.run(call, (parts(x), parts(keep)))
    rows = x[keep]
    found = np.array(layer.moving_mean.value), np.array(layer.moving_variance.value)
    np.testing.assert_allclose(found, (rows.mean(0), rows.var(0)), rtol=1e-5)
"""


def test_synchronized_statistics_are_those_of_all_replicas():
    done = subprocess.run(
        [sys.executable, "-c", TWO_REPLICAS], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
