"""Doctor: every planted fault named, no healthy network blamed, nothing left behind."""

import itertools
import random
import re
import types
from html.parser import HTMLParser
from pathlib import Path

import keras
import numpy as np
import pytest

from dtlib import doctor
from dtlib.doctor import _build, _data, _remedies
from dtlib.doctor._layers import rates_of
from dtlib.doctor._patient import loss_of

# Keras turns its variables into arrays in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

ROOT = Path(__file__).parent.parent
# The thresholds were fixed on the seeds 100 to 104.
SEEDS = range(5)


def examined(case):
    return doctor.diagnose(case.model, case.x, case.y, **case.options)


def dense(*, units=3, last="softmax", loss="sparse_categorical_crossentropy", rate=0.1):
    """A small network whose draws come from seeds."""
    b = _build.Builder(0)
    stack = b.dense(16, "relu"), b.dense(units, last)
    return _build.network((8,), *stack, loss=loss, rate=rate)


def data(n=120, classes=3):
    return _build.blobs(0, n, 8, classes)


# The gallery


@pytest.mark.parametrize("name", doctor.FAULTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_planted_fault_is_named_and_no_other(name, seed):
    case = doctor.FAULTS[name](seed)
    assert set(examined(case).names) == {case.fault}


@pytest.mark.parametrize("name", doctor.HEALTHY)
@pytest.mark.parametrize("seed", SEEDS)
def test_no_healthy_network_is_blamed(name, seed):
    case = doctor.HEALTHY[name](seed)
    assert case.fault is None
    assert examined(case).names == []


def test_the_gallery_is_as_large_as_it_says():
    assert len(doctor.FAULTS) >= 20 <= len(doctor.HEALTHY)
    faults = {build(0).fault for name, build in doctor.FAULTS.items()}
    unseen = set(_remedies.SAYS) - faults
    # These three are met below: by the callback, and by a rate of zero.
    assert unseen == {"diverged", "overfitting", "no_progress"}


def test_a_builder_leaves_the_generators_of_numpy_alone():
    before = np.random.get_state()[1].copy()
    for build in (doctor.FAULTS["rate_too_low"], doctor.HEALTHY["dropout"]):
        build(0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])


def test_a_seed_decides_the_network():
    build = doctor.HEALTHY["convolutional_normalized"]
    first, again, other = build(0), build(0), build(1)
    for a, b in zip(first.model.weights, again.model.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first.x, again.x)
    assert (first.model.weights[0].numpy() != other.model.weights[0].numpy()).any()


# Nothing is left behind


def state(model):
    optimizer = model.optimizer
    metrics = [v for metric in model.metrics for v in metric.variables]
    variables = [*model.variables, *optimizer.variables, *metrics]
    return dict(
        values=[(id(v), v.numpy().tobytes()) for v in variables],
        trainable=[layer.trainable for layer in model._flatten_layers()],
        trained=[id(v) for v in model.trainable_variables],
        compiled=(model.compiled, id(model.loss), id(optimizer), optimizer.built),
        rate=float(optimizer.learning_rate),
    )


