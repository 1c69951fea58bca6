"""Tells whether a searcher file is what was written."""

from __future__ import annotations

from pathlib import Path

from maker.errors import BuildError
from maker.export import digest, golden
from task.core import BaseOptions
from task.search import GraphEngine


def verify(path: Path) -> list[str]:
    """Compares digests and asks the golden queries.

    Returns:
        A line a check.

    Raises:
        BuildError: A part differs from its digest or a golden answer differs.
        SearcherError: The file cannot be opened.
    """
    engine = GraphEngine(BaseOptions(str(path)))
    expected = engine.manifest.sha256
    engine.close()
    found = digest.digests(path)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise BuildError(f"{path}: {name} does not match its SHA-256 in the manifest: the file is damaged or was changed")
    asked = golden.check_answers(path)
    return [f"{path}: {len(found)} parts match their SHA-256", f"{path}: {asked} golden queries answered as written"]
