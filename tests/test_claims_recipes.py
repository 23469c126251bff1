"""The claim that ranks recipes: its data, its networks against the recipes' own, ranks.

That on fast answers is tested in test_claims_recipes_latency.py.
"""

import keras
import numpy as np
import pytest

from dtlib import claims, recipes, schedules, training
from dtlib.claims import _recipes_arms as runs
from dtlib.claims import _recipes_data as data
from dtlib.claims import _recipes_nets as nets
from dtlib.claims import _recipes_rows as rows_of
from dtlib.claims import arms as common
from dtlib.recipes import _building

SEED, RATE = 3, 0.03
every_recipe = pytest.mark.parametrize("name", nets.RECIPES)


def test_these_files_know_all_claims_of_their_chapter():
    found = [id for id in claims.identifiers() if claims.get(id).chapter == "recipes"]
    assert found == ["C47", "C48"]


# --- the data


def test_the_table_hides_its_classes_in_five_columns():
    """The labels come again from the network that is described, but for the noise."""
    sizes = (300, 60, 90)
    found = data.table(sizes)
    assert [len(part) for part in found] == [n for n in sizes for _ in range(2)]
    for one, other in zip(found, data.table(sizes), strict=True):
        np.testing.assert_array_equal(one, other)
    rng = np.random.default_rng(47)
    x = rng.standard_normal((450, 20))
    np.testing.assert_array_equal(np.concatenate(found[::2]), x)
    first, second = (rng.standard_normal((n, 16)) for n in (5, 16))
    h = np.tanh(2 * np.tanh(2 * x[:, :5] @ first / 5**0.5) @ second / 4)
    sums = h @ rng.standard_normal((16, 10))
    clean = np.argmax((sums - sums.mean(0)) / sums.std(0), axis=1)
    # A tenth is drawn anew, and a tenth of that gets its own class again.
    changed = np.mean(np.concatenate(found[1::2]) != clean)
    assert changed == pytest.approx(0.09, abs=4 * (0.09 * 0.91 / 450) ** 0.5)


