"""Verifies that a searcher file is unchanged since it was written."""

from __future__ import annotations

from pathlib import Path

from maker.errors import BuildError
from maker.export import digest, golden
from task.core import BaseOptions
from task.search import GraphEngine


def verify(path: Path) -> list[str]:
    """Compares the digests and runs the golden queries.

    Returns:
        One line per check, for people.

    Raises:
        BuildError: A part differs from its digest or a golden answer differs.
        SearcherError: The file cannot be opened.
    """
    engine = GraphEngine(BaseOptions(str(path)))
    expected = engine.manifest.sha256
    engine.close()
    actual = digest.digests(path)
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise BuildError(f"{path}: {name} does not match its SHA-256 in the manifest: the file is damaged or was changed")
    queries = golden.check_answers(path)
    return [f"{path}: {len(actual)} parts match their SHA-256", f"{path}: {queries} golden queries return the recorded results"]
