"""Monte-Carlo dropout and what is made of it: against all masks, SciPy, scikit-learn.

The rules and layers themselves: tests/test_dropout.py.
"""

import itertools
import math

import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats
from sklearn import metrics

from dtlib import dropout
from dtlib.dropout import mc_predict
from tests import oracles_dropout as oracles
from tests.engines import array

RNG = np.random.default_rng(7)
X = RNG.normal(size=(40, 50)).astype("float32")


def tensor(x, dtype="float32"):
    return ops.convert_to_tensor(x, dtype)


def every_mask(units):
    return [np.array(m) for m in itertools.product([False, True], repeat=units)]


def chance(mask, rate):
    return rate ** (~mask).sum() * (1 - rate) ** mask.sum()


# Monte-Carlo dropout ------------------------------------------------------------------


class Failing(layers.Layer):
    """Fails at its n-th call."""

    def __init__(self, n):
        super().__init__()
        self.left = n

    def call(self, x):
        self.left -= 1
        if not self.left:
            raise RuntimeError("enough")
        return x


def normalized(*hidden, units=6):
    """Batch norm with averages that are no batch's, then the layers to look at."""
    model = keras.Sequential([keras.Input((units,)), layers.BatchNormalization()])
    for layer in hidden:
        model.add(layer)
    weights = RNG.uniform(0.5, 2.0, size=(4, units))
    model.layers[0].set_weights(list(weights.astype("float32")))
    return model


def state(model):
    return [array(v) for v in model.variables]


def same(before, after):
    return all((a == b).all() for a, b in zip(before, after, strict=True))


FAMILY = [
    layers.Dropout,
    layers.AlphaDropout,
    layers.GaussianDropout,
    dropout.Dropout,
    dropout.AlphaDropout,
    dropout.GaussianDropout,
    dropout.MCDropout,
    dropout.MCAlphaDropout,
]


@pytest.mark.parametrize("cls", FAMILY, ids=lambda c: f"{c.__module__}.{c.__name__}")
def test_mc_predict_activates_dropout_alone_and_changes_nothing(cls):
    drop = cls(0.5, seed=3)
    model = normalized(layers.GaussianNoise(1.0), drop, layers.BatchNormalization())
    x = X[:7, :6]
    before = state(model)
    samples = mc_predict(model, x, samples=12, batch_size=4, seed=1)
    assert samples.shape == (12, 7, 6) and same(before, state(model))
    assert "call" not in vars(drop)
    if not cls.__name__.startswith("MC"):
        expected = array(model(x, training=False))  # dropout is silent again
        assert (array(model(x, training=False)) == expected).all()
    # After the batch norm at inference, a dropped unit is one of two values exactly.
    z = array(model.layers[0](x, training=False))
    last = 1 / math.sqrt(1 + 1e-3)  # of the second batch norm, which is new
    if "Gaussian" in cls.__name__:
        assert (samples.std(0) > 0).all()
        return
    rule = oracles.alpha_dropout if "Alpha" in cls.__name__ else oracles.dropout
    low, high = (rule(z, np.full(z.shape, kept), 0.5) * last for kept in (False, True))
    kept = abs(samples - high) < abs(samples - low)
    np.testing.assert_allclose(samples, np.where(kept, high, low), rtol=1e-5, atol=1e-5)
    # 12 × 42 fair coins.
    assert kept.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(kept.size))


def test_mc_predict_leaves_batch_norm_alone_unlike_the_common_bug():
    def predict_in_training(model, x, samples):  # as in many notes
        return np.stack([array(model(x, training=True)) for _ in range(samples)])

    def agrees(predict):
        """Values of 0 and 2·BN(x) only, and a model that is as before."""
        model = normalized(layers.Dropout(0.5, seed=3))
        before, x = state(model)[:4], X[:7, :6]
        twice = 2 * array(model.layers[0](x, training=False))
        samples = predict(model, x, 5)
        right = np.isclose(samples, twice, rtol=1e-5) | (samples == 0)
        return right.all() and same(before, state(model)[:4])

    assert agrees(lambda model, x, n: mc_predict(model, x, samples=n, seed=1))
    assert not agrees(predict_in_training)


@pytest.mark.equation("eq-dropout-samples")
def test_its_mean_is_the_average_over_all_masks():
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((4,)), dropout.Dropout(0.4), layers.Dense(3, "softmax")]
    )
    x = X[:2, :4]
    kernel, bias = (array(w) for w in model.weights)
    exact = 0
    for mask in every_mask(4):
        z = oracles.dropout(x, mask, 0.4) @ kernel + bias
        e = np.exp(z - z.max(-1, keepdims=True))
        exact = exact + chance(mask, 0.4) * e / e.sum(-1, keepdims=True)
    samples = mc_predict(model, np.repeat(x, 500, 0), samples=20, seed=5)
    samples = samples.reshape(20, 2, 500, 3).swapaxes(1, 2).reshape(-1, 2, 3)
    # 10,000 draws, each with masks of its own: their mean strays by s/√10,000.
    assert (abs(samples.mean(0) - exact) < 4 * samples.std(0) / 100).all()
    assert abs(array(model(x)) - exact).max() > 0.01  # not the usual prediction


