"""The restricted Boltzmann machine by counting: every state, in float64 NumPy.

Nothing here may import dtlib: an oracle cannot share code with what it judges.
"""

import itertools
import math

import numpy as np


def states(n):
    """All rows of n zeros and ones."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=n)))


def energy(v, h, kernel, visible_bias, hidden_bias):
    total = 0.0
    for i, vi in enumerate(v):
        total -= vi * visible_bias[i]
        for j, hj in enumerate(h):
            total -= vi * hj * kernel[i][j]
    for j, hj in enumerate(h):
        total -= hj * hidden_bias[j]
    return total


def joint(kernel, visible_bias, hidden_bias):
    """p(v, h) of every pair of states, (2^visible, 2^hidden), and Z."""
    parameters = kernel, visible_bias, hidden_bias
    rows, columns = (states(n) for n in np.shape(kernel))
    weights = np.array(
        [[math.exp(-energy(v, h, *parameters)) for h in columns] for v in rows]
    )
    return weights / weights.sum(), weights.sum()


def free_energy(kernel, visible_bias, hidden_bias):
    """−log Σ_h exp(−E(v, h)) of every v."""
    p, z = joint(kernel, visible_bias, hidden_bias)
    return -np.log(p.sum(axis=1) * z)


def hidden_given_visible(kernel, visible_bias, hidden_bias):
    """p(hⱼ = 1 | v) of every v, by Bayes' rule from the joint probabilities."""
    p, _ = joint(kernel, visible_bias, hidden_bias)
    return p @ states(np.shape(kernel)[1]) / p.sum(axis=1, keepdims=True)


def visible_given_hidden(kernel, visible_bias, hidden_bias):
    p, _ = joint(kernel, visible_bias, hidden_bias)
    return p.T @ states(np.shape(kernel)[0]) / p.sum(axis=0)[:, None]


def transition(kernel, visible_bias, hidden_bias):
    """p(v′ | v) of one round v → h → v′: a matrix of all states."""
    p, _ = joint(kernel, visible_bias, hidden_bias)
    return (p / p.sum(axis=1, keepdims=True)) @ (p / p.sum(axis=0)).T


def log_likelihood(data, kernel, visible_bias, hidden_bias):
    """Mean of log p(v) over the data."""
    p, _ = joint(kernel, visible_bias, hidden_bias)
    rows = {tuple(v): k for k, v in enumerate(states(np.shape(kernel)[0]))}
    return np.mean([math.log(p[rows[tuple(v)]].sum()) for v in data])


def log_likelihood_gradients(data, *parameters, step=1e-5):
    """Its gradients with respect to W, b, c, by central differences."""
    found = []
    for k, parameter in enumerate(parameters):
        slopes = np.zeros(np.shape(parameter))
        for place in np.ndindex(slopes.shape):
            values = []
            for sign in (1, -1):
                moved = [np.array(p, "float64") for p in parameters]
                moved[k][place] += sign * step
                values.append(log_likelihood(data, *moved))
            slopes[place] = (values[0] - values[1]) / (2 * step)
        found.append(slopes)
    return found


def cd_gradients(v, chain, kernel, hidden_bias):
    """The definition, row by row and unit by unit."""

    def means(rows):
        vh = np.zeros(np.shape(kernel))
        for row in rows:
            for j in range(vh.shape[1]):
                z = hidden_bias[j] + sum(row[i] * kernel[i][j] for i in range(len(row)))
                for i in range(len(row)):
                    vh[i, j] += row[i] / (1 + math.exp(-z)) / len(rows)
        return vh

    def hidden(rows):
        return np.mean(
            [1 / (1 + np.exp(-(row @ kernel + hidden_bias))) for row in rows], axis=0
        )

    return (
        means(chain) - means(v),
        np.mean(chain, axis=0) - np.mean(v, axis=0),
        hidden(chain) - hidden(v),
    )


def margin_ranking(good, bad, margin):
    return [max(0.0, margin - (g - b)) for g, b in zip(good, bad, strict=True)]
