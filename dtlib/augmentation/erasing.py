"""Random erasing: hide a rectangle, so that no single part of an image is needed.

The chapter `augmentation` of the book explains it. Tests: tests/test_augmentation.py.
"""

from keras import ops, random

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.augmentation._base import Augmentation


def erasing_box(side, place, *, height, width, scale):
    """Turn uniform draws into a rectangle that lies within the image.

        each side ← image's side · √(s_low + (s_high − s_low)·u)
        its start ← (image's side − side)·v

    Each side is the root of a share of its own, so the area's share is in
    [s_low, s_high] too. On average it is the square of
    ⅔·(s_high^1.5 − s_low^1.5)/(s_high − s_low).

    Args:
        side: u for the width and the height, shape (n, 2), in [0, 1).
        place: v for the left and the top edge, shape (n, 2), in [0, 1).
        height, width: Of the image, in pixels.
        scale: `(s_low, s_high)`, shares of the area.

    Returns:
        Shape (n, 4): top, left, bottom, right, in pixels and fractions of them.

    Example: a quarter of the area, in the middle.

    >>> half = [[0.5, 0.5]]
    >>> box = erasing_box(half, half, height=8, width=4, scale=(0.25, 0.25))
    >>> print(ops.convert_to_numpy(box))
    [[2. 1. 6. 3.]]

    Reference: see `erase`.

    Equation: eq-augmentation-box
    """
    side, place = (ops.convert_to_tensor(u, "float32") for u in (side, place))
    low, high = scale
    root = ops.sqrt(low + (high - low) * side)
    w, h = root[:, 0] * width, root[:, 1] * height
    left, top = place[:, 0] * (width - w), place[:, 1] * (height - h)
    return ops.stack([top, left, top + h, left + w], axis=-1)


def erase(images, box, fill, *, data_format):
    """Write `fill` over a rectangle of each image.

        erased where top ≤ i + ½ < bottom and left ≤ j + ½ < right

    The pixel in row i and column j has its center at (i + ½, j + ½).

    Args:
        images: A batch, with its channels where `data_format` says.
        box: Shape (n, 4): top, left, bottom, right. An empty box erases nothing.
        fill: What to write: a number, or anything that broadcasts to `images`.
        data_format: "channels_last", (n, height, width, channels), or
            "channels_first", (n, channels, height, width).

    Returns:
        A tensor like `images`.

    Example: the top left corner of an image of two rows and three columns.

    >>> import numpy as np
    >>> box = np.array([[0.0, 0.0, 1.0, 2.0]])
    >>> y = erase(np.ones((1, 2, 3, 1)), box, 0.0, data_format="channels_last")
    >>> print(ops.convert_to_numpy(y)[0, :, :, 0])
    [[0. 0. 1.]
     [1. 1. 1.]]

    Differs from Keras: there the corner of the pixel counts, not its center. A
    rectangle almost never starts at 0 exactly, so Keras spares the first row and the
    first column of every image.

    Reference: Zhong et al., 2020, https://arxiv.org/abs/1708.04896

    Equation: eq-augmentation-erase
    """
    last = data_format == "channels_last"
    height, width = ops.shape(images)[1:3] if last else ops.shape(images)[2:4]
    box = ops.convert_to_tensor(box, "float32")
    top, left, bottom, right = (box[:, i : i + 1] for i in range(4))
    i, j = (ops.arange(size, dtype="float32") + 0.5 for size in (height, width))
    in_rows = ops.logical_and(top <= i, i < bottom)  # (n, height)
    in_columns = ops.logical_and(left <= j, j < right)  # (n, width)
    inside = ops.logical_and(in_rows[:, :, None], in_columns[:, None, :])
    inside = ops.expand_dims(inside, -1 if last else 1)
    fill = ops.cast(ops.convert_to_tensor(fill), images.dtype)
    return ops.where(inside, fill, images)


