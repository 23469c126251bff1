"""Transfer: copies that share nothing, freezing three ways, caches, foreign weights."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers, ops

from dtlib import normalization, training, transfer
from tests import oracles_transfer as oracles
from tests.engines import array

# Keras turns its variables into arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 6)).astype("float32")
Y = RNG.normal(size=(48, 1)).astype("float32")
SGD = dict(optimizer="sgd", loss="mse")


def old(seed=0):
    """Model A: three hidden layers and two outputs, compiled."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, "tanh", name="one"),
            layers.Dense(4, "tanh", name="two"),
            layers.Dense(4, "tanh", name="three"),
            layers.Dense(2, name="out"),
        ],
        name="a",
    )
    model.compile(**SGD)
    return model


def functional():
    """`old`, written as a graph of calls."""
    model, x = old(), keras.Input((6,))
    z = x
    for layer in model.layers:
        z = type(layer).from_config(layer.get_config())(z)
    graph = keras.Model(x, z)
    graph.set_weights(model.get_weights())
    return graph


def nested(norm=layers.BatchNormalization):
    """A model inside a model: a frozen-to-be base with batch norm, and a head."""
    keras.utils.set_random_seed(1)
    base = keras.Sequential(
        [keras.Input((6,)), layers.Dense(4, name="in"), norm(name="bn")], name="base"
    )
    return keras.Sequential([keras.Input((6,)), base, layers.Dense(1, name="head")])


def new(name="new"):
    return layers.Dense(1, name=name)


def weights(model):
    return [array(weight) for weight in model.weights]


def moved(model, before):
    """Which weights are no longer, bit for bit, what they were."""
    return [bool((a != b).any()) for a, b in zip(before, weights(model), strict=True)]


def run(model, x=X, y=Y, epochs=2):
    training.fit(model, x, y, epochs=epochs, batch_size=8, seed=3)
    return model


# Reusing


