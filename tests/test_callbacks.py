"""Callbacks: beside Keras' own on the same trainings, and their rules by hand."""

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from dtlib import callbacks, schedules, training
from dtlib.callbacks import EarlyStopping, ReduceLROnPlateau
from tests import oracles_schedules as oracles
from tests.engines import array

# Keras reads a variable by NumPy's older protocol, of which NumPy 2 warns.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

COMMON = dict(monitor="loss", min_delta=0.01, patience=2, verbose=1, mode="min")
BAD = dict(monitor=None, min_delta=-0.1, patience=1.5, verbose=3, mode="least")
# Each public class, all its arguments at other values than the default, and bad ones.
CALLBACKS = {
    EarlyStopping: (
        dict(**COMMON, baseline=0.7, restore_best_weights=True, start_from_epoch=2),
        dict(**BAD, baseline="0.7", restore_best_weights=None, start_from_epoch=-1),
    ),
    ReduceLROnPlateau: (
        dict(**COMMON, factor=0.2, cooldown=1, min_lr=0.01),
        dict(**BAD, factor=1.0, cooldown=-1, min_lr=-0.1),
    ),
}
REFUSALS = [(cls, name) for cls, (_, bad) in CALLBACKS.items() for name in bad]

# The loss of each epoch: a minimum, a rise, a later minimum, then nothing more.
CURVE = [
    1.0,
    0.8,
    0.7,
    0.75,
    0.71,
    0.695,
    0.72,
    0.6,
    0.65,
    0.64,
    0.66,
    0.61,
    0.62,
    0.63,
]


class Scripted(keras.callbacks.Callback):
    """Stands before the other callbacks, and says what each epoch's loss was."""

    def __init__(self, curve, name="loss"):
        super().__init__()
        self.curve, self.name, self.rates = curve, name, []

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.curve[epoch]
        self.rates.append(float(array(self.model.optimizer.learning_rate)))


def by_keras(model, x, y, **more):
    return model.fit(x, y, verbose=0, **more)


def by_hand(model, x, y, *, epochs, callbacks):
    """What `model.fit` does round its batches; an epoch adds the rate to the weight."""
    run = keras.callbacks.CallbackList(
        callbacks, add_history=True, model=model, epochs=epochs
    )
    model.stop_training = False
    run.on_train_begin()
    for epoch in range(epochs):
        run.on_epoch_begin(epoch)
        model.weights[0].assign_add([[float(array(model.optimizer.learning_rate))]])
        run.on_epoch_end(epoch, {"accuracy": 0.5, "loss": 0.5})
        if model.stop_training:
            break
    run.on_train_end()
    return model.history


X = np.ones((4, 1), "float32")


def train(callback, curve, fit=by_hand, rate=0.1, name="loss"):
    """The weights, the rates and the history of one training; the loss is scripted."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    eager = dict(run_eagerly=fit is not training.fit, metrics=["accuracy"])
    model.compile(keras.optimizers.SGD(rate), "mse", **eager)
    script = Scripted(curve, name)
    history = fit(model, X, X, epochs=len(curve), callbacks=[script, callback])
    return array(model.weights[0]).item(), script.rates, history


def same_as_keras(name, curve, fit=by_hand, **arguments):
    """Ours and Keras' callback, each after the same training."""
    made = [getattr(home, name)(**arguments) for home in (callbacks, keras.callbacks)]
    (w, rates, history), theirs = (train(callback, curve, fit) for callback in made)
    assert w == theirs[0]
    assert rates == theirs[1]
    assert history.epoch == theirs[2].epoch
    assert history.history.keys() == theirs[2].history.keys()
    ours, theirs = made
    assert ours.wait == theirs.wait
    assert (ours.best is None) == (theirs.best is None)
    assert ours.best is None or float(ours.best) == pytest.approx(float(theirs.best))
    return ours, theirs, history


FITS = pytest.mark.parametrize(
    "fit", [by_hand, by_keras, pytest.param(training.fit, marks=pytest.mark.tensorflow)]
)