def test_a_seed_repeats_the_samples_and_none_follows_the_global_seed():
    model = normalized(layers.Dropout(0.5), layers.Dropout(0.2), units=50)
    x = X[:10]

    def drawn(seed=None, **options):
        return mc_predict(model, x, samples=3, seed=seed, **options)

    assert (drawn(4) == drawn(4)).all() and (drawn(4) != drawn(5)).any()
    assert (drawn() != drawn()).any()
    keras.utils.set_random_seed(1)
    first = drawn()
    keras.utils.set_random_seed(1)
    assert (drawn() == first).all()
    a, b, c = drawn(4) == 0
    # Samples, batches and layers toss coins of their own: 60 % are dropped of each,
    # and 36 % of two by chance.
    for one, other in ((a, b), (b, c), (a[:5], a[5:])):
        four = 4 * math.sqrt(0.36 * 0.64 / one.size)
        assert (one & other).mean() == pytest.approx(0.36, abs=four)
    split = drawn(4, batch_size=5) == 0
    assert (split[0, :5] & split[0, 5:]).mean() == pytest.approx(0.36, abs=0.13)


def test_an_exception_on_the_way_leaves_the_model_as_it_was():
    drop = layers.Dropout(0.5, seed=1)
    failing = Failing(0)
    model = normalized(drop, failing)
    before, y = state(model), array(model(X[:4, :6]))
    failing.left = 3
    with pytest.raises(RuntimeError, match="enough"):
        mc_predict(model, X[:4, :6], samples=9)
    assert same(before, state(model)) and "call" not in vars(drop)
    failing.left = 0
    assert (array(model(X[:4, :6])) == y).all()


def test_dropout_is_found_at_every_depth_and_in_every_kind_of_model():
    keras.utils.set_random_seed(1)
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4), layers.Dropout(0.5)])
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    y = layers.Add()([inner(left), inner(right)])
    model = keras.Model({"left": left, "right": right}, [y, layers.Dense(2)(y)])
    x = {"left": X[:5, :4], "right": X[:5, 4:8]}
    first, second = mc_predict(model, x, samples=4, batch_size=2)
    assert first.shape == (4, 5, 4) and second.shape == (4, 5, 2)
    assert (second.std(0) > 0).any()

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = [layers.Dense(3), dropout.Dropout(0.5)]

        def call(self, x):
            for layer in self.block:
                x = layer(x)
            return x

    assert mc_predict(Subclassed(), X, samples=3).std(0).any()  # and not built yet


RECURRENT = {
    "LSTM": lambda: layers.LSTM(3, dropout=0.5),
    "GRU": lambda: layers.Bidirectional(layers.GRU(3, recurrent_dropout=0.5)),
    "cell": lambda: layers.RNN(layers.SimpleRNNCell(3, dropout=0.5)),
    "spatial": lambda: layers.SpatialDropout1D(0.5),
    "distributed": lambda: layers.TimeDistributed(layers.Dropout(0.5)),
}


@pytest.mark.parametrize("make", RECURRENT.values(), ids=RECURRENT)
def test_dropout_inside_recurrent_layers_and_wrappers_is_active(make):
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((3, 4)), make()])
    x, before = X[:6, :12].reshape(6, 3, 4), state(model)
    samples = mc_predict(model, x, samples=3, seed=1)
    assert (samples.std(0) > 0).mean() > 0.5 and same(before, state(model))
    assert (samples == mc_predict(model, x, samples=3, seed=1)).all()


@pytest.mark.parametrize("kind", ["Attention", "MultiHeadAttention"])
def test_dropout_inside_attention_is_active(kind):
    x = keras.Input((5, 4))
    if kind == "Attention":
        y = layers.Attention(dropout=0.5)([x, x])
    else:
        y = layers.MultiHeadAttention(2, 3, dropout=0.5)(x, x)
    samples = mc_predict(keras.Model(x, y), X[:6, :20].reshape(6, 5, 4), samples=4)
    assert (samples.std(0) > 0).mean() > 0.9


def test_a_stateful_layer_starts_each_sample_anew_and_ends_as_it_was():
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(2, 5, 4)),
            layers.LSTM(3, stateful=True),
            layers.Dropout(1e-9, seed=1),
        ]
    )
    x, before = X[:2, :20].reshape(2, 5, 4), state(model)
    samples = mc_predict(model, x, samples=3)
    assert (samples == samples[0]).all() and same(before, state(model))


