"""Steps to the bottom of a bowl with no chance in it, by the rules themselves.

Tests: tests/test_claims_optimizers.py.
"""

import numpy as np

from dtlib import optimizers

KAPPA, DIMENSIONS, BETA = 100, 10, 0.9
CURVATURES = np.geomspace(1, KAPPA, DIMENSIONS)
TARGET = 1e-6  # of the loss at the start
LIMIT = 20_000  # steps
# Beyond 2/κ plain descent climbs; at (1 + β) times that momentum neither does nor ends.
EDGE = 2 * (1 + BETA) / KAPPA
RATES = EDGE / (1 + BETA) * np.geomspace(1 / 30, 1 + BETA, 40)
FAR = 1e9  # a path that climbs so high is lost: no overflow


def descend(g, v, *, learning_rate, momentum):
    """Gradient descent in the form of the two rules below."""
    return optimizers.sgd_update(g, learning_rate=learning_rate), v


RULES = {
    "SGD": descend,
    "momentum": optimizers.momentum_update,
    "Nesterov": optimizers.nesterov_update,
}


def bowl(rule, rates, seeds):
    """Steps until Σ c·w²/2 is a millionth of its start, (rates, seeds); at most LIMIT.

    Args:
        rule: A name in `RULES`.
        rates: Learning rates.
        seeds: Each draws a start, N(0, 1) in every direction.
    """
    starts = [np.random.default_rng(s).standard_normal(DIMENSIONS) for s in seeds]
    rate = np.asarray(rates)[:, None, None]
    w = np.repeat(np.array(starts)[None], len(rates), 0)
    v, first = np.zeros_like(w), (CURVATURES * w**2).sum(-1)
    steps = np.full(w.shape[:2], LIMIT)
    for t in range(1, LIMIT):
        delta, v = RULES[rule](CURVATURES * w, v, learning_rate=rate, momentum=BETA)
        w = np.clip(w - delta, -FAR, FAR)
        steps[((CURVATURES * w**2).sum(-1) <= TARGET * first) & (steps == LIMIT)] = t
        over = (steps < LIMIT) | (abs(w) == FAR).any(-1) | (rate[..., 0] > 0.999 * EDGE)
        if t % 100 == 0 and over.all():
            break
    return steps
