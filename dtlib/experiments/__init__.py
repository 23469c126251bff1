"""Compare methods over many seeds: tune each, pair the runs, report an interval.

One run proves nothing: a change of seed moves the accuracy of a small network by about
as much as most tricks do. Every comparison of the book therefore follows one protocol:

1. Training, validation and test data are disjoint.
2. Each arm is tuned on validation, over the same grid, with seeds not used again.
3. All arms then run on the same fresh seeds: the same data, the same order of batches,
   the same global seed before the model is built. Test data is used once, at the end.
4. What counts is the difference of two arms on one seed, and its 95 % interval.
5. The verdict is supported, contradicted or inconclusive, against a smallest effect
   named beforehand.

Every chapter uses it, from `initializers` on. Tests: tests/test_experiments.py.
"""

from dtlib.experiments.comparison import Comparison
from dtlib.experiments.protocol import compare, tune
from dtlib.experiments.verdicts import Verdict, interval, verdict

__all__ = ["Comparison", "Verdict", "compare", "interval", "tune", "verdict"]
