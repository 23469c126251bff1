"""Restoring: chosen layers, by name, from a model or from the file of one.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras

from dtlib.transfer._layers import checked, weighted


def load_layers(model, source, names=None, *, partial=False):
    """Give layers of `model` the weights of the layers of that name in `source`.

    Only numbers are read from a file: no layer is built, and no code in it runs.

    Args:
        model: A built Keras model. Its other layers stay as they are.
        source: A built Keras model, or the path of a ".keras" or ".weights.h5" file
            that Keras 3 saved.
        names: None for all layers with weights; a name or a list of names; or a dict
            `{name in model: name in source}`. "nested/name" inside nested models.
        partial: Whether to restore what fits and leave the rest. By default it is all
            or nothing.

    Returns:
        A dict `{name in model: name in source}` of the layers restored.

    Raises:
        ValueError: Where not all fit, with what matched, what has another shape, and
            what is missing; for a layer `model` does not have; for another file.

    >>> def build(outputs):
    ...     return keras.Sequential([
    ...         keras.Input((3,)), keras.layers.Dense(4, name="hidden"),
    ...         keras.layers.Dense(outputs, name="top"),
    ...     ])
    >>> load_layers(build(1), build(8), "hidden")
    {'hidden': 'hidden'}
    >>> load_layers(build(1), build(8))
    Traceback (most recent call last):
        ...
    ValueError: `source` must fit all of `names`; nothing was restored.
    matched: ['hidden']
    other shape: ["top: [(4, 1), (1,)], there [(4, 8), (8,)]"]
    missing: []
    """
    own = weighted(checked(model))
    pairs = _pairs(names, own)
    there = _arrays(source)
    matched, other, missing = {}, [], []
    for name, theirs in pairs.items():
        shapes = [tuple(weight.shape) for weight in own[name].weights]
        if theirs not in there:
            missing.append(theirs)
            continue
        found = [tuple(array.shape) for array in there[theirs]]
        if found == shapes:
            matched[name] = theirs
        else:
            other.append(f"{name}: {shapes}, there {found}")
    if (other or missing) and not partial:
        quoted = ", ".join(f'"{line}"' for line in other)
        raise ValueError(
            "`source` must fit all of `names`; nothing was restored.\n"
            f"matched: {list(matched)}\nother shape: [{quoted}]\nmissing: {missing}"
        )
    for name, theirs in matched.items():
        own[name].set_weights(there[theirs])
    return matched


def _pairs(names, own):
    if names is None:
        names = list(own)
    elif isinstance(names, str):
        names = [names]
    pairs = dict(names) if isinstance(names, Mapping) else {n: n for n in names}
    unknown = [name for name in pairs if name not in own]
    if unknown:
        raise ValueError(
            f"`names` must be layers of `model` with weights, among {list(own)}. "
            f"Received: {unknown}."
        )
    return pairs


def _arrays(source):
    """`{path of a layer: its arrays}`, of a model or of a file."""
    if isinstance(source, keras.Model):
        layers = weighted(checked(source))
        return {path: layer.get_weights() for path, layer in layers.items()}
    import h5py  # Keras needs it to save, but not every program to run

    name = str(source)
    if not isinstance(source, (str, Path)) or not name.endswith((".keras", ".h5")):
        raise ValueError(
            "`source` must be a built model or the path of a .keras or .weights.h5 "
            f"file. Received: {source!r}."
        )
    try:
        if name.endswith(".keras"):
            with zipfile.ZipFile(source) as archive:
                opened = io.BytesIO(archive.read("model.weights.h5"))
        else:
            opened = open(source, "rb")
        with opened, h5py.File(opened, "r") as file:
            found = _read(file["layers"])
    except FileNotFoundError:
        raise
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(
            "`source` must be a file of weights that Keras 3 saved. Received: "
            f"{name!r} ({type(error).__name__}: {error})."
        ) from error
    return found


def _read(container, prefix=""):
    """The layers of one model in the file; those of nested models below their name.

    The groups bear the names of classes; the layer's own name is an attribute.
    """
    found = {}
    for group in container.values():
        path = prefix + str(group["vars"].attrs["name"])
        if "layers" in group:
            found |= _read(group["layers"], f"{path}/")
        elif (arrays := _own_arrays(group)) is not None:
            found[path] = arrays
    return found


def _own_arrays(group):
    """A layer's arrays in their order; None where the file does not tell the order."""
    if len(group["vars"]):
        inner = [key for key in group if key != "vars" and _holds_arrays(group[key])]
        values = group["vars"]
        return None if inner else [values[k][()] for k in sorted(values, key=int)]
    inner = [group[key] for key in group if key != "vars" and _holds_arrays(group[key])]
    return _own_arrays(inner[0]) if len(inner) == 1 else None


def _holds_arrays(group):
    return len(group.get("vars", ())) > 0 or any(
        _holds_arrays(group[key]) for key in group if key != "vars"
    )
