"""The coin tosses of dropout: which units stay.

The chapter `dropout` of the book explains it. Tests: tests/test_dropout.py.
"""

from keras import ops, random


def keep_mask(shape, *, rate, seed):
    """Toss a coin for each unit: True keeps it, with probability 1 − rate.

        keep ← (u ≥ rate),    u ~ U[0, 1)

    The u are float32 whatever the type of the data. In bfloat16, u would be a multiple
    of 1/128, so a rate of 0.01 would drop 1.6 %.

    Args:
        shape: Shape of the mask.
        rate: Probability of dropping a unit, in [0, 1].
        seed: An int repeats its draw, a `keras.random.SeedGenerator` moves on, None
            draws anew from Keras' own seed.

    Returns:
        A boolean tensor of shape `shape`.

    Example: about one unit in five is dropped.

    >>> kept = keep_mask((1000, 1000), rate=0.2, seed=0)
    >>> round(float(ops.mean(ops.cast(kept, "float32"))), 2)
    0.8

    Reference: Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html

    Equation: eq-dropout-mask
    """
    return random.uniform(shape, dtype="float32", seed=seed) >= rate


def check_fit(x, mask):
    """Raise `ValueError` where `mask` does not broadcast to the shape of `x`."""
    wide, narrow = tuple(ops.shape(x)), tuple(ops.shape(mask))
    pairs = zip(reversed(wide), reversed(narrow), strict=False)
    if len(narrow) > len(wide) or not all(
        small == 1 or small == size
        for size, small in pairs
        if isinstance(size, int) and isinstance(small, int)  # else known at run time
    ):
        raise ValueError(
            f"`mask` must broadcast to the shape of `x`, {wide}. Received: "
            f"mask.shape={narrow}."
        )


def check_noise_shape(noise_shape):
    """Return `noise_shape` as a tuple of ints ≥ 1 and None, or as None."""
    if noise_shape is None:
        return None
    sizes = noise_shape if isinstance(noise_shape, (list, tuple)) else [0]
    whole = (isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in sizes)
    if not all(n is None or fits for n, fits in zip(sizes, whole, strict=True)):
        raise ValueError(
            "`noise_shape` must be a list of integers in [1, inf) and None, or None. "
            f"Received: noise_shape={noise_shape!r}."
        )
    return tuple(noise_shape)


def fill_noise_shape(noise_shape, x):
    """The shape of the mask: where `noise_shape` says None, the size of `x`."""
    shape = tuple(ops.shape(x))
    if noise_shape is None:
        return shape
    if None not in noise_shape:
        return noise_shape
    if len(noise_shape) != len(shape):
        raise ValueError(
            f"`noise_shape` must have an entry for each of the {len(shape)} axes of "
            f"the input where one of them is None. Received: noise_shape={noise_shape}."
        )
    return tuple(
        size if entry is None else entry
        for entry, size in zip(noise_shape, shape, strict=True)
    )
