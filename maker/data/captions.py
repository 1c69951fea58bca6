"""Reads captions files of all formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from maker.data import packed, tabular
from maker.data.caption import TRAIN, VALIDATION, Caption, split_name
from maker.data.formats import PACKED, recognise
from maker.data.json_captions import read_coco, read_json_list, read_jsonl
from maker.errors import DataError
from maker.workspace import Rejects

__all__ = ["TRAIN", "VALIDATION", "Caption", "CaptionFile", "open_captions", "read_captions", "select_language", "select_split"]


@dataclass(frozen=True)
class CaptionFile:
    """The content of a captions file.

    Attributes:
        captions: The captions, at least one.
        images: The folder that image paths are relative to.
        format: The format of the file.
    """

    captions: list[Caption]
    images: Path
    format: str


def open_captions(path: Path, images: Path | None, unpack_to: Path, rejects: Rejects, format: str = "auto") -> CaptionFile:
    """Reads a captions file. If it contains the images, they are unpacked, once.

    Args:
        path: The file, or one of several numbered WebDataset shards.
        images: Folder of the images, for formats that name them.
        unpack_to: Folder for the images of formats that contain them.
        rejects: Gets the rows that are left out.
        format: A name of `formats.CAPTION_FORMATS`, or `auto` to recognise it by content.

    Raises:
        DataError: The file cannot be read, or it names images and `images` is None.
    """
    chosen = recognise(path) if format == "auto" else format
    if chosen in PACKED:
        captions = packed.unpack(path, chosen, unpack_to, rejects)
        return CaptionFile(captions, unpack_to, chosen)
    if images is None:
        raise DataError(f"{path}: a {chosen} file only names its images; pass --images DIR, the folder with the images")
    return CaptionFile(read_captions(path, rejects, chosen), images, chosen)


def read_captions(path: Path, rejects: Rejects, format: str = "auto") -> list[Caption]:
    """Reads a captions file that names its images.

    Args:
        path: The file.
        rejects: Gets the rows that are left out, with their line.
        format: `tsv`, `csv`, `flickr`, `jsonl`, `json` or `coco`; `auto` recognises it by content.

    Raises:
        DataError: The file is missing, empty, of another format, or damaged.
    """
    chosen = recognise(path) if format == "auto" else format
    if chosen in tabular.DELIMITERS:
        captions = tabular.read_table(path, chosen, rejects)
    elif chosen == "flickr":
        captions = tabular.read_flickr_tokens(path, rejects)
    elif chosen == "jsonl":
        captions = read_jsonl(path, rejects)
    elif chosen == "json":
        captions = read_json_list(path, rejects)
    elif chosen == "coco":
        captions = read_coco(path, rejects)
    else:
        raise DataError(f"{path}: a {chosen} file contains its images; `maker build` takes it, `maker evaluate` does not")
    if not captions:
        raise DataError(f"{path}: no captions in it")
    return captions


def as_split(captions: Sequence[Caption], split: str) -> list[Caption]:
    """The captions, all assigned to one split."""
    return [replace(caption, split=split) for caption in captions]


def select_language(captions: list[Caption], language: str | None, path: Path) -> list[Caption]:
    """The captions of one language; all captions if `language` is None.

    Raises:
        DataError: There are none; the message lists the languages in the file.
    """
    if language is None:
        return captions
    chosen = [c for c in captions if c.language == language.lower()]
    if not chosen:
        present = ", ".join(sorted({c.language for c in captions} - {""})) or "no lang column"
        raise DataError(f"{path}: no captions of language {language!r}; the file has {present}")
    return chosen


def select_split(captions: list[Caption], split: str | None, path: Path) -> list[Caption]:
    """The captions of one split; all captions if `split` is None.

    Raises:
        DataError: There are none; the message lists the splits in the file.
    """
    if split is None:
        return captions
    chosen = [c for c in captions if c.split == split_name(split)]
    if not chosen:
        present = ", ".join(sorted({c.split for c in captions} - {""})) or "no split column"
        raise DataError(f"{path}: no captions of split {split!r}; the file has {present}")
    return chosen
