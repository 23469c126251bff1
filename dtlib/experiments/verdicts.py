"""From paired differences to a verdict: an interval, against a smallest effect.

Every chapter uses it, from `initializers` on. Tests: tests/test_experiments.py.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from dtlib._check import finite, number_in, one_of

RELATIONS = ("beats", "equals")


class Verdict(NamedTuple):
    """What the differences say: `outcome`, and the numbers it was read from.

    `outcome` is "supported", "contradicted" or "inconclusive"; `estimate` is the mean
    difference, `[low, high]` its interval, `n` the number of pairs.
    """

    outcome: str
    estimate: float
    low: float
    high: float
    n: int
    min_effect: float

    def __str__(self):
        return (
            f"{self.outcome}: {self.estimate:+.3g} [{self.low:+.3g}, {self.high:+.3g}]"
            f", n = {self.n}, smallest effect of interest {self.min_effect:g}"
        )


def _one_a_seed(name, values):
    values = finite(name, np.asarray(values, "float64"))
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"`{name}` must be a list of at least 2 numbers, one a seed. "
            f"Received: an array of shape {values.shape}."
        )
    return values


def interval(values, *, confidence=0.95, resamples=9999):
    """Where the mean of `values` lies: a bootstrap interval `(low, high)`.

    The values are drawn again with replacement, `resamples` times; the interval is cut
    from the means of those draws, corrected for bias and skewness (BCa). The draws have
    a fixed seed, so the same values give the same interval.

    With few values it is a little narrow: in 1,500 simulations on normal data, the
    nominal 95 % held the mean in 89 % of cases at n = 10 and in 92 % at n = 30. Equal
    values give an interval of width 0.

    Args:
        values: At least 2 finite numbers, one a seed.
        confidence: In (0, 1).
        resamples: An integer ≥ 1.

    Example:

    >>> low, high = interval([0.1, 0.2, 0.3, 0.4])
    >>> bool(low < 0.25 < high)
    True

    Reference: Efron, 1987, "Better bootstrap confidence intervals",
    https://doi.org/10.1080/01621459.1987.10478410
    """
    values = _one_a_seed("values", values)
    number_in("confidence", confidence, "(0, 1)")
    spread = np.ptp(values)
    # Equal but for rounding: resampling has nothing to draw, and BCa divides by 0.
    if spread <= 4 * np.finfo("float64").eps * np.abs(values).max():
        return float(values.mean()), float(values.mean())
    low, high = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=resamples,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(low), float(high)


def verdict(differences, *, min_effect, relation="beats", confidence=0.95):
    """Judge paired differences against the smallest effect that would matter.

        beats    supported:    low > min_effect      all of the interval is enough
                 contradicted: high < min_effect     all of it is too little
        equals   supported:    −min_effect ≤ low and high ≤ min_effect
                 contradicted: high < −min_effect or low > min_effect
        both     inconclusive otherwise: more seeds, or a larger effect, are needed

    So "A beats B" is contradicted not only where B is better, but also where A is
    better by less than anybody should care about.

    Args:
        differences: A − B on each seed, positive where A is better; at least 2.
        min_effect: Smallest effect of interest, in the metric's units. It has no
            default: name it before the runs. ≥ 0 for "beats", > 0 for "equals".
        relation: "beats" or "equals".
        confidence: Of the interval, in (0, 1).

    Returns:
        A `Verdict`.

    Example: a gain that is certain, and too small to matter.

    >>> gains = [0.002, 0.003, 0.004, 0.003, 0.002]
    >>> verdict(gains, min_effect=0.0).outcome
    'supported'
    >>> verdict(gains, min_effect=0.01).outcome
    'contradicted'
    """
    one_of("relation", relation, RELATIONS)
    number_in(
        "min_effect", min_effect, "[0, inf)" if relation == "beats" else "(0, inf)"
    )
    differences = _one_a_seed("differences", differences)
    low, high = interval(differences, confidence=confidence)
    if relation == "beats":
        supported, contradicted = low > min_effect, high < min_effect
    else:
        supported = -min_effect <= low and high <= min_effect
        contradicted = high < -min_effect or low > min_effect
    outcome = "supported" if supported else "contradicted" if contradicted else None
    return Verdict(
        outcome or "inconclusive",
        float(differences.mean()),
        low,
        high,
        len(differences),
        float(min_effect),
    )
