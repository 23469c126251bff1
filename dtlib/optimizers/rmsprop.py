"""RMSProp: AdaGrad that forgets, so that its rate does not fall for ever.

The chapter `optimizers` of the book explains it. Tests: tests/test_optimizers.py.
"""

from keras import ops

from dtlib._check import number_in, one_of
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer


def rmsprop_update(g, v, b, m, *, learning_rate, rho, momentum, epsilon):
    """One RMSProp step: what to subtract, and the new averages.

        v ← ρ·v + (1 − ρ)·g²          running mean of the square
        Δ ← α·g / √(v + ε)            the caller does w ← w − Δ

    Centered, it measures the spread of the gradient, not its size:

        m ← ρ·m + (1 − ρ)·g           running mean of the gradient
        Δ ← α·g / √(v − m² + ε)       v − m² < 0 is rounding, and counts as 0

    With momentum, the steps go into a buffer and the buffer is the step:

        b ← β·b + Δ
        Δ ← b

    It adds forgetting to AdaGrad. What 1/(1 − ρ) steps ago was a large gradient no
    longer slows it; nothing lowers its rate for good. Nothing undoes the start at
    v = 0 either: the first step is 1/√(1 − ρ) times the later ones.

    A gradient whose square overflows (1e20 in float32) makes v infinite: the step is 0
    then, and stays 0.

    Args:
        g: Gradient, of any shape.
        v: Mean square after the step before, shaped like `g`; zeros before step 1.
        b: Buffer, likewise, or None: no momentum.
        m: Mean gradient, likewise, or None: not centered.
        learning_rate, rho, momentum, epsilon: α, ρ, β, ε above.

    Returns:
        `(delta, v, b, m)`, each shaped like `g`, None where None was given.

    Example: whatever the gradient's scale, a constant one is followed at speed α.

    >>> import numpy as np
    >>> g = np.array([1e-2, -5.0])
    >>> v = 0 * g
    >>> for _ in range(200):
    ...     delta, v, _, _ = rmsprop_update(
    ...         g, v, None, None,
    ...         learning_rate=0.1, rho=0.9, momentum=0.0, epsilon=1e-10,
    ...     )
    >>> print(np.round(delta, 4))
    [ 0.1 -0.1]

    Reference: Tieleman and Hinton, 2012, lecture 6e (no ε there; under the root as in
    Keras), https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf;
    centered and with momentum: Graves, 2013, eq. 38-41, https://arxiv.org/abs/1308.0850

    Equation: eq-optimizers-rmsprop
    """
    v = rho * v + (1 - rho) * ops.square(g)
    spread = v
    if m is not None:
        m = rho * m + (1 - rho) * g
        spread = ops.relu(v - ops.square(m))
    delta = learning_rate * g / ops.sqrt(spread + epsilon)
    if b is not None:
        delta = b = momentum * b + delta
    return delta, v, b, m


@serializable
class RMSprop(Optimizer):
    """RMSProp with Keras' conventions; the rule is `rmsprop_update`.

    The lecture that introduced it has no ε. Graves adds it under the root, as Keras
    does and as this class does; PyTorch adds it to the root.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        rho: ρ in [0, 1). Squares are remembered for some 1/(1 − ρ) steps.
        momentum: β in [0, 1], of the buffer of steps.
        epsilon: ε > 0, added to v under the root. Gradients far below √ε get steps
            that shrink with them.
        centered: Whether the mean gradient is taken off. Steps are then longer where
            the gradient is steady, up to α·|g|/√ε.
        **kwargs: `keras.optimizers.Optimizer`'s: `weight_decay`, `clipnorm`, ...

    Differs from Keras: only where rounding makes v − m² + ε negative. Keras takes the
    root of it, and the weight is NaN.

    Reference: Tieleman and Hinton, 2012, lecture 6e,
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
    """

    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.rho = number_in("rho", rho, "[0, 1)")
        self.momentum = number_in("momentum", momentum, "[0, 1]")
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")
        self.centered = one_of("centered", centered, (True, False))

    def slots(self):
        used = {
            "velocity": True,
            "momentum": self.momentum > 0,
            "average_gradient": self.centered,
        }
        return {name: "zeros" for name in used if used[name]}

    def update(self, g, w, t, learning_rate, *slots):
        slots = dict(zip(self.slots(), slots, strict=True))
        updated = rmsprop_update(
            g,
            slots["velocity"],
            slots.get("momentum"),
            slots.get("average_gradient"),
            learning_rate=learning_rate,
            rho=self.rho,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )
        return [value for value in updated if value is not None]
