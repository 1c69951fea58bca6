"""Atomic and durable writes: a file is written under a temporary name, flushed to disk, and renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
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
WRITER = ".writer"  # the lock of `sole_writer`
FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which is renamed to `path` if the block ends without an error."""
    with scratch(path) as temporary:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    _flush(path.parent)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which is removed when the block ends.

    The temporary file is locked while it is in use, so that `remove_leftovers` in another process does not remove it. Its name has a random
    part: containers that share a volume can have the same process ids.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with open(temporary, "wb") as held:
            if fcntl is None:
                held.close()  # Windows neither renames nor removes files that are open
            else:
                _lock(held)
            yield temporary
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise _full(path, error, temporary.stat().st_size if temporary.exists() else 0) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yields a new folder among the system's temporary files, which is removed when the block ends.

    `tempfile.TemporaryDirectory` leaves the folder if a signal interrupts it between making the folder and noting its name, or while it
    removes the folder.
    """
    folder = Path(tempfile.gettempdir(), f"maker-{secrets.token_hex(8)}")
    try:
        folder.mkdir(mode=0o700)
        yield folder
    finally:
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise


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
                if fcntl is None:
                    file.close()
                partial.unlink(missing_ok=True)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Keeps other processes from writing to a folder of results, and removes the temporary files that killed runs left in it.

    Raises:
        BuildError: Another process writes to it.
    """
    with open(folder / WRITER, "wb") as held:
        try:
            if fcntl is not None:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BuildError(f"{folder}: another run writes to this folder; wait until it ends, or choose another folder") from error
        except OSError:
            pass  # the file system has no locks
        remove_leftovers(folder.rglob(f".*{PARTIAL}"))
        yield


def probe(folder: Path) -> None:
    """Creates a folder and checks that it is writable, before hours of work.

    Raises:
        BuildError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()  # it has no name on Linux, so that nothing stays if the process is killed here
    except OSError as error:
        raise BuildError(f"{error.filename}: cannot be written to ({error.strerror})") from error


def check_space(path: Path, size: int) -> None:
    """Checks that a file of `size` bytes fits on its disk.

    Raises:
        OSError: It does not.
    """
    free = shutil.disk_usage(path.parent).free
    if size > free:
        raise OSError(errno.ENOSPC, f"the disk is full: the file needs {_megabytes(size)}, {_megabytes(free)} are free", str(path))


def _full(path: Path, error: OSError, written: int) -> OSError:
    """The error of a full disk, with the name that the file would have got, and sizes."""
    said = error.strerror or ""
    if "needs" not in said:
        free = _megabytes(shutil.disk_usage(path.parent).free)
        said = f"the disk is full: {_megabytes(written)} of the file were written, {free} are free, and it needs more"
    return OSError(error.errno, said, str(path))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


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
