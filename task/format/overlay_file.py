"""Overlay files, with the items added to and removed from a searcher: uncompressed ZIP archives that only open with their base."""

from __future__ import annotations

import io
import json
import operator
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import archive, facts, item_table, lexical
from .facts import Column
from .lexical import LexicalIndex

FILE, IDS, REMOVED = "overlay.json", "ids.i32", "removed.i32"
ROWS, CODES, SCALES = "rows.f32", "rows.i8", "scales.f32"
INT8, FLOAT32 = "int8", "float32"  # kinds of rows
FORMAT = "pocket-searcher-overlay"
VERSION = 2
LARGEST_CODE = np.float32(127)
# What zipfile raises where bytes were changed: a seek to nowhere, a password asked for, a name that is no text …
DAMAGED_ZIP = (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, struct.error, ValueError, RuntimeError, zlib.error)
MOST_IDS = 1 << 31  # ids are int32
MOST_ADDED = 1 << 22  # ids after those of the base: facts and words have a place for each


class OverlayError(Exception):
    """The file cannot be used."""


class NewerOverlayError(OverlayError):
    """The format version is newer than this release."""


@dataclass(frozen=True, kw_only=True)
class OverlayContent:
    """The content of an overlay file.

    Attributes:
        base: `sha256.model` in the manifest of the base.
        items: Number of items in the base.
        next_id: The id of the next added item. Ids of items that were added and removed again stay unused.
        rows: `(a, d)` float32 embeddings of the added items; with `scales`, they are whole multiples of these.
        scales: `(a,)` float32, the step of each row, if rows are stored in 8 bits; None if they are stored as float32.
        ids: `(a,)` int32 ids of the added items, ascending, at least `items`.
        metadata: One entry per row.
        removed: Ascending int32 ids of the removed items of the base.
        facts: Columns with one value per row.
        lexical: The words of the rows; None if the base does not index words.
    """

    base: str
    items: int
    next_id: int
    rows: np.ndarray
    ids: np.ndarray
    metadata: Sequence[bytes]
    removed: np.ndarray
    scales: np.ndarray | None = None
    facts: Mapping[str, Column] = field(default_factory=dict)
    lexical: LexicalIndex | None = None


