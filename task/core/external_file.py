"""A file opened for reading, mapped from disk where a path was given."""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from contextlib import suppress

from ..errors import InvalidArgumentError, MissingFileError, SearcherError

DESCRIPTORS = ("/proc/self/fd", "/dev/fd")  # Linux and Android; macOS and the BSDs


class ExternalFile:
    """Holds a file's bytes, and the file itself: whatever takes its name later, this stays what was opened.

    Attributes:
        name: What error messages call the file.
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
        self._descriptor: int | None = None
        self.content: bytes | mmap.mmap
        if file_content is not None:
            self.name, self.content = what, bytes(file_content)
        elif file_name:
            self.name = os.fsencode(file_name).decode("utf-8", "backslashreplace")  # names need not be UTF-8, messages do
            self.content = self._open(file_name)
        else:
            raise InvalidArgumentError("ExternalFile must specify at least one of 'file_content', 'file_name' or 'file_descriptor_meta'.")

    @property
    def path(self) -> str | None:
        """A path by which the open file is opened again, even if another file has taken its name or it was deleted; None for content."""
        if self._descriptor is None:
            return None
        for folder in DESCRIPTORS:
            path = os.path.join(folder, str(self._descriptor))
            if os.path.exists(path):
                return path
        return self._path  # Windows does not let anyone replace or delete a file that is open

    def check_unchanged(self) -> None:
        """Stops where the file was overwritten in place: the map shows other bytes now, or none where it was cut.

        Raises:
            SearcherError: It was.
        """
        if self._descriptor is not None and _state(self._descriptor) != self._opened:
            raise SearcherError(
                f"{self.name}: the file was overwritten while it was open; open it again. To replace a searcher in use, write the new "
                "one under another name and rename it."
            )

    def close(self) -> None:
        """Unmaps the file, if need be when the last array that lies in it goes; a second call does nothing."""
        if self._map is not None:
            with suppress(BufferError):
                self._map.close()
            self._map = None
        if self._descriptor is not None:
            self._release()
            self._descriptor = None

    def _open(self, path: str) -> bytes | mmap.mmap:
        if os.path.isdir(path):
            raise IsADirectoryError(errno.EISDIR, "is a folder, expected a file", self.name)
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except FileNotFoundError as error:
            raise MissingFileError(f"Unable to open file at {self.name}: no such file.") from error
        self._descriptor = descriptor
        self._release = weakref.finalize(self, os.close, descriptor)  # also for users who never call close()
        self._path, self._opened = os.path.abspath(path), _state(descriptor)
        try:
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except ValueError:  # mmap's word for an empty file
            return b""
        return self._map


def _state(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
