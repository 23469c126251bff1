"""What is read off the recipes' runs: differences, ranks, and the evidence of C47.

Tests: tests/test_claims_recipes.py.
"""

import itertools

import numpy as np
from scipy.stats import rankdata

from dtlib.claims._recipes_arms import MULTIPLES, TIMES, longer, tuned
from dtlib.claims._recipes_data import CURVES, DATA, IMAGES, SIZES, TABLE
from dtlib.claims._recipes_nets import DEPTHS, EPOCHS, RECIPES
from dtlib.claims.arms import LEAST, SETTINGS, WIDTHS
from dtlib.claims.evidence import Evidence, combine, row
from dtlib.experiments import interval
from dtlib.recipes import EDITIONS

# Depth, recipe, and the one it is said to beat.
PAIRS = {
    "a": ("shallow", "2022", "2017"),
    "b": ("deep", "2022", "2017"),
    "c": ("deep", "2022 self-normalizing", "2022"),
}
# Who is compared with whom, ten layers deep, after longer training.
LONGER = {
    "2022 self-normalizing": ["2022"],
    "modern": ["2022", "2022 self-normalizing"],
}
CHANGED = (
    "A first run had no 0.03 and no 100, and the best was an end of the rest for three "
    "of 36: so all was run again, on other seeds."
)


def ranked(scale, cache=None):
    """The evidence on C47."""
    every = {
        (name, depth): tuned(name, depth, scale, cache)
        for depth in DEPTHS
        for name in RECIPES
    }
    more = {name: longer(name, "deep", scale, cache) for name in ("2022", *LONGER)}
    rows = [*parts(every), *long_rows(more)]
    rows.sort(key=lambda part: not part["decides"])
    edges = [
        f"{name}, {depth}, {data}"
        for (name, depth), found in every.items()
        for data, k in zip(DATA, found["chosen"], strict=True)
        if k in (0, len(MULTIPLES) - 1)
    ]
    found = numbers(every)
    for name, test in more.items():
        found |= told(f"{name}, deep, longer: accuracy", test.mean(axis=0))
    return Evidence(combine(rows), found, rows, text(scale, edges))


def parts(every):
    """The rows: one number a seed, the mean of the differences on all data."""
    rows = []
    pairs = [("C47" + part, *pair) for part, pair in PAIRS.items()]
    pairs += [("C47d", depth, "modern", best(every, depth)) for depth in DEPTHS]
    for part, depth, one, other in pairs:
        differences = every[one, depth]["test"] - every[other, depth]["test"]
        rival = "best textbook" if part == "C47d" else other
        labels = {"depth": depth, "recipe": one, "against": other}
        name = f"{depth}, {one} − {rival}"
        least = {"min_effect": LEAST}
        mean = differences.mean(axis=0)
        rows.append(row(f"{part}: {name}", mean, part=part[-1], **labels, **least))
        for data, own in zip(DATA, differences, strict=True):
            labels |= {"data": data, "decides": False}
            rows.append(row(f"{name}, {data}", own, **labels, **least))
    for depth, other in itertools.product(DEPTHS, EDITIONS):
        differences = every["modern", depth]["test"] - every[other, depth]["test"]
        labels = {"depth": depth, "recipe": "modern", "against": other}
        labels |= {"decides": False, "min_effect": LEAST}
        rows.append(row(f"{depth}, modern − {other}", differences.mean(0), **labels))
    return rows


def long_rows(more):
    """Of ten layers that trained longer: the same differences, which decide nothing."""
    rows = []
    pairs = [(one, other) for one, others in LONGER.items() for other in others]
    for one, other in pairs:
        differences = more[one] - more[other]
        labels = {"depth": "deep", "recipe": one, "against": other, "times": TIMES}
        labels |= {"decides": False, "min_effect": LEAST}
        name = f"deep, longer, {one} − {other}"
        rows.append(row(name, differences.mean(axis=0), **labels))
        for data, own in zip(DATA, differences, strict=True):
            rows.append(row(f"{name}, {data}", own, data=data, **labels))
    return rows


def best(every, depth):
    """The textbook default that the tuning seeds' validation accuracy prefers."""
    score = {name: every[name, depth]["trials"].max(axis=1).mean() for name in EDITIONS}
    return max(score, key=score.get)


def ranks(every, depth):
    """The rank of each recipe on each seed, 1 the best: `{recipe: (seeds,)}`.

    Ranks are given among all recipes on one seed and one data set, ties sharing theirs,
    and averaged over the data.
    """
    tests = np.array([every[name, depth]["test"] for name in RECIPES])
    mean = rankdata(-tests, axis=0).mean(axis=1)
    return dict(zip(RECIPES, mean, strict=True))


def numbers(every):
    """What a chapter quotes, by `recipe, depth, data: accuracy` and the like."""
    found, places = {}, {depth: ranks(every, depth) for depth in DEPTHS}
    for (name, depth), one in every.items():
        arm = f"{name}, {depth}"
        for i, data in enumerate(DATA):
            found |= told(f"{arm}, {data}: accuracy", one["test"][i])
            rate = one["rates"][one["chosen"][i]]
            found[f"{arm}, {data}: learning rate"] = rate
            found[f"{arm}, {data}: diverged"] = int(one["diverged"][i])
        found |= told(f"{arm}: accuracy", one["test"].mean(axis=0))
        found |= told(f"{arm}: rank", places[depth][name])
        for multiple, score in zip(MULTIPLES, one["trials"].mean(axis=0), strict=True):
            found[f"{arm}: validation at ×{multiple:g}"] = score
    for name in RECIPES:
        both = np.mean([places[depth][name] for depth in DEPTHS], axis=0)
        found |= told(f"{name}: rank", both)
    return found


def told(name, values):
    """The mean of one number a seed, and its interval."""
    low, high = interval(values)
    return {name: values.mean(), f"{name}, low": low, f"{name}, high": high}


def text(scale, edges):
    """What was run."""
    setting, size = SETTINGS[scale], SIZES[scale]
    depths = ", ".join(f"{depth}: {n}" for depth, n in DEPTHS.items())
    return (
        f"{CURVES}, {IMAGES} (7 × 7 pixels) and {TABLE} (20 columns, classes of a "
        f"random tanh network, one label in ten noise), {size[0]} training examples "
        f"each. Hidden layers of {WIDTHS[scale]} units ({depths}), {EPOCHS[scale]} "
        f"epochs, batches of {setting['batch_size']}; all else as each recipe says. "
        f"{len(setting['seeds'])} paired seeds, test accuracy; a seed's difference is "
        "the mean of the three data sets. The rate is tuned on validation for each "
        f"data set, {len(setting['tune_seeds'])} seeds, over the recipe's own times "
        f"{', '.join(f'{m:g}' for m in MULTIPLES)}; the best was an end of them for: "
        f"{'; '.join(edges) or 'none'}. The best textbook is validation's. Longer: "
        f"{TIMES} times as many epochs, at the same rates, added since the verdict. "
        "What tables call optional is left out: the examples are not few. "
        f"{CHANGED}"
    )
