"""Why deep networks are hard to train, by hand: backward passes, shares and ratios.

The chapter `diagnostics` of the book ends with them. Tests: tests/test_exercises.py.
"""

import numpy as np

from dtlib import diagnostics
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(2)


@exercise(
    "diagnostics.1",
    title="The share of saturated units",
    difficulty=1,
    minutes=5,
    hints=[
        "How does the slope of the logistic function follow from its value a? Where is "
        "it largest?",
        "The slope is a·(1 − a), at most ¼. Ask which share of all entries has "
        "`a * (1 - a) <= threshold / 4`.",
    ],
    cases=[
        ("one sample", ([[0.01, 0.5, 0.999, 0.96]], 0.19)),
        ("a high threshold", (rng.random((6, 4)), 0.6)),
        ("both ends", ([[0.02, 0.6], [0.97, 0.99], [0.5, 0.01]], 0.19)),
        ("none near a half", ([[0.2, 0.1], [0.15, 0.12]], 0.5)),
    ],
    mistakes=[
        lambda a, t: (a * (1 - a) <= t).mean(),
        "You compare the slope with the threshold itself. It is a share of the largest "
        "slope, which is ¼.",
        lambda a, t: (a * (1 - a) <= t * (a * (1 - a)).max()).mean(),
        "You compare with the largest slope in this batch. The largest slope there can "
        "be is ¼; if all units were saturated, none would count.",
        lambda a, t: (a * (1 - a) <= t / 4).sum(),
        "Your answer is a count. A share divides it by how many activations there are.",
        lambda a, t: (a * (1 - a) <= t / 4).mean(0),
        "You return a share for each unit. The question is one for the whole layer.",
        lambda a, t: (a * (1 - a) > t / 4).mean(),
        "Your answer is the share that is *not* saturated.",
        lambda a, t: ((a * (1 - a) <= t / 4) & (a > 0.5)).mean(),
        "You count the upper end alone. A sigmoid near 0 is as flat as one near 1.",
    ],
)
def saturated_share(a, threshold):
    """Return the share of activations with σ′ ≤ threshold · max σ′.

    a: values of the logistic function, shape (samples, units)
    """
    return diagnostics.saturated(a * (1 - a), largest=0.25, threshold=threshold)


