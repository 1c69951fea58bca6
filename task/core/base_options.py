"""The model and how to run it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..errors import InvalidArgumentError


@dataclass
class BaseOptions:
    """Options of every task, with the names of the Task Library.

    Attributes:
        file_name: Path of the model, which is memory-mapped.
        file_content: The model as bytes. If both are given, these are used, as in the Task Library.
        num_threads: Threads of the interpreter; -1 leaves the choice to the runtime.
        use_coral: Exists for compatibility with the Task Library. Edge TPUs are not supported, so True is an error.
    """

    file_name: str | None = None
    file_content: bytes | None = None
    num_threads: int = -1
    use_coral: bool | None = None

    def __post_init__(self) -> None:
        """Converts a path object to a string and checks the values.

        Raises:
            InvalidArgumentError: `num_threads` is 0 or below -1, or `use_coral` is set.
        """
        if self.file_name is not None:
            self.file_name = os.fspath(self.file_name)
        if self.num_threads == 0 or self.num_threads < -1:
            raise InvalidArgumentError(f"BaseOptions.num_threads must be -1 or at least 1, found {self.num_threads}.")
        if self.use_coral:
            raise InvalidArgumentError("BaseOptions.use_coral: Edge TPUs are not supported; leave it out to run on the CPU.")