STOPPING = [
    dict(),
    dict(patience=1),
    dict(patience=3),
    dict(patience=3, restore_best_weights=True),
    dict(patience=20, restore_best_weights=True),
    dict(patience=2, min_delta=0.05),
    dict(patience=2, min_delta=0.05, restore_best_weights=True),
    dict(patience=3, start_from_epoch=4, restore_best_weights=True),
    dict(patience=20, start_from_epoch=20, restore_best_weights=True),
    dict(patience=3, baseline=0.65),
    dict(patience=3, baseline=0.75, restore_best_weights=True),
    dict(patience=5, baseline=0.1, restore_best_weights=True),
    dict(patience=2, mode="max", restore_best_weights=True),
    dict(patience=0, mode="max", min_delta=0.2),
]


@pytest.mark.parametrize("arguments", STOPPING, ids=str)
def test_it_stops_where_keras_stops_with_the_same_weights(arguments):
    ours, theirs, _ = same_as_keras("EarlyStopping", CURVE, monitor="loss", **arguments)
    assert ours.stopped_epoch == theirs.stopped_epoch
    assert ours.best_epoch == theirs.best_epoch
    assert (ours.best_weights is None) == (theirs.best_weights is None)


PLATEAUS = [
    dict(patience=1),
    dict(patience=0),
    dict(patience=2, factor=0.5),
    dict(patience=2, cooldown=1),
    dict(patience=1, cooldown=2, factor=0.5),
    dict(patience=1, cooldown=3, min_lr=0.02, factor=0.5),
    dict(patience=1, min_delta=0.05, min_lr=0.001),
    dict(patience=1, factor=0.0, min_lr=0.01),
    dict(patience=2, mode="max", factor=0.9),
    dict(),
]


@pytest.mark.parametrize("arguments", PLATEAUS, ids=str)
def test_it_lowers_the_rate_where_keras_does(arguments):
    ours, theirs, history = same_as_keras(
        "ReduceLROnPlateau", CURVE, monitor="loss", **arguments
    )
    assert ours.cooldown_counter == theirs.cooldown_counter
    assert len(history.history["learning_rate"]) == len(CURVE)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name, arguments",
    [("EarlyStopping", STOPPING[3]), ("ReduceLROnPlateau", PLATEAUS[5])],
)
def test_the_compiled_epoch_gives_them_what_model_fit_does(name, arguments):
    curves = [
        same_as_keras(name, CURVE, fit, monitor="loss", **arguments)[2].history
        for fit in (by_keras, training.fit)
    ]
    assert curves[0].keys() == curves[1].keys()
    for column in curves[0]:
        np.testing.assert_allclose(curves[0][column], curves[1][column], rtol=1e-6)


# The rules ----------------------------------------------------------------------------


def curves(number=200, epochs=20):
    """Random walks downhill; among coarse values ties are frequent."""
    rng = np.random.default_rng(0)
    for _ in range(number):
        yield np.round(2 - 0.03 * np.arange(epochs) + rng.normal(0, 0.1, epochs), 1)


def test_stopping_is_its_definition_on_random_curves():
    options = [(1, 0.0, None), (2, 0.1, None), (3, 0.0, 1.5), (2, 0.05, 1.8)]
    for curve, (patience, min_delta, baseline) in itertools.product(curves(), options):
        form = dict(min_delta=min_delta, baseline=baseline)
        expected = oracles.stopped_after(curve, patience=patience, **form)
        for sign, mode in ((1, "min"), (-1, "max")):  # a mirror image stops alike
            form["baseline"] = baseline and sign * baseline
            best, wait, best_epoch, stopped = None, 0, 0, None
            for epoch, value in enumerate(sign * curve):
                best, wait, is_best = callbacks.stopping_update(
                    value, best, wait, mode=mode, **form
                )
                best_epoch = epoch if is_best else best_epoch
                if not is_best and wait >= patience and epoch > 0:
                    stopped = epoch
                    break
            assert (stopped, best_epoch) == expected


def test_a_plateau_is_its_definition_on_random_curves():
    options = [(1, 0, 0.0), (2, 1, 0.0), (1, 3, 0.3), (3, 2, 0.05)]
    for curve, (patience, cooldown, min_lr) in itertools.product(curves(), options):
        form = dict(
            patience=patience,
            cooldown=cooldown,
            min_lr=min_lr,
            min_delta=0.05,
            factor=0.5,
        )
        expected = oracles.plateau_rates(curve, 1.0, **form)
        for sign, mode in ((1, "min"), (-1, "max")):
            state, rates = (None, 0, 0, 1.0), [1.0]
            for value in sign * curve:
                state = callbacks.plateau_update(value, *state, mode=mode, **form)
                rates.append(state[-1])
            assert rates == expected


