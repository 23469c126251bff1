"""How long an answer takes: folding, fewer layers, ReLU, and numbers of fewer bits.

Tests: tests/test_claims_recipes_latency.py.
"""

import functools
import itertools
import math
import time

import keras
import numpy as np

from dtlib import normalization
from dtlib.claims import _recipes_latency_nets as nets
from dtlib.claims.arms import LEAST, SETTINGS, data_name, remembered, rounds
from dtlib.claims.evidence import Evidence, combine, row

# A tenth of the time: less would change nobody's choice. As for C09 and C56.
TENTH = math.log(1.1)
INPUTS, WIDTH = 40, nets.WIDTH
WIDE = (784, 512)  # inputs and width of a network where arithmetic counts, too
BATCHES = (1, 256)
ROUNDS, BEST = 10, 5
REPEATS = {("small", 1): 30, ("small", 256): 3, ("wide", 1): 10, ("wide", 256): 1}
# Part, what is slow if the claim holds, and what is quick.
JUDGED = (
    ("a", "original", "folded"),
    ("b", "original", "2 layers"),
    ("c", "original", "ReLU"),
    ("c", "SELU", "ReLU"),
    ("c", "swish", "ReLU"),
)
SHOWN = (
    ("leaky", "original", "leaky 0.2"),
    ("all", "original", "all three"),
    ("float16", "folded", "float16"),
    ("int8", "folded", "int8"),
)
WAYS = ("graph", "XLA", "predict")  # the first is judged


def latency(scale, cache=None):
    """C48: time of an answer, slow ÷ quick, and the accuracy that it costs."""
    priced, found = price(scale, cache)
    models = variants(INPUTS, WIDTH)
    told, shown, numbers = [], [], {}
    few = {name: models[name] for name in ("original", "folded", "2 layers", "ReLU")}
    wide = variants(*WIDE)
    for way, batch in itertools.product(WAYS[:2], BATCHES):
        spent, wall = timed(models, way, batch, REPEATS["small", batch], BEST)
        these, others = ratios(spent, way, batch)
        numbers |= milliseconds(spent, way, batch)
        told += these if way == WAYS[0] else []
        shown += others if way == WAYS[0] else these + others
        if way == WAYS[0] and batch == 1:
            shown += sum(ratios(wall, "wall clock", batch), [])
            numbers |= milliseconds(wall, "wall clock", batch)
    for name, some, way, batch, repeats in (
        ("predict", few, "predict", 1, 1),
        ("wide", wide, "graph", 1, REPEATS["wide", 1]),
        ("wide", wide, "graph", 256, REPEATS["wide", 256]),
    ):
        spent, _ = timed(some, way, batch, repeats, 2)
        shown += sum(ratios(spent, name, batch), [])
        numbers |= milliseconds(spent, name, batch)
    for size, some in (("", models), (", wide", wide)):
        numbers |= {f"{name}{size}: bytes": nbytes(some[name]) for name in some}
    text = f"Times: networks of {INPUTS} inputs, 5 hidden layers of {WIDTH}, batch "
    text += f"norm, ELU, and its variants; {ROUNDS} rounds that take turns, processor "
    text += "time of a function that TensorFlow traced, without XLA; beside it with "
    text += f"XLA, by `predict`, by the wall clock, and of {WIDE[0]} inputs and "
    text += f"layers of {WIDE[1]}. They depend on the machine. Accuracy: "
    text += f"{data_name(scale)}, plain SGD, {SETTINGS[scale]['epochs']} epochs, "
    text += f"{len(SETTINGS[scale]['seeds'])} paired seeds, rates tuned on validation "
    text += f"over {list(nets.RATES)}; the best was an end of them for: "
    text += f"{', '.join(found.pop('edges')) or 'none'}. float16 and int8 are the "
    text += "folded network, quantized as Keras does it."
    return Evidence(combine(told), numbers | found, told + shown + priced, text)


# --- the clock


