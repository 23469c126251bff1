"""Dropout against PyTorch."""

import math

import keras
import numpy as np
import pytest
import torch

from dtlib import dropout
from tests.engines import array

RNG = np.random.default_rng(2)
X = RNG.normal(size=(200, 300))


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_with_pytorchs_mask_dropout_is_pytorchs(rate):
    torch.manual_seed(1)
    y = torch.nn.functional.dropout(torch.tensor(X), rate).numpy()
    ours = array(dropout.dropout(X, y != 0, rate=rate))
    np.testing.assert_allclose(ours, y, rtol=1e-14)


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.8])
def test_with_pytorchs_mask_alpha_dropout_is_pytorchs(rate):
    torch.manual_seed(1)
    y = torch.nn.functional.alpha_dropout(torch.tensor(X), rate, training=True).numpy()
    values, counts = np.unique(y.round(9), return_counts=True)
    dropped = values[counts.argmax()]  # one value, where all dropped units are
    kept = abs(y - dropped) > 1e-8
    assert 1 - kept.mean() == pytest.approx(rate, abs=4 * 0.5 / math.sqrt(X.size))
    ours = array(dropout.alpha_dropout(X, kept, rate=rate))
    # PyTorch writes its α′ with 17 digits, and so do we.
    np.testing.assert_allclose(ours, y, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout"])
def test_the_layers_have_the_law_of_pytorchs(name):
    x = X.astype("float32")
    torch.manual_seed(1)
    theirs = getattr(torch.nn, name)(0.25)(torch.tensor(x)).numpy()
    ours = array(getattr(dropout, name)(0.25, seed=1)(x, training=True))
    four = 4 * ours.std() * math.sqrt(2 / x.size)
    assert ours.mean() == pytest.approx(theirs.mean(), abs=four)
    assert ours.std() == pytest.approx(theirs.std(), rel=4 * math.sqrt(4 / x.size))


@pytest.mark.convention("A rate of 1")
def test_a_rate_of_1_is_zeros_everywhere_and_nowhere_a_line():
    x = np.ones((2, 3), "float32")
    for y in (
        dropout.Dropout(1.0)(x, training=True),
        keras.layers.Dropout(1.0)(x, training=True),
        torch.nn.Dropout(1.0)(torch.tensor(x)),
    ):
        assert (np.asarray(y) == 0).all()
    with pytest.raises(ValueError, match=r"`rate` must be a number in \[0, 1\)"):
        dropout.AlphaDropout(1.0)
    with pytest.raises(ZeroDivisionError):
        keras.layers.AlphaDropout(1.0)(x, training=True)
    assert (torch.nn.functional.alpha_dropout(torch.tensor(x), 1.0, True) == 0).all()


@pytest.mark.convention("A dropped NaN")
def test_a_dropped_nan_is_0_in_keras_and_stays_in_pytorch():
    x = np.full((20, 50), math.nan, "float32")
    for module in (dropout, keras.layers):
        y = array(module.Dropout(0.5, seed=1)(x, training=True))
        assert np.isin(np.isnan(y), [True, False]).all() and (y == 0).any()
    torch.manual_seed(1)
    assert torch.nn.Dropout(0.5)(torch.tensor(x)).isnan().all()
