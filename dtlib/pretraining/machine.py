"""The restricted Boltzmann machine as a Keras model, trained by any optimizer.

The chapter `pretraining` of the book explains it. Tests: tests/test_pretraining.py.
"""

import keras
from keras import ops

from dtlib._check import checked_seed, finite, integer_in, number_in
from dtlib._register import arguments, serializable
from dtlib.pretraining import boltzmann


@serializable
class RestrictedBoltzmannMachine(keras.Model):
    """Learns features of data without labels, by contrastive divergence (CD-k).

    Its "loss" is `cd_loss`, a difference of free energies that hovers near 0 and
    measures no progress. Beside it stands "reconstruction", the mean squared error of
    `reconstruct`. Called, the machine gives `hidden_probabilities`.

    Args:
        visible: Number of visible units, those of one flat example in [0, 1].
        hidden: Number of hidden units.
        steps: k, rounds of the chain for each gradient. Default 1.
        stddev: Standard deviation of the first weights. Default 0.01. Biases begin at
            0; `adapt` gives the visible ones a better start.
        seed: An int repeats the first weights and the chains. None starts anywhere.
        **kwargs: `keras.Model`'s: `name`, `dtype`, ...

    Example: two pixels that are always equal. The machine learns to expect that.

    >>> import numpy as np
    >>> from dtlib import training
    >>> x = np.array([[0.0, 0.0], [1.0, 1.0]] * 50, "float32")
    >>> rbm = RestrictedBoltzmannMachine(2, 4, seed=0)
    >>> rbm.compile(keras.optimizers.SGD(0.5, momentum=0.5))
    >>> history = training.fit(rbm, x, None, epochs=60, batch_size=20)
    >>> equal, unequal = rbm.free_energy([[1.0, 1.0]]), rbm.free_energy([[1.0, 0.0]])
    >>> bool(equal[0] < unequal[0])
    True

    Reference: Hinton, 2012, "A Practical Guide to Training Restricted Boltzmann
    Machines", https://doi.org/10.1007/978-3-642-35289-8_32
    """

    def __init__(self, visible, hidden, steps=1, stddev=0.01, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.visible = integer_in("visible", visible, "[1, inf)")
        self.hidden = integer_in("hidden", hidden, "[1, inf)")
        self.steps = integer_in("steps", steps, "[1, inf)")
        self.stddev = number_in("stddev", stddev, "[0, inf)")
        self.seed = checked_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)
        start = keras.initializers.RandomNormal(stddev=self.stddev, seed=self.seed)
        self.kernel = self.add_weight((visible, hidden), start, name="kernel")
        self.visible_bias = self.add_weight((visible,), "zeros", name="visible_bias")
        self.hidden_bias = self.add_weight((hidden,), "zeros", name="hidden_bias")
        self.error = keras.metrics.Mean(name="reconstruction")
        self.built = True

    @property
    def parameters(self):
        """W, b, c."""
        return self.kernel, self.visible_bias, self.hidden_bias

    def adapt(self, x):
        """Set the visible biases to the log-odds of the data's means, within 1 %."""
        x = self._checked(x)
        self.visible_bias.assign(boltzmann.log_odds(x, least=0.01))

    def call(self, inputs):
        return boltzmann.hidden_probabilities(inputs, self.kernel, self.hidden_bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.hidden)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """`cd_loss` of a batch, with a fresh chain from each row."""
        if y is not None or sample_weight is not None:
            raise ValueError(
                "A restricted Boltzmann machine learns from `x` alone: call `fit(x, "
                "None)`. Received: targets or sample weights."
            )
        chain = boltzmann.gibbs_chain(
            x, *self.parameters, steps=self.steps, seed=self.seed_generator
        )
        return boltzmann.cd_loss(x, chain, *self.parameters)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        back = boltzmann.visible_probabilities(y_pred, self.kernel, self.visible_bias)
        self.error.update_state(ops.square(back - x))
        return self.get_metrics_result()

    def transform(self, x):
        """The features of `x`: `hidden_probabilities`, an array (n, hidden)."""
        return ops.convert_to_numpy(self(self._checked(x)))

    def reconstruct(self, x):
        """`x` through the hidden units and back, by probabilities: no draw in it."""
        h = self(self._checked(x))
        back = boltzmann.visible_probabilities(h, self.kernel, self.visible_bias)
        return ops.convert_to_numpy(back)

    def free_energy(self, x):
        """`free_energy` of each row of `x`, an array (n,): lower is more expected.

        The gap between held-out and training data grows when the machine overfits.
        """
        found = boltzmann.free_energy(self._checked(x), *self.parameters)
        return ops.convert_to_numpy(found)

    def sample(self, x, *, steps, seed=None):
        """What `gibbs_chain` makes of each row of `x`, an array of zeros and ones."""
        chain = boltzmann.gibbs_chain(
            self._checked(x), *self.parameters, steps=steps, seed=seed
        )
        return ops.convert_to_numpy(chain)

    def to_dense(self, activation="sigmoid", **kwargs):
        """A new `keras.layers.Dense` with W and c: what the machine gives, as a layer.

        Args:
            activation: The sigmoid is what the machine learned with.
            **kwargs: `keras.layers.Dense`'s: `name`, `trainable`, ...
        """
        layer = keras.layers.Dense(self.hidden, activation, **kwargs)
        layer.build((None, self.visible))
        layer.set_weights([self.kernel, self.hidden_bias])
        return layer

    def _checked(self, x):
        x = finite("x", x)
        if x.ndim != 2 or x.shape[1] != self.visible:
            raise ValueError(
                f"`x` must have the shape (n, {self.visible}), one flat row an "
                f"example. Received: x.shape={x.shape}."
            )
        return ops.convert_to_tensor(x, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), **arguments(self)}
