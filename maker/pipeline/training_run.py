"""A training run in the work folder: the names of its files, and which host writes them."""

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

EVENTS = "tensorboard"  # folder of its logs
TRAINABLE = ("keras", "keras_file")


@dataclass(frozen=True)
class TrainingRun:
    """What tells a run from others.

    Attributes:
        work: The work folder.
        key: Digest of all that it is made of.
        checkpoint_key: The same but for `allow_worse`, with which a finished run is taken as it is.
        replicas: The devices that share its batches; None for this host's own device.
    """

    work: Workspace
    key: str
    checkpoint_key: str
    replicas: Replicas | None

    @classmethod
    def of(cls, work: Workspace, inputs: Sequence[Any], options: TrainingOptions, replicas: Replicas | None) -> TrainingRun:
        """The run of inputs that JSON can write."""
        kept = replace(options, allow_worse=False)
        return cls(work, digest(*inputs, asdict(options)), digest(*inputs, asdict(kept)), replicas)

    def file(self, name: str, suffix: str = ".tflite") -> Path:
        """Where a result of this run lies."""
        return self.work.file(f"{name}-{self.key}{suffix}")

    @property
    def is_chief(self) -> bool:
        """Whether this host writes what is trained."""
        return self.replicas is None or self.replicas.is_chief

    def is_due(self, files: Sequence[Path]) -> bool:
        """Whether a file of it is missing at the chief's: all hosts train or none does."""
        due = not all(file.exists() for file in files)
        return due if self.replicas is None else bool(self.replicas.from_chief([np.array(due, np.int32)])[0])

    def start(self) -> Run:
        """What the training loop is told of it."""
        from maker.training.loop import Run

        return Run(self.work.file(f"training-{self.checkpoint_key}.npz"), self.work.file(EVENTS) / self.checkpoint_key, self.replicas)

    def forget(self) -> None:
        """Removes its checkpoints."""
        for path in self.work.folder.glob(f"training-{self.checkpoint_key}*.npz"):
            path.unlink()


def open_replicas(options: TrainingOptions) -> Replicas | None:
    """The devices that share a batch; None where that is this host's own device."""
    if options.distribute == "none":
        return None
    from maker.training.replicas import Replicas

    return Replicas(options.distribute)


def check_unfreezing(kind: str, spec: str, options: TrainingOptions) -> None:
    """Stops before any work where an image tower is to be unfrozen that cannot be.

    Raises:
        TrainingError: It cannot.
    """
    if not options.unfreeze_from or kind in TRAINABLE:
        return
    if kind == SCRATCH:
        raise TrainingError("--unfreeze-from: scratch is trained from the first epoch, there is nothing frozen in it; leave the option out")
    raise TrainingError(
        f"--unfreeze-from: {spec} cannot be trained, its weights are constants; expected keras:NAME or keras_file:PATH as --image-encoder"
    )
