"""Dropout: a network that cannot rely on any one unit learns to share the work.

The chapter `dropout` of the book explains it. Tests: tests/test_dropout.py.
"""

from keras import ops

from dtlib._register import serializable
from dtlib.dropout._base import Masked
from dtlib.dropout.masks import check_fit


def dropout(x, mask, *, rate):
    """Drop the units that the mask names; strengthen the others to make up for it.

        y = x / (1 − rate)    where the unit is kept
        y = 0                 where it is dropped

    The mean of y over the coin tosses is x, so nothing is left to do at inference. It
    is the kept *activations* that are divided; the weights stay as they are.

    Args:
        x: Activations, of any shape.
        mask: True where a unit is kept, as from `keep_mask`. It may broadcast: a
            mask of shape (batch, 1, features) drops a feature at every step.
        rate: Probability with which the mask drops a unit, in [0, 1].

    Returns:
        A tensor like `x`. A dropped value is 0, whatever it was.

    Raises:
        ValueError: when the mask does not broadcast to the shape of `x`.

    Example: two units out of four are kept, and the sum stays what it was.

    >>> import numpy as np
    >>> kept = np.array([True, False, True, False])
    >>> print(ops.convert_to_numpy(dropout(np.ones(4), kept, rate=0.5)))
    [2. 0. 2. 0.]

    Reference: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html,
    whose p is 1 − rate, and who multiply the weights by p at inference instead.

    Equation: eq-dropout-kept
    """
    check_fit(x, mask)
    kept = x / (1 - rate) if rate < 1 else x  # at rate 1 none is kept
    return ops.where(mask, kept, 0)


@serializable
class Dropout(Masked):
    """Drops units at random in training, by `dropout`, and none at inference.

    Args:
        rate: Probability of dropping a unit, in [0, 1]. Not the probability of
            keeping it, which older code calls `keep_prob`.
        noise_shape: Shape of the mask, with None for an axis as long as the input's.
            Where it says 1, the units along that axis are dropped together: an image's
            channels with `(None, 1, 1, None)`. None is a coin for each unit.
        seed: An int makes the draws of a run repeatable. None starts anywhere.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Differs from Keras: the mask is drawn in float32 in every precision. With the
    same seed it is Keras' own mask in float32 under TensorFlow; elsewhere Keras asks
    another question of the same numbers, and the mask is another one of the same law.

    Reference: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    def perturb(self, x):
        return dropout(x, self.draw_mask(x), rate=self.rate)
