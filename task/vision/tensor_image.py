"""Images for the vision tasks."""

from __future__ import annotations

import importlib.util
import io

import numpy as np

from ..errors import InvalidArgumentError, MissingFileError
from ..format.preparation import Preparation
from .decode import UnreadableImageError, decode
from .resize import prepare


class TensorImage:
    """An RGB image in memory, with its own copy of the pixels."""

    def __init__(self, pixels: np.ndarray) -> None:
        """Copies `(height, width, 3)` uint8 pixels. For other inputs use a `create_from_…` method."""
        self._pixels = np.array(pixels, np.uint8, order="C")

    @classmethod
    def create_from_file(cls, file_name: str) -> TensorImage:
        """Reads an image file with Pillow, rotated upright by its EXIF orientation. Transparent parts become white.

        Raises:
            MissingFileError: The file does not exist.
            InvalidArgumentError: Pillow cannot read the image, or is not installed.
        """
        _require_pillow(file_name)
        try:
            return cls._of_new(decode(file_name))
        except FileNotFoundError as error:
            raise MissingFileError(f"Unable to open file at {file_name}: no such file.") from error
        except UnreadableImageError as error:
            raise InvalidArgumentError(f"{file_name}: cannot be read as an image ({error}).") from error

    @classmethod
    def create_from_buffer(cls, buffer: bytes) -> TensorImage:
        """Reads the bytes of an image file, as `create_from_file` does.

        Raises:
            InvalidArgumentError: Pillow cannot read the image, or is not installed.
        """
        _require_pillow("the buffer")
        try:
            return cls._of_new(decode(io.BytesIO(buffer)))
        except UnreadableImageError as error:
            raise InvalidArgumentError(f"the buffer cannot be read as an image ({error}).") from error

    @classmethod
    def create_from_array(cls, array: np.ndarray) -> TensorImage:
        """Copies an array.

        Args:
            array: uint8, `(height, width)` or `(height, width, 1)` grey, `(height, width, 3)` RGB or `(height, width, 4)` RGBA; any
                strides.

        Raises:
            InvalidArgumentError: The array has another type or shape.
        """
        pixels = np.asarray(array)
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or 0 in pixels.shape:
            raise InvalidArgumentError(
                f"the array is {pixels.dtype} {np.shape(array)}, expected uint8 (height, width), (height, width, 1), (…, 3) or (…, 4)."
            )
        if pixels.shape[2] == 1:
            pixels = np.repeat(pixels, 3, axis=2)
        return cls(pixels[:, :, :3])

    @classmethod
    def _of_new(cls, pixels: np.ndarray) -> TensorImage:
        """An image of pixels that nothing else holds: they are copied only where they cannot be written to."""
        image = cls.__new__(cls)
        image._pixels = np.require(pixels, np.uint8, ["C", "W"])
        return image

    @property
    def height(self) -> int:
        """Rows."""
        return int(self._pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self._pixels.shape[1])

    @property
    def buffer(self) -> np.ndarray:
        """The pixels, `(height, width, 3)` uint8."""
        return self._pixels

    def prepared(self, height: int, width: int, preparation: Preparation) -> np.ndarray:
        """The pixels in the size of a query, `(height, width, 3)` uint8."""
        return prepare(self._pixels, height, width, preparation)


def _require_pillow(name: str) -> None:
    if importlib.util.find_spec("PIL") is None:
        raise InvalidArgumentError(f"{name}: reading image files needs Pillow: pip install pillow")
