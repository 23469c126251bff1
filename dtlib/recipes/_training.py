"""Why each part of the training is chosen, and what the claims of the book say of it.

The outcomes are those of the ledger at the quick scale; a test compares them. Tests:
tests/test_recipes.py.
"""

from dtlib.recipes._grounds import no, unclear, yes

_MC = "accuracy, calibration and likelihood gained too little, or lost"

# As in `_network`.
TRAINING = {
    ("loss",): ("The likelihood of the task's kind of target, of logits.", "losses"),
    ("optimizer", "nesterov"): (
        "Momentum 0.9 with a look ahead: the textbooks' plain default.",
        "optimizers",
        yes("C50", "supports", "0.9 rarely needs tuning"),
        no("C23", "contradicts", "it is not always faster than plain momentum"),
    ),
    ("optimizer", "momentum"): (
        "The oldest remedy for narrow valleys, at 0.9.",
        "optimizers",
        yes("C50", "supports", "0.9 rarely needs tuning"),
        no("C22", "contradicts", "it is not ten times faster"),
    ),
    ("optimizer", "rmsprop"): (
        "A rate for each weight, which forgets old gradients.",
        "optimizers",
        unclear(
            "C27", "how often it beats Nadam", "RMSprop's share of wins over Nadam"
        ),
    ),
    ("optimizer", "adam"): (
        "Adaptive rates and momentum.",
        "optimizers",
        no("C49", "contradicts", "the rate needs nearly as much tuning"),
        unclear("C57", "whether FTRL with a penalty gives more zeros"),
    ),
    ("optimizer", "nadam"): (
        "Adam with Nesterov's look ahead.",
        "optimizers",
        yes(
            "C27",
            "supports",
            "it beats Adam in most runs",
            "Nadam's share of wins over Adam − ½",
        ),
    ),
    ("optimizer", "adamw"): (
        "Adam, and a decay of the weights beside it, 0.1 times the rate.",
        "optimizers",
        yes("C41", "supports", "decay raises accuracy", "decay − none, accuracy"),
        no("C41", "contradicts", "but not above a penalty's", "decay − l2, accuracy"),
        no(
            "C47",
            "qualifies",
            "as a whole the modern recipe did not beat the best table in ten layers",
            "C47d: deep, modern − best textbook",
        ),
    ),
    ("optimizer", "ftrl"): (
        "Its penalty makes weights exactly zero, λ₁ = 0.01.",
        "optimizers",
        yes(
            "C57",
            "supports",
            "a linear model gets more zeros",
            "linear, share of zeros, FTRL − l1",
        ),
        unclear("C57", "a deep one may not"),
    ),
    ("learning_rate",): (
        "A start: `training.find_learning_rate`, or a search, finds better.",
        "schedules",
        no("C49", "qualifies", "no optimizer is spared the search"),
    ),
    ("schedule", "none"): (
        "The rate stays as it is.",
        "schedules",
        yes("C61", "contradicts", "the best schedule beats the best constant rate"),
    ),
    ("schedule", "1cycle"): (
        "Up to a large rate and down to a small one, once in the run.",
        "schedules",
        yes("C61", "supports", "it was the best schedule, ahead of any constant rate"),
        unclear("C33", "whether it is ahead of every other schedule"),
    ),
    ("schedule", "cosine"): (
        "A warm-up for a twentieth of the run, then half a cosine down.",
        "schedules",
        no("C31", "supports", "adaptive optimizers need a schedule, too"),
        unclear("C31", "whether this one helps Adam", "Adam: cosine − constant"),
    ),
    ("schedule", "exponential"): (
        "From a rate that is too large to a hundredth of it.",
        "schedules",
        yes("C68", "supports", "it rescues a run whose rate is too large"),
        unclear(
            "C32",
            "from a good rate it may not help",
            "exponential − constant, accuracy",
        ),
    ),
    ("schedule", "performance"): (
        "The rate falls to a tenth when the validation loss stops to fall.",
        "schedules",
        yes("C32", "supports", "accuracy rises", "performance − constant, accuracy"),
    ),
    ("stopping", "none"): (
        "The run has a length of its own.",
        "regularizers",
        no("C45", "supports", "stopping by the loss costs accuracy"),
    ),
    ("stopping", "early"): (
        "The weights of the epoch best on validation data are kept.",
        "regularizers",
        no("C45", "contradicts", "stopping by the loss costs accuracy"),
        unclear(
            "C45",
            "by the accuracy it neither gains nor loses much",
            "restore − run on, accuracy, watching accuracy",
        ),
    ),
    ("batch_size",): ("Keras' default; the rate belongs to it.", "schedules"),
    ("epochs",): ("A start: the schedule ends where the run does.", "schedules"),
    ("finish", "none"): ("The trained network is used as it is.", "regularizers"),
    ("finish", "prune"): (
        "Epoch by epoch the smallest weights become zero, in the end nine of ten.",
        "regularizers",
        no(
            "C57",
            "supports",
            "a penalty and pruning give more zeros than FTRL",
            "share of zeros, FTRL − l1 + pruning",
        ),
        no("C56", "qualifies", "zeros take less room, not less time"),
    ),
    ("finish", "fold"): (
        "Where there is a batch normalization, it is folded away.",
        "normalization",
        yes(
            "C18",
            "supports",
            "folded, it takes no time of its own",
            "log2(inference, folded BN ÷ none)",
        ),
        yes(
            "C48",
            "supports",
            "a network of five layers answers a tenth quicker or more, folded",
            "C48a: log of time, original ÷ folded, batch 1",
        ),
    ),
    ("prediction", "plain"): ("One pass, with dropout off.", "dropout"),
    ("prediction", "monte_carlo"): (
        "The mean of 100 predictions with dropout on.",
        "dropout",
        no("C43", "contradicts", _MC),
        yes(
            "C67",
            "supports",
            "it tells noise from clothes better",
            "C67: noise, entropy − plain, images",
        ),
    ),
}
