"""The tools that write notebooks: first cell, comparison of figures, runner."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from tools import figures, first_cell, run_notebooks

ROOT = Path(__file__).parent.parent

# The first cell, run by another Python in a folder that has no dtlib.


def python(folder, program):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def repository(tmp_path):
    """A small repository that has a `dtlib`, and the first cell that fetches it."""
    origin = tmp_path / "origin"
    (origin / "dtlib").mkdir(parents=True)
    (origin / "book").mkdir()
    book = "/".join(origin.as_posix().split("/")[-2:])
    (origin / "dtlib" / "__init__.py").write_text(f"BOOK = {book!r}\n")
    (origin / "book" / "references.bib").write_text("")
    git = ["git", "-C", str(origin), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "a"]):
        subprocess.run([*git, *command], check=True)
    source = first_cell.TEMPLATE.format(
        environment="", branch="main", repo=origin.as_uri()
    )
    content = tmp_path / "content"
    content.mkdir()
    return origin, content, source.replace('"/content"', repr(str(content)))


IN_COLAB = "import sys, types; sys.modules['google.colab'] = types.ModuleType('c')\n"
WHERE = "\nimport os; print(dtlib.__file__, os.getcwd(), sep='|', end='')"


def test_in_colab_the_first_cell_fetches_the_repository_and_can_run_again(repository):
    origin, content, source = repository
    clone = content / origin.name
    for _ in range(2):  # the second run finds the clone
        result = python(content, f"{IN_COLAB}{source}\n{source}{WHERE}")
        assert result.stderr == ""
        assert result.stdout == f"{clone / 'dtlib' / '__init__.py'}|{clone / 'book'}"


def test_elsewhere_the_first_cell_finds_the_folder_above(repository):
    origin, _, source = repository
    result = python(origin / "book", source + WHERE)
    assert result.stderr == ""
    assert result.stdout == f"{origin / 'dtlib' / '__init__.py'}|{origin / 'book'}"


def test_the_first_cell_refuses_another_package_called_dtlib(repository):
    origin, content, source = repository
    (content / "dtlib.py").write_text("")
    result = python(content, f"import dtlib\n{IN_COLAB}{source}")
    assert "is another project called dtlib. Restart the kernel" in result.stderr


# The comparison of figures, at the resolution of the book.


def draw(label="epoch", rise=0.0, dpi=200):
    figure, ax = plt.subplots(figsize=(5, 3), dpi=dpi, layout="constrained")
    x = np.linspace(0, 10, 50)
    ax.plot(x, np.exp(-x / 3) + rise)
    ax.set(xlabel=label, ylabel="training loss", ylim=(0, 1))
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize("label", ["Epoch", "epochs", "opoch", "epach", ""])
def test_a_changed_letter_in_a_label_changes_the_figure(label):
    assert not figures.same(draw(), draw(label))


def test_a_curve_raised_by_a_percent_changes_the_figure_and_by_a_tenth_does_not():
    assert figures.same(draw(), draw())
    assert figures.same(draw(), draw(rise=0.001))
    assert not figures.same(draw(), draw(rise=0.01))


def test_figures_of_another_matplotlib_are_compared_coarsely():
    from PIL import Image, PngImagePlugin

    def by(png, program):
        with Image.open(io.BytesIO(base64.b64decode(png))) as image:
            info, file = PngImagePlugin.PngInfo(), io.BytesIO()
            info.add_text("Software", program)
            image.save(file, "png", pnginfo=info)
        return base64.b64encode(file.getvalue()).decode()

    other = by(draw("epochs", dpi=202), "Matplotlib of tomorrow")
    assert figures.same(draw(), other)
    assert not figures.same(draw(rise=0.05), other)


def test_a_packed_figure_is_the_same_picture_in_half_the_bytes():
    png = draw()
    packed = figures.packed(png)
    (before, by), (after, still_by) = figures.decode(png), figures.decode(packed)
    assert np.abs(before - after).max() < 0.06  # a lost letter would show 1
    assert (after[0, 0] == 1).all() and by == still_by  # white stays white
    assert len(packed) < len(png) / 2
    assert figures.packed(packed) == packed
    assert figures.same(packed, png)
    assert not figures.same(packed, draw("Epoch"))


def test_a_blank_figure_is_noticed():
    file = io.BytesIO()
    plt.imsave(file, np.ones((20, 20, 3)), format="png")
    assert figures.is_blank(base64.b64encode(file.getvalue()).decode())
    assert not figures.is_blank(draw())


# The runner.


def cell(source, outputs=(), **metadata):
    return nbformat.v4.new_code_cell(
        source, id="a-cell", outputs=list(outputs), metadata=metadata
    )


def stream(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


@pytest.fixture
def runner(tmp_path):
    """Write a notebook of the given cells and run it by the command line."""
    path = tmp_path / "one.ipynb"

    def run(*cells, mode=()):
        if cells:
            nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
        command = [sys.executable, run_notebooks.__file__, "--folder", ROOT, path]
        result = subprocess.run([*command, *mode], capture_output=True, text=True)
        return result.returncode, result.stdout + result.stderr

    run.path = path
    return run


def test_a_second_run_changes_no_file_and_check_sees_an_edited_digit(runner):
    failed, said = runner(cell("print(1 / 3)\nprint('took 0.12 s')"))
    assert not failed and "rewritten" in said, said
    notebook = nbformat.read(runner.path, as_version=4)
    assert notebook.cells[0].source == first_cell.source()
    assert notebook.cells[1].outputs[0].text.startswith("0.3333")
    assert notebook.metadata.outputs_of == run_notebooks.fingerprint(notebook)
    before = runner.path.read_bytes()
    assert "unchanged" in runner()[1]
    assert "as stored" in runner(mode=["--check"])[1]
    assert runner.path.read_bytes() == before
    runner.path.write_bytes(before.replace(b"0.3333", b"0.3334"))
    failed, said = runner(mode=["--check"])
    assert failed and "differ from the stored" in said


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import sys\nprint('careful', file=sys.stderr)", "writes to stderr: careful"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_notebook_that_fails_or_warns_is_not_stored(runner, source, reason):
    runner(cell("1"))
    nothing = runner.path.read_bytes()
    notebook = nbformat.read(runner.path, as_version=4)
    notebook.cells[1].source = source
    nbformat.write(notebook, runner.path)
    before = runner.path.read_bytes()
    assert before != nothing
    failed, said = runner()
    assert failed and "NOT STORED" in said and reason in said
    assert runner.path.read_bytes() == before


def test_a_notebook_without_its_table_is_not_stored(tmp_path, monkeypatch):
    from dtlib import datasets

    def offline(**_):
        raise datasets.DataUnavailable("no network")

    monkeypatch.setattr(datasets, "thoracic_surgery", offline)
    path = tmp_path / "one.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[cell("1", tags=["needs-thoracic"])])
    nbformat.write(notebook, path)
    _, _, said, good = run_notebooks.timed(path, {"mode": "store"})
    assert not good and "DataUnavailable: no network" in said


def test_an_output_is_kept_where_only_a_duration_differs():
    old, new = [stream("0.25 in 1.23 s\n")], [stream("0.25 in 4.56 s\n")]
    assert run_notebooks.same(old, new)
    assert not run_notebooks.same(old, [stream("0.26 in 1.23 s\n")])
    assert not run_notebooks.same(old, [])
    assert run_notebooks.same(old, [stream("anything")], ignored=True)


def test_streams_are_stored_in_one_piece_and_widgets_not_at_all():
    widget = nbformat.v4.new_output("display_data", {run_notebooks.WIDGET: {}})
    outputs = run_notebooks.merged([stream("a"), stream("b"), widget])
    assert outputs[0].text == "ab"
    assert not outputs[1].data
