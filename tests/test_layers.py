"""Names only: each layer of the families, once, and where to find the others."""

import inspect

import keras
import pytest

import dtlib
from dtlib import layers
from tests.test_contracts import STEMS


def test_every_layer_of_the_families_is_here_and_nothing_else():
    families = [getattr(dtlib, stem) for stem in STEMS]
    public = {getattr(family, name) for family in families for name in family.__all__}
    found = {
        thing.__name__: thing
        for thing in public
        if inspect.isclass(thing) and issubclass(thing, keras.layers.Layer)
    }
    assert {name: getattr(layers, name) for name in layers.__all__} == found


def test_a_layer_that_no_chapter_explains_is_keras_own():
    with pytest.raises(AttributeError, match=r"Use keras\.layers\.Dense\."):
        _ = layers.Dense
    with pytest.raises(AttributeError, match="no attribute 'Nothing'$"):
        _ = layers.Nothing
