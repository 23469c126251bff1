"""What both callbacks ask after each epoch: is this value better than the best?

The chapter `regularizers` of the book explains it. Tests: tests/test_callbacks.py.
"""

import warnings

import keras

from dtlib._check import integer_in, number_in, one_of

MODES = ("auto", "min", "max")


def improved(current, best, *, mode, min_delta):
    """Is this value better than the best one so far, by more than a margin?

        min:  x + δ < x*          max:  x − δ > x*

    Args:
        current: x, the value now. NaN is never an improvement.
        best: x*, the best so far, or None if there is none.
        mode: "min" where less is better, "max" where more is.
        min_delta: δ ≥ 0.

    Returns:
        True or False.

    Example:

    >>> improved(0.49, 0.5, mode="min", min_delta=0.0)
    True
    >>> improved(0.49, 0.5, mode="min", min_delta=0.1)
    False

    Reference: Prechelt, 1998, "Early Stopping — But When?".
    """
    if current != current:
        return False
    if best is None:
        return True
    return current + min_delta < best if mode == "min" else current - min_delta > best


class Monitor(keras.callbacks.Callback):
    """Reads one value after each epoch, and knows which direction is better."""

    def __init__(self, monitor, mode, min_delta, patience, verbose):
        super().__init__()
        if not isinstance(monitor, str):
            raise ValueError(
                f"`monitor` must be a string. Received: monitor={monitor!r}."
            )
        self.monitor = monitor
        self.mode = one_of("mode", mode, MODES)
        self.min_delta = number_in("min_delta", min_delta, "[0, inf)")
        self.patience = integer_in("patience", patience, "[0, inf)")
        self.verbose = one_of("verbose", verbose, (0, 1, 2))

    def read(self, logs):
        """Return the monitored value, or None with a warning that it is not there."""
        value = logs.get(self.monitor)
        if value is None:
            warnings.warn(
                f"`{type(self).__name__}` monitors `{self.monitor}`, which is not "
                f"measured in this training. Available: {', '.join(logs)}.",
                stacklevel=3,
            )
        return value

    def direction(self, logs):
        """Return "min" or "max"; for "auto", what Keras knows of the metric."""
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return "min"
        for metric in self.model.metrics:
            for m in getattr(metric, "metrics", [metric]):
                # Private: Keras' metrics tell nobody else which way is better.
                if m.name == name and hasattr(m, "_direction"):
                    return "max" if m._direction == "up" else "min"
        raise ValueError(
            f"`mode` must be 'min' or 'max' for monitor={self.monitor!r}: Keras does "
            "not say whether more or less of it is better. Received: mode='auto'. "
            f"Available: {', '.join(logs)}."
        )

    def say(self, text):
        if self.verbose:
            print(text)
