"""Boltzmann machines against all their states counted; layers trained in turn."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from dtlib import pretraining, training
from dtlib.pretraining import RestrictedBoltzmannMachine as Machine
from dtlib.pretraining import autoencoders, boltzmann
from tests import oracles_pretraining as oracles
from tests.contracts import round_trips
from tests.engines import array, gradient

RNG = np.random.default_rng(5)
VISIBLE, HIDDEN = 4, 3
# A machine small enough to count: 16 × 8 states. Weights of size 1 make them unequal.
WEIGHTS = (
    RNG.normal(size=(VISIBLE, HIDDEN)),
    RNG.normal(size=VISIBLE),
    RNG.normal(size=HIDDEN),
)
W, B, C = WEIGHTS
V, H = oracles.states(VISIBLE), oracles.states(HIDDEN)
DATA = V[[3, 3, 5, 12, 14, 14, 14, 9]]
exact = pytest.mark.parametrize("dtype, rtol", [("float32", 1e-5), ("float64", 1e-12)])


def cast(dtype, *values):
    return [ops.convert_to_tensor(value, dtype=dtype) for value in values]


# The machine's formulas, against the counted states -----------------------------------


@pytest.mark.equation("eq-pretraining-energy")
@exact
def test_the_energy_is_the_sum_over_units_and_pairs(dtype, rtol):
    pairs = [(v, h) for v in V for h in H]
    v, h = (np.array(part) for part in zip(*pairs, strict=True))
    found = pretraining.energy(*cast(dtype, v, h, *WEIGHTS))
    expected = [oracles.energy(*pair, *WEIGHTS) for pair in pairs]
    np.testing.assert_allclose(array(found), expected, rtol=rtol, atol=rtol)


@pytest.mark.equation("eq-pretraining-free-energy")
@exact
def test_the_free_energy_has_the_hidden_states_summed_out(dtype, rtol):
    found = pretraining.free_energy(*cast(dtype, V, *WEIGHTS))
    expected = oracles.free_energy(*WEIGHTS)
    np.testing.assert_allclose(array(found), expected, rtol=rtol, atol=rtol)


def test_differences_of_free_energy_are_log_odds():
    p = oracles.joint(*WEIGHTS)[0].sum(axis=1)
    found = array(pretraining.free_energy(*cast("float64", V, *WEIGHTS)))
    np.testing.assert_allclose(found[3] - found[9], np.log(p[9] / p[3]), rtol=1e-12)


def test_a_free_energy_of_hundreds_does_not_overflow():
    """exp(1000) is infinite in every float of 64 bits or fewer."""
    found = pretraining.free_energy([1.0], [[1000.0]], [0.0], [0.0])
    assert float(found) == -1000


@pytest.mark.equation("eq-pretraining-hidden", "eq-pretraining-visible")
@exact
def test_the_chances_are_those_of_bayes(dtype, rtol):
    v, h, w, b, c = cast(dtype, V, H, *WEIGHTS)
    found = array(pretraining.hidden_probabilities(v, w, c))
    expected = oracles.hidden_given_visible(*WEIGHTS)
    np.testing.assert_allclose(found, expected, rtol=rtol)
    found = array(pretraining.visible_probabilities(h, w, b))
    expected = oracles.visible_given_hidden(*WEIGHTS)
    np.testing.assert_allclose(found, expected, rtol=rtol)


def test_a_row_alone_is_a_row_of_many():
    one = pretraining.free_energy(*cast("float64", V[6], *WEIGHTS))
    assert float(one) == pytest.approx(oracles.free_energy(*WEIGHTS)[6])


def test_machines_in_a_stack_are_machines_apart():
    """Kernels (2, visible, hidden), biases (2, 1, units): as the claims train them."""
    kernels, rows = np.stack([W, -W]), np.stack([H, H])
    found = array(pretraining.visible_probabilities(rows, kernels, B[None, None]))
    for k, kernel in enumerate(kernels):
        expected = oracles.visible_given_hidden(kernel, B, C)
        np.testing.assert_allclose(found[k], expected, rtol=1e-6)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_chain_moves_as_its_matrix_of_transitions_says(steps):
    """20,000 chains from one state: how often each state is reached."""
    n, start = 20_000, 6
    begun = np.repeat(V[start : start + 1], n, axis=0)
    chain = pretraining.gibbs_chain(
        *cast("float32", begun, *WEIGHTS), steps=steps, seed=2
    )
    reached = array(chain).astype(int) @ (2 ** np.arange(VISIBLE)[::-1])
    share = np.bincount(reached, minlength=2**VISIBLE) / n
    p = np.linalg.matrix_power(oracles.transition(*WEIGHTS), steps)[start]
    # Four standard deviations of each share. The two step counts are 20 apart.
    assert (abs(share - p) < 4 * np.sqrt(p * (1 - p) / n)).all()


def test_a_chain_is_repeated_by_its_seed_and_moves_on_with_a_generator():
    given = cast("float32", np.repeat(V, 9, axis=0), *WEIGHTS)

    def chain(seed):
        return array(pretraining.gibbs_chain(*given, steps=1, seed=seed))

    generator = keras.random.SeedGenerator(1)
    first, second = chain(generator), chain(generator)
    assert (chain(1) == first).all()
    assert (first != second).any() and (chain(2) != first).any()


@pytest.mark.equation("eq-pretraining-contrastive-divergence")
@exact
def test_cd_gradients_are_the_differences_of_means(dtype, rtol):
    rows = RNG.uniform(size=(5, VISIBLE))
    found = pretraining.cd_gradients(*cast(dtype, rows, DATA, *WEIGHTS))
    expected = oracles.cd_gradients(rows, DATA, W, C)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(array(ours), theirs, rtol=rtol, atol=rtol)


def test_cd_gradients_are_the_gradients_of_cd_loss():
    chain = V[[0, 1, 7, 15, 2]]

    def loss(*parameters):
        # The chain may depend on the weights: `cd_loss` holds it fixed.
        moved = ops.convert_to_tensor(chain) + 0 * parameters[1]
        return pretraining.cd_loss(DATA, moved, *parameters)

    found = gradient(loss, *WEIGHTS)
    expected = oracles.cd_gradients(DATA, chain, W, C)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_cd_loss_does_not_follow_the_chain_back():
    def loss(chain):
        return pretraining.cd_loss(DATA, chain, *WEIGHTS)

    assert not gradient(loss, DATA).any()


def test_a_long_chain_gives_the_gradient_of_the_likelihood():
    """CD-40 of 16,000 chains, against differences of the counted likelihood."""
    n = 2000
    data = np.tile(DATA, (n, 1))
    given = cast("float32", data, *WEIGHTS)
    chain = pretraining.gibbs_chain(*given, steps=40, seed=0)
    found = pretraining.cd_gradients(given[0], chain, *given[1:])
    expected = oracles.log_likelihood_gradients(DATA, *WEIGHTS)
    # A mean of rows in [0, 1] strays by 0.5/√rows at most; four of those.
    four = 4 * 0.5 / math.sqrt(len(data))
    for ours, ascent in zip(found, expected, strict=True):
        np.testing.assert_allclose(array(ours), -ascent, atol=four)
    assert max(abs(part).max() for part in expected) > 10 * four  # it could fail


def test_one_step_of_the_chain_is_biased():
    """CD-1 from its exact transitions is another gradient: the limit of the method."""
    once = oracles.transition(*WEIGHTS)
    rows = [int(v @ 2 ** np.arange(VISIBLE)[::-1]) for v in DATA]
    p = once[rows].mean(axis=0)
    h = oracles.hidden_given_visible(*WEIGHTS)
    dream = (p[:, None, None] * V[:, :, None] * h[:, None]).sum(axis=0)
    data = (DATA[:, :, None] * h[rows][:, None]).mean(axis=0)
    exact_ = -oracles.log_likelihood_gradients(DATA, *WEIGHTS)[0]
    assert abs(dream - data - exact_).max() > 0.02


def test_log_odds_give_a_machine_without_weights_the_means_of_the_data():
    x = np.array([[1.0, 0.0, 1.0, 0.2], [0.0, 0.0, 1.0, 0.4]])
    bias = array(pretraining.log_odds(x, least=0.1))
    nothing = np.zeros((4, 1))
    found = array(pretraining.visible_probabilities(np.zeros((1, 1)), nothing, bias))
    np.testing.assert_allclose(found[0], [0.5, 0.1, 0.9, 0.3], rtol=1e-6)


@pytest.mark.parametrize("least", [0, 0.5, -1, math.nan, True])
def test_log_odds_refuses(least):
    with pytest.raises(ValueError, match="`least` must be a number in"):
        pretraining.log_odds(DATA, least=least)


@pytest.mark.parametrize("steps", [0, 1.5, None])
def test_the_chain_refuses(steps):
    with pytest.raises(ValueError, match="`steps` must be an integer in"):
        pretraining.gibbs_chain(V, *WEIGHTS, steps=steps, seed=0)


# The machine as a model ---------------------------------------------------------------


def machine(steps=1, seed=3, rate=0.5, **kwargs):
    rbm = Machine(VISIBLE, HIDDEN, steps=steps, stddev=0.5, seed=seed, **kwargs)
    rbm.compile(keras.optimizers.SGD(rate))
    return rbm


@pytest.mark.parametrize("steps", [1, 3])
def test_a_step_of_training_subtracts_the_cd_gradients(steps):
    rbm, twin = machine(steps), machine(steps)
    before = [np.array(p) for p in twin.parameters]
    x = DATA.astype("float32")
    training.fit(rbm, x, None, epochs=1, batch_size=8, shuffle=False)
    chain = boltzmann.gibbs_chain(x, *before, steps=steps, seed=twin.seed_generator)
    expected = boltzmann.cd_gradients(x, chain, *before)
    for old, new, g in zip(before, rbm.parameters, expected, strict=True):
        np.testing.assert_allclose(np.array(new), old - 0.5 * np.array(g), atol=1e-6)


def test_training_makes_the_data_more_likely():
    rbm = machine(rate=0.2)
    before = oracles.log_likelihood(DATA, *map(np.array, rbm.parameters))
    x = np.tile(DATA, (20, 1))
    history = training.fit(rbm, x, None, epochs=40, batch_size=16).history
    after = oracles.log_likelihood(DATA, *map(np.array, rbm.parameters))
    best = -np.log(8) + (2 * np.log(2) + 3 * np.log(3)) / 8  # the data's own entropy
    assert before < -2.7 and -2.2 < after < best
    assert history["reconstruction"][-1] < 0.7 * history["reconstruction"][0]
    assert len(history["loss"]) == 40


def test_keras_own_fit_trains_it_too():
    rbm = machine()
    before = np.array(rbm.kernel)
    history = rbm.fit(DATA.astype("float32"), epochs=2, verbose=0).history
    assert set(history) == {"loss", "reconstruction"}
    assert (np.array(rbm.kernel) != before).any()


def test_the_seed_fixes_start_and_chains():
    def trained(seed):
        rbm = machine(seed=seed)
        training.fit(rbm, DATA, None, epochs=2, batch_size=4)
        return np.array(rbm.kernel)

    assert (trained(3) == trained(3)).all()
    assert (trained(3) != trained(4)).any()


def test_the_first_weights_have_the_spread_asked_for():
    rbm = Machine(200, 300, stddev=0.03, seed=0)
    # 60,000 draws: their deviation strays by 0.03/√(2·60,000); four of those.
    four = 4 * 0.03 / math.sqrt(2 * 60_000)
    assert np.array(rbm.kernel).std() == pytest.approx(0.03, abs=four)
    assert not np.array(rbm.visible_bias).any() and not np.array(rbm.hidden_bias).any()
    spread = Machine(200, 300, seed=0)
    assert np.array(spread.kernel).std() == pytest.approx(0.01, abs=four)


def counted():
    rbm = machine()
    rbm.set_weights([*WEIGHTS, *rbm.get_weights()[3:]])
    return rbm


def test_its_readings_are_those_of_the_counted_machine():
    rbm = counted()
    features = oracles.hidden_given_visible(*WEIGHTS)
    np.testing.assert_allclose(rbm.transform(V), features, rtol=1e-5)
    np.testing.assert_allclose(rbm(V.astype("float32")), features, rtol=1e-5)
    expected = oracles.free_energy(*WEIGHTS)
    np.testing.assert_allclose(rbm.free_energy(V), expected, rtol=1e-5, atol=1e-5)
    back = 1 / (1 + np.exp(-(features @ W.T + B)))
    np.testing.assert_allclose(rbm.reconstruct(V), back, rtol=1e-5)
    chain = pretraining.gibbs_chain(*cast("float32", V, *WEIGHTS), steps=2, seed=8)
    assert (rbm.sample(V, steps=2, seed=8) == array(chain)).all()


def test_adapt_sets_the_visible_biases():
    rbm = machine()
    rbm.adapt(DATA)
    p = np.clip(DATA.mean(axis=0), 0.01, 0.99)
    np.testing.assert_allclose(np.array(rbm.visible_bias), np.log(p / (1 - p)), 1e-5)


def test_as_a_dense_layer_it_gives_the_same():
    rbm = counted()
    layer = rbm.to_dense(name="first")
    assert layer.name == "first" and layer.built
    np.testing.assert_allclose(layer(V), rbm.transform(V), rtol=1e-6)
    layer.kernel.assign(0 * layer.kernel)  # a copy: the machine keeps its own
    assert np.array(rbm.kernel).any()
    linear = array(rbm.to_dense("linear")(V))
    np.testing.assert_allclose(linear, V @ W + C, rtol=1e-4, atol=1e-5)


def test_it_comes_back_from_a_file(tmp_path):
    rbm = counted()
    assert round_trips(rbm).get_config()["stddev"] == 0.5
    rbm.save(tmp_path / "rbm.keras")
    revived = keras.saving.load_model(tmp_path / "rbm.keras")
    assert (revived.free_energy(V) == rbm.free_energy(V)).all()
    assert revived.steps == rbm.steps and revived.seed == rbm.seed


def test_it_stands_inside_another_model():
    model = keras.Sequential([keras.Input((VISIBLE,)), counted()])
    assert model.output_shape == (None, HIDDEN)


@pytest.mark.parametrize(
    "bad",
    [
        dict(visible=0),
        dict(hidden=2.5),
        dict(steps=0),
        dict(stddev=-1),
        dict(seed="one"),
    ],
)
def test_the_machine_refuses(bad):
    (name,) = bad
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        Machine(**{"visible": 3, "hidden": 2, **bad})


@pytest.mark.parametrize("x", [V[:, :3], V[0], V * math.nan])
def test_its_readings_refuse(x):
    for reading in ("transform", "reconstruct", "free_energy", "adapt"):
        with pytest.raises(ValueError, match="`x` must"):
            getattr(machine(), reading)(x)


def test_it_learns_from_x_alone():
    with pytest.raises(ValueError, match="from `x` alone"):
        training.fit(machine(), DATA, DATA)


# Autoencoders -------------------------------------------------------------------------

X = RNG.normal(size=(120, 2)) @ RNG.normal(size=(2, 6))


def test_the_decoder_mirrors_the_encoder():
    auto = pretraining.stacked_autoencoder([6, 5, 3], activation="tanh", output="relu")
    names = [[d.activation.__name__ for d in half.layers] for half in auto[1:]]
    assert names == [["tanh", "tanh"], ["tanh", "relu"]]
    assert [w.shape for w in auto.model.get_weights()[::2]] == [
        (6, 5),
        (5, 3),
        (3, 5),
        (5, 6),
    ]
    whole = array(auto.model(X))
    np.testing.assert_allclose(whole, array(auto.decoder(auto.encoder(X))), rtol=1e-6)


def test_two_units_rebuild_data_of_two_directions():
    keras.utils.set_random_seed(0)
    auto = pretraining.stacked_autoencoder([6, 2], activation="linear")
    before = auto.encoder.get_weights()[0]
    auto.model.compile(keras.optimizers.Adam(0.02), "mse")
    history = training.fit(auto.model, X, X, epochs=60, batch_size=20).history
    assert history["loss"][-1] < 1e-3 * history["loss"][0]
    assert (auto.encoder.get_weights()[0] != before).any()  # the same layers


def test_noise_is_for_training_only():
    noise = keras.layers.GaussianNoise(1.0, seed=0)
    auto = pretraining.stacked_autoencoder([6, 3], noise=noise)
    quiet = array(auto.model(X, training=False))
    np.testing.assert_allclose(quiet, array(auto.decoder(auto.encoder(X))), rtol=1e-6)
    assert abs(array(auto.model(X, training=True)) - quiet).mean() > 0.1


@pytest.mark.parametrize(
    "name, widths, more",
    [
        ("widths", [6], {}),
        ("widths", 6, {}),
        ("widths", [6, 0], {}),
        ("widths", [6, 2.5], {}),
        ("noise", [6, 3], dict(noise=0.3)),
    ],
)
def test_the_autoencoder_refuses(name, widths, more):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        pretraining.stacked_autoencoder(widths, **more)


# Layer by layer -----------------------------------------------------------------------


def tower(**more):
    """Three layers and a head, the same each time."""
    keras.utils.set_random_seed(1)
    units = [keras.layers.Dense(n, "relu", **more) for n in (5, 4, 3)]
    return keras.Sequential([keras.Input((6,)), *units, keras.layers.Dense(2)])


def test_only_the_layer_whose_turn_it_is_changes(monkeypatch):
    model, calls = tower(), []
    fit = training.fit

    def weights():
        return [[w.copy() for w in layer.get_weights()] for layer in model.layers]

    def watched(*args, **kwargs):
        before = weights()
        history = fit(*args, **kwargs)
        changed = [
            any((a != b).any() for a, b in zip(old, new, strict=True))
            for old, new in zip(before, weights(), strict=True)
        ]
        calls.append(changed)
        return history

    monkeypatch.setattr(autoencoders.training, "fit", watched)
    histories = pretraining.pretrain_greedily(model.layers[:-1], X, epochs=2)
    assert calls == [[k == turn for k in range(4)] for turn in range(3)]
    assert [len(h["loss"]) for h in histories] == [2, 2, 2]


def test_each_layer_is_trained_as_a_little_autoencoder_by_hand():
    model, twin, x = tower(), tower(), X.astype("float32")
    hidden = model.layers[:2]
    sgd = keras.optimizers.SGD(0.05, momentum=0.9)
    how = dict(epochs=3, batch_size=40, seed=7)
    found = pretraining.pretrain_greedily(hidden, X, optimizer=sgd, **how)
    assert int(sgd.iterations) == 0  # copied, not used
    features = x
    for number, layer in enumerate(twin.layers[:2]):
        start = keras.initializers.GlorotUniform(seed=7 + number)
        last = keras.layers.Dense(features.shape[1], kernel_initializer=start)
        little = keras.Sequential([keras.Input(features.shape[1:]), layer, last])
        little.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
        losses_ = []
        for epoch in range(3):
            order = training.batch_order(len(x), seed=7, epoch=epoch)
            batches = features[order]
            history = little.fit(
                batches, batches, batch_size=40, shuffle=False, verbose=0
            )
            losses_ += history.history["loss"]
        np.testing.assert_allclose(found[number]["loss"], losses_, rtol=1e-4)
        kernel, bias = layer.get_weights()
        features = np.maximum(features @ kernel + bias, 0)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_what_has_no_kernel_joins_the_layer_below():
    layers = [
        keras.layers.Flatten(),
        keras.layers.Dense(5),
        keras.layers.BatchNormalization(),
        keras.layers.Activation("relu"),
        keras.layers.Dense(3, "relu"),
    ]
    found = pretraining.pretrain_greedily(layers, X.reshape(-1, 2, 3), epochs=1)
    assert len(found) == 2
    assert np.array(layers[2].gamma).std() > 0  # trained with its kernel


def test_a_frozen_layer_is_run_and_not_trained():
    model = tower()
    frozen, second = model.layers[:2]
    frozen.trainable = False
    second.set_weights([0 * w for w in second.get_weights()])
    kernel, bias = frozen.get_weights()
    how = dict(epochs=1, batch_size=len(X))
    found = pretraining.pretrain_greedily([frozen, second], X, **how)
    assert len(found) == 1
    assert (np.array(frozen.kernel) == kernel).all()
    # The second layer begins by saying 0 of the first one's outputs.
    low = np.maximum(X @ kernel + bias, 0)
    assert found[0]["loss"] == pytest.approx([np.square(low).mean()], rel=1e-5)


def test_noise_disturbs_the_input_and_not_the_target():
    noise, faint = keras.layers.GaussianNoise(1.0, seed=0), 0.01 * X
    dense = [keras.layers.Dense(2, "tanh")]
    how = dict(epochs=20, batch_size=20, optimizer=keras.optimizers.Adam(0.01))
    found = pretraining.pretrain_greedily(dense, faint, noise=noise, **how)[0]["loss"]
    without = np.square(faint).mean()
    assert without / 2 < found[-1] < 0.1  # a noisy target alone would cost 1


@pytest.mark.parametrize(
    "name, bad",
    [
        ("layers", dict(layers=[])),
        ("layers", dict(layers=keras.layers.Dense(2))),
        ("layers", dict(layers=["dense"])),
        ("layers", dict(layers=[keras.Sequential([keras.layers.Dense(2)])])),
        ("layers", dict(x=X.reshape(-1, 2, 3))),
        ("x", dict(x=X * math.nan)),
        ("epochs", dict(epochs=0)),
        ("batch_size", dict(batch_size=0)),
        ("seed", dict(seed=-1)),
    ],
)
def test_greedy_pretraining_refuses(name, bad):
    given = dict(layers=[keras.layers.Dense(2)], x=X, epochs=1)
    with pytest.raises(ValueError, match=f"`{name}` must"):
        pretraining.pretrain_greedily(**given | bad)
