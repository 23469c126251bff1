"""The shape of the package: who imports whom, one stem in three places, plain code."""

import ast
import re
from pathlib import Path

import pytest

import dtlib

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dtlib"
# Each module imports from the rows below its own, only.
ROWS = [
    {"__init__", "__main__"},
    {"exercises", "claims"},
    {"recipes", "doctor", "pretraining", "transfer", "scaling"},
    {"experiments"},
    {"training", "diagnostics", "datasets", "plots", "layers", "notebook"},
    {"losses", "initializers", "activations", "normalization", "clipping"}
    | {"optimizers", "schedules", "regularizers", "constraints", "callbacks"}
    | {"dropout", "augmentation"},
    {"_style"},
    {"_check", "_register", "_wide"},
]
ROW = {name: number for number, row in enumerate(ROWS) for name in row}
FILES = sorted(PACKAGE.rglob("*.py"))
every_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def module(path):
    """`losses` for dtlib/losses.py and for every file in dtlib/losses/."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def tree(path):
    return ast.parse(path.read_text("utf-8"))


def imported(path):
    """Every module that `path` imports, as a dotted name."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(path):
    """The dotted name of every attribute, name and call in `path`."""
    return {
        ast.unparse(node)
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.Attribute, ast.Name))
    }


@every_file
def test_imports_point_down(path):
    here = module(path)
    assert here in ROW, f"{here} has no row in this test"
    for name in imported(path):
        if name.startswith("dtlib."):
            there = name.split(".")[1]
            if there not in ROW:  # from dtlib import __version__
                there = "__init__"
            allowed = there == here or ROW[there] > ROW[here]
            # What the package says of itself (version, address) is for everyone.
            allowed |= name in {"dtlib.__version__", "dtlib.BOOK"}
            assert allowed, f"{here} may not import {there}"


@every_file
def test_only_plots_draws(path):
    if module(path) != "plots":
        assert "matplotlib" not in {name.split(".")[0] for name in imported(path)}


@every_file
def test_only_training_imports_tensorflow_and_the_rest_where_it_is_used(path):
    imports = (ast.Import, ast.ImportFrom)
    at_once = [node for node in tree(path).body if isinstance(node, imports)]
    if module(path) != "training":
        assert not any("tensorflow" in ast.unparse(node) for node in at_once)


@every_file
def test_no_name_appears_from_nowhere(path):
    assert not any(name.endswith(".*") for name in imported(path))


@every_file
def test_randomness_comes_through_the_seed_only(path):
    matches = (re.fullmatch(r"(?:np|numpy)\.random\.(\w+)", n) for n in calls(path))
    allowed = {"default_rng", "Generator", "SeedSequence", "RandomState", "PCG64"}
    assert {match[1] for match in matches if match} <= allowed
    assert "random" not in set(imported(path))


@every_file
def test_nothing_unpickles_or_evaluates_text(path):
    assert not {"eval", "exec"} & calls(path)
    roots = {name.split(".")[0] for name in imported(path)}
    assert not {"pickle", "dill", "cloudpickle", "shelve", "marshal"} & roots
    assert "allow_pickle=True" not in path.read_text("utf-8")


@every_file
def test_a_file_can_be_held_in_the_head(path):
    assert len(path.read_text("utf-8").splitlines()) <= 300


@every_file
def test_a_module_begins_by_leading_home(path):
    opening = ast.get_docstring(tree(path))
    if path.name != "__init__.py" or path.parent != PACKAGE:
        assert opening, f"{path} has no docstring"
        named = re.findall(r"tests/\w+\.py", opening)
        assert all((ROOT / test).is_file() for test in named), named


def chapters():
    """Stem → notebook, for every chapter in the book's folder."""
    found = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))
    return {path.stem[3:]: path.relative_to(ROOT).as_posix() for path in found}


def places(stem):
    """The module, and the tests, that go by the name of `stem`."""
    modules = [f"dtlib/{stem}.py", f"dtlib/{stem}/"]
    return [m for m in modules if (ROOT / m).exists()], f"tests/test_{stem}.py"


def test_a_chapter_has_its_module_and_its_tests():
    assert chapters()
    for stem in chapters():
        modules, tests = places(stem)
        assert len(modules) == 1, stem
        assert (ROOT / tests).is_file(), tests


def test_every_public_module_has_tests_of_its_name():
    assert {p for p in dtlib._MODULES if not places(p)[0]} == set()
    for name in {module(path) for path in FILES}:
        if not name.startswith("_"):
            assert name in dtlib._MODULES, name
            assert any((ROOT / "tests").glob(f"test_{name}*.py")), name


def test_the_map_in_the_readme_is_the_book():
    text = (ROOT / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `(book/\S+)` \| `(\S+)` \| `(\S+)` \|$", text, re.M)
    expected = [(nb, places(s)[0][0], places(s)[1]) for s, nb in chapters().items()]
    assert rows == expected


def test_the_oracles_know_nothing_of_the_package():
    for path in (ROOT / "tests").glob("oracles*.py"):
        assert not any(name.split(".")[0] == "dtlib" for name in imported(path))
