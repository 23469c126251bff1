"""Schedules and callbacks in plain Python, a line for each line of their definition.

Nothing here may import dtlib: an oracle cannot share code with what it judges. Each
function takes one step, a number, and walks through the pieces of its schedule.
"""

import math


def exponential_decay(t, *, initial_learning_rate, decay_steps, decay_rate, staircase):
    p = t / decay_steps
    return initial_learning_rate * decay_rate ** (math.floor(p) if staircase else p)


def inverse_time_decay(t, *, initial_learning_rate, decay_steps, decay_rate, staircase):
    p = t / decay_steps
    return initial_learning_rate / (
        1 + decay_rate * (math.floor(p) if staircase else p)
    )


def power_decay(t, *, initial_learning_rate, decay_steps, power):
    return initial_learning_rate * (decay_steps / (decay_steps + t)) ** power


def piecewise_constant_decay(t, *, boundaries, values):
    for boundary, value in zip(boundaries, values, strict=False):
        if t <= boundary:
            return value
    return values[-1]


def polynomial_decay(
    t, *, initial_learning_rate, decay_steps, end_learning_rate, power, cycle
):
    length = decay_steps
    while cycle and length < t:
        length += decay_steps
    p = min(t, length) / length
    drop = initial_learning_rate - end_learning_rate
    return end_learning_rate + drop * (1 - p) ** power


def cosine_decay(
    t, *, initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps
):
    top = initial_learning_rate
    if warmup_target is not None:
        if t < warmup_steps:
            return top + (warmup_target - top) * t / warmup_steps
        t, top = t - warmup_steps, warmup_target
    half = (1 + math.cos(math.pi * min(t, decay_steps) / decay_steps)) / 2
    return top * alpha + top * (1 - alpha) * half


def cosine_decay_restarts(
    t, *, initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha
):
    """The paper's ηₘᵢₙ + (ηₘₐₓ − ηₘᵢₙ)·½(1 + cos(π T_cur/Tᵢ)), with T_cur counted."""
    low, length, height = alpha * initial_learning_rate, first_decay_steps, 1.0
    while t >= length:
        t, length, height = t - length, length * t_mul, height * m_mul
    half = (1 + math.cos(math.pi * t / length)) / 2
    return low + (initial_learning_rate - low) * height * half


def warmup(t, *, learning_rate, warmup_steps, initial_learning_rate):
    target = learning_rate(0) if callable(learning_rate) else learning_rate
    if t < warmup_steps:
        return (
            initial_learning_rate + (target - initial_learning_rate) * t / warmup_steps
        )
    return learning_rate(t - warmup_steps) if callable(learning_rate) else learning_rate


def one_cycle(
    t,
    *,
    max_learning_rate,
    total_steps,
    peak,
    div_factor,
    final_div_factor,
    annealing,
):
    first = max_learning_rate / div_factor
    rates = first, max_learning_rate, first, first / final_div_factor
    return _legs(t, rates, total_steps, peak, annealing)


def one_cycle_momentum(t, *, max_momentum, min_momentum, total_steps, peak, annealing):
    betas = max_momentum, min_momentum, max_momentum, max_momentum
    return _legs(t, betas, total_steps, peak, annealing)


def _legs(t, corners, total_steps, peak, annealing):
    leg = peak * total_steps
    for a, b, start, end in zip(
        corners,
        corners[1:],
        (0, leg, 2 * leg),
        (leg, 2 * leg, total_steps),
        strict=False,
    ):
        if t < end:
            p = (t - start) / (end - start)
            if annealing == "cosine":
                return b + (a - b) * (1 + math.cos(math.pi * p)) / 2
            return a + (b - a) * p
    return corners[-1]


def stopped_after(values, *, patience, min_delta, baseline):
    """The epoch, from 0, after which a loss curve is stopped, and the best one."""
    best, best_epoch, wait = math.inf, 0, 0
    for epoch, value in enumerate(values):
        wait += 1
        if value + min_delta < best:
            best, best_epoch = value, epoch
            if baseline is None or value + min_delta < baseline:
                wait = 0
        elif wait >= patience and epoch > 0:
            return epoch, best_epoch
    return None, best_epoch


def plateau_rates(values, rate, *, factor, patience, min_delta, cooldown, min_lr):
    """The rate of each epoch of a loss curve, and the one after the last."""
    rates, best, wait, rest = [rate], math.inf, 0, 0
    for value in values:
        resting = rest > 1
        rest = max(rest - 1, 0)
        better = value + min_delta < best
        best = value if better else best
        wait = 0 if better or resting else wait + 1
        if wait >= max(patience, 1) and rate > min_lr:
            rate, wait, rest = max(rate * factor, min_lr), 0, cooldown
        rates.append(rate)
    return rates
