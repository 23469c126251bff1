"""The ledger: what every claim's test found, with versions, machine, date and seconds.

The appendix `claims` of the book shows it. Tests: tests/test_claims.py.
"""

import dataclasses
import datetime
import json
import platform
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path

import joblib

import dtlib
from dtlib._check import one_of
from dtlib.claims import registry
from dtlib.claims.evidence import SCALES
from dtlib.experiments.store import write_atomically

LEDGER = Path(__file__).resolve().parents[2] / "book" / "_data" / "ledger.json"
FORMAT = 1
PACKAGES = ("keras", "numpy", "scipy", "tensorflow")


def load(path=LEDGER):
    """The ledger: `{id: {"statement", "source", "chapter", scale: entry}}`.

    An entry holds the fields of `Evidence`, and `seconds`, `date`, `versions`,
    `machine`. A ledger that is not there yet is empty.

    Raises:
        ValueError: Where the file does not hold a ledger.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text("utf-8"))
        if stored["format"] != FORMAT:
            raise ValueError(f"format {stored['format']}, not {FORMAT}")
        return stored["claims"]
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"`path` must hold a ledger. Received: {path} ({error}). Restore the file, "
            "or delete it and run the claims again."
        ) from error


def run(
    ids=None,
    scale="quick",
    *,
    ledger=None,
    jobs=None,
    cache=None,
    progress=False,
    report=None,
):
    """Compute the evidence of some claims, and write it to a ledger as it comes.

    A ledger whose evidence is confirmed by the same versions stays as it is, date and
    all: a second run changes no file.

    Args:
        ids: Ids; None is all claims.
        scale: "quick", "standard" or "full".
        ledger: Path of the file; None writes nothing. `LEDGER` is the book's.
        jobs, cache, progress: As in `experiments.compare`. With a `cache`, interrupted
            runs are taken up again.
        report: A function that is called with the id and the entry of each claim.

    Returns:
        `{id: entry}`, as in `load`.
    """
    one_of("scale", scale, SCALES)
    claims = [
        registry.get(id) for id in (registry.identifiers() if ids is None else ids)
    ]
    entries = {}
    for claim in claims:
        started = time.perf_counter()
        found = claim.evidence(scale, jobs=jobs, cache=cache, progress=progress)
        entry = dataclasses.asdict(found) | {
            "seconds": round(time.perf_counter() - started, 1),
            "date": datetime.date.today().isoformat(),
            "versions": versions(),
            "machine": machine(),
        }
        if ledger is not None:
            entry = _record(claim, scale, entry, Path(ledger))
        entries[claim.id] = entry
        if report is not None:
            report(claim.id, entry)
    return entries


def _record(claim, scale, entry, path):
    claims = load(path)
    about = {
        "chapter": claim.chapter,
        "statement": claim.statement,
        "source": claim.source,
    }
    kept = {k: v for k, v in claims.get(claim.id, {}).items() if k in SCALES}
    said = ("verdict", "numbers", "rows", "text", "versions")
    if scale in kept and all(kept[scale].get(k) == entry[k] for k in said):
        entry = kept[scale]
    kept[scale] = entry
    claims[claim.id] = about | {s: kept[s] for s in SCALES if s in kept}
    whole = {"format": FORMAT, "claims": dict(sorted(claims.items()))}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if not path.exists() or path.read_text("utf-8") != text:
        write_atomically(path, text)
    return entry


def versions():
    """Of Python, this package, and those the numbers depend on."""
    return {"python": platform.python_version(), "dtlib": dtlib.__version__} | {
        name: version(name) for name in PACKAGES
    }


def machine():
    """The processor's name and the number of cores, and nothing that names the host."""
    name = platform.processor() or platform.machine()
    if sys.platform == "linux":
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        name = found[1] if found else platform.machine()
    return {"processor": name, "cores": joblib.cpu_count()}
