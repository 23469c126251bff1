"""The command line: `python -m dtlib claims list | run | show`.

The appendix `claims` of the book explains it. Tests: tests/test_claims.py.
"""

import argparse
import sys
import textwrap
from pathlib import Path

from dtlib.claims import ledger, registry
from dtlib.claims.evidence import SCALES

CACHE = Path.home() / ".cache" / "dtlib" / "runs"


def main(arguments=None):
    """Run the command; return its exit status."""
    asked = _parser().parse_args(arguments)
    try:
        asked.do(asked)
    except ValueError as error:
        print(f"dtlib claims: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("\n".join(["Interrupted.", *getattr(stop, "__notes__", ())]))
        return 130
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m dtlib")
    topics = parser.add_subparsers(required=True, metavar="claims")
    claims = topics.add_parser(
        "claims", help="test rules of thumb, and read the ledger"
    )
    commands = claims.add_subparsers(required=True, metavar="list | run | show")

    command = commands.add_parser("list", help="all claims, and what the ledger says")
    command.set_defaults(do=_list)

    command = commands.add_parser("run", help="test claims, and write the ledger")
    command.set_defaults(do=_run)
    command.add_argument(
        "ids", nargs="*", metavar="ID", help="such as C03; default all"
    )
    command.add_argument("--scale", choices=SCALES, default="quick")
    command.add_argument("--jobs", type=int, help="processes; default a core each")
    command.add_argument(
        "--cache", default=CACHE, help="folder for finished runs; default %(default)s"
    )

    show = commands.add_parser("show", help="the parts of a claim's evidence")
    show.set_defaults(do=_show)
    show.add_argument("ids", nargs="*", metavar="ID", help="such as C03; default all")
    for each in commands.choices.values():
        each.add_argument("--ledger", default=ledger.LEDGER, help="default %(default)s")
    return parser


def _list(asked):
    print(table(ledger.load(asked.ledger)))


def _run(asked):
    ids = asked.ids or registry.identifiers()
    print(f"{len(ids)} claims, scale {asked.scale}. Ledger: {asked.ledger}", flush=True)

    def report(id, entry):
        line = f"{id}  {entry['verdict']:12}  {estimate(entry)}  {entry['seconds']} s"
        print(line, flush=True)

    ledger.run(
        ids,
        asked.scale,
        ledger=asked.ledger,
        jobs=asked.jobs,
        cache=asked.cache,
        progress="auto",
        report=report,
    )


def _show(asked):
    stored = ledger.load(asked.ledger)
    for id in asked.ids or registry.identifiers():
        claim = registry.get(id)
        print(f"{id}  {claim.statement}\n     {claim.source}")
        entries = {s: e for s, e in stored.get(id, {}).items() if s in SCALES}
        if not entries:
            print("     not run yet")
        for scale, entry in entries.items():
            print(f"\n     {scale}: {entry['verdict']}, {entry['date']}", end="")
            print(f", {entry['seconds']} s on {entry['machine']['processor']}")
            print(
                textwrap.fill(
                    entry["text"], 84, initial_indent=" " * 5, subsequent_indent=" " * 5
                )
            )
            for row in entry["rows"]:
                note = "" if row["decides"] else " (for comparison)"
                print(f"     {row['outcome']:12}  {interval(row)}  {row['name']}{note}")
        print()


def table(claims):
    """The ledger as text: a line a claim and scale."""
    lines = [("id", "chapter", "scale", "verdict", "estimate", "date", "statement")]
    for id in registry.identifiers():
        claim = registry.get(id)
        entries = [(s, claims.get(id, {}).get(s)) for s in SCALES]
        for scale, entry in [e for e in entries if e[1]] or [("-", None)]:
            found = ("not run yet", "-", "-")
            if entry:
                found = (entry["verdict"], estimate(entry), entry["date"])
            lines.append((id, claim.chapter, scale, *found, claim.statement))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[-1] = 0
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def estimate(entry):
    """The first part that has the claim's verdict, as `estimate [low, high]`."""
    same = (
        row
        for row in entry["rows"]
        if row["decides"] and row["outcome"] == entry["verdict"]
    )
    return interval(next(same)) if entry["rows"] else "-"


def interval(row):
    return f"{row['estimate']:+.3g} [{row['low']:+.3g}, {row['high']:+.3g}]"
