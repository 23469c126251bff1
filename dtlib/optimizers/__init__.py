"""Optimizers: a step is a direction and a length; memory of past gradients buys both.

In order of complexity, each with what it adds to the ones before:

    SGD        the gradient; with momentum, past gradients; Nesterov's, one ahead
    Adagrad    a rate for each weight, which falls as its gradients add up
    RMSprop    forgets old squares, so that the rate does not fall for ever
    Adam       a running mean of the gradient, and no bias from the start at 0
    AdamW      decay of the weights that the adaptive rate does not touch
    Adamax     the largest gradient in memory in place of the mean square
    Nadam      Nesterov's look ahead
    Lion       the sign of the mean only: one slot, steps of one length
    Ftrl       a sum in place of the weight, so that a weight can be exactly 0
    Muon       a matrix as a whole: its momentum with all singular values made 1

The chapter `optimizers` of the book explains it. Tests: tests/test_optimizers.py.
"""

from dtlib.optimizers.adagrad import Adagrad, adagrad_update
from dtlib.optimizers.adam import Adam, adam_update, amsgrad_update
from dtlib.optimizers.adamax import Adamax, adamax_update
from dtlib.optimizers.adamw import AdamW, adamw_update
from dtlib.optimizers.ftrl import Ftrl, ftrl_update
from dtlib.optimizers.lion import Lion, lion_update
from dtlib.optimizers.muon import Muon, muon_update, newton_schulz
from dtlib.optimizers.nadam import Nadam, nadam_momentum, nadam_update
from dtlib.optimizers.rmsprop import RMSprop, rmsprop_update
from dtlib.optimizers.sgd import SGD, momentum_update, nesterov_update, sgd_update

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lion",
    "Muon",
    "Nadam",
    "RMSprop",
    "adagrad_update",
    "adam_update",
    "adamax_update",
    "adamw_update",
    "amsgrad_update",
    "ftrl_update",
    "lion_update",
    "momentum_update",
    "muon_update",
    "nadam_momentum",
    "nadam_update",
    "nesterov_update",
    "newton_schulz",
    "rmsprop_update",
    "sgd_update",
]
