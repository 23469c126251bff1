"""Initializers: against PyTorch and JAX, and where the conventions part."""

import math

import jax
import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from scipy import stats

from dtlib import initializers
from tests.engines import array

IN, OUT = 300, 200  # inputs and outputs of a dense layer
# The variance of N draws strays by √(2/N) of itself; four of those.
SHARE = 4 * math.sqrt(2 / (IN * OUT))
CUT = initializers.TRUNCATED_STD


def drawn(fill, *shape, **given):
    """What a function of `torch.nn.init` leaves in a weight, in Keras' layout."""
    torch.manual_seed(0)
    w = torch.empty(*shape)
    fill(w, **given)
    return w.numpy().astype("float64").T


def same_law(one, other):
    """Whether two sets of draws may come from one distribution."""
    return stats.ks_2samp(np.ravel(one), np.ravel(other)).pvalue > 1e-3


INIT = torch.nn.init
JAX = jax.nn.initializers
# ours: the same in PyTorch (its fans are those of (out, in)), the same in JAX
TWINS = {
    "GlorotUniform": ((INIT.xavier_uniform_, {}), JAX.glorot_uniform()),
    "HeUniform": ((INIT.kaiming_uniform_, dict(nonlinearity="relu")), JAX.he_uniform()),
    "LecunUniform": (
        (INIT.kaiming_uniform_, dict(nonlinearity="linear")),
        JAX.lecun_uniform(),
    ),
    "GlorotNormal": (None, JAX.glorot_normal()),
    "HeNormal": (None, JAX.he_normal()),
    "LecunNormal": (None, JAX.lecun_normal()),
}


@pytest.mark.parametrize("name", TWINS)
def test_a_named_initializer_draws_from_the_law_of_its_peers(name):
    ours = array(getattr(initializers, name)(seed=1)((IN, OUT)))
    theirs, by_jax = TWINS[name]
    key = jax.random.PRNGKey(0)
    # 60,000 draws each: a variance that is off by 5 % has p < 1e-6.
    assert same_law(ours, by_jax(key, (IN, OUT), "float64"))
    if theirs is not None:
        assert same_law(ours, drawn(theirs[0], OUT, IN, **theirs[1]))


@pytest.mark.parametrize("mode", initializers.MODES)
@pytest.mark.parametrize("distribution", ["uniform", "truncated_normal", "normal"])
@pytest.mark.parametrize("shape", [(IN, OUT), (3, 3, 40, 60)], ids=str)
def test_variance_scaling_is_that_of_jax(shape, mode, distribution):
    kind = {"normal": "untruncated_normal"}.get(distribution, distribution)
    given = dict(scale=1.7, mode=mode, distribution=kind, seed=2)
    ours = array(initializers.VarianceScaling(**given)(shape))
    theirs = JAX.variance_scaling(1.7, mode, distribution)
    assert same_law(ours, theirs(jax.random.PRNGKey(1), shape, "float64"))


def test_orthogonal_matrices_are_uniform_as_in_both_peers():
    ours, theirs, by_jax = [], [], []
    torch.manual_seed(0)
    for seed in range(200):
        ours.append(array(initializers.Orthogonal(seed=seed)((3, 3)))[0, 0])
        theirs.append(float(INIT.orthogonal_(torch.empty(3, 3))[0, 0]))
        key = jax.random.PRNGKey(seed)
        by_jax.append(float(JAX.orthogonal()(key, (3, 3), "float64")[0, 0]))
    assert same_law(ours, theirs) and same_law(ours, by_jax)


@pytest.mark.parametrize("name", ["linear", "relu", "selu"])
def test_forward_gains_are_the_squares_of_pytorchs_where_those_are_derived(name):
    # PyTorch's 3/4 for SELU is a tradition; the gain that keeps its variance is 1.
    theirs = torch.nn.init.calculate_gain(name) ** 2
    expected = {"linear": 1, "relu": 2, "selu": 9 / 16}[name]
    assert theirs == pytest.approx(expected)
    ours = initializers.forward_gain(name)
    assert ours == pytest.approx(1 if name == "selu" else theirs, rel=1e-6)


def test_pytorchs_gain_of_tanh_is_no_fixed_point():
    theirs = torch.nn.init.calculate_gain("tanh") ** 2
    assert theirs == pytest.approx((5 / 3) ** 2)
    assert initializers.forward_gain("tanh") == pytest.approx(2.536, abs=1e-3)


# -- conventions --------------------------------------------------------------------


