"""The claims of the chapter `pretraining`: what features without labels are worth.

Both rest on one comparison: the same small network, pretrained in seven ways or not at
all, then fine-tuned with 50, 200 and 1,000 labels. Tests:
tests/test_claims_pretraining.py.
"""

from dtlib.claims import _pretraining_arms as arms
from dtlib.claims import _pretraining_nets as nets
from dtlib.claims.arms import LEAST, SETTINGS
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

GERON = "Géron, 2019, chapter 11, and the notes that follow it"
FEW = nets.LABELS[:2]  # "few": what decides. 1,000 labels are shown beside them.
# What an arm learned from, beside its few labels.
KNOWS = {
    "autoencoder": "images",
    "greedy": "images",
    "RBM": "images",
    "pairs": "images and one bit a pair",
    "corrupted": "images",
    "ranking": "images",
    "pairs of others": "images and one bit a pair, of five other classes",
    "autoencoder, longer": "images",
    "RBM, deep": "images",
}
AFTER = (
    " Two arms were added when the verdict was known, and do not decide: an "
    f"autoencoder that sees {arms.LONGER} times as many images, and networks of "
    f"{arms.DEEP} layers of sigmoid units, from scratch and from as many RBMs."
)


def gains(found, names, part=True):
    """Rows: each arm − the network from scratch, at each number of labels."""
    rows = []
    for letter, arm in zip("abc", names, strict=False):
        base = arms.AGAINST[arm]
        for n in nets.LABELS:
            labels = dict(arm=arm, labels=n, knows=KNOWS[arm])
            if part:
                labels["part"] = letter
            gain = found[arm][n]["test"] - found[base][n]["test"]
            name = f"{arm} − {base}, {n} labels, accuracy"
            decides = part and n in FEW
            rows.append(row(name, gain, min_effect=LEAST, decides=decides, **labels))
    return rows


def fewer(found, names):
    """Rows to be shown: what is gained with the fewest labels less that with most."""
    few, many = nets.LABELS[0], nets.LABELS[-1]
    rows = []
    for arm in names:
        base = arms.AGAINST[arm]
        gain = {n: found[arm][n]["test"] - found[base][n]["test"] for n in (few, many)}
        name = f"{arm}: gain with {few} − gain with {many} labels, accuracy"
        more = gain[few] - gain[many]
        rows.append(row(name, more, min_effect=LEAST, decides=False, arm=arm))
    return rows


def with_baselines(names):
    """The arms, after those that they are judged against."""
    return [*dict.fromkeys([*(arms.AGAINST[arm] for arm in names), *names])]


def numbers(found, losses, names):
    """Accuracy and chosen rate of each arm at each number of labels."""
    told = {}
    for arm in with_baselines(names):
        for n, each in found[arm].items():
            told[f"{arm}, {n} labels: accuracy"] = each["test"].mean()
            told[f"{arm}, {n} labels: spread"] = each["test"].std(ddof=1)
            told[f"{arm}, {n} labels: learning rate"] = each["rate"]
        if losses[arm] is not None:
            told[f"{arm}: loss of pretraining"] = losses[arm]
    return told


def text(found, names, scale):
    """What was run."""
    setting, side, width = SETTINGS[scale], nets.SIDE[scale], nets.WIDTH[scale]
    rates = ", ".join(f"{rate:g}" for rate in nets.RATES)
    edges = [
        f"{arm} with {n}"
        for arm in with_baselines(names)
        for n, each in found[arm].items()
        if each["at_edge"]
    ]
    said = (
        f"Fashion-MNIST, {side} × {side} pixels in [0, 1], "
        f"{len(nets.sample(scale).pool):,} images without labels; "
        f"{side**2}-{width}-{width}-10, ReLU (RBM and its baseline: sigmoid); "
        f"{nets.EPOCHS[scale]} epochs of pretraining (each layer's, where one is "
        f"trained at a time); then all parameters by Adam, {nets.STEPS[scale]} steps "
        f"of {nets.BATCH}, {len(setting['seeds'])} paired seeds, each with labeled "
        f"images of its own; rate tuned on validation with "
        f"{len(setting['tune_seeds'])} other seeds over {rates}, for each arm and "
        "number of labels."
    )
    said += (
        f" The grid ended at {nets.RATES[-2]:g} at first, which was chosen for some; "
        f"so {nets.RATES[-1]:g} was added."
    )
    return said + (f" At an end of that grid: {'; '.join(edges)}." if edges else "")


@claim(
    "C38",
    statement="Where labels are few, unsupervised pretraining and fine-tuning beat "
    "training from scratch",
    source=f"Hinton et al., 2006; Bengio et al., 2007; {GERON}",
    chapter="pretraining",
)
def c38(scale, *, cache=None, **running):
    """Part a: an autoencoder. Part b: layer by layer. Part c: two RBMs.

    Judged with 50 and 200 labels; a point of accuracy is the smallest effect. The RBM's
    network has sigmoid units, and so has the one from scratch that it is compared with;
    beside it stands its lead over the network of ReLU from scratch.
    """
    found, losses = arms.compared(scale, cache)
    names = tuple(arms.UNSUPERVISED)
    rows = gains(found, names)
    shown = fewer(found, names)
    for n in nets.LABELS:
        gain = found["RBM"][n]["test"] - found["scratch"][n]["test"]
        name = f"RBM − scratch, {n} labels, accuracy"
        labels = dict(arm="RBM", labels=n, decides=False)
        shown.append(row(name, gain, min_effect=LEAST, **labels))
    later = tuple(arms.LATER)
    shown += gains(found, later, part=False)
    told = numbers(found, losses, names + later)
    said = text(found, names + later, scale) + AFTER
    return Evidence(combine(rows), told, rows + shown, said)


@claim(
    "C39",
    statement="Where labels are few, pretraining on an auxiliary task and fine-tuning "
    "beat training from scratch",
    source=GERON,
    chapter="pretraining",
)
def c39(scale, *, cache=None, **running):
    """Part a: same/different pairs. Part b: good or corrupted. Part c: ranking.

    Judged with 50 and 200 labels; a point of accuracy is the smallest effect. The pairs
    are of the classes that the labels name: they know more than images alone. Beside
    them, pairs of five classes and labels of the other five, as with faces of others.
    """
    found, losses = arms.compared(scale, cache)
    names, others = tuple(arms.AUXILIARY), tuple(arms.OTHERS)
    rows = gains(found, names)
    shown = fewer(found, names) + gains(found, others, part=False)
    told = numbers(found, losses, names + others)
    said = text(found, names + others, scale) + " Bad images have their right half "
    said += "from another image. Pairs of others: five classes drawn by the seed, "
    said += "labels and test images of the other five."
    return Evidence(combine(rows), told, rows + shown, said)
