"""Docstrings that read well in `help()`, turned into pages that read well too.

The package writes plain text: backticks for code, formulas in indented blocks, examples
after `>>>`, sections such as `Args:`, and the lead words of a paragraph, `Reference:`.
Sphinx wants reStructuredText. `to_rst` is the whole of the difference.
Tests: tests/test_site.py.
"""

import re

FIELDS = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises"}
SECTIONS = {**FIELDS, "Returns": "Returns", "Yields": "Yields", "Example": "Example"}
HEADER = re.compile(rf"({'|'.join(SECTIONS)}):$")
LEAD = re.compile(r"(Differs from Keras|References?|Example|Equation): ?")
BOLD = r"(?<![\w*)])\*\*[^*\s][^*]*[^*\s]\*\*(?![\w*])"
KEPT = re.compile(rf"(`+[^`]+`+|https?://[^\s)]+[^\s).,;]|{BOLD})", re.S)
ITEM = re.compile(r"(\d+\.|-) ")


def inline(text):
    """Backticks become code, `**bold**` stays; other signs stand for themselves."""
    parts = KEPT.split(text)
    for i, part in enumerate(parts):
        if part.startswith("`"):
            code = " ".join(part.strip("`").split())
            glue = "\\ " if parts[i + 1][:1].isalnum() else ""
            parts[i] = f"``{code}``{glue}"
        elif i % 2 == 0:
            parts[i] = re.sub(r"([*|\\_])", r"\\\1", part)
    return "".join(parts)


def to_rst(lines, equation=None):
    """The lines of a docstring as lines of reStructuredText.

    `equation` turns a label into a reference, where the book has the equation.
    """
    out, rows = [], [line.rstrip() for line in lines]
    while rows:
        if not rows[0]:
            rows.pop(0)
        elif header := HEADER.match(rows[0]):
            rows.pop(0)
            body = _take(rows, lambda row: not row or row.startswith("  "))
            out += [f".. rubric:: {SECTIONS[header[1]]}", ""]
            body = _dedent(body)
            out += _fields(body) if header[1] in FIELDS else to_rst(body, equation)
        elif rows[0].startswith("  "):
            block = _take(rows, lambda row: not row or row.startswith("  "))
            out += ["::", "", *block]
        elif rows[0].startswith(">>>"):
            out += _take(rows, bool)
        else:
            first = rows.pop(0)
            rest = _take(rows, lambda row: row and not LEAD.match(row))
            out += _paragraph([first, *rest], equation)
        if out and out[-1]:
            out.append("")
    return out


def _paragraph(rows, equation):
    if ITEM.match(rows[0]):  # a list; its lines keep their indent
        return inline("\n".join(rows)).split("\n")
    text = "\n".join(rows)
    lead = LEAD.match(text)
    if not lead:
        return inline(text).split("\n")
    rest = text[lead.end() :]
    if lead[1] == "Equation" and equation:
        return [f"**Equation:** {', '.join(map(equation, rest.split(', ')))}"]
    return f"**{lead[1]}:** {inline(rest)}".split("\n")


def _fields(rows):
    """A list of `name: text`, as terms with their definitions."""
    out = []
    for row in rows:
        name = re.match(r"([\w*`][^:]*): (.*)", row)
        if name:
            terms = (f"``{term.strip(' `')}``" for term in name[1].split(","))
            out += [", ".join(terms), f"    {inline(name[2])}"]
        else:  # the text goes on, one level deeper in the docstring too
            out.append(f"    {inline(row.strip())}" if row else "")
    return out


def _take(rows, wanted):
    taken = []
    while rows and wanted(rows[0]):
        taken.append(rows.pop(0))
    while taken and not taken[-1]:
        taken.pop()
    return taken


def _dedent(rows):
    depth = min((len(row) - len(row.lstrip()) for row in rows if row), default=0)
    return [row[depth:] for row in rows]
