"""Diagnostics: against passes written by hand in float64, and known facts of depth."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import special

from dtlib import diagnostics
from dtlib.diagnostics import GradientMonitor, dead_units, signal_propagation

SLOPE = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2, 1.0),
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0), 1.0),
    "sigmoid": (
        special.expit,
        lambda z: special.expit(z) * special.expit(-z),
        0.25,
    ),
}


def network(sizes, activation, *, std=None, compiled="mse"):
    """Dense layers, the last linear; `std=None` is He's, else N(0, std²)."""
    model = keras.Sequential([keras.Input((sizes[0],))])
    for i, units in enumerate(sizes[1:]):
        last = i == len(sizes) - 2
        model.add(
            keras.layers.Dense(
                units,
                None if last else activation,
                kernel_initializer=keras.initializers.RandomNormal(
                    stddev=std or (2 / sizes[i]) ** 0.5, seed=i
                ),
                bias_initializer=keras.initializers.RandomNormal(stddev=0.1, seed=i),
                name=f"layer{i}",
            )
        )
    if compiled:
        model.compile(keras.optimizers.SGD(0.1), compiled)
    return model


def batch(n, inputs, outputs):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n, inputs)), rng.normal(size=(n, outputs))


def by_hand(model, x, y, activation):
    """Forward and backward pass of `network` in float64; L is the mean squared error.

    Returns, layer by layer, z, a, φ'(z), ∂L_i/∂z of each sample's loss and ∂L/∂W.
    """
    phi, slope, _ = SLOPE[activation]
    W = [np.asarray(layer.kernel.numpy(), "float64") for layer in model.layers]
    b = [np.asarray(layer.bias.numpy(), "float64") for layer in model.layers]
    a, Z, A, S = x, [], [], []
    for i in range(len(W)):
        z = a @ W[i] + b[i]
        last = i == len(W) - 1
        a = z if last else phi(z)
        Z.append(z), A.append(a), S.append(np.ones_like(z) if last else slope(z))
    delta, D, G = 2 * (a - y) / y.shape[1], [], []
    for i in reversed(range(len(W))):
        D.insert(0, delta)
        below = A[i - 1] if i else x
        G.insert(0, below.T @ delta / len(x))
        delta = (delta @ W[i].T) * (S[i - 1] if i else 1)
    return Z, A, S, D, G


def rms(values):
    return np.sqrt((values**2).mean())


@pytest.mark.equation("eq-diagnostics-rms", "eq-diagnostics-saturated")
@pytest.mark.parametrize("activation", SLOPE)
def test_every_number_is_that_of_the_passes_by_hand(activation):
    model = network([6, 9, 7, 4], activation, std=0.9)
    x, y = batch(40, 6, 4)
    Z, A, S, D, G = by_hand(model, x, y, activation)
    seen = signal_propagation(model, x, y, threshold=0.3)
    assert seen.names == ("layer0", "layer1", "layer2")
    largest = [SLOPE[activation][2]] * 2 + [1.0]
    flat = [s <= 0.3 * top for s, top in zip(S, largest, strict=True)]
    expected = dict(
        mean=[a.mean() for a in A],
        std=[a.std() for a in A],
        z_mean=[z.mean() for z in Z],
        z_std=[z.std() for z in Z],
        saturated=[f.mean() for f in flat],
        dead=[(s == 0).all(axis=0).mean() for s in S],
        gradient_rms=[rms(d) for d in D],
        weight_gradient_rms=[rms(g) for g in G],
    )
    for name, numbers in expected.items():
        # float32 against float64: one sample left out would show in the third digit.
        np.testing.assert_allclose(
            getattr(seen, name), numbers, rtol=2e-5, atol=1e-7, err_msg=name
        )
    assert 0.05 < seen.saturated[0] < 0.95  # else the threshold is not tried


def test_without_targets_there_are_no_gradients_and_the_rest_is_the_same():
    model, (x, y) = network([6, 9, 4], "relu"), batch(20, 6, 4)
    with_y, without = signal_propagation(model, x, y), signal_propagation(model, x)
    assert without.gradient_rms is None and without.weight_gradient_rms is None
    for ours, theirs in zip(with_y[:7], without[:7], strict=True):
        assert np.array_equal(ours, theirs)
    assert "gradient_" in str(with_y) and "gradient_" not in str(without)


