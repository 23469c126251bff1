"""`Doctor`: a callback that looks after a training while it runs.

Tests: tests/test_doctor.py.
"""

import keras
import numpy as np

from dtlib._check import integer_in
from dtlib.doctor._remedies import finding
from dtlib.doctor.diagnosis import diagnose
from dtlib.doctor.report import Report

RISE = 1.2  # validation loss over its lowest, while the training loss still falls


class Doctor(keras.callbacks.Callback):
    """Diagnose a network before training and again after every few epochs.

    Before the first epoch it does all that `diagnose` does. After an epoch it makes the
    same checks without the trial, for the training itself shows the loss, and adds
    `diverged` (a loss that is not finite) and `overfitting` (a validation loss
    20 % above its lowest while the training loss is at its lowest). The training ends
    where it would end without the doctor, bit for bit.

    Args:
        x, y: A sample of the training data, a few hundred rows, copied.
        validation_data, batch_size, epochs, steps: As in `diagnose`.
        every: After how many epochs to look again.
        stop: Whether to end the training at the first finding. Default False.
        verbose: 1 prints each finding when it is first met; 0 is silent.

    After training, `report` holds each finding once, and its evidence the `epoch` after
    which it was first met: 0 is before training.

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "softmax")])
    >>> model.compile("sgd", "mse")
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> y = np.eye(3)[x.argmax(1)]
    >>> doctor = Doctor(x, y)
    >>> _ = model.fit(x, y, verbose=0, callbacks=[doctor])
    >>> doctor.report.names, doctor.report[0].evidence["epoch"]
    (['wrong_loss'], 0)
    """

    def __init__(
        self,
        x,
        y,
        *,
        validation_data=None,
        batch_size=32,
        epochs=100,
        steps=40,
        every=1,
        stop=False,
        verbose=0,
    ):
        super().__init__()
        self.x, self.y = np.array(x), np.array(y)
        self.every = integer_in("every", every, "[1, inf)")
        self.steps = integer_in("steps", steps, "[0, inf)")
        self.batch_size = integer_in("batch_size", batch_size, "[1, inf)")
        self.epochs = integer_in("epochs", epochs, "[1, inf)")
        self.validation_data = validation_data
        self.stop, self.verbose = stop, verbose
        self._forget()

    def _forget(self):
        self.report, self._losses, self._validation = Report(), [], []

    def on_train_begin(self, logs=None):
        self._forget()
        self._look(0, self.steps)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        self._losses.append(float(logs.get("loss", np.nan)))
        self._validation.append(float(logs.get("val_loss", np.nan)))
        if "loss" in logs and not np.isfinite(self._losses[-1]):
            self._add([finding("diverged", loss=self._losses[-1])], epoch + 1)
        elif (epoch + 1) % self.every == 0:
            self._add(self._overfitting(), epoch + 1)
            self._look(epoch + 1, 0)

    def _look(self, epoch, steps):
        found = diagnose(
            self.model,
            self.x,
            self.y,
            validation_data=self.validation_data,
            batch_size=self.batch_size,
            epochs=self.epochs,
            steps=steps,
        )
        self._add(found, epoch)

    def _overfitting(self):
        lowest, now = min(self._validation), self._validation[-1]
        if now > RISE * lowest > 0 and self._losses[-1] <= min(self._losses):
            yield finding("overfitting", lowest_val_loss=lowest, val_loss=now)

    def _add(self, findings, epoch):
        for one in findings:
            if one.name in self.report.names:
                continue
            one = one._replace(evidence={"epoch": epoch, **one.evidence})
            self.report = Report((*self.report, one))
            if self.verbose:
                print(one)
            if self.stop:
                self.model.stop_training = True
