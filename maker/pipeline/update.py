"""Merges a searcher and its overlay of added and removed items into a new searcher."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from maker.encoders.evidence import StoredEvidence
from maker.errors import BuildError, DataError
from maker.evaluation.item_splits import ItemSplits
from maker.graph.source import Source
from maker.pipeline.index import (
    FileContent,
    IndexedItems,
    built_in_queries_for,
    check_queries,
    curve_picture,
    split_queries,
    write_index,
)
from maker.pipeline.report import BuildReport, file_lines, line
from maker.pipeline.tuning import IndexSettings
from maker.progress import say
from maker.report.card import card_fields, model_card, read_card
from maker.workspace import prepare_output
from task.core import BaseOptions
from task.format.facts import Column
from task.format.lexical import LexicalIndex
from task.format.manifest import Manifest
from task.search import GraphEngine

MOST_CHANGED = 0.1  # of the built items, up to which a relevance curve is kept


def update_index(
    base: Path,
    overlay: Path,
    output: Path,
    *,
    overwrite: bool = False,
    user_info: str = "",
    settings: IndexSettings | None = None,
    k: int | None = None,
    distance: str | None = None,
    queries: np.ndarray | None = None,
) -> BuildReport:
    """Merges an overlay into its base.

    The stored rows of the base are quantised again; if the scale changes, a value moves by less than one code. Indexing the original
    embeddings avoids this loss. Leaves, scanned share and ids are new: ids number the remaining items of the base, in their order, then
    the added items. The model card keeps the author, terms and intended use of the base.

    Args:
        base: The searcher.
        overlay: The file that `save_overlay` wrote.
        output: The searcher to write. It may be the base itself if `overwrite` is set.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns; that of the base if empty.
        settings: Settings of the index. The distance is that of the base, and 4-bit rows stay 4-bit rows.
        k: Maximum number of results of a query; that of the base if None.
        distance: None, or that of the base.
        queries: `(q, d)` float32, typical queries, as in `index_embeddings`, also where None.

    Returns:
        A summary with figures.

    Raises:
        MakerError: The output exists, an option contradicts the base, or there are no items left.
        TaskError: The base or the overlay cannot be used, or they do not belong together.
    """
    begin = time.perf_counter()
    for path in (output, curve_picture(output)):
        prepare_output(path, overwrite)
    held = _contents(base, overlay)
    described, built, ids, embeddings = held.manifest, held.built, held.ids, held.embeddings
    if distance not in (None, described.distance):
        raise BuildError(f"--distance {distance}: {base} has {described.distance}, which --update keeps; index the embeddings anew")
    settings = _settings(settings or IndexSettings(), base, described, k)
    how = "given queries"
    if queries is not None:
        check_queries(queries, embeddings)
    elif described.query:
        queries, how = built_in_queries_for(embeddings, base, settings)
    kept = int(np.searchsorted(ids, built))
    added, removed = len(ids) - kept, built - kept
    items = IndexedItems(
        embeddings=embeddings,
        metadata=held.metadata,
        embedder=base if described.query else None,  # without queries there are no towers to keep
        queries=None if queries is None else split_queries(queries, embeddings, how),
        facts=held.facts,
        lexical=held.lexical,
        normalized=described.normalized,
    )
    # The relevance curve only applies to the items that it was fitted on.
    keeps_curve = added + removed <= MOST_CHANGED * built
    card = _card(base)
    splits = ItemSplits.decode(described.report, built)
    content = FileContent(
        user_info=user_info or described.user_info,
        report={"splits": splits.renumbered(ids).encode()} if splits else {},
        relevance=described.relevance if keeps_curve else {},
        evidence=StoredEvidence.of(Source(base)) if keeps_curve else None,
        card=(lambda manifest: model_card(manifest, card_fields(card), output.stem)) if card else None,
    )
    manifest = write_index(items, output, settings, content)
    seconds = round(time.perf_counter() - begin, 1)
    figures = {"items": manifest.items, "added": added, "removed": removed, "seconds": seconds, **manifest.report}
    lines = [*file_lines(manifest, output), line("changes", f"{added} items added, {removed} removed")]
    if described.relevance and not keeps_curve:
        lines.append(line("relevance", "none: more than a tenth of the items changed since the curve was fitted"))
    return BuildReport(figures, [*lines, line("time", f"{seconds} s")])


@dataclass(frozen=True)
class _Contents:
    """What a searcher and its overlay hold: the manifest and number of items of the base, and what remains of all items."""

    manifest: Manifest
    built: int
    ids: np.ndarray
    embeddings: np.ndarray
    metadata: list[bytes]
    facts: dict[str, Column]
    lexical: LexicalIndex | None


def _contents(base: Path, overlay: Path) -> _Contents:
    """Reads a searcher and its overlay."""
    engine = GraphEngine(BaseOptions(str(base), num_threads=1))
    try:
        engine.load_overlay(overlay)
        ids, embeddings = engine.contents()
        if not len(ids):
            what = f"removes every item of {base}" if engine.built_items else f"adds no item to {base}, which has none"
            raise DataError(f"{overlay}: {what}; a searcher of maker index needs at least one item")
        metadata = [engine.item(int(item)) for item in ids]
        return _Contents(engine.manifest, engine.built_items, ids, embeddings, metadata, engine.facts.columns(ids), engine.words_of(ids))
    finally:
        engine.close()


def _settings(settings: IndexSettings, base: Path, described: Manifest, k: int | None) -> IndexSettings:
    """The settings with what is the base's."""
    kind = described.index.get("rows")
    if described.items and kind not in ("int8", "int4"):
        say(f"{base}: replacing {kind} rows by int8 rows")
    if settings.dimension not in (None, described.dimension):
        raise BuildError(f"--index-dimension {settings.dimension}: {base} has {described.dimension} dimensions, which --update keeps")
    bits = 4 if kind == "int4" else settings.bits
    return replace(
        settings,
        dimension=None,
        distance=described.distance,
        k=described.k if k is None else k,
        bits=bits,
        rescore=settings.rescore or described.index.get("rescored_by"),
        scan_dimension=settings.scan_dimension or described.index.get("scanned_dimensions") or 0,
    )


def _card(base: Path) -> str:
    """The base's model card; empty where it has none, or where a new one cannot be written."""
    try:
        card = read_card(base)
    except DataError:
        return ""
    if importlib.util.find_spec("jinja2") is None:  # part of the extra `maker`
        say("the model card is left out: writing it needs jinja2: pip install jinja2")
        return ""
    return card
