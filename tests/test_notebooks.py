"""What nbval does not see: order of runs, alternative texts, figures, sections."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from tools import figures, first_cell, run_notebooks

ROOT = Path(__file__).parent.parent
CHAPTER = re.compile(r"book/(\d\d)_(\w+)\.ipynb")
SECTIONS = ("Where notes go wrong", "In Keras", "Exercises", "Quiz", "Further reading")


def listed():
    """The files of _toc.yml, in order."""

    def walk(node):
        if isinstance(node, dict):
            yield from (node[key] for key in ("root", "file") if key in node)
            node = list(node.values())
        for inner in node if isinstance(node, list) else ():
            yield from walk(inner)

    return list(walk(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))))


NOTEBOOKS = [p.relative_to(ROOT).as_posix() for p in run_notebooks.notebooks()]
CHAPTERS = [place for place in NOTEBOOKS if CHAPTER.fullmatch(place)]
every_notebook = pytest.mark.parametrize("place", NOTEBOOKS)
every_chapter = pytest.mark.parametrize("place", CHAPTERS)


def read(place):
    return nbformat.read(ROOT / place, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def markdown(notebook):
    cells = [c.source for c in notebook.cells if c.cell_type == "markdown"]
    return "\n\n".join(cells)


def tags(cell):
    return set(cell.metadata.get("tags", []))


def pngs(cell):
    found = (output.get("data", {}).get("image/png") for output in cell.outputs)
    return [png for png in found if png]


def headings(text):
    text = re.sub(r"^(`{3,}|~{3,}|:{3,}).*?^\1\s*$", "", text, flags=re.M | re.S)
    return re.findall(r"^(#+)\s+(.+?)\s*$", text, re.M)


def labels(text):
    """The labels of numbered equations that `text` defines."""
    after_dollars = re.findall(r"\$\$\s*\(([^)\s]+)\)", text)
    directives = re.findall(r"^(`{3,}|:{3,})\{math\}(.*?)^\1", text, re.M | re.S)
    inside = [re.search(r"^:label:\s*(\S+)", body, re.M) for _, body in directives]
    return after_dollars + [match[1] for match in inside if match]


def test_every_page_of_the_contents_exists_and_every_chapter_is_in_it():
    pages = listed()
    for page in pages:
        assert any((ROOT / f"{page}{end}").is_file() for end in (".md", ".ipynb")), page
    assert len(pages) == len(set(pages))
    assert CHAPTERS
    assert {place.removesuffix(".ipynb") for place in CHAPTERS} <= set(pages)


@every_notebook
def test_the_cells_were_run_once_from_top_to_bottom(place):
    counts = [cell.execution_count for cell in code(read(place))]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code(read(place)):
        for output in cell.outputs:
            if output.output_type == "execute_result":
                assert output.execution_count == cell.execution_count


@every_chapter
def test_the_outputs_are_those_of_the_code_beside_them(place):
    notebook = read(place)
    assert notebook.metadata.get("outputs_of") == run_notebooks.fingerprint(notebook), (
        f"a code cell was edited after its outputs were made: make run NB={place}"
    )


@every_notebook
def test_no_cell_fails_or_writes_to_stderr_unless_it_means_to(place):
    for cell in code(read(place)):
        kinds = {output.output_type for output in cell.outputs}
        assert ("error" in kinds) == ("raises-exception" in tags(cell)), cell.source
        assert all(output.get("name") != "stderr" for output in cell.outputs)


@every_notebook
def test_the_metadata_holds_nothing_of_one_machine_or_one_run(place):
    notebook = read(place)
    before = nbformat.from_dict(json.loads(json.dumps(notebook)))
    run_notebooks.tidy(notebook)
    assert notebook == before
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    text = (ROOT / place).read_text("utf-8")
    assert not re.search(r"/(home|Users|root|work|tmp)/", text)
    assert os.path.getsize(ROOT / place) <= 1_000_000


@every_notebook
def test_the_first_cell_is_the_template(place):
    first = code(read(place))[0]
    assert first.source == first_cell.source(), f"make run NB={place}"
    assert not first.outputs
    assert "hide-input" in tags(first)


@every_notebook
def test_no_cell_tries_to_silence_its_last_line_with_a_semicolon(place):
    for cell in code(read(place)):
        assert not cell.source.rstrip().endswith(";"), cell.source


@every_chapter
def test_cells_are_short(place):
    for cell in code(read(place))[2:]:  # after the first cell and the imports
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= 12, cell.source


@every_notebook
def test_no_output_holds_a_library_warning(place):
    """In a notebook TensorFlow logs to stdout, where it looks like a result."""
    for cell in code(read(place)):
        text = "".join(o.text for o in cell.outputs if o.output_type == "stream")
        assert not re.search(r"^(WARNING|INFO|ERROR)\b|Warning:", text, re.M), text


@every_notebook
def test_every_cell_that_draws_has_a_figure_and_every_figure_shows_something(place):
    draws = re.compile(r"plt\.show\(|\.plot\(|\bplots\.(?!use_style\b)[a-z]\w*\(")
    for cell in code(read(place)):
        if draws.search(cell.source) and "raises-exception" not in tags(cell):
            assert pngs(cell), cell.source
        assert not any(figures.is_blank(png) for png in pngs(cell)), cell.source


@every_notebook
def test_every_figure_has_a_text_that_stands_for_it(place):
    for cell in code(read(place)):
        if pngs(cell):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 30, cell.source
            assert not re.search(r"\.(png|svg|ipynb)$", alt), alt


@every_notebook
def test_cells_that_read_the_thoracic_table_are_tagged(place):
    for cell in code(read(place)):
        if "thoracic_surgery(" in cell.source:
            assert "needs-thoracic" in tags(cell), cell.source


@every_notebook
def test_headings_are_unique_and_the_title_comes_first(place):
    found = headings(markdown(read(place)))
    assert len(found) == len(set(found)), found
    assert [level for level, _ in found].count("#") == 1
    assert found[0][0] == "#"


@every_chapter
def test_a_chapter_has_every_section_and_enough_figures(place):
    notebook = read(place)
    titles = [title.lower() for _, title in headings(markdown(notebook))]
    for section in SECTIONS:
        assert any(title.startswith(section.lower()) for title in titles), section
    assert sum(len(pngs(cell)) for cell in code(notebook)) >= 5


@every_chapter
def test_a_chapter_is_of_readable_length(place):
    text = re.sub(
        r"\$\$.*?\$\$|\$.*?\$", " formula ", markdown(read(place)), flags=re.S
    )
    text = re.sub(r"<[^>]+>|\{[\w:-]+\}|`{3,}.*", " ", text)
    words = [word for word in text.split() if re.search(r"[A-Za-z]", word)]
    assert 2000 <= len(words) <= 3500, len(words)


@every_chapter
def test_equations_carry_the_stem_of_their_chapter(place):
    stem = CHAPTER.fullmatch(place)[2]
    found = labels(markdown(read(place)))
    assert found
    assert len(found) == len(set(found))
    assert [label for label in found if not label.startswith(f"eq-{stem}-")] == []


def test_each_number_of_the_text_is_glued_and_none_twice():
    glued, used = [], set()
    for place in NOTEBOOKS:
        notebook = read(place)
        outputs = [output for cell in code(notebook) for output in cell.outputs]
        found = (output.get("metadata", {}).get("scrapbook") for output in outputs)
        glued += [scrap["name"] for scrap in found if scrap]
        used |= set(re.findall(r"\{glue:text\}`([^`]+)`", markdown(notebook)))
    assert len(glued) == len(set(glued))
    assert used <= set(glued)


def test_every_equation_that_is_quoted_exists():
    texts = {place: markdown(read(place)) for place in NOTEBOOKS}
    known = {label for text in texts.values() for label in labels(text)}
    for place, text in texts.items():
        quoted = re.findall(r"\{eq\}`(?:[^`<]*<)?([^`>]+)>?`", text)
        assert [label for label in quoted if label not in known] == [], place
