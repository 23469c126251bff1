"""Argument checks that name the argument, the range it must be in, and what came."""

from numbers import Integral, Real

import numpy as np


def number_in(name, value, interval):
    """Return `value` as a float, or raise `ValueError`.

    `interval` is written as in a textbook, and is printed as written:

    >>> number_in("rate", 0, "[0, 1)")
    0.0
    >>> number_in("rate", 1, "[0, 1)")
    Traceback (most recent call last):
        ...
    ValueError: `rate` must be a number in [0, 1). Received: rate=1.
    """
    low, high = map(float, interval[1:-1].split(","))
    if (
        isinstance(value, Real)
        and not isinstance(value, (bool, np.bool_))
        and (low < value or (low == value and interval[0] == "["))
        and (value < high or (value == high and interval[-1] == "]"))
    ):
        return float(value)
    raise ValueError(
        f"`{name}` must be a number in {interval}. Received: {name}={value!r}."
    )


def integer_in(name, value, interval):
    """Return `value` as an int, or raise `ValueError`; `interval` as in `number_in`.

    >>> integer_in("batch_size", 0, "[1, inf)")
    Traceback (most recent call last):
        ...
    ValueError: `batch_size` must be an integer in [1, inf). Received: batch_size=0.
    """
    if isinstance(value, Integral) and not isinstance(value, (bool, np.bool_)):
        try:
            number_in(name, int(value), interval)
        except ValueError:
            pass
        else:
            return int(value)
    raise ValueError(
        f"`{name}` must be an integer in {interval}. Received: {name}={value!r}."
    )


def checked_seed(seed, interval="(-inf, inf)"):
    """Return `seed`, an integer in `interval` or None, or raise `ValueError`."""
    return seed if seed is None else integer_in("seed", seed, interval)


def one_of(name, value, allowed):
    """Return `value`, or raise `ValueError` listing what is allowed, in order.

    >>> one_of("scale", "big", ("quick", "full"))
    Traceback (most recent call last):
        ...
    ValueError: `scale` must be one of ['quick', 'full']. Received: scale='big'.
    """
    if any(value is choice or value == choice for choice in allowed):
        return value
    raise ValueError(
        f"`{name}` must be one of {list(allowed)}. Received: {name}={value!r}."
    )


def finite(name, values):
    """Return `values` as an array, or raise `ValueError` where it holds NaN or inf.

    >>> finite("x", [[0.0, float("nan")]])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: `x` must be finite. Received: NaN or inf in 1 of 2 values, first at ...
    """
    values = np.asarray(values)
    if np.issubdtype(values.dtype, np.floating):
        bad = ~np.isfinite(values)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"`{name}` must be finite. Received: NaN or inf in {bad.sum()} of "
                f"{bad.size} values, first at {first}."
            )
    return values
