"""A trial: a few steps of training at several rates, all of them taken back.

Tests: tests/test_doctor.py.
"""

import keras
import numpy as np

from dtlib.doctor._layers import rates_of
from dtlib.doctor._patient import as_it_was
from dtlib.doctor._remedies import finding
from dtlib.doctor._signals import expected_loss, loss
from dtlib.doctor.rules import guessing_loss

STILL = 0.99  # of the first loss: less of a fall is no progress
PEAK = 3  # of the first loss, within the trial: a leap
WORSE = 1.05  # of the first loss: more is a rate too high
BETTER = 0.9  # of the first loss, at a smaller rate, shows that the rate is to blame
FASTER = 0.8  # of the first loss, at a far larger rate, shows that it was too low
UP, DOWN = (100.0, 1000.0, 1e4), (0.1, 0.01, 0.001)
MAJORITY, ENOUGH = 0.8, 100  # share of the largest class, and rows to judge by
GUESSING = 0.9  # of the loss of guessing: a network below it has learned already


def trial(patient, steps):
    """Yield what some steps of training show."""
    run = _Runner(patient, steps)
    with as_it_was(patient.model):
        first = run.loss()
        expected = expected_loss(patient, training=run.mode)
        last = run(1.0)
        leapt = run.highest > PEAK * first
        majority = _majority(patient) if np.isfinite(last) else None
    facts = dict(rate=run.rate, steps=steps, first_loss=first, last_loss=last)
    facts["highest_loss"] = run.highest
    if expected is not None:
        facts["expected_first_loss"] = expected
    if leapt or not last <= WORSE * first:  # also NaN
        losses = {factor: run.retried(factor) for factor in DOWN}
        best = min(losses, key=lambda f: np.nan_to_num(losses[f], nan=np.inf))
        if losses[best] < BETTER * min(first, last if last == last else np.inf):
            yield finding(
                "rate_too_high", **facts, factor=best, loss_there=losses[best]
            )
        elif last > STILL * first and not _learned(patient, first):
            yield finding("no_progress", **facts)
    elif last > STILL * first and not _learned(patient, first):
        for factor in UP:
            there = run.retried(factor)
            if there <= FASTER * first:
                yield finding("rate_too_low", **facts, factor=factor, loss_there=there)
                return
        for factor in DOWN:
            there = run.retried(factor)
            if there <= BETTER * first:
                yield finding("rate_too_high", **facts, factor=factor, loss_there=there)
                return
        yield finding("no_progress", **facts)
    elif majority is not None:
        yield finding("majority_prediction", share=majority, rows=len(patient.x))


def _learned(patient, now):
    """Is the loss well below that of guessing without the inputs?"""
    labels = patient.classes
    if labels is not None:
        shares = np.unique(labels, return_counts=True)[1] / len(labels)
        guessing = guessing_loss(shares)
    else:
        guessing = float(np.mean((patient.y - patient.y.mean(0)) ** 2))
    return now < GUESSING * guessing


def _majority(patient):
    """The share of the largest class, if that class is all that is predicted."""
    labels = patient.classes
    if labels is None or len(labels) < ENOUGH or patient.y.ndim > 2:
        return None
    x = keras.ops.convert_to_tensor(patient.x)
    scores = keras.ops.convert_to_numpy(patient.model(x, training=False))
    if scores.ndim != 2:
        return None
    threshold = 0 if patient.from_logits else 0.5
    binary = scores.shape[1] == 1
    guess = scores[:, 0] > threshold if binary else scores.argmax(1)
    classes, counts = np.unique(labels, return_counts=True)
    share = float(counts.max() / len(labels))
    alone = (guess.astype(int) == classes[counts.argmax()]).all()
    return share if alone and MAJORITY <= share < 1 else None


class _Runner:
    """Trains the patient's model with a copy of its optimizer, compiled once."""

    def __init__(self, patient, steps):
        import tensorflow as tf

        self.patient, self.steps, model = patient, steps, patient.model
        # In training batch normalization has no averages to wait for.
        self.mode = any(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in patient.layers
        )
        optimizer = model.optimizer
        settings = optimizer.get_config()
        schedule = optimizer._learning_rate  # private: the schedule itself
        if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
            self.rate = float(rates_of(schedule, patient.steps).max())
        else:
            self.rate = float(optimizer.learning_rate)
        settings["learning_rate"] = self.rate
        self.optimizer = copy = type(optimizer).from_config(settings)
        copy.build(model.trainable_variables)
        if optimizer.built and len(optimizer.variables) == len(copy.variables):
            for ours, theirs in zip(copy.variables, optimizer.variables, strict=True):
                if ours.shape == theirs.shape:
                    ours.assign(theirs)
        copy.learning_rate = self.rate
        self.start = [v.numpy().copy() for v in copy.variables]
        size = min(patient.batch_size, len(patient.x))
        rng, passes = np.random.default_rng(0), -(-steps * size // len(patient.x))
        order = [rng.permutation(len(patient.x)) for _ in range(passes)]
        self.order = np.concatenate(order)[: steps * size].reshape(steps, size)

        @tf.function(autograph=False, reduce_retracing=True)
        def step(x, y):
            x, y = map(keras.ops.convert_to_tensor, (x, y))
            with tf.GradientTape() as tape:
                guess = model(x, training=True)
                value = model.compute_loss(x=x, y=y, y_pred=guess, training=True)
                scaled = copy.scale_loss(value)
            trained = model.trainable_variables
            copy.apply(tape.gradient(scaled, [w.value for w in trained]), trained)
            return value

        self.step = step

    def loss(self):
        return loss(self.patient, training=self.mode)

    def __call__(self, factor):
        """The loss on the sample after the steps at `factor` times the rate."""
        for variable, value in zip(self.optimizer.variables, self.start, strict=True):
            variable.assign(value)
        self.optimizer.learning_rate = self.rate * factor
        x, y = self.patient.x, self.patient.y
        seen = [float(self.step(x[rows], y[rows])) for rows in self.order]
        self.highest = max(seen)
        return self.loss()

    def retried(self, factor):
        with as_it_was(self.patient.model):
            return self(factor)
