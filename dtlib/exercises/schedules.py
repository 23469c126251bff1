"""The rate at a step, by hand: what is left, one cycle, a plateau, the best rate.

The chapter `schedules` of the book ends with them. Tests: tests/test_exercises.py.
"""

import math

import numpy as np

from dtlib import callbacks, schedules
from dtlib.exercises._exercise import exercise


def left(rate, r, updates, base=0.1, whole=False):
    """The rate after some updates, tenfold smaller every r of them."""
    rule = dict(initial_learning_rate=rate, decay_steps=r, decay_rate=base)
    t = np.float64(updates)
    return float(schedules.exponential_decay(t, **rule, staircase=whole))


@exercise(
    "schedules.1",
    title="What is left of the rate",
    difficulty=1,
    minutes=5,
    hints=[
        "A schedule counts updates. How many updates is one epoch?",
        "One for each batch, and a smaller batch at the end counts: "
        "`math.ceil(examples / batch_size)`. Every r updates divide the rate by ten.",
        "`rate * 10 ** (-updates / r)`",
    ],
    cases=[
        ("a tenth every 400 updates", (0.1, 400.0, 1600, 40, 10)),
        ("a smaller last batch", (0.1, 1000.0, 1650, 100, 20)),
        ("a horizon beyond the run", (0.01, 218543.0, 60000, 30, 1)),
        ("less than one period", (1.0, 5000.0, 999, 32, 3)),
    ],
    mistakes=[
        lambda rate, r, n, b, epochs: left(rate, r, epochs),
        "You counted epochs. A schedule counts updates: epochs times batches.",
        lambda rate, r, n, b, epochs: left(rate, r, n // b * epochs),
        "You left out the smaller batch at the end of each epoch. It is an update too.",
        lambda rate, r, n, b, epochs: left(rate, r, n * epochs),
        "You counted examples. One update serves a whole batch.",
        lambda rate, r, n, b, epochs: left(
            rate, r, math.ceil(n / b) * epochs, base=math.exp(-1)
        ),
        "Your rate falls by e every r updates. It should fall by ten.",
        lambda rate, r, n, b, epochs: left(
            rate, r, math.ceil(n / b) * epochs, whole=True
        ),
        "Yours stands still for r updates and then jumps: the staircase. Here the rate "
        "falls at every update.",
        lambda rate, r, n, b, epochs: rate * math.ceil(n / b) * epochs / r / 10,
        "You divided by ten once, on a line. Each period divides by ten again.",
    ],
)
def rate_left(rate, r, examples, batch_size, epochs):
    """Return the rate after a run; it falls by ten every r updates.

    r: in updates; the rate falls a little at every one of them
    """
    return left(rate, r, math.ceil(examples / batch_size) * epochs)


def cycle(t, top, total, *, corners=(0.45, 0.9, 1.0), first=10.0, last=10_000.0):
    """One cycle on straight lines; `corners` as shares of the run."""
    x = [0, *(c * total for c in corners)]
    return np.interp(t, x, [top / first, top, top / first, top / last])


def endless(t, top, total):
    """One cycle whose last line never ends."""
    t, rate = np.asarray(t, float), cycle(t, top, total)
    slope = (top / 10_000 - top / 10) / (0.1 * total)
    return np.where(t > 0.9 * total, top / 10 + slope * (t - 0.9 * total), rate)


@exercise(
    "schedules.2",
    title="One cycle",
    difficulty=2,
    minutes=10,
    rtol=1e-5,
    hints=[
        "Which four points does the rate pass through, and what does it do after the "
        "last one?",
        "(0, top/10), (0.45·total, top), (0.9·total, top/10), (total, top/10,000); "
        "then it stays.",
        "`np.interp` goes on lines through given points, and stays at the end.",
    ],
    cases=[
        ("the corners", ([0.0, 45.0, 90.0, 100.0], 1.0, 100)),
        ("between them", ([10.0, 30.0, 60.0, 89.0, 95.0, 99.0], 0.3, 100)),
        ("beyond the end", ([399.0, 400.0, 401.0, 1000.0], 2.0, 400)),
    ],
    mistakes=[
        endless,
        "Your last line goes on after the end, and the rate becomes negative: the run "
        "then climbs the loss. Keep what it has at the end.",
        lambda t, top, total: cycle(t, top, total, corners=(0.5, 0.999999, 1.0)),
        "You closed the cycle at the end of the run. It is closed at nine tenths; the "
        "last tenth is for the rates below the first one.",
        lambda t, top, total: cycle(t, top, total, last=1000.0),
        "Your last rate is a thousandth of the top. It is a thousandth of the *first*.",
        lambda t, top, total: cycle(t, top, total, first=1e9),
        "You start at 0. The cycle starts, and is closed, at a tenth of the top.",
        lambda t, top, total: cycle(t, top, total, corners=(0.3, 0.9, 1.0)),
        "Your peak is at three tenths. The way up is as long as the way down.",
    ],
)
def one_cycle_rate(t, top, total):
    """Return the rate at each step t of a run of `total` steps.

    t: numbers of steps, also beyond the run; top: the highest rate.
    Straight lines from top/10 up to top at 0.45 of the run, down to
    top/10 at 0.9 of it, and to top/10,000 at its end
    """
    form = dict(peak=0.45, div_factor=10.0, final_div_factor=1000.0, annealing="linear")
    t = np.asarray(t, float)
    return np.asarray(
        schedules.one_cycle(t, max_learning_rate=top, total_steps=total, **form)
    )


def climb(t, top, warm, length, late):
    """Up in `warm` steps, then half a cosine of a length, counted from `late`."""
    t = np.asarray(t, float)
    p = np.clip((t - late) / length, 0, 1)
    return np.where(t < warm, top * t / warm, top * (1 + np.cos(np.pi * p)) / 2)


@exercise(
    "schedules.3",
    title="Warm up, then land on time",
    difficulty=2,
    minutes=10,
    rtol=1e-5,
    hints=[
        "Where does the cosine start, and how many steps has it left until the end?",
        "At t = warm, with total − warm steps to go. What is cos at its two ends?",
        "`top * (1 + np.cos(np.pi * p)) / 2` with p from 0 at `warm` to 1 at `total`.",
    ],
    cases=[
        ("the corners", ([0.0, 10.0, 55.0, 100.0], 1.0, 10, 100)),
        ("on the way up", ([1.0, 4.0, 19.0, 20.0], 0.02, 20, 200)),
        ("and down", ([30.0, 99.0, 150.0, 199.0, 250.0], 0.3, 20, 200)),
    ],
    mistakes=[
        lambda t, top, warm, total: climb(t, top, warm, total, late=0),
        "Your cosine runs during the climb too, so the rate jumps down when the climb "
        "ends. Count its steps from there.",
        lambda t, top, warm, total: climb(t, top, warm, total, late=warm),
        "Your cosine is as long as the whole run. It lands late by the climb: in the "
        "last step the rate is not 0.",
        lambda t, top, warm, total: 2 * climb(t, top, warm, total - warm, late=warm),
        "Your rate is twice too high: 1 + cos goes from 2 to 0.",
        lambda t, top, warm, total: np.where(
            np.asarray(t) < warm,
            climb(t, top, warm, total - warm, late=warm),
            top * np.clip((total - np.asarray(t)) / (total - warm), 0, 1),
        ),
        "Yours falls on a straight line. The cosine is flat at both of its ends.",
        lambda t, top, warm, total: climb(t, top, 1e-9, total - warm, late=warm),
        "There is no climb in your answer: the first steps have the full rate.",
    ],
)
def warm_cosine(t, top, warm, total):
    """Return the rate at each step t: up from 0 to top, then down to 0.

    t: numbers of steps, also beyond the run; the climb is a line and
    ends at t = warm, the fall is half a cosine and ends at t = total
    """
    rule = dict(initial_learning_rate=0.0, alpha=0.0, warmup_target=top)
    rule |= dict(warmup_steps=warm, decay_steps=total - warm)
    return np.asarray(schedules.cosine_decay(np.asarray(t, float), **rule))


def plateau(losses, rate, factor, patience, last=False, forget=True, after=False):
    """The rate of each epoch, or after it; `last`: compared with the epoch before."""
    best, wait, rates = math.inf, 0, []
    for i, loss in enumerate(losses):
        rates.append(rate)
        reference = losses[i - 1] if last and i else best
        wait = 0 if loss < reference else wait + 1
        best = min(best, loss)
        if wait >= patience:
            rate, wait = factor * rate, 0 if forget else wait
    return np.array([*rates, rate][after : len(rates) + after])


@exercise(
    "schedules.4",
    title="A plateau by hand",
    difficulty=2,
    minutes=15,
    hints=[
        "What must be remembered from one epoch to the next?",
        "The best loss so far, the number of epochs since, and the rate. When is the "
        "counter set to 0?",
        "At a new best, and when the rate was lowered. Note the rate *before* looking "
        "at the loss of its epoch.",
    ],
    cases=[
        ("two plateaus", ([3.0, 2.0, 2.5, 2.4, 1.0, 1.5, 1.1], 0.1, 0.1, 2)),
        ("a slow one", ([1.0, 1.2, 1.1, 1.05, 1.01, 1.3, 1.2, 1.1], 0.5, 0.5, 3)),
        ("an impatient one", ([1.0, 0.9, 0.95, 0.8, 0.85, 0.81], 1.0, 0.2, 1)),
    ],
    mistakes=[
        lambda losses, rate, factor, patience: plateau(
            losses, rate, factor, patience, last=True
        ),
        "You compared with the epoch before. A loss that comes down from a bad epoch "
        "is not an improvement: compare with the best so far.",
        lambda losses, rate, factor, patience: plateau(
            losses, rate, factor, patience, forget=False
        ),
        "Your counter goes on after the rate was lowered, so every further epoch "
        "lowers it again. Set it to 0.",
        lambda losses, rate, factor, patience: plateau(
            losses, rate, factor, patience + 1
        ),
        "You wait one epoch too long: PyTorch's rule. Here the rate is lowered when "
        "the counter *reaches* the patience.",
        lambda losses, rate, factor, patience: plateau(
            losses, rate, factor, patience, after=True
        ),
        "You give the rate after each epoch. Asked is the rate it was trained at.",
        lambda losses, rate, factor, patience: np.full(len(losses), rate),
        "Your rate never changes.",
    ],
)
def plateau_rates(losses, rate, factor, patience):
    """Return the rate each epoch was trained at.

    losses: the validation loss after each epoch; after `patience`
    epochs without a new best, the rate is multiplied by `factor`
    """
    rule = dict(mode="min", min_delta=0.0, factor=factor, cooldown=0, min_lr=0.0)
    state, rates = (None, 0, 0, rate), []
    for loss in losses:
        rates.append(state[-1])
        state = callbacks.plateau_update(loss, *state, **rule, patience=patience)
    return np.array(rates, float)


def greedy(c, noise, start, steps):
    """The rate that makes each step's mean square the smallest, and that square."""
    rates, square = [], start
    for _ in range(steps):
        rates.append(c * square / (c**2 * square + noise))
        square = (1 - rates[-1] * c) ** 2 * square + rates[-1] ** 2 * noise
    return np.array(rates)


@exercise(
    "schedules.5",
    title="Open question: the best rate of every step",
    difficulty=3,
    minutes=30,
    hints=[
        "One step multiplies w by 1 − rate·c and adds noise. What does it do to the "
        "mean square E?",
        "E becomes (1 − rate·c)²·E + rate²·noise, a parabola in the rate. Where is its "
        "lowest point?",
        "At rate = c·E/(c²·E + noise). Take it, renew E, and go on.",
    ],
    cases=[
        ("a noisy bowl", (1.0, 1.0, 4.0, 6)),
        ("a steep one", (5.0, 2.0, 1.0, 8)),
        ("far away, little noise", (0.5, 0.1, 100.0, 5)),
    ],
    mistakes=[
        lambda c, noise, start, steps: np.full(steps, 1 / c),
        "1/c is best without noise: one step to the bottom. Here each step also adds "
        "rate²·noise.",
        lambda c, noise, start, steps: np.full(steps, greedy(c, noise, start, 1)[0]),
        "Your first rate is right, and you keep it. After a step E is smaller, and the "
        "noise is not.",
        lambda c, noise, start, steps: greedy(c, noise**2, start, steps),
        "You squared the noise. It is given as a variance: rate²·noise is added.",
        lambda c, noise, start, steps: greedy(c, noise, start**2, steps),
        "You squared the start. It is a mean square already.",
        lambda c, noise, start, steps: (
            greedy(c, noise, start, 1)[0] * 0.5 ** np.arange(steps)
        ),
        "You halve the rate at each step, which is too fast: derive the second rate.",
    ],
)
def best_rates(c, noise, start, steps):
    """Return the `steps` rates that lower the mean square E of w most.

    a step: w ← w − rate·(c·w + e), where e has mean 0 and the variance
    `noise`, new at each step; start: E before the first
    """
    first = c * start / (c**2 * start + noise)
    rule = dict(initial_learning_rate=first, decay_steps=1 / (c * first), power=1.0)
    return np.asarray(schedules.power_decay(np.arange(float(steps)), **rule))
