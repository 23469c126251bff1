"""One run of one arm, and many of them on all cores.

Every chapter uses it through `compare`. Tests: tests/test_experiments.py.
"""

import itertools
import math
import os
import warnings
from collections import OrderedDict
from typing import Any, NamedTuple

import joblib
import keras
from tqdm import tqdm

from dtlib import training
from dtlib.experiments import store

# One thread a process: sums are then taken in one order, whichever process runs them.
ENVIRONMENT = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
PROGRAMS = 8  # compiled models a process keeps

_programs = OrderedDict()


class Task(NamedTuple):
    """One run: which arm, with which settings and seed, and whether it may see test."""

    arm: str
    build: Any
    hyperparameters: dict
    seed: int
    test: bool


class Plan(NamedTuple):
    """What all runs of one comparison share; `name` is unique to it."""

    name: str
    data: tuple
    data_digest: str
    metric: str
    epochs: int
    batch_size: int
    cache: Any
    process: int


class StopWhenNotFinite(keras.callbacks.Callback):
    """End a run at the first epoch whose loss is NaN or infinite: it has diverged."""

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True


def perform(task, plan):
    """Run `task`, or read it from the cache.

    Returns:
        `(run, notes)`: a dictionary with `arm`, `hyperparameters`, `seed`, `history`
        (a list for each of Keras' names), `test` (empty unless the task sees test),
        `score` and `diverged`; and what to warn of.
    """
    x_train, y_train, x_valid, y_valid, x_test, y_test = plan.data
    fresh, notes, path = _build(task, plan), [], None
    if plan.cache is not None:
        path = os.path.join(plan.cache, _key(task, plan, fresh) + ".json")
        run, note = store.load(path)
        if run is not None:
            return run, notes
        notes += [note] if note else []
    model = _compiled(task, plan, fresh)
    history = training.fit(
        model,
        x_train,
        y_train,
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        validation_data=(x_valid, y_valid),
        callbacks=[StopWhenNotFinite()],
        seed=task.seed,
        verbose=0,
    ).history
    history = {name: [*map(float, values)] for name, values in history.items()}
    measured = (x_test, y_test) if task.test else (x_valid, y_valid)
    test = _measure(model, *measured, plan) if task.test else {}
    last = (
        test if task.test else {k[4:]: v[-1] for k, v in history.items() if "val_" in k}
    )
    seen = itertools.chain(*history.values(), test.values())
    diverged = not all(map(math.isfinite, seen))
    if diverged:
        training.restart(model, _build(task, plan))
        last = _measure(model, *measured, plan)
    run = {
        "arm": task.arm,
        "hyperparameters": task.hyperparameters,
        "seed": task.seed,
        "history": history,
        "test": test,
        "score": last[plan.metric],
        "diverged": diverged,
    }
    if path is not None and (note := store.save(path, run)):
        notes.append(note)
    return run, notes


def _measure(model, x, y, plan):
    found = training.evaluate(model, x, y, batch_size=plan.batch_size)
    return {name: float(value) for name, value in found.items()}


def _build(task, plan):
    """The model of this arm, settings and seed, before its first step."""
    keras.utils.set_random_seed(task.seed)
    try:
        model = task.build(**task.hyperparameters)
    except Exception as error:
        error.add_note(
            f"Raised by arms[{task.arm!r}] when called with {task.hyperparameters}."
        )
        raise
    if not isinstance(model, keras.Model) or not model.compiled:
        kind = type(model).__name__
        raise ValueError(
            f"`arms[{task.arm!r}]` must return a compiled keras.Model. Received: "
            f"{f'an uncompiled {kind}' if isinstance(model, keras.Model) else kind}."
        )
    if not model.built:
        model(plan.data[0][:1])
    return model