def test_an_activation_of_its_own_is_measured_like_one_inside_dense():
    x, y = batch(30, 5, 3)
    inside = network([5, 8, 3], "tanh")
    outside = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, name="layer0"),
            keras.layers.Activation("tanh", name="tanh"),
            keras.layers.Dense(3, name="layer1"),
        ]
    )
    outside.compile("sgd", "mse")
    outside.set_weights(inside.get_weights())
    a, b = (signal_propagation(m, x, y) for m in (inside, outside))
    assert b.names == ("layer0", "tanh", "layer1")
    for name, ours, theirs in zip(a._fields[1:], a[1:], b[1:], strict=True):
        if name != "weight_gradient_rms":
            np.testing.assert_allclose(theirs[1:], ours, rtol=1e-6, err_msg=name)
    assert np.isnan(b.weight_gradient_rms[1])
    np.testing.assert_allclose(b.weight_gradient_rms[::2], a.weight_gradient_rms)


def image_model():
    """Convolution, normalization, a nested block, dropout, two ways to say ReLU."""
    keras.utils.set_random_seed(2)
    block = keras.Sequential(
        [keras.Input((18,)), keras.layers.Dense(6), keras.layers.PReLU()], name="block"
    )
    inputs = keras.Input((8, 8, 1))
    h = keras.layers.Conv2D(2, 3, activation="relu", name="conv")(inputs)
    h = keras.layers.BatchNormalization(name="bn")(h)
    h = keras.layers.MaxPooling2D()(h)
    h = block(keras.layers.Flatten()(h))
    h = keras.layers.ReLU(name="relu")(keras.layers.Dropout(0.5)(h))
    outputs = keras.layers.Dense(4, "softmax", name="head")(h)
    model = keras.Model(inputs, outputs)
    loss = "sparse_categorical_crossentropy"
    model.compile("adam", loss, metrics=["accuracy"])
    return model


def images():
    rng = np.random.default_rng(0)
    return rng.uniform(size=(24, 8, 8, 1)).astype("float32"), np.arange(24) % 4


def test_rows_are_the_layers_with_weights_or_an_activation_in_order():
    seen = signal_propagation(image_model(), *images())
    dense, prelu = seen.names[2:4]
    assert dense.startswith("block/dense") and prelu.startswith("block/p_re_lu")
    assert seen.names == ("conv", "bn", dense, prelu, "relu", "head")
    # A softmax mixes its units, so no unit of it is saturated or dead.
    assert np.isnan(seen.saturated).tolist() == [False] * 5 + [True]
    assert np.isnan(seen.weight_gradient_rms).tolist() == [
        False, True, False, True, True, False,
    ]  # fmt: skip
    assert np.isfinite(seen.gradient_rms).all()
    assert "head" in str(seen)


def test_training_mode_normalizes_by_the_batch():
    model, (x, y) = image_model(), images()
    seen = signal_propagation(model, x, y, training=True)
    assert seen.std[1] == pytest.approx(1, abs=0.02)
    assert signal_propagation(model, x, y).std[1] != pytest.approx(1, abs=0.3)


def test_a_penalty_counts_in_the_weights_gradient():
    model, (x, y) = network([5, 4, 3], "tanh"), batch(10, 5, 3)
    plain = signal_propagation(model, x, y)
    model.layers[0].kernel.regularizer = keras.regularizers.L2(10.0)
    seen = signal_propagation(model, x, y)
    assert seen.weight_gradient_rms[0] > 5 * plain.weight_gradient_rms[0]
    np.testing.assert_allclose(seen.gradient_rms, plain.gradient_rms)