def variants(inputs, width):
    """`{name: model}` of every variant that is timed; their weights do not matter."""
    keras.utils.set_random_seed(0)
    models = {
        name: nets.build(*arm, inputs, width)
        for name, arm in nets.ARMS.items()
        if name not in ("no BN", "2 layers, ReLU")
    }
    folded = normalization.fold_batch_norm(models["original"])
    both = nets.build(*nets.ARMS["2 layers, ReLU"], inputs, width)
    models |= {"folded": folded, "all three": normalization.fold_batch_norm(both)}
    return models | {
        "float16": nets.half(folded, inputs),
        "int8": nets.quantized(folded),
    }


def nbytes(model):
    """Bytes of all weights."""
    return sum(np.asarray(w).nbytes for w in model.weights)


def answer(model, way, batch):
    """A function without arguments that answers `batch` examples once, in one `way`."""
    import tensorflow as tf

    shape = (batch, *model.input_shape[1:])
    x = np.random.default_rng(0).standard_normal(shape).astype("float32")
    if way == "predict":
        return functools.partial(model.predict, x, verbose=0)
    rule = tf.function(
        lambda x: model(x, training=False),
        input_signature=[tf.TensorSpec(shape)],
        jit_compile=way == "XLA",
    ).get_concrete_function()
    x = tf.constant(x)
    return lambda: rule(x).numpy()


def timed(models, way, batch, repeats, best):
    """Seconds an answer, `{name: one a round}`: of the processor, and on the wall."""
    calls, walls = {}, {name: [] for name in models}
    for name, model in models.items():
        once = answer(model, way, batch)
        calls[name] = functools.partial(_watched, once, repeats, walls[name])
    spent = rounds(calls, n=ROUNDS, best=best)
    wall = {name: np.reshape(w[1:], (ROUNDS, best)).min(1) for name, w in walls.items()}
    return tuple({k: v / repeats for k, v in each.items()} for each in (spent, wall))


def _watched(once, repeats, seen):
    started = time.perf_counter()
    for _ in range(repeats):
        once()
    seen.append(time.perf_counter() - started)


def ratios(seconds, way, batch):
    """Rows of log(slow ÷ quick): those that the claim speaks of, and others."""
    found = []
    for parts in (JUDGED, SHOWN):
        found.append([])
        for part, slow, quick in parts:
            if slow not in seconds or quick not in seconds:
                continue
            name = f"log of time, {slow} ÷ {quick}, batch {batch}"
            if way == WAYS[0]:
                name = f"C48{part}: {name}" if parts is JUDGED else name
            else:
                name += f", {way}"
            labels = dict(part=part, slow=slow, quick=quick, batch=batch, way=way)
            decides = parts is JUDGED and way == WAYS[0]
            ratio = np.log(seconds[slow] / seconds[quick])
            found[-1].append(
                row(name, ratio, min_effect=TENTH, decides=decides, **labels)
            )
    return found


def milliseconds(seconds, way, batch):
    """The mean of the rounds, for each variant."""
    way = "" if way == WAYS[0] else f", {way}"
    return {
        f"{name}, batch {batch}{way}: milliseconds": 1e3 * each.mean()
        for name, each in seconds.items()
    }


# --- the price


def price(scale, cache):
    """Rows of the accuracy that each variant costs, and numbers with "edges"."""
    run = functools.partial(nets.trained, scale)
    found = remembered(
        run, cache, "latency", scale, SETTINGS[scale], code=[nets.__file__]
    )
    rows, numbers = [], {"edges": found["edges"]}
    right = {name: np.array(values) for name, values in found["accuracy"].items()}
    for name, values in right.items():
        numbers[f"{name}: accuracy"] = values.mean()
        base = "folded" if name in ("float16", "int8") else "original"
        if name != base:
            title = f"accuracy lost, {base} − {name}"
            how = dict(part="accuracy", slow=base, quick=name, decides=False)
            rows.append(row(title, right[base] - values, min_effect=LEAST, **how))
    for key in ("learning rate", "diverged"):
        for name, value in found[key].items():
            numbers[f"{name}: {key}"] = value
    numbers["folded: largest change of a logit"] = found["changed"]
    return rows, numbers
