"""Data on disk that is larger than memory, in shuffled batches.

Tests: tests/test_scaling.py.
"""

import itertools
from pathlib import Path

import numpy as np

from dtlib._check import checked_seed, integer_in


def block_order(n, *, block_size, pool, seed, epoch):
    """The row numbers of one epoch, a pool of blocks at a time.

        blocks: block_size rows that lie side by side; their order is a permutation
        pool:   the rows of `pool` blocks, shuffled among themselves

    A disk reads neighbors fast and strangers slowly: a pool is read in long pieces, and
    only it need be in memory. Rows further apart than a pool meet by the order of the
    blocks alone. A last block that is short stays last.

    Args:
        n: How many rows there are.
        block_size: Rows in a block.
        pool: Blocks in a pool.
        seed: An integer ≥ 0, or None for the order of the file.
        epoch: Number of the epoch, counted from 0; each has an order of its own.

    Returns:
        Iterator of integer arrays; together they hold each of the n rows once.

    >>> order = block_order(8, block_size=2, pool=2, seed=0, epoch=1)
    >>> [rows.tolist() for rows in order]
    [[7, 1, 0, 6], [5, 3, 4, 2]]
    """
    n = integer_in("n", n, "[1, inf)")
    size = integer_in("block_size", block_size, "[1, inf)")
    pool = integer_in("pool", pool, "[1, inf)")
    epoch = integer_in("epoch", epoch, "[0, inf)")
    rng = None if checked_seed(seed, "[0, inf)") is None else seed
    return _pools(n, size, pool, None if rng is None else [seed, epoch])


def _pools(n, size, pool, entropy):
    blocks = np.arange(n // size)
    rng = None if entropy is None else np.random.default_rng(entropy)
    if rng is not None:
        blocks = rng.permutation(blocks)
    if n % size:
        blocks = np.append(blocks, n // size)
    for first in range(0, len(blocks), pool):
        starts = blocks[first : first + pool, None] * size
        rows = (starts + np.arange(size)).ravel()
        rows = rows[rows < n]
        yield rows if rng is None else rng.permutation(rows)


def stream(*paths, batch_size, block_size=None, pool=16, seed=None, epoch=0):
    """Batches of ".npy" files, of which only a few blocks are ever in memory.

    Args:
        *paths: One or more files with equally many rows, such as x and y. They are
            mapped, not read; nothing is unpickled.
        batch_size: Rows in a batch. The last one may be smaller.
        block_size: As for `block_order`; by default `batch_size`.
        pool: As for `block_order`. A pool must hold whole batches.
        seed: As for `block_order`.
        epoch: The epoch of the first pass over the batches; each pass is one later.

    Returns:
        `tf.data.Dataset` of known length, for `model.fit(…, shuffle=False)`: tuples of
        arrays with `batch_size` rows, one for each path; or arrays, for a single path.

    Raises:
        ValueError: Where a file is not such an array, or the files do not fit.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "x.npy")
    >>> np.save(path, np.arange(6))
    >>> [b.tolist() for b in stream(path, batch_size=4).as_numpy_iterator()]
    [[0, 1, 2, 3], [4, 5]]
    >>> folder.cleanup()
    """
    import tensorflow as tf

    batch = integer_in("batch_size", batch_size, "[1, inf)")
    block_size = batch if block_size is None else block_size
    epoch = integer_in("epoch", epoch, "[0, inf)")
    arrays = _mapped(paths)
    n = len(arrays[0])
    order = dict(block_size=block_size, pool=pool, seed=seed)
    block_order(n, **order, epoch=epoch)  # refuses what it cannot take
    if block_size * pool % batch:
        raise ValueError(
            "`block_size` times `pool` must be a multiple of `batch_size`. Received: "
            f"block_size={block_size}, pool={pool}, batch_size={batch}."
        )
    passes = itertools.count(epoch)

    def batches():
        for rows in block_order(n, **order, epoch=next(passes)):
            held = np.sort(rows)  # read in the order of the disk
            parts = [array[held] for array in arrays]
            place = np.searchsorted(held, rows)
            for first in range(0, len(rows), batch):
                here = place[first : first + batch]
                found = tuple(part[here] for part in parts)
                yield found if len(found) > 1 else found[0]

    specs = tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in arrays)
    data = tf.data.Dataset.from_generator(
        batches, output_signature=specs if len(specs) > 1 else specs[0]
    )
    length = tf.data.experimental.assert_cardinality(-(-n // batch))
    return data.apply(length).prefetch(1)


def _mapped(paths):
    """The arrays in the files, mapped into memory."""
    if not paths:
        raise ValueError("`paths` must name at least one file. Received: none.")
    arrays = []
    for path in map(Path, paths):
        if path.suffix != ".npy":
            raise ValueError(f"`paths` must end in .npy. Received: {str(path)!r}.")
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise ValueError(
                f"`paths` must be arrays of numbers. Received: {str(path)!r} ({error})."
            ) from None
        if not array.ndim or not len(array):
            raise ValueError(
                "`paths` must be arrays with at least one row. Received: "
                f"{str(path)!r} of shape {array.shape}."
            )
        arrays.append(array)
    rows = [len(array) for array in arrays]
    if len(set(rows)) > 1:
        raise ValueError(f"`paths` must have equally many rows. Received: {rows} rows.")
    return arrays
