"""The compiled epoch: one TensorFlow function that runs many batches of a model.

`model.fit` returns to Python after every batch; on a small network that costs ten
times the arithmetic. Here the loop over batches is inside the compiled function, and
its body is `model.train_step`, the very step `model.fit` runs. So losses, metrics,
penalties, loss scaling, moving averages and custom steps come along unchanged.
"""

import warnings
from time import perf_counter

import keras
import numpy as np
import tensorflow as tf
from keras import layers, tree

from dtlib.training import _keras
from dtlib.training._arrays import count

_SECONDS_A_CALL = 0.2  # between two looks at the progress bar, Ctrl-C, stop_training
_FIRST_CALL = 20  # batches, before the speed is known

# On a CPU a convolution inside an XLA loop takes 15 times as long as in a plain
# graph (github.com/jax-ml/jax/issues/12868), attention 7 times.
_SLOW_UNDER_XLA = (
    *(kind for name, kind in vars(layers).items() if "Conv" in name),
    layers.Attention,
    layers.GroupQueryAttention,
    layers.MultiHeadAttention,
)


def xla_pays(model):
    """Should the epoch of `model` be compiled by XLA, rather than run as a graph?

    Decided by the kinds of its layers, never by a stopwatch: the engine fixes the
    rounding and the dropout masks, and the same model must give the same numbers on
    a busy machine.
    """
    return not any(
        isinstance(layer, _SLOW_UNDER_XLA) or not layer.supports_jit or _draws(layer)
        for layer in _keras.all_layers(model)
    )


def _draws(layer):
    """Does `layer` draw random numbers? Under XLA they cost ten times as much."""
    if not _keras.is_leaf(layer):
        return False
    seeded = any("seed_generator" in v.path for v in layer.non_trainable_variables)
    # Cells of recurrent layers own a generator, but use it only for these two.
    rates = [getattr(layer, rate, None) for rate in ("dropout", "recurrent_dropout")]
    unused = rates[0] is not None and not any(rates)
    return seeded and not unused


def tensors(data):
    """Return packed `data` as tensors, floats as Keras' float type."""

    def convert(array):
        if array is None:
            return None
        if np.issubdtype(array.dtype, np.floating):
            array = array.astype(keras.config.floatx(), copy=False)
        return tf.convert_to_tensor(array)

    return tree.map_structure(convert, data)


def _batch(data, rows):
    """Return these rows of `data` in the form in which Keras hands out batches."""
    x, y, sample_weight = tree.map_structure(
        lambda tensor: None if tensor is None else tf.gather(tensor, rows), data
    )
    return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)


def _int32(*integers):
    """Return int32 tensors: another integer type would be another trace."""
    return [tf.constant(value, tf.int32) for value in integers]


class Program:
    """The compiled loops of one compiled model, kept from one `fit` to the next.

    Args:
        model: a built and compiled Keras model.
        xla: whether XLA compiles the loops, or they run as plain graphs.

    `traces` counts the compilations.
    """

    def __init__(self, model, xla):
        self.model = model
        self.xla = xla
        self.traces = 0
        self.compiled_with = _compiled_with(model)
        self._loops = {}
        self._batches_a_call = _FIRST_CALL

    def _loop(self, step, batch_size):
        """Return the compiled loop for `"train_step"` or `"test_step"`."""
        if (step, batch_size) in self._loops:
            return self._loops[step, batch_size]

        @tf.function(jit_compile=self.xla, autograph=False)
        def loop(data, order, start, stop):
            self.traces += 1  # runs while tracing only

            def body(batch):
                rows = tf.slice(order, [batch * batch_size], [batch_size])
                getattr(self.model, step)(_batch(data, rows))
                return batch + 1

            tf.while_loop(
                lambda batch: batch < stop, body, [start], parallel_iterations=1
            )
            return self.model.get_metrics_result()

        self._loops[step, batch_size] = loop
        return loop

    def _call(self, step, batch_size, data, order, start, stop):
        arguments = (data, *_int32(order, start, stop))
        return _numbers(self._loop(step, batch_size)(*arguments))

    def prepare(self, step, data, batch_size):
        """Compile without training: a loop from batch 0 to batch 0."""
        for size, part in _parts(np.arange(count(data)), batch_size):
            # Traced apart from the call: TensorFlow takes the calls of several models
            # for those of one function, and would warn that it is traced too often.
            arguments = (data, *_int32(part, 0, 0))
            self._loop(step, size).get_concrete_function(*arguments)
            self._call(step, size, data, part, 0, 0)

    def run(self, step, data, order, batch_size, begin, end, most=None):
        """Run `step` on all batches of `order`; return the metrics' values.

        `begin(batch)` is called before, `end(batch, logs)` after each compiled call,
        which spans about 0.2 s or `most` batches; training stops when `end` is true.
        """
        logs, before = {}, 0
        for size, part in _parts(order, batch_size):
            batches, done = len(part) // size, 0
            while done < batches:
                stop = min(done + (most or self._batches_a_call), batches)
                begin(before + done)
                started = perf_counter()
                logs = self._call(step, size, data, part, done, stop)
                if size == batch_size:
                    self._pace(stop - done, perf_counter() - started)
                done = stop
                if end(before + done - 1, logs):
                    return logs
            before += batches
        return logs

    def _pace(self, batches, seconds):
        self._batches_a_call = max(1, int(_SECONDS_A_CALL * batches / seconds))


