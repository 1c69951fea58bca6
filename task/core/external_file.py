"""A file opened for reading, mapped from disk where a path was given."""

from __future__ import annotations

import mmap
from contextlib import suppress

from ..errors import InvalidArgumentError, MissingFileError


class ExternalFile:
    """Holds a file's bytes.

    Attributes:
        name: What error messages call the file.
        path: The path, or None where content was given.
        content: The bytes.
    """

    def __init__(self, file_name: str | None, file_content: bytes | None, what: str = "file_content") -> None:
        """Opens the file; content wins where both are given.

        Args:
            file_name: A path.
            file_content: The bytes.
            what: What error messages call content.

        Raises:
            InvalidArgumentError: Neither a path nor content was given.
            MissingFileError: There is no such file.
        """
        self._map: mmap.mmap | None = None
        self.path: str | None = None
        self.content: bytes | mmap.mmap
        if file_content is not None:
            self.name, self.content = what, bytes(file_content)
        elif file_name:
            self.name = self.path = file_name
            self.content = self._open(file_name)
        else:
            raise InvalidArgumentError("ExternalFile must specify at least one of 'file_content', 'file_name' or 'file_descriptor_meta'.")

    def close(self) -> None:
        """Unmaps the file, if need be when the last array that lies in it goes; a second call does nothing."""
        if self._map is not None:
            with suppress(BufferError):
                self._map.close()
            self._map = None

    def _open(self, path: str) -> bytes | mmap.mmap:
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                return self._map
        except FileNotFoundError as error:
            raise MissingFileError(f"Unable to open file at {path}: no such file.") from error
        except ValueError:  # mmap's word for an empty file
            return b""
