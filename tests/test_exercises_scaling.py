"""What the references of the exercises on scaling compute, by other means."""

import keras
import numpy as np
import pytest

from dtlib import exercises, scaling
from dtlib.exercises._exercise import REGISTRY

exercises.ids()  # fills the registry


def reference(number):
    """The reference of an exercise, and the arguments of its cases."""
    found = REGISTRY[f"scaling.{number}"]
    return found.reference, [arguments for _, arguments in found.cases]


@pytest.mark.parametrize(("n", "workers"), [(12, 4), (10, 4), (131, 8), (7, 7), (5, 1)])
def test_the_shards_of_scaling_1_hold_each_row_once(n, workers):
    shards = [reference(1)[0](n, workers, worker) for worker in range(workers)]
    assert np.concatenate(shards).tolist() == list(range(n))
    sizes = [len(rows) for rows in shards]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1


@pytest.mark.parametrize("clipnorm", [0.1, 1e9])
def test_the_gradient_of_scaling_2_is_that_of_the_whole_batch(clipnorm):
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(11, 3)), rng.normal(size=11), rng.normal(size=3)

    def gradient(at):
        return 2 * x[at].T @ (x[at] @ w - y[at]) / len(at)

    pieces = np.array_split(np.arange(11), 4)
    found = reference(2)[0](
        np.array([gradient(at) for at in pieces]), np.array([3, 3, 3, 2]), clipnorm
    )
    whole = gradient(np.arange(11))
    if clipnorm < 1:
        weight = keras.Variable(np.zeros(3), dtype="float64")
        optimizer = keras.optimizers.SGD(1.0, clipnorm=clipnorm)
        optimizer.apply([keras.ops.convert_to_tensor(whole)], [weight])
        whole = -keras.ops.convert_to_numpy(weight)
    np.testing.assert_allclose(found, whole, rtol=1e-6)


def test_the_ring_of_scaling_3_ends_with_the_sum():
    ours, cases = reference(3)
    for arrays, _ in cases:
        n, size = arrays.shape
        state, sent = ours(arrays, 2 * (n - 1))
        np.testing.assert_allclose(state, np.tile(arrays.sum(0), (n, 1)), rtol=1e-12)
        # What `all_reduce_seconds` lets one worker send.
        link = dict(workers=n, bandwidth=1.0, latency=0.0)
        assert sent == scaling.all_reduce_seconds(size, **link)


@pytest.mark.parametrize("workers", [2, 3, 5])
def test_a_chunk_of_scaling_3_has_been_where_the_round_says(workers):
    # Worker w adds 10ʷ to each chunk, so the digits tell who has been passed.
    own = 10.0 ** np.arange(workers)
    arrays = np.tile(own[:, None], (1, workers))
    for rounds in range(2 * workers - 1):
        state, sent = reference(3)[0](arrays, rounds)
        assert sent == rounds
        for worker in range(workers):
            for chunk in range(workers):
                passed = (worker - chunk) % workers  # hops since its first sender
                if passed <= rounds - workers:  # the sum has come round
                    want = own.sum()
                elif passed <= rounds:
                    want = sum(own[(chunk + k) % workers] for k in range(passed + 1))
                else:
                    want = own[worker]
                assert state[worker, chunk] == want


def test_the_scales_of_scaling_4_are_those_of_keras():
    ours, cases = reference(4)
    for scale, finite, growth_steps in cases[:3]:
        optimizer = keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(),
            initial_scale=scale,
            dynamic_growth_steps=growth_steps,
        )
        weight, seen = keras.Variable([1.0]), []
        for good in finite:
            optimizer.apply(
                [keras.ops.convert_to_tensor([1.0 if good else np.inf])], [weight]
            )
            seen.append(float(optimizer.dynamic_scale))
        assert ours(scale, finite, growth_steps).tolist() == seen


@pytest.mark.parametrize("workers", [2, 16])
def test_the_rows_of_scaling_5_are_the_fewest_with_that_efficiency(workers):
    ours, cases = reference(5)
    for efficiency, ring, row, overlap in cases:

        def reached(rows, ring=ring, row=row, overlap=overlap):
            faster = scaling.speedup(
                workers,
                compute_seconds=rows * row,
                n_bytes=ring * workers / (2 * (workers - 1)),
                bandwidth=1.0,
                latency=0.0,
                overlap=overlap,
            )
            return faster / workers

        rows = ours(efficiency, ring, row, overlap)
        assert reached(rows - 1) < efficiency <= reached(rows)