def _parts(order, batch_size):
    """Split `order` into its full batches and the remainder, one batch of its own."""
    batch_size = min(batch_size, len(order))
    full = len(order) - len(order) % batch_size
    yield batch_size, order[:full]
    if full < len(order):
        yield len(order) - full, order[full:]


def _numbers(logs):
    """Return metrics as floats, those that are vectors as arrays."""
    numbers = {}
    for name, value in logs.items():
        if isinstance(value, dict):
            numbers |= _numbers(value)
        else:
            value = value.numpy()
            numbers[name] = float(value) if np.ndim(value) == 0 else value
    return numbers


def _compiled_with(model):
    """Return what a compiled loop has baked in: another one needs another loop."""
    # `compile` makes a new tracker of the loss, which is the first of the metrics.
    trainable = [variable.trainable for variable in model.variables]
    return model.optimizer, model.metrics[:1], model.loss, trainable


def program_of(model, data, batch_size, validation=None, train=True):
    """Return the program of `model`, compiled for these data, old or new."""
    _build_ahead(model, data, batch_size, train)
    program = getattr(model, "_dtlib_program", None)
    if program is None or program.compiled_with != _compiled_with(model):
        program = Program(model, xla_pays(model))
    try:
        _prepare(program, data, batch_size, validation, train)
    except tf.errors.OpError as error:
        if not program.xla:
            raise
        warnings.warn(
            "XLA cannot compile this model, so its epochs run as a plain graph, "
            f"which may be slower: {str(error).splitlines()[0]}",
            stacklevel=3,
        )
        program = Program(model, xla=False)
        _prepare(program, data, batch_size, validation, train)
    # Past Keras' tracking of attributes: a program is no part of a saved model.
    object.__setattr__(model, "_dtlib_program", program)
    return program


def _prepare(program, data, batch_size, validation, train):
    program.prepare("train_step" if train else "test_step", data, batch_size)
    if validation is not None:
        program.prepare("test_step", validation, batch_size)


def _build_ahead(model, data, batch_size, train):
    """Make the variables of metrics and optimizer before a trace would make them.

    TensorFlow would make them while tracing, but then traces twice. That is left to
    models with a step of their own, where Keras' loss and metrics may be unused.
    """
    x, y, sample_weight = tree.map_structure(
        lambda tensor: None if tensor is None else tensor[:batch_size], data
    )
    if train and model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    y_pred = _any_outputs(model, len(tree.flatten(x)[0]))
    own_step = type(model).train_step is not keras.Model.train_step
    if y_pred is not None and y is not None and not own_step:
        model.compute_loss(x, y, y_pred, sample_weight)
        model.compute_metrics(x, y, y_pred, sample_weight)
        model.reset_metrics()


def _any_outputs(model, rows):
    """Return zeros in the shape of one output: nothing is computed, nothing drawn."""
    outputs = getattr(model, "outputs", None) or []
    if len(outputs) != 1 or None in outputs[0].shape[1:]:
        return None
    return tf.zeros((rows, *outputs[0].shape[1:]), outputs[0].dtype)
