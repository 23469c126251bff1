"""`fit` against `model.fit` on the same batches, and what only `fit` promises."""

import signal
import threading
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers, losses, optimizers, regularizers

from dtlib import training
from dtlib.training import _arrays, _fallback, _program, _shapes

# Keras turns its variables into arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

ROWS, FEATURES, CLASSES, BATCH = 90, 6, 3, 32  # 90 = 2 · 32 + 26: a remainder batch
random = np.random.default_rng(7)
X = random.normal(size=(ROWS, FEATURES)).astype("float32")
Y = (X @ random.normal(size=(FEATURES, CLASSES))).argmax(1).astype("int32")
ONE_HOT = np.eye(CLASSES, dtype="float32")[Y]
WEIGHTS = random.uniform(0.1, 3, ROWS).astype("float32")
VALIDATION = X[:50], Y[:50]


ENGINE = _program.xla_pays


@pytest.fixture(autouse=True)
def graph(monkeypatch, caplog):
    """Plain graphs compile three times as fast as XLA, and round as `model.fit`.

    And no training of many models makes TensorFlow log that it traces too often.
    """
    monkeypatch.setattr(_program, "xla_pays", lambda model: False)
    yield
    logged = [record.getMessage() for record in caplog.get_records("call")]
    assert not [message for message in logged if "Program._loop" in message]


@pytest.fixture
def own_engine(graph, monkeypatch):
    monkeypatch.setattr(_program, "xla_pays", ENGINE)


def network(*hidden, last=None, seed=0, **compile_arguments):
    """Return a compiled classifier; `hidden` are functions that make a layer."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((FEATURES,))]
        + [layers.Dense(8, activation="relu")]
        + [make() for make in hidden]
        + [last() if last else layers.Dense(CLASSES)]
    )
    arguments = dict(
        optimizer=optimizers.SGD(0.1),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.compile(**{**arguments, **compile_arguments})
    return model


def by_keras(model, x, y, *, epochs=3, seed=0, sample_weight=None, **arguments):
    """Train by `model.fit`, epoch by epoch, in the order of `fit`: the curves."""
    curves = {}
    for epoch in range(epochs):
        order = training.batch_order(len(x), seed=seed, epoch=epoch)
        weight = None if sample_weight is None else sample_weight[order]
        history = model.fit(
            x[order],
            y[order],
            sample_weight=weight,
            shuffle=False,
            initial_epoch=epoch,
            epochs=epoch + 1,
            batch_size=BATCH,
            verbose=0,
            **arguments,
        ).history
        for name, values in history.items():
            curves.setdefault(name, []).extend(values)
    return curves


def assert_same_training(ours, curves, theirs, expected, rtol=1e-6):
    """Assert the same curves and the same weights, to the rounding of one engine.

    A batch forgotten, doubled or weighed wrongly changes them by 1e-3 and more.
    """
    assert curves.keys() == expected.keys()
    for name in curves:
        np.testing.assert_allclose(
            curves[name], expected[name], rtol, atol=rtol, err_msg=name
        )
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol, atol=rtol)
    for a, b in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol, atol=rtol)


def traces(model):
    return model._dtlib_program.traces


# Each row: the model's parts, and what is given to both `fit`s.
TWINS = {
    "SGD": ({}, {}),
    "momentum and validation": (
        dict(optimizer=lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
        dict(validation_data=VALIDATION),
    ),
    "Adam, several metrics": (
        dict(
            optimizer=lambda: optimizers.Adam(0.01),
            metrics=["accuracy", "sparse_top_k_categorical_accuracy"],
        ),
        {},
    ),
    "batch norm": (dict(hidden=[layers.BatchNormalization]), {}),
    "class weights": (
        dict(weighted_metrics=["accuracy"], metrics=None),
        dict(class_weight={0: 0.2, 1: 1.0, 2: 5.0}),
    ),
    "sample weights": (
        dict(weighted_metrics=["accuracy"]),
        dict(
            sample_weight=WEIGHTS,
            validation_data=(*VALIDATION, WEIGHTS[:50]),
        ),
    ),
    "a schedule": (
        dict(
            optimizer=lambda: optimizers.SGD(
                optimizers.schedules.ExponentialDecay(0.3, 2, 0.7)
            )
        ),
        {},
    ),
    "penalties": (
        dict(
            last=lambda: layers.Dense(
                CLASSES,
                kernel_regularizer=regularizers.L2(0.1),
                bias_constraint="non_neg",
            )
        ),
        {},
    ),
    "layer norm, clipping, decay": (
        dict(
            hidden=[layers.LayerNormalization],
            optimizer=lambda: optimizers.AdamW(0.01, global_clipnorm=0.1),
        ),
        {},
    ),
    "dropout": (dict(hidden=[lambda: layers.Dropout(0.5, seed=3)]), {}),
}


def assert_twins(name, xla):
    parts, arguments = TWINS[name]
    parts = dict(parts)
    hidden, make = parts.pop("hidden", []), parts.pop("optimizer", None)

    def build(**more):
        optimizer = dict(optimizer=make()) if make else {}
        return network(*hidden, **parts, **optimizer, **more)

    ours, theirs = build(), build(jit_compile=xla)
    curves = training.fit(ours, X, Y, epochs=3, seed=4, **arguments).history
    expected = by_keras(theirs, X, Y, seed=4, **arguments)
    assert_same_training(ours, curves, theirs, expected)
    assert ours._dtlib_program.xla is xla


@pytest.mark.parametrize("name", TWINS)
def test_the_curve_is_that_of_model_fit_on_the_same_batches(name):
    assert_twins(name, xla=False)


def test_under_xla_the_curve_is_that_of_model_fit_with_jit_compile(own_engine):
    assert_twins("SGD", xla=True)


def test_xla_gives_the_curve_of_default_keras_in_float64(own_engine):
    """In float64 rounding cannot grow: 1e-10 is far below any error of the loop."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        ours, theirs = (network(layers.BatchNormalization) for _ in range(2))
        curves = training.fit(ours, X, Y, epochs=3).history
        expected = by_keras(theirs, X, Y)
        assert ours._dtlib_program.xla
        assert_same_training(ours, curves, theirs, expected, rtol=1e-10)
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)


