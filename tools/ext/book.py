"""What the book's site needs beyond Jupyter Book, as one local Sphinx extension.

It reads the API without TensorFlow, ships the mathematics with the site, mends the
theme's pages, and adds the directives of `pages`. Tests: tests/test_site.py.
"""

import os
import shutil
import sys
from importlib.metadata import files
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]
os.environ["KERAS_BACKEND"] = "numpy"  # the API is read here, nothing is trained

import docstrings  # noqa: E402
import pages  # noqa: E402

from tools import equations  # noqa: E402

# The part of MathJax that the pages load: 3 of its 24 MB.
MATHJAX = ("tex-chtml.js", "LICENSE", "input/tex/extensions/", "a11y/assistive-mml.js")
MATHJAX += ("output/chtml/fonts/woff-v2/", "ui/")


def mathjax_files():
    """`(file, path below mathjax/)` of what the site ships."""
    for file in files("sphinx-mathjax-offline"):
        below = file.as_posix().partition("static/mathjax/")[2]
        if below.startswith(MATHJAX):
            yield Path(file.locate()), below


def ship_mathjax(app, error):
    if error is None and app.builder.format == "html":
        for source, below in mathjax_files():
            target = Path(app.outdir, "_static", "mathjax", below)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def read_docstring(app, what, name, thing, options, lines):
    labels = dict(equations.in_chapters(ROOT))
    lines[:] = docstrings.to_rst(
        lines, lambda label: f":eq:`{label}`" if label in labels else f"``{label}``"
    )
    if what == "module":  # the page names the chapter itself
        lines[:] = [line for line in lines if "Tests: tests/" not in line]


def drop_thebe(app, pagename, templatename, context, doctree):
    """Jupyter Book loads Thebe everywhere, and writes one constant of it twice."""

    def is_thebe(js):
        body = getattr(js, "attributes", {}).get("body") or ""
        return "thebe" in (getattr(js, "filename", "") or "") or "THEBE_JS_URL" in body

    scripts, sheets = context.get("script_files", []), context.get("css_files", [])
    context["script_files"] = [js for js in scripts if not is_thebe(js)]
    context["css_files"] = [
        css for css in sheets if "thebe" not in (getattr(css, "filename", "") or "")
    ]


def mend_html(app, pagename, templatename, context, doctree):
    """Roles that are no longer part of ARIA; and tables that scroll by keyboard too."""
    if "body" in context:
        context["body"] = (
            context["body"]
            .replace('<div role="list" class="citation-list">', "<div>")
            .replace(' role="doc-biblioentry"', "")
            .replace(' role="doc-backlink"', "")
        )


def setup(app):
    app.add_config_value("planned_chapters", [], "env")
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", mend_html, priority=901)
    app.connect("build-finished", ship_mathjax)
    pages.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
