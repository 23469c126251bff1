"""What every optimizer does alike: base arguments, odd gradients, every way to run.

Each test runs through every public class.
"""

import inspect
import math

import keras
import numpy as np
import pytest
from keras import ops

from dtlib import optimizers
from dtlib.optimizers import SGD, Adagrad, Ftrl, RMSprop
from tests.engines import BACKEND, array
from tests.test_optimizers import CASES, close, compiled_walk, problem, walk

EVERY = [c for c in map(vars(optimizers).get, optimizers.__all__) if inspect.isclass(c)]
every_class = pytest.mark.parametrize("cls", EVERY, ids=lambda cls: cls.__name__)
# These take a matrix as a whole: what happens to one entry depends on the others.
WHOLE = {"Muon"}
# These have a decay of their own, which is switched off where it would be in the way.
DECAYED = {
    "AdamW": dict(weight_decay=0.0),
    "Muon": dict(weight_decay=0.0, adam_weight_decay=0.0),
}


def made(cls, **more):
    """One at the values of its row in CASES, or at its defaults, at rate 1/8."""
    return cls(**{**CASES.get(cls, [dict(learning_rate=0.125)])[0], **more})


def plain(cls, learning_rate=0.125, **more):
    """One at its defaults, but for a rate that shows, and without decay."""
    return cls(learning_rate, **{**DECAYED.get(cls.__name__, {}), **more})


# Steps -----------------------------------------------------------------------


@every_class
def test_only_adagrad_and_its_kin_lower_the_rate_by_themselves(cls):
    # "Adaptive methods lower their rate" holds for sums of squares. A mean of squares
    # stays what it is when the gradient does.
    ones = np.ones((150, 2, 2))
    path, _ = compiled_walk(plain(cls, 0.0078125), np.zeros((2, 2)), ones)
    steps = np.diff(path[:, 0, 0])
    ratio = steps[148] / steps[48]  # step 150 beside step 50
    if cls in (Adagrad, Ftrl):
        assert ratio == pytest.approx(math.sqrt(50.1 / 150.1), rel=2e-3)
    else:
        assert ratio == pytest.approx(1.0, rel=0.01)


# Where our ε stands elsewhere than Keras', it is made too small to matter.
EPSILON = {name: 1e-12 for name in ("Adam", "AdamW", "Adamax", "Nadam", "Muon")}


@every_class
def test_ten_steps_are_those_of_keras(cls):
    start, grads = problem()
    more = {"epsilon": EPSILON[cls.__name__]} if cls.__name__ in EPSILON else {}
    for given in (dict(learning_rate=0.125), CASES.get(cls, [{}])[0]):
        ours, theirs = (
            walk(c(**{**given, **more}), start, grads)
            for c in (cls, getattr(keras.optimizers, cls.__name__))
        )
        # Keras takes 1 − βᵗ in float32, where 1 − 0.999 has five digits.
        atol = 1e-5 if more else 2e-6
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=atol)


@every_class
def test_a_zero_gradient_moves_nothing(cls):
    start, _ = problem()
    path = walk(plain(cls), start, np.zeros((3, *start.shape)))
    # FTRL's weight is what its sums say, and they are 0.
    expected = 0 * start if cls is Ftrl else start
    np.testing.assert_array_equal(path, [expected] * 3)


@every_class
def test_a_huge_gradient_leaves_numbers_where_it_is_normalized(cls):
    start, grads = problem(4)
    grads[1] = 1e30  # its square is infinite in float32
    path = walk(plain(cls), start, grads)
    assert np.isfinite(path).all()
    if cls is SGD:  # nothing normalizes: the weight is thrown out, by α·g
        assert abs(path[1]).min() > 1e28
    else:
        assert abs(path).max() < 10
    if cls in (Adagrad, RMSprop, Ftrl):  # the sum is infinite now, the rate 0
        np.testing.assert_array_equal(path[1:], [path[0]] * 3)


@every_class
def test_a_nan_gradient_stays_in_its_element_and_is_not_hidden(cls):
    start, grads = problem()
    broken = grads.copy()
    broken[2, 0, 1] = np.nan
    if cls.__name__ in WHOLE:
        assert np.isnan(walk(plain(cls), start, broken)[2:]).all()
        return
    path, expected = walk(plain(cls), start, broken), walk(plain(cls), start, grads)
    assert np.isnan(path[2:, 0, 1]).all()
    expected[2:, 0, 1] = np.nan
    np.testing.assert_array_equal(path, expected)


