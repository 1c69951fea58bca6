"""A training run in the work folder: names of its files, and which host writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maker.encoders.image import SCRATCH
from maker.errors import TrainingError
from maker.training.options import TrainingOptions
from maker.workspace import Workspace, digest

if TYPE_CHECKING:
    from maker.training.loop import Run
    from maker.training.replicas import Replicas

EVENTS = "tensorboard"  # folder of the logs
TRAINABLE = ("keras", "keras_file")


@dataclass(frozen=True)
class TrainingRun:
    """The identity of a training run.

    Attributes:
        work: The work folder.
        key: Digest of all inputs and options.
        checkpoint_key: Digest of the same without `allow_worse`: that option accepts a finished run, and does not train again.
        replicas: The devices that share a batch; None for the default device.
    """

    work: Workspace
    key: str
    checkpoint_key: str
    replicas: Replicas | None

    @classmethod
    def of(cls, work: Workspace, inputs: Sequence[Any], options: TrainingOptions, replicas: Replicas | None) -> TrainingRun:
        """The run with these inputs, which can be written as JSON."""
        without = replace(options, allow_worse=False)
        return cls(work, digest(*inputs, asdict(options)), digest(*inputs, asdict(without)), replicas)

    def file(self, name: str, suffix: str = ".tflite") -> Path:
        """The path of a result of this run."""
        return self.work.file(f"{name}-{self.key}{suffix}")

    @property
    def is_chief(self) -> bool:
        """Whether this host writes the results."""
        return self.replicas is None or self.replicas.is_chief

    def is_due(self, files: Sequence[Path]) -> bool:
        """Whether a file is missing on the chief, so that all hosts have to train."""
        due = not all(file.exists() for file in files)
        return due if self.replicas is None else bool(self.replicas.from_chief([np.array(due, np.int32)])[0])

    def start(self) -> Run:
        """The run, as the training loop takes it."""
        from maker.training.loop import Run

        return Run(self.work.file(f"training-{self.checkpoint_key}.npz"), self.work.file(EVENTS) / self.checkpoint_key, self.replicas)

    def remove_checkpoints(self) -> None:
        """Removes the checkpoints of this run."""
        for path in self.work.folder.glob(f"training-{self.checkpoint_key}*.npz"):
            path.unlink()


def open_replicas(options: TrainingOptions) -> Replicas | None:
    """Opens the devices that share a batch; None for the default device."""
    if options.distribute == "none":
        return None
    from maker.training.replicas import Replicas

    return Replicas(options.distribute)


def check_unfreezing(kind: str, spec: str, options: TrainingOptions) -> None:
    """Checks before any work that the image tower can be unfrozen, if the options ask for it.

    Raises:
        TrainingError: It cannot be unfrozen.
    """
    if not options.unfreeze_from or kind in TRAINABLE:
        return
    if kind == SCRATCH:
        raise TrainingError("--unfreeze-from: a tower from scratch is never frozen; leave the option out")
    raise TrainingError(
        f"--unfreeze-from: {spec} cannot be trained: its weights are constants; expected keras:NAME or keras_file:PATH as --image-encoder"
    )
