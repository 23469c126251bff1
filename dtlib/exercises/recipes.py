"""Search and shrink by hand: trials, points, isolation, ranks, eight bits, zeros.

The chapter `recipes` of the book ends with them. Tests: tests/test_exercises.py and
tests/test_exercises_recipes.py.
"""

import math

import numpy as np
from scipy.stats import rankdata

from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(14)


def trials(share, chance, *, rounding=math.ceil):
    return rounding(math.log(1 - chance) / math.log(1 - share))


@exercise(
    "recipes.1",
    title="How many trials are enough?",
    difficulty=1,
    minutes=5,
    hints=[
        "One random trial misses the best share q with the chance 1 − q. With which "
        "chance do all n of them miss it?",
        "(1 − q)ⁿ must be at most 1 − p. Take logarithms; both are negative.",
    ],
    cases=[
        ("the best twentieth, almost surely", (0.05, 0.95)),
        ("the best tenth", (0.1, 0.9)),
        ("the best hundredth", (0.01, 0.99)),
        ("no rounding", (0.5, 0.75)),
    ],
    mistakes=[
        lambda share, chance: trials(share, chance, rounding=math.floor),
        "You rounded down, and are one trial short of the chance asked for.",
        lambda share, chance: math.ceil(1 / share),
        "With 1/share trials *one* hit is expected. That leaves a chance of about "
        "37 % that there is none.",
        lambda share, chance: math.ceil(chance / share),
        "Chances to hit do not add up: two trials may both hit. Multiply misses.",
    ],
)
def trials_needed(share, chance):
    """Return the smallest number of trials, an integer.

    Random trials; at least one of them shall be among the best `share`
    of the space with a probability of `chance` or more.
    """
    return trials(share, chance)


def digits(k, base):
    while k:
        k, digit = divmod(int(k), base)
        yield digit


def mirrored(k, base, *, power=1):
    return sum(d / base ** (1 + power * i) for i, d in enumerate(digits(k, base)))


@exercise(
    "recipes.2",
    title="A point of Halton's sequence",
    difficulty=2,
    minutes=10,
    hints=[
        "Write k in the base. Which digit changes from one k to the next, and where "
        "should it stand if neighbors are to lie far apart?",
        "Mirror the digits at the point: 6 is 110 in base 2, and becomes 0.011. "
        "`divmod(k, base)` gives the last digit and what is left.",
    ],
    cases=[
        ("base 3", (2, 3)),
        ("base 2, three digits", (6, 2)),
        ("base 3, three digits", (11, 3)),
        ("base 5, with zeros", (100, 5)),
    ],
    mistakes=[
        lambda k, base: k / base ** len([*digits(k, base)]),
        "You put the digits behind the point in their order. Mirror them: the last "
        "digit comes first.",
        lambda k, base: k % base / base,
        "You used the last digit alone, so only `base` points are different.",
        lambda k, base: mirrored(k, base, power=0),
        "Each digit counts 1/base in your sum. The second counts 1/base².",
    ],
)
def halton_point(k, base):
    """Return the coordinate, in [0, 1), of the k-th point in this base.

    k: an integer from 0 on; base: a prime number
    """
    return float(mirrored(k, base))


def alone(method, nuisance, scores, *, best=np.argmax, ends="own"):
    found, edges = [], []
    for name in np.unique(method):
        tried, reached = nuisance[method == name], scores[method == name]
        k = best(reached)
        found.append(reached[k])
        outer = nuisance if ends == "all" else tried
        outer = tried[[0, -1]] if ends == "in time" else [outer.min(), outer.max()]
        edges.append(tried[k] in outer)
    return np.array(found), np.array(edges)


def means(method, scores):
    return np.array([scores[method == name].mean() for name in np.unique(method)])


many = rng.permutation(np.repeat([0, 1, 2], 20)), 10 ** rng.uniform(-4, 0, 60)
hills = -((np.log10(many[1]) + np.array([4.5, 2, 1])[many[0]]) ** 2)


