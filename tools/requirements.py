"""The requirements of pyproject.toml, without installing the project itself.

    python tools/requirements.py book              prints the extra `book`
    python tools/requirements.py base test         prints the base and `test`
    python tools/requirements.py --install base    installs them, one name as it comes

The project is used from its folder, so that what is tested is what is edited.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

# "Collecting numpy>=1.26 (from ...)" or "Processing /a/folder/numpy-1.26-...".
FETCHED = re.compile(r"(?:Collecting |Processing (?:\S*/)?)(\w+(?:[.-][A-Za-z]\w*)*)")
PYPROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def requirements(groups):
    """The requirements of the named extras, `base` being the project's own."""
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    known = {"base": project["dependencies"], **project["optional-dependencies"]}
    for group in groups:
        if group not in known:
            raise SystemExit(f"`{group}` must be one of {sorted(known)}.")
    return sorted({line for group in groups for line in known[group]})


def install(lines):
    """Run pip, print the packages it fetches, and on failure all that it said."""
    command = [sys.executable, "-m", "pip", "install", "--no-input"]
    command += ["--disable-pip-version-check", *lines]
    said, width = [], 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout:
            said.append(line)
            if match := FETCHED.match(line):
                lead = "\n  " if width > 70 else "  " if not width else " "
                width = (0 if width > 70 else width) + len(match[1]) + 1
                print(lead, match[1], sep="", end="", flush=True)
            elif line.startswith("Installing collected"):
                print("\n  ... unpacking", flush=True)
    if pip.returncode:
        print("", *said, sep="\n  ", file=sys.stderr)
        raise SystemExit(f"pip could not install: {' '.join(lines)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--install"]:
        install(requirements(sys.argv[2:]))
    else:
        print(*requirements(sys.argv[1:]), sep="\n")
