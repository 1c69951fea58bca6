"""Images as the vision tasks take them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidArgumentError, MissingFileError
from .resize import resize_as

if TYPE_CHECKING:
    from PIL import Image


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
        try:
            from PIL import Image
        except ImportError as error:
            raise InvalidArgumentError(f"{file_name}: reading image files needs Pillow: pip install pillow") from error
        if not os.path.exists(file_name):
            raise MissingFileError(f"Unable to open file at {file_name}: no such file.")
        try:
            with Image.open(file_name) as image:
                return cls(to_rgb(image))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise InvalidArgumentError(f"{file_name}: cannot be read as an image ({error}).") from error

    @classmethod
    def create_from_buffer(cls, buffer: bytes) -> TensorImage:
        """Reads an image file's content as `create_from_file` reads the file.

        Raises:
            InvalidArgumentError: It is no image that Pillow reads, or Pillow is not installed.
        """
        try:
            from PIL import Image
        except ImportError as error:
            raise InvalidArgumentError("reading image files needs Pillow: pip install pillow") from error
        try:
            with Image.open(io.BytesIO(buffer)) as image:
                return cls(to_rgb(image))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
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


def to_rgb(image: Image.Image) -> np.ndarray:
    """The one definition of decoding: upright, over white where transparent, `(height, width, 3)` uint8 RGB.

    16-bit grey is scaled to 8 bits; of an animation the first frame is taken.

    Raises:
        OSError, ValueError, SyntaxError: What Pillow raises on damaged content.
    """
    from PIL import ImageOps

    upright: Any = ImageOps.exif_transpose(image)
    if upright.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        values = np.asarray(upright).astype(np.float32)
        grey = np.clip(values / (257.0 if upright.mode != "F" else 1.0), 0, 255)
        return np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2)
    if upright.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in upright.info:
        rgba = np.asarray(upright.convert("RGBA")).astype(np.float32)
        alpha = rgba[:, :, 3:] / 255.0
        return np.rint(rgba[:, :, :3] * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)
    return np.asarray(upright.convert("RGB"))
