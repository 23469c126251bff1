"""Several processes that train as one: their addresses, their start, their end.

Tests: tests/test_scaling.py.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from typing import NamedTuple

from dtlib._check import integer_in, number_in
from dtlib.experiments.runs import ENVIRONMENT

TAIL = 2000  # characters of a worker's output that an error quotes


class Launch(NamedTuple):
    """What workers said: a text each, how often all were started, and the seconds."""

    outputs: list
    attempts: int
    seconds: float


class WorkerFailed(RuntimeError):
    """A worker ended with an error, or was killed."""


def worker_config(addresses, index):
    """The `TF_CONFIG` of one worker: who all are, and which of them it is.

    Args:
        addresses: List of "host:port", the same and in the same order for all workers.
        index: This worker's place in it. Worker 0 also writes backups.

    Returns:
        Text for the environment variable `TF_CONFIG`, to be set before TensorFlow
        makes its `MultiWorkerMirroredStrategy`.

    >>> worker_config(["10.0.0.1:2222", "10.0.0.2:2222"], 1)  # doctest: +ELLIPSIS
    '{"cluster": {"worker": ["10.0.0.1:2222", ...]}, "task": {... "index": 1}}'
    """
    addresses = list(addresses)
    for address in addresses:
        host, _, port = str(address).rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(
                f'`addresses` must be texts like "host:port". Received: {address!r}.'
            )
    if not addresses or len(set(addresses)) < len(addresses):
        raise ValueError(
            f"`addresses` must be one or more, all different. Received: {addresses}."
        )
    index = integer_in("index", index, f"[0, {len(addresses)})")
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def logical_cpus(n):
    """Cut this machine's CPU into n logical devices, to try `MirroredStrategy` on.

    They share its cores, so nothing gets faster. TensorFlow allows it only before it
    has run its first operation: call it at the top of a script of its own.

    Args:
        n: How many.

    Returns:
        Their names, for `tf.distribute.MirroredStrategy`.

    Raises:
        RuntimeError: Where TensorFlow has started already.
    """
    import tensorflow as tf

    n = integer_in("n", n, "[1, inf)")
    device = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration() for _ in range(n)]
    tf.config.set_logical_device_configuration(device, parts)
    return [f"CPU:{i}" for i in range(n)]


def launch_workers(command, *, workers, time_limit, restarts=0, environment=None):
    """Run one command as n processes of this machine, each with its `TF_CONFIG`.

    If one of them fails, the others are killed: they would wait for it. All are then
    started again, as often as `restarts` allows, for a worker cannot rejoin a run that
    went on without it. None outlives this call.

    Args:
        command: List of texts, such as `[sys.executable, "train.py"]`.
        workers: n.
        time_limit: Seconds for everything, restarts too.
        restarts: How often all may be started again.
        environment: Variables beside those of this process. One thread an operation is
            the default, as in `experiments`.

    Returns:
        A `Launch`: `outputs` of the workers in order (what they printed in the last
        attempt), `attempts` and `seconds`.

    Raises:
        WorkerFailed: Where a worker fails and no restart is left; with the last lines
            of its output.
        TimeoutError: Where the time is over.

    >>> import sys
    >>> who = "import json, os; print(json.loads(os.environ['TF_CONFIG'])['task'])"
    >>> launch = launch_workers([sys.executable, "-c", who], workers=2, time_limit=60)
    >>> print(*launch.outputs, sep="")
    {'type': 'worker', 'index': 0}
    {'type': 'worker', 'index': 1}
    <BLANKLINE>
    """
    n = integer_in("workers", workers, "[1, inf)")
    limit = number_in("time_limit", time_limit, "(0, inf)")
    restarts = integer_in("restarts", restarts, "[0, inf)")
    if isinstance(command, str) or not command:
        raise ValueError(
            f"`command` must be a list of texts. Received: command={command!r}."
        )
    variables = {**os.environ, **ENVIRONMENT, **(environment or {})}
    begin = time.monotonic()
    for attempt in range(1, restarts + 2):
        outputs, failed = _attempt(command, n, variables, begin + limit)
        if failed is None:
            return Launch(outputs, attempt, time.monotonic() - begin)
    index, code = failed
    raise WorkerFailed(
        f"Worker {index} of {n} ended with {code} (attempt {attempt} of "
        f"{restarts + 1}). Its last output:\n{outputs[index][-TAIL:]}"
    )


def _attempt(command, n, variables, deadline):
    """One start of all workers: their outputs, and (index, code) of one that failed."""
    addresses = _free_addresses(n)
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(n)]
        started = []
        stack.callback(_kill, started)
        for index, log in enumerate(logs):
            config = worker_config(addresses, index)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**variables, "TF_CONFIG": config},
                start_new_session=True,  # so that its own children end with it
            )
            started.append(process)
        failed = _wait(started, deadline)
        _kill(started)
        outputs = [_text(log) for log in logs]
        if failed == "late":
            tails = (f"worker {i}:\n{text[-TAIL:]}" for i, text in enumerate(outputs))
            raise TimeoutError(
                "The workers were not done within `time_limit`, and were killed. "
                "Their last output:\n" + "\n".join(tails)
            )
        return outputs, failed


def _wait(started, deadline):
    """None when all have ended well, (index, code) of a failure, or "late"."""
    while True:
        codes = [process.poll() for process in started]
        for index, code in enumerate(codes):
            if code:
                return index, code
        if None not in codes:
            return None
        if time.monotonic() > deadline:
            return "late"
        time.sleep(0.05)


def _kill(started):
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(log):
    log.seek(0)
    return log.read().decode("utf-8", "replace")


def _free_addresses(n):
    """Ports of this machine that nobody listens on, n different ones."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in held]
