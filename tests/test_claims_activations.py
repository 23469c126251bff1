"""The claims of the chapter `activations`: their arms, measurements and parts."""

import math
import types

import keras
import numpy as np
import pytest

from dtlib import claims, datasets, experiments
from dtlib.claims import _activations_arms as arms
from dtlib.claims import _activations_nets as nets
from dtlib.claims import _activations_rows as parts
from dtlib.claims import arms as shared
from tests import oracles_activations as oracles

OURS = "C05 C06 C07 C08 C09 C10 C11 C12 C13 C58 C59 C60".split()
ORACLES = {
    "σ": oracles.sigmoid,
    "2σ(2z)": lambda z: 1 + np.tanh(z),
    "tanh": np.tanh,
    "ReLU": lambda z: np.maximum(z, 0),
    "leaky 0.01": lambda z: np.maximum(z, 0.01 * z),
    "leaky 0.2": lambda z: np.maximum(z, 0.2 * z),
    "ELU": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "ELU α = 0.5": lambda z: np.where(z > 0, z, 0.5 * np.expm1(np.minimum(z, 0))),
    "ELU α = 2": lambda z: np.where(z > 0, z, 2 * np.expm1(np.minimum(z, 0))),
    "SELU": oracles.selu,
    "GELU": oracles.gelu,
    "swish": lambda z: z * oracles.sigmoid(z),
}
GAIN = {"σ": 1, "2σ(2z)": 1, "tanh": 1, "SELU": 1}  # of a square layer's draw; else 2


def made(arm, depth=3, width=200, rate=0.1):
    keras.utils.set_random_seed(3)
    return arms.build(arm, depth, width, (40,), learning_rate=rate)


def kernels(model):
    return [w.numpy() for w in model.weights if "kernel" in w.path]


def test_this_file_knows_all_claims_of_its_chapter():
    found = [
        id for id in claims.identifiers() if claims.get(id).chapter == "activations"
    ]
    assert found == OURS


def test_every_arm_is_in_one_group_and_has_an_oracle():
    names = [name for group in arms.GROUPS.values() for name in group]
    assert len(set(names)) == len(names)
    assert {n.partition(", ")[0] for n in names} == set(arms.ARMS) == set(ORACLES)
    assert {n.partition(", ")[2] for n in names} - {""} == set(arms.CONDITIONS)


@pytest.mark.parametrize("arm", arms.ARMS)
def test_an_arm_computes_what_its_name_says(arm):
    """The forward pass again in NumPy, and the variance of the hidden draw."""
    model, x = made(arm), np.random.default_rng(0).normal(size=(5, 40))
    a, (*hidden, last) = x, kernels(model)
    for kernel in hidden:
        a = ORACLES[arm](a @ kernel)
    # GELU in float32 is within 1e-5; another slope would show in the first digit.
    np.testing.assert_allclose(model(x).numpy(), a @ last, atol=2e-4)
    # 40,000 weights: 4 standard errors of a variance are 3 %.
    assert 200 * hidden[1].var() == pytest.approx(GAIN.get(arm, 2), rel=0.03)


@pytest.mark.parametrize(
    "arm", ["SELU, inputs", "SELU, draw", "SELU, skip", "ELU, skip"]
)
def test_a_broken_condition_changes_what_it_says_and_nothing_else(arm):
    name, condition = arm.split(", ")
    model, data = made(arm), shared.training_data("quick")
    low, high = data.x_train.min(), data.x_train.max()
    a, (*hidden, last) = data.x_train[:5], kernels(model)
    if condition == "inputs":
        a = (a - low) / (high - low)
    for i, kernel in enumerate(hidden):
        out = ORACLES[name](a @ kernel)
        a = out + a if condition == "skip" and i else out
    np.testing.assert_allclose(model(data.x_train[:5]).numpy(), a @ last, atol=2e-3)
    gain = 2 if condition == "draw" or name == "ELU" else 1
    assert 200 * hidden[1].var() == pytest.approx(gain, rel=0.03)


def test_arms_with_one_draw_start_alike():
    for first, second in zip(
        kernels(made("ReLU")), kernels(made("swish")), strict=True
    ):
        np.testing.assert_array_equal(first, second)


