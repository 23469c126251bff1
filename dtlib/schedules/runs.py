"""What a schedule does in a run of so many steps: many a schedule never acts.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

import keras
import numpy as np

from dtlib._check import integer_in


def record(schedule, steps):
    """The rate of each update of a run.

    Args:
        schedule: A schedule of dtlib or of Keras, or any function of the step.
        steps: Number of updates: epochs × batches.

    Returns:
        Array of `steps` floats: the rates at t = 0, 1, …, steps − 1.

    Example: the last update of a run sees the step before the last.

    >>> from dtlib.schedules import PolynomialDecay
    >>> record(PolynomialDecay(0.4, decay_steps=4, end_learning_rate=0.0), 4).round(2)
    array([0.4, 0.3, 0.2, 0.1])
    """
    steps = integer_in("steps", steps, "[1, inf)")
    times = np.arange(steps, dtype="int32")
    if getattr(schedule, "takes_many", False):
        rates = keras.ops.convert_to_numpy(schedule(times))
    else:
        rates = [float(schedule(keras.ops.convert_to_tensor(t))) for t in times]
    return np.asarray(rates, "float64")


def change(schedule, steps):
    """How many times larger a run's largest rate is than its smallest.

    1 means that the schedule never acts: its boundaries, or its horizon, lie beyond the
    end of the run. Ask before training, with `steps` = epochs × batches.

    Args:
        schedule: A schedule of dtlib or of Keras, or any function of the step.
        steps: Number of updates of the run.

    Returns:
        A float ≥ 1; infinite when the rate reaches 0.

    Example: boundaries meant as epochs, but counted in steps, lie in the first epoch;
    ones for a larger data set lie beyond the run.

    >>> from dtlib.schedules import PiecewiseConstantDecay
    >>> schedule = PiecewiseConstantDecay([20_000, 30_000], [0.1, 0.01, 0.001])
    >>> round(change(schedule, steps=5_000)), round(change(schedule, steps=40_000))
    (1, 100)
    """
    rates = record(schedule, steps)
    low, high = rates.min(), rates.max()
    return float(high / low) if low > 0 else float("inf") if high > low else 1.0
