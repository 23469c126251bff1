"""Many networks in one program: every seed × every schedule × every rate it starts at.

The networks, their data and their starts are those of `_optimizers_nets`; what is new
is a rate that changes from step to step, and one that each network's own validation
loss may lower. Tests: tests/test_claims_schedules.py.
"""

import functools
import math

import keras
import numpy as np
from keras import ops

from dtlib import optimizers, schedules, training
from dtlib.callbacks import plateau_update
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims._optimizers_runs import LOSS, PARTS, Runs
from dtlib.claims.arms import SETTINGS, remembered

EPOCHS = {"full": 16, "short": 4}  # the budgets, at the quick scale
# Three to a decade, around the best constant rates of the chapter `optimizers`.
RATES = {
    "momentum": (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    "Adam": (0.002, 0.005, 0.01, 0.02, 0.05),
}
KINDS = {"momentum": nets.momentum(0.9), "Adam": optimizers.Adam}


def exponential(share):
    """Exponential decay of a run: what is left of the rate after n steps."""
    return lambda n: schedules.ExponentialDecay(1.0, n, share)


# Each schedule of a run of n steps, from a rate of 1; all rates are multiples of it.
SCHEDULES = {
    "constant": lambda n: schedules.PolynomialDecay(1.0, n, 1.0),
    "piecewise": lambda n: schedules.PiecewiseConstantDecay(
        [n // 2, 3 * n // 4], [1.0, 0.1, 0.01]
    ),
    "power": lambda n: schedules.PowerDecay(1.0, n / 10),
    "exponential": exponential(1 / 100),
    "performance": lambda n: schedules.PolynomialDecay(1.0, n, 1.0),  # see `Plateaus`
    "cosine": lambda n: schedules.CosineDecay(1.0, n),
    "1cycle": lambda n: schedules.OneCycle(1.0, n),
    "warm-up": lambda n: schedules.Warmup(1.0, n / 10),
    # Not among those compared: does the verdict on "exponential" hang on its speed?
    "exponential ÷ 3": exponential(1 / 3),
    "exponential ÷ 10": exponential(1 / 10),
    "exponential ÷ 1000": exponential(1 / 1000),
}
PLATEAU = dict(mode="min", min_delta=0.0, patience=2, factor=0.5, cooldown=0, min_lr=0)


class Table(keras.optimizers.schedules.LearningRateSchedule):
    """The rate of every network at every step, and how far its own plateaus lower it.

    Args:
        rates: Array (steps, R).
        seeds: S, how many networks there are at each rate.
    """

    def __init__(self, rates, seeds):
        self.rates = ops.convert_to_tensor(np.asarray(rates, "float32"))
        shape = (seeds, rates.shape[1], 1, 1)
        self.left = keras.Variable(np.ones(shape, "float32"), trainable=False)

    def __call__(self, step):
        now = ops.take(self.rates, step, axis=0)
        return now[:, None, None] * ops.convert_to_tensor(self.left)


class Plateaus:
    """Performance scheduling of many networks: what is left of the rate of each.

    Args:
        watched: Array (S, R) of booleans: which networks it is for.
    """

    def __init__(self, watched):
        self.left = np.ones(watched.shape)
        self.state = {where: (None, 0, 0) for where in map(tuple, np.argwhere(watched))}

    def update(self, losses):
        """Take the validation loss of each network, (S, R); return what is left."""
        for where, state in self.state.items():
            *state, self.left[where] = plateau_update(
                losses[where], *state, self.left[where], **PLATEAU
            )
            self.state[where] = state
        return self.left


@functools.cache
def train(kind, arms, scale, budget="full", cache=None):
    """Train every arm at every rate of `RATES[kind]`, side by side: {arm: Runs}.

    Args:
        kind: One of `KINDS`.
        arms: Names in `SCHEDULES`.
        scale: One of the claims' scales.
        budget: One of `EPOCHS`; each schedule is laid out for it.
        cache: None, or a folder where the result is kept.

    Returns:
        `{arm: Runs}`; each also has `left`, the share of each start rate that plateaus
        left in the end, (S, R).
    """
    epochs = EPOCHS[budget] * nets.TIMES[scale]
    rates, setting = RATES[kind], SETTINGS[scale]
    seeds = [*setting["seeds"], *setting["tune_seeds"]]

    def run():
        return [part.tolist() for part in _train(kind, arms, scale, epochs, seeds)]

    key, code = (kind, arms, rates, scale, epochs, seeds), (__file__, nets.__file__)
    curve, left = remembered(run, cache, "schedules", *key, code=code)
    curve, left, found = np.array(curve, "float64"), np.array(left), {}
    for i, arm in enumerate(arms):
        columns = slice(i * len(rates), (i + 1) * len(rates))
        found[arm] = Runs(curve[..., columns], rates, setting)
        found[arm].left = left[:, columns]
    return found


def table(kind, arms, steps):
    """The rate of each arm and start at every step, (steps, arms · rates)."""
    shapes = [schedules.record(SCHEDULES[arm](steps), steps) for arm in arms]
    return np.concatenate([np.outer(s, RATES[kind]) for s in shapes], axis=1)


def _train(kind, arms, scale, epochs, seeds):
    data, size = nets.task_data(nets.TASK, scale), SETTINGS[scale]["batch_size"]
    n, firsts = len(data[0]), np.cumsum([0, *map(len, data[::2])])
    rate = Table(table(kind, arms, epochs * math.ceil(n / size)), len(seeds))
    starts = [nets.start(nets.TASK, scale, seed) for seed in seeds]
    keras.utils.set_random_seed(0)
    columns = len(arms) * len(RATES[kind])
    many = nets.Nets(np.concatenate(data[::2]), starts, columns, "relu")
    many.compile(KINDS[kind](rate))
    labels = np.concatenate(data[1::2])
    watched = np.concatenate([np.arange(nets.WATCHED), np.arange(n, firsts[3])])
    part = np.searchsorted(firsts[1:], watched, side="right")

    def batches(rows, part=0):
        return [v.astype("int32") for v in (rows, labels[rows] + nets.CLASSES * part)]

    everywhere = np.repeat(watched[:, None], len(seeds), 1)
    measured = tuple(batches(everywhere, part[:, None]))
    curve = [training.evaluate(many, *measured, batch_size=size)["parts"]]
    on = np.repeat([arm == "performance" for arm in arms], len(RATES[kind]))
    plateaus = Plateaus(np.tile(on, (len(seeds), 1)))
    for rows in nets.chunks(n, seeds, size, epochs, None):
        found = training.fit(
            many,
            *batches(rows),
            batch_size=size,
            shuffle=False,
            validation_data=measured,
        )
        curve.append(found.history["val_parts"][-1])
        losses = np.array(curve[-1])[LOSS, PARTS.index("valid")]
        rate.left.assign(plateaus.update(losses)[..., None, None])
    return np.array(curve), plateaus.left
