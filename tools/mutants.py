"""Break each rule on purpose, and count how many of the breaks its tests notice.

    python tools/mutants.py losses --rules hinge,poisson --limit 6 -n 2 --json out.json

A mutant is a copy of the package with one change in a public function, or in a helper
that it calls: another operator, constant or function, a term or a call left out. The
family's tests run on each copy. A mutant they fail on is killed; one they pass is a
survivor, which either changes nothing or shows a test that is missing.

TensorFlow takes ten seconds to import, so it is imported once, before any mutant, and
each mutant runs in a fork of that process. Tests: tests/test_mutants.py.
"""

import argparse
import ast
import copy
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = "losses initializers activations normalization clipping optimizers schedules"
FAMILIES += " regularizers constraints callbacks dropout augmentation"
ENVIRONMENT = dict(TF_CPP_MIN_LOG_LEVEL="3", MPLBACKEND="agg", OMP_NUM_THREADS="1")
ENVIRONMENT |= dict(TF_NUM_INTEROP_THREADS="1", TF_NUM_INTRAOP_THREADS="1")
WARM = "matplotlib,keras,scipy.stats,scipy.integrate,sklearn.metrics"
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
OPERATORS |= {ast.Pow: ast.Mult, ast.And: ast.Or, ast.Or: ast.And}
COMPARISONS = {ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt}
COMPARISONS |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
SWAPS = "min max, minimum maximum, mean sum, floor ceil, sin cos, log log1p, exp expm1"
SWAPS += ", argmin argmax, zeros_like ones_like, zeros ones, any all, normal uniform"
SWAPS = [pair.split() for pair in SWAPS.split(",")]
SWAPS = {a: b for pair in SWAPS for a, b in (pair, pair[::-1])}
DROPS = set("sqrt abs square relu log exp sign round floor transpose rsqrt".split())


class Mutant(NamedTuple):
    """One change: the file's new text, and what was changed where."""

    rule: str
    path: Path
    line: int
    change: str  # "old → new"
    source: str


def rules(stem, root=ROOT):
    """`{public name: [(path, name of a definition), ...]}`, its helpers included.

    A helper belongs to the first rule that calls it, so that it is mutated once.
    """
    package, public, defined = root / "dtlib" / stem, [], {}
    for path in sorted(package.rglob("*.py")) or [package.with_suffix(".py")]:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined[node.name] = path, node
            elif isinstance(node, ast.Assign) and "__all__" in ast.dump(node):
                names = (n for n in ast.walk(node) if isinstance(n, ast.Constant))
                public += [n.value for n in names if n.value not in public]
    taken, found = set(public), {}
    public = sorted(filter(defined.get, public), key=lambda name: name[0].isupper())
    for rule in public:  # functions first
        reached = [rule]
        for name in reached:  # grows while it is walked
            for node in ast.walk(defined[name][1]):
                if isinstance(node, ast.Name) and node.id in defined.keys() - taken:
                    taken.add(node.id)
                    reached.append(node.id)
        found[rule] = [(defined[name][0], name) for name in reached]
    return found


def mutants(rule, places):
    """Every mutant of a rule, from its first line to its last helper's last."""
    found = {}
    for path, name in places:
        tree = ast.parse(path.read_text("utf-8"))
        original = ast.unparse(tree) + "\n"
        for number, node in enumerate(_mutable(_definition(tree, name))):
            for new in _changes(node):
                changed = copy.deepcopy(tree)
                twin = list(_mutable(_definition(changed, name)))[number]
                _replace(changed, twin, new)
                text = ast.unparse(ast.fix_missing_locations(changed)) + "\n"
                change = f"{ast.unparse(node)} → {ast.unparse(new)}"
                if text != original:
                    mutant = Mutant(rule, path, node.lineno, change, text)
                    found.setdefault((path, text), mutant)
    return list(found.values())


def spread(found, limit):
    """`limit` of them, evenly from first to last."""
    step = (len(found) - 1) / max(1, limit - 1)
    return [found[round(i * step)] for i in range(limit)] if step > 1 else found


def _definition(tree, name):
    return next(n for n in tree.body if getattr(n, "name", None) == name)


def _mutable(definition):
    """Its expressions in order, without docstrings, defaults, errors and configs."""
    for node in definition.body:
        if isinstance(node, ast.FunctionDef):
            if node.name not in ("__init__", "get_config"):
                yield from _mutable(node)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            yield from _expressions(node)


def _expressions(node):
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr)):
        return
    if isinstance(node, ast.expr):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _expressions(child)