@exercise(
    "diagnostics.2",
    title="Which ReLU units are dead?",
    difficulty=1,
    minutes=5,
    hints=[
        "A sample with z > 0 sends the unit a gradient. What if there is none?",
        "Which axis holds the samples? Ask for `all`, not `any`, along it.",
    ],
    cases=[
        ("two units", ([[-1.0, 2.0], [-3.0, -1.0]],)),
        ("a unit at 0", ([[0.0, 1.0, -2.0], [-1.0, 0.0, -1.0]],)),
        ("a unit saved by one sample", ([[-9.0, -1.0], [-8.0, -1.0], [0.1, -1.0]],)),
        ("twelve units", (rng.normal(-1, 1, (5, 12)),)),
    ],
    mistakes=[
        lambda z: (z <= 0).any(0),
        "You ask whether *any* sample has z ≤ 0. That holds for nearly every unit, and "
        "is what makes ReLU sparse. A dead unit has z ≤ 0 for *all* samples.",
        lambda z: (z <= 0).all(1),
        "You look along the units. The samples are the first axis, and the answer has "
        "one entry a unit.",
        lambda z: z.sum(0) <= 0,
        "You ask whether the *sum* over the samples is negative. One sample with z > 0 "
        "keeps a unit alive, however negative the others are.",
        lambda z: (z < 0).all(0),
        "At z = 0 ReLU's slope counts as 0 too, so a unit at exactly 0 is dead: z ≤ 0.",
        lambda z: (z > 0).any(0),
        "Your answer is true for the units that are *alive*.",
        lambda z: (z <= 0).all(0).mean(),
        "Your answer is the share of dead units. The question is which ones.",
    ],
)
def dead_units(z):
    """Return for each ReLU unit whether no sample gives it a gradient.

    z: pre-activations, shape (samples, units); booleans come back
    """
    return diagnostics.dead(z > 0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def slope_of_z(a):
    return a * (1 - a)


def slope(z):
    return slope_of_z(sigmoid(z))


def backward(x, t, W1, b1, W2, b2, inner=slope, outer=slope, back=np.asarray):
    """The gradient by W1; the last three arguments are for wrong ones."""
    z1 = x @ W1 + b1
    z2 = sigmoid(z1) @ W2 + b2
    d2 = (sigmoid(z2) - t) * outer(z2)
    d1 = (back(W2) @ d2) * inner(z1)
    return np.outer(x, d1)


def small_network():
    sizes = [2, 2, (2, 2), 2, (2, 2), 2]  # x, t, W1, b1, W2, b2
    return tuple(rng.normal(size=size) for size in sizes)


@exercise(
    "diagnostics.3",
    title="Backward through a 2-2-2 network",
    difficulty=3,
    minutes=30,
    hints=[
        "Write the forward pass as four lines: z₁, a₁, z₂, a₂. Which is the first that "
        "depends on W1, and along which chain does that reach the loss?",
        "δ₂ = (a₂ − t) · σ′(z₂) has one entry an output. How does it come back through "
        "W2 to the hidden units, and which slope waits there?",
        "σ′(z) = a (1 − a). With δ₁ = (W2 δ₂) · σ′(z₁), the gradient by W1[i, j] is "
        "x[i] · δ₁[j].",
    ],
    cases=[
        (
            "small weights",
            (
                [1.0, -0.5],
                [1.0, 0.0],
                [[0.1, -0.2], [0.3, 0.4]],
                [0.0, 0.1],
                [[0.5, -0.3], [0.2, 0.6]],
                [0.1, -0.1],
            ),
        ),
        ("weights from N(0, 1)", small_network()),
        ("other weights from N(0, 1)", small_network()),
    ],
    mistakes=[
        lambda *args: backward(*args, inner=np.ones_like),
        "The slope of the hidden units, a₁(1 − a₁), is missing.",
        lambda *args: backward(*args, outer=np.ones_like),
        "The slope of the output units, a₂(1 − a₂), is missing. It would cancel for "
        "cross-entropy; for the squared error it stays.",
        lambda *args: backward(*args, inner=np.ones_like, outer=np.ones_like),
        "Both slopes are missing: this is the gradient of a network without sigmoids "
        "in its backward pass.",
        lambda *args: backward(*args, inner=slope_of_z, outer=slope_of_z),
        "σ′(z) = a (1 − a) holds for the *activation* a = σ(z), not for z.",
        lambda *args: backward(*args).T,
        "Your answer is transposed. W1[i, j] leads from input i to hidden unit j, and "
        "the gradient has the same order.",
        lambda *args: backward(*args, back=np.transpose),
        "On the way back the error of output k reaches hidden unit j by W2[j, k]. You "
        "multiply by the transpose.",
        lambda *args: -backward(*args),
        "The sign is wrong: the derivative of ½(a₂ − t)² by a₂ is a₂ − t.",
        lambda *args: 2 * backward(*args),
        "Your answer is twice the gradient. The loss has a ½, which cancels the 2.",
    ],
)
def first_layer_gradient(x, t, W1, b1, W2, b2):
    """Return the gradient of the loss by W1, shape (2, 2).

    a₁ = σ(x W1 + b1), a₂ = σ(a₁ W2 + b2), loss = ½ Σ (a₂ − t)²;
    W1[i, j] leads from input i to hidden unit j
    """
    return backward(x, t, W1, b1, W2, b2)


@exercise(
    "diagnostics.4",
    title="The gradient's factor per layer",
    difficulty=2,
    minutes=10,
    hints=[
        "If each layer multiplied the gradient by the same f, what would be the ratio "
        "of the first layer's to the last's? How many steps lie between them?",
        "The gradient travels from the last entry to the first: f < 1 if it vanishes. "
        "Factors multiply, so their mean is geometric.",
        "`(rms[0] / rms[-1]) ** (1 / (len(rms) - 1))`",
    ],
    cases=[
        ("halved by each layer", ([0.125, 0.25, 0.5, 1.0],)),
        ("it grows", ([2.7, 0.9, 0.3],)),
        ("two layers", ([1e-6, 1e-2],)),
        ("uneven", ([4.8e-7, 2e-6, 1.5e-5, 3e-4, 9e-4, 0.01, 0.23],)),
    ],
    mistakes=[
        lambda g: (g[-1] / g[0]) ** (1 / (len(g) - 1)),
        "Your answer is the factor from the first layer to the last. The gradient "
        "travels the other way.",
        lambda g: (g[0] / g[-1]) ** (1 / len(g)),
        "You take the root by the number of layers. Between L layers lie L − 1 steps.",
        lambda g: (g[:-1] / g[1:]).mean(),
        "You average the ratios arithmetically, and one large ratio hides many small "
        "ones. Factors multiply: take the geometric mean.",
        lambda g: g[0] / g[-1],
        "Your answer is the factor of all layers together. Take its root.",
        lambda g: np.log(g[0] / g[-1]) / (len(g) - 1),
        "Your answer is the *logarithm* of the factor. Take its exponential.",
    ],
)
def factor_per_layer(rms):
    """Return what one layer multiplies the gradient by, going down.

    rms: the gradient's root mean square at layers 1 … L, L ≥ 2;
    the geometric mean over the steps from layer L to layer 1
    """
    return (rms[0] / rms[-1]) ** (1 / (len(rms) - 1))


def size(w):
    return np.sqrt((w**2).mean())


@exercise(
    "diagnostics.5",
    title="The update-to-weight ratio",
    difficulty=2,
    minutes=10,
    hints=[
        "What changed, and how large is that beside what was there before?",
        "Compare two sizes, each a root mean square over the whole array.",
    ],
    cases=[
        ("one step of size 0.1", ([1.0, -1.0, 1.0], [1.1, -1.1, 0.9])),
        ("a kernel", (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))),
        ("a small step", ([[0.5, -2.0], [1.0, 0.3]], [[0.501, -2.002], [0.999, 0.3]])),
        ("no step", ([3.0, 4.0], [3.0, 4.0])),
    ],
    mistakes=[
        lambda a, b: (size(b - a) / size(a)) ** 2,
        "Your answer is the square: you compare mean squares. Take their roots.",
        lambda a, b: size(b - a) / size(b),
        "You divide by the weights *after* the step. Divide by those before.",
        lambda a, b: size(b - a),
        "Your answer is the size of the update. Divide by that of the weights.",
        lambda a, b: np.abs(b - a).mean() / np.abs(a).mean(),
        "You compare mean absolute values. The ratio compares root mean squares.",
        lambda a, b: np.abs((b - a) / a).mean(),
        "You average the ratios of single weights. One weight near 0 then decides: "
        "first take the size of each array, then one ratio.",
        lambda a, b: (b - a).mean() / a.mean(),
        "You average with signs, so that ups and downs cancel. Take root mean squares.",
        lambda a, b: size(b) / size(a) - 1,
        "You compare the sizes before and after. A step that turns the weights without "
        "making them longer would count as none: take the size of the difference.",
    ],
)
def update_ratio(before, after):
    """Return the size of the update relative to the weights before."""
    return diagnostics.relative_change(before, after)