@pytest.mark.parametrize("build", [old, functional])
@pytest.mark.parametrize("keep", [0, 1, 3, "two", -1, -4, 4])
def test_the_new_model_begins_as_the_old_and_ends_in_the_head(build, keep):
    a = build()
    k = {"two": 2}.get(keep, keep if keep == "two" or keep >= 0 else 4 + keep)
    b = transfer.reuse(a, keep, [layers.Dense(3, name="x"), new()], name="b")
    assert [layer.name for layer in b.layers] == [
        *("one", "two", "three", "out")[:k],
        *("x", "new"),
    ]
    assert b.name == "b" and not b.compiled
    kept = 2 * k
    for mine, theirs in zip(weights(b)[:kept], weights(a)[:kept], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert not {id(w) for w in a.weights} & {id(w) for w in b.weights}


@pytest.mark.parametrize("build", [old, functional])
def test_training_b_on_a_leaves_every_bit_of_a(build):
    a = build()
    before, said = weights(a), array(a(X))
    b = transfer.reuse(a, -1, new())
    b.compile(**SGD)
    start = weights(b)
    run(b)
    assert all(moved(b, start)) and not any(moved(a, before))
    np.testing.assert_array_equal(array(a(X)), said)


def test_sharing_layers_instead_of_copying_them_changes_a():
    a = old()
    before = weights(a)
    b = keras.Sequential([*a.layers[:-1], new()])
    b.compile(**SGD)
    run(b)
    assert moved(a, before) == [True] * 6 + [False] * 2


def test_a_copy_keeps_flags_statistics_and_dtype_and_whole_nested_models():
    a = nested()
    a.get_layer("base").get_layer("in").trainable = False
    a.compile(**SGD)
    run(a)
    b = transfer.reuse(a, 1, new())
    base = b.get_layer("base")
    assert [layer.trainable for layer in base.layers] == [False, True]
    kept = weights(a.get_layer("base"))
    for mine, theirs in zip(weights(base), kept, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert base is not a.get_layer("base")


def test_reusing_nothing_but_a_head_keeps_the_shape_of_the_input():
    assert transfer.reuse(old(), 0, new()).input_shape == (None, 6)


def forked():
    x = keras.Input((6,))
    return keras.Model(x, layers.Add()([layers.Dense(2)(x), layers.Dense(2)(x)]))


def twice():
    x, layer = keras.Input((6,)), layers.Dense(6)
    return keras.Model(x, layer(layer(x)))


def operation():
    x = keras.Input((6,))
    return keras.Model(x, layers.Dense(6)(x) + 1)


def in_training():
    x = keras.Input((6,))
    return keras.Model(x, layers.Dropout(0.5)(layers.Dense(6)(x), training=True))


def two_outputs():
    x = keras.Input((6,))
    return keras.Model(x, [layers.Dense(2)(x), layers.Dense(2)(x)])


@pytest.mark.parametrize(
    "build, says",
    [
        (forked, "with one tensor alone"),
        (twice, "called twice"),
        (operation, "is an operation, not a layer"),
        (in_training, "with one tensor alone"),
        (two_outputs, "one input to one output"),
    ],
)
def test_a_model_that_is_not_straight_is_refused_with_the_place(build, says):
    with pytest.raises(ValueError, match=f"`model` must be straight.*{says}"):
        transfer.reuse(build(), 1, new())


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda: transfer.reuse("a", 1), "`model` must be a built"),
        (lambda: transfer.reuse(keras.Sequential([new()]), 1), "`model` must be a bui"),
        (lambda: transfer.reuse(old(), 5), r"`keep` must be an integer in \[-4, 4\]"),
        (lambda: transfer.reuse(old(), -5), r"`keep` must be an integer in \[-4, 4\]"),
        (lambda: transfer.reuse(old(), True), "`keep` must be an integer"),
        (lambda: transfer.reuse(old(), "four"), r"`keep` must be a number or one of"),
        (lambda: transfer.reuse(old(), 0), "`head` must hold a layer where none"),
        (lambda: transfer.reuse(old(), 1, ["x"]), "`head` must hold new layers"),
        (lambda: transfer.reuse(old(), 1, old().layers[1]), "not yet built"),
        (lambda: transfer.reuse(old(), 1, new("one")), "a second 'one'"),
        (lambda: transfer.reuse(old(), 1, [new(), new()]), "a second 'new'"),
        (lambda: transfer.remaining(old(), 4), "`keep` must leave a layer of 4"),
        (
            lambda: transfer.freeze(old(), 4),
            r"`layers` must be an integer in \[-4, 3\]",
        ),
        (lambda: transfer.freeze(old(), ["one", "x"]), '`layers` must be "all", numb'),
        (lambda: transfer.freeze(old(), None), "`layers` must be an integer"),
        (lambda: transfer.unfreeze(keras.Sequential()), "`model` must be a built"),
        (lambda: transfer.error_ratio(0, 1, 9), r"`errors` must be an .* \[1, 9\]"),
        (lambda: transfer.error_ratio(1, 10, 9), r"`against` must be an .* \[1, 9\]"),
        (lambda: transfer.error_ratio(1, 1, 0), "`n` must be an integer"),
        (
            lambda: transfer.error_ratio(1, 1, 9, level=1),
            r"`level` must be .* \(0, 1\)",
        ),
        (lambda: transfer.kernel_from_torch([1.0]), "`weight` must have 2 or more"),
        (lambda: transfer.flatten_order((0, 2)), "`shape` must be an integer"),
        (lambda: transfer.inventory("a"), "`model` must be a built"),
    ],
)
def test_bad_arguments_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


# Freezing


