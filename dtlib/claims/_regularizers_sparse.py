"""What zeros are good for, and who makes more of them: C56 and C57.

Tests: tests/test_claims_regularizers.py.
"""

import numpy as np
from scipy import sparse

from dtlib.claims import _regularizers_nets as nets
from dtlib.claims._regularizers_arms import EVERY, VALID, Thinned, arm, listed, text
from dtlib.claims.arms import rounds
from dtlib.claims.evidence import Evidence, combine, row

SIZE, BATCHES, REPEATS = 1024, (1, 256), {1: 20, 256: 1}
SHARES = (0.9, 0.99)  # of zeros; the first is the claim's


def with_zeros(w, share):
    """`w` without the smallest of its weights."""
    fewer = w.copy()
    fewer.ravel()[np.abs(w).ravel().argsort()[: int(share * w.size)]] = 0
    return fewer


def speed(*, least):
    """C56: a kernel 1024 × 1024 with zeros, as a dense and as a sparse product."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((SIZE, SIZE)).astype("float32")
    told, shown, numbers = [], [], {}
    for batch in BATCHES:
        x = rng.standard_normal((batch, SIZE)).astype("float32")
        calls = {"dense": product(x, w, REPEATS[batch])}
        for share in SHARES:
            fewer, name = with_zeros(w, share), f"{100 * share:g} % zeros"
            calls[name] = product(x, fewer, REPEATS[batch])
            compressed = sparse.csr_array(fewer.T)
            calls[f"CSR, {name}"] = sparse_product(x, compressed, REPEATS[batch])
        seconds = rounds(calls, best=3)
        for name, each in seconds.items():
            milliseconds = 1e3 * each.mean() / REPEATS[batch]
            numbers[f"{name}, batch {batch}: milliseconds"] = milliseconds
            if name == "dense":
                continue
            faster = seconds["dense"] / each
            numbers[f"{name}, batch {batch}: times faster"] = faster.mean()
            decides = name == f"{100 * SHARES[0]:g} % zeros"
            said = f"log2 of time, dense / {name}, batch {batch}"
            labels = dict(min_effect=least, decides=decides, batch=batch, arm=name)
            part = row(said, np.log2(faster), **labels)
            (told if decides else shown).append(part)
    said = f"A float32 kernel of {SIZE} × {SIZE}, processor time, 10 rounds; the "
    said += "largest weights stay. CSR is SciPy's compressed sparse rows."
    return Evidence(combine(told), numbers, told + shown, said)


def product(x, kernel, repeats):
    """x times a dense kernel, some times over, as a function without arguments."""
    import tensorflow as tf

    x, kernel = tf.constant(x), tf.constant(kernel)

    def run():
        for _ in range(repeats):
            tf.matmul(x, kernel).numpy()

    return run


def sparse_product(x, transposed, repeats):
    """The same with a kernel that stores no zeros, (out, in)."""
    columns = np.ascontiguousarray(x.T)

    def run():
        for _ in range(repeats):
            transposed @ columns

    return run


def sparsest(scale, cache, *, share, costs, least):
    """C57: the share of zeros of the sparsest way whose accuracy is enough."""
    rows, numbers = [], {}
    for task, by in (("network", ""), ("network", EVERY), ("linear", "")):
        names = ("none", "l1", "FTRL")
        none, l1, ftrl = (arm(name, scale, cache, task).by(by) for name in names)
        ways = {
            "l1": Thinned(l1),
            "l1 + pruning": Thinned(l1, pruning=True),
            "none + pruning": Thinned(none, pruning=True),
            "FTRL": Thinned(ftrl),
        }
        k, scores = none.tuned()
        target = none.tried(none.at(VALID))[k] - costs
        before = "" if task == "network" else "linear, "
        after = f", tuned by {by}" if by else ""
        numbers[f"{before}none{after}: accuracy"] = scores.mean()
        zeros, right = {}, {}
        for name, way in ways.items():
            k = way.sparsest(target)
            zeros[name], right[name] = way.zeros[: way.n, k], way.test[: way.n, k]
            numbers[f"{before}{name}{after}: share of zeros"] = zeros[name].mean()
            numbers[f"{before}{name}{after}: accuracy"] = right[name].mean()
            if name in names:
                rate, strength = {"l1": l1, "FTRL": ftrl}[name].settings[k]
                numbers[f"{before}{name}{after}: learning rate"] = rate
                numbers[f"{before}{name}{after}: strength"] = strength
            if not by:
                for reached, score in way.frontier().items():
                    numbers[f"{before}{name} at least {reached:g}: accuracy"] = score
        others = ("l1", "l1 + pruning", "none + pruning")
        for other in others[: 1 if by else None]:
            told = (task, by, other) == ("network", "", "l1")
            labels = dict(part="a") if told else dict(arm=other)
            labels |= dict(model=task, decides=told) | (dict(tuned=by) if by else {})
            name, more = f"share of zeros, FTRL − {other}", zeros["FTRL"] - zeros[other]
            rows.append(row(before + name, more, min_effect=share, **labels))
        name, gain = f"{before}FTRL − l1, accuracy", right["FTRL"] - right["l1"]
        labels = dict(model=task, decides=False, metric="accuracy")
        labels |= dict(tuned=by) if by else {}
        rows.append(row(name, gain, min_effect=least, **labels))
    rates, strengths = map(listed, (nets.RATES["FTRL"], nets.STRENGTHS["FTRL"]))
    said = f"FTRL: rates {rates}; λ₁ {strengths}. Zero is a thousandth of a kernel's "
    said += "largest weight, or less. The linear model has "
    said += f"{nets.USELESS} inputs of noise beside the 40. The curves, and the rows "
    said += "tuned on the validation of every seed, were chosen by all 12 seeds' "
    said += "validation when the verdict was known."
    return Evidence(combine(rows), numbers, rows, text(scale, "l1", more=said))
