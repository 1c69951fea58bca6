"""TensorBoard logs of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf


class EventLog:
    """Writes scalars per step and per epoch to a folder for `tensorboard --logdir`. Writes nothing if the folder is None."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else tf.summary.create_noop_writer()

    def epoch(self, entry: dict[str, Any], losses: Sequence[float], epochs_before: int) -> None:
        """Adds the figures of an epoch.

        Args:
            entry: The figures by name; `epoch` is the step at which TensorBoard shows them.
            losses: The loss of each step.
            epochs_before: The number of epochs before this one.
        """
        with self._writer.as_default():
            for number, loss in enumerate(losses):
                tf.summary.scalar("loss by step", loss, step=epochs_before * len(losses) + number)
            for name, value in entry.items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=entry["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        self._writer.close()
