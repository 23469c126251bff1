"""From a task to a recipe: by what matters most, or as a textbook says.

Tests: tests/test_recipes.py.
"""

from dtlib._check import one_of
from dtlib.recipes._tables import EDITIONS, PRIORITIES
from dtlib.recipes.recipe import Recipe


def recommend(task, n_samples, n_features, priority="default"):
    """A recipe for a dense network, which says why each of its parts was chosen.

        default             He, ELU, Nesterov, one cycle; batch norm if deep
        self_normalizing    LeCun, SELU; alpha dropout if examples are few
        sparse              an ℓ1 penalty; the smallest weights become zero on the way
        fast                two layers, leaky ReLU, batch norm left out or folded
        accurate            dropout, and the mean of many predictions with it
        modern              swish, batch norm, AdamW, a warm-up and a cosine

    With fewer than 1,000 examples, or fewer than features, something is added against
    overfitting: copies of images, a bound on the weights, alpha dropout.

    A rule of thumb stands here with its evidence, also where that speaks against it.
    The book's claims were tested on small networks: read `describe()`, and test again.

    Args:
        task: "binary", "multiclass" (targets are class numbers), "images" (classes of
            images) or "regression".
        n_samples: Number of training examples, ≥ 1.
        n_features: Numbers an example, ≥ 1: pixels times channels for an image.
        priority: What matters most, as above.

    Returns:
        A `Recipe`.

    Raises:
        ValueError: For an argument out of its range.

    Example: little data changes the recipe.

    >>> for n in 300, 30_000:
    ...     chosen = recommend("images", n, 784).settings
    ...     print(*map(chosen.get, ("layers", "normalization", "augmentation")))
    2 none shift
    5 batch none
    >>> [g.id for g in recommend("binary", 300, 16)["constraint"].grounds]
    ['C44']

    Reference: the practical guidelines of Géron, 2017 and 2019, chapter 11
    """
    one_of("priority", priority, tuple(PRIORITIES))
    return Recipe(task, n_samples, n_features, priority)


def textbook(edition, task, n_samples, n_features):
    """The default configuration that a textbook prints, as a recipe.

    The five tables agree in little: from 2017 to 2022 batch normalization goes from
    always to deep networks only, dropout goes, a schedule comes. Where a table leaves
    a choice, such as "momentum, RMSprop or Nadam", the first is taken; `Recipe.replace`
    takes another. What it calls optional is added where examples are few.

    Args:
        edition: "2017", "2019", "2022", "2019 self-normalizing" or
            "2022 self-normalizing".
        task, n_samples, n_features: As in `recommend`.

    Returns:
        A `Recipe`, which quotes the book's evidence as any other.

    >>> for edition in EDITIONS:
    ...     chosen = textbook(edition, "multiclass", 5_000, 40).settings
    ...     print(*map(chosen.get, ("normalization", "optimizer", "schedule")))
    batch nesterov none
    none momentum 1cycle
    none nesterov 1cycle
    none momentum 1cycle
    none nesterov 1cycle

    Reference: Géron, 2017, table 11-2; Géron, 2019, tables 11-3 and 11-4; and the
    same tables of the edition of 2022
    """
    one_of("edition", edition, tuple(EDITIONS))
    return Recipe(task, n_samples, n_features, edition)
