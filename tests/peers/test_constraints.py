"""Constraints: max-norm against `torch.renorm`, and the orientation of kernels."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from dtlib import constraints
from dtlib.constraints import MaxNorm
from tests.engines import array


def kernel():
    rng = np.random.default_rng(0)
    return rng.normal(size=(5, 4)) * [0.1, 0.5, 2.0, 5.0]


@pytest.mark.convention("Max-norm constraint")
def test_renorm_of_pytorch_leaves_the_inside_alone_and_adds_1e_minus_7():
    w = kernel()
    # PyTorch's kernel is (out, in), and `dim` names the axis that is kept.
    theirs = torch.renorm(torch.tensor(w.T), 2, dim=0, maxnorm=1.0).numpy().T
    ours = array(constraints.max_norm(w, max_value=1.0, axis=0))
    inside = np.linalg.norm(w, axis=0) <= 1
    assert 0 < inside.sum() < 4
    assert np.array_equal(theirs[:, inside], w[:, inside])
    norms = np.linalg.norm(w, axis=0)
    factor = np.where(inside, 1.0, norms / (norms + 1e-7))
    np.testing.assert_allclose(theirs, ours * factor, rtol=1e-12)
    assert np.abs(theirs / ours - 1).max() > 1e-8  # the 1e-7 shows in float64


@pytest.mark.convention("Max-norm constraint")
def test_clip_by_norm_of_tensorflow_is_the_projection():
    w = kernel()
    ours = constraints.max_norm(w, max_value=1.0, axis=0)
    theirs = tf.clip_by_norm(w, 1.0, axes=[0])
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_a_step_of_pytorch_with_the_embedding_bound_is_the_same_projection():
    table = torch.nn.Embedding(5, 4, max_norm=1.0, dtype=torch.float64)
    w = kernel()
    table.weight.data = torch.tensor(w)
    table(torch.arange(5))  # renormalizes the rows it looks up, in place
    ours = array(MaxNorm(1.0, axis=1)(w))
    np.testing.assert_allclose(table.weight.detach().numpy(), ours, rtol=3e-7)
