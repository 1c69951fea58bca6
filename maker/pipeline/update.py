"""From a searcher and what was added to it and removed from it to one new searcher."""

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
    """Folds an overlay into its base.

    The base's rows are taken as they are stored and rounded again, by less than a step where the steps' unit changes; indexing the
    embeddings themselves loses nothing. Leaves are trained and the scanned share is chosen anew. So are ids given: to the base's items that
    are left, in their order, then to those added.

    Args:
        base: The searcher.
        overlay: What `save_overlay` wrote beside it.
        output: The searcher to write; it may be the base itself where `overwrite` is set.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns; the base's where empty.
        settings: What the index is asked for; distance, k, and 4 bits where it has them, are the base's.

    Raises:
        MakerError: The output exists, or there are no items left.
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
            raise DataError(f"{overlay}: it removes every item of {base}; a searcher needs at least one")
        metadata = [engine.item(int(item)) for item in ids]
    finally:
        engine.close()
    kind = described.index.get("rows")
    if kind not in ("int8", "int4"):
        say(f"{base}: its {kind} rows become int8 rows")
    settings = settings or IndexSettings()
    if settings.dimension not in (None, described.dimension):
        raise BuildError(f"--index-dimension {settings.dimension}: {base} has {described.dimension} dimensions, which --update keeps")
    settings = replace(settings, dimension=None, distance=described.distance, k=described.k, bits=4 if kind == "int4" else settings.bits)
    settings = replace(settings, rescore=settings.rescore or described.index.get("rescored_by"))
    items = IndexedItems(
        embeddings=embeddings,
        metadata=metadata,
        embedder=base if described.query else None,  # one that is asked with embeddings only has no towers to take over
        normalized=described.normalized,
    )
    # The relevance curve stays: most items are those that it was fitted on.
    content = FileContent(user_info=user_info or described.user_info, relevance=described.relevance)
    manifest = write_index(items, output, settings, content)
    kept = int(np.searchsorted(ids, built))
    changes = {"added": len(ids) - kept, "removed": built - kept}
    seconds = round(time.perf_counter() - begin, 1)
    figures = {"items": manifest.items, **changes, "seconds": seconds, **manifest.report}
    told = line("changes", f"{changes['added']} items added, {changes['removed']} removed")
    return BuildReport(figures, [*file_lines(manifest, output), told, line("time", f"{seconds} s")])
