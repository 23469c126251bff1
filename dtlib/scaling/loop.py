"""One training over several devices or machines, as a loop of thirty lines.

Keras 3's `model.fit` does this for the devices of one machine. For several processes it
fails, and these functions serve there. They add no engine: `tf.distribute` does it all.

Tests: tests/test_scaling.py.
"""

import time

import keras
import numpy as np

from dtlib import training
from dtlib._check import checked_seed, integer_in
from dtlib.scaling._backup import Backup


def distributed_step(model, strategy):
    """A compiled function that takes one step of training on all replicas at once.

        g = Σᵣ ∇ (Bᵣ/B)·Lᵣ      Lᵣ: the mean loss of replica r's Bᵣ rows of the batch B

    The optimizer sums the gradients over the replicas, so each of them applies the same
    g, which is the gradient of the whole batch. Not equal to one device are layers that
    look at a batch of their own: dropout, and `BatchNormalization` unless it is
    `synchronized=True`.

    Args:
        model: Built and compiled in `strategy.scope()`. Its losses must be means over
            the batch, as Keras' are unless told otherwise.
        strategy: A `tf.distribute.MirroredStrategy` or `MultiWorkerMirroredStrategy`.

    Returns:
        `step(x, y)`: takes the arrays of the whole batch, which every worker holds, and
        gives the mean loss. Each replica computes on its rows, as
        `np.array_split` cuts them.

    Raises:
        ValueError: Where the model was built elsewhere, or its optimizer does what is
            not the same on a part of the batch (clipping, accumulation, a loss scale
            that adapts).

    Equation: eq-scaling-share
    """
    import tensorflow as tf

    _check_model(model, strategy)
    replicas = strategy.num_replicas_in_sync
    optimizer = model.optimizer
    with strategy.scope():
        optimizer.build(model.trainable_variables)

    def part(x, y, share):
        with tf.GradientTape() as tape:
            # Keras divides a loss by the number of replicas; `share` is R·Bᵣ/B.
            loss = share * model.compute_loss(x, y, model(x, training=True))
            scaled = optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return loss

    @tf.function(reduce_retracing=True)
    def whole(x, y, share):
        losses = strategy.run(part, args=(x, y, share))
        return strategy.reduce("SUM", losses, axis=None)

    def step(x, y):
        rows = np.array_split(np.arange(len(x)), replicas)
        if len(x) < replicas:
            raise ValueError(
                f"A batch must have a row for each of the {replicas} replicas. "
                f"Received: {len(x)} rows."
            )

        def shared(give):
            return strategy.experimental_distribute_values_from_function(
                lambda at: tf.convert_to_tensor(give(rows[at.replica_id_in_sync_group]))
            )

        share = shared(lambda r: np.float32(replicas * len(r) / len(x)))
        return whole(shared(lambda r: x[r]), shared(lambda r: y[r]), share)

    return step


