"""What samples of a prediction say: what the mean doubts, and what the samples dispute.

The chapter `dropout` of the book explains it. Tests:
tests/test_dropout_uncertainty.py.
"""

import numpy as np
from scipy.special import entr

from dtlib.dropout._arrays import checked

_ONE_SET = " For a single set of probabilities use `entropy`."


def _samples(samples):
    return checked("samples", samples, 3, _ONE_SET)


def predictive_mean(samples):
    """The prediction of Monte-Carlo dropout: the mean of the samples' probabilities.

        p̄ = (1/S) Σₛ pₛ

    It is less confident than its samples, not more: the top probability of the mean is
    at most the mean of the top probabilities.

    Args:
        samples: Probabilities, shape (S, n, ..., K), as from `mc_predict`.

    Returns:
        A float64 array of shape (n, ..., K).

    Example: two samples sure of different classes make a mean that is sure of none.

    >>> predictive_mean([[[1.0, 0.0]], [[0.0, 1.0]]])
    array([[0.5, 0.5]])

    Reference: Gal and Ghahramani, 2016, https://arxiv.org/abs/1506.02142

    Equation: eq-dropout-mean
    """
    return _samples(samples).mean(0)


def entropy(probabilities):
    """How much is left open by a set of probabilities, in nats.

        H(p) = −Σₖ pₖ log pₖ,    0 log 0 = 0

    Args:
        probabilities: Shape (..., K), summing to 1 over the last axis.

    Returns:
        A float64 array of shape (...): 0 where one class has it all, log K where none
        is preferred.

    >>> np.exp(entropy([[1.0, 0.0, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])).round(6)
    array([1., 4.])

    Reference: Shannon, 1948, "A Mathematical Theory of Communication".

    Equation: eq-dropout-entropy
    """
    return entr(checked("probabilities", probabilities, 1)).sum(-1)


def predictive_entropy(samples):
    """All the doubt of a prediction: the entropy of the samples' mean, in nats.

        H(p̄),    p̄ = (1/S) Σₛ pₛ

    Args:
        samples: As in `predictive_mean`.

    Returns:
        A float64 array of shape (n, ...). It is at least `expected_entropy`.

    >>> float(predictive_entropy([[[1.0, 0.0]], [[0.0, 1.0]]]).round(4)[0])
    0.6931

    Reference: Gal, 2016, "Uncertainty in Deep Learning", §3.3.1.
    """
    return entr(predictive_mean(samples)).sum(-1)


def expected_entropy(samples):
    """The doubt that each sample has by itself, in nats: the data leave it open.

        (1/S) Σₛ H(pₛ)

    Args:
        samples: As in `predictive_mean`.

    Returns:
        A float64 array of shape (n, ...). Samples that are sure have none, even where
        they contradict each other:

    >>> expected_entropy([[[1.0, 0.0]], [[0.0, 1.0]]])
    array([0.])

    Reference: see `mutual_information`.
    """
    return entr(_samples(samples)).sum(-1).mean(0)


def mutual_information(samples):
    """The doubt that is dispute among the samples, in nats: the model leaves it open.

        I = H(p̄) − (1/S) Σₛ H(pₛ) ≥ 0

    By concavity of H it is never negative; rounding is cut off at 0.

    Args:
        samples: As in `predictive_mean`.

    Returns:
        A float64 array of shape (n, ...). An ambiguous image scores 0, an unknown one
        high:

    >>> ambiguous = [[[0.5, 0.5]], [[0.5, 0.5]]]
    >>> unknown = [[[1.0, 0.0]], [[0.0, 1.0]]]
    >>> [float(mutual_information(s).round(4)[0]) for s in (ambiguous, unknown)]
    [0.0, 0.6931]

    Reference: Houlsby et al., 2011, https://arxiv.org/abs/1112.5745

    Equation: eq-dropout-dispute
    """
    return np.maximum(predictive_entropy(samples) - expected_entropy(samples), 0)


def variation_ratio(samples):
    """The share of samples that vote for another class than most.

        1 − (votes of the most frequent class) / S

    Args:
        samples: As in `predictive_mean`. A sample votes for its top class, the first
            of equal ones.

    Returns:
        A float64 array of shape (n, ...), in [0, 1 − 1/K].

    >>> votes = [[[0.9, 0.1]], [[0.8, 0.2]], [[0.4, 0.6]], [[0.7, 0.3]]]
    >>> variation_ratio(votes)
    array([0.25])

    Reference: Freeman, 1965, "Elementary Applied Statistics".
    """
    p = _samples(samples)
    votes = p.argmax(-1)
    counts = np.stack([(votes == k).sum(0) for k in range(p.shape[-1])])
    return 1 - counts.max(0) / len(p)
