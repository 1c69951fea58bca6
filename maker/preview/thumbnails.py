"""Makes the thumbnails of the page."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image

from maker.data.images import OUTSIDE, lies_within
from maker.data.items import image_of
from maker.data.pictures import load_picture
from maker.errors import DataError
from maker.progress import progress
from maker.workspace import Rejects, atomic, claim_folder
from maker.workspace.own import MARKER
from task.format.moment import file_of

FOLDER, SUFFIX = "thumbnails", ".webp"
PIXELS = 320  # of the shorter side: enough for a grid cell on a high-density display
LONGEST = 3 * PIXELS  # the grid crops panoramas
QUALITY = 74


@dataclass
class Thumbnails:
    """The result of `make_thumbnails`.

    Attributes:
        made, kept: Number of thumbnails made now, and kept from an earlier run.
        missing: Number of items that name no image.
        rejects: Images that could not be used, with the reason.
        stamp: Digest over the names and modification times of the images.
    """

    made: int = 0
    kept: int = 0
    missing: int = 0
    rejects: Rejects = field(default_factory=Rejects)
    stamp: str = ""


def make_thumbnails(metadata: Sequence[bytes], images: Path, site: Path) -> Thumbnails:
    """Writes `thumbnails/PATH.webp` for each item's image.

    Thumbnails with the modification time of their image are kept. All other files in the folder are removed: they belong to an earlier
    corpus or an interrupted run.

    Args:
        metadata: One entry per item.
        images: The folder that the items' paths are relative to.
        site: The site's folder.

    Raises:
        DataError: The folder of images does not exist, or none of the items' images can be used.
        BuildError: `thumbnails` holds files that this program did not write.
    """
    if not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    claim_folder(site / FOLDER)
    result = Thumbnails()
    named = [image_of(entry) for entry in metadata]
    result.missing = named.count(None)
    wanted = list(dict.fromkeys(name for name in named if name is not None))
    stamp = hashlib.sha256()
    current: set[Path] = set()
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        with warnings.catch_warnings():
            # Decoding silences Pillow too, but the first thread to finish would end that for the others.
            warnings.simplefilter("ignore")
            tasks = ((name, images, site) for name in wanted)
            done = progress(pool.map(_make, tasks), "thumbnails", total=len(wanted))
            for name, (modified, fresh, reason) in zip(wanted, done, strict=True):
                if reason:
                    result.rejects.add(name, reason)
                    continue
                current.add(site / FOLDER / f"{name}{SUFFIX}")
                result.made += fresh
                result.kept += not fresh
                stamp.update(f"{name}\t{modified}\n".encode())
    finally:
        pool.shutdown(cancel_futures=True)
    if wanted and not result.made + result.kept:
        raise DataError(
            f"{images}: no thumbnail for any of the {len(wanted)} images that the items name ({wanted[0]}: {result.rejects.rows[0][2]}); "
            "pass the folder that their paths are relative to"
        )
    for path in (site / FOLDER).rglob("*"):
        if path.is_file() and path not in current and path.name != MARKER:
            path.unlink()
    result.stamp = stamp.hexdigest()
    return result


def _make(task: tuple[str, Path, Path]) -> tuple[int, bool, str]:
    """The modification time of the image in nanoseconds, whether a thumbnail was made, and the reason if there is none."""
    name, images, site = task
    path = PurePosixPath(name)
    if not lies_within(name):
        return 0, False, OUTSIDE
    source = images / path
    target = site / FOLDER / f"{path}{SUFFIX}"
    try:
        modified = Path(file_of(str(source))).stat().st_mtime_ns
    except OSError:
        return 0, False, "missing file"
    # The thumbnail has the modification time of its image, as with rsync: if the image has another one, it changed.
    if target.is_file() and target.stat().st_mtime_ns == modified:
        return modified, False, ""
    try:
        small = Image.fromarray(load_picture(source, at_least=2 * PIXELS))
    except DataError as error:
        return modified, False, str(error)
    scale = min(1.0, PIXELS / min(small.size), LONGEST / max(small.size))
    if scale < 1:
        small = small.resize((max(1, round(small.width * scale)), max(1, round(small.height * scale))), Image.Resampling.LANCZOS)
    with atomic(target) as temporary:
        small.save(temporary, "WEBP", quality=QUALITY, method=4)
        os.utime(temporary, ns=(modified, modified))
    return modified, True, ""
