"""What to minimize, by hand: errors, cross-entropies, their weights and first values.

The chapter `losses` of the book ends with them. Tests: tests/test_exercises.py.
"""

import numpy as np

from dtlib import losses
from dtlib.exercises._exercise import exercise

rng = np.random.default_rng(1)


@exercise(
    "losses.1",
    title="Mean squared error",
    difficulty=1,
    minutes=5,
    hints=[
        "Which axis holds one sample's outputs, and which the samples?",
        "Square the difference, then `.mean(axis=-1)`: one number a sample remains.",
    ],
    cases=[
        ("one sample", ([[1.0, 2.0]], [[1.5, 3.0]])),
        ("three samples", (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)))),
        ("a single vector", (rng.normal(size=5), rng.normal(size=5))),
        ("sequences", (rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4)))),
    ],
    mistakes=[
        lambda y, p: (y - p) ** 2,
        "You return the squared errors themselves. Take their mean over the last axis.",
        lambda y, p: ((y - p) ** 2).mean(),
        "Your answer is the mean over all elements. A loss function keeps one value a "
        "sample, so that samples can be weighted: average over the last axis alone.",
        lambda y, p: ((y - p) ** 2).mean(0),
        "Your answer is the mean over the samples. The outputs are the last axis.",
        lambda y, p: ((y - p) ** 2).sum(-1),
        "Your answer is the sum of the squared errors. Divide by how many there are, "
        "so that the loss does not grow with the number of outputs.",
        lambda y, p: ((y - p) ** 2).mean(-1) / 2,
        "Your answer is half of it. The ½ is a custom of derivations; Keras has none.",
        lambda y, p: np.sqrt(((y - p) ** 2).mean(-1)),
        "Your answer is the root of the mean: RMSE, not MSE.",
        lambda y, p: np.abs(y - p).mean(-1),
        "Your answer is the mean absolute error. Square the differences.",
    ],
)
def mean_squared_error(y_true, y_pred):
    """Return each sample's mean squared error, over the last axis."""
    return losses.mean_squared_error(y_true, y_pred)


def log_terms(y, p, clip=1e-7):
    p = np.clip(p, clip, 1 - clip)
    return y * np.log(p), (1 - y) * np.log(1 - p)


@exercise(
    "losses.2",
    title="Binary cross-entropy from probabilities",
    difficulty=2,
    minutes=10,
    hints=[
        "If the label is 1, which probability did the model give to what happened? "
        "And if it is 0?",
        "Two terms, of which one is 0 for each label: y·log p and (1 − y)·log(1 − p). "
        "What does the logarithm do at p = 0?",
        "Start with `p = np.clip(p, 1e-7, 1 - 1e-7)`. The answer is minus the mean "
        "over the last axis of the sum of the two terms.",
    ],
    cases=[
        ("one output", ([[1.0], [0.0]], [[0.8], [0.4]])),
        ("three outputs", (1.0 * rng.integers(0, 2, (4, 3)), rng.random((4, 3)))),
        ("soft labels", ([[0.9, 0.2]], [[0.7, 0.6]])),
        ("sure, and wrong", ([[1.0, 0.0]], [[0.0, 1.0]])),
        ("sure, and right", ([[1.0, 0.0]], [[1.0, 0.0]])),
    ],
    mistakes=[
        lambda y, p: -np.mean(sum(log_terms(y, p, clip=0.0)), -1),
        "You take the logarithm of 0. A model may say 0 or 1 exactly: clip p to [1e-7, "
        "1 − 1e-7] first.",
        lambda y, p: -np.mean(log_terms(y, p)[0], -1),
        "Your answer has the term y·log p alone. A sample of class 0 then costs "
        "nothing, whatever the model says: add (1 − y)·log(1 − p).",
        lambda y, p: np.mean(sum(log_terms(y, p)), -1),
        "The sign is wrong. The logarithm of a probability is negative; a loss is not.",
        lambda y, p: -np.sum(sum(log_terms(y, p)), -1),
        "Your answer is the sum over the outputs. Keras takes their mean.",
        lambda y, p: -np.mean(sum(log_terms(y, p)), -1) / np.log(2),
        "Your answer is in bits. The loss uses the natural logarithm, `np.log`.",
        lambda y, p: -np.mean(sum(log_terms(p, y)), -1),
        "The arguments changed places: the labels weigh, the probabilities stand "
        "inside the logarithm.",
        lambda y, p: -np.mean(sum(log_terms(p, p)), -1),
        "Your answer is −Σ p log p, the entropy of the prediction. The label does not "
        "occur in it, so a sure and wrong model would cost nothing.",
    ],
)
def binary_crossentropy(y_true, p):
    """Return each sample's binary cross-entropy.

    −mean over the last axis of [y log p + (1 − y) log(1 − p)],
    with p kept 1e-7 away from 0 and 1
    """
    return losses.binary_crossentropy(
        y_true, p, from_logits=False, label_smoothing=0.0, axis=-1
    )


