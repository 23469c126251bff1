"""Muon: make the momentum of a matrix orthogonal, so that no direction is left out.

The chapter `optimizers` of the book explains it.
Tests: tests/test_optimizers_muon.py.
"""

import math
import re

import keras
from keras import ops

from dtlib._check import integer_in, number_in, one_of
from dtlib._register import serializable
from dtlib.optimizers._base import Optimizer
from dtlib.optimizers.adam import adam_update


def newton_schulz(g, *, steps, coefficients):
    """Push all singular values of a matrix toward 1, by products of matrices only.

        X ← G / (‖G‖ + 1e-7)                   so that none is above 1
        X ← a·X + b·(X·Xᵀ)·X + c·(X·Xᵀ)²·X     `steps` times

    With G = U·S·Vᵀ the result is U·p(S/‖G‖)·Vᵀ, where p applies a·x + b·x³ + c·x⁵ as
    many times. Five times Muon's (3.4445, −4.7750, 2.0315) bring every singular value
    above 0.0015·‖G‖ into [0.68, 1.21]: near 1, not to 1, for these coefficients are
    chosen to lift small ones fast. Half-precision matrices are handled in float32.

    Args:
        g: A matrix, or a stack of them along the leading axes.
        steps: How many times.
        coefficients: (a, b, c). (1.5, −0.5, 0) is the classic, which converges to 1.

    Returns:
        A tensor shaped like `g`.

    Raises:
        ValueError: If `g` has fewer than 2 axes.

    Example: three scales become one.

    >>> import numpy as np
    >>> x = newton_schulz(
    ...     np.diag([1.0, 0.1, 0.01]), steps=5, coefficients=(3.4445, -4.775, 2.0315)
    ... )
    >>> print(np.round(np.diag(x), 2))
    [0.7  0.71 0.7 ]

    Reference: Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/

    Equation: eq-optimizers-newton-schulz
    """
    g = ops.convert_to_tensor(g)
    if len(g.shape) < 2:
        raise ValueError(
            "`g` must have at least 2 axes: a vector has no singular values to even "
            f"out. Received: shape={tuple(g.shape)}."
        )
    a, b, c = coefficients
    tall = g.shape[-2] > g.shape[-1]
    half = keras.backend.standardize_dtype(g.dtype) in ("float16", "bfloat16")
    x = ops.cast(g, "float32") if half else g
    x = ops.swapaxes(x, -1, -2) if tall else x  # X·Xᵀ is then the smaller square
    norm = ops.sqrt(ops.sum(ops.square(x), axis=(-2, -1), keepdims=True))
    x = x / (norm + 1e-7)
    for _ in range(steps):
        s = x @ ops.swapaxes(x, -1, -2)
        x = a * x + (b * s + c * (s @ s)) @ x
    x = ops.swapaxes(x, -1, -2) if tall else x
    return ops.cast(x, g.dtype)


def muon_update(
    g, m, *, learning_rate, momentum, nesterov, steps, coefficients, rms_rate
):
    """One Muon step for one matrix: what to subtract, and the new momentum.

        m ← μ·m + (1 − μ)·g
        d ← μ·m + (1 − μ)·g  with Nesterov's look-ahead, else m
        Δ ← α·ρ·√max(n, k)·newton_schulz(d)         for an n × k matrix

    An orthogonal n × k matrix has entries of root mean square 1/√max(n, k), so those
    of Δ have about α·ρ, whatever the shape.

    Args:
        g: Gradient, a matrix.
        m: The mean after the step before, shaped like `g`; zeros at first.
        learning_rate, momentum: α, μ above.
        nesterov: Whether to look ahead.
        steps, coefficients: As in `newton_schulz`.
        rms_rate: ρ above. None leaves out both it and the root: Δ ← α·newton_schulz(d).

    Returns:
        `(delta, m)`, each shaped like `g`.

    Example: the gradient lies almost along one direction; the step takes all.

    >>> import numpy as np
    >>> g = np.diag([100.0, 1.0, 1.0])
    >>> delta, m = muon_update(
    ...     g, 0 * g, learning_rate=1.0, momentum=0.95, nesterov=True, steps=5,
    ...     coefficients=(3.4445, -4.775, 2.0315), rms_rate=None,
    ... )
    >>> print(np.round(np.diag(delta), 2))
    [0.7 0.7 0.7]

    References: Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/; for
    `rms_rate`, Liu et al., 2025, https://arxiv.org/abs/2502.16982

    Equation: eq-optimizers-muon
    """
    m = momentum * m + (1 - momentum) * g
    d = momentum * m + (1 - momentum) * g if nesterov else m
    scale = 1.0 if rms_rate is None else rms_rate * math.sqrt(max(g.shape))
    x = newton_schulz(d, steps=steps, coefficients=coefficients)
    return learning_rate * scale * x, m


