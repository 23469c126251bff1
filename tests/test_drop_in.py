"""A training script in which `keras.X` becomes `dtlib.X`, with the same arguments.

Each row of TABLE is one swap. Where the conventions agree, the trained weights must be
equal. Where they part on purpose, the row says how to turn one into the other, or how
far apart they may be, and the docstring must say so under *Differs from Keras*.
"""

import functools
import inspect
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest

import dtlib
from tests.engines import BACKEND, array
from tests.test_contracts import STEMS

PATHS = {"schedules": keras.optimizers}  # where it is not in keras itself
# float32 sums in another order; a step of any optimizer here moves a weight by 1e-4.
EQUAL = dict(rtol=2e-5, atol=2e-6)


@dataclass(frozen=True, eq=False)
class Swap:
    """`home.module.name(**arguments)` for home = keras, then for home = dtlib."""

    module: str
    name: str
    arguments: dict = field(default_factory=dict)
    ours: dict = field(default_factory=dict)  # arguments that make the two agree
    within: float = None  # or: the largest relative difference of the trained weights

    def __str__(self):
        return f"{self.module}.{self.name}"

    def of(self, home):
        """What has this name at home, or, made with its arguments, an object of it."""
        module = home if home is dtlib else PATHS.get(self.module, keras)
        found = getattr(getattr(module, self.module), self.name)
        more = self.ours if home is dtlib else {}
        return found(**{**self.arguments, **more}) if inspect.isclass(found) else found

    @property
    def differs(self):
        return bool(self.ours) or self.within is not None


def script(kind, thing):
    """A few steps of a small network in which `thing` stands where its kind belongs."""
    keras.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40, 8)).astype("float32")
    labels = rng.integers(0, 3, size=40)
    dense = dict(kernel_initializer=keras.initializers.GlorotUniform(seed=1))
    hidden = {
        "initializers": dict(kernel_initializer=thing),
        "regularizers": dict(kernel_regularizer=thing, activity_regularizer=thing),
        "constraints": dict(kernel_constraint=thing),
        "activations": dict(activation=thing),
    }
    first = keras.layers.Dense(
        6, **{**dense, "activation": "tanh", **hidden.get(kind, {})}
    )
    between = [thing] if kind == "layers" else []
    sparse = "Sparse" in type(thing).__name__  # classes; other losses take one-hot
    positive = "softplus" if kind == "losses" and not sparse else "softmax"
    last = keras.layers.Dense(3, positive, **dense)
    rates = {"schedules": thing}
    sgd = keras.optimizers.SGD(rates.get(kind, 0.05), momentum=0.9)
    loss, y = "categorical_crossentropy", np.eye(3, dtype="float32")[labels]
    if kind == "losses":
        loss = thing
        y = labels if sparse else y
    if isinstance(thing, keras.layers.Layer) and type(thing).__name__ in AUGMENTS:
        between.clear()
        batch = {"images": x.reshape(40, 4, 2, 1), "labels": y}
        batch = thing(batch, training=True)
        x, y = array(batch["images"]).reshape(40, 8), array(batch["labels"])
    model = keras.Sequential([keras.Input((8,)), first, *between, last])
    model.compile(thing if kind == "optimizers" else sgd, loss, run_eagerly=True)
    if kind == "callbacks":
        model.fit(x, y, 20, epochs=4, verbose=0, callbacks=[thing])
    for batch in range(0 if kind == "callbacks" else 4):
        rows = slice(10 * batch, 10 * batch + 10)
        model.train_on_batch(x[rows], y[rows])
    return np.concatenate([array(v).ravel() for v in (*model.weights, model(x))])


