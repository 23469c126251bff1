"""Monte-Carlo dropout of trained networks: how right, how calibrated, how doubtful.

Tests: tests/test_claims_dropout.py.
"""

import functools

import keras
import numpy as np
from keras import ops
from scipy.special import entr, softmax
from scipy.stats import rankdata

from dtlib import dropout, experiments
from dtlib.claims import _dropout_nets as nets
from dtlib.claims._dropout_nets import Kind, everywhere
from dtlib.claims.arms import LEAST, SETTINGS, rounds
from dtlib.claims.evidence import row

DATA = ("images", "MNIST-1D")
# Shown since the verdict, which hangs on it: from doubting too much to too little.
LONGER = tuple(f"few images, {epochs} epochs" for epochs in (20, 40, 80))
KIND, TRAINED = Kind(), 15  # epochs at the quick scale
DROP = 0.2  # at the input and after each layer, as in notes
DROPS = (0.0, 0.1, DROP, 0.5)
SAMPLES = 100
MARKS = (1, 2, 5, 10, 20, 50, SAMPLES, 200)
FEWER = 50  # for what is only shown
BINS = 10  # of the reliability diagrams
CHUNK = 500
# Of accuracy and calibration a percentage point; of likelihood, one percent.
MEASURES = {"accuracy": 1, "ECE": -1, "NLL": -1}
SCORES = ("plain", "entropy", "mutual information")


def task(name, scale):
    """Data, epochs, and rates of dropout of one of `DATA` or `LONGER`."""
    if name in DATA:
        return nets.data(name, scale), TRAINED, DROPS
    return nets.few(nets.data("images", scale)), int(name.split()[2]), (DROP,)


@functools.cache
def trained(name, scale):
    """`{rate of dropout: Found}`, and the model of all seeds of all rates."""
    given, epochs, drops = task(name, scale)
    arms = [everywhere(drop, start=drop) for drop in drops]
    how = dict(epochs=epochs * nets.TIMES[scale])
    found, model = nets.tune(KIND, arms, given, SETTINGS[scale], **how)
    return dict(zip(drops, found.values(), strict=True)), model


def every(scale, names=DATA):
    """All arms by name."""
    return {
        f"{name}, rate {drop:g}": found
        for name in names
        for drop, found in trained(name, scale)[0].items()
    }


class Doubt:
    """What the networks of one rate say of test examples and of outliers.

    Attributes:
        parts: `{"test" or a kind of outlier: slice of rows}`.
        y: Labels of the test part.
        off: Probabilities with dropout off, (rows, seeds, classes).
        means: `{number of samples: their mean}`, of the test part alone.
        mean: What Monte-Carlo dropout predicts: the mean of `count` samples.
        within: The mean of their entropies, (rows, seeds).
    """

    def __init__(self, name, drop, scale):
        (given, _, drops), model = task(name, scale), trained(name, scale)[1]
        strange = nets.outliers(name, scale) if (name in DATA and drop == DROP) else {}
        ends = np.cumsum([len(given.test), *map(len, strange.values())])
        starts = [0, *ends[:-1]]
        self.parts = dict(
            zip(["test", *strange], map(slice, starts, ends), strict=True)
        )
        seeds = len(SETTINGS[scale]["seeds"])
        these = [everywhere(drop, start=drop)] * seeds
        first = drops.index(drop) * seeds
        x = np.concatenate([given.x[given.test], *strange.values()])
        some = given._replace(x=x)
        sampler = Sampler(nets.part_of(model, KIND, these, first, some))
        self.y = given.y[given.test]
        judged = name in DATA and drop == DROP
        count = (SAMPLES if judged else FEWER) if drop else 0
        found = {"off": [], "mean": [], "within": []}
        means = {k: [] for k in (MARKS if judged else ())}
        for part, rows in self.parts.items():
            marks = MARKS if judged and part == "test" else ()
            for some in np.split(np.arange(len(x))[rows], range(CHUNK, len(x), CHUNK)):
                if len(some):
                    *each, at = samples(sampler, some, count, marks)
                    for values, value in zip(found.values(), each, strict=True):
                        values.append(value)
                    for k in at:
                        means[k].append(at[k])
        self.off, self.mean, self.within = map(np.concatenate, found.values())
        self.means = {k: np.concatenate(values) for k, values in means.items()}

    def scores(self):
        """`{score: (rows, seeds)}`, high where an example is doubted."""
        total = dropout.entropy(self.mean)
        plain = dropout.entropy(self.off)
        return dict(zip(SCORES, (plain, total, total - self.within), strict=True))


