"""What the references of the exercises on regularizers compute, by other means."""

import keras
import numpy as np
import pytest
from scipy import optimize, stats

from dtlib import exercises
from dtlib.exercises._exercise import REGISTRY
from tests import oracles_constraints
from tests.engines import array

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"regularizers.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


def test_the_price_of_regularizers_1_is_what_a_keras_layer_reports():
    ours, cases = reference(1)
    for w, b, outputs, l2, l1 in cases:
        layer = keras.layers.Dense(
            w.shape[1],
            kernel_regularizer=keras.regularizers.L2(l2),
            activity_regularizer=keras.regularizers.L1(l1),
        )
        layer.build((None, w.shape[0]))
        # No input: the outputs are the biases, which take each example's in turn.
        total = 0.0
        for row in outputs:
            layer.set_weights([0 * w, row])
            layer(np.zeros((1, w.shape[0]), "float32"))
            total += sum(float(array(part)) for part in layer.losses) / len(outputs)
        layer.set_weights([w, b])
        total += float(array(layer.kernel_regularizer(layer.kernel)))
        # float32; a price twice, or not divided, would show at 0.01 and more.
        assert ours(w, b, outputs, l2, l1) == pytest.approx(total, rel=1e-5)


def test_no_point_is_lower_than_that_of_regularizers_2():
    ours, cases = reference(2)
    for target, c, l1, l2 in cases:
        for t, w in zip(target, ours(target, c, l1, l2), strict=True):

            def height(w, t=t, c=c, l1=l1, l2=l2):
                return c * (w - t) ** 2 / 2 + l1 * abs(w) + l2 * w * w

            span = (-abs(t) - 1, abs(t) + 1)
            found = optimize.minimize_scalar(height, bounds=span, method="bounded")
            assert height(w) <= found.fun + 1e-12
            # The search stops within 1e-5 of the lowest point; a lost 2 shows at 0.1.
            assert w == pytest.approx(found.x, abs=1e-4)


def test_the_steps_of_regularizers_3_are_those_of_keras():
    ours, cases = reference(3)
    for w, g, rate, decay in cases:
        given = np.asarray(w), np.asarray(g)
        settings = (decay, {}), (0.0, dict(weight_decay=decay))
        both = zip(ours(*given, rate, decay), settings, strict=True)
        for found, (penalty, more) in both:
            adam = keras.optimizers.Adam(rate, epsilon=1e-12, **more)
            weight = keras.Variable(given[0].astype("float32"))
            slope = (given[1] + penalty * given[0]).astype("float32")
            adam.apply([keras.ops.convert_to_tensor(slope)], [weight])
            np.testing.assert_allclose(found, array(weight), rtol=1e-5)


def test_the_kernels_of_regularizers_4_are_bounded_vector_by_vector():
    ours, cases = reference(4)
    for kernel, c in cases:
        axes = tuple(range(kernel.ndim - 1))
        expected = oracles_constraints.max_norm(kernel, c, axes)
        np.testing.assert_allclose(ours(kernel, c), expected, rtol=1e-12)


def test_keras_stops_where_regularizers_5_says():
    ours, cases = reference(5)
    for losses, patience, min_delta in cases:
        stopper = keras.callbacks.EarlyStopping(
            "loss", patience=patience, min_delta=min_delta, mode="min"
        )
        stopper.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
        stopper.model.stop_training = False
        stopper.on_train_begin()
        for epoch, loss in enumerate(losses):
            stopper.on_epoch_end(epoch, {"loss": loss})
            if stopper.model.stop_training:
                break
        expected = losses[stopper.best_epoch], epoch + 1
        assert ours(losses, patience, min_delta) == expected


def test_the_luck_of_regularizers_6_is_that_of_many_draws():
    ours, cases = reference(6)
    draw, times = np.random.default_rng(6), 20_000
    for p, n, k in cases:
        best = draw.binomial(n, p, size=(times, k)).max(axis=1) / n
        error = 4 * stats.sem(best)
        assert abs(ours(p, n, k) - (best.mean() - p)) < error
        # And a mean over k + 1 models would be seen, but in the last two cases.
        if k <= 10 and n < 1000:
            assert abs(ours(p, n, k + 1) - ours(p, n, k)) > error
