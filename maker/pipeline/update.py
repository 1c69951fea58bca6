"""Merges a searcher and its overlay of added and removed items into a new searcher."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from maker.errors import BuildError, DataError
from maker.pipeline.index import FileContent, IndexedItems, write_index
from maker.pipeline.report import BuildReport, file_lines, line
from maker.pipeline.tuning import IndexSettings
from maker.progress import say
from maker.workspace import prepare_output
from task.core import BaseOptions
from task.search import GraphEngine


def update_index(
    base: Path, overlay: Path, output: Path, *, overwrite: bool = False, user_info: str = "", settings: IndexSettings | None = None
) -> BuildReport:
    """Merges an overlay into its base.

    The stored rows of the base are quantised again; if the scale changes, a value moves by less than one code. Indexing the original
    embeddings avoids this loss. Leaves, scanned share and ids are new: ids number the remaining items of the base, in their order, then
    the added items.

    Args:
        base: The searcher.
        overlay: The file that `save_overlay` wrote.
        output: The searcher to write. It may be the base itself if `overwrite` is set.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns; that of the base if empty.
        settings: Settings of the index. Distance and k are those of the base, and 4-bit rows stay 4-bit rows.

    Returns:
        A summary with figures.

    Raises:
        MakerError: The output exists, the settings ask for another dimension, or no items are left.
        TaskError: The base or the overlay cannot be used, or they do not belong together.
    """
    begin = time.perf_counter()
    prepare_output(output, overwrite)
    engine = GraphEngine(BaseOptions(str(base), num_threads=1))
    try:
        engine.load_overlay(overlay)
        described, built = engine.manifest, engine.built_items
        ids, embeddings = engine.contents()
        if not len(ids):
            raise DataError(f"{overlay}: removes every item of {base}; a searcher needs at least one item")
        metadata = [engine.item(int(item)) for item in ids]
    finally:
        engine.close()
    kind = described.index.get("rows")
    if kind not in ("int8", "int4"):
        say(f"{base}: replacing {kind} rows by int8 rows")
    settings = settings or IndexSettings()
    if settings.dimension not in (None, described.dimension):
        raise BuildError(f"--index-dimension {settings.dimension}: {base} has {described.dimension} dimensions, which --update keeps")
    settings = replace(settings, dimension=None, distance=described.distance, k=described.k, bits=4 if kind == "int4" else settings.bits)
    settings = replace(settings, rescore=settings.rescore or described.index.get("rescored_by"))
    items = IndexedItems(
        embeddings=embeddings,
        metadata=metadata,
        embedder=base if described.query else None,  # without queries there are no towers to keep
        normalized=described.normalized,
    )
    # The relevance curve stays valid: it was fitted on most of these items.
    content = FileContent(user_info=user_info or described.user_info, relevance=described.relevance)
    manifest = write_index(items, output, settings, content)
    kept = int(np.searchsorted(ids, built))
    changes = {"added": len(ids) - kept, "removed": built - kept}
    seconds = round(time.perf_counter() - begin, 1)
    figures = {"items": manifest.items, **changes, "seconds": seconds, **manifest.report}
    changed = line("changes", f"{changes['added']} items added, {changes['removed']} removed")
    return BuildReport(figures, [*file_lines(manifest, output), changed, line("time", f"{seconds} s")])
