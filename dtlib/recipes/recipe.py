"""A recipe: what was chosen and why, the network it makes, and how it predicts.

Tests: tests/test_recipes.py.
"""

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

from dtlib._check import integer_in, number_in, one_of
from dtlib.recipes import _building, _tables
from dtlib.recipes._reasons import reason

WIDTH = 88  # of a line of `describe`


class Choice(NamedTuple):
    """One part of a recipe: what was chosen, why, where the book treats it, evidence.

    `asked` is True for what `Recipe.replace` put there. `grounds` are `Ground` tuples.
    """

    part: str
    value: object
    reason: str
    chapter: str
    grounds: tuple
    asked: bool = False


@dataclass(frozen=True)
class Recipe:
    """A recipe, as `recommend` or `textbook` returns it. Equal calls give equal ones.

    Args:
        task: "binary", "multiclass", "images" or "regression".
        n_samples: Number of training examples.
        n_features: Numbers an example: pixels for an image.
        source: A priority of `recommend`, or an edition of `textbook`.
        asked: What was replaced, as pairs `(part, value)`.

    Example: the rules hold for what is asked for, too: 20 layers are deep.

    >>> from dtlib.recipes import recommend
    >>> recipe = recommend("multiclass", 5_000, 40)
    >>> recipe["layers"].value, recipe["normalization"].value
    (3, 'none')
    >>> recipe.replace(layers=20)["normalization"].value
    'batch'
    """

    task: str
    n_samples: int
    n_features: int
    source: str = "default"
    asked: tuple = ()

    def __post_init__(self):
        one_of("task", self.task, _tables.TASKS)
        for name in ("n_samples", "n_features"):
            integer_in(name, getattr(self, name), "[1, inf)")
        _tables.chooser(self.source)
        for part, value in self.asked:
            _checked(part, value)
        _fitting(self.task, self.settings)

    @property
    def settings(self):
        """What was chosen, as a dict: part → value."""
        asked = dict(self.asked)
        always, deep, few = _tables.chooser(self.source)
        found = _tables.PLAIN | {"loss": _tables.LOSSES[self.task]} | always
        found |= _tables.size(self.n_samples, fast=self.source == "fast")
        layers = asked.get("layers", found["layers"])
        found |= deep if layers >= _tables.DEEP else {}
        if self.few:
            found |= few
            found |= _tables.FEW_IMAGES if self.task == "images" else {}
        optimizer = asked.get("optimizer", found["optimizer"])
        found["learning_rate"] = _tables.RATES[optimizer]
        found |= asked
        return {part: found[part] for part in _tables.PARTS}

    @property
    def few(self):
        """Whether the examples are few: fewer than 1,000, or than features."""
        return self.n_samples < max(_tables.FEW, self.n_features)

    @property
    def choices(self):
        """Every part of the recipe, as a tuple of `Choice` tuples."""
        itself = "self" in self.source
        situations = ["self_normalizing" if itself else self.source]
        situations += ["few"] * self.few + ["not images"] * (self.task != "images")
        return tuple(
            Choice(part, value, *reason(part, value, *situations), part in self._asked)
            for part, value in self.settings.items()
        )

    @property
    def steps(self):
        """Updates of the weights in the whole run: epochs × batches."""
        batches = -(-self.n_samples // self.settings["batch_size"])
        return self.settings["epochs"] * batches

    @property
    def _asked(self):
        return {part for part, _ in self.asked}

    def __getitem__(self, part):
        """The `Choice` of a part, such as "optimizer"."""
        one_of("part", part, _tables.PARTS)
        return next(choice for choice in self.choices if choice.part == part)

    def replace(self, **parts):
        """The recipe with other values for some of its parts.

        The other parts follow the rules as before: with more layers comes batch
        normalization, with another optimizer its own learning rate.

        Args:
            **parts: Values by part; `ALLOWED` lists the names, the others are numbers.

        Returns:
            A new `Recipe`.

        Raises:
            ValueError: For an unknown part or value, or one that fits no other part.

        >>> from dtlib.recipes import recommend
        >>> recipe = recommend("regression", 5_000, 8).replace(optimizer="adamw")
        >>> recipe["optimizer"].value, recipe["learning_rate"].value
        ('adamw', 0.003)
        """
        asked = tuple(sorted((dict(self.asked) | parts).items()))
        return Recipe(self.task, self.n_samples, self.n_features, self.source, asked)

    def build(self, input_shape, n_classes=None, *, seed=None):
        """The network, compiled. It gives logits; `predict` makes probabilities.

        Args:
            input_shape: Of one example: `(features,)`; an image's is `(rows, columns)`
                or `(rows, columns, channels)`.
            n_classes: Number of classes, from 0; None for two of them. For a
                regression, how many numbers to predict; None for one.
            seed: An int ≥ 0 repeats the initial weights and the draws of dropout; None
                draws from Keras' own seed.

        Returns:
            A `keras.Sequential`, compiled with loss, metric, optimizer and schedule.
            The schedule counts on `n_samples`, `batch_size` and `epochs` of the recipe.
            Call it with `training=False`: Keras' augmentation acts unless told not to.
        """
        return _building.build(self, input_shape, n_classes, seed)

    def callbacks(self):
        """New callbacks for `fit`: pruning, the rate on a plateau, early stopping.

        The last two watch the validation data. With a schedule that ends with the run
        the training is not cut short: only the best epoch's weights are restored.
        Pruning takes the first half of the epochs, and only later ones are restored.
        """
        return _building.callbacks(self)

    def finish(self, model):
        """The trained network made ready for use, as the recipe wants.

        Args:
            model: A network of this recipe, trained.

        Returns:
            A new model, pruned or with its batch normalizations folded; or `model`.
        """
        return _building.finish(self, model)

    def predict(self, model, x, *, seed=None):
        """Probabilities, or for a regression numbers, as the recipe predicts.

        Args:
            model: A network of this recipe.
            x: Examples.
            seed: An int ≥ 0 repeats the draws of Monte-Carlo dropout.

        Returns:
            A float array of shape (n, classes); (n, 1) for a binary task, the
            probability of class 1.
        """
        return _building.predict(self, model, x, seed)

    def describe(self):
        """The recipe as text: each part, its reason, and what the book found.

        >>> from dtlib.recipes import recommend
        >>> print(recommend("multiclass", 5_000, 40).describe()[:52])
        Recipe "default": multiclass, 5,000 examples of 40 n
        """
        title = (
            f'Recipe "{self.source}": {self.task}, {self.n_samples:,} examples of '
            f"{self.n_features:,} numbers, {self.steps:,} steps"
        )
        lines = [title, "=" * len(title)]
        for choice in self.choices:
            why = "Asked for. " * choice.asked + choice.reason
            where = f"chapter {choice.chapter}"
            where += "" if choice.grounds else "; no claim tests it"
            lines += _wrapped(f"{choice.part:14} {choice.value}", "")
            lines += _wrapped(f"{why} [{where}]", " " * 15)
            for ground in choice.grounds:
                text = f"{ground.id} {ground.relation} it: {ground.says}"
                of = "claim" if ground.part is None else "part"
                lines += _wrapped(f"{text} (ledger: {of} {ground.outcome})", " " * 17)
        return "\n".join(lines)

    def _repr_html_(self):
        cells = []
        for choice in self.choices:
            found = "; ".join(f"{g.id} {g.relation}: {g.says}" for g in choice.grounds)
            row = (choice.part, choice.value, choice.reason, choice.chapter, found)
            cells.append("".join(f"<td>{cell}</td>" for cell in row))
        names = ("part", "choice", "reason", "chapter", "claims")
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        head = f"<thead><tr>{head}</tr></thead>"
        return f'<table class="dataframe">{head}<tbody>{body}</tbody></table>'


def _wrapped(text, indent):
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent or " " * 15
    )


def _checked(part, value):
    """Raise unless `value` is one that `part` can have."""
    free = ("learning_rate", *_tables.NUMBERS)
    one_of("part", part, (*_tables.ALLOWED, *free))
    if part in _tables.ALLOWED:
        one_of(part, value, _tables.ALLOWED[part])
    elif part == "learning_rate":
        number_in(part, value, "(0, inf)")
    else:
        integer_in(part, value, _tables.NUMBERS[part])


def _fitting(task, chosen):
    """Raise where two parts do not go together."""
    if chosen["augmentation"] == "shift" and task != "images":
        raise ValueError(
            '`augmentation` must be "none" unless the task is "images". Received: '
            f"augmentation='shift', task={task!r}."
        )
    if chosen["prediction"] == "monte_carlo" and chosen["dropout"] == "none":
        raise ValueError(
            '`prediction` must be "plain" without dropout: all samples would be equal. '
            "Received: prediction='monte_carlo', dropout='none'."
        )
    if chosen["optimizer"] == "ftrl" and chosen["schedule"] != "none":
        raise ValueError(
            '`schedule` must be "none" for FTRL, whose sums count on one rate. '
            f"Received: schedule={chosen['schedule']!r}, optimizer='ftrl'."
        )