@pytest.mark.parametrize(
    "which, frozen",
    [
        ("all", ["one", "two", "three", "out"]),
        ("two", ["two"]),
        (0, ["one"]),
        (-1, ["out"]),
        (range(2), ["one", "two"]),
        pytest.param({"three", 0}, ["one", "three"], id="set"),
        ([], []),
    ],
    ids=str,
)
def test_what_is_named_is_frozen_and_nothing_else(which, frozen):
    model = old()
    assert transfer.freeze(model, which) == frozen
    assert model.compiled == (not frozen)
    trains = [w.path.split("/")[-2] for w in model.trainable_weights[::2]]
    assert trains == [n for n in ("one", "two", "three", "out") if n not in frozen]
    model.compile(**SGD)
    assert transfer.freeze(model, which) == [] and model.compiled


@pytest.mark.parametrize("fit", ["keras", "dtlib"])
def test_frozen_layers_stay_and_the_others_move(fit):
    model, y = old(), np.repeat(Y, 2, 1)
    transfer.freeze(model, {"three", 0})
    model.compile(**SGD)
    before = weights(model)
    model.fit(X, y, verbose=0) if fit == "keras" else run(model, y=y)
    assert moved(model, before) == [False] * 2 + [True] * 2 + [False] * 2 + [True] * 2


def test_what_a_forgotten_compile_does_is_an_error():
    model = old()
    transfer.freeze(model, "one")
    y = np.repeat(Y, 2, 1)
    with pytest.raises(ValueError, match="compile"):
        model.fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="compile"):
        training.fit(model, X, y)
    model.compile(**SGD)
    transfer.unfreeze(model)
    with pytest.raises(ValueError, match="compile"):
        model.fit(X, y, verbose=0)


def test_keras_alone_goes_on_training_a_layer_frozen_after_its_first_fit():
    """Why `freeze` is not just `trainable = False`; training.fit sees it."""
    for fit, still in ((lambda m, y: m.fit(X, y, verbose=0), True), (run_two, False)):
        model, y = old(), np.repeat(Y, 2, 1)
        fit(model, y)
        before = weights(model)
        model.get_layer("one").trainable = False
        fit(model, y)
        assert moved(model, before)[:2] == [still, still]


def run_two(model, y):
    return run(model, y=y)


def test_freezing_and_unfreezing_inside_nested_models():
    model = nested()
    assert transfer.freeze(model, "base/in") == ["base/in"]
    assert [w.path.split("/")[-2] for w in model.trainable_weights] == [
        *("bn", "bn", "head", "head")
    ]
    assert transfer.freeze(model, "base") == ["base/bn"]
    assert not model.get_layer("base").trainable
    assert transfer.unfreeze(model, "base/bn") == ["base/bn"]
    flags = [layer.trainable for layer in model.get_layer("base").layers]
    assert flags == [False, True] and model.get_layer("base").trainable
    assert transfer.unfreeze(model) == ["base/in"]
    assert len(model.trainable_weights) == 6


def test_unfreezing_opens_a_model_that_was_frozen_as_a_whole():
    model = old()
    model.trainable = False
    assert transfer.unfreeze(model, "out") == ["out"]
    assert [w.path.split("/")[-2] for w in model.trainable_weights] == ["out", "out"]


@pytest.mark.parametrize(
    "norm", [layers.BatchNormalization, normalization.BatchNormalization]
)
def test_a_frozen_batch_norm_uses_and_keeps_its_running_statistics(norm):
    model = nested(norm)
    bn = model.get_layer("base").get_layer("bn")
    model.compile(**SGD)
    run(model)
    transfer.freeze(model, "base/bn")
    kept = weights(bn)
    seen = array(model.get_layer("base")(X, training=True))
    np.testing.assert_allclose(
        seen, array(model.get_layer("base")(X, training=False)), rtol=1e-6
    )
    model.compile(**SGD)
    run(model)
    assert not any(moved(bn, kept))
    transfer.unfreeze(model, "base/bn")
    differs = array(model.get_layer("base")(X, training=True)) - seen
    assert np.abs(differs).max() > 0.01
    assert all(moved(bn, kept)[2:])