class Sampler(keras.Model):
    """One sample of the probabilities of each network in a model, compiled."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.compile(jit_compile=True)

    def call(self, columns):
        return ops.softmax(self.model(columns, training=True))


def samples(sampler, rows, count, marks):
    """Of one chunk of rows: `off`, `mean`, `within` and `means` of a `Doubt`."""
    columns = np.repeat(rows[:, None], sampler.model.input_shape[1], 1).astype("int32")
    off = softmax(np.asarray(sampler.model(columns), "float64"), axis=-1)
    total, within, means = np.zeros_like(off), np.zeros(off.shape[:-1]), {}
    mean = off  # of a network without dropout
    for k in range(1, max(count, *marks, 0) + 1):
        p = sampler.predict_on_batch(columns)
        total += p
        if k <= count:
            within += entr(p).sum(-1) / count
        if k == count:
            mean = total / k
        if k in marks:
            means[k] = total / k
    return off, mean, within, means


@functools.cache
def doubt(name, drop, scale):
    """A `Doubt`."""
    return Doubt(name, drop, scale)


def measures(y, p):
    """`{measure: one number a network}` of probabilities (rows, networks, classes)."""
    each = [p[:, i] for i in range(p.shape[1])]
    return {
        "accuracy": (p.argmax(-1) == y[:, None]).mean(0),
        "ECE": np.array([dropout.expected_calibration_error(y, q) for q in each]),
        "NLL": np.array([dropout.negative_log_likelihood(y, q) for q in each]),
        "Brier": np.array([dropout.brier_score(y, q) for q in each]),
        "confidence": p.max(-1).mean(0),
    }


def better(scale):
    """C43's rows and numbers."""
    rows, numbers = [], {}
    arms = [(name, drop) for drop in DROPS if drop for name in DATA]
    for name, drop in [*arms, *((name, DROP) for name in LONGER)]:
        found = doubt(name, drop, scale)
        test, end = found.parts["test"], "" if drop == DROP else f", rate {drop:g}"
        off = measures(found.y, found.off[test])
        mc = measures(found.y, found.mean[test])
        how = {"data": name, "rate": drop}
        for part, (measure, sign) in zip("abc", MEASURES.items(), strict=True):
            order = "MC − off" if sign > 0 else "off − MC"
            values = sign * (mc[measure] - off[measure])
            labels = how | {"part": part, "decides": name in DATA and drop == DROP}
            title = f"C43{part}: {measure}, {order}, {name}{end}"
            rows.append(row(title, values, min_effect=LEAST, **labels))
        values = off["confidence"] - mc["confidence"]
        title, labels = f"confidence, off − MC, {name}{end}", {"part": "E25", **how}
        rows.append(row(title, values, min_effect=0.0, decides=False, **labels))
        for arm, values in (("off", off), ("MC", mc)):
            numbers |= told(f"{name}, {arm}{end}", values)
        numbers[f"{name}{end}: learning rate"] = trained(name, scale)[0][drop].rate
    for name in DATA:
        numbers |= more(name, scale)
    rows.sort(key=lambda part: not part["decides"])
    return rows, numbers | costs()


def more(name, scale):
    """The network without dropout, the number of samples, and reliability diagrams."""
    found, bare = doubt(name, DROP, scale), doubt(name, 0.0, scale)
    test, numbers = found.parts["test"], {}
    numbers |= told(f"{name}, none", measures(bare.y, bare.off[test]))
    for k, p in found.means.items():
        numbers |= told(f"{name}, {k} samples", measures(found.y, p[test]))
    for arm, p in (("off", found.off), ("MC", found.mean)):
        pooled = p[test].reshape(-1, p.shape[-1])
        y = np.repeat(found.y, p.shape[1])
        bins = zip(*dropout.calibration_curve(y, pooled, bins=BINS), strict=True)
        for m, (confidence, accuracy, count) in enumerate(bins, 1):
            if count:
                numbers[f"{name}, {arm}, bin {m}: confidence"] = confidence
                numbers[f"{name}, {arm}, bin {m}: accuracy"] = accuracy
                numbers[f"{name}, {arm}, bin {m}: count"] = int(count)
    total = found.scores()["entropy"][test]
    numbers[f"{name}: entropy of the mean"] = total.mean()
    numbers[f"{name}: mean entropy"] = found.within[test].mean()
    return numbers


