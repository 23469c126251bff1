"""FTRL: AdaGrad that solves for the weight from sums, so that it can be exactly 0.

The chapter `optimizers` of the book explains it. Tests: tests/test_optimizers.py.
"""

import keras
from keras import ops

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer


def ftrl_update(
    g, w, n, z, *, learning_rate, learning_rate_power, l1, l2, l2_shrinkage, beta
):
    """One FTRL-Proximal step: what to subtract, and the two sums it is solved from.

    "Follow the regularized leader": choose anew, at each step, the weight that would
    have been best for all gradients so far, with ℓ1 and ℓ2 penalties:

        n′ ← n + g²
        σ ← (n′^p − n^p) / α                  p = −learning_rate_power, ½ in the paper
        z ← z + g + (2·λs − σ)·w              λs = l2_shrinkage, none in the paper
        w′ ← 0                                where |z| ≤ λ₁
        w′ ← (sign(z)·λ₁ − z) / ((β + n′^p)/α + 2·λ₂)         elsewhere
        Δ ← w − w′                            the caller does w ← w − Δ

    Without penalties, from w = 0, it walks AdaGrad's path. λ₁ acts on the *sum* z of
    gradients: a weight is 0 until its gradients agree for long enough. A penalty λ₁·|w|
    in the loss acts on each gradient and leaves weights near 0, not at 0.

    A finite gradient whose square overflows (1e20 in float32) makes n infinite: the
    step is 0 then, and stays 0.

    Args:
        g: Gradient, of any shape.
        w: Weight, shaped like `g`.
        n: Sum of squared gradients, likewise; some number ≥ 0 before step 1.
        z: Sum of gradients, each corrected by σ·w, likewise; zeros before step 1.
        learning_rate: α above, > 0, the same at each step.
        learning_rate_power: −p, ≤ 0. At 0 the rate does not fall.
        l1, l2, l2_shrinkage: λ₁, λ₂, λs above, each ≥ 0. The paper's λ₂ is 2·λ₂ here.
        beta: β above, ≥ 0. It lowers the first rates.

    Returns:
        `(delta, n, z)`, each shaped like `g`.

    Example: gradients of ±1 that cancel leave the weight at 0 exactly, not near it.

    >>> w = n = z = 0.0
    >>> for g in 1.0, -1.0, 1.0, 1.0, 1.0:
    ...     delta, n, z = ftrl_update(
    ...         g, w, n, z, learning_rate=0.1, learning_rate_power=-0.5,
    ...         l1=1.5, l2=0.0, l2_shrinkage=0.0, beta=1.0,
    ...     )
    ...     w = float(w - delta)
    ...     print(f"{w:.3f}")
    0.000
    0.000
    0.000
    -0.017
    -0.048

    Reference: McMahan et al., 2013, "Ad click prediction: a view from the trenches",
    Algorithm 1, https://research.google.com/pubs/archive/41159.pdf

    Equation: eq-optimizers-ftrl
    """
    n_new = n + ops.square(g)
    root, root_new = (_power(s, -learning_rate_power) for s in (n, n_new))
    inverse = 1 / learning_rate  # one number; to divide each entry takes longer
    sigma = inverse * (root_new - root)
    z = z + g + (2 * l2_shrinkage - sigma) * w
    pulled = ops.where(z > 0, l1 - z, -l1 - z)  # sign(z)·λ₁ − z
    solved = pulled / (inverse * (beta + root_new) + 2 * l2)
    w_new = ops.where(ops.abs(z) <= l1, ops.zeros_like(solved), solved)
    # Where n overflowed the rate α/√n is 0; the product is NaN for an infinite g.
    delta = ops.where(ops.isinf(n_new), 0 * g, w - w_new)
    return delta, n_new, z


def _power(s, p):
    """sᵖ; the paper's root by the instruction that is several times faster."""
    return ops.sqrt(s) if p == 0.5 else ops.power(s, p)


@serializable
class Ftrl(Optimizer):
    """FTRL-Proximal with Keras' parameters; the rule is `ftrl_update`.

    It is meant for linear models of many rare features. It forgets the initial weights
    at the first step, as in Keras, because it solves for w from sums that start at 0:
    a hidden layer starts from about 0, not from its initializer. The learning rate must
    stay what it was: a schedule, as in Keras, rescales all weights with the rate, and a
    rate of 0 makes them NaN.

    Args:
        learning_rate: α > 0. A number, or a callable that takes nothing.
        learning_rate_power: ≤ 0. The rate falls as n^learning_rate_power; -0.5 is
            AdaGrad's, 0 a constant rate.
        initial_accumulator_value: The first n, ≥ 0.
        l1_regularization_strength: λ₁ ≥ 0. Larger sets more weights to exactly 0.
        l2_regularization_strength: λ₂ ≥ 0, half of the paper's. It holds weights back.
        l2_shrinkage_regularization_strength: λs ≥ 0, of a penalty λs·Σw² in the loss.
        beta: β ≥ 0, added to n^p; 1 in the paper's experiments.
        **kwargs: `keras.optimizers.Optimizer`'s: `clipnorm`, ... A `weight_decay`
            changes z only.

    Differs from Keras: a weight that never had a gradient, with n = β = λ₂ = 0, is 0
    here, as in the paper, and 0/0 there. Where n overflows the weight stands still, and
    is NaN there.

    Reference: McMahan et al., 2013, https://research.google.com/pubs/archive/41159.pdf
    """

    def __init__(
        self,
        learning_rate=0.001,
        learning_rate_power=-0.5,
        initial_accumulator_value=0.1,
        l1_regularization_strength=0.0,
        l2_regularization_strength=0.0,
        l2_shrinkage_regularization_strength=0.0,
        beta=0.0,
        **kwargs,
    ):
        if not callable(learning_rate):
            learning_rate = number_in("learning_rate", learning_rate, "(0, inf)")
        super().__init__(learning_rate, **kwargs)
        self.learning_rate_power = number_in(
            "learning_rate_power", learning_rate_power, "(-inf, 0]"
        )
        numbers = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": (
                l2_shrinkage_regularization_strength
            ),
            "beta": beta,
        }
        for name, value in numbers.items():
            setattr(self, name, number_in(name, value, "[0, inf)"))

    def slots(self):
        first = keras.initializers.Constant(self.initial_accumulator_value)
        return {"accumulator": first, "linear": "zeros"}

    def update(self, g, w, t, learning_rate, n, z):
        return ftrl_update(
            g,
            w,
            n,
            z,
            learning_rate=learning_rate,
            learning_rate_power=self.learning_rate_power,
            l1=self.l1_regularization_strength,
            l2=self.l2_regularization_strength,
            l2_shrinkage=self.l2_shrinkage_regularization_strength,
            beta=self.beta,
        )
