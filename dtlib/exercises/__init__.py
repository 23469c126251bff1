"""Exercises that name the mistake: write a function, and `check` says what is wrong.

Each chapter of the book ends with some. Tests: tests/test_exercises.py.
"""

from importlib import import_module
from pathlib import Path

from dtlib._check import integer_in
from dtlib.exercises._exercise import REGISTRY
from dtlib.exercises._judge import judge

__all__ = ["check", "hint", "ids"]

_given = {}  # id -> how many of its hints have been shown


def check(id, answer):
    """Judge an answer, and print the verdict.

    The function runs on the exercise's cases and is compared with the reference: the
    rule of `dtlib` where there is one. The first case that fails is shown; where the
    answer is a wrong one that is known, the text says which.

    Args:
        id: The exercise, as in "losses.1".
        answer: Your function, or your value where the exercise asks for one. Arrays
            come in as float64; an array, a number or a tensor may come back.

    Returns:
        A result that is true if the answer passed. A notebook does not show it again.

    Raises:
        ValueError: No such exercise.

    Example:

    >>> import numpy as np
    >>> result = check("losses.1", lambda y_true, y_pred: (y_true - y_pred) ** 2)
    losses.1: not yet right. Case 1 of 4, one sample:
        y_true   = [[1. 2.]]
        y_pred   = [[1.5 3. ]]
        expected = [0.625]
        got      = [[0.25 1.  ]]
    You return the squared errors themselves. Take their mean over the last axis.
    >>> bool(result)
    False
    """
    result = judge(_find(id), answer)
    print(result.text)
    return result


def hint(id, number=None):
    """Print the next hint of an exercise; each is stronger than the one before.

    Args:
        id: The exercise, as in "losses.1".
        number: Which hint, from 1. None gives the next one, and at the end the last
            again.

    Raises:
        ValueError: No such exercise, or no such hint.

    Example:

    >>> hint("losses.1", 1)
    losses.1, hint 1 of 2: Which axis holds one sample's outputs, and which the samples?
    """
    exercise = _find(id)
    last = len(exercise.hints)
    if number is None:
        number = _given[id] = min(_given.get(id, 0) + 1, last)
    number = integer_in("number", number, f"[1, {last}]")
    text = f"{id}, hint {number} of {last}: {exercise.hints[number - 1]}"
    print(text if number < last else f"{text} (No hints left.)")


def ids():
    """List the ids of all exercises, stem by stem.

    >>> [id for id in ids() if id.startswith("losses")][:3]
    ['losses.1', 'losses.2', 'losses.3']
    """
    for stem in _stems():
        import_module(f"dtlib.exercises.{stem}")
    return sorted(REGISTRY, key=lambda id: (id.split(".")[0], int(id.split(".")[1])))


def _find(id):
    stem = str(id).split(".")[0]
    if stem in _stems():
        import_module(f"dtlib.exercises.{stem}")
    if id not in REGISTRY:
        raise ValueError(f"`id` must be one of {ids()}. Received: id={id!r}.")
    return REGISTRY[id]


def _stems():
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
