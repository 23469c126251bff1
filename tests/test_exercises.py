"""Every exercise can be solved, and the checker tells right from wrong, in words.

Right: every reference. Wrong: every stub, every known mistake, and mutants of the
reference, each a change too small or too plain to be caught by a look at the shape.
"""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from keras import ops
from scipy import integrate, optimize, stats

from dtlib import exercises
from dtlib.exercises import check, hint
from dtlib.exercises._exercise import REGISTRY, Exercise, exercise
from dtlib.exercises._judge import difference, judge

ROOT = Path(__file__).resolve().parent.parent
IDS = exercises.ids()
STEMS = sorted({id.split(".")[0] for id in IDS})
FUNCTIONS = [id for id in IDS if not REGISTRY[id].asks_for_a_value]
VALUES = [id for id in IDS if REGISTRY[id].asks_for_a_value]
MISTAKES = [
    pytest.param(id, message, id=f"{id}-{number}")
    for id in IDS
    for number, message in enumerate(REGISTRY[id].mistakes, 1)
]


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


make_exercises = load(ROOT / "tools" / "make_exercises.py")


def as_answer(id, function):
    """What a learner passes to `check`: a function, or its value."""
    return function() if REGISTRY[id].asks_for_a_value else function


# The registry


def test_each_stem_has_four_to_six_exercises_numbered_from_1():
    for stem in STEMS:
        numbers = [int(id.split(".")[1]) for id in IDS if id.startswith(stem + ".")]
        assert numbers == list(range(1, len(numbers) + 1))
        assert 4 <= len(numbers) <= 6


@pytest.mark.parametrize("id", IDS)
def test_an_exercise_has_two_hints_three_mistakes_and_more_than_one_case(id):
    ex = REGISTRY[id]
    assert len(set(ex.hints)) >= 2
    assert len(ex.mistakes) >= 3
    assert len(ex.cases) >= (1 if ex.asks_for_a_value else 3)
    assert "?" in ex.hints[0]  # the first hint asks, it does not tell
    assert ex.title and not ex.title.endswith(".")


@pytest.mark.parametrize("stem", STEMS)
def test_a_stem_goes_from_a_warm_up_to_an_open_question(stem):
    of_stem = [REGISTRY[id] for id in IDS if id.startswith(stem + ".")]
    assert (of_stem[0].difficulty, of_stem[-1].difficulty) == (1, 3)
    assert of_stem[-1].title.startswith("Open question")


@pytest.mark.parametrize("id", IDS)
def test_the_reference_is_finite_float64_and_leaves_its_arguments_alone(id):
    ex = REGISTRY[id]
    for _, args in ex.cases:
        before = [np.copy(a) if isinstance(a, np.ndarray) else a for a in args]
        value = ex.reference(*args)
        for part in value if isinstance(value, tuple) else [value]:
            part = np.asarray(part)
            assert np.isfinite(part).all()
            assert part.dtype in (np.float64, np.int64, np.bool_)
        assert not any(
            difference(*pair, 0.0) for pair in zip(before, args, strict=True)
        )


@pytest.mark.parametrize("id", IDS)
def test_a_stub_fits_the_width_of_the_page(id):
    assert max(map(len, REGISTRY[id].stub.split("\n"))) <= 72


# What the references compute, by other means


def test_the_references_of_losses_agree_with_keras():
    for _, args in REGISTRY["losses.2"].cases[:3]:
        ours = REGISTRY["losses.2"].reference(*args)
        theirs = keras.losses.binary_crossentropy(*map(ops.convert_to_tensor, args))
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)  # a wrong clip shows 1e-4
    for _, args in REGISTRY["losses.3"].cases:
        y, z = map(ops.convert_to_tensor, args)
        ours = REGISTRY["losses.3"].reference(*args)
        theirs = keras.losses.categorical_crossentropy(y, z, from_logits=True)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_the_gradient_of_losses_4_is_the_slope_of_losses_3():
    loss = REGISTRY["losses.3"].reference
    for _, (y, z) in REGISTRY["losses.4"].cases[:3]:
        slope = REGISTRY["losses.4"].reference(y, z)
        for i in range(len(z)):
            numeric = optimize.approx_fprime(
                z[i], lambda row, y=y[i]: float(loss(y[None], row[None])[0])
            )
            # Forward differences are good to 1e-7; a lost 1/n or sign shows 0.1.
            np.testing.assert_allclose(slope[i], numeric, atol=1e-6)


