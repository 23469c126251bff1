"""Schedules: against their definitions step by step, Keras' twins, and their ends."""

import math

import keras
import numpy as np
import pytest

from dtlib import schedules, training
from dtlib._register import arguments
from dtlib.optimizers.adam import Adam
from tests import oracles_schedules as oracles
from tests.engines import BACKEND, array, compiled

# Keras reads a tensor by NumPy's older protocol, of which NumPy 2 warns.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

KERAS = keras.optimizers.schedules
RATE = dict(initial_learning_rate=0.3)
BAD_RATE = dict(initial_learning_rate=0.0, decay_steps=0, name=3)
CYCLE = dict(max_learning_rate=2.0, total_steps=40)

# Each public class, all its arguments at other values than the default, and bad ones.
CASES = {
    schedules.PiecewiseConstantDecay: (
        dict(boundaries=[2, 5], values=[0.3, 0.2, 0.05], name="renamed"),
        dict(boundaries=[5, 2], values=[0.3, -1.0, 0.1], name=3),
    ),
    schedules.PowerDecay: (
        dict(**RATE, decay_steps=7, power=0.5, name="renamed"),
        dict(**BAD_RATE, power=0),
    ),
    schedules.InverseTimeDecay: (
        dict(**RATE, decay_steps=7, decay_rate=0.5, staircase=True, name="renamed"),
        dict(**BAD_RATE, decay_rate=-0.1, staircase="yes"),
    ),
    schedules.ExponentialDecay: (
        dict(**RATE, decay_steps=7, decay_rate=0.5, staircase=True, name="renamed"),
        dict(**BAD_RATE, decay_rate=0, staircase=2),
    ),
    schedules.PolynomialDecay: (
        dict(
            **RATE,
            decay_steps=7,
            end_learning_rate=0.1,
            power=2.0,
            cycle=True,
            name="renamed",
        ),
        dict(**BAD_RATE, end_learning_rate=-1, power=math.inf, cycle=None),
    ),
    schedules.CosineDecay: (
        dict(
            **RATE,
            decay_steps=7,
            alpha=0.1,
            name="renamed",
            warmup_target=0.5,
            warmup_steps=4,
        ),
        dict(
            initial_learning_rate=-0.1,
            decay_steps="7",
            alpha=1.1,
            name=None,
            warmup_target=0,
            warmup_steps=-1,
        ),
    ),
    schedules.CosineDecayRestarts: (
        dict(
            **RATE, first_decay_steps=7, t_mul=1.5, m_mul=0.5, alpha=0.1, name="renamed"
        ),
        dict(
            initial_learning_rate=True,
            first_decay_steps=-7,
            t_mul=0.5,
            m_mul=0,
            alpha=math.nan,
            name=b"x",
        ),
    ),
    schedules.Warmup: (
        dict(
            learning_rate=0.3, warmup_steps=4, initial_learning_rate=0.1, name="renamed"
        ),
        dict(
            learning_rate="fast", warmup_steps=0, initial_learning_rate=-0.1, name=0.5
        ),
    ),
    schedules.OneCycle: (
        dict(
            **CYCLE,
            peak=0.3,
            div_factor=20,
            final_div_factor=100,
            annealing="cosine",
            name="renamed",
        ),
        dict(
            max_learning_rate=0,
            total_steps=0,
            peak=0.5,
            div_factor=0.5,
            final_div_factor=0,
            annealing="cos",
            name=3,
        ),
    ),
}
# More settings that bite: one row a class and arguments.
SETTINGS = [
    *((cls, given) for cls, (given, _) in CASES.items()),
    (
        schedules.PiecewiseConstantDecay,
        dict(boundaries=[0, 3.5], values=[1.0, 0.5, 0.0]),
    ),
    (schedules.ExponentialDecay, dict(**RATE, decay_steps=3.5, decay_rate=1.3)),
    (schedules.InverseTimeDecay, dict(**RATE, decay_steps=2, decay_rate=3)),
    (schedules.PolynomialDecay, dict(**RATE, decay_steps=9, power=0.5)),
    (schedules.PolynomialDecay, dict(**RATE, decay_steps=2.5, power=3, cycle=True)),
    (schedules.CosineDecay, dict(**RATE, decay_steps=9)),
    (
        schedules.CosineDecay,
        dict(initial_learning_rate=0.0, decay_steps=9, warmup_target=1, warmup_steps=0),
    ),
    (schedules.CosineDecayRestarts, dict(**RATE, first_decay_steps=4)),
    (schedules.CosineDecayRestarts, dict(**RATE, first_decay_steps=3, t_mul=1.0)),
    (
        schedules.CosineDecayRestarts,
        dict(**RATE, first_decay_steps=2, t_mul=3, m_mul=2),
    ),
    (schedules.OneCycle, CYCLE),
    (schedules.OneCycle, dict(max_learning_rate=1, total_steps=7, div_factor=1)),
]
every_class = pytest.mark.parametrize("cls", CASES, ids=lambda cls: cls.__name__)
every_setting = pytest.mark.parametrize(
    "cls, given",
    SETTINGS,
    ids=[f"{c.__name__}{i}" for i, (c, _) in enumerate(SETTINGS)],
)
STEPS = np.arange(61)
# float64; but on JAX, Keras' cosine and logarithm are those of float32.
FINE = 1e-12 if BACKEND != "jax" else 1e-5


