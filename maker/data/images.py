"""Image files: finding them and decoding them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from maker.data.folders import files_below
from maker.data.videos import is_video_name, load_frame
from maker.errors import DataError
from maker.workspace import Rejects
from task.format.moment import file_of
from task.vision.decode import UnreadableImageError, decode

# Photos that Pillow cannot read without a plugin. They are listed, so that they are rejected with a reason instead of ignored.
PHOTOS = {".heic", ".heif", ".hif", ".avif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"}
DOCUMENTS = {
    ".pdf",
    ".ps",
    ".eps",
    ".mpg",
    ".mpeg",
    ".h5",
    ".hdf",
    ".grib",
    ".bufr",
    ".emf",
    ".wmf",
}  # Pillow opens some
OUTSIDE = "path outside the folder of images"
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ")


@lru_cache
def suffixes() -> frozenset[str]:
    """The suffixes of image files, in lower case: those that the installed Pillow reads, and those of photos that need a plugin."""
    from PIL import Image

    Image.init()
    readable = {suffix for suffix, format in Image.registered_extensions().items() if format in Image.OPEN}
    return frozenset((readable | PHOTOS) - DOCUMENTS)


def list_images(folder: Path, rejects: Rejects | None = None) -> list[str]:
    """The image files below a folder, as sorted relative paths with forward slashes.

    Images are recognised by suffix, or by their first bytes if the suffix is unknown. Linked folders are followed, each folder once.
    Hidden files and files that this program wrote (work folders, pages, plots) are left out.

    Args:
        folder: Where to look.
        rejects: Gets the paths that cannot be read: folders without permission, broken links, names that are not UTF-8.

    Raises:
        DataError: The folder is missing or contains no image files.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of images")
    images = files_below(folder, lambda path: is_image_name(path) or _looks_like_an_image(path), is_image_name, rejects)
    if not images:
        raise DataError(f"{folder}: no image files in it; looked for {', '.join(sorted(suffixes()))}")
    return images


def is_image_name(path: Path) -> bool:
    """Whether the suffix is that of an image file."""
    return path.suffix.lower() in suffixes()


def _looks_like_an_image(path: Path) -> bool:
    """Whether a file with an unknown suffix starts like an image file. Documents that Pillow could open are no images."""
    if path.suffix.lower() in DOCUMENTS:
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head.startswith(SIGNATURES) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP") or head[4:12] == b"ftypavif"


def lies_within(name: str) -> bool:
    """Whether a relative path, as items' metadata have it, stays within its folder, on Windows too."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]


def load_image(path: Path, at_least: int | None = None) -> np.ndarray:
    """Decodes an image, or a frame of a video, rotated upright; transparent parts become white.

    Args:
        path: The file; a video with the moment in its name (`task.format.moment`).
        at_least: Height and width in pixels that the caller needs. A larger JPEG is decoded at a fraction of its size, which is faster.

    Returns:
        `(height, width, 3)` uint8 RGB.

    Raises:
        DataError: The file is missing, empty or cannot be decoded; the text is the reason without the path.
    """
    if is_video_name(Path(file_of(str(path)))):
        return load_frame(path)
    try:
        return decode(path, at_least)
    except UnreadableImageError as error:
        raise DataError(str(error)) from error
    except FileNotFoundError as error:
        raise DataError("missing file") from error
