"""The claims on regularizers: many penalized networks in one, and their readings."""

import keras
import numpy as np
import pytest

from dtlib import claims, constraints, optimizers, regularizers, training
from dtlib.claims import _regularizers_arms as readings
from dtlib.claims import _regularizers_nets as nets
from dtlib.claims import _regularizers_penalties as penalties
from dtlib.claims import _regularizers_sparse as sparse
from dtlib.claims import _regularizers_weights as weights
from dtlib.claims import arms
from dtlib.claims._optimizers_runs import ACCURACY, LOSS

OURS = "C40 C41 C44 C45 C56 C57 C63 C64".split()
SEED, RATE, STEPS = 3, 0.01, 20
L1, L2, DECAY, BOUND = 0.003, 0.02, 3.0, 0.9


def test_this_file_knows_all_claims_of_its_chapter():
    chapter = "regularizers"
    assert [i for i in claims.identifiers() if claims.get(i).chapter == chapter] == OURS


# --- many networks in one program


def alone(optimizer, **options):
    """The same network by Keras' own layers, a step at a time: its kernels."""
    data = nets.data_of("network", "quick")
    layers = [keras.layers.Dense(32, "relu", **options) for _ in range(2)]
    model = arms.network((40,), layers, optimizer)
    last = model.layers[-1].kernel
    last.constraint = options.get("kernel_constraint")
    last.regularizer = options.get("kernel_regularizer")
    model.set_weights(nets.start("network", "quick", SEED))
    model.compile(optimizer, model.loss, run_eagerly=True)
    epochs = [training.batch_order(400, seed=SEED, epoch=e) for e in range(2)]
    for rows in np.concatenate(epochs).reshape(-1, nets.BATCH)[:STEPS]:
        model.train_on_batch(data[0][rows], data[1][rows])
    return [np.array(w) for w in model.get_weights()[::2]]


def test_a_network_among_many_goes_the_way_it_goes_alone():
    """One column has ℓ1, one ℓ2, one decays, one is bounded; none feels the others."""
    l1, l2, decay, cap = np.diag([L1, L2, DECAY, BOUND])
    cap = np.where(cap, cap, np.inf)
    many = nets.side_by_side("network", "quick", (SEED, 7), l1, l2, cap)
    optimizer = optimizers.Adam(RATE)
    nets.decoupled(optimizer, decay)
    many.compile(optimizer)
    before = [np.array(kernel) for kernel in many.kernels]
    rows = nets.chunks("network", "quick", (SEED, 7))[0]
    training.fit(many, *rows, batch_size=nets.BATCH, shuffle=False)
    adamw = optimizers.AdamW(RATE, weight_decay=DECAY)
    adamw.exclude_from_weight_decay(var_names=["bias"])
    adam = optimizers.Adam
    expected = [
        alone(adam(RATE), kernel_regularizer=regularizers.L1(L1)),
        alone(adam(RATE), kernel_regularizer=regularizers.L2(L2)),
        alone(adamw),
        alone(adam(RATE), kernel_constraint=constraints.MaxNorm(BOUND)),
    ]
    assert len(rows[0]) == STEPS * nets.BATCH
    for i, kernel in enumerate(many.kernels):
        found = np.array(kernel)
        for k in range(4):
            # Rounding of 1e-7 grows to 1e-5 in so few steps; a penalty that was left
            # out, or another's, moves weights by 0.01.
            np.testing.assert_allclose(found[0, k], expected[k][i], atol=5e-4)
        assert np.abs(found[0] - before[i][0]).max(axis=(1, 2)).min() > 0.05


def test_each_seed_visits_the_examples_in_its_own_order():
    pieces = nets.chunks("network", "quick", (0, 7))
    rows = np.concatenate([rows for rows, _ in pieces])
    assert len(pieces) == nets.MEASUREMENTS
    assert rows.shape == (nets.STEPS["quick"] * nets.BATCH, 2)
    for column, seed in ((0, 0), (1, 7)):
        for epoch in (0, 59):
            mine = rows[400 * epoch : 400 * (epoch + 1), column]
            assert (mine == training.batch_order(400, seed=seed, epoch=epoch)).all()


def test_the_parts_are_training_validation_and_blocks_of_the_test_examples():
    rows, labels = nets.watching("network", "quick", 1)
    data = nets.data_of("network", "quick")
    part, label = labels[:, 0] // 10, labels[:, 0] % 10
    assert np.bincount(part).tolist() == [400, 400, *[100] * 10]
    assert (label[part >= 2] == data[5]).all() and (label[part == 1] == data[3]).all()
    assert rows[:, 0].tolist() == list(range(1800))


# --- the weights in the end


@pytest.fixture
def kernels():
    """Two kernels of 2 seeds × 3 settings, some entries zero or next to it."""
    rng = np.random.default_rng(0)
    found = [
        rng.standard_normal((2, 3, *s)).astype("float32") for s in ((4, 5), (5, 2))
    ]
    found[0][:, 1, 0], found[1][1, 2, :2] = 0, 5e-4
    return found