@pytest.mark.parametrize("mode, sign", [("min", 1), ("max", -1)])
def test_improvement_is_strict_and_never_by_nan(mode, sign):
    def better(current, best, min_delta=0.0):
        best = best if best is None else sign * best
        return callbacks.improved(sign * current, best, mode=mode, min_delta=min_delta)

    assert better(0.5, None) and better(0.5, 0.6) and better(-math.inf, 0.0)
    assert not better(0.5, 0.5) and not better(0.6, 0.5)
    assert better(0.5, 0.625, 0.0625) and not better(0.5, 0.5625, 0.0625)
    assert not better(math.nan, None) and not better(math.nan, 0.5)
    assert better(0.5, math.inf)


# Where it differs, and what Keras does ------------------------------------------------


def test_a_first_loss_of_nan_is_not_the_best_one():
    curve = [math.nan, 0.9, 0.8, 0.7, 0.6]
    ours, theirs = (
        home.EarlyStopping("loss", patience=2, restore_best_weights=True)
        for home in (callbacks, keras.callbacks)
    )
    assert train(ours, curve)[2].epoch == [0, 1, 2, 3, 4]
    assert train(theirs, curve)[2].epoch == [0, 1, 2]
    assert ours.best == 0.6 and math.isnan(theirs.best)


def test_patience_longer_than_the_run_stops_nothing_but_keeps_the_best():
    """A patience of 10 in a run of 1 epoch; and weights restored at a normal end."""
    stopper = EarlyStopping("loss", patience=10, restore_best_weights=True)
    train(stopper, CURVE[:1])
    assert stopper.stopped_epoch == 0 and stopper.best_epoch == 0
    w, _, history = train(stopper, CURVE[:5])
    assert stopper.stopped_epoch == 0 and len(history.epoch) == 5
    assert stopper.best_epoch == 2
    assert w == train(EarlyStopping("loss", patience=10), CURVE[:3])[0]
    without = train(EarlyStopping("loss", patience=10), CURVE[:5])[0]
    assert without != w  # the check would notice


def test_a_callback_can_be_used_again():
    stopper = EarlyStopping("loss", patience=1, restore_best_weights=True)
    plateau = ReduceLROnPlateau("loss", patience=1)
    first = [train(callback, CURVE)[:2] for callback in (stopper, plateau)]
    assert first == [train(callback, CURVE)[:2] for callback in (stopper, plateau)]


@pytest.mark.parametrize("rate", [schedules.PowerDecay(0.1, 5), lambda: 0.1])
@FITS
def test_a_schedule_and_a_plateau_callback_cannot_both_set_the_rate(rate, fit):
    theirs = keras.callbacks.ReduceLROnPlateau("loss", patience=1)
    with pytest.raises((TypeError, AttributeError)):
        train(theirs, CURVE, rate=rate)
    assert theirs.best == 0.7  # it trained up to the first plateau
    ours = ReduceLROnPlateau("loss", patience=1)
    with pytest.raises(TypeError, match="Give the optimizer a number.*optimizer=SGD"):
        train(ours, CURVE, fit, rate=rate)
    assert ours.best is None  # it did not begin


@pytest.mark.parametrize("cls", CALLBACKS, ids=lambda cls: cls.__name__)
def test_a_value_that_is_not_measured_is_named_beside_those_that_are(cls):
    with pytest.warns(UserWarning, match="`val_loss`, which is not .*accuracy, loss"):
        train(cls(), CURVE[:2], by_keras)
    with pytest.warns(UserWarning, match="monitors `los`"):
        train(cls("los", mode="min"), CURVE[:2])
    with pytest.raises(
        ValueError, match="`mode` must be 'min' or 'max' for.*'los'.*loss"
    ):
        train(cls("los"), CURVE[:2])
    with pytest.raises(ValueError):
        train(getattr(keras.callbacks, cls.__name__)("los"), CURVE[:2])


