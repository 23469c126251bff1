"""What each arm of the claims on pretraining learns from, before the few labels.

    scratch, scratch σ    nothing
    autoencoder, greedy   the pool's images
    RBM                   the pool's images; its network has sigmoid units
    pairs                 the pool's images, and one bit a pair: same class or not
    corrupted, ranking    the pool's images and their spoiled copies
    pairs of others       as pairs, of five classes; the labels are of the other five

All see the same number of images, in batches of 100. Two arms were added when the
verdicts were known: an autoencoder that sees four times as many, and five layers of
sigmoid units, from scratch and from five machines. Tests:
tests/test_claims_pretraining.py.
"""

import functools

import keras
import numpy as np

from dtlib import optimizers, pretraining
from dtlib.claims import _pretraining_nets as nets
from dtlib.claims.arms import SETTINGS, remembered
from dtlib.experiments import protocol

SEEN = 100  # images a step
UNSUPERVISED = {"autoencoder": "scratch", "greedy": "scratch", "RBM": "scratch σ"}
AUXILIARY = dict.fromkeys(("pairs", "corrupted", "ranking"), "scratch")
OTHERS = {"pairs of others": "scratch, five classes"}
LATER = {"autoencoder, longer": "scratch", "RBM, deep": "scratch σ, deep"}
DEEP, LONGER = 5, 4  # hidden layers; times as many images
# Each arm with the one it is judged against.
AGAINST = {**UNSUPERVISED, **AUXILIARY, **OTHERS, **LATER}
ARMS = (*dict.fromkeys(AGAINST.values()), *AGAINST)
FIVE = (*OTHERS, *OTHERS.values())


def activation_of(arm):
    return "sigmoid" if "RBM" in arm or "σ" in arm else "relu"


def depth_of(arm):
    return DEEP if "deep" in arm else 2


def classes_of(arm, seed):
    """The classes of an arm's labels: all, or five that the seed draws."""
    if arm not in FIVE:
        return np.arange(nets.CLASSES)
    return np.random.default_rng([seed, 52]).permutation(nets.CLASSES)[:5]


def pool_rows(scale, seeds, length):
    """One column a seed: the pool in orders of its own, until there are `length`."""
    pool = nets.sample(scale).pool
    return np.stack([nets.orders(pool, seed, length) for seed in seeds], axis=1)


def seen(scale):
    """How many images each arm sees in pretraining."""
    return nets.EPOCHS[scale] * len(nets.sample(scale).pool)


def others(w, i):
    """The names of the hidden layers but `i`."""
    return [k for k in w if k[:-1] in ("kernel_", "bias_") and k[-1] != str(i)]


def adam(task):
    return optimizers.Adam(nets.ADAM[task])


def rebuild(scale, seeds, times=1):
    """The stacked autoencoder, all layers at once."""
    given, start = nets.sample(scale), nets.starts(scale, seeds, "relu")
    units, features = nets.WIDTH[scale], given.x.shape[1]
    up = [nets.draw(seed, 3, (units, units), 2) for seed in seeds]
    start |= dict(up=np.stack(up), up_bias=np.zeros((len(seeds), 1, units)))
    start |= nets.top(seeds, (units, features))
    rows = pool_rows(scale, seeds, times * seen(scale))
    model = nets.Nets(given.x, start, nets.rebuilding)
    return nets.train(model, rows, 0 * rows, adam("rebuilding"), SEEN)


def greedy(scale, seeds):
    """One layer after the other, each by its own little autoencoder."""
    given, w = nets.sample(scale), nets.starts(scale, seeds, "relu")
    units, features = nets.WIDTH[scale], given.x.shape[1]
    rows = pool_rows(scale, seeds, seen(scale))
    for i, below in enumerate((features, units)):
        w |= nets.top(seeds, (units, below))
        model = nets.Nets(given.x, w, nets.layer_rebuilding(i), others(w, i))
        w, loss = nets.train(model, rows, 0 * rows, adam("rebuilding"), SEEN)
    return w, loss


def machines(scale, seeds, depth=2):
    """Restricted Boltzmann machines, each on the features of the one below."""
    given, w = nets.sample(scale), nets.starts(scale, seeds, "sigmoid", depth)
    for i in range(depth):
        kernel = w[f"kernel_{i}"]
        w[f"kernel_{i}"] = 0.01 * np.sqrt(kernel.shape[1]) * kernel  # N(0, 0.01²)
    rows = pool_rows(scale, seeds, seen(scale))
    bias = np.array(pretraining.log_odds(given.x[given.pool], least=0.01))
    for i in range(depth):
        w["visible_bias"] = np.tile(bias, (len(seeds), 1, 1))
        bias = np.zeros(nets.WIDTH[scale])
        model = nets.Nets(given.x, w, nets.machine(i), others(w, i), draws=True)
        keras.utils.set_random_seed(0)
        sgd = keras.optimizers.SGD(**nets.MACHINE)
        w, loss = nets.train(model, rows, 0 * rows, sgd, SEEN)
    return w, loss