@serializable
class Muon(Optimizer):
    """Muon for matrices, AdamW for the rest; the rules: `muon_update`, `adam_update`.

    The rest is every weight that is not a matrix, every embedding, and what
    `exclude_layers` names: the output layer should be there.

    Args:
        learning_rate: α. A number, a schedule, or a callable that takes nothing.
        adam_beta_1, adam_beta_2, epsilon: β₁, β₂, ε of `adam_update`, for the rest.
        adam_weight_decay: λ for the rest, as in `AdamW`, or None.
        weight_decay: λ for the matrices, or None.
        exclude_layers: None, or a list of regular expressions. A weight whose path has
            a match for one of them is left to Adam.
        exclude_embeddings: Whether weights with "embedding" in their path are, too.
        muon_a, muon_b, muon_c: The coefficients of `newton_schulz`.
        adam_lr_ratio: Adam's learning rate over Muon's. The decay does not see it.
        momentum: μ in [0, 1).
        ns_steps: How many steps of `newton_schulz`, at least 1.
        nesterov: Whether the momentum looks ahead.
        rms_rate: ρ of `muon_update`, or None.
        **kwargs: `keras.optimizers.Optimizer`'s: `clipnorm`, `use_ema`, ...

    Differs from Keras: for the rest, epsilon is added to √v̂, as in `Adam`. The
    momentum is a mean; Keras keeps a sum, 1/(1 − μ) times as large, which points the
    same way but leaves the range of float16.

    References: Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/; Liu et
    al., 2025, https://arxiv.org/abs/2502.16982
    """

    def __init__(
        self,
        learning_rate=0.001,
        adam_beta_1=0.9,
        adam_beta_2=0.999,
        adam_weight_decay=0.004,
        epsilon=1e-7,
        weight_decay=0.004,
        exclude_layers=None,
        exclude_embeddings=True,
        muon_a=3.4445,
        muon_b=-4.7750,
        muon_c=2.0315,
        adam_lr_ratio=1,
        momentum=0.95,
        ns_steps=5,
        nesterov=True,
        rms_rate=0.2,
        **kwargs,
    ):
        if weight_decay is not None:
            number_in("weight_decay", weight_decay, "[0, inf)")
        if adam_weight_decay is not None:
            number_in("adam_weight_decay", adam_weight_decay, "[0, inf)")
        if rms_rate is not None:
            number_in("rms_rate", rms_rate, "(0, inf)")
        if exclude_layers is not None and not (
            isinstance(exclude_layers, (list, tuple))
            and all(isinstance(pattern, str) for pattern in exclude_layers)
        ):
            raise ValueError(
                "`exclude_layers` must be a list of strings, or None. "
                f"Received: exclude_layers={exclude_layers!r}."
            )
        super().__init__(learning_rate, weight_decay=weight_decay, **kwargs)
        self.adam_beta_1 = number_in("adam_beta_1", adam_beta_1, "[0, 1)")
        self.adam_beta_2 = number_in("adam_beta_2", adam_beta_2, "[0, 1)")
        self.adam_weight_decay = adam_weight_decay
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")
        self.exclude_layers = exclude_layers
        self.exclude_embeddings = one_of(
            "exclude_embeddings", exclude_embeddings, (True, False)
        )
        self.muon_a = number_in("muon_a", muon_a, "(-inf, inf)")
        self.muon_b = number_in("muon_b", muon_b, "(-inf, inf)")
        self.muon_c = number_in("muon_c", muon_c, "(-inf, inf)")
        self.adam_lr_ratio = number_in("adam_lr_ratio", adam_lr_ratio, "[0, inf)")
        self.momentum = number_in("momentum", momentum, "[0, 1)")
        self.ns_steps = integer_in("ns_steps", ns_steps, "[1, inf)")
        self.nesterov = one_of("nesterov", nesterov, (True, False))
        self.rms_rate = rms_rate

    def slots(self):
        return {"m": "zeros", "v": "zeros"}

    def add_optimizer_variables(self, trainable_variables, name, initializer="zeros"):
        """As Keras does, but a scalar holds the place of the `v` a matrix needs not."""
        if name != "v":
            return super().add_optimizer_variables(
                trainable_variables, name, initializer
            )
        return [
            self.add_variable_from_reference(w, name, initializer)
            if self._is_left_to_adam(w)
            else self.add_variable((), initializer, w.dtype, name=f"no_{name}")
            for w in trainable_variables
        ]

    def update(self, g, w, t, learning_rate, m, v):
        if v.shape != w.shape:
            delta, m = muon_update(
                g,
                m,
                learning_rate=learning_rate,
                momentum=self.momentum,
                nesterov=self.nesterov,
                steps=self.ns_steps,
                coefficients=(self.muon_a, self.muon_b, self.muon_c),
                rms_rate=self.rms_rate,
            )
            return delta, m, v
        return adam_update(
            g,
            m,
            v,
            t,
            learning_rate=learning_rate * self.adam_lr_ratio,
            beta_1=self.adam_beta_1,
            beta_2=self.adam_beta_2,
            epsilon=self.epsilon,
        )

    def _is_left_to_adam(self, variable):
        path = getattr(variable, "path", variable.name)
        return (
            len(variable.shape) != 2
            or (self.exclude_embeddings and "embedding" in path.lower())
            or any(re.search(pattern, path) for pattern in self.exclude_layers or ())
        )

    def _apply_weight_decay(self, variables):
        for w in filter(self._use_weight_decay, variables):
            adam = self._is_left_to_adam(w)
            decay = self.adam_weight_decay if adam else self.weight_decay
            if decay is not None:
                w.assign(w - w * (ops.cast(self.learning_rate, w.dtype) * decay))