def tensor(t, dtype="int32"):
    return keras.ops.convert_to_tensor(np.asarray(t), dtype)


def settings_of(schedule):
    """The rule's arguments, a schedule inside a schedule as it is."""
    return arguments(schedule, but=["name"])


def defined(schedule, steps):
    """What the schedule's rule is by definition, at each step."""
    settings = settings_of(schedule)
    rule = getattr(oracles, type(schedule).rule.__name__)
    return np.array([rule(t, **settings) for t in np.asarray(steps).tolist()])


# Values -------------------------------------------------------------------------------


@pytest.mark.equation(
    "eq-schedules-piecewise",
    "eq-schedules-power",
    "eq-schedules-exponential",
    "eq-schedules-inverse-time",
    "eq-schedules-polynomial",
    "eq-schedules-cosine",
    "eq-schedules-restarts",
    "eq-schedules-warm-up",
    "eq-schedules-one-cycle",
)
@every_setting
def test_each_rule_is_its_definition_to_the_last_digits(cls, given):
    schedule = cls(**given)
    steps = np.concatenate([STEPS, [0.25, 6.75, 1000.5]])
    ours = array(schedule(tensor(steps, "float64")))
    np.testing.assert_allclose(ours, defined(schedule, steps), rtol=FINE, atol=1e-15)
    by_rule = array(cls.rule(steps, **settings_of(schedule)))  # NumPy in
    np.testing.assert_array_equal(by_rule, ours)


@every_setting
def test_an_integer_step_gives_a_float32_as_keras_does(cls, given):
    schedule = cls(**given)
    rates = schedule(tensor(STEPS))
    assert keras.backend.standardize_dtype(rates.dtype) == "float32"
    # A few float32 roundings; a step more or less changes the second digit.
    expected = defined(schedule, STEPS)
    np.testing.assert_allclose(array(rates), expected, rtol=3e-6, atol=1e-7)
    twin = getattr(KERAS, cls.__name__, None)
    if twin is not None:
        some = np.r_[0:22, 28:61:7]
        theirs = [float(twin(**given)(tensor(t))) for t in some]
        np.testing.assert_allclose(array(rates)[some], theirs, rtol=3e-6, atol=1e-7)


@every_setting
def test_many_steps_at_once_are_the_steps_one_by_one(cls, given):
    schedule = cls(**given)
    alone = [float(schedule(tensor(t))) for t in range(8)]
    # Vector instructions may round the last bit otherwise.
    np.testing.assert_allclose(array(schedule(tensor(STEPS[:8]))), alone, rtol=5e-7)
    assert array(schedule(tensor([[3, 4]]))).shape == (1, 2)
    assert array(schedule(5)) == pytest.approx(alone[5], rel=1e-6)


@every_class
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_compiled_it_gives_the_same_rates_from_one_trace(cls, xla):
    traces, schedule = [], cls(**CASES[cls][0])

    def f(t):
        traces.append(1)
        return schedule(t)

    f = compiled(f, xla)
    for steps in (STEPS, STEPS + 1):
        rates, expected = array(f(tensor(steps))), defined(schedule, steps)
        np.testing.assert_allclose(rates, expected, rtol=4e-6, atol=1e-7)
    assert len(traces) == 1 or BACKEND == "torch"  # which runs eagerly


