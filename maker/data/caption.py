"""A caption, and how a row of any format becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from maker.data.text_file import without_surrogates
from maker.workspace import Rejects

NAMES = {
    "image": ("image", "image_path", "image_name", "file", "file_name", "filename", "path", "photo", "picture", "sound", "audio", "video"),
    "caption": ("caption", "captions", "text", "sentence", "description", "alt_text"),
    "split": ("split",),
    "lang": ("lang", "language"),
}
TRAIN, VALIDATION = "train", "val"
SPLIT_NAMES = {"validation": VALIDATION, "valid": VALIDATION, "dev": VALIDATION, "training": TRAIN}


@dataclass(frozen=True)
class Caption:
    """A sentence about an image.

    Attributes:
        image: Path of the image relative to the folder of images, with forward slashes.
        text: The sentence.
        split: `train`, `val`, or another name from the file; empty if the file has no splits.
        language: The language as the file names it, in lower case; empty if the file has no languages.
        line: Line or row in the file, from 1.
        cell: The image name exactly as in the file, for files whose names have spaces at an end or contain backslashes.
    """

    image: str
    text: str
    split: str
    language: str
    line: int
    cell: str = ""


def make_caption(cells: Mapping[str, Any], line: int) -> Caption | str:
    """The caption in the cells of a row (`image`, `caption`, optionally `split` and `lang`), or the reason why there is none."""
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


def field_name(name: str) -> str:
    """The name of a column or a field in lower case, with underscores for spaces."""
    return name.strip().lower().replace(" ", "_")


def cells_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """The cells in the fields of an object. Field names may be in any case; a list of captions stays a list."""
    lowered = {field_name(str(name)): value for name, value in values.items()}
    return {wanted: next((lowered[n] for n in names if lowered.get(n) is not None), "") for wanted, names in NAMES.items()}


def make_captions(values: Mapping[str, Any], line: int) -> list[Caption | str]:
    """The captions of an object with `image` and `caption`, which is a sentence or a list of sentences."""
    cells = cells_of(values)
    texts = cells["caption"] if isinstance(cells["caption"], list) else [cells["caption"]]
    return [make_caption({**cells, "caption": text}, line) for text in texts] or ["empty caption"]


def accepted(captions: Iterable[tuple[Caption | str, str]], name: str, rejects: Rejects) -> list[Caption]:
    """Separates captions from rows without one, which are rejected.

    Args:
        captions: The caption of each row, or the reason why there is none, and the place of the row.
        name: Name of the file.
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
    """`train`, `val`, or the name of another split in lower case."""
    lowered = name.strip().lower()
    return SPLIT_NAMES.get(lowered, lowered)
