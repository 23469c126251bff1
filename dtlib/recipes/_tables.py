"""What can be chosen, and what each priority and each textbook chooses.

Tests: tests/test_recipes.py.
"""

from dtlib._check import one_of

TASKS = ("binary", "multiclass", "images", "regression")

# Examples, below which data count as few. The networks of the ledger that overfit, in
# C42, C44 and C46, had 300 to 400.
FEW = 1_000
# Hidden layers, from which a network counts as deep.
DEEP = 5

NUMBERS = {
    "layers": "[1, inf)",
    "width": "[1, inf)",
    "batch_size": "[1, inf)",
    "epochs": "[1, inf)",
}
ALLOWED = {
    "inputs": ("standardized",),
    "initializer": ("he_normal", "lecun_normal", "glorot_normal"),
    "activation": ("elu", "selu", "leaky_relu", "relu", "swish"),
    "normalization": ("none", "batch"),
    "dropout": ("none", "dropout", "alpha_dropout"),
    "penalty": ("none", "l1", "l2"),
    "constraint": ("none", "max_norm"),
    "augmentation": ("none", "shift"),
    "optimizer": (
        *("nesterov", "momentum", "rmsprop", "adam", "nadam", "adamw", "ftrl"),
    ),
    "schedule": ("none", "1cycle", "cosine", "exponential", "performance"),
    "stopping": ("none", "early"),
    "finish": ("none", "prune", "fold"),
    "prediction": ("plain", "monte_carlo"),
}
PARTS = (
    *("inputs", "augmentation", "layers", "width", "initializer", "activation"),
    *("normalization", "dropout", "penalty", "constraint", "loss", "optimizer"),
    *("learning_rate", "schedule", "stopping", "batch_size", "epochs", "finish"),
    "prediction",
)
LOSSES = dict.fromkeys(TASKS, "sparse_categorical_crossentropy") | {
    "binary": "binary_crossentropy",
    "regression": "mean_squared_error",
}
# Where to begin, and the largest rate of a schedule. FTRL's sums want a larger one.
RATES = dict.fromkeys(ALLOWED["optimizer"], 0.003)
RATES |= {"nesterov": 0.05, "momentum": 0.05, "ftrl": 0.2}

PLAIN = {
    "inputs": "standardized",
    "augmentation": "none",
    "initializer": "he_normal",
    "activation": "elu",
    "normalization": "none",
    "dropout": "none",
    "penalty": "none",
    "constraint": "none",
    "optimizer": "nesterov",
    "schedule": "1cycle",
    "stopping": "early",
    "batch_size": 32,
    "epochs": 30,
    "finish": "none",
    "prediction": "plain",
}
SELF = {"initializer": "lecun_normal", "activation": "selu"}

# How each differs from PLAIN: always; with DEEP layers or more; with few examples.
PRIORITIES = {
    "default": (
        {},
        {"normalization": "batch"},
        {"constraint": "max_norm"},
    ),
    "self_normalizing": (SELF, {}, {"dropout": "alpha_dropout"}),
    "sparse": (
        {"penalty": "l1", "optimizer": "adam", "finish": "prune"},
        {"normalization": "batch"},
        {},
    ),
    "fast": (
        {"activation": "leaky_relu", "finish": "fold"},
        {},
        {"constraint": "max_norm"},
    ),
    "accurate": (
        {"dropout": "dropout", "prediction": "monte_carlo"},
        {"normalization": "batch"},
        {"constraint": "max_norm"},
    ),
    "modern": (
        {
            "activation": "swish",
            "normalization": "batch",
            "optimizer": "adamw",
            "schedule": "cosine",
        },
        {},
        {"constraint": "max_norm"},
    ),
}
# The tables as the notes on three editions print them. Where one leaves a choice (one
# of momentum, RMSprop and Nadam; the rate on a plateau or one cycle), the first of its
# optimizers and the cycle are taken, and what is "optional" where examples are few.
EDITIONS = {
    "2017": (
        {
            "normalization": "batch",
            "dropout": "dropout",
            "schedule": "none",
            "stopping": "none",
        },
        {},
        {},
    ),
    "2019": (
        {"optimizer": "momentum"},
        {"normalization": "batch"},
        {"penalty": "l2"},
    ),
    "2022": (
        {},
        {"normalization": "batch", "activation": "swish"},
        {"optimizer": "adamw"},
    ),
    "2019 self-normalizing": (
        SELF | {"optimizer": "momentum", "stopping": "none"},
        {},
        {"dropout": "alpha_dropout"},
    ),
    "2022 self-normalizing": (
        SELF | {"stopping": "none"},
        {},
        {"dropout": "alpha_dropout"},
    ),
}
# Few examples of images: changed copies of them. It is no table's, but a rule of all.
FEW_IMAGES = {"augmentation": "shift"}


def size(n_samples, *, fast):
    """Hidden layers and their width: few for few examples, or for a fast network."""
    layers = 2 if n_samples < FEW or fast else 3 if n_samples < 10_000 else 5
    width = 32 if n_samples < FEW else 64 if n_samples < 10_000 else 128
    return {"layers": layers, "width": width}


def chooser(source):
    """The three tables of a priority or an edition."""
    one_of("source", source, (*PRIORITIES, *EDITIONS))
    return (PRIORITIES | EDITIONS)[source]
