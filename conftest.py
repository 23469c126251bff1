"""What all tests share: one thread an operation, and notebooks that are compared whole.

nbval compares the texts of a notebook and overlooks its figures; here they count too.
"""

import os
import signal

import pytest

from tools import figures, first_cell

for name, value in {**first_cell.ENVIRONMENT, "JAX_ENABLE_X64": "1"}.items():
    os.environ.setdefault(name, value)  # before a backend starts, also in kernels

import matplotlib  # noqa: E402

matplotlib.use("agg")  # not by MPLBACKEND: kernels would inherit it and draw nothing


def pytest_collection_modifyitems(items):
    """Compare the figures of notebooks; skip the cells whose data cannot be had."""
    cells = [item for item in items if hasattr(item, "cell_num")]
    for item in cells:
        item.compare_outputs = _and_figures(item, item.compare_outputs)
    tagged = [i for i in cells if "needs-thoracic" in i.cell.metadata.get("tags", [])]
    if tagged and (reason := _why_no_thoracic_table()):
        for item in tagged:
            item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_thoracic_table():
    from dtlib import datasets

    try:
        datasets.thoracic_surgery()
    except datasets.DataUnavailable as error:
        return f"the thoracic-surgery table cannot be had: {error}"


def _and_figures(item, compare_texts):
    """nbval's comparison of a cell, then that of its figures."""

    def pngs(outputs):
        found = (output.get("data", {}).get("image/png") for output in outputs)
        return [png for png in found if png]

    def compare(test, ref, skip_compare=None):
        if not compare_texts(test, ref, skip_compare):
            return False
        drawn, stored = pngs(test), pngs(ref)
        if len(drawn) != len(stored):
            message = f"{len(stored)} figures stored, {len(drawn)} drawn"
            item.comparison_traceback.append(message)
            return False
        for number, pair in enumerate(zip(stored, drawn, strict=True), 1):
            distance, allowed = figures.difference(*pair)
            if distance > allowed:
                message = f"figure {number} of the cell differs from the stored one: "
                message += f"a block by {distance:.2f}, where {allowed:.2f} is allowed"
                item.comparison_traceback.append(message)
                return False
        return True

    return compare


@pytest.fixture
def interruptible():
    """Python's own handler, also where a background shell made SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