@every_class
@pytest.mark.parametrize("number", [np.inf, -np.inf])
def test_an_infinite_gradient_is_not_hidden(cls, number):
    start, grads = problem(3)
    grads[1] = number
    path = walk(plain(cls), start, grads)
    steady = {"Lion"}  # takes the sign only
    assert np.isfinite(path[1:]).all() == (cls.__name__ in steady)


@every_class
def test_accumulated_gradients_are_one_gradient_their_mean(cls):
    start, grads = problem(6)
    path = walk(made(cls, gradient_accumulation_steps=2), start, grads)
    expected = walk(made(cls), start, (grads[::2] + grads[1::2]) / 2)
    close(path[1::2], expected)
    np.testing.assert_array_equal(path[2::2], path[1:-1:2])
    np.testing.assert_array_equal(path[0], np.float64(start))


@every_class
def test_the_moving_average_is_that_of_the_weights(cls):
    start, grads = problem(5)
    bare = walk(made(cls), start, grads)
    optimizer = made(cls, use_ema=True, ema_momentum=0.75)
    w = keras.Variable(start)
    for g in grads:
        optimizer.apply([ops.convert_to_tensor(g)], [w])
    close(array(w), bare[-1])
    average = bare[0]
    for point in bare[1:]:
        average = 0.75 * average + 0.25 * point
    optimizer.finalize_variable_values([w])
    close(array(w), average)


def by_norm(grads, most):
    return [g * min(1, most / np.linalg.norm(g)) for g in grads]


def by_global_norm(grads, most):
    norm = np.linalg.norm([np.linalg.norm(g) for g in grads])
    return [g * min(1, most / norm) for g in grads]


def by_value(grads, most):
    return [np.clip(g, -most, most) for g in grads]


CLIPS = dict(clipnorm=by_norm, global_clipnorm=by_global_norm, clipvalue=by_value)


@every_class
@pytest.mark.parametrize("argument", CLIPS)
@pytest.mark.convention("Clipping arguments of an optimizer")
def test_gradients_are_clipped_each_or_together_or_by_value(cls, argument):
    # clipnorm looks at one weight, global_clipnorm at all; neither adds 1e-6.
    starts = [problem(seed=s)[0] for s in (1, 2)]
    grads = [[problem(4, seed=s)[1][t] for s in (1, 2)] for t in range(4)]
    ends = []
    for optimizer, clip in (
        (made(cls, **{argument: 0.75}), lambda grads: grads),
        (made(cls), lambda grads: CLIPS[argument](grads, 0.75)),
    ):
        weights = [keras.Variable(start) for start in starts]
        for pair in grads:
            pair = [ops.convert_to_tensor(g, "float32") for g in clip(pair)]
            optimizer.apply(pair, weights)
        ends.append([array(w) for w in weights])
    close(*ends)


@every_class
def test_weight_decay_shrinks_the_weight_by_the_rate_before_the_step(cls):
    start, grads = problem(1)
    optimizer = made(cls, weight_decay=0.25)
    shrunk = start * (1 - 0.25 * 0.125)
    expected = walk(made(cls, weight_decay=0.0), shrunk, grads)
    close(walk(optimizer, start, grads), expected)


@every_class
def test_a_scaled_loss_gives_the_same_path(cls):
    start, grads = problem()
    optimizer = made(cls, loss_scale_factor=1024.0)
    assert float(optimizer.scale_loss(2.0)) == 2048.0
    close(walk(optimizer, start, 1024 * grads), walk(made(cls), start, grads))


@every_class
def test_under_loss_scaling_an_infinite_gradient_skips_its_step(cls):
    start, grads = problem(4)
    scaled = keras.optimizers.LossScaleOptimizer(made(cls), initial_scale=8.0)
    broken = 8 * grads
    broken[1, 0] = np.inf
    broken[2:] /= 2  # the scale was halved
    path, _ = compiled_walk(scaled, start, broken)  # JAX has no other way
    close(path[[0, 2, 3]], walk(made(cls), start, grads[[0, 2, 3]]))
    np.testing.assert_array_equal(path[1], path[0])


