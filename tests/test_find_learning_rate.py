"""The range test: what it sees, against a loop by hand, and that it leaves no trace."""

import signal
import threading

import keras
import numpy as np
import pytest
from keras import layers, optimizers

from dtlib import schedules, training
from dtlib.optimizers.adam import Adam
from tests.engines import array

# Keras reads a variable by NumPy's older protocol, of which NumPy 2 warns.
pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning"),
]

rng = np.random.default_rng(7)
X = rng.normal(size=(90, 6)).astype("float32")  # 90 = 2 · 32 + 26: a smaller last batch
Y = (X @ rng.normal(size=(6, 3))).argmax(1).astype("int32")


@pytest.fixture(autouse=True)
def graph(monkeypatch):
    """Plain graphs compile three times as fast as XLA."""
    from dtlib.training import _program

    monkeypatch.setattr(_program, "xla_pays", lambda model: False)


def network(optimizer, **more):
    """A classifier with all kinds of state: averages, seeds, slots and metrics."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8, "relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.2, seed=1),
            layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"], **more)
    return model


def plain(optimizer):
    """Softmax regression, of which the loss can be followed by hand."""
    zeros = layers.Dense(3, "softmax", kernel_initializer="zeros", use_bias=False)
    model = keras.Sequential([keras.Input((6,)), zeros])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def by_hand(rates, size=32):
    """The loss of each batch of gradient descent at these rates, in float64 NumPy."""
    w, losses, batches, epoch = np.zeros((6, 3)), [], [], 0
    while len(batches) < len(rates):
        order = training.batch_order(90, seed=0, epoch=epoch)
        batches += [order[i : i + size] for i in range(0, 90, size)]
        epoch += 1
    for rate, rows in zip(rates, batches, strict=False):
        z = X[rows].astype("float64") @ w
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log(p[np.arange(len(rows)), Y[rows]]).mean())
        w = w - rate * X[rows].T @ (p - np.eye(3)[Y[rows]]) / len(rows)
    return np.array(losses)


def state(model):
    """Every variable of a model and its optimizer."""
    found = *model.variables, *model.metrics_variables, *model.optimizer.variables
    return {id(v): array(keras.ops.cast(v, "float64")) for v in found}


def test_it_is_the_training_of_fit_at_rising_rates():
    model = plain(optimizers.SGD(0.5))
    found = training.find_learning_rate(model, X, Y, low=1e-3, high=1.0, steps=10)
    np.testing.assert_allclose(found.rates, np.logspace(-3, 0, 10), rtol=1e-12)
    np.testing.assert_allclose(found.losses, by_hand(found.rates), rtol=1e-5)
    assert found.reason == "done: all 10 steps, up to 1"


def test_losses_are_each_batch_own_unlike_the_common_bug():
    """Keras' "loss" is the mean of all batches since the metrics were reset."""
    rates = np.logspace(-3, 1, 30)
    exact = by_hand(rates, size=3)

    def is_raw(losses):
        return np.allclose(losses, exact, rtol=1e-4)

    span = dict(low=1e-3, high=10.0, steps=30, batch_size=3, divergence=1e9)
    ours = training.find_learning_rate(plain(optimizers.SGD(0.5)), X, Y, **span)
    assert is_raw(ours.losses)
    buggy, running = plain(optimizers.SGD(0.5)), []

    def begin(batch, logs):
        buggy.optimizer.learning_rate = rates[batch]

    finder = keras.callbacks.LambdaCallback(
        on_train_batch_begin=begin,
        on_train_batch_end=lambda batch, logs: running.append(logs["loss"]),
    )
    order = training.batch_order(90, seed=0, epoch=0)
    quiet = dict(shuffle=False, verbose=0, callbacks=[finder])
    buggy.fit(X[order], Y[order], batch_size=3, **quiet)
    assert len(running) == 30 and not is_raw(running)


@pytest.mark.parametrize("beta", [0.0, 0.5, 0.98])
def test_smoothing_is_a_running_mean_without_the_pull_of_its_start(beta):
    found = training.find_learning_rate(
        plain(optimizers.SGD(0.5)), X, Y, low=1e-3, high=3.0, steps=20, smoothing=beta
    )
    for i, smooth in enumerate(found.smoothed):
        weights = beta ** np.arange(i, -1.0, -1)
        expected = weights @ found.losses[: i + 1] / weights.sum()
        assert smooth == pytest.approx(expected, rel=1e-12)
    lowest = found.smoothed.argmin()
    assert lowest > 0
    assert found.suggestion == pytest.approx(found.rates[lowest] / 10)


