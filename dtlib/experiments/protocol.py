"""The protocol: tune every arm alike, then run all arms on the same fresh seeds.

Every chapter uses it, from `initializers` on. Tests: tests/test_experiments.py.
"""

import math
import os
import uuid
from numbers import Real
from typing import NamedTuple

import numpy as np

from dtlib._check import integer_in, one_of
from dtlib.experiments import checks, runs, store
from dtlib.experiments.comparison import Comparison


class Tuning(NamedTuple):
    """`chosen`, the best settings of each arm, and `table`, how all of them did."""

    chosen: dict
    table: list


def compare(
    arms,
    data,
    *,
    seeds=range(10),
    tune=None,
    tune_seeds=range(100, 103),
    metric="accuracy",
    mode="auto",
    epochs=10,
    batch_size=32,
    jobs=None,
    cache=None,
    progress="auto",
):
    """Train every arm on the same seeds, each tuned alike, and measure on test.

    A run is tied to its seed: it seeds Keras before the model is built, and the order
    of the batches. Arms that draw the same shapes in the same order thus start from the
    same draw, and all arms see the same batches. The score is the test metric after the
    last epoch. A run whose loss becomes NaN or infinite has diverged: it is counted,
    and scores what its model scored before the first step.

    Args:
        arms: `{name: build}`. `build(**hyperparameters)` returns a compiled
            `keras.Model`; without `tune` it takes no arguments.
        data: A `dtlib.datasets.Data`, or six arrays in its order.
        seeds: Integers, one run each; at least 2 for an interval.
        tune: `{hyperparameter: values to try}`; every combination is tried for every
            arm, and the best mean on validation is chosen, the first if several tie.
        tune_seeds: Seeds of the trials; none may be in `seeds`.
        metric: "loss", or the name of a metric the models are compiled with.
        mode: "max" or "min", as in Keras' callbacks; "auto" tells it by the name.
        epochs, batch_size: As in `keras.Model.fit`.
        jobs: Number of processes. By default a core each, or 1 where a GPU is in use;
            1 stays in this process, and leaves Keras' global seed changed. The numbers
            are the same for any `jobs` if this process too computes with one thread
            (`TF_NUM_INTRAOP_THREADS=1`). A `joblib.parallel_config` in force is
            respected.
        cache: A folder for finished runs. A second call reads them, so that an
            interrupted sweep goes on. A run is recognized by its model, code, data and
            settings; delete the folder after changing code that neither the model's
            configuration nor `build`'s own module shows.
        progress: "auto" shows a bar in a terminal only; True, False.

    Returns:
        A `Comparison`.

    Raises:
        ValueError: Where an argument is wrong, a seed is used twice, or two parts of
            the data are one.

    Example: two widths of a small network, on data that is noise.

    >>> import keras, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(30, 4)).astype("float32"), np.arange(30) % 2
    >>> def build(width):
    ...     layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(2)]
    ...     model = keras.Sequential([keras.Input((4,)), *layers])
    ...     loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ...     model.compile("sgd", loss, metrics=["accuracy"])
    ...     return model
    >>> found = compare(
    ...     {"narrow": lambda: build(2), "wide": lambda: build(8)},
    ...     (x[:10], y[:10], x[10:20], y[10:20], x[20:], y[20:]),
    ...     seeds=range(4), epochs=1, jobs=1,
    ... )
    >>> found.verdict("wide", "beats", "narrow", min_effect=0.3).outcome != "supported"
    True
    """
    seeds, mode = checks.seeds("seeds", seeds), checks.mode(metric, mode)
    tuning = Tuning({name: {} for name in checks.arms(arms)}, [])
    settings = dict(epochs=epochs, batch_size=batch_size, cache=cache)
    plan = _plan(data, metric, **settings)
    if tune is not None:
        tune_seeds = checks.seeds("tune_seeds", tune_seeds)
        both = set(seeds) & set(tune_seeds)
        if both:
            raise ValueError(
                "`tune_seeds` must be disjoint from `seeds`, else the settings are "
                "chosen on the runs they are judged by. "
                f"Received: {sorted(both)} in both."
            )
    jobs = _jobs(jobs)
    one_of("progress", progress, ("auto", True, False))
    try:
        if tune is not None:
            tuning = _tune(arms, tune, tune_seeds, plan, mode, jobs, progress)
        tasks = [
            runs.Task(name, build, tuning.chosen[name], seed, test=True)
            for name, build in arms.items()
            for seed in seeds
        ]
        results = runs.perform_all(
            tasks, plan, jobs=jobs, progress=progress, title="run"
        )
    finally:
        runs.forget_programs()
    return Comparison(
        results,
        arms=arms,
        seeds=seeds,
        metric=metric,
        mode=mode,
        tuned=tuning.chosen,
        tuning=tuning.table,
    )