@serializable
class RandomErasing(Augmentation):
    """Hides a random rectangle of each image, by `erasing_box` and `erase`.

    Args:
        factor: Probability of erasing an image, in [0, 1]. A pair `(low, high)` draws a
            probability for each image between the two; so does a number, between 0 and
            it, and on average half of what it says. `(1, 1)` erases every image.
        scale: Share of the image to erase, in [0, 1], a pair `(low, high)`; or a number
            for `(0, number)`.
        fill_value: What to write: a number, a list of one for each channel, or None for
            noise, N(0, high²) cut to `value_range`.
        value_range: `(low, high)` of the pixels. What is written stays within.
        seed: As in `MixUp`.
        data_format: "channels_last" or "channels_first"; None is Keras' setting.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Labels pass unchanged. Like Keras' own, the layer is active unless it is told
    `training=False`; then it only casts the images to its type.

    Differs from Keras: a seed draws Keras' rectangles and noise in float32, but `erase`
    goes by the centers of the pixels. A list `fill_value` fits any number of channels,
    first or last. Ranges in descending order, bounding boxes and segmentation masks are
    refused. Inside a `tf.data` pipeline it needs Keras' TensorFlow backend. The paper
    draws one share and one aspect ratio, and fills with uniform noise.

    Reference: Zhong et al., 2020, https://arxiv.org/abs/1708.04896
    """

    def __init__(
        self,
        factor=1.0,
        scale=(0.02, 0.33),
        fill_value=None,
        value_range=(0, 255),
        seed=None,
        data_format=None,
        **kwargs,
    ):
        super().__init__(data_format, seed, **kwargs)
        self.factor = _share("factor", factor)
        self.scale = _share("scale", scale)
        self.fill_value = _fill("fill_value", fill_value)
        self.value_range = _pair("value_range", value_range, "(-inf, inf)")

    def augment(self, batch):
        images, seed = batch["images"], self.seed_generator
        last = self.data_format == "channels_last"
        n = ops.shape(images)[0]
        height, width = ops.shape(images)[1:3] if last else ops.shape(images)[2:4]
        side = random.uniform((n, 2), seed=seed)
        left, top = (random.uniform((n,), seed=seed) for _ in range(2))
        box = erasing_box(
            side,
            ops.stack([left, top], -1),
            height=ops.cast(height, "float32"),
            width=ops.cast(width, "float32"),
            scale=_ends(self.scale),
        )
        chance = random.uniform((n,), *_ends(self.factor), seed=seed)
        chosen = random.uniform((n,), seed=seed) < chance
        box = ops.where(chosen[:, None], box, 0.0)
        fill = self.draw_fill(images)
        erased = erase(images, box, fill, data_format=self.data_format)
        return {**batch, "images": erased}

    def draw_fill(self, images):
        """What to write over `images`, within the value range."""
        fill, (low, high) = self.fill_value, self.value_range
        if fill is None:
            shape, dtype = ops.shape(images), images.dtype
            noise = random.normal(shape, dtype=dtype, seed=self.seed_generator)
            return ops.clip(noise * high, low, high)
        fill = ops.clip(ops.convert_to_tensor(fill, "float32"), low, high)
        if len(fill.shape) == 1 and self.data_format == "channels_first":
            fill = fill[:, None, None]
        return fill


def _ends(share):
    """`(low, high)`, where a number stands for `(0, number)`."""
    return share if isinstance(share, tuple) else (0.0, share)


def _pair(name, pair, interval):
    """Two numbers, the first not above the second, as a tuple."""
    if len(pair) != 2:
        raise ValueError(
            f"`{name}` must be a pair of numbers. Received: {name}={pair!r}."
        )
    low, high = (number_in(name, value, interval) for value in pair)
    if low > high:
        raise ValueError(f"`{name}` must be (low, high). Received: {name}={pair!r}.")
    return tuple(pair)


def _share(name, value):
    """A number in [0, 1], or a pair of them."""
    if isinstance(value, (list, tuple)):
        return _pair(name, value, "[0, 1]")
    return number_in(name, value, "[0, 1]")


def _fill(name, value):
    """A number, a tuple of numbers, or None."""
    if isinstance(value, (list, tuple)) and value:
        return tuple(number_in(name, v, "(-inf, inf)") for v in value)
    return value if value is None else number_in(name, value, "(-inf, inf)")
