"""What the references of the exercises on activations compute, by other means."""

import keras
import numpy as np
import pytest
from scipy import integrate, optimize, stats

from dtlib import exercises  # noqa: F401  (fills the registry)
from dtlib.exercises._exercise import REGISTRY


def test_the_count_of_activations_1_is_that_of_keras_layers():
    count = REGISTRY["activations.1"].reference
    for _, (widths,) in REGISTRY["activations.1"].cases:
        first, *hidden, last = (int(n) for n in widths)
        net = keras.Sequential([keras.Input((first,))])
        for n in hidden:
            net.add(keras.layers.Dense(n))
            net.add(keras.layers.PReLU())
        net.add(keras.layers.Dense(last))
        assert count(widths) == net.count_params()
    assert count(np.array([784, 300, 100, 10])) == 235_500 + 300 + 30_100 + 100 + 1010


def test_the_tanh_of_activations_2_is_numpys():
    for _, (z,) in REGISTRY["activations.2"].cases:
        ours = REGISTRY["activations.2"].reference(z)
        # tanh(z/2), the common mistake, shows 0.2.
        np.testing.assert_allclose(ours, np.tanh(z), rtol=1e-12, atol=1e-15)


def test_the_slope_of_activations_3_is_that_of_elu():
    for _, (z, alpha) in REGISTRY["activations.3"].cases:
        z = z[z != 0]
        h = 1e-6

        def elu(z, alpha=alpha):
            return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))

        numeric = (elu(z + h) - elu(z - h)) / (2 * h)
        ours = REGISTRY["activations.3"].reference(z, alpha)
        # Central differences are good to 1e-9; a lost α shows 0.1.
        np.testing.assert_allclose(ours, numeric, atol=1e-7)


def test_a_unit_of_activations_4_is_dead_if_relu_passes_nothing_on():
    for _, (z,) in REGISTRY["activations.4"].cases:
        outputs = np.maximum(z, 0).reshape(-1, z.shape[-1])
        ours = REGISTRY["activations.4"].reference(z)
        np.testing.assert_array_equal(ours, [not column.any() for column in outputs.T])


def test_the_gradient_of_activations_5_is_the_slope_of_the_loss():
    for _, (z, g) in REGISTRY["activations.5"].cases:

        def loss(alpha, z=z, g=g):
            return float((g * np.where(z > 0, z, alpha * z)).sum())

        numeric = optimize.approx_fprime(np.full(z.shape[1], 0.25), loss, 1e-6)
        ours = REGISTRY["activations.5"].reference(z, g)
        # The loss is linear in α: only rounding is left. A mean over samples shows 2×.
        np.testing.assert_allclose(ours, numeric, atol=1e-6)


def test_the_constants_of_activations_6_by_adaptive_quadrature():
    for _, (h,) in REGISTRY["activations.6"].cases:
        alpha, scale = REGISTRY["activations.6"].reference(h)

        def moment(k, alpha=alpha, scale=scale, h=h):
            def f(z):
                bent = max(z, 0.0) + alpha * float(h(np.array(min(z, 0.0))))
                return (scale * bent) ** k * stats.norm.pdf(z)

            return integrate.quad(f, -12, 12, points=[0], epsabs=1e-10)[0]

        assert moment(1) == pytest.approx(0, abs=1e-6)
        assert moment(2) == pytest.approx(1, abs=1e-6)
    selu = REGISTRY["activations.6"].reference(np.expm1)
    assert selu == pytest.approx((1.6732632, 1.0507010), rel=1e-5)
