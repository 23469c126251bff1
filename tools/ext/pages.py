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
from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective
from texts import cover, ledger, opening

from tools import equations

ROOT = Path(__file__).resolve().parent.parent.parent


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
            names = "<br>".join(
                f"{{py:obj}}`{name.removeprefix('dtlib.')} <{name}>`"
                for name in functions
            )
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


def setup(app):
    app.add_directive("chapter-map", ChapterMap)
    app.add_directive("equation-index", EquationIndex)
    app.add_directive("ledger", Ledger)
