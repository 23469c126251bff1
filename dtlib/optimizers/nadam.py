"""Nadam: Adam whose mean already looks one step ahead, as Nesterov's momentum does.

The chapter `optimizers` of the book explains it.
Tests: tests/test_optimizers_adaptive.py.
"""

import math

from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer, one_minus_power


def nadam_momentum(t, *, beta_1, momentum_decay):
    """The momentum at step t, which grows from about β₁/2 to β₁.

        μₜ = β₁·(1 − ½·0.96^(d·t))

    Args:
        t: Step number, a float32 scalar, counted from 1.
        beta_1: β₁, the momentum in the end.
        momentum_decay: d ≥ 0, how fast it gets there.

    Returns:
        μₜ, a scalar tensor.

    Example: half of the way is done after 17/d steps.

    >>> for d in [1.0, 0.004]:
    ...     mu = nadam_momentum(17.0 / d, beta_1=0.8, momentum_decay=d)
    ...     print(round(float(mu), 3))
    0.6
    0.6

    Reference: Dozat, 2015, http://cs229.stanford.edu/proj2015/054_report.pdf

    Equation: eq-optimizers-nadam-momentum
    """
    return beta_1 * (1 - 0.5 * ops.exp(math.log(0.96) * momentum_decay * t))


def nadam_update(
    g, m, v, t, mu_product, *, learning_rate, beta_1, beta_2, epsilon, momentum_decay
):
    """One Nadam step for one tensor: what to subtract, and the two new averages.

    With μₜ by `nadam_momentum` and the product Pₜ = μ₁·μ₂·…·μₜ:

        m ← β₁·m + (1 − β₁)·g
        v ← β₂·v + (1 − β₂)·g²
        m̄ ← μₜ₊₁·m / (1 − Pₜ·μₜ₊₁) + (1 − μₜ)·g / (1 − Pₜ)
        v̂ ← v / (1 − β₂ᵗ)
        Δ ← α·m̄ / (√v̂ + ε)

    m̄ is the mean as it will be one step later if the gradient stays. The paper's
    report averages `m` by μₜ in place of β₁ and has β₂·v̂ in place of v̂; Keras and
    PyTorch do neither, and nor does this rule.

    Args:
        g: Gradient, of any shape.
        m, v: The averages after step t − 1, shaped like `g`; zeros before step 1.
        t: Step number, a float32 scalar, counted from 1.
        mu_product: Pₜ, a scalar that includes μₜ.
        learning_rate, beta_1, beta_2, epsilon: α, β₁, β₂, ε above.
        momentum_decay: d of `nadam_momentum`.

    Returns:
        `(delta, m, v)`, each shaped like `g`.

    Example: a gradient that turns round is followed at once; Adam still goes on.

    >>> import numpy as np
    >>> m = v = np.zeros(1)
    >>> setting = dict(beta_1=0.9, momentum_decay=1.0)
    >>> product = 1.0
    >>> for t, g in enumerate([1.0, 1.0, 1.0, -1.0], start=1):
    ...     product = product * nadam_momentum(t, **setting)
    ...     delta, m, v = nadam_update(
    ...         np.array([g]), m, v, t, product,
    ...         learning_rate=0.1, beta_2=0.999, epsilon=1e-7, **setting,
    ...     )
    >>> print("on" if m[0] > 0 else "back", "on" if delta[0] > 0 else "back")
    on back

    Reference: Dozat, 2015, http://cs229.stanford.edu/proj2015/054_report.pdf

    Equation: eq-optimizers-nadam
    """
    mu = nadam_momentum(t, beta_1=beta_1, momentum_decay=momentum_decay)
    mu_next = nadam_momentum(t + 1, beta_1=beta_1, momentum_decay=momentum_decay)
    p = ops.cast(mu_product, mu.dtype)
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * ops.square(g)
    ahead = learning_rate * ops.cast(mu_next / (1 - p * mu_next), m.dtype)
    now = learning_rate * ops.cast((1 - mu) / (1 - p), m.dtype)
    step = ahead * m + now * g  # α·m̄
    v_hat = v / ops.cast(one_minus_power(beta_2, t), v.dtype)
    return step / (ops.sqrt(v_hat) + epsilon), m, v


@serializable
class Nadam(Optimizer):
    """Adam with Nesterov's look-ahead; the rule is `nadam_update`.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        beta_1: β₁ in [0, 1): the momentum in the end.
        beta_2: β₂ in [0, 1). The square is remembered for some 1/(1 − β₂) steps.
        epsilon: ε > 0, added to √v̂.
        momentum_decay: d ≥ 0 of `nadam_momentum`. 1, Keras' convention, reaches β₁ in
            a hundred steps; 0.004, of Dozat's report and of PyTorch, in 25,000.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Differs from Keras: `momentum_decay` is an argument.

    Reference: Dozat, 2015, http://cs229.stanford.edu/proj2015/054_report.pdf
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        momentum_decay=1.0,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = number_in("beta_1", beta_1, "[0, 1)")
        self.beta_2 = number_in("beta_2", beta_2, "[0, 1)")
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")
        self.momentum_decay = number_in("momentum_decay", momentum_decay, "[0, inf)")

    def slots(self):
        return {"m": "zeros", "v": "zeros"}

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._mu_product = self.add_variable((), "ones", "float32", name="mu_product")

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        t = ops.cast(self.iterations + 1, "float32")
        setting = dict(beta_1=self.beta_1, momentum_decay=self.momentum_decay)
        self.assign(self._mu_product, self._mu_product * nadam_momentum(t, **setting))
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def update(self, g, w, t, learning_rate, m, v):
        return nadam_update(
            g,
            m,
            v,
            t,
            ops.convert_to_tensor(self._mu_product),
            learning_rate=learning_rate,
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            momentum_decay=self.momentum_decay,
        )
