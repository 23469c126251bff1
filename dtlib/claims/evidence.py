"""What a claim's function returns, and how verdicts on parts make one on the whole.

The appendix `claims` of the book shows it. Tests: tests/test_claims.py.
"""

from dataclasses import dataclass, field

import numpy as np

from dtlib import experiments
from dtlib._check import one_of

SCALES = ("quick", "standard", "full")
OUTCOMES = ("supported", "contradicted", "inconclusive")
DIGITS = 4  # significant digits kept: more would differ between processors


@dataclass(frozen=True)
class Evidence:
    """The evidence for or against a claim, as plain rounded numbers.

    Args:
        verdict: "supported", "contradicted" or "inconclusive".
        numbers: `{name: float}`, what a chapter quotes.
        rows: One dictionary a part of the claim, as `row` makes it.
        text: One or two sentences: what was run, and where the claim holds.
    """

    verdict: str
    numbers: dict = field(default_factory=dict)
    rows: list = field(default_factory=list)
    text: str = ""

    def __post_init__(self):
        one_of("verdict", self.verdict, OUTCOMES)
        object.__setattr__(self, "numbers", rounded(self.numbers))
        object.__setattr__(self, "rows", rounded(self.rows))


def row(name, values, *, min_effect, relation="beats", decides=True, **labels):
    """One part of a claim, judged: a dictionary that JSON can hold.

    Args:
        name: The part, in words.
        values: One number a seed; for "beats", positive where the claim holds.
        min_effect, relation: As in `experiments.verdict`.
        decides: False for a part that is shown and does not enter the verdict.
        **labels: What tells the part from others, such as `depth=20`.
    """
    found = experiments.verdict(values, min_effect=min_effect, relation=relation)
    judged = {"relation": relation, "decides": decides, **found._asdict()}
    return {"name": name, **labels, **judged}


def combine(rows):
    """The verdict on a claim that says all of its parts hold.

    One contradicted part contradicts it; else one inconclusive part leaves it open.

    >>> combine([{"outcome": "supported"}, {"outcome": "contradicted"}])
    'contradicted'
    """
    found = {row["outcome"] for row in rows if row.get("decides", True)}
    if not found:
        raise ValueError("`rows` must hold a part that decides. Received: none.")
    for outcome in ("contradicted", "inconclusive"):
        if outcome in found:
            return outcome
    return "supported"


def rounded(value, digits=DIGITS):
    """`value`, its floats rounded to significant digits, NumPy's types made plain."""
    if isinstance(value, dict):
        return {str(k): rounded(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    if isinstance(value, np.ndarray):
        return rounded(value.tolist(), digits)
    if isinstance(value, np.generic):
        value = value.item()
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
