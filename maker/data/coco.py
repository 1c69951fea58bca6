"""Downloads COCO 2014 with its captions (Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; cocodataset.org)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from maker.errors import DataError
from maker.progress import progress, say
from maker.workspace import atomic

HOST = "https://s3.amazonaws.com/images.cocodataset.org"  # the certificate of images.cocodataset.org is for another name
SPLITS = ("train2014", "val2014")  # 82,783 and 40,504 images
ANNOTATIONS = "annotations/annotations_trainval2014.zip"  # 253 MB, of both splits
DELAY_S = 0.5  # before the second attempt; doubled before each further one
CONNECTIONS, ATTEMPTS, TIMEOUT_S, CHUNK = 16, 4, 60, 1 << 20


@dataclass(frozen=True)
class Coco:
    """A split on disk: its captions file and the folder of its images, which may also contain images of the other split."""

    images: Path
    captions: Path


def download_coco(folder: Path, split: str, limit: int | None = None, *, host: str = HOST) -> Coco:
    """Downloads a split. An interrupted download resumes: files that are already in the folder are not downloaded again.

    Args:
        folder: Gets `images/`, `annotations/` and the archive of the annotations.
        split: `train2014` or `val2014`.
        limit: Number of images to download, from the start of the split; None for all. A later call with a larger limit adds images.
        host: URL of the server.

    Returns:
        The images, and the captions of exactly these images in COCO's format.

    Raises:
        DataError: The split is unknown, the limit is below 1, a file cannot be downloaded, or the archive is damaged.
    """
    if split not in SPLITS:
        raise DataError(f"{split}: not a split of COCO 2014; expected {' or '.join(SPLITS)}")
    if limit is not None and limit < 1:
        raise DataError(f"limit: found {limit}, expected at least 1 image, or None for all")
    captions, names = _first_images(_captions(folder, split, host), limit)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not (images / name).exists()]
    say(f"COCO {split}: {len(names)} images, {len(names) - len(missing)} of them already downloaded")
    pool = ThreadPoolExecutor(CONNECTIONS)
    try:
        downloads = pool.map(lambda name: _fetch_whole(f"{host}/{split}/{name}", images / name), missing)
        for _ in progress(downloads, f"download {split}", total=len(missing), quiet=not missing):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return Coco(images, captions)


def _captions(folder: Path, split: str, host: str) -> Path:
    """The captions file of a whole split, extracted from the archive of both splits."""
    captions = folder / "annotations" / f"captions_{split}.json"
    if captions.exists():
        return captions
    archive = folder / Path(ANNOTATIONS).name
    if not archive.exists():
        _fetch_in_parts(f"{host}/{ANNOTATIONS}", archive)
    try:
        with zipfile.ZipFile(archive) as opened, atomic(captions) as temporary:
            temporary.write_bytes(opened.read(f"annotations/{captions.name}"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{archive}: not COCO's archive of annotations ({error}); delete it to download it again") from error
    return captions


def _first_images(captions: Path, limit: int | None) -> tuple[Path, list[str]]:
    """A captions file of the first images, and their names."""
    try:
        content: dict[str, Any] = json.loads(captions.read_text(encoding="utf-8"))
        names = {image["id"]: Path(image["file_name"]).name for image in content["images"][:limit]}
        if limit is None or limit >= len(content["images"]):
            return captions, list(names.values())
        kept = {
            "images": content["images"][:limit],
            "annotations": [a for a in content["annotations"] if a["image_id"] in names],
        }
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{captions}: not COCO's captions ({error}); delete it to extract it again") from error
    first = captions.with_name(f"{captions.stem}.first-{limit}.json")
    with atomic(first) as temporary:
        temporary.write_text(json.dumps(kept), encoding="utf-8")
    return first, list(names.values())


def _fetch_whole(url: str, target: Path) -> None:
    """Downloads a small file in one request."""

    def attempt() -> None:
        with urlopen(url, timeout=TIMEOUT_S) as answer:
            content = answer.read()  # raises if fewer bytes arrive than announced
            checksum = answer.headers.get("ETag", "").strip('"')
        # The ETag of an S3 object that was uploaded in one piece is its MD5; others hold a hyphen.
        if re.fullmatch(r"[0-9a-f]{32}", checksum) and hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
            raise EOFError("the checksum does not match")
        with atomic(target) as temporary:
            temporary.write_bytes(content)

    _retry(url, attempt)


def _fetch_in_parts(url: str, target: Path) -> None:
    """Downloads a large file; continues after the part that an earlier call left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")

    def attempt() -> None:
        start = part.stat().st_size if part.exists() else 0
        if start and start == _size_of(url):  # an earlier call was interrupted before it renamed the part
            return
        with urlopen(Request(url, headers={"Range": f"bytes={start}-"}), timeout=TIMEOUT_S) as answer:
            start = start if answer.status == 206 else 0  # else the server ignores the range and sends the whole file
            size = start + int(answer.headers["Content-Length"])
            with part.open("r+b" if start else "wb") as file:
                file.seek(start)
                for chunk in progress(_chunks(answer), f"download {target.name}, MB", total=(size - start) // CHUNK + 1):
                    file.write(chunk)
                file.truncate()
        received = part.stat().st_size
        if received != size:
            raise EOFError(f"{received} of {size} bytes received")

    _retry(url, attempt)
    with atomic(target) as temporary:  # on the disk before it takes its name
        os.replace(part, temporary)


def _size_of(url: str) -> int:
    """The size of a file in bytes, as the server says."""
    with urlopen(Request(url, method="HEAD"), timeout=TIMEOUT_S) as answer:
        return int(answer.headers["Content-Length"])


def _chunks(answer: Any) -> Iterable[bytes]:
    return iter(lambda: answer.read(CHUNK), b"")


def _retry(url: str, attempt: Callable[[], None]) -> None:
    """Tries a few times: among 100,000 requests, networks drop some."""
    for number, left in enumerate(reversed(range(ATTEMPTS))):
        if number:
            time.sleep(DELAY_S * 2 ** (number - 1))
        try:
            attempt()
            return
        except HTTPError as error:
            problem = f"HTTP {error.code} {error.reason}"
            left = left if error.code >= 500 else 0  # a file that does not exist will not exist a second later
        except (OSError, EOFError, HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        if not left:
            raise DataError(f"{url}: cannot be downloaded ({problem}); check the network and run it again: the download resumes")
