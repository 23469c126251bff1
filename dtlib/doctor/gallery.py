"""The gallery: `FAULTS`, networks with one planted fault each, and `HEALTHY` ones.

`FAULTS[name](seed)` builds a `Case`; `case.fault` is the finding that must be made.

Tests: tests/test_doctor.py.
"""

from dtlib.doctor import _planted, _planted_training
from dtlib.doctor._build import Case
from dtlib.doctor._healthy import HEALTHY

__all__ = ["FAULTS", "HEALTHY", "Case"]

FAULTS = {**_planted.FAULTS, **_planted_training.FAULTS}
