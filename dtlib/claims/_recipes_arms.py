"""Recipes tuned alike and run on the same seeds, some of them longer, too.

Tests: tests/test_claims_recipes.py.
"""

import functools
import itertools

import numpy as np

from dtlib.claims import _recipes_data, _recipes_nets
from dtlib.claims._recipes_data import DATA
from dtlib.claims._recipes_nets import EPOCHS, Net, Program, recipe
from dtlib.claims.arms import SETTINGS, remembered, unseen
from dtlib.experiments import protocol

# Of the rate that a recipe names as its start; as many for all, and as far apart.
MULTIPLES = (0.03, 0.1, 0.3, 1, 3, 10, 30, 100)
TIMES = 3  # as many epochs, where ten may be too few
CODE = [module.__file__ for module in (_recipes_data, _recipes_nets)]


@functools.cache
def tuned(name, depth, scale, cache=None):
    """One recipe at one depth, tuned on each data set and run on the judged seeds.

    Returns:
        A dict: `test` (data, seeds), `diverged` (data,), `trials` (data, multiples),
        the mean validation accuracy of the tuning seeds, `chosen` (data,), the number
        of the multiple, and `rates` (multiples,).
    """
    setting = unseen(SETTINGS[scale])
    seeds, trials = setting["seeds"], setting["tune_seeds"]
    chosen = recipe(name, depth, scale)

    def run():
        return _tuned(chosen, seeds, trials, scale)

    settings = [list(pair) for pair in chosen.settings.items()]
    key = [name, depth, scale, seeds, trials, list(MULTIPLES), settings]
    found = remembered(run, cache, "recipes", *key, code=[__file__, *CODE])
    return {key: np.array(value) for key, value in found.items()}


def _tuned(chosen, seeds, trials, scale):
    rates = [chosen.settings["learning_rate"] * multiple for multiple in MULTIPLES]
    tried = [Net(*each) for each in itertools.product(DATA, rates, trials)]
    program = Program(chosen, max(len(tried), len(DATA) * len(seeds)), scale)
    valid = program.train(tried, parts=("valid",))["valid"]
    score = valid.reshape(len(DATA), len(MULTIPLES), -1).mean(axis=-1)
    best = [protocol.choose(list(each), "max") for each in score]
    nets = [
        Net(data, rates[k], seed)
        for (data, k), seed in itertools.product(zip(DATA, best, strict=True), seeds)
    ]
    found = program.train(nets)
    return {
        "test": found["test"].reshape(len(DATA), -1).tolist(),
        "diverged": found["diverged"].reshape(len(DATA), -1).sum(axis=1).tolist(),
        "trials": score.tolist(),
        "chosen": best,
        "rates": rates,
    }


@functools.cache
def longer(name, depth, scale, cache=None):
    """Test accuracy after `TIMES` as many epochs, at the rates tuned for fewer.

    Returns:
        An array (data, seeds).
    """
    found = tuned(name, depth, scale, cache)
    rates = [float(found["rates"][k]) for k in found["chosen"]]
    seeds = unseen(SETTINGS[scale])["seeds"]
    chosen = recipe(name, depth, scale).replace(epochs=TIMES * EPOCHS[scale])

    def run():
        nets = [
            Net(data, rate, seed)
            for (data, rate), seed in itertools.product(
                zip(DATA, rates, strict=True), seeds
            )
        ]
        test = Program(chosen, len(nets), scale).train(nets)["test"]
        return test.reshape(len(DATA), -1).tolist()

    settings = [list(pair) for pair in chosen.settings.items()]
    key = [name, depth, scale, seeds, rates, settings]
    return np.array(remembered(run, cache, "longer", *key, code=[__file__, *CODE]))
