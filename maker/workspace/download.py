"""Downloads files that are known by their SHA-256, once."""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

from maker.errors import DataError
from maker.progress import say
from maker.workspace.atomic import atomic

CACHE = "POCKET_SEARCHER_CACHE"  # environment variable
SECONDS = 60  # without an answer
BLOCK = 1 << 20


def cache_folder() -> Path:
    """The folder of downloads: `$POCKET_SEARCHER_CACHE`, or `pocket-searcher` in the user's folder of caches."""
    if os.environ.get(CACHE):
        return Path(os.environ[CACHE])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pocket-searcher"


def download(url: str, sha256: str, target: Path) -> None:
    """Downloads a file unless it is there already. It gets its name only when its digest is right.

    Raises:
        DataError: The file cannot be downloaded, or the file that was downloaded or is there has another digest.
    """
    if target.exists():
        found = _digest(target)
        if found != sha256:
            raise DataError(f"{target}: has SHA-256 {found}, expected {sha256}; remove the file to download it again")
        return
    say(f"downloading {url}")
    digest = hashlib.sha256()
    with atomic(target) as temporary, open(temporary, "wb") as file:
        try:
            with urllib.request.urlopen(url, timeout=SECONDS) as answer:
                while block := answer.read(BLOCK):
                    digest.update(block)
                    file.write(block)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", None) or error
            raise DataError(
                f"{url}: cannot be downloaded ({reason}); without a network, copy the file from another machine to {target}"
            ) from error
        if digest.hexdigest() != sha256:
            raise DataError(f"{url}: the download has SHA-256 {digest.hexdigest()}, expected {sha256}; nothing was kept")
        file.flush()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
