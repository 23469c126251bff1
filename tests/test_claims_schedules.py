"""The claims on schedules: the rate each network is trained at, and their readings."""

import keras
import numpy as np
import pytest

from dtlib import callbacks, claims, training
from dtlib.claims import _optimizers_nets as many
from dtlib.claims import _schedules_nets as nets
from dtlib.claims import arms
from dtlib.claims import schedules as c_schedules
from dtlib.claims._optimizers_runs import ACCURACY, LOSS, Runs
from tests import oracles_schedules as oracles

OURS = "C31 C32 C33 C61 C68".split()
SEED, RATE, STEPS = 3, 0.2, 640


def test_this_file_knows_all_claims_of_its_chapter():
    found = [id for id in claims.identifiers() if claims.get(id).chapter == "schedules"]
    assert found == OURS


# --- the rate of each network at each step


@pytest.mark.parametrize("arm", nets.SCHEDULES)
def test_every_network_gets_the_rates_its_arm_is_named_for(arm):
    """Built by `table`, against each definition written down once more."""

    def exponential(t, share):
        form = dict(decay_steps=STEPS, decay_rate=share, staircase=False)
        return oracles.exponential_decay(t, initial_learning_rate=1.0, **form)

    cycle = dict(peak=0.45, div_factor=10, final_div_factor=1000, annealing="linear")
    expected = {
        "constant": lambda t: 1.0,
        "performance": lambda t: 1.0,  # as long as no plateau is met
        "piecewise": lambda t: 1.0 if t <= 320 else 0.1 if t <= 480 else 0.01,
        "power": lambda t: 1 / (1 + t / 64),
        "exponential": lambda t: exponential(t, 0.01),
        "exponential ÷ 3": lambda t: exponential(t, 1 / 3),
        "exponential ÷ 10": lambda t: exponential(t, 0.1),
        "exponential ÷ 1000": lambda t: exponential(t, 0.001),
        "cosine": lambda t: (1 + np.cos(np.pi * t / STEPS)) / 2,
        "1cycle": lambda t: oracles.one_cycle(
            t, max_learning_rate=1.0, total_steps=STEPS, **cycle
        ),
        "warm-up": lambda t: min(t / 64, 1),
    }[arm]
    found = nets.table("Adam", (arm,), STEPS)
    once = np.array([expected(t) for t in range(STEPS)])
    # float32: a step of the schedule moves it by 1e-3.
    np.testing.assert_allclose(found, np.outer(once, nets.RATES["Adam"]), atol=1e-6)


def test_arms_stand_side_by_side_each_at_every_rate():
    found = nets.table("momentum", ("constant", "cosine"), 10)
    assert found[0].tolist() == pytest.approx([*nets.RATES["momentum"]] * 2)
    assert (found[-1, 6:] < 0.1 * found[-1, :6]).all()


def test_each_network_has_plateaus_of_its_own():
    """Two watched of three; the losses as they came, against a walk by hand."""
    losses = np.array([[3, 3, 3], [2, 3, 3], [1, 3, 3], [0.5, 3, 3], [0.4, 2, 3]])
    plateaus = nets.Plateaus(np.array([[True, True, False]]))
    found = [plateaus.update(row[None]).copy()[0].tolist() for row in losses]
    assert found == [[1, 1, 1], [1, 1, 1], [1, 0.5, 1], [1, 0.5, 1], [1, 0.5, 1]]


def test_a_plateau_of_one_network_lowers_its_rate_alone():
    table = nets.Table(np.array([[1.0, 2.0], [3.0, 4.0]]), seeds=2)
    table.left.assign(np.array([[1, 1], [1, 0.5]])[..., None, None])
    assert np.array(table(np.int32(1)))[..., 0, 0].tolist() == [[3, 4], [3, 2]]


# --- many networks in one program


@pytest.fixture
def few(monkeypatch):
    """One seed that is judged and one that tunes, at one rate."""
    short = arms.SETTINGS["quick"] | dict(seeds=(SEED,), tune_seeds=(100,))
    monkeypatch.setitem(arms.SETTINGS, "quick", short)
    monkeypatch.setitem(nets.RATES, "momentum", (RATE,))