def test_freezing_three_ways_gives_equal_weights():
    """`trainable`, a list of variables for the optimizer, and `stop_gradient`."""
    import tensorflow as tf

    start, rows = old(5), [training.batch_order(48, seed=3, epoch=e) for e in (0, 1)]
    y = np.repeat(Y, 2, 1)

    def fresh():
        return transfer.reuse(start, 4)

    flagged = fresh()
    transfer.freeze(flagged, range(2))
    flagged.compile(keras.optimizers.SGD(0.1), "mse")
    run(flagged, y=y)

    def loop(model, forward, variables):
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(variables)
        for batch in np.concatenate([order.reshape(-1, 8) for order in rows]):
            with tf.GradientTape() as tape:
                loss = ops.mean((forward(X[batch]) - y[batch]) ** 2)
            slopes = tape.gradient(loss, [v.value for v in variables])
            pairs = zip(slopes, variables, strict=True)
            optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])
        return model

    listed = fresh()
    loop(listed, listed, listed.weights[4:])
    stopped = fresh()

    def cut(x):
        for i, layer in enumerate(stopped.layers):
            x = layer(ops.stop_gradient(x) if i == 2 else x)
        return x

    loop(stopped, cut, stopped.weights)
    hidden = [array(w) for w in fresh().weights]
    for model in (flagged, listed, stopped):
        for i, (weight, first) in enumerate(zip(weights(model), hidden, strict=True)):
            if i < 4:
                np.testing.assert_array_equal(weight, first)
            else:
                assert (weight != first).any()
                np.testing.assert_allclose(weight, weights(flagged)[i], atol=1e-6)


# Caching


@pytest.mark.equation("eq-transfer-composed")
@pytest.mark.parametrize("keep", [0, 1, "two", -1])
@pytest.mark.parametrize("build", [old, functional])
def test_the_parts_compose_to_the_whole(build, keep):
    model = build()
    transfer.freeze(model)
    top = transfer.remaining(model, keep)
    features = transfer.cache_features(model, X, keep, batch_size=7)
    np.testing.assert_allclose(array(top(features)), array(model(X)), atol=1e-6)
    found = X.astype("float64")
    for layer in model.layers[-4:][: {"two": 2, -1: 3}.get(keep, keep)]:
        found = np.tanh(found @ array(layer.kernel) + array(layer.bias))
    np.testing.assert_allclose(features, found, atol=1e-6)


def test_cached_training_is_frozen_training_and_what_the_formula_gives():
    frozen = transfer.reuse(old(), -1, new())
    twin = transfer.reuse(frozen, 4)
    for model in (frozen, twin):
        transfer.freeze(model, range(3))
    start = [array(w) for w in frozen.weights]
    frozen.compile(keras.optimizers.SGD(0.1), "mse")
    run(frozen)
    features = transfer.cache_features(twin, X, -1)
    top = transfer.remaining(twin, -1)
    top.compile(keras.optimizers.SGD(0.1), "mse")
    run(top, features)
    for mine, theirs in zip(weights(twin), weights(frozen), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    hidden = [(start[i], start[i + 1]) for i in (0, 2, 4)]
    orders = [training.batch_order(48, seed=3, epoch=e) for e in (0, 1)]
    batches = np.concatenate([order.reshape(-1, 8) for order in orders])
    kernel, bias = oracles.train_last(hidden, *start[6:], X, Y, batches, 0.1)
    np.testing.assert_allclose(weights(twin)[6], kernel, atol=1e-5)
    np.testing.assert_allclose(weights(twin)[7], bias, atol=1e-5)


def frozen_old(seed=0):
    model = old(seed)
    transfer.freeze(model)
    return model


def test_features_are_inference_and_noise_is_announced():
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.BatchNormalization(),
            layers.Dropout(0.5, name="drop"),
            new(),
        ]
    )
    transfer.freeze(model)
    with pytest.warns(UserWarning, match=r"\['drop'\] act in training only"):
        found = transfer.cache_features(model, X, "drop")
    np.testing.assert_allclose(found, X / np.sqrt(1 + 1e-3), rtol=1e-5)


