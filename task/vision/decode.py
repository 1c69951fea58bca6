"""Decodes image files: the same code for training, embedding, thumbnails and queries."""

from __future__ import annotations

import os
import threading
import warnings
from functools import lru_cache
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from ..errors import InvalidArgumentError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 210_000_000
MAX_ANIMATED = 40_000_000  # of an animated WebP: its decoder holds four copies of a canvas that a few bytes can make large
LARGE = 64_000_000  # larger images are reduced before they are converted, to limit the memory
STRIP = 1 << 22  # pixels converted at a time
ORIENTATION = 0x0112  # EXIF 2.3, table 4
SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N", "I")
REDUCIBLE = ("RGB", "RGBA", "RGBa", "RGBX", "L", "LA", "La", "CMYK", "YCbCr", "HSV", "I", "F")
HEIF = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_opening = threading.Lock()


class UnreadableImageError(InvalidArgumentError):
    """An image cannot be decoded. The text is the reason, without the name of the file."""


def decode(source: str | os.PathLike[str] | IO[bytes], at_least: int | None = None) -> np.ndarray:
    """Decodes an image, rotated upright. Transparent parts become white; of an animation, the first frame is used.

    16-bit grey and floating point from 0 to 1 are scaled to 8 bits. Images above 64 megapixels are reduced by an integer factor.

    Args:
        source: A path, or an open file.
        at_least: Height and width in pixels that the caller needs. A larger JPEG is decoded at a fraction of its size, which is faster.

    Returns:
        `(height, width, 3)` uint8 RGB.

    Raises:
        UnreadableImageError: Pillow cannot read the image, or it is damaged or too large.
        FileNotFoundError: The file does not exist.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and of large images, which are decoded all the same
        try:
            with _open(source) as image:
                if at_least is not None:
                    image.draft("RGB", (at_least, at_least))
                return _pixels(image)
        except (UnreadableImageError, FileNotFoundError):
            raise
        except MemoryError as error:
            raise UnreadableImageError("too large for this machine's memory") from error
        except Exception as error:  # damaged files make Pillow's readers raise struct.error, TypeError, KeyError and others
            raise UnreadableImageError(_reason(error, source)) from error


def _open(source: str | os.PathLike[str] | IO[bytes]) -> Image.Image:
    from PIL import Image

    _register_heif()
    with _opening:  # Pillow's limit is a global variable; it is replaced by the limit below
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            image = Image.open(source)
        finally:
            Image.MAX_IMAGE_PIXELS = limit
    animated = image.format == "WEBP" and getattr(image, "is_animated", False)
    most = MAX_ANIMATED if animated else MAX_PIXELS
    if image.width * image.height > most:
        image.close()
        of_what = " of an animated WebP" if animated else ""
        raise UnreadableImageError(
            f"too large: {image.width} x {image.height} pixels, at most {most // 1_000_000} megapixels{of_what} are read; scale it down"
        )
    return image


@lru_cache(maxsize=1)
def _register_heif() -> None:
    """Lets Pillow read HEIC if pillow-heif is installed. A second call does nothing."""
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return
    pillow_heif.register_heif_opener()


def _pixels(image: Image.Image) -> np.ndarray:
    factor = 1
    while image.width * image.height // factor**2 > LARGE:
        factor *= 2
    if factor > 1 and image.format == "JPEG":
        image.draft(image.mode, (image.width // factor, image.height // factor))
        factor = 1
    elif image.mode not in REDUCIBLE:
        factor = 1
    image.load()
    turned = _turned(_rgb(image, factor), _orientation(image))
    return np.ascontiguousarray(turned)


def _rgb(image: Image.Image, factor: int) -> np.ndarray:
    """`(height, width, 3)` uint8, reduced by a whole factor and converted, strip by strip: a second copy of all pixels is never held."""
    rows = max(1, STRIP // image.width // factor) * factor
    scale = _scale(image)
    if image.height <= rows:
        return _strip_rgb(image.reduce(factor) if factor > 1 else image, scale)
    pixels = np.empty((-(-image.height // factor), -(-image.width // factor), 3), np.uint8)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip.info = image.info  # it holds the transparency of a palette
        first = top // factor
        pixels[first : first + rows // factor] = _strip_rgb(strip.reduce(factor) if factor > 1 else strip, scale)
    return pixels


def _scale(image: Image.Image) -> float:
    """The factor that scales the values of a 16-bit or float image to 8 bits; 1 for other modes."""
    if image.mode in SIXTEEN_BITS:
        return 1 / 257.0
    if image.mode == "F":
        low, high = cast("tuple[float, float]", image.getextrema())
        return 255.0 if low >= 0 and high <= 1 else 1.0
    return 1.0


def _strip_rgb(image: Image.Image, scale: float) -> np.ndarray:
    if image.mode in SIXTEEN_BITS or image.mode == "F":
        grey = np.clip(np.nan_to_num(np.asarray(image).astype(np.float32)) * np.float32(scale), 0, 255)
        return np.repeat(np.rint(grey).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA")).astype(np.float32)
        alpha = rgba[:, :, 3:] / 255.0
        return np.rint(rgba[:, :, :3] * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 if the EXIF data are damaged, as in image viewers."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # for damaged EXIF, Pillow raises many kinds of errors
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _turned(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Rotates pixels with an EXIF orientation upright."""
    if orientation in (2, 4, 5, 7):  # mirrored: 2 horizontally, 4 vertically, 5 and 7 also with a quarter turn
        pixels = pixels[:, ::-1]
    quarter_turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]
    return np.rot90(pixels, quarter_turns)


def _reason(error: Exception, source: object) -> str:
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return _unidentified(source)
    text = str(error).replace(os.fspath(source), "it") if isinstance(source, (str, os.PathLike)) else str(error)
    return f"cannot be decoded: {' '.join(text.split()) or type(error).__name__}"


def _unidentified(source: object) -> str:
    try:
        if isinstance(source, (str, os.PathLike)):
            with open(source, "rb") as file:
                head = file.read(12)
        else:
            source.seek(0)  # type: ignore[attr-defined]
            head = source.read(12)  # type: ignore[attr-defined]
    except OSError:
        return "not an image"
    if not head:
        return "empty file"
    if head[4:8] == b"ftyp" and head[8:12] in HEIF:
        return "HEIC needs the package pillow-heif: pip install 'pocket-searcher[heic]'"
    return "not an image"
