"""Refuses searchers without items where items are measured or written."""

from __future__ import annotations

from pathlib import Path

from maker.errors import DataError
from task.search.engine import Engine


def require_items(engine: Engine, path: Path) -> None:
    """Checks that a searcher was built with items.

    Raises:
        DataError: It has none.
    """
    if not engine.built_items:
        raise DataError(
            f"{path}: has no items; add some, save them (Searcher.save_overlay), and make one searcher of both by maker index --update"
        )