def same(scale, seeds, of_others=False):
    """Same or different: of the pool's classes, or of those no label will name."""
    given, start = nets.sample(scale), nets.starts(scale, seeds, "relu")
    start |= nets.top(seeds, (nets.WIDTH[scale], 1))
    found = []
    for seed in seeds:
        rows = given.pool
        if of_others:
            known = classes_of("pairs of others", seed)
            rows = rows[~np.isin(given.y[rows], known)]
        drawn = pretraining.make_pairs(rows, given.y[rows], seen(scale) // 2, seed=seed)
        found.append(drawn)
    first, second, y = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    model = nets.Nets(given.x, start, nets.same_or_different)
    return nets.train(model, np.hstack([first, second]), y, adam("pairs"), SEEN // 2)


def spoiled(scale, seeds, ranking):
    """Good or bad, one image at a time; or, in pairs, the good above the bad.

    A batch is 50 images, then the spoiled copies of the same images. In each epoch
    half of the pool, so that as many images are seen as elsewhere.
    """
    given, start = nets.sample(scale), nets.starts(scale, seeds, "relu")
    start |= nets.top(seeds, (nets.WIDTH[scale], 1))
    copies = [nets.bad_copies(scale, e) for e in range(nets.EPOCHS[scale])]
    table = np.concatenate([given.x[given.pool], *copies])
    n, half = len(given.pool), SEEN // 2
    good = pool_rows(scale, seeds, seen(scale) // 2) - given.pool[0]
    bad = good + n * (1 + np.arange(len(good)) // (n // 2))[:, None]
    if ranking:
        model = nets.Nets(table, start, nets.good_above_bad, ["top_bias"])
        rows = np.hstack([good, bad])
        return nets.train(
            model, rows, 0 * good.astype("float32"), adam("spoiled"), half
        )
    parts = [part.reshape(-1, half, len(seeds)) for part in (good, bad)]
    rows = np.concatenate(parts, axis=1).reshape(-1, len(seeds))
    y = np.ones((len(parts[0]), 2, half, len(seeds)), "float32")
    y[:, 1] = 0
    model = nets.Nets(table, start, nets.good_or_bad)
    return nets.train(model, rows, y.reshape(rows.shape), adam("spoiled"), SEEN)


PRETRAIN = {
    "autoencoder": rebuild,
    "greedy": greedy,
    "RBM": machines,
    "pairs": same,
    "corrupted": functools.partial(spoiled, ranking=False),
    "ranking": functools.partial(spoiled, ranking=True),
    "pairs of others": functools.partial(same, of_others=True),
    "autoencoder, longer": functools.partial(rebuild, times=LONGER),
    "RBM, deep": functools.partial(machines, depth=DEEP),
}


def pretrained(arm, scale, seeds):
    """`{seed: weights of the hidden layers}`, and the mean loss of the own task."""
    if arm in PRETRAIN:
        weights, loss = PRETRAIN[arm](scale, seeds)
    else:
        kind = activation_of(arm), depth_of(arm)
        weights, loss = nets.starts(scale, seeds, *kind), None
    names = [name for name in weights if name[:-1] in ("kernel_", "bias_")]
    found = {s: {k: weights[k][i] for k in names} for i, s in enumerate(seeds)}
    return found, loss


@functools.cache
def compared(scale, cache=None):
    """All arms with all numbers of labels: tuned alike, then run on fresh seeds.

    Returns:
        `{arm: {labels: {"rate", "test": [a number a seed], "at_edge", "tried"}}}`, and
        the losses of pretraining.
    """
    setting = {k: list(v) for k, v in SETTINGS[scale].items() if "seeds" in k}
    key, code = (scale, str(setting)), (__file__, nets.__file__)
    run = functools.partial(_compared, scale)
    return _read(remembered(run, cache, "pretraining", *key, code=code))


def _read(found):
    """JSON's keys are text: numbers of labels become numbers again."""
    scores, losses = found
    keyed = {
        arm: {int(n): each | {"test": np.array(each["test"])} for n, each in of.items()}
        for arm, of in scores.items()
    }
    return keyed, losses


def _compared(scale):
    seeds, trials = (list(SETTINGS[scale][k]) for k in ("seeds", "tune_seeds"))
    learned, losses, scores = {}, {}, {}
    for arm in ARMS:
        learned[arm], losses[arm] = pretrained(arm, scale, seeds + trials)
    kinds = {arm: (activation_of(arm), depth_of(arm)) for arm in ARMS}
    for kind in dict.fromkeys(kinds.values()):
        arms, activation = [arm for arm in ARMS if kinds[arm] == kind], kind[0]
        plan = [(arm, n) for arm in arms for n in nets.LABELS]
        tried = [nets.Run(*p, r, s) for p in plan for r in nets.RATES for s in trials]
        score = _scores(tried, learned, scale, activation, "valid")
        score = score.reshape(len(plan), len(nets.RATES), len(trials)).mean(axis=2)
        best = [nets.RATES[protocol.choose(list(each), "max")] for each in score]
        runs = [
            nets.Run(*p, r, s) for p, r in zip(plan, best, strict=True) for s in seeds
        ]
        test = _scores(runs, learned, scale, activation, "test")
        for i, (arm, n) in enumerate(plan):
            scores.setdefault(arm, {})[str(n)] = dict(
                rate=best[i],
                at_edge=best[i] in (nets.RATES[0], nets.RATES[-1]),
                tried=score[i].tolist(),
                test=test.reshape(len(plan), len(seeds))[i].tolist(),
            )
    return scores, losses


def _scores(runs, learned, scale, activation, part):
    """The accuracy of each run, fine-tuned, on a part."""
    found = nets.finetune(runs, learned, classes_of, scale, activation)
    given, scores = nets.sample(scale), []
    for run, w in zip(runs, found, strict=True):
        classes = classes_of(run.arm, run.seed)
        scores.append(nets.accuracy(w, given, part, classes, activation))
    return np.array(scores)
