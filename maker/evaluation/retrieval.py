"""Asks a finished searcher every caption and looks for its image among the answers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import read_captions, select_language, select_split
from maker.data.rejects import Rejects
from maker.errors import DataError
from maker.progress import progress, say
from maker.training.metrics import CUTS
from task.core import BaseOptions
from task.processor import SearchOptions
from task.search import GraphEngine
from task.text import TextSearcher, TextSearcherOptions

WARM_UP = 20


def evaluate(searcher: Path, images: Path, captions: Path, split: str | None = None, language: str | None = None) -> dict[str, Any]:
    """Text-to-image retrieval over the items that the file holds.

    Args:
        searcher: The file.
        images: The folder that the captions' images are relative to.
        captions: The captions file.
        split: Only captions of this split.
        language: Only captions of this language.

    Returns:
        `R@1`, `R@5`, `R@10` (as far as the file returns that many) in percent of the queries whose image is among the first
        items, `queries`, `items`, `left_out` (captions
        of images that the file does not hold), `p50_ms` and `p99_ms` of `TextSearcher.search`.

    Raises:
        DataError: The captions cannot be used, or none is about an image that the file holds.
    """
    rejects = Rejects()
    chosen = select_split(select_language(read_captions(captions, rejects), language, captions), split, captions)
    if not images.is_dir():
        raise DataError(f"{images}: no such folder of images")
    held, k = items_of(searcher)
    options = TextSearcherOptions(BaseOptions(str(searcher), num_threads=1), search_options=SearchOptions(max_results=max(CUTS)))
    with TextSearcher.create_from_options(options) as open_searcher:
        queries = [c for c in chosen if c.image.encode() in held]
        left_out = len(chosen) - len(queries)
        if not queries:
            raise DataError(f"{captions}: none of {len(chosen)} captions is about an item of {searcher}; the first names {chosen[0].image}")
        if rejects.rows:
            say(f"{captions}: {len(rejects.rows)} rows left out ({rejects.summary()})")
        if left_out:
            say(f"{captions}: {left_out} captions are about images that {searcher} does not hold; they are left out")
        for caption in queries[:WARM_UP]:
            open_searcher.search(caption.text)
        places, times = [], []
        for caption in progress(queries, "ask", quiet=len(queries) < 1000):
            begin = time.perf_counter()
            found = open_searcher.search(caption.text).nearest_neighbors
            times.append(time.perf_counter() - begin)
            names = [n.metadata for n in found]
            target = caption.image.encode()
            places.append(names.index(target) if target in names else max(CUTS))
    place = np.array(places)
    return {
        **{f"R@{cut}": round(100 * float((place < cut).mean()), 2) for cut in CUTS if cut <= k},
        "queries": len(queries),
        "items": len(held),
        "left_out": left_out,
        "p50_ms": round(1e3 * float(np.median(times)), 3),
        "p99_ms": round(1e3 * float(np.percentile(times, 99)), 3),
    }


def items_of(searcher: Path) -> tuple[set[bytes], int]:
    """The metadata of all items, and how many of them a query returns at most."""
    engine = GraphEngine(BaseOptions(str(searcher)))
    try:
        return {engine.item(number) for number in range(engine.manifest.items)}, engine.manifest.k
    finally:
        engine.close()
