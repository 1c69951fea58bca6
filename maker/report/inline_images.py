"""The images of items as data URIs, so that the report is one file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from maker.data.images import lies_within
from maker.data.items import image_of
from maker.data.pictures import load_picture
from maker.errors import DataError

PIXELS, QUALITY = 128, 68  # side and WebP quality of a thumbnail


class InlineImages:
    """Makes each data URI once.

    Attributes:
        missing: Images that cannot be shown.
    """

    def __init__(self, images: Path | None) -> None:
        """Takes the folder that the items' paths are relative to; if None, no image is shown."""
        self._images, self._made = images, dict[bytes, str]()
        self.missing: list[str] = []

    def of(self, metadata: bytes) -> str:
        """A square WebP as a data URI; empty if the item has no readable picture."""
        if metadata not in self._made:
            name = image_of(metadata)
            if self._images is None or name is None or not lies_within(name):
                self._made[metadata] = ""
            else:
                self._made[metadata] = self._make(self._images / name, name)
        return self._made[metadata]

    def _make(self, path: Path, name: str) -> str:
        from PIL import Image, ImageOps  # part of the extra `maker`, which `maker index` does not need

        try:
            image = Image.fromarray(load_picture(path, at_least=2 * PIXELS))
        except DataError:
            self.missing.append(name)
            return ""
        content = io.BytesIO()
        ImageOps.fit(image, (PIXELS, PIXELS)).save(content, "WEBP", quality=QUALITY, method=2)
        return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
