"""Checks of the data: what is wrong before any network sees them.

Tests: tests/test_doctor.py.
"""

import keras
import numpy as np

from dtlib.doctor._patient import NORMALIZING, rms
from dtlib.doctor._remedies import finding
from dtlib.doctor.rules import permutation_score

# He and Glorot keep a signal at the size of the inputs (chapter `initializers`); a
# factor of 10 up saturates, a factor of 100 down leaves only the biases.
LARGE, SMALL = 10, 0.01
UNEVEN = 100  # ratio of column sizes: a valley of condition number 100²
TARGETS = 100  # the squared error then starts at 10⁴
DUPLICATES = 0.01  # share of copied validation rows, beyond what training data repeat
CHANCE = 3  # standard errors: of 700 shuffled data sets one passes each rule
NEIGHBORS, ENOUGH = 5, 100  # rows that `labels_shuffled` needs


def broken(patient):
    """Yield what makes every other check impossible."""
    arrays = {"x": patient.all_x, "y": patient.all_y}
    for name, values in zip(("x_val", "y_val"), patient.validation or (), strict=False):
        arrays[name] = values
    for name, values in arrays.items():
        if np.issubdtype(values.dtype, np.floating):
            bad = int((~np.isfinite(values)).sum())
            if bad:
                yield finding("nan_in_data", array=name, values=bad, of=values.size)


def scales(patient):
    """Yield faults of size: columns, inputs, targets."""
    x = patient.x
    first = next((a for a in patient.layers if not _waits(a)), None)
    numbers = np.issubdtype(x.dtype, np.floating) and not isinstance(
        first, keras.layers.Embedding
    )
    handled = isinstance(first, (*NORMALIZING, keras.layers.Rescaling))
    if x.ndim == 2 and numbers and len(x) > 1:
        flat = np.flatnonzero(np.ptp(x, axis=0) == 0)
        # The lowest value of all is a background: borders of images, absent words.
        told = [int(i) for i in flat if x[0, i] != x.min()]
        if told:
            yield finding(
                "constant_input", columns=told[:5], value=float(x[0, told[0]])
            )
    if (numbers or first is None or x.dtype == np.uint8) and not handled:
        size = rms(x)
        columns = np.sqrt(np.mean(np.square(x, dtype="float64"), axis=0)).ravel()
        usual = float(np.median(columns))
        if x.ndim == 2 and usual > 0 and columns.max() > UNEVEN * usual:
            yield finding("uneven_inputs", largest=float(columns.max()), median=usual)
        elif not SMALL <= size <= LARGE:
            yield finding("unscaled_inputs", rms=size, largest=float(np.abs(x).max()))
    if patient.loss == "regression":
        spread = float(np.std(patient.y))
        if rms(patient.y) > TARGETS or 0 < spread < 1 / TARGETS:
            yield finding("unscaled_targets", rms=rms(patient.y), std=spread)


def leaks(patient):
    """Yield a leak: more validation rows in the training data than copies explain."""
    if patient.validation is None:
        return
    seen = [row.tobytes() for row in np.ascontiguousarray(patient.all_x)]
    known = set(seen)
    check = patient.validation[0].astype(patient.all_x.dtype)
    copied = np.mean([row.tobytes() in known for row in np.ascontiguousarray(check)])
    repeated = 1 - len(known) / len(seen)
    if copied > 2 * repeated + DUPLICATES:
        yield finding(
            "leak", copied_share=float(copied), repeated_in_training=float(repeated)
        )


def meaning(patient):
    """Yield targets that nothing predicts: shuffled labels."""
    numeric = patient.x.dtype.kind in "fu"
    if len(patient.x) < ENOUGH or not numeric or patient.loss == "other":
        return
    x = patient.x.reshape(len(patient.x), -1).astype("float64")
    targets = patient.classes
    if targets is not None:
        targets = (targets[:, None] == np.unique(targets)).astype("float64")
    elif patient.y.ndim <= 2 and patient.loss == "regression":
        targets = patient.y.reshape(len(x), -1).astype("float64")
    else:
        return
    x = x - x.mean(0)
    x /= np.where(x.std(0) > 0, x.std(0), 1)
    targets = targets - targets.mean(0)
    if not targets.any():
        return
    # Guesses from one half, judged on the other: they never saw what is shuffled.
    known, asked = targets[::2], targets[1::2]
    scores = {
        name: permutation_score(guess(x[::2], known, x[1::2]), asked)
        for name, guess in (("neighbors", _neighbors), ("linear", _linear))
    }
    if max(scores.values()) < CHANCE:
        yield finding("labels_shuffled", rows=len(x), **scores)


def _waits(layer):
    kinds = (keras.layers.InputLayer, keras.layers.Flatten, keras.layers.Reshape)
    return isinstance(layer, kinds)


def _neighbors(x, targets, others):
    """The mean target of the rows of `x` that are nearest to each of the others."""
    distance = np.sum(x**2, 1) - 2 * others @ x.T  # squared, less what a row shares
    nearest = np.argpartition(distance, NEIGHBORS, axis=1)[:, :NEIGHBORS]
    return targets[nearest].mean(1)


def _linear(x, targets, others):
    """Ridge regression."""
    gram = x @ x.T
    weights = np.linalg.solve(gram + x.shape[1] * np.eye(len(gram)), targets)
    return others @ (x.T @ weights)
