"""The restricted Boltzmann machine as formulas: energies, chances, a short chain.

The chapter `pretraining` of the book explains it. Tests: tests/test_pretraining.py.

Visible units v and hidden units h are 0 or 1. A pair (v, h) has an energy, and the
probability p(v, h) = exp(−E(v, h)) / Z: low energy, likely pair. "Restricted" means no
connection inside a row, so that each row's units are independent given the other row.

Shapes: v (..., visible), h (..., hidden), kernel W (visible, hidden), visible_bias b
(visible,), hidden_bias c (hidden,).
"""

from keras import ops, random

from dtlib._check import integer_in, number_in


def energy(v, h, kernel, visible_bias, hidden_bias):
    """How little a pair of rows is expected: low where units agree with the weights.

        E(v, h) = − v·b − h·c − vᵀ W h

    Args:
        v, h: Visible and hidden units.
        kernel, visible_bias, hidden_bias: W, b, c.

    Returns:
        E, shape (...).

    Example: a weight of 2 lowers the energy only where both its units are on.

    >>> W, b, c = [[2.0]], [0.0], [0.0]
    >>> [float(energy([v], [h], W, b, c)) for v, h in ((0.0, 1.0), (1.0, 1.0))]
    [-0.0, -2.0]

    Reference: Hinton, 2002, https://doi.org/10.1162/089976602760128018

    Equation: eq-pretraining-energy
    """
    v, h, kernel = _tensors(v, h, kernel)
    own = _dot(v, visible_bias) + _dot(h, hidden_bias)
    return -own - ops.sum(ops.matmul(v, kernel) * h, axis=-1)


def free_energy(v, kernel, visible_bias, hidden_bias):
    """The energy of a visible row with its hidden row summed out.

        F(v) = − v·b − Σⱼ softplus(cⱼ + (vᵀW)ⱼ)          p(v) = exp(−F(v)) / Z

    Z is unknown but the same for every v. So F cannot say how likely a row is, but the
    difference of two rows can be read: it is the logarithm of their odds.

    Args:
        v: Visible units.
        kernel, visible_bias, hidden_bias: W, b, c.

    Returns:
        F, shape (...).

    Example: one hidden unit; exp(−F) is the sum of exp(−E) over its two states.

    >>> import math
    >>> W, b, c = [[2.0]], [0.0], [0.0]
    >>> F = float(free_energy([1.0], W, b, c))
    >>> math.isclose(math.exp(-F), math.exp(0) + math.exp(2), rel_tol=1e-6)
    True

    Reference: Hinton, 2012, section 16.1, https://doi.org/10.1007/978-3-642-35289-8_32

    Equation: eq-pretraining-free-energy
    """
    v, kernel = _tensors(v, kernel)
    z = ops.matmul(v, kernel) + ops.cast(hidden_bias, kernel.dtype)
    return -_dot(v, visible_bias) - ops.sum(ops.softplus(z), axis=-1)


def hidden_probabilities(v, kernel, hidden_bias):
    """The chance of each hidden unit to be on, given the visible row: a dense layer.

        p(hⱼ = 1 | v) = σ(cⱼ + (vᵀW)ⱼ)

    Args:
        v: Visible units; values in between 0 and 1 are taken as they are.
        kernel, hidden_bias: W, c.

    Returns:
        Probabilities, shape (..., hidden).

    >>> print(ops.convert_to_numpy(hidden_probabilities([1.0], [[0.0]], [0.0])))
    [0.5]

    Reference: Hinton, 2002, https://doi.org/10.1162/089976602760128018

    Equation: eq-pretraining-hidden
    """
    v, kernel = _tensors(v, kernel)
    return ops.sigmoid(ops.matmul(v, kernel) + ops.cast(hidden_bias, kernel.dtype))


def visible_probabilities(h, kernel, visible_bias):
    """The chance of each visible unit to be on, given the hidden row: Wᵀ the way back.

        p(vᵢ = 1 | h) = σ(bᵢ + (W h)ᵢ)

    Args:
        h: Hidden units, or their probabilities.
        kernel, visible_bias: W, b.

    Returns:
        Probabilities, shape (..., visible).

    >>> print(ops.convert_to_numpy(visible_probabilities([1.0], [[0.0]], [0.0])))
    [0.5]

    Reference: Hinton, 2002, https://doi.org/10.1162/089976602760128018

    Equation: eq-pretraining-visible
    """
    h, kernel = _tensors(h, kernel)
    back = ops.matmul(h, ops.swapaxes(kernel, -1, -2))
    return ops.sigmoid(back + ops.cast(visible_bias, kernel.dtype))


