"""A searcher file opened for reading: the model for the interpreter and the associated files behind it."""

from __future__ import annotations

from types import TracebackType

from ..errors import DamagedFileError, InvalidArgumentError
from ..format import archive
from .base_options import BaseOptions
from .external_file import ExternalFile

TFLITE_IDENTIFIER = b"TFL3"


class ModelFile:
    """Holds the file's bytes, mapped from disk where a path was given.

    Attributes:
        name: What error messages call the file.
        entries: Name of each associated file to its `(offset, size)` in the file.
    """

    def __init__(self, options: BaseOptions) -> None:
        """Opens the model that the options name.

        Raises:
            InvalidArgumentError: Neither a path nor content was given, or it is no TFLite model.
            MissingFileError: There is no such file.
            DamagedFileError: The associated files cannot be located.
        """
        self._file = ExternalFile(options.file_name, options.file_content)
        self.name, self.content = self._file.name, self._file.content
        found = bytes(self.content[4:8])
        if found != TFLITE_IDENTIFIER:
            problem = f"bytes 4 to 8 are {found!r}, expected {TFLITE_IDENTIFIER!r}" if len(self.content) else "the file is empty"
            self.close()
            raise InvalidArgumentError(f"{self.name}: The model is not a valid Flatbuffer buffer: {problem}.")
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

    @property
    def path(self) -> str | None:
        """A path by which an interpreter opens this very file; None where content was given."""
        return self._file.path

    def check_unchanged(self) -> None:
        """Stops where the file was overwritten in place.

        Raises:
            SearcherError: It was.
        """
        self._file.check_unchanged()

    def close(self) -> None:
        """Unmaps the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> ModelFile:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the file."""
        self.close()