def test_layers_that_could_still_train_cannot_be_cached():
    model = old()
    with pytest.raises(ValueError, match=r"`model` must have its kept .*\['one'\]"):
        transfer.cache_features(model, X, 1)
    model = nested()
    with pytest.raises(ValueError, match=r"\['base/in', 'base/bn'\]"):
        transfer.cache_features(model, X, 1)


@pytest.mark.parametrize(
    "x, settings, says",
    [
        (X[:, :5], {}, r"`x` must have the shape \(n, \*\(6,\)\)"),
        (X[0], {}, "`x` must have the shape"),
        (X, dict(batch_size=0), "`batch_size` must be an integer"),
        (X, dict(path="features.npy"), "`path` must end in .npz"),
    ],
)
def test_bad_inputs_to_the_cache_are_named(x, settings, says):
    with pytest.raises(ValueError, match=says):
        transfer.cache_features(frozen_old(), x, 1, **settings)


def test_a_file_is_read_only_where_weights_data_and_layers_are_the_same(tmp_path):
    path = tmp_path / "deep" / "features.npz"

    def stamp():
        return path.stat().st_mtime_ns, path.read_bytes()

    first = transfer.cache_features(frozen_old(), X, 2, path=path)
    made = stamp()
    again = transfer.cache_features(frozen_old(), X, 2, path=str(path))
    assert stamp() == made
    np.testing.assert_array_equal(first, again)
    # Proof that it was read: what stands in the file comes back.
    with np.load(path, allow_pickle=False) as file:
        digest = file["digest"]
    np.savez(path, digest=digest, features=first + 1)
    read = transfer.cache_features(frozen_old(), X, 2, path=path)
    np.testing.assert_array_equal(read, first + 1)
    for model, x, keep in (
        (frozen_old(1), X, 2),
        (frozen_old(), X[::-1], 2),
        (frozen_old(), X, 1),
        (frozen_old(), X[:9], 2),
    ):
        found = transfer.cache_features(model, x, keep, path=path)
        np.testing.assert_array_equal(found, transfer.cache_features(model, x, keep))
    assert [p.name for p in path.parent.iterdir()] == ["features.npz"]


def test_the_same_weights_behind_another_activation_are_other_features(tmp_path):
    path = tmp_path / "features.npz"
    model = frozen_old()
    transfer.cache_features(model, X, 1, path=path)
    model.layers[0].activation = keras.activations.relu
    found = transfer.cache_features(model, X, 1, path=path)
    assert (found >= 0).all()


@pytest.mark.parametrize("content", [b"", b"a table", b"PK\x03\x04 torn"])
def test_a_foreign_file_is_neither_read_nor_overwritten(tmp_path, content):
    path = tmp_path / "features.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="`path` must be new, or a file that"):
        transfer.cache_features(frozen_old(), X, 1, path=path)
    assert path.read_bytes() == content


def test_objects_in_a_file_are_not_unpickled(tmp_path):
    path = tmp_path / "features.npz"
    np.savez(path, digest=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="`path` must be new"):
        transfer.cache_features(frozen_old(), X, 1, path=path)


