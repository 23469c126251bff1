"""The claims of the chapter `optimizers`: which one, at which rate, how good, how fast.

Each function names the smallest effect that counts. The measurements stand in the files
`_optimizers_*`. Tests: tests/test_claims_optimizers.py.
"""

from dtlib.claims import _optimizers_momentum as momentum
from dtlib.claims import _optimizers_speed as speed
from dtlib.claims import _optimizers_sweep as sweep
from dtlib.claims.arms import LEAST
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11, and the notes that follow it"
LEAST_LOSS = 0.05  # nats: a twentieth of what such a network has left after 8 epochs


@claim(
    "C22",
    statement="Momentum of 0.9 makes gradient descent ten times faster",
    source=f"{GERON}: terminal velocity is ten times the gradient's step",
    chapter="optimizers",
)
def c22(scale, *, cache=None, **running):
    """Steps of SGD ÷ steps with momentum: ten but for a fifth, eight, is enough."""
    return momentum.faster("SGD", "momentum", scale, cache, least=8)


@claim(
    "C23",
    statement="Nesterov's momentum is almost always faster than plain momentum",
    source=GERON,
    chapter="optimizers",
)
def c23(scale, *, cache=None, **running):
    """Steps with momentum ÷ steps with Nesterov's: a tenth fewer would be noticed."""
    more = (
        " On the bowl momentum is as fast over a decade of rates, and Nesterov's "
        "climbs at the higher of them: part a hangs on the one that tuning names."
    )
    return momentum.faster("momentum", "Nesterov", scale, cache, least=1.1, more=more)


@claim(
    "C24",
    statement="AdaGrad stops too early: at a long budget its loss stays above SGD's",
    source=GERON,
    chapter="optimizers",
)
def c24(scale, *, cache=None, **running):
    """Final training loss, AdaGrad − SGD, each tuned; beside it, shorter budgets."""
    return speed.gaps([("Adagrad", "SGD")], scale, cache, least=LEAST_LOSS)


@claim(
    "C25",
    statement="RMSProp cures AdaGrad's early stop",
    source=GERON,
    chapter="optimizers",
)
def c25(scale, *, cache=None, **running):
    """Final training loss, AdaGrad − RMSProp, each tuned; beside it, SGD − RMSProp."""
    pairs = [("Adagrad", "RMSprop"), ("SGD", "RMSprop")]
    return speed.gaps(pairs, scale, cache, least=LEAST_LOSS)


@claim(
    "C26",
    statement="Both of Adam's corrections speed up the start of training",
    source=f"{GERON}: they boost the two averages at the beginning",
    chapter="optimizers",
)
def c26(scale, *, cache=None, **running):
    """Training loss after 100 steps, a correction left out − both kept.

    At Adam's default rate, where the sentence is meant, and beside it each tuned.
    """
    return speed.corrections(scale, cache, least=LEAST_LOSS)


@claim(
    "C27",
    statement="Nadam usually beats Adam; sometimes RMSprop beats Nadam",
    source=f"Dozat, 2016; {GERON}",
    chapter="optimizers",
)
def c27(scale, *, cache=None, **running):
    """Shares of the pairs task × seed: (a) Nadam above Adam; (b) RMSprop above Nadam.

    Usually is more than half; a tie counts half. Sometimes is more than a tenth, each
    by a point at least.
    """
    return sweep.shares(scale, cache, usually=0.5, sometimes=0.1, least=LEAST)


@claim(
    "C28",
    statement="AdaMax improves on Adam",
    source=f"{GERON}: an improvement, though Adam is the better one in some cases",
    chapter="optimizers",
)
def c28(scale, *, cache=None, **running):
    """AdaMax − Adam, test accuracy, on every task."""
    return sweep.on_every_task("Adamax", "Adam", scale, cache, least=LEAST)


@claim(
    "C29",
    statement="Adaptive optimizers generalize worse than momentum",
    source=f"Wilson et al., 2017; {GERON}",
    chapter="optimizers",
)
def c29(scale, *, cache=None, **running):
    """Test error, adaptive − momentum, where both have the same training loss.

    Each at its tuned rate; the loss is the lowest that both reach, so that the better
    trained of the two is not called the better generalizing.
    """
    return speed.generalization(scale, cache, least=LEAST)


@claim(
    "C30",
    statement="The table of stars for optimizers ranks their speed and their quality",
    source=f"{GERON}: one to three stars each",
    chapter="optimizers",
)
def c30(scale, *, cache=None, **running):
    """Kendall's τ, on each seed, between the stars told and the terciles measured.

    Speed: steps to the training loss that tuned SGD has at half of the budget. Quality:
    test accuracy. The smallest effect is τ = ½: of the pairs the table orders, three in
    four are in its order.
    """
    return sweep.table_of_stars(scale, cache, least=0.5)


@claim(
    "C49",
    statement="Adaptive optimizers need less tuning of the learning rate",
    source=GERON,
    chapter="optimizers",
)
def c49(scale, *, cache=None, **running):
    """How many decades of rates lie within a point of each optimizer's best accuracy.

    A quarter of a decade is the smallest effect: half a step of the grid. Beside it,
    every optimizer again with a rate that falls along a cosine.
    """
    return sweep.widths(scale, cache, least=0.25, gain=LEAST)


@claim(
    "C50",
    statement="A momentum of 0.9 rarely needs tuning",
    source=GERON,
    chapter="optimizers",
)
def c50(scale, *, cache=None, **running):
    """What is gained, task × seed, by the β that validation ranks first, over 0.9.

    The claim holds if that is less than a point. Every β has its own rate, chosen among
    five that end in steps of the same lengths.
    """
    return momentum.best_beta(scale, cache, least=LEAST)


@claim(
    "C51",
    statement="Momentum helps more in a deep network without batch normalization",
    source=f"{GERON}: without it, the scales of the layers' inputs differ",
    chapter="optimizers",
)
def c51(scale, *, cache=None, **running):
    """The gain of momentum over SGD without BN − the gain with it, at depth 5."""
    return momentum.beside_normalization(scale, cache, least=LEAST)


@claim(
    "C69",
    statement="Where an adaptive optimizer disappoints, Nesterov's momentum is better",
    source=GERON,
    chapter="optimizers",
)
def c69(scale, *, cache=None, **running):
    """On each task, Nesterov − the adaptive optimizer that validation ranks last."""
    return sweep.fall_back(scale, cache, least=LEAST)
