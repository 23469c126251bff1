"""Initializers: against counting, distributions of SciPy, quadrature, Keras' twins."""

import math

import keras
import numpy as np
import pytest
from scipy import integrate, special, stats

from dtlib import initializers
from dtlib.initializers import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Orthogonal,
    VarianceScaling,
)
from tests import contracts, engines
from tests.engines import array

NAMED = (LecunNormal, LecunUniform, GlorotNormal, GlorotUniform, HeNormal, HeUniform)
AXES = dict(input_axes=[1], output_axes=[0])
BAD_AXES = dict(input_axes=3, output_axes=[0.5])

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    initializers.Zeros: ({}, {}),
    initializers.Ones: ({}, {}),
    initializers.Constant: (dict(value=0.25), dict(value=math.nan)),
    initializers.Identity: (dict(gain=0.5), dict(gain=math.inf)),
    initializers.RandomNormal: (
        dict(mean=0.5, stddev=2.0, seed=5),
        dict(mean="0", stddev=-1.0, seed=0.5),
    ),
    initializers.TruncatedNormal: (
        dict(mean=0.5, stddev=2.0, seed=5),
        dict(mean=math.inf, stddev=math.nan, seed="one"),
    ),
    initializers.RandomUniform: (
        dict(minval=-0.5, maxval=2.0, seed=5),
        dict(minval=None, maxval=-0.05, seed=True),
    ),
    VarianceScaling: (
        dict(scale=2.5, mode="fan_avg", distribution="uniform", seed=5, **AXES),
        dict(scale=0, mode="in", distribution="gaussian", seed=0.5, **BAD_AXES),
    ),
    **{cls: (dict(seed=5, **AXES), dict(seed="5", **BAD_AXES)) for cls in NAMED},
    Orthogonal: (dict(gain=1.5, seed=5), dict(gain=0.0, seed=[1])),
}
every_class = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)


def made(cls):
    return cls(**CASES[cls][0])


# Fans ---------------------------------------------------------------------------------

COUNTED = {
    "dense": (keras.layers.Dense(7), (5,), {}),
    "conv1d": (keras.layers.Conv1D(7, 3), (9, 2), {}),
    "conv2d": (keras.layers.Conv2D(7, (3, 5)), (9, 9, 2), {}),
    "conv3d": (keras.layers.Conv3D(4, 3), (7, 7, 7, 2), {}),
    "depthwise": (
        keras.layers.DepthwiseConv2D(3, depth_multiplier=4),
        (9, 9, 2),
        dict(input_axes=(0, 1), output_axes=(0, 1, 3)),
    ),
}


