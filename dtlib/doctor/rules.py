"""What the checks compute, each a few lines of NumPy.

The chapter `doctor` of the book explains it. Tests: tests/test_doctor.py.
"""

import numpy as np

from dtlib._check import finite, integer_in, number_in


def expected_initial_loss(variance, n_classes):
    """Cross-entropy of a softmax whose logits know nothing of the labels.

        ln K + V/2

    Of the logarithm of the mean of eᶻ over the classes these are the first terms; the
    next is a sixth of the logits' third moment. Equal logits (V = 0) pay ln K.

    Args:
        variance: V ≥ 0, the variance of a row's K logits, ÷ K, averaged over the rows.
        n_classes: K ≥ 2.

    Returns:
        A float, in nats.

    Raises:
        ValueError: For an argument out of its range.

    Limits: Where V is above 2 or so the next terms matter.

    >>> [round(expected_initial_loss(v, 10), 2) for v in (0.0, 1.0)]
    [2.3, 2.8]

    Equation: eq-doctor-start
    """
    k = integer_in("n_classes", n_classes, "[2, inf)")
    return float(np.log(k) + number_in("variance", variance, "[0, inf)") / 2)


def guessing_loss(shares):
    """Cross-entropy of the best answer that is the same for every row.

        −Σ q ln q

    It is the entropy of the class shares, ln K where they are equal.

    Args:
        shares: Array of the classes' shares q, which add up to 1.

    Returns:
        A float, in nats.

    Raises:
        ValueError: For an argument out of its range.

    >>> round(guessing_loss([0.5, 0.5]), 3), round(guessing_loss([0.95, 0.05]), 3)
    (0.693, 0.199)

    Equation: eq-doctor-guessing
    """
    q = finite("shares", shares).astype("float64")
    if (q < 0).any() or abs(q.sum() - 1) > 1e-6:
        raise ValueError(
            f"`shares` must be ≥ 0 and add up to 1. Received: shares={shares!r}."
        )
    q = q[q > 0]
    return float(-np.sum(q * np.log(q)))


def gradient_reach(norms):
    """How much of the gradient reaches the first kernel.

        ‖∇₁‖ / max over layers of ‖∇ₗ‖

    Args:
        norms: Array of the norms of the kernels' gradients, ≥ 0, the first layer first.

    Returns:
        A float in [0, 1]; 0 where no kernel has a gradient.

    Raises:
        ValueError: For an argument out of its range.

    >>> gradient_reach([0.01, 0.1, 1.0])
    0.01

    Equation: eq-doctor-reach
    """
    found = np.asarray(norms, "float64")
    if found.ndim != 1 or not found.size or not (found >= 0).all():
        raise ValueError(
            f"`norms` must be an array of numbers ≥ 0. Received: norms={norms!r}."
        )
    return float(found[0] / max(found.max(), 1e-300))


def permutation_score(guess, target):
    """Correlation of guess and target, in standard errors of a shuffled target.

        z = Σ g t / √( Σ (GᵀG) ∘ (TᵀT) / (n − 1) )     g, t less their means

    Under shuffling Σ g t has mean 0 and the variance under the root, so z has mean 0
    and standard deviation 1, whatever made the guess, if it saw none of the targets
    that are shuffled: guess for half of the rows, with what the other half tells.

    Args:
        guess: Array of shape (n, k).
        target: Array of the same shape.

    Returns:
        A float.

    Raises:
        ValueError: For arrays that do not fit.

    >>> target = np.eye(2)[np.arange(100) % 2]
    >>> round(permutation_score(target, target), 1)
    9.9

    Reference: Mantel (1967), "The detection of disease clustering and a generalized
    regression approach".

    Equation: eq-doctor-shuffled
    """
    guess, target = (np.asarray(v, "float64") for v in (guess, target))
    if guess.shape != target.shape or guess.ndim != 2 or len(guess) < 2:
        raise ValueError(
            "`guess` and `target` must have one shape (n, k), n ≥ 2. Received: "
            f"guess.shape={guess.shape}, target.shape={target.shape}."
        )
    n = len(target)
    g, t = guess - guess.mean(0), target - target.mean(0)
    variance = np.sum((g.T @ g) * (t.T @ t)) / (n - 1)
    return float(np.sum(g * t) / np.sqrt(max(variance, 1e-300)))
