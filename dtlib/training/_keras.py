"""What `fit` must know of Keras; its private attributes are touched here only."""

import keras
from keras import callbacks

_BATCH_HOOKS = [
    f"on_{when}batch_{end}"
    for when in ("", "train_", "test_")
    for end in ("begin", "end")
]


def all_layers(model):
    """Return every layer of `model` at every depth, wrappers' and cells' included."""
    # Private: the public `model.layers` stops at the first level.
    return model._flatten_layers()


def is_leaf(layer):
    """Has `layer` no layers of its own?"""
    return len(list(all_layers(layer))) == 1


def build(model, x):
    """Make the variables of a model that waits to see its first batch."""
    if model.built:
        return
    if isinstance(model, keras.Sequential) and not keras.tree.is_nested(x):
        model.build((None, *x.shape[1:]))
    else:
        model(keras.tree.map_structure(lambda array: array[:2], x), training=False)


def forget_initial_epoch(model):
    """Take away the epoch at which an earlier training of `model` resumed."""
    # Private: `BackupAndRestore` leaves it there, and nothing removes it; a second
    # training of the model would skip the epochs before.
    model._initial_epoch = None


def begin_training(model, callback_list):
    """Call the callbacks' `on_train_begin`; return the epoch to start with."""
    forget_initial_epoch(model)
    model.stop_training = False
    callback_list.on_train_begin()
    return model._initial_epoch or 0


def wants_every_batch(callback):
    """Must `callback` be called after every single batch?

    Keras' own callbacks with batch hooks that do nothing, or lose nothing when many
    batches are reported as one, are spared: one batch a call is slow.
    """
    if type(callback) in (callbacks.ProgbarLogger, callbacks.TerminateOnNaN):
        return False
    if type(callback) in (callbacks.ModelCheckpoint, callbacks.BackupAndRestore):
        return callback.save_freq not in ("epoch", False)
    if type(callback) is callbacks.TensorBoard:
        return callback.update_freq != "epoch"
    # `LambdaCallback` keeps its hooks on the instance, other callbacks on the class.
    return any(
        getattr(getattr(callback, hook), "__func__", None)
        is not getattr(keras.callbacks.Callback, hook)
        for hook in _BATCH_HOOKS
    )
