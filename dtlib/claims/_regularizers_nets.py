"""Many small networks in one program: every seed × every rate × every strength.

The networks are those of `_optimizers_nets`, on so few examples that they overfit. New
here: each has a penalty, a decay or a bound of its own; the test examples are measured
in blocks; and the weights in the end are looked at. Tests:
tests/test_claims_regularizers.py.
"""

import functools
import itertools

import keras
import numpy as np
from keras import ops

from dtlib import (
    constraints,
    datasets,
    initializers,
    optimizers,
    regularizers,
    training,
)
from dtlib.claims import _optimizers_nets as nets
from dtlib.claims import _regularizers_weights as weights
from dtlib.claims.arms import SETTINGS, network, remembered

EXAMPLES = {"quick": 400, "standard": 800, "full": 1600}  # few: it must overfit
STEPS = {"quick": 600, "standard": 1200, "full": 2400}
BATCH, WIDTH, MEASUREMENTS, BLOCKS = 40, 32, 30, 10
USELESS = 160  # inputs of pure noise beside the 40, for the linear model
# Half-decades; of max-norm, about the 1.4 of a column of He's draw. Moved once: in the
# first sweep, from 0.001, the best rate or the strongest penalty was the last of some;
# FTRL's λ₁ ends where no weight leaves 0 any more.
RATES = {"Adam": (0.003, 0.01, 0.03, 0.1), "FTRL": (0.1, 0.2, 0.3, 0.5)}
STRENGTHS = {
    "none": (0.0,),
    "l1": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    "l2": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
    "decay": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0),
    "max-norm": (0.5, 0.75, 1.0, 1.5, 2.0, 3.0),
    "FTRL": (0.0, 0.003, 0.01, 0.02, 0.03, 0.05),
}
LINEAR = {  # whose gradients agree for longer
    "l1": (1e-3, 3e-3, 1e-2, 3e-2, 5e-2, 1e-1),
    "FTRL": (0.0, 0.3, 1.0, 3.0, 10.0, 30.0),
}
PARTS = ("train", "valid", *(f"test {k}" for k in range(BLOCKS)))