def stochastic(by="adam"):
    """Batch normalization and dropout, trained a little: slots, averages, seeds."""
    model = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(16, "relu"),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.2, seed=3),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile(by, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("begun", [False, True])
def test_model_optimizer_and_generators_are_left_as_they_were(begun):
    model, (x, y) = stochastic(), data()
    if begun:
        _build.trained(model, (x, y), steps=6)
    before, arrays = state(model), (x.copy(), y.copy())
    numpy, python = np.random.get_state()[1].copy(), random.getstate()
    doctor.diagnose(model, x, y)
    assert state(model) == before
    np.testing.assert_array_equal(np.random.get_state()[1], numpy)
    assert random.getstate() == python
    np.testing.assert_array_equal(x, arrays[0])
    np.testing.assert_array_equal(y, arrays[1])


class Noise(keras.layers.Layer):
    """Draws from Keras' global generator, as a layer without a seed of its own."""

    def call(self, x):
        return x + 0.01 * keras.random.normal(keras.ops.shape(x))


def test_the_global_generator_goes_on_where_it_was():
    b, (x, y) = _build.Builder(0), data()
    stack = b.dense(16, "relu"), Noise(), b.dense(3, "softmax")
    model, ahead = _build.network((8,), *stack), []
    for visits in (False, True):
        keras.utils.set_random_seed(5)
        keras.random.normal((2,))
        if visits:
            doctor.diagnose(model, x, y)
        ahead.append(keras.random.normal((4,)).numpy())
    np.testing.assert_array_equal(*ahead)


def test_an_interruption_leaves_the_model_as_it_was(monkeypatch):
    model, (x, y) = dense(), data()
    before, calls = state(model), []
    steps = doctor.diagnosis._trial._Runner.loss

    def interrupted(self):
        calls.append(steps(self))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return calls[-1]

    monkeypatch.setattr(doctor.diagnosis._trial._Runner, "loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        doctor.diagnose(model, x, y)
    assert calls[1] < calls[0]  # it had trained
    assert state(model) == before


def test_training_goes_on_as_if_the_doctor_had_not_come():
    ends = []
    for visits in (False, True):
        keras.utils.set_random_seed(1)
        model, (x, y) = stochastic(), data()
        ward = [doctor.Doctor(x, y, steps=5)] if visits else []
        model.fit(x, y, epochs=2, verbose=0, callbacks=ward, shuffle=False)
        ends.append([v.numpy() for v in [*model.weights, *model.optimizer.variables]])
    for without, visited in zip(*ends, strict=True):
        np.testing.assert_array_equal(without, visited)


# The report


def test_a_report_prints_each_part_and_its_numbers():
    case = doctor.FAULTS["forgotten_scaling"](0)
    report = examined(case)
    (found,) = report
    assert found.evidence["largest"] == pytest.approx(255, rel=1e-6)
    assert f"rms = {found.evidence['rms']:.4g}" in str(report)
    for part in (found.symptom, found.cause, found.remedy, "chapter:  initializers"):
        assert part in str(report) == repr(report)


class Cells(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, text):
        self.texts.append(text)


def test_the_table_escapes_what_it_quotes():
    evil = "<script>alert('&')</script>"
    report = doctor.Report([doctor.Finding(evil, evil, {evil: evil}, evil, evil, evil)])
    cells = Cells()
    cells.feed(report._repr_html_())
    assert set(cells.tags) == {"table", "tr", "th", "td"}
    assert cells.texts.count(evil) == 5


def test_an_empty_report_says_so():
    assert str(doctor.Report()) == "No fault found."
    assert doctor.Report()._repr_html_() == "<p>No fault found.</p>"
    assert not doctor.Report()


def test_every_finding_leads_to_a_chapter_of_the_book():
    stems = {path.stem[3:] for path in (ROOT / "book").glob("[0-9][0-9]_*.ipynb")}
    for name, (*texts, chapter) in _remedies.SAYS.items():
        assert chapter in stems, name
        assert all(re.fullmatch(r"[A-Z`√].*\.", text) for text in texts), name


# What the checks compute


def softmax_loss(logits, labels):
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels]


@pytest.mark.equation("eq-doctor-start")
@pytest.mark.parametrize("n_classes", [2, 3, 10, 100])
@pytest.mark.parametrize("std", [0.0, 0.1, 0.3])
def test_logits_that_know_nothing_pay_ln_k_and_half_their_variance(n_classes, std):
    rng = np.random.default_rng(0)
    logits = 5 + std * rng.normal(size=(4000, n_classes))
    every = [softmax_loss(logits, np.full(4000, k)) for k in range(n_classes)]
    variance = np.mean([row.var() for row in logits])
    value = doctor.expected_initial_loss(variance, n_classes)
    # The next terms are of the order of V²; ½ or 1 of V in place of V/2 shows.
    assert abs(np.mean(every) - value) <= variance**2 / 2 + 2e-4 * std + 1e-12
    if std:
        assert abs(np.mean(every) - np.log(n_classes)) > 0.4 * variance


def test_a_healthy_classifier_starts_near_the_expected_loss():
    case = doctor.HEALTHY["dense_relu"](0)
    p = case.model(case.x).numpy()
    expected = doctor.expected_initial_loss(np.log(p).var(-1).mean(), 4)
    first = float(case.model.compute_loss(case.x, case.y, p))
    assert expected > np.log(4) + 0.1
    assert abs(first - expected) < 0.25 * expected
    case.model.optimizer.learning_rate = 0.0
    (found,) = examined(case)
    assert found.evidence["expected_first_loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.equation("eq-doctor-guessing")
def test_the_entropy_of_the_shares_is_the_lowest_loss_of_one_answer_for_all():
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    grid = np.array(
        [(a, b, 100 - a - b) for a in range(1, 99) for b in range(1, 99 - a)]
    )
    losses = -np.log(grid / 100)[:, labels].mean(-1)
    assert grid[losses.argmin()].tolist() == [70, 20, 10]
    value = doctor.guessing_loss([0.7, 0.2, 0.1, 0.0])
    assert value == pytest.approx(losses.min(), rel=1e-12)
    assert doctor.guessing_loss([0.25] * 4) == pytest.approx(np.log(4))


@pytest.mark.equation("eq-doctor-reach")
def test_the_reach_of_a_chain_is_its_closed_form():
    weights = np.array([2.0, 0.5, 4.0, 3.0])  # y = w₄w₃w₂w₁x: ∂/∂wₗ = y/wₗ
    norms = weights.prod() / weights
    assert doctor.gradient_reach(norms) == pytest.approx(0.5 / 2)
    assert doctor.gradient_reach(norms[::-1]) == pytest.approx(0.5 / 3)
    assert doctor.gradient_reach(7 * norms) == doctor.gradient_reach(norms)
    assert doctor.gradient_reach([0.0, 0.0]) == 0


@pytest.mark.equation("eq-doctor-shuffled")
def test_over_all_orders_the_score_has_mean_0_and_mean_square_1():
    rng = np.random.default_rng(0)
    guess, target = 3 + rng.normal(size=(2, 6, 2))
    scores = [
        doctor.permutation_score(guess, target[list(order)])
        for order in itertools.permutations(range(6))
    ]
    assert np.mean(scores) == pytest.approx(0, abs=1e-12)
    assert np.mean(np.square(scores)) == pytest.approx(1, rel=1e-12)


def test_the_score_of_a_shuffled_target_has_mean_0_and_standard_deviation_1():
    rng = np.random.default_rng(0)
    guess, target = rng.normal(size=(80, 2)), rng.normal(size=(80, 2))
    scores = [
        doctor.permutation_score(guess, rng.permutation(target)) for _ in range(2000)
    ]
    # Standard errors: 1/√2000 and 1/√4000.
    assert abs(np.mean(scores)) < 4 / 2000**0.5
    assert abs(np.std(scores) - 1) < 4 / 4000**0.5


@pytest.mark.parametrize(
    ("rule", "arguments", "names"),
    [
        (doctor.expected_initial_loss, (-0.1, 10), "variance"),
        (doctor.expected_initial_loss, (np.nan, 10), "variance"),
        (doctor.expected_initial_loss, (1.0, 1), "n_classes"),
        (doctor.guessing_loss, ([0.5, 0.4],), "shares"),
        (doctor.guessing_loss, ([1.5, -0.5],), "shares"),
        (doctor.guessing_loss, ([np.nan, 1.0],), "shares"),
        (doctor.gradient_reach, ([],), "norms"),
        (doctor.gradient_reach, ([1.0, np.nan],), "norms"),
        (doctor.gradient_reach, ([-1.0, 1.0],), "norms"),
        (doctor.permutation_score, (np.ones((4, 2)), np.ones((4, 1))), "guess"),
        (doctor.permutation_score, (np.ones(4), np.ones(4)), "guess"),
        (doctor.permutation_score, (np.ones((1, 2)), np.ones((1, 2))), "guess"),
    ],
)
def test_a_rule_names_what_it_cannot_take(rule, arguments, names):
    with pytest.raises(ValueError, match=f"`{names}` .*must .*Received"):
        rule(*arguments)


def test_neighbors_are_the_nearest_of_the_rows_that_tell():
    rng = np.random.default_rng(0)
    x, others, targets = (rng.normal(size=(n, 3)) for n in (30, 4, 30))
    for row, guess in zip(others, _data._neighbors(x, targets, others), strict=True):
        nearest = np.argsort(np.linalg.norm(x - row, axis=1))[:5]
        np.testing.assert_allclose(guess, targets[nearest].mean(0), rtol=1e-12)


def test_the_ridge_is_the_solution_of_its_normal_equations():
    rng = np.random.default_rng(0)
    x, others, targets = (rng.normal(size=(n, 3)) for n in (30, 4, 30))
    weights = np.linalg.solve(x.T @ x + 3 * np.eye(3), x.T @ targets)
    guess = _data._linear(x, targets, others)
    np.testing.assert_allclose(guess, others @ weights, rtol=1e-10)


def test_scores_of_shuffled_labels_are_in_standard_errors():
    """No target that judges a guess had a part in it, else they would spread more."""
    rng, seen = np.random.default_rng(0), []
    for _ in range(400):
        patient = types.SimpleNamespace(
            x=rng.normal(size=(120, 2)), classes=rng.integers(3, size=120), loss="mse"
        )
        seen += [found.evidence for found in _data.meaning(patient)]
    assert len(seen) > 390  # of 400; one in 350 has a score above 3
    for rule in ("neighbors", "linear"):
        scores = [evidence[rule] for evidence in seen]
        assert abs(np.mean(scores)) < 4 / 400**0.5
        assert abs(np.std(scores) - 1) < 4 / 800**0.5


def test_rows_that_repeat_by_nature_are_no_leak():
    x, y = data(200)
    x, y = np.r_[x[:100], x[:100]], np.r_[y[:100], y[:100]]  # half are copies
    model = dense()
    held = np.r_[x[:50], data(200)[0][150:]], np.r_[y[:50], data(200)[1][150:]]
    assert doctor.diagnose(model, x, y, validation_data=held, steps=0).names == []
    found = doctor.diagnose(model, *data(200), validation_data=data(200), steps=0)
    assert found[0].evidence["copied_share"] == 1


@pytest.mark.parametrize(
    "loss, kind",
    [
        ("mse", ("regression", False)),
        ("mae", ("regression", False)),
        (keras.losses.Huber(), ("regression", False)),
        (keras.losses.LogCosh(), ("regression", False)),
        ("binary_crossentropy", ("binary", False)),
        (keras.losses.BinaryCrossentropy(from_logits=True), ("binary", True)),
        (keras.losses.CategoricalCrossentropy(), ("categorical", False)),
        ("sparse_categorical_crossentropy", ("sparse", False)),
        (keras.losses.Poisson(), ("other", False)),
    ],
)
def test_the_loss_is_known_by_any_of_its_names(loss, kind):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss)
    assert loss_of(model) == kind


def test_the_rates_of_a_schedule_include_both_ends():
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 99, 0.0)
    rates = rates_of(schedule, 99)
    assert (rates[0], rates[-1]) == (1, 0)


