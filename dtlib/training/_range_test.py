"""The range test: one short run at rising rates shows which of them a model can bear.

The chapter `schedules` of the book explains it. Tests:
tests/test_find_learning_rate.py.
"""

import math
from collections import namedtuple
from contextlib import contextmanager
from itertools import count

import keras
import numpy as np

from dtlib._check import integer_in, number_in
from dtlib.training import _arrays, _fallback


class RangeTest(namedtuple("RangeTest", "rates losses smoothed suggestion reason")):
    """What `find_learning_rate` saw: three arrays of one length, two verdicts.

    rates: The rate of each step.
    losses: The loss of each step's own batch, before the step, as it is.
    smoothed: Their running mean, with the pull of its start at 0 undone.
    suggestion: A tenth of the rate where `smoothed` is lowest; None if it never fell.
    reason: Why the test stopped where it did.
    """

    __slots__ = ()


def find_learning_rate(
    model,
    x,
    y,
    *,
    low=1e-6,
    high=10.0,
    steps=200,
    batch_size=32,
    seed=0,
    smoothing=0.9,
    divergence=4.0,
    sample_weight=None,
):
    """Train a few steps at ever larger rates, and undo them: the range test.

    Step i = 0, 1, …, n − 1 has the rate ηᵢ and sees the loss ℓᵢ of its batch:

        ηᵢ = low·(high/low)^(i/(n − 1))
        sᵢ = (1 − β)·Σⱼ βⁱ⁻ʲ·ℓⱼ / (1 − βⁱ⁺¹)        j = 0, …, i

    It stops early when a loss is not finite, or when sᵢ exceeds k times the lowest s so
    far (lies more than (k − 1)·|s| above it, for losses that can be negative).

    Whatever happens, an exception and Ctrl-C included, the model is afterwards as it
    was: weights, running averages, random generators, metrics, and of the optimizer the
    slots, the number of iterations and the rate. (One not yet built is built.) A
    schedule, or a function, that sets the rate is put aside for the test; this needs a
    compiled loop of its own, since the one of `fit` follows the schedule.

    Args:
        model: A compiled Keras model. Start from new weights: the answer is about the
            weights it has.
        x, y, sample_weight: As for `fit`.
        low, high: The first rate and the last, 0 < low < high.
        steps: n ≥ 2. It may take several epochs.
        batch_size: Rows a step; a rate is for one batch size.
        seed: As for `fit`, whose batches these are, in its order.
        smoothing: β in [0, 1).
        divergence: k > 1.

    Returns:
        A `RangeTest`: rates, losses, smoothed, suggestion, reason. The lowest
        smoothed loss comes some 1/(1 − β) steps late, which the tenth in the suggestion
        allows for. Take it as the middle of what to try.

    Raises:
        ValueError: naming the argument that is wrong, or why there is no compiled loop.

    Example: on a bowl of curvature 2, gradient descent diverges at rates above 1.

    >>> x, y = np.ones((64, 1)), np.zeros((64, 1))
    >>> line = keras.layers.Dense(1, use_bias=False)
    >>> model = keras.Sequential([keras.Input((1,)), line])
    >>> model.compile(keras.optimizers.SGD(0.1), "mse")
    >>> found = find_learning_rate(model, x, y, low=1e-3, high=100.0, smoothing=0.0)
    >>> bool(1 < found.rates[-1] < 100), found.reason.split(":")[0]
    (True, 'diverged')

    Reference: Smith, 2017, §3.3, https://arxiv.org/abs/1506.01186
    """
    from dtlib import training  # it imports this module

    training._check_compiled(model)
    low = number_in("low", low, "(0, inf)")
    high = number_in("high", high, f"({low}, inf)")
    steps = integer_in("steps", steps, "[2, inf)")
    batch_size = integer_in("batch_size", batch_size, "[1, inf)")
    seed = integer_in("seed", seed, "[0, inf)")
    smoothing = number_in("smoothing", smoothing, "[0, 1)")
    divergence = number_in("divergence", divergence, "(1, inf)")
    why_not = _arrays.not_in_memory(x=x, y=y, sample_weight=sample_weight)
    why_not = why_not or _fallback.not_compilable(model)
    if why_not is not None:
        raise ValueError(f"The range test needs the compiled loop of `fit`: {why_not}.")
    data, _ = training._checked(model, x, y, sample_weight)
    from dtlib.training import _program  # imports TensorFlow: the backend, by now

    data, n = _program.tensors(data), _arrays.count(data)
    rates = low * (high / low) ** (np.arange(steps) / (steps - 1))
    watch = _Watch(model, rates, smoothing, divergence)
    with _undone(model), _settable_rate(model):
        program = _program.program_of(model, data, batch_size)
        for epoch in count():
            order = training.batch_order(n, seed=seed, epoch=epoch)
            batches = "train_step", data, order, batch_size
            program.run(*batches, watch.begin, watch.end, most=1)
            if watch.reason:
                return watch.result()


