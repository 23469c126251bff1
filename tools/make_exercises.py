"""Generate the exercise notebooks from the solution notebooks.

    python tools/make_exercises.py

book/exercises/NN_<stem>_solutions.ipynb is the source. In its code, what stands between
`# BEGIN SOLUTION` and `# END SOLUTION` becomes the stub; cells tagged "solution" are
left out. A markdown cell whose metadata names an `exercise` gets that exercise's title,
difficulty and minutes from `dtlib.exercises`. Cells that stay as they were keep their
outputs; after a change, run tools/run_notebooks.py. Tests: tests/test_exercises.py.
"""

import re
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import run_notebooks  # noqa: E402

FOLDER = ROOT / "book" / "exercises"
BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"
INTRO = """\
# Exercises: {stem}

{sentence}

About {minutes} minutes for all {count}, from a warm-up to an open question. They go \
with the chapter [{stem}](../{number}_{stem}.ipynb).

Write your code where a cell says `raise NotImplementedError` or `...`, and run the \
cell. `check` tries it on several cases. It says *passed*, or shows the first case \
that fails, or names the mistake. If you are stuck, call `hint("{stem}.1")` in a cell \
of your own; each call gives a stronger hint. One way to solve each is on the page \
[Solutions: {stem}]({number}_{stem}_solutions.ipynb)."""


def stub_of(source):
    """The learner's version of a cell: each solution block becomes a stub.

    Inside a function that is `raise NotImplementedError`; outside, `name = ...` for the
    last name the block gives a value to.
    """
    kept, block, indent = [], None, ""
    for line in source.split("\n"):
        if line.strip() == BEGIN:
            block, indent = [], line[: line.index(BEGIN)]
        elif line.strip() == END and block is not None:
            kept.append(indent + (_value_stub(block) if not indent else _RAISE))
            block = None
        elif block is None:
            kept.append(line)
        else:
            block.append(line)
    if block is not None:
        raise ValueError(f"`{BEGIN}` needs `{END}` after it. Received:\n{source}")
    return "\n".join(kept)


_RAISE = "raise NotImplementedError"


def _value_stub(block):
    names = re.findall(r"^(\w+) = ", "\n".join(block), re.M)
    return f"{names[-1]} = ..."


def with_heading(source, exercise):
    """A markdown cell under the exercise's own title, difficulty and minutes."""
    number = exercise.id.split(".")[1]
    text = re.sub(r"\A(## .*\n+)?(\*Difficulty .*\*\n*)?", "", source)
    return f"## {number}. {exercise.title}\n\n*{exercise.label}*\n\n{text}"


def refreshed(notebook, registry):
    """The source with the headings of the registry."""
    for cell in notebook.cells:
        if id := cell.metadata.get("exercise"):
            cell.source = with_heading(cell.source, registry[id])
    return notebook


def generate(source, stored, stem, number, registry):
    """The exercise notebook; `stored`, its old version or None, gives the outputs."""
    mine = [e for id, e in registry.items() if id.startswith(stem + ".")]
    first = source.cells[0].source
    intro = INTRO.format(
        stem=stem,
        number=number,
        sentence=re.search(r"^\*[^*].*\*$", first, re.M)[0],
        minutes=sum(e.minutes for e in mine),
        count=len(mine),
    )
    old = {cell.id: cell for cell in stored.cells} if stored else {}
    made = nbformat.from_dict(source)
    made.cells = []
    for cell in nbformat.from_dict(source).cells:
        if "solution" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "code":
            cell.source = stub_of(cell.source)
            same = cell.id in old and old[cell.id].source == cell.source
            cell.outputs = old[cell.id].outputs if same else []
            cell.execution_count = old[cell.id].execution_count if same else None
        made.cells.append(cell)
    made.cells[0].source = intro
    return made


def main(folder=FOLDER):
    """Write what changed; return the names of those files."""
    from dtlib import exercises
    from dtlib.exercises._exercise import REGISTRY

    exercises.ids()
    changed = []
    for path in sorted(Path(folder).glob("[0-9][0-9]_*_solutions.ipynb")):
        number, stem = path.stem.removesuffix("_solutions").split("_", 1)
        target = path.with_name(f"{number}_{stem}.ipynb")
        source = refreshed(nbformat.read(path, as_version=4), REGISTRY)
        stored = nbformat.read(target, as_version=4) if target.exists() else None
        made = generate(source, stored, stem, number, REGISTRY)
        for file, notebook in ((path, source), (target, made)):
            if run_notebooks.write(file, notebook):
                changed.append(file.name)
    return changed


if __name__ == "__main__":
    for name in main():
        print(f"written: {name}")
