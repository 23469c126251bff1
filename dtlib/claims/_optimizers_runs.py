"""What S × R networks went through: curves, the rate chosen, the step of a crossing.

Tests: tests/test_claims_optimizers.py.
"""

import numpy as np

PARTS = ("train", "valid", "test")
LOSS, ACCURACY = 0, 1


class Runs:
    """What S × R networks went through, and which rate validation chooses.

    Attributes:
        curve: Array (measurements, 2, parts, S, R) of losses and accuracies. A network
            whose loss became NaN or infinite has diverged: it keeps what it had before
            its first step.
        diverged: Array (S, R) of booleans.
        rates: The R rates.
    """

    def __init__(self, curve, rates, setting):
        curve = np.array(curve, "float64")
        self.diverged = ~np.isfinite(curve[:, LOSS]).all(axis=(0, 1))
        self.curve = np.where(self.diverged, curve[:1], curve)
        self.rates, self.n = rates, len(setting["seeds"])

    def final(self, kind=ACCURACY, part="test"):
        """Of the seeds that are judged: (seeds, R) after the last step."""
        return self.curve[-1, kind, PARTS.index(part), : self.n]

    def trials(self, kind=ACCURACY, part="valid"):
        """(R,) after the last step, the mean of the tuning seeds."""
        return self.curve[-1, kind, PARTS.index(part), self.n :].mean(axis=0)

    def chosen(self, kind=ACCURACY, part="valid"):
        """Index of the rate that is best on the tuning seeds."""
        scores = self.trials(kind, part)
        return int(scores.argmax() if kind == ACCURACY else scores.argmin())

    def rate(self, kind=ACCURACY, part="valid"):
        """The rate that `chosen` points to."""
        return self.rates[self.chosen(kind, part)]

    def tuned(self, kind=ACCURACY, part="test"):
        """Scores of the judged seeds at the rate that validation accuracy chooses."""
        return self.final(kind, part)[:, self.chosen()]

    def told(self, name):
        """Accuracy, rate and number of diverged runs at the chosen rate, for `name`."""
        return {
            f"{name}: accuracy": self.tuned().mean(),
            f"{name}: learning rate": self.rate(),
            f"{name}: diverged": int(self.diverged[: self.n, self.chosen()].sum()),
        }

    def history(self, rate, kind=LOSS, part="train"):
        """(judged seeds, measurements) at the rate of this index."""
        return self.curve[:, kind, PARTS.index(part), : self.n, rate].T

    def at(self, measurement, kind=LOSS, part="train"):
        """(all seeds, R) at the measurement of this number, 0 being the start."""
        return self.curve[measurement, kind, PARTS.index(part)]

    def tried(self, rate, kind=LOSS, part="train"):
        """(measurements,) at the rate of this index, the tuning seeds' mean."""
        return self.curve[:, kind, PARTS.index(part), self.n :, rate].mean(axis=1)
