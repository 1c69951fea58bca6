"""Reads a list of queries: one in each line."""

from __future__ import annotations

from pathlib import Path

from maker.data.text_file import read_lines
from maker.errors import DataError

ENOUGH = 50


def read_queries(path: Path) -> list[str]:
    """The queries of a text file, in their order, each once; empty lines are left out.

    Raises:
        DataError: The file is missing, damaged or in another encoding, or has fewer than 50 different queries.
    """
    queries = list(dict.fromkeys(" ".join(line.split()) for line in read_lines(path, "list of queries") if line.strip()))
    if len(queries) < ENOUGH:
        raise DataError(f"{path}: has {len(queries)} different queries, expected one per line and at least {ENOUGH}")
    return queries
