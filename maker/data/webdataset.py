"""WebDataset: tar files whose members are grouped into samples by their path without extension (github.com/webdataset/webdataset)."""

from __future__ import annotations

import json
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maker.data.caption import NAMES
from maker.errors import DataError

IMAGE_KEYS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "jfif", "avif", "jp2")
DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Sample:
    """A sample with an image.

    Attributes:
        name: Its key, behind the number of its shard if the shards are read together.
        image: Bytes of the image file.
        cells: Its other values: `caption`, and the fields of its JSON.
    """

    name: str
    image: bytes
    cells: dict[str, Any]


def webdataset_rows(path: Path) -> Iterator[Sample | str]:
    """The samples of all shards; the reason for each one that cannot be used.

    Raises:
        DataError: A shard is damaged.
    """
    for number, shard in enumerate(shards_of(path)):
        yield from shard_samples(shard, f"{number:05d}-")


def shard_samples(shard: Path, prefix: str = "") -> Iterator[Sample | str]:
    """The samples of one shard, named by `prefix` and their key; the reason for each one that cannot be used.

    Raises:
        DataError: The shard is damaged.
    """
    try:
        with tarfile.open(shard) as archive:
            for key, members in _samples(archive):
                yield members if isinstance(members, str) else _sample(f"{prefix}{key}", members)
    except DAMAGE as error:
        raise DataError(f"{shard}: the tar file is cut off or damaged ({error})") from error


def _samples(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes] | str]]:
    """The key of each sample with its members by extension; for a member that cannot be part of one, its name and the reason."""
    key: str | None = None
    members: dict[str, bytes] = {}
    for member in archive:
        if member.isdir():
            continue
        if not member.isfile():
            yield member.name, f"a link, device or pipe: {member.name}"
            continue
        folder, _, base = member.name.rpartition("/")
        stem, _, extension = base.partition(".")
        own, extension = f"{folder}/{stem}" if folder else stem, extension.lower()
        if key is not None and (own != key or extension in members):
            yield key, members
            members = {}
        key = own
        content = archive.extractfile(member)
        members[extension] = content.read() if content else b""
    if key is not None:
        yield key, members


def _sample(name: str, members: dict[str, bytes]) -> Sample | str:
    image = next((members[key] for key in IMAGE_KEYS if key in members), None)
    if image is None:
        return f"no image among {', '.join(members)}"
    cells: dict[str, Any] = {}
    if "json" in members:
        try:
            cells = json.loads(members["json"])
        except (ValueError, RecursionError) as error:
            return f"not JSON: {'nested too deeply' if isinstance(error, RecursionError) else error}"
        if not isinstance(cells, dict):
            return "not a JSON object"
    if "txt" in members:
        cells = {key: value for key, value in cells.items() if key.lower() not in NAMES["caption"]}
        cells["caption"] = members["txt"].decode("utf-8-sig", "replace")
    return Sample(name, image, cells)


def shards_of(path: Path) -> list[Path]:
    """All shards of the set that `path` belongs to.

    Their names differ only in a zero-padded number, counted from 0, at the start of the name or after - or _.
    """
    match = re.fullmatch(r"(|.*[-_])(\d{2,})(\D*)", path.name)
    if match is None:
        return [path]
    shards: list[Path] = []
    while (shard := path.with_name(f"{match[1]}{len(shards):0{len(match[2])}d}{match[3]}")).exists():
        shards.append(shard)
    return shards if path in shards else [path]
