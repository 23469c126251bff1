"""What the references of the exercises on normalization compute, by other means."""

import keras
import numpy as np
import pytest
from scipy import optimize

from dtlib.exercises import normalization  # noqa: F401  (fills the registry)
from dtlib.exercises._exercise import REGISTRY


def made(number):
    found = REGISTRY[f"normalization.{number}"]
    return found.reference, found.cases


def norm(gamma=1.0, beta=0.0, mean=0.0, variance=1.0, *, epsilon, units):
    """Keras' batch normalization of `units` features, with these weights."""
    layer = keras.layers.BatchNormalization(epsilon=epsilon, dtype="float64")
    layer.build((None, units))
    weights = (gamma, beta, mean, variance)
    layer.set_weights([np.broadcast_to(np.float64(w), units) for w in weights])
    return layer


def test_the_forward_pass_of_normalization_1_is_that_of_keras_in_training():
    reference, cases = made(1)
    for _, (x, gamma, beta, epsilon) in cases:
        layer = norm(gamma, beta, epsilon=epsilon, units=x.shape[1])
        expected = keras.ops.convert_to_numpy(layer(x, training=True))
        # The unbiased variance of six samples, a common mistake, shows a tenth.
        np.testing.assert_allclose(reference(x, gamma, beta, epsilon), expected, 1e-9)


def test_the_average_of_normalization_2_is_what_keras_layer_holds():
    reference, cases = made(2)
    for _, (values, momentum) in cases:
        layer = keras.layers.BatchNormalization(momentum=momentum, dtype="float64")
        for value in values:
            layer(np.full((2, 1), float(value)), training=True)
        held = float(layer.moving_mean[0])
        assert reference(values, momentum) == pytest.approx(held, rel=1e-5)
    assert reference(np.full(50, 5.0), 0.99) == pytest.approx(5 * (1 - 0.99**50))


def test_the_count_of_normalization_3_is_that_of_keras_layers():
    reference, cases = made(3)
    for _, (widths,) in cases:
        first, *hidden, last = (int(n) for n in widths)
        net = keras.Sequential([keras.Input((first,))])
        for n in hidden:
            net.add(keras.layers.Dense(n, use_bias=False))
            net.add(keras.layers.BatchNormalization())
        net.add(keras.layers.Dense(last))
        kinds = net.trainable_weights, net.non_trainable_weights
        expected = [sum(int(np.prod(w.shape)) for w in kind) for kind in kinds]
        assert list(reference(widths)) == expected


def test_the_gradient_of_normalization_4_is_the_slope_of_the_loss():
    reference, cases = made(4)
    for _, (dy, x, gamma, epsilon) in cases:

        def loss(flat, dy=dy, x=x, gamma=gamma, epsilon=epsilon):
            z = flat.reshape(x.shape)
            z = (z - z.mean(0)) / np.sqrt(z.var(0) + epsilon)
            return float((dy * gamma * z).sum())

        slope = optimize.approx_fprime(x.ravel(), loss, 1e-6).reshape(x.shape)
        ours = reference(dy, x, gamma, epsilon)
        # Forward differences are good to 1e-5 of the largest slope.
        np.testing.assert_allclose(ours, slope, atol=1e-4 * max(1, np.abs(slope).max()))


def test_the_layer_of_normalization_5_does_what_the_two_of_keras_do():
    reference, cases = made(5)
    for _, (kernel, bias, gamma, beta, mean, variance) in cases:
        x = np.random.default_rng(0).normal(size=(7, len(kernel)))
        # ε = 1e-12 stands for 0 and shows 1e-11.
        layer = norm(gamma, beta, mean, variance, epsilon=1e-12, units=len(bias))
        expected = keras.ops.convert_to_numpy(layer(x @ kernel + bias))
        w, b = reference(kernel, bias, gamma, beta, mean, variance)
        np.testing.assert_allclose(x @ w + b, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("m", [2, 5, 32])
def test_a_search_finds_the_x_hat_of_normalization_6_and_no_larger_one(m):
    start = np.random.default_rng(m).normal(size=m)
    found = optimize.minimize(lambda x: (x.mean() - x[0]) / (x.std() + 1e-9), start)
    assert made(6)[0](m) == pytest.approx(-found.fun, rel=1e-3)
