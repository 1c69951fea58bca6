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
except ImportError:  # Windows, where an open file cannot be deleted: the open handle is the lock
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`. It is renamed to `path` when the block ends without an error.

    The temporary file is locked while it is written, so that `remove_leftovers` in other processes does not delete it. Its name has a
    random part, not the process id: containers that share a volume may have equal process ids.
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
    """Checks an output before any work, and removes temporary files that an interrupted run left.

    Raises:
        BuildError: The output exists and `overwrite` is not set, or it is a folder.
    """
    if path.is_dir():
        raise BuildError(f"{path}: is a folder, expected a file name for the output")
    if path.exists() and not overwrite:
        raise BuildError(f"{path}: exists already; pass --overwrite to replace it")
    if path.parent.is_dir():
        remove_leftovers(path.parent.glob(f".{path.name}.*{PARTIAL}"))


def remove_leftovers(partials: Iterator[Path]) -> None:
    """Removes temporary files whose process has ended. Files of running processes are locked and stay."""
    for partial in partials:
        with contextlib.suppress(OSError), open(partial, "rb") as file:
            if _lock(file):
                _close_and_remove(file, partial)


def probe(folder: Path) -> None:
    """Creates a folder and checks that it is writable, before hours of work.

    Raises:
        BuildError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        trial = folder / f".{secrets.token_hex(4)}{PARTIAL}"
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise BuildError(f"{error.filename}: cannot be written to ({error.strerror})") from error


def _lock(file: BinaryIO) -> bool:
    """Tries to lock a file; returns whether this process now holds the lock."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another process holds it, or the file system has no locks
        return False
    return True


def _flush(path: Path) -> None:
    """Waits until a file, or the entries of a folder, are on disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _close_and_remove(file: BinaryIO, path: Path) -> None:
    if fcntl is None:
        file.close()
    path.unlink(missing_ok=True)