def softmax(z, shift=True):
    e = np.exp(z - z.max(-1, keepdims=True) * shift)
    return e / e.sum(-1, keepdims=True)


def surprise(z):
    """−log softmax(z)"""
    m = z.max(-1, keepdims=True)
    return m + np.log(np.exp(z - m).sum(-1, keepdims=True)) - z


def pick(y, log_sum, z):
    return log_sum - (y * z).sum(-1)


LABELS_AND_LOGITS = [
    ("three samples", (np.eye(4)[[0, 2, 3]], rng.normal(0, 2, (3, 4)))),
    ("two classes", ([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [2.0, 0.0]])),
    ("large logits", ([[1.0, 0.0]], [[400.0, 401.0]])),
    ("soft labels", ([[0.1, 0.7, 0.2]], [[0.5, -0.5, 1.5]])),
    ("huge logits", ([[0.0, 1.0, 0.0]], [[1e4, 9990.0, -1e4]])),
    ("a class out of reach", ([[0.0, 1.0]], [[1000.0, -1000.0]])),
    ("two rows far apart", (np.eye(2), [[-1e4, -10010.0], [1e4, 9999.0]])),
]


@exercise(
    "losses.3",
    title="Cross-entropy that survives a logit of 10,000",
    difficulty=2,
    minutes=15,
    hints=[
        "What is `np.exp(10_000)`? And what happens to the softmax if the same number "
        "is subtracted from all logits of a row?",
        "The loss is log Σ eᶻ − Σ y·z. Which part of it can overflow, and which "
        "number, subtracted from z, prevents that?",
        "With m the largest z of the row: log Σ eᶻ = m + log Σ e^(z − m).",
    ],
    cases=LABELS_AND_LOGITS,
    mistakes=[
        lambda y, z: -(y * np.log(softmax(z, shift=False))).sum(-1),
        "You take the softmax of the raw logits, and `np.exp` overflows: ∞/∞ is NaN. "
        "Subtract each row's maximum first.",
        lambda y, z: pick(y, np.log(np.exp(z).sum(-1)), z),
        "The formula is right, but `np.exp` overflows at 710. Subtract each row's "
        "maximum inside the exponential; add it again outside the logarithm.",
        lambda y, z: -(y * np.log(softmax(z))).sum(-1),
        "You subtract the maximum, then take the logarithm of the softmax. A "
        "probability below 1e-323 is stored as 0, and its logarithm is −∞. Simplify "
        "the logarithm of the quotient on paper first.",
        lambda y, z: -(y * np.log(softmax(z).clip(1e-7, 1))).sum(-1),
        "Your answer stops at 16.1, which is −log 1e-7: you clip the probabilities. "
        "From logits no clip is needed; without it, very wrong keeps its gradient.",
        lambda y, z: pick(y, z.max() + np.log(np.exp(z - z.max()).sum(-1)), z),
        "You subtract one maximum from the whole batch. A row far below it underflows "
        "to log 0. Take each row's: `z.max(-1, keepdims=True)`.",
        lambda y, z: pick(y, np.log(np.exp(z - z.max(-1, keepdims=True)).sum(-1)), z),
        "You subtract the maximum inside the exponential but do not add it again: "
        "log Σ eᶻ = m + log Σ e^(z − m).",
        lambda y, z: pick(
            y, np.log(np.exp(z + z.max(-1, keepdims=True)).sum(-1)) - z.max(-1), z
        ),
        "You *add* the maximum inside the exponential. Small logits do not notice; "
        "large ones overflow sooner. Subtract it.",
        lambda y, z: (y * surprise(z)).mean(-1),
        "Your answer is the mean over the classes. The loss is their sum: of a one-hot "
        "label only one term is not 0.",
        lambda y, z: y * surprise(z),
        "You return the terms of every class. Sum them over the last axis.",
        lambda y, z: (y * surprise(z)).sum(-1) / np.log(2),
        "Your answer is in bits. The loss uses the natural logarithm, `np.log`.",
        lambda y, z: -(y * surprise(z)).sum(-1),
        "The sign is wrong: the loss is *minus* the log-probability.",
    ],
)
def cross_entropy(y_true, z):
    """Return each sample's categorical cross-entropy, from logits.

    −Σ y log softmax(z) over the last axis; finite for any finite z
    """
    return losses.categorical_crossentropy(
        y_true, z, from_logits=True, label_smoothing=0.0, axis=-1
    )


