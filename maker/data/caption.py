"""A sentence about an image, and how a row of any format becomes one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from maker.workspace import Rejects

NAMES = {
    "image": ("image", "image_path", "file", "file_name", "filename", "path"),
    "caption": ("caption", "captions", "text", "sentence"),
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
    """

    image: str
    text: str
    split: str
    language: str
    line: int


def make_caption(cells: Mapping[str, str], line: int) -> Caption | str:
    """The caption in a row's cells (`image`, `caption`, and maybe `split`, `lang`), or why there is none."""
    image, text = cells.get("image", "").strip(), cells.get("caption", "").strip()
    if not image:
        return "no image named"
    if not text:
        return "empty caption"
    path = str(PurePosixPath(image.replace("\\", "/")))
    return Caption(path, text, split_name(cells.get("split", "")), cells.get("lang", "").strip().lower(), line)


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
