"""What the pages say of a notebook and of the ledger, as MyST; without Sphinx.

Tests: tests/test_site.py.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCALES = ("full", "standard", "quick")  # the largest that was run is shown


def opening(notebook):
    """A chapter's title, and its first sentence in italics."""
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        title = re.search(r"^# (.+)$", text, re.M)
        if cell["cell_type"] == "markdown" and title:
            motto = re.search(r"^\*([^*]+)\*$", text, re.M | re.S)
            return title[1].strip(), " ".join(motto[1].split()) if motto else ""
    raise ValueError("A chapter must begin with a title, `# Title`.")


def cover(notebook):
    """`(PNG in base64, alternative text)`: of a cell tagged `cover`, or the first."""
    found = []
    for cell in notebook["cells"]:
        metadata = cell["metadata"]
        for output in cell.get("outputs", ()):
            png = output.get("data", {}).get("image/png")
            if png:
                alt = metadata.get("mystnb", {}).get("image", {}).get("alt", "")
                found.append(("cover" in metadata.get("tags", ()), "".join(png), alt))
    found.sort(key=lambda picture: not picture[0])
    return found[0][1:] if found else None


def ledger(stored):
    """The ledger in MyST: a table of all claims, then the parts of each."""
    claims = {}
    for id, claim in stored["claims"].items():
        scale = next(scale for scale in SCALES if scale in claim)
        claims[id] = (claim, scale, claim[scale])
    rows = ["| Claim | As it is told | Verdict | Chapter |", "|---|---|---|---|"]
    for id, (claim, _, found) in claims.items():
        chapter = f"[{claim['chapter']}]({chapter_page(claim['chapter'])})"
        rows.append(
            f"| [{id}](#claim-{id.lower()}) | {sentence(claim['statement'])} "
            f"| **{found['verdict']}** | {chapter} |"
        )
    parts = [part for id, entry in claims.items() for part in claim_text(id, *entry)]
    return "\n".join([*rows, "", *parts])


def claim_text(id, claim, scale, found):
    """One claim: who says it, what was measured, each part with its interval."""
    yield f"(claim-{id.lower()})=\n### {id} · {found['verdict']}\n"
    told, where = sentence(claim["statement"]), sentence(claim["source"])
    yield f"*As told:* {told} *Where:* {where}\n\n{found['text']}\n"
    deciding = [row for row in found["rows"] if row["decides"]]
    others = [row for row in found["rows"] if not row["decides"]]
    if deciding:
        yield from [*parts_table(deciding), ""]
    if others:
        yield f"````{{admonition}} Measured too: {len(others)} parts\n:class: dropdown"
        yield "\nThese do not enter the verdict.\n"
        yield from [*parts_table(others), "````", ""]
    versions = ", ".join(f"{name} {v}" for name, v in found["versions"].items())
    machine = "{processor}, {cores} cores".format(**found["machine"])
    took = f"{found['seconds']:.0f} s on {machine}"
    yield f"Scale `{scale}`, {found['date']}, {took}; {versions}.\n"


def parts_table(rows):
    yield "| Part | Estimate | 95 % interval | Smallest effect | Verdict |"
    yield "|---|--:|--:|--:|---|"
    for row in rows:
        low, high, least = (number(row[k]) for k in ("low", "high", "min_effect"))
        least = f"±{least}" if row["relation"] == "equals" else least
        interval = f"{low} … {high}"
        cells = (row["name"], number(row["estimate"]), interval, least, row["outcome"])
        yield f"| {' | '.join(cells)} |"


def sentence(text):
    """`text`, ended by a period."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def number(value):
    """`value` with a true minus sign."""
    return f"{value:.4g}".replace("-", "−") if value is not None else "—"


def chapter_page(stem):
    """The address of a chapter's page, from its stem."""
    (path,) = (ROOT / "book").glob(f"[0-9][0-9]_{stem}.ipynb")
    return f"/book/{path.name}"
