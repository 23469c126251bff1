"""When the epoch cannot be compiled: say why, and train by `model.fit`."""

import warnings

import keras
from keras import tree

from dtlib.training import _keras
from dtlib.training._arrays import count


def not_compilable(model):
    """Return why the epoch of `model` cannot be compiled, or None."""
    if keras.backend.backend() != "tensorflow":
        return f"the backend is {keras.backend.backend()}, not TensorFlow"
    if model.run_eagerly:
        return "the model was compiled with run_eagerly=True"
    import tensorflow as tf

    if tf.distribute.has_strategy() or (
        model.distribute_strategy is not tf.distribute.get_strategy()
    ):
        return "the model is distributed over devices by tf.distribute"
    return None


def say(function, reason):
    """Warn that `function` goes another, slower way, and why."""
    warnings.warn(
        f"`{function}` falls back to `model.{function}`, which is slower, because "
        f"{reason}.",
        stacklevel=3,
    )


class Batches(keras.utils.PyDataset):
    """Batches of arrays in a given order for `model.fit`: the same as if compiled."""

    def __init__(self, data, batch_size, order):
        super().__init__()
        self.data, self.batch_size, self.order = data, batch_size, order

    def __len__(self):
        return -(-count(self.data) // self.batch_size)

    def __getitem__(self, index):
        rows = self.order[index * self.batch_size :][: self.batch_size]
        x, y, sample_weight = tree.map_structure(
            lambda array: None if array is None else array[rows], self.data
        )
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)


def fit(model, data, order_of, *, epochs, batch_size, validation, callbacks, verbose):
    """Train by `model.fit` on the batches the compiled epoch would have seen."""
    batches = Batches(data, batch_size, order_of(0))

    def reorder(epoch, logs):
        batches.order = order_of(epoch)

    reordering = keras.callbacks.LambdaCallback(on_epoch_begin=reorder)
    _keras.forget_initial_epoch(model)
    return model.fit(
        batches,
        shuffle=False,
        epochs=epochs,
        validation_data=validation,
        validation_batch_size=batch_size,
        callbacks=[reordering, *tree.flatten(callbacks or [])],
        verbose=verbose,
    )
