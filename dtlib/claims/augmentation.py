"""The claim of the chapter `augmentation`: what helps, and what does not.

One comparison on small training sets. Tests: tests/test_claims_augmentation.py.
"""

from dtlib.claims import _augmentation_images as pictures
from dtlib.claims import _augmentation_nets as nets
from dtlib.claims.arms import LEAST, SETTINGS
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.claims.registry import claim

TEST, TRAIN = 0, 1


@claim(
    "C46",
    statement="Training on changed copies of the images reduces overfitting and helps; "
    "adding white noise does not, for the change must be learnable",
    source="Géron, 2017, chapter 11, and the notes that follow it",
    chapter="augmentation",
)
def c46(scale, *, cache=None, **running):
    """Part a: flip, shift, turn and zoom help, and narrow the gap. Part b: noise.

    Part b holds where white noise, its strength tuned, gains less than a point. Beside
    them stand the gains of every other arm, on other numbers of images, and on test
    images that are moved or noisy themselves.
    """
    choices, scores, tried = nets.compare(scale, cache)

    def gain(arm, n=nets.SMALL, world="plain"):
        return scores[arm, n, world][TEST] - scores["none", n, world][TEST]

    def gap(arm):
        found = scores[arm, nets.SMALL, "plain"]
        return found[TRAIN] - found[TEST]

    closed = gap("none") - gap("combination")
    noise = LEAST - gain("white noise")
    rows = [
        row("combination − none, accuracy", gain("combination"), **labels("a", LEAST)),
        row("gap, none − combination", closed, **labels("a", LEAST)),
        row("a point − gain by white noise", noise, **labels("b", 0)),
    ]
    for arm, n, world in choices:
        if arm != "none":
            told = dict(arm=arm, images=n, world=world)
            name = f"{name_of(arm, n, world)} − none, accuracy"
            found = gain(arm, n, world)
            rows.append(row(name, found, min_effect=LEAST, decides=False, **told))
    numbers = {}
    for key, choice in choices.items():
        name = name_of(*key)
        numbers[f"{name}: accuracy"] = scores[key][TEST].mean()
        numbers[f"{name}: training accuracy"] = scores[key][TRAIN].mean()
        numbers[f"{name}: strength"] = choice.variant.strength
        numbers[f"{name}: learning rate"] = choice.rate
        numbers[f"{name}: steps"] = (choice.stop + 1) * nets.CHUNK * nets.TIMES[scale]
    none = choices["none", nets.SMALL, "plain"]
    numbers["none: validation accuracy"] = none.valid
    for variant, found in tried.items():
        if variant.n == nets.SMALL and len(pictures.ARMS[variant.arm]) > 1:
            name = f"{variant.arm} at {variant.strength:.3g}: validation accuracy"
            numbers[name] = found["plain"].max()
    alone = {k: v for k, v in choices.items() if k[1:] == (nets.SMALL, "plain")}
    for (arm, *_), share in nets.told_apart(alone, scale, cache).items():
        numbers[f"{arm}: told apart"] = share
    return Evidence(combine(rows), numbers, rows, text(scale))


def name_of(arm, n, world):
    """An arm, with the number of images and the world where they are not the usual."""
    name = arm if n == nets.SMALL else f"{arm}, {n} images"
    return name if world == "plain" else f"{name}, {world} test"


def labels(part, least):
    """What a row that decides says of itself."""
    return dict(min_effect=least, part=part)


def text(scale):
    """Two sentences: what was run."""
    setting = SETTINGS[scale]
    rates = ", ".join(f"{rate:g}" for rate in nets.RATES)
    steps = nets.MEASUREMENTS * nets.CHUNK * nets.TIMES[scale]
    return (
        f"Fashion-MNIST at 14 × 14 pixels, {nets.SMALL} training images drawn anew for "
        f"each of {len(setting['seeds'])} paired seeds; a hidden layer of "
        f"{nets.WIDTHS[scale]} units, up to {steps} steps of momentum; "
        f"{pictures.COPIES} copies, made beforehand. The strength, the rate (of "
        f"{rates}) and the step to stop at are chosen on validation with "
        f"{len(nets.TUNE_SEEDS[scale])} other seeds. The design was changed after a "
        "pilot, whose seeds are not among these. The moved and the noisy test images "
        "do not decide."
    )
