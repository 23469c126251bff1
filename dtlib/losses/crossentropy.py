"""Cross-entropy: the surprise of the true class, in logits wherever they are at hand.

The chapter `losses` of the book explains it. Tests: tests/test_losses.py.
"""

from keras import ops

from dtlib.losses._base import tensors, widened

# A probability is clipped to [ε, 1 − ε] before its log, as in Keras, so no probability
# costs more than −log 1e-7 = 16.1.
EPSILON = 1e-7


def clipped_log(p):
    """log p with p held in [1e-7, 1 − 1e-7]; outside, the gradient is 0."""
    return ops.cast(ops.log(ops.clip(widened(p), EPSILON, 1 - EPSILON)), p.dtype)


def of_sum_one(p, axis):
    """p divided by its sum, in 32 bits at least: else its gradients are inf − inf."""
    p = widened(p)
    return p / ops.sum(p, axis=axis, keepdims=True)


def times(y, x):
    """y·x, where 0 times an infinite x is 0: a class that cannot occur costs nothing.

    The inner `where` keeps the gradient finite as well.
    """
    y = ops.convert_to_tensor(y, x.dtype)
    return y * ops.where(y == 0, 0.0, x)


def log_softmax(z, *, axis):
    """The logs of the probabilities softmax(z), without ever taking their log.

        log p_c = (z_c − m) − log Σⱼ exp(zⱼ − m)          m = maxⱼ zⱼ

    Softmax does not change when a constant is added to all z; taking m away leaves no
    exponent above 0, so nothing overflows, and the sum is at least 1, so its log is
    at least 0. A logit of −∞ is a class ruled out: log p = −∞. A logit of +∞ gives NaN.

    Args:
        z: Logits, at least one axis.
        axis: The axis of the classes.

    Returns:
        Log-probabilities, shaped like `z`.

    Example: exp(1000) is infinite in any float, its log-probability is not.

    >>> import numpy as np
    >>> print(np.asarray(log_softmax(np.array([1000.0, 0.0]), axis=-1)))
    [    0. -1000.]

    Reference: Blanchard, Higham and Higham, 2021, https://doi.org/10.1093/imanum/draa038
    """
    z = ops.convert_to_tensor(z)
    z = z - ops.stop_gradient(ops.max(z, axis=axis, keepdims=True))
    return z - ops.log(ops.sum(ops.exp(z), axis=axis, keepdims=True))


def smooth_labels(y, *, label_smoothing, num_classes):
    """Move a share α of every label's probability to all classes alike.

        y ← (1 − α)·y + α/K

    The least loss is then reached at finite logits: it no longer pays to be certain.

    Args:
        y: Probabilities of the classes, any shape.
        label_smoothing: α in [0, 1].
        num_classes: K; 2 for a binary label.

    Returns:
        Smoothed labels, shaped like `y`.

    >>> import numpy as np
    >>> y = np.array([0.0, 1.0, 0.0, 0.0])
    >>> print(smooth_labels(y, label_smoothing=0.1, num_classes=4))
    [0.025 0.925 0.025 0.025]

    Reference: Szegedy et al., 2016, https://arxiv.org/abs/1512.00567, section 7.
    Equation: eq-losses-smoothing
    """
    return (1 - label_smoothing) * y + label_smoothing / num_classes


def binary_crossentropy_of_probabilities(y, p):
    """The surprise of a yes-or-no label under the probability p of a yes.

        ℓ = −[y·log p + (1 − y)·log(1 − p)]

    Args:
        y: Labels in [0, 1], any shape; 1 is the event.
        p: Its probability, the same shape, clipped to [1e-7, 1 − 1e-7].

    Returns:
        ℓ of every element, shaped like `p`. No loss exceeds 16.1, and beyond the clip
        the gradient is 0: the worst mistakes teach nothing.

    >>> import numpy as np
    >>> y, p = np.array([1.0, 1.0]), np.array([0.5, 0.0])
    >>> print(np.round(binary_crossentropy_of_probabilities(y, p), 2))
    [ 0.69 16.12]

    Differs from Keras: log(1 − p) is clipped in 1 − p, so the cap is 16.1 on both
    sides. Keras clips p alone: its cap at y = 0 is 15.9 in float32, and NaN in float16.

    Reference: Bishop, 2006, "Pattern Recognition and Machine Learning", eq. 4.90.
    Equation: eq-losses-bce
    """
    y, p = tensors(y, p)
    return -(y * clipped_log(p) + (1 - y) * clipped_log(1 - p))