def test_losses_5_averages_as_keras_does_with_sample_weights():
    for _, (labels, values, class_weight) in REGISTRY["losses.5"].cases:
        loss = keras.losses.MeanAbsoluteError(dtype="float64")
        keras_mean = loss(values[:, None] * 0, values[:, None], class_weight[labels])
        ours = REGISTRY["losses.5"].reference(labels, values, class_weight)
        np.testing.assert_allclose(ours, keras_mean, rtol=1e-9)


def test_logits_of_the_variance_of_losses_6_bring_the_loss_near_2_9():
    v, n, K = REGISTRY["losses.6"].reference(), 20_000, 200
    z = np.random.default_rng(0).normal(0, np.sqrt(v), (n, K))
    y = np.tile(np.eye(K)[0], (n, 1))
    excess = np.mean(REGISTRY["losses.3"].reference(y, z)) - np.log(K)
    # ln K + v/2 is for many classes: (eᵛ − 1)/2K = 0.006 is left, and the draws leave
    # 4·√(v/n) = 0.031. Without the ½ it would be off by 0.6.
    assert abs(excess - v / 2) < 0.037
    assert np.log(10) + v / 2 == pytest.approx(2.90)


def test_the_gradient_of_diagnostics_3_is_the_slope_of_the_loss():
    def loss(flat, x, t, b1, W2, b2):
        a1 = 1 / (1 + np.exp(-(x @ flat.reshape(2, 2) + b1)))
        a2 = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
        return ((a2 - t) ** 2).sum() / 2

    for _, (x, t, W1, *rest) in REGISTRY["diagnostics.3"].cases:
        numeric = optimize.approx_fprime(W1.ravel(), loss, 1e-7, x, t, *rest)
        ours = REGISTRY["diagnostics.3"].reference(x, t, W1, *rest)
        # Forward differences are good to 1e-7; a lost slope shows 1e-2.
        np.testing.assert_allclose(ours.ravel(), numeric, atol=1e-6)


def test_the_width_of_diagnostics_6_keeps_the_gradient():
    n = REGISTRY["diagnostics.6"].reference()

    def slope_squared(z):
        a = 1 / (1 + np.exp(-z))
        return (a * (1 - a)) ** 2

    assert integrate.quad(slope_squared, -40, 40)[0] == pytest.approx(1 / 6)
    density = stats.norm(scale=np.sqrt(n / 2)).pdf(0)
    assert n * density / 6 == pytest.approx(1)


def test_the_counts_of_initializers_1_are_those_of_keras_layers():
    count = REGISTRY["initializers.1"].reference
    for shape, layer, inputs in [
        ((784, 10), keras.layers.Dense(10), (784,)),
        ((784, 64), keras.layers.Dense(64), (784,)),
        ((3, 3, 16, 32), keras.layers.Conv2D(32, 3), (9, 9, 16)),
        ((5, 8, 4), keras.layers.Conv1D(4, 5), (9, 8)),
    ]:
        layer.build((None, *inputs))
        assert tuple(layer.kernel.shape) == shape
        assert count(shape)[2] == layer.count_params()
    assert count((784, 10))[2] == 7_850 and count((784, 64))[2] == 50_240


def test_the_spreads_of_initializers_2_and_3_are_those_of_keras_draws():
    shape = (300, 100)
    wide = keras.initializers.GlorotUniform(seed=1)(shape)
    limit = REGISTRY["initializers.2"].reference(*shape)
    # The largest of 30,000 draws is within 1e-3 of the limit, and never beyond it.
    assert 0.999 * limit < float(ops.max(ops.abs(wide))) <= limit
    before = REGISTRY["initializers.3"].reference(shape)
    after = stats.truncnorm(-2, 2, scale=before).std()
    assert after == pytest.approx(np.sqrt(2 / 300), rel=1e-9)


