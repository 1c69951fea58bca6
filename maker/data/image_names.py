"""Finds the file that a caption names, where the name is written in another way than on the disk."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from maker.data.caption import Caption


class ImageNames:
    """Names of image files, found exactly where there is such a file, else by their Unicode normal form.

    macOS writes an umlaut as two code points (NFD), most other programs as one (NFC).
    """

    def __init__(self, known: Iterable[str]) -> None:
        """Takes the names of all files."""
        self._known = set(known)
        self._normal = {_normal(name): name for name in sorted(self._known)}

    def of(self, caption: Caption) -> str | None:
        """The file that a caption names; None where there is none."""
        return self.find(caption.cell or caption.image) or self.find(caption.image)

    def find(self, name: str) -> str | None:
        """The file of that name; None where there is none."""
        return name if name in self._known else self._normal.get(_normal(name))


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
