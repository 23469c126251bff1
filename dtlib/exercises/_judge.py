"""Run a learner's answer, find the first case that fails, and say why in words.

The exercises of every chapter use it. Tests: tests/test_exercises.py.
"""

import copy
import inspect
import linecache
import textwrap
import traceback
import warnings

import numpy as np
from keras import ops

INDENT = " " * 4


class Result:
    """What `check` found: true if passed. A notebook shows the printed text alone."""

    def __init__(self, id, outcome, text, mistake=""):
        self.id = id
        self.outcome = outcome  # "passed", "not yet right" or "not attempted yet"
        self.text = text
        self.mistake = mistake  # what was said of a wrong answer that is known

    def __bool__(self):
        return self.outcome == "passed"

    def __repr__(self):
        return f"<{self.id}: {self.outcome}>"

    def _ipython_display_(self):
        """Nothing more: `check` has printed the text."""


class _Answer:
    """One call of a function: its value, or the words for what went wrong."""

    def __init__(self, function, parameters, args):
        self.value, self.error, self.problem = None, None, ""
        given = copy.deepcopy(args)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.value = _as_arrays(function(*given))
        except Exception as error:
            self.error = error
            self.problem = f"Your function raised {_name_error(error, function)}."
            return
        for name, before, after in zip(parameters, args, given, strict=True):
            if difference(before, after, 0.0):
                self.problem = (
                    f"Your function changed its argument `{name}`. The caller still "
                    f"needs it: compute a new array, and avoid `+=` and "
                    f"`{name}[...] =`."
                )


def judge(exercise, answer):
    """Return the `Result` of `answer`, a function or a value, for `exercise`."""
    id = exercise.id
    if answer is None or answer is Ellipsis:
        return _not_attempted(exercise, "")
    if exercise.asks_for_a_value:
        if callable(answer):
            return _fail(id, "The answer is a value. Pass it, not a function.")
        value = answer

        def answer():
            return value
    elif not callable(answer):
        return _fail(
            id,
            f"The answer is a function. Pass it by name, without calling it: "
            f'check("{id}", {exercise.name}).',
        )
    if not _accepts(answer, exercise.cases[0][1]):
        wanted = ", ".join(exercise.parameters)
        return _fail(id, f"Your function must accept {exercise.name}({wanted}).")

    answers = [_Answer(answer, exercise.parameters, args) for _, args in exercise.cases]
    if isinstance(answers[0].error, NotImplementedError):
        return _not_attempted(exercise, "")
    if answers[0].error is None and answers[0].value is None:
        return _not_attempted(
            exercise, "Your function returned None: is a `return` missing? "
        )
    expected = [
        _Answer(exercise.reference, exercise.parameters, args).value
        for _, args in exercise.cases
    ]
    problems = [
        got.problem or difference(want, got.value, exercise.rtol)
        for want, got in zip(expected, answers, strict=True)
    ]
    if not any(problems):
        cases = "" if exercise.asks_for_a_value else f" ({len(answers)} cases)"
        return Result(id, "passed", f"{id}: passed{cases}.")
    number = next(n for n, problem in enumerate(problems) if problem)
    mistake = _recognize(exercise, answers)
    words = mistake or problems[number]
    text = _report(exercise, number, expected[number], answers[number], words)
    return _fail(id, text, mistake)


def _not_attempted(exercise, remark):
    text = f'{exercise.id}: not attempted yet. {remark}For help: hint("{exercise.id}").'
    return Result(exercise.id, "not attempted yet", text)


def _fail(id, text, mistake=""):
    return Result(id, "not yet right", f"{id}: not yet right. {text}", mistake)


def _report(exercise, number, want, got, words):
    if exercise.asks_for_a_value:  # the expected value would give the answer away
        return f"{words}\n{INDENT}got = {_show(got.value, len('    got = '))}"
    note, args = exercise.cases[number]
    rows = dict(zip(exercise.parameters, args, strict=True))
    rows["expected"] = want
    if got.error is None:
        rows["got"] = got.value
    width = max(map(len, rows))
    head = f"Case {number + 1} of {len(exercise.cases)}, {note}:"
    lines = [
        f"{INDENT}{name:<{width}} = {_show(value, width + 7)}"
        for name, value in rows.items()
    ]
    return "\n".join([head, *lines, words])