def tune(
    arms,
    data,
    grid,
    *,
    seeds=range(100, 103),
    metric="accuracy",
    mode="auto",
    epochs=10,
    batch_size=32,
    jobs=None,
    cache=None,
    progress="auto",
):
    """Try every setting of `grid` for every arm, and choose by the validation metric.

    Test data is not looked at.

    Args:
        grid: `{hyperparameter: values to try}`.
        seeds: Seeds of the trials; do not use them again.
        arms, data, metric, mode, epochs, batch_size, jobs, cache, progress: As in
            `compare`.

    Returns:
        `Tuning(chosen, table)`, as `tuned` and `tuning` of `Comparison`.
    """
    checks.arms(arms)
    seeds, mode = checks.seeds("seeds", seeds), checks.mode(metric, mode)
    plan = _plan(data, metric, epochs=epochs, batch_size=batch_size, cache=cache)
    one_of("progress", progress, ("auto", True, False))
    try:
        return _tune(arms, grid, seeds, plan, mode, _jobs(jobs), progress)
    finally:
        runs.forget_programs()


def _tune(arms, grid, seeds, plan, mode, jobs, progress):
    grid, settings = checks.grid(grid)
    tasks = [
        runs.Task(name, build, setting, seed, test=False)
        for name, build in arms.items()
        for setting in settings
        for seed in seeds
    ]
    done = iter(
        runs.perform_all(tasks, plan, jobs=jobs, progress=progress, title="tune")
    )
    chosen, table = {}, []
    for name in arms:
        rows = []
        for setting in settings:
            trials = [next(done) for _ in seeds]
            scores = [trial["score"] for trial in trials]
            rows.append(
                {"arm": name}
                | setting
                | {
                    "score": float(np.mean(scores)),
                    "scores": scores,
                    "diverged": sum(trial["diverged"] for trial in trials),
                    "chosen": False,
                    "at_edge": [],
                }
            )
        best = choose([row["score"] for row in rows], mode)
        chosen[name] = settings[best]
        rows[best] |= {"chosen": True, "at_edge": _edges(settings[best], grid)}
        table += rows
    return Tuning(chosen, table)


def choose(scores, mode):
    """Index of the best score: the first if several tie, NaN only if all are NaN."""
    worst = -math.inf if mode == "max" else math.inf
    scores = [worst if math.isnan(score) else score for score in scores]
    return scores.index(max(scores) if mode == "max" else min(scores))


def _edges(setting, grid):
    """The numbers of `setting` that lie at an end of the values tried."""
    return [
        name
        for name, value in setting.items()
        if len(grid[name]) > 1
        and all(isinstance(v, Real) for v in grid[name])
        and value in (min(grid[name]), max(grid[name]))
    ]


def _jobs(jobs):
    return runs.choose_jobs(
        None if jobs is None else integer_in("jobs", jobs, "[1, inf)")
    )


def _plan(data, metric, *, epochs, batch_size, cache):
    data = checks.parts(data)
    return runs.Plan(
        name=uuid.uuid4().hex,
        data=data,
        data_digest=store.digest(*data) if cache is not None else "",
        metric=metric,
        epochs=integer_in("epochs", epochs, "[1, inf)"),
        batch_size=integer_in("batch_size", batch_size, "[1, inf)"),
        cache=None if cache is None else os.fspath(cache),
        process=os.getpid(),
    )
