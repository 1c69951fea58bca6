"""A file opened for reading: mapped from disk, or given as bytes."""

from __future__ import annotations

import errno
import mmap
import os
import weakref
from contextlib import suppress

from ..errors import InvalidArgumentError, MissingFileError, SearcherError

DESCRIPTORS = ("/proc/self/fd", "/dev/fd")  # Linux and Android; macOS and the BSDs


class ExternalFile:
    """The bytes of an open file. It stays the same file, even if another file takes its name.

    Attributes:
        name: Name of the file in errors.
        content: The bytes.
    """

    def __init__(self, file_name: str | None, file_content: bytes | None, what: str = "file_content") -> None:
        """Opens the file. If both a path and content are given, the content is used.

        Args:
            file_name: A path.
            file_content: The bytes.
            what: Name of the content in errors.

        Raises:
            InvalidArgumentError: Neither a path nor content was given.
            MissingFileError: The file does not exist.
        """
        self._map: mmap.mmap | None = None
        self._descriptor: int | None = None
        self.content: bytes | mmap.mmap
        if file_content is not None:
            self.name, self.content = what, bytes(file_content)
        elif file_name:
            self.name = os.fsencode(file_name).decode("utf-8", "backslashreplace")  # a file name may not be UTF-8, but a message has to be
            self.content = self._open(file_name)
        else:
            raise InvalidArgumentError("ExternalFile must specify at least one of 'file_content', 'file_name' or 'file_descriptor_meta'.")

    @property
    def path(self) -> str | None:
        """A path that opens this file again, even if it was deleted or another file has its name; None for content."""
        if self._descriptor is None:
            return None
        for folder in DESCRIPTORS:
            path = os.path.join(folder, str(self._descriptor))
            if os.path.exists(path):
                return path
        return self._path  # on Windows, open files cannot be replaced or deleted

    def check_unchanged(self) -> None:
        """Checks that the file was not overwritten in place, because then the mapped bytes are others, or missing.

        Raises:
            SearcherError: The file was overwritten.
        """
        if self._descriptor is not None and _state(self._descriptor) != self._opened:
            raise SearcherError(
                f"{self.name}: the file was overwritten while it was open; open it again. To replace a searcher in use, write the new "
                "one under another name and rename it."
            )

    def close(self) -> None:
        """Unmaps the file, or leaves that to the last array that uses its bytes. A second call does nothing."""
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
        self._release = weakref.finalize(self, os.close, descriptor)  # also if close() is never called
        self._path, self._opened = os.path.abspath(path), _state(descriptor)
        try:
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        except ValueError:  # mmap raises it for an empty file
            return b""
        return self._map


def _state(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
