"""Many small networks in one program, each with training images of its own.

For the claim on augmentation: K sources of images × R learning rates. Tests:
tests/test_claims_augmentation.py.
"""

import functools
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from dtlib import initializers, optimizers, training
from dtlib.claims import _augmentation_images as pictures
from dtlib.claims.arms import SETTINGS, remembered, unseen

RATES = (0.005, 0.015, 0.05)
BATCH, CHUNK, MEASUREMENTS = 20, 200, 6  # steps from one measurement to the next
TIMES = {"quick": 1, "standard": 2, "full": 4}  # as many steps
# Changed after a pilot on other seeds.
TUNE_SEEDS = dict.fromkeys(TIMES, range(1100, 1103))
WIDTHS = {"quick": 64, "standard": 64, "full": 100}
SMALL = 300  # training images of the main comparison
SIZES = (100, 300, 1000)
WORLDS = ("plain", "moved", "noisy")  # what the images to come are like


class Variant(NamedTuple):
    """What a network is trained on: an arm at a strength, on n images."""

    arm: str
    strength: float
    n: int


class Choice(NamedTuple):
    """What validation chose for an arm; `stop` is the index of a measurement."""

    variant: Variant
    rate: float
    stop: int
    valid: float


class Nets(keras.Model):
    """K × R networks of one hidden layer, fed with row numbers, one column for each k.

    Args:
        pools: K pairs of arrays: what each k is trained on, and the labels.
        starts: K pairs of kernels.
        rates: R.
    """

    def __init__(self, pools, starts, rates):
        super().__init__()
        self.pools = [
            ops.concatenate([ops.convert_to_tensor(v, "float32") for v in both])
            for both in zip(*pools, strict=True)
        ]
        self.layer_weights = []
        for i, kernels in enumerate(zip(*starts, strict=True)):
            kernel = np.repeat(np.stack(kernels)[:, None], rates, 1)
            bias = np.zeros_like(kernel[:, :, :1])
            for name, value in (("kernel", kernel), ("bias", bias)):
                weight = self.add_weight(shape=value.shape, name=f"{name}_{i}")
                weight.assign(value)
                self.layer_weights.append(weight)
        self.built = True

    def drawn(self, rows, kind):
        """Inputs (kind 0) or labels (kind 1) of the rows, (K, 1, batch, ...)."""
        return ops.take(self.pools[kind], ops.transpose(rows), axis=0)[:, None]

    def call(self, rows, training=False):
        w1, b1, w2, b2 = self.layer_weights
        z = self.drawn(rows, 0) @ w1 + b1
        return ops.relu(z) @ w2 + b2  # (K, R, batch, classes)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
        """The sum over networks of each one's mean: none feels the others."""
        return -ops.sum(ops.log_softmax(y_pred) * self.drawn(y, 1)) / ops.shape(y)[0]

    def accuracy(self, k, x, y):
        """Of the R networks of k, in NumPy: shape (R,)."""
        w1, b1, w2, b2 = (weight[k] for weight in self.arrays)
        z = np.maximum(x @ w1 + b1, 0) @ w2 + b2
        return (z.argmax(axis=-1) == y).mean(axis=-1)

    def read(self):
        """Copy the weights to NumPy, for `accuracy`."""
        self.arrays = [weight.numpy() for weight in self.layer_weights]


@functools.cache
def start(seed, width):
    """He's kernel and Glorot's, of a seed."""
    hidden = initializers.HeNormal(seed=seed)((pictures.SIDE**2, width))
    last = initializers.GlorotNormal(seed=seed + 1)((width, pictures.CLASSES))
    return np.asarray(hidden), np.asarray(last)


def train(sources, seeds, rates, scale, measure):
    """Train the networks of every source, and measure them six times on the way.

    Args:
        sources: K objects that have a `pool`.
        seeds: Of their starts.
        rates: Array (K, R).
        scale: One of the claims' scales.
        measure: Function (nets, measurement) → what to keep of it.

    Returns:
        A list of what `measure` returned.
    """
    rates, steps = np.asarray(rates, "float32"), CHUNK * TIMES[scale]
    pools = [source.pool() for source in sources]
    starts = [start(seed, WIDTHS[scale]) for seed in seeds]
    nets, column = Nets(pools, starts, rates.shape[1]), rates[..., None, None]
    nets.compile(optimizers.SGD(lambda: ops.convert_to_tensor(column), momentum=0.9))
    orders = visits(MEASUREMENTS * steps * BATCH)[:, None]
    orders = orders + pictures.COPIES * np.arange(len(sources))
    found = []
    for i, rows in enumerate(np.split(orders.astype("int32"), MEASUREMENTS)):
        training.fit(nets, rows, rows, batch_size=BATCH, shuffle=False)
        nets.read()
        found.append(measure(nets, i))
    return found


