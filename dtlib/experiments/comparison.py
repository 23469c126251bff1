"""What a comparison found: its runs, its table, its figure, and its verdicts.

Every chapter uses it through `compare`. Tests: tests/test_experiments.py.
"""

import numpy as np

from dtlib._check import one_of
from dtlib.experiments.verdicts import RELATIONS, interval, verdict


class Comparison:
    """The arms of `compare`, run on the same seeds.

    Attributes:
        runs: One dictionary an arm, seed and epoch: `arm`, `seed`, `epoch` from 1, the
            names Keras gives (`loss`, `accuracy`, `val_loss`, ...), and `diverged`. The
            last epoch of a run also has `test_loss`, `test_accuracy`, ...; it is a list
            that `pandas.DataFrame` takes.
        scores: `{arm: array of test scores}`, in the order of `seeds`.
        diverged: `{arm: number of runs whose loss became NaN or infinite}`. Their score
            is that of the same model before its first step.
        tuned: `{arm: {hyperparameter: chosen value}}`; empty dictionaries if untuned.
        tuning: One dictionary an arm and setting: `arm`, the hyperparameters, `score`
            (mean over the tuning seeds, on validation), `scores`, `diverged`, `chosen`,
            and `at_edge`, the hyperparameters chosen at an end of their grid.
        arms, seeds, metric: As given.
        mode: "max" where a higher score is better, "min" where a lower one is.
    """

    def __init__(self, results, *, arms, seeds, metric, mode, tuned, tuning):
        self.arms, self.seeds = tuple(arms), tuple(seeds)
        self.metric, self.mode = metric, mode
        self.tuned, self.tuning = tuned, tuning
        self.runs = [row for result in results for row in _rows(result)]
        found = {(run["arm"], run["seed"]): run for run in results}
        self.scores = {
            arm: np.array([found[arm, seed]["score"] for seed in self.seeds])
            for arm in self.arms
        }
        self.diverged = {
            arm: sum(found[arm, seed]["diverged"] for seed in self.seeds)
            for arm in self.arms
        }

    def differences(self, first, second):
        """By how much `first` is better than `second` on each seed, in seed order.

        A positive number is always in favor of `first`: for a metric to minimize, such
        as the loss, it is `second` − `first`.
        """
        one_of("first", first, self.arms)
        one_of("second", second, self.arms)
        gain = self.scores[first] - self.scores[second]
        return gain if self.mode == "max" else -gain

    def verdict(self, first, relation, second, *, min_effect, confidence=0.95):
        """Is the claim "first beats second", or "first equals second", borne out?

        Args:
            first: Name of an arm.
            relation: "beats" or "equals".
            second: Name of another arm.
            min_effect: Smallest difference of the metric that would matter; fix it
                before you look at the runs.
            confidence: Of the interval.

        Returns:
            A `Verdict`; `dtlib.experiments.verdict` states the rule.
        """
        one_of("relation", relation, RELATIONS)
        return verdict(
            self.differences(first, second),
            min_effect=min_effect,
            relation=relation,
            confidence=confidence,
        )

    def summary(self, digits=3):
        """The table of the arms as text: mean, interval, chosen settings, n, diverged.

        Args:
            digits: Decimals of the scores.
        """
        head = ["arm", f"test {self.metric}", "95 % interval"]
        head += ["tuned", "seeds", "diverged"]
        rows = [head]
        for arm in self.arms:
            scores = self.scores[arm]
            low, high = interval(scores) if len(scores) > 1 else (np.nan, np.nan)
            chosen = ", ".join(
                f"{k}={v:g}" if isinstance(v, (int, float)) else f"{k}={v}"
                for k, v in self.tuned[arm].items()
            )
            rows.append(
                [
                    arm,
                    f"{scores.mean():.{digits}f}",
                    f"[{low:.{digits}f}, {high:.{digits}f}]",
                    chosen or "-",
                    str(len(scores)),
                    str(self.diverged[arm]),
                ]
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(w) for cell, w in zip(row, widths, strict=True)
            ).rstrip()
            for row in rows
        ]
        return "\n".join(lines + self._edges())

    def _edges(self):
        return [
            f"{row['arm']}: the best {name} is at the edge of its grid; widen the grid."
            for row in self.tuning
            if row["chosen"]
            for name in row["at_edge"]
        ]

    __repr__ = summary

    def plot(self, ax=None):
        """One dot a seed and one column an arm; a line joins the runs of one seed.

        Args:
            ax: Axes to draw on; by default, those of a new figure.

        Returns:
            The Axes.
        """
        from dtlib import plots  # only here: a sweep needs no matplotlib

        return plots.strips(self.scores, ax=ax, ylabel=f"test {self.metric}")


def _rows(run):
    epochs = len(run["history"]["loss"])
    for epoch in range(epochs):
        row = {"arm": run["arm"], "seed": run["seed"], "epoch": epoch + 1}
        row |= {name: values[epoch] for name, values in run["history"].items()}
        if epoch == epochs - 1:
            row |= {f"test_{name}": value for name, value in run["test"].items()}
        yield row | {"diverged": run["diverged"]}