@pytest.mark.convention("Kernel of a dense layer")
def test_a_dense_kernel_is_the_transpose_of_pytorchs():
    dense, linear = keras.layers.Dense(OUT), torch.nn.Linear(IN, OUT)
    dense.build((None, IN))
    assert tuple(dense.kernel.shape) == (IN, OUT) == tuple(linear.weight.shape)[::-1]
    x = np.random.default_rng(0).normal(size=(4, IN)).astype("float32")
    dense.set_weights([linear.weight.detach().numpy().T, linear.bias.detach().numpy()])
    theirs = linear(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(array(dense(x)), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.convention("Kernel of a convolution")
def test_a_convolution_kernel_is_pytorchs_with_its_axes_moved():
    conv, theirs = keras.layers.Conv2D(6, (2, 3)), torch.nn.Conv2d(5, 6, (2, 3))
    conv.build((None, 8, 8, 5))
    weight = theirs.weight.detach().numpy()
    assert tuple(conv.kernel.shape) == (2, 3, 5, 6) and weight.shape == (6, 5, 2, 3)
    conv.set_weights([weight.transpose(2, 3, 1, 0), theirs.bias.detach().numpy()])
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 5)).astype("float32")
    expected = theirs(torch.tensor(x.transpose(0, 3, 1, 2))).detach().numpy()
    found = array(conv(x)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    # Our fans read Keras' layout, PyTorch's its own; they agree.
    fans = torch.nn.init._calculate_fan_in_and_fan_out(theirs.weight)
    assert initializers.compute_fans(conv.kernel.shape) == fans


@pytest.mark.convention("Default of a dense layer")
def test_a_dense_layer_starts_at_glorot_in_keras_and_at_a_third_of_lecun_in_pytorch():
    torch.manual_seed(0)
    dense = keras.layers.Dense(OUT)
    dense.build((None, IN))
    assert dense.kernel_initializer.__class__.__name__ == "GlorotUniform"
    a = math.sqrt(6 / (IN + OUT))
    law = stats.uniform(-a, 2 * a)
    assert stats.kstest(array(dense.kernel).ravel(), law.cdf).pvalue > 1e-3
    assert array(dense.kernel).var() == pytest.approx(2 / (IN + OUT), rel=SHARE)
    linear = torch.nn.Linear(IN, OUT).weight.detach().numpy().ravel()
    b = 1 / math.sqrt(IN)
    assert stats.kstest(linear, stats.uniform(-b, 2 * b).cdf).pvalue > 1e-3
    # A third of LeCun's variance is what our VarianceScaling calls scale = 1/3.
    same = initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed=0)((IN, OUT))
    assert same_law(linear, array(same))
    v1 = tf.compat.v1.glorot_uniform_initializer(seed=0)((IN, OUT))
    assert same_law(array(dense.kernel), v1)


@pytest.mark.convention("Default of its bias")
def test_a_bias_starts_at_zero_in_keras_and_at_random_in_pytorch():
    torch.manual_seed(0)
    dense = keras.layers.Dense(OUT)
    dense.build((None, IN))
    assert not array(dense.bias).any()
    bias, b = torch.nn.Linear(IN, 4000).bias.detach().numpy(), 1 / math.sqrt(IN)
    assert stats.kstest(bias, stats.uniform(-b, 2 * b).cdf).pvalue > 1e-3


@pytest.mark.convention("“Normal” in a named initializer")
def test_a_named_normal_is_cut_and_widened_in_keras_and_plain_in_pytorch():
    std = math.sqrt(2 / IN)
    theirs = drawn(INIT.kaiming_normal_, OUT, IN)
    assert stats.kstest(theirs.ravel(), stats.norm(0, std).cdf).pvalue > 1e-3
    for package in (initializers, keras.initializers):
        ours = array(package.HeNormal(seed=0)((IN, OUT)))
        # Both have the variance; Keras' has no draw beyond 2/0.8796 = 2.27 of it.
        assert ours.std() == pytest.approx(theirs.std(), rel=SHARE)
        assert 2.25 * std < np.abs(ours).max() <= 2 / CUT * std < np.abs(theirs).max()
    same = initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal", seed=0)
    assert same_law(theirs, array(same((IN, OUT))))
    # TensorFlow 1's contrib widened by √1.3, so its spread came out 0.3 % too large.
    assert math.sqrt(1.3) * CUT == pytest.approx(1.003, abs=5e-4)


@pytest.mark.convention("`RandomNormal`, `normal_`")
def test_a_plain_normal_has_a_spread_of_a_twentieth_in_keras_and_of_1_in_pytorch():
    theirs = drawn(INIT.normal_, OUT, IN)
    v1 = np.asarray(tf.compat.v1.random_normal_initializer(seed=0)((IN, OUT)))
    assert [theirs.std(), v1.std()] == pytest.approx([1.0, 1.0], rel=SHARE)
    for package in (initializers, keras.initializers):
        ours = array(package.RandomNormal(seed=0)((IN, OUT)))
        assert ours.std() == pytest.approx(0.05, rel=SHARE)
        assert same_law(20 * ours, theirs)
        assert same_law(
            array(package.RandomNormal(stddev=1.0, seed=0)((IN, OUT))), theirs
        )


