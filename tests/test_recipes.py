"""Recipes: what is chosen and why, and that the network is what the recipe says."""

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from dtlib import callbacks, dropout, normalization, optimizers, recipes, schedules
from dtlib.recipes import _building, _reasons, _tables, recommend, textbook
from dtlib.recipes._grounds import RELATIONS

ROOT = Path(__file__).parent.parent
LEDGER = json.loads((ROOT / "book/_data/ledger.json").read_text("utf-8"))["claims"]
STEMS = {path.stem[3:] for path in (ROOT / "book").glob("[0-9][0-9]_*.ipynb")}
SHAPES = dict.fromkeys(recipes.TASKS, (12,)) | {"images": (3, 4)}
CLASSES = {"binary": 2, "multiclass": 3, "images": 3, "regression": 2}
OPTIMIZERS = {
    "nesterov": optimizers.SGD,
    "momentum": optimizers.SGD,
    "rmsprop": optimizers.RMSprop,
    "adam": optimizers.Adam,
    "nadam": optimizers.Nadam,
    "adamw": optimizers.AdamW,
    "ftrl": optimizers.Ftrl,
}
RATES = {
    "1cycle": schedules.OneCycle,
    "cosine": schedules.CosineDecay,
    "exponential": schedules.ExponentialDecay,
}
every_task = pytest.mark.parametrize("task", recipes.TASKS)
every_priority = pytest.mark.parametrize("priority", recipes.PRIORITIES)


def built(recipe, **settings):
    return recipe.build(SHAPES[recipe.task], CLASSES[recipe.task], **settings)


def examples(task, n=40, seed=0):
    """Standardized inputs, and targets of the task that depend on them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, *SHAPES[task])).astype("float32")
    flat = x.reshape(n, -1)
    if task == "regression":
        return x, flat[:, :2] - flat[:, 2:4]
    classes = CLASSES[task]
    return x, flat[:, :classes].argmax(axis=1).astype("int32")


def read(model):
    """What a built model is, part by part, in the recipe's words."""
    layers = list(model.layers)
    kinds = [type(layer).__name__ for layer in layers]
    dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
    names = {"ELU": "elu", "ReLU": "relu", "LeakyReLU": "leaky_relu"}
    acts = {names[kind] for kind in kinds if kind in names}
    acts |= {
        layer.get_config()["activation"].rpartition(">")[2].replace("silu", "swish")
        for layer in layers
        if type(layer).__name__ == "Activation"
    }
    drops = {"Dropout": "dropout", "AlphaDropout": "alpha_dropout"}
    starts = {
        "HeNormal": "he_normal",
        "LecunNormal": "lecun_normal",
        "GlorotNormal": "glorot_normal",
    }
    penalties = {"L1": "l1", "L2": "l2", "NoneType": "none"}
    bounds = {"MaxNorm": "max_norm", "NoneType": "none"}

    def one(values):
        assert len(set(values)) == 1, values
        return values.pop() if isinstance(values, set) else values[0]

    hidden = dense[:-1]
    return {
        "layers": len(hidden),
        "width": one([layer.units for layer in hidden]),
        "initializer": one(
            [starts[type(layer.kernel_initializer).__name__] for layer in hidden]
        ),
        "activation": one(acts),
        "normalization": "batch" if "BatchNormalization" in kinds else "none",
        "dropout": one({drops[k] for k in kinds if k in drops} or {"none"}),
        "penalty": one([penalties[type(d.kernel_regularizer).__name__] for d in dense]),
        "constraint": one([bounds[type(d.kernel_constraint).__name__] for d in hidden]),
        "augmentation": "shift" if "RandomTranslation" in kinds else "none",
    }


# --- reasons and evidence


def test_every_reason_names_a_chapter_and_tells_what_the_ledger_holds():
    for key, (text, chapter, *grounds) in _reasons.REASONS.items():
        assert text.endswith("."), key
        assert chapter in STEMS, key
        for ground in grounds:
            found = LEDGER[ground.id]["quick"]
            assert ground.relation in RELATIONS and ground.says, key
            if ground.part is None:
                assert ground.outcome == found["verdict"], (key, ground)
            else:
                told = {r["outcome"] for r in found["rows"] if r["name"] == ground.part}
                assert told == {ground.outcome}, (key, ground)