@pytest.mark.parametrize("kind", ["none", "zero", "noise"])
def test_a_model_without_dropout_is_refused(kind):
    hidden = {
        "none": [],
        "zero": [layers.Dropout(0)],
        "noise": [layers.GaussianNoise(1)],
    }
    with pytest.raises(
        ValueError, match="`model` must have a dropout layer .*BatchNorm"
    ):
        mc_predict(normalized(*hidden[kind]), X[:2, :6])


def test_mc_predict_names_a_bad_argument():
    model = normalized(layers.Dropout(0.5))
    for name, value in dict(samples=0, batch_size=2.5, seed=-1).items():
        with pytest.raises(ValueError, match=rf"`{name}` must be .*{name}={value}"):
            mc_predict(model, X[:2, :6], **{name: value})
    for x in (X[:0, :6], [X[:2], X[:3]], 1.0):
        with pytest.raises(
            ValueError, match="`x` must hold arrays of one number of rows"
        ):
            mc_predict(model, x)


# Uncertainty --------------------------------------------------------------------------

SAMPLES = RNG.dirichlet([0.3, 0.5, 1.0, 0.2], size=(9, 30))
SAMPLES[0, 0] = [1, 0, 0, 0]


@pytest.mark.equation("eq-dropout-mean", "eq-dropout-entropy", "eq-dropout-dispute")
def test_the_measures_are_their_definitions():
    total, own = oracles.predictive_entropy(SAMPLES), oracles.expected_entropy(SAMPLES)
    for measure, expected in {
        dropout.predictive_mean: SAMPLES.sum(0) / 9,
        dropout.predictive_entropy: total,
        dropout.expected_entropy: own,
        dropout.mutual_information: total - own,
        dropout.variation_ratio: oracles.variation_ratio(SAMPLES),
    }.items():
        np.testing.assert_allclose(measure(SAMPLES), expected, rtol=1e-10, atol=1e-14)
        # Float32 tensors, as of a model, are as good to their digits.
        near = measure(tensor(SAMPLES))
        np.testing.assert_allclose(near, expected, rtol=1e-5, atol=1e-6)
        assert near.dtype == "float64"
        # Any number of axes between samples and classes.
        wide = measure(SAMPLES.reshape(9, 5, 6, 4))
        np.testing.assert_allclose(wide.ravel(), np.ravel(expected), atol=1e-12)
    expected = stats.entropy(SAMPLES, axis=-1)
    np.testing.assert_allclose(dropout.entropy(SAMPLES), expected, atol=1e-12)


def test_the_ends_of_entropy_are_0_and_log_k():
    sure, open_ = np.eye(5), np.full((3, 5), 0.2)
    assert (dropout.entropy(sure) == 0).all()
    np.testing.assert_allclose(dropout.entropy(open_), math.log(5), rtol=1e-12)
    # log K is what it costs to name a class, in nats: e^H counts the open ones.
    two = [0.5, 0.5, 0, 0]
    assert math.exp(dropout.entropy(two)) == pytest.approx(2)
    contrary = np.eye(2)[:, None]  # two samples, each sure of its own class
    assert dropout.mutual_information(contrary) == pytest.approx(math.log(2))
    assert dropout.expected_entropy(contrary) == 0
    assert dropout.mutual_information(np.full((9, 1, 4), 0.25)) == 0


def test_the_mean_is_less_confident_than_its_samples_unlike_the_common_claim():
    def raises_confidence(mean, samples):  # "Monte-Carlo dropout raises confidence"
        return (mean.max(-1) > samples.max(-1).mean(0) + 1e-12).any()

    for seed in range(20):
        samples = np.random.default_rng(seed).dirichlet(np.ones(6) / 4, size=(7, 50))
        mean = dropout.predictive_mean(samples)
        assert not raises_confidence(mean, samples)
        gap = dropout.predictive_entropy(samples) - dropout.expected_entropy(samples)
        assert (gap >= -1e-12).all() and (gap > 0.01).any()
        assert (dropout.mutual_information(samples) >= 0).all()
        top = dropout.variation_ratio(samples)
        assert (top >= 0).all() and (top <= 1 - 1 / 6).all()
    # The claim tells apart: it is true of the most confident sample alone.
    assert raises_confidence(samples[samples.max(-1).mean(-1).argmax()], samples)


