"""AdaGrad: each weight has its own rate, which falls as its gradients add up.

The chapter `optimizers` of the book explains it. Tests: tests/test_optimizers.py.
"""

import keras
from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer


def adagrad_update(g, n, *, learning_rate, epsilon):
    """One AdaGrad step: what to subtract, and the sum of squared gradients.

        n ← n + g²                    only ever grows
        Δ ← α·g / √(n + ε)            the caller does w ← w − Δ

    It adds to gradient descent a rate for each weight, large where gradients are rare
    or small. Since n never forgets, the rate α/√n falls for good: of the adaptive
    methods only this one, and FTRL after it, lowers its rate by itself.

    A gradient whose square overflows (1e20 in float32) makes n infinite: the step is 0
    then, and stays 0.

    Args:
        g: Gradient, of any shape.
        n: The sum after the step before, shaped like `g`; some number ≥ 0 before
            step 1.
        learning_rate, epsilon: α and ε above. ε does what a larger first n does.

    Returns:
        `(delta, n)`, each shaped like `g`.

    Example: on a constant gradient of any size, step k has length α/√k.

    >>> n = 0.0
    >>> for k in 1, 2, 3, 4:
    ...     delta, n = adagrad_update(50.0, n, learning_rate=1.0, epsilon=0.0)
    ...     print(f"{delta:.3f}")
    1.000
    0.707
    0.577
    0.500

    Differs from the paper: there √n + δ, with n = 0 at first. Keras, and this rule, put
    ε under the root.

    Reference: Duchi, Hazan and Singer, 2011, Figure 1 (diagonal matrices),
    https://jmlr.org/papers/v12/duchi11a.html

    Equation: eq-optimizers-adagrad
    """
    n = n + ops.square(g)
    return learning_rate * g / ops.sqrt(n + epsilon), n


@serializable
class Adagrad(Optimizer):
    """AdaGrad with Keras' conventions; the rule is `adagrad_update`.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing. At a
            constant gradient the k-th step has length α/√k, so α must be larger than
            for other methods: 0.1 is a usual start.
        initial_accumulator_value: The first n, ≥ 0. It caps the first step at
            α·|g|/√n, which tames steps while few gradients are known.
        epsilon: ε > 0, added to n under the root.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Reference: Duchi, Hazan and Singer, 2011, https://jmlr.org/papers/v12/duchi11a.html
    """

    def __init__(
        self,
        learning_rate=0.001,
        initial_accumulator_value=0.1,
        epsilon=1e-7,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.initial_accumulator_value = number_in(
            "initial_accumulator_value", initial_accumulator_value, "[0, inf)"
        )
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")

    def slots(self):
        first = keras.initializers.Constant(self.initial_accumulator_value)
        return {"accumulator": first}

    def update(self, g, w, t, learning_rate, n):
        return adagrad_update(g, n, learning_rate=learning_rate, epsilon=self.epsilon)
