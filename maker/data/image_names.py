"""Finds images and items that files of users name, even if the name is in another Unicode normal form on disk."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from maker.data.caption import Caption


class ImageNames:
    """Finds image files by their exact name, else by the Unicode normal form of the name.

    macOS writes an umlaut as two code points (NFD), most other programs write one (NFC).
    """

    def __init__(self, known: Iterable[str]) -> None:
        """Takes the names of all files."""
        self._known = set(known)
        self._normal = {normal(name): name for name in sorted(self._known)}

    def of(self, caption: Caption) -> str | None:
        """The image file of a caption; None if it does not exist."""
        return self.find(caption.cell or caption.image) or self.find(caption.image)

    def find(self, name: str) -> str | None:
        """The file with a name; None if it does not exist."""
        return name if name in self._known else self._normal.get(normal(name))


def spellings(name: str) -> tuple[str, ...]:
    """A name as it is written, then in both Unicode normal forms."""
    return name, normal(name), unicodedata.normalize("NFD", name)


def normal(name: str) -> str:
    """A name as people type it: an umlaut is one code point (NFC)."""
    return unicodedata.normalize("NFC", name)
