"""A finding and a report of findings: text in a terminal, a table in a notebook.

Tests: tests/test_doctor.py.
"""

from html import escape
from numbers import Real
from typing import NamedTuple


class Finding(NamedTuple):
    """One fault.

    `name` is the fault in a word; `symptom` what was seen, `evidence` the numbers as a
    dict, `cause` what explains them, `remedy` what to do, and `chapter` the word of the
    chapter that explains it.

    >>> print(Finding("x", "Seen.", {"loss": 2.30259}, "Because.", "Do.", "losses"))
    x: Seen.
      evidence: loss = 2.303
      cause:    Because.
      remedy:   Do.
      chapter:  losses
    """

    name: str
    symptom: str
    evidence: dict
    cause: str
    remedy: str
    chapter: str

    @property
    def numbers(self):
        """The evidence as text."""
        return ", ".join(f"{k} = {_short(v)}" for k, v in self.evidence.items())

    def __str__(self):
        return "\n".join(
            [
                f"{self.name}: {self.symptom}",
                f"  evidence: {self.numbers}",
                f"  cause:    {self.cause}",
                f"  remedy:   {self.remedy}",
                f"  chapter:  {self.chapter}",
            ]
        )


class Report(tuple):
    """A tuple of findings that prints as a report and shows as a table.

    >>> Report()
    No fault found.
    """

    __slots__ = ()

    @property
    def names(self):
        """The names of the findings, in order."""
        return [finding.name for finding in self]

    def __str__(self):
        return "\n\n".join(map(str, self)) or "No fault found."

    __repr__ = __str__

    def _repr_html_(self):
        if not self:
            return "<p>No fault found.</p>"
        lines = []
        for found in self:
            lines.append(_row("th", "fault", found.name))
            rows = found._replace(evidence=found.numbers)._asdict()
            lines += [_row("td", *row) for row in list(rows.items())[1:]]
        # The class by which notebooks and sites know a table of data.
        return '<table class="dataframe">\n' + "\n".join(lines) + "\n</table>"


def _row(tag, name, text):
    left = 'style="text-align: left"'
    return f"<tr><th {left}>{name}</th><{tag} {left}>{escape(str(text))}</{tag}></tr>"


def _short(value):
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:.4g}"
    return str(value)