def test_inputs_between_zero_and_one_are_just_that():
    x = shared.training_data("quick").x_train
    scale, offset = arms.unit_interval((40,))
    y = scale * x + offset
    assert (y.min(), y.max()) == pytest.approx((0, 1), abs=1e-6)


# --- measurements


def test_epochs_to_a_loss_are_read_off_the_line_between_two_epochs():
    losses = [2.0, 1.0, 0.5, 0.9]
    found = [arms.epochs_to(losses, target) for target in (3.0, 1.25, 0.5, 0.1)]
    assert found == [1.0, 1.75, 3.0, 5.0]
    assert arms.epochs_to([2.0, np.inf, np.inf], 1.0) == 4.0  # diverged: never


def test_the_stopwatch_takes_turns_and_keeps_the_quickest_of_each_round():
    seen = []
    calls = {name: lambda name=name: seen.append(name) for name in "ab"}
    found = arms.rounds(calls, n=2, best=3)
    assert seen == ["a", "b"] * 7
    assert {name: seconds.shape for name, seconds in found.items()} == {
        "a": (2,),
        "b": (2,),
    }
    assert all(
        (seconds >= 0).all() and np.isfinite(seconds).all()
        for seconds in found.values()
    )


def test_the_stopwatch_sees_four_times_the_work():
    x = np.ones((100, 100))
    once = lambda: [x @ x for _ in range(3)]  # noqa: E731
    four = lambda: [x @ x for _ in range(12)]  # noqa: E731
    found = arms.rounds({"one": once, "four": four}, n=5)
    assert 2 < np.median(found["four"] / found["one"]) < 8


@pytest.mark.parametrize("arm", ["ReLU", *parts.OTHERS])
def test_the_network_on_the_stopwatch_has_keras_own_function_of_the_arm(arm):
    z = np.linspace(-4, 4, 81).astype("float32")
    for layer in arms.wide(arm).layers[:2]:
        assert layer.activation is getattr(keras.activations, layer.activation.__name__)
        # Another slope, or the tanh form of GELU at 5e-4, would show.
        np.testing.assert_allclose(layer.activation(z), ORACLES[arm](z), atol=1e-5)


def test_a_stack_keeps_its_spread_only_with_lecuns_draw():
    """Klambauer's fixed point; He's draw moves it to where E[selu(z)²]·2 = Var z."""
    x = np.random.default_rng(0).standard_normal((200, 40))
    intact, _ = nets.stack(x, "none", 0)
    assert np.abs(np.log(intact)).max() < 0.1
    grid = np.linspace(-8, 8, 4001)
    density = np.exp(-(grid**2) / 2) / math.sqrt(2 * math.pi) * (grid[1] - grid[0])
    square = 1.0
    for _ in range(nets.STACK_DEPTH):
        square = (oracles.selu(math.sqrt(2 * square) * grid) ** 2) @ density
    broken, means = nets.stack(x, "draw", 0)
    # Width 100 moves the mean square of a layer by some 10 %, layer after layer.
    assert broken[-1] ** 2 + means[-1] ** 2 == pytest.approx(square, rel=0.6)
    assert broken[-1] > 2


@pytest.mark.parametrize("condition", nets.STACKS)
def test_every_stack_has_fifty_layers_and_repeats(condition):
    x = shared.training_data("quick").x_train[:20]
    first, second = (nets.stack(x, condition, 1) for _ in range(2))
    assert first == second and len(first[0]) == len(first[1]) == 50


def test_dying_counts_units_that_no_example_wakes(monkeypatch):
    setting = dict(epochs=1, batch_size=40, seeds=range(2))
    monkeypatch.setattr(nets, "DYING_DEPTH", 2)
    monkeypatch.setattr(nets, "DYING_RATES", (0.03, 1e9))
    monkeypatch.setitem(nets.SETTINGS, "quick", setting)
    found = nets.dying("quick")
    assert [(r["rate"], r["seed"]) for r in found] == [
        (0.03, 0), (0.03, 1), (1e9, 0), (1e9, 1),
    ]  # fmt: skip
    assert [r["finite"] for r in found[:2]] == [True, True]
    assert all(0 <= r["dead"] < 0.3 for r in found[:2])
    assert not any(r["learns"] for r in found[2:])


# --- parts


