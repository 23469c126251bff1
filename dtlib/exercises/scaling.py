"""Work for many by hand: shards, gradients in pieces, a ring, loss scales, waiting.

The chapter `scaling` of the book ends with them. Tests: tests/test_exercises.py and
tests/test_exercises_scaling.py.
"""

import math

import numpy as np

from dtlib import scaling
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(16)


def cut(n, workers, worker, size=None):
    """Rows of `size` a worker, the last one with what remains."""
    size = n // workers if size is None else size
    return np.arange(worker * size, n if worker == workers - 1 else (worker + 1) * size)


@exercise(
    "scaling.1",
    title="Who computes which rows?",
    difficulty=1,
    minutes=5,
    hints=[
        "How many rows does each worker get at least, and how many are then left?",
        "`n // workers` and `n % workers`. The first `n % workers` get one more each. "
        "Where do the rows of this worker begin?",
        "At worker · (n // workers) + min(worker, n % workers).",
    ],
    cases=[
        ("no remainder", (12, 4, 2)),
        ("among the first", (10, 4, 1)),
        ("the last worker", (10, 4, 3)),
        ("many rows", (1000, 7, 6)),
        ("between", (131, 8, 3)),
    ],
    mistakes=[
        lambda n, k, w: np.arange(w * (n // k), (w + 1) * (n // k)),
        "The remainder is lost: no worker computes the last n % workers rows.",
        cut,
        "The last worker gets all that remains, and all wait for it. Let the sizes "
        "differ by 1 at most.",
        lambda n, k, w: cut(n, k, w, size=-(-n // k)),
        "You round the size up. Then the last worker gets less, or nothing. Let the "
        "sizes differ by 1 at most.",
        lambda n, k, w: np.arange(w, n, k),
        "Your rows are spread out. Nothing is lost, but asked for are neighbors: a "
        "disk reads them faster.",
        lambda n, k, w: n - 1 - np.array_split(np.arange(n), k)[k - 1 - w][::-1],
        "You give what remains to the last workers. Give it to the first.",
        lambda n, k, w: np.array_split(np.arange(n), k)[w - 1],
        "You count the workers from 1. The first one is worker 0.",
    ],
)
def shard(n, workers, worker):
    """Return the row numbers that one worker computes, in order.

    The n rows of a batch, 0 … n − 1, are cut into pieces of neighbors
    whose sizes differ by at most 1, the larger ones first; worker: 0,
    1, … up to workers − 1
    """
    return np.array_split(np.arange(n), workers)[worker]


def clip(g, c):
    return g * min(1.0, c / np.linalg.norm(g))


def total(gradients, rows):
    return np.average(gradients, axis=0, weights=rows)


@exercise(
    "scaling.2",
    title="One gradient from many pieces",
    difficulty=2,
    minutes=10,
    hints=[
        "The loss is the mean over *all* rows of the batch. How much does a replica "
        "with few rows count?",
        "Its share of the rows: rows[r] / rows.sum(). The shares times the gradients "
        "give the gradient of the whole batch.",
        "Clip that one: if its norm is above `clipnorm`, multiply by clipnorm / norm.",
    ],
    cases=[
        ("two equal halves", ([[1.0, 2.0], [3.0, 4.0]], [2, 2], 20.0)),
        ("a small last piece", ([[1.0, 0.0], [1.0, 2.0], [9.0, -3.0]], [4, 4, 1], 9.0)),
        ("long, but opposite", ([[8.0, 1.0], [-8.0, 1.0]], [3, 3], 2.0)),
        ("one to be clipped", (3 * rng.normal(size=(3, 4)) + 5.0, [5, 5, 3], 1.5)),
    ],
    mistakes=[
        lambda g, rows, c: clip(g.mean(0), c),
        "You take the mean of the replicas' means. A row in a small piece then counts "
        "more than others. Weigh by rows.",
        lambda g, rows, c: clip(g.sum(0), c),
        "You sum the replicas' mean gradients: n replicas make it n times too long.",
        lambda g, rows, c: clip(rows @ g, c),
        "That is the gradient of the *sum* over the rows. Divide by all rows.",
        lambda g, rows, c: total([clip(piece, c) for piece in g], rows),
        "You clip each piece. What is long in one piece may cancel in the sum, so clip "
        "what all of them make together.",
        lambda g, rows, c: total(g, rows),
        "You do not clip.",
        lambda g, rows, c: c * total(g, rows) / np.linalg.norm(total(g, rows)),
        "You stretch short gradients, too. Clipping only shortens.",
        lambda g, rows, c: total(g, rows).clip(-c, c),
        "You clip each entry. `clipnorm` shortens the whole vector.",
    ],
)
def whole_gradient(gradients, rows, clipnorm):
    """Return the clipped gradient of the mean loss of the whole batch.

    gradients: (replicas, d), of each replica's *mean* loss over its own
    rows; rows: how many these are, (replicas,); clipnorm: the longest
    gradient that may come back
    """
    return clip(total(gradients, rows), clipnorm)


def ring(arrays, rounds, *, keep=False, step=1, turn=-1, whole=False):
    n, size = arrays.shape
    state, width = arrays.copy(), size // n
    for r in range(rounds):
        sent = state.copy()
        for w in range(n):
            at = (w + turn * r) % n * width
            piece, to = slice(at, at + width), (w + step) % n
            added = state[to, piece] if keep or r < n - 1 else 0
            state[to, piece] = added + sent[w, piece]
    return state, rounds * (size if whole else width)


@exercise(
    "scaling.3",
    title="The sum goes round",
    difficulty=2,
    minutes=20,
    hints=[
        "How wide is one chunk, and which columns is chunk j?",
        "M/n wide: columns j·M/n up to (j + 1)·M/n. In round r a loop over the workers "
        "takes chunk (w − r) mod n of each and changes that of worker (w + 1) mod n.",
        "Before round n − 1: `state[to, piece] += sent[w, piece]`; from then on `=`. "
        "Each round sends one chunk.",
    ],
    cases=[
        ("two workers, one round", ([[1.0, 2.0], [10.0, 20.0]], 1)),
        ("two workers, to the end", ([[1.0, 2.0], [10.0, 20.0]], 2)),
        ("three workers, half way", (rng.normal(size=(3, 6)), 2)),
        ("three workers, one round more", (rng.normal(size=(3, 6)), 3)),
        ("four workers, to the end", (rng.normal(size=(4, 8)), 6)),
    ],
    mistakes=[
        lambda a, rounds: (np.tile(a.sum(0), (len(a), 1)), ring(a, rounds)[1]),
        "That is where the ring ends, after 2(n − 1) rounds. Asked for is the state "
        "after `rounds` of them.",
        lambda a, rounds: ring(a, rounds, keep=True),
        "From round n − 1 on chunks are complete: the receiver *replaces* its own. You "
        "go on adding.",
        lambda a, rounds: ring(a, rounds, turn=1),
        "Worker w sends chunk (w − r) mod n: in the next round it passes on what it "
        "has just received. You send chunk (w + r).",
        lambda a, rounds: ring(a, rounds, step=-1),
        "Your ring turns the other way. Worker w sends to worker w + 1.",
        lambda a, rounds: ring(a, rounds, whole=True),
        "Your state is right. A worker sends one chunk a round, M/n numbers; M is what "
        "all of them send together.",
    ],
)
def ring_after(arrays, rounds):
    """Return (state, sent): of a ring of n workers after some rounds.

    arrays: (n, M), a row for each worker, n divides M; state: likewise;
    sent: how many numbers each worker has sent. Round r = 0, 1, …:
    each worker w sends chunk (w − r) mod n of n to worker (w + 1) mod
    n, which adds it to its own if r < n − 1, and else replaces its own.
    """
    return ring(arrays, rounds)


def scales(s, finite, steps, *, forget=True, again=True, late=0, least=0.0):
    found, streak = [], 0
    for good in finite:
        streak = streak + 1 if good else streak * (not forget)
        s = s if good else max(s / 2, least)
        if good and streak >= steps + late:
            s, streak = 2 * s, streak * (not again)
        found.append(s)
    return np.array(found)


mixed = [True, True, False, True, True, True, True, True, False, False, True]


@exercise(
    "scaling.4",
    title="The loss scale of every step",
    difficulty=2,
    minutes=10,
    hints=[
        "Which two numbers does a step leave behind for the next one?",
        "The scale and the streak of finite steps. What sets the streak back to 0?",
        "Two things do: an overflow, and a doubling.",
    ],
    cases=[
        ("no overflow", (8.0, [True] * 6, 2)),
        ("overflows", (1024.0, mixed, 3)),
        ("below 1", (1.5, [False, False, True, False, True, True], 2)),
        ("many steps", (65536.0, rng.random(60) > 0.15, 5)),
    ],
    mistakes=[
        lambda s, finite, steps: scales(s, finite, steps, forget=False),
        "An overflow must end the streak. You count finite steps from before it.",
        lambda s, finite, steps: scales(s, finite, steps, again=False),
        "A doubling must end the streak, or every step after it doubles again.",
        lambda s, finite, steps: scales(s, finite, steps, late=1),
        "You double one step late: the streak reaches `growth_steps` in this step.",
        lambda s, finite, steps: scales(s, finite, steps, least=1.0),
        "You keep the scale at 1 or above. Nothing forbids a smaller one.",
        lambda s, finite, steps: np.append(s, scales(s, finite, steps)[:-1]),
        "You return the scale *before* each step. Asked for is the one after it.",
    ],
)
def loss_scales(scale, finite, growth_steps):
    """Return the loss scale after each step.

    scale: before the first step; finite: for each step, whether all
    gradients were finite. If not, the scale is halved; after
    growth_steps finite steps in a row it is doubled.
    """
    found, streak = [], 0
    for good in finite:
        scale, streak = scaling.loss_scale_update(
            scale, streak, bool(good), growth_steps=growth_steps
        )
        found.append(scale)
    return np.array(found)


def wanted(efficiency, ring, row, overlap, up=math.ceil):
    return up(efficiency * ring / (1 - efficiency * (1 - overlap)) / row)


@exercise(
    "scaling.5",
    title="Open question: how many rows keep a worker busy?",
    difficulty=3,
    minutes=20,
    hints=[
        "A step computes for t = rows · row_seconds and communicates for ring_seconds. "
        "How long does it take if nothing overlaps, and which part of that is useful?",
        "t / (t + c), where c is what cannot hide: ring_seconds − overlap · t, if that "
        "is positive. Set it equal to `efficiency` and solve for t.",
        "t = efficiency · ring_seconds / (1 − efficiency · (1 − overlap)). Divide by "
        "row_seconds and round up.",
    ],
    cases=[
        ("half, without overlap", (0.5, 0.01, 7e-5, 0.0)),
        ("nine tenths", (0.9, 0.01, 7e-5, 0.0)),
        ("the same with overlap", (0.9, 0.01, 7e-5, 0.5)),
        ("all can hide", (0.8, 0.2, 7e-4, 1.0)),
    ],
    mistakes=[
        lambda e, ring, row, o: wanted(e, ring, row, 0.0),
        "You left out that communication can hide behind computing.",
        lambda e, ring, row, o: wanted(e, ring, row, o, up=int),
        "You round down: with so few rows the efficiency is not reached.",
        lambda e, ring, row, o: wanted(e, ring * (1 - o), row, 0.0),
        "You let a part of the *communication* hide. What hides is at most "
        "overlap · t, a part of the computing.",
        lambda e, ring, row, o: wanted(1 - e, ring, row, o),
        "You exchanged the useful part and the rest: more efficiency needs more rows.",
        lambda e, ring, row, o: wanted(e, ring, row, o, up=float),
        "That is not a whole number of rows. Round up.",
        lambda e, ring, row, o: wanted(e, ring, 1.0, o, up=float),
        "Your answer is a time. Divide by the seconds of one row, and round up.",
    ],
)
def rows_for(efficiency, ring_seconds, row_seconds, overlap):
    """Return the fewest rows per worker that give this efficiency.

    efficiency: computing over the whole step, in (0, 1); ring_seconds:
    communication of a step; row_seconds: computing of one row; overlap:
    the part of the computing behind which communication can hide
    """
    return wanted(efficiency, ring_seconds, row_seconds, overlap)