def test_a_rate_of_zero_makes_no_progress_at_any_multiple():
    report = doctor.diagnose(dense(rate=0.0), *data())
    assert report.names == ["no_progress"]
    assert report[0].evidence["last_loss"] == report[0].evidence["first_loss"]


def test_a_rate_ten_times_too_low_is_not_blamed_but_a_million_times_is():
    assert doctor.diagnose(dense(rate=0.01), *data()).names == []
    assert doctor.diagnose(dense(rate=1e-7), *data()).names != []


def test_no_trial_is_made_with_zero_steps():
    case = doctor.FAULTS["rate_too_high"](0)
    assert doctor.diagnose(case.model, case.x, case.y, steps=0).names == []


def test_normalized_kernels_and_last_layers_of_zeros_are_free():
    b = _build.Builder(0)
    stack = b.dense(32, start=b.normal(3.0)), keras.layers.BatchNormalization()
    last = b.dense(3, "softmax", start=keras.initializers.Zeros())
    model = _build.network((8,), *stack, keras.layers.ReLU(), last)
    assert doctor.diagnose(model, *data(), steps=0).names == []


def test_soft_targets_are_probabilities_and_several_labels_are_not():
    model, (x, y) = dense(loss="categorical_crossentropy"), data()
    soft = np.eye(3)[y] * 0.9 + 0.1 / 3
    assert doctor.diagnose(model, x, soft, steps=0).names == []
    for wrong in (soft * 255, np.maximum(soft, 0.5), 2 * soft - 1 / 3):
        names = doctor.diagnose(model, x, wrong, steps=0).names
        assert names == ["targets_not_probabilities"]