AUGMENTS = ("MixUp", "RandomErasing")
SEED = dict(seed=7)
WAITS = dict(monitor="loss", mode="max", patience=1)
TABLE = [
    *[
        Swap("initializers", name, SEED)
        for name in (
            *("GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform"),
            *("LecunNormal", "LecunUniform", "RandomNormal", "RandomUniform"),
            "TruncatedNormal",
        )
    ],
    Swap("initializers", "VarianceScaling", dict(scale=2.5, mode="fan_out", **SEED)),
    Swap("initializers", "Zeros"),
    Swap("initializers", "Ones"),
    Swap("initializers", "Constant", dict(value=0.1)),
    Swap("initializers", "Identity", dict(gain=0.5)),
    Swap("initializers", "Orthogonal", SEED),
    *[
        Swap("losses", name)
        for name in (
            *("MeanSquaredError", "MeanAbsoluteError", "Poisson"),
            *("MeanSquaredLogarithmicError", "BinaryCrossentropy"),
            *("CategoricalCrossentropy", "SparseCategoricalCrossentropy"),
            *("Hinge", "SquaredHinge", "CategoricalHinge"),
        )
    ],
    *[
        Swap("activations", name)
        for name in (
            *("linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu"),
            *("gelu", "silu", "swish", "mish", "softplus", "softmax", "log_softmax"),
        )
    ],
    Swap("layers", "ReLU", dict(max_value=1.0, negative_slope=0.1, threshold=0.1)),
    Swap("layers", "LeakyReLU"),
    Swap("layers", "PReLU", dict(alpha_initializer="ones")),
    Swap("layers", "ELU", dict(alpha=0.7)),
    Swap("layers", "Softmax"),
    Swap("layers", "Activation", dict(activation="gelu")),
    Swap("layers", "BatchNormalization", dict(momentum=0.8, epsilon=1e-4)),
    Swap("layers", "LayerNormalization"),
    Swap("layers", "Dropout", dict(rate=0.3, seed=5)),
    Swap("layers", "AlphaDropout", dict(rate=0.3, seed=5)),
    Swap("layers", "GaussianDropout", dict(rate=0.3, seed=5)),
    Swap("layers", "MixUp", dict(seed=5)),
    Swap("layers", "RandomErasing", dict(factor=(1, 1), seed=5), within=2.0),
    Swap("optimizers", "SGD", dict(learning_rate=0.1)),
    Swap("optimizers", "SGD", dict(momentum=0.9)),
    Swap("optimizers", "SGD", dict(momentum=0.9, nesterov=True, weight_decay=0.01)),
    Swap("optimizers", "Adagrad", dict(learning_rate=0.1)),
    Swap("optimizers", "RMSprop", dict(clipnorm=0.1)),
    Swap("optimizers", "RMSprop", dict(momentum=0.9, centered=True)),
    Swap("optimizers", "Ftrl", dict(learning_rate=0.1, l1_regularization_strength=0.1)),
    Swap("optimizers", "Adam", dict(learning_rate=0.01), within=1e-3),
    Swap("optimizers", "Adam", dict(learning_rate=0.01, amsgrad=True), within=1e-3),
    Swap(
        "optimizers",
        "AdamW",
        dict(learning_rate=0.01, global_clipnorm=1.0),
        within=1e-3,
    ),
    Swap("optimizers", "Adamax", dict(learning_rate=0.01)),
    Swap("optimizers", "Nadam", dict(learning_rate=0.01, use_ema=True)),
    Swap("optimizers", "Lion"),
    Swap("optimizers", "Muon", dict(learning_rate=0.01), within=1e-3),
    Swap("regularizers", "L1", dict(l1=0.1)),
    Swap("regularizers", "L2", dict(l2=0.1)),
    Swap("regularizers", "L1L2", dict(l1=0.1, l2=0.2)),
    Swap("regularizers", "OrthogonalRegularizer", dict(factor=0.1, mode="columns")),
    Swap("constraints", "MaxNorm", dict(max_value=0.5), within=1e-5),
    Swap("constraints", "MinMaxNorm", dict(min_value=0.1, max_value=0.5, rate=0.9)),
    Swap("constraints", "NonNeg"),
    Swap("constraints", "UnitNorm"),
    *[
        Swap("schedules", name, dict(initial_learning_rate=0.1, decay_steps=3, **more))
        for name, more in {
            "ExponentialDecay": dict(decay_rate=0.5, staircase=True),
            "InverseTimeDecay": dict(decay_rate=0.5),
            "PolynomialDecay": dict(power=2.0, cycle=True),
            "CosineDecay": dict(alpha=0.1, warmup_target=0.2, warmup_steps=2),
        }.items()
    ],
    Swap(
        "schedules", "PiecewiseConstantDecay", dict(boundaries=[2], values=[0.1, 0.01])
    ),
    Swap(
        "schedules",
        "CosineDecayRestarts",
        dict(initial_learning_rate=0.1, first_decay_steps=2, m_mul=0.8),
    ),
    # A loss that falls is no progress to who waits for a maximum.
    Swap("callbacks", "EarlyStopping", WAITS | dict(restore_best_weights=True)),
    Swap("callbacks", "ReduceLROnPlateau", WAITS | dict(factor=0.3)),
]
HOMES = (
    *(keras.initializers, keras.losses, keras.activations, keras.layers),
    *(keras.optimizers, keras.optimizers.schedules, keras.regularizers),
    *(keras.constraints, keras.callbacks),
)
every_swap = pytest.mark.parametrize("swap", TABLE, ids=str)


@functools.cache
def ours(swap):
    return script(swap.module, swap.of(dtlib))


@every_swap
def test_the_script_runs_unchanged_and_gives_the_same_weights(swap):
    if BACKEND != "tensorflow" and swap.name == "Dropout":
        pytest.skip(f"on {BACKEND} Keras draws this mask by the backend's own function")
    theirs = script(swap.module, swap.of(keras))
    assert np.isfinite(theirs).all()
    if swap.within is None:
        np.testing.assert_allclose(ours(swap), theirs, **EQUAL)
    else:
        apart = np.abs(ours(swap) - theirs).max() / np.abs(theirs).max()
        assert 0 < apart <= swap.within


@pytest.mark.parametrize("swap", [s for s in TABLE if s.differs], ids=str)
def test_where_the_conventions_part_the_docstring_says_so(swap):
    assert "Differs from Keras:" in inspect.getdoc(swap.of(dtlib))


def test_the_script_notices_what_is_swapped():
    """Each object changes the outcome: else the comparison above would see nothing."""
    found = {}
    for swap in TABLE:
        found.setdefault(swap.module, []).append(ours(swap))
    for module, outcomes in found.items():
        different = {outcome.tobytes() for outcome in outcomes}
        aliases = module == "activations"  # swish is silu
        assert len(different) == len(outcomes) - aliases, module


def test_every_namesake_of_keras_is_in_the_table():
    swapped = {getattr(getattr(dtlib, swap.module), swap.name) for swap in TABLE}
    for family in map(dtlib.__getattr__, STEMS):
        for name in family.__all__:
            thing = getattr(family, name)
            twin = any(getattr(home, name, None) for home in HOMES)
            if twin and (inspect.isclass(thing) or family is dtlib.activations):
                assert thing in swapped, name
