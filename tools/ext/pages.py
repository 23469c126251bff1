"""Directives that write a page from the project's own files.

    {chapter-map}     a card with a figure for each chapter, from the stored notebooks
    {equation-index}  equation → function → tests
    {ledger}          the claims and their verdicts, from book/_data/ledger.json

Each writes MyST and has it parsed, so that links are checked like any other.
Tests: tests/test_site.py.
"""

import base64
import json
import os
import re
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from tools import equations

ROOT = Path(__file__).resolve().parent.parent.parent
SCALES = ("full", "standard", "quick")  # the largest that was run is shown


class Written(SphinxDirective):
    """A directive whose content is MyST text that `write` returns."""

    def run(self):
        node = nodes.container(classes=[self.name])
        self.state.nested_parse(StringList(self.write().splitlines()), 0, node)
        return node.children

    def read(self, file):
        """The file's text; the page is built anew when the file changes."""
        path = ROOT / file
        self.env.note_dependency(os.fspath(path))
        return path.read_text("utf-8")


class ChapterMap(Written):
    def write(self):
        toc = yaml.safe_load(self.read("_toc.yml"))
        cards = []
        for part in toc["parts"]:
            for number, entry in enumerate(part["chapters"], 1):
                if part["caption"] == "Chapters":
                    notebook = json.loads(self.read(entry["file"] + ".ipynb"))
                    cards.append(self.card(number, entry["file"], notebook))
        return "`````{grid} 1 2 2 3\n:gutter: 3\n\n" + "\n\n".join(cards) + "\n`````"

    def card(self, number, page, notebook):
        title, motto = opening(notebook)
        lines = [f"````{{grid-item-card}} {number}. {title}", f":link: /{page}"]
        lines += [":link-type: doc"]
        picture = cover(notebook)
        if picture:
            png, alt = picture
            path = Path(self.env.app.doctreedir, "covers", f"{Path(page).name}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(png))
            here = Path(self.env.doc2path(self.env.docname)).parent
            lines += [f":img-top: {os.path.relpath(path, here)}", f":img-alt: {alt}"]
        return "\n".join([*lines, "", motto, "````"])


class EquationIndex(Written):
    def write(self):
        repository = self.config.html_theme_options.get("repository_url", "")
        branch = self.config.html_theme_options.get("repository_branch", "main")
        rows = []
        for label, places, functions, tests in equations.gather(ROOT):
            number = f"{{eq}}`{label}`" if places else "—"
            chapter = f"[](/{places[0]})" if places else "—"
            names = "<br>".join(f"{{py:obj}}`{name}`" for name in functions)
            links = []
            for test in tests:
                file, name = test.split("::")
                self.env.note_dependency(os.fspath(ROOT / file))
                links.append(f"[`{name}`]({repository}/blob/{branch}/{file})")
            checks = "<br>".join(links) or "—"
            rows.append(f"| {number} | {chapter} | {names or '—'} | {checks} |")
        head = ["| Equation | Chapter | Function | Checked by |", "|---|---|---|---|"]
        return "\n".join(head + rows)


class Ledger(Written):
    def write(self):
        return ledger(json.loads(self.read("book/_data/ledger.json")))


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
            f"| [{id}](#claim-{id.lower()}) | {claim['statement']} "
            f"| **{found['verdict']}** | {chapter} |"
        )
    parts = [part for id, entry in claims.items() for part in claim_text(id, *entry)]
    return "\n".join([*rows, "", *parts])


def claim_text(id, claim, scale, found):
    """One claim: who says it, what was measured, each part with its interval."""
    yield f"(claim-{id.lower()})=\n## {id} · {found['verdict']}\n"
    yield f"*As told:* {claim['statement']} *Where:* {claim['source']}\n"
    yield f"{found['text']}\n"
    if found["rows"]:
        yield "| Part | Estimate | 95 % interval | Smallest effect | Verdict |"
        yield "|---|--:|--:|--:|---|"
        for row in found["rows"]:
            low, high, least = (number(row[k]) for k in ("low", "high", "min_effect"))
            least = f"±{least}" if row["relation"] == "equals" else least
            shown = row["outcome"] if row["decides"] else f"({row['outcome']})"
            yield (
                f"| {row['name']} | {number(row['estimate'])} | {low} … {high} "
                f"| {least} | {shown} |"
            )
        if not all(row["decides"] for row in found["rows"]):
            yield "\nParts in parentheses are shown and do not enter the verdict."
    versions = ", ".join(f"{name} {v}" for name, v in found["versions"].items())
    machine = "{processor}, {cores} cores".format(**found["machine"])
    yield (
        f"\nScale `{scale}`, {found['date']}, {found['seconds']:.0f} s on {machine}; "
        f"{versions}.\n"
    )


def number(value):
    """`value` with a true minus sign."""
    return f"{value:.4g}".replace("-", "−") if value is not None else "—"


def chapter_page(stem):
    """The address of a chapter's page, from its stem."""
    (path,) = (ROOT / "book").glob(f"[0-9][0-9]_{stem}.ipynb")
    return f"/book/{path.name}"


def setup(app):
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("equation-index", EquationIndex)
    app.add_directive("ledger", Ledger)