@every_class
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_step_in_few_bits_is_counted_in_many(cls, dtype):
    schedule = cls(**CASES[cls][0])
    steps = [0, 3, 17, 32, 250]  # exact in every dtype
    rates = schedule(tensor(steps, dtype))
    assert keras.backend.standardize_dtype(rates.dtype) == dtype
    # One rounding, of the result; a sum done in bfloat16 would miss by several.
    digits = {"float16": 11, "bfloat16": 8, "float32": 21, "float64": 45}[dtype]
    expected = defined(schedule, steps)
    np.testing.assert_allclose(array(rates), expected, rtol=2.0**-digits, atol=1e-7)


# Ends ---------------------------------------------------------------------------------

FOREVER = [10**6, 2**31 - 1]
ENDS = [
    (schedules.PowerDecay(0.3, 7), 0, 0.3),
    (schedules.InverseTimeDecay(0.3, 7, 2.0), 0, 0.3),
    (schedules.ExponentialDecay(0.3, 7, 0.5), 0, 0.3),
    (schedules.ExponentialDecay(0.3, 7, 0.5), FOREVER, 0.0),
    (schedules.PiecewiseConstantDecay([5], [0.3, 0.1]), [0, 5], 0.3),
    (schedules.PiecewiseConstantDecay([5], [0.3, 0.1]), [6, *FOREVER], 0.1),
    (schedules.PolynomialDecay(0.3, 7, 0.1, power=0.3), 0, 0.3),
    (schedules.PolynomialDecay(0.3, 7, 0.1, power=0.3), [7, 8, *FOREVER], 0.1),
    (schedules.PolynomialDecay(0.3, 7, 0.1, cycle=True), [7, 14, 7 * 10**6], 0.1),
    (schedules.CosineDecay(0.3, 7), 0, 0.3),
    (schedules.CosineDecay(0.3, 7), [7, 8, *FOREVER], 0.0),
    (schedules.CosineDecay(0.1, 7, warmup_target=0.5, warmup_steps=3), 0, 0.1),
    (schedules.CosineDecay(0.1, 7, warmup_target=0.5, warmup_steps=3), 3, 0.5),
    (schedules.CosineDecay(0.1, 7, warmup_target=0.5, warmup_steps=3), [10, 99], 0.0),
    (schedules.CosineDecayRestarts(0.3, 7), [0, 7, 21, 49], 0.3),
    (schedules.Warmup(0.3, 7, 0.1), 0, 0.1),
    (schedules.Warmup(0.3, 7, 0.1), [7, *FOREVER], 0.3),
    (schedules.OneCycle(0.3, 40, peak=0.25), [0, 20], 0.03),
    (schedules.OneCycle(0.3, 40, peak=0.25), 10, 0.3),
    (schedules.OneCycle(0.3, 40, peak=0.25), [40, 41, *FOREVER], 3e-5),
]


@pytest.mark.parametrize(
    "schedule, steps, rate", ENDS, ids=[f"{e[0].name}{i}" for i, e in enumerate(ENDS)]
)
def test_the_ends_are_met_and_kept(schedule, steps, rate):
    rates = array(schedule(tensor(steps)))
    np.testing.assert_allclose(rates, np.full(rates.shape, rate), rtol=2e-7, atol=0)


@every_setting
def test_no_step_however_far_gives_anything_but_a_rate(cls, given):
    schedule = cls(**given)
    far = tensor([10**4, 2**24 + 1, 10**8 + 7, 2**31 - 8])
    rates = array(schedule(far))
    assert not np.isnan(rates).any() and (rates >= 0).all()
    huge = tensor([1e4, 1e19, 3e38], "float32")
    assert not np.isnan(array(schedule(huge))).any()
    assert np.isfinite(array(schedule(tensor([6e4], "float16")))).all() or (
        given.get("decay_rate", 0) > 1 or given.get("m_mul", 0) > 1  # these grow
    )
    assert np.isnan(array(schedule(tensor([math.nan, 1.0], "float32")))).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "i", [i for i, e in enumerate(ENDS) if "Restarts" not in str(e)]
)
def test_an_infinite_step_has_the_rate_of_the_end(i):
    schedule = ENDS[i][0]
    if getattr(schedule, "cycle", False):
        return  # it never ends
    limit, late = (array(schedule(tensor([t], "float64"))) for t in (math.inf, 1e300))
    np.testing.assert_allclose(limit, late, atol=1e-200)


