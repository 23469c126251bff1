"""An epoch is one compiled call: the numbers of `model.fit`, without its waiting.

The chapter `scaling` of the book explains it. Tests: tests/test_training.py.

`model.fit` goes back to Python after every batch. On the small networks of this book
that takes several times as long as the arithmetic. `fit` compiles the loop over the
batches instead, round the model's own `train_step`:

    order ← permutation of (seed, epoch)
    for b in 0, 1, …:  train_step(x[order[b·B : (b+1)·B]], y[…])

Not compiled are batches that do not lie in memory, models compiled with
`run_eagerly=True`, `tf.distribute`, and the other backends of Keras: these go to
`model.fit`, with a warning that says so.
"""

import keras
import numpy as np

from dtlib._check import integer_in, one_of
from dtlib.training import _arrays, _epochs, _fallback, _keras, _shapes
from dtlib.training._range_test import RangeTest, find_learning_rate
from dtlib.training._restart import restart

__all__ = [
    "RangeTest",
    "batch_order",
    "evaluate",
    "find_learning_rate",
    "fit",
    "restart",
]


def batch_order(n, *, seed, epoch):
    """Return the order in which `fit` visits `n` rows in this epoch.

    A permutation of (seed, epoch) alone: a training that was interrupted and resumed
    sees the batches that the unbroken one would have seen.

    Args:
        n: number of rows.
        seed: the `seed` of `fit`, an integer ≥ 0.
        epoch: number of the epoch, counted from 0.

    Returns:
        Array of `n` distinct row numbers.

    >>> batch_order(5, seed=0, epoch=0), batch_order(5, seed=0, epoch=1)
    (array([2, 4, 3, 0, 1]), array([1, 4, 3, 0, 2]))
    """
    return np.random.default_rng([seed, epoch]).permutation(n)


def fit(
    model,
    x,
    y,
    *,
    epochs=1,
    batch_size=32,
    validation_data=None,
    callbacks=None,
    shuffle=True,
    seed=0,
    verbose=0,
    class_weight=None,
    sample_weight=None,
):
    """Train a compiled Keras model on arrays, each epoch in compiled code.

    Args:
        model: a compiled Keras model.
        x: inputs, an array with one row an example, or a list, tuple or dict of them.
        y: targets, likewise; None for a model that needs none.
        epochs: number of passes over the data.
        batch_size: rows a step; what remains at the end is a smaller batch.
        validation_data: `(x, y)` or `(x, y, sample_weight)`, measured after each epoch.
        callbacks: list of Keras callbacks. One with hooks for batches gets each batch,
            and costs the speed; the others get what `model.fit` would give them.
            (`BackupAndRestore` resumes exactly, except dropout: Keras saves no state
            of random generators.)
        shuffle: whether the rows are visited in a new order each epoch.
        seed: integer ≥ 0, fixes these orders (`batch_order`) and nothing else: initial
            weights and dropout masks come from the model's own seeds.
        verbose: 0 silent, 1 or "auto" a progress bar, 2 one line an epoch.
        class_weight: dict from label to weight.
        sample_weight: array with one weight a row.

    Returns:
        A `keras.callbacks.History`, also kept as `model.history`.

    Raises:
        ValueError: naming the argument that is wrong.
        KeyboardInterrupt: on Ctrl-C, within about 0.2 s. The model keeps the weights
            of the batches done, `model.history` the epochs finished, and the next
            `fit` need not compile.

    Example: the curve of `model.fit` on batches in the same order.

    >>> def build():
    ...     keras.utils.set_random_seed(0)
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile("sgd", "mse")
    ...     return model
    >>> x = np.random.default_rng(0).normal(size=(70, 2))
    >>> y = x @ [[1.0], [2.0]]
    >>> ours = fit(build(), x, y, epochs=3, shuffle=False).history["loss"]
    >>> theirs = build().fit(x, y, epochs=3, shuffle=False, verbose=0).history["loss"]
    >>> np.testing.assert_allclose(ours, theirs, rtol=1e-6)

    Differs from Keras: the order of the batches depends on `seed` and the epoch alone.
    A label without a `class_weight`, data that are not finite, and targets that do not
    fit the outputs are errors. XLA or graph is chosen by the kinds of layers; the
    `jit_compile` and `steps_per_execution` of `compile` are not asked. A layer frozen
    after `compile` is frozen.
    """
    _check_compiled(model)
    epochs = integer_in("epochs", epochs, "[0, inf)")
    batch_size = integer_in("batch_size", batch_size, "[1, inf)")
    seed = integer_in("seed", seed, "[0, inf)")
    one_of("verbose", verbose, (0, 1, 2, "auto"))
    settings = dict(
        epochs=epochs, batch_size=batch_size, callbacks=callbacks, verbose=verbose
    )
    stream = _arrays.not_in_memory(
        x=x, y=y, sample_weight=sample_weight, validation_data=validation_data
    )
    if stream is not None:
        _fallback.say("fit", stream)
        return model.fit(
            x,
            y,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            **settings,
        )
    data, validation = _checked(
        model, x, y, sample_weight, class_weight, validation_data
    )
    n = _arrays.count(data)

    def order_of(epoch):
        return batch_order(n, seed=seed, epoch=epoch) if shuffle else np.arange(n)

    reason = _fallback.not_compilable(model)
    if reason is not None:
        _fallback.say("fit", reason)
        return _fallback.fit(model, data, order_of, validation=validation, **settings)
    from dtlib.training import _program  # imports TensorFlow: the backend, by now

    data, validation = _program.tensors(data), _program.tensors(validation)
    program = _program.program_of(model, data, batch_size, validation)
    return _epochs.train(program, data, order_of, validation=validation, **settings)