@pytest.mark.equation("eq-initializers-fans")
@pytest.mark.parametrize("layer, shape, axes", COUNTED.values(), ids=COUNTED)
def test_fans_are_what_one_output_sums_and_what_one_input_enters(layer, shape, axes):
    x = np.ones((1, *shape), "float32")
    layer.build(x.shape)
    layer.kernel.assign(np.ones(layer.kernel.shape))
    middle = (0, *(n // 2 for n in shape[:-1]), 0)  # away from the edges
    gradient = engines.gradient(layer, x, dtype="float32")
    counted = array(layer(x)).flat[0], gradient[middle]
    assert initializers.compute_fans(layer.kernel.shape, **axes) == counted


@pytest.mark.parametrize(
    "shape, axes, said",
    [
        ((10,), {}, r"`shape` must have at least 2 axes.*shape=\(10,\)"),
        ((), {}, r"at least 2 axes.*shape=\(\)"),
        ((0, 5), {}, r"`shape` must be an integer in \[1, inf\)\. Received: shape=0"),
        ((3.0, 5), {}, r"Received: shape=3\.0"),
        ((3, 5), dict(input_axes=[0]), r"must both be lists.*output_axes=None"),
        (
            (3, 5),
            dict(input_axes=[2], output_axes=[1]),
            r"axes`.*\[-2, 2\).*\[2\]",
        ),
    ],
)
def test_a_shape_without_fans_is_refused(shape, axes, said):
    with pytest.raises(ValueError, match=said):
        initializers.compute_fans(shape, **axes)


def test_fans_are_those_of_keras_where_keras_has_any():
    from keras.src.initializers.random_initializers import compute_fans

    for shape in [(300, 100), (5, 2, 7), (3, 3, 16, 32), (2, 3, 4, 5, 6)]:
        assert initializers.compute_fans(shape) == compute_fans(shape)
        axes = (0,), (0, 1)
        assert initializers.compute_fans(shape, *axes) == compute_fans(shape, *axes)


# Variance -----------------------------------------------------------------------------


def test_truncated_std_is_that_of_a_normal_cut_at_two():
    inside = math.erf(math.sqrt(2))
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    expected = math.sqrt(1 - 4 * density / inside)
    assert initializers.TRUNCATED_STD == pytest.approx(expected, rel=1e-12)


@pytest.mark.equation("eq-initializers-variance", "eq-initializers-draw")
@pytest.mark.parametrize("shape", [(400, 100), (3, 3, 40, 60)], ids=str)
@pytest.mark.parametrize("mode", initializers.MODES)
@pytest.mark.parametrize("distribution", initializers.DISTRIBUTIONS)
def test_the_draw_has_the_variance_and_the_distribution_of_its_name(
    shape, mode, distribution
):
    *window, i, o = shape
    n = math.prod(window) * {"fan_in": i, "fan_avg": (i + o) / 2, "fan_out": o}[mode]
    std = math.sqrt(2.5 / n)
    exact = initializers.weight_variance(shape, scale=2.5, mode=mode)
    assert exact == pytest.approx(std**2, rel=1e-12)
    w = array(VarianceScaling(2.5, mode, distribution, seed=1)(shape))
    assert w.shape == shape
    # The variance of N draws strays by at most √(2/N) of itself; four of those.
    assert w.var() == pytest.approx(std**2, rel=4 * math.sqrt(2 / w.size))
    assert abs(w.mean()) < 4 * std / math.sqrt(w.size)
    # At 21,600 draws and more, a normal of the same variance instead of a truncated one
    # (distance 0.02) has p < 1e-6.
    wide = std / math.sqrt(stats.truncnorm(-2, 2).var())
    law = {
        "uniform": stats.uniform(-math.sqrt(3) * std, 2 * math.sqrt(3) * std),
        "untruncated_normal": stats.norm(0, std),
    }.get(distribution, stats.truncnorm(-2, 2, scale=wide))
    assert stats.kstest(w.ravel(), law.cdf).pvalue > 1e-3
    low, high = law.support()
    assert w.min() >= low - 1e-7 and w.max() <= high + 1e-7
    if math.isfinite(high):
        assert w.max() > 0.97 * high  # the range is used up


@pytest.mark.parametrize("cls", NAMED, ids=lambda cls: cls.__name__)
def test_a_name_stands_for_a_scale_a_fan_and_a_distribution(cls):
    scale, fan = {"L": (1, 200), "G": (1, 150), "H": (2, 200)}[cls.__name__[0]]
    w = array(cls(seed=2)((200, 100)))
    assert w.var() == pytest.approx(scale / fan, rel=4 * math.sqrt(2 / w.size))
    # Excess kurtosis: uniform −1.2, cut normal −0.63; 20,000 draws stray by 0.03.
    expected = -1.2 if cls.__name__.endswith("Uniform") else -0.6344
    assert stats.kurtosis(w.ravel()) == pytest.approx(expected, abs=0.14)


@pytest.mark.equation("eq-initializers-gains")
@pytest.mark.parametrize("mode", initializers.MODES)
def test_layer_gains_are_those_of_a_signal_and_of_a_gradient(mode):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(4000, 100)), rng.normal(size=(4000, 300))
    w = array(VarianceScaling(1.5, mode, "uniform", seed=3)((100, 300)))
    gains = initializers.layer_gains((100, 300), scale=1.5, mode=mode)
    measured = ((x @ w) ** 2).mean(), ((g @ w.T) ** 2).mean()
    # 30,000 weights stray by √(0.8/30000) = 0.5 %, the signals by 0.3 %; four of both.
    assert measured == pytest.approx(gains, rel=0.024)


def test_glorot_halves_the_signal_and_raises_the_gradient_from_100_to_300():
    gains = initializers.layer_gains((100, 300), scale=1.0, mode="fan_avg")
    assert gains == pytest.approx((0.50, 1.50))
    square = initializers.layer_gains((100, 100), scale=1.0, mode="fan_avg")
    assert square == pytest.approx((1.0, 1.0))


# Gains of activations -----------------------------------------------------------------

# φ and φ', written again in NumPy.
PHI = {
    "linear": (lambda z: z, lambda z: 1.0 + 0 * z),
    "relu": (lambda z: np.maximum(z, 0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (special.expit, lambda z: special.expit(z) * special.expit(-z)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
    ),
    "softplus": (lambda z: np.logaddexp(0, z), special.expit),
    "gelu": (
        lambda z: z * stats.norm.cdf(z),
        lambda z: stats.norm.cdf(z) + z * stats.norm.pdf(z),
    ),
}
# Keras' GELU is the tanh form unless told; the exact one has the closed derivative.
KERAS_PHI = {"gelu": lambda z: keras.activations.gelu(z, approximate=False)}
if engines.BACKEND == "jax":  # where Keras takes the tanh of a float64 in float32
    KERAS_PHI["tanh"] = lambda z: 1 - 2 * keras.ops.sigmoid(-2 * z)


def gaussian_mean(f, std):
    """E[f(z)] by adaptive quadrature, split at 0."""
    density = stats.norm(0, std).pdf
    halves = ((-12 * std, 0), (0, 12 * std))
    options = dict(epsabs=1e-12, epsrel=1e-11, limit=500)
    return sum(
        integrate.quad(lambda z: f(z) * density(z), a, b, **options)[0]
        for a, b in halves
    )


@pytest.mark.equation("eq-initializers-mean-square")
@pytest.mark.parametrize("std", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("name", PHI)
def test_mean_square_is_the_integral(name, std):
    expected = gaussian_mean(lambda z: PHI[name][0](z) ** 2, std)
    ours = initializers.mean_square(KERAS_PHI.get(name, name), std=std)
    assert ours == pytest.approx(expected, rel=1e-8)


@pytest.mark.equation("eq-initializers-mean-square-slope")
@pytest.mark.parametrize("std", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("name", PHI)
def test_mean_square_slope_is_the_integral(name, std):
    expected = gaussian_mean(lambda z: PHI[name][1](z) ** 2, std)
    ours = initializers.mean_square_slope(KERAS_PHI.get(name, name), std=std)
    # The central difference errs by h²φ'''/6 = 1e-9.
    assert ours == pytest.approx(expected, rel=1e-7)


@pytest.mark.equation("eq-initializers-forward-gain", "eq-initializers-backward-gain")
def test_gains_are_the_known_ones():
    forward, backward = initializers.forward_gain, initializers.backward_gain

    def leaky(z):
        return keras.activations.leaky_relu(z, negative_slope=0.2)

    assert forward("linear") == pytest.approx(1) == backward("linear")
    assert forward("relu") == pytest.approx(2) == backward("relu")
    # He et al., eq. 15: 2 / (1 + a²).
    assert forward(leaky) == pytest.approx(2 / 1.04) == backward(leaky)
    # SELU's two constants solve mean 0 and variance 1 for z ~ N(0, 1).
    assert forward("selu") == pytest.approx(1, abs=1e-7)
    phi, slope = PHI["tanh"]
    expected = [1 / gaussian_mean(lambda z, f=f: f(z) ** 2, 1) for f in (phi, slope)]
    tanh = KERAS_PHI.get("tanh", "tanh")
    assert [forward(tanh), backward(tanh)] == pytest.approx(expected)
    # For weak signals the logistic function is a line of slope ¼, of gain 16.
    assert 1 / initializers.mean_square_slope("sigmoid", std=0.01) == pytest.approx(
        16, rel=1e-4
    )


def test_a_gain_needs_an_elementwise_activation_and_a_positive_spread():
    with pytest.raises(ValueError, match="`activation` must act on each element"):
        initializers.forward_gain("softmax")
    with pytest.raises(ValueError, match=r"`std` must be a number in \(0, inf\).*=0"):
        initializers.mean_square("relu", std=0)


@pytest.mark.parametrize("name", ["linear", "relu", "tanh", "elu", "gelu"])
def test_five_layers_at_the_forward_gain_keep_the_mean_square(name):
    scale = initializers.forward_gain(KERAS_PHI.get(name, name))
    z = np.random.default_rng(0).normal(size=(500, 500))
    for seed in range(5):
        w = VarianceScaling(scale, "fan_in", "uniform", seed=seed)((500, 500))
        z = PHI[name][0](z) @ array(w)
    # A layer of 500 units strays by √(2/500); five of them, four times. A scale of 1
    # would lose a factor of 32 under ReLU (log = −3.5), 5 under tanh.
    assert abs(math.log((z**2).mean())) < 4 * math.sqrt(5 * 2 / 500)


@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_one_layer_at_the_backward_gain_keeps_the_gradient(name):
    scale = initializers.backward_gain(name)
    rng = np.random.default_rng(0)
    z, g = rng.normal(size=(2000, 400)), rng.normal(size=(2000, 600))
    w = array(VarianceScaling(scale, "fan_out", "uniform", seed=1)((400, 600)))
    back = (g @ w.T) * PHI[name][1](z)
    assert (back**2).mean() == pytest.approx(1.0, rel=0.03)


# Orthogonal ---------------------------------------------------------------------------


@pytest.mark.equation("eq-initializers-orthogonal")
@pytest.mark.parametrize(
    "shape", [(40, 40), (60, 20), (20, 60), (3, 3, 4, 50), (3, 3, 8, 5)], ids=str
)
def test_rows_or_columns_are_orthonormal_times_the_gain(shape):
    w = array(Orthogonal(gain=1.5, seed=4)(shape))
    assert w.shape == shape
    w = w.reshape(-1, shape[-1])
    short = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(short, 1.5**2 * np.eye(len(short)), atol=1e-5)


@pytest.mark.parametrize("entry", [(0, 0), (2, 2), (0, 2)], ids=str)
def test_every_rotation_is_equally_likely(entry):
    # By Archimedes, each coordinate of a uniform point on the sphere is uniform on
    # (−1, 1). Without the signs, the first entry would never be positive.
    drawn = [array(Orthogonal(seed=s)((3, 3)))[entry] for s in range(300)]
    assert stats.kstest(drawn, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_fifty_orthogonal_layers_keep_every_length_and_glorots_do_not():
    x = np.random.default_rng(0).normal(size=(100, 32))
    spread = {}
    for cls in (Orthogonal, GlorotNormal):
        y = x
        for seed in range(50):
            y = y @ array(cls(seed=seed)((32, 32)))
        ratio = np.linalg.norm(y, axis=1) / np.linalg.norm(x, axis=1)
        spread[cls] = abs(ratio - 1).max()
    assert spread[Orthogonal] < 1e-5  # float32 rounding, fifty times
    assert spread[GlorotNormal] > 0.5


# The contracts of every class ---------------------------------------------------------


@every_class
def test_an_int_seed_draws_what_keras_draws(cls):
    given = CASES[cls][0]
    twin = getattr(keras.initializers, cls.__name__)
    for arguments in ({"seed": 7} if "seed" in given else {}, given):
        ours, keras_own = (array(c(**arguments)((6, 4))) for c in (cls, twin))
        np.testing.assert_allclose(ours, keras_own, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("distribution", initializers.DISTRIBUTIONS)
def test_a_distributions_name_means_what_it_means_in_keras(distribution):
    arguments = dict(scale=3.0, mode="fan_out", distribution=distribution, seed=9)
    for shape in [(6, 4), (3, 3, 2, 5)]:
        ours = VarianceScaling(**arguments)(shape)
        keras_own = keras.initializers.VarianceScaling(**arguments)(shape)
        np.testing.assert_allclose(ours, keras_own, rtol=1e-6)


@every_class
def test_it_survives_json_with_every_argument(cls):
    contracts.round_trips(made(cls))


@every_class
def test_a_bad_argument_is_named_with_what_came(cls):
    for name, value in CASES[cls][1].items():
        with pytest.raises(
            ValueError, match=rf"`{name}` must be .*Received: .*{name}="
        ):
            cls(**{name: value})


@every_class
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_it_draws_in_the_type_it_is_asked_for(cls, dtype):
    w = made(cls)((4, 4), dtype=dtype)
    assert keras.backend.standardize_dtype(w.dtype) == dtype
    assert np.isfinite(array(w)).all()
    default = made(cls)((4, 4)).dtype
    assert keras.backend.standardize_dtype(default) == keras.config.floatx()


@every_class
def test_it_draws_inside_a_compiled_function_as_outside(cls):
    compiled = engines.compiled(lambda: made(cls)((4, 4)))
    np.testing.assert_allclose(compiled(), made(cls)((4, 4)), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("cls", [*NAMED, VarianceScaling, Orthogonal])
def test_a_seed_repeats_and_none_does_not(cls):
    seeded, free = cls(seed=3), cls()
    assert np.array_equal(seeded((4, 4)), seeded((4, 4)))
    assert not np.array_equal(seeded((4, 4)), cls(seed=4)((4, 4)))
    assert not np.array_equal(free((4, 4)), free((4, 4)))


@pytest.mark.tensorflow
def test_a_compiled_draw_without_a_seed_is_new_each_time():
    compiled = engines.compiled(lambda: GlorotUniform()((4, 4)))
    assert not np.array_equal(compiled(), compiled())


def test_none_follows_the_global_seed_and_layers_that_share_it_differ():
    draws = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        shared = HeNormal()
        layers = [keras.layers.Dense(4, kernel_initializer=shared) for _ in range(2)]
        for layer in layers:
            layer.build((None, 4))
        draws.append([array(layer.kernel) for layer in layers])
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(*draws[0])


def test_a_seed_generator_is_refused():
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        GlorotUniform(seed=keras.random.SeedGenerator(1))


def test_identity_is_a_matrix():
    w = initializers.Identity(gain=2.0)((2, 3))
    assert np.array_equal(w, [[2, 0, 0], [0, 2, 0]])
    with pytest.raises(ValueError, match=r"`shape` must have 2 axes.*\(2, 2, 2\)"):
        initializers.Identity()((2, 2, 2))


def test_plain_draws_have_the_mean_and_the_spread_they_name():
    shape, four = (200, 100), 4 / math.sqrt(20_000)
    normal = array(initializers.RandomNormal(0.5, 2.0, seed=1)(shape))
    assert stats.kstest(normal.ravel(), stats.norm(0.5, 2.0).cdf).pvalue > 1e-3
    cut = array(initializers.TruncatedNormal(0.5, 2.0, seed=1)(shape))
    law = stats.truncnorm(-2, 2, loc=0.5, scale=2.0)
    assert stats.kstest(cut.ravel(), law.cdf).pvalue > 1e-3
    assert cut.std() == pytest.approx(2 * initializers.TRUNCATED_STD, rel=four)
    even = array(initializers.RandomUniform(-0.5, 2.0, seed=1)(shape))
    assert stats.kstest(even.ravel(), stats.uniform(-0.5, 2.5).cdf).pvalue > 1e-3
    assert np.all(array(initializers.Constant(0.3)(shape)) == np.float32(0.3))
    assert not array(initializers.Zeros()((5,))).any()
    assert array(initializers.Ones()((5,))).all()
