"""Checkpoints: a training run is saved after every epoch, so that an interrupted run resumes and ends with the same weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from maker.training.replicas import Replicas
from maker.workspace import atomic

PROGRESS = "told"  # name of the JSON in the file; a checkpoint of an earlier version still loads


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        epoch: The last finished epoch.
        history: One entry per epoch.
        best_epoch: The best epoch, whose weights are kept.
        best_values: Its averaged weights.
    """

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_values: list[np.ndarray] = field(default_factory=list)

    def to_json(self) -> str:
        """Everything except the weights."""
        return json.dumps({name: getattr(self, name) for name in ("epoch", "history", "best_epoch")})


def save(path: Path, progress: Progress, variables: Sequence[tf.Variable]) -> None:
    """Writes the progress and all variables, including those of the optimizer and the averages."""
    arrays: dict[str, Any] = {PROGRESS: np.array(progress.to_json())}
    arrays |= {f"variable_{i}": variable.numpy() for i, variable in enumerate(variables)}
    arrays |= {f"best_{i}": value for i, value in enumerate(progress.best_values)}
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)


def load(path: Path, variables: Sequence[tf.Variable]) -> Progress:
    """Reads a checkpoint and assigns the variables. Returns a new `Progress` if there is no file."""
    if not path.exists():
        return Progress()
    with np.load(path) as stored:
        for i, variable in enumerate(variables):
            variable.assign(stored[f"variable_{i}"])
        best = [stored[f"best_{i}"] for i in range(sum(name.startswith("best_") for name in stored.files))]
        return Progress(best_values=best, **json.loads(str(stored[PROGRESS])))


def take_from_chief(progress: Progress, variables: Sequence[tf.Variable], averaged: Sequence[tf.Variable], replicas: Replicas) -> Progress:
    """Copies the progress and the variables of the chief to every host.

    Args:
        progress: The progress of this host; a new one unless it is the chief.
        variables: All variables that a checkpoint holds.
        averaged: The variables that `best_values` belong to.
        replicas: The hosts.

    Returns:
        The progress of the chief.
    """
    shared = Progress(**json.loads(replicas.text_from_chief(progress.to_json())))
    if replicas.hosts == 1 or not shared.epoch:
        return progress
    for variable, value in zip(variables, replicas.from_chief([v.numpy() for v in variables]), strict=True):
        variable.assign(value)
    shared.best_values = replicas.from_chief(progress.best_values or [np.zeros(v.shape, v.dtype.as_numpy_dtype) for v in averaged])
    return shared