def test_zeros_and_bounds_are_counted_as_the_library_counts_them(kernels):
    settings = [(0.1, c) for c in (1.0, 2.0, 3.0)]
    found = weights.looked_at(kernels, settings)
    for s, c in np.ndindex(2, 3):
        mine = [k[s, c] for k in kernels]
        assert found["squares"][s, c] == pytest.approx(sum((m**2).sum() for m in mine))
        for i, threshold in enumerate(weights.THRESHOLDS):
            each = [float(regularizers.sparsity(m, threshold=threshold)) for m in mine]
            share = (20 * each[0] + 10 * each[1]) / 30
            assert found["zeros"][i, s, c] == pytest.approx(share)
        how = dict(max_value=settings[c][1], axis=0, tolerance=weights.BOUND)
        held = [float(constraints.binding_share(m, **how)) for m in mine]
        assert found["bound"][s, c] == pytest.approx((5 * held[0] + 2 * held[1]) / 7)


class Fake:
    """What `weights` needs of `Nets`: kernels and biases."""

    def __init__(self, kernels):
        self.kernels = [keras.Variable(k) for k in kernels]


def test_pruning_takes_the_smallest_of_all_kernels_and_gives_them_back(kernels):
    fake = Fake(kernels)

    def evaluate():
        return np.concatenate([np.array(k).ravel() for k in fake.kernels])

    found = weights.pruned(fake, evaluate)
    assert found.shape == (len(weights.SHARES), 2 * 3 * 30)
    together = np.concatenate([k[1, 2].ravel() for k in kernels])
    for share, values in zip(weights.SHARES, found, strict=True):
        expected = np.array(regularizers.prune_by_magnitude(together, sparsity=share))
        mine = np.concatenate([values[100:120], values[-10:]])
        assert (mine == expected).all()
    assert all(
        (np.array(a) == b).all() for a, b in zip(fake.kernels, kernels, strict=True)
    )


def test_halved_weights_only_change_the_scale_of_the_logits():
    many = nets.side_by_side("network", "quick", (0, SEED), [0.0], [0.0])
    for bias in many.biases:
        bias.assign(bias + np.linspace(-1, 1, bias.shape[-1], dtype="float32"))
    rows = np.arange(80).reshape(40, 2)
    before = np.array(many(rows))
    found = weights.halved(many, lambda: np.array(many(rows)))
    # Halves are exact in binary, sums of them too.
    assert (found == before / 8).all() and np.abs(before).max() > 1
    assert (np.array(many(rows)) == before).all()


# --- what is read off the runs


def arm_of(valid, test=None, settings=((0.1, 1.0), (0.1, 2.0), (0.2, 1.0)), **found):
    """An `Arm` of two judged seeds and one that tunes, from its last accuracies."""
    curve = np.zeros((3, 2, 2 + nets.BLOCKS, 3, len(settings)))
    curve[-1, ACCURACY, 1] = valid
    curve[-1, ACCURACY, 2:] = np.array(valid if test is None else test)
    return readings.Arm("some", {"curve": curve} | found, list(settings), 2)


def test_early_stopping_waits_and_goes_back_to_the_best():
    """By hand: the best of the first is the third; its stop comes two later."""
    values = np.array([[0, 9], [3, 3], [4, 2], [2, 1], [3, 1.5], [2, 0], [1, 0]])
    kept, stop = readings.stops(values, "min", patience=2)
    assert kept.tolist() == [3, 5] and stop.tolist() == [5, 6]
    kept, stop = readings.stops(-values, "max", patience=2)
    assert kept.tolist() == [3, 5] and stop.tolist() == [5, 6]


def test_the_setting_is_chosen_by_the_tuning_seed_on_validation_alone():
    valid = np.array([[0.9, 0, 0], [0.9, 0, 0], [0.1, 0.2, 0.3]])
    found = arm_of(valid, test=np.array([[1, 2, 3], [4, 5, 6], [9, 9, 9]]))
    assert found.tuned()[0] == 2 and found.tuned()[1].tolist() == [3, 6]
    every = found.by(readings.EVERY)
    assert every.tuned()[0] == 0 and every.tuned()[1].tolist() == [1, 4]
    assert found.told(2, found.at(readings.TEST)) == {
        "some: accuracy": 4.5,
        "some: learning rate": 0.2,
        "some: strength": 1.0,
    }


def test_restored_weights_are_those_of_each_networks_best_loss():
    found = arm_of(np.zeros((3, 3)))
    found.curve[:, LOSS, 1] = np.array([9, 1, 2])[:, None, None]
    found.curve[:, LOSS, 1, 1, :] = np.array([9, 2, 1])[:, None]
    found.curve[:, ACCURACY, 2:] = np.array([0, 0.5, 0.7])[:, None, None, None]
    k, scores, kept = found.restored()
    assert k == 0 and kept.tolist() == [1, 2]
    assert scores == pytest.approx([0.5, 0.7])


