"""Every public object of the families, through the same promises."""

import importlib
import inspect
import pkgutil
import re

import keras
import numpy as np
import pytest

import dtlib
from dtlib import augmentation
from tests import contracts
from tests.contracts import Case, data, prepared
from tests.engines import BACKEND, array, compiled

STEMS = {
    "losses": ["losses"],
    "initializers": ["initializers"],
    "activations": ["activations"],
    "normalization": ["normalization"],
    "clipping": ["clipping"],
    "optimizers": ["optimizers", "optimizers_adaptive"],
    "schedules": ["schedules"],
    "regularizers": ["regularizers"],
    "constraints": ["constraints"],
    "callbacks": ["callbacks"],
    "dropout": ["dropout"],
    "augmentation": ["augmentation"],
}


def table(stem):
    """The rows of one test file: class → arguments given, refused, kind of data."""
    rows = getattr(importlib.import_module(f"tests.test_{stem}"), "CASES", {})
    return [Case(cls, *row) for cls, row in rows.items()]


FAMILIES = {
    getattr(dtlib, family): [case for stem in stems for case in table(stem)]
    for family, stems in STEMS.items()
}
CASES = [case for cases in FAMILIES.values() for case in cases]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
every_object = pytest.mark.parametrize("case", CASES, ids=str)
refusals = [(case, name) for case in CASES for name in case.refused]
NAMED = ("initializers", "regularizers", "constraints", "optimizers")


def modules(family):
    """The family's module and, where it is a package, the modules inside."""
    yield family
    for found in pkgutil.iter_modules(getattr(family, "__path__", ())):
        yield importlib.import_module(f"{family.__name__}.{found.name}")


def functions(family):
    """The functions the family shows, by name."""
    shown = {name: getattr(family, name) for name in family.__all__}
    return {name: f for name, f in shown.items() if inspect.isfunction(f)}


def is_registered(obj):
    return keras.saving.get_registered_name(obj).startswith("dtlib>")


@every_family
def test_no_public_class_escapes_the_table(family):
    defined = {
        cls
        for module in modules(family)
        for name, cls in vars(module).items()
        if inspect.isclass(cls)
        and cls.__module__.startswith(family.__name__)
        and not name.startswith("_")
        and is_registered(cls)
    }
    shown = {c for c in map(family.__dict__.get, family.__all__) if inspect.isclass(c)}
    assert {case.cls for case in FAMILIES[family]} == defined
    unregistered = shown - defined
    assert defined <= shown
    # What Keras does not save: callbacks, and results that are named tuples.
    assert all(issubclass(c, (keras.callbacks.Callback, tuple)) for c in unregistered)


@every_family
def test_all_that_a_family_shows_is_there_and_all_public_of_a_module_is_shown(family):
    assert list(family.__all__) == sorted(family.__all__, key=ORDER)
    for name in family.__all__:
        assert hasattr(family, name), name


def ORDER(name):  # as ruff sorts: constants, classes, functions
    return (not name.isupper(), not name[0].isupper(), name)


def test_no_registered_object_of_any_module_escapes_the_tables():
    for name in dtlib._MODULES:
        getattr(dtlib, name)
    registered = {
        obj
        for name, obj in keras.saving.get_custom_objects().items()
        if name.startswith("dtlib>") and obj.__module__.startswith("dtlib.")
    }
    saved_by_name = importlib.import_module("tests.test_activations").FUNCTIONS
    # A model, which no row of the tables fits; tests/test_pretraining.py saves it.
    models = {dtlib.pretraining.RestrictedBoltzmannMachine}
    assert registered == {case.cls for case in CASES} | set(saved_by_name) | models


@pytest.mark.tensorflow  # elsewhere `synchronized` has one value only
@every_object
def test_the_row_names_every_argument_and_none_at_its_default(case):
    parameters = inspect.signature(case.cls).parameters
    assert set(case.given) == set(parameters) - {"kwargs"}
    for name, value in case.given.items():
        assert not np.array_equal(value, parameters[name].default), name


@every_object
def test_it_survives_json_with_every_argument(case):
    contracts.round_trips(case.default())
    revived = contracts.round_trips(case.make())
    config = case.make().get_config()
    for name, value in case.given.items():
        assert revived.get_config()[name] == config[name], name
        if isinstance(value, (bool, int, str)):
            assert config[name] == value, name
        elif isinstance(value, float):  # a rate lives in float32
            assert config[name] == pytest.approx(value, rel=1e-7), name


