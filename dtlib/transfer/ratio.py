"""How sure a ratio of two counts of errors is, by counting alone.

The chapter `transfer` of the book explains it. Tests: tests/test_transfer.py.
"""

import math
from statistics import NormalDist

from dtlib._check import integer_in, number_in


def error_ratio(errors, against, n, *, level=0.95):
    """The ratio of two networks' errors, and the interval that counting leaves it.

        r = a / b          [r·e^(−d), r·e^d],   d = z·√(1/a − 1/n + 1/b − 1/n)

    a and b are counts among n examples each, drawn apart; z is the normal quantile. It
    is the uncertainty of the test set alone: other seeds or another training set add
    to it. (On the same examples errors coincide, and it is a little too wide.)

    Args:
        errors: a, an integer in [1, n].
        against: b, likewise.
        n: How many examples each network was tested on.
        level: Of the interval, in (0, 1).

    Returns:
        `(ratio, low, high)`.

    >>> print(*(round(v, 2) for v in error_ratio(32, 20, 2000)))
    1.6 0.92 2.79

    Reference: Katz et al., 1978, "Obtaining confidence intervals for the risk ratio in
    cohort studies", https://doi.org/10.2307/2530610

    Equation: eq-transfer-ratio
    """
    n = integer_in("n", n, "[1, inf)")
    a = integer_in("errors", errors, f"[1, {n}]")
    b = integer_in("against", against, f"[1, {n}]")
    z = NormalDist().inv_cdf(0.5 + number_in("level", level, "(0, 1)") / 2)
    spread = math.exp(z * math.sqrt(1 / a - 1 / n + 1 / b - 1 / n))
    return a / b, a / b / spread, a / b * spread
