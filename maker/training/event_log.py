"""TensorBoard logs of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf


class EventLog:
    """Scalars by step and by epoch in a folder that `tensorboard --logdir` shows; nothing where the folder is None."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else tf.summary.create_noop_writer()

    def epoch(self, entry: dict[str, Any], losses: Sequence[float], epochs_before: int) -> None:
        """Adds an epoch.

        Args:
            entry: Its figures, among them `epoch`, which is the step they are shown at.
            losses: The loss of each of its steps.
            epochs_before: How many epochs went before it.
        """
        with self._writer.as_default():
            for number, loss in enumerate(losses):
                tf.summary.scalar("loss by step", loss, step=epochs_before * len(losses) + number)
            for name, value in entry.items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=entry["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Finishes the file."""
        self._writer.close()