def fit_distributed(
    model,
    x,
    y,
    *,
    strategy,
    epochs=1,
    batch_size=32,
    seed=0,
    backup=None,
    backup_steps=None,
    on_step=None,
):
    """Train on all replicas of a strategy; as `training.fit` does on one device.

    The batches are those of `training.fit` with the same seed, cut among the replicas,
    so the weights are equal up to the rounding of a sum.

    Args:
        model: As for `distributed_step`.
        x: Inputs with one row an example; an array, also one mapped from a file. Every
            worker must have all of it, and reads its own rows only.
        y: Targets, likewise.
        strategy: As for `distributed_step`.
        epochs: Epochs in all, those of a resumed run included.
        batch_size: Rows in a batch of all replicas together. Neither it nor what
            remains for the last batch may be smaller than the number of replicas.
        seed: Integer ≥ 0: the order of the rows is `training.batch_order`'s.
        backup: None, or an ".npz" file that every worker can read. A run that finds it
            goes on where it was written; worker 0 writes it.
        backup_steps: Steps between backups; None for the end of each epoch only.
        on_step: None, or a function called with the numbers of epoch and step, counted
            from 0, after each step and its backup.

    Returns:
        `{"loss": [...]}`, the mean loss of each epoch, resumed ones included.

    Raises:
        ValueError: As `distributed_step`; also where the backup is another run's.

    >>> import tensorflow as tf
    >>> strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    >>> with strategy.scope():
    ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    ...     model.compile(optimizer="sgd", loss="mse")
    >>> x, y = np.ones((6, 2), "float32"), np.ones((6, 1), "float32")
    >>> history = fit_distributed(
    ...     model, x, y, strategy=strategy, epochs=2, batch_size=3
    ... )
    >>> history["loss"][1] < history["loss"][0]
    True
    """
    epochs = integer_in("epochs", epochs, "[1, inf)")
    size = integer_in("batch_size", batch_size, "[1, inf)")
    every = backup_steps
    if every is not None:
        every = integer_in("backup_steps", every, "[1, inf)")
        if backup is None:
            raise ValueError("`backup_steps` needs `backup`, a file to write to.")
    if checked_seed(seed, "[0, inf)") is None:
        raise ValueError("`seed` must be an integer, the same for all workers.")
    n, replicas = len(x), strategy.num_replicas_in_sync
    if len(y) != n or not n:
        raise ValueError(
            f"`x` and `y` must have equally many rows. Received: {n} and {len(y)}."
        )
    last = n % size or size
    if min(last, size) < replicas:
        raise ValueError(
            f"`batch_size` must leave each batch a row for each of the {replicas} "
            f"replicas. Received: batch_size={size}; the last batch has {last} rows."
        )
    step = distributed_step(model, strategy)
    begin, at, losses, running = 0, 0, [], 0.0
    if backup is not None:
        variables = [*model.variables, *model.optimizer.variables]
        run = dict(n=n, batch_size=size, seed=int(seed))
        backup = Backup(backup, variables, run, _is_first(strategy))
        begin, at, losses, running = backup.restore()
    for epoch in range(begin, epochs):
        order = training.batch_order(n, seed=seed, epoch=epoch)
        steps = -(-n // size)
        for b in range(at, steps):
            rows = order[b * size : (b + 1) * size]
            running += float(step(_Rows(x, rows), _Rows(y, rows))) * len(rows) / n
            ended = b + 1 == steps
            if ended:
                losses, running = [*losses, running], 0.0
            if backup is not None and (ended or (every and (b + 1) % every == 0)):
                place = (epoch + 1, 0) if ended else (epoch, b + 1)
                backup.save(*place, losses, running)
            if on_step is not None:
                on_step(epoch, b)
        at = 0
    return {"loss": losses[:epochs]}


class _Rows:
    """Some rows of an array, read only when they are asked for."""

    def __init__(self, array, rows):
        self.array, self.rows = array, rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, picked):
        return np.asarray(self.array[self.rows[picked]])


def measure_all_reduce(strategy, n_bytes, *, repeats=5):
    """Seconds that the replicas need to sum arrays of this size: a median.

    Every worker of the strategy must call it.

    Args:
        strategy: As for `distributed_step`.
        n_bytes: Size of the array on each replica, a multiple of 4: float32.
        repeats: How often, after once that does not count.

    Returns:
        Seconds, for `fit_link`.
    """
    import tensorflow as tf

    n_bytes = integer_in("n_bytes", n_bytes, "[4, inf)")
    repeats = integer_in("repeats", repeats, "[1, inf)")
    if n_bytes % 4:
        raise ValueError(f"`n_bytes` must be a multiple of 4. Received: {n_bytes}.")

    def part(x):
        x = tf.identity(x)  # an argument has no device yet
        return tf.distribute.get_replica_context().all_reduce("SUM", x)[0]

    @tf.function
    def whole(x):
        return strategy.run(part, args=(x,))

    x = strategy.experimental_distribute_values_from_function(
        lambda at: tf.ones(n_bytes // 4)
    )
    seconds = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        for value in strategy.experimental_local_results(whole(x)):
            value.numpy()
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds[1:]))


def _is_first(strategy):
    """Is this worker 0, or the only one?"""
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_id


def _check_model(model, strategy):
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or not model.built:
        raise ValueError("`model` must be built and compiled in `strategy.scope()`.")
    if model.distribute_strategy is not strategy or (
        optimizer._distribution_strategy is not strategy
    ):
        raise ValueError(
            "`model` must be built and compiled in `strategy.scope()`. Received: one "
            f"that belongs to a {type(model.distribute_strategy).__name__}."
        )
    for loss in keras.tree.flatten(model.loss):
        if isinstance(loss, keras.losses.Loss) and loss.reduction in ("sum", None):
            raise ValueError(
                "`model` must have losses that are means over the batch. Received: "
                f"{type(loss).__name__}(reduction={loss.reduction!r})."
            )
    apart = ("clipnorm", "clipvalue", "global_clipnorm", "gradient_accumulation_steps")
    found = [name for name in apart if getattr(optimizer, name, None) is not None]
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        found = ["LossScaleOptimizer"]  # each worker would judge its own gradients
    if found and strategy.num_replicas_in_sync > 1:
        raise ValueError(
            "`model` must have an optimizer that does the same on every replica: it "
            f"would see a part of the gradient only. Received: {found[0]}."
        )
