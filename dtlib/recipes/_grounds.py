"""A claim of the book as evidence on a choice.

Tests: tests/test_recipes.py.
"""

from typing import NamedTuple

RELATIONS = ("supports", "contradicts", "qualifies")


class Ground(NamedTuple):
    """A claim of the book, as evidence on a choice.

    `relation` is to the choice: a claim that is contradicted can support it.
    """

    id: str
    outcome: str  # "supported", "contradicted", "inconclusive": of the claim, or part
    relation: str  # "supports", "contradicts", "qualifies": of the choice
    says: str
    part: str | None = None  # the row of the ledger that is meant; None for the whole


def yes(id, relation, says, part=None):
    return Ground(id, "supported", relation, says, part)


def no(id, relation, says, part=None):
    return Ground(id, "contradicted", relation, says, part)


def unclear(id, says, part=None):
    return Ground(id, "inconclusive", "qualifies", says, part)
