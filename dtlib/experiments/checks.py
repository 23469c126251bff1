"""What `compare` and `tune` refuse, and the sentence they refuse it with.

Every chapter uses it through `compare`. Tests: tests/test_experiments.py.
"""

import itertools
from collections.abc import Mapping

import keras
import numpy as np

from dtlib._check import integer_in, one_of

PARTS = ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test")
HIGHER = ("acc", "auc", "precision", "recall", "f1", "r2", "iou", "similarity")
LOWER = ("loss", "error", "entropy", "perplexity", "hinge", "mae", "mse", "rmse")


def parts(data):
    if len(data) != len(PARTS):
        raise ValueError(
            f"`data` must hold six arrays: {', '.join(PARTS)}. Received: {len(data)}."
        )
    data = tuple(np.asarray(part) for part in data)
    for x, y in (0, 1), (2, 3), (4, 5):
        if not 0 < len(data[x]) == len(data[y]):
            raise ValueError(
                f"`data` must hold as many labels as examples, at least one. Received: "
                f"{len(data[x])} in {PARTS[x]}, {len(data[y])} in {PARTS[y]}."
            )
    for a, b in itertools.combinations(range(0, 6, 2), 2):
        if np.array_equal(data[a], data[b]):
            raise ValueError(
                f"`data` must hold disjoint parts. Received: {PARTS[a]} and {PARTS[b]} "
                "are the same rows."
            )
    return data


def grid(grid):
    if not isinstance(grid, Mapping) or not grid or not all(map(len, grid.values())):
        raise ValueError(
            "`tune` must be a dictionary {hyperparameter: values to try}, none empty. "
            f"Received: {grid!r}."
        )
    plain = {k: [getattr(v, "item", lambda v=v: v)() for v in grid[k]] for k in grid}
    return plain, [
        dict(zip(plain, values, strict=True))
        for values in itertools.product(*plain.values())
    ]


def arms(arms):
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(
            "`arms` must be a dictionary {name: build}, not empty. "
            f"Received: {arms!r}."
        )
    for name, build in arms.items():
        if not callable(build) or isinstance(build, keras.Model):
            raise ValueError(
                f"`arms[{name!r}]` must be a function that builds a compiled model. "
                f"Received: {type(build).__name__}."
            )
    return arms


def seeds(name, seeds):
    seeds = [integer_in(name, seed, "[0, 4294967295]") for seed in seeds]
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice or not seeds:
        raise ValueError(
            f"`{name}` must be different integers, at least one. "
            f"Received: {f'{twice} more than once' if twice else 'none'}."
        )
    return seeds


def mode(metric, mode):
    one_of("mode", mode, ("auto", "min", "max"))
    if mode != "auto":
        return mode
    if any(word in metric for word in LOWER):
        return "min"
    if any(word in metric for word in HIGHER):
        return "max"
    raise ValueError(
        f"`mode` must be 'min' or 'max' for metric={metric!r}, whose name does not "
        "tell which is better. Received: mode='auto'."
    )
