"""Losses: against PyTorch and Optax, and where the conventions part."""

import jax
import keras
import numpy as np
import optax
import pytest
import tensorflow as tf
import torch
from torch.nn import functional

from dtlib import losses
from tests.engines import array, gradient
from tests.test_losses import draw

jax.config.update("jax_enable_x64", True)
V1 = tf.compat.v1.losses


def by_torch(f, y, pred):
    """The values of `f(pred, y)`, and the gradient of their sum by `pred`."""
    pred = torch.tensor(pred, requires_grad=True)
    value = f(pred, torch.tensor(y))
    value.sum().backward()
    return value.detach().numpy(), pred.grad.numpy()


def by_optax(f, y, pred):
    y = jax.numpy.asarray(y)
    slope = jax.grad(lambda pred: f(pred, y).sum())(pred)
    return np.asarray(f(pred, y)), np.asarray(slope)


def each(f, **given):
    return lambda pred, y: f(pred, y, reduction="none", **given).mean(-1)


def cross_entropy(pred, y, **given):
    return functional.cross_entropy(pred, y, reduction="none", **given)


# name: rule, kind of data, the peer and its function of (pred, y)
PEERS = {
    "mse": (losses.mean_squared_error, "real", by_torch, each(functional.mse_loss)),
    "mae": (losses.mean_absolute_error, "real", by_torch, each(functional.l1_loss)),
    "rmse": (
        losses.root_mean_squared_error,
        "real",
        by_torch,
        lambda pred, y: functional.mse_loss(pred, y).sqrt(),
    ),
    "msle": (
        losses.mean_squared_logarithmic_error,
        "positive",
        by_torch,
        lambda pred, y: each(functional.mse_loss)(pred.log1p(), y.log1p()),
    ),
    "poisson": (
        losses.poisson,
        "counts",
        by_torch,
        each(functional.poisson_nll_loss, log_input=False, eps=1e-7),
    ),
    "bce": (
        losses.binary_crossentropy,
        "bits, p",
        by_torch,
        each(functional.binary_cross_entropy),
    ),
    "bce, logits": (
        lambda y, z: losses.binary_crossentropy(y, z, from_logits=True),
        "bits, z",
        by_torch,
        each(functional.binary_cross_entropy_with_logits),
    ),
    "cce, logits": (
        lambda y, z: losses.categorical_crossentropy(y, z, from_logits=True),
        "soft, z",
        by_torch,
        cross_entropy,
    ),
    "cce, smooth": (
        lambda y, z: losses.categorical_crossentropy(y, z, True, 0.2),
        "one-hot, z",
        by_torch,
        lambda z, y: cross_entropy(z, y, label_smoothing=0.2),
    ),
    "scce, logits": (
        lambda y, z: losses.sparse_categorical_crossentropy(y, z, from_logits=True),
        "classes, z",
        by_torch,
        cross_entropy,
    ),
    "scce, ignored": (
        lambda y, z: losses.sparse_categorical_crossentropy(y, z, True, ignore_class=2),
        "classes, z",
        by_torch,
        lambda z, y: cross_entropy(z, y, ignore_index=2),
    ),
    "log-probabilities": (
        losses.sparse_categorical_crossentropy,
        "classes, p",
        by_torch,
        lambda p, y: functional.nll_loss(
            (p / p.sum(-1, keepdim=True)).log(), y, reduction="none"
        ),
    ),
    "mse, optax": (
        losses.mean_squared_error,
        "real",
        by_optax,
        lambda pred, y: optax.losses.squared_error(pred, y).mean(-1),
    ),
    "bce, optax": (
        losses.binary_crossentropy_of_logits,
        "bits, z",
        by_optax,
        optax.losses.sigmoid_binary_cross_entropy,
    ),
    "cce, optax": (
        lambda y, z: losses.categorical_crossentropy_of_logits(y, z, axis=-1),
        "soft, z",
        by_optax,
        optax.losses.softmax_cross_entropy,
    ),
    "scce, optax": (
        lambda y, z: losses.sparse_categorical_crossentropy(y, z, from_logits=True),
        "classes, z",
        by_optax,
        optax.losses.softmax_cross_entropy_with_integer_labels,
    ),
    "hinge, optax": (
        losses.hinge,
        "signs",
        by_optax,
        lambda s, y: optax.losses.hinge_loss(s, y).mean(-1),
    ),
    "categorical hinge, optax": (
        losses.categorical_hinge,
        "one-hot, z",
        by_optax,
        lambda s, y: optax.losses.multiclass_hinge_loss(s, y.argmax(-1)),
    ),
}