@every_class
def test_a_schedule_and_a_callable_set_the_rate_of_each_step(cls):
    start, grads = problem(5)
    rates = [0.125 / (1 + t / 2) for t in range(5)]
    schedule = keras.optimizers.schedules.InverseTimeDecay(0.125, 2, 1.0)
    by_hand, called = made(cls), iter(rates)
    path, w = [], keras.Variable(start)
    for g, rate in zip(grads, rates, strict=True):
        by_hand.learning_rate = rate
        by_hand.apply([ops.convert_to_tensor(g)], [w])
        path.append(array(w))
    close(walk(made(cls, learning_rate=schedule), start, grads), path)
    given = made(cls, learning_rate=lambda: next(called))
    given.weight_decay = None  # Keras asks for the rate once more to decay
    if cls.__name__ not in DECAYED:
        close(walk(given, start, grads), path)


@every_class
def test_matrices_vectors_and_scalars_go_together(cls):
    optimizer, apart = made(cls), made(cls)
    shapes = [(3, 2), (4,), (), (2, 2, 3)]
    weights = [keras.Variable(problem(1, s, 3)[0]) for s in shapes]
    grads = [problem(1, s, 3)[1][0] for s in shapes]
    optimizer.apply([ops.convert_to_tensor(g, "float32") for g in grads], weights)
    for w, shape in zip(weights, shapes, strict=True):
        assert w.shape == shape
        start, gradient = problem(1, shape, 3)
        apart = made(cls)
        np.testing.assert_array_equal(array(w), walk(apart, start, gradient)[0])


@every_class
def test_weights_and_slots_keep_their_type(cls):
    start, grads = problem(6)
    ends = {}
    for dtype in ("float16", "bfloat16", "float32", "float64"):
        w, optimizer = keras.Variable(start, dtype=dtype), made(cls)
        for g in grads:
            optimizer.apply([ops.convert_to_tensor(g, dtype)], [w])
        slots = optimizer.variables[2 : 2 + len(optimizer.slots())]
        assert {v.dtype for v in (w, *slots)} == {dtype}
        ends[dtype] = array(w)
        assert np.isfinite(ends[dtype]).all()
    # Three digits in float16, two in bfloat16, of numbers about 1, six times.
    if cls.__name__ not in WHOLE:
        for dtype, atol in [("float16", 0.02), ("bfloat16", 0.15), ("float32", 1e-5)]:
            np.testing.assert_allclose(ends[dtype], ends["float64"], atol=atol)


@every_class
@pytest.mark.parametrize("number", [1e4, -1e4])
def test_float16_survives_gradients_whose_squares_it_cannot_hold(cls, number):
    start, _ = problem(shape=(2, 2))
    grads = [np.full((2, 2), number)] * 3
    assert np.isfinite(walk(plain(cls), start, grads, "float16")).all()


@every_class
@pytest.mark.parametrize("xla", [False, True], ids=["graph", "xla"])
def test_ten_compiled_steps_are_ten_eager_ones_traced_once(cls, xla):
    start, grads = problem()
    path, traces = compiled_walk(made(cls), start, grads, xla)
    close(path, walk(made(cls), start, grads))
    assert traces == 1


def model_of(optimizer, seed=0):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
    )
    model.compile(optimizer, "mse", run_eagerly=BACKEND == "tensorflow")
    return model


def data():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(16, 3)).astype("float32")
    return x, x @ rng.normal(size=(3, 2)).astype("float32")


# Keras reads a variable by NumPy's older protocol, of which NumPy 2 warns.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@every_class
def test_a_saved_optimizer_goes_on_where_it_stopped(cls, tmp_path):
    x, y = data()
    model = model_of(made(cls))
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is cls
    for _ in range(2):
        model.train_on_batch(x, y)
        loaded.train_on_batch(x, y)
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))
    assert int(loaded.optimizer.iterations) == 5


@every_class
def test_it_trains_a_model_in_mixed_precision(cls):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model = model_of(plain(cls, learning_rate=0.0625))
        x, y = data()
        losses = [float(model.train_on_batch(x, y)) for _ in range(8)]
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert all(w.dtype == "float32" for w in model.weights)
    # FTRL starts a hidden layer at 0, from where it hardly moves.
    assert losses[-1] < (1.0 if cls is Ftrl else 0.9) * losses[0]