def test_dying_is_judged_by_the_largest_rate_that_stays_finite():
    def run(rate, seed, finite, dead, learns):
        keys = "rate seed finite dead accuracy learns".split()
        return dict(zip(keys, (rate, seed, finite, dead, 0.3, learns), strict=True))

    found = [run(0.1, s, True, 0.1, True) for s in range(3)]
    found += [run(1.0, s, s < 2, [0.6, 0.7, 0.0][s], s == 0) for s in range(3)]
    rows, numbers = parts.dying(found)
    assert rows[0]["estimate"] == pytest.approx((0.5 + 0.6 + 0.0) / 3)
    assert rows[1]["estimate"] == pytest.approx((0.6 + 0.1 + 0.1) / 3 - 0.5)
    assert numbers["rate 1: dead"] == pytest.approx(0.65)
    assert numbers["rate 1: diverged"] == pytest.approx(1 / 3)
    assert numbers["largest dead share of a run that learns"] == 0.6


def test_a_narrower_gap_counts_for_random_slopes():
    plain = {"training accuracy": np.full(3, 0.9), "test accuracy": np.full(3, 0.5)}
    drawn = {"training accuracy": np.full(3, 0.8), "test accuracy": np.full(3, 0.55)}
    rows, _ = parts.regularized({"over": (plain, drawn), "under": (drawn, plain)})
    found = {(r["net"], r["part"]): r["estimate"] for r in rows}
    assert found == pytest.approx(
        {
            ("over", "gap"): 0.15,
            ("over", "accuracy"): 0.05,
            ("under", "gap"): -0.15,
            ("under", "accuracy"): -0.05,
        }
    )
    assert [r["decides"] for r in rows] == [True, True, False, False]


def comparison(scores):
    return types.SimpleNamespace(
        arms=tuple(scores),
        scores={arm: np.array(values) for arm, values in scores.items()},
        tuned=dict.fromkeys(scores, {"learning_rate": 0.1}),
        diverged=dict.fromkeys(scores, 0),
        differences=lambda a, b: np.array(scores[a]) - np.array(scores[b]),
    )


def test_learned_slopes_are_judged_at_both_ends_and_by_the_change():
    few = comparison({"PReLU": [0.3, 0.31], "ReLU": [0.32, 0.33]})
    many = comparison({"PReLU": [0.75, 0.76], "ReLU": [0.7, 0.71]})
    rows, numbers = parts.growing({250: few, 600: few, 4000: many})
    found = {(r["part"], r["examples"]): r["estimate"] for r in rows}
    assert found == pytest.approx(
        {
            ("interaction", 4000): 0.07,
            ("large", 4000): 0.05,
            ("small", 250): 0.02,
            ("curve", 250): -0.02,
            ("curve", 600): -0.02,
        }
    )
    assert claims.combine(rows) == "supported"
    assert numbers["ReLU, n = 4000: accuracy"] == pytest.approx(0.705)


def run_of(losses, scores=(0.5, 0.5)):
    return arms.Trained(np.array(scores), np.array(losses), 0.1, 0, False)


def test_fewer_epochs_are_counted_to_relus_loss_at_half_time():
    relu, elu = [[4.0, 3.0, 2.0, 1.0]] * 2, [[3.5, 2.5, 1.5, 0.5]] * 2
    runs = {"ReLU": run_of(relu), "ELU": run_of(elu)}
    found = parts.epochs_to_target(runs)
    assert found["ReLU"].tolist() == [2.0, 2.0] and found["ELU"].tolist() == [1.5, 1.5]
    rows, numbers = parts.sooner({"depth 2": runs, "depth 20": runs})
    assert [r["estimate"] for r in rows] == [0.5, 0.5]
    assert claims.combine(rows) == "contradicted"  # half an epoch is too little
    assert numbers["ELU, depth 20: epochs to target"] == 1.5


@pytest.mark.parametrize(
    ("ratio", "outcome"), [(1.5, "supported"), (1.0, "contradicted")]
)
def test_slower_inference_is_judged_by_the_ratio_of_a_round(ratio, outcome):
    relu = np.array([1.0, 2.0, 1.5])
    told, numbers = parts.slower({"ReLU": relu, "ELU": ratio * relu}, 256)
    assert told["outcome"] == outcome
    assert numbers == {"batch 256: time, ELU ÷ ReLU": ratio}


