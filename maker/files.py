"""Outputs appear whole or not at all: they are written under a temporary name and renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maker.errors import BuildError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside `path`, which takes its name when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_overwrite(path: Path, overwrite: bool) -> None:
    """Stops before any work where the output exists.

    Raises:
        BuildError: It exists and `overwrite` is not set, or it is a folder.
    """
    if path.is_dir():
        raise BuildError(f"{path}: is a folder, expected a file name for the output")
    if path.exists() and not overwrite:
        raise BuildError(f"{path}: exists already; pass --overwrite to replace it")
