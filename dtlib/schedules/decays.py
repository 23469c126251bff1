"""Decay: begin with long steps to get near, end with short ones to settle.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

from dtlib._register import serializable
from dtlib.schedules._base import (
    LearningRateSchedule,
    amount,
    elapsed,
    flag,
    rate,
    real,
)


def power_decay(step, *, initial_learning_rate, decay_steps, power):
    """Decay by a power of time: fast at first, then ever more slowly.

        η = η₀ / (1 + t/s)ᶜ

    With c = 1 the rate is halved after s steps, a third after 2s, a quarter after 3s.
    Robbins and Monro's conditions, Σ η = ∞ and Σ η² < ∞, ask for ½ < c ≤ 1.

    Args:
        step: t, the number of updates done, or an array of such numbers.
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0.
        power: c > 0.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example:

    >>> [round(float(power_decay(
    ...     t, initial_learning_rate=0.12, decay_steps=100, power=1.0)), 3)
    ...  for t in (0, 100, 200, 300)]
    [0.12, 0.06, 0.04, 0.03]

    Reference: Robbins and Monro, 1951, https://doi.org/10.1214/aoms/1177729586

    Equation: eq-schedules-power
    """
    t = real(step)
    eta = initial_learning_rate / (1 + t / decay_steps) ** power
    return rate(eta, step)


def inverse_time_decay(
    step, *, initial_learning_rate, decay_steps, decay_rate, staircase
):
    """Decay as one over time: `power_decay` with c = 1, on a clock of its own speed.

        η = η₀ / (1 + r·t/s)

    Args:
        step: t, the number of updates done, or an array of such numbers.
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0.
        decay_rate: r ≥ 0.
        staircase: Whether ⌊t/s⌋ stands for t/s.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: only s/r counts, the steps until the rate is halved.

    >>> settings = dict(initial_learning_rate=1.0, staircase=False)
    >>> [float(inverse_time_decay(20, decay_steps=s, decay_rate=r, **settings))
    ...  for s, r in ((10, 0.5), (100, 5.0), (20, 1.0))]
    [0.5, 0.5, 0.5]

    Reference: Bottou, 2012, "Stochastic Gradient Descent Tricks", §5.2.

    Equation: eq-schedules-inverse-time
    """
    p = elapsed(step, decay_steps)[0] if staircase else real(step) / decay_steps
    eta = initial_learning_rate / (1 + decay_rate * p)
    return rate(eta, step)


def exponential_decay(
    step, *, initial_learning_rate, decay_steps, decay_rate, staircase
):
    """Multiply the rate by the same factor every so many steps.

        η = η₀ · r^(t/s)              continuous
        η = η₀ · r^⌊t/s⌋              staircase

    Args:
        step: t, the number of updates done, or an array of such numbers.
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0, the steps in which the rate is multiplied by r.
        decay_rate: r > 0; above 1 the rate grows.
        staircase: Whether the rate stands still for s steps, then jumps.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: s far beyond the run, and the rate hardly moves.

    >>> [round(float(exponential_decay(
    ...     2000, initial_learning_rate=0.01, decay_steps=s, decay_rate=0.9,
    ...     staircase=False)), 5) for s in (10_000, 100)]
    [0.00979, 0.00122]

    Reference: Bengio, 2012, "Practical Recommendations for Gradient-Based Training of
    Deep Architectures", https://arxiv.org/abs/1206.5533

    Equation: eq-schedules-exponential
    """
    p = elapsed(step, decay_steps)[0] if staircase else real(step) / decay_steps
    eta = initial_learning_rate * decay_rate**p
    return rate(eta, step)


@serializable
class PowerDecay(LearningRateSchedule):
    """Decay by a power of time; the rule is `power_decay`. Keras has no such class.

    Args:
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0, the steps after which the rate is η₀/2ᶜ.
        power: c > 0.
        name: Name of the operations.

    Reference: see `power_decay`.
    """

    rule = staticmethod(power_decay)

    def __init__(
        self, initial_learning_rate, decay_steps, power=1.0, name="PowerDecay"
    ):
        super().__init__(name)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = amount("decay_steps", decay_steps)
        self.power = amount("power", power)


@serializable
class InverseTimeDecay(LearningRateSchedule):
    """Decay as one over time; the rule is `inverse_time_decay`.

    Args:
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0.
        decay_rate: r ≥ 0.
        staircase: Whether the rate changes every s steps only.
        name: Name of the operations.

    Reference: see `inverse_time_decay`.
    """

    rule = staticmethod(inverse_time_decay)

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        decay_rate,
        staircase=False,
        name="InverseTimeDecay",
    ):
        super().__init__(name)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = amount("decay_steps", decay_steps)
        self.decay_rate = amount("decay_rate", decay_rate, "[0, inf)")
        self.staircase = flag("staircase", staircase)


@serializable
class ExponentialDecay(LearningRateSchedule):
    """The same factor every so many steps; the rule is `exponential_decay`.

    Args:
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0.
        decay_rate: r > 0.
        staircase: Whether the rate changes every s steps only.
        name: Name of the operations.

    Reference: see `exponential_decay`.
    """

    rule = staticmethod(exponential_decay)

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        decay_rate,
        staircase=False,
        name="ExponentialDecay",
    ):
        super().__init__(name)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = amount("decay_steps", decay_steps)
        self.decay_rate = amount("decay_rate", decay_rate)
        self.staircase = flag("staircase", staircase)
