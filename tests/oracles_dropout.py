"""Dropout and its measures in float64 NumPy, a line for each line of their definition.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import math

import numpy as np
from scipy import integrate, optimize, stats


def dropout(x, mask, rate):
    y = np.zeros(np.shape(x))
    for place, value in np.ndenumerate(np.asarray(x, "float64")):
        if np.broadcast_to(mask, y.shape)[place]:
            y[place] = value / (1 - rate)
    return y


def selu_constants():
    """λ and α for which SELU keeps mean 0 and variance 1 of N(0, 1)."""

    def moments(constants):
        scale, alpha = constants

        def selu(z):
            return scale * (z if z > 0 else alpha * math.expm1(z))

        def mean(f):
            halves = ((-12, 0), (0, 12))
            return sum(
                integrate.quad(lambda z: f(z) * stats.norm.pdf(z), *half)[0]
                for half in halves
            )

        return mean(selu), mean(lambda z: selu(z) ** 2) - 1

    return optimize.fsolve(moments, (1.0, 1.5), xtol=1e-13)


def alpha_dropout(x, mask, rate):
    """Klambauer et al., §2: set to α′, then a line restores mean 0 and variance 1."""
    scale, alpha = selu_constants()
    q, a_prime = 1 - rate, -scale * alpha
    mu, nu = 0.0, 1.0
    mean = q * mu + (1 - q) * a_prime
    variance = q * ((1 - q) * (a_prime - mu) ** 2 + nu)
    a = math.sqrt(nu / variance)
    b = mu - a * mean
    x, d = np.asarray(x, "float64"), np.asarray(mask, "float64")
    return a * (x * d + a_prime * (1 - d)) + b


def gaussian_dropout(x, noise, rate):
    p = 1 - rate  # the paper's: probability of keeping
    return np.asarray(x, "float64") * (1 + np.asarray(noise) * ((1 - p) / p) ** 0.5)


def entropy(p):
    return sum(-float(v) * math.log(v) for v in p if v > 0)


def predictive_entropy(samples):
    mean = sum(np.asarray(s, "float64") for s in samples) / len(samples)
    return np.array([entropy(row) for row in mean])


def expected_entropy(samples):
    return np.mean([[entropy(row) for row in s] for s in samples], axis=0)


def variation_ratio(samples):
    ratios = []
    for i in range(len(samples[0])):
        votes = [int(np.argmax(s[i])) for s in samples]
        most = max(votes.count(k) for k in votes)
        ratios.append(1 - most / len(votes))
    return np.array(ratios)


def calibration(y, p, bins):
    """Guo et al., eq. 1–3: (confidence, accuracy, count) of each bin, and the ECE."""
    rows, error = [], 0.0
    for m in range(1, bins + 1):
        inside = [
            (float(max(row)), int(np.argmax(row)) == label)
            for label, row in zip(y, p, strict=True)
            if (m - 1) / bins < max(row) <= m / bins
        ]
        if not inside:
            rows.append((math.nan, math.nan, 0))
            continue
        confidence, accuracy = np.mean(np.array(inside, "float64"), axis=0)
        rows.append((confidence, accuracy, len(inside)))
        error += len(inside) / len(y) * abs(accuracy - confidence)
    return rows, error


def brier_score(y, p):
    total = 0.0
    for label, row in zip(y, p, strict=True):
        total += sum((v - (k == label)) ** 2 for k, v in enumerate(row))
    return total / len(y)


def negative_log_likelihood(y, p):
    return -sum(math.log(row[label]) for label, row in zip(y, p, strict=True)) / len(y)
