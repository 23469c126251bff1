"""Lion: step by the sign of the momentum, the same length for every weight.

The chapter `optimizers` of the book explains it.
Tests: tests/test_optimizers_adaptive.py.
"""

import keras
from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer


def lion_update(g, m, *, learning_rate, beta_1, beta_2):
    """One Lion step for one tensor: what to subtract, and the new mean.

        c ← β₁·m + (1 − β₁)·g         a mean with a shorter memory, to step by
        Δ ← α·sign(c)
        m ← β₂·m + (1 − β₂)·g         a mean with a longer memory, to keep

    The mean starts at 0 and is not corrected: only the sign of `c` counts.

    Args:
        g: Gradient, of any shape.
        m: The mean after the step before, shaped like `g`; zeros at first.
        learning_rate, beta_1, beta_2: α, β₁, β₂ above.

    Returns:
        `(delta, m)`, each shaped like `g`.

    Example: every weight moves by α, or, where there is no slope at all, by 0.

    >>> import numpy as np
    >>> delta, m = lion_update(
    ...     np.array([1e-6, -50.0, 0.0]), np.zeros(3),
    ...     learning_rate=0.1, beta_1=0.9, beta_2=0.99,
    ... )
    >>> print(np.array(delta))
    [ 0.1 -0.1  0. ]

    Reference: Chen et al., 2023, Algorithm 2, https://arxiv.org/abs/2302.06675

    Equation: eq-optimizers-lion
    """
    c = beta_1 * m + (1 - beta_1) * g
    m = beta_2 * m + (1 - beta_2) * g
    sign = ops.sign(c)
    if keras.config.backend() == "torch":  # whose sign(NaN) is 0
        sign = ops.where(ops.isnan(c), c, sign)
    return learning_rate * sign, m


@serializable
class Lion(Optimizer):
    """Lion, one slot a weight where Adam has two; the rule is `lion_update`.

    Its steps are longer than Adam's for the same learning rate: the paper takes a rate
    3 to 10 times smaller, and a weight decay as many times larger.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        beta_1: β₁ in [0, 1]: the weight of the past in the step.
        beta_2: β₂ in [0, 1): the weight of the past in the mean.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Differs from Keras: `beta_1=0` is allowed. It is descent by the gradient's sign.

    Reference: Chen et al., 2023, https://arxiv.org/abs/2302.06675
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = number_in("beta_1", beta_1, "[0, 1]")
        self.beta_2 = number_in("beta_2", beta_2, "[0, 1)")

    def slots(self):
        return {"m": "zeros"}

    def update(self, g, w, t, learning_rate, m):
        return lion_update(
            g,
            m,
            learning_rate=learning_rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
        )
