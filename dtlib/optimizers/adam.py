"""Adam: step by the gradient's running mean, in units of its running size.

The chapter `optimizers` of the book explains it.
Tests: tests/test_optimizers_adaptive.py.
"""

from keras import ops

from dtlib._check import number_in, one_of
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer, larger, one_minus_power


def adam_update(g, m, v, t, *, learning_rate, beta_1, beta_2, epsilon):
    """One Adam step for one tensor: what to subtract, and the two new averages.

    At step t = 1, 2, ... with learning rate α:

        m ← β₁·m + (1 − β₁)·g         running mean of the gradient
        v ← β₂·v + (1 − β₂)·g²        running mean of its square
        m̂ ← m / (1 − β₁ᵗ)             both start at 0; dividing undoes
        v̂ ← v / (1 − β₂ᵗ)             the pull that start exerts
        Δ ← α·m̂ / (√v̂ + ε)            the caller does w ← w − Δ

    Args:
        g: Gradient, of any shape.
        m, v: The averages after step t − 1, shaped like `g`; zeros before step 1.
        t: Step number, a float32 scalar, counted from 1.
        learning_rate, beta_1, beta_2, epsilon: α, β₁, β₂, ε above.

    Returns:
        `(delta, m, v)`, each shaped like `g`.

    Example: whatever the gradient's scale, the first step has length α.

    >>> import numpy as np
    >>> g = np.array([1e-3, -5.0])
    >>> delta, m, v = adam_update(
    ...     g, 0 * g, 0 * g, 1.0,
    ...     learning_rate=0.1, beta_1=0.9, beta_2=0.999, epsilon=0.0,
    ... )
    >>> print(np.round(delta, 6))
    [ 0.1 -0.1]

    Reference: Kingma and Ba, 2015, Algorithm 1, https://arxiv.org/abs/1412.6980

    Equation: eq-optimizers-adam
    """
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * ops.square(g)
    alpha = learning_rate / ops.cast(one_minus_power(beta_1, t), m.dtype)  # α·m̂ = α′·m
    v_hat = v / ops.cast(one_minus_power(beta_2, t), v.dtype)
    return alpha * m / (ops.sqrt(v_hat) + epsilon), m, v


def amsgrad_update(g, m, v, v_max, t, *, learning_rate, beta_1, beta_2, epsilon):
    """One AMSGrad step: Adam that never forgets the largest `v` it has seen.

        m, v ← as in Adam
        v_max ← max(v_max, v)
        m̂ ← m / (1 − β₁ᵗ)
        v̂ ← v_max / (1 − β₂ᵗ)         the correction comes after the maximum
        Δ ← α·m̂ / (√v̂ + ε)

    v_max never shrinks; v̂ does, while the correction fades. The paper corrects neither
    average: its path, Δ ← α·m/√v_max, is this one with α·(1 − β₁ᵗ)/√(1 − β₂ᵗ) for α,
    and ε = 0.

    Args:
        g, m, v, t, learning_rate, beta_1, beta_2, epsilon: As in `adam_update`.
        v_max: The largest `v` up to step t − 1, shaped like `g`; zeros before step 1.

    Returns:
        `(delta, m, v, v_max)`, each shaped like `g`.

    Example: after one large gradient Adam forgets, AMSGrad does not.

    >>> import numpy as np
    >>> setting = dict(learning_rate=1.0, beta_1=0.0, beta_2=0.5, epsilon=1e-8)
    >>> m = v = u = v_max = np.zeros(1)
    >>> for t, g in enumerate([100.0] + 20 * [1.0], start=1):
    ...     adam, m, v = adam_update(np.array([g]), m, v, t, **setting)
    ...     ams, m, u, v_max = amsgrad_update(
    ...         np.array([g]), m, u, v_max, t, **setting
    ...     )
    >>> print(round(float(adam[0]), 3), round(float(ams[0]), 3))
    0.998 0.014

    Reference: Reddi, Kale and Kumar, 2018, Algorithm 2,
    https://openreview.net/forum?id=ryQu7f-RZ

    Equation: eq-optimizers-amsgrad
    """
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * ops.square(g)
    v_max = larger(v_max, v)
    alpha = learning_rate / ops.cast(one_minus_power(beta_1, t), m.dtype)
    v_hat = v_max / ops.cast(one_minus_power(beta_2, t), v.dtype)
    return alpha * m / (ops.sqrt(v_hat) + epsilon), m, v, v_max


@serializable
class Adam(Optimizer):
    """Adam as Algorithm 1 of its paper states it; the rule is `adam_update`.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        beta_1: β₁ in [0, 1). The gradient is remembered for some 1/(1 − β₁) steps.
        beta_2: β₂ in [0, 1). Its square is remembered for some 1/(1 − β₂) steps.
        epsilon: ε > 0, added to √v̂. It caps the step where gradients are tiny. A weight
            that is itself in float16 needs some 1e-3: its `v` cannot hold the square of
            a gradient below 0.005. In mixed precision weights are in float32.
        amsgrad: Whether to divide by the largest `v` so far; see `amsgrad_update`.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Differs from Keras: `keras.optimizers.Adam` adds its epsilon to √v, before the
    bias is undone (the paper's "epsilon hat"). Its path is the path of this class with
    epsilon / √(1 − β₂ᵗ) for epsilon: 32 times as much at t = 1 with β₂ = 0.999, and
    the same as t grows. Keras takes 1 − βᵗ in the weight's own precision, too; here it
    is exact.

    References: Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980; for `amsgrad`,
    Reddi, Kale and Kumar, 2018, https://openreview.net/forum?id=ryQu7f-RZ
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = number_in("beta_1", beta_1, "[0, 1)")
        self.beta_2 = number_in("beta_2", beta_2, "[0, 1)")
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")
        self.amsgrad = one_of("amsgrad", amsgrad, (True, False))

    def slots(self):
        names = ["m", "v", "v_max"] if self.amsgrad else ["m", "v"]
        return dict.fromkeys(names, "zeros")

    def update(self, g, w, t, learning_rate, *slots):
        rule = amsgrad_update if self.amsgrad else adam_update
        return rule(
            g,
            *slots,
            t,
            learning_rate=learning_rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
        )
