"""Execute notebooks in fresh kernels and store their outputs.

    python tools/run_notebooks.py                          every notebook of the book
    python tools/run_notebooks.py book/01_losses.ipynb     one of them
    python tools/run_notebooks.py --check                  compare, write nothing
    python tools/run_notebooks.py --smoke --colab          only see that they run

An output is replaced only where the tests would call it different, so that a second
run changes no file, whatever the machine; `--fresh` replaces every output. A notebook
that fails, writes to stderr, or lacks the data it needs is not stored.
Tests: tests/test_notebooks.py.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import nbformat  # noqa: E402

from tools import figures, first_cell  # noqa: E402

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"}
LANGUAGE |= {"nbconvert_exporter": "python", "pygments_lexer": "ipython3"}
LANGUAGE |= {"codemirror_mode": {"name": "ipython", "version": 3}}
# What viewers and editors leave behind in a cell.
VOLATILE = ("execution", "ExecuteTime", "colab", "id", "outputId", "collapsed")
WIDGET = "application/vnd.jupyter.widget-view+json"


class Refused(Exception):
    """A notebook whose outputs must not be stored."""


def notebooks(root=ROOT):
    """Every notebook of the book, in order."""
    found = sorted((Path(root) / "book").rglob("*.ipynb"))
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def needs_thoracic(notebook):
    """Whether a cell is tagged as needing the thoracic-surgery table."""
    return any("needs-thoracic" in c.metadata.get("tags", []) for c in notebook.cells)


def fingerprint(notebook):
    """A digest of the code, kept beside the outputs: they are this code's."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def tidy(notebook):
    """Drop what differs from one run to the next without being a result."""
    notebook.metadata = nbformat.from_dict(
        {
            key: value
            for key, value in notebook.metadata.items()
            if key not in {"kernelspec", "language_info", "widgets", "colab"}
        }
        | {"kernelspec": KERNEL, "language_info": LANGUAGE}
    )
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number:03d}")
        for key in VOLATILE:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs = merged(cell.outputs)
    notebook.nbformat, notebook.nbformat_minor = 4, 5


def merged(outputs):
    """The outputs, streams in one piece each, figures packed, without widgets."""
    kept, streams = [], {}
    for output in outputs:
        data = output.get("data", {})
        data.pop(WIDGET, None)
        if "image/png" in data:
            data["image/png"] = figures.packed(data["image/png"])
        if output.output_type != "stream":
            kept.append(output)
        elif output.name in streams:
            streams[output.name].text += output.text
        else:
            streams[output.name] = output
            kept.append(output)
    return kept


def patterns():
    """The pairs of tests/nbval_sanitize.cfg: what the comparison overlooks."""
    text = (ROOT / "tests" / "nbval_sanitize.cfg").read_text("utf-8")
    pairs = re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, re.M)
    return [(re.compile(regex), replace) for regex, replace in pairs]


def same(stored, drawn, ignored=False):
    """Whether the comparison of the tests would accept `drawn` for `stored`.

    `ignored`: the cell is tagged nbval-ignore-output, so only the kinds count.
    """

    def clean(value):
        if isinstance(value, str):
            for regex, replace in patterns():
                value = regex.sub(replace, value)
        return value

    if len(stored) != len(drawn):
        return False
    for old, new in zip(stored, drawn, strict=True):
        if old.output_type != new.output_type or old.get("name") != new.get("name"):
            return False
        left, right = (dict(o.get("data", {})) for o in (old, new))
        if left.keys() != right.keys():
            return False
        if ignored:
            continue
        if "image/png" in left:
            if not figures.same(left.pop("image/png"), right.pop("image/png")):
                return False
        for key in ("text", "ename", "evalue"):
            left[key], right[key] = old.get(key), new.get(key)
        if any(clean(left[key]) != clean(right[key]) for key in left):
            return False
    return True


def keep_what_agrees(before, after):
    """Give each cell of `after` its stored outputs where they say the same."""
    for old, new in zip(before.cells, after.cells, strict=True):
        if new.cell_type == "code" and old.outputs:
            ignored = "nbval-ignore-output" in new.metadata.get("tags", [])
            if same(old.outputs, new.outputs, ignored):
                for kept, drawn in zip(old.outputs, new.outputs, strict=True):
                    if "execution_count" in kept:
                        kept.execution_count = drawn.execution_count
                new.outputs = old.outputs