def bowl(start=1.0, optimizer=None):
    """The loss w², whose slope is 2w: at rate η a step multiplies w by 1 − 2η."""
    constant = keras.initializers.Constant(start)
    dense = layers.Dense(1, use_bias=False, kernel_initializer=constant)
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(optimizer or optimizers.SGD(0.1), "mse")
    return model, np.ones((64, 1), "float32"), np.zeros((64, 1), "float32")


def test_it_stops_when_the_loss_is_k_times_its_lowest():
    found = training.find_learning_rate(
        *bowl(), low=0.1, high=10.0, steps=50, smoothing=0.0, divergence=3.0
    )
    w = np.cumprod(np.r_[1.0, 1 - 2 * found.rates[:-1]])
    np.testing.assert_allclose(found.losses, w**2, rtol=1e-4)
    lowest = found.losses.min()
    assert found.losses[-1] > 3 * lowest >= found.losses[-2]
    assert found.reason.startswith("diverged: at a rate of ")
    assert found.suggestion == found.rates[found.losses.argmin()] / 10
    patient = training.find_learning_rate(
        *bowl(), low=0.1, high=10.0, steps=50, smoothing=0.0, divergence=1e38
    )
    assert len(patient.losses) == 50 and patient.reason.startswith("done")


def test_it_stops_at_once_when_the_loss_is_not_finite():
    model, x, y = bowl()
    found = training.find_learning_rate(model, x, y, low=1e19, high=1e21, steps=9)
    assert len(found.losses) == 2 and np.isinf(found.losses[1])
    assert found.reason.startswith("not finite: the loss at a rate of 1.78e+19")
    assert found.suggestion is None  # it never fell
    assert array(model.weights[0]).item() == 1.0
    hopeless, x, y = bowl(start=1e30)
    found = training.find_learning_rate(hopeless, x, y, steps=9)
    assert len(found.losses) == 1 and found.suggestion is None


def test_losses_below_zero_are_not_taken_for_divergence():
    model, x, y = bowl()
    model.compile("sgd", lambda y, p: keras.ops.mean(p, axis=-1) - 5)
    found = training.find_learning_rate(model, x, y, low=1e-3, high=0.1, steps=20)
    assert found.reason.startswith("done") and (found.losses < 0).all()


# No trace -----------------------------------------------------------------------------

OPTIMIZERS = {
    "Adam": lambda: optimizers.Adam(0.01, use_ema=True),
    "momentum": lambda: optimizers.SGD(0.1, momentum=0.9),
    "accumulated": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "a schedule": lambda: Adam(schedules.OneCycle(0.1, 100)),
    "a function": lambda: optimizers.SGD(lambda: 0.1, momentum=0.9),
    "scaled loss": lambda: optimizers.LossScaleOptimizer(
        optimizers.Adam(schedules.CosineDecay(0.1, 100))
    ),
}


def interrupt(model):
    threading.Timer(0, signal.raise_signal, [signal.SIGINT]).start()


def fail(model):
    raise RuntimeError("on purpose")


ENDS = {"done": None, "interrupted": interrupt, "failed": fail}


CROSSED = [(make, "done") for make in OPTIMIZERS] + [
    (make, end) for make in ("Adam", "a schedule") for end in ("interrupted", "failed")
]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("make, end", CROSSED)
def test_the_model_is_as_it_was_unlike_the_common_bug(make, end, monkeypatch):
    """Finders that put back the weights only leave the slots of the test behind."""
    model, end = network(OPTIMIZERS[make]()), ENDS[end]
    training.fit(model, X, Y, epochs=1)
    before, rate = state(model), model.optimizer.learning_rate
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    given, kept = inner._learning_rate, {}
    watched = training._range_test._Watch.end

    def halfway(self, batch, logs):
        stop = watched(self, batch, logs)
        if len(self.losses) == 4:
            kept.update(state(model))
            if end is not None:
                end(model)
        return stop

    monkeypatch.setattr(training._range_test._Watch, "end", halfway)
    find = dict(low=1e-3, high=0.1, steps=8 if end is None else 2000)
    if end is None:
        assert len(training.find_learning_rate(model, X, Y, **find).rates) == 8
    else:
        error = KeyboardInterrupt if end is interrupt else RuntimeError
        with pytest.raises(error):
            training.find_learning_rate(model, X, Y, **find)
    after = state(model)
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)
    changed = [name for name in before if not np.array_equal(kept[name], before[name])]
    assert len(changed) >= len(model.weights)  # the check would notice
    assert inner._learning_rate is given
    assert float(model.optimizer.learning_rate) == float(rate)


