"""Atomic and durable writes: a file is written under a temporary name, flushed to disk, and renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from maker.errors import BuildError

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be deleted: the open handle is the lock
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`, which takes its name when the block ends without an error.

    The temporary file is locked while it is written, so that `remove_leftovers` spares it in every other process. Its name holds a random
    part: containers that share a volume may share process ids, too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    with open(temporary, "wb") as held:
        _lock(held)
        try:
            yield temporary
            _flush(temporary)
            if fcntl is None:
                held.close()
            os.replace(temporary, path)
        except BaseException:
            _close_and_remove(held, temporary)
            raise
    _flush(path.parent)


def prepare_output(path: Path, overwrite: bool) -> None:
    """Looks at an output before any work, and removes what an interrupted run left of it.

    Raises:
        BuildError: It exists and `overwrite` is not set, it is a folder, or its folder cannot be written to.
    """
    if path.is_dir():
        raise BuildError(f"{path}: is a folder, expected a file name for the output")
    if path.exists() and not overwrite:
        raise BuildError(f"{path}: exists already; pass --overwrite to replace it")
    if path.parent.is_dir():
        remove_leftovers(path.parent.glob(f".{path.name}.*{PARTIAL}"))


def remove_leftovers(partials: Iterator[Path]) -> None:
    """Removes temporary files whose writer is dead; those that a living process writes are locked, and stay."""
    for partial in partials:
        with contextlib.suppress(OSError), open(partial, "rb") as file:
            if _lock(file):
                _close_and_remove(file, partial)


def probe(folder: Path) -> None:
    """Makes a folder and writes to it: whether that works is better known before hours of work than after.

    Raises:
        BuildError: It cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{secrets.token_hex(4)}{PARTIAL}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise BuildError(f"{error.filename}: cannot be written to ({error.strerror})") from error


def _lock(file: BinaryIO) -> bool:
    """Whether this process now holds the file's lock."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held by another process, or a file system without locks
        return False
    return True


def _flush(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handles of folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _close_and_remove(file: BinaryIO, path: Path) -> None:
    if fcntl is None:
        file.close()
    path.unlink(missing_ok=True)
