"""Scaling as the papers have it, step by step in plain Python and NumPy."""

import numpy as np


def ring(parts, bandwidth, latency):
    """Sum arrays of n workers over a ring: `(sums of all workers, seconds)`.

    Patarasuk and Yuan, 2009: each message is really passed, one round after another.
    """
    n = len(parts)
    pieces = [np.array_split(np.array(part, "float64"), n) for part in parts]
    seconds = 0.0
    for phase in ("add", "copy"):
        for r in range(n - 1):
            shift = r if phase == "add" else r - 1
            sent = [(w, (w - shift) % n) for w in range(n)]
            messages = [(w, k, pieces[w][k].copy()) for w, k in sent]
            for w, k, piece in messages:
                there = pieces[(w + 1) % n]
                there[k] = there[k] + piece if phase == "add" else piece
            size = max(piece.nbytes for _, _, piece in messages)
            seconds += size / bandwidth + latency
    return [np.concatenate(p) for p in pieces], seconds


def throughput(n, t, ring_seconds, overlap, batch, per_worker):
    """Examples a second of n workers, by a clock: one worker takes t for `batch` rows.

    The ring may start only when the part 1 − overlap of the computing is done.
    """
    rows = batch * n if per_worker else batch
    computing = t * (rows / n) / batch
    ends = max(computing, computing * (1 - overlap) + ring_seconds)
    return rows / ends


def loss_scales(scale, finite, growth_steps):
    """The scale after each step of a list, as Micikevicius et al., 2018, say it."""
    scales, since = [], 0
    for good in finite:
        since = since + 1 if good else 0
        if not good:
            scale *= 0.5
        elif since == growth_steps:
            scale, since = scale * 2.0, 0
        scales.append(scale)
    return scales


def descent(x, y, w, rate, batches):
    """Plain gradient descent on ½·mean (x·w − y)², over a list of row numbers."""
    for rows in batches:
        error = x[rows] @ w - y[rows]
        w = w - rate * x[rows].T @ error / len(rows)
    return w
