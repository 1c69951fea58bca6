"""The work folder: where the stages of a run keep their results, so that an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maker.errors import BuildError
from maker.workspace.atomic import PARTIAL, probe, remove_leftovers
from maker.workspace.own import mark_own
from maker.workspace.rejects import Rejects

LOCK = ".lock"


class Workspace:
    """A work folder that one process owns, and the inputs that were rejected on the way.

    Results lie in it under digests of their inputs (`maker.workspace.digest`): a file that is there is complete and up to date.

    Attributes:
        folder: The folder.
        rejects: Inputs that were left out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rejects = Rejects()

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Workspace]:
        """Makes and locks the folder, and removes what interrupted runs left half-written in it.

        Raises:
            BuildError: It cannot be written to, or another process works in it.
        """
        from filelock import FileLock, Timeout  # of the builder's extra: `maker index` does without

        probe(folder)
        lock = FileLock(folder / LOCK, timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise BuildError(f"{folder}: another maker works in this folder; wait until it is done, or pass another --work-dir") from error
        try:
            remove_leftovers(folder.rglob(f".*{PARTIAL}"))
            mark_own(folder)
            yield cls(folder)
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
        """Where `write_rejects` lists the inputs that were left out."""
        return self.folder / "rejects.tsv"

    def write_rejects(self) -> None:
        """Lists the inputs that were left out, with place and reason."""
        self.rejects.write(self.rejects_file)