@pytest.mark.parametrize("rule, kind, peer, f", PEERS.values(), ids=PEERS)
def test_the_values_and_the_gradient_are_the_peers(rule, kind, peer, f):
    y, pred = draw(kind)
    values, slope = peer(f, y, pred)
    np.testing.assert_allclose(array(rule(y, pred)), values, rtol=1e-11, atol=1e-14)
    found = gradient(lambda p: rule(y, p), pred)
    # The gradient's two sides of 1e-7 inside a log differ by rounding only.
    np.testing.assert_allclose(found, slope, rtol=1e-9, atol=1e-12)


def test_smoothing_is_that_of_optax():
    y, _ = draw("one-hot, z")
    theirs = optax.losses.smooth_labels(jax.numpy.asarray(y), 0.3)
    ours = losses.smooth_labels(y, label_smoothing=0.3, num_classes=y.shape[-1])
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


# -- conventions --------------------------------------------------------------------


@pytest.mark.convention("Cross-entropy takes")
def test_keras_takes_probabilities_where_pytorch_takes_logits():
    y, z = draw("classes, z")
    p = functional.softmax(torch.tensor(z), -1).numpy()
    torch_of = {
        k: by_torch(cross_entropy, y, x)[0] for k, x in {"z": z, "p": p}.items()
    }
    for package in (losses, keras.losses):
        rule = package.sparse_categorical_crossentropy
        np.testing.assert_allclose(array(rule(y, p)), torch_of["z"], rtol=1e-6)
        logits = array(rule(y, z, from_logits=True))
        np.testing.assert_allclose(logits, torch_of["z"], rtol=1e-9)
    # Probabilities taken for logits: no class costs less than log(1 + 4/e).
    assert torch_of["p"].min() > np.log(1 + 4 / np.e) > torch_of["z"].min()
    # The logarithm turns one into the other.
    np.testing.assert_allclose(by_torch(cross_entropy, y, np.log(p))[0], torch_of["z"])
    named = tf.nn.sparse_softmax_cross_entropy_with_logits(y, z)
    np.testing.assert_allclose(named, torch_of["z"], rtol=1e-9)


@pytest.mark.convention("log 0 in the cross-entropy of probabilities")
def test_the_worst_probability_costs_16_in_keras_and_100_in_pytorch():
    y, p = np.float32([1, 0]), np.float32([0, 1])
    ours = array(losses.binary_crossentropy_of_probabilities(y, p))
    np.testing.assert_allclose(ours, [16.118, 16.118], atol=1e-3)
    np.testing.assert_allclose(
        array(keras.ops.binary_crossentropy(y, p)), [16.118, 15.942], atol=1e-3
    )
    theirs = functional.binary_cross_entropy(
        torch.tensor(p), torch.tensor(y), reduction="none"
    )
    assert theirs.tolist() == [100.0, 100.0]
    v1 = V1.log_loss(y, p, reduction="none").numpy()
    np.testing.assert_allclose(v1[0], -np.log(1e-7), rtol=1e-6)
    assert v1[1] == pytest.approx(-np.log(np.float32(1) - np.float32(1) + 1e-7))
    # Within the clip nothing differs.
    y, p = draw("bits, p")
    inside = by_torch(each(functional.binary_cross_entropy), y, p)[0]
    np.testing.assert_allclose(array(losses.binary_crossentropy(y, p)), inside)


