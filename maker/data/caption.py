"""A sentence about an image, and how a row of any format becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from maker.data.text_file import without_surrogates
from maker.workspace import Rejects

NAMES = {
    "image": ("image", "image_path", "file", "file_name", "filename", "path"),
    "caption": ("caption", "captions", "text", "sentence", "description"),
    "split": ("split",),
    "lang": ("lang", "language"),
}
TRAIN, VALIDATION = "train", "val"
SPLIT_NAMES = {"validation": VALIDATION, "valid": VALIDATION, "dev": VALIDATION, "training": TRAIN}


@dataclass(frozen=True)
class Caption:
    """A sentence about an image.

    Attributes:
        image: Path relative to the images' folder, with forward slashes.
        text: The sentence.
        split: `train`, `val`, or another name of the file's own; empty where the file has none.
        language: The file's name of it; empty where the file has none.
        line: Line or row in the file, from 1.
        cell: The image's name to the letter, for files whose names begin or end with spaces or hold backslashes.
    """

    image: str
    text: str
    split: str
    language: str
    line: int
    cell: str = ""


def make_caption(cells: Mapping[str, Any], line: int) -> Caption | str:
    """The caption in a row's cells (`image`, `caption`, and maybe `split`, `lang`), or why there is none."""
    values = {}
    for name in NAMES:
        value = cells.get(name, "")
        if value is None or value != value:  # NaN, as pandas writes an empty cell
            value = ""
        if not isinstance(value, str):
            return f"{name} is not text: {type(value).__name__}"
        values[name] = without_surrogates(value)
    image, text = values["image"].strip(), values["caption"].strip()
    if not image:
        return "no image named"
    if not text:
        return "empty caption"
    path = str(PurePosixPath(image.replace("\\", "/")))
    return Caption(path, text, split_name(values["split"]), values["lang"].strip().lower(), line, values["image"])


def cells_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of an object's fields, whose names may be in any case; a list of captions stays one."""
    lowered = {str(name).strip().lower(): value for name, value in values.items()}
    return {wanted: next((lowered[n] for n in names if lowered.get(n) is not None), "") for wanted, names in NAMES.items()}


def make_captions(values: Mapping[str, Any], line: int) -> list[Caption | str]:
    """The captions of an object with `image` and `caption`, which is a sentence or a list of them."""
    cells = cells_of(values)
    texts = cells["caption"] if isinstance(cells["caption"], list) else [cells["caption"]]
    return [make_caption({**cells, "caption": text}, line) for text in texts] or ["empty caption"]


def accepted(captions: Iterable[tuple[Caption | str, str]], name: str, rejects: Rejects) -> list[Caption]:
    """The captions among `(caption or why there is none, place)`; the others are rejected.

    Args:
        captions: What a reader made of each row, and the row's place.
        name: The file's.
        rejects: Gets the rows without a caption.
    """
    kept = []
    for caption, place in captions:
        if isinstance(caption, str):
            rejects.add(name, caption, place)
        else:
            kept.append(caption)
    return kept


def split_name(name: str) -> str:
    """`train`, `val`, or another split's own name in lower case."""
    lowered = name.strip().lower()
    return SPLIT_NAMES.get(lowered, lowered)
