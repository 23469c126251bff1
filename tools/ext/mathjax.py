"""The part of MathJax that the pages load, from the package that holds all of it.

Tests: tests/test_site.py.
"""

from importlib.metadata import files
from pathlib import Path

# The part of MathJax that the pages load: 3 of its 24 MB.
MATHJAX = ("tex-chtml.js", "LICENSE", "input/tex/extensions/", "a11y/assistive-mml.js")
MATHJAX += ("output/chtml/fonts/woff-v2/", "ui/")


def mathjax_files():
    """`(file, path below mathjax/)` of what the site ships."""
    for file in files("sphinx-mathjax-offline"):
        below = file.as_posix().partition("static/mathjax/")[2]
        if below.startswith(MATHJAX):
            yield Path(file.locate()), below
