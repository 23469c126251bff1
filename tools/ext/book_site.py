"""What the book's site needs beyond Jupyter Book, as one local Sphinx extension.

It reads the API without TensorFlow, ships the mathematics with the site, mends the
theme's pages, and adds the directives of `pages`. Tests: tests/test_site.py.
"""

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path[:0] = [str(HERE), str(ROOT)]

import docstrings  # noqa: E402
import mathjax  # noqa: E402
import pages  # noqa: E402

from tools import equations  # noqa: E402


def ship_mathjax(app, error):
    if error is None and app.builder.format == "html":
        for source, below in mathjax.mathjax_files():
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


def skip_alias(app, what, name, thing, skip, options):
    """A named tuple's fields, of which Python says no more than their number."""
    return (getattr(thing, "__doc__", "") or "").startswith("Alias for field") or None


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
    """Without roles that are no longer part of ARIA."""
    if "body" in context:
        context["body"] = (
            context["body"]
            .replace('<div role="list" class="citation-list">', "<div>")
            .replace(' role="doc-biblioentry"', "")
            .replace(' role="doc-backlink"', "")
        )


def setup(app):
    os.environ["KERAS_BACKEND"] = "numpy"  # the API is read, nothing is trained
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-skip-member", skip_alias)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", mend_html, priority=901)
    app.connect("build-finished", ship_mathjax)
    pages.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
