"""The first cell of every notebook, and the environment in which notebooks run.

The cell finds the book's own `dtlib` (in Colab it clones the repository first) and
refuses another package of that name. Tests: tests/test_notebooks.py.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import address  # noqa: E402

# One thread an operation: the same sums in the same order, so results repeat.
FIRST_CELL_ENVIRONMENT = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
}
ENVIRONMENT = {
    **FIRST_CELL_ENVIRONMENT,
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
TEMPLATE = """\
# Run this cell first. In Colab it fetches the book's own package from its repository.
import os
import subprocess
import sys
from pathlib import Path

{environment}
BRANCH = "{branch}"
REPO = "{repo}"
if "google.colab" in sys.modules:
    root = Path("/content", REPO.split("/")[-1])
    if not root.exists():
        clone = ["git", "clone", "-q", "--depth", "1", "-b", BRANCH, REPO, str(root)]
        subprocess.run(clone, check=True)
    os.chdir(root / "book")
else:
    up = (Path.cwd(), *Path.cwd().parents)
    root = next((p for p in up if (p / "dtlib" / "__init__.py").is_file()), up[0])
sys.path.insert(0, str(root))

import dtlib

if getattr(dtlib, "BOOK", None) != "/".join(REPO.split("/")[-2:]):
    raise ImportError(
        f"{{dtlib.__file__}} is another project called dtlib. "
        "Restart the kernel and run this cell first."
    )"""


def source(root=ROOT):
    """The cell's code, with the address and branch of `_config.yml`."""
    environment = "\n".join(
        f'os.environ.setdefault("{name}", "{value}")'
        for name, value in FIRST_CELL_ENVIRONMENT.items()
    )
    return TEMPLATE.format(
        environment=environment, branch=address.branch(root), repo=address.read(root)
    )


def is_first_cell(cell):
    """Whether `cell` is some version of this cell."""
    return cell.cell_type == "code" and cell.source.startswith(TEMPLATE.split("\n")[0])


def refresh(notebook, root=ROOT):
    """Put the cell first among the code cells, or bring the one there up to date."""
    import nbformat

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not (code and is_first_cell(code[0])):
        cell = nbformat.v4.new_code_cell(id="first-cell")
        heading = notebook.cells and notebook.cells[0].cell_type == "markdown"
        notebook.cells.insert(1 if heading else 0, cell)
        code = [cell]
    tags = code[0].metadata.setdefault("tags", [])
    if "hide-input" not in tags:
        tags.append("hide-input")
    code[0].source = source(root)


if __name__ == "__main__":
    print(source())
