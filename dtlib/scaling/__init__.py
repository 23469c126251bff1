"""Scaling: more data than memory, more devices than one, and what they cost.

The chapter `scaling` of the book explains it. Tests: tests/test_scaling.py.
"""

from dtlib.scaling.loop import distributed_step, fit_distributed, measure_all_reduce
from dtlib.scaling.rules import (
    all_reduce_seconds,
    fit_link,
    loss_scale_update,
    scaled_learning_rate,
    speedup,
)
from dtlib.scaling.streaming import block_order, stream
from dtlib.scaling.workers import (
    Launch,
    WorkerFailed,
    launch_workers,
    logical_cpus,
    worker_config,
)

__all__ = [
    "Launch",
    "WorkerFailed",
    "all_reduce_seconds",
    "block_order",
    "distributed_step",
    "fit_distributed",
    "fit_link",
    "launch_workers",
    "logical_cpus",
    "loss_scale_update",
    "measure_all_reduce",
    "scaled_learning_rate",
    "speedup",
    "stream",
    "worker_config",
]
