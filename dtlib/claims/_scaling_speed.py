"""Several processes that train as one: how long an epoch takes, and what paper says.

Each round takes turns, so a machine that is busy for a while slows all that a ratio is
made of. Tests: tests/test_claims_scaling.py.
"""

import functools
import json
import os
import sys
import tempfile
from pathlib import Path

import joblib
import numpy as np

from dtlib import scaling
from dtlib.claims.evidence import row

ROOT = Path(__file__).resolve().parents[2]
WORKERS = (2, 4)
BATCH = 256  # rows a worker takes at a step
# Little to compute between two meetings, and much; an epoch of either takes a moment.
NETWORKS = {
    "small": dict(hidden=[100], rows=16384),
    "wide": dict(hidden=[2000, 2000], rows=1024),
}
SIZES = [4096, 65536, 1048576, 4194304, 25165824]  # bytes; the wide network has 22e6
ROUNDS = {"quick": 10, "standard": 20, "full": 40}
PATIENCE = 600  # seconds, of which a quiet machine needs a tenth
MESSAGES = 2  # a step sends the gradients, as one array, and the mean loss


@functools.cache
def measured(workers, scale):
    """What the workers measured: lists with a number a round.

    Returns:
        `{network: {"alone", "at once", "together": seconds of an epoch, "bytes"}}`, and
        under "link", for every other round, the seconds for each of `SIZES`.
    """
    common = dict(batch=BATCH, rounds=ROUNDS[scale], sizes=SIZES)
    plan = json.dumps(dict(networks=NETWORKS) | common)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dtlib.claims._scaling_workers", folder, plan]
        limits = dict(workers=workers, time_limit=PATIENCE)
        scaling.launch_workers(command, **limits, environment=environment())
        return json.loads(Path(folder, "said.json").read_text("utf-8"))


def environment():
    """Variables of the workers: this package is found, and a GPU is not used."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": "-1"}


def link(said, workers):
    """Bandwidth and latency, from the median time of each size."""
    seconds = np.median(said["link"], axis=0)
    return scaling.fit_link(SIZES, seconds, workers=workers)


def seconds_a_step(said, network, workers):
    """`{"alone", "at once", "together": array of seconds a step}`, a number a round."""
    rows = NETWORKS[network]["rows"]
    steps = {"alone": rows / BATCH} | dict.fromkeys(
        ("at once", "together"), rows / BATCH / workers
    )
    return {name: np.array(said[network][name]) / n for name, n in steps.items()}


def speedups(said, network, workers):
    """Measured, on paper, and on paper with all computing at once: a number a round.

    The same rows by one worker and by all: the ratio of two epochs.
    """
    step = seconds_a_step(said, network, workers)
    one = link(said, workers)
    one["latency"] *= MESSAGES
    one["n_bytes"] = said[network]["bytes"]

    def paper(seconds):
        return np.array(
            [scaling.speedup(workers, compute_seconds=t, **one) for t in seconds]
        )

    return {
        "speed-up": workers * step["alone"] / step["together"],
        "on paper": paper(step["alone"]),
        "on paper, shared machine": paper(step["at once"])
        * step["alone"]
        / step["at once"],
    }


def rows(found, halved, close):
    """The claim's parts: the time divided by n, and the paper's error."""
    said = []
    for n, one in found.items():
        for network in NETWORKS:
            ratio, paper, shared = speedups(one, network, n).values()
            labels = dict(network=network, workers=n, decides=n == 2)
            a, b = ("C71a: ", "C71b: ") if n == 2 else ("", "")
            who = f"{n} workers, {network}"
            name = f"{a}speed-up of {who}"
            said.append(row(name, ratio, min_effect=halved * n, part="a", **labels))
            how = dict(min_effect=close, relation="equals", part="b") | labels
            name = f"{b}on paper ÷ measured − 1, {who}"
            said.append(row(name, paper / ratio - 1, shared=False, **how))
            how["decides"] = False
            name = f"on paper, shared machine ÷ measured − 1, {who}"
            said.append(row(name, shared / ratio - 1, shared=True, **how))
    return sorted(said, key=lambda one: (not one["decides"], one["part"]))


def numbers(found):
    """What the chapter quotes: seconds, speed-ups, the link."""
    told = {"cores": joblib.cpu_count()}
    for n, said in found.items():
        for network in NETWORKS:
            who = f"{network}, {n} workers"
            for name, values in speedups(said, network, n).items():
                told[f"{who}: {name}"] = np.median(values)
            for name, values in seconds_a_step(said, network, n).items():
                told[f"{who}: step {name}"] = np.median(values)
            told[f"{network}: bytes"] = said[network]["bytes"]
        for size, seconds in zip(SIZES, np.median(said["link"], axis=0), strict=True):
            told[f"{n} workers: all-reduce of {size} bytes"] = seconds
        for name, value in link(said, n).items():
            told[f"{n} workers: {name}"] = value
    return told


def text(scale):
    """What was run."""
    nets = "; ".join(
        f"{name} 784-{'-'.join(map(str, one['hidden']))}-10, {one['rows']} rows an "
        "epoch"
        for name, one in NETWORKS.items()
    )
    cores, most = joblib.cpu_count(), max(WORKERS)
    said = (
        f"Processes of one machine with {cores} cores, a thread each, "
        f"joined by its loopback; {BATCH} rows a worker and step; {nets}. "
        f"{ROUNDS[scale]} rounds, in each one worker alone, all without communication "
        "and all together, by turns. On paper: a ring of two messages a step, the "
        "gradients and the loss, over the measured link. Shared machine: with the "
        "step's time while all compute. Times depend on the machine."
    )
    if cores < most:
        said += f" {most} processes share {cores} cores: they compute no faster than "
        said += f"{cores} do."
    return said
