"""Cache keys: the result of a stage is kept under a digest of all its inputs."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def digest(*inputs: Any) -> str:
    """A key of 32 hexadecimal digits for inputs that can be written as JSON."""
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]


def content_digest(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file_state(path: Path) -> list[int] | None:
    """Size, modification time, inode change time, inode and device of a file; None if it does not exist.

    The inode and its change time detect a replacement by a file with the same size and modification time.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
