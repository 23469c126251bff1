"""Layer normalization: each sample is standardized by itself, without its batch.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

from keras import ops

from dtlib._check import integer_in
from dtlib._register import serializable
from dtlib._wide import wide
from dtlib.normalization import _base
from dtlib.normalization._base import Normalization, axes_of, like, scale_and_shift


def layer_norm(x, gamma, beta, *, axis, epsilon):
    """Standardize each sample over its own features, then scale and shift these.

        x̂ = (x − μ) / √(σ² + ε)          y = γ·x̂ + β

    μ and σ² are the mean and the biased variance over `axis`, one pair for each sample;
    so training and inference are one, and a batch may hold a single sample.

    Args:
        x: A tensor.
        gamma, beta: γ and β, with the sizes that `x` has along `axis`, in the order of
            the axes in `x`; None stands for 1 and 0.
        axis: The axis or axes to normalize over, an int or several.
        epsilon: ε > 0, added to the variance, inside the root.

    Returns:
        y, of the shape and type of `x`, computed in float32 at least.

    Example: a sample a thousand times larger comes out the same.

    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0, 3.0], [1000.0, 2000.0, 3000.0]])
    >>> print(np.round(layer_norm(x, None, None, axis=-1, epsilon=1e-9), 3))
    [[-1.225  0.     1.225]
     [-1.225  0.     1.225]]

    Reference: Ba, Kiros and Hinton, 2016, https://arxiv.org/abs/1607.06450

    Equation: eq-normalization-layer
    """
    z = wide(x)
    axes = axes_of(axis, len(z.shape))
    mean, variance = _base.moments(z, axes)
    x_hat = (z - mean) * ops.rsqrt(variance + epsilon)
    return like(scale_and_shift(x_hat, gamma, beta, axes), x)


def layer_norm_gradients(dy, x, gamma, *, axis, epsilon):
    """The backward pass of `layer_norm`.

    With x̂ as there, d̂ = γ·dy, and means over `axis`:

        dβ = Σ dy                over the samples
        dγ = Σ dy·x̂              over the samples
        dx = [d̂ − mean(d̂) − x̂·mean(d̂·x̂)] / √(σ² + ε)

    Unlike in batch norm γ stays inside the means, as it differs from term to term.

    Args:
        dy: The loss's gradient with respect to y, of the shape of `x`.
        x: The input.
        gamma: γ as in `layer_norm`, or None for 1.
        axis, epsilon: As in the forward pass.

    Returns:
        `(dx, dgamma, dbeta)`: of the shape and type of `x`, and twice of the shape of
        γ, in float32 at least.

    Example: one sample's dx sums to 0, since nothing changes when its features rise
    together.

    >>> import numpy as np
    >>> dx, _, _ = layer_norm_gradients(
    ...     np.array([[1.0, 0.0, 0.0]]), np.array([[1.0, 2.0, 4.0]]), None,
    ...     axis=-1, epsilon=1e-3,
    ... )
    >>> bool(abs(np.sum(dx)) < 1e-12)
    True

    Reference: Ba, Kiros and Hinton, 2016, https://arxiv.org/abs/1607.06450
    """
    axes = axes_of(axis, len(ops.shape(x)))
    return _base.gradients(dy, x, gamma, axes, axes, epsilon)


@serializable
class LayerNormalization(Normalization):
    """Layer normalization; the rule is `layer_norm`.

    Args:
        axis: The axis or axes to normalize over, an int or a list of them.
        epsilon: ε > 0, added to the variance.
        center, scale: Whether there is a β, a γ.
        beta_initializer, gamma_initializer: How they start.
        beta_regularizer, gamma_regularizer: Penalties on them, or None.
        beta_constraint, gamma_constraint: Projections of them, or None.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, `trainable`, ...

    Differs from Keras: `axis=[1, -1]` gives γ the axes in the order of the input, where
    Keras puts the negative one first; `axis` stays as it was given, where Keras' own
    becomes a sorted list; an ε of 0 and the deprecated `rms_scaling` are refused; the
    attributes keep the names of initializers, penalties and projections ("zeros") as
    given.

    Reference: Ba, Kiros and Hinton, 2016, https://arxiv.org/abs/1607.06450
    """

    def __init__(
        self,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        super().__init__(
            epsilon,
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
            **kwargs,
        )
        several = isinstance(axis, (list, tuple))
        axes = [
            integer_in("axis", a, "(-inf, inf)") for a in (axis if several else [axis])
        ]
        self.axis = axes if several else axes[0]
        self.autocast = False  # as Keras' own: a float32 input is used whole

    def build(self, input_shape):
        axes = axes_of(self.axis, len(input_shape))
        self.add_scale_and_shift(input_shape, axes)

    def call(self, inputs):
        y = layer_norm(
            inputs, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon
        )
        return ops.cast(y, self.compute_dtype)
