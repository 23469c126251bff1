"""AdaMax: Adam that measures the gradient's size by its largest value, not its mean.

The chapter `optimizers` of the book explains it.
Tests: tests/test_optimizers_adaptive.py.
"""

from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer, larger, one_minus_power


def adamax_update(g, m, u, t, *, learning_rate, beta_1, beta_2, epsilon):
    """One AdaMax step for one tensor: what to subtract, the mean, and the size.

        m ← β₁·m + (1 − β₁)·g         running mean of the gradient
        u ← max(β₂·u, |g|)            its size: the largest lately, fading
        Δ ← α/(1 − β₁ᵗ) · m / (u + ε)

    `u` is a size, not a square, so no root is taken; and the first gradient replaces
    its start at 0, so no bias is undone. The paper has no ε: a weight whose gradients
    were all 0 would be moved by 0/0.

    Args:
        g: Gradient, of any shape.
        m, u: The mean and the size after step t − 1, shaped like `g`; zeros at first.
        t: Step number, a float32 scalar, counted from 1.
        learning_rate, beta_1, beta_2, epsilon: α, β₁, β₂, ε above.

    Returns:
        `(delta, m, u)`, each shaped like `g`.

    Example: no step is much longer than α, even after a burst out of the blue.

    >>> import numpy as np
    >>> m = u = np.zeros(1)
    >>> for t, g in enumerate([1e-3, 1e-3, 1e6], start=1):
    ...     delta, m, u = adamax_update(
    ...         np.array([g]), m, u, t,
    ...         learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-7,
    ...     )
    >>> print(round(float(delta[0]), 3), float(u[0]))
    0.037 1000000.0

    Reference: Kingma and Ba, 2015, Algorithm 2, https://arxiv.org/abs/1412.6980

    Equation: eq-optimizers-adamax
    """
    m = beta_1 * m + (1 - beta_1) * g
    u = larger(beta_2 * u, ops.abs(g))
    alpha = learning_rate / ops.cast(one_minus_power(beta_1, t), m.dtype)
    return alpha * m / (u + epsilon), m, u


@serializable
class Adamax(Optimizer):
    """AdaMax, Adam in the infinity norm; the rule is `adamax_update`.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        beta_1: β₁ in [0, 1). The gradient is remembered for some 1/(1 − β₁) steps.
        beta_2: β₂ in [0, 1). Its largest value fades by this factor at each step.
        epsilon: ε > 0, added to u.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Reference: Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980
    """

    def __init__(
        self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kwargs
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = number_in("beta_1", beta_1, "[0, 1)")
        self.beta_2 = number_in("beta_2", beta_2, "[0, 1)")
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")

    def slots(self):
        return {"m": "zeros", "u": "zeros"}

    def update(self, g, w, t, learning_rate, m, u):
        return adamax_update(
            g,
            m,
            u,
            t,
            learning_rate=learning_rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )
