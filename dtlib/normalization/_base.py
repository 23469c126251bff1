"""What the normalizations share: axes, moments, and a layer with γ and β.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

import keras
from keras import ops

from dtlib._check import number_in, one_of
from dtlib._register import arguments
from dtlib._wide import wide


def like(y, x):
    """`y` in the float type of `x`; integers get what they were computed in."""
    dtype = keras.backend.standardize_dtype(ops.convert_to_tensor(x).dtype)
    return ops.cast(y, dtype) if keras.backend.is_float_dtype(dtype) else y


def axes_of(axis, rank):
    """`axis`, an int or several, as sorted non-negative ints; or `ValueError`."""
    given = [axis] if isinstance(axis, int) else list(axis)
    axes = sorted({a % rank for a in given if -rank <= a < rank})
    if not axes or len(axes) < len(given):
        raise ValueError(
            f"`axis` must name different axes in [{-rank}, {rank}), as the input has "
            f"{rank}. Received: axis={axis!r}."
        )
    return tuple(axes)


def others(axes, rank):
    """The axes of a tensor of `rank` axes that are not in `axes`."""
    return tuple(a for a in range(rank) if a not in axes)


def spread(w, x, axes):
    """`w`, whose axes are those `axes` of `x`, shaped and typed to meet `x`."""
    w = ops.cast(ops.convert_to_tensor(w), x.dtype)
    if tuple(w.shape) != tuple(x.shape[a] for a in axes):
        raise ValueError(
            f"A weight or statistic of shape {tuple(w.shape)} does not fit the axes "
            f"{axes} of an input of shape {tuple(x.shape)}."
        )
    return ops.reshape(w, [n if a in axes else 1 for a, n in enumerate(x.shape)])


def moments(x, axes):
    """Mean and biased variance over `axes`, which stay, with size 1."""
    mean = ops.mean(x, axes, keepdims=True)
    return mean, ops.mean(ops.square(x - mean), axes, keepdims=True)


def scale_and_shift(x_hat, gamma, beta, axes):
    """γ·x̂ + β, where either may be None."""
    if gamma is not None:
        x_hat = x_hat * spread(gamma, x_hat, axes)
    if beta is not None:
        x_hat = x_hat + spread(beta, x_hat, axes)
    return x_hat


def gradients(dy, x, gamma, reduced, kept, epsilon):
    """The backward pass of y = γ·x̂ + β, standardized over the axes `reduced`.

    γ and β lie along the axes `kept`; their gradients are summed over all others.
    """
    z = wide(x)
    dy = ops.cast(ops.convert_to_tensor(dy), z.dtype)
    if tuple(dy.shape) != tuple(z.shape):
        raise ValueError(
            "`dy` must have the shape of `x`. Received: shapes "
            f"{tuple(dy.shape)} and {tuple(z.shape)}."
        )
    mean, variance = moments(z, reduced)
    r = ops.rsqrt(variance + epsilon)
    x_hat = (z - mean) * r
    dx_hat = scale_and_shift(dy, gamma, None, kept)
    along_mean = ops.mean(dx_hat, reduced, keepdims=True)
    along_x_hat = ops.mean(dx_hat * x_hat, reduced, keepdims=True)
    dx = r * (dx_hat - along_mean - x_hat * along_x_hat)
    rest = others(kept, len(z.shape))
    return like(dx, x), ops.sum(dy * x_hat, rest), ops.sum(dy, rest)


class Normalization(keras.layers.Layer):
    """A layer that standardizes, then scales by γ and shifts by β."""

    def __init__(
        self,
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
    ):
        super().__init__(**kwargs)
        self.epsilon = number_in("epsilon", epsilon, "(0, inf)")
        self.center = one_of("center", center, (False, True))
        self.scale = one_of("scale", scale, (False, True))
        self.beta_initializer = named(keras.initializers.get, beta_initializer)
        self.gamma_initializer = named(keras.initializers.get, gamma_initializer)
        self.beta_regularizer = named(keras.regularizers.get, beta_regularizer)
        self.gamma_regularizer = named(keras.regularizers.get, gamma_regularizer)
        self.beta_constraint = named(keras.constraints.get, beta_constraint)
        self.gamma_constraint = named(keras.constraints.get, gamma_constraint)
        self.gamma = self.beta = None
        self.supports_masking = True

    def add_scale_and_shift(self, input_shape, axes):
        """Make γ and β, each only if asked for, with the sizes of `axes`."""
        shape = tuple(input_shape[a] for a in axes)
        if None in shape:
            raise ValueError(
                "The input must have a known size along `axis`. Received: "
                f"axis={self.axis!r}, shape {tuple(input_shape)}."
            )
        for name, wanted in {"gamma": self.scale, "beta": self.center}.items():
            arguments = {
                kind: getattr(self, f"{name}_{kind}")
                for kind in ("initializer", "regularizer", "constraint")
            }
            weight = None
            if wanted:
                weight = self.add_weight(
                    shape=shape, name=name, autocast=False, **arguments
                )
            setattr(self, name, weight)
        return shape

    def compute_output_shape(self, input_shape):
        axes_of(self.axis, len(input_shape))
        return input_shape

    def get_config(self):
        """Keras' base arguments, then those of the subclass, each as given."""
        own = {name: plain(value) for name, value in arguments(self).items()}
        return {**super().get_config(), **own}


def named(get, value):
    """`value` if it is a name that Keras knows, else what Keras makes of it."""
    found = get(value)
    return value if isinstance(value, str) else found


def plain(value):
    """`value` as JSON can hold it."""
    if value is None or isinstance(value, (bool, int, float, str, list, dict)):
        return value
    return keras.saving.serialize_keras_object(value)
