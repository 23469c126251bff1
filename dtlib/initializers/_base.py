"""The bases of the initializers: a config that lists every argument, and a seed.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

import keras

from dtlib._check import checked_seed
from dtlib._register import arguments


class Initializer(keras.initializers.Initializer):
    """Lists every constructor argument, in order, as its config."""

    def get_config(self):
        return arguments(self)


class Random(Initializer):
    """An initializer with a `seed`, an int or None, kept as given."""

    def __init__(self, seed=None):
        self.seed = checked_seed(seed)
