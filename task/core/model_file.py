"""A searcher file opened for reading: the model for the interpreter and the associated files behind it."""

from __future__ import annotations

import mmap
from types import TracebackType

from ..errors import DamagedFileError, InvalidArgumentError, MissingFileError
from ..format import archive
from .base_options import BaseOptions

TFLITE_IDENTIFIER = b"TFL3"


class ModelFile:
    """Holds the file's bytes, mapped from disk where a path was given.

    Attributes:
        name: What error messages call the file.
        path: The path, or None where content was given.
        entries: Name of each associated file to its `(offset, size)` in the file.
    """

    def __init__(self, options: BaseOptions) -> None:
        """Opens the model that the options name.

        Raises:
            InvalidArgumentError: Neither a path nor content was given, or it is no TFLite model.
            MissingFileError: There is no such file.
            DamagedFileError: The associated files cannot be located.
        """
        self.path: str | None = None
        self._map: mmap.mmap | None = None
        self.content: bytes | mmap.mmap
        if options.file_content is not None:
            self.name = "file_content"
            self.content = bytes(options.file_content)
        elif options.file_name:
            self.name = self.path = options.file_name
            self.content = self._map = _map_file(options.file_name)
        else:
            raise InvalidArgumentError("ExternalFile must specify at least one of 'file_content', 'file_name' or 'file_descriptor_meta'.")
        found = bytes(self.content[4:8])
        if found != TFLITE_IDENTIFIER:
            self.close()
            raise InvalidArgumentError(
                f"{self.name}: The model is not a valid Flatbuffer buffer: bytes 4 to 8 are {found!r}, expected {TFLITE_IDENTIFIER!r}."
            )
        try:
            self.entries = archive.locate(self.content)
        except archive.ArchiveError as error:
            self.close()
            raise DamagedFileError(f"{self.name}: {error}") from error

    def read(self, entry: str) -> bytes:
        """The content of an associated file.

        Raises:
            DamagedFileError: There is none of that name.
        """
        if entry not in self.entries:
            held = ", ".join(self.entries) or "none"
            raise DamagedFileError(f"{self.name}: associated file {entry!r} is missing; present: {held}.")
        offset, size = self.entries[entry]
        return bytes(self.content[offset : offset + size])

    def close(self) -> None:
        """Unmaps the file; a second call does nothing."""
        if self._map is not None:
            self._map.close()

    def __enter__(self) -> ModelFile:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the file."""
        self.close()


def _map_file(path: str) -> mmap.mmap:
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError as error:
        raise MissingFileError(f"Unable to open file at {path}: no such file.") from error
    except ValueError as error:  # mmap's word for an empty file
        raise InvalidArgumentError(f"{path}: The model is not a valid Flatbuffer buffer: the file is empty.") from error
