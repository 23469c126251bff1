"""Pieces: a constant rate, lowered by hand at steps chosen beforehand.

The chapter `schedules` of the book explains it. Tests: tests/test_schedules.py.
"""

from keras import ops

from dtlib._register import serializable
from dtlib.schedules._base import LearningRateSchedule, after, amount, rate, real


def piecewise_constant_decay(step, *, boundaries, values):
    """A constant rate, lowered at given steps.

        η = values[0]    while t ≤ boundaries[0]
        η = values[i]    while boundaries[i − 1] < t ≤ boundaries[i]
        η = values[−1]   from then on

    Args:
        step: t, the number of updates done, or an array of such numbers.
        boundaries: Steps at which the rate changes, in rising order.
        values: The rates, one more than boundaries.

    Returns:
        η, shaped like `step`, in its float type (Keras' own if it is an integer).

    Example: the update that sees t = 50 still uses the first rate, as in Keras.

    >>> [round(float(piecewise_constant_decay(t, boundaries=[50], values=[0.1, 0.001])),
    ...        3) for t in (0, 50, 51)]
    [0.1, 0.1, 0.001]

    Reference: Goodfellow et al., 2016, "Deep Learning", §8.3.1.

    Equation: eq-schedules-piecewise
    """
    eta = ops.full_like(real(step), values[0])
    for boundary, value in zip(boundaries, values[1:], strict=True):
        eta = ops.where(after(step, boundary), ops.full_like(eta, value), eta)
    return rate(eta, step)


@serializable
class PiecewiseConstantDecay(LearningRateSchedule):
    """A constant rate, lowered at given steps; the rule is `piecewise_constant_decay`.

    Args:
        boundaries: List of numbers ≥ 0 in rising order, at least one: the last step of
            each piece. `schedules.change` tells whether a run gets that far.
        values: List of rates ≥ 0, one more than boundaries.
        name: Name of the operations.

    Differs from Keras: boundaries that do not rise are an error; Keras adds up the
    rates of the pieces that overlap.

    Reference: see `piecewise_constant_decay`.
    """

    rule = staticmethod(piecewise_constant_decay)

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        super().__init__(name)
        self.boundaries = _numbers("boundaries", boundaries)
        self.values = _numbers("values", values)
        pairs = zip(self.boundaries, self.boundaries[1:], strict=False)
        if not self.boundaries or any(a >= b for a, b in pairs):
            raise ValueError(
                "`boundaries` must be at least one number, each larger than the one "
                f"before. Received: boundaries={boundaries!r}."
            )
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                "`values` must have one number more than `boundaries`. Received: "
                f"values={values!r}, boundaries={boundaries!r}."
            )


def _numbers(name, values):
    """Return a list of finite numbers ≥ 0, or raise `ValueError` with all that came."""
    try:
        return [amount(name, value, "[0, inf)") for value in values]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be a list of numbers in [0, inf). Received: "
            f"{name}={values!r}."
        ) from error