def test_open_evidence_only_qualifies():
    grounds = [g for _, _, *found in _reasons.REASONS.values() for g in found]
    assert len(grounds) > 50
    for ground in grounds:
        if ground.outcome == "inconclusive":
            assert ground.relation == "qualifies", ground
    assert {ground.relation for ground in grounds} == set(RELATIONS)


def test_there_is_a_reason_for_every_value_and_none_for_anything_else():
    told = {key[:2] for key in _reasons.REASONS if key[0] in _tables.ALLOWED}
    allowed = {(p, value) for p, values in _tables.ALLOWED.items() for value in values}
    assert told == allowed
    rest = {key[0] for key in _reasons.REASONS} - set(_tables.ALLOWED)
    assert rest == set(_tables.PARTS) - set(_tables.ALLOWED)
    situations = {key[2] for key in _reasons.REASONS if len(key) == 3}
    assert situations <= {*recipes.PRIORITIES, "few", "not images"}


def test_where_the_evidence_is_against_a_rule_the_recipe_says_so():
    against = {
        ("accurate", "prediction"): "C43",
        ("default", "augmentation"): "C46",
        ("sparse", "penalty"): "C40",
        ("fast", "normalization"): "C18",
    }
    for (priority, part), id in against.items():
        choice = recommend("images", 300, 12, priority)[part]
        assert (id, "contradicts") in {g[::2][:2] for g in choice.grounds}


# --- what is chosen


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("default", dict(initializer="he_normal", activation="elu", schedule="1cycle")),
        ("self_normalizing", dict(initializer="lecun_normal", activation="selu")),
        ("sparse", dict(penalty="l1", finish="prune")),
        ("fast", dict(activation="leaky_relu", normalization="none", layers=2)),
        ("accurate", dict(dropout="dropout", prediction="monte_carlo")),
        ("modern", dict(activation="swish", optimizer="adamw", schedule="cosine")),
    ],
)
def test_a_priority_is_what_it_is_known_for(priority, expected):
    chosen = recommend("multiclass", 50_000, 12, priority).settings
    assert expected.items() <= chosen.items()


def test_batch_normalization_comes_with_depth_from_five_layers_on():
    deep = {"default", "sparse", "accurate"}
    for priority in recipes.PRIORITIES:
        recipe = recommend("multiclass", 5_000, 12, priority)
        found = [
            recipe.replace(layers=k)["normalization"].value == "batch" for k in (4, 5)
        ]
        expected = priority == "modern", priority in {*deep, "modern"}
        assert tuple(found) == expected, priority


@pytest.mark.parametrize(
    ("priority", "part", "value"),
    [
        ("default", "constraint", "max_norm"),
        ("self_normalizing", "dropout", "alpha_dropout"),
        ("fast", "constraint", "max_norm"),
        ("accurate", "constraint", "max_norm"),
        ("modern", "constraint", "max_norm"),
    ],
)
def test_few_examples_add_something_against_overfitting(priority, part, value):
    few = recommend("multiclass", 999, 12, priority)
    many = recommend("multiclass", 1_000, 12, priority)
    wide = recommend("multiclass", 1_000, 1_001, priority)
    assert (few[part].value, many[part].value) == (value, "none")
    assert wide[part].value == value


@every_priority
def test_few_images_are_augmented_and_other_data_are_not(priority):
    few, many = (recommend("images", n, 12, priority) for n in (999, 1_000))
    assert (few["augmentation"].value, many["augmentation"].value) == ("shift", "none")
    other = recommend("binary", 300, 12, priority)["augmentation"]
    assert other.value == "none" and "No change is known" in other.reason


def test_a_network_grows_with_the_number_of_examples():
    sizes = {
        n: recommend("regression", n, 8).settings for n in (999, 1_000, 10_000, 10**6)
    }
    found = [(s["layers"], s["width"]) for s in sizes.values()]
    assert found == [(2, 32), (3, 64), (5, 128), (5, 128)]


