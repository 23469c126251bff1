"""Rules of thumb as claims: each is stated, tested over many seeds, and judged.

A claim is one function in the file of its chapter's stem, such as
`claims/initializers.py`. It computes the evidence at a scale:

    quick      seconds to a minute; tests and notebooks
    standard   minutes; the ledger
    full       hours; all of the data

`python -m dtlib claims run` writes what it finds to the ledger, from which the chapters
and the appendix quote it. Tests: tests/test_claims.py.
"""

from dtlib.claims.evidence import SCALES, Evidence, combine, row
from dtlib.claims.ledger import LEDGER, load, run
from dtlib.claims.registry import Claim, claim, get, identifiers

__all__ = [
    "LEDGER",
    "SCALES",
    "Claim",
    "Evidence",
    "claim",
    "combine",
    "get",
    "identifiers",
    "load",
    "row",
    "run",
]
