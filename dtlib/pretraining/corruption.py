"""Good examples are there already; bad ones are made by spoiling them.

The chapter `pretraining` of the book explains it. Tests: tests/test_pretraining.py.
"""

import numpy as np

from dtlib._check import finite, integer_in, number_in, one_of

WAYS = ("noise", "mask", "shuffle", "swap")


def corrupt(x, how, *, amount, seed):
    """Spoil images, each in its own way, and keep their pixels in [0, 1].

        "noise"     x + amount · ε, ε ~ N(0, 1), clipped to [0, 1]
        "mask"      each pixel is 0 with probability `amount`
        "shuffle"   amount × amount patches, in another order
        "swap"      the right `amount` of the columns come from another image

    The first two leave the picture and spoil the pixels: to tell them, a look at a few
    neighbors is enough. The other two leave the pixels and spoil the picture.

    Args:
        x: Images in [0, 1], (n, height, width).
        how: One of the four.
        amount: "noise": σ > 0. "mask", "swap": a share in (0, 1). "shuffle": patches a
            side, an integer ≥ 2 that divides height and width.
        seed: Integer ≥ 0: the same spoils in the same way.

    Returns:
        Images like `x`.

    Raises:
        ValueError: naming the argument that is wrong.

    Example: every patch of the image is still there, but not in its place.

    >>> x = np.array([[[0.1, 0.2], [0.3, 0.4]]])
    >>> bad = corrupt(x, "shuffle", amount=2, seed=0)
    >>> sorted(bad.ravel().tolist()), bool((bad == x).all())
    ([0.1, 0.2, 0.3, 0.4], False)

    Reference: Vincent et al., 2008 (noise, mask), https://doi.org/10.1145/1390156.1390294
    """
    one_of("how", how, WAYS)
    x = _images(x)
    rng = np.random.default_rng(integer_in("seed", seed, "[0, inf)"))
    return _SPOIL[how](x, amount, rng)


def good_and_bad(x, how, *, amount, seed):
    """A task made of nothing: images, their spoiled copies, and which is which.

    Args:
        x, how, amount, seed: As in `corrupt`.

    Returns:
        `(images, good)`: `x`, then their copies, (2n, height, width); and 1.0 for the
        good, 0.0 for the bad, (2n,).

    >>> images, good = good_and_bad(np.ones((3, 4, 4)), "mask", amount=0.5, seed=0)
    >>> images.shape, good.tolist()
    ((6, 4, 4), [1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    """
    bad = corrupt(x, how, amount=amount, seed=seed)
    good = np.repeat(np.array([1, 0], "float32"), len(bad))
    return np.concatenate([np.asarray(x, bad.dtype), bad]), good


def corrupt_words(sentences, *, words=1, seed):
    """Put a wrong word into each sentence, one of those that the others use.

    Chance may write a sentence that is as good as before ("the dog eats" → "the cat
    eats"): the labels made this way are noisy.

    Args:
        sentences: A list of strings; words are what blanks separate.
        words: How many words of each sentence are replaced, each by another one.
        seed: Integer ≥ 0.

    Returns:
        A list of strings.

    Raises:
        ValueError: If a sentence has too few words, or all use the same single word.

    >>> corrupt_words(["the dog sleeps", "they eat"], seed=8)
    ['the dog they', 'the eat']

    Reference: Collobert and Weston, 2008, https://doi.org/10.1145/1390156.1390177
    """
    if isinstance(sentences, str) or not all(isinstance(s, str) for s in sentences):
        raise ValueError(
            f"`sentences` must be a list of strings. Received: {sentences!r}."
        )
    words = integer_in("words", words, "[1, inf)")
    rng = np.random.default_rng(integer_in("seed", seed, "[0, inf)"))
    split = [sentence.split() for sentence in sentences]
    known = sorted({word for sentence in split for word in sentence})
    if len(known) < 2 or min(map(len, split)) < words:
        raise ValueError(
            "`sentences` must use two words or more, and each must have at least "
            f"{words} (`words`). Received: {sentences!r}."
        )
    for sentence in split:
        for place in rng.choice(len(sentence), words, replace=False):
            old = known.index(sentence[place])
            sentence[place] = known[(old + rng.integers(1, len(known))) % len(known)]
    return [" ".join(sentence) for sentence in split]


def _noise(x, amount, rng):
    sigma = number_in("amount", amount, "(0, inf)")
    spoiled = x + sigma * rng.standard_normal(x.shape)
    return np.clip(spoiled, 0, 1).astype(x.dtype)


def _mask(x, amount, rng):
    share = number_in("amount", amount, "(0, 1)")
    return np.where(rng.random(x.shape) < share, 0, x).astype(x.dtype)


def _shuffle(x, amount, rng):
    sides = integer_in("amount", amount, "[2, inf)")
    n, height, width = x.shape
    if height % sides or width % sides:
        raise ValueError(
            f"`amount` must divide height {height} and width {width} to cut patches. "
            f"Received: amount={amount}."
        )
    a, b = height // sides, width // sides
    patches = x.reshape(n, sides, a, sides, b).swapaxes(2, 3)
    patches = patches.reshape(n, sides * sides, a, b)
    order = rng.random((n, sides * sides)).argsort(axis=1)
    still = (order == np.arange(sides * sides)).all(axis=1)
    order[still] = np.roll(order[still], 1, axis=1)
    moved = np.take_along_axis(patches, order[..., None, None], axis=1)
    return moved.reshape(n, sides, sides, a, b).swapaxes(2, 3).reshape(x.shape)


def _swap(x, amount, rng):
    share = number_in("amount", amount, "(0, 1)")
    n, _, width = x.shape
    if n < 2:
        raise ValueError(f"`x` must hold two images or more. Received: {n}.")
    other = (np.arange(n) + rng.integers(1, n, n)) % n
    first = width - min(width - 1, max(1, round(share * width)))
    return np.concatenate([x[:, :, :first], x[other][:, :, first:]], axis=2)


_SPOIL = dict(zip(WAYS, (_noise, _mask, _shuffle, _swap), strict=True))


def _images(x):
    x = finite("x", x)
    if not np.issubdtype(x.dtype, np.floating):
        x = x.astype("float32")
    if x.ndim != 3 or not x.size or x.min() < 0 or x.max() > 1:
        raise ValueError(
            "`x` must hold images in [0, 1], of shape (n, height, width). Received: "
            f"shape {x.shape}" + (f", {x.min()} to {x.max()}." if x.size else ".")
        )
    return x
