"""Recipes: one choice for each part of a network, with the reason and the evidence.

`recommend` turns a task and what matters most into a `Recipe`, `textbook` gives the
defaults that textbooks print. A recipe says for each of its choices why it was made,
and which claims of the book support it, contradict it or qualify it; it then builds the
network, trains nothing by itself, and can be changed in any part. `halton` and
`trials_needed` are for the search that follows, `bits_per_weight` for a sparse model.

The chapter `recipes` of the book explains it. Tests: tests/test_recipes.py.
"""

from dtlib.recipes._grounds import Ground
from dtlib.recipes._tables import ALLOWED, EDITIONS, PRIORITIES, TASKS
from dtlib.recipes.advice import recommend, textbook
from dtlib.recipes.recipe import Choice, Recipe
from dtlib.recipes.searching import bits_per_weight, halton, trials_needed

__all__ = [
    "ALLOWED",
    "EDITIONS",
    "PRIORITIES",
    "TASKS",
    "Choice",
    "Ground",
    "Recipe",
    "bits_per_weight",
    "halton",
    "recommend",
    "textbook",
    "trials_needed",
]
