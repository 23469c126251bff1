"""What the site makes of docstrings, notebooks and the ledger."""

import base64
import doctest
import json
import re
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tools" / "ext"))

import docstrings  # noqa: E402
import mathjax  # noqa: E402
import texts  # noqa: E402


def rst(text, **options):
    return "\n".join(docstrings.to_rst(text.split("\n"), **options)).strip()


def test_backticks_become_code_and_other_signs_stand_for_themselves():
    assert rst("The `axis` of |x|, a*b and beta_.") == (
        r"The ``axis`` of \|x\|, a\*b and beta\_."
    )
    assert rst("**It is so**: 2**3 and x**2.") == r"**It is so**: 2\*\*3 and x\*\*2."
    assert rst("`loss`es") == r"``loss``\ es"
    assert rst("See https://arxiv.org/a_b_c.") == "See https://arxiv.org/a_b_c."


def test_a_formula_in_an_indented_block_is_literal():
    text = "Draw.\n\n    w ← a * b\n      ← more\n\nThen go on."
    block = "::\n\n    w ← a * b\n      ← more\n\nThen go on."
    assert rst(text) == f"Draw.\n\n{block}"


def test_sections_become_terms_with_definitions():
    text = (
        "Do.\n\nArgs:\n    x, y: Two `arrays`\n        of *one* shape.\n    **kw: Rest."
    )
    expected = (
        "Do.\n\n.. rubric:: Arguments\n\n``x``, ``y``\n    Two ``arrays``\n"
        "    of \\*one\\* shape.\n``**kw``\n    Rest."
    )
    assert rst(text) == expected
    assert rst("Returns:\n    A float.") == ".. rubric:: Returns\n\nA float."


def test_lead_words_stand_out_also_without_a_blank_line():
    text = "Reference: He, 2015,\nhttps://x.org/a_b\nEquation: eq-a-b, eq-a-c"
    link = "**Equation:** :eq:`eq-a-b`, :eq:`eq-a-c`"
    assert rst(text, equation=":eq:`{}`".format) == (
        f"**Reference:** He, 2015,\nhttps://x.org/a_b\n\n{link}"
    )


def test_an_example_is_left_to_doctest():
    text = "Go.\n\n>>> f(a_b)\n1 | 2\n\nEnd."
    assert rst(text) == text


def test_no_docstring_of_the_package_loses_a_word():
    """Every word of every docstring comes out again."""
    import ast

    def words(text):
        return re.findall(r"\w+", re.sub(r"[\\`*]|Arguments|rubric", "", text))

    for path in (ROOT / "dtlib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                text = ast.get_docstring(node) or ""
                text = re.sub(r"^Args:$", "", text, flags=re.M)
                assert words(rst(text)) == words(text), f"{path}: {node}"


def notebook(*outputs, text="# A title\n\n*One\nsentence.*\n"):
    cells = [{"cell_type": "markdown", "metadata": {}, "source": [text]}]
    for tags, png in outputs:
        image = {"image": {"alt": f"alt of {png}"}}
        output = {"data": {"image/png": base64.b64encode(png.encode()).decode()}}
        metadata = {"tags": tags, "mystnb": image}
        code = {"cell_type": "code", "source": [], "outputs": [{}, output]}
        cells.append(code | {"metadata": metadata})
    return {"cells": cells}


def test_a_card_shows_the_first_figure_or_the_one_tagged_cover():
    assert texts.opening(notebook()) == ("A title", "One sentence.")
    assert texts.cover(notebook()) is None
    png, alt = texts.cover(notebook(([], "one"), ([], "two")))
    assert (base64.b64decode(png), alt) == (b"one", "alt of one")
    assert texts.cover(notebook(([], "one"), (["cover"], "two")))[1] == "alt of two"
    with pytest.raises(ValueError, match="must begin with a title"):
        texts.opening(notebook(text="no title"))


def test_the_ledger_shows_every_claim_with_verdict_and_interval():
    stored = json.loads((ROOT / "book" / "_data" / "ledger.json").read_text("utf-8"))
    text = texts.ledger(stored)
    for id, claim in stored["claims"].items():
        scale = next(s for s in ("full", "standard", "quick") if s in claim)
        assert f"### {id} · {claim[scale]['verdict']}" in text
        assert claim["statement"] in text and claim[scale]["text"] in text
        for row in claim[scale]["rows"]:
            line = f"{texts.number(row['low'])} … {texts.number(row['high'])}"
            assert line in text


def test_the_computations_of_the_errata_give_what_they_show():
    text = (ROOT / "book" / "errata.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) > 8
    examples = doctest.DocTestParser().get_doctest(
        "\n".join(blocks), {}, "errata", "book/errata.md", 0
    )
    said = []
    doctest.DocTestRunner(verbose=False).run(examples, out=said.append)
    assert not said, "".join(said)


def test_numbers_have_a_true_minus_sign():
    assert texts.number(-0.00123456) == "−0.001235" and texts.number(None) == "—"


def test_every_citation_is_in_the_bibliography_and_keys_are_regular():
    bib = (ROOT / "book" / "references.bib").read_text("utf-8")
    keys = re.findall(r"^@\w+\{([^,]+),", bib, re.M)
    assert len(keys) == len(set(keys)) and keys == sorted(keys, key=str)
    assert all(re.fullmatch(r"[a-z]+(19|20)\d\d[b-z]?", key) for key in keys)
    for path in (ROOT / "book").glob("*.*"):
        if path.suffix in {".md", ".ipynb"}:
            for found in re.findall(
                r"\{cite(?::\w+)?\}`([^`]+)`", path.read_text("utf-8")
            ):
                assert set(found.split(",")) <= set(keys), path


def test_the_table_of_contents_holds_every_page():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))

    def files(entry):
        if isinstance(entry, dict):
            yield from [entry["file"]] if "file" in entry else []
            for value in entry.values():
                yield from files(value)
        elif isinstance(entry, list):
            for value in entry:
                yield from files(value)

    listed = {toc["root"], *files(toc["parts"])}
    found = [p for s in ("md", "ipynb") for p in (ROOT / "book").rglob(f"*.{s}")]
    there = {path.relative_to(ROOT).with_suffix("").as_posix() for path in found}
    assert listed == {name for name in there if ".ipynb_checkpoints" not in name}


def test_the_site_ships_the_mathematics_it_needs():
    try:
        below = dict((name, source) for source, name in mathjax.mathjax_files())
    except PackageNotFoundError:
        pytest.skip("the extra `book` is not installed here")
    assert {"tex-chtml.js", "a11y/assistive-mml.js"} <= below.keys()
    assert sum("woff-v2" in name for name in below) > 15
    size = sum(Path(source).stat().st_size for source in below.values())
    assert 1e6 < size < 4e6
