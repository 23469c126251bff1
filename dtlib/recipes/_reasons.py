"""The reason for a choice, in the situation it was made in.

Tests: tests/test_recipes.py.
"""

from dtlib.recipes._network import NETWORK
from dtlib.recipes._training import TRAINING

REASONS = NETWORK | TRAINING


def reason(part, value, *situations):
    """Reason, chapter and grounds of a choice: the first situation's that has any."""
    keys = [(part, value, s) for s in situations] + [(part, value)]
    keys += [(part, s) for s in situations] + [(part,)]
    text, chapter, *grounds = next(REASONS[key] for key in keys if key in REASONS)
    return text, chapter, tuple(grounds)
