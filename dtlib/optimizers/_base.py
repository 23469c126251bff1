"""What every optimizer shares: state beside each weight, and one step of a rule.

The chapter `optimizers` of the book explains it. Tests: tests/test_optimizers.py.
"""

import math
from numbers import Real

import keras
from keras import ops

from dtlib._check import number_in
from dtlib._register import arguments


def one_minus_power(beta, t):
    """1 − βᵗ in float32, exact for β near 1, where βᵗ itself would have no digits left.

    The float32 nearest to 0.999 is off by 1e-8, so 1 − 0.999 by 1e-5 of itself; log β
    is taken in Python's double precision instead.
    """
    return -ops.expm1(t * (math.log(beta) if beta else -math.inf))


def larger(a, b):
    """max(a, b), entry by entry, in their own type; NaN where one of them is NaN."""
    if keras.config.backend() == "torch":  # where ops.maximum rounds float64
        return ops.where((a > b) | ops.isnan(a), a, b)
    return ops.maximum(a, b)


class Optimizer(keras.optimizers.Optimizer):
    """A Keras optimizer that keeps slots beside each weight and asks a rule for a step.

    Subclasses say in `slots` what they keep, and in `update` which rule they call.
    """

    def __init__(self, learning_rate, **kwargs):
        super().__init__(_rate(learning_rate), **kwargs)

    def slots(self):
        """Name → initializer of each tensor beside a weight, in the rule's order."""
        return {}

    def update(self, g, w, t, learning_rate, *slots):
        """Return `(delta, *slots)`: what to subtract from `w`, and the new slots."""
        raise NotImplementedError

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        for name, initializer in self.slots().items():
            slot = self.add_optimizer_variables(variables, name, initializer)
            setattr(self, f"_{name}", slot)

    def apply(self, grads, trainable_variables=None):
        """One step for all weights; `keras.optimizers.Optimizer.apply` has the order.

        Differs from Keras: an embedding's gradient is summed over the uses of each row
        before it is clipped, scaled or squared, as the gradient of a loss is. Keras
        does these to each use of a row by itself, and refuses `loss_scale_factor`.
        """
        super().apply([_dense(g) for g in grads], trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        i = self._get_variable_index(variable)
        slots = [getattr(self, f"_{name}")[i] for name in self.slots()]
        delta, *values = self.update(
            ops.cast(gradient, variable.dtype),
            variable,
            ops.cast(self.iterations + 1, "float32"),
            ops.cast(learning_rate, variable.dtype),
            *map(ops.convert_to_tensor, slots),
        )
        for slot, value in zip(slots, values, strict=True):
            self.assign(slot, value)
        self.assign_sub(variable, delta)

    def get_config(self):
        """Keras' base arguments, then those of the subclass, each as given."""
        base = super().get_config()
        return {**base, **arguments(self, but=base)}


def _dense(gradient):
    """A gradient of rows and their places, as a tensor; any other as it is."""
    return ops.add(gradient, 0.0) if hasattr(gradient, "dense_shape") else gradient


def _rate(value):
    """A float, or what Keras takes in its place."""
    if isinstance(value, Real):
        return number_in("learning_rate", value, "[0, inf)")
    if callable(value):  # a schedule is callable, too
        return value
    raise ValueError(
        "`learning_rate` must be a number in [0, inf), a schedule, or a callable that "
        f"takes nothing. Received: learning_rate={value!r}."
    )
