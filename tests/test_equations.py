"""A numbered equation stands in a chapter, in a function and in a test, or in none."""

import importlib
import json

import pytest

from tools import equations

EQUATIONS = equations.gather()
CHAPTERS = {page.split("_", 1)[1] for e in EQUATIONS for page in e.pages}


def test_the_book_has_numbered_equations():
    assert len(EQUATIONS) > 10 and CHAPTERS


@pytest.mark.parametrize("equation", EQUATIONS, ids=lambda e: e.label)
def test_an_equation_is_in_one_chapter_in_a_function_and_in_a_test(equation):
    stem = equation.label.split("-")[1]
    pages = [page.split("_", 1)[1] for page in equation.pages]
    assert pages == [stem], f"`{equation.label}` is labeled in {equation.pages}."
    assert equation.functions, f"No function says `Equation: {equation.label}`."
    assert equation.tests, f"No test is marked `equation({equation.label!r})`."


def test_a_function_with_an_equation_is_public():
    for equation in EQUATIONS:
        for name in equation.functions:
            _, module, *path = name.split(".")
            there = importlib.import_module(f"dtlib.{module}")
            assert path[0] in there.__all__, name


@pytest.fixture
def book(tmp_path):
    def write(text, docstring, mark):
        for folder in ("book", "dtlib/two", "tests"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        cell = {"cell_type": "markdown", "source": text.splitlines(keepends=True)}
        code = {"cell_type": "code", "source": ["# $$ (eq-two-not-this)"]}
        notebook = json.dumps({"cells": [cell, code]})
        (tmp_path / "book/02_two.ipynb").write_text(notebook)
        rule = f'class A:\n    def f(self):\n        """F.\n\n        {docstring}"""\n'
        (tmp_path / "dtlib/two/_part.py").write_text(rule)
        test = f"import pytest\n\n\n{mark}\ndef test_f():\n    pass\n"
        (tmp_path / "tests/test_two.py").write_text(test)
        return equations.gather(tmp_path)

    return write


def test_the_three_places_are_joined(book):
    text = "$$\ny = x\n$$ (eq-two-line)\n\n```{math}\n:label: eq-two-sum\ny\n```\n"
    mark = '@pytest.mark.equation("eq-two-line", "eq-two-sum")'
    line, total = book(text, "Equation: eq-two-line, eq-two-sum", mark)
    assert line == equations.Equation(
        "eq-two-line",
        ["book/02_two"],
        ["dtlib.two.A.f"],
        ["tests/test_two.py::test_f"],
    )
    assert total.label == "eq-two-sum" and total[1:] == line[1:]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_what_is_missing_in_one_place_is_seen(book, missing):
    places = [
        "$$x$$ (eq-two-a)",
        "Equation: eq-two-a",
        '@pytest.mark.equation("eq-two-a")',
    ]
    places[missing] = "" if missing < 2 else "@pytest.mark.skip"
    (found,) = book(*places)
    assert [bool(place) for place in found[1:]] == [i != missing for i in range(3)]


def test_a_label_that_is_written_otherwise_is_another(book):
    text = "$$x$$ (eq-two-a)"
    found = book(text, "Equation: eq-two-b", '@pytest.mark.equation("eq-two-a")')
    assert [equation.label for equation in found] == ["eq-two-a", "eq-two-b"]