def refusals(notebook):
    """Why these outputs must not be stored; errors have stopped the run before."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                yield f"cell {number} writes to stderr: {output.text.strip()[:300]}"


def execute(notebook, folder, timeout):
    """Run every cell in a fresh kernel of the Python that runs this."""
    from ipykernel.kernelspec import RESOURCES, get_kernel_dict
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class ThisPython(KernelSpecManager):
        def get_kernel_spec(self, kernel_name):
            return self.kernel_spec_class(resource_dir=RESOURCES, **get_kernel_dict())

    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython()),
        timeout=timeout,
        # Lines that C++ code logs stay out of the outputs.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
        resources={"metadata": {"path": str(folder)}},
    )
    environment = {**os.environ, **first_cell.ENVIRONMENT}
    environment.pop("MPLBACKEND", None)  # figures go into the notebook
    client.execute(env=environment, stderr=subprocess.DEVNULL)


def write(path, notebook):
    """Replace `path` at once: a reader sees the old file or the new, never half."""
    text = nbformat.writes(notebook)
    text += "" if text.endswith("\n") else "\n"
    if path.exists() and text == path.read_text("utf-8"):
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def run(path, mode="store", *, colab=False, folder=None, fresh=False, timeout=600):
    """Run one notebook; return what became of it, in words.

    `mode`: "store" writes the outputs, "check" only compares them with the stored
    ones, "smoke" only runs the cells. `colab` pretends to be there.
    """
    before = nbformat.read(path, as_version=4)
    if mode == "store":
        if needs_thoracic(before):
            from dtlib import datasets

            datasets.thoracic_surgery()  # without the table: raises, and says why
        tidy(before)
        first_cell.refresh(before)
    after = nbformat.reads(nbformat.writes(before), as_version=4)
    if colab:
        after.cells.insert(0, nbformat.v4.new_code_cell("import google.colab"))
    execute(after, folder or Path(path).parent, timeout)
    if mode == "smoke":
        return "runs"
    tidy(after)
    if wrong := list(refusals(after)):
        raise Refused("; ".join(wrong))
    if not fresh:
        keep_what_agrees(before, after)
    if "exercises" not in Path(path).parts:  # those share their solutions' metadata
        after.metadata["outputs_of"] = fingerprint(after)
    if mode == "store":
        return "rewritten" if write(Path(path), after) else "unchanged"
    if after.cells != before.cells or after.metadata != before.metadata:
        raise Refused("the outputs differ from the stored ones")
    return "as stored"


def timed(path, options):
    """`run`, with the seconds it took; errors come back as words."""
    start = time.perf_counter()
    try:
        result, good = run(path, **options), True
    except Exception as error:  # one notebook must not stop the others
        result, good = f"NOT STORED. {type(error).__name__}: {error}", False
    return path, time.perf_counter() - start, result, good


def main(arguments=None):
    """The command line; the number of notebooks that failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks; default: all")
    parser.add_argument("-n", type=int, default=2, help="how many at a time")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--smoke", action="store_true", help="only see that they run")
    parser.add_argument("--colab", action="store_true", help="pretend to be in Colab")
    parser.add_argument("--folder", type=Path, help="where to run; default: their own")
    parser.add_argument("--fresh", action="store_true", help="replace every output")
    parser.add_argument("--timeout", type=int, default=600, help="seconds for a cell")
    given = parser.parse_args(arguments)
    mode = "smoke" if given.smoke else "check" if given.check else "store"
    options = {"mode": mode, "colab": given.colab, "folder": given.folder}
    options |= {"fresh": given.fresh, "timeout": given.timeout}
    paths = [path.resolve() for path in given.paths] or notebooks()
    failed = 0
    with ProcessPoolExecutor(given.n) as pool:
        jobs = [pool.submit(timed, path, options) for path in paths]
        for done, job in enumerate(as_completed(jobs), 1):
            path, seconds, result, good = job.result()
            failed += not good
            print(f"[{done}/{len(paths)}] {path.name}: {seconds:.1f} s, {result}")
            sys.stdout.flush()
    return failed


if __name__ == "__main__":
    raise SystemExit(1 if main() else 0)
