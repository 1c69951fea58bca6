"""Collects the facts of the photos of a build, from the photos themselves and from a facts file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from maker.data.facts_file import FactsTable, item_facts
from maker.data.items import image_of
from maker.data.photo_facts import path_facts, photo_facts
from maker.pipeline.report import line
from task.format.facts import Column, Numbers


@dataclass(frozen=True)
class CollectedFacts:
    """The facts of items.

    Attributes:
        columns: The columns.
        lines: What the summary says of them.
    """

    columns: Mapping[str, Column]
    lines: Sequence[str]


def collect_facts(folder: Path, images: Sequence[str], table: FactsTable | None, exif: bool) -> CollectedFacts:
    """The facts of photos; a column of the file replaces one that the photos have.

    Args:
        folder: The folder of the photos.
        images: Their paths.
        table: A facts file; None for none.
        exif: Whether to read date and place from the photos.

    Raises:
        DataError: No row of the file names a photo.
    """
    columns = photo_facts(folder, images, exif)
    dated, placed = (_known(columns.get(name)) for name in ("taken", "lat"))
    found = f"name and folder; EXIF: {dated} of {len(images)} photos have a date, {placed} a place" if exif else "name and folder"
    lines = [line("facts", f"{found}; --no-exif leaves both out" if dated or placed else found)]
    if table is not None:
        given, summary = item_facts(table, [image.encode() for image in images])
        columns |= given
        lines.append(line("", summary))
    return CollectedFacts(columns, lines)


def index_facts(table: FactsTable, metadata: Sequence[bytes]) -> CollectedFacts:
    """The facts of items of any origin; where all of them are images by their metadata, also name and folder.

    Raises:
        DataError: No row of the file names an item.
    """
    given, summary = item_facts(table, metadata)
    images = [image for image in map(image_of, metadata) if image]
    if len(images) < len(metadata):
        return CollectedFacts(given, [line("facts", summary)])
    return CollectedFacts({**path_facts(images), **given}, [line("facts", "name and folder"), line("", summary)])


def _known(column: Column | None) -> int:
    if not isinstance(column, Numbers):
        return 0
    return len(column.values) if column.known is None else int(column.known.sum())
