"""What S × C networks with penalties and bounds show: tuned, stopped early, thinned.

Tests: tests/test_claims_regularizers.py.
"""

import functools

import numpy as np

from dtlib.callbacks import stopping_update
from dtlib.claims import _regularizers_nets as nets
from dtlib.claims._optimizers_runs import ACCURACY, LOSS
from dtlib.claims._regularizers_weights import SHARES, THRESHOLDS
from dtlib.claims.arms import SETTINGS

EVERY = "every seed"  # whose validation tunes, instead of the tuning seeds' alone
PATIENCE = 5  # measurements: 100 of 600 steps
TRAIN, VALID, TEST = 0, 1, slice(2, None)
ZERO = THRESHOLDS.index(1e-3)  # what this book calls zero


class Arm:
    """An arm's networks and how they did; arrays are (S seeds, C settings).

    Attributes:
        settings: The C pairs of rate and strength.
        n: How many of the seeds are judged; the others tune.
        tuners: The seeds that tune.
        curve: Array (measurements, 2, parts, S, C).
    """

    def __init__(self, name, found, settings, n):
        self.name, self.found, self.settings, self.n = name, found, settings, n
        self.curve, self.tuners = found["curve"], slice(n, None)

    def by(self, whose):
        """This arm, tuned by the validation of `EVERY` seed if that is asked."""
        if not whose:
            return self
        again = Arm(self.name, self.found, self.settings, self.n)
        again.tuners = slice(None)
        return again

    def at(self, part, kind=ACCURACY, measurement=-1):
        """Mean over a part's blocks, after one measurement for all or one for each."""
        values = self.curve[:, kind, part]
        values = values.mean(axis=1) if part == TEST else values
        if np.ndim(measurement) == 0:
            return values[measurement]
        return np.take_along_axis(values, measurement[None], axis=0)[0]

    def gap(self):
        """Training − test accuracy in the end."""
        return self.at(TRAIN) - self.at(TEST)

    def stops(self, kind=LOSS):
        """The measurements of the best validation, and of the stop."""
        return stops(self.curve[:, kind, VALID], "min" if kind == LOSS else "max")

    def best(self, scores):
        """The setting whose mean score, of the tuning seeds, is the highest."""
        return int(self.tried(scores).argmax())

    def tried(self, scores):
        """(C,): the mean of the seeds that tune."""
        return scores[self.tuners].mean(axis=0)

    def told(self, k, scores, name=None):
        """Numbers of a claim: the mean score, the rate, and the strength."""
        name = name or self.name
        rate, strength = self.settings[k]
        numbers = {f"{name}: accuracy": scores[: self.n, k].mean()}
        numbers[f"{name}: learning rate"] = rate
        if len({strength for _, strength in self.settings}) > 1:
            numbers[f"{name}: strength"] = strength
        return numbers

    def tuned(self):
        """The setting that is best when the run is over, and its test accuracies."""
        k = self.best(self.at(VALID))
        return k, self.at(TEST)[: self.n, k]

    def restored(self):
        """The same for the weights that early stopping keeps, and their measurement."""
        kept, _ = self.stops()
        k = self.best(self.at(VALID, measurement=kept))
        return k, self.at(TEST, measurement=kept)[: self.n, k], kept[: self.n, k]


@functools.cache
def arm(name, scale, cache=None, task="network"):
    """The trained `Arm` of a name in `STRENGTHS`."""
    found = nets.train(name, scale, task, cache)
    n = len(SETTINGS[scale]["seeds"])
    return Arm(name, found, nets.settings_of(name, task), n)


def stops(values, mode, patience=PATIENCE):
    """Early stopping of every network: `(best, stop)`, each shaped like `values[0]`.

    Args:
        values: Array (measurements, …); the first, before training, is not looked at.
        mode: "min" or "max".
        patience: Measurements without improvement after which to stop.
    """
    kept, stop = (np.full(values.shape[1:], len(values) - 1) for _ in range(2))
    rule = dict(mode=mode, min_delta=0.0, baseline=None)
    for where in np.ndindex(values.shape[1:]):
        best, wait, kept[where] = None, 0, 1
        for m, value in enumerate(values[(slice(1, None), *where)], start=1):
            best, wait, is_best = stopping_update(float(value), best, wait, **rule)
            if is_best:
                kept[where] = m
            elif wait >= patience:
                stop[where] = m
                break
    return kept, stop


