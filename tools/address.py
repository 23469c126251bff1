"""The repository's address: `_config.yml` holds it, everything else repeats it.

    python tools/address.py                                    prints the address
    python tools/address.py https://github.com/OWNER/NAME      writes it everywhere

Tests: tests/test_repository.py.
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKIPPED = {".git", ".venv", "_build", "__pycache__", ".ipynb_checkpoints"}
SKIPPED |= {"node_modules", "build", "dist", ".ruff_cache", ".pytest_cache"}
TEXT = {".bib", ".cff", ".css", ".ipynb", ".js", ".json", ".md", ".py", ".toml"}
TEXT |= {".yaml", ".yml", ".html"}
# Here every address on GitHub is the project's own; elsewhere others are cited too.
OWN = ("CITATION.cff", "CONTRIBUTING.md", "README.md", "_config.yml", "pyproject.toml")
OWN += ("dtlib/README.md", "dtlib/__init__.py")
PLACEHOLDER = ("OWNER", "NAME")
NAME = r"([\w-]+(?:\.[\w-]+)*)"
GITHUB = re.compile(rf"(?:github|google)\.com/(?:github/)?([\w.-]+)/{NAME}")
PAGES = re.compile(rf"([\w-]+)\.github\.io(?:/{NAME})?")


def _setting(root, key):
    config = (Path(root) / "_config.yml").read_text("utf-8")
    block = re.search(r"^repository:[^\n]*\n((?:[ \t#][^\n]*\n|\n)*)", config, re.M)
    value = block and re.search(rf"^\s+{key}:\s*[\"']?([^\s\"'#]+)", block[1], re.M)
    if not value:
        raise SystemExit(f"_config.yml has no `repository: {key}:`.")
    return value[1]


def read(root=ROOT):
    """The address in `_config.yml`, as https://github.com/OWNER/NAME."""
    return _setting(root, "url").rstrip("/")


def branch(root=ROOT):
    """The branch in `_config.yml`."""
    return _setting(root, "branch")


def site(owner, name):
    """Where GitHub Pages serves the site of that repository, without https://."""
    host = f"{owner.lower()}.github.io"
    return host if name.lower() == host else f"{host}/{name}"


def parse(url):
    """`(owner, name)` of an address on GitHub, or `ValueError`."""
    match = re.fullmatch(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?", url)
    if not match:
        raise ValueError(
            f"`URL` must be https://github.com/OWNER/NAME. Received: URL={url!r}."
        )
    return match.groups()


def files(root=ROOT):
    """Every text file of the project, in order."""
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(d for d in inner if d not in SKIPPED and "egg-info" not in d)
        for name in sorted(names):
            if Path(name).suffix in TEXT:
                yield Path(folder, name)


def _with_address(root):
    """The files that may say the address: all but the tests, which try others."""
    tests = Path(root, "tests")
    return (path for path in files(root) if tests not in path.parents)


def change(url, root=ROOT):
    """Write the new address wherever the old one stands; return the changed files."""
    old, new = parse(read(root)), parse(url)
    pairs = (("/".join(old), "/".join(new)), (site(*old), site(*new)))
    # Only where the address ends: `owner/name` is not part of `owner/name-extra`.
    patterns = [
        (re.compile(rf"(?<![\w.-]){re.escape(before)}(?![\w-])"), after)
        for before, after in pairs
    ]
    changed = []
    for path in _with_address(root):
        text = fresh = path.read_text("utf-8")
        for pattern, after in patterns:
            fresh = pattern.sub(after, fresh)
        if fresh != text:
            path.write_text(fresh, "utf-8")
            changed.append(path)
    return changed


def strays(root=ROOT):
    """Addresses that are meant to be the project's own, and are not: (file, address).

    In the files of `OWN` that is every other address on GitHub; elsewhere one that
    shares the owner or the name, but not both.
    """
    owner, name = parse(read(root))
    found = []
    for path in _with_address(root):
        place, text = path.relative_to(root).as_posix(), path.read_text("utf-8")
        for match in GITHUB.finditer(text):
            here = match[1], match[2].removesuffix(".git")
            ours = (here[0] == owner) + (here[1] == name)
            meant = place in OWN and here != PLACEHOLDER
            if ours < 2 and (meant or ours):
                found.append((place, match[0]))
        for match in PAGES.finditer(text):
            near = match[1] == owner.lower() or match[2] == name
            if match[0] != site(owner, name) and (place in OWN or near):
                found.append((place, match[0]))
    return found


if __name__ == "__main__":
    if len(sys.argv) > 1:
        try:
            written = change(sys.argv[1])
        except ValueError as error:
            raise SystemExit(str(error)) from None
        print(f"{len(written)} files now say {read()}.")
    else:
        print(read())
