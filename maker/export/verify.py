"""Verifies that a searcher file is unchanged since it was written."""

from __future__ import annotations

from pathlib import Path

from maker.errors import BuildError
from maker.export import digest, golden
from task.core import BaseOptions
from task.core.model_file import ModelFile
from task.search.graph_embedder import read_manifest


def verify(path: Path) -> list[str]:
    """Compares the digests and runs the golden queries.

    The digests come first: the runtime may crash on a damaged model, so nothing runs a model that differs from its digest.

    Returns:
        One line per check, for people.

    Raises:
        BuildError: A part differs from its digest or a golden answer differs.
        SearcherError: The file cannot be opened.
    """
    expected = _recorded(path)
    actual = digest.digests(path)
    for name in sorted(expected.keys() | actual.keys()):
        if expected.get(name) != actual.get(name):
            raise BuildError(f"{path}: {name} does not match its SHA-256 in the manifest: the file is damaged or was changed")
    queries = golden.check_answers(path)
    return [f"{path}: {len(actual)} parts match their SHA-256", f"{path}: {queries} golden queries return the recorded results"]


def _recorded(path: Path) -> dict[str, str]:
    """The digests in the manifest."""
    with ModelFile(BaseOptions(str(path))) as file:
        return read_manifest(file).sha256
