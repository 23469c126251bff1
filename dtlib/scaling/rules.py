"""What can be worked out on paper: rates, loss scales, and the cost of workers.

Tests: tests/test_scaling.py.
"""

import numpy as np
from scipy import optimize

from dtlib._check import integer_in, number_in, one_of


def scaled_learning_rate(learning_rate, *, batch_size, base_batch_size, rule="linear"):
    """The learning rate for another batch size.

        linear:  α = α₀·B/B₀         k small steps ≈ one large, while α is small (SGD)
        sqrt:    α = α₀·√(B/B₀)      the noise of a step keeps its size (Adam)

    Args:
        learning_rate: α₀, > 0: what is good at `base_batch_size`.
        batch_size: B, over all workers together.
        base_batch_size: B₀.
        rule: "linear" or "sqrt".

    Returns:
        α, a float.

    >>> scaled_learning_rate(0.1, batch_size=256, base_batch_size=32)
    0.8

    Reference: Goyal et al., 2017, "Accurate, large minibatch SGD: training ImageNet
    in 1 hour", https://arxiv.org/abs/1706.02677; for the square root, Krizhevsky, 2014,
    https://arxiv.org/abs/1404.5997

    Equation: eq-scaling-rate
    """
    rate = number_in("learning_rate", learning_rate, "(0, inf)")
    size = integer_in("batch_size", batch_size, "[1, inf)")
    base = integer_in("base_batch_size", base_batch_size, "[1, inf)")
    power = {"linear": 1.0, "sqrt": 0.5}[one_of("rule", rule, ("linear", "sqrt"))]
    return rate * (size / base) ** power


def loss_scale_update(scale, streak, finite, *, growth_steps):
    """The next loss scale of mixed precision, after one step.

        finite gradients:  apply them;  streak ← streak + 1;  at growth_steps: s ← 2·s
        an inf or a NaN:   skip the step;  s ← s/2           either resets the streak

    The loss is multiplied by s before the gradients are taken, and they are divided by
    s afterwards, so that those below float16's 6·10⁻⁸ do not become 0.

    Args:
        scale: s, > 0.
        streak: Finite steps since s last changed, an integer in [0, growth_steps).
        finite: Are all gradients of this step finite?
        growth_steps: Finite steps before s is doubled; 2000 in Keras.

    Returns:
        `(scale, streak)` for the next step.

    >>> loss_scale_update(8.0, 1, True, growth_steps=2)
    (16.0, 0)
    >>> loss_scale_update(8.0, 1, False, growth_steps=2)
    (4.0, 0)

    Reference: Micikevicius et al., 2018, "Mixed precision training",
    https://arxiv.org/abs/1710.03740; the constants are those of
    `keras.optimizers.LossScaleOptimizer`.

    Equation: eq-scaling-loss-scale
    """
    steps = integer_in("growth_steps", growth_steps, "[1, inf)")
    s = number_in("scale", scale, "(0, inf)")
    streak = integer_in("streak", streak, f"[0, {steps})")
    if not finite:
        return s / 2, 0
    if streak == steps - 1:
        return s * 2, 0
    return s, streak + 1


def all_reduce_seconds(n_bytes, *, workers, bandwidth, latency):
    """How long a ring of workers takes to sum their gradients.

        t = 2·(n − 1)·(M/(n·β) + λ)

    The M bytes are cut into n pieces. In n − 1 rounds each worker passes a piece to its
    neighbor, which adds its own; in n − 1 more the sums go round. What one worker sends
    stays below 2·M however many they are; the latency grows with their number.

    Args:
        n_bytes: M, the size of the gradients.
        workers: n.
        bandwidth: β of one link, in bytes a second.
        latency: λ of one message, in seconds.

    Returns:
        Seconds.

    >>> all_reduce_seconds(400e6, workers=1, bandwidth=1e9, latency=0.0)
    0.0
    >>> [round(all_reduce_seconds(400e6, workers=n, bandwidth=1e9, latency=0.0), 2)
    ...  for n in (2, 8, 100)]
    [0.4, 0.7, 0.79]

    Reference: Patarasuk and Yuan, 2009, "Bandwidth optimal all-reduce algorithms for
    clusters of workstations", https://doi.org/10.1016/j.jpdc.2008.09.002

    Equation: eq-scaling-all-reduce
    """
    m = number_in("n_bytes", n_bytes, "[0, inf)")
    n = integer_in("workers", workers, "[1, inf)")
    beta = number_in("bandwidth", bandwidth, "(0, inf)")
    lam = number_in("latency", latency, "[0, inf)")
    return 2 * (n - 1) * (m / (n * beta) + lam)