def gibbs_chain(v, kernel, visible_bias, hidden_bias, *, steps, seed):
    """Let the machine dream: draw h given v, then v given h, and again.

        h ~ p(h | v)        v ~ p(v | h)          `steps` times

    After many steps v is a draw from the machine's own p(v), wherever it began. After
    one it is still close to where it began; contrastive divergence makes do with that.

    Args:
        v: Where the chain begins, (..., visible): one chain a row.
        kernel, visible_bias, hidden_bias: W, b, c.
        steps: How often, an integer ≥ 1.
        seed: An int repeats its draws, a `keras.random.SeedGenerator` moves on, None
            draws anew from Keras' own seed.

    Returns:
        The last v, of zeros and ones, like `v`.

    Example: strong biases leave nothing to chance.

    >>> W, b, c = [[0.0], [0.0]], [99.0, -99.0], [0.0]
    >>> chain = gibbs_chain([0.0, 1.0], W, b, c, steps=1, seed=0)
    >>> print(ops.convert_to_numpy(chain))
    [1. 0.]

    Reference: Hinton, 2002, https://doi.org/10.1162/089976602760128018
    """
    integer_in("steps", steps, "[1, inf)")
    if not isinstance(seed, random.SeedGenerator):
        seed = random.SeedGenerator(seed)
    v, kernel = _tensors(v, kernel)
    for _ in range(steps):
        h = _draw(hidden_probabilities(v, kernel, hidden_bias), seed)
        v = _draw(visible_probabilities(h, kernel, visible_bias), seed)
    return v


def cd_gradients(v, chain, kernel, visible_bias, hidden_bias):
    """Contrastive divergence: believe the data, disbelieve the dream.

        ∂W = ⟨v hᵀ⟩_chain − ⟨v hᵀ⟩_data          h = p(h | v)
        ∂b = ⟨v⟩_chain − ⟨v⟩_data
        ∂c = ⟨h⟩_chain − ⟨h⟩_data

    Were the chain endless, this would be the gradient of the mean of −log p(v) over the
    data. After one step (CD-1) it is biased, and good enough to learn features.

    Args:
        v: Data, (n, visible).
        chain: What `gibbs_chain` made of them, (m, visible).
        kernel, visible_bias, hidden_bias: W, b, c; b is not used.

    Returns:
        `(∂W, ∂b, ∂c)`, to be subtracted, as gradients are.

    Example: a chain that looks like the data asks for no change.

    >>> v = [[0.0, 1.0]]
    >>> found = cd_gradients(v, v, [[1.0], [2.0]], [0.0, 0.0], [0.0])
    >>> [float(ops.max(ops.abs(g))) for g in found]
    [0.0, 0.0, 0.0]

    Reference: Hinton, 2002, https://doi.org/10.1162/089976602760128018

    Equation: eq-pretraining-contrastive-divergence
    """
    data = _moments(v, kernel, hidden_bias)
    dream = _moments(chain, kernel, hidden_bias)
    return tuple(d - t for d, t in zip(dream, data, strict=True))


def cd_loss(v, chain, kernel, visible_bias, hidden_bias):
    """A number whose gradient is `cd_gradients`, so that any optimizer can train.

        ℓ = mean F(v) − mean F(chain)          the chain held fixed

    It is no measure of progress: it is near 0 wherever the chain ends near the data.

    Args:
        v, chain: As in `cd_gradients`.
        kernel, visible_bias, hidden_bias: W, b, c.

    Returns:
        A scalar.

    >>> v = [[0.0, 1.0]]
    >>> float(cd_loss(v, v, [[1.0], [2.0]], [0.0, 0.0], [0.0]))
    0.0

    Reference: Hinton, 2002, https://doi.org/10.1162/089976602760128018
    """
    chain = ops.stop_gradient(ops.convert_to_tensor(chain))
    weights = kernel, visible_bias, hidden_bias
    return ops.mean(free_energy(v, *weights)) - ops.mean(free_energy(chain, *weights))


def log_odds(x, *, least):
    """The visible biases with which a machine without weights has the data's means.

        b = log(p / (1 − p))          p = mean of each visible unit over the data

    Args:
        x: Data in [0, 1], (n, visible).
        least: In (0, 0.5). p is kept in [least, 1 − least]: a pixel that is always
            off would ask for −∞.

    Returns:
        b, shape (visible,).

    >>> print(ops.convert_to_numpy(log_odds([[1.0, 0.0], [0.0, 0.0]], least=0.5 / 2)))
    [ 0.        -1.0986123]

    Reference: Hinton, 2012, section 8.1, https://doi.org/10.1007/978-3-642-35289-8_32
    """
    number_in("least", least, "(0, 0.5)")
    p = ops.clip(ops.mean(ops.convert_to_tensor(x), axis=0), least, 1 - least)
    return ops.log(p) - ops.log1p(-p)


def _tensors(*values):
    """The values as tensors of the last one's type."""
    *others, last = map(ops.convert_to_tensor, values)
    return [*(ops.cast(value, last.dtype) for value in others), last]


def _dot(units, bias):
    return ops.sum(units * ops.cast(bias, units.dtype), axis=-1)


def _draw(p, seed):
    """Ones with probability p, zeros else; drawn in float32 in every precision."""
    u = random.uniform(ops.shape(p), dtype="float32", seed=seed)
    return ops.cast(u < ops.cast(p, "float32"), p.dtype)


def _moments(v, kernel, hidden_bias):
    """⟨v hᵀ⟩, ⟨v⟩ and ⟨h⟩, means over the rows."""
    v, kernel = _tensors(v, kernel)
    h = hidden_probabilities(v, kernel, hidden_bias)
    together = ops.matmul(ops.transpose(v), h) / ops.cast(ops.shape(v)[0], h.dtype)
    return together, ops.mean(v, axis=0), ops.mean(h, axis=0)