def _compiled(task, plan, fresh):
    """A model equal to `fresh`, its program compiled already where one is at hand.

    Two models share a program when nothing but their weights and a constant learning
    rate differs. Where code of one's own may hide a difference, only the seeds of one
    arm and setting do.
    """
    shared = store.is_plain(fresh) and isinstance(
        fresh.optimizer.get_config().get("learning_rate"), float
    )
    own = () if shared else (task.arm, repr(sorted(task.hyperparameters.items())))
    key = (plan.name, store.digest(store.blueprint(fresh, without_start=shared)), own)
    if key in _programs:
        _programs.move_to_end(key)
        training.restart(_programs[key], fresh)
        return _programs[key]
    x, y = (part[:2] for part in plan.data[:2])
    known = {"loss", *fresh.compute_metrics(x, y, fresh(x, training=False))}
    if plan.metric not in known:
        raise ValueError(
            f"`metric` must be one of {sorted(known)}, what arms[{task.arm!r}] was "
            f"compiled with. Received: metric={plan.metric!r}."
        )
    _programs[key] = fresh
    while len(_programs) > PROGRAMS:
        _programs.popitem(last=False)
    return fresh


def _key(task, plan, fresh):
    return store.digest(
        [task.arm, task.hyperparameters, task.seed, task.test],
        [plan.data_digest, plan.metric, plan.epochs, plan.batch_size],
        store.blueprint(fresh),
        store.code(task.build),
        store.sources(),
        *(v.numpy() for v in fresh.variables),
    )


def perform_all(tasks, plan, *, jobs, progress, title):
    """Run every task, on `jobs` processes, and return the runs in the tasks' order."""
    bar = {"auto": None, True: False, False: True}[progress]
    runs, notes = [None] * len(tasks), {}
    in_turn = ((i, perform(task, plan)) for i, task in enumerate(tasks))
    results = in_turn if jobs == 1 else _side_by_side(tasks, plan, jobs)
    with tqdm(total=len(tasks), desc=title, unit="run", disable=bar) as count:
        try:
            for i, (run, messages) in results:
                runs[i] = run
                notes.update(dict.fromkeys(messages))
                count.update()
        except KeyboardInterrupt as stop:
            stop.add_note(
                "No finished run is lost: call again with the same `cache`."
                if plan.cache is not None
                else "Give `cache`, a folder, to keep the runs that finish before this."
            )
            raise
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return runs


def _side_by_side(tasks, plan, jobs):
    groups = _groups(tasks, jobs)
    backend, _ = joblib.parallel.get_active_backend()
    start = {"backend": "loky", "initializer": _START} if _is_loky(backend) else {}
    with joblib.parallel_config(**start), warnings.catch_warnings():
        # A worker that has grown is replaced by a new one: no run is lost by it.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
        calls = (joblib.delayed(_perform_group)(group, plan) for group in groups)
        for results in parallel(calls):
            yield from results


def _is_loky(backend):
    return type(backend).__name__ == "LokyBackend"


def _quiet_start(environment):
    """How a worker starts: a closure, which travels without this module."""

    def start():
        import os

        os.environ.update(environment)
        stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        try:  # TensorFlow prints lines when imported, whatever its settings
            import keras  # noqa: F401
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(null)

    return start


_START = _quiet_start(ENVIRONMENT)  # one object: joblib keeps workers that began alike


def _perform_group(group, plan):
    if plan.process != os.getpid():
        os.environ.update(ENVIRONMENT)  # heeded if it is the process's first operation
    return [(i, perform(task, plan)) for i, task in group]


def _groups(tasks, jobs):
    """Tasks that share a program together, in pieces that keep all jobs busy."""
    groups = {}
    for i, task in enumerate(tasks):
        others = {k: v for k, v in task.hyperparameters.items() if k != "learning_rate"}
        groups.setdefault((task.arm, repr(sorted(others.items()))), []).append(
            (i, task)
        )
    pieces = jobs // math.gcd(len(groups), jobs)
    return [
        group[k::pieces]
        for group in groups.values()
        for k in range(pieces)
        if group[k:]
    ]


def forget_programs():
    """Drop the compiled models this process keeps."""
    _programs.clear()


def choose_jobs(jobs):
    """How many processes: as asked, or a core each; one where they cannot be apart.

    Threads share Keras' global seed, and processes one GPU's memory: there the runs
    follow one another.
    """
    backend, _ = joblib.parallel.get_active_backend()
    if jobs == 1 or getattr(backend, "uses_threads", False):
        return 1
    if jobs is None:
        return 1 if keras.distribution.list_devices("gpu") else joblib.cpu_count()
    return jobs
