"""AdamW: Adam, and beside it a pull of every weight toward 0.

The chapter `optimizers` of the book explains it.
Tests: tests/test_optimizers_adaptive.py.
"""

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.optimizers.adam import Adam, adam_update


def adamw_update(
    g, w, m, v, t, *, learning_rate, beta_1, beta_2, epsilon, weight_decay
):
    """One AdamW step: Adam's, plus a share of the weight itself.

        Δ ← α·m̂ / (√v̂ + ε) + α·λ·w      m̂, v̂ as in `adam_update`

    A penalty ½λ‖w‖² would add λ·w to the gradient, and Adam would divide it by √v̂
    like the rest: weights with large gradients would hardly shrink. Decay that stays
    out of `g` shrinks all by the same factor, 1 − α·λ.

    Args:
        g, m, v, t, learning_rate, beta_1, beta_2, epsilon: As in `adam_update`.
        w: The weight before the step, shaped like `g`.
        weight_decay: λ ≥ 0.

    Returns:
        `(delta, m, v)`, each shaped like `g`.

    Example: without a gradient, weights of all sizes shrink by α·λ = 1 %.

    >>> import numpy as np
    >>> w, zero = np.array([1.0, 100.0]), np.zeros(2)
    >>> delta, m, v = adamw_update(
    ...     zero, w, zero, zero, 1.0, learning_rate=0.1, beta_1=0.9, beta_2=0.999,
    ...     epsilon=1e-7, weight_decay=0.1,
    ... )
    >>> print(np.round(w - delta, 6))
    [ 0.99 99.  ]

    Reference: Loshchilov and Hutter, 2019, Algorithm 2,
    https://arxiv.org/abs/1711.05101

    Equation: eq-optimizers-adamw
    """
    delta, m, v = adam_update(
        g,
        m,
        v,
        t,
        learning_rate=learning_rate,
        beta_1=beta_1,
        beta_2=beta_2,
        epsilon=epsilon,
    )
    return delta + learning_rate * weight_decay * w, m, v


@serializable
class AdamW(Adam):
    """Adam with decoupled weight decay; the rule is `adamw_update`.

    The decay is the one that every Keras optimizer has, so
    `exclude_from_weight_decay` works. Without it biases and the scales of a
    normalization decay, too.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        weight_decay: λ ≥ 0. Each step shrinks every weight by the factor 1 − α·λ. The
            paper does not multiply by α: its λ is α times this one.
        beta_1, beta_2, epsilon, amsgrad: As in `Adam`.
        **kwargs: `keras.optimizers.Optimizer`'s: `clipnorm`, `use_ema`, ...

    Differs from Keras: epsilon is added to √v̂, as in `Adam`.

    Reference: Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            weight_decay=number_in("weight_decay", weight_decay, "[0, inf)"),
            **kwargs,
        )
