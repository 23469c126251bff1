"""`diagnose`: the checks in their order, each stage only where the last found nothing.

Tests: tests/test_doctor.py.
"""

import warnings

import keras
import numpy as np

from dtlib._check import integer_in
from dtlib.doctor import _data, _layers, _outputs, _signals, _trial
from dtlib.doctor._patient import Patient, as_it_was, graph_of
from dtlib.doctor.report import Report


def diagnose(model, x, y, *, validation_data=None, batch_size=32, epochs=100, steps=40):
    """Look for the faults that keep a network from training.

    The checks stand in stages: the data are finite and the targets fit the loss; their
    scale and meaning, the loss, the layers, the weights; one pass forward and back; a
    trial of `steps` steps. A stage is entered only if no earlier one found a fault, for
    one fault causes another: mend what is named, and ask again. Each threshold stands
    with its reason in the module that uses it.

    At most 500 rows, drawn with a fixed seed, are looked at (all of them for NaN and
    copies). Weights, state, optimizer, metrics and Keras' seeds are put back bit for
    bit, also after an error. NumPy's and Python's generators are never asked.

    Args:
        model: A sequential or functional Keras model on TensorFlow, compiled with one
            loss, with one input and one output, fresh or trained.
        x: Array of the training inputs, one row an example.
        y: Array of their targets.
        validation_data: None, or `(x, y)`, searched for training rows.
        batch_size, epochs: As you will give them to `fit`; they tell how many steps
            a schedule and a moving average have.
        steps: Length of the trial, at several rates if the first fails. 0 for none.

    Returns:
        A `Report`, the tuple of findings; empty where no fault was found.

    Raises:
        ValueError: If an argument is not as said above.

    Limits: Faults in the code that reads the data, a penalty that was forgotten, and
    weak architectures are not seen. Targets that neither five neighbors nor a linear
    model predict, as a parity of many bits, count as shuffled.

    Example: a softmax, and a loss that applies another.

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("sgd", loss)
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> diagnose(model, x, x.argmax(1)).names
    ['softmax_twice']
    """
    patient = _patient(model, x, y, validation_data, batch_size, epochs)
    steps = integer_in("steps", steps, "[0, inf)")
    return Report(examine(patient, steps))


def examine(patient, steps):
    """The findings of the first stage that has any."""
    stages = (
        (_data.broken,),
        (_outputs.shapes,),
        (
            _outputs.losses,
            _data.scales,
            _data.leaks,
            _data.meaning,
            _layers.structure,
            _layers.weights,
        ),
        (_signals.inference,),
        (_signals.passes,),
    )
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of Keras, about what the findings say
        with as_it_was(patient.model):
            for stage in stages:
                found = [one for check in stage for one in check(patient)]
                if found:
                    return found
        return list(_trial.trial(patient, steps)) if steps else []


def _patient(model, x, y, validation, batch_size, epochs):
    if keras.backend.backend() != "tensorflow":
        raise NotImplementedError(
            "dtlib.doctor needs Keras on TensorFlow. Received: backend="
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
        )
    if not isinstance(model, keras.Model) or not (model.built and model.weights):
        raise ValueError(
            "`model` must be a built Keras model with weights: begin it with "
            f"`keras.Input(shape)`, or call it once. Received: {model!r}."
        )
    if graph_of(model) is None:
        raise ValueError(
            "`model` must be sequential or functional, so that its layers can be "
            f"followed. Received: {type(model).__name__}."
        )
    loss = model.loss if model.compiled else None
    if loss is None or isinstance(loss, (list, dict)):
        raise ValueError(
            "`model` must be compiled with one loss. Received: "
            f"model={model.name!r} with loss={loss!r}."
        )
    if isinstance(model.input_shape, (list, dict)) or isinstance(
        model.output_shape, (list, dict)
    ):
        raise ValueError(
            "`model` must have one input and one output. Received: "
            f"input_shape={model.input_shape}, output_shape={model.output_shape}."
        )
    x, y = _pair("x", x, "y", y, model)
    if validation is not None:
        if not isinstance(validation, (tuple, list)) or len(validation) < 2:
            raise ValueError(
                "`validation_data` must be None or `(x, y)`. Received: "
                f"{type(validation).__name__}."
            )
        names = ("validation_data[0]", "validation_data[1]")
        validation = _pair(names[0], validation[0], names[1], validation[1], model)
    return Patient(
        model,
        x,
        y,
        validation=validation,
        batch_size=integer_in("batch_size", batch_size, "[1, inf)"),
        epochs=integer_in("epochs", epochs, "[1, inf)"),
    )


def _pair(x_name, x, y_name, y, model):
    for name, values in ((x_name, x), (y_name, y)):
        if isinstance(values, dict) or np.asarray(values).dtype.kind not in "biuf":
            raise ValueError(
                f"`{name}` must be one array of numbers. Received: "
                f"{type(values).__name__}."
            )
    x, y = np.asarray(x), np.asarray(y)
    wanted = model.input_shape[1:]
    fits = x.ndim == len(wanted) + 1 and all(
        w in (None, s) for w, s in zip(wanted, x.shape[1:], strict=True)
    )
    if not fits or not len(x):
        shape = ", ".join(map(str, ("n", *wanted)))
        raise ValueError(f"`{x_name}` must have shape ({shape}). Received: {x.shape}.")
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(
            f"`{y_name}` must have {len(x)} rows, as `{x_name}` has. Received: shape "
            f"{y.shape}."
        )
    return x, y