@pytest.mark.convention("`TruncatedNormal`")
def test_pytorch_cuts_at_two_and_keras_at_two_standard_deviations():
    std = 0.5
    theirs = drawn(INIT.trunc_normal_, OUT, IN, std=std)
    assert theirs.std() == pytest.approx(std, rel=SHARE)  # cut at 4 of its own spreads
    assert np.abs(theirs).max() > 2 * std
    v1 = tf.compat.v1.truncated_normal_initializer(stddev=std, seed=0)((IN, OUT))
    for package in (initializers, keras.initializers):
        ours = array(package.TruncatedNormal(stddev=std, seed=0)((IN, OUT)))
        assert np.abs(ours).max() <= 2 * std
        assert ours.std() == pytest.approx(CUT * std, rel=SHARE)
        assert same_law(
            ours, drawn(INIT.trunc_normal_, OUT, IN, std=std, a=-2 * std, b=2 * std)
        )
        assert same_law(ours, v1)


@pytest.mark.convention("He's fan")
def test_he_counts_the_inputs_unless_asked_otherwise():
    a = math.sqrt(6 / IN)
    assert drawn(INIT.kaiming_uniform_, OUT, IN).max() == pytest.approx(a, rel=1e-3)
    out = drawn(INIT.kaiming_uniform_, OUT, IN, mode="fan_out")
    ours = initializers.VarianceScaling(2.0, "fan_out", "uniform", seed=0)((IN, OUT))
    assert out.max() == pytest.approx(math.sqrt(6 / OUT), rel=1e-3)
    assert same_law(out, array(ours))
    for package in (initializers, keras.initializers):
        uniform = array(package.HeUniform(seed=0)((IN, OUT)))
        assert uniform.max() == pytest.approx(a, rel=1e-3)
    v1 = tf.compat.v1.variance_scaling_initializer
    he = v1(2.0, "fan_in", distribution="uniform", seed=0)((IN, OUT))
    assert same_law(uniform, he)


@pytest.mark.convention("He's gain for a leaky slope a")
def test_pytorch_knows_the_leaky_slope_and_he_in_keras_does_not():
    slope, leaky = 0.5, dict(a=0.5, nonlinearity="leaky_relu")
    theirs = drawn(INIT.kaiming_uniform_, OUT, IN, **leaky)
    assert theirs.var() == pytest.approx(2 / (1 + slope**2) / IN, rel=SHARE)
    gain = initializers.forward_gain(
        lambda z: keras.activations.leaky_relu(z, negative_slope=slope)
    )
    assert gain == pytest.approx(2 / (1 + slope**2))
    ours = initializers.VarianceScaling(gain, "fan_in", "uniform", seed=0)((IN, OUT))
    assert same_law(theirs, array(ours))
    # The default of `a` assumes ReLU; that is Keras' HeUniform.
    for package in (initializers, keras.initializers):
        he = array(package.HeUniform(seed=0)((IN, OUT)))
        assert same_law(he, drawn(INIT.kaiming_uniform_, OUT, IN))
        assert he.var() / theirs.var() == pytest.approx(1 + slope**2, rel=2 * SHARE)


@pytest.mark.convention("Orthogonal, a tall matrix")
def test_a_convolutions_kernel_is_flattened_another_way_in_pytorch():
    torch.manual_seed(0)
    theirs = INIT.orthogonal_(torch.empty(5, 4, 3, 3)).numpy().reshape(5, -1)
    np.testing.assert_allclose(theirs @ theirs.T, np.eye(5), atol=1e-5)
    for package in (initializers, keras.initializers):
        ours = array(package.Orthogonal(seed=0)((3, 3, 4, 5)))
        flat = ours.reshape(-1, 5)
        np.testing.assert_allclose(flat.T @ flat, np.eye(5), atol=1e-5)
        # Moving the axes to PyTorch's order makes it an orthogonal one there.
        moved = ours.transpose(3, 2, 0, 1).reshape(5, -1)
        np.testing.assert_allclose(moved @ moved.T, np.eye(5), atol=1e-5)
    v1 = np.asarray(tf.compat.v1.orthogonal_initializer(seed=0)((3, 3, 4, 5)))
    flat = v1.reshape(-1, 5)
    np.testing.assert_allclose(flat.T @ flat, np.eye(5), atol=1e-5)


@pytest.mark.convention("A seed in the initializer")
def test_without_a_seed_keras_repeats_a_draw_and_dtlib_and_pytorch_do_not():
    def repeats(initializer):
        return np.array_equal(*(array(initializer((3, 4))) for _ in range(2)))

    for package in (initializers, keras.initializers):
        assert repeats(package.GlorotUniform(seed=1))
    assert repeats(keras.initializers.GlorotUniform())
    assert not repeats(initializers.GlorotUniform())
    torch.manual_seed(0)
    one, other = (INIT.xavier_uniform_(torch.empty(3, 4)) for _ in range(2))
    assert not torch.equal(one, other)
    torch.manual_seed(0)  # one global generator: its seed repeats the sequence
    assert torch.equal(one, INIT.xavier_uniform_(torch.empty(3, 4)))
