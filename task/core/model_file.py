"""An open searcher file: a model with associated files after it."""

from __future__ import annotations

from types import TracebackType

from ..errors import DamagedFileError, InvalidArgumentError
from ..format import archive
from .base_options import BaseOptions
from .external_file import ExternalFile

# How files begin that people give by mistake.
OTHER_FILES = {
    b"\xff\xd8\xff": "a JPEG image",
    b"\x89PNG": "a PNG image",
    b"GIF8": "a GIF image",
    b"RIFF": "a WebP image or another RIFF file",
    b"PK\x03\x04": "a ZIP archive",
    b"\x93NUMPY": "a NumPy array",
    b"<!doctype html": "an HTML page",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file itself with git lfs pull",
}
TFLITE_IDENTIFIER = b"TFL3"


class ModelFile:
    """The bytes of an open model file.

    Attributes:
        name: Name of the file in errors.
        content: The bytes.
        entries: `(offset, size)` of each associated file in bytes, by name.
    """

    def __init__(self, options: BaseOptions) -> None:
        """Opens the model in the options.

        Raises:
            InvalidArgumentError: Neither a path nor content was given, or the file is not a TFLite model.
            MissingFileError: The file does not exist.
            DamagedFileError: The associated files cannot be located.
        """
        self._file = ExternalFile(options.file_name, options.file_content)
        self.name, self.content = self._file.name, self._file.content
        found = bytes(self.content[4:8])
        if found != TFLITE_IDENTIFIER:
            problem = f"bytes 4 to 8 are {found!r}, expected {TFLITE_IDENTIFIER!r}" if len(self.content) else "the file is empty"
            other = next((kind for start, kind in OTHER_FILES.items() if bytes(self.content[: len(start)]) == start), None)
            problem = f"it is {other}, not a searcher" if other else problem
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
            DamagedFileError: There is no associated file with this name.
        """
        if entry not in self.entries:
            present = ", ".join(self.entries) or "none"
            raise DamagedFileError(f"{self.name}: associated file {entry!r} is missing; present: {present}.")
        offset, size = self.entries[entry]
        return bytes(self.content[offset : offset + size])

    @property
    def path(self) -> str | None:
        """A path by which an interpreter opens this same file; None if it was given as content."""
        return self._file.path

    def check_unchanged(self) -> None:
        """Checks that the file was not overwritten in place.

        Raises:
            SearcherError: The file was overwritten.
        """
        self._file.check_unchanged()

    def close(self) -> None:
        """Closes the file. A second call does nothing."""
        self._file.close()

    def __enter__(self) -> ModelFile:
        """Returns itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes the file."""
        self.close()
