"""The repository agrees with itself: one address, one version, commands that exist."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import dtlib
from tools import address, requirements

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# Of PyPI's dtlib, which is another project; ours is fetched from its repository.
WRONG_INSTALL = re.compile(r"pip3?\s+install[^\n]*(?<![\w/-])dtlib(?![\w/-])")


def text(name):
    return (ROOT / name).read_text("utf-8")


def tracked():
    """The files of the repository, or of the folder when it is no repository."""
    git = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    listing = subprocess.run(git, capture_output=True, text=True)
    if listing.returncode == 0:
        return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]
    return [path.relative_to(ROOT).as_posix() for path in address.files()]


def test_the_address_is_the_same_everywhere():
    assert address.strays() == []
    ours = address.read()
    assert dtlib.BOOK == "/".join(address.parse(ours))
    assert all(url.startswith((ours, page())) for url in PROJECT["urls"].values())
    citation = yaml.safe_load(text("CITATION.cff"))
    assert (citation["repository-code"], citation["url"]) == (ours, page())
    assert ours in text("README.md") and page() in text("README.md")
    config = yaml.safe_load(text("_config.yml"))
    assert config["html"]["baseurl"].rstrip("/") + "/" == page()


def page():
    return f"https://{address.site(*address.parse(address.read()))}/"


@pytest.fixture
def copy(tmp_path):
    """The project's text files, somewhere else."""
    for path in address.files():
        there = tmp_path / path.relative_to(ROOT)
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)
    return tmp_path


def test_a_new_address_reaches_every_place_and_can_be_taken_back(copy):
    old = address.read(copy)
    before = {path: path.read_bytes() for path in address.files(copy)}
    changed = address.change("https://github.com/Some-One/another.name", copy)
    names = {path.relative_to(copy).as_posix() for path in changed}
    assert names >= {"_config.yml", "README.md", "CITATION.cff", "pyproject.toml"}
    assert names >= {"dtlib/__init__.py"} | {n for n in names if n.endswith(".ipynb")}
    assert address.read(copy) == "https://github.com/Some-One/another.name"
    assert address.strays(copy) == []
    for path in changed:
        left = path.read_text("utf-8")
        assert "/".join(address.parse(old)) not in left
        assert address.site(*address.parse(old)) not in left
    address.change(old, copy)
    assert {path: path.read_bytes() for path in address.files(copy)} == before


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("README.md", "https://github.com/somebody/else"),
        ("CITATION.cff", "# https://somebody.github.io/else/"),
        ("book/stray.md", "https://github.com/somebody/{name}"),
        ("book/stray.md", "https://github.com/{owner}/else"),
        ("book/stray.md", "https://colab.research.google.com/github/somebody/{name}"),
        ("book/stray.md", "https://{owner}.github.io/else/"),
    ],
)
def test_one_address_that_differs_is_found(copy, name, line):
    owner, repository = address.parse(address.read(copy))
    with open(copy / name, "a") as file:
        file.write(line.format(owner=owner, name=repository) + "\n")
    assert [place for place, _ in address.strays(copy)] == [name]


def test_the_address_of_another_project_may_be_quoted_in_the_book(copy):
    (copy / "book" / "other.md").write_text("https://github.com/keras-team/keras\n")
    assert address.strays(copy) == []


@pytest.mark.parametrize("url", ["", "github.com/a/b", "https://example.org/a/b"])
def test_an_address_elsewhere_is_refused(copy, url):
    with pytest.raises(ValueError, match="`URL` must be https://github.com/OWNER/NAME"):
        address.change(url, copy)


def test_the_version_is_the_same_everywhere():
    version = dtlib.__version__
    assert yaml.safe_load(text("CITATION.cff"))["version"] == version
    assert re.search(rf"^## \[{re.escape(version)}\]", text("CHANGELOG.md"), re.M)
    assert PROJECT["dynamic"] == ["version"]


def test_nobody_is_told_to_install_the_other_dtlib():
    assert WRONG_INSTALL.search("!pip install -q dtlib")
    assert not WRONG_INSTALL.search("pip install git+https://x.org/y/dtlib-book")
    told = [p for p in address.files() if WRONG_INSTALL.search(p.read_text("utf-8"))]
    assert [p for p in told if p != Path(__file__)] == []


def test_requirements_are_lower_bounds():
    lines = requirements.requirements(["base", *PROJECT["optional-dependencies"]])
    # The theme's later releases draw a second search bar; the rules were compared with
    # one release of PyTorch.
    exact = {"sphinx-book-theme", "torch"}
    below = {"jupyter-book"}  # 2.x is another program
    for line in lines:
        name, bound = re.fullmatch(r"([\w-]+)(.*)", line).groups()
        if name in exact:
            assert bound.startswith("==")
        elif name in below:
            assert re.fullmatch(r">=[\d.]+,<\d+", bound)
        else:
            assert re.fullmatch(r">=[\d.]+", bound), line


def test_the_site_needs_no_tensorflow():
    assert not any("tensorflow" in line for line in requirements.requirements(["book"]))
    with pytest.raises(SystemExit, match="must be one of"):
        requirements.requirements(["bok"])


def test_no_built_page_and_no_table_of_patients_is_in_the_repository():
    names = tracked()
    assert "pyproject.toml" in names
    assert [n for n in names if re.search(r"\.(html?|csv|pyc|mo|zip|tar|gz)$", n)] == []
    assert [n for n in names if os.path.getsize(ROOT / n) > 7_000_000] == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "dtlib/README.md"])
def test_links_between_files_lead_somewhere(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", text(name)):
        if not re.match(r"https?:|#|mailto:", target):
            path = (ROOT / name).parent / target.split("#")[0]
            assert path.exists(), target


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_the_commands_that_are_named_exist(name):
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text(name), re.M))
    assert named and named <= targets


def test_the_quick_start_of_the_readme_runs():
    (program,) = re.findall(r"```python\n(.*?)```", text("README.md"), re.S)
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert 8 <= len(program.strip().splitlines()) <= 14


def test_the_workflows_are_valid_and_call_the_makefile():
    folder = ROOT / ".github" / "workflows"
    flows = {path.stem: yaml.safe_load(path.read_text()) for path in folder.iterdir()}
    assert set(flows) == {"colab", "site", "test"}
    commands = str(flows)
    assert "make test" in commands and "make book" in commands
    versions = flows["test"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = [c.split(" :: ")[-1] for c in PROJECT["classifiers"] if ":: 3." in c]
    assert versions == named
