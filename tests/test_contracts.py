"""Every public Keras object of the families, through the same promises."""

import importlib
import inspect
import pkgutil
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import dtlib
from dtlib import initializers, losses
from tests import contracts, test_initializers
from tests.contracts import Case, apply, data

FAMILIES = {
    losses: contracts.LOSSES,
    initializers: [Case(c, *row) for c, row in test_initializers.CASES.items()],
}
CASES = [case for cases in FAMILIES.values() for case in cases]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
every_object = pytest.mark.parametrize("case", CASES, ids=str)
refusals = [(case, name) for case in CASES for name in case.refused]


def modules(family):
    """The family's module and, where it is a package, the modules inside."""
    yield family
    for found in pkgutil.iter_modules(getattr(family, "__path__", ())):
        yield importlib.import_module(f"{family.__name__}.{found.name}")


def functions(family):
    """The functions the family shows, by name."""
    shown = {name: getattr(family, name) for name in family.__all__}
    return {name: f for name, f in shown.items() if inspect.isfunction(f)}


@every_family
def test_no_public_class_escapes_the_table(family):
    defined = {
        cls
        for module in modules(family)
        for name, cls in vars(module).items()
        if inspect.isclass(cls)
        and cls.__module__.startswith(family.__name__)
        and not name.startswith("_")
        and keras.saving.get_registered_name(cls).startswith("dtlib>")
    }
    shown = {c for c in map(family.__dict__.get, family.__all__) if inspect.isclass(c)}
    assert {case.cls for case in FAMILIES[family]} == defined == shown


def test_no_registered_object_of_any_module_escapes_the_tables():
    for name in dtlib._MODULES:
        getattr(dtlib, name)
    registered = {
        cls
        for name, cls in keras.saving.get_custom_objects().items()
        if name.startswith("dtlib>") and cls.__module__.startswith("dtlib.")
    }
    assert registered == {case.cls for case in CASES}


@every_object
def test_the_row_names_every_argument_and_none_at_its_default(case):
    parameters = inspect.signature(case.cls).parameters
    assert set(case.given) == set(parameters) - {"kwargs"}
    for name, value in case.given.items():
        assert value != parameters[name].default, name


@every_object
def test_it_survives_json_with_every_argument(case):
    contracts.round_trips(case.default())
    revived = contracts.round_trips(case.make())
    for name, value in case.given.items():
        assert revived.get_config()[name] == value, name
        assert getattr(revived, name) == value, name


@pytest.mark.parametrize("case", [case for case in CASES if case.twin], ids=str)
def test_its_constructor_is_the_one_of_its_namesake_in_keras(case):
    ours, theirs = (inspect.signature(c).parameters for c in (case.cls, case.twin))
    assert list(ours)[: len(theirs)] == list(theirs)
    for name, parameter in theirs.items():
        assert ours[name].default == parameter.default, name


# Keras reads a variable by NumPy's older protocol, of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@every_family
def test_a_saved_model_comes_back_with_each_object_in_it(family, tmp_path):
    cases = FAMILIES[family]
    x, y = np.ones((6, 3), "float32"), {str(case): data(case.data)[0] for case in cases}
    model = contracts.build_model(cases)
    before = model.evaluate(x, y, verbose=0, return_dict=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    after = loaded.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_equal(after, before)
    saved = repr((loaded.get_compile_config(), loaded.get_config()))
    for case in cases:
        assert f"'dtlib>{case}'" in saved


@every_object
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_it_computes_the_same_eagerly_and_compiled_and_traces_once(case, xla):
    traces = []
    y, p = map(tf.constant, data(case.data))
    new = case.make if case.kind == "initializers" else case.default  # made: seeded
    obj = new()
    if case.kind == "metrics":
        obj.update_state(y, p)  # as Keras does: its variables are made eagerly
        obj.reset_state()

    @tf.function(jit_compile=xla, autograph=False)
    def compiled(y, p):
        traces.append(1)
        return apply(obj, case, y, p)

    first, _ = compiled(y, p), compiled(y[::-1], p[::-1])
    assert len(traces) == 1
    if xla and case.kind == "initializers":
        return  # XLA draws from a generator of its own
    # A few float32 roundings; a changed formula moves the third digit.
    np.testing.assert_allclose(first, apply(new(), case, y, p), rtol=2e-6, atol=1e-7)


@every_object
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_it_keeps_the_dtype_it_was_given(case, dtype):
    y, p = data(case.data)
    obj = case.cls(dtype=dtype) if "dtype" in case.given else case.default()
    value = apply(obj, case, y, tf.cast(p, dtype))
    assert keras.backend.standardize_dtype(value.dtype) == dtype
    assert np.isfinite(np.asarray(value, "float64")).all()


@pytest.mark.parametrize("case, name", refusals, ids=lambda c: str(c))
def test_a_bad_argument_is_named_with_what_came(case, name):
    value = case.refused[name]
    received = re.escape(f"{name}={value!r}") + "|" + re.escape(f"{name}={value}")
    with pytest.raises(ValueError, match=rf"`{name}`[\s\S]*Received: .*({received})"):
        case.cls(**{name: value})


@every_object
def test_its_docstring_has_a_summary_arguments_and_a_reference(case):
    text = inspect.getdoc(case.cls)
    assert re.match(r"\S.*\.\n\n", text), "one sentence first"
    assert re.search(r"^References?: ", text, re.M)
    documented = text.split("Args:")[1].split("\n\n")[0]
    for name in case.given:
        assert re.search(rf"\b{name}\b", documented), name


@every_family
def test_every_public_function_says_what_it_takes_and_returns(family):
    for name, function in functions(family).items():
        text = inspect.getdoc(function) or ""
        assert "Args:" in text and "Returns:" in text, name
        documented = text.split("Args:")[1].split("Returns:")[0]
        for argument in inspect.signature(function).parameters:
            assert re.search(rf"\b{argument}\b", documented), (name, argument)


@every_family
def test_every_equation_has_one_function_and_is_its_last_line(family):
    stem, seen = family.__name__.split(".")[-1], {}
    for name, function in functions(family).items():
        for label in re.findall(r"Equation: (\S+)", inspect.getdoc(function) or ""):
            assert re.fullmatch(rf"eq-{stem}-[a-z0-9-]+", label), (name, label)
            assert inspect.getdoc(function).splitlines()[-1] == f"Equation: {label}"
            assert label not in seen, (name, seen[label])
            seen[label] = name
    assert seen
