"""Keys of inputs: a stage's result is kept under a digest of all that it was made of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(*inputs: Any) -> str:
    """32 hexadecimal digits that stand for inputs which JSON can write."""
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def content_digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file_state(path: Path) -> list[int] | None:
    """Size, times of change and inode: what tells a file from another that took its name; None where there is no file.

    The inode and the time of change of the inode catch a file that was replaced by one of the same size and modification time.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
