"""The state of a run in one file, written whole or not at all.

Tests: tests/test_scaling.py.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
from keras import ops

from dtlib.experiments.store import replacing


class Backup:
    """Where a run stands: weights, optimizer, and what its history says so far.

    Every worker reads it, worker 0 alone writes it. With a file for each, a death
    between two writes would leave them at different steps.

    Args:
        path: Name of an ".npz" file.
        variables: All that a step changes.
        run: Dictionary that says which run this is; a file of another is refused.
        writes: Is this the worker that writes?
    """

    def __init__(self, path, variables, run, writes):
        self.path, self.variables, self.writes = Path(path), variables, writes
        self.run = json.dumps(run, sort_keys=True)
        if self.path.suffix != ".npz":
            raise ValueError(
                f"`backup` must end in .npz. Received: backup={str(path)!r}."
            )

    def save(self, epoch, step, losses, running):
        """Write the state before step `step` of epoch `epoch`."""
        # Every worker reads its variables: where replicas differ they meet to do so.
        values = [ops.convert_to_numpy(v) for v in self.variables]
        if not self.writes:
            return
        state = {f"v{i}": value for i, value in enumerate(values)}
        state.update(place=np.array([epoch, step]), losses=np.array(losses, "float64"))
        state.update(running=np.array(running, "float64"), run=np.array(self.run))
        with replacing(self.path, "wb") as file:
            np.savez(file, **state)

    def restore(self):
        """`(epoch, step, losses, running)`: as stored, or the start of a run."""
        if not self.path.exists():
            return 0, 0, [], 0.0
        try:
            with open(self.path, "rb") as whole:  # closed also where it is damaged
                with np.load(whole, allow_pickle=False) as file:
                    stored = {name: file[name] for name in file.files}
            values = [stored[f"v{i}"] for i in range(len(stored) - 4)]
            fits = stored["run"].item() == self.run
            epoch, step = map(int, stored["place"])
            losses, running = stored["losses"].tolist(), float(stored["running"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"`backup` cannot be read, and is not overwritten: {self.path} "
                f"({type(error).__name__}: {error})."
            ) from None
        shapes = [tuple(v.shape) for v in self.variables]
        if not fits or shapes != [value.shape for value in values]:
            raise ValueError(
                f"`backup` is another run's, and is not overwritten: {self.path}."
            )
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)
        return epoch, step, losses, running
