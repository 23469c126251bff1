"""Up before down: a warm-up ahead of any schedule, and the one cycle.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

import math
from numbers import Real

from keras import ops
from keras.optimizers import schedules

from dtlib._check import number_in, one_of
from dtlib._register import serializable
from dtlib.schedules._base import (
    LearningRateSchedule,
    amount,
    mix,
    ramp,
    rate,
    real,
    since,
)

ANNEALINGS = ("linear", "cosine")


def warmup(step, *, learning_rate, warmup_steps, initial_learning_rate):
    """Climb to the rate on a straight line; then start what was to be run.

        p = min(t/w, 1)
        η = (1 − p)·η₀ + p·η₁(max(t − w, 0))

    Args:
        step: t, the number of updates done, or an array of such numbers.
        learning_rate: η₁, a number, or a schedule: a function of its own step, which
            stays at 0 during the climb.
        warmup_steps: w > 0.
        initial_learning_rate: η₀ ≥ 0, the rate at t = 0.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: the schedule after the climb is not shortened by it.

    >>> from dtlib.schedules import PiecewiseConstantDecay
    >>> halve = PiecewiseConstantDecay([100], [0.2, 0.1])
    >>> settings = dict(warmup_steps=10, initial_learning_rate=0.0)
    >>> [round(float(warmup(t, learning_rate=halve, **settings)), 2)
    ...  for t in (0, 5, 10, 110, 111)]
    [0.0, 0.1, 0.2, 0.2, 0.1]

    Reference: Goyal et al., 2017, §2.2, https://arxiv.org/abs/1706.02677

    Equation: eq-schedules-warm-up
    """
    eta = learning_rate
    if callable(eta):
        eta = ops.cast(eta(since(step, warmup_steps)), real(step).dtype)
    eta = mix(ramp(step, warmup_steps), initial_learning_rate, eta)
    return rate(eta, step)


def one_cycle(
    step,
    *,
    max_learning_rate,
    total_steps,
    peak,
    div_factor,
    final_div_factor,
    annealing,
):
    """One cycle: up to a rate too high to stay at, down again, then to almost nothing.

        t = 0        η = η_max/d
        t = q·n      η = η_max             the peak
        t = 2q·n     η = η_max/d           the cycle is closed
        t = n        η = η_max/(d·e)       annihilated; the rate stays there

    Between these times the rate goes on a straight line, or on half a cosine. It never
    leaves the range of the two rates it goes between.

    Args:
        step: t, the number of updates done, or an array of such numbers.
        max_learning_rate: η_max > 0.
        total_steps: n > 0, the updates of the whole run.
        peak: q in (0, 0.5), the share of the run at which the rate peaks.
        div_factor: d ≥ 1.
        final_div_factor: e ≥ 1.
        annealing: "linear" or "cosine".

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example:

    >>> settings = dict(max_learning_rate=1.0, total_steps=100, peak=0.4,
    ...                 div_factor=10.0, final_div_factor=100.0, annealing="linear")
    >>> [round(float(one_cycle(t, **settings)), 4) for t in (0, 20, 40, 80, 100, 999)]
    [0.1, 0.55, 1.0, 0.1, 0.001, 0.001]

    Reference: Smith, 2018, §4.1, https://arxiv.org/abs/1803.09820

    Equation: eq-schedules-one-cycle
    """
    first = max_learning_rate / div_factor
    corners = first, max_learning_rate, first, first / final_div_factor
    return rate(_cycle(step, corners, total_steps, peak, annealing), step)


def one_cycle_momentum(
    step, *, max_momentum, min_momentum, total_steps, peak, annealing
):
    """The momentum that goes with `one_cycle`: lowest where the rate is highest.

        t = 0   β = β_max      t = q·n   β = β_min      t ≥ 2q·n   β = β_max

    A Keras schedule can drive the rate only: a momentum is a Python number, fixed when
    the step is compiled. This rule is for a training loop of one's own.

    Args:
        step: t, the number of updates done, or an array of such numbers.
        max_momentum: β_max in [0, 1), 0.95 in the paper.
        min_momentum: β_min in [0, β_max], 0.85 in the paper.
        total_steps, peak, annealing: n, q and the form, as in `one_cycle`.

    Returns:
        β, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example:

    >>> settings = dict(max_momentum=0.95, min_momentum=0.85, total_steps=100,
    ...                 peak=0.4, annealing="linear")
    >>> [round(float(one_cycle_momentum(t, **settings)), 2) for t in (0, 20, 40, 100)]
    [0.95, 0.9, 0.85, 0.95]

    Reference: Smith, 2018, §4.2, https://arxiv.org/abs/1803.09820

    Equation: eq-schedules-momentum
    """
    corners = max_momentum, min_momentum, max_momentum, max_momentum
    return rate(_cycle(step, corners, total_steps, peak, annealing), step)


def _cycle(step, corners, total_steps, peak, annealing):
    """Go from corner to corner; a leg that is over, or to come, adds nothing."""
    t, value = real(step), corners[0]
    times = 0, peak * total_steps, 2 * peak * total_steps, total_steps
    for start, end, corner in zip(times, times[1:], corners[1:], strict=False):
        p = 1 - ops.clip((end - t) / (end - start), 0, 1)  # exactly 1 at the end
        if annealing == "cosine":
            p = 0.5 * (1 - ops.cos(math.pi * p))
        value = mix(p, value, corner)
    return value


@serializable
class Warmup(LearningRateSchedule):
    """A linear climb, then any schedule; the rule is `warmup`. Keras has no such class.

    Args:
        learning_rate: A number > 0, or a schedule, which starts after the climb.
        warmup_steps: w > 0.
        initial_learning_rate: η₀ ≥ 0.
        name: Name of the operations.

    Reference: see `warmup`.
    """

    rule = staticmethod(warmup)

    def __init__(
        self, learning_rate, warmup_steps, initial_learning_rate=0.0, name="Warmup"
    ):
        super().__init__(name)
        self.learning_rate = learning_rate
        if isinstance(learning_rate, Real):
            self.learning_rate = amount("learning_rate", learning_rate)
        elif not isinstance(learning_rate, schedules.LearningRateSchedule):
            raise ValueError(
                "`learning_rate` must be a number in (0, inf), or a schedule. "
                f"Received: learning_rate={learning_rate!r}."
            )
        self.warmup_steps = amount("warmup_steps", warmup_steps)
        self.initial_learning_rate = amount(
            "initial_learning_rate", initial_learning_rate, "[0, inf)"
        )

    @property
    def takes_many(self):
        inner = self.learning_rate
        return not callable(inner) or getattr(inner, "takes_many", False)

    def get_config(self):
        config = super().get_config()
        if callable(self.learning_rate):
            config["learning_rate"] = schedules.serialize(self.learning_rate)
        return config

    @classmethod
    def from_config(cls, config):
        inner = config["learning_rate"]
        if isinstance(inner, dict):
            inner = schedules.deserialize(inner)
        return cls(**{**config, "learning_rate": inner})


@serializable
class OneCycle(LearningRateSchedule):
    """One cycle of the rate over the whole run; the rule is `one_cycle`.

    Keras has no such class, and no schedule for the momentum: see `one_cycle_momentum`.

    Args:
        max_learning_rate: η_max > 0; take what `training.find_learning_rate` suggests.
        total_steps: n > 0, the updates of the whole run: epochs × batches.
        peak: q in (0, 0.5). The paper's cycle is a little shorter than the run.
        div_factor: d ≥ 1: the rate starts at η_max/d.
        final_div_factor: e ≥ 1: it ends at η_max/(d·e).
        annealing: "linear", the paper's, or "cosine".
        name: Name of the operations.

    Reference: see `one_cycle`.
    """

    rule = staticmethod(one_cycle)

    def __init__(
        self,
        max_learning_rate,
        total_steps,
        peak=0.45,
        div_factor=10.0,
        final_div_factor=1000.0,
        annealing="linear",
        name="OneCycle",
    ):
        super().__init__(name)
        self.max_learning_rate = amount("max_learning_rate", max_learning_rate)
        self.total_steps = amount("total_steps", total_steps)
        self.peak = number_in("peak", peak, "(0, 0.5)")
        self.div_factor = amount("div_factor", div_factor, "[1, inf)")
        self.final_div_factor = amount("final_div_factor", final_div_factor, "[1, inf)")
        self.annealing = one_of("annealing", annealing, ANNEALINGS)