def test_a_frozen_layer_lets_the_gradient_through_and_has_none_itself():
    model, (x, y) = network([5, 4, 4, 3], "tanh"), batch(10, 5, 3)
    plain = signal_propagation(model, x, y)
    model.layers[0].trainable = model.layers[1].trainable = False
    model.compile("sgd", "mse")
    seen = signal_propagation(model, x, y)
    np.testing.assert_allclose(seen.gradient_rms, plain.gradient_rms)
    assert np.isnan(seen.weight_gradient_rms).tolist() == [True, True, False]


def test_the_gradient_reaches_layers_below_the_first_variable():
    model, (x, y) = network([5, 4, 3], "tanh"), batch(10, 5, 3)
    W = model.layers[0].kernel.numpy()
    scale = keras.layers.Normalization(mean=np.zeros(5), variance=np.ones(5))
    squash = keras.layers.Activation("tanh", name="squash")
    below = keras.Sequential([keras.Input((5,)), scale, squash, *model.layers])
    below.compile("sgd", "mse")
    seen = signal_propagation(below, np.arctanh(0.5 * np.tanh(x)), y)
    inside = 0.5 * np.tanh(x)  # what enters layer0
    delta = by_hand(model, inside, y, "tanh")[3][0]
    expected = rms((delta @ W.T) * (1 - inside**2))
    assert seen.names == ("squash", "layer0", "layer1")
    assert seen.gradient_rms[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "layers, x",
    [
        ([keras.layers.Embedding(9, 4), keras.layers.LSTM(5)], np.ones((6, 7), int)),
        ([keras.layers.SimpleRNN(5)], np.ones((6, 7, 2))),
        ([keras.layers.LayerNormalization(), keras.layers.Flatten()], np.ones((6, 7))),
        ([keras.layers.Dense(3, keras.layers.LeakyReLU()),], np.ones((6, 7))),
        ([keras.layers.Dense(3, dtype="mixed_float16")], np.ones((6, 7))),
    ],
    ids=["embedding, lstm", "rnn", "layer norm", "layer as activation", "float16"],
)  # fmt: skip
def test_other_layers_are_measured_too(layers, x):
    layers = [layer.__class__.from_config(layer.get_config()) for layer in layers]
    model = keras.Sequential([*layers, keras.layers.Dense(1, dtype="float32")])
    model.build(x.shape)
    model.compile("sgd", "mse")
    seen = signal_propagation(model, x, np.ones((6, 1)))
    assert np.isfinite(seen.gradient_rms).all() and np.isfinite(seen.std).all()


# Dead units and updates ---------------------------------------------------------------


@pytest.mark.equation("eq-diagnostics-dead")
def test_a_unit_is_dead_only_if_its_z_is_never_positive():
    model = network([3, 4, 2], "relu")
    x = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    kernel = np.array([[-1.0, 1, -1, 0], [-1, -1, 2, 0], [0, 0, 0, 0]])
    model.layers[0].set_weights([kernel, np.zeros(4)])
    dead = dead_units(model, x)
    # z: [−1, −1], [1, −1], [−1, 2], [0, 0]; a slope of 0 at 0 also stops learning.
    assert dead["layer0"].tolist() == [True, False, False, True]
    assert dead["layer1"].tolist() == [False, False]
    assert signal_propagation(model, x).dead.tolist() == [0.5, 0.0]


def test_a_filter_is_dead_only_if_it_is_so_at_every_place():
    model, (x, _) = image_model(), images()
    kernel = model.get_layer("conv").kernel
    kernel.assign(tf.stack([-tf.ones((3, 3, 1)), tf.ones((3, 3, 1))], axis=-1))
    dead = dead_units(model, x)
    assert dead["conv"].tolist() == [True, False]
    assert "head" not in dead


@pytest.mark.equation("eq-diagnostics-update-ratio")
def test_the_update_ratio_is_that_of_two_lengths():
    model = network([3, 4, 2], "relu")
    before = diagnostics.kernels(model)
    model.layers[0].kernel.assign(1.01 * model.layers[0].kernel)
    ratio = diagnostics.update_ratio(before, diagnostics.kernels(model))
    assert ratio == pytest.approx({"layer0": 0.01, "layer1": 0.0}, rel=1e-4)
    zero, one = np.zeros((2, 2)), np.ones((2, 2))
    assert diagnostics.relative_change(zero, one) == np.inf
    assert diagnostics.relative_change(zero, zero) == 0
    with pytest.raises(ValueError, match=r"`after` must have the layers.*\['b'\]"):
        diagnostics.update_ratio({"a": one}, {"b": one})