def test_steps_past_2_to_the_24_are_not_skipped():
    """float32 knows 16,777,216 and 16,777,218, but no number between."""
    edge = 2**24 + 1
    pieces = schedules.PiecewiseConstantDecay([edge], [1.0, 0.5])
    assert array(pieces(tensor([edge - 1, edge, edge + 1]))).tolist() == [1, 1, 0.5]
    even = schedules.PiecewiseConstantDecay([edge - 1], [1.0, 0.5])
    assert array(even(tensor([edge - 1, edge]))).tolist() == [1, 0.5]
    stairs = schedules.ExponentialDecay(1.0, edge, 0.5, staircase=True)
    assert array(stairs(tensor([edge - 1, edge]))).tolist() == [1.0, 0.5]
    theirs = KERAS.ExponentialDecay(1.0, edge, 0.5, staircase=True)
    # One step early, unless its rates are in float64, as on JAX with x64.
    assert float(theirs(tensor(edge - 1))) == (1.0 if BACKEND == "jax" else 0.5)
    warm = schedules.Warmup(pieces, warmup_steps=3)
    assert array(warm(tensor([edge + 3, edge + 4]))).tolist() == [1.0, 0.5]
    teeth = schedules.PolynomialDecay(1.0, edge, 0.0, cycle=True)
    after = array(teeth(tensor([edge - 1, edge, edge + 1])))
    assert after[1] == 0 and after[2] == pytest.approx(0.5)


def starts(first, growth, below):
    """The steps at which the runs begin, where these are whole."""
    start, length, found = 0, first, []
    while start < below:
        found += [start] if start == int(start) else []
        start, length = start + length, length * growth
    return [int(start) for start in found]


RUNS = [(10, 2), (7, 3), (10, 1.5), (1, 2), (1000, 2), (4, 1), (10, 1.1)]


@pytest.mark.parametrize("first, growth", RUNS)
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_a_restart_is_never_missed(first, growth, xla):
    schedule = schedules.CosineDecayRestarts(1.0, first, growth, m_mul=1.0)
    at = np.array(starts(first, growth, below=400_000 if growth > 1 else 4_000))
    f = compiled(lambda t: schedule(t), xla)
    assert (array(f(tensor(at))) == 1).all()
    lengths = np.diff(at)
    inside = at[1:][(lengths > 9) & (at[1:] < 100_000)]
    if growth in (1, 2, 3):  # all runs begin at whole steps: the last one is low
        assert (array(f(tensor(inside - 1))) < 0.1).all()


@pytest.mark.convention("Restart at a whole step")
def test_keras_misses_the_restart_at_81910():
    theirs = KERAS.CosineDecayRestarts(1.0, 10, t_mul=2.0)
    ours = schedules.CosineDecayRestarts(1.0, 10, t_mul=2.0)
    exact = oracles.cosine_decay_restarts(
        81910, first_decay_steps=10, t_mul=2, m_mul=1, alpha=0, initial_learning_rate=1
    )
    rates = [float(s(tensor(81910))) for s in (theirs, ours)]
    assert rates[1] == exact == 1.0
    assert rates[0] < 1e-6 or rates[0] == 1.0  # by how the backend rounds a logarithm


# One cycle ----------------------------------------------------------------------------


