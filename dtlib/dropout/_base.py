"""What every dropout layer shares: a rate, a seed, and silence at inference.

The chapter `dropout` of the book explains it. Tests: tests/test_dropout.py.
"""

from keras import layers, random

from dtlib._check import checked_seed, number_in
from dtlib._register import arguments
from dtlib.dropout.masks import check_noise_shape, fill_noise_shape, keep_mask


class Noise(layers.Layer):
    """A layer that draws while training and passes its input on otherwise.

    Subclasses say in `perturb` which rule they call.
    """

    rates = "[0, 1]"

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = number_in("rate", rate, self.rates)
        self.seed = checked_seed(seed)
        if self.rate > 0:
            self.seed_generator = random.SeedGenerator(self.seed)
        self.supports_masking = True

    def perturb(self, x):
        """Return `x` with the noise of one draw."""
        raise NotImplementedError

    def call(self, inputs, training=False):
        return self.perturb(inputs) if training and self.rate > 0 else inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), **arguments(self)}


class Masked(Noise):
    """A layer whose noise is a mask of units kept and dropped."""

    def __init__(self, rate, noise_shape=None, seed=None, **kwargs):
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = check_noise_shape(noise_shape)

    def draw_mask(self, x):
        shape = fill_noise_shape(self.noise_shape, x)
        return keep_mask(shape, rate=self.rate, seed=self.seed_generator)