def _changes(node):
    """What an expression may be replaced by."""

    def other(**fields):
        new = copy.deepcopy(node)
        for name, value in fields.items():
            setattr(new, name, value)
        return new

    if isinstance(node, (ast.BinOp, ast.BoolOp)) and type(node.op) in OPERATORS:
        yield other(op=OPERATORS[type(node.op)]())
        if isinstance(node.op, (ast.Add, ast.Sub)):
            yield node.left
            yield node.right
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield other(ops=[COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield other(value=node.value + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield other(body=node.orelse, orelse=node.body)
    elif isinstance(node, ast.Call) and isinstance(
        node.func, (ast.Attribute, ast.Name)
    ):
        field = "attr" if isinstance(node.func, ast.Attribute) else "id"
        called = getattr(node.func, field)
        if called in SWAPS:
            function = copy.deepcopy(node.func)
            setattr(function, field, SWAPS[called])
            yield other(func=function)
        if called in DROPS and node.args:
            yield node.args[0]


def _replace(tree, old, new):
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(item is old for item in value):
                value[[item is old for item in value].index(True)] = new


def repository(root, folder):
    """A copy of the package, its tests and the settings; other folders are linked."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in Path(root).iterdir():
        if path.name in ("dtlib", "tests", "tools"):  # tools looks for itself
            skip = shutil.ignore_patterns("__pycache__")
            shutil.copytree(path, folder / path.name, ignore=skip)
        elif path.is_file():  # pytest follows a link to where its settings lie
            shutil.copy(path, folder)
        elif not path.name.startswith((".", "_")):
            (folder / path.name).symlink_to(path)
    return folder


def start(folder, tests, log, root=ROOT):
    """Run the tests in a fork, from the copy in `folder`; returns the process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads wait in TensorFlow; none is at work
        child = os.fork()
    if child:
        return child
    try:
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        os.chdir(folder)
        own = {"", str(root), str(Path(__file__).parent)}
        sys.path[:] = [str(folder), *(p for p in sys.path if p not in own)]
        os.environ["PYTHONPATH"] = str(folder)
        code = sys.modules["pytest"].main(["-x", "-q", *tests])
        sys.stdout.flush()
        at = Path(importlib.import_module("dtlib").__file__)
        os._exit(int(code) if folder in at.parents else 71)
    finally:
        os._exit(70)  # no test was run, or (71) not on the copy


def run(jobs, tests, root, processes, seconds):
    """`[(mutant, whether the tests failed), ...]`; None is the unchanged package."""
    results, running, waiting = [], {}, list(jobs)[::-1]
    with tempfile.TemporaryDirectory() as scratch:
        free = [Path(scratch) / f"copy{i}" for i in range(processes)]
        while waiting or running:
            while waiting and free:
                mutant, folder = waiting.pop(), repository(root, free.pop())
                if mutant is not None:
                    path = folder / mutant.path.relative_to(root)
                    path.write_text(mutant.source, "utf-8")
                child = start(folder, tests, folder.with_suffix(".txt"), root)
                running[child] = mutant, folder, time.monotonic()
            for child, (mutant, folder, began) in list(running.items()):
                late = time.monotonic() - began > seconds
                if late:
                    os.kill(child, signal.SIGKILL)
                done, status = os.waitpid(child, 0 if late else os.WNOHANG)
                if done:
                    del running[child]
                    free.append(folder)
                    code = os.waitstatus_to_exitcode(status)
                    if not late and code not in (0, 1, 2, -signal.SIGABRT):
                        log = folder.with_suffix(".txt").read_text("utf-8", "replace")
                        raise SystemExit(f"The tests did not run ({code}).\n{log}")
                    results.append((mutant, late or code != 0))
                    print(".S"[code == 0], end="", file=sys.stderr, flush=True)
            time.sleep(0.05)
    return results


def judge(stem, names, args):
    """The rows of a family: each rule, its mutants, and those that survive."""
    places, root = rules(stem, args.root), args.root
    found = {rule: mutants(rule, places[rule]) for rule in names or places}
    picked = [m for several in found.values() for m in spread(several, args.limit)]
    tests = [f"tests/{p.name}" for p in sorted(root.glob(f"tests/test_{stem}*.py"))]
    began = time.monotonic()
    if run([None], tests, root, 1, args.seconds)[0][1]:
        raise SystemExit(f"The tests of {stem} fail on the unchanged rules.")
    seconds = min(args.seconds, 60 + 5 * args.n * (time.monotonic() - began))
    results = run(picked, tests, root, args.n, seconds)
    for rule in found:
        own = [(mutant, killed) for mutant, killed in results if mutant.rule == rule]
        lived = [mutant for mutant, killed in own if not killed]
        where = [f"{m.path.relative_to(root)}:{m.line}: {m.change}" for m in lived]
        row = {"rule": f"{stem}.{rule}", "mutants": len(own)}
        if own:
            yield {**row, "killed": len(own) - len(lived), "survivors": where}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("stems", nargs="*", help="families; all unless given")
    add("--rules", help="some public names of the family, with commas")
    add("--limit", type=int, default=6, help="mutants of each rule")
    add("-n", type=int, default=1, help="processes")
    add("--seconds", type=float, default=600, help="the longest run of one mutant")
    add("--json", type=Path, help="where to write the table")
    add("--root", type=Path, default=ROOT, help="the repository")
    add("--warm", default=WARM, help="modules to import only once")
    args = parser.parse_args(arguments)
    args.root, sys.dont_write_bytecode = args.root.resolve(), True
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in filter(None, [*args.warm.split(","), "pytest"]):
        importlib.import_module(name)
    rows, names = [], args.rules.split(",") if args.rules else []
    for stem in args.stems or FAMILIES.split():
        for row in judge(stem, names, args):
            rows.append(row)
            print(f"{row['rule']:<50} {row['killed']:>3} of {row['mutants']:>3} killed")
            print("".join(f"    survived  {s}\n" for s in row["survivors"]), end="")
        sys.stdout.flush()
        if args.json:
            args.json.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    total, killed = (sum(row[key] for row in rows) for key in ("mutants", "killed"))
    print(f"{killed} of {total} mutants killed, {total - killed} survived.")
    return rows


if __name__ == "__main__":
    main()