# Table by table, as the notes print them: shallow and deep, with few examples or many.
PRINTED = {
    "2017": [
        ("he_normal", "elu", "batch", "dropout", "nesterov", "none"),
        ("he_normal", "elu", "batch", "dropout", "nesterov", "none"),
    ],
    "2019": [
        ("he_normal", "elu", "none", "none", "momentum", "1cycle"),
        ("he_normal", "elu", "batch", "none", "momentum", "1cycle"),
    ],
    "2022": [
        ("he_normal", "elu", "none", "none", "nesterov", "1cycle"),
        ("he_normal", "swish", "batch", "none", "nesterov", "1cycle"),
    ],
    "2019 self-normalizing": [
        ("lecun_normal", "selu", "none", "none", "momentum", "1cycle")
    ]
    * 2,
    "2022 self-normalizing": [
        ("lecun_normal", "selu", "none", "none", "nesterov", "1cycle")
    ]
    * 2,
}


@pytest.mark.parametrize("edition", recipes.EDITIONS)
def test_a_textbooks_table_is_quoted_as_printed(edition):
    parts = "initializer activation normalization dropout optimizer schedule".split()
    many = textbook(edition, "multiclass", 5_000, 12)
    for layers, expected in zip((4, 5), PRINTED[edition], strict=True):
        chosen = many.replace(layers=layers).settings
        assert tuple(chosen[part] for part in parts) == expected
    stops = edition in ("2019", "2022")
    assert (many["stopping"].value == "early") == stops
    few = textbook(edition, "multiclass", 300, 12).settings
    optional = {"2019": ("penalty", "l2"), "2022": ("optimizer", "adamw")}
    alpha = ("dropout", "alpha_dropout")
    part, value = optional.get(edition, alpha if "self" in edition else (None, None))
    assert part is None or (few[part], many[part].value != value) == (value, True)


def test_the_same_call_gives_the_same_recipe():
    for _ in range(2):
        recipe = recommend("binary", 470, 16, "accurate")
        assert recipe == recommend("binary", 470, 16, "accurate")
        assert hash(recipe) == hash(recommend("binary", 470, 16, "accurate"))
        assert recipe.choices == recommend("binary", 470, 16, "accurate").choices
        assert recipe != recommend("binary", 470, 16)
    one, two = dict(layers=7), dict(width=9)
    assert recipe.replace(**one, **two) == recipe.replace(**two).replace(**one)


def test_what_is_replaced_is_marked_and_the_rest_follows_the_rules():
    recipe = recommend("multiclass", 5_000, 12)
    other = recipe.replace(optimizer="adamw", layers=6)
    changed = {c.part for c in other.choices if c.value != recipe[c.part].value}
    assert changed == {"optimizer", "layers", "learning_rate", "normalization"}
    assert {c.part for c in other.choices if c.asked} == {"optimizer", "layers"}
    assert not any(choice.asked for choice in recipe.choices)
    assert other.replace(layers=6) == other


# --- the network


@every_task
@every_priority
def test_every_recipe_trains_is_saved_and_is_loaded(
    task, priority, tmp_path, monkeypatch
):
    monkeypatch.setattr(_building, "SAMPLES", 3)
    recipe = recommend(task, 40, 12, priority).replace(epochs=2, width=8)
    x, y = examples(task)
    model = built(recipe, seed=0)
    # Four steps are hardly worth compiling: it is done for one recipe.
    model.run_eagerly = (task, priority) != ("images", "default")
    start = [w.numpy() for w in model.trainable_weights]
    history = model.fit(
        x,
        y,
        epochs=2,
        validation_data=(x, y),
        callbacks=recipe.callbacks(),
        verbose=0,
    ).history
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 2
    moved = [
        (w.numpy() != s).any()
        for w, s in zip(model.trainable_weights, start, strict=True)
    ]
    assert all(moved)
    model = recipe.finish(model)
    assert model.compiled
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert read(loaded) == read(model)
    np.testing.assert_array_equal(*(m(x, training=False) for m in (loaded, model)))
    found = recipe.predict(loaded, x[:3], seed=1)
    assert found.shape == (3, 1 if task == "binary" else CLASSES[task])


