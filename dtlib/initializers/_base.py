"""The bases of the initializers: a config that lists every argument, and a seed.

The chapter `initializers` of the book explains it. Tests: tests/test_initializers.py.
"""

import inspect

import keras

from dtlib._check import integer_in


class Initializer(keras.initializers.Initializer):
    """Lists every constructor argument, in order, as its config."""

    def get_config(self):
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}


class Random(Initializer):
    """An initializer with a `seed`, an int or None, kept as given."""

    def __init__(self, seed=None):
        self.seed = seed if seed is None else integer_in("seed", seed, "(-inf, inf)")
