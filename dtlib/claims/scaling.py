"""The claims of the chapter `scaling`: the rate for a large batch, and two workers.

The measurements stand in the files `_scaling_*`. Tests: tests/test_claims_scaling.py.
"""

from dtlib.claims import _scaling_batches as batches
from dtlib.claims import _scaling_speed as speed
from dtlib.claims.arms import LEAST
from dtlib.claims.evidence import Evidence, combine
from dtlib.claims.registry import claim

HALVED = 0.9  # of n times as fast: what may be lost for the time to be called divided
CLOSE = (
    0.25  # a plan that is wrong by a quarter still names the right number of workers
)


@claim(
    "C70",
    statement="With a batch k times as large, k times the rate gives the same result "
    "in as many epochs, for Adam √k times; warm-up widens the range",
    source="Goyal et al., 2017; Krizhevsky, 2014; Malladi et al., 2022; notes that "
    "leave out their limits",
    chapter="scaling",
)
def c70(scale, *, cache=None, **running):
    """C70a: momentum, linear. C70b: Adam, square root. C70c: warm-up, from 8 times on.

    A point of accuracy is the smallest effect in all three. The sentence names no
    largest batch, so every batch that was tried decides.
    """
    found = {kind: batches.compared(kind, scale, cache) for kind in batches.KINDS}
    rows = batches.rows(found, LEAST)
    numbers = batches.numbers(found, rows)
    return Evidence(combine(rows), numbers, rows, batches.text(scale))


@claim(
    "C71",
    statement="Two workers halve the time of an epoch, and what they save can be "
    "worked out from the time of a step and of the link",
    source="Manuals of distributed training; Patarasuk and Yuan, 2009, on the ring",
    chapter="scaling",
)
def c71(scale):
    """C71a: an epoch of one ÷ one of two, at least 1.8. C71b: on paper ÷ measured − 1.

    Two processes of this machine, and four. Where it has fewer cores than processes,
    these share them: what they lose by that is no communication, and is shown apart.
    """
    said = {n: speed.measured(n, scale) for n in speed.WORKERS}
    rows = speed.rows(said, HALVED, CLOSE)
    return Evidence(combine(rows), speed.numbers(said), rows, speed.text(scale))