@pytest.mark.parametrize(
    "bad, said",
    [
        ([[[1.2, -0.2]]], r"`samples` must be probabilities in \[0, 1\].*2 of 2.*1\.2"),
        ([[[math.nan, 1.0]]], "must be probabilities.*nan"),
        ([[[3.0, -1.0]]], "Logits need a softmax"),
        ([[[0.5, 0.4]]], r"`samples` must sum to 1 .*0\.9"),
        ([[[0.3], [0.2]]], r"must sum to 1 .*give \[1 − p, p\]"),
        ([[0.5, 0.5]], r"at least 3 axes.*\(1, 2\).*use `entropy`"),
        (np.zeros((0, 3, 2)), r"none of them empty"),
    ],
)
def test_what_is_no_probability_is_refused(bad, said):
    for measure in (dropout.predictive_mean, dropout.mutual_information):
        with pytest.raises(ValueError, match=said):
            measure(bad)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_rounded_probabilities_are_probabilities(dtype):
    logits = tensor(4 * RNG.normal(size=(3, 200, 300)), dtype)
    p = ops.softmax(logits)
    assert (dropout.mutual_information(p) > 0).all()
    with pytest.raises(ValueError, match="must sum to 1"):
        dropout.entropy(0.95 * array(p))


# Calibration --------------------------------------------------------------------------

P = RNG.dirichlet([0.4, 0.6, 0.5], size=300)
P[:6] = [[0.2, 0.2, 0.6], [0.4, 0.3, 0.3], [1, 0, 0], [0.8, 0.1, 0.1]] + [
    [1 / 3] * 3
] * 2
LABELS = RNG.integers(0, 3, size=300)


@pytest.mark.equation("eq-dropout-ece")
@pytest.mark.parametrize("bins", [1, 3, 5, 10, 15, 100])
def test_calibration_is_guos_table(bins):
    rows, error = oracles.calibration(LABELS, P, bins)
    table = np.transpose(dropout.calibration_curve(LABELS, P, bins=bins))
    np.testing.assert_allclose(table, rows, rtol=1e-12)
    assert table[:, 2].sum() == len(P)
    ours = dropout.expected_calibration_error(LABELS, P, bins=bins)
    assert ours == pytest.approx(error, rel=1e-12)
    if bins == 15:
        assert dropout.expected_calibration_error(LABELS, P) == ours


def test_a_bin_holds_its_right_edge_in_single_precision_too():
    third = [[1 / 3, 1 / 3, 1 / 3]]
    for p in (third, tensor(third)):
        count = dropout.calibration_curve([0], p, bins=15)[2]
        assert np.flatnonzero(count).tolist() == [4]  # (4/15, 5/15]


def test_calibration_of_a_calibrated_model_is_0_and_of_a_sure_one_its_error():
    # 10 predictions at 0.7, 7 of them right.
    p = np.repeat([[0.7, 0.3]], 10, 0)
    y = np.repeat([0, 1], [7, 3])
    assert dropout.expected_calibration_error(y, p) == pytest.approx(0, abs=1e-12)
    sure = np.repeat([[1.0, 0.0]], 10, 0)
    assert dropout.expected_calibration_error(y, sure) == pytest.approx(0.3)


def test_the_scores_are_their_definitions_and_those_of_scikit_learn():
    brier = dropout.brier_score(LABELS, P)
    assert brier == pytest.approx(oracles.brier_score(LABELS, P), rel=1e-12)
    truth = np.eye(3)[LABELS]
    assert brier == pytest.approx(3 * metrics.mean_squared_error(truth, P), rel=1e-12)
    positive = P[3:] + 1e-12
    positive /= positive.sum(-1, keepdims=True)
    nll = dropout.negative_log_likelihood(LABELS[3:], positive)
    expected = oracles.negative_log_likelihood(LABELS[3:], positive)
    assert nll == pytest.approx(expected, rel=1e-12)
    assert nll == pytest.approx(metrics.log_loss(LABELS[3:], positive), rel=1e-9)
    assert dropout.negative_log_likelihood([1], [[1.0, 0.0]]) == math.inf
    assert dropout.negative_log_likelihood([0], [[1.0, 0.0]]) == 0
    assert dropout.brier_score([1], [[1.0, 0.0]]) == 2


@pytest.mark.parametrize("score", ["brier_score", "calibration_curve"])
@pytest.mark.parametrize(
    "y, said",
    [
        (np.eye(3), r"shape \(3,\).*\(3, 3\).*argmax"),
        ([0, 1], r"`y_true` must hold one class label for each row"),
        ([0, 1, 3], r"class labels in \[0, 3\)\. Received: 3"),
        ([0, -1, 2], "Received: -1"),
        ([0, 0.5, 2], r"Received: 0\.5"),
    ],
)
def test_labels_that_do_not_fit_are_refused(score, y, said):
    with pytest.raises(ValueError, match=said):
        getattr(dropout, score)(y, P[:3])
    with pytest.raises(ValueError, match="`bins` must be an integer"):
        dropout.expected_calibration_error([0], P[:1], bins=0)