@pytest.mark.parametrize(
    "bad, said",
    [
        (
            dict(learning_rate=True),
            r"`learning_rate` must be a number in \[0, inf\).*=Tr",
        ),
        (dict(learning_rate=math.nan), "`learning_rate` must be .*=nan"),
        (dict(learning_rate="fast"), "`learning_rate` must be .*a schedule.*='fast'"),
        (dict(gradient_accumulation_steps=1), "`gradient_accumulation_steps` must be"),
        (dict(use_ema=True, ema_momentum=2), "`ema_momentum` must be"),
        (dict(use_ema=True, ema_overwrite_frequency=0.5), "`ema_overwrite_frequency`"),
        (dict(clipnorm=1.0, clipvalue=1.0), "Only one of `clipnorm`"),
        (dict(lr=0.1), "not recognized.*lr"),
    ],
)
@every_class
def test_a_bad_base_argument_is_refused(cls, bad, said):
    if cls is Ftrl and "learning_rate" in bad:
        said = "`learning_rate` must be a number"
    with pytest.raises(ValueError, match=said):
        cls(**bad)


# On TensorFlow ------------------------------------------------------------------------


def sparse():
    """A gradient of four rows in which row 2 occurs twice, as an embedding's does."""
    import tensorflow as tf

    values = tf.constant([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0]])
    return tf.IndexedSlices(values, tf.constant([2, 0, 2]), tf.constant([4, 2]))


BASE = [
    {},
    dict(clipnorm=0.75),
    dict(clipvalue=0.75),
    dict(global_clipnorm=0.75),
    dict(loss_scale_factor=2.0),
    dict(gradient_accumulation_steps=2),
]


@pytest.mark.tensorflow
@every_class
@pytest.mark.parametrize("more", BASE, ids=str)
def test_a_sparse_gradient_with_repeated_rows_is_the_dense_one(cls, more):
    import tensorflow as tf

    paths = []
    for g in (sparse(), tf.convert_to_tensor(sparse())):
        w, optimizer = (
            keras.Variable(np.ones((4, 2)), dtype="float32"),
            made(cls, **more),
        )
        for _ in range(4):
            optimizer.apply([g], [w])
        paths.append(array(w))
    np.testing.assert_array_equal(*paths)


@pytest.mark.tensorflow
def test_keras_squares_the_uses_of_a_row_before_it_adds_them():
    # Row 2 is used with 1 and 5: (1 + 5)² = 36, and Keras counts 1² + 5² = 26.
    for cls, squares in [(Adagrad, 36.0), (keras.optimizers.Adagrad, 26.0)]:
        w = keras.Variable(np.ones((4, 2)), dtype="float32")
        cls(0.125, initial_accumulator_value=0.0).apply([sparse()], [w])
        expected = 1 - 0.125 * 6 / math.sqrt(squares)
        assert float(array(w)[2, 0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.tensorflow
@every_class
def test_an_embedding_trains_and_a_second_seed_restarts_as_a_new_model_would(cls):
    from dtlib import training

    def new():
        keras.utils.set_random_seed(1)
        table = keras.layers.Embedding(20, 3)
        head = keras.layers.Dense(1, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((), dtype="int32"), table, head])
        model.compile(plain(cls, learning_rate=0.03125), "mse")
        return model

    x = np.random.default_rng(0).integers(0, 10, size=64).astype("int32")
    y = (x % 2 + 1.0).astype("float32")[:, None]
    model, ends = new(), []
    for _ in range(2):
        unused = array(model.weights[0])[10:].copy()
        losses = training.fit(
            model, x, y, epochs=8, batch_size=16, verbose=0, seed=0
        ).history["loss"]
        assert losses[-1] < 0.9 * losses[0]
        rows = array(model.weights[0])[10:]
        np.testing.assert_array_equal(rows, 0 * rows if cls is Ftrl else unused)
        ends.append([array(v) for v in (*model.weights, *model.optimizer.variables)])
        traces = model._dtlib_program.traces
        training.restart(model, new())
    assert traces == model._dtlib_program.traces == 1
    for first, again in zip(*ends, strict=True):
        np.testing.assert_array_equal(first, again)
