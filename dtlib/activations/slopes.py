"""Rectifiers whose left slope is not chosen: one is learned, one is drawn.

The chapter `activations` of the book explains it. Tests: tests/test_activations.py.
"""

import keras
from keras import ops, random

from dtlib._check import checked_seed, integer_in, number_in
from dtlib._register import serializable
from dtlib.activations._base import ActivationLayer, floating, halves


def prelu(x, alpha):
    """A leaky ReLU with a slope α of its own for each element, learned like a weight.

        f(x) = max(x, 0) + α·min(x, 0)          f′(x) = 1 for x > 0, else α
                                                ∂f/∂α = min(x, 0)

    Range (−∞, ∞) for α > 0, f(0) = 0, a kink at 0 unless α = 1. With α = 0 it is ReLU,
    yet α still gets a gradient wherever x < 0.

    Args:
        x: Tensor of any shape.
        alpha: α, a number or a tensor of a shape that broadcasts to that of `x`.

    Returns:
        A tensor like `x`.

    Raises:
        ValueError: when the shape of `alpha` does not broadcast.

    Example:

    >>> import numpy as np
    >>> print(np.asarray(prelu(np.array([[-2.0, -2.0], [1.0, 3.0]]), [0.0, 0.25])))
    [[ 0.  -0.5]
     [ 1.   3. ]]

    Differs from Keras: at x = 0 the slope taken is α, the left one, as in PyTorch;
    Keras' layer has 0 there, whatever α is.

    Reference: He et al., 2015, https://arxiv.org/abs/1502.01852

    Equation: eq-activations-prelu
    """
    x = floating(x)
    alpha = ops.convert_to_tensor(alpha, dtype=x.dtype)
    if len(alpha.shape) > len(x.shape) or any(
        a not in (1, None) and n is not None and a != n
        for a, n in zip(alpha.shape[::-1], x.shape[::-1], strict=False)
    ):
        raise ValueError(
            "`alpha` must have a shape that broadcasts to that of `x`. Received: "
            f"alpha.shape={tuple(alpha.shape)}, x.shape={tuple(x.shape)}."
        )
    low, high = halves(x)
    return high + alpha * low


def rrelu(x, *, lower, upper, training, seed):
    """A leaky ReLU whose slope is drawn anew for each element, and averaged at test.

        training   f(x) = x for x > 0, else a·x with a ~ U(lower, upper)
        test       f(x) = x for x > 0, else a·x with a = (lower + upper) / 2

    So the output at test is the mean of the outputs in training. Range (−∞, ∞),
    f(0) = 0, a kink at 0; f′ is 1 or the slope that was drawn.

    Xu et al. write x/a and draw the *divisor* from U(3, 8); at test they divide by its
    mean 5.5, a slope of 0.182, where the slopes 1/8 and 1/3 have the mean 0.229. To
    compute what they do at test, pass lower = upper = 1/5.5.

    Args:
        x: Tensor of any shape.
        lower, upper: The least and the greatest slope.
        training: Whether to draw.
        seed: As in `keras.random.uniform`; not used at test.

    Returns:
        A tensor like `x`.

    Example:

    >>> import numpy as np
    >>> slopes = dict(lower=0.1, upper=0.5, seed=0)
    >>> drawn = np.asarray(rrelu(-np.ones(5000), **slopes, training=True))
    >>> print(np.round([drawn.min(), drawn.mean(), drawn.max()], 1))
    [-0.5 -0.3 -0.1]
    >>> print(np.asarray(rrelu(np.array([-1.0, 1.0]), **slopes, training=False)))
    [-0.3  1. ]

    Reference: Xu et al., 2015, https://arxiv.org/abs/1505.00853

    Equation: eq-activations-rrelu
    """
    x = floating(x)
    if not training:
        return prelu(x, (lower + upper) / 2)
    return prelu(x, random.uniform(ops.shape(x), lower, upper, x.dtype, seed))


@serializable
class PReLU(ActivationLayer):
    """The parametric rectified linear unit, with learned slopes; the rule is `prelu`.

    Args:
        alpha_initializer: Where the slopes α start; "Zeros" starts as a ReLU.
        alpha_regularizer: A penalty on α, or None. The paper has none: one that pulls α
            to 0 pulls the layer to ReLU.
        alpha_constraint: A projection of α after each step, or None.
        shared_axes: An integer ≥ 1 or a list of them: axes, counted with the batch as
            0, along which all elements share one slope. [1, 2] after a convolution
            leaves one for each channel; None leaves one for each element of a sample.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Differs from Keras: see `prelu`. An axis that the input lacks, the batch, or an axis
    of unknown length that is not shared raises here, with a remedy; Keras reads 0 and
    negative axes as others.

    Reference: He et al., 2015, https://arxiv.org/abs/1502.01852
    """

    def __init__(
        self,
        alpha_initializer="Zeros",
        alpha_regularizer=None,
        alpha_constraint=None,
        shared_axes=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = keras.initializers.get(alpha_initializer)
        self.alpha_regularizer = keras.regularizers.get(alpha_regularizer)
        self.alpha_constraint = keras.constraints.get(alpha_constraint)
        if isinstance(shared_axes, (list, tuple)):
            shared_axes = [
                integer_in("shared_axes", a, "[1, inf)") for a in shared_axes
            ]
        elif shared_axes is not None:
            shared_axes = [integer_in("shared_axes", shared_axes, "[1, inf)")]
        self.shared_axes = shared_axes

    def build(self, input_shape):
        shape, shared = list(input_shape), self.shared_axes or []
        for axis in shared:
            integer_in("shared_axes", axis, f"[1, {len(shape)})")
            shape[axis] = 1
        if None in shape[1:]:
            raise ValueError(
                "Every axis of unknown length must be in `shared_axes`, for a slope "
                f"belongs to one element. Received: input_shape={tuple(input_shape)}, "
                f"shared_axes={self.shared_axes}."
            )
        self.alpha = self.add_weight(
            shape=shape[1:],
            name="alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        fixed = {i: shape[i] for i in range(1, len(shape)) if i not in shared}
        self.input_spec = keras.layers.InputSpec(ndim=len(shape), axes=fixed)

    def call(self, inputs):
        return prelu(inputs, self.alpha)

    def get_config(self):
        return {
            **super().get_config(),
            "alpha_initializer": keras.initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": keras.regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": keras.constraints.serialize(self.alpha_constraint),
        }


@serializable
class RReLU(ActivationLayer):
    """The randomized leaky rectified linear unit; the rule is `rrelu`.

    Args:
        lower: The least slope, a number ≥ 0.
        upper: The greatest slope, a number ≥ `lower`.
        seed: An int repeats the sequence of draws, None starts from Keras' own seed.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Keras has no such layer. In training each element of each batch draws its slope from
    U(lower, upper); at test the slope is their mean, as in PyTorch. The paper instead
    divides by the mean of the divisors there: see `rrelu`.

    Reference: Xu et al., 2015, https://arxiv.org/abs/1505.00853
    """

    def __init__(self, lower=1 / 8, upper=1 / 3, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.lower = number_in("lower", lower, "[0, inf)")
        self.upper = number_in("upper", upper, f"[{self.lower!r}, inf)")
        self.seed = checked_seed(seed)
        self.seed_generator = random.SeedGenerator(self.seed)

    def call(self, inputs, training=False):
        return rrelu(
            inputs,
            lower=self.lower,
            upper=self.upper,
            training=training,
            seed=self.seed_generator,
        )
