"""Images as the vision tasks take them."""

from __future__ import annotations

import importlib.util
import io

import numpy as np

from ..errors import InvalidArgumentError, MissingFileError
from .decode import UnreadableImageError, decode
from .resize import resize_as


class TensorImage:
    """An RGB image in memory; it owns its pixels."""

    def __init__(self, pixels: np.ndarray) -> None:
        """Keeps a copy of `(height, width, 3)` uint8 pixels; use a `create_from_…` for anything else."""
        self._pixels = np.array(pixels, np.uint8, order="C")

    @classmethod
    def create_from_file(cls, file_name: str) -> TensorImage:
        """Reads an image file with Pillow, turned upright by its EXIF orientation and laid over white where it is transparent.

        Raises:
            MissingFileError: There is no such file.
            InvalidArgumentError: It is no image that Pillow reads, or Pillow is not installed.
        """
        _require_pillow(file_name)
        try:
            return cls(decode(file_name))
        except FileNotFoundError as error:
            raise MissingFileError(f"Unable to open file at {file_name}: no such file.") from error
        except UnreadableImageError as error:
            raise InvalidArgumentError(f"{file_name}: cannot be read as an image ({error}).") from error

    @classmethod
    def create_from_buffer(cls, buffer: bytes) -> TensorImage:
        """Reads an image file's content as `create_from_file` reads the file.

        Raises:
            InvalidArgumentError: It is no image that Pillow reads, or Pillow is not installed.
        """
        _require_pillow("the buffer")
        try:
            return cls(decode(io.BytesIO(buffer)))
        except UnreadableImageError as error:
            raise InvalidArgumentError(f"the buffer cannot be read as an image ({error}).") from error

    @classmethod
    def create_from_array(cls, array: np.ndarray) -> TensorImage:
        """Copies an array.

        Args:
            array: uint8, `(height, width)` or `(height, width, 1)` grey, `(height, width, 3)` RGB or `(height, width, 4)` RGBA; any
                strides.

        Raises:
            InvalidArgumentError: Another type or shape.
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

    def resized(self, height: int, width: int, resampling: str) -> np.ndarray:
        """The pixels in another size, `(height, width, 3)` uint8; `resampling` is a name that `resize.resize_as` knows."""
        return resize_as(resampling, self._pixels, height, width)


def _require_pillow(name: str) -> None:
    if importlib.util.find_spec("PIL") is None:
        raise InvalidArgumentError(f"{name}: reading image files needs Pillow: pip install pillow")
