"""`manifest.json`, the list of the searchers in a folder that are searched as one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

FILE = "manifest.json"
FORMAT = "pocket-searcher-folder"
VERSION = 1


class FolderError(Exception):
    """The list cannot be used."""


class NewerFolderError(FolderError):
    """The format version is newer than this release."""


@dataclass(frozen=True)
class FolderContent:
    """The content of the list; docs/format.md explains each key.

    Attributes:
        searchers: What is said of each searcher, in the order of the ids: `file`, a name in the folder, and `items`, their number.
        figures: Further keys, for people.
    """

    searchers: Sequence[dict[str, Any]]
    figures: dict[str, Any]

    @property
    def files(self) -> list[str]:
        """The names of the files, in the order of the ids."""
        return [one["file"] for one in self.searchers]


def encode(content: FolderContent) -> bytes:
    """The bytes of the list."""
    listed = {"format": FORMAT, "format_version": VERSION, **content.figures, "searchers": list(content.searchers)}
    return (json.dumps(listed, indent=1, ensure_ascii=False) + "\n").encode()


def decode(content: bytes) -> FolderContent:
    """Reads the list.

    Raises:
        FolderError: It is damaged, or none.
        NewerFolderError: It has a newer format.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FolderError(f"{FILE} is not JSON ({error})") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise FolderError(f"{FILE} does not say format {FORMAT!r}")
    version = values.pop("format_version", None)
    if not isinstance(version, int):
        raise FolderError(f"{FILE} has no format_version")
    if version > VERSION:
        raise NewerFolderError(f"{FILE} has format version {version}, this release reads up to {VERSION}")
    searchers = values.pop("searchers", None)
    if not isinstance(searchers, list) or not searchers or not all(_is_searcher(one) for one in searchers):
        raise FolderError(f"{FILE} lists no searchers, or one without file and items")
    return FolderContent(searchers, values)


def _is_searcher(value: Any) -> bool:
    """Whether it names a file of the folder itself and a number of items."""
    if not isinstance(value, dict) or not isinstance(value.get("file"), str) or not isinstance(value.get("items"), int):
        return False
    return PurePosixPath(value["file"]).name == value["file"] and "\\" not in value["file"] and "\0" not in value["file"]
