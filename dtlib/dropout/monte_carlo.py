"""Monte-Carlo dropout: predict many times with units dropped, and see how it varies.

The chapter `dropout` of the book explains it. Tests:
tests/test_dropout_uncertainty.py.
"""

from contextlib import contextmanager

import keras
import numpy as np
from keras import layers, ops, random, tree

from dtlib._check import checked_seed, integer_in
from dtlib._register import serializable
from dtlib.dropout._arrays import to_numpy
from dtlib.dropout._base import Noise
from dtlib.dropout.alpha import AlphaDropout
from dtlib.dropout.plain import Dropout

_DROPOUTS = (Noise, layers.Dropout, layers.AlphaDropout, layers.GaussianDropout)

# Layers that drop units by themselves, and do nothing else only because of `training`.
_WITH_DROPOUT_INSIDE = (
    layers.Attention,
    *(layers.SimpleRNN, layers.SimpleRNNCell),
    *(layers.GRU, layers.GRUCell),
    *(layers.LSTM, layers.LSTMCell),
    *(layers.ConvLSTM1D, layers.ConvLSTM2D, layers.ConvLSTM3D),
)


@serializable
class MCDropout(Dropout):
    """`Dropout` that also drops at inference, so that each prediction is one sample.

    Args:
        rate, noise_shape, seed: As in `Dropout`.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    `mc_predict` draws the same from a model with ordinary dropout layers.

    Reference: Gal and Ghahramani, 2016, https://arxiv.org/abs/1506.02142
    """

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


@serializable
class MCAlphaDropout(AlphaDropout):
    """`AlphaDropout` that also drops at inference.

    Args:
        rate, noise_shape, seed: As in `AlphaDropout`.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Reference: see `MCDropout`.
    """

    def call(self, inputs, training=False):
        return super().call(inputs, training=True)


def mc_predict(model, x, *, samples=100, batch_size=1024, seed=None):
    """Predict `samples` times, each time with other units dropped.

        ŷₛ = f(x; mₛ),    mₛ a fresh set of masks,    s = 1, …, samples

    Only dropout is active. Every other layer is in inference mode: batch normalization
    uses its running averages. `model(x, training=True)` would use the statistics of
    `x` there, and write them over the running averages. The model comes back as it was,
    its running averages and its random state too, whatever happens on the way.

    Active are the dropout layers of Keras and of this module, their subclasses, and
    the dropout inside Keras' recurrent and attention layers, at any depth of the model.

    Args:
        model: A Keras model with a dropout layer. It is built, if it was not.
        x: Its input: an array of n rows, or the model's structure of such arrays.
        samples: Number of predictions, an integer ≥ 1.
        batch_size: Number of rows computed at once, an integer ≥ 1.
        seed: An int ≥ 0 repeats the samples, for one `batch_size`. None draws anew
            from Keras' own seed.

    Returns:
        A NumPy array of shape (samples, n, ...), or the model's structure of such.

    Raises:
        ValueError: when no layer drops anything, since all samples would be equal.

    Example: the samples differ, for each unit is dropped in some and doubled in others.

    >>> keras.utils.set_random_seed(0)
    >>> model = keras.Sequential([keras.Input((4,)), Dropout(0.5)])
    >>> y = mc_predict(model, np.ones((3, 4)), samples=20, seed=1)
    >>> y.shape, sorted(set(y.ravel().tolist()))
    ((20, 3, 4), [0.0, 2.0])

    Reference: Gal and Ghahramani, 2016, https://arxiv.org/abs/1506.02142

    Equation: eq-dropout-samples
    """
    samples = integer_in("samples", samples, "[1, inf)")
    batch_size = integer_in("batch_size", batch_size, "[1, inf)")
    seed = checked_seed(seed, "[0, inf)")
    batches = _batches(x, batch_size)
    if not model.built:
        model(batches[0], training=False)
    # Private: the public `model.layers` stops at the first level.
    everything = list(model._flatten_layers())
    dropping = [layer for layer in everything if _drops(layer)]
    if not dropping:
        kinds = sorted({type(layer).__name__ for layer in model.layers})
        raise ValueError(
            "`model` must have a dropout layer with a rate above 0, or all samples "
            f"are equal. Received: model={model.name!r}, with layers {kinds}."
        )
    states = [v for v in model.non_trainable_variables if "seed_generator" in v.path]
    shape = (samples, len(states), 2)  # a state is two integers
    starts = ops.convert_to_numpy(random.randint(shape, 0, 2**31 - 1, seed=seed))
    with _patched([*map(_drop_always, dropping), *_heed_the_state(everything)]):
        drawn = [_predict(model, batches, zip(states, s, strict=True)) for s in starts]
    return tree.map_structure(lambda *arrays: np.stack(arrays), *drawn)


def _batches(x, batch_size):
    """`x` in batches of `batch_size` rows, of the same structure each."""
    x = tree.map_structure(np.asarray, x)
    rows = {len(array) if array.ndim else 0 for array in tree.flatten(x)}
    if len(rows) != 1 or 0 in rows:
        raise ValueError(
            "`x` must hold arrays of one number of rows, at least 1. Received: arrays "
            f"of {sorted(rows)} rows."
        )
    starts = range(0, rows.pop(), batch_size)
    return [
        tree.map_structure(lambda array, s=start: array[s : s + batch_size], x)
        for start in starts
    ]


def _drops(layer):
    """Does `layer` drop anything in training?"""
    if isinstance(layer, _DROPOUTS):
        return layer.rate > 0
    rates = [getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout")]
    return isinstance(layer, _WITH_DROPOUT_INSIDE) and any(rates)


def _drop_always(layer):
    """A patch: `layer` is called with `training=True`, whoever calls it."""
    call = layer.call

    def call_in_training(*args, **kwargs):
        return call(*args, **{**kwargs, "training": True})

    return layer, "call", call_in_training


def _heed_the_state(everything):
    """Patches: under PyTorch, Keras goes past a generator made without a seed."""
    generators = (getattr(layer, "seed_generator", None) for layer in everything)
    return [(g, "_initial_seed", 0) for g in generators if g is not None]


@contextmanager
def _patched(patches):
    """Within, these attributes of these objects have these values."""
    before = []
    try:
        for owner, name, value in patches:
            attributes = vars(owner)  # past Keras' tracking of attributes
            before.append((attributes, name, name in attributes, attributes.get(name)))
            attributes[name] = value
        yield
    finally:
        for attributes, name, existed, value in reversed(before):
            if existed:
                attributes[name] = value
            else:
                del attributes[name]


def _predict(model, batches, states):
    """One prediction of all batches, from these random states; `model` is unchanged."""
    parts = []
    # What the layers write, random states above all, lives and dies with the scope.
    with keras.StatelessScope(list(states)):
        for batch in batches:
            y = model(batch, training=False)
            parts.append(tree.map_structure(to_numpy, y))
    return tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)
