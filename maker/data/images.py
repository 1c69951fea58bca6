"""Image files: finding them and decoding them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from maker.data.rejects import Rejects
from maker.errors import DataError
from task.vision.tensor_image import to_rgb

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def list_images(folder: Path, rejects: Rejects | None = None) -> list[str]:
    """The image files below a folder, by suffix, as sorted relative paths with forward slashes; hidden ones are left out.

    Args:
        folder: Where to look.
        rejects: Gets the files whose name is no text, which are left out.

    Raises:
        DataError: The folder is missing or holds no image files.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images")
    found = [p.relative_to(folder) for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()]
    images = sorted(p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts))
    for image in [i for i in images if not _is_text(i)]:
        images.remove(image)
        if rejects is not None:
            rejects.add(image.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), "name is not UTF-8")
    if not images:
        raise DataError(f"{folder}: no image files in it; looked for {', '.join(sorted(SUFFIXES))}")
    return images


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def load_image(path: Path, at_least: int | None = None) -> np.ndarray:
    """Decodes an image, upright, over white where transparent.

    Args:
        path: The file.
        at_least: Height and width in pixels that are enough: a larger JPEG is decoded at a fraction of its size, which is faster.

    Returns:
        `(height, width, 3)` uint8 RGB.

    Raises:
        DataError: It is missing, empty or cannot be decoded; the text is the reason without the path.
    """
    try:
        if path.stat().st_size == 0:
            raise DataError("empty file")
        with warnings.catch_warnings():
            # Pillow warns of odd EXIF and of large images; what it can decode is taken.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if at_least is not None:
                    image.draft("RGB", (at_least, at_least))
                return to_rgb(image)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("missing file") from error
    except UnidentifiedImageError as error:
        raise DataError("not an image") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        reason = str(error).replace(str(path), path.name)
        raise DataError(f"cannot be decoded: {reason}") from error
