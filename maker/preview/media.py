"""Copies the videos or sounds that items name into the site, so that the page can play them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maker.data.images import lies_within
from maker.data.items import image_of
from maker.data.sounds import is_sound_name
from maker.data.videos import is_video_name
from maker.progress import progress
from maker.workspace import atomic, claim_folder
from maker.workspace.own import MARKER
from task.format.moment import file_of

FOLDER = "media"
Player = Literal["video", "audio"]  # the element of the page that plays the files


@dataclass(frozen=True, kw_only=True)
class Media:
    """The result of `copy_media`.

    Attributes:
        files: Number of files in the site.
        bytes: Their size.
        suffixes: Their suffixes, sorted, as the names have them.
    """

    files: int
    bytes: int
    suffixes: tuple[str, ...]


def copy_media(metadata: Sequence[bytes], folder: Path, site: Path) -> Media:
    """Writes `media/PATH` for each video or sound that items name, once for all its moments.

    Copies with the size and modification time of their file are kept. All other files in `media` are removed. Files that are missing or
    outside the folder are left out; `make_thumbnails` gives the reasons.

    Args:
        metadata: One entry per item.
        folder: The folder that the items' paths are relative to.
        site: The site's folder.

    Raises:
        BuildError: `media` holds files that this program did not write.
        OSError: A file cannot be copied.
    """
    claim_folder(site / FOLDER)
    named = dict.fromkeys(file_of(name) for entry in metadata if (name := image_of(entry)) is not None)
    wanted = [name for name in named if _plays(name) and lies_within(name) and os.path.isfile(folder / name)]
    for name in progress(wanted, "files to play", total=len(wanted)):
        _copy(folder / name, site / FOLDER / name)
    current = {site / FOLDER / name for name in wanted}
    for path in (site / FOLDER).rglob("*"):
        if path.is_file() and path not in current and path.name != MARKER:
            path.unlink()
    return Media(
        files=len(current),
        bytes=sum(path.stat().st_size for path in current),
        suffixes=tuple(sorted({path.suffix for path in current})),
    )


def _plays(name: str) -> bool:
    return is_video_name(Path(name)) or is_sound_name(Path(name))


def _copy(source: Path, target: Path) -> None:
    wanted = source.stat()
    if target.is_file():
        there = target.stat()
        if (there.st_size, there.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return
    with atomic(target) as temporary:
        shutil.copy2(source, temporary)
