"""Clipping: against PyTorch and Optax, and where they part."""

import math

import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from dtlib import clipping
from tests.engines import array


def gradients(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(4, 3)).astype("float32"), np.float32([3.0, -4.0])]


def by_torch(tensors, clip, *arguments, **options):
    """The gradients that PyTorch leaves, and what it returns."""
    parameters = [torch.zeros(g.shape, dtype=torch.tensor(g).dtype) for g in tensors]
    for p, g in zip(parameters, tensors, strict=True):
        p.grad = torch.tensor(g)
    returned = clip(parameters, *arguments, **options)
    return [p.grad.numpy() for p in parameters], returned


def by_optax(tensors, transformation):
    updates = [jnp.asarray(g) for g in tensors]
    clipped, _ = transformation.update(updates, transformation.init(updates))
    return [np.asarray(g) for g in clipped]


def same(ours, theirs, rtol):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(array(a), b, rtol=rtol)


@pytest.mark.parametrize("c", [0.5, 2.0, 100.0])
def test_the_rules_are_those_of_optax(c):
    g = gradients(1)
    by_value = [clipping.clip_by_value(x, c) for x in g]
    same(by_value, by_optax(g, optax.clip(c)), 0)
    together, norm = clipping.clip_by_global_norm(g, c)
    same(together, by_optax(g, optax.clip_by_global_norm(c)), 5e-7)
    assert float(norm) == pytest.approx(float(optax.tree.norm(g)), rel=5e-7)
    # A root mean square of c is a norm of √n·c.
    each = [clipping.clip_by_norm(x, c * math.sqrt(x.size)) for x in g]
    same(each, by_optax(g, optax.clip_by_block_rms(c)), 5e-7)


@pytest.mark.parametrize("c", [0.5, 2.0])
def test_value_clipping_is_that_of_pytorch(c):
    theirs, _ = by_torch(gradients(2), torch.nn.utils.clip_grad_value_, c)
    same([clipping.clip_by_value(x, c) for x in gradients(2)], theirs, 0)


@pytest.mark.convention("Norm clipping")
@pytest.mark.parametrize("size", [1.0, 1e-4])
def test_pytorch_clips_by_the_global_norm_plus_1e_minus_6(size):
    g = [x.astype("float64") * size for x in gradients(3)]
    c = 0.5 * float(clipping.global_norm(g))
    theirs, before = by_torch(g, torch.nn.utils.clip_grad_norm_, c)
    ours, norm = clipping.clip_by_global_norm(g, c)
    assert float(before) == pytest.approx(float(norm), rel=1e-14)
    # The factor between the two: ‖g‖ / (‖g‖ + 1e-6); 0.998 at a norm of 6e-4.
    factor = float(norm) / (float(norm) + 1e-6)
    same([array(x) * factor for x in ours], theirs, 1e-13)
    if size < 1:
        assert abs(factor - 1) > 1e-3


@pytest.mark.convention("Norm clipping")
def test_pytorch_shortens_a_gradient_at_the_bound_and_ours_does_not():
    g = [np.array([0.6, 0.8])]
    (theirs,), _ = by_torch(g, torch.nn.utils.clip_grad_norm_, 1.0)
    np.testing.assert_allclose(theirs, g[0] / (1 + 1e-6), rtol=1e-12)
    assert np.array_equal(array(clipping.clip_by_global_norm(g, 1.0)[0][0]), g[0])


@pytest.mark.convention("A gradient of infinite norm, clipped")
def test_pytorch_and_optax_hide_an_infinite_norm_from_the_other_tensors():
    g = [np.float32([math.inf, 1.0]), np.float32([2.0])]
    theirs = [
        by_torch(g, torch.nn.utils.clip_grad_norm_, 1.0)[0],
        by_optax(g, optax.clip_by_global_norm(1.0)),
    ]
    for first, second in theirs:
        np.testing.assert_array_equal(first, [math.nan, 0.0])
        np.testing.assert_array_equal(second, [0.0])
    ours, _ = clipping.clip_by_global_norm(g, 1.0)
    assert all(np.isnan(array(x)).all() for x in ours)
    with pytest.raises(RuntimeError, match="non-finite"):
        by_torch(g, torch.nn.utils.clip_grad_norm_, 1.0, error_if_nonfinite=True)


def test_squares_overflow_in_both_and_not_here():
    g = [np.float32([3e30, 4e30])]
    for (theirs,) in (
        by_torch(g, torch.nn.utils.clip_grad_norm_, 1.0)[0],
        by_optax(g, optax.clip_by_global_norm(1.0)),
    ):
        assert not theirs.any()  # the step is lost
    ours, _ = clipping.clip_by_global_norm(g, 1.0)
    np.testing.assert_allclose(array(ours[0]), [0.6, 0.8], rtol=1e-6)