def test_images_become_means_of_sixteen_pixels():
    from dtlib.datasets import fashion_mnist

    found = data.images((30, 20, 10))
    assert [part.shape for part in found[::2]] == [(30, 49), (20, 49), (10, 49)]
    whole = fashion_mnist(standardize=True)
    rows = np.random.default_rng(0).permutation(len(whole.x_test))[:10]
    np.testing.assert_array_equal(found[5], whole.y_test[rows])
    corner = whole.x_test[rows, -4:, -4:].mean(axis=(1, 2))
    np.testing.assert_allclose(found[4][:, -1], corner, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("k", range(len(data.DATA)))
def test_the_joined_rows_are_those_of_each_data_set(k):
    x, y, rows = data.joined("quick")
    own = data.data(data.DATA[k], "quick")
    for i, part in enumerate(data.PARTS):
        features = own[2 * i].shape[1]
        found = x[rows[part][k]]
        np.testing.assert_allclose(found[:, :features], own[2 * i], rtol=1e-6)
        assert not found[:, features:].any()
        np.testing.assert_array_equal(y[rows[part][k]], own[2 * i + 1])


# --- the recipes


@every_recipe
@pytest.mark.parametrize("depth", nets.DEPTHS)
def test_a_recipe_is_the_same_on_all_data_and_takes_nothing_optional(name, depth):
    found = [nets.recipe(name, depth, "quick", on) for on in data.DATA]
    assert [recipe.settings for recipe in found] == [found[0].settings] * 3
    assert not any(recipe.few for recipe in found)
    chosen = found[0].settings
    assert chosen["penalty"] == chosen["constraint"] == chosen["augmentation"] == "none"
    deep = depth == "deep"
    normal = {"2017": True, "2019": deep, "2022": deep, "modern": True}.get(name, False)
    assert chosen["normalization"] == ("batch" if normal else "none")
    assert chosen["dropout"] == ("dropout" if name == "2017" else "none")
    assert chosen["optimizer"] == {
        "2019": "momentum",
        "2019 self-normalizing": "momentum",
        "modern": "adamw",
    }.get(name, "nesterov")


@every_recipe
def test_a_schedule_is_its_shape_times_the_rate(name):
    chosen = nets.recipe(name, "shallow", "quick").settings
    rate = _building._rate(chosen | {"learning_rate": RATE}, 400)
    expected = schedules.record(rate, 400) if callable(rate) else RATE
    np.testing.assert_allclose(RATE * nets.shape(chosen, 400), expected, atol=1e-7)


def test_each_network_has_a_rate_of_its_own():
    rates = nets.Rates([1.0, 0.5], [0.1, 0.2])
    assert np.array(rates(1)).shape == (2, 1, 1)
    np.testing.assert_allclose(np.array(rates(1)).ravel(), [0.05, 0.1])


# --- the networks


def chosen(name, **parts):
    """A recipe that is quick to train: two layers, two epochs."""
    short = dict(layers=2, epochs=2) | parts
    return [
        nets.recipe(name, "shallow", "quick", on).replace(**short) for on in data.DATA
    ]


@every_recipe
def test_networks_start_as_the_recipe_builds_them(name):
    """In shapes and deviation; the draw itself is shared by all recipes."""
    table, he = chosen(name)[2], chosen("2017")[2]
    one = [nets.Net(data.TABLE, 1.0, SEED)]
    start, he = (nets.starts(each.settings, one, "quick") for each in (table, he))
    model = table.build((20,), 10, seed=0)
    found = start["first"][0, :20], start["hidden"][0, 0], start["last"][0]
    for kernel, layer in zip(found, kernels(model), strict=True):
        built = np.array(layer.kernel)
        assert kernel.shape == built.shape
        # A deviation of n draws has a relative error of 1/√2n; two of them here.
        near = pytest.approx(1, abs=4 * kernel.size**-0.5)
        assert kernel.std() / built.std() == near
    share = 0.5 if "self" in name else 1.0
    np.testing.assert_allclose(start["hidden"], share**0.5 * he["hidden"], rtol=1e-6)


@pytest.mark.parametrize("name", ["2019 self-normalizing", "modern"])
def test_a_network_among_many_goes_the_way_it_goes_alone(name):
    """Alone: `Recipe.build`, its callbacks, and `training.fit`. Dropout is left out."""
    images = chosen(name, dropout="none")[1]
    many = [nets.Net(on, RATE, SEED) for on in (data.IMAGES, data.TABLE)]
    program = nets.Program(images, 3, "quick")
    found = program.train(many)
    model = images.replace(learning_rate=RATE).build((49,), 10, seed=0)
    start = nets.starts(images.settings, many, "quick")
    for part, layer in zip(("first", "hidden", "last"), kernels(model), strict=True):
        kernel = start[part][0, 0] if part == "hidden" else start[part][0]
        layer.kernel.assign(kernel)
    own = data.data(data.IMAGES, "quick")
    training.fit(
        model,
        *own[:2],
        epochs=2,
        batch_size=40,
        seed=SEED,
        validation_data=own[2:4],
        callbacks=images.callbacks(),
    )
    for k, part in enumerate(("valid", "test"), 1):
        alone = training.evaluate(model, *own[2 * k : 2 * k + 2])["accuracy"]
        # Sums in another order: one or two of 400 examples may flip.
        assert found[part][0] == pytest.approx(alone, abs=0.006)
    assert not found["diverged"].any() and found["test"].shape == (2,)
    if name != "modern":  # whose network alone holds the best epoch's weights
        last = np.array(program.model.last)[0]
        np.testing.assert_allclose(last, kernels(model)[-1].kernel, atol=2e-3)


def kernels(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]


def test_dropout_tosses_for_each_layer_and_each_network():
    settings = chosen("2017")[0].settings
    many = [nets.Net(data.CURVES, RATE, SEED)] * 2
    x = data.joined("quick")[0]
    model = nets.Nets(settings, x, nets.starts(settings, many, "quick"))
    ones = np.ones((2, 40, 500), "float32")
    masks = [np.array(drop(ones, training=True)) == 0 for drop in model.drops]
    # 4 standard deviations of a share of 40,000.
    assert [mask.mean() for mask in masks] == pytest.approx([0.1] * 2, abs=0.006)
    assert (masks[0][0] != masks[0][1]).any() and (masks[0] != masks[1]).any()


def test_a_program_serves_again_from_the_start():
    curves = chosen("2022 self-normalizing", epochs=1)[0]
    program = nets.Program(curves, 2, "quick")
    first, other = ([nets.Net(data.CURVES, rate, SEED)] for rate in (RATE, 3 * RATE))
    one, two, again = (program.train(many) for many in (first, other, first))
    assert one["valid"] != two["valid"]
    assert one["valid"] == again["valid"] and one["test"] == again["test"]


@pytest.mark.parametrize(("name", "kept"), [("modern", [1, 0]), ("2017", [2, 2])])
def test_early_stopping_keeps_the_first_best_epoch_of_each(name, kept, monkeypatch):
    curve = np.array([[0.2, 0.6], [0.5, 0.6], [0.5, 0.1]])
    test = np.arange(6).reshape(3, 2) / 10
    epochs = iter(range(3) if name == "modern" else [2])
    state = {}

    def scripted(model, rows, y):
        if len(rows) == data.SIZES["quick"][1]:
            state["epoch"] = next(epochs)
            return curve[state["epoch"]], np.array([True, True])
        return test[state["epoch"]], np.array([True, False])

    monkeypatch.setattr(nets.Program, "begin", lambda *_: None)
    monkeypatch.setattr(nets.training, "fit", lambda *_, **__: None)
    monkeypatch.setattr(nets, "measured", scripted)
    program = nets.Program(chosen(name, epochs=3)[0], 2, "quick")
    found = program.train([nets.Net(data.CURVES, RATE, s) for s in (1, 2)])
    assert found["test"].tolist() == [test[k, i] for i, k in enumerate(kept)]
    assert found["valid"].tolist() == [curve[k, i] for i, k in enumerate(kept)]
    assert found["diverged"].tolist() == [False, True]


def test_accuracy_is_counted_by_column_and_a_lost_network_is_seen():
    y = np.array([0, 1, 1, 0])
    rows = np.array([[0, 3], [1, 2], [2, 1]])

    def model(part, training):
        assert not training
        logits = np.zeros((2, len(part), 2))
        logits[0, :, 1] = 1  # always class 1: right on rows 1 and 2
        logits[1, :, 0] = np.where(part[:, 1] == 3, np.nan, 1)
        return logits

    right, finite = nets.measured(model, rows, y)
    assert right.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert finite.tolist() == [True, False]


# --- tuning


@pytest.fixture
def scripted(monkeypatch):
    """Programs that train nothing: what each was asked, and a score for each rate."""
    asked = []

    class Program:
        def __init__(self, recipe, count, scale):
            asked.append((recipe, count))

        def train(self, many, parts=("valid", "test")):
            asked.append((many, parts))
            # The table's best rate is thrice that of the others.
            best = [0.15 if net.data == data.TABLE else 0.05 for net in many]
            score = [-abs(net.rate - b) for net, b in zip(many, best, strict=True)]
            lost = np.array([net.seed == 1003 for net in many])
            return {part: np.array(score) for part in parts} | {"diverged": lost}

    runs.tuned.cache_clear()
    monkeypatch.setattr(runs, "Program", Program)
    yield asked
    runs.tuned.cache_clear()


def test_each_data_set_tunes_its_rate_on_validation_and_other_seeds(scripted):
    found = runs.tuned.__wrapped__("2022", "deep", "quick")
    (_, count), (tried, seen), (judged, _) = scripted
    assert count == len(tried) == 3 * 8 * 2 and seen == ("valid",)
    assert {net.seed for net in tried} == {1100, 1101}
    rates = sorted({net.rate for net in tried})
    np.testing.assert_allclose(rates, 0.05 * np.array(runs.MULTIPLES))
    assert found["chosen"].tolist() == [3, 3, 4]  # × 1, × 1, × 3
    expected = [0.05] * 20 + [0.15] * 10
    assert [net.rate for net in judged] == pytest.approx(expected)
    assert sorted(net.seed for net in judged[:10]) == [*range(1000, 1010)]
    assert found["diverged"].tolist() == [1, 1, 1] and found["test"].shape == (3, 10)


def test_the_longer_run_takes_the_rates_of_the_shorter(scripted):
    found = runs.longer.__wrapped__("modern", "deep", "quick")
    recipe, count = scripted[-2]
    assert recipe.settings["epochs"] == 30 and count == 30
    assert recipe.steps == 1200 and recipe.settings["layers"] == 10
    chosen = runs.tuned("modern", "deep", "quick")
    expected = np.repeat(chosen["rates"][chosen["chosen"]], 10)
    assert [net.rate for net in scripted[-1][0]] == expected.tolist()
    assert found.shape == (3, 10)


# --- what is read off


def invented():
    """Scores of six recipes on 3 data sets and 2 seeds, alike but for what is named."""
    every = {}
    for depth in nets.DEPTHS:
        for name in nets.RECIPES:
            test, trials = np.full((3, 2), 0.5), np.zeros((3, 8))
            trials[:, 2] = 0.5
            every[name, depth] = dict(
                test=test, trials=trials, diverged=np.zeros(3), chosen=np.full(3, 2)
            )
    every["modern", "deep"]["test"] = np.full((3, 2), 0.7)
    every["2022", "deep"]["test"] = np.array([[0.6, 0.6], [0.5, 0.8], [0.5, 0.5]])
    every["2019", "deep"]["trials"][:, 1] = [0.4, 0.9, 0.8]  # best: 0.5, 0.9, 0.8
    every["2022", "deep"]["trials"][:, 5] = [0.6, 0.6, 0.6]
    return every


def test_differences_are_means_over_data_and_the_rival_is_validations():
    rows = {row["name"]: row for row in rows_of.parts(invented())}
    b = rows["C47b: deep, 2022 − 2017"]
    # 0.1 on one data set; 0.1 and 0.3 on two of them: a mean of 1/30 and 4/30.
    assert b["estimate"] == pytest.approx(5 / 60) and b["n"] == 2 and b["decides"]
    own = rows["deep, 2022 − 2017, Fashion-MNIST"]
    assert own["estimate"] == pytest.approx(0.15) and not own["decides"]
    d = rows["C47d: deep, modern − best textbook"]
    assert d["against"] == "2019" and d["estimate"] == pytest.approx(0.2)
    assert rows["C47d: shallow, modern − best textbook"]["against"] == "2017"  # a tie
    assert [n[:4] for n, r in rows.items() if r["decides"]] == [
        *("C47a", "C47b", "C47c", "C47d", "C47d"),
    ]


def test_longer_runs_are_compared_and_decide_nothing():
    more = {"2022": 0.5, "2022 self-normalizing": 0.6, "modern": 0.4}
    rows = rows_of.long_rows({k: np.full((3, 2), v) for k, v in more.items()})
    found = {row["name"]: row["estimate"] for row in rows if "data" not in row}
    assert found == pytest.approx(
        {
            "deep, longer, 2022 self-normalizing − 2022": 0.1,
            "deep, longer, modern − 2022": -0.1,
            "deep, longer, modern − 2022 self-normalizing": -0.2,
        }
    )
    assert len(rows) == 12 and not any(row["decides"] for row in rows)


def test_ranks_are_taken_on_each_seed_and_data_set():
    found = rows_of.ranks(invented(), "deep")
    # Of the rest, five or four share places: 2–6 → 4, 3–6 → 4.5.
    assert found["modern"].tolist() == pytest.approx([1, (1 + 2 + 1) / 3])
    assert found["2022"].tolist() == pytest.approx([(2 + 4 + 4) / 3, (2 + 1 + 4) / 3])
    assert found["2017"].tolist() == pytest.approx([12.5 / 3, 13 / 3])
    assert sum(found.values()).tolist() == pytest.approx([21, 21])


# --- the ledger still tells the truth


def test_the_ledgers_accuracy_is_what_a_new_run_finds():
    stored = claims.load()["C47"]["quick"]["numbers"]
    name, depth = "2022 self-normalizing", "shallow"
    seeds = common.unseen(common.SETTINGS["quick"])["seeds"]
    many = [
        nets.Net(on, stored[f"{name}, {depth}, {on}: learning rate"], seed)
        for on in data.DATA
        for seed in seeds
    ]
    program = nets.Program(nets.recipe(name, depth, "quick"), len(many), "quick")
    found = program.train(many, parts=("valid", "test"))["test"].reshape(3, -1)
    for on, scores in zip(data.DATA, found, strict=True):
        # Another processor's sums grow apart in 400 steps: a few examples flip.
        expected = pytest.approx(stored[f"{name}, {depth}, {on}: accuracy"], abs=0.01)
        assert scores.mean() == expected


def test_the_ledgers_mean_is_that_of_its_data_sets():
    stored = claims.load()["C47"]["quick"]["numbers"]
    for name in nets.RECIPES:
        for depth in nets.DEPTHS:
            own = [stored[f"{name}, {depth}, {on}: accuracy"] for on in data.DATA]
            mean = pytest.approx(stored[f"{name}, {depth}: accuracy"], rel=1e-3)
            assert np.mean(own) == mean
    ranks = [stored[f"{name}: rank"] for name in nets.RECIPES]
    assert np.mean(ranks) == pytest.approx(3.5, rel=1e-3)
    assert set(recipes.EDITIONS) < set(nets.RECIPES)