def test_training_goes_on_as_if_nothing_had_been():
    curves = []
    for tested in (False, True):
        model = network(Adam(schedules.OneCycle(0.1, 12)))
        training.fit(model, X, Y, epochs=2)
        if tested:
            training.find_learning_rate(model, X, Y, steps=10)
        curves.append(training.fit(model, X, Y, epochs=2, seed=1).history["loss"])
    assert curves[0] == curves[1]


@pytest.mark.parametrize("rate", [0.02, schedules.PowerDecay(0.02, 10)], ids=type)
def test_what_sets_the_rate_otherwise_does_not_change_the_test(rate):
    found = training.find_learning_rate(
        network(Adam(rate)), X, Y, low=1e-4, high=1.0, steps=12
    )
    other = training.find_learning_rate(
        network(Adam(0.7)), X, Y, low=1e-4, high=1.0, steps=12
    )
    np.testing.assert_allclose(found.losses, other.losses, rtol=1e-6)


def test_fit_need_not_compile_again():
    model = network(optimizers.Adam(0.01))
    training.find_learning_rate(model, X, Y, steps=5)
    traces = model._dtlib_program.traces
    training.fit(model, X, Y)
    assert model._dtlib_program.traces == traces
    scheduled = network(Adam(schedules.OneCycle(0.1, 100)))
    training.fit(scheduled, X, Y)
    program = scheduled._dtlib_program
    training.find_learning_rate(scheduled, X, Y, steps=5)
    assert scheduled._dtlib_program is program


def test_the_rule_stops_beyond_the_divergence_and_names_a_tenth_of_the_lowest():
    """Losses given by hand, so that each bound is met from both sides."""

    def fed(losses):
        watch = training._range_test._Watch(None, 10.0 ** np.arange(4), 0.0, 4.0)
        stopped = [watch.end(i, {"loss": loss}) for i, loss in enumerate(losses)]
        return stopped, watch.result()

    stopped, found = fed([2.0, 1.0, 3.99, 4.01])
    assert stopped == [False, False, False, True]
    assert found.reason.startswith("diverged") and found.suggestion == 1.0
    assert fed([1.0, 2.0])[1].suggestion is None  # no rate was better than the first


def test_a_model_never_trained_is_as_new():
    model, fresh = (network(optimizers.Adam(0.01)) for _ in range(2))
    training.find_learning_rate(model, X, Y, steps=5, sample_weight=np.ones(90))
    assert int(model.optimizer.iterations) == 0
    for ours, theirs in zip(model.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))
    assert model.metrics_variables  # made by the test, and empty again
    assert not any(array(value).any() for value in model.metrics_variables)
    histories = [training.fit(m, X, Y, epochs=2).history for m in (model, fresh)]
    assert histories[0] == histories[1]


# Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad, said",
    [
        (dict(low=0), r"`low` must be a number in \(0, inf\)\. Received: low=0"),
        (dict(low=1.0, high=1.0), r"`high` must be a number in \(1\.0, inf\).*=1\.0"),
        (dict(steps=1), r"`steps` must be an integer in \[2, inf\)"),
        (dict(batch_size=0), "`batch_size` must be an integer"),
        (dict(seed=-1), "`seed` must be an integer"),
        (dict(smoothing=1.0), r"`smoothing` must be a number in \[0, 1\)"),
        (dict(divergence=1), r"`divergence` must be a number in \(1, inf\)"),
        (dict(x=iter([])), "compiled loop of `fit`: `x` is a list_iterator"),
        (dict(y=Y[:5]), "`y` must have as many rows as `x`"),
        (dict(model=keras.Sequential()), "`model` must be a compiled Keras model"),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_a_bad_argument_is_named_with_what_came(bad, said):
    model = network("sgd")
    arguments = {**dict(model=model, x=X, y=Y), **bad}
    with pytest.raises(ValueError, match=said):
        training.find_learning_rate(**arguments)


def test_a_model_that_cannot_be_compiled_is_refused_and_one_without_a_loss_named():
    eager = network("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match="compiled loop of `fit`: .*run_eagerly=True"):
        training.find_learning_rate(eager, X, Y)

    class Silent(keras.Model):
        def train_step(self, data):
            return {}

        def get_metrics_result(self):
            return {"other": keras.ops.zeros(())}

    inputs = keras.Input((6,))
    silent = Silent(inputs, layers.Dense(3)(inputs))
    silent.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"must report 'loss'\. Received: \['other'\]"):
        training.find_learning_rate(silent, X, np.eye(3)[Y])