def test_a_linear_net_has_the_variances_of_initializers_4():
    rng = np.random.default_rng(0)
    widths = np.array([100, 300, 100])
    x = rng.normal(size=(100, 2000))
    expected = REGISTRY["initializers.4"].reference(widths, 1.0)
    for fan_in, fan_out, want in zip(widths, widths[1:], expected, strict=False):
        x = rng.normal(0, np.sqrt(2 / (fan_in + fan_out)), (fan_out, fan_in)) @ x
        # Of the weights' 30,000 draws and of the signal's: 4·√(2/100)/√100 ≈ 0.06.
        assert x.var() == pytest.approx(want, rel=0.06)


def test_the_rotation_of_initializers_5_rotates_and_has_the_draws_signs():
    for _, (a,) in REGISTRY["initializers.5"].cases:
        Q = REGISTRY["initializers.5"].reference(a)
        np.testing.assert_allclose(Q.T @ Q, np.eye(a.shape[1]), atol=1e-12)
        R = Q.T @ a
        np.testing.assert_allclose(np.tril(R, -1), 0, atol=1e-12)
        assert (np.diag(R) > 0).all()


def test_the_scale_of_initializers_6_by_adaptive_quadrature():
    for _, (f,) in REGISTRY["initializers.6"].cases:
        mean = integrate.quad(
            lambda z, f=f: float(f(np.array(z))) ** 2 * stats.norm.pdf(z),
            -12,
            12,
            points=[0],
            epsabs=1e-10,
        )[0]
        assert REGISTRY["initializers.6"].reference(f) == pytest.approx(1 / mean, 1e-7)


# Right answers pass


@pytest.mark.parametrize("id", IDS)
def test_the_reference_passes(id, capsys):
    assert check(id, as_answer(id, REGISTRY[id].reference))
    assert capsys.readouterr().out.startswith(f"{id}: passed")


@pytest.mark.parametrize("id", FUNCTIONS)
def test_tensors_may_come_back(id, capsys):
    def answer(*args):
        value = REGISTRY[id].reference(*args)
        if isinstance(value, tuple):
            return tuple(ops.convert_to_tensor(np.asarray(part)) for part in value)
        return ops.convert_to_tensor(np.asarray(value))

    assert check(id, answer)


