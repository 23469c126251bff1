"""The claims of the chapter `recipes`: default configurations, and fast answers.

Tests: tests/test_claims_recipes.py and tests/test_claims_recipes_latency.py.
"""

from dtlib.claims import _recipes_latency as fast
from dtlib.claims import _recipes_rows as rows
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11"


@claim(
    "C47",
    statement="Of the defaults that textbooks print the newer beat the older, shallow "
    "and deep; with ten layers the self-normalizing one beats that with batch "
    "normalization; and a modern recipe beats them all",
    source="The defaults of three editions: Géron, 2017, 2019 and 2022, chapter 11",
    chapter="recipes",
)
def c47(scale, *, cache=None, **running):
    """Differences on a seed, the mean of three data sets, after equal tuning.

    C47a, b: the default of 2022 − that of 2017, with 3 and with 10 layers. C47c: with
    10, the self-normalizing one − the other, both of 2022. C47d: the modern recipe −
    the textbook default that does best on validation, at both depths. Shown: each data
    set, each textbook, and ten layers after three times as many epochs.
    """
    return rows.ranked(scale, cache)


@claim(
    "C48",
    statement="For a fast answer fold batch normalization, take fewer layers, and ReLU "
    "instead of ELU, SELU or swish: each makes predictions a tenth quicker, one at a "
    "time and in batches of 256",
    source=f"{GERON}, and the notes that follow it, for networks that must be fast",
    chapter="recipes",
)
def c48(scale, *, cache=None, **running):
    """Log of processor time, slow ÷ quick, at batch 1 and 256; judged without XLA.

    C48a: folded. C48b: 2 layers instead of 5. C48c: ReLU. Beside it other ways to call
    the network, a larger one, float16 and int8, and the accuracy that each costs.
    """
    return fast.latency(scale, cache)