@exercise(
    "diagnostics.6",
    title="Open question: at which width does nothing vanish?",
    difficulty=3,
    minutes=25,
    rtol=5e-4,
    hints=[
        "One step down multiplies the mean square of the gradient by n · Var[w] · "
        "E[σ′(z)²]. Var[w] is 1. What is the variance of z, if each of the n inputs is "
        "near 0 or near 1, equally often?",
        "Var[z] ≈ n/2. So wide a Gaussian is flat where σ′ is not 0: E[σ′(z)²] is its "
        "density at 0, times ∫σ′(z)² dz. That integral is 1/6.",
        "n · (1/6) / √(2π · n/2) = √n / (6√π) must be 1.",
    ],
    cases=[("", ())],
    mistakes=[
        lambda: 6 * np.sqrt(np.pi),
        "You found √n = 6√π. Square it.",
        lambda: 16.0,
        "You took the slope ¼ for every unit, its value at z = 0. Here most units are "
        "saturated; only those with z near 0 pass anything on.",
        lambda: 36 * 2 * np.pi,
        "You took Var[z] = n. An activation near 0 or 1 has mean square ½, not 1.",
        lambda: 36.0,
        "The √π of the Gaussian's density is missing.",
    ],
)
def neutral_width():
    """The width n at which N(0, 1) weights and a sigmoid keep the gradient's size."""
    return 36 * np.pi