# The callback


def test_the_callback_reports_a_fault_once_with_its_epoch(capsys):
    model, (x, y) = dense(rate=0.05), data()
    ward = doctor.Doctor(x, y, steps=5, verbose=1)

    class Kill(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.layers[0].bias.assign(np.full(16, -50.0, "float32"))

    model.fit(x, y, epochs=4, verbose=0, callbacks=[Kill(), ward])
    assert ward.report.names == ["dead_relus"]
    assert ward.report[0].evidence["epoch"] == 2
    assert capsys.readouterr().out.count("dead_relus") == 1


def test_the_callback_sees_a_loss_that_is_not_finite_and_stops():
    model, (x, _) = dense(units=1, last=None, loss="mse", rate=1e6), data()
    ward = doctor.Doctor(x, x[:, :1], steps=0, stop=True)
    history = model.fit(x, x[:, :1], epochs=5, verbose=0, callbacks=[ward])
    assert ward.report.names == ["diverged"]
    assert len(history.epoch) == 1


def test_the_callback_sees_overfitting():
    model, (x, y) = dense(), data()
    ward = doctor.Doctor(x, y, steps=0)
    ward.set_model(model)
    ward.on_train_begin()
    for epoch, (loss, held) in enumerate([(1.0, 1.0), (0.5, 0.9), (0.4, 1.2)]):
        ward.on_epoch_end(epoch, {"loss": loss, "val_loss": held})
    assert ward.report.names == ["overfitting"]
    assert ward.report[0].evidence["epoch"] == 3
    ward.on_train_begin()
    assert ward.report.names == []


@pytest.mark.parametrize("every, seen", [(1, 2), (2, 2), (3, 3)])
def test_the_callback_looks_after_every_few_epochs(every, seen):
    model, (x, y) = dense(), data()
    ward = doctor.Doctor(x, y, steps=0, every=every)
    ward.set_model(model)
    ward.on_train_begin()
    model.layers[0].bias.assign(np.full(16, -50.0, "float32"))
    for epoch in range(1, 3):
        ward.on_epoch_end(epoch, {"loss": 1.0})
    assert [f.evidence["epoch"] for f in ward.report] == [seen]


# Errors


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(x=np.ones((120, 5))), "`x` must have shape (n, 8)"),
        (dict(x=[["a"] * 8] * 120), "`x` must be one array of numbers"),
        (dict(x={"a": 1}), "`x` must be one array of numbers"),
        (dict(y=np.zeros(7, int)), "`y` must have 120 rows"),
        (dict(batch_size=0), "`batch_size` must be an integer in [1, inf)"),
        (dict(epochs=0), "`epochs` must be an integer in [1, inf)"),
        (dict(steps=-1), "`steps` must be an integer in [0, inf)"),
        (dict(validation_data=3), "`validation_data` must be None or `(x, y)`"),
        (dict(model="me"), "`model` must be a built Keras model"),
    ],
)
def test_errors_name_the_argument(change, message):
    x, y = data()
    given = {"model": dense(), "x": x, "y": y, **change}
    with pytest.raises(ValueError, match=re.escape(message)):
        doctor.diagnose(**given)


def test_a_model_must_be_compiled_with_one_loss():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="`model` must be compiled with one loss"):
        doctor.diagnose(model, *data())


def test_a_model_must_show_its_layers():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.last = keras.layers.Dense(3, "softmax")

        def call(self, x):
            return self.last(x)

    model, (x, y) = Own(), data()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model(x[:2])
    with pytest.raises(ValueError, match="`model` must be sequential or functional"):
        doctor.diagnose(model, x, y)


def test_a_model_must_have_one_input():
    first, second = keras.Input((8,)), keras.Input((8,))
    out = keras.layers.Dense(3)(keras.layers.Add()([first, second]))
    model = keras.Model([first, second], out)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`model` must have one input and one output"):
        doctor.diagnose(model, *data())


@pytest.mark.parametrize("name", ["every", "steps", "batch_size", "epochs"])
def test_the_callback_checks_its_arguments_at_once(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer"):
        doctor.Doctor(*data(), **{name: -1})