def binary_crossentropy_of_logits(y, z):
    """The same surprise from the logit z = log(p/(1 − p)), which needs no clip.

        ℓ = y·log(1 + e⁻ᶻ) + (1 − y)·log(1 + eᶻ)          dℓ/dz = σ(z) − y

    log(1 + eᶻ), the softplus, is computed as max(z, 0) + log1p(e^−|z|).

    Args:
        y: Labels in [0, 1], any shape.
        z: Logits, the same shape, ±∞ included.

    Returns:
        ℓ of every element, shaped like `z`.

    Example: a mistake held with certainty costs as much as it is certain.

    >>> import numpy as np
    >>> y, z = np.array([0.0, 1.0]), np.array([1000.0, 1000.0])
    >>> print(np.asarray(binary_crossentropy_of_logits(y, z)))
    [1000.    0.]

    Reference: Goodfellow, Bengio and Courville, 2016, "Deep Learning", section 6.2.2.2.
    Equation: eq-losses-bce-logits
    """
    return times(y, ops.softplus(-z)) + times(1 - y, ops.softplus(z))


def categorical_crossentropy_of_probabilities(y, p, *, axis):
    """The expected surprise of labels y under the probabilities p.

        ℓ = −Σ_c y_c log p_c

    Args:
        y: Probabilities of the K classes, one-hot or not, any shape.
        p: Predicted probabilities, the same shape, clipped to [1e-7, 1 − 1e-7].
        axis: The axis of the classes.

    Returns:
        ℓ of each sample, without that axis.

    >>> import numpy as np
    >>> y, p = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    >>> print(np.round(categorical_crossentropy_of_probabilities(y, p, axis=-1), 1))
    16.1

    Reference: Bishop, 2006, "Pattern Recognition and Machine Learning", eq. 4.108.
    Equation: eq-losses-cce
    """
    y, p = tensors(y, p)
    return -ops.sum(y * clipped_log(p), axis=axis)


def categorical_crossentropy_of_logits(y, z, *, axis):
    """The same surprise from logits, through log-sum-exp.

        ℓ = Σ_c y_c (log Σⱼ exp zⱼ − z_c)          dℓ/dz = softmax(z) − y

    The gradient is the error itself, as large as the mistake, and never vanishes while
    there is one. It holds for labels that sum to 1.

    Args:
        y: Probabilities of the K classes, any shape.
        z: Logits, the same shape. −∞ rules a class out.
        axis: The axis of the classes.

    Returns:
        ℓ of each sample, without that axis.

    Example: probabilities lose what logits know; 16.1 from the clip, 200 in truth.

    >>> import numpy as np
    >>> y, z = np.array([0.0, 1.0]), np.array([200.0, 0.0])
    >>> float(categorical_crossentropy_of_logits(y, z, axis=-1))
    200.0

    Reference: Goodfellow, Bengio and Courville, 2016, "Deep Learning", section 6.2.2.3.
    Equation: eq-losses-cce-logits
    """
    return -ops.sum(times(y, log_softmax(z, axis=axis)), axis=axis)


def negative_log_likelihood(y, log_p, *, axis):
    """The surprise of class number y: one entry of the log-probabilities, negated.

        ℓ = −log p_y

    It is the cross-entropy of a one-hot label, without the K − 1 zeros.

    Args:
        y: Class numbers 0, ..., K − 1: the shape of `log_p` without the class axis.
        log_p: Log-probabilities, as from `log_softmax`.
        axis: The axis of the classes.

    Returns:
        ℓ of each sample, shaped like `y`; NaN where y is not one of the classes.

    >>> import numpy as np
    >>> log_p = np.log([[0.5, 0.25, 0.25]])
    >>> print(np.round(negative_log_likelihood([0], log_p, axis=-1), 3))
    [0.693]

    Reference: Bishop, 2006, "Pattern Recognition and Machine Learning", section 4.3.4.
    Equation: eq-losses-scce
    """
    k = log_p.shape[axis]
    log_p, y = ops.convert_to_tensor(log_p), ops.cast(y, "int32")
    chosen = ops.one_hot(y, k, axis=axis % len(log_p.shape), dtype="bool")
    loss = -ops.sum(ops.where(chosen, log_p, 0.0), axis=axis)
    return ops.where((y >= 0) & (y < k), loss, float("nan"))