@pytest.mark.parametrize("annealing", schedules.ANNEALINGS)
@pytest.mark.parametrize("total", [7, 40, 1000])
def test_one_cycle_never_leaves_its_range_unlike_the_common_bug(annealing, total):
    """Interpolated without an end, the last leg goes on below zero."""

    def unbounded(t):
        value, leg = 0.1, 0.45 * total
        corners = [(0, 0.1), (leg, 1.0), (2 * leg, 0.1), (total, 1e-4)]
        for (a, start), (b, end) in zip(corners, corners[1:], strict=False):
            if t >= a:
                value = start + (end - start) * (t - a) / (b - a)
        return value

    def inside(rates):
        return rates.min() >= 1e-4 * (1 - 1e-6) and rates.max() <= 1 + 1e-6

    steps = np.arange(2 * total)
    schedule = schedules.OneCycle(1.0, total, annealing=annealing)
    rates = array(schedule(tensor(steps)))
    assert inside(rates)
    assert not inside(np.array([unbounded(t) for t in steps]))
    top = rates.argmax()
    assert abs(top - 0.45 * total) <= 0.5
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top : total + 1]) < 0).all()
    assert (rates[total:] == rates[total]).all()


def test_the_paper_goes_up_and_down_on_lines_of_one_length():
    rates = array(schedules.OneCycle(1.0, 100)(tensor(np.arange(101))))
    corners = [0, 45, 90, 100], [0.1, 1.0, 0.1, 1e-4]
    np.testing.assert_allclose(rates, np.interp(np.arange(101), *corners), rtol=1e-5)
    np.testing.assert_allclose(rates[:46], rates[45:91][::-1], rtol=1e-5)


@pytest.mark.equation("eq-schedules-momentum")
@pytest.mark.parametrize("annealing", schedules.ANNEALINGS)
def test_momentum_is_lowest_where_the_rate_is_highest(annealing):
    form = dict(total_steps=40, peak=0.3, annealing=annealing)
    t = np.arange(0.0, 61.0)
    beta = array(
        schedules.one_cycle_momentum(t, max_momentum=0.95, min_momentum=0.85, **form)
    )
    expected = [
        oracles.one_cycle_momentum(i, max_momentum=0.95, min_momentum=0.85, **form)
        for i in t
    ]
    np.testing.assert_allclose(beta, expected, rtol=FINE)
    eta = array(
        schedules.one_cycle(
            t, max_learning_rate=1.0, div_factor=10, final_div_factor=1, **form
        )
    )
    np.testing.assert_allclose((0.95 - beta) / 0.1, (eta - 0.1) / 0.9, atol=FINE)


# Relations ----------------------------------------------------------------------------

SAME = {
    "the power 1 of time is the inverse of time": (
        schedules.PowerDecay(0.3, 7, power=1.0),
        schedules.InverseTimeDecay(0.3, 7, decay_rate=1.0),
    ),
    "only the steps of half the rate count": (
        schedules.ExponentialDecay(0.3, 7, 0.5),
        schedules.ExponentialDecay(0.3, 14, 0.25),
    ),
    "a run without end has no restart": (
        schedules.CosineDecay(0.3, 100, alpha=0.1),
        schedules.CosineDecayRestarts(0.3, 100, alpha=0.1),
    ),
    "a warm-up is the one of the cosine": (
        schedules.Warmup(schedules.CosineDecay(0.5, 30, alpha=0.1), 6, 0.2),
        schedules.CosineDecay(0.2, 30, alpha=0.1, warmup_target=0.5, warmup_steps=6),
    ),
    "also round a schedule of Keras": (
        schedules.Warmup(schedules.ExponentialDecay(0.5, 30, 0.1), 6),
        schedules.Warmup(KERAS.ExponentialDecay(0.5, 30, 0.1), 6),
    ),
    "a cycle that leads nowhere new is one line, twice": (
        schedules.OneCycle(1.0, 60, peak=0.25, final_div_factor=1, div_factor=10),
        schedules.Warmup(schedules.PolynomialDecay(1.0, 15, 0.1), 15, 0.1),
    ),
}


@pytest.mark.parametrize("one, other", SAME.values(), ids=SAME)
def test_two_ways_to_say_the_same(one, other):
    a, b = (array(s(tensor(STEPS))) for s in (one, other))
    np.testing.assert_allclose(a, b, rtol=2e-6)


