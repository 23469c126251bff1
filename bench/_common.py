"""What the benchmarks share: the clock, what the numbers depend on, a safe write."""

import json
import os
import platform
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def seconds(function, *arguments, **named):
    started = time.perf_counter()
    function(*arguments, **named)
    return time.perf_counter() - started


def machine():
    """Return what the numbers depend on."""
    names = Path("/proc/cpuinfo")
    model = platform.processor()
    if names.exists():
        lines = [
            line for line in names.read_text().splitlines() if "model name" in line
        ]
        model = lines[0].split(":")[1].strip() if lines else model
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": model,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "system": platform.platform(terse=True),
        "accelerators": [d.name for d in tf.config.list_physical_devices("GPU")],
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def write(path, content):
    """Write JSON in one step: an interrupted run leaves the old file whole."""
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, suffix=".tmp", delete=False, encoding="utf-8"
    ) as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(file.name, path)
