"""The claims of the chapter `regularizers`: which penalty, what it does, when to stop.

Most rest on one sweep: a network that overfits 400 examples, under every penalty at
every rate and strength. Each function names the smallest effect that counts; the
measurements stand in the files `_regularizers_*`. Tests:
tests/test_claims_regularizers.py.
"""

import numpy as np

from dtlib.claims import _regularizers_penalties as penalties
from dtlib.claims import _regularizers_sparse as sparse
from dtlib.claims import _regularizers_stopping as stopping
from dtlib.claims.arms import LEAST
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11, and the notes that follow it"


@claim(
    "C40",
    statement="An ℓ1 penalty makes weights zero, an ℓ2 penalty only makes them small",
    source=GERON,
    chapter="regularizers",
)
def c40(scale, *, cache=None, **running):
    """At matched accuracy: (a) share of zeros, ℓ1 − ℓ2; (b) Σw² without ÷ with ℓ2.

    Each penalty is as strong as it can be without costing a point of the validation
    accuracy that the tuned network has without. Zero is a thousandth of the largest
    weight of a kernel, or less; a tenth of all weights is the smallest difference.
    Small is half of Σw², or less.
    """
    return penalties.zeros(scale, cache, share=0.1, octaves=1, costs=LEAST)


@claim(
    "C41",
    statement="Under Adam an ℓ2 penalty is not weight decay, and decay generalizes "
    "better",
    source="Loshchilov and Hutter, 2019",
    chapter="regularizers",
)
def c41(scale, *, cache=None, **running):
    """(a) How far apart λ and decay 2λ lead, under Adam and under SGD; (b) accuracy.

    The distance is a share of what the penalty changes at all: a tenth is another
    network, a hundredth is none. In (b) each is tuned over rate and strength.
    """
    return penalties.decay(scale, cache, differ=0.1, same=0.01, least=LEAST)


@claim(
    "C44",
    statement="A bound on the norm of each unit's weights reduces overfitting",
    source=f"Srivastava et al., 2014; {GERON}",
    chapter="regularizers",
)
def c44(scale, *, cache=None, **running):
    """Max-norm against none, each tuned: (a) the gap becomes smaller, (b) accuracy."""
    return penalties.bound(scale, cache, least=LEAST)


@claim(
    "C45",
    statement="Early stopping beats running on, and restoring the best weights beats "
    "keeping the last",
    source=GERON,
    chapter="regularizers",
)
def c45(scale, *, cache=None, **running):
    """Accuracy: (a) stopped and restored − run on; (b) restored − stopped.

    The validation loss is watched, with a patience of 5 measurements; each tuned.
    Beside it the loss, the validation accuracy watched instead, and what is gained on
    paper by the examples that choose where to stop.
    """
    return stopping.alone(scale, cache, least=LEAST)


@claim(
    "C56",
    statement="A network of which 90 % of the weights are zero predicts faster",
    source=f"{GERON}: a sparse model for fast predictions",
    chapter="regularizers",
)
def c56(scale):
    """Time of a dense product ÷ with 90 % zeros: a tenth faster would be noticed.

    Beside it a product that knows where the zeros are.
    """
    return sparse.speed(least=np.log2(1.1))


@claim(
    "C57",
    statement="FTRL gives sparser networks than Adam with an ℓ1 penalty, at equal "
    "accuracy",
    source=f"McMahan et al., 2013, of a linear model; {GERON}, of any",
    chapter="regularizers",
)
def c57(scale, *, cache=None, **running):
    """Share of zeros, FTRL − ℓ1 with Adam, each the sparsest of enough accuracy.

    Enough is two points less than the tuned network has without either; a twentieth of
    the weights is the smallest difference. Beside it ℓ1 and then pruning, pruning
    alone, and a linear model with useless inputs.
    """
    return sparse.sparsest(scale, cache, share=0.05, costs=2 * LEAST, least=LEAST)


@claim(
    "C63",
    statement="Early stopping together with another regularizer beats either alone",
    source=f"{GERON}: early stopping, and ℓ2 if needed",
    chapter="regularizers",
)
def c63(scale, *, cache=None, **running):
    """Accuracy of both − (a) early stopping alone, (b) ℓ2 alone; all tuned.

    Beside it the other penalties. Each watches the validation loss without penalty.
    """
    return stopping.together(scale, cache, least=LEAST)


@claim(
    "C64",
    statement="Overfitting goes with large weights, and it is their size that overfits",
    source="the notes that this book grew from, beside the wiggly boundary",
    chapter="regularizers",
)
def c64(scale, *, cache=None, **running):
    """(a) Correlation of gap and log Σw² over all runs of a seed; (b) halved weights.

    A correlation of a half is the smallest that counts. In (b) every kernel of a
    trained network is halved, and the biases so that only the logits' scale changes.
    """
    return penalties.size(scale, cache, correlation=0.5, least=LEAST)