def told(name, values):
    """Each measure's mean over seeds, and the interval of some."""
    numbers = {}
    for measure, each in values.items():
        numbers[f"{name}: {measure}"] = each.mean()
        if measure in MEASURES:
            low, high = experiments.interval(each)
            numbers[f"{name}: {measure} low"] = low
            numbers[f"{name}: {measure} high"] = high
    return numbers


def costs():
    """Seconds of T samples ÷ seconds of one plain prediction, to two digits."""
    layers = [keras.Input((40,))]
    for _ in range(KIND.depth):
        layers += [keras.layers.Dense(KIND.width, "relu"), dropout.Dropout(DROP)]
    model = keras.Sequential([*layers, keras.layers.Dense(nets.CLASSES, "softmax")])
    x = np.random.default_rng(0).standard_normal((1000, 40)).astype("float32")
    calls = {"plain": lambda: np.asarray(model(x, training=False))}
    for k in (1, 10, SAMPLES):
        calls[k] = functools.partial(dropout.mc_predict, model, x, samples=k, seed=0)
    spent = rounds(calls, n=3, best=1)
    ratios = {k: np.mean(v / spent["plain"]) for k, v in spent.items() if k != "plain"}
    return {f"cost of {k} samples": float(f"{v:.2g}") for k, v in ratios.items()}


def auroc(strange, known):
    """How often a score of `strange` is higher than one of `known`; equal counts half.

    >>> auroc([3.0, 1.0], [0.0, 1.0])
    0.875
    """
    ranks = rankdata([*strange, *known])[: len(strange)].sum()
    count = len(strange)
    return float((ranks - count * (count + 1) / 2) / (count * len(known)))


def areas(name, scale):
    """`{what is to be found: {score: AUROC of each network}}`.

    Each prediction is judged by its own errors: the mean's are not the plain one's.
    """
    found = doubt(name, DROP, scale)
    test, scores = found.parts["test"], found.scores()
    wrong = {
        score: p[test].argmax(-1) != found.y[:, None]
        for score, p in zip(SCORES, (found.off, *2 * [found.mean]), strict=True)
    }
    areas = {"errors": {}}
    for score, values in scores.items():
        columns = zip(values[test].T, wrong[score].T, strict=True)
        areas["errors"][score] = np.array([auroc(v[w], v[~w]) for v, w in columns])
    for kind in found.parts:
        if kind != "test":
            areas[kind] = {}
            for score, values in scores.items():
                pairs = zip(values[found.parts[kind]].T, values[test].T, strict=True)
                areas[kind][score] = np.array([auroc(*pair) for pair in pairs])
    return areas


def ranks(scale):
    """C67's rows and numbers."""
    rows, numbers = [], {}
    for name in DATA:
        for target, scores in areas(name, scale).items():
            for score, values in scores.items():
                numbers[f"{name}, {target}, {score}: AUROC"] = values.mean()
                if score == "plain":
                    continue
                decides = score == "entropy" and (name, target) != ("MNIST-1D", "noise")
                how = {"part": target, "data": name, "score": score}
                title = f"{'C67: ' * decides}{target}, {score} − plain, {name}"
                gain = values - scores["plain"]
                how |= {"decides": decides, "min_effect": LEAST}
                rows.append(row(title, gain, **how))
        found = doubt(name, DROP, scale)
        for part, some in found.parts.items():
            for score, values in found.scores().items():
                tail = ", plain" if score == "plain" else ""
                title = "entropy" if score == "plain" else score
                numbers[f"{name}, {part}: {title}{tail}"] = values[some].mean()
                if score != "mutual information":
                    above = (values[some] > 1).mean()
                    numbers[f"{name}, {part}: entropy above 1{tail}"] = above
    rows.sort(key=lambda part: not part["decides"])
    return rows, numbers
