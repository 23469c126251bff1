"""SGD: walk downhill, with momentum, and with a look at where momentum leads.

The chapter `optimizers` of the book explains it. Tests: tests/test_optimizers.py.
"""

from dtlib._check import number_in, one_of
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer


def sgd_update(g, *, learning_rate):
    """One step of gradient descent: what to subtract from the weight.

        Δ ← α·g                       the caller does w ← w − Δ

    Args:
        g: Gradient, of any shape.
        learning_rate: α above.

    Returns:
        Δ, shaped like `g`.

    Example: on the bowl c·w²/2, whose gradient is c·w, a step multiplies w by 1 − α·c.
    Beyond α = 2/c it lands higher than it started.

    >>> import numpy as np
    >>> w, c = 1.0, np.array([1.0, 10.0, 30.0])
    >>> print(w - sgd_update(c * w, learning_rate=0.1))
    [ 0.9  0.  -2. ]

    Reference: Cauchy, 1847, "Méthode générale pour la résolution des systèmes
    d'équations simultanées"; Robbins and Monro, 1951, for noisy gradients,
    https://doi.org/10.1214/aoms/1177729586

    Equation: eq-optimizers-sgd
    """
    return learning_rate * g


def momentum_update(g, v, *, learning_rate, momentum):
    """One step with momentum: a velocity that friction slows and gradients push.

        v ← β·v − α·g                 old pushes fade by β a step
        Δ ← −v                        the caller does w ← w − Δ, so w ← w + v

    Args:
        g: Gradient, of any shape.
        v: Velocity after the step before, shaped like `g`; zeros before step 1. It is
            a step, not a gradient: the rate is already in it.
        learning_rate, momentum: α and β above. β = 0 is gradient descent.

    Returns:
        `(delta, v)`, each shaped like `g`.

    Example: under a constant gradient the step grows to α·g/(1 − β), ten times the
    first one at β = 0.9. The speed is multiplied, not the acceleration.

    >>> v = 0.0
    >>> for _ in range(100):
    ...     delta, v = momentum_update(1.0, v, learning_rate=0.1, momentum=0.9)
    >>> print(round(delta, 3))
    1.0

    Reference: Polyak, 1964, "Some methods of speeding up the convergence of iteration
    methods", https://doi.org/10.1016/0041-5553(64)90137-5

    Equation: eq-optimizers-momentum
    """
    v = momentum * v - learning_rate * g
    return -v, v


def nesterov_update(g, v, *, learning_rate, momentum):
    """One step of Nesterov's momentum: take the gradient where momentum leads.

    The method evaluates the gradient at w + β·v, a little ahead. Written for the
    point ahead, which is the one that the weights hold, it needs no second point:

        v ← β·v − α·g                 g is the gradient at the point ahead
        Δ ← α·g − β·v                 the caller does w ← w − Δ

    Args:
        g: Gradient at the weights as they are, of any shape.
        v: Velocity after the step before, shaped like `g`; zeros before step 1.
        learning_rate, momentum: α and β above.

    Returns:
        `(delta, v)`, each shaped like `g`.

    Example: the first step is 1 + β times that of gradient descent.

    >>> delta, v = nesterov_update(1.0, 0.0, learning_rate=0.1, momentum=0.9)
    >>> print(round(delta, 3))
    0.19

    Reference: Nesterov, 1983, "A method for solving the convex programming problem with
    convergence rate O(1/k²)"; this form: Sutskever et al., 2013,
    https://proceedings.mlr.press/v28/sutskever13.html, and Bengio et al., 2013,
    https://arxiv.org/abs/1212.0901, §3.5.

    Equation: eq-optimizers-nesterov
    """
    v = momentum * v - learning_rate * g
    return learning_rate * g - momentum * v, v


@serializable
class SGD(Optimizer):
    """Gradient descent, with momentum or Nesterov's momentum on request.

    The rules are `sgd_update`, `momentum_update` and `nesterov_update`.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        momentum: β in [0, 1]. A push is remembered for some 1/(1 − β) steps.
        nesterov: Whether the gradient counts as taken ahead. It changes nothing while
            `momentum` is 0.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Differs from Keras: `momentum=0`, an integer, is a number here and an error there.

    Reference: Sutskever et al., 2013, https://proceedings.mlr.press/v28/sutskever13.html
    """

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.momentum = number_in("momentum", momentum, "[0, 1]")
        self.nesterov = one_of("nesterov", nesterov, (True, False))

    def slots(self):
        return {"momentum": "zeros"} if self.momentum else {}

    def update(self, g, w, t, learning_rate, *v):
        if not self.momentum:
            return (sgd_update(g, learning_rate=learning_rate),)
        rule = nesterov_update if self.nesterov else momentum_update
        return rule(g, *v, learning_rate=learning_rate, momentum=self.momentum)