# The model stays as it was ------------------------------------------------------------


def state(model):
    """Every number the model and its training hold."""
    metrics = [v for metric in model.metrics for v in metric.variables]
    variables = [*model.variables, *model.optimizer.variables, *metrics]
    return [v.numpy().copy() for v in variables]


def attributes(model):
    layers = [*model.layers, *model.get_layer("block").layers]
    return [{k: id(v) for k, v in vars(layer).items()} for layer in layers]


@pytest.mark.parametrize("training", [False, True])
def test_measuring_changes_nothing(training):
    model, (x, y) = image_model(), images()
    model.fit(x, y, epochs=1, verbose=0)
    before, layers = state(model), attributes(model)
    measured = [signal_propagation(model, x, y, training=training) for _ in range(2)]
    dead_units(model, x)
    for a, b in zip(before, state(model), strict=True):
        assert np.array_equal(a, b)
    assert attributes(model) == layers
    for a, b in zip(*measured, strict=True):  # dropout drew the same twice
        assert np.array_equal(a, b, equal_nan=a is not measured[0].names)


def test_the_layers_are_put_back_after_an_error():
    model, (x, _) = image_model(), images()
    layers = attributes(model)
    with pytest.raises(ValueError):
        signal_propagation(model, x, np.ones((24, 9, 9)))
    assert attributes(model) == layers