def test_warm_up_starts_the_schedule_after_the_climb():
    pieces = schedules.PiecewiseConstantDecay([10], [0.2, 0.1])
    rates = array(schedules.Warmup(pieces, 5)(tensor(np.arange(17))))
    np.testing.assert_allclose(rates[:6], [0, 0.04, 0.08, 0.12, 0.16, 0.2], rtol=1e-6)
    np.testing.assert_allclose(rates[5:16], 0.2, rtol=1e-6)
    assert rates[16] == pytest.approx(0.1)
    double = array(schedules.Warmup(pieces, 5)(tensor([0.0, 2.0, 16.0], "float64")))
    np.testing.assert_allclose(double, [0, 0.08, 0.1], rtol=1e-15)
    keras_inside = schedules.Warmup(KERAS.CosineDecay(0.2, 10), 5)
    single = array(keras_inside(tensor(2.0, "float64")))  # Keras answers in float32
    assert single == pytest.approx(0.08, rel=1e-6)


def test_boundaries_that_do_not_rise_are_refused_where_keras_adds_two_rates():
    theirs = KERAS.PiecewiseConstantDecay([5, 3], [1.0, 0.1, 0.01])
    assert float(theirs(tensor(4))) == pytest.approx(1.01)
    for boundaries in ([5, 3], [3, 3], []):
        with pytest.raises(ValueError, match="each larger than the one before"):
            schedules.PiecewiseConstantDecay(boundaries, [1.0, 0.1, 0.01])
    with pytest.raises(
        ValueError, match=r"`values` must have one number more.*\[5, 7\]"
    ):
        schedules.PiecewiseConstantDecay([5, 7], [1.0, 0.1])
    with pytest.raises(ValueError, match=r"`boundaries` must be a list.*boundaries=5"):
        schedules.PiecewiseConstantDecay(5, [1.0, 0.1])


def test_a_warm_up_to_nowhere_is_refused_where_keras_ignores_it():
    assert float(KERAS.CosineDecay(0.2, 10, warmup_steps=5)(tensor(0))) == np.float32(
        0.2
    )
    with pytest.raises(ValueError, match=r"`warmup_steps` needs a `warmup_target`.*=5"):
        schedules.CosineDecay(0.2, 10, warmup_steps=5)


# In a run -----------------------------------------------------------------------------


def test_a_schedule_that_never_acts_is_seen_unlike_the_common_bug():
    """Boundaries, or a horizon, beyond the end of training."""
    run = dict(steps=2000)
    never = schedules.PiecewiseConstantDecay([30_000, 40_000], [0.1, 0.01, 0.001])
    assert schedules.change(never, **run) == 1
    hardly = schedules.ExponentialDecay(0.01, decay_steps=10_000, decay_rate=0.9)
    assert schedules.record(hardly, **run)[-1] == pytest.approx(0.00979, abs=5e-6)
    assert schedules.change(hardly, **run) < 1.03
    acts = schedules.PiecewiseConstantDecay([500, 1000], [0.1, 0.01, 0.001])
    assert schedules.change(acts, **run) == pytest.approx(100)
    assert schedules.change(acts, steps=501) == 1
    assert schedules.change(acts, steps=502) == pytest.approx(10)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.PolynomialDecay(0.4, 4, 0.0),
        schedules.Warmup(KERAS.PolynomialDecay(0.4, 4, 0.0), 1, 0.4),
        KERAS.PolynomialDecay(0.4, 4, 0.0),
        lambda t: 0.4 * (1 - min(int(t), 4) / 4),
    ],
    ids=["ours", "around Keras", "Keras", "a function"],
)
def test_any_schedule_can_be_recorded(schedule):
    expected = [0.4, 0.3, 0.2, 0.1, 0.0, 0.0]
    climb = 1 if isinstance(schedule, schedules.Warmup) else 0
    rates = schedules.record(schedule, 6 + climb)
    np.testing.assert_allclose(rates[climb:], expected, rtol=1e-6, atol=1e-8)
    assert rates.dtype == "float64"
    assert schedules.change(schedule, 5 + climb) == math.inf
    with pytest.raises(ValueError, match=r"`steps` must be an integer in \[1, inf\)"):
        schedules.record(schedule, 0)


def test_a_rate_of_zero_throughout_has_not_changed():
    assert schedules.change(lambda t: 0.0, 3) == 1


