"""The work folder: stages keep their results in it, so that an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maker.errors import BuildError
from maker.workspace.atomic import PARTIAL, probe, remove_leftovers
from maker.workspace.own import mark_own
from maker.workspace.rejects import Rejects

LOCK = ".lock"


class Workspace:
    """A work folder of one process, and the inputs that the process rejected.

    The names of results contain a digest of their inputs (`maker.workspace.digest`): a file that exists is complete and up to date.

    Attributes:
        folder: The folder.
        rejects: The rejected inputs.
        engine: Where items are embedded, a `maker.collection.engines.Engine`; None for worker processes of this machine.
    """

    def __init__(self, folder: Path, engine: Any = None) -> None:
        self.folder = folder
        self.rejects = Rejects()
        self.engine = engine

    @classmethod
    @contextmanager
    def open(cls, folder: Path, engine: Any = None) -> Iterator[Workspace]:
        """Creates and locks the folder, and removes temporary files of interrupted runs.

        Raises:
            BuildError: The folder cannot be written to, or another process uses it.
        """
        from filelock import FileLock, Timeout  # part of the extra `maker`, which `maker index` does not need

        probe(folder)
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise BuildError(f"{folder}: another maker uses this work folder; wait until it ends, or pass another --work-dir") from error
        try:
            remove_leftovers(folder.rglob(f".*{PARTIAL}"))
            mark_own(folder)
            yield cls(folder, engine)
        finally:
            lock.release()

    def file(self, name: str) -> Path:
        """The path of a result."""
        return self.folder / name

    @property
    def features(self) -> Path:
        """The folder of cached features."""
        return self.folder / "features"

    @property
    def rejects_file(self) -> Path:
        """The file that `write_rejects` writes."""
        return self.folder / "rejects.tsv"

    def write_rejects(self) -> None:
        """Writes the rejected inputs, with place and reason."""
        self.rejects.write(self.rejects_file)