def test_an_answer_in_float32_passes_where_float32_is_enough(capsys):
    def mine(y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean(-1).astype("float32")

    assert check("losses.1", mine)


# Wrong answers do not, and are named


@pytest.mark.parametrize(("id", "message"), MISTAKES)
def test_a_known_mistake_is_rejected_and_named(id, message, capsys):
    result = check(id, as_answer(id, REGISTRY[id].mistakes[message]))
    assert not result
    assert result.mistake == message
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("id", IDS)
def test_the_stub_is_not_attempted_yet(id, tmp_path, capsys):
    path = tmp_path / "stub.py"
    path.write_text(REGISTRY[id].stub, "utf-8")
    result = check(id, getattr(load(path), REGISTRY[id].name))
    assert result.outcome == "not attempted yet" and not result
    assert capsys.readouterr().out.startswith(f"{id}: not attempted yet.")


def turned(x):
    return x if x.dtype == bool else x + 0.0


MUTANTS = {
    "a thousandth too large": lambda x: turned(x) * 1.001,
    "a thousandth too small": lambda x: turned(x) * 0.999,
    "sign flipped": lambda x: ~x if x.dtype == bool else -x,
    "a constant added": lambda x: x ^ True if x.dtype == bool else x + 0.1,
    "transposed": np.transpose,
    "first axis reversed": lambda x: x[::-1] if x.ndim else x,
    "last axis reversed": lambda x: x[..., ::-1] if x.ndim else x,
    "shifted by one": lambda x: np.roll(x, 1),
    "averaged over the last axis": lambda x: x.mean(-1) if x.ndim else x,
    "an axis more": lambda x: x[..., None],
    "one entry changed": lambda x: change_one(x),
    "rounded": lambda x: np.round(x),
    "as text": lambda x: x.astype(str),
    "complex": lambda x: x + 0j,
    "half precision": lambda x: x.astype("float16"),
    "NaN": lambda x: x * np.nan,
    "integers": lambda x: x.astype(int),
}


def change_one(x):
    x = np.array(x)
    last = (-1,) * x.ndim
    x[last] = ~x[last] if x.dtype == bool else x[last] * 1.01 + 1e-3
    return x


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_of_the_reference_is_rejected(id, mutant, capsys):
    reference, mutate = REGISTRY[id].reference, MUTANTS[mutant]

    def answer(*args):
        value = reference(*args)
        if isinstance(value, tuple):
            return tuple(mutate(np.asarray(part)) for part in value)
        return mutate(np.asarray(value))

    if all(no_change(mutant, reference(*args)) for _, args in REGISTRY[id].cases):
        return
    assert not check(id, as_answer(id, answer))


def no_change(mutant, value):
    """Whether the mutant is none: a number transposed, an integer rounded."""
    parts = [np.asarray(p) for p in (value if isinstance(value, tuple) else [value])]
    if mutant in ("rounded", "integers"):
        kinds = "bi" if mutant == "rounded" else "i"
        return all(part.dtype.kind in kinds for part in parts)
    axes = {"transposed": 1, "first axis reversed": 0, "last axis reversed": 0}
    axes |= {"shifted by one": 0, "averaged over the last axis": 0}
    return mutant in axes and all(part.ndim <= axes[mutant] for part in parts)


SYMMETRIC = {"losses.1", "initializers.2"}  # in their two arguments
ORDERED = [id for id in FUNCTIONS if len(REGISTRY[id].parameters) > 1]


@pytest.mark.parametrize("id", sorted({*ORDERED} - SYMMETRIC))
def test_arguments_in_another_order_are_rejected(id, capsys):
    ex = REGISTRY[id]

    def swapped(*args):
        return ex.reference(*args[1::-1], *args[2:])

    assert not check(id, swapped)


def test_constant_answers_are_rejected(capsys):
    for id in FUNCTIONS:
        for constant in (0.0, 1.0, True, np.zeros(3), (1, 2, 3), "x", [], {}, [[1], 2]):
            assert not check(id, lambda *args, constant=constant: constant)


# What the checker says


def said(capsys, id, answer):
    check(id, answer)
    return capsys.readouterr().out


def test_an_exception_is_told_with_its_case_and_line(capsys):
    def mine(y_true, y_pred):
        return 1 / len([])

    text = said(capsys, "losses.1", mine)
    line = mine.__code__.co_firstlineno + 1
    assert "Case 1 of 4, one sample:" in text
    assert "Your function raised ZeroDivisionError: division by zero" in text
    assert f"(line {line}, `return 1 / len([])`)" in text
    assert "Traceback" not in text


def test_an_exception_inside_a_library_names_the_learners_line(capsys):
    def mine(y_true, y_pred):
        return np.linalg.inv(y_true)

    text = said(capsys, "losses.1", mine)
    assert "LinAlgError" in text and "`return np.linalg.inv(y_true)`" in text


def test_a_changed_argument_is_noticed_even_if_the_answer_is_right(capsys):
    def mine(y_true, y_pred):
        y_pred -= y_true
        return (y_pred**2).mean(-1)

    assert "changed its argument `y_pred`" in said(capsys, "losses.1", mine)
    again = REGISTRY["losses.1"].cases[0][1][1]
    np.testing.assert_array_equal(again, [[1.5, 3.0]])  # ours is untouched


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda y, p: (y - p)[..., 0], "1 of 1 values differ, first at [0]"),
        (lambda y, p: ((y - p) ** 2).mean(-1, keepdims=True), "The shape is (1, 1)"),
        (lambda y, p: ((y - p) ** 2).mean(-1) * np.nan, "Your answer holds NaN"),
        (lambda y, p: ((y - p) ** 2).mean(-1) / 0, "Your answer holds infinity"),
        (lambda y, p: "0.6", "The dtype is <U3"),
        (lambda y, p: (1.0, 2.0), "not a tuple of 2"),
        (lambda y: y, "must accept mean_squared_error(y_true, y_pred)"),
        (0.625, "The answer is a function"),
        (lambda y, p: {"loss": 1.0}, "The dtype is object"),
        (lambda y, p: None, "is a `return` missing?"),
    ],
)
def test_the_kind_of_a_wrong_answer_is_named(answer, words, capsys):
    assert words in said(capsys, "losses.1", answer)