@pytest.mark.convention("Probabilities that do not sum to 1")
def test_keras_divides_by_the_sum_and_pytorch_does_not():
    y, p = draw("classes, p")
    share = 0.25
    nll = functional.nll_loss(
        torch.tensor(np.log(share * p)), torch.tensor(y), reduction="none"
    ).numpy()
    for package in (losses, keras.losses):
        divided = array(package.sparse_categorical_crossentropy(y, share * p))
        np.testing.assert_allclose(nll, divided - np.log(share), rtol=1e-6)


@pytest.mark.convention("Mean of a class-weighted loss")
def test_a_class_weight_divides_by_the_batch_or_by_the_weights():
    y, z = draw("classes, z")
    weight = np.array([1.0, 4.0, 0.0, 2.0, 1.0])
    w = weight[y]
    torch_mean = functional.cross_entropy(
        torch.tensor(z), torch.tensor(y), weight=torch.tensor(weight)
    )
    given = dict(from_logits=True, dtype="float64")
    for package in (losses, keras.losses):
        loss = package.SparseCategoricalCrossentropy(**given)
        ours = float(loss(y, z, w))
        assert float(torch_mean) == pytest.approx(ours * len(y) / w.sum(), rel=1e-9)
    same = losses.SparseCategoricalCrossentropy(
        reduction="mean_with_sample_weight", **given
    )
    assert float(same(y, z, w)) == pytest.approx(float(torch_mean), rel=1e-9)
    v1 = V1.sparse_softmax_cross_entropy(y, z, weights=w)
    assert float(v1) == pytest.approx(ours * len(y) / np.count_nonzero(w), rel=1e-6)


@pytest.mark.convention("Label smoothing by α, K classes")
def test_label_smoothing_is_the_same_everywhere():
    (y, z), alpha = draw("one-hot, z"), 0.2
    theirs = by_torch(lambda z, y: cross_entropy(z, y, label_smoothing=alpha), y, z)[0]
    v1 = V1.softmax_cross_entropy(y, z, label_smoothing=alpha, reduction="none")
    np.testing.assert_allclose(v1, theirs, rtol=1e-6)
    bits, s = draw("bits, z")
    by_hand = bits * (1 - alpha) + alpha / 2
    soft = by_torch(each(functional.binary_cross_entropy_with_logits), by_hand, s)[0]
    for package in (losses, keras.losses):
        ours = package.categorical_crossentropy(y, z, True, alpha)
        np.testing.assert_allclose(array(ours), theirs, rtol=1e-9)
        ours = package.binary_crossentropy(bits, s, True, alpha)
        np.testing.assert_allclose(array(ours), soft, rtol=1e-9)
    v1 = V1.sigmoid_cross_entropy(bits, s, label_smoothing=alpha, reduction="none")
    np.testing.assert_allclose(v1.numpy().mean(-1), soft, rtol=1e-6)


@pytest.mark.convention("Labels of the hinge")
def test_a_zero_is_a_minus_one_in_dtlib_and_only_in_a_batch_of_bits_in_keras():
    y, s = draw("signs")
    bits = (y + 1) / 2
    wanted = by_optax(lambda s, y: optax.losses.hinge_loss(s, y).mean(-1), y, s)[0]
    for labels in (y, bits):
        np.testing.assert_allclose(array(losses.hinge(labels, s)), wanted, rtol=1e-12)
        theirs = array(keras.losses.hinge(labels, s))
        np.testing.assert_allclose(theirs, wanted, rtol=1e-12)
    v1 = V1.hinge_loss(bits, s, reduction="none").numpy().mean(-1)
    np.testing.assert_allclose(v1, wanted, rtol=1e-6)
    # One label that is no bit, and Keras takes every 0 for what it is: a loss of 1.
    mixed = bits.copy()
    mixed[0, 0] = -1.0
    assert array(keras.losses.hinge(mixed, s))[1:] == pytest.approx(
        np.maximum(1 - bits * s, 0).mean(-1)[1:]
    )
    np.testing.assert_allclose(array(losses.hinge(mixed, s))[1:], wanted[1:])
    # PyTorch's HingeEmbeddingLoss of a distance x: x for a 1, the shortfall for a −1.
    other = by_torch(each(functional.hinge_embedding_loss), y, s)[0]
    by_hand = np.where(y == 1, s, np.maximum(0, 1 - s)).mean(-1)
    np.testing.assert_allclose(other, by_hand, rtol=1e-12)