def test_mixed_precision_with_loss_scaling_follows_model_fit():
    def build(**arguments):
        keras.utils.set_random_seed(0)
        dense = layers.Dense(8, activation="relu", dtype="mixed_float16")
        model = keras.Sequential(
            [keras.Input((FEATURES,)), dense, layers.Dense(CLASSES)]
        )
        model.compile(
            optimizers.LossScaleOptimizer(optimizers.Adam(0.01), initial_scale=64.0),
            losses.SparseCategoricalCrossentropy(from_logits=True),
            **arguments,
        )
        return model

    ours, theirs = build(), build()
    curves = training.fit(ours, X, Y, epochs=3).history
    expected = by_keras(theirs, X, Y)
    # float16 keeps 3 digits; a step that was not unscaled would be 64 times too long.
    np.testing.assert_allclose(curves["loss"], expected["loss"], rtol=1e-3)


def test_several_inputs_and_outputs_and_a_penalty_of_the_activations():
    def build(**arguments):
        keras.utils.set_random_seed(0)
        a, b = keras.Input((4,), name="a"), keras.Input((2,), name="b")
        joined = layers.concatenate([a, layers.Dense(3, activation="tanh")(b)])
        joined = layers.ActivityRegularization(l2=0.01)(joined)
        outputs = (
            layers.Dense(CLASSES, name="p")(joined),
            layers.Dense(1, name="q")(joined),
        )
        model = keras.Model([a, b], outputs)
        model.compile(
            "sgd",
            [losses.SparseCategoricalCrossentropy(from_logits=True), "mse"],
            loss_weights=[1.0, 0.3],
            **arguments,
        )
        return model

    x, y = [X[:, :4], X[:, 4:]], [Y, X[:, :1]]
    keep = slice(0, 64)  # Keras averages the parts' losses unweighted over batches
    x, y = [part[keep] for part in x], [part[keep] for part in y]
    ours, theirs = build(), build()
    curves = training.fit(ours, x, y, epochs=2, shuffle=False).history
    expected = theirs.fit(x, y, epochs=2, shuffle=False, verbose=0).history
    assert_same_training(ours, curves, theirs, expected)
    first = traces(ours)
    training.fit(ours, x, y)
    assert traces(ours) == first


