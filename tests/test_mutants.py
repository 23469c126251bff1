"""The tool that breaks rules on purpose: what it breaks, and whom it blames."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import mutants

ROOT = Path(__file__).parent.parent
RULE = '''"""Toys."""

__all__ = ["Toy", "distance"]


def _gap(a, b):
    return abs(a - b)


def distance(a, b, *, least):
    """Not 1 + 1."""
    if a < 0:
        raise ValueError(f"`a` is {a + 1}.")
    return max(_gap(a, b), -least)


class Toy:
    def __init__(self):
        self.zero = 0 + 1

    def call(self, a):
        return a if a > 0 else _gap(a, 0)
'''
CHANGES = [
    "a < 0 → a >= 0",
    "0 → 1",
    "max(_gap(a, b), -least) → min(_gap(a, b), -least)",
    "-least → least",
    "abs(a - b) → a - b",
    "a - b → a + b",
    "a - b → a",
    "a - b → b",
]


@pytest.fixture
def toy(tmp_path):
    """A repository with one family, whose tests see some breaks and not others."""
    test = """
        import pytest
        from dtlib.toy import Toy, distance

        def test_distance():
            assert distance(3, 1, least=-0.5) == 2 and Toy().call(3) == 3
            with pytest.raises(ValueError):
                distance(-1, 1, least=0)
    """.replace("\n        ", "\n")
    files = {
        "dtlib/__init__.py": "",
        "dtlib/toy/__init__.py": RULE,
        "tests/__init__.py": "",
        "tests/test_toy.py": test,
        "pyproject.toml": "[tool.pytest.ini_options]\n"
        "pythonpath = ['.']\naddopts = '--import-mode=importlib'\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def test_a_helper_goes_with_the_first_rule_that_calls_it(toy):
    path = toy / "dtlib/toy/__init__.py"
    found = mutants.rules("toy", toy)
    assert found == {
        "distance": [(path, "distance"), (path, "_gap")],
        "Toy": [(path, "Toy")],
    }


def test_every_break_is_another_program_that_compiles_and_they_come_in_order(toy):
    path = toy / "dtlib/toy/__init__.py"
    places = [(path, "distance"), (path, "_gap")]
    found = mutants.mutants("distance", places)
    assert [mutant.change for mutant in found] == CHANGES
    assert found == mutants.mutants("distance", places)
    assert [mutant.line for mutant in found] == [12, 12, 14, 14, 7, 7, 7, 7]
    sources = [mutant.source for mutant in found]
    assert len({ast.unparse(ast.parse(RULE)), *sources}) == 1 + len(CHANGES)
    for source in sources:
        compile(source, "mutant", "exec")


@pytest.mark.parametrize(
    "old, new",
    [
        ("1 - x", ["1 + x", "1", "x", "2 - x"]),
        ("x ** 2", ["x * 2", "x ** 3"]),
        ("ops.sqrt(x) * y", ["ops.sqrt(x) / y", "x * y"]),
        ("a and not b", ["a or not b", "a and b"]),
        ("x if t else y", ["y if t else x"]),
        ("ops.mean(x)", ["ops.sum(x)"]),
        ("x == y", ["x != y"]),
        ("f'{1 + 1}'", []),
        ("True", []),
    ],
)
def test_what_an_expression_becomes(old, new, tmp_path):
    path = tmp_path / "one.py"
    path.write_text(f"def f(x, y, a, b, t):\n    return {old}\n")
    found = mutants.mutants("f", [(path, "f")])
    made = [ast.parse(m.source).body[0].body[0].value for m in found]
    assert [ast.unparse(value) for value in made] == new


def test_no_constructor_config_error_or_docstring_is_broken(toy):
    path = toy / "dtlib/toy/__init__.py"
    found = mutants.mutants("Toy", [(path, "Toy")])
    changed = [mutant.change for mutant in found]
    assert len(changed) == 4 and all("a > 0" in c or "0 → 1" in c for c in changed)


@pytest.mark.parametrize(
    "limit, picked", [(9, [0, 1, 2, 3, 4]), (3, [0, 2, 4]), (1, [0])]
)
def test_a_few_are_spread_over_all(limit, picked):
    assert mutants.spread([0, 1, 2, 3, 4], limit) == picked


def test_every_family_of_the_package_has_rules_to_break():
    for stem in mutants.FAMILIES.split():
        assert mutants.rules(stem), stem


def command(*arguments):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, ROOT / "tools/mutants.py", *arguments, "--warm", ""],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_break_the_tests_notice_is_killed_and_another_survives(toy):
    table = toy / "table.json"
    given = "toy", "--root", toy, "--rules", "distance", "--limit", "3", "--json", table
    result = command(*given)
    assert result.returncode == 0 and "  2 of   3 killed" in result.stdout
    (row,) = json.loads(table.read_text("utf-8"))
    assert [row[key] for key in ("rule", "mutants", "killed")] == ["toy.distance", 3, 2]
    # No test has an a below b.
    assert row["survivors"] == ["dtlib/toy/__init__.py:7: abs(a - b) → a - b"]
    assert (toy / "dtlib/toy/__init__.py").read_text("utf-8") == RULE


def test_tests_that_fail_on_the_unchanged_rules_judge_nothing(toy):
    (toy / "tests/test_toy.py").write_text("def test_a():\n    assert False\n")
    result = command("toy", "--root", toy)
    assert result.returncode == 1 and "fail on the unchanged rules" in result.stderr