def test_a_network_among_many_goes_the_way_it_goes_alone(few, monkeypatch):
    """Performance scheduling, alone by Keras' layers and momentum and the callback."""
    monkeypatch.setitem(nets.EPOCHS, "short", 5)
    arms_ = ("1cycle", "performance")
    found = nets.train.__wrapped__("momentum", arms_, "quick", "short")["performance"]
    data = many.task_data(many.TASK, "quick")
    layers = [keras.layers.Dense(32, "relu") for _ in range(2)]
    model = arms.network((40,), layers, keras.optimizers.SGD(RATE, momentum=0.9))
    model.set_weights(many.start(many.TASK, "quick", SEED))
    plateau = callbacks.ReduceLROnPlateau(factor=0.5, patience=2, min_delta=0)
    history = training.fit(
        model,
        *data[:2],
        epochs=5,
        batch_size=40,
        seed=SEED,
        validation_data=data[2:4],
        callbacks=[plateau],
    ).history
    valid = found.history(0, LOSS, "valid")[0, 1:]
    # Sums in another order: 200 steps carry a rounding of 1e-7 to 1e-4 at most. A start
    # or a batch that was another's, or a rate kept, would move the losses by 0.05.
    np.testing.assert_allclose(valid, history["val_loss"], atol=0.01)
    rates = oracles.plateau_rates(
        valid, 1.0, factor=0.5, patience=2, min_delta=0, cooldown=0, min_lr=0
    )
    assert found.left[0, 0] == rates[-1] < 1
    assert history["learning_rate"] == pytest.approx(RATE * np.array(rates[:-1]))


# --- what is read off the runs


def runs_of(valid, test=None, rates=(0.1, 0.2, 0.4)):
    """`Runs` of two judged seeds and one that tunes, from scores at each rate."""
    curve = np.zeros((2, 2, 3, 3, len(rates)))
    curve[-1, ACCURACY, 1, 2] = valid
    curve[-1, ACCURACY, 2, :2] = valid if test is None else test
    return Runs(curve, rates, dict(seeds=(0, 1), tune_seeds=(2,)))


def test_too_high_is_the_first_rate_that_loses_five_points():
    assert c_schedules.too_high(runs_of([0.5, 0.46, 0.44])) == 2
    assert c_schedules.too_high(runs_of([0.5, 0.45, 0.44])) == 1
    assert c_schedules.too_high(runs_of([0.1, 0.5, 0.46])) == 2  # none: the last


def test_the_best_schedule_is_validations_choice_and_never_the_constant():
    found = {
        "constant": runs_of([0.9, 0, 0]),
        "cosine": runs_of([0.5, 0, 0], test=[[0.9], [0.9]]),
        "power": runs_of([0, 0.6, 0]),
    }
    assert c_schedules.best(found) == "power"


def test_hindsight_takes_the_rate_that_is_best_on_test():
    found = runs_of([0.5, 0.4, 0.3], test=[[0.1, 0.2, 0.3], [0.1, 0.6, 0.4]])
    assert c_schedules.hindsight(found).tolist() == [0.2, 0.6]


# --- the ledger still tells the truth


def test_the_ledgers_claims_quote_one_comparison():
    stored = {id: claims.load()[id]["quick"]["numbers"] for id in OURS}
    for id in ("C32", "C61"):
        for arm in ("constant", "exponential", "performance"):
            name = f"{arm}: accuracy"
            assert stored[id][name] == stored["C33"][name]
    rate = stored["C68"]["tuned rate"]
    name = f"constant at {rate:g}: accuracy"
    assert stored["C33"][name] == stored["C68"]["tuned constant: accuracy"]


def test_the_ledgers_accuracy_is_what_a_new_run_of_one_rate_finds(monkeypatch):
    stored = claims.load()["C33"]["quick"]["numbers"]
    monkeypatch.setitem(nets.RATES, "momentum", (0.1,))
    pair = ("cosine", "1cycle")
    found = nets.train.__wrapped__("momentum", pair, "quick", "short")
    for arm in pair:
        assert stored[f"{arm}, short: learning rate"] == 0.1
        # Without the other rates sums come in another order, and 160 steps make that
        # grow: a few of 1,000 test examples flip.
        expected = pytest.approx(stored[f"{arm}, short: accuracy"], abs=0.005)
        assert found[arm].final().mean() == expected