class _Watch:
    """Sets the rate before each step, notes the loss after it, and may say stop."""

    def __init__(self, model, rates, smoothing, divergence):
        self.model, self.rates = model, rates
        self.smoothing, self.divergence = smoothing, divergence
        self.losses, self.smoothed = [], []
        self.mean, self.reason = 0.0, ""

    def begin(self, batch):
        self.model.optimizer.learning_rate = self.rates[len(self.losses)]
        self.model.reset_metrics()  # else "loss" is the mean of all steps so far

    def end(self, batch, logs):
        if "loss" not in logs:
            raise ValueError(
                f"`train_step` must report 'loss'. Received: {list(logs)}."
            )
        i, beta = len(self.losses), self.smoothing
        self.mean = beta * self.mean + (1 - beta) * logs["loss"]
        self.losses.append(logs["loss"])
        self.smoothed.append(self.mean / (1 - beta ** (i + 1)))
        best, now = min(self.smoothed), self.smoothed[-1]
        if not math.isfinite(logs["loss"]):
            self.reason = f"not finite: the loss at a rate of {self.rates[i]:.3g}"
        elif now > best + (self.divergence - 1) * abs(best):
            self.reason = (
                f"diverged: at a rate of {self.rates[i]:.3g} the smoothed loss is "
                f"{now:.3g}, its lowest was {best:.3g}"
            )
        elif i + 1 == len(self.rates):
            self.reason = f"done: all {i + 1} steps, up to {self.rates[i]:.3g}"
        return bool(self.reason)

    def result(self):
        rates, smoothed = self.rates[: len(self.losses)], np.array(self.smoothed)
        finite = smoothed[np.isfinite(smoothed)]  # all, or all but the last
        lowest = int(finite.argmin()) if finite.size else 0
        suggestion = float(rates[lowest] / 10) if lowest > 0 else None
        losses = np.array(self.losses)
        return RangeTest(rates, losses, smoothed, suggestion, self.reason)


@contextmanager
def _undone(model):
    """Give back every variable of the model and its optimizer as it is now."""
    optimizer = model.optimizer
    if not optimizer.built:
        optimizer.build(model.trainable_variables)
    variables = *model.variables, *model.metrics_variables, *optimizer.variables
    before = [(v, np.array(keras.ops.convert_to_tensor(v))) for v in variables]
    try:
        yield
    finally:
        model.reset_metrics()  # those that were made meanwhile
        for variable, value in before:
            variable.assign(value)


@contextmanager
def _settable_rate(model):
    """Put a schedule, or a function, of the optimizer aside, and a variable there."""
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    # Private: the public setter refuses a number where there is a schedule.
    given = optimizer._learning_rate
    if isinstance(given, keras.Variable):
        yield
        return
    program = getattr(model, "_dtlib_program", None)
    rate = keras.Variable(0.0, trainable=False, name="learning_rate")
    # Past Keras' tracking of attributes: neither belongs to what is saved.
    object.__setattr__(model, "_dtlib_program", None)
    object.__setattr__(optimizer, "_learning_rate", rate)
    try:
        yield
    finally:
        object.__setattr__(optimizer, "_learning_rate", given)
        object.__setattr__(model, "_dtlib_program", program)