OPTIMIZERS = {
    name: getattr(keras.optimizers, name)
    for name in (
        *("SGD", "RMSprop", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax"),
        *("Adafactor", "Nadam", "Ftrl", "Lion", "Lamb", "Muon"),
    )
} | {"dtlib": Adam}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_it_drives_every_optimizer_as_its_twin_does(make):
    setting = dict(decay_steps=2, decay_rate=0.5, initial_learning_rate=0.1)

    def walk(schedule):
        w = keras.Variable(np.full((2, 2), 1.0, "float32"))
        optimizer = make(schedule)
        optimizer.build([w])
        for step in range(4):
            optimizer.apply([tensor([[1.0, -2.0], [step, 0.5]], "float32")], [w])
        assert float(optimizer.learning_rate) == pytest.approx(0.025)
        return array(w)

    ours, theirs, constant = map(
        walk,
        (
            schedules.ExponentialDecay(**setting),
            KERAS.ExponentialDecay(**setting),
            KERAS.ExponentialDecay(0.025, 10**9, 1.0),
        ),
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert np.abs(ours - constant).max() > 1e-4


def line(optimizer, loss=lambda y, p: keras.ops.mean(p, axis=-1)):
    """A model whose loss is its one weight: each step subtracts the rate."""
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    model.compile(optimizer, loss)
    return model


WHOLE = schedules.Warmup(schedules.CosineDecayRestarts(0.5, 5, m_mul=0.5), 4, 0.1)


@pytest.mark.tensorflow
@pytest.mark.parametrize("schedule", [WHOLE, schedules.OneCycle(1.0, 18)], ids=type)
def test_every_step_of_a_compiled_fit_has_its_rate(schedule):
    x = np.ones((10, 1), "float32")
    total = schedules.record(schedule, 18).sum()  # 3 epochs of 3 batches; twice
    model = line(keras.optimizers.SGD(schedule))
    training.fit(model, x, x, epochs=3, batch_size=4)
    model.fit(x, x, epochs=3, batch_size=4, verbose=0)
    assert int(model.optimizer.iterations) == 18
    assert -array(model.weights[0]).item() == pytest.approx(total, rel=1e-5)


def test_a_model_saved_in_the_middle_goes_on_where_it_was(tmp_path):
    x = np.ones((4, 1), "float32")
    model = line(keras.optimizers.SGD(WHOLE), "mae")
    for _ in range(7):
        model.train_on_batch(x, x)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    revived = loaded.optimizer
    assert int(revived.iterations) == 7
    assert float(revived.learning_rate) == float(WHOLE(tensor(7)))
    inner = KERAS.deserialize(KERAS.serialize(WHOLE)).learning_rate
    assert type(inner) is schedules.CosineDecayRestarts
    assert inner.get_config() == WHOLE.learning_rate.get_config()


# Conventions --------------------------------------------------------------------------


@pytest.mark.convention("Exponential decay between its steps")
def test_exponential_decay_is_continuous_unless_it_is_told_to_stand_still():
    smooth = KERAS.ExponentialDecay(0.3, 10, 0.5)
    stairs = KERAS.ExponentialDecay(0.3, 10, 0.5, staircase=True)
    for t in range(0, 45, 3):
        before = float(smooth(tensor(10 * (t // 10))))
        assert float(stairs(tensor(t))) == pytest.approx(before, rel=1e-6)
    # Half a step further the two differ by √½.
    assert float(smooth(tensor(5)) / stairs(tensor(5))) == pytest.approx(0.5**0.5)
    ours = schedules.ExponentialDecay(0.3, 10, 0.5, staircase=True)
    records = [schedules.record(schedule, 30) for schedule in (ours, stairs)]
    np.testing.assert_allclose(*records, rtol=1e-6)


@pytest.mark.convention("End of a decay")
def test_a_run_of_s_steps_never_sees_the_end_of_a_decay_over_s():
    for home in (KERAS, schedules):
        for cls in (home.PolynomialDecay, home.CosineDecay):
            assert schedules.record(cls(1.0, 10), 10)[-1] > 0.02
            assert schedules.record(cls(1.0, 9), 10)[-1] < 2e-4  # one less: it does


@pytest.mark.convention("Floor of a cosine")
def test_the_floor_of_a_cosine_is_a_share_of_its_top():
    for home in (KERAS, schedules):
        for top in (0.2, 2.0):
            end = float(home.CosineDecay(top, 10, alpha=0.1)(tensor(10)))
            assert end == pytest.approx(0.1 * top)
