"""Watch the layers while a network trains, on one batch that never changes.

The chapter `diagnostics` of the book explains it. Tests: tests/test_diagnostics.py.
"""

import keras
import numpy as np

from dtlib._check import integer_in
from dtlib.diagnostics._taps import restored
from dtlib.diagnostics.measure import kernels, run, signal_propagation, update_ratio


class GradientMonitor(keras.callbacks.Callback):
    """Record each layer before the first epoch and after every one, or every few.

    The record is that of `signal_propagation`, and the update ratio: `relative_change`
    of each kernel in one step of the model's own optimizer on the probe batch. The step
    is tried and taken back: weights, optimizer, metrics and seeds stay bit for bit as
    they were, so training with the monitor ends where it would end without.

    Args:
        x, y: The probe batch, a few hundred samples, copied.
        every: "epoch", or an int: after each that many epochs.
        threshold, training: As in `signal_propagation`.

    After training, `layers` is the tuple of names and `history` a dict of arrays, time
    by layer: "mean", "std", "z_mean", "z_std", "saturated", "dead", "gradient_rms",
    "weight_gradient_rms", "update_ratio" (NaN for a layer without a kernel), and the
    vector "epoch", the number of epochs behind. A new training starts a new history.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.eye(4), np.ones((4, 1))
    >>> monitor = GradientMonitor(x, y)
    >>> _ = model.fit(x, y, epochs=2, callbacks=[monitor], verbose=0)
    >>> monitor.history["epoch"].tolist(), monitor.history["gradient_rms"].shape
    ([0, 1, 2], (3, 1))
    """

    def __init__(self, x, y, every="epoch", *, threshold=0.2, training=False):
        super().__init__()
        self.x, self.y = keras.tree.map_structure(np.array, (x, y))
        self.every = every
        self.threshold = threshold
        self.training = training
        self._period = 1 if every == "epoch" else integer_in("every", every, "[1, inf)")
        self._records, self.layers = [], ()

    @property
    def history(self):
        names = self._records[0] if self._records else ()
        return {name: np.array([r[name] for r in self._records]) for name in names}

    def on_train_begin(self, logs=None):
        self._records, self.layers = [], ()

    def on_epoch_begin(self, epoch, logs=None):
        if not self._records:
            self._record(epoch)

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self._period == 0:
            self._record(epoch + 1)

    def _record(self, epoch):
        options = dict(threshold=self.threshold, training=self.training)
        seen = signal_propagation(self.model, self.x, self.y, **options)._asdict()
        self.layers = seen.pop("names")
        ratio = _trial_step(self.model, self.x, self.y, self.training)
        seen["update_ratio"] = [ratio.get(name, np.nan) for name in self.layers]
        self._records.append({"epoch": epoch, **seen})


def _trial_step(model, x, y, training):
    """The update ratio of one step that is then taken back."""
    optimizer, trained = model.optimizer, model.trainable_variables
    if not optimizer.built:
        optimizer.build(trained)  # as training is about to
    gradients = run(model, x, y, training=training)[2]
    scale = optimizer.scale_loss(1.0)  # of mixed precision; `apply` divides by it
    before = kernels(model)
    with restored([*trained, *optimizer.variables]):
        optimizer.apply([scale * gradients[id(w)] for w in trained], trained)
        return update_ratio(before, kernels(model))