@every_task
@every_priority
@pytest.mark.parametrize("n", [300, 30_000])
def test_each_choice_is_in_the_network(task, priority, n):
    recipe = recommend(task, n, 12, priority)
    model, chosen = built(recipe), recipe.settings
    found = read(model)
    assert found == {part: chosen[part] for part in found}
    assert isinstance(model.optimizer, OPTIMIZERS[chosen["optimizer"]])
    assert model.get_compile_config()["loss"]["class_name"].lower() == (
        chosen["loss"].replace("_", "")
    )
    rates = schedules.record(schedule_of(model), recipe.steps)
    assert rates.max() == pytest.approx(chosen["learning_rate"], rel=0.01)
    early = [c for c in recipe.callbacks() if isinstance(c, callbacks.EarlyStopping)]
    assert bool(early) == (chosen["stopping"] == "early")


def schedule_of(model):
    """The schedule of a compiled model; private in Keras, under any rate."""
    return model.optimizer._learning_rate


@pytest.mark.parametrize(
    ("part", "value"),
    [(part, value) for part, values in recipes.ALLOWED.items() for value in values],
)
def test_a_value_that_is_asked_for_is_in_the_network(part, value):
    more = {
        "monte_carlo": {"dropout": "dropout"},
        "ftrl": {"schedule": "none"},
    }.get(value, {})
    task = "images" if part == "augmentation" else "multiclass"
    recipe = recommend(task, 5_000, 12).replace(layers=2, **{part: value}, **more)
    model = built(recipe)
    assert recipe[part].value == value and recipe[part].asked
    found = read(model)
    assert found.get(part, value) == value
    if part == "optimizer":
        assert type(model.optimizer) is OPTIMIZERS[value]
        assert getattr(model.optimizer, "nesterov", None) in (value == "nesterov", None)
    elif part == "schedule":
        rate = schedule_of(model)
        assert isinstance(rate, RATES.get(value, keras.Variable))
        kinds = {type(callback) for callback in recipe.callbacks()}
        assert (callbacks.ReduceLROnPlateau in kinds) == (value == "performance")


def test_numbers_that_are_asked_for_are_in_the_network():
    numbers = dict(layers=4, width=7, learning_rate=0.01, batch_size=10, epochs=3)
    recipe = recommend("multiclass", 95, 12).replace(**numbers, schedule="none")
    assert {part: recipe[part].value for part in numbers} == numbers
    assert recipe.steps == 30  # three epochs of ten batches, the last of them of five
    model = built(recipe)
    assert (read(model)["layers"], read(model)["width"]) == (4, 7)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


