"""A training run on disk after every epoch, so that a killed one goes on as if nothing had happened."""

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


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        epoch: The last finished epoch.
        history: An entry an epoch.
        best_epoch: The epoch whose weights are to be kept.
        best_score: Its R@10.
        best_values: Its averaged weights.
    """

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_score: float = -1.0
    best_values: list[np.ndarray] = field(default_factory=list)

    def told(self) -> str:
        """All but the weights, as JSON."""
        return json.dumps({name: getattr(self, name) for name in ("epoch", "history", "best_epoch", "best_score")})


def save(path: Path, progress: Progress, variables: Sequence[tf.Variable]) -> None:
    """Writes the progress and all variables, those of the optimizer and of the averages too."""
    arrays = {f"variable_{i}": variable.numpy() for i, variable in enumerate(variables)}
    arrays |= {f"best_{i}": value for i, value in enumerate(progress.best_values)}
    with atomic(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, told=np.array(progress.told()), **arrays)


def load(path: Path, variables: Sequence[tf.Variable]) -> Progress:
    """Reads what `save` wrote and assigns the variables; a fresh `Progress` where there is no file."""
    if not path.exists():
        return Progress()
    with np.load(path) as stored:
        for i, variable in enumerate(variables):
            variable.assign(stored[f"variable_{i}"])
        best = [stored[f"best_{i}"] for i in range(sum(name.startswith("best_") for name in stored.files))]
        return Progress(best_values=best, **json.loads(str(stored["told"])))


def take_from_chief(progress: Progress, variables: Sequence[tf.Variable], averaged: Sequence[tf.Variable], replicas: Replicas) -> Progress:
    """The chief's progress and variables on every host.

    Args:
        progress: What this host has; a fresh one where it is not the chief.
        variables: All that a checkpoint holds.
        averaged: Those that `best_values` are of.
        replicas: The hosts.
    """
    told = replicas.text_from_chief(progress.told())
    taken = Progress(**json.loads(told))
    if replicas.hosts == 1 or not taken.epoch:
        return progress
    for variable, value in zip(variables, replicas.from_chief([v.numpy() for v in variables]), strict=True):
        variable.assign(value)
    taken.best_values = replicas.from_chief(progress.best_values or [np.zeros(v.shape, v.dtype.as_numpy_dtype) for v in averaged])
    return taken