@pytest.mark.parametrize("case", [case for case in CASES if case.twin], ids=str)
def test_its_constructor_is_the_one_of_its_namesake_in_keras(case):
    ours, theirs = (inspect.signature(c).parameters for c in (case.cls, case.twin))
    if case.kind == "optimizers":  # the base class' arguments travel as **kwargs
        theirs = {name: p for name, p in theirs.items() if name in ours}
        takes = {*ours, *case.default().get_config(), "kwargs"}
        assert set(inspect.signature(case.twin).parameters) <= takes
    plain = [name for name in theirs if name not in ("kwargs", "args")]
    assert [name for name in ours if name != "kwargs"][: len(plain)] == plain
    for name in plain:
        assert ours[name].default == theirs[name].default, name


@pytest.mark.parametrize("case", [c for c in CASES if c.kind in NAMED], ids=str)
def test_keras_finds_it_by_its_registered_name(case):
    asked = {"class_name": f"dtlib>{case}", "config": case.make().get_config()}
    assert case.home.get(asked).get_config() == asked["config"]
    if case.kind in ("initializers", "optimizers"):  # of these also by the bare name
        assert type(case.home.get(f"dtlib>{case}")) is case.cls


# Keras reads a variable by NumPy's older protocol, of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@every_family
def test_a_saved_model_comes_back_with_each_object_in_it(family, tmp_path):
    for cases, model in contracts.build_models(FAMILIES[family]):
        x = np.ones((6, *model.input_shape[1:]), "float32")
        y = {str(case): data(case.data)[0] for case in cases}
        if cases[0].kind == "optimizers":
            model.train_on_batch(x, y)
        before = model.evaluate(x, y, verbose=0, return_dict=True)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        after = loaded.evaluate(x, y, verbose=0, return_dict=True)
        np.testing.assert_equal(after, before)
        saved = repr((loaded.get_compile_config(), loaded.get_config()))
        for case in cases:
            assert f"'dtlib>{case}'" in saved
        state = [[array(v) for v in m.optimizer.variables] for m in (model, loaded)]
        for ours, theirs in zip(*state, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@every_object
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_it_computes_the_same_eagerly_and_compiled_and_traces_once(case, xla):
    if BACKEND != "tensorflow" and (xla or case.kind not in STATELESS):
        pytest.skip(f"{BACKEND} compiles pure functions, and has no switch for XLA")
    if xla and case.cls is augmentation.MixUp:
        pytest.skip("TensorFlow's XLA draws no Gamma, of which a Beta draw is made")
    traces = []
    y, p = map(keras.ops.convert_to_tensor, data(case.data))
    new = case.make if case.draws else case.default  # made: seeded
    function = prepared(new(), case)

    def traced(y, p):
        traces.append(1)
        return function(y, p)

    run = compiled(traced, xla)
    first, _ = array(run(y, p)), run(y[::-1] if BACKEND != "torch" else y, p)
    assert len(traces) == 1 or BACKEND == "torch"
    if xla and case.draws:
        return  # XLA draws from a generator of its own
    # A few float32 roundings; a changed formula moves the third digit.
    eagerly = array(prepared(new(), case)(y, p))
    np.testing.assert_allclose(first, eagerly, rtol=2e-6, atol=1e-7)


STATELESS = ("losses", "regularizers", "constraints", "optimizers.schedules")


@every_object
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_it_keeps_the_dtype_it_was_given(case, dtype):
    if case.kind == "optimizers.schedules":
        assert dtype  # a step is an integer; the rate is cast by the optimizer
        return
    y, p = data(case.data)
    takes = "dtype" in case.given or case.kind == "layers"
    obj = case.default(dtype=dtype) if takes else case.default()
    value = prepared(obj, case, dtype)(y, keras.ops.cast(p, dtype))
    # Keras takes the mean, and on PyTorch its division leaves 32 bits of 64.
    is_mean = issubclass(case.cls, (keras.losses.Loss, keras.metrics.Mean))
    halved = is_mean and BACKEND == "torch" and dtype == "float64"
    expected = "float32" if halved else dtype
    assert keras.backend.standardize_dtype(value.dtype) == expected
    assert np.isfinite(array(value)).all()


@pytest.mark.parametrize("case, name", refusals, ids=lambda c: str(c))
def test_a_bad_argument_is_named_with_what_came(case, name):
    value = case.refused[name]
    received = re.escape(f"{name}={value!r}") + "|" + re.escape(f"{name}={value}")
    with pytest.raises(ValueError, match=rf"`{name}`[\s\S]*Received: .*({received})"):
        case.default(**{name: value})


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
            assert seen.setdefault(label, function) is function, (name, label)
