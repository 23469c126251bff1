"""Small training sets and their changed copies, for the claim on augmentation.

The images are Fashion-MNIST's at 14 × 14 pixels, to be quick. Keras' layers, and ours,
make several thousand copies of them beforehand, each drawn anew. Tests:
tests/test_claims_augmentation.py.
"""

import functools

import numpy as np
from keras import layers

from dtlib import augmentation, datasets, training

SIDE, CLASSES = 14, 10
COPIES = 6000  # of all training images together: 20 of each, if they are 300
PIXEL = 1 / SIDE
TURN = 1 / 360  # Keras counts rotations in full turns

# The strengths that validation may choose from, weak to strong. In a pilot, with half
# of the units and of the steps, the weakest were best: 1, 2, 3 pixels, 5, 15, 30
# degrees, contrast 0.2, 0.5, 0.8, erasing 0.1, 0.2, 0.4; so was mixup's strongest, 1.
SHIFTS = (0.5 * PIXEL, 1 * PIXEL, 2 * PIXEL)
TURNS = (2.5 * TURN, 5 * TURN, 15 * TURN)
ZOOMS = (0.1, 0.2, 0.4)
KEPT = {  # a garment stays what it was
    "flip": (1,),
    "shift": SHIFTS,
    "rotation": TURNS,
    "zoom": ZOOMS,
    "contrast": (0.1, 0.2, 0.5),
    "erasing": (0.05, 0.1, 0.2),
    "mixup": (0.3, 1.0, 3.0),
    "combination": (0, 1, 2),  # flip, and shift, rotation and zoom of this strength
}
NOISE = {
    "white noise": (0.05, 0.2, 0.5),  # standard deviation; black is 0 and white is 1
    "heavy noise": (1.0,),
    "noise images": (0.5,),  # share of images that are nothing but noise
}
HARMFUL = {"upside down": (1,), "any angle": (0.5,), "stretch": (0.5,)}
ARMS = {"none": (0,), **KEPT, **NOISE, **HARMFUL}


@functools.cache
def task(scale):
    """`Data` with images (n, 14, 14, 1) in [0, 1]."""
    parts = [*datasets.fashion_mnist("full" if scale == "full" else "sample")]
    for k in (0, 2, 4):
        coarse = parts[k].reshape(-1, SIDE, 2, SIDE, 2, 1).mean(axis=(2, 4))
        parts[k] = coarse.astype("float32")
    return datasets.Data(*parts)


@functools.cache
def part(name, scale, world="plain"):
    """Rows and labels of the validation or the test part.

    In the world "moved" each image is shifted and turned once, by as much as the
    strongest of these two arms; in "noisy" the strongest white noise is added.
    """
    data = task(scale)
    x, seed = getattr(data, f"x_{name}"), {"valid": 1, "test": 2}[name]
    arms = {"moved": ("shift", "rotation"), "noisy": ("white noise",)}.get(world, ())
    for arm in arms:
        (layer,) = chain(arm, ARMS[arm][-1], seed)
        x = layer(x, training=True)
    return flat(x, scale), getattr(data, f"y_{name}")


@functools.cache
def moments(scale):
    """Mean and standard deviation of a training pixel."""
    return task(scale).x_train.mean(), task(scale).x_train.std()


def flat(images, scale):
    """Standardized rows, as a dense network takes them."""
    mean, std = moments(scale)
    return ((np.asarray(images) - mean) / std).reshape(len(images), -1)


def chosen_images(n, seed, scale):
    """Which n training images a seed gets; of a smaller n, a part of those."""
    order = np.random.default_rng([seed, 13]).permutation(len(task(scale).x_train))
    return order[:n]