@pytest.mark.parametrize("schedule", RATES)
def test_a_schedule_ends_where_the_run_does(schedule):
    recipe = recommend("binary", 1_001, 12).replace(schedule=schedule, batch_size=100)
    rates = schedules.record(schedule_of(built(recipe)), recipe.steps)
    assert len(rates) == 30 * 11
    assert rates.max() == pytest.approx(0.05, rel=0.02)
    assert rates[-1] == rates.min() or schedule == "cosine"
    assert rates[-1] < 0.02 * rates.max()
    half = schedules.record(schedule_of(built(recipe)), recipe.steps // 2)
    assert half.min() > 1.5 * rates[-1] or schedule == "cosine"


def test_a_cosine_warms_up_for_a_twentieth_of_the_run():
    recipe = recommend("binary", 2_000, 12, "modern").replace(batch_size=100)
    rates = schedules.record(schedule_of(built(recipe)), recipe.steps)
    assert len(rates) == 600 and rates.argmax() == 30
    np.testing.assert_allclose(rates[:31], np.arange(31) / 30 * 0.003, rtol=1e-5)


@pytest.mark.parametrize("schedule", ["1cycle", "cosine", "exponential", "none"])
def test_early_stopping_does_not_cut_off_a_schedules_end(schedule):
    recipe = recommend("multiclass", 5_000, 12).replace(schedule=schedule, epochs=40)
    (stopping,) = recipe.callbacks()
    assert stopping.patience == (10 if schedule == "none" else 40)
    assert stopping.restore_best_weights and stopping.monitor == "val_accuracy"
    (stopping,) = recommend("regression", 5_000, 12).callbacks()
    assert stopping.monitor == "val_loss"


def test_batch_normalization_stands_between_a_layer_without_bias_and_its_activation():
    model = built(recommend("multiclass", 5_000, 12, "modern"))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Dense", "BatchNormalization", "Activation"] * 3 + ["Dense"]
    uses = [d.use_bias for d in model.layers if isinstance(d, keras.layers.Dense)]
    assert uses == [False] * 3 + [True]


def test_the_settings_behind_the_names_are_the_ones_told():
    model = built(recommend("images", 300, 12, "accurate"))
    drop = [layer for layer in model.layers if isinstance(layer, dropout.Dropout)]
    assert [layer.rate for layer in drop] == [0.1, 0.1]
    bounds = [
        d.kernel_constraint for d in model.layers if isinstance(d, keras.layers.Dense)
    ]
    assert [b and b.max_value for b in bounds] == [1.0, 1.0, None]
    fast = built(recommend("multiclass", 5_000, 12, "fast"))
    assert [
        layer.negative_slope
        for layer in fast.layers
        if type(layer).__name__ == "LeakyReLU"
    ] == [0.2, 0.2]
    assert model.optimizer.momentum == 0.9 and model.optimizer.nesterov


def test_the_initial_variance_is_the_initializers():
    recipe = recommend("multiclass", 5_000, 12).replace(width=400)
    for name, gain in (("he_normal", 2), ("lecun_normal", 1), ("glorot_normal", 1)):
        kernel = built(recipe.replace(initializer=name), seed=0).layers[2].kernel
        # 160,000 draws: the variance is within 4·√(2/160,000) = 1.5 %.
        assert np.var(kernel.numpy()) * 400 == pytest.approx(gain, rel=0.015)


def test_a_seed_repeats_the_network_and_each_layer_has_its_own_draw():
    recipe = recommend("images", 300, 12, "accurate")
    weights = [built(recipe, seed=s).get_weights() for s in (0, 0, 1)]
    assert all(map(np.array_equal, weights[0], weights[1]))
    kernels = [w for w in weights[0] if w.ndim == 2 and w.shape == (32, 32)]
    other = [w for w in weights[2] if w.ndim == 2 and w.shape == (32, 32)]
    assert not np.array_equal(kernels[0], other[0])
    deep = built(recipe.replace(layers=4), seed=0).get_weights()
    square = [w for w in deep if w.shape == (32, 32)]
    assert len({w.tobytes() for w in square}) == len(square) == 3
    keras.utils.set_random_seed(0)
    one, two = built(recipe).get_weights(), built(recipe).get_weights()
    assert not np.array_equal(one[0], two[0])


@pytest.mark.parametrize("shape", [(4, 6), (4, 3, 2)])
def test_an_image_may_have_channels(shape):
    recipe = recommend("images", 300, 24)
    model = recipe.build(shape, 3)
    x = np.random.default_rng(0).random((5, *shape)).astype("float32")
    assert model(x).shape == (5, 3)
    shift = next(m for m in model.layers if type(m).__name__ == "RandomTranslation")
    x = x if len(shape) == 3 else x[..., None]
    np.testing.assert_array_equal(shift(x, training=False), x)
    assert not np.array_equal(shift(x, training=True), x)


def test_a_run_of_one_step_has_a_schedule():
    for priority in recipes.PRIORITIES:
        recipe = recommend("binary", 1, 12, priority).replace(epochs=1)
        assert recipe.steps == 1
        assert math.isfinite(schedules.record(schedule_of(built(recipe)), 1)[0])


# --- after the training


def test_a_sparse_recipe_ends_with_nine_of_ten_weights_at_zero():
    recipe = recommend("multiclass", 300, 12, "sparse")
    model = built(recipe, seed=0)
    before = model.get_weights()
    pruned = recipe.finish(model)
    assert all(map(np.array_equal, before, model.get_weights()))
    kernels = [w for w in pruned.get_weights() if w.ndim == 2]
    n = sum(w.size for w in kernels)
    zeros = sum((w == 0).sum() for w in kernels)
    assert zeros == round(0.9 * n)
    kept = np.concatenate([w[w != 0] for w in kernels])
    gone = np.concatenate(
        [b[w == 0] for w, b in zip(kernels, before[::2], strict=True)]
    )
    assert np.abs(kept).min() >= np.abs(gone).max()
    assert pruned.optimizer is not model.optimizer and pruned.compiled


def test_a_sparse_recipe_prunes_on_the_way_and_keeps_no_earlier_epoch():
    recipe = recommend("multiclass", 300, 12, "sparse").replace(epochs=8)
    model, (x, y) = built(recipe, seed=0), examples("multiclass")
    zeros = []

    def count(epoch, logs):
        kernels = [w.ravel() for w in model.get_weights() if w.ndim == 2]
        zeros.append(np.mean(np.concatenate(kernels) == 0))

    counting = keras.callbacks.LambdaCallback(on_epoch_end=count)
    pruning, stopping = recipe.callbacks()
    model.fit(
        *(x, y),
        epochs=8,
        verbose=0,
        validation_data=(x, y),
        callbacks=[pruning, counting, stopping],
    )
    # 1 − (1 − t)³ at a quarter, a half, three quarters, and from then on.
    wanted = [0.9 * share for share in (37 / 64, 7 / 8, 63 / 64, 1, 1, 1, 1, 1)]
    np.testing.assert_allclose(zeros, wanted, atol=1e-3)
    count(None, None)
    assert zeros[-1] == pytest.approx(0.9, abs=1e-3)
    assert stopping.start_from_epoch == 4
    restored = recipe.finish(model).get_weights()
    assert all(map(np.array_equal, restored, model.get_weights()))
    # The smallest of all layers go, not as many of each.
    shares = [np.mean(w == 0) for w in restored if w.ndim == 2]
    assert np.ptp(shares) > 0.05
    assert recommend("multiclass", 300, 12).callbacks()[0].start_from_epoch == 0


def test_a_fast_recipe_folds_the_batch_normalization_that_was_asked_for():
    recipe = recommend("multiclass", 300, 12, "fast").replace(normalization="batch")
    model = built(recipe, seed=0)
    x, y = examples("multiclass")
    model.run_eagerly = True  # two steps, to move the running averages
    model.fit(x, y, epochs=1, verbose=0)
    folded = recipe.finish(model)
    assert not any(
        isinstance(layer, normalization.BatchNormalization) for layer in folded.layers
    )
    np.testing.assert_allclose(folded(x), model(x), rtol=1e-4, atol=1e-5)


def test_other_recipes_leave_the_network_as_it_is():
    recipe = recommend("multiclass", 300, 12)
    model = built(recipe)
    assert recipe.finish(model) is model


@every_task
def test_predictions_are_probabilities_of_the_networks_logits(task):
    recipe = recommend(task, 300, 12)
    model = built(recipe, seed=0)
    x, _ = examples(task)
    logits = np.asarray(model(x, training=False), "float64")
    found = recipe.predict(model, x)
    if task == "regression":
        expected = logits
    elif task == "binary":
        expected = 1 / (1 + np.exp(-logits))
    else:
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_an_accurate_recipe_predicts_the_mean_of_a_hundred_probabilities(
    monkeypatch,
):
    recipe = recommend("multiclass", 300, 12, "accurate")
    model = built(recipe, seed=0)
    x, _ = examples("multiclass", 6)
    assert _building.SAMPLES == 100  # fewer here: each is a pass of its own
    monkeypatch.setattr(_building, "SAMPLES", 8)
    drawn = dropout.mc_predict(model, x, samples=8, seed=3)
    expected = np.exp(drawn) / np.exp(drawn).sum(axis=-1, keepdims=True)
    found = recipe.predict(model, x, seed=3)
    np.testing.assert_allclose(found, expected.mean(axis=0), rtol=1e-5)
    assert np.array_equal(found, recipe.predict(model, x, seed=3))
    assert not np.allclose(found, recipe.replace(prediction="plain").predict(model, x))


# --- what is printed


def test_the_text_names_every_part_its_reason_and_its_claims():
    recipe = recommend("images", 300, 784, "accurate").replace(width=50)
    text = recipe.describe()
    flat = " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 88
    assert text.startswith('Recipe "accurate": images, 300 examples of 784 numbers')
    for choice in recipe.choices:
        assert f"{choice.part} {choice.value} " in flat
        assert f"{choice.reason} [chapter {choice.chapter}" in flat
        assert all(f"{g.id} {g.relation} it: {g.says}" in flat for g in choice.grounds)
    assert flat.count("Asked for.") == 1
    assert flat.count("no claim tests it") == sum(not c.grounds for c in recipe.choices)


def test_the_table_in_a_notebook_holds_the_same():
    recipe = recommend("binary", 300, 16, "sparse")
    html = recipe._repr_html_()
    assert html.count("<tr>") == 1 + len(recipe.choices)
    for choice in recipe.choices:
        row = f"<tr><td>{choice.part}</td><td>{choice.value}</td>"
        assert row in html
        assert all(f"{g.id} {g.relation}" in html for g in choice.grounds)


# --- errors


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: recommend("ranking", 300, 12), "`task` must be one of .*'binary'"),
        (lambda: recommend("binary", 0, 12), r"`n_samples`.*integer in \[1, inf\)"),
        (lambda: recommend("binary", 3.5, 12), "`n_samples`.*n_samples=3.5"),
        (lambda: recommend("binary", True, 12), "`n_samples`"),
        (lambda: recommend("binary", 300, 0), "`n_features`"),
        (lambda: recommend("binary", 300, 12, "best"), "`priority`.*'default'"),
        (lambda: recommend("binary", 300, 12, "2019"), "`priority`"),
        (lambda: textbook("2018", "binary", 300, 12), "`edition`.*'2017'"),
        (lambda: textbook("default", "binary", 300, 12), "`edition`"),
        (lambda: recommend("binary", 300, 12)["color"], "`part` must be one of"),
    ],
)
def test_a_bad_argument_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (dict(color="red"), "`part` must be one of.*'color'"),
        (dict(loss="mean_squared_error"), "`part`"),
        (dict(activation="tanh"), "`activation` must be one of.*'elu'"),
        (dict(layers=0), r"`layers`.*\[1, inf\)"),
        (dict(width=2.5), "`width`"),
        (dict(batch_size=-1), "`batch_size`"),
        (dict(epochs=0), "`epochs`"),
        (dict(learning_rate=0), r"`learning_rate`.*\(0, inf\)"),
        (dict(augmentation="shift"), "`augmentation` must be .none.*task='binary'"),
        (dict(prediction="monte_carlo"), "`prediction` must be .plain.*samples"),
        (dict(optimizer="ftrl"), "`schedule` must be .none.*FTRL.*'1cycle'"),
    ],
)
def test_a_bad_replacement_is_named(parts, words):
    with pytest.raises(ValueError, match=words):
        recommend("binary", 300, 12).replace(**parts)