def test_the_strongest_setting_is_the_strongest_of_enough_accuracy():
    found = arm_of(np.tile([0.5, 0.4, 0.6], (3, 1)))
    assert readings.strongest(found, 0.4) == 1  # strength 2
    assert readings.strongest(found, 0.45) == 2  # strength 1, the better rate
    assert readings.strongest(found, 0.45, rate=0.1) == 0
    assert readings.strongest(found, 0.9) == 2


def test_optimism_is_what_the_choosing_examples_gain_over_fresh_ones():
    """Two blocks, one seed: each chooses the measurement at which it is luckier."""
    accuracies = np.array([[[9.0], [9.0]], [[0.5], [0.3]], [[0.3], [0.6]]])
    # Block 0 takes the first: 0.5 − 0.3; block 1 the second: 0.6 − 0.3.
    assert readings.optimism(accuracies, 1) == pytest.approx([0.25])
    same = np.random.default_rng(0).random((5, 1, 3)).repeat(4, axis=1)
    assert readings.optimism(same, 2) == pytest.approx([0, 0, 0])


def test_the_sparsest_way_is_chosen_among_those_of_enough_accuracy():
    zeros = np.zeros((4, 3, 3))
    zeros[readings.ZERO] = [0.2, 0.9, 0.5]
    valid = np.tile([0.5, 0.1, 0.4], (3, 1))
    way = readings.Thinned(arm_of(valid, zeros=zeros))
    assert way.sparsest(0.3) == 2 and way.sparsest(0.45) == 0 and way.sparsest(0.9) == 0
    frontier = way.frontier()
    expected = {0.0: 0.5, 0.3: 0.4, 0.9: 0.1}
    assert {share: frontier[share] for share in expected} == pytest.approx(expected)
    assert 0.95 not in frontier


def test_pruned_networks_are_ways_of_their_own():
    shares = len(weights.SHARES)
    pruned = np.zeros((shares, 2, 2 + nets.BLOCKS, 3, 3))
    pruned[:, ACCURACY] = np.linspace(0.9, 0.1, shares)[:, None, None, None]
    way = readings.Thinned(arm_of(np.zeros((3, 3)), pruned=pruned), pruning=True)
    assert way.zeros.shape == (3, 3 * shares)
    k = way.sparsest(0.49)  # the sixth share, 0.5, has 0.5
    assert way.zeros[0, k] == 0.5 and way.test[0, k] == pytest.approx(0.5)


def test_the_distance_is_a_share_of_what_the_penalty_changes():
    kernel = np.zeros((1, 3, 2, 2))
    kernel[0, 1, 0, 0], kernel[0, 2, 0, 1] = 3.0, 4.0
    assert penalties.ratio([kernel, 0 * kernel]) == pytest.approx([0.75])


def test_correlations_are_numpys_row_by_row():
    a, b = np.random.default_rng(0).random((2, 3, 8))
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    assert penalties.correlations(a, b) == pytest.approx(expected)


def test_a_kernel_loses_its_smallest_weights():
    w = np.arange(1.0, 101).reshape(10, 10)
    found = sparse.with_zeros(-w, 0.9)
    assert (found == np.where(w > 90, -w, 0)).all()
    product = sparse.sparse.csr_array(found.T) @ w.T
    np.testing.assert_allclose(product.T, w @ found)


# --- the ledger still tells the truth


def test_the_ledgers_claims_quote_one_sweep():
    stored = {id: claims.load()[id]["quick"]["numbers"] for id in OURS}
    plain = {stored[id]["none: accuracy"] for id in ("C40", "C41", "C44", "C57", "C63")}
    assert plain == {stored["C45"]["run on: accuracy"]}
    assert stored["C41"]["l2: accuracy"] == stored["C63"]["l2: accuracy"]
    assert stored["C44"]["none: gap"] == stored["C64"]["gap as trained"]
    assert (
        stored["C45"]["restore: accuracy"] == stored["C63"]["early stopping: accuracy"]
    )


def test_the_ledgers_curve_is_what_a_new_run_of_one_rate_finds(monkeypatch):
    stored = claims.load()["C45"]["quick"]["numbers"]
    monkeypatch.setitem(nets.RATES, "Adam", (stored["run on: learning rate"],))
    monkeypatch.setitem(nets.STEPS, "quick", 60)
    monkeypatch.setattr(nets, "MEASUREMENTS", 3)
    short = arms.SETTINGS["quick"] | dict(tune_seeds=())
    monkeypatch.setitem(arms.SETTINGS, "quick", short)
    found = nets.train.__wrapped__("none", "quick")["curve"]
    accuracy = found[:, ACCURACY, 2:].mean(axis=(1, 2, 3))
    # Without the other rates sums come in another order; a few examples of 1,000 flip.
    for m, step in enumerate((0, 20, 40, 60)):
        expected = pytest.approx(stored[f"step {step}: test accuracy"], abs=0.005)
        assert accuracy[m] == expected
    loss = found[-1, LOSS, 1].mean()
    assert loss == pytest.approx(stored["step 60: validation loss"], abs=0.02)