def test_the_first_differing_element_is_shown(capsys):
    def mine(y_true, y_pred):
        mse = ((y_true - y_pred) ** 2).mean(-1)
        if len(mse) == 3:
            mse[1] *= 1.00001
        return mse

    text = said(capsys, "losses.1", mine)
    assert "Case 2 of 4, three samples:" in text
    assert "1 of 3 values differ, first at [1]: expected 0.514" in text


def test_a_value_exercise_does_not_give_its_value_away(capsys):
    for id in VALUES:
        text = said(capsys, id, 1.0)
        assert f"{REGISTRY[id].reference():.3g}"[:4] not in text
        assert "got = 1" in text
        assert "Pass it, not a function" in said(capsys, id, lambda: 1.0)


def test_none_from_a_later_case_is_not_called_untouched(capsys):
    def mine(y_true, y_pred):
        return ((y_true - y_pred) ** 2).mean(-1) if len(y_true) == 1 else None

    assert "not yet right" in said(capsys, "losses.1", mine)


def test_warnings_of_the_learners_function_are_not_shown(recwarn, capsys):
    check("losses.3", lambda y, z: np.log(np.exp(z).sum(-1)) - (y * z).sum(-1))
    assert not recwarn.list


def test_an_interrupt_is_not_caught(capsys):
    def mine(y_true, y_pred):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("losses.1", mine)


def test_a_result_is_shown_once_in_a_notebook(capsys):
    from IPython.core.formatters import DisplayFormatter

    result = check("losses.1", REGISTRY["losses.1"].reference)
    assert capsys.readouterr().out == "losses.1: passed (4 cases).\n"
    assert DisplayFormatter().format(result) == ({}, {})
    assert capsys.readouterr().out == ""
    assert repr(result) == "<losses.1: passed>"


def test_hints_grow_stronger_and_say_how_many_are_left(capsys):
    last = len(REGISTRY["losses.2"].hints)
    exercises._given.pop("losses.2", None)
    for number in [*range(1, last + 1), last]:
        hint("losses.2")
        text = capsys.readouterr().out
        assert text.startswith(f"losses.2, hint {number} of {last}: ")
        assert REGISTRY["losses.2"].hints[number - 1] in text
        assert ("No hints left" in text) == (number == last)
    hint("losses.2", 1)
    assert "hint 1 of" in capsys.readouterr().out


@pytest.mark.parametrize("number", [0, 99, 1.5, True, "2"])
def test_a_hint_that_does_not_exist_is_refused(number):
    with pytest.raises(ValueError, match=r"`number` must be an integer in \[1, 3\]"):
        hint("losses.2", number)


@pytest.mark.parametrize("id", ["losses.99", "loss.1", "", None, 3, "_judge.1"])
def test_an_unknown_id_lists_the_known_ones(id):
    for call in (lambda: check(id, None), lambda: hint(id)):
        with pytest.raises(ValueError, match="`id` must be one of .*'losses.1'"):
            call()


def test_an_id_is_used_once():
    with pytest.raises(ValueError, match="`id` must be new. Received: id='losses.1'"):
        exercise("losses.1")(None)


def test_a_difficulty_out_of_range_is_refused():
    parts = dict(title="", minutes=1, hints=(), cases=(), mistakes=())
    with pytest.raises(
        ValueError, match=r"`difficulty` must be an integer in \[1, 3\]"
    ):
        Exercise("x.1", lambda: 1, difficulty=4, **parts)


def test_a_mistake_without_words_is_refused():
    parts = dict(title="", minutes=1, difficulty=1, hints=(), cases=())
    with pytest.raises(ValueError):
        Exercise("x.1", lambda: 1, mistakes=[lambda: 2, "two", lambda: 3], **parts)


def test_a_large_array_is_shown_in_short(capsys):
    big = Exercise(
        "x.1",
        lambda x: x.sum(),
        title="Sum",
        difficulty=1,
        minutes=1,
        hints=(),
        mistakes=(),
        cases=[("a thousand", (np.arange(1000.0),))],
    )
    text = judge(big, lambda x: x.mean()).text
    assert "(shape (1000,))" in text and len(text) < 300


# The notebooks


def notebook(stem, kind=""):
    (path,) = (ROOT / "book" / "exercises").glob(f"[0-9][0-9]_{stem}{kind}.ipynb")
    return nbformat.read(path, as_version=4)


