"""Performance scheduling: the rate falls when the validation loss no longer does.

The chapter `schedules` of the book explains it. Tests: tests/test_callbacks.py.
"""

import numpy as np
from keras import ops

from dtlib._check import integer_in, number_in
from dtlib.callbacks._base import Monitor, improved


def plateau_update(
    current,
    best,
    wait,
    rest,
    learning_rate,
    *,
    mode,
    min_delta,
    patience,
    factor,
    cooldown,
    min_lr,
):
    """Lower the rate when nothing improves any more: one step of a plateau schedule.

        x better than x*           x* ← x, k ← 0
        else, unless at rest       k ← k + 1
        k reaches the patience     η ← max(f·η, η_min), k ← 0, rest for c epochs

    Args:
        current: x, the value after this epoch.
        best: x*, the best value so far, or None.
        wait: k, the number of epochs without improvement.
        rest: Number of epochs of rest that are left; k stays 0 during them.
        learning_rate: η.
        mode, min_delta: As in `improved`.
        patience: The k at which the rate is lowered.
        factor: f in [0, 1).
        cooldown: c ≥ 0.
        min_lr: η_min ≥ 0. A rate that is there already starts no rest.

    Returns:
        `(best, wait, rest, learning_rate)`, all new.

    Example: two epochs without improvement, and the rate is a tenth.

    >>> state = 0.5, 0, 0, 0.1
    >>> for loss in (0.6, 0.6):
    ...     state = plateau_update(loss, *state, mode="min", min_delta=0.0, patience=2,
    ...                            factor=0.1, cooldown=0, min_lr=0.001)
    >>> state
    (0.5, 0, 0, 0.010000000000000002)

    Reference: "performance scheduling" in Senior et al., 2013, "An Empirical Study of
    Learning Rates in Deep Neural Networks for Speech Recognition".
    """
    if rest > 0:
        rest, wait = rest - 1, 0
    if improved(current, best, mode=mode, min_delta=min_delta):
        return current, 0, rest, learning_rate
    if rest > 0:
        return best, wait, rest, learning_rate
    if wait + 1 < patience or learning_rate <= min_lr:
        return best, wait + 1, rest, learning_rate
    return best, 0, cooldown, max(factor * learning_rate, min_lr)


class ReduceLROnPlateau(Monitor):
    """Lower the rate when nothing improves any more; the rule is `plateau_update`.

    Args:
        monitor: Name of the value to watch, as `history.history` has it.
        factor: f in [0, 1), by which the rate is multiplied.
        patience: Epochs without improvement after which to lower it.
        verbose: 1 says what happens, 0 nothing.
        mode: "min", "max", or "auto": Keras knows it for the loss and its own metrics.
        min_delta: δ ≥ 0; less of a change counts as none.
        cooldown: Epochs of rest after the rate was lowered.
        min_lr: η_min ≥ 0.
        **kwargs: None. Keras takes any, and ignores it.

    The history gains the column `learning_rate`, the rate each epoch was trained at.

    Differs from Keras: an optimizer that holds a schedule is refused when the training
    begins; Keras trains until the first plateau, and only then raises its `TypeError`.
    A value that is NaN is never the best one. A negative `min_delta`, an unknown `mode`
    and an unknown argument are errors.

    Reference: see `plateau_update`.
    """

    def __init__(
        self,
        monitor="val_loss",
        factor=0.1,
        patience=10,
        verbose=0,
        mode="auto",
        min_delta=1e-4,
        cooldown=0,
        min_lr=0.0,
        **kwargs,
    ):
        if kwargs:
            raise TypeError(f"`ReduceLROnPlateau` has no argument {list(kwargs)}.")
        super().__init__(monitor, mode, min_delta, patience, verbose)
        self.factor = number_in("factor", factor, "[0, 1)")
        self.cooldown = integer_in("cooldown", cooldown, "[0, inf)")
        self.min_lr = number_in("min_lr", min_lr, "[0, inf)")
        self.reset()

    def reset(self):
        """Forget the best value and both counters."""
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_train_begin(self, logs=None):
        self.reset()
        optimizer = self.model.optimizer
        try:
            optimizer.learning_rate = self.rate()
        except (AttributeError, TypeError) as error:
            raise TypeError(
                "`ReduceLROnPlateau` lowers the learning rate, but this optimizer's "
                "cannot be set: a schedule, or a function, sets it. Give the optimizer "
                "a number, or leave the callback out. Received: "
                f"optimizer={type(optimizer).__name__}."
            ) from error

    def rate(self):
        """The optimizer's rate, as a float."""
        return float(ops.convert_to_tensor(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        before = logs["learning_rate"] = self.rate()
        mode, current = self.direction(logs), self.read(logs)
        if current is None:
            return
        self.best, self.wait, self.cooldown_counter, rate = plateau_update(
            current,
            self.best,
            self.wait,
            self.cooldown_counter,
            before,
            mode=mode,
            min_delta=self.min_delta,
            patience=self.patience,
            factor=self.factor,
            cooldown=self.cooldown,
            # As the optimizer holds it, or a rate at the bound would be above it.
            min_lr=float(np.float32(self.min_lr)),
        )
        if rate != before:
            self.model.optimizer.learning_rate = rate
            self.say(f"Epoch {epoch + 1}: the learning rate is now {rate:g}.")
