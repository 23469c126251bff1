"""Early stopping: the number of epochs is chosen by the validation data.

The chapter `regularizers` of the book explains it. Tests: tests/test_callbacks.py.
"""

from dtlib._check import integer_in, number_in, one_of
from dtlib.callbacks._base import Monitor, improved


def stopping_update(current, best, wait, *, mode, min_delta, baseline):
    """Count the epochs without improvement: one step of early stopping.

        x better than x*            x* ← x;  k ← 0, if x also beats the baseline
        otherwise                   k ← k + 1

    The training stops when k reaches the patience.

    Args:
        current: x, the value after this epoch.
        best: x*, the best value so far, or None.
        wait: k, the number of epochs without improvement.
        mode, min_delta: As in `improved`.
        baseline: A value to beat, or None.

    Returns:
        `(best, wait, is_best)`: the new x* and k, and whether this epoch is the best.

    Example: the loss of an epoch that is no better than the last is waited out.

    >>> best, wait = None, 0
    >>> for loss in (0.9, 0.7, 0.8, 0.7):
    ...     best, wait, is_best = stopping_update(
    ...         loss, best, wait, mode="min", min_delta=0.0, baseline=None)
    ...     print(best, wait, is_best)
    0.9 0 True
    0.7 0 True
    0.7 1 False
    0.7 2 False

    Reference: Prechelt, 1998, "Early Stopping — But When?".
    """
    margin = dict(mode=mode, min_delta=min_delta)
    if not improved(current, best, **margin):
        return best, wait + 1, False
    beats = baseline is None or improved(current, baseline, **margin)
    return current, 0 if beats else wait + 1, True


class EarlyStopping(Monitor):
    """Stop the training that no longer improves; the rule is `stopping_update`.

    Args:
        monitor: Name of the value to watch, as `history.history` has it.
        min_delta: δ ≥ 0; less of a change counts as none.
        patience: Epochs without improvement after which to stop.
        verbose: 1 says what happens, 0 nothing.
        mode: "min", "max", or "auto": Keras knows it for the loss and its own metrics.
        baseline: A value that must be beaten within `patience` epochs, or None.
        restore_best_weights: Whether the model ends with the weights of its best epoch,
            also when the epochs ran out before the patience did.
        start_from_epoch: Number of epochs at the start that are not looked at.

    After training `stopped_epoch` is the epoch of the stop, counted from 0, or 0 if
    there was none; `best`, `best_epoch` and `best_weights` are of the best one.

    Differs from Keras: a value that is NaN is never the best one; Keras takes it if it
    is the first, and then nothing is better. A negative `min_delta` and an unknown
    `mode` are errors.

    Reference: Prechelt, 1998, "Early Stopping — But When?".
    """

    def __init__(
        self,
        monitor="val_loss",
        min_delta=0,
        patience=0,
        verbose=0,
        mode="auto",
        baseline=None,
        restore_best_weights=False,
        start_from_epoch=0,
    ):
        super().__init__(monitor, mode, min_delta, patience, verbose)
        self.baseline = baseline
        if baseline is not None:
            self.baseline = number_in("baseline", baseline, "(-inf, inf)")
        self.restore_best_weights = one_of(
            "restore_best_weights", restore_best_weights, (False, True)
        )
        self.start_from_epoch = integer_in(
            "start_from_epoch", start_from_epoch, "[0, inf)"
        )
        self.on_train_begin()

    def on_train_begin(self, logs=None):
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        mode, current = self.direction(logs), self.read(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        self.best, self.wait, is_best = stopping_update(
            current,
            self.best,
            self.wait,
            mode=mode,
            min_delta=self.min_delta,
            baseline=self.baseline,
        )
        first = self.restore_best_weights and self.best_weights is None
        if is_best or first:
            self.best_epoch = epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
        if not is_best and self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        if self.stopped_epoch > 0:
            self.say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            self.say(f"Restoring the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)
