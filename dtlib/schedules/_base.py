"""What every schedule shares: a clock that does not lose steps, and a config.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

import math
from numbers import Integral

import keras
from keras import ops

from dtlib._check import number_in, one_of
from dtlib._register import arguments

_INT32 = 2**31


def _kind(x):
    return keras.backend.standardize_dtype(x.dtype)


def real(step):
    """Return `step` as a tensor to compute with: float64 as it is, else float32.

    A float16 counts to 2,048 only, a bfloat16 to 256, so their steps are widened.
    """
    step = ops.convert_to_tensor(step)
    wide = _kind(step) if "float" in _kind(step) else keras.config.floatx()
    return ops.cast(step, wide if wide == "float64" else "float32")


def rate(value, step):
    """Return `value` in the float type of `step`, Keras' own for a whole number.

    A step that is NaN has no rate: the result is NaN.
    """
    step = ops.convert_to_tensor(step)
    if "float" not in _kind(step):
        return ops.cast(value, keras.config.floatx())
    value = ops.where(ops.isnan(step), ops.cast(step, value.dtype), value)
    return ops.cast(value, step.dtype)


def is_whole(step, number):
    """Can `step` and `number` be counted in integers? Past 2²⁴ float32 skips some."""
    return "float" not in _kind(step) and number == int(number) and number < _INT32


def elapsed(step, period):
    """Return how many whole periods are over, and what share of the next one."""
    step = ops.convert_to_tensor(step)
    if is_whole(step, period):
        n = step // int(period)
        return real(n), real(step - n * int(period)) / period
    x = real(step) / period
    n = x // 1  # `ops.floor` would narrow float64, but for TensorFlow
    return n, x - n


def since(step, start):
    """Return how many steps lie after `start`, 0 before it; whole if both are."""
    step = ops.convert_to_tensor(step)
    if is_whole(step, start):
        return ops.maximum(step - int(start), 0)
    return ops.clip(real(step) - start, 0, math.inf)


def after(step, boundary):
    """Is `step` > `boundary`? Compared as integers where the step is one."""
    step = ops.convert_to_tensor(step)
    if "float" not in _kind(step):
        return step > min(int(boundary), _INT32 - 1)
    return real(step) > boundary


def ramp(step, steps):
    """Return the share of the first `steps` that is over, from 0 to 1."""
    return ops.clip(real(step) / steps, 0, 1) if steps else ops.ones_like(real(step))


def mix(p, start, end):
    """Return (1 − p)·start + p·end, which is exactly `start` at 0 and `end` at 1."""
    return (1 - p) * start + p * end


def amount(name, value, interval="(0, inf)"):
    """Return a number as given, an int as an int, or raise `ValueError`."""
    checked = number_in(name, value, interval)
    return int(value) if isinstance(value, Integral) else checked


def flag(name, value):
    """Return True or False as given, or raise `ValueError`."""
    return one_of(name, value, (False, True))


class LearningRateSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """A Keras schedule that asks a rule; its arguments, but `name`, are the rule's."""

    rule = None
    # Does it take an array of steps at once? Every rule of dtlib does.
    takes_many = True

    def __init__(self, name):
        if not isinstance(name, str):
            raise ValueError(f"`name` must be a string. Received: name={name!r}.")
        self.name = name

    def __call__(self, step):
        settings = arguments(self)
        with keras.name_scope(settings.pop("name")):
            return type(self).rule(step, **settings)

    def get_config(self):
        return arguments(self)
