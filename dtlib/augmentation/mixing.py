"""Mixup: train on blends of two samples, with labels blended alike.

The chapter `augmentation` of the book explains it. Tests: tests/test_augmentation.py.
"""

from keras import backend, ops, random

from dtlib._check import number_in
from dtlib._register import serializable
from dtlib.augmentation._base import Augmentation

# Below it, Γ(α) is often less than a float32 can hold, and Keras' λ = x/(x + y) comes
# out as ½ under TensorFlow where it should be 0 or 1.
SMALL_ALPHA = 0.05


def mixup_weight(shape, *, alpha, seed):
    """Draw the weight of the first sample of each blend, Beta(α, α).

        E[λ] = ½,    Var[λ] = 1 / (4·(2α + 1))

    Small α leaves most samples nearly alone, α = 1 makes every weight equally likely,
    large α always blends half and half.

    Args:
        shape: Shape of the weights.
        alpha: α > 0.
        seed: An int repeats its draw, a `keras.random.SeedGenerator` moves on.

    Returns:
        A float32 tensor of shape `shape`, in [0, 1].

    Example: at α = 0.2, two weights in three nearly leave a sample alone.

    >>> weight = mixup_weight((100_000,), alpha=0.2, seed=0)
    >>> near = ops.logical_or(weight < 0.1, weight > 0.9)
    >>> round(float(ops.mean(ops.cast(near, "float32"))), 1)
    0.7

    Reference: see `mixup`.

    Equation: eq-augmentation-weight
    """
    if alpha >= SMALL_ALPHA:
        return random.beta(shape, alpha, alpha, dtype="float32", seed=seed)
    # With x ~ Γ(α + 1), x·u^(1/α) ~ Γ(α); the ratio is taken of logarithms.
    other = seed + 1 if isinstance(seed, int) else seed  # an int would repeat its bits
    x = ops.log(random.gamma((2, *shape), alpha + 1, dtype="float32", seed=seed))
    u = 1 - random.uniform((2, *shape), dtype="float32", seed=other)
    x = x + ops.log(u) / alpha
    return ops.sigmoid(x[0] - x[1])


def mixup(images, labels, permutation, weight):
    """Blend each sample with another of the batch, and its label in the same measure.

        x ← λ·x + (1 − λ)·x[π]
        y ← λ·y + (1 − λ)·y[π]

    Args:
        images: x, shape (n, ...).
        labels: y, shape (n, ...): one-hot rows, or numbers. Not class numbers: half a 3
            and half a 7 is no 5. None blends the images alone.
        permutation: π, n integers: sample i meets sample π(i).
        weight: λ, n numbers in [0, 1].

    Returns:
        `(images, labels)`, each shaped and typed like its input; labels of integers
        have the type of the images.

    Raises:
        ValueError: when the labels are class numbers.

    Example: a weight of ¾ on the first of two samples, and on the second.

    >>> import numpy as np
    >>> weight = np.array([0.75, 0.75])
    >>> x, y = mixup(np.array([0.0, 8.0]), np.eye(2), np.array([1, 0]), weight)
    >>> print(ops.convert_to_numpy(x))
    [2. 6.]
    >>> print(ops.convert_to_numpy(y))
    [[0.75 0.25]
     [0.25 0.75]]

    Reference: Zhang et al., 2018, https://arxiv.org/abs/1710.09412

    Equation: eq-augmentation-mixup
    """
    mixed = _blend(images, permutation, weight)
    if labels is None:
        return mixed, None
    shape = tuple(labels.shape)
    if not backend.is_float_dtype(backend.standardize_dtype(labels.dtype)):
        if len(shape) == 1 or shape[-1] == 1:
            raise ValueError(
                "`labels` must be one-hot rows or floating-point numbers, or a blend "
                f"of them means nothing. Received: labels.shape={shape}, of type "
                f"{backend.standardize_dtype(labels.dtype)}. Use `keras.ops.one_hot`."
            )
        labels = ops.cast(labels, mixed.dtype)
    return mixed, _blend(labels, permutation, weight)


def _blend(x, permutation, weight):
    """λ·x + (1 − λ)·x[π], in the type of x."""
    x = ops.convert_to_tensor(x)
    other = ops.take(x, permutation, axis=0)
    w = ops.reshape(ops.cast(weight, x.dtype), (-1,) + (1,) * (len(x.shape) - 1))
    return w * x + (1 - w) * other


@serializable
class MixUp(Augmentation):
    """Blends the samples of a batch and their labels, by `mixup`.

    It belongs in the input pipeline, where it sees the labels: called with a dict
    `{"images": ..., "labels": ...}` it returns such a dict. Inside a model it sees
    images only, so it blends those and the labels stay behind.

    Args:
        alpha: α > 0 of `mixup_weight`. The paper uses 0.1 to 0.4 on ImageNet.
        data_format: As in Keras; both give the same blends.
        seed: An int makes the draws of a run repeatable. None starts anywhere.
        **kwargs: `keras.layers.Layer`'s: `name`, `dtype`, ...

    Each image has a weight of its own. Like Keras' own, the layer is active unless it
    is told `training=False`; then it only casts the images to its type.

    Differs from Keras: class numbers as labels are refused, where Keras blends them as
    numbers or fails; so are bounding boxes and segmentation masks. The law of λ holds
    for α below 0.05 too, where Keras' draw under TensorFlow piles up at ½. Inside a
    `tf.data` pipeline it needs Keras' TensorFlow backend.

    Reference: Zhang et al., 2018, https://arxiv.org/abs/1710.09412
    """

    def __init__(self, alpha=0.2, data_format=None, seed=None, **kwargs):
        super().__init__(data_format, seed, **kwargs)
        self.alpha = number_in("alpha", alpha, "(0, inf)")

    def augment(self, batch):
        n = ops.shape(batch["images"])[0]
        order = ops.arange(n, dtype="int32")
        permutation = random.shuffle(order, seed=self.seed_generator)
        weight = mixup_weight((n,), alpha=self.alpha, seed=self.seed_generator)
        images, labels = batch["images"], batch.get("labels")
        images, labels = mixup(images, labels, permutation, weight)
        changed = {"images": images, "labels": labels}
        return {**batch, **{k: v for k, v in changed.items() if k in batch}}