@exercise(
    "recipes.3",
    title="Isolate one hyperparameter",
    difficulty=2,
    minutes=10,
    hints=[
        "You want to know which method is better, not which rate. What should the "
        "rate be, for each method, when you compare?",
        "For each of `np.unique(method)`: its best score, over its own trials.",
        "The boundary check: is the nuisance value of that best trial the smallest "
        "or the largest that *this method* was tried with?",
    ],
    cases=[
        ("two methods", ([0, 1, 0, 1, 0, 1], [1, 1, 2, 2, 3, 3], [2, 4, 5, 3, 1, 2])),
        ("unlike ranges", ([0, 0, 0, 1, 1, 1], [1, 2, 3, 3, 4, 5], [1, 2, 3, 4, 6, 5])),
        ("sixty trials, three methods", (*many, hills)),
    ],
    mistakes=[
        lambda m, n, s: (means(m, s), alone(m, n, s)[1]),
        "You averaged over the nuisance. That favors the method that bears bad rates, "
        "not the one that is best at a good one.",
        lambda m, n, s: alone(m, n, s, ends="all"),
        "The best scores are right. For the boundary take the values that the method "
        "itself was tried with.",
        lambda m, n, s: alone(m, n, s, ends="in time"),
        "You asked whether the best trial was the first or the last *in time*. Ask "
        "for the smallest or the largest nuisance value.",
        lambda m, n, s: alone(m, n, s, best=np.argmin),
        "You took the lowest scores. Here a higher score is better.",
    ],
)
def isolate(method, nuisance, scores):
    """Return (best, at_end), each with one entry a method, sorted.

    method, nuisance, scores: one entry a trial; higher is better
    best: a method's best score; at_end: whether the nuisance value of
    that trial is the smallest or the largest tried with the method
    """
    best, at_end = alone(method, nuisance, scores)
    return best.astype("float64"), at_end


def ranks(scores, *, ties="average", axis=0, sign=-1):
    return rankdata(sign * scores, method=ties, axis=axis).mean(1)


@exercise(
    "recipes.4",
    title="Rank the recipes",
    difficulty=2,
    minutes=10,
    hints=[
        "A point of accuracy is much on one data set and little on another. What is "
        "left of a score when only the order counts?",
        "On each data set the best recipe gets rank 1. Two that are equal share the "
        "mean of their places: 2 and 3 become 2.5 each.",
    ],
    cases=[
        ("no ties", ([[0.9, 0.4], [0.8, 0.6], [0.7, 0.5]],)),
        ("a tie", ([[0.9, 0.4], [0.9, 0.6], [0.7, 0.6]],)),
        ("all alike on one", ([[0.5, 0.1, 0.3], [0.5, 0.3, 0.2], [0.5, 0.2, 0.9]],)),
        ("five recipes, seven data sets", (rng.integers(80, 90, (5, 7)) / 100,)),
    ],
    mistakes=[
        lambda scores: ranks(scores, sign=1),
        "Your rank 1 is the worst recipe. Here a higher score is better.",
        lambda scores: ranks(scores, ties="min"),
        "Equal recipes share their *mean* place. You gave all of them the best.",
        lambda scores: rankdata(-scores.mean(1)),
        "You ranked the mean scores. Rank on each data set first, then average.",
    ],
)
def mean_ranks(scores):
    """Return the mean rank of each recipe; rank 1 is the best.

    scores: (recipes, data sets), higher is better; ties share the mean
    of their ranks
    """
    return ranks(scores)


def eight_bits(w, *, size=None, levels=127, rounding=np.rint):
    scale = (np.abs(w).max(0) if size is None else size) / levels
    return rounding(w / scale).astype("int64"), scale


def by_row(w):
    numbers, scale = eight_bits(w.T)
    return numbers.T, scale


