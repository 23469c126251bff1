"""Pretraining: features first, from data without the labels that are scarce.

The chapter `pretraining` of the book explains it. Tests: tests/test_pretraining.py.

What is learned here are *features*: the lower layers of a network. No method here
gives data labels. The few labels there are then fine-tune the parameters.
"""

from dtlib.pretraining.autoencoders import (
    Autoencoder,
    pretrain_greedily,
    stacked_autoencoder,
)
from dtlib.pretraining.boltzmann import (
    cd_gradients,
    cd_loss,
    energy,
    free_energy,
    gibbs_chain,
    hidden_probabilities,
    log_odds,
    visible_probabilities,
)
from dtlib.pretraining.corruption import corrupt, corrupt_words, good_and_bad
from dtlib.pretraining.machine import RestrictedBoltzmannMachine
from dtlib.pretraining.pairs import Pairs, make_pairs, margin_ranking, ranker, siamese

__all__ = [
    "Autoencoder",
    "Pairs",
    "RestrictedBoltzmannMachine",
    "cd_gradients",
    "cd_loss",
    "corrupt",
    "corrupt_words",
    "energy",
    "free_energy",
    "gibbs_chain",
    "good_and_bad",
    "hidden_probabilities",
    "log_odds",
    "make_pairs",
    "margin_ranking",
    "pretrain_greedily",
    "ranker",
    "siamese",
    "stacked_autoencoder",
    "visible_probabilities",
]
