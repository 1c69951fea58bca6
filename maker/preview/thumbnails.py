"""Makes the thumbnails that the page shows."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image

from maker.data.images import OUTSIDE, lies_within, load_image
from maker.data.items import image_of
from maker.errors import DataError
from maker.progress import progress
from maker.workspace import Rejects, atomic, claim_folder
from maker.workspace.own import MARKER

FOLDER, SUFFIX = "thumbnails", ".webp"
PIXELS = 320  # of the shorter side: what a grid cell shows on a dense display
LONGEST = 3 * PIXELS  # a panorama is cropped by the grid anyway
QUALITY = 74


@dataclass
class Thumbnails:
    """What became of the items' images.

    Attributes:
        made, kept: Thumbnails made now, and those of an earlier run that were kept.
        missing: Items that name no image.
        rejects: Images that could not be used, with the reason.
        stamp: Digest of which thumbnails there are and of how old their images are.
    """

    made: int = 0
    kept: int = 0
    missing: int = 0
    rejects: Rejects = field(default_factory=Rejects)
    stamp: str = ""


def make_thumbnails(metadata: Sequence[bytes], images: Path, site: Path) -> Thumbnails:
    """Writes `thumbnails/PATH.webp` for each item's image.

    Those that are as old as their images are kept; what else lies in the folder is removed: an earlier corpus's, or what a kill left.

    Args:
        metadata: One entry an item.
        images: The folder that the items' paths are relative to.
        site: The site's folder.

    Raises:
        DataError: The folder is missing, or none of the items' images is in it.
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
    good: set[Path] = set()
    pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
    try:
        with warnings.catch_warnings():
            # load_image silences Pillow, too, but of several threads the first that is done ends it for the others.
            warnings.simplefilter("ignore")
            tasks = ((name, images, site) for name in wanted)
            done = progress(pool.map(_make, tasks), "thumbnails", total=len(wanted))
            for name, (age, fresh, reason) in zip(wanted, done, strict=True):
                if reason:
                    result.rejects.add(name, reason)
                    continue
                good.add(site / FOLDER / f"{name}{SUFFIX}")
                result.made += fresh
                result.kept += not fresh
                stamp.update(f"{name}\t{age}\n".encode())
    finally:
        pool.shutdown(cancel_futures=True)
    if wanted and not result.made + result.kept:
        raise DataError(
            f"{images}: none of the {len(wanted)} images that the items name is in it ({wanted[0]}: {result.rejects.rows[0][2]}); "
            "pass the folder that their paths are relative to"
        )
    for path in (site / FOLDER).rglob("*"):
        if path.is_file() and path not in good and path.name != MARKER:
            path.unlink()
    result.stamp = stamp.hexdigest()
    return result


def _make(task: tuple[str, Path, Path]) -> tuple[int, bool, str]:
    """Age of the image in nanoseconds, whether a thumbnail was made, and why there is none."""
    name, images, site = task
    path = PurePosixPath(name)
    if not lies_within(name):
        return 0, False, OUTSIDE
    source = images / path
    target = site / FOLDER / f"{path}{SUFFIX}"
    try:
        age = source.stat().st_mtime_ns
    except OSError:
        return 0, False, "missing file"
    # Like rsync, the thumbnail's age is its image's: a newer or older image is taken again.
    if target.is_file() and target.stat().st_mtime_ns == age:
        return age, False, ""
    try:
        small = Image.fromarray(load_image(source, at_least=2 * PIXELS))
    except DataError as error:
        return age, False, str(error)
    scale = min(1.0, PIXELS / min(small.size), LONGEST / max(small.size))
    if scale < 1:
        small = small.resize((max(1, round(small.width * scale)), max(1, round(small.height * scale))), Image.Resampling.LANCZOS)
    with atomic(target) as temporary:
        small.save(temporary, "WEBP", quality=QUALITY, method=4)
        os.utime(temporary, ns=(age, age))
    return age, True, ""