def test_an_interrupted_write_leaves_the_old_file_whole(tmp_path, monkeypatch):
    path = tmp_path / "features.npz"
    transfer.cache_features(frozen_old(), X, 1, path=path)
    before = path.read_bytes()

    def torn(file, **arrays):
        file.write(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", torn)
    with pytest.raises(KeyboardInterrupt):
        transfer.cache_features(frozen_old(1), X, 1, path=path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# Restoring


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """`nested`, trained a little, as a model and as both kinds of file."""
    folder, model = tmp_path_factory.mktemp("saved"), nested()
    model.compile("adam", "mse")
    run(model)
    model.save(folder / "a.keras")
    model.save_weights(folder / "a.weights.h5")
    return {
        "model": model,
        ".keras": folder / "a.keras",
        ".h5": folder / "a.weights.h5",
    }


@pytest.mark.parametrize("kind", ["model", ".keras", ".h5"])
def test_chosen_layers_are_restored_and_the_others_left(saved, kind):
    model = transfer.reuse(nested(), 2)
    before = weights(model)
    assert transfer.load_layers(model, saved[kind], ["base/bn"]) == {
        "base/bn": "base/bn"
    }
    assert moved(model, before) == [False] * 2 + [True] * 4 + [False] * 2
    everything = ["base/in", "base/bn", "head"]
    source = saved[kind] if kind == "model" else str(saved[kind])
    assert list(transfer.load_layers(model, source)) == everything
    for mine, theirs in zip(weights(model), weights(saved["model"]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_layers_are_restored_under_another_name():
    a, b = old(0), old(1)
    assert transfer.load_layers(b, a, {"three": "two"}, partial=True) == {}
    wide = transfer.reuse(a, 1, layers.Dense(4, name="deux"))
    assert transfer.load_layers(wide, a, {"deux": "two"}) == {"deux": "two"}
    np.testing.assert_array_equal(
        array(wide.layers[1].kernel), array(a.layers[1].kernel)
    )


@pytest.mark.parametrize("kind", ["model", ".keras", ".h5"])
def test_what_does_not_fit_is_listed_and_nothing_is_restored(saved, kind):
    model = transfer.reuse(nested(), 1, [layers.Dense(2, name="head"), new("top")])
    before = weights(model)
    with pytest.raises(ValueError) as error:
        transfer.load_layers(model, saved[kind])
    assert str(error.value).splitlines() == [
        "`source` must fit all of `names`; nothing was restored.",
        "matched: ['base/in', 'base/bn']",
        'other shape: ["head: [(4, 2), (2,)], there [(4, 1), (1,)]"]',
        "missing: ['top']",
    ]
    assert not any(moved(model, before))
    found = transfer.load_layers(model, saved[kind], partial=True)
    assert list(found) == ["base/in", "base/bn"]
    assert moved(model, before)[6:] == [False] * 4


def test_files_with_recurrent_layers_give_what_they_tell_the_order_of(tmp_path):
    def build(seed):
        keras.utils.set_random_seed(seed)
        return keras.Sequential(
            [
                keras.Input((3, 2)),
                layers.LSTM(2, return_sequences=True, name="lstm"),
                layers.Bidirectional(layers.SimpleRNN(2), name="both"),
                new("top"),
            ]
        )

    a, b = build(0), build(1)
    a.save_weights(tmp_path / "a.weights.h5")
    found = transfer.load_layers(b, tmp_path / "a.weights.h5", partial=True)
    assert list(found) == ["lstm", "top"]
    for name in found:
        for mine, theirs in zip(
            weights(b.get_layer(name)), weights(a.get_layer(name)), strict=True
        ):
            np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "name, content", [("a.keras", b"torn"), ("a.weights.h5", b"torn"), ("a.h5", b"")]
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="`source` must be a file of weights"):
        transfer.load_layers(old(), tmp_path / name)


def test_a_zip_that_is_no_model_and_other_sources_are_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="`source` must be a file of weights"):
        transfer.load_layers(old(), tmp_path / "a.keras")
    for source in (3, "a.pkl"):
        with pytest.raises(ValueError, match="`source` must be a built model or"):
            transfer.load_layers(old(), source)
    with pytest.raises(FileNotFoundError):
        transfer.load_layers(old(), tmp_path / "none.keras")
    with pytest.raises(ValueError, match=r"`names` must be layers .*\['four'\]"):
        transfer.load_layers(old(), old(), "four")


# Foreign weights


@pytest.mark.equation("eq-transfer-layout")
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 2), (4, 3, 2, 5), (4, 3, 2, 5, 1)])
def test_a_kernel_is_reordered_index_by_index(shape):
    weight = RNG.normal(size=shape)
    found = transfer.kernel_from_torch(weight)
    np.testing.assert_array_equal(found, oracles.kernel_from_torch(weight))


