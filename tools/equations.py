"""Where each numbered equation stands: in a chapter, in a function, in a test.

A chapter labels an equation `eq-<stem>-<name>`; the docstring of the function that
computes it ends with `Equation: eq-<stem>-<name>`; the tests that compare the function
with an oracle carry `@pytest.mark.equation("eq-<stem>-<name>")`. The book's index of
equations is made of these three. Tests: tests/test_equations.py.
"""

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
LABEL = r"eq-[a-z0-9]+-[a-z0-9-]*[a-z0-9]"
# After a display, `$$ (label)`, or as the option of a directive, `:label: label`.
IN_TEXT = re.compile(
    rf"\$\$[ \t]*\(({LABEL})\)|^[ \t]*:label:[ \t]*({LABEL})[ \t]*$", re.M
)
IN_DOCSTRING = re.compile(rf"^Equation: ({LABEL}(?:, {LABEL})*)$", re.M)


class Equation(NamedTuple):
    """One label, and what goes by it."""

    label: str
    pages: list  # documents without suffix, as in "book/01_losses"
    functions: list  # dotted names, as in "dtlib.losses.mean_squared_error"
    tests: list  # as in "tests/test_losses.py::test_name"


def in_chapters(root=ROOT):
    """`[(label, page), ...]` in the order of the book."""
    found = []
    for path in sorted((Path(root) / "book").glob("[0-9][0-9]_*.ipynb")):
        page = path.relative_to(root).with_suffix("").as_posix()
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                for match in IN_TEXT.finditer("".join(cell["source"])):
                    found.append((match[1] or match[2], page))
    return found


def in_functions(root=ROOT):
    """`[(label, dotted name), ...]`; a package's parts go by the package's name."""
    found = []
    for path in sorted((Path(root) / "dtlib").rglob("*.py")):
        module = path.relative_to(root).with_suffix("").parts[:2]
        for name, node in _definitions(ast.parse(path.read_text("utf-8"))):
            for match in IN_DOCSTRING.finditer(ast.get_docstring(node) or ""):
                dotted = ".".join((*module, name))
                found.extend((label, dotted) for label in match[1].split(", "))
    return found


def in_tests(root=ROOT):
    """`[(label, test), ...]`."""
    found = []
    for path in sorted((Path(root) / "tests").glob("test_*.py")):
        file = path.relative_to(root).as_posix()
        for name, node in _definitions(ast.parse(path.read_text("utf-8"))):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and _is_mark(mark.func):
                    labels = (ast.literal_eval(argument) for argument in mark.args)
                    found.extend((label, f"{file}::{name}") for label in labels)
    return found


def gather(root=ROOT):
    """Every equation found in any of the three places, chapters' order first."""
    places = in_chapters(root), in_functions(root), in_tests(root)
    labels = dict.fromkeys(label for place in places for label, _ in place)
    return [
        Equation(
            label, *([what for at, what in place if at == label] for place in places)
        )
        for label in labels
    ]


def _is_mark(node):
    return ast.unparse(node) == "pytest.mark.equation"


def _definitions(tree, prefix=""):
    """`(name, node)` of each function and class, methods as `Class.method`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield prefix + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from _definitions(node, f"{prefix}{node.name}.")
