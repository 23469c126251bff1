"""What an exercise is: a reference, cases, hints that ask, mistakes that are known.

Each chapter of the book ends with some. Tests: tests/test_exercises.py.
"""

import inspect

import numpy as np

from dtlib._check import integer_in

REGISTRY = {}  # id -> Exercise, in the order of the chapters' files


class Exercise:
    """One question, with all that is needed to judge an answer to it.

    Args:
        id: Stem and number, as in "losses.3".
        reference: The function that answers rightly. Its signature and its docstring
            are the learner's stub. One that takes no argument asks for a value.
        title: A few words.
        difficulty: 1 (two lines), 2 or 3 (an open question, or a derivation).
        minutes: What it takes, about.
        hints: At least two sentences, the weakest first.
        cases: Pairs (what is special about it, arguments). Lists become arrays.
        mistakes: Wrong answers, each followed by what to say of it; at least three.
        rtol: How far from the reference an answer may be, relative to it.
    """

    def __init__(
        self,
        id,
        reference,
        *,
        title,
        difficulty,
        minutes,
        hints,
        cases,
        mistakes,
        rtol=1e-6,
    ):
        self.id = id
        self.reference = reference
        self.title = title
        self.difficulty = integer_in("difficulty", difficulty, "[1, 3]")
        self.minutes = integer_in("minutes", minutes, "[1, 60]")
        self.hints = tuple(hints)
        self.rtol = rtol
        self.cases = tuple((note, tuple(map(_argument, args))) for note, args in cases)
        self.mistakes = dict(zip(mistakes[1::2], mistakes[::2], strict=True))

    @property
    def name(self):
        """What the learner's function, or value, is called."""
        return self.reference.__name__

    @property
    def parameters(self):
        """The names of the function's arguments; none where a value is asked for."""
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def asks_for_a_value(self):
        """Whether the answer is a value, and not a function."""
        return not self.parameters

    @property
    def stub(self):
        """The learner's starting point, as source."""
        if self.asks_for_a_value:
            return f"{self.name} = ..."
        head = f"def {self.name}({', '.join(self.parameters)}):"
        text = inspect.cleandoc(self.reference.__doc__)
        text = f'"""{text}\n"""' if "\n" in text else f'"""{text}"""'
        body = [*text.split("\n"), "raise NotImplementedError"]
        return "\n".join([head, *("    " + line if line else "" for line in body)])

    @property
    def label(self):
        """Difficulty, time and id in one line: the line below the title."""
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        minutes = "1 minute" if self.minutes == 1 else f"{self.minutes} minutes"
        return f"Difficulty {stars} · about {minutes} · `{self.id}`"


def exercise(id, **parts):
    """Decorate the reference of a new exercise; `parts` are those of `Exercise`."""

    def register(reference):
        if id in REGISTRY:
            raise ValueError(f"`id` must be new. Received: id={id!r}, used twice.")
        REGISTRY[id] = Exercise(id, reference, **parts)
        return REGISTRY[id]

    return register


def _argument(value):
    return np.array(value) if isinstance(value, list) else value
