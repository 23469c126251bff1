"""Each row of the book's table of conventions is shown by a running test.

A row goes by its first cell; the test that shows it says
`@pytest.mark.convention("<first cell>")`. Both are read, not run.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COLUMNS = ["What", "Paper or textbook", "Keras 3", "PyTorch", "TensorFlow 1"]


def tables(root=ROOT):
    """`[[cells, ...], ...]`: each table's rows, the header first, without the rule."""
    found, inside = [], False
    text = (Path(root) / "book" / "conventions.md").read_text("utf-8")
    for line in text.splitlines():
        if not line.lstrip().startswith("|"):
            inside = False
            continue
        if not inside:
            found.append([])
        inside = True
        cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
        if not all(re.fullmatch(r"\s*:?-+:?\s*", cell) for cell in cells):
            found[-1].append([cell.strip() for cell in cells])
    return found


def rows(root=ROOT):
    """The cells of every row of every table, headers left out."""
    return [row for table in tables(root) for row in table[1:]]


def marks(root=ROOT):
    """`[(first cell, file), ...]` of every mark, on a test or on a parameter of it."""
    found = []
    for path in sorted((Path(root) / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and _is_mark(node.func):
                file = path.relative_to(root).as_posix()
                found += [(ast.literal_eval(cell), file) for cell in node.args]
    return found


def _is_mark(node):
    return ast.unparse(node) == "pytest.mark.convention"


MARKS = marks()


def test_every_table_has_the_same_columns():
    assert [table[0] for table in tables()] == [COLUMNS] * len(tables())
    assert len(rows()) > 20


def test_no_two_rows_go_by_the_same_name():
    assert [c for c, n in Counter(row[0] for row in rows()).items() if n > 1] == []


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_a_row_is_whole_and_is_shown_by_a_test(row):
    assert len(row) == len(COLUMNS) and all(row), row
    shown = [file for cell, file in MARKS if cell == row[0]]
    assert shown, f"No test is marked `convention({row[0]!r})`."


def test_a_mark_names_a_row():
    named = {row[0] for row in rows()}
    assert [mark for mark in MARKS if mark[0] not in named] == []


# The readers themselves ---------------------------------------------------------------

PAGE = """# Conventions

## One

| What | Keras 3 |
|---|:-:|
| ε | a \\| b |
| slope | `x` |

Between.

| What | Keras 3 |
|---|---|
| rate | |
"""
TESTS = """import pytest

ROWS = [pytest.param(1, marks=pytest.mark.convention("slope"))]


@pytest.mark.convention("ε", "rate")
def test_a():
    pytest.mark.other("no")
"""


def test_rows_and_marks_are_found_wherever_they_stand(tmp_path):
    for name, text in {"book/conventions.md": PAGE, "tests/peers/a.py": TESTS}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text, "utf-8")
    assert rows(tmp_path) == [["ε", r"a \| b"], ["slope", "`x`"], ["rate", ""]]
    assert [len(table) for table in tables(tmp_path)] == [3, 2]
    found = {(cell, "tests/peers/a.py") for cell in ("ε", "rate", "slope")}
    assert set(marks(tmp_path)) == found
