"""The epochs of one `fit`: what happens between two calls of the compiled loop."""

import keras
import numpy as np

from dtlib.training import _keras
from dtlib.training._arrays import count


def train(
    program, data, order_of, *, epochs, batch_size, validation, callbacks, verbose
):
    """Run `epochs` epochs in the order of `model.fit`; return the History."""
    model = program.model
    callback_list = keras.callbacks.CallbackList(
        callbacks,
        add_history=True,
        add_progbar=verbose != 0,
        verbose=verbose,
        epochs=epochs,
        steps=-(-count(data) // batch_size),
        model=model,
    )
    try:
        _run(program, data, order_of, epochs, batch_size, validation, callback_list)
    except KeyboardInterrupt as interrupt:
        # Without `on_train_end`: `BackupAndRestore` would delete its backup there.
        interrupt.add_note(
            f"Stopped by Ctrl-C after {len(model.history.epoch)} finished epoch(s) of "
            f"{epochs}. They are in `model.history`; the model keeps the weights of "
            "every batch done."
        )
        raise
    return model.history


def _run(program, data, order_of, epochs, batch_size, validation, callback_list):
    model = program.model
    every = any(map(_keras.wants_every_batch, callback_list.callbacks))
    most = 1 if every else None  # batches a compiled call

    def end(batch, logs):
        callback_list.on_train_batch_end(batch, logs)
        return model.stop_training

    logs = None
    for epoch in range(_keras.begin_training(model, callback_list), epochs):
        model.reset_metrics()
        callback_list.on_epoch_begin(epoch)
        begin = callback_list.on_train_batch_begin
        logs = program.run(
            "train_step", data, order_of(epoch), batch_size, begin, end, most
        )
        if validation is not None:
            measured = _validate(program, validation, batch_size, callback_list, most)
            logs |= {f"val_{name}": value for name, value in measured.items()}
        callback_list.on_epoch_end(epoch, logs)
        if model.stop_training:
            break
    if epochs > 0:  # an optimizer that averages weights hands them over here
        model.optimizer.finalize_variable_values(model.trainable_variables)
    callback_list.on_train_end(logs)


def _validate(program, data, batch_size, callback_list, most):
    callback_list.on_test_begin()
    logs = evaluate(
        program,
        data,
        batch_size,
        begin=callback_list.on_test_batch_begin,
        end=callback_list.on_test_batch_end,
        most=most,
    )
    callback_list.on_test_end(logs)
    return logs


def evaluate(
    program,
    data,
    batch_size,
    begin=lambda batch: None,
    end=lambda batch, logs: None,
    most=None,
):
    """Return loss and metrics on all rows of `data`, in their own order."""
    program.model.reset_metrics()
    order = np.arange(count(data))
    return program.run("test_step", data, order, batch_size, begin, end, most)