@exercise(
    "recipes.5",
    title="Weights in eight bits",
    difficulty=2,
    minutes=10,
    hints=[
        "127 is the largest number of eight bits with a sign, if −127 is the smallest. "
        "Which weight of a column should become it?",
        "The largest in absolute value. So scale = max |w| / 127, for each column.",
        "`np.rint(w / scale)` rounds; `.astype(int)` alone cuts off.",
    ],
    cases=[
        ("one column", ([[0.6], [-1.0], [0.25]],)),
        ("columns of unlike size", (rng.normal(size=(4, 3)) * [0.1, 1.0, 10.0],)),
        ("mostly negative", (rng.normal(size=(5, 2)) - 1.0,)),
    ],
    mistakes=[
        lambda w: eight_bits(w, size=np.abs(w).max() + 0 * w[0]),
        "You have one scale for the whole matrix. Columns of small weights then get "
        "few of the 255 levels: give each column its own.",
        by_row,
        "Your scales belong to rows. A column makes one output, so with a scale a "
        "column, each output is multiplied by one number in the end.",
        lambda w: eight_bits(w, levels=128),
        "Your largest weight becomes 128, which eight bits with a sign do not hold.",
        lambda w: eight_bits(w, rounding=np.trunc),
        "You cut off instead of rounding: twice the error, and always toward zero.",
        lambda w: eight_bits(w, size=w.max(0)),
        "You took the largest weight. The largest *absolute* value counts: a column "
        "may reach further down than up.",
    ],
)
def quantize(w):
    """Return (numbers, scale), so that w ≈ numbers · scale.

    w: (inputs, outputs), no column all zeros; numbers: integers from
    −127 to 127, of the same shape; scale: (outputs,)
    """
    return eight_bits(w)


def below(room, each):
    return math.ceil(room / each) - 1  # the largest n with n·each < room


def left(rows, columns, value, index, *, starts=1, parts=1, mask=8, fit=below):
    dense, pointers = rows * columns * value, starts * (rows + 1) * index
    bits = math.ceil(rows * columns / mask)
    return fit(dense - pointers, value + parts * index), fit(dense - bits, value)


@exercise(
    "recipes.6",
    title="Open question: when do zeros pay?",
    difficulty=3,
    minutes=25,
    hints=[
        "What must be stored beside the n weights that are left, so that each finds "
        "its place again?",
        "Bitmask: one bit a place, in whole bytes. CSR: an index a weight for its "
        "column, and rows + 1 pointers to where each row begins and the last one ends.",
        "CSR takes n·(value + index) + (rows + 1)·index bytes; dense takes "
        "rows·columns·value. Solve for the largest n that is *strictly* smaller.",
    ],
    cases=[
        ("float32, indices of 4 bytes", (1024, 256, 4, 4)),
        ("a first layer", (784, 100, 4, 4)),
        ("float16, indices of 2 bytes", (300, 99, 2, 2)),
        ("int8, indices of 2 bytes", (50, 1001, 1, 2)),
    ],
    mistakes=[
        lambda r, c, v, i: left(r, c, v, i, starts=0),
        "The pointers to the rows are missing: rows + 1 of them.",
        lambda r, c, v, i: left(r, c, v, i, parts=2),
        "You store row and column of each weight. In CSR the pointers give the row.",
        lambda r, c, v, i: left(r, c, v, i, mask=1),
        "Your mask takes a byte a place. A bit is enough.",
        lambda r, c, v, i: left(r, c, v, i, fit=lambda room, each: room // each),
        "At your n one of the formats is just as large. Asked for is smaller.",
    ],
)
def most_weights(rows, columns, value, index):
    """Return (csr, mask): how many weights may be left, two integers.

    A matrix of rows × columns, `value` bytes a weight, `index` bytes an
    index or pointer. Find the largest number of weights that are not 0
    with which the format takes fewer bytes than the dense matrix.
    """
    return left(rows, columns, value, index)
