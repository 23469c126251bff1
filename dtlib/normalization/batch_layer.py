"""Batch normalization as a layer: four vectors a layer, two trained, two tracked.

The chapter `normalization` of the book explains it. Tests: tests/test_normalization.py.
"""

import math

import keras
from keras import ops

from dtlib._check import integer_in, number_in, one_of
from dtlib._register import serializable
from dtlib._wide import wide
from dtlib.normalization._base import Normalization, axes_of, named
from dtlib.normalization.batch import batch_norm, batch_statistics, update_running
from dtlib.normalization.renorm import batch_renorm, renorm_correction, update_renorm

BOUNDS = ("rmax", "rmin", "dmax")
RENORM = ("renorm_mean", "renorm_stddev", "moving_mean", "moving_stddev")


@serializable
class BatchNormalization(Normalization):
    """Batch normalization: the batch's statistics in training, running ones after.

    Each feature has four weights. γ and β are trained; the running mean and variance
    are tracked (`update_running`) and no gradient reaches them. The rules are
    `batch_statistics` and `batch_norm`. With `trainable = False` the layer infers, even
    when it is called with `training=True`.

    Args:
        axis: The axis of the features, an int.
        momentum: In [0, 1], the weight of the old running average. More nines for more
            steps an epoch: the average forgets a batch after some 1/(1 − momentum).
        epsilon: ε > 0, added to the variance.
        center, scale: Whether there is a β, a γ.
        beta_initializer, gamma_initializer: How they start.
        moving_mean_initializer, moving_variance_initializer: How the averages start.
        beta_regularizer, gamma_regularizer: Penalties on them, or None.
        beta_constraint, gamma_constraint: Projections of them, or None.
        renorm: Whether to correct by `renorm_correction`.
        renorm_clipping: A dict with any of "rmin" ≤ "rmax" and "dmax" ≥ 0, or None.
        renorm_momentum: In [0, 1], the weight of the correction's old averages.
        synchronized: Whether a batch's statistics are taken over all replicas of a
            `tf.distribute` strategy. Only on the TensorFlow backend.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, `trainable`, ...

    Example: the first epoch's predictions may be poor, only since the averages lag.

    >>> import numpy as np
    >>> layer, x = BatchNormalization(), np.array([[4.0], [6.0]])
    >>> print(np.round(layer(x, training=True), 2).ravel())
    [-1.  1.]
    >>> print(np.round(layer(x), 2).ravel())
    [3.95 5.95]

    Differs from Keras: x − μ is taken before it is scaled, where Keras subtracts two
    scaled numbers and, at inference, loses as many digits as the mean is large; the
    variance of all replicas is that of x − μ, where Keras subtracts two mean squares;
    with a mask, too, `synchronized` looks at all replicas; a mask is counted exactly,
    where Keras adds 1e-7 to the count; an ε of 0 is refused; the attributes keep the
    names of initializers, penalties and projections ("zeros") as given.

    Reference: Ioffe and Szegedy, 2015, https://proceedings.mlr.press/v37/ioffe15.html;
    for `renorm`, Ioffe, 2017, https://arxiv.org/abs/1702.03275
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        renorm=False,
        renorm_clipping=None,
        renorm_momentum=0.99,
        synchronized=False,
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
        self.axis = integer_in("axis", axis, "(-inf, inf)")
        self.momentum = number_in("momentum", momentum, "[0, 1]")
        get = keras.initializers.get
        self.moving_mean_initializer = named(get, moving_mean_initializer)
        self.moving_variance_initializer = named(get, moving_variance_initializer)
        self.renorm = one_of("renorm", renorm, (False, True))
        self.renorm_clipping = _bounds(renorm_clipping)
        self.renorm_momentum = number_in("renorm_momentum", renorm_momentum, "[0, 1]")
        allowed = (False, True) if keras.backend.backend() == "tensorflow" else (False,)
        self.synchronized = one_of("synchronized", synchronized, allowed)

    def build(self, input_shape):
        axes = axes_of(self.axis, len(input_shape))
        shape = self.add_scale_and_shift(input_shape, axes)
        mean, variance = self.moving_mean_initializer, self.moving_variance_initializer

        def stddev(shape, dtype=None):
            return ops.sqrt(keras.initializers.get(variance)(shape, dtype=dtype))

        starts = {"moving_mean": mean, "moving_variance": variance}
        if self.renorm:
            starts |= {"moving_stddev": stddev}
            starts |= {"renorm_mean": mean, "renorm_stddev": stddev}
        for name, start in starts.items():
            tracked = {"initializer": start, "trainable": False, "autocast": False}
            setattr(self, name, self.add_weight(shape=shape, name=name, **tracked))
        self.input_spec = keras.layers.InputSpec(
            ndim=len(input_shape), axes={axes[0]: shape[0]}
        )

    def call(self, inputs, training=None, mask=None):
        x = wide(inputs)
        where = {"axis": self.axis, "epsilon": self.epsilon}
        if not (training and self.trainable):
            mean, variance = self.moving_mean, self.moving_variance
            y = batch_norm(x, self.gamma, self.beta, mean, variance, **where)
            return ops.cast(y, self.compute_dtype)
        mean, variance = batch_statistics(
            x, mask, axis=self.axis, synchronized=self.synchronized
        )
        if self.renorm:
            y = self._renormalize(x, mean, variance, where)
        else:
            y = batch_norm(x, self.gamma, self.beta, mean, variance, **where)
            momentum = {"momentum": self.momentum}
            self._assign("moving_mean", update_running, mean, momentum)
            self._assign("moving_variance", update_running, variance, momentum)
        return ops.cast(y, self.compute_dtype)

    def _assign(self, name, rule, value, arguments):
        weight = getattr(self, name)
        weight.assign(rule(weight, value, **arguments))

    def _renormalize(self, x, mean, variance, where):
        bounds = {name: (self.renorm_clipping or {}).get(name) for name in BOUNDS}
        weights = [getattr(self, name) for name in RENORM]
        r, d = renorm_correction(
            mean, variance, *weights[:2], epsilon=self.epsilon, **bounds
        )
        y = batch_renorm(x, self.gamma, self.beta, mean, variance, r, d, **where)
        values = update_renorm(
            mean,
            variance,
            *weights,
            renorm_momentum=self.renorm_momentum,
            momentum=self.momentum,
            epsilon=self.epsilon,
        )
        for weight, value in zip([*weights, self.moving_variance], values, strict=True):
            weight.assign(value)
        return y


def _bounds(clipping):
    """`clipping`, if it is None or a dict of bounds that leave something between."""
    try:
        given = {"rmin": 0, "rmax": math.inf, "dmax": 0, **(clipping or {})}
        rmin, _, _ = (number_in(name, given[name], "[0, inf]") for name in given)
        number_in("rmax", given["rmax"], f"[{rmin}, inf]")
    except (TypeError, ValueError):
        raise ValueError(
            '`renorm_clipping` must be None or a dict of numbers, "rmin" ≤ "rmax" and '
            f'"dmax", none negative. Received: renorm_clipping={clipping!r}.'
        ) from None
    return clipping
