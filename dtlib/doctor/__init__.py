"""Doctor: why a network does not train, found by tests on the network itself.

`diagnose` looks at a compiled model and its data, trains for a few steps, and puts
everything back. `Doctor` does so while training runs. `FAULTS` and `HEALTHY` are the
networks on which both were tried.

The chapter `doctor` of the book explains it. Tests: tests/test_doctor.py.
"""

from dtlib.doctor.diagnosis import diagnose
from dtlib.doctor.gallery import FAULTS, HEALTHY, Case
from dtlib.doctor.report import Finding, Report
from dtlib.doctor.rules import (
    expected_initial_loss,
    gradient_reach,
    guessing_loss,
    permutation_score,
)
from dtlib.doctor.ward import Doctor

__all__ = [
    "FAULTS",
    "HEALTHY",
    "Case",
    "Doctor",
    "Finding",
    "Report",
    "diagnose",
    "expected_initial_loss",
    "gradient_reach",
    "guessing_loss",
    "permutation_score",
]
