"""The constraints as Keras takes them, under Keras' names.

The chapter `regularizers` of the book explains it. Tests: tests/test_constraints.py.
"""

import keras

from dtlib._check import number_in
from dtlib._register import arguments, serializable
from dtlib.constraints.rules import (
    checked_axis,
    max_norm,
    min_max_norm,
    non_negative,
    unit_norm,
)


class _Constraint(keras.constraints.Constraint):
    """Lists every constructor argument, in order, as its config."""

    def get_config(self):
        return arguments(self)


@serializable
class NonNeg(_Constraint):
    """No negative weights; the rule is `non_negative`.

    Args: None.

    Reference: Lee and Seung, 1999, https://doi.org/10.1038/44565
    """

    def __init__(self):
        pass

    def __call__(self, w):
        return non_negative(w)


@serializable
class UnitNorm(_Constraint):
    """Weight vectors of length 1; the rule is `unit_norm`.

    Args:
        axis: The axes of one vector: 0 for a dense kernel, [0, 1, 2] for the filters of
            a two-dimensional convolution, None for the whole tensor.

    Differs from Keras: Keras divides by ‖w‖ + 1e-7, which leaves a vector of length
    1e-7 at ½. Here every vector but zero gets the length 1.

    Reference: Salimans and Kingma, 2016, https://arxiv.org/abs/1602.07868
    """

    def __init__(self, axis=0):
        self.axis = checked_axis(axis)

    def __call__(self, w):
        return unit_norm(w, axis=self.axis)


@serializable
class MaxNorm(_Constraint):
    """Weight vectors no longer than a bound; the rule is `max_norm`.

    Args:
        max_value: The bound c > 0; 2 to 4 are usual beside dropout.
        axis: As in `UnitNorm`.

    A constraint belongs to a layer: `Dense(10, kernel_constraint=MaxNorm(3),
    bias_constraint=MaxNorm(1))`.

    Differs from Keras: Keras multiplies by min(‖w‖, c) / (‖w‖ + 1e-7), at each step, so
    that vectors inside the ball shrink too: one of length 0.5 is at 0.4999 after 1,000
    steps. `keras.constraints.max_norm` is a second name of the class; here it is the
    rule.

    Reference: Srivastava et al., 2014, section 5.1,
    https://jmlr.org/papers/v15/srivastava14a.html
    """

    def __init__(self, max_value=2, axis=0):
        self.max_value = number_in("max_value", max_value, "(0, inf)")
        self.axis = checked_axis(axis)

    def __call__(self, w):
        return max_norm(w, max_value=self.max_value, axis=self.axis)


@serializable
class MinMaxNorm(_Constraint):
    """Weight vectors of a length between two bounds; the rule is `min_max_norm`.

    Args:
        min_value: The lower bound ≥ 0.
        max_value: The upper bound, > 0 and no less than `min_value`.
        rate: In (0, 1]: how much of the way to the interval one step goes.
        axis: As in `UnitNorm`.

    Differs from Keras: no 1e-7 beside the norm, as in `MaxNorm`.

    Reference: Chollet et al., 2015, https://keras.io/api/layers/constraints/
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        self.min_value = number_in("min_value", min_value, "[0, inf)")
        self.max_value = number_in("max_value", max_value, "(0, inf)")
        self.rate = number_in("rate", rate, "(0, 1]")
        self.axis = checked_axis(axis)
        if self.min_value > self.max_value:
            raise ValueError(
                "`min_value` must be at most `max_value`. Received: "
                f"min_value={min_value!r}, max_value={max_value!r}."
            )

    def __call__(self, w):
        return min_max_norm(
            w,
            min_value=self.min_value,
            max_value=self.max_value,
            rate=self.rate,
            axis=self.axis,
        )
