"""Where the model is and how it is run."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import InvalidArgumentError


@dataclass
class BaseOptions:
    """Options of every task, as the Task Library names them.

    Attributes:
        file_name: Path of the model. It is memory-mapped.
        file_content: The model's bytes; they win where both are given, as in the Task Library.
        num_threads: Threads of the interpreter; -1 leaves it to the runtime.
        use_coral: Accepted so that calls written for the Task Library run; there is no Edge TPU support, so True is an error.
    """

    file_name: str | None = None
    file_content: bytes | None = None
    num_threads: int = -1
    use_coral: bool | None = None

    def __post_init__(self) -> None:
        """Normalises a path object.

        Raises:
            InvalidArgumentError: `num_threads` is 0 or below -1, or `use_coral` is set.
        """
        if self.file_name is not None:
            self.file_name = os.fspath(self.file_name)
        if self.num_threads == 0 or self.num_threads < -1:
            raise InvalidArgumentError(f"BaseOptions.num_threads must be -1 or at least 1, found {self.num_threads}.")
        if self.use_coral:
            raise InvalidArgumentError("BaseOptions.use_coral: Edge TPUs are not supported; leave it out to run on the CPU.")