class Nets(nets.Nets):
    """S × C networks, each of the C columns with a penalty and a bound of its own.

    Args:
        x, starts: As in `_optimizers_nets.Nets`.
        l1, l2, cap: C numbers each: the penalties' λ, and the max-norm's c or None.
    """

    def __init__(self, x, starts, l1, l2, cap=None):
        super().__init__(x, starts, len(l1), "relu")
        self.l1, self.l2 = column(l1), column(l2)
        if cap is not None:
            bound = functools.partial(
                constraints.max_norm, max_value=column(cap), axis=-2
            )
            for kernel in self.kernels:
                kernel.constraint = bound
        self.blocks = nets.Parts(len(PARTS), (len(starts), len(l1)), "blocks")

    @property
    def metrics(self):
        return [metric for metric in super().metrics if metric is not self.parts]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The sum over networks of each one's mean and penalties."""
        loss = super().compute_loss(x, y, y_pred)
        for w in map(ops.convert_to_tensor, self.kernels):
            if self.l1.any():
                loss += regularizers.l1_penalty(w * self.l1, l1=1.0)
            if self.l2.any():
                loss += regularizers.l2_penalty(w * np.sqrt(self.l2), l2=1.0)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        self.blocks.update_state(y[:, 0] // nets.CLASSES, *self.each(y, y_pred))
        return self.get_metrics_result()


def column(numbers):
    """C numbers in the shape that meets kernels (S, C, in, out)."""
    return np.asarray(numbers, "float32")[:, None, None]


def settings_of(arm, task="network"):
    """All (rate, strength) of an arm, in the order of its columns."""
    rates = RATES["FTRL" if arm == "FTRL" else "Adam"]
    strengths = (LINEAR if task == "linear" else {}).get(arm, STRENGTHS[arm])
    return [*itertools.product(rates, strengths)]


@functools.cache
def data_of(task, scale):
    """Six arrays; the linear task has `USELESS` inputs of noise beside the curves."""
    few = EXAMPLES[scale]
    x, y, *rest = datasets.mnist1d(2000 if scale == "quick" else 4000, 1000)
    data = [x[:few], y[:few], *rest]
    if task == "linear":
        rng = np.random.default_rng(0)
        for k in (0, 2, 4):
            noise = rng.standard_normal((len(data[k]), USELESS))
            data[k] = np.concatenate([data[k], noise], axis=1).astype("float32")
    return tuple(data)


@functools.cache
def start(task, scale, seed):
    """The weights a seed starts from: He's, the output layer's Glorot's."""
    keras.utils.set_random_seed(seed)
    he = initializers.HeNormal
    hidden = [
        keras.layers.Dense(WIDTH, "relu", kernel_initializer=he())
        for _ in range(2 * (task == "network"))
    ]
    shape, plain = data_of(task, scale)[0].shape[1:], keras.optimizers.SGD()
    last = initializers.GlorotNormal()
    return network(shape, hidden, plain, start=last).get_weights()


def optimizer_of(arm, rates, strengths):
    """Adam, with the columns' decays if that is the arm; or FTRL with their λ₁."""
    rate = column(rates)

    def rates_now():
        return ops.convert_to_tensor(rate)

    if arm == "FTRL":
        made = optimizers.Ftrl(rates_now)
        made.l1_regularization_strength = column(strengths)
    else:
        made = optimizers.Adam(rates_now)
        if arm == "decay":
            decoupled(made, strengths)
    return made


def decoupled(optimizer, decays):
    """Give each column its own decoupled decay, of kernels only."""
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.weight_decay = ops.convert_to_tensor(column(decays))


def build(arm, task, scale, seeds):
    """The compiled networks of an arm, at their start."""
    rates, strengths = map(np.array, zip(*settings_of(arm, task), strict=True))
    penalties = {k: strengths * (arm == k) for k in ("l1", "l2")}
    cap = strengths if arm == "max-norm" else None
    many = side_by_side(task, scale, seeds, **penalties, cap=cap)
    many.compile(optimizer_of(arm, rates, strengths))
    return many


def side_by_side(task, scale, seeds, l1, l2, cap=None):
    """`Nets` of these seeds, of as many columns as there are penalties."""
    starts = [start(task, scale, seed) for seed in seeds]
    keras.utils.set_random_seed(0)
    x = np.concatenate(data_of(task, scale)[::2])
    return Nets(x, starts, l1, l2, cap)


@functools.cache
def train(arm, scale, task="network", cache=None):
    """Train an arm's networks, S seeds × C settings, side by side.

    Args:
        arm: One of `STRENGTHS`.
        scale: One of the claims' scales.
        task: "network" of two hidden layers, or "linear": none, and useless inputs.
        cache: None, or a folder where the result is kept.

    Returns:
        `{name: array}`: "curve" (measurements, 2, parts, S, C) of losses and
        accuracies; "squares" Σw², "bound" the share of units that max-norm holds, and
        "zeros" at each threshold, of the kernels in the end; of some arms also "pruned"
        (shares, 2, parts, S, C) after the smallest weights went, and "halved" (2,
        parts, S, C), see `weights.halved`.
    """
    setting = SETTINGS[scale]
    seeds = [*setting["seeds"], *setting["tune_seeds"]]

    def run():
        return {k: v.tolist() for k, v in _train(arm, task, scale, seeds).items()}

    key, code = (arm, scale, task, seeds), (__file__, nets.__file__)
    found = remembered(run, cache, "regularizers", *key, code=code)
    return {name: np.array(value, "float64") for name, value in found.items()}


def _train(arm, task, scale, seeds):
    many = build(arm, task, scale, seeds)
    measured = watching(task, scale, len(seeds))

    def evaluate():
        return training.evaluate(many, *measured, batch_size=200)["blocks"]

    curve = [evaluate()]
    for rows in chunks(task, scale, seeds):
        training.fit(many, *rows, batch_size=BATCH, shuffle=False)
        curve.append(evaluate())
    found = {"curve": np.array(curve)} | weights.looked_at(
        many.kernels, settings_of(arm, task)
    )
    if arm == "none" and task == "network":
        found["halved"] = weights.halved(many, evaluate)
    if arm in ("none", "l1"):
        found["pruned"] = weights.pruned(many, evaluate)
    return found


def watching(task, scale, seeds):
    """All examples as rows that every seed looks at, and their labels and parts."""
    data = data_of(task, scale)
    labels = np.concatenate(data[1::2])
    few, valid, test = map(len, data[::2])
    part = np.repeat(range(len(PARTS)), [few, valid] + [test // BLOCKS] * BLOCKS)
    rows = np.repeat(np.arange(len(labels))[:, None], seeds, 1)
    return _int32(rows, labels[rows] + nets.CLASSES * part[:, None])


def chunks(task, scale, seeds):
    """The rows each seed visits, and their labels, between two measurements."""
    data, steps = data_of(task, scale), STEPS[scale]
    epochs = -(-steps * BATCH // len(data[0]))
    orders = [
        [training.batch_order(len(data[0]), seed=seed, epoch=e) for e in range(epochs)]
        for seed in seeds
    ]
    rows = np.stack([np.concatenate(o) for o in orders], axis=1)[: steps * BATCH]
    return [_int32(r, data[1][r]) for r in np.split(rows, MEASUREMENTS)]


def _int32(*arrays):
    return [a.astype("int32") for a in arrays]