def cells_of(nb, kind):
    return [cell for cell in nb.cells if cell.cell_type == kind]


@pytest.mark.parametrize("stem", STEMS)
def test_generating_the_exercise_notebook_again_changes_nothing(stem, tmp_path):
    for path in (ROOT / "book" / "exercises").glob(f"*_{stem}*.ipynb"):
        shutil.copy(path, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert make_exercises.main(tmp_path) == []
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("stem", STEMS)
def test_an_edited_exercise_notebook_is_written_anew(stem, tmp_path):
    for path in (ROOT / "book" / "exercises").glob(f"*_{stem}*.ipynb"):
        shutil.copy(path, tmp_path)
    (generated,) = tmp_path.glob(f"[0-9][0-9]_{stem}.ipynb")
    text = generated.read_text("utf-8")
    generated.write_text(text.replace("raise NotImplementedError", "pass"), "utf-8")
    assert make_exercises.main(tmp_path) == [generated.name]
    fresh, old = json.loads(generated.read_text("utf-8")), json.loads(text)
    assert [c["source"] for c in fresh["cells"]] == [c["source"] for c in old["cells"]]


@pytest.mark.parametrize("stem", STEMS)
def test_both_notebooks_hold_each_exercise_once_in_order(stem):
    wanted = [id for id in IDS if id.startswith(stem + ".")]
    for kind in ("", "_solutions"):
        code = "\n".join(c.source for c in cells_of(notebook(stem, kind), "code"))
        assert re.findall(r'^check\("([\w.]+)"', code, re.M) == wanted
        text = "\n".join(c.source for c in cells_of(notebook(stem, kind), "markdown"))
        labels = [REGISTRY[id].label for id in wanted]
        assert re.findall(r"^\*(Difficulty .*)\*$", text, re.M) == labels
        titles = [f"{n}. {REGISTRY[id].title}" for n, id in enumerate(wanted, 1)]
        assert [t for t in re.findall(r"^## (.*)$", text, re.M) if t[0].isdigit()] == (
            titles
        )


@pytest.mark.parametrize("stem", STEMS)
def test_the_stubs_of_the_notebook_are_those_of_the_registry(stem):
    code = [c.source for c in cells_of(notebook(stem), "code")]
    for id in [id for id in IDS if id.startswith(stem + ".")]:
        assert any(REGISTRY[id].stub in source for source in code)


@pytest.mark.parametrize("stem", STEMS)
def test_the_stored_outputs_say_not_attempted_and_passed(stem):
    for kind, words in (("", "not attempted yet"), ("_solutions", "passed")):
        for cell in cells_of(notebook(stem, kind), "code"):
            if found := re.search(r'^check\("([\w.]+)"', cell.source, re.M):
                (output,) = cell.outputs
                assert output.name == "stdout"
                assert output.text.startswith(f"{found[1]}: {words}")


@pytest.mark.parametrize("stem", STEMS)
def test_the_exercise_notebook_holds_no_solution(stem):
    solved = "\n".join(c.source for c in notebook(stem, "_solutions").cells)
    blocks = re.findall(r"# BEGIN SOLUTION\n(.*?)# END SOLUTION", solved, re.S)
    text = "\n".join(c.source for c in notebook(stem).cells)
    assert len(blocks) >= 4
    assert "SOLUTION" not in text and not any(
        "solution" in c.metadata.get("tags", []) for c in notebook(stem).cells
    )
    for block in blocks:
        assert block.strip() not in text


def test_a_solution_block_without_an_end_is_refused():
    source = "def f(x):\n    # BEGIN SOLUTION\n    return x"
    with pytest.raises(ValueError, match="END SOLUTION"):
        make_exercises.stub_of(source)


def test_a_stub_keeps_what_stands_around_the_solution():
    source = (
        "import math\n\ndef f(x):\n    y = x\n    # BEGIN SOLUTION\n    return y\n"
        "    # END SOLUTION\n\n# BEGIN SOLUTION\na = 1\nb = a\n# END SOLUTION\n"
        'check("losses.1", f)'
    )
    assert make_exercises.stub_of(source) == (
        "import math\n\ndef f(x):\n    y = x\n    raise NotImplementedError\n\n"
        'b = ...\ncheck("losses.1", f)'
    )
