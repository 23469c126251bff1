"""What the loaders share: a leak-free split, training-only statistics, safe files.

The chapter `losses` of the book explains it. Tests: tests/test_datasets.py.
"""

import os
import tempfile
import warnings
from collections import namedtuple
from pathlib import Path

import numpy as np

from dtlib._check import one_of


class DataUnavailable(OSError):
    """The data are not on this machine and could not be downloaded."""


class Data(namedtuple("Data", "x_train y_train x_valid y_valid x_test y_test")):
    """Examples and labels of the three parts. It prints shapes, not numbers.

    >>> Data(*[np.zeros(n, "float32") for n in (6, 6, 2, 2, 2, 2)])
    Data(
        x_train: float32 (6,), y_train: float32 (6,),
        x_valid: float32 (2,), y_valid: float32 (2,),
        x_test: float32 (2,), y_test: float32 (2,),
    )
    """

    __slots__ = ()

    def __repr__(self):
        shown = [
            f"{name}: {a.dtype} {a.shape}"
            for name, a in zip(self._fields, map(np.asarray, self), strict=True)
        ]
        pairs = zip(shown[::2], shown[1::2], strict=True)
        return "Data(\n" + "".join(f"    {x}, {y},\n" for x, y in pairs) + ")"


def stratified_split(y, seed, **fractions):
    """Draw parts of `y` at random; every part gets its fraction of every class.

    Args:
        y: Labels, shape (n,).
        seed: Int; the same seed draws the same parts.
        **fractions: Name and size of each part, as a share of all of `y`. The names
            appear in the error.

    Returns:
        List of arrays of positions in `y`, each in rising order: what is left over
        first (the training part), then one array for each fraction.

    Example:

    >>> y = np.array([0] * 8 + [1] * 4)
    >>> train, valid = stratified_split(y, 0, validation_split=0.25)
    >>> np.bincount(y[train]), np.bincount(y[valid])
    (array([6, 3]), array([2, 1]))
    """
    rng = np.random.default_rng(seed)
    part_of = np.zeros(len(y), np.int8)
    for label in np.unique(y):
        members = rng.permutation(np.flatnonzero(y == label))
        sizes = [round(fraction * len(members)) for fraction in fractions.values()]
        asked = [size for size, f in zip(sizes, fractions.values(), strict=True) if f]
        if 0 in asked or sum(sizes) >= len(members):
            names = " and ".join(f"`{name}`" for name in fractions)
            received = ", ".join(f"{name}={f!r}" for name, f in fractions.items())
            raise ValueError(
                f"{names} must leave every class at least one example in every part. "
                f"Received: {received}, with {len(members)} of class {label}."
            )
        start = 0
        for part, size in enumerate(sizes, 1):
            part_of[members[start : start + size]] = part
            start += size
    return [np.flatnonzero(part_of == part) for part in range(len(fractions) + 1)]


def scale_by_training(data, axis):
    """Shift and scale all three parts by the statistics of the training part alone.

    x ← (x − mean(x_train)) / std(x_train)      over `axis`; None: one number for all

    A feature that is constant in the training part is only shifted.
    """
    x = data.x_train
    mean = x.mean(axis, dtype=np.float64)
    std = x.std(axis, dtype=np.float64)
    mean, std = np.float32(mean), np.float32(np.where(std > 0, std, 1))
    return data._replace(
        x_train=(data.x_train - mean) / std,
        x_valid=(data.x_valid - mean) / std,
        x_test=(data.x_test - mean) / std,
    )


def boolean(name, value):
    """Return `value`, or raise `ValueError` where it is not True or False."""
    return one_of(name, value, (True, False))


def data_folder():
    """The folder named by the environment variable DTLIB_DATA_DIR, or None."""
    named = os.environ.get("DTLIB_DATA_DIR")
    return Path(named).expanduser() if named else None


def keep(path, text):
    """Write `text` to `path` whole or not at all; a cache that fails only warns."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        warnings.warn(
            f"The data were downloaded, but could not be kept in {path} ({error}); "
            "the next call downloads them again.",
            stacklevel=4,
        )
