"""The backends of Keras behind one face, so that one test serves all three.

`make test` runs on TensorFlow; `make backends` runs the tests of the families again on
JAX and on PyTorch. A test of something that only TensorFlow has is marked `tensorflow`.
"""

import keras
import numpy as np

BACKEND = keras.backend.backend()


def array(tensor):
    """`tensor` as float64, exactly."""
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float64")))


def gradient(f, *xs, dtype="float64"):
    """The gradient of Σ f(*xs) with respect to each x, as float64 arrays.

    One x gives one array, several give a list.
    """
    found = _GRADIENTS[BACKEND](f, [np.asarray(x) for x in xs], dtype)
    found = [array(g) for g in found]
    return found[0] if len(found) == 1 else found


def slope(f, x, h=1e-5):
    """df/dx of an elementwise f by central differences, in float64, exact to O(h²)."""
    x = np.asarray(x, "float64")
    up, down = (
        array(f(keras.ops.convert_to_tensor(x + d, dtype="float64"))) for d in (h, -h)
    )
    return (up - down) / (2 * h)


def compiled(f, xla=False):
    """`f` compiled: by tf.function (with XLA on request) or by jax.jit.

    PyTorch runs eagerly, so there `f` comes back as it is.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(f, jit_compile=xla, autograph=False)
    if BACKEND == "jax":
        import jax

        return jax.jit(f)
    return f


def _tensorflow(f, xs, dtype):
    import tensorflow as tf

    xs = [tf.constant(x, dtype) for x in xs]
    with tf.GradientTape() as tape:
        for x in xs:
            tape.watch(x)
        total = tf.reduce_sum(f(*xs))
    return tape.gradient(total, xs, unconnected_gradients="zero")


def _jax(f, xs, dtype):
    import jax
    import jax.numpy as jnp

    xs = [jnp.asarray(x, dtype) for x in xs]
    return jax.grad(lambda *xs: jnp.sum(f(*xs)), tuple(range(len(xs))))(*xs)


def _torch(f, xs, dtype):
    import torch

    kind = getattr(torch, dtype)
    xs = [torch.tensor(x, dtype=kind, requires_grad=True) for x in xs]
    total = f(*xs).sum()
    found = torch.autograd.grad(total, xs, allow_unused=True)
    return [
        torch.zeros_like(x) if g is None else g.detach()
        for g, x in zip(found, xs, strict=True)
    ]


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