def quantise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rounds `(n, d)` float32 rows to 8 bits each, symmetrically.

    Returns:
        The rounded rows, `(n, d)` float32, and the step of each row, `(n,)` float32: its largest magnitude / 127, or 1 if that is 0.
    """
    scales = np.abs(rows).max(axis=1, initial=np.float32(0)) / LARGEST_CODE
    scales[scales == 0] = 1
    codes = np.clip(np.rint(rows / scales[:, None]), -LARGEST_CODE, LARGEST_CODE)  # halves go to the even one
    return codes * scales[:, None], scales


def write(path: Path, content: OverlayContent) -> None:
    """Writes the file under a temporary name and renames it. The same content always gives the same bytes.

    Raises:
        OverlayError: The metadata exceed 4 GiB.
    """
    try:
        offsets, data = item_table.encode(content.metadata)
    except item_table.ItemTableError as error:
        raise OverlayError(str(error)) from error
    described = {
        "format": FORMAT,
        "format_version": VERSION,
        "base": {"sha256": content.base, "items": content.items},
        "dimension": int(content.rows.shape[1]),
        "rows": FLOAT32 if content.scales is None else INT8,
        "added": len(content.rows),
        "removed": len(content.removed),
        "next_id": content.next_id,
    }
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        for name, part in (
            (FILE, (json.dumps(described, indent=2) + "\n").encode()),
            *_encode_rows(content),
            (IDS, content.ids.astype("<i4").tobytes()),
            (REMOVED, content.removed.astype("<i4").tobytes()),
            (item_table.OFFSETS, offsets),
            (item_table.BYTES, data),
            *(zip((facts.LIST, facts.DATA), facts.encode(content.facts, len(content.rows)), strict=True) if content.facts else ()),
            *(zip((lexical.LIST, lexical.DATA), lexical.encode(content.lexical), strict=True) if content.lexical else ()),
        ):
            archive.append(temporary, name, part)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _encode_rows(content: OverlayContent) -> list[tuple[str, bytes]]:
    if content.scales is None:
        return [(ROWS, content.rows.astype("<f4").tobytes())]
    codes = np.rint(content.rows / content.scales[:, None])
    return [(CODES, codes.astype(np.int8).tobytes()), (SCALES, content.scales.astype("<f4").tobytes())]


def read(path: Path) -> OverlayContent:
    """Reads the file into memory.

    Raises:
        NewerOverlayError: The format version is newer than this release.
        OverlayError: The file is not an overlay, or it is damaged.
        FileNotFoundError: The file does not exist.
    """
    content = path.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            packed = [entry.filename for entry in file.infolist() if entry.compress_type != zipfile.ZIP_STORED]
            if packed:
                raise OverlayError(f"{packed[0]} is compressed, expected stored parts")
            parts = {name: file.read(name) for name in file.namelist()}  # which compares each part's CRC-32
    except DAMAGED_ZIP as error:
        raise OverlayError(f"it is no overlay file, or it is damaged ({_short(str(error))})") from error
    missing = [name for name in (FILE, IDS, REMOVED, item_table.OFFSETS, item_table.BYTES) if name not in parts]
    if missing:
        raise OverlayError(f"it is no overlay file, or it is damaged ({missing[0]} is missing)")
    try:
        return _decode(parts)
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        RecursionError,
        OverflowError,
        struct.error,
        item_table.ItemTableError,
        facts.FactsError,
        lexical.LexicalError,
    ) as error:
        raise OverlayError(f"{FILE} and the parts contradict each other ({_short(repr(error))})") from error


def _short(text: str) -> str:
    """A reason, cut where it repeats a long value of the file."""
    return text if len(text) <= 200 else f"{text[:200]}…"


def _decode(parts: dict[str, bytes]) -> OverlayContent:
    described = json.loads(parts[FILE])
    if described["format"] != FORMAT:
        raise ValueError(f"format is {described['format']!r}, expected {FORMAT!r}")
    if described["format_version"] > VERSION:
        raise NewerOverlayError(f"format version {described['format_version']} is newer than {VERSION}, the newest that this release reads")
    items, next_id, added = int(described["base"]["items"]), int(described["next_id"]), int(described["added"])
    if not (0 <= items <= next_id <= min(MOST_IDS, items + MOST_ADDED) and added >= 0):
        raise ValueError(f"next_id is {next_id}, expected a number from {items}, the base's items, to {min(MOST_IDS, items + MOST_ADDED)}")
    rows, scales = _decode_rows(parts, described, added)
    ids, removed = (np.frombuffer(parts[name], "<i4") for name in (IDS, REMOVED))
    offsets, data = parts[item_table.OFFSETS], parts[item_table.BYTES]
    table = item_table.ItemTable(offsets + data, (0, len(offsets)), (len(offsets), len(data)))
    for name, found, low, high in ((IDS, ids, items, next_id), (REMOVED, removed, 0, items)):
        if len(found) and (found[0] < low or found[-1] >= high or (found[1:] <= found[:-1]).any()):
            raise ValueError(f"{name} does not ascend within [{low}, {high})")
    if len(table) != added or len(ids) != added or len(removed) != described["removed"]:
        raise ValueError(f"{added} added and {described['removed']} removed items do not fit the parts' sizes")
    return OverlayContent(
        base=str(described["base"]["sha256"]),
        items=items,
        next_id=next_id,
        rows=rows,
        ids=ids,
        metadata=[table[i] for i in range(added)],
        removed=removed,
        scales=scales,
        facts=_decode_facts(parts, added),
        lexical=_decode_words(parts, added),
    )


def _decode_rows(parts: dict[str, bytes], described: dict[str, Any], added: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows, and their steps if they are stored in 8 bits."""
    shape = added, operator.index(described["dimension"])
    kind = described["rows"] if described["format_version"] > 1 else FLOAT32
    if kind not in (INT8, FLOAT32):
        raise ValueError(f"rows are {kind!r}, expected {INT8!r} or {FLOAT32!r}")
    missing = [name for name in ((ROWS,) if kind == FLOAT32 else (CODES, SCALES)) if name not in parts]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    if kind == FLOAT32:
        rows = np.frombuffer(parts[ROWS], "<f4").reshape(shape)
        if not np.isfinite(rows).all():
            raise ValueError(f"{ROWS} has a value that is not finite")
        return rows, None
    codes, scales = np.frombuffer(parts[CODES], np.int8).reshape(shape), np.frombuffer(parts[SCALES], "<f4")
    if len(scales) != added:
        raise ValueError(f"{SCALES} has {len(scales)} values, expected {added}")
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise ValueError(f"{SCALES} has a step that is not a number above 0")
    return codes * scales[:, None], scales


def _decode_facts(parts: dict[str, bytes], added: int) -> dict[str, Column]:
    if facts.LIST not in parts:
        return {}
    data = parts[facts.DATA]
    read = facts.Facts(parts[facts.LIST], data, (0, len(data)))
    if read.items != added:
        raise ValueError(f"{facts.LIST} has {read.items} items, expected {added}")
    return {name: read.column(name) for name in read.types}


def _decode_words(parts: dict[str, bytes], added: int) -> LexicalIndex | None:
    if lexical.LIST not in parts:
        return None
    data = parts[lexical.DATA]
    return lexical.decode(parts[lexical.LIST], data, (0, len(data)), added)