def visits(n):
    """The first n copies that every network meets: in turn, then in other orders."""
    copies = pictures.COPIES
    more = range(-(-n // copies) - 1)
    order = [np.random.default_rng([13, p]).permutation(copies) for p in more]
    return np.concatenate([np.arange(copies), *order])[:n]


def variants():
    """All that are tuned: every arm and strength on few images; two arms on others."""
    main = [Variant(arm, s, SMALL) for arm, ss in pictures.ARMS.items() for s in ss]
    two = [(arm, s) for arm in ("none", "combination") for s in pictures.ARMS[arm]]
    return main + [Variant(*one, n) for n in SIZES if n != SMALL for one in two]


def build(pairs, scale):
    """The `Source` of each (variant, seed)."""
    return [pictures.Source(*variant, seed, scale) for variant, seed in pairs]


def tune(scale, cache=None):
    """Validation accuracy: {variant: {world: array (measurements, R)}}.

    The mean over the tuning seeds, and of each measurement and its neighbors.
    """
    tried, seeds = variants(), TUNE_SEEDS[scale]
    pairs = [(variant, seed) for variant in tried for seed in seeds]

    def run():
        parts = [pictures.part("valid", scale, world) for world in WORLDS]
        curve = train(
            build(pairs, scale),
            [seed for _, seed in pairs],
            np.tile(RATES, (len(pairs), 1)),
            scale,
            lambda nets, _: [
                [nets.accuracy(k, *part) for part in parts] for k in range(len(pairs))
            ],
        )
        return np.array(curve)

    curve = kept(run, cache, "tune", scale)
    scores = curve.reshape(len(curve), len(tried), len(seeds), len(WORLDS), len(RATES))
    scores = scores.mean(axis=2)
    scores = [scores[max(i - 1, 0) : i + 2].mean(axis=0) for i in range(len(scores))]
    scores = np.array(scores)
    return {
        variant: {world: scores[:, i, w] for w, world in enumerate(WORLDS)}
        for i, variant in enumerate(tried)
    }


def choose(tried):
    """The strength, rate and number of steps: {(arm, n, world): Choice}.

    All arms in the plain world; in the others, those that were tried on more numbers of
    images, and white noise.
    """
    found = {}
    for variant, worlds in tried.items():
        for world, scores in worlds.items():
            others = ("none", "combination", "white noise")
            if world != "plain" and variant.arm not in others:
                continue
            if world == "noisy" and variant.n != SMALL:
                continue
            stop, r = np.unravel_index(scores.argmax(), scores.shape)
            best = Choice(variant, RATES[r], int(stop), float(scores.max()))
            key = variant.arm, variant.n, world
            if key not in found or best.valid > found[key].valid:
                found[key] = best
    return found


def judge(choices, seeds, scale):
    """Test and training accuracy of every choice, array (choices, 2, seeds)."""
    pairs = [(*item, seed) for item in choices.items() for seed in seeds]
    sources = build([(choice.variant, seed) for _, choice, seed in pairs], scale)
    found = np.zeros((len(pairs), 2))

    def measure(nets, i):
        for k, ((*_, world), choice, _) in enumerate(pairs):
            if choice.stop == i:
                own = pictures.flat(sources[k].images, scale), sources[k].labels
                test = pictures.part("test", scale, world)
                found[k] = [nets.accuracy(k, *each)[0] for each in (test, own)]

    rates = [[choice.rate] for _, choice, _ in pairs]
    train(sources, [seed for *_, seed in pairs], rates, scale, measure)
    return found.reshape(len(choices), len(seeds), 2).transpose(0, 2, 1)


def compare(scale, cache=None):
    """Tune every arm, then judge it on fresh seeds: choices, scores, and the tuning."""
    tried = tune(scale, cache)
    choices, seeds = choose(tried), unseen(SETTINGS[scale])["seeds"]
    scores = kept(lambda: judge(choices, seeds, scale), cache, "judge", scale)
    return choices, dict(zip(choices, scores, strict=True)), tried


def told_apart(choices, scale, cache=None):
    """How often a network tells a changed copy from an image as it was: {key: share}.

    It learns from training images and is asked about validation images, one half of
    them changed. Guessing is right half of the time.
    """
    sources = [
        pictures.Apart(*choice.variant[:2], scale) for choice in choices.values()
    ]

    def measure(nets, i):
        asked = sources if i == MEASUREMENTS - 1 else ()
        return [nets.accuracy(k, *source.asked())[0] for k, source in enumerate(asked)]

    def run():
        rates = np.full((len(sources), 1), RATES[1])
        return np.array(train(sources, [0] * len(sources), rates, scale, measure)[-1])

    return dict(zip(choices, kept(run, cache, "apart", scale), strict=True))


def kept(run, cache, name, scale):
    """The array that `run` returns, or a file of the folder `cache` holds."""
    code = __file__, pictures.__file__
    name = f"augmentation-{name}"
    found = remembered(lambda: run().tolist(), cache, name, scale, code=code)
    return np.array(found)
