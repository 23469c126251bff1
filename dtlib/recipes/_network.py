"""Why each part of the network is chosen, and what the claims of the book say of it.

The outcomes are those of the ledger at the quick scale; a test compares them. Tests:
tests/test_recipes.py.
"""

from dtlib.recipes._grounds import no, unclear, yes

_BAND = "every layer's std is in the band: log 1.25 − the largest |log std|"

# (part, value) or (part, value, situation) → reason, chapter, grounds. A part without a
# value is one whose value is a number, or follows from the task.
NETWORK = {
    ("inputs", "standardized"): (
        "Features in like units, mean 0 and deviation 1: left to the data.",
        "normalization",
        unclear("C52", "batch normalization of the input might do the same"),
    ),
    ("inputs", "standardized", "self_normalizing"): (
        "Without it SELU does not normalize itself: left to the data.",
        "activations",
        yes(
            "C10",
            "supports",
            "inputs in [0, 1] cost a deep SELU network accuracy",
            "accuracy lost at depth 20: inputs in [0, 1] instead of standardized",
        ),
    ),
    ("augmentation", "none"): ("There are examples enough.", "augmentation"),
    ("augmentation", "none", "not images"): (
        "No change is known that leaves the label true.",
        "augmentation",
    ),
    ("augmentation", "shift"): (
        "Few images: each is moved by up to a tenth, anew in each epoch.",
        "augmentation",
        no(
            "C46",
            "contradicts",
            "shifts did not raise the accuracy on 300 images by a point",
            "shift − none, accuracy",
        ),
        yes(
            "C46",
            "qualifies",
            "changed copies helped much on test images that are moved",
            "combination, moved test − none, accuracy",
        ),
    ),
    ("layers",): ("By the number of examples: a start, to be tuned.", "diagnostics"),
    ("layers", "fast"): (
        "Fewer layers take less time.",
        "recipes",
        yes(
            "C48",
            "supports",
            "with two layers instead of five predictions are a tenth quicker or more",
            "C48b: log of time, original ÷ 2 layers, batch 1",
        ),
    ),
    ("width",): ("By the number of examples: a start, to be tuned.", "diagnostics"),
    ("initializer", "he_normal"): (
        "Made for the rectifier's family: the variance is kept.",
        "initializers",
        yes(
            "C03",
            "supports",
            "under ReLU it beats Glorot's draw by far in 20 layers",
            "He − Glorot, depth 20",
        ),
        unclear("C03", "and hardly differs in 5", "He − Glorot, depth 5"),
    ),
    ("initializer", "lecun_normal"): (
        "SELU's fixed point is computed for this draw.",
        "initializers",
        yes("C04", "supports", "it beats He's in 20 layers", "LeCun − He, depth 20"),
        unclear("C04", "against Glorot's it is open", "LeCun − Glorot, depth 20"),
    ),
    ("initializer", "glorot_normal"): (
        "Made for layers without an activation, or with tanh.",
        "initializers",
        no("C02", "contradicts", "it keeps the gain of square linear layers only"),
    ),
    ("activation", "elu"): (
        "Smooth, and never dead: units below 0 still learn.",
        "activations",
        yes(
            "C09",
            "supports",
            "a deep network with it needs fewer epochs than with ReLU",
            "C09a: epochs to target, ReLU − ELU, depth 20",
        ),
        unclear(
            "C11", "it may not beat leaky ReLU in 2 layers", "ELU − leaky 0.2, depth 2"
        ),
    ),
    ("activation", "selu"): (
        "Dense layers keep mean 0 and deviation 1 by themselves.",
        "activations",
        yes("C10", "supports", "the deviation stays near 1 in all layers", _BAND),
        no("C11", "contradicts", "ELU is better in 2 layers", "SELU − ELU, depth 2"),
    ),
    ("activation", "leaky_relu"): (
        "As cheap as ReLU, and never dead; slope 0.2.",
        "activations",
        no(
            "C59",
            "supports",
            "a step takes no longer than with ReLU",
            "log of time a step, leaky 0.2 ÷ ReLU",
        ),
        yes(
            "C11", "supports", "it beats ReLU in 2 layers", "leaky 0.2 − ReLU, depth 2"
        ),
    ),
    ("activation", "relu"): (
        "The cheapest.",
        "activations",
        no(
            "C09",
            "contradicts",
            "in batches of 256 ELU is hardly slower",
            "C09b: log of inference time, ELU ÷ ReLU, batch 256",
        ),
        no(
            "C48",
            "contradicts",
            "one at a time, predictions are no quicker than with SELU",
            "C48c: log of time, SELU ÷ ReLU, batch 1",
        ),
    ),
    ("activation", "swish"): (
        "Smooth; the choice of many recent networks.",
        "activations",
        yes("C13", "supports", "it beats ReLU in 2 layers", "swish − ReLU, depth 2"),
        unclear("C13", "in 20 layers it is open", "swish − ReLU, depth 20"),
    ),
    ("normalization", "none"): (
        "A network this shallow trains without it.",
        "normalization",
        no(
            "C19",
            "contradicts",
            "batch normalization helped much in 2 layers too",
            "BN − none, 2 layers, little",
        ),
    ),
    ("normalization", "none", "self_normalizing"): (
        "SELU does its work.",
        "activations",
        yes("C10", "supports", "the deviation stays near 1 in all layers", _BAND),
        yes(
            "C47",
            "supports",
            "in ten layers and a short run it beats a recipe with batch normalization",
            "C47c: deep, 2022 self-normalizing − 2022",
        ),
        unclear(
            "C47",
            "in a longer run that is open",
            "deep, longer, 2022 self-normalizing − 2022",
        ),
    ),
    ("normalization", "none", "fast"): (
        "A layer less to compute.",
        "normalization",
        no(
            "C18",
            "contradicts",
            "in batches, compiled inference was no slower with it",
            "C18d: log2(inference, BN ÷ none)",
        ),
        yes(
            "C48",
            "supports",
            "uncompiled, a network of five layers is quicker without",
            "C48a: log of time, original ÷ folded, batch 256",
        ),
    ),
    ("normalization", "batch"): (
        "It lets a network train at larger rates; before the activation.",
        "normalization",
        yes("C15", "supports", "the largest usable rate grows"),
        yes("C19", "supports", "20 layers gain accuracy", "BN − none, 20 layers"),
        no(
            "C20",
            "supports",
            "before the activation beats after it in 20 layers",
            "before − after, 20 layers",
        ),
    ),
    ("dropout", "none"): (
        "It is for a network that overfits.",
        "dropout",
        no(
            "C42",
            "supports",
            "a network that underfits loses by it",
            "C42b: accuracy, dropout − none, under",
        ),
    ),
    ("dropout", "dropout"): (
        "A tenth of each hidden layer's units, against overfitting.",
        "dropout",
        yes(
            "C42",
            "supports",
            "the gap to the test shrinks",
            "gap, none − dropout 0.1, over",
        ),
        no(
            "C42",
            "contradicts",
            "on images the accuracy did not rise by a point",
            "accuracy, dropout 0.1 − none, over",
        ),
    ),
    ("dropout", "alpha_dropout"): (
        "Few examples: a tenth of the units, to where SELU saturates.",
        "dropout",
        no(
            "C42",
            "contradicts",
            "SELU networks gained no accuracy by it",
            "SELU: alpha dropout − none",
        ),
        unclear(
            "C42", "nor did it beat plain dropout", "SELU: alpha dropout − dropout"
        ),
    ),
    ("penalty", "none"): (
        "Other parts act on overfitting.",
        "regularizers",
    ),
    ("penalty", "l1"): (
        "It pulls weights toward zero at a constant force, λ₁ = 0.001.",
        "regularizers",
        no(
            "C40",
            "contradicts",
            "Adam leaves them near zero: pruning must help",
        ),
        no("C40", "contradicts", "it did not raise accuracy", "l1 − none, accuracy"),
    ),
    ("penalty", "l2"): (
        "Few examples: large weights cost more, λ₂ = 0.001.",
        "regularizers",
        yes("C40", "supports", "accuracy rises on 400 examples", "l2 − none, accuracy"),
    ),
    ("constraint", "none"): ("There are examples enough.", "regularizers"),
    ("constraint", "none", "few"): ("Another part is there for that.", "regularizers"),
    ("constraint", "max_norm"): (
        "Few examples: the weights into a unit stay within norm 1.",
        "regularizers",
        yes("C44", "supports", "on 400 examples the gap shrinks and accuracy rises"),
    ),
}