def test_seconds_to_target_are_epochs_times_seconds():
    relu = run_of([[4.0, 3.0, 2.0, 1.0]] * 2)
    other = run_of([[4.0, 3.5, 3.0, 2.0]] * 2)  # three epochs where ReLU needs two
    runs = {"ReLU": relu} | dict.fromkeys(parts.OTHERS, other)
    seconds = {"ReLU": np.ones(3)} | dict.fromkeys(parts.OTHERS, np.full(3, 2.0))
    rows, numbers = parts.fastest({"depth 2": runs, "depth 20": runs}, seconds)
    told = [r for r in rows if r["decides"]]
    assert len(told) == 10 and {r["part"] for r in told} == {"seconds"}
    # The stopwatch's log 2 = 0.693 is kept as 11/16.
    assert told[0]["estimate"] == pytest.approx(math.log(1.5) + 11 / 16)
    assert numbers["swish: time a step ÷ ReLU's"] == 2.0


def test_a_difference_is_first_minus_second_at_its_depth():
    runs = {"a": run_of([[1.0]] * 2, (0.6, 0.7)), "b": run_of([[1.0]] * 2, (0.5, 0.5))}
    found = parts.versus(runs, "a", "b", "depth 20, Fashion-MNIST", part="a")
    assert (found["estimate"], found["depth"], found["part"]) == (
        pytest.approx(0.15), 20, "a",
    )  # fmt: skip
    assert found["min_effect"] == shared.LEAST


@pytest.fixture
def pretended(monkeypatch):
    """All training replaced by scores: the place of an arm in the published order."""
    order = ["σ", "2σ(2z)", "tanh", "ReLU", "leaky 0.01", "leaky 0.2", "swish", "GELU"]
    order += ["ELU α = 0.5", "ELU α = 2", "ELU", "SELU"]

    def trained(names, depth, scale, **settings):
        found = {}
        for name in names:
            base, _, broken = name.partition(", ")
            level = order.index(base) / 20 - 0.1 * bool(broken) * (base == "SELU")
            found[name] = run_of([[2.0, 1.0]] * 2, (level, level))
        return found

    monkeypatch.setattr(arms, "trained", trained)


@pytest.mark.parametrize("id", ["C06", "C11", "C12", "C13", "C58", "C60"])
def test_a_claim_is_supported_where_the_arms_are_in_its_order(id, pretended):
    found = claims.get(id).evidence("quick")
    assert found.verdict == "supported", found.rows
    assert all(r["estimate"] > 0 for r in found.rows if r["decides"])


def test_elu_keeps_hes_draw_where_selu_breaks_a_condition_by_it(pretended):
    rows = {r["condition"]: r for r in claims.get("C58").evidence("quick").rows}
    assert (rows["draw"]["first"], rows["draw"]["second"]) == ("ELU", "SELU, draw")
    assert (rows["skip"]["first"], rows["skip"]["second"]) == (
        "ELU, skip",
        "SELU, skip",
    )
    assert not rows["none"]["decides"] and rows["none"]["second"] == "SELU"


# --- the ledger


def test_the_ledgers_accuracy_is_what_a_new_run_of_one_arm_finds():
    """Same data, seeds, epochs and rate: tuning and the other arms are left out."""
    arm = "ELU"
    stored = claims.load()["C11"]["quick"]["numbers"]
    setting, data = shared.SETTINGS["quick"], shared.training_data("quick")
    rate = stored[f"{arm}, depth 2: learning rate"]
    found = experiments.compare(
        {arm: lambda: arms.build(arm, 2, 32, (40,), learning_rate=rate)},
        data,
        jobs=1,
        **{k: setting[k] for k in ("seeds", "epochs", "batch_size")},
    )
    # Rounding that differs between processors flips a few of 1,000 test examples.
    expected = stored[f"{arm}, depth 2: accuracy"]
    assert found.scores[arm].mean() == pytest.approx(expected, abs=0.005)


def test_claims_that_share_runs_tell_the_same_of_them():
    stored = {id: claims.load()[id]["quick"]["numbers"] for id in OURS}
    every = {}
    for numbers in stored.values():
        for name, value in numbers.items():
            if "depth" in name:
                assert every.setdefault(name, value) == value, name


def test_the_other_data_set_is_disjoint_and_not_small():
    parts = arms.other_data("quick")
    assert isinstance(parts, datasets.Data)
    assert [len(part) for part in parts] == [1600, 1600, 400, 400, 1000, 1000]