@pytest.mark.parametrize(
    ("task", "shape", "classes", "words"),
    [
        ("binary", 12, 2, "`input_shape` must be a tuple"),
        ("binary", (11,), 2, "`input_shape`.*12 numbers.*`n_features`"),
        ("binary", (0,), 2, r"`input_shape`.*\[1, inf\)"),
        ("binary", (), 2, "an axis or more"),
        ("images", (12,), 3, "two or three axes"),
        ("images", (1, 2, 3, 2), 3, "two or three axes"),
        ("binary", (12,), 3, r"`n_classes`.*\[2, 2\]"),
        ("multiclass", (12,), None, "`n_classes`.*None"),
        ("multiclass", (12,), 1, r"`n_classes`.*\[2, inf\)"),
        ("regression", (12,), 0, r"`n_classes`.*\[1, inf\)"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(task, shape, classes, words):
    with pytest.raises(ValueError, match=words):
        recommend(task, 300, 12).build(shape, classes)


@pytest.mark.parametrize("seed", [-1, 0.5, True])
def test_a_bad_seed_is_refused(seed):
    recipe = recommend("binary", 300, 12)
    with pytest.raises(ValueError, match="`seed`"):
        built(recipe, seed=seed)
    with pytest.raises(ValueError, match="`seed`"):
        recipe.predict(built(recipe), examples("binary")[0], seed=seed)


def test_outputs_follow_the_task():
    units = {
        task: recommend(task, 300, 12).build(SHAPES[task], CLASSES[task]).output_shape
        for task in recipes.TASKS
    }
    assert units == {
        "binary": (None, 1),
        "multiclass": (None, 3),
        "images": (None, 3),
        "regression": (None, 2),
    }
    for task in ("binary", "regression"):
        assert recommend(task, 300, 12).build((12,)).output_shape == (None, 1)


def test_binary_accuracy_is_that_of_the_sign():
    recipe = recommend("binary", 300, 12)
    model = built(recipe, seed=0)
    x, y = examples("binary")
    found = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
    expected = np.mean((np.asarray(model(x))[:, 0] > 0) == y)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("part", "value", "number", "read_from"),
    [
        ("penalty", "l1", 0.001, lambda m: m.layers[0].kernel_regularizer.l1),
        ("penalty", "l2", 0.001, lambda m: m.layers[-1].kernel_regularizer.l2),
        ("optimizer", "adamw", 0.1, lambda m: m.optimizer.weight_decay),
        ("optimizer", "momentum", 0.9, lambda m: m.optimizer.momentum),
        (
            *("optimizer", "ftrl", 0.01),
            lambda m: m.optimizer.l1_regularization_strength,
        ),
    ],
)
def test_a_strength_is_the_one_that_the_reason_tells(part, value, number, read_from):
    more = {"schedule": "none"} if value == "ftrl" else {}
    recipe = recommend("multiclass", 5_000, 12).replace(**{part: value}, **more)
    assert float(read_from(built(recipe))) == pytest.approx(number)
    assert f"{number:g}" in recipe[part].reason


# --- the search, and the room of a sparse model


@pytest.mark.equation("eq-recipes-halton")
@pytest.mark.parametrize("dimensions", range(1, 9))
def test_the_halton_points_are_scipys_without_the_corner(dimensions):
    expected = qmc.Halton(dimensions, scramble=False).random(401)[1:]
    found = recipes.halton(400, dimensions)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert (found > 0).all() and (found < 1).all()
    np.testing.assert_array_equal(recipes.halton(70, dimensions), found[:70])


def test_halton_points_are_more_even_than_random_ones():
    even = qmc.discrepancy(recipes.halton(64, 2))
    draws = np.random.default_rng(0).random((50, 64, 2))
    assert even < min(qmc.discrepancy(draw) for draw in draws) / 2


@pytest.mark.equation("eq-recipes-trials")
@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("probability", [0.05, 0.5, 0.95, 0.999])
def test_so_many_trials_hit_and_one_less_would_not(share, probability):
    n = recipes.trials_needed(share, probability)
    hit = stats.binom.sf(0, n, share)  # one success or more
    assert hit >= probability * (1 - 1e-12)
    assert n == 1 or stats.binom.sf(0, n - 1, share) < probability


@pytest.mark.parametrize(("share", "n"), [(0.25, 3), (0.25, 9), (0.2, 12), (0.5, 20)])
def test_a_rounding_error_asks_for_no_further_trial(share, n):
    assert recipes.trials_needed(share, 1 - (1 - share) ** n) == n


@pytest.mark.equation("eq-recipes-bits")
@pytest.mark.parametrize("sparsity", [0, 0.1, 0.5, 0.9, 0.999, 1])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_the_bits_are_the_entropy_of_a_zero_or_one_of_all_values(sparsity, bits):
    values = np.full(2**bits, (1 - sparsity) / 2**bits)
    expected = stats.entropy([sparsity, *values], base=2)
    found = recipes.bits_per_weight(sparsity, bits)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("rule", "arguments", "name"),
    [
        (recipes.halton, (0, 1), "n"),
        (recipes.halton, (5, 9), "dimensions"),
        (recipes.halton, (5, 1.5), "dimensions"),
        (recipes.trials_needed, (0, 0.5), "share"),
        (recipes.trials_needed, (0.05, 1), "probability"),
        (recipes.bits_per_weight, (1.1, 32), "sparsity"),
        (recipes.bits_per_weight, (0.5, 0), "bits"),
    ],
)
def test_a_number_out_of_its_range_is_named(rule, arguments, name):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        rule(*arguments)