@pytest.mark.equation("eq-transfer-flatten")
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 1, 5), (3, 2, 1)])
def test_the_order_of_a_flattening_is_counted_out(shape):
    found = transfer.flatten_order(shape)
    np.testing.assert_array_equal(found, oracles.flatten_order(*shape))
    picture = RNG.normal(size=shape)
    torch = np.moveaxis(picture, -1, 0).ravel()
    np.testing.assert_array_equal(torch[found], picture.ravel())


def convolutional(between=()):
    return keras.Sequential(
        [
            keras.Input((5, 4, 2)),
            layers.Conv2D(3, (2, 3), name="conv"),
            layers.Flatten(),
            *between,
            layers.Dense(2, name="top"),
        ]
    )


def foreign(features=24):
    return {
        "features.0.weight": RNG.normal(size=(3, 2, 2, 3)),
        "features.0.bias": RNG.normal(size=3),
        "top.weight": RNG.normal(size=(2, features)),
        "top.bias": RNG.normal(size=2),
    }


@pytest.mark.parametrize("norm", [False, True])
def test_a_convolution_a_flattening_and_a_dense_layer_give_the_others_output(norm):
    between = [layers.Dropout(0.5), layers.BatchNormalization(epsilon=1e-3)]
    model, arrays = convolutional(between if norm else ()), foreign()
    scale, shift = np.ones(24), np.zeros(24)
    if norm:
        top = {key: arrays.pop(key) for key in list(arrays) if "top" in key}
        gamma, beta, mean = RNG.normal(size=(3, 24))
        variance = RNG.uniform(1, 2, 24)
        arrays |= {"bn.weight": gamma, "bn.bias": beta, "bn.running_mean": mean}
        arrays |= {"bn.running_var": variance, "bn.num_batches_tracked": np.array(9)}
        arrays |= top
        scale = gamma / np.sqrt(variance + 1e-3)
        shift = beta - scale * mean
    x = RNG.normal(size=(4, 2, 5, 4))
    expected = [
        arrays["top.weight"]
        @ (
            scale
            * oracles.convolution(
                one, arrays["features.0.weight"], arrays["features.0.bias"]
            ).ravel()
            + shift
        )
        + arrays["top.bias"]
        for one in x
    ]
    found = transfer.import_weights(model, arrays)
    assert list(found.values()) == ["features.0", *["bn"] * norm, "top"]
    given = np.moveaxis(x, 1, -1).astype("float32")
    np.testing.assert_allclose(array(model(given)), expected, rtol=1e-4, atol=1e-4)


def test_an_image_without_channels_is_flattened_alike_in_both():
    model = keras.Sequential(
        [keras.Input((3, 4)), layers.Flatten(), layers.Dense(2, name="top")]
    )
    w, x = RNG.normal(size=(2, 12)), RNG.normal(size=(5, 3, 4))
    transfer.import_weights(model, {"0.weight": w, "0.bias": np.zeros(2)})
    np.testing.assert_allclose(array(model(x)), x.reshape(5, 12) @ w.T, atol=1e-5)


def test_a_signal_after_a_convolution_is_not():
    model = keras.Sequential(
        [
            keras.Input((4, 1)),
            layers.Conv1D(2, 1, use_bias=False),
            layers.Activation("relu"),
            layers.Flatten(),
            layers.Dense(1, use_bias=False),
        ]
    )
    arrays = {"c.weight": np.array([[[1.0]], [[10.0]]])}
    arrays["d.weight"] = np.arange(8.0)[None]
    transfer.import_weights(model, arrays)
    x = np.array([1.0, 2.0, 3.0, 4.0])
    expected = np.arange(8) @ np.concatenate([x, 10 * x])
    np.testing.assert_allclose(array(model(x[None, :, None])), [[expected]], rtol=1e-6)