@pytest.mark.parametrize("curve", [CURVE, sorted(CURVE)], ids=["falling", "rising"])
def test_more_accuracy_is_better_without_being_told(curve):
    stoppers = [
        home.EarlyStopping("accuracy", patience=2)
        for home in (callbacks, keras.callbacks)
    ]
    told = dict(fit=by_keras, name="accuracy")
    epochs = [train(s, curve[:6], **told)[2].epoch for s in stoppers]
    assert epochs[0] == epochs[1] == list(range(3 if curve is CURVE else 6))


@pytest.mark.parametrize("cls", CALLBACKS, ids=lambda cls: cls.__name__)
def test_it_says_what_it_does_when_asked(cls, capsys):
    for verbose, lines in ((0, 0), (1, 2)):
        more = {EarlyStopping: dict(restore_best_weights=True)}.get(
            cls, dict(factor=0.5)
        )
        train(cls("loss", patience=3, verbose=verbose, **more), CURVE)
        said = capsys.readouterr().out
        assert len(said.splitlines()) == lines
    expected = {
        EarlyStopping: "Epoch 11: early stopping\nRestoring the weights of the best "
        "epoch, 8.\n",
        ReduceLROnPlateau: "Epoch 11: the learning rate is now 0.05.\n"
        "Epoch 14: the learning rate is now 0.025.\n",
    }
    assert said == expected[cls]


# Stopped by force ---------------------------------------------------------------------

STUDY = """
import sys, time
import keras
import numpy as np
from dtlib import training

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = X[:, :1] * X[:, 1:2]


def study(folder, epochs=6, *more):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([
        keras.Input((4,)), keras.layers.Dense(8, "tanh"),
        keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), "mse")
    backup = keras.callbacks.BackupAndRestore(folder)
    training.fit(model, X, Y, epochs=epochs, batch_size=20, callbacks=[backup, *more])
    return model


def wait_to_be_killed(epoch, logs):
    print(epoch, flush=True)
    time.sleep(300 * (epoch == 4))


if __name__ == "__main__":
    study(sys.argv[1], 6, keras.callbacks.LambdaCallback(wait_to_be_killed))
"""


@pytest.mark.tensorflow
def test_a_run_resumed_after_a_kill_is_the_run_that_was_never_killed(tmp_path):
    program = tmp_path / "study.py"
    program.write_text(STUDY, "utf-8")
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    child = subprocess.Popen(
        [sys.executable, program, tmp_path / "backup"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=here,
    )
    with child:
        begun = []
        for line in child.stdout:
            begun.append(int(line))
            if begun[-1] == 4:
                child.kill()
    assert begun == [0, 1, 2, 3, 4] and child.returncode != 0
    names = {"__name__": "study"}
    exec(compile(STUDY, "study", "exec"), names)
    early = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: early.append(array(note.model.weights[0]))
    )
    unbroken = names["study"](tmp_path / "other", 6, note)
    resumed = names["study"](tmp_path / "backup")
    assert unbroken.history.epoch == [0, 1, 2, 3, 4, 5]
    assert resumed.history.epoch == [4, 5]
    whole = [*unbroken.variables, *unbroken.optimizer.variables]
    parts = [*resumed.variables, *resumed.optimizer.variables]
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(array(a), array(b), rtol=1e-5, atol=1e-6)
    # A run that ended at the kill would show.
    assert np.abs(early[3] - array(resumed.weights[0])).max() > 1e-3


# The table ----------------------------------------------------------------------------


@pytest.mark.parametrize("cls", CALLBACKS, ids=lambda cls: cls.__name__)
def test_it_keeps_every_argument_as_given(cls):
    given = CALLBACKS[cls][0]
    made = cls(**given)
    assert {name: getattr(made, name) for name in given} == given
    train(made, CURVE)
    assert {name: getattr(made, name) for name in given} == given


@pytest.mark.parametrize("cls, name", REFUSALS, ids=lambda c: getattr(c, "__name__", c))
def test_a_bad_argument_is_named_with_what_came(cls, name):
    value = CALLBACKS[cls][1][name]
    with pytest.raises(ValueError, match=rf"`{name}` must.*Received: {name}={value!r}"):
        cls(**{name: value})


def test_an_argument_it_does_not_know_is_refused_where_keras_ignores_it():
    assert keras.callbacks.ReduceLROnPlateau(epsilon=0.1).min_delta == 1e-4
    with pytest.raises(TypeError, match=r"no argument \['epsilon'\]"):
        ReduceLROnPlateau(epsilon=0.1)
