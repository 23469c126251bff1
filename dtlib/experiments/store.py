"""Finished runs on disk, so that an interrupted sweep goes on where it stopped.

One JSON file a run, named by a SHA-256 of all that defines the run: the model it starts
from, the code that built it, the data, the seed, and this package's own sources. A file
is therefore never out of date; it is only no longer asked for.

Every chapter uses it through `compare`. Tests: tests/test_experiments.py.
"""

import contextlib
import functools
import hashlib
import json
import math
import os
import sys
import tempfile
import types
from pathlib import Path

import keras
import numpy as np

import dtlib


@contextlib.contextmanager
def replacing(path, mode, **how):
    """A file to write into, which becomes `path` whole or not at all.

    Raises:
        OSError: Where the disk is full or the folder cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    try:
        with open(handle, mode, **how) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_atomically(path, text):
    """Write `text` to `path`, whatever interrupts; see `replacing`."""
    with replacing(path, "w", encoding="utf-8") as file:
        file.write(text)


def load(path):
    """The run stored at `path`: `(run, None)`, `(None, None)` where there is none.

    A file that does not hold a run gives `(None, message)`; it will be computed again.
    """
    try:
        stored = json.loads(Path(path).read_text("utf-8"))
        run = stored["run"]
        run["history"] = {k: [*map(float, v)] for k, v in run["history"].items()}
        run["test"] = {k: float(v) for k, v in run["test"].items()}
        run["score"] = float(run["score"])
        if stored["key"] != Path(path).stem:
            raise ValueError("its key is another run's")
        return run, None
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return None, (
            f"`cache` holds a file that cannot be read, and is computed again: "
            f"{path} ({type(error).__name__}: {error})."
        )


def save(path, run):
    """Store `run` at `path`; a message where that failed, None where it did not."""
    text = json.dumps({"key": Path(path).stem, "run": _plain(run)}, indent=1)
    try:
        write_atomically(path, text)
    except OSError as error:
        return (
            f"`cache` could not be written; finished runs are kept in memory only: "
            f"{Path(path).parent} ({error.strerror or error})."
        )


def _plain(value):
    """`value` as strict JSON, which has no NaN: it becomes the string `float` reads."""
    if isinstance(value, dict):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def digest(*parts):
    """SHA-256 of text, arrays, and dictionaries that JSON can hold."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype}{part.shape}".encode())
            sha.update(np.ascontiguousarray(part).tobytes())
        else:
            sha.update(json.dumps(part, sort_keys=True, default=str).encode())
        sha.update(b"\0")
    return sha.hexdigest()


@functools.cache
def sources():
    """What the numbers depend on beside their settings: our sources, Keras, its engine.

    The version alone would let a run outlive a change of the code that made it.
    """
    here = Path(dtlib.__file__).parent
    upper = ("claims", "exercises", "plots.py", "notebook.py")
    files = sorted(
        path
        for path in here.rglob("*.py")
        if path.relative_to(here).parts[0] not in upper
    )
    engine = sys.modules.get(keras.backend.backend())
    return digest(
        *(path.read_text("utf-8") for path in files),
        keras.__version__,
        str(getattr(engine, "__version__", "")),
    )


def code(value, seen=()):
    """What a function does, as far as Python can see it: text for `digest`.

    Its instructions and constants, its defaults, what it closes over, and the functions
    and plain values of its own module that it names.
    """
    if any(value is other for other in seen):
        return "seen"
    seen = (*seen, value)
    if isinstance(value, functools.partial):
        return ["partial", *(code(v, seen) for v in (value.func, value.args))] + [
            code(value.keywords, seen)
        ]
    if isinstance(value, types.CodeType):
        constants = [code(v, seen) for v in value.co_consts]
        return [value.co_code.hex(), list(value.co_names), constants]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _full(cell)]
        world = [value.__globals__.get(name) for name in _names(value.__code__)]
        own = [
            v
            for v in world
            if getattr(v, "__module__", None) == value.__module__
            or isinstance(v, (int, float, str, tuple))
        ]
        inside = (value.__code__, value.__defaults__, value.__kwdefaults__, cells, own)
        return [code(v, seen) for v in inside]
    if isinstance(value, type):
        members = (v for k, v in sorted(vars(value).items()) if callable(v))
        return [value.__qualname__, *(code(v, seen) for v in members)]
    if isinstance(value, dict):
        return [[str(k), code(v, seen)] for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [code(v, seen) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(code(v, seen)) for v in value)
    if isinstance(value, np.ndarray):
        return digest(value)
    if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
        return repr(value)
    return type(value).__qualname__


def _names(block):
    """The names a code object uses, those of the functions inside it too."""
    inner = (c for c in block.co_consts if isinstance(c, types.CodeType))
    return [*block.co_names, *(name for c in inner for name in _names(c))]


def _full(cell):
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def blueprint(model, without_start=False):
    """The configuration of a compiled model, the running numbers of its names removed.

    Args:
        model: A compiled `keras.Model`.
        without_start: Leave out what a compiled program holds in variables: the
            learning rate, and how the weights begin.
    """
    try:
        configuration = model.get_config()
    except NotImplementedError:
        configuration = type(model).__qualname__
    compiled = model.get_compile_config() or {}
    optimizer = model.optimizer.get_config()
    optimizer.pop("name", None)
    if without_start:
        optimizer.pop("learning_rate", None)
    compiled["optimizer"] = [type(model.optimizer).__qualname__, optimizer]
    parts = [model, *model._flatten_layers(), *getattr(model, "operations", ())]
    names = {part.name: f"#{i}" for i, part in reversed([*enumerate(parts)])}
    plan = _renamed([type(model).__qualname__, configuration, compiled], names)
    return _without_initializers(plan) if without_start else plan


def _renamed(value, names):
    if isinstance(value, dict):
        return {k: _renamed(v, names) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(v, names) for v in value]
    if isinstance(value, str):
        return names.get(value, value)
    plain = value is None or isinstance(value, (bool, int, float))
    return value if plain else type(value).__qualname__  # no address, no running number


def _without_initializers(value):
    if isinstance(value, dict):
        kept = (k for k in value if not k.endswith("_initializer"))
        return {k: _without_initializers(value[k]) for k in kept}
    if isinstance(value, list):
        return [_without_initializers(v) for v in value]
    return value


def is_plain(model):
    """Does `blueprint` say all there is: no class or function but Keras' and ours?

    A function of one's own appears in a configuration by its name alone.
    """
    kinds = {type(part) for part in (model, model.optimizer, *model._flatten_layers())}
    return all(k.__module__.startswith(("keras.", "dtlib.")) for k in kinds) and (
        '"function"' not in json.dumps(blueprint(model))
    )