def test_in_keras_layout_a_model_gives_itself_back():
    a, b = nested(), transfer.reuse(nested(), 1, new("head"))
    owners = {"base/in": 2, "base/bn": 4, "head": 2}
    arrays, rest = {}, list(a.weights)
    for name, count in owners.items():
        for weight in rest[:count]:
            arrays[f"{name}.{weight.name}"] = array(weight)
        del rest[:count]
    arrays = dict(reversed(arrays.items()))
    found = transfer.import_weights(b, arrays, layout="keras")
    assert found == {name: name for name in owners}
    np.testing.assert_array_equal(array(b(X)), array(a(X)))


def test_named_layers_take_what_they_are_given_and_others_stay():
    model, arrays = convolutional(), foreign()
    before = weights(model)
    names = {"top": "top"}
    assert transfer.import_weights(model, arrays, names=names) == names
    assert moved(model, before) == [False, False, True, True]


def without(key):
    return {k: v for k, v in foreign().items() if k != key}


@pytest.mark.parametrize(
    "arrays, settings, says",
    [
        (foreign(), dict(layout="onnx"), "`layout` must be one of"),
        ([], {}, "`arrays` must be a dict"),
        (without("top.bias"), {}, "`arrays` must hold 'top.bias' for the layer 'top'"),
        (foreign() | {"top.extra": 0}, {}, r"nothing else for 'top'.*\['top.extra'\]"),
        (foreign() | {"x.weight": 0}, {}, "`names` must say which is which"),
        (foreign(23), {}, r"'top.weight' in Keras' layout is \(23, 2\)"),
        (foreign(), dict(names={"bottom": "top"}), "`names` must be layers of `model`"),
        (foreign(), dict(names={"top": "x"}), "`arrays` must hold 'x.weight'"),
        (foreign(), dict(layout="keras"), "`names` must say which is which"),
    ],
)
def test_arrays_that_do_not_fit_change_nothing(arrays, settings, says):
    model = convolutional()
    before = weights(model)
    with pytest.raises(ValueError, match=says):
        transfer.import_weights(model, arrays, **settings)
    assert not any(moved(model, before))


def test_a_layer_whose_layout_is_not_known_is_refused():
    model = keras.Sequential([keras.Input((3, 2)), layers.LSTM(2, name="lstm")])
    with pytest.raises(ValueError, match="layout is known. Received: 'lstm', a LSTM"):
        transfer.import_weights(model, {"0.weight": 0})


# Counting


@pytest.mark.equation("eq-transfer-ratio")
@pytest.mark.parametrize("a, b, n", [(32, 20, 2000), (1, 9, 10), (7, 7, 800)])
@pytest.mark.parametrize("level, z", [(0.95, 1.959964), (0.5, 0.6744898)])
def test_the_ratio_has_the_interval_of_the_delta_method(a, b, n, level, z):
    found = transfer.error_ratio(a, b, n, level=level)
    np.testing.assert_allclose(found, oracles.error_ratio(a, b, n, z), rtol=1e-6)


def test_the_interval_of_the_notes_run_holds_no_gain_at_all():
    ratio, low, high = transfer.error_ratio(32, 20, 2000)
    assert ratio == 1.6 and low < 1 < 2 < high


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    a, b = rng.binomial(2000, 0.016, 2000), rng.binomial(2000, 0.01, 2000)
    found = [transfer.error_ratio(i, j, 2000) for i, j in zip(a, b, strict=True)]
    held = np.mean([low < 1.6 < high for _, low, high in found])
    assert 0.93 < held < 0.97


def test_the_inventory_lists_every_layer_that_computes():
    model = nested()
    transfer.freeze(model, "base/in")
    transfer.remaining(model, 1)  # a second call of the head must not hide its shape
    rows = transfer.inventory(model)
    assert [tuple(row.values()) for row in rows] == [
        ("base/in", "Dense", (4,), 28, 0),
        ("base/bn", "BatchNormalization", (4,), 16, 8),
        ("head", "Dense", (1,), 5, 5),
    ]
    assert [row["output"] for row in transfer.inventory(twice())] == [(6,)]
    kinds = [row["kind"] for row in transfer.inventory(forked())]
    assert kinds == ["Dense", "Dense", "Add"]
