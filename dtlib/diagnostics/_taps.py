"""Taps: record what enters and leaves each activation while a model runs.

The chapter `diagnostics` of the book explains it. Tests: tests/test_diagnostics.py.
"""

from contextlib import contextmanager

import keras

# These layers are an activation; others have one, in their attribute `activation`.
ACTIVATIONS = (
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)


class Tap:
    """One layer: its pre-activation z, its activation function φ, its output a."""

    def __init__(self, layer):
        self.layer = layer
        has_one = callable(vars(layer).get("activation"))
        self.where = "activation" if has_one else "call"
        self.original = getattr(layer, self.where)
        is_one = has_one or isinstance(layer, ACTIVATIONS)
        self.phi = self.original if is_one else None
        self.z = self.a = None

    @property
    def kernel(self):
        """The layer's first weight of two or more axes, or None."""
        return next((w for w in self.layer.weights if len(w.shape) > 1), None)


def measurable(model, prefix=""):
    """Yield `(name, layer)`, nested too, where there are weights or an activation."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from measurable(layer, f"{prefix}{layer.name}/")
        elif layer.weights or Tap(layer).phi is not None:
            yield prefix + layer.name, layer


@contextmanager
def tapped(model, tape):
    """Within the block, running `model` fills the yielded dict: name → `Tap`.

    Each layer's activation (or `call`) is replaced by one that records, and put back at
    the end. `object.__setattr__` goes round Keras' tracking, so nothing else changes.
    """
    ran, taps = {}, {name: Tap(layer) for name, layer in measurable(model)}

    def recorder(name, tap):
        def record(*args, **kwargs):
            if tap.phi is not None:
                tape.watch(args[0])  # or z has no gradient below the first variable
            output = tap.original(*args, **kwargs)
            tap.a = keras.tree.flatten(output)[0]
            tap.z = tap.a if tap.phi is None else args[0]
            tape.watch(tap.a)
            ran[name] = tap
            return output

        return record

    try:
        for name, tap in taps.items():
            object.__setattr__(tap.layer, tap.where, recorder(name, tap))
        yield ran
    finally:
        for tap in taps.values():
            if tap.where == "call":
                object.__delattr__(tap.layer, "call")
            else:
                object.__setattr__(tap.layer, "activation", tap.original)


@contextmanager
def restored(variables):
    """At the end of the block, every one of `variables` has its old value again."""
    kept = [(v, v.numpy().copy()) for v in variables]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