@pytest.mark.parametrize("optimizer", ["adam", "loss scaled"])
def test_training_with_the_monitor_ends_where_it_ends_without(optimizer):
    (x, y), ends = images(), []
    if optimizer == "loss scaled":
        optimizer = keras.optimizers.Adam(loss_scale_factor=64.0, use_ema=True)
    for watched in (False, True):
        model = image_model()
        model.compile(
            keras.optimizers.get(keras.optimizers.serialize(optimizer))
            if not isinstance(optimizer, str)
            else optimizer,
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
        keras.utils.set_random_seed(3)
        monitor = GradientMonitor(x, y, training=True)
        options = dict(epochs=2, batch_size=8, verbose=0)
        run = model.fit(x, y, callbacks=[monitor] if watched else [], **options)
        ends.append([*state(model), run.history["loss"], run.history["accuracy"]])
    for a, b in zip(*ends, strict=True):
        assert np.array_equal(a, b)


# The monitor --------------------------------------------------------------------------


def test_the_monitor_records_before_the_first_epoch_and_after_each():
    model, (x, y) = network([5, 8, 3], "relu"), batch(32, 5, 3)
    fresh = signal_propagation(model, x, y)
    monitor = GradientMonitor(x, y)
    model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    trained = signal_propagation(model, x, y)
    history = monitor.history
    assert monitor.layers == fresh.names
    assert history["epoch"].tolist() == [0, 1, 2, 3]
    assert history.keys() == {"epoch", "update_ratio", *fresh._fields[1:]}
    for name in fresh._fields[1:]:
        assert history[name].shape == (4, 2), name
        assert np.array_equal(history[name][0], getattr(fresh, name)), name
        assert np.array_equal(history[name][-1], getattr(trained, name)), name


@pytest.mark.parametrize("loss_scale", [None, 64.0])
def test_the_update_ratio_is_that_of_a_step_of_the_optimizer(loss_scale):
    model, (x, y) = network([6, 9, 7, 4], "tanh"), batch(32, 6, 4)
    model.compile(keras.optimizers.SGD(0.1, loss_scale_factor=loss_scale), "mse")
    W = [layer.kernel.numpy() for layer in model.layers]
    G = by_hand(model, x, y, "tanh")[-1]
    monitor = GradientMonitor(x, y)
    model.fit(x, y, epochs=1, verbose=0, callbacks=[monitor])
    pairs = zip(G, W, strict=True)
    expected = [0.1 * np.linalg.norm(g) / np.linalg.norm(w) for g, w in pairs]
    np.testing.assert_allclose(monitor.history["update_ratio"][0], expected, rtol=1e-4)


def test_the_monitor_can_look_less_often_and_starts_afresh():
    model, (x, y) = network([5, 8, 3], "relu"), batch(32, 5, 3)
    monitor = GradientMonitor(x, y, every=2)
    assert monitor.history == {}
    model.fit(x, y, epochs=5, verbose=0, callbacks=[monitor])
    assert monitor.history["epoch"].tolist() == [0, 2, 4]
    again = dict(initial_epoch=5, epochs=6, verbose=0, callbacks=[monitor])
    model.fit(x, y, **again)
    assert monitor.history["epoch"].tolist() == [5, 6]


def test_the_monitor_survives_divergence():
    model, (x, y) = network([5, 8, 3], "relu"), batch(32, 5, 3)
    model.layers[0].kernel.assign(np.full((5, 8), np.inf))
    monitor = GradientMonitor(x, y)
    model.fit(x, y, epochs=1, verbose=0, callbacks=[monitor])
    assert not np.isfinite(monitor.history["std"]).any()


# Bad input ----------------------------------------------------------------------------


def unbuilt():
    return keras.Sequential([keras.layers.Dense(2)])


def weightless():
    return keras.Sequential([keras.Input((3,)), keras.layers.ReLU()])


GOOD_X, GOOD_Y = np.ones((4, 3)), np.ones((4, 2))


@pytest.mark.parametrize(
    "model, x, y, said",
    [
        ("net", GOOD_X, None, "`model` must be a Keras model.*model='net'"),
        (unbuilt, GOOD_X, None, "`model` must be built.*built=False.*keras.Input"),
        (weightless, GOOD_X, None, "`model` must be built and have weights"),
        (network, np.ones((0, 3)), None, r"`x` must hold at least one.*\(0, 3\)"),
        (network, np.ones((4, 2)), None, r"`x` must have shape \(n, 3\).*\(4, 2\)"),
        (network, np.ones(3), None, r"`x` must have shape \(n, 3\).*\(3,\)"),
        (network, [[1, 2, np.nan]], None, None),
        (network, np.full((4, 3), np.nan), None, "`x` must be finite.*12 of 12"),
        (network, GOOD_X, np.full((4, 2), np.inf), "`y` must be finite"),
        (network, GOOD_X, np.ones((3, 2)), "`y` must have 4 rows.*3 rows"),
        (network, GOOD_X, np.ones((0, 2)), "`y` must hold at least one"),
    ],
)
def test_bad_input_is_named(model, x, y, said):
    if said is None:  # a list is a list of inputs to Keras
        x, said = np.array(x), r"`x` must be finite.*1 of 3.*\(0, 2\)"
    if callable(model):
        model = network([3, 4, 2], "tanh") if model is network else model()
    with pytest.raises(ValueError, match=said):
        signal_propagation(model, x, y)


def test_targets_need_a_compiled_model():
    model = network([3, 4, 2], "tanh", compiled=None)
    signal_propagation(model, GOOD_X)
    with pytest.raises(ValueError, match="`model` must be compiled with a loss"):
        signal_propagation(model, GOOD_X, GOOD_Y)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
    ],
)
@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_outside_the_classes_is_named(loss, label):
    model = network([3, 4, 2], "tanh", compiled=loss)
    with pytest.raises(ValueError, match=rf"labels in \[0, 2\).*1 others.*{label}"):
        signal_propagation(model, GOOD_X, np.array([0, 1, label, 0]))


@pytest.mark.parametrize(
    "make, said",
    [
        (
            lambda: GradientMonitor(GOOD_X, GOOD_Y, every=0),
            "`every` must be an int.*=0",
        ),
        (lambda: GradientMonitor(GOOD_X, GOOD_Y, every="step"), "every='step'"),
        (
            lambda: signal_propagation(network([3, 2], "tanh"), GOOD_X, threshold=1),
            r"`threshold` must be a number in \[0, 1\).*=1",
        ),
    ],
)
def test_bad_options_are_named(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_another_backend_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NotImplementedError, match="backend='jax'"):
        signal_propagation(network([3, 2], "tanh"), GOOD_X)