def speedup(
    workers,
    *,
    compute_seconds,
    n_bytes,
    bandwidth,
    latency,
    batch="per_worker",
    overlap=0.0,
):
    """How much faster n workers go through the data than one.

        per_worker:  S = n·t / (t + c)              each worker keeps the batch of one
        global:      S = t / (t/n + c)              the batch of one is shared out

    c = max(0, t_ring − ω·u), with u the computing of one step, t or t/n: communication
    can hide behind the part ω of it.

    Args:
        workers: n.
        compute_seconds: t, what one worker computes in one step.
        n_bytes: As for `all_reduce_seconds`, and so `bandwidth` and `latency`.
        batch: "per_worker" (the batch grows with n) or "global" (it does not).
        overlap: ω in [0, 1].

    Returns:
        S, in examples a second relative to one worker. S/n is the efficiency.

    >>> link = dict(n_bytes=100e6, bandwidth=10e9, latency=1e-5)
    >>> [round(speedup(n, compute_seconds=0.1, **link), 1) for n in (1, 8, 100)]
    [1.0, 6.8, 82.1]
    >>> [round(speedup(n, compute_seconds=0.1, **link, batch="global"), 1)
    ...  for n in (1, 8, 100)]
    [1.0, 3.3, 4.4]

    Equation: eq-scaling-speedup
    """
    n = integer_in("workers", workers, "[1, inf)")
    t = number_in("compute_seconds", compute_seconds, "(0, inf)")
    share = one_of("batch", batch, ("per_worker", "global"))
    hidden = number_in("overlap", overlap, "[0, 1]")
    ring = all_reduce_seconds(n_bytes, workers=n, bandwidth=bandwidth, latency=latency)
    u = t if share == "per_worker" else t / n
    step = u + max(0.0, ring - hidden * u)
    return n * t / step if share == "per_worker" else t / step


def fit_link(n_bytes, seconds, *, workers):
    """Bandwidth and latency of a link, from measured all-reduces of several sizes.

        minimize Σ ((2·(n − 1)·(Mᵢ·b/n + λ) − tᵢ)/tᵢ)²   over b ≥ 0, λ ≥ 0;   β = 1/b

    Args:
        n_bytes: Mᵢ, at least two different sizes.
        seconds: tᵢ, what each took; see `measure_all_reduce`.
        workers: n ≥ 2, who took part.

    Returns:
        `{"bandwidth": β, "latency": λ}`, as `all_reduce_seconds` takes them.

    Raises:
        ValueError: Also where the times do not grow with the size.

    >>> link = dict(bandwidth=1e9, latency=1e-4)
    >>> sizes = [1e4, 1e6, 1e8]
    >>> seconds = [all_reduce_seconds(m, workers=4, **link) for m in sizes]
    >>> {k: float(f"{v:.3g}") for k, v in fit_link(sizes, seconds, workers=4).items()}
    {'bandwidth': 1000000000.0, 'latency': 0.0001}
    """
    n = integer_in("workers", workers, "[2, inf)")
    m = [number_in("n_bytes", v, "(0, inf)") for v in n_bytes]
    t = np.array([number_in("seconds", v, "(0, inf)") for v in seconds])
    if len(m) != len(t):
        raise ValueError(
            f"`seconds` must have one entry for each of `n_bytes`. "
            f"Received: {len(m)} sizes, {len(t)} times."
        )
    if len(set(m)) < 2:
        raise ValueError(
            f"`n_bytes` must hold two different sizes. Received: {sorted(set(m))}."
        )
    unit = max(m)  # so that both unknowns are seconds
    rows = 2 * (n - 1) * np.stack([np.array(m) / unit / n, np.ones(len(m))], axis=1)
    (slope, lam), _ = optimize.nnls(rows / t[:, None], np.ones(len(t)))
    if slope <= 0:
        raise ValueError(
            "`seconds` must grow with `n_bytes`; measure larger sizes, or more often. "
            f"Received: seconds={t.tolist()}."
        )
    return {"bandwidth": float(unit / slope), "latency": float(lam)}
