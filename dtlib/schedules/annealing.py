"""Annealing: from one rate to another in a time that is known beforehand.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

import math

import numpy as np
from keras import backend, ops

from dtlib._register import serializable
from dtlib.schedules._base import (
    LearningRateSchedule,
    amount,
    elapsed,
    flag,
    mix,
    ramp,
    rate,
    real,
    since,
)


def polynomial_decay(
    step, *, initial_learning_rate, decay_steps, end_learning_rate, power, cycle
):
    """Go from one rate to another in a given number of steps, along a power of time.

        p = min(t, s)/s                        or, in cycles, t/(s·⌈t/s⌉)
        η = (1 − p)ᶜ·η₀ + (1 − (1 − p)ᶜ)·η₁

    Args:
        step: t, the number of updates done, or an array of such numbers.
        initial_learning_rate: η₀ > 0, the rate at t = 0.
        decay_steps: s > 0.
        end_learning_rate: η₁ ≥ 0, the rate from t = s on.
        power: c > 0. 1 is a straight line.
        cycle: Whether the rate rises again after s, 2s, … to a lower top each time.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: both ends are met exactly, and the last one is kept.

    >>> settings = dict(initial_learning_rate=0.5, decay_steps=100,
    ...                 end_learning_rate=0.1, power=2.0, cycle=False)
    >>> [round(float(polynomial_decay(t, **settings)), 3) for t in (0, 50, 100, 1000)]
    [0.5, 0.2, 0.1, 0.1]

    Reference: Liu et al., 2015, "ParseNet", https://arxiv.org/abs/1506.04579

    Equation: eq-schedules-polynomial
    """
    if cycle:
        n, p = elapsed(step, decay_steps)
        cycles = ops.where((p == 0) & (n > 0), n, n + 1)
        left = (cycles - n - p) / cycles
    else:
        left = ops.clip(1 - real(step) / decay_steps, 0, 1)
    eta = mix(left**power, end_learning_rate, initial_learning_rate)
    return rate(eta, step)


def cosine_decay(
    step, *, initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps
):
    """Half a cosine: the rate hardly moves at first, falls, and lands softly.

        η = η₀·[α + (1 − α)·½(1 + cos(π·min(t, s)/s))]

    With a warm-up the rate climbs on a straight line from η₀ to the target, and the
    cosine starts from there: t is then counted from the end of the warm-up.

    Args:
        step: t, the number of updates done, or an array of such numbers.
        initial_learning_rate: η₀ ≥ 0.
        decay_steps: s > 0, the length of the cosine, without the warm-up.
        alpha: α in [0, 1], the share of the rate that is left in the end.
        warmup_target: The rate to climb to, or None for no warm-up.
        warmup_steps: Length of the climb, ≥ 0; without a target it means nothing.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: ten steps up, a hundred down. The run must last 110 steps to reach 0.

    >>> settings = dict(initial_learning_rate=0.0, decay_steps=100, alpha=0.0,
    ...                 warmup_target=0.2, warmup_steps=10)
    >>> [round(float(cosine_decay(t, **settings)), 3) for t in (0, 5, 10, 60, 110)]
    [0.0, 0.1, 0.2, 0.1, 0.0]

    Reference: Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983

    Equation: eq-schedules-cosine
    """
    warm, start = 0, initial_learning_rate
    if warmup_target is not None:
        warm, start = warmup_steps, warmup_target
    p = ramp(since(step, warm), decay_steps)
    eta = start * (alpha + (1 - alpha) * 0.5 * (1 + ops.cos(math.pi * p)))
    eta = mix(ramp(step, warm), initial_learning_rate, eta)
    return rate(eta, step)


def cosine_decay_restarts(
    step, *, initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha
):
    """Cosine after cosine: each restart throws the weights out of where they settled.

    Run i = 0, 1, … is sᵢ = s₀·Tⁱ steps long and starts at the step where i − 1 ended:

        η = η₀·[α + (1 − α)·Mⁱ·½(1 + cos(π·p))]      p, the share of run i that is over

    Args:
        step: t, the number of updates done, or an array of such numbers.
        initial_learning_rate: η₀ > 0.
        first_decay_steps: s₀ > 0.
        t_mul: T ≥ 1, how many times longer each run is than the one before.
        m_mul: M > 0, how many times higher it starts.
        alpha: α in [0, 1], the share of η₀ that is never undercut.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: runs of 10, 20 and 40 steps; the restarts are at 10, 30 and 70.

    >>> settings = dict(initial_learning_rate=1.0, first_decay_steps=10, t_mul=2.0,
    ...                 m_mul=0.5, alpha=0.0)
    >>> [round(float(cosine_decay_restarts(t, **settings)), 3)
    ...  for t in (0, 5, 10, 30, 50, 70)]
    [1.0, 0.5, 0.5, 0.25, 0.125, 0.125]

    Reference: Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983

    Equation: eq-schedules-restarts
    """
    i, p = _run(step, first_decay_steps, t_mul)
    annealed = m_mul**i * 0.5 * (1 + ops.cos(math.pi * p))
    eta = initial_learning_rate * (alpha + (1 - alpha) * annealed)
    return rate(eta, step)


def _run(step, first, growth):
    """Return the number of the run that `step` is in, and the share of it that is over.

    A logarithm rounds where it should be whole, at a restart; so it is corrected by
    comparing with where the runs begin, to a few roundings.
    """
    if growth == 1:
        return elapsed(step, first)
    x = real(step) / first
    nudged = x * (1 + 8 * float(np.finfo(backend.standardize_dtype(x.dtype)).eps))

    def start(i):
        return (growth**i - 1) / (growth - 1)

    i = ops.log1p(x * (growth - 1)) / math.log(growth) // 1
    i = i + ops.cast(nudged >= start(i + 1), x.dtype)
    i = i - ops.cast(nudged < start(i), x.dtype)
    return i, ops.clip((x - start(i)) / growth**i, 0, 1)


@serializable
class PolynomialDecay(LearningRateSchedule):
    """From one rate to another in a given time; the rule is `polynomial_decay`.

    Args:
        initial_learning_rate: η₀ > 0.
        decay_steps: s > 0.
        end_learning_rate: η₁ ≥ 0.
        power: c > 0.
        cycle: Whether the rate rises again after each s steps.
        name: Name of the operations.

    Reference: see `polynomial_decay`.
    """

    rule = staticmethod(polynomial_decay)

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        super().__init__(name)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate
        )
        self.decay_steps = amount("decay_steps", decay_steps)
        self.end_learning_rate = amount(
            "end_learning_rate", end_learning_rate, "[0, inf)"
        )
        self.power = amount("power", power)
        self.cycle = flag("cycle", cycle)


@serializable
class CosineDecay(LearningRateSchedule):
    """Half a cosine, after a warm-up if wanted; the rule is `cosine_decay`.

    Args:
        initial_learning_rate: η₀ ≥ 0: where the cosine starts, or the warm-up.
        decay_steps: s > 0, without the warm-up.
        alpha: α in [0, 1].
        name: Name of the operations.
        warmup_target: The rate to climb to first, or None.
        warmup_steps: Length of the climb, ≥ 0.

    Differs from Keras: `warmup_steps` without a `warmup_target` is an error; Keras
    takes it and does not warm up.

    Reference: see `cosine_decay`.
    """

    rule = staticmethod(cosine_decay)

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        alpha=0.0,
        name="CosineDecay",
        warmup_target=None,
        warmup_steps=0,
    ):
        super().__init__(name)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate, "[0, inf)"
        )
        self.decay_steps = amount("decay_steps", decay_steps)
        self.alpha = amount("alpha", alpha, "[0, 1]")
        self.warmup_target = warmup_target
        if warmup_target is not None:
            self.warmup_target = amount("warmup_target", warmup_target)
        self.warmup_steps = amount("warmup_steps", warmup_steps, "[0, inf)")
        if warmup_target is None and warmup_steps > 0:
            raise ValueError(
                "`warmup_steps` needs a `warmup_target`, the rate to climb to. "
                f"Received: warmup_steps={warmup_steps!r}, warmup_target=None."
            )


@serializable
class CosineDecayRestarts(LearningRateSchedule):
    """Cosine after cosine, each longer; the rule is `cosine_decay_restarts`.

    Args:
        initial_learning_rate: η₀ > 0.
        first_decay_steps: s₀ > 0.
        t_mul: T ≥ 1.
        m_mul: M > 0.
        alpha: α in [0, 1].
        name: Name of the operations.

    Differs from Keras: a restart is never missed. Keras' logarithm rounds some of them
    down, and the step that should start a run gets the lowest rate instead of the
    highest (step 81,910 of s₀ = 10, T = 2). T < 1 is an error; Keras gives NaN when
    the runs have shrunk to nothing.

    Reference: see `cosine_decay_restarts`.
    """

    rule = staticmethod(cosine_decay_restarts)

    def __init__(
        self,
        initial_learning_rate,
        first_decay_steps,
        t_mul=2.0,
        m_mul=1.0,
        alpha=0.0,
        name="SGDRDecay",
    ):
        super().__init__(name)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate
        )
        self.first_decay_steps = amount("first_decay_steps", first_decay_steps)
        self.t_mul = amount("t_mul", t_mul, "[1, inf)")
        self.m_mul = amount("m_mul", m_mul)
        self.alpha = amount("alpha", alpha, "[0, 1]")