def optimism(accuracies, blocks):
    """How much the examples that choose the measurement flatter it, a number a seed.

    Args:
        accuracies: Array (measurements, B, S): the accuracy on each block of examples.
        blocks: How many blocks choose. Each takes its turn; the others are fresh.
    """
    found = []
    for first in range(accuracies.shape[1]):
        turned = np.roll(accuracies, -first, axis=1)
        chose = turned[:, :blocks].mean(axis=1)
        fresh = turned[:, blocks:].mean(axis=1)
        k = chose[1:].argmax(axis=0)[None] + 1
        differences = np.take_along_axis(chose - fresh, k, axis=0)[0]
        found.append(differences)
    return np.mean(found, axis=0)


def strongest(arm, target, rate=None):
    """Of the settings whose validation accuracy reaches the target, the strongest.

    Among rates, validation's choice, or the one given. If none gets there, the best.
    """
    here = np.array([rate in (None, r) for r, _ in arm.settings])
    tried = np.where(here, arm.tried(arm.at(VALID)), -1)
    enough = [k for k, score in enumerate(tried) if score >= target]
    if not enough:
        return int(tried.argmax())
    return max(enough, key=lambda k: (arm.settings[k][1], tried[k]))


class Thinned:
    """Every way to get zeros that a method offers: sparsity and accuracies of each.

    Attributes:
        zeros, valid, test: Arrays (S, ways).
    """

    def __init__(self, arm, pruning=False):
        self.n, self.tuners = arm.n, arm.tuners
        if pruning:
            curve = arm.found["pruned"][:, ACCURACY]
            shares = np.array(SHARES)[:, None, None]
            each = [curve[:, VALID], curve[:, TEST].mean(axis=1)]
            zeros = np.broadcast_to(shares, each[0].shape)
            flat = [np.concatenate([*v], axis=-1) for v in (zeros, *each)]
            self.zeros, self.valid, self.test = flat
        else:
            self.zeros = arm.found["zeros"][ZERO]
            self.valid, self.test = arm.at(VALID), arm.at(TEST)

    def sparsest(self, target):
        """The way of most zeros whose validation accuracy reaches the target.

        Both as the seeds that tune have it. If none gets there, the most accurate one.
        """
        zeros, tried = (v[self.tuners].mean(axis=0) for v in (self.zeros, self.valid))
        if (tried >= target).any():
            tried = np.where(tried >= target, zeros + 1e-6 * tried, -1)
        return int(tried.argmax())

    def frontier(self):
        """Share of zeros → test accuracy of the most accurate way of so many or more.

        Which it is, the validation of all seeds says. A share that no way reaches is
        left out.
        """
        zeros, tried = (v.mean(axis=0) for v in (self.zeros, self.valid))
        found = {}
        for share in SHARES:
            enough = zeros >= share - 1e-9  # the mean of equal shares is rounded
            if enough.any():
                k = np.where(enough, tried, -1).argmax()
                found[share] = self.test[: self.n, k].mean()
        return found


def steps(measurements, scale):
    """Steps of training at these measurements."""
    return measurements * (nets.STEPS[scale] / nets.MEASUREMENTS)


def by_setting(arm, what, values):
    """Numbers: the judged seeds' mean at every setting of an arm."""
    means = values[: arm.n].mean(axis=0)
    return {
        f"{place(arm, *setting)}: {what}": mean
        for setting, mean in zip(arm.settings, means, strict=True)
    }


def place(arm, rate, strength):
    """A setting in words: an arm without a strength has none to tell."""
    return f"{arm.name} at {rate:g}" + (f" and {strength:g}" if strength else "")


def text(scale, *names, more=""):
    """One sentence: what was run."""
    setting = SETTINGS[scale]
    said = f"MNIST-1D, {nets.EXAMPLES[scale]} training examples, 2 ReLU layers of "
    said += f"{nets.WIDTH}, Adam, {nets.STEPS[scale]} steps of {nets.BATCH}, "
    said += f"{len(setting['seeds'])} paired seeds; tuned on validation with "
    said += (
        f"{len(setting['tune_seeds'])} others over rates {listed(nets.RATES['Adam'])}"
    )
    for name in names:
        said += f"; {name} {listed(nets.STRENGTHS[name])}"
    return f"{said}. {more}".rstrip()


def listed(numbers):
    return ", ".join(f"{number:g}" for number in numbers)