def visits(n, seed):
    """Which image each copy is of: every image once an epoch, in a new order."""
    epochs = -(-COPIES // n)
    order = [training.batch_order(n, seed=seed, epoch=e) for e in range(epochs)]
    return np.concatenate(order)[:COPIES]


def chain(arm, strength, seed):
    """The layers of an arm, in order."""
    if arm == "combination":
        several = (
            ("flip", 1),
            *((name, KEPT[name][strength]) for name in ("shift", "rotation", "zoom")),
        )
        found = [chain(*one, seed + 1000 * i) for i, one in enumerate(several)]
        return [layer for one in found for layer in one]
    black = dict(fill_mode="constant", seed=seed)
    make = {
        "flip": lambda s: layers.RandomFlip("horizontal", seed=seed),
        "shift": lambda s: layers.RandomTranslation(s, s, **black),
        "rotation": lambda s: layers.RandomRotation(s, **black),
        "zoom": lambda s: layers.RandomZoom(s, **black),
        "contrast": lambda s: layers.RandomContrast(s, value_range=(0, 1), seed=seed),
        "erasing": lambda s: augmentation.RandomErasing(
            factor=(1, 1), scale=(0, s), fill_value=0, value_range=(0, 1), seed=seed
        ),
        "white noise": lambda s: layers.GaussianNoise(s, seed=seed),
        "heavy noise": lambda s: layers.GaussianNoise(s, seed=seed),
        "upside down": lambda s: layers.RandomFlip("vertical", seed=seed),
        "any angle": lambda s: layers.RandomRotation(s, **black),
        # From half the height to twice it, at the same width.
        "stretch": lambda s: layers.RandomZoom((-s, 1 / s - 1), (0.0, 0.0), **black),
    }
    return [make[arm](strength)] if arm in make else []


class Source:
    """What one network is trained on.

    Args:
        arm, strength: Of `ARMS`.
        n: Training images.
        seed: Which images, in which order, changed how.
        scale: One of the claims' scales.
    """

    def __init__(self, arm, strength, n, seed, scale):
        self.arm, self.strength, self.scale = arm, strength, scale
        self.seed, data, rows = seed, task(scale), chosen_images(n, seed, scale)
        self.images, self.labels = data.x_train[rows], data.y_train[rows]

    def pool(self):
        """The copies in order: standardized rows, and labels as distributions."""
        rows = visits(len(self.images), self.seed)
        return self.changed(self.images[rows], self.labels[rows])

    def changed(self, x, y):
        """A copy of each image of x, and of its label."""
        y = np.eye(CLASSES, dtype="float32")[y]
        for layer in chain(self.arm, self.strength, self.seed):
            x = layer(x, training=True)
        if self.arm == "mixup":
            layer = augmentation.MixUp(self.strength, seed=self.seed)
            both = layer({"images": x, "labels": y}, training=True)
            x, y = both["images"], both["labels"]
        if self.arm == "noise images":
            rng = np.random.default_rng([self.seed, 46])
            noise = rng.normal(*moments(self.scale), size=x.shape)
            x = np.where(rng.random(len(x))[:, None, None, None] < 0.5, noise, x)
        return flat(x, self.scale), np.asarray(y)


class Apart:
    """Half of them changed images, half as they were; label 1 is "changed"."""

    def __init__(self, arm, strength, scale):
        x = task(scale).x_train
        self.scale, self.source = scale, Source(arm, strength, len(x), 0, scale)

    def pool(self):
        """What to learn from: a changed image, and another one as it was, in turn."""
        return self.mixed(self.source.images[:COPIES])

    def asked(self):
        """Images that were not trained on, and whether each was changed."""
        x, y = self.mixed(task(self.scale).x_valid)
        return x, y.argmax(axis=1)

    def mixed(self, x):
        """Rows of images, every other one changed, and labels that say which."""
        odd = np.arange(len(x)) % 2
        copies, _ = self.source.changed(x, odd)
        rows = np.where(odd[:, None] == 1, copies, flat(x, self.scale))
        return rows, np.eye(CLASSES, dtype="float32")[odd]
