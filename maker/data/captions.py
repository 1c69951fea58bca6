"""Captions files: TSV or CSV with a header that names `image` and `caption`, and where known `split` and `lang`."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from maker.data.rejects import Rejects
from maker.errors import DataError

NAMES = {
    "image": ("image", "image_path", "file", "file_name", "filename", "path"),
    "caption": ("caption", "text", "sentence"),
    "split": ("split",),
    "lang": ("lang", "language"),
}
TRAIN, VALIDATION = "train", "val"
SPLIT_NAMES = {"validation": VALIDATION, "valid": VALIDATION, "dev": VALIDATION, "training": TRAIN}
csv.field_size_limit(1 << 30)


@dataclass(frozen=True)
class Caption:
    """A sentence about an image.

    Attributes:
        image: Path relative to the images' folder, with forward slashes.
        text: The sentence.
        split: `train`, `val`, or another name of the file's own; empty where the file has none.
        language: The file's name of it; empty where the file has none.
        line: Line in the file, from 1.
    """

    image: str
    text: str
    split: str
    language: str
    line: int


def read_captions(path: Path, rejects: Rejects) -> list[Caption]:
    """Reads a captions file.

    A `.csv` is read with quoting, anything else as tab-separated values without. The header is found by its names.

    Args:
        path: The file, UTF-8.
        rejects: Gets the rows that are left out: too few columns, no image or no caption.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or has no column for images or captions.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such captions file")
    comma = path.suffix.lower() == ".csv"
    captions = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter="," if comma else "\t", quoting=csv.QUOTE_MINIMAL if comma else csv.QUOTE_NONE)
            columns = _columns(path, next(reader, []))
            for row in reader:
                if not row:
                    continue
                caption = _caption(row, columns, reader.line_num)
                if isinstance(caption, str):
                    rejects.add(path.name, caption, f"line {reader.line_num}")
                else:
                    captions.append(caption)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert the file to UTF-8") from error
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from error
    if not captions:
        raise DataError(f"{path}: no captions in it")
    return captions


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = [name.strip().lower() for name in header]
    columns = {}
    for wanted, synonyms in NAMES.items():
        for name in synonyms:
            if name in names:
                columns[wanted] = names.index(name)
                break
    for wanted in ("image", "caption"):
        if wanted not in columns:
            found = ", ".join(names) or "nothing"
            raise DataError(f"{path}: line 1: no column {wanted!r}; expected a header with 'image' and 'caption', found {found}")
    return columns


def _caption(row: Sequence[str], columns: dict[str, int], line: int) -> Caption | str:
    """The caption in a row, or why there is none."""
    if len(row) <= max(columns["image"], columns["caption"]):
        return f"too few columns: {len(row)}"
    cells = {name: row[at].strip() if at < len(row) else "" for name, at in columns.items()}
    if not cells["image"]:
        return "no image named"
    if not cells["caption"]:
        return "empty caption"
    split = cells.get("split", "").lower()
    image = str(PurePosixPath(cells["image"].replace("\\", "/")))
    return Caption(image, cells["caption"], SPLIT_NAMES.get(split, split), cells.get("lang", "").lower(), line)


def select_language(captions: list[Caption], language: str | None, path: Path) -> list[Caption]:
    """The captions of one language, or all of them where None.

    Raises:
        DataError: There are none; the message lists the languages that there are.
    """
    if language is None:
        return captions
    chosen = [c for c in captions if c.language == language.lower()]
    if not chosen:
        held = ", ".join(sorted({c.language for c in captions} - {""})) or "no lang column"
        raise DataError(f"{path}: no captions of language {language!r}; the file has {held}")
    return chosen


def select_split(captions: list[Caption], split: str | None, path: Path) -> list[Caption]:
    """The captions of one split, or all of them where None.

    Raises:
        DataError: There are none; the message lists the splits that there are.
    """
    if split is None:
        return captions
    wanted = SPLIT_NAMES.get(split, split)
    chosen = [c for c in captions if c.split == wanted]
    if not chosen:
        held = ", ".join(sorted({c.split for c in captions} - {""})) or "no split column"
        raise DataError(f"{path}: no captions of split {split!r}; the file has {held}")
    return chosen