def evaluate(model, x, y, *, batch_size=256, sample_weight=None):
    """Return the loss and the metrics of a compiled Keras model as a dict of floats.

    What `model.evaluate` returns, by the compiled loop of `fit`.

    Args:
        model: a compiled Keras model.
        x, y, sample_weight: as for `fit`.
        batch_size: rows a step; it changes the speed, not the result.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse", metrics=["mae"])
    >>> x = np.eye(2)
    >>> model.set_weights([np.array([[1.0], [3.0]]), np.array([0.0])])
    >>> evaluate(model, x, np.zeros((2, 1)))
    {'loss': 5.0, 'mae': 2.0}
    """
    _check_compiled(model)
    batch_size = integer_in("batch_size", batch_size, "[1, inf)")
    settings = dict(batch_size=batch_size, verbose=0, return_dict=True)
    stream = _arrays.not_in_memory(x=x, y=y, sample_weight=sample_weight)
    if stream is not None:
        _fallback.say("evaluate", stream)
        return model.evaluate(x, y, sample_weight=sample_weight, **settings)
    data, _ = _checked(model, x, y, sample_weight)
    reason = _fallback.not_compilable(model)
    if reason is not None:
        _fallback.say("evaluate", reason)
        x, y, sample_weight = data
        return model.evaluate(x, y, sample_weight=sample_weight, **settings)
    from dtlib.training import _program

    data = _program.tensors(data)
    program = _program.program_of(model, data, batch_size, train=False)
    return _epochs.evaluate(program, data, batch_size)


def _check_compiled(model):
    if not isinstance(model, keras.Model) or not model.compiled:
        raise ValueError(
            "`model` must be a compiled Keras model: call "
            f"`model.compile(optimizer, loss)` first. Received: {model!r}."
        )
    for name in keras.tree.flatten(model.loss):
        if isinstance(name, str) and name not in ("crossentropy", "ce"):
            try:
                keras.losses.get(name)
            except ValueError as unknown:
                raise ValueError(
                    "`loss`, given to `model.compile`, must be a function, a "
                    "`keras.Loss`, or the name of one in `keras.losses`. Received: "
                    f"loss={name!r}."
                ) from unknown


def _checked(model, x, y, sample_weight, class_weight=None, validation_data=None):
    """Return training and validation data as checked arrays; build the model."""
    data = _arrays.pack(x, y, sample_weight)
    if class_weight is not None:
        if sample_weight is not None:
            raise ValueError(
                "`class_weight` and `sample_weight` must not both be given: multiply "
                "them into `sample_weight`."
            )
        data = *data[:2], _arrays.class_weights(data[1], class_weight)
    validation = _arrays.pack_validation(validation_data)
    for part, name in (data, ""), (validation, "validation_data"):
        if part is not None:
            _shapes.check_inputs(model, part[0], f"{name}[0]" if name else "x")
            _keras.build(model, part[0])
            _shapes.check_targets(model, part[1], f"{name}[1]" if name else "y")
    return data, validation
