"""Small pictures as data URIs, so that the report is one file."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

from maker.preview.thumbnails import image_of
from task.vision.tensor_image import to_rgb

PIXELS, QUALITY = 128, 68


class Thumbnails:
    """Makes each thumbnail once.

    Attributes:
        missing: Items whose picture cannot be shown.
    """

    def __init__(self, images: Path | None) -> None:
        """Takes the folder that the items' paths are relative to; without one there are no thumbnails."""
        self._images, self._made = images, dict[bytes, str]()
        self.missing: list[str] = []

    def of(self, metadata: bytes) -> str:
        """A square WebP as a data URI; empty where the item names no picture that can be read."""
        if metadata not in self._made:
            name = image_of(metadata)
            self._made[metadata] = "" if self._images is None or name is None else self._make(self._images / name, name)
        return self._made[metadata]

    def _make(self, path: Path, name: str) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of odd EXIF and of large images; what it can decode is taken
                with Image.open(path) as image:
                    image.draft("RGB", (2 * PIXELS, 2 * PIXELS))
                    small = ImageOps.fit(Image.fromarray(to_rgb(image)), (PIXELS, PIXELS))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
            self.missing.append(name)
            return ""
        content = io.BytesIO()
        small.save(content, "WEBP", quality=QUALITY, method=2)
        return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()


def name_of(metadata: bytes) -> str:
    """What an item is called: its picture's name, or the first of its metadata."""
    image = image_of(metadata)
    return Path(image).name if image else metadata[:120].decode("utf-8", "replace")