# What the chapter says ----------------------------------------------------------------


def deep(width, std, seed):
    """Ten logistic layers of N(0, std²), and the numbers of a unit gradient on top."""
    model = keras.Sequential([keras.Input((width,))])
    for i in range(10):
        normal = keras.initializers.RandomNormal(stddev=std, seed=100 * seed + i)
        model.add(keras.layers.Dense(width, "sigmoid", kernel_initializer=normal))
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=(2, 300, width)).astype("float32")
    # The loss Σ g·a / n has the gradient g on each sample's output.
    model.compile("sgd", lambda y, a: keras.ops.sum(y * a, axis=-1))
    return signal_propagation(model, x, g)


def mean_of(values):
    return np.mean(list(values), axis=0)


def factor(seen):
    """Of the gradient, a layer, going down: the geometric mean of nine."""
    return (seen.gradient_rms[0] / seen.gradient_rms[-1]) ** (1 / 9)


def test_wide_normal_weights_saturate_from_the_first_layer_and_variance_falls():
    seen = [deep(100, 1.0, seed) for seed in range(5)]
    variance = mean_of(s.z_std**2 for s in seen)
    # 100 inputs of variance 1; then 100 outputs near 0 or 1, of mean square below ½.
    assert variance[0] == pytest.approx(100, rel=0.1)
    assert (variance[1:] < 55).all() and (variance[1:] > 35).all()
    assert variance[1:].mean() == pytest.approx(45, rel=0.1)
    share = mean_of(s.saturated for s in seen)
    assert share[0] == pytest.approx(0.77, abs=0.03)
    assert share[1:] == pytest.approx(np.full(9, 2 / 3), abs=0.06)


@pytest.mark.equation("eq-diagnostics-gradient-factor")
@pytest.mark.parametrize("n, expected", [(10, 0.51), (100, 0.97), (300, 1.27)])
def test_gradients_vanish_in_narrow_nets_and_grow_in_wide_ones(n, expected):
    seeds = 3 if n == 300 else 12
    measured = np.exp(np.mean([np.log(factor(deep(n, 1.0, s))) for s in range(seeds)]))
    assert measured == pytest.approx(expected, rel=0.05)
    # The closed form takes σ' for a spike, so that it improves with n.
    closed = np.sqrt(np.sqrt(n) / (6 * np.sqrt(np.pi)))
    ours = diagnostics.gradient_factor(
        "sigmoid", z_std=np.sqrt(n / 2), fan_out=n, weight_std=1.0
    )
    assert ours == pytest.approx(closed, rel=0.5 / n + 0.005)
    assert measured == pytest.approx(ours, rel=0.05)


def test_the_neutral_width_of_the_logistic_net_is_near_113():
    assert np.sqrt(np.sqrt(36 * np.pi) / (6 * np.sqrt(np.pi))) == pytest.approx(1)


def test_small_weights_make_the_logistic_gradient_vanish():
    glorot = mean_of(deep(100, 0.1, seed).gradient_rms for seed in range(3))
    wider = mean_of(deep(100, 0.4, seed).gradient_rms for seed in range(3))
    assert glorot[-1] == pytest.approx(0.236, rel=0.02)
    assert glorot[0] == pytest.approx(4.8e-7, rel=0.1)
    assert (glorot[0] / glorot[-1]) ** (1 / 9) == pytest.approx(0.233, rel=0.02)
    assert wider[-1] == pytest.approx(0.16, rel=0.05)
    assert wider[0] == pytest.approx(0.0018, rel=0.2)


def test_a_diverged_network_has_no_dead_or_saturated_units():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, "relu")])
    model.layers[0].kernel.assign(np.full((4, 3), np.nan))
    x = np.ones((5, 4), "float32")
    found = diagnostics.signal_propagation(model, x)
    assert not any(dead.any() for dead in diagnostics.dead_units(model, x).values())
    assert found.dead[0] == 0 and found.saturated[0] == 0
    assert np.isnan(found.mean[0])