class TwoSteps(keras.Model):
    """A model with a step of its own, and variables made when it is first called."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)
        self.seen = keras.metrics.Mean(name="seen")

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean((self(x) - y) ** 2)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self.seen.update_state(loss)
        return {"seen": self.seen.result()}


def test_a_step_of_the_users_own_is_the_step_that_runs():
    keras.utils.set_random_seed(0)
    model = TwoSteps()
    model.compile("sgd")
    y = X[:, :1] * 2
    curve = training.fit(model, X, y, epochs=3, shuffle=False).history["seen"]
    keras.utils.set_random_seed(0)
    theirs = TwoSteps()
    theirs.compile("sgd")
    expected = theirs.fit(X, y, epochs=3, shuffle=False, verbose=0).history["seen"]
    np.testing.assert_allclose(curve, expected, rtol=1e-5)
    assert model.optimizer.iterations == 9


def test_an_averaging_optimizer_hands_over_its_averages():
    def build():
        return network(optimizer=optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9))

    ours, theirs = build(), build()
    curves = training.fit(ours, X, Y, epochs=2, shuffle=False).history
    expected = theirs.fit(X, Y, epochs=2, shuffle=False, verbose=0).history
    # 1e-5: XLA against graph. Without the hand-over the weights differ by 0.1.
    assert_same_training(ours, curves, theirs, expected, rtol=1e-5)


def test_fewer_rows_than_a_batch_are_one_batch():
    ours, theirs = network(), network()
    curves = training.fit(ours, X[:20], Y[:20], epochs=3).history
    expected = by_keras(theirs, X[:20], Y[:20])
    assert_same_training(ours, curves, theirs, expected)
    assert ours.optimizer.iterations == 3


# --- the order of the batches, and randomness -----------------------------------


def test_the_order_is_a_permutation_of_seed_and_epoch():
    orders = [
        training.batch_order(50, seed=seed, epoch=epoch)
        for seed in range(3)
        for epoch in range(3)
    ]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(50))
    assert len({tuple(order) for order in orders}) == 9
    np.testing.assert_array_equal(orders[4], training.batch_order(50, seed=1, epoch=1))


class Recorder(layers.Layer):
    """Remember the first feature of every row it saw in training, in order."""

    def __init__(self):
        super().__init__()
        self.seen = self.add_weight(shape=(ROWS,), trainable=False, initializer="zeros")
        self.at = self.add_weight(
            shape=(), dtype="int32", trainable=False, initializer="zeros"
        )

    def call(self, x, training=False):
        if training:
            rows = keras.ops.shape(x)[0]
            seen = keras.ops.slice_update(self.seen.value, [self.at.value], x[:, 0])
            self.seen.assign(seen)
            self.at.assign(self.at + rows)
        return x


@pytest.mark.parametrize("shuffle", [True, False])
def test_every_row_is_visited_once_an_epoch_in_the_order_announced(shuffle):
    recorder = Recorder()
    model = keras.Sequential([keras.Input((FEATURES,)), recorder, layers.Dense(1)])
    model.compile("sgd", "mse")
    training.fit(model, X, X[:, :1], seed=5, shuffle=shuffle)
    order = training.batch_order(ROWS, seed=5, epoch=0) if shuffle else np.arange(ROWS)
    np.testing.assert_array_equal(recorder.seen.numpy(), X[order, 0])


class Masks(layers.Layer):
    """Add up the dropout masks of the steps, by step."""

    def __init__(self):
        super().__init__()
        self.dropout = layers.Dropout(0.5, seed=1)
        self.masks = self.add_weight(
            shape=(3, 40), trainable=False, initializer="zeros"
        )
        self.at = self.add_weight(
            shape=(), dtype="int32", trainable=False, initializer="zeros"
        )

    def call(self, x, training=False):
        if training:
            mask = self.dropout(keras.ops.ones((1, 40)), training=True)
            masks = keras.ops.slice_update(self.masks.value, [self.at.value, 0], mask)
            self.masks.assign(masks)
            self.at.assign(self.at + 1)
        return x


def test_dropout_draws_a_new_mask_each_step_and_repeats_under_its_seed():
    drawn = []
    for _ in range(2):
        masks = Masks()
        model = keras.Sequential([keras.Input((FEATURES,)), masks, layers.Dense(1)])
        model.compile("sgd", "mse")
        training.fit(model, X, X[:, :1])
        drawn.append(masks.masks.numpy())
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert set(np.unique(drawn[0])) == {0, 2}
    # 40 bits: two equal masks by chance once in 10¹².
    assert len({tuple(mask) for mask in drawn[0]}) == 3


# --- compiled once --------------------------------------------------------------


def test_a_second_call_does_not_compile_again():
    model = network()
    training.fit(model, X, Y, validation_data=VALIDATION)
    first = traces(model)
    assert first == 4  # full and remainder batches, of training and of validation
    training.fit(model, X, Y, epochs=2, seed=8, validation_data=VALIDATION)
    training.fit(model, X + 1, Y, shuffle=False)
    training.evaluate(model, *VALIDATION, batch_size=32)
    assert traces(model) == first
    training.fit(model, X, Y, batch_size=45)
    assert traces(model) == first + 1


@pytest.mark.parametrize("hidden", [layers.BatchNormalization, "dropout"])
def test_a_new_seed_trains_as_a_new_model_and_does_not_compile(hidden, own_engine):
    make = (lambda: layers.Dropout(0.3)) if hidden == "dropout" else hidden

    def build(seed):
        return network(make, seed=seed, optimizer=optimizers.Adam(0.05))

    data = X[:64], Y[:64]  # two full batches: one compilation
    slower = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model = build(0)
    training.fit(model, *data, epochs=2, callbacks=[slower])
    first = traces(model)
    training.restart(model, build(1))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05)
    assert model.optimizer.iterations == 0
    curves = training.fit(model, *data, epochs=2, seed=1).history
    new = build(1)
    expected = training.fit(new, *data, epochs=2, seed=1).history
    assert curves == expected
    for ours, theirs in (
        (model.variables, new.variables),
        (model.optimizer.variables, new.optimizer.variables),
    ):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert traces(model) == first


def test_restart_takes_the_learning_rate_of_the_fresh_model():
    model, fresh = network(), network(optimizer=optimizers.SGD(0.7))
    training.restart(model, fresh)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.7)


OTHERS = {
    "momentum": dict(optimizer=optimizers.SGD(0.1, momentum=0.5)),
    "Adam": dict(optimizer="adam"),
    "activation": dict(last=lambda: layers.Dense(CLASSES, activation="tanh")),
    "Dropout": dict(hidden=[lambda: layers.Dropout(0.5)]),
    "loss": dict(loss="sparse_categorical_crossentropy"),
}


@pytest.mark.parametrize("difference", OTHERS)
def test_restart_refuses_another_model_and_says_what_differs(difference):
    parts = dict(OTHERS[difference])
    fresh = network(*parts.pop("hidden", []), **parts)
    model = network()
    before = [variable.numpy() for variable in model.variables]
    with pytest.raises(ValueError, match=f"`fresh` must have .*{difference}"):
        training.restart(model, fresh)
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


def test_restart_refuses_what_is_not_built_or_not_compiled():
    loose = keras.Sequential([layers.Dense(1)])
    with pytest.raises(ValueError, match="`fresh` must be a compiled"):
        training.restart(network(), loose)
    loose.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`fresh` must be built"):
        training.restart(network(), loose)


def test_restart_refuses_other_shapes():
    model, narrow = TwoSteps(), TwoSteps()
    for one, columns in (model, 6), (narrow, 4):
        one.compile("sgd")
        one(X[:, :columns])
    with pytest.raises(ValueError, match="`fresh` must have the weights of `model`"):
        training.restart(model, narrow)


def test_compiling_the_model_again_compiles_the_epoch_again():
    model = network()
    training.fit(model, X, Y)
    first = model._dtlib_program
    model.compile(model.optimizer, "mse", metrics=["mae"])
    loss = training.fit(model, X, ONE_HOT, shuffle=False).history["loss"][0]
    assert model._dtlib_program is not first
    assert loss < 1.5 and set(model.history.history) == {"loss", "mae"}


def test_a_layer_frozen_after_compile_stays_as_it_is():
    model = network()
    training.fit(model, X, Y)
    model.layers[0].trainable = False
    frozen, free = (layer.kernel.numpy() for layer in model.layers)
    training.fit(model, X, Y)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), frozen)
    assert (model.layers[1].kernel.numpy() != free).any()


def test_metrics_start_anew_each_epoch():
    model = network(
        last=lambda: layers.Dense(CLASSES, bias_initializer="ones"),
        optimizer=optimizers.SGD(1e-30),  # 1 - 1e-30 = 1: nothing is learned
    )
    curves = training.fit(model, X, Y, epochs=3, validation_data=VALIDATION).history
    for values in curves.values():
        np.testing.assert_allclose(values, values[0], rtol=1e-6)
    assert curves["loss"][0] != curves["val_loss"][0]


def test_a_trained_model_is_saved_without_its_program(tmp_path):
    model = network()
    training.fit(model, X, Y)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(X), again(X))
    assert not hasattr(again, "_dtlib_program")


# --- which engine ---------------------------------------------------------------

ENGINES = [
    (True, (8,), lambda: [layers.Dense(3), layers.BatchNormalization()]),
    (True, (5, 2), lambda: [layers.LSTM(3)]),
    (True, (8,), lambda: [layers.Dropout(0.0)]),
    (False, (8,), lambda: [layers.Dropout(0.1)]),
    (False, (8,), lambda: [keras.Sequential([layers.GaussianNoise(0.1)])]),
    (False, (5, 2), lambda: [layers.GRU(3, dropout=0.1)]),
    (
        False,
        (5, 2),
        lambda: [layers.Bidirectional(layers.GRU(3, recurrent_dropout=0.1))],
    ),
    (False, (5, 2), lambda: [layers.Conv1D(2, 3)]),
    (False, (5, 4, 3), lambda: [layers.TimeDistributed(layers.SeparableConv1D(2, 3))]),
]


@pytest.mark.parametrize("case", range(len(ENGINES)))
def test_the_engine_follows_from_the_layers(case, own_engine):
    xla, shape, make = ENGINES[case]
    model = keras.Sequential([keras.Input(shape), *make()])
    assert _program.xla_pays(model) is xla


class Python(layers.Layer):
    def call(self, x):
        ones = tf.numpy_function(lambda a: a * 0 + 1, [x], x.dtype)
        return x * tf.ensure_shape(ones, x.shape)


def test_what_xla_cannot_compile_runs_as_a_graph_and_says_so(own_engine):
    model = network(Python)
    with pytest.warns(UserWarning, match="XLA cannot compile this model") as caught:
        training.fit(model, X, Y)
    assert caught[0].filename == __file__
    assert model.optimizer.iterations == 3 and not model._dtlib_program.xla
    training.fit(model, X, Y)  # remembered: no second warning


# --- callbacks ------------------------------------------------------------------


def test_early_stopping_restores_the_best_weights():
    def make():
        # The validation labels are wrong, so the loss on them rises from epoch 1 on.
        return [callbacks.EarlyStopping(patience=2, restore_best_weights=True)]

    ours, theirs = network(), network()
    given = dict(epochs=9, shuffle=False, validation_data=(X[:50], 2 - Y[:50]))
    curves = training.fit(ours, X, Y, callbacks=make(), **given).history
    expected = theirs.fit(X, Y, callbacks=make(), verbose=0, **given).history
    assert_same_training(ours, curves, theirs, expected)
    assert len(curves["loss"]) < 9
    best = training.evaluate(ours, X[:50], 2 - Y[:50])["loss"]
    assert best == pytest.approx(min(curves["val_loss"]), rel=1e-5)


def test_callbacks_that_steer_log_and_save_do_as_in_model_fit(tmp_path):
    folders = [tmp_path / "ours", tmp_path / "theirs"]
    models = network(), network()
    curves = []
    for folder, model in zip(folders, models, strict=True):
        folder.mkdir()
        given = [
            callbacks.LearningRateScheduler(lambda epoch, rate: 0.2 / (epoch + 1)),
            callbacks.ReduceLROnPlateau(monitor="loss", min_delta=1.0, patience=1),
            callbacks.ModelCheckpoint(
                folder / "{epoch}.weights.h5", save_weights_only=True
            ),
            callbacks.CSVLogger(folder / "log.csv"),
        ]
        train = model.fit if model is models[1] else partial(training.fit, model)
        curves.append(
            train(
                X,
                Y,
                epochs=4,
                shuffle=False,
                callbacks=given,
                validation_data=VALIDATION,
                verbose=0,
            ).history
        )
    assert_same_training(models[0], curves[0], models[1], curves[1])
    assert len(set(curves[0]["learning_rate"])) == 4
    ours, theirs = (
        np.genfromtxt(folder / "log.csv", delimiter=",", names=True)
        for folder in folders
    )
    assert ours.dtype.names == theirs.dtype.names
    for column in ours.dtype.names:
        np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-6)
    for folder, model in zip(folders, models, strict=True):
        model.load_weights(folder / "2.weights.h5")
    np.testing.assert_allclose(models[0](X), models[1](X), rtol=1e-6, atol=1e-6)


def test_training_that_diverges_to_nan_is_ended():
    model = network(optimizer=optimizers.SGD(1e30), loss="mse")
    history = training.fit(
        model, X, ONE_HOT, epochs=50, callbacks=[callbacks.TerminateOnNaN()]
    )
    assert len(history.epoch) < 5 and not np.isfinite(history.history["loss"][-1])


class Crash(callbacks.Callback):
    def __init__(self, epoch, error=RuntimeError):
        super().__init__()
        self.epoch, self.error = epoch, error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise self.error("crash")


def test_a_crash_resumed_from_the_backup_equals_the_unbroken_run(tmp_path):
    def build():
        return network(layers.BatchNormalization, optimizer=optimizers.Adam(0.02))

    unbroken = build()
    expected = training.fit(unbroken, X, Y, epochs=5).history["loss"]
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(RuntimeError):
        training.fit(build(), X, Y, epochs=5, callbacks=[backup, Crash(3)])
    resumed = build()
    again = callbacks.BackupAndRestore(tmp_path / "backup")
    curve = training.fit(resumed, X, Y, epochs=5, callbacks=[again]).history["loss"]
    assert resumed.history.epoch == [3, 4]
    assert curve == expected[3:]
    for a, b in zip(unbroken.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    # The epoch of that resumption is forgotten: Keras would now train nothing.
    training.fit(resumed, X, Y, epochs=2)
    assert resumed.history.epoch == [0, 1]


def test_a_callback_with_batch_hooks_gets_every_batch():
    logged = {"ours": [], "theirs": []}

    def hook(name):
        return callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs: logged[name].append(batch),
            on_train_batch_end=lambda batch, logs: logged[name].append(logs["loss"]),
        )

    training.fit(network(), X, Y, epochs=2, shuffle=False, callbacks=[hook("ours")])
    network().fit(X, Y, epochs=2, shuffle=False, verbose=0, callbacks=[hook("theirs")])
    np.testing.assert_allclose(logged["ours"], logged["theirs"], rtol=1e-6)
    assert logged["ours"][::2] == [0, 1, 2] * 2


class Stop(callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            self.model.stop_training = True


def test_a_callback_can_stop_in_the_middle_of_an_epoch():
    model = network()
    training.fit(model, X, Y, epochs=4, callbacks=[Stop()])
    assert model.optimizer.iterations == 2 and model.history.epoch == [0]


def test_without_batch_hooks_an_epoch_is_few_calls(monkeypatch):
    seen = []
    monkeypatch.setattr(
        callbacks.ProgbarLogger,
        "on_train_batch_end",
        lambda self, batch, logs=None: seen.append(batch),
    )
    training.fit(network(), X, Y, batch_size=2, epochs=3, verbose=2)
    assert [batch for batch in seen if batch == 44] == [44] * 3
    assert len(seen) < 3 * 10  # of 3 · 45 batches


def test_the_progress_bar_shows_the_epochs_and_silence_is_the_default(capsys):
    model = network()
    training.fit(model, X, Y, epochs=2, verbose=1)
    shown = capsys.readouterr().out
    assert "Epoch 2/2" in shown and "3/3" in shown and "loss:" in shown
    training.fit(model, X, Y, epochs=2)
    assert capsys.readouterr().out == ""


def test_no_epochs_leave_the_model_as_it_was():
    model = network()
    before = [variable.numpy() for variable in model.variables]
    assert training.fit(model, X, Y, epochs=0).history == {}
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


# --- Ctrl-C ---------------------------------------------------------------------


def assert_usable_after_ctrl_c(model, interrupt, finished):
    assert "in `model.history`" in interrupt.value.__notes__[0]
    assert f"after {finished} finished" in interrupt.value.__notes__[0]
    assert len(model.history.history["loss"]) == finished
    assert np.isfinite(model.predict_on_batch(X)).all()
    first = traces(model)
    training.fit(model, X, Y, epochs=1)
    assert traces(model) == first and model.history.epoch == [0]


def test_ctrl_c_in_a_callback_keeps_the_finished_epochs_and_the_backup(tmp_path):
    model = network()
    backup = callbacks.BackupAndRestore(tmp_path / "backup")
    given = [backup, Crash(2, KeyboardInterrupt)]
    with pytest.raises(KeyboardInterrupt) as interrupt:
        training.fit(model, X, Y, epochs=9, callbacks=given)
    assert list((tmp_path / "backup").iterdir())
    assert model.optimizer.iterations == 6
    assert_usable_after_ctrl_c(model, interrupt, 2)


def test_ctrl_c_by_a_signal_stops_between_two_batches(own_engine, interruptible):
    """A real SIGINT, raised by another thread in the middle of a long epoch."""
    x, y = np.tile(X, (2000, 1)), np.tile(Y, 2000)
    model = network()
    training.fit(model, x, y)  # compiled; the speed is known

    def interrupt_soon(epoch, logs):
        if epoch == 1:
            threading.Timer(0.02, signal.raise_signal, [signal.SIGINT]).start()

    hook = callbacks.LambdaCallback(on_epoch_begin=interrupt_soon)
    with pytest.raises(KeyboardInterrupt) as interrupt:
        training.fit(model, x, y, epochs=1000, callbacks=[hook])
    finished = len(model.history.epoch)
    assert 1 <= finished < 1000
    assert "in `model.history`" in interrupt.value.__notes__[0]
    first = traces(model)
    training.fit(model, x, y)
    assert traces(model) == first
    assert np.isfinite(model.get_weights()[0]).all()


# --- falling back to model.fit --------------------------------------------------


def test_a_model_run_eagerly_falls_back_to_the_same_batches():
    eager, compiled = network(run_eagerly=True), network()
    given = dict(epochs=2, seed=3, class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    with pytest.warns(UserWarning, match="falls back .* run_eagerly=True") as caught:
        curves = training.fit(eager, X, Y, validation_data=VALIDATION, **given).history
    assert caught[0].filename == __file__
    expected = training.fit(compiled, X, Y, validation_data=VALIDATION, **given).history
    for name in expected:
        np.testing.assert_allclose(curves[name], expected[name], rtol=1e-4)


def test_another_backend_falls_back(monkeypatch):
    monkeypatch.setattr(_fallback.keras.backend, "backend", lambda: "jax")
    assert "backend is jax" in _fallback.not_compilable(network())


def test_a_distributed_model_falls_back():
    with tf.distribute.MirroredStrategy(["/cpu:0"]).scope():
        model = network()
    assert "tf.distribute" in _fallback.not_compilable(model)


def generator():
    for start in range(0, ROWS, BATCH):
        yield X[start : start + BATCH], Y[start : start + BATCH]


STREAMS = {
    "generator": generator,
    "_BatchDataset": lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(BATCH),
    "Batches": lambda: _fallback.Batches((X, Y, None), BATCH, np.arange(ROWS)),
}


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_of_batches_goes_to_model_fit(kind):
    ours, theirs = network(), network()
    with pytest.warns(UserWarning, match=f"`x` is a {kind}"):
        history = training.fit(ours, STREAMS[kind](), None, shuffle=False)
    expected = theirs.fit(STREAMS[kind](), shuffle=False, verbose=0)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"])


# --- evaluate -------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [7, 256])
def test_evaluate_gives_the_numbers_of_model_evaluate(batch_size):
    model = network(weighted_metrics=["accuracy"])
    ours = training.evaluate(model, X, Y, batch_size=batch_size, sample_weight=WEIGHTS)
    theirs = model.evaluate(X, Y, sample_weight=WEIGHTS, verbose=0, return_dict=True)
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert all(type(value) is float for value in ours.values())


def test_evaluate_changes_nothing_and_falls_back():
    model = network(layers.BatchNormalization)
    before = [variable.numpy() for variable in model.variables]
    expected = training.evaluate(model, X, Y)
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    model.run_eagerly = True
    with pytest.warns(UserWarning, match="`evaluate` falls back"):
        assert training.evaluate(model, X, Y) == pytest.approx(expected, rel=1e-5)
    dataset = STREAMS["_BatchDataset"]()
    with pytest.warns(UserWarning, match="`x` is a _BatchDataset"):
        ours = training.evaluate(model, dataset, None)
    assert ours == pytest.approx(expected, rel=1e-5)


def test_a_metric_with_many_values_stays_an_array():
    model = network(
        last=lambda: layers.Dense(CLASSES, activation="softmax"),
        loss="categorical_crossentropy",
        metrics=[keras.metrics.F1Score(average=None)],
    )
    assert training.evaluate(model, X, ONE_HOT)["f1_score"].shape == (CLASSES,)


# --- bad input ------------------------------------------------------------------


def with_nan(array, value=np.nan):
    array = array.astype("float32")
    array[3, 2] = value
    return array


BAD = {
    "epochs": [dict(epochs=-1), dict(epochs=1.5), dict(epochs=True)],
    "batch_size": [dict(batch_size=0), dict(batch_size=2.0)],
    "seed": [dict(seed=-1), dict(seed="a"), dict(seed=None)],
    "verbose": [dict(verbose=3), dict(verbose=None)],
    "x": [
        dict(x=X[:0], y=Y[:0]),
        dict(x=with_nan(X)),
        dict(x=with_nan(X, np.inf)),
        dict(x=X[:, :4]),
        dict(x=[[1.0], [2.0]]),
        dict(x=None),
        dict(x=[X, X]),
    ],
    "y": [
        dict(y=Y[:-1]),
        dict(y=ONE_HOT),
        dict(y=Y + 1),
        dict(y=Y - 1),
        dict(y=Y + 0.5),
        dict(y=[Y, Y]),
    ],
    "validation_data": [
        dict(validation_data=X),
        dict(validation_data=(X,)),
        dict(validation_data=(X, Y, WEIGHTS, WEIGHTS)),
    ],
    "validation_data[0]": [
        dict(validation_data=(with_nan(X), Y)),
        dict(validation_data=(X[:, :2], Y)),
    ],
    "validation_data[1]": [
        dict(validation_data=(X, Y[1:])),
        dict(validation_data=(X, Y + 1)),
    ],
    "validation_data[2]": [dict(validation_data=(X, Y, WEIGHTS[1:]))],
    "class_weight": [
        dict(class_weight={0: 1.0, 1: 1.0}),
        dict(class_weight=[1.0, 1.0, 1.0]),
        dict(class_weight={0: 1.0, 1: np.nan, 2: 1.0}),
        dict(class_weight={0: 1.0, 1: 1.0, 2: 1.0}, sample_weight=WEIGHTS),
    ],
    "sample_weight": [
        dict(sample_weight=WEIGHTS[1:]),
        dict(sample_weight=with_nan(X)[:, 2]),
        dict(sample_weight=2.0),
    ],
}


@pytest.mark.parametrize(
    "argument, case", [(name, i) for name in BAD for i in range(len(BAD[name]))]
)
def test_bad_input_is_named_before_anything_is_trained(argument, case):
    arguments = {"x": X, "y": Y, **BAD[argument][case]}
    model = network()
    before = [variable.numpy() for variable in model.variables]
    with pytest.raises(ValueError) as error:
        training.fit(model, arguments.pop("x"), arguments.pop("y"), **arguments)
    assert f"`{argument}`" in str(error.value).split(".")[0]
    for a, b in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())


@pytest.mark.parametrize(
    "y, loss, said",
    [
        (Y, "mse", "the shape of the model's outputs, (n, 3). Received: y.shape=(90,)"),
        (Y[:, None], "mse", "Received: y.shape=(90, 1)"),
        (Y, "categorical_crossentropy", "go with sparse_categorical_crossentropy"),
        (ONE_HOT, "sparse_categorical_crossentropy", "One-hot rows go with"),
        (Y * 4, losses.SparseCategoricalCrossentropy(), "labels from 0 to 8"),
        (Y + 0.5, "sparse_categorical_crossentropy", "whole class labels"),
    ],
)
def test_targets_that_do_not_fit_the_outputs_are_explained(y, loss, said):
    with pytest.raises(ValueError) as error:
        training.fit(network(loss=loss), X, y)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "y, loss",
    [
        (Y[:, None], "sparse_categorical_crossentropy"),
        (Y.astype("float64"), "sparse_categorical_crossentropy"),
        (Y - 1, losses.SparseCategoricalCrossentropy(ignore_class=-1)),
        (Y, "crossentropy"),
        (ONE_HOT, "crossentropy"),
        (Y, lambda y_true, y_pred: keras.ops.sum(y_pred, -1)),
        (Y * 0, losses.Circle()),
    ],
)
def test_targets_that_fit_in_another_form_pass(y, loss):
    _shapes.check_targets(network(loss=loss), y)


def test_a_model_must_be_compiled():
    model = keras.Sequential([layers.Dense(1)])
    for function in (training.fit, training.evaluate):
        with pytest.raises(ValueError, match="`model` must be a compiled Keras model"):
            function(model, X, Y)


def test_an_unknown_loss_is_named():
    for function in (training.fit, training.evaluate):
        with pytest.raises(ValueError, match="`loss`, .*Received: loss='msqe'"):
            function(network(loss="msqe"), X, Y)


def test_a_model_without_an_input_is_built_from_the_data_and_then_checked():
    model = keras.Sequential([layers.Dense(CLASSES)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`y` must have the shape"):
        training.fit(model, X, Y)
    assert training.fit(model, X, ONE_HOT).epoch == [0]


def test_class_weights_are_those_of_keras():
    weight = {0: 0.5, 1: 2.0, 2: 7.0}
    for y in (Y, Y[:, None], ONE_HOT):
        ours = _arrays.class_weights(y, weight)
        np.testing.assert_array_equal(ours, [weight[int(label)] for label in Y])
