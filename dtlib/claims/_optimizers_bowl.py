"""Steps to the bottom of a bowl with no chance in it, by the rules themselves.

Tests: tests/test_claims_optimizers.py.
"""

import numpy as np

from dtlib import optimizers

KAPPA, DIMENSIONS, BETA = 100, 10, 0.9
CURVATURES = np.geomspace(1, KAPPA, DIMENSIONS)
TARGET = 1e-6  # of the loss at the start
LIMIT = 20_000  # steps
# Up to nearly twice 2/κ, beyond which plain descent climbs: momentum bears more.
RATES = 2 / KAPPA * np.geomspace(1 / 30, 1.9, 40)


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
        w = np.clip(w - delta, -1e9, 1e9)  # a path that climbs is lost: no overflow
        steps[((CURVATURES * w**2).sum(-1) <= TARGET * first) & (steps == LIMIT)] = t
        if t % 500 == 0 and (steps < LIMIT)[rates <= 2 / KAPPA].all():
            break
    return steps