@exercise(
    "losses.4",
    title="Its gradient",
    difficulty=2,
    minutes=15,
    hints=[
        "The loss is log Σ eᶻ − Σ y·z. What is the derivative of each part by one z?",
        "The derivative of log Σ eᶻ is a function you know well.",
        "softmax(z) − y, with a softmax that survives large logits.",
    ],
    cases=LABELS_AND_LOGITS,
    mistakes=[
        lambda y, z: y - softmax(z),
        "The sign is wrong. A step *against* the gradient must raise the logit of the "
        "true class, so its gradient is negative.",
        lambda y, z: softmax(z, shift=False) - y,
        "The formula is right, but `np.exp` overflows: ∞/∞ is NaN. Subtract each row's "
        "maximum first; the softmax does not change.",
        lambda y, z: -y / softmax(z),
        "Your answer is the gradient by the *probabilities*, −y/p. The chain rule goes "
        "on through the softmax.",
        lambda y, z: y * (softmax(z) - 1),
        "Your answer is 0 for the other classes. Their logits are in Σ eᶻ too: raising "
        "one of them lowers the true class's probability.",
        lambda y, z: (softmax(z) - y) / len(z),
        "You divide by the number of samples: that is the gradient of the batch's "
        "mean. Here each sample has a gradient of its own.",
        lambda y, z: softmax(z.T).T - y,
        "Your softmax runs over the samples. It runs over the classes, the last axis.",
    ],
)
def cross_entropy_gradient(y_true, z):
    """Return the gradient of each sample's loss by its logits.

    The labels of a sample sum to 1. The result has the shape of z.
    """
    return softmax(z) - y_true


@exercise(
    "losses.5",
    title="Class weights, as Keras averages them",
    difficulty=2,
    minutes=10,
    hints=[
        "How do you look up one weight a sample, given an array of labels?",
        "`class_weight[labels]` has one entry a sample. By what does Keras divide: by "
        "the number of samples, or by the sum of the weights?",
        "By the number of samples: `(class_weight[labels] * losses).mean()`.",
    ],
    cases=[
        ("two classes", ([0, 1, 0, 0], [0.2, 1.5, 0.1, 0.4], [1.0, 5.0])),
        ("equal weights", ([0, 1, 1], [0.3, 0.6, 0.9], [2.0, 2.0])),
        ("a small weight", ([2, 0, 1, 2], [1.0, 2.0, 3.0, 4.0], [1.0, 0.1, 2.5])),
        ("fifty samples", (rng.integers(0, 2, 50), rng.random(50), [0.5, 4.0])),
    ],
    mistakes=[
        lambda y, loss, w: (w[y] * loss).sum() / w[y].sum(),
        "You divide by the sum of the weights. That is a weighted mean, as PyTorch "
        "takes it; Keras divides by the number of samples.",
        lambda y, loss, w: (w[y] * loss).sum(),
        "Your answer is the weighted sum. Divide by the number of samples, or a larger "
        "batch would mean a larger step.",
        lambda y, loss, w: loss.mean(),
        "Your answer is the mean without weights.",
        lambda y, loss, w: (loss / w[y]).mean(),
        "You divide by the weights. A rare class gets a *large* weight, to count more.",
        lambda y, loss, w: w[y] * loss,
        "You return each sample's weighted loss. Take the mean.",
    ],
)
def weighted_loss(labels, losses, class_weight):
    """Return the loss of a batch, each sample weighted by its class.

    labels: integers (n,); losses: numbers (n,); class_weight: (K,)
    """
    return (class_weight[labels] * losses).mean()


@exercise(
    "losses.6",
    title="Open question: is this first loss healthy?",
    difficulty=3,
    minutes=20,
    rtol=5e-4,
    hints=[
        "What is the loss of a model that gives 0.1 to each of 10 classes?",
        "The rest, 2.90 − ln 10, comes from logits that differ. For normal z of mean 0 "
        "and variance v, what is ln E[eᶻ]?",
        "ln E[eᶻ] = v/2, so the loss is about ln 10 + v/2. Solve for v.",
    ],
    cases=[("", ())],
    mistakes=[
        lambda: 2.9 - np.log(10),
        "You left out the ½: logits of variance v add v/2 to the loss, not v.",
        lambda: np.sqrt(2 * (2.9 - np.log(10))),
        "That is the standard deviation. The question is the variance.",
        lambda: 2 * (2.9 - np.log10(10)),
        "You took the logarithm to base 10. The loss uses the natural logarithm.",
        lambda: 2 * (2.9 - np.log2(10)),
        "You took the logarithm to base 2. The loss uses the natural logarithm.",
    ],
)
def logit_variance():
    """The variance of the logits that makes a first loss of 2.90 with 10 classes."""
    return 2 * (2.90 - np.log(10))