@pytest.mark.convention("Multi-class hinge")
def test_pytorch_sums_over_the_rivals_and_keras_counts_none_below_zero():
    y, s = draw("one-hot, z")
    theirs = functional.multi_margin_loss(
        torch.tensor(s), torch.tensor(y.argmax(-1)), reduction="none"
    ).numpy()
    true = (y * s).sum(-1, keepdims=True)
    shortfalls = np.where(y == 1, 0, np.maximum(0, 1 + s - true))
    np.testing.assert_allclose(theirs, shortfalls.sum(-1) / s.shape[-1], rtol=1e-12)
    ours = array(losses.categorical_hinge(y, s))
    np.testing.assert_allclose(ours, shortfalls.max(-1), rtol=1e-12)
    # With one rival, PyTorch's is half of it.
    two = [a[:, :2] for a in (np.eye(5)[y.argmax(-1) % 2], s)]
    half = functional.multi_margin_loss(
        torch.tensor(two[1]), torch.tensor(two[0].argmax(-1)), reduction="none"
    ).numpy()
    np.testing.assert_allclose(array(losses.categorical_hinge(*two)), 2 * half)
    # Keras' is the paper's of scores in which no rival lies below 0.
    s = s - 3
    ours = array(losses.categorical_hinge(y, s))
    keras_loss = array(keras.losses.categorical_hinge(y, s))
    raised = array(losses.categorical_hinge(y, np.where(y == 1, s, np.maximum(s, 0))))
    np.testing.assert_allclose(keras_loss, raised, rtol=1e-12)
    assert np.abs(keras_loss - ours).max() > 0.1


@pytest.mark.convention("Poisson loss")
def test_pytorch_takes_the_log_of_the_mean_and_keras_the_mean():
    y, mean = draw("counts")
    plain = each(functional.poisson_nll_loss)
    theirs = by_torch(plain, y, np.log(mean))[0]
    v1 = tf.nn.log_poisson_loss(y, np.log(mean)).numpy().mean(-1)
    np.testing.assert_allclose(v1, theirs, rtol=1e-9)
    for package in (losses, keras.losses):
        ours = array(package.poisson(y, mean))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)  # ε·y/ŷ
        np.testing.assert_allclose(ours, (mean - y * np.log(mean + 1e-7)).mean(-1))
    # At a mean of 0 the guards show: log 1e-7 here, log 1e-8 there.
    at_zero = float(losses.poisson(np.ones(1), np.zeros(1)))
    guard = each(functional.poisson_nll_loss, log_input=False)
    theirs = by_torch(guard, np.ones(1), np.zeros(1))[0]
    assert [at_zero, theirs] == pytest.approx([-np.log(1e-7), -np.log(1e-8)])


@pytest.mark.convention("Squared error")
def test_half_the_squared_error_is_half_of_it():
    y, y_hat = draw("real")
    textbook = ((y - y_hat) ** 2).sum() / 2
    assert float(tf.nn.l2_loss(y - y_hat)) == pytest.approx(textbook)
    theirs = float(functional.mse_loss(torch.tensor(y_hat), torch.tensor(y)))
    for package in (losses, keras.losses):
        ours = float(package.MeanSquaredError(dtype="float64")(y, y_hat))
        assert ours == pytest.approx(theirs, rel=1e-12)
        assert textbook == pytest.approx(ours * y.size / 2)
    assert float(V1.mean_squared_error(y, y_hat)) == pytest.approx(theirs, rel=1e-6)
    halved = optax.losses.l2_loss(jax.numpy.asarray(y_hat), jax.numpy.asarray(y))
    assert float(halved.mean()) == pytest.approx(theirs / 2, rel=1e-12)
