"""The list of claims, filled by the decorator `claim` and read from the stems' files.

The appendix `claims` of the book shows it. Tests: tests/test_claims.py.
"""

import importlib
import inspect
import pkgutil
import re
from typing import Any, NamedTuple

import dtlib.claims
from dtlib._check import one_of
from dtlib.claims.evidence import SCALES, Evidence

MACHINERY = ("arms", "command", "evidence", "ledger", "registry")

_claims = {}


class Claim(NamedTuple):
    """A claim: what it says, who says it, the chapter that treats it, and its test."""

    id: str
    statement: str
    source: str
    chapter: str
    function: Any

    def evidence(self, scale="quick", **running):
        """Compute the `Evidence`.

        Args:
            scale: "quick", "standard" or "full".
            **running: `jobs`, `cache`, `progress` of `experiments.compare`, for those
                claims that train.
        """
        one_of("scale", scale, SCALES)
        takes = inspect.signature(self.function).parameters.values()
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
            running = {}
        found = self.function(scale, **running)
        if not isinstance(found, Evidence):
            raise TypeError(
                f"The function of {self.id} must return an Evidence. "
                f"Received: {type(found).__name__}."
            )
        return found


def claim(id, *, statement, source, chapter):
    """Register the function below as the test of a claim.

    The function takes the scale, and `**running` if it hands `jobs`, `cache` and
    `progress` on to `experiments.compare`. It returns an `Evidence`, the same one at
    each call.

    Args:
        id: "C" and two digits; unique.
        statement: The claim as its source makes it, in one sentence.
        source: Where it is said.
        chapter: Stem of the chapter, and name of the file.
    """

    def register(function):
        if not re.fullmatch(r"C\d\d", id):
            raise ValueError(f"`id` must be C and two digits. Received: id={id!r}.")
        known = _claims.get(id)
        if known and known.function.__module__ != function.__module__:
            raise ValueError(f"`id` must be new. Received: id={id!r}, used before.")
        _claims[id] = Claim(id, statement, source, chapter, function)
        return function

    return register


def identifiers():
    """The ids of all claims, in order."""
    for module in pkgutil.iter_modules(dtlib.claims.__path__):
        if module.name not in MACHINERY:
            importlib.import_module(f"dtlib.claims.{module.name}")
    return sorted(_claims)


def get(id):
    """The `Claim` of this id.

    >>> get("C02").chapter
    'initializers'
    """
    one_of("id", id, identifiers())
    return _claims[id]
