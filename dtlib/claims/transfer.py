"""The claims of the chapter `transfer`: how much a network learned elsewhere is worth.

Sandals and shirts, as in the notes, but over many draws of the labelled images. The
smallest effects stand in `_transfer_rows`: a tenth of the errors, half of the labels or
epochs, half a layer. Tests: tests/test_claims_transfer.py.
"""

from dtlib.claims import _transfer_cache, _transfer_rows
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11, and the notes that follow it"


@claim(
    "C34",
    statement="Transfer cuts the errors 1.6-fold: sandals and shirts, 200 labels",
    source=f"{GERON}: one run, 98.4 % against 99.0 % of 2,000 images",
    chapter="transfer",
)
def c34(scale):
    """log(errors of B ÷ errors of B on A) − log 1.6, a draw each, each tuned."""
    return _transfer_rows.once(scale)


@claim(
    "C35",
    statement="Freeze the reused layers first, then unfreeze them at a smaller rate",
    source=GERON,
    chapter="transfer",
)
def c35(scale):
    """Ratios of errors: all at once ÷ freezing first; the same rate ÷ a tenth."""
    return _transfer_rows.freezing_first(scale)


@claim(
    "C36",
    statement="Caching what frozen layers give changes only the time, and halves that",
    source="Géron, 2017, chapter 11: a huge boost to training",
    chapter="transfer",
)
def c36(scale):
    """Largest difference of a weight; log of the ratio of processor times."""
    return _transfer_cache.caching(scale)


@claim(
    "C37",
    statement="The right number of layers to reuse is neither none nor all",
    source=f"{GERON}: upper layers are less likely to be useful than lower ones",
    chapter="transfer",
)
def c37(scale):
    """Ratios of errors: the best number of frozen layers against none, and all."""
    return _transfer_rows.layers_kept(scale)


@claim(
    "C65",
    statement="Transfer needs fewer labels and fewer epochs",
    source=GERON,
    chapter="transfer",
)
def c65(scale):
    """log2 of how many times fewer: half is enough."""
    return _transfer_rows.fewer(scale)


@claim(
    "C66",
    statement="The closer the task, the more layers can be reused",
    source=GERON,
    chapter="transfer",
)
def c66(scale):
    """Layers reusable frozen without loss: from the close task − from a far one."""
    return _transfer_rows.closeness(scale)