def _recognize(exercise, answers):
    """What to say of the known mistake that answers every case as here, or "".

    Where the answer raises or changes its argument, that is said first.
    """
    if any(answer.problem for answer in answers):
        return ""
    for message, function in exercise.mistakes.items():
        wrong = [
            _Answer(function, exercise.parameters, args) for _, args in exercise.cases
        ]
        if not any(
            difference(a.value, b.value, exercise.rtol)
            for a, b in zip(wrong, answers, strict=True)
        ):
            return message
    return ""


def difference(want, got, rtol):
    """Say how `got` differs from `want`, or return "" if it does not.

    Args:
        want: An array, a number, a function, or a tuple of them.
        got: What came.
        rtol: The relative error allowed in each element; the largest element times
            1e-3 · rtol is allowed everywhere, as sums that cancel leave that much.
    """
    if isinstance(want, tuple):
        if not isinstance(got, tuple) or len(got) != len(want):
            return f"A tuple of {len(want)} parts is expected."
        found = (difference(*pair, rtol) for pair in zip(want, got, strict=True))
        words = (f"In part {i}: {d}" for i, d in enumerate(found, 1) if d)
        return next(words, "")
    if got is None:
        return "Your function returned None: is a `return` missing?"
    if callable(want):
        return "" if want is got else "Another function came back."
    if isinstance(got, tuple):
        return f"One value is expected, not a tuple of {len(got)}."
    want, got = np.asarray(want), np.asarray(got)
    if got.dtype.kind not in "fiub" or got.dtype == np.float16:
        return f"The dtype is {got.dtype}; numbers like {want.dtype} are expected."
    if want.shape != got.shape:
        return f"The shape is {got.shape}; {want.shape} is expected."
    exact = want.dtype.kind in "iub"
    if exact and got.dtype.kind.replace("u", "i") != want.dtype.kind:
        return f"The dtype is {got.dtype}; {want.dtype} is expected."
    if got.dtype != np.float32 or exact:
        return _distance(want, got, 0.0 if exact else rtol)
    found = _distance(want, got, max(rtol, 1e-5))
    return found and f"{found} Your answer is float32, the arguments are float64."


def _distance(want, got, rtol):
    """As `difference`, for two arrays of the same shape."""
    lost = ~np.isfinite(got)
    if lost.any() and np.isfinite(want).all():
        kind = "NaN" if np.isnan(got).any() else "infinity"
        return f"Your answer holds {kind} ({_count(lost)})."
    if want.dtype.kind == "b":
        wrong = want != got
    else:
        size = np.max(np.abs(want), initial=0.0, where=np.isfinite(want))
        wrong = ~np.isclose(got, want, rtol, 1e-3 * rtol * size, equal_nan=True)
    if not wrong.any():
        return ""
    if not want.shape:
        return "The value differs."
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    index = ", ".join(map(str, first))
    return (
        f"{_count(wrong)} differ, first at [{index}]: expected "
        f"{_show(want[first], 0)}, got {_show(got[first], 0)}."
    )


def _count(mask):
    return f"{int(mask.sum())} of {mask.size} values" if mask.shape else "one value"


def _as_arrays(value):
    if value is None or value is Ellipsis:
        return None
    if isinstance(value, tuple):
        return tuple(map(_as_arrays, value))
    return np.asarray(ops.convert_to_numpy(value) if ops.is_tensor(value) else value)


def _accepts(function, args):
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:  # a built-in function that hides its signature
        return True
    return True


def _name_error(error, function):
    """The error, and the learner's line that raised it."""
    words = f"{type(error).__name__}: {error}".rstrip(". ")
    code = getattr(inspect.unwrap(function), "__code__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if code and frame.filename == code.co_filename:
            line = linecache.getline(frame.filename, frame.lineno).strip()
            shown = f", `{line}`" if line else ""
            return f"{words} (line {frame.lineno}{shown})"
    return words


def _show(value, indent):
    if isinstance(value, tuple):
        return "(" + ", ".join(_show(part, indent) for part in value) + ")"
    if callable(value):
        return value.__name__
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        return textwrap.shorten(str(value), 200)
    if array.shape == ():
        return f"{array.item():.8g}" if array.dtype.kind == "f" else str(array)
    text = np.array2string(
        array, precision=6, threshold=40, edgeitems=2, max_line_width=80 - indent
    )
    shape = f"  (shape {array.shape})" if array.size > 40 else ""
    return text.replace("\n", "\n" + " " * indent) + shape
