"""A searcher whose relevance curve also looks at the query, for the tests of Python, the web page and Android."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.embedding.word_rows import table_rows
from maker.encoders.evidence import Evidence, Spread, WordEvidence
from maker.pipeline.index import FileContent, IndexedItems, write_index
from maker.pipeline.tuning import IndexSettings
from task.core import BaseOptions
from task.processor import SearchOptions
from task.search import GraphEngine
from task.text import TextSearcher, TextSearcherOptions

JUDGED = ("a red ball", "ball", "two orange birds fly above a house", "zzyx", "a zzyx boat", "green house by the sea")
FOUND = {"results": 10, "slope": 9.0, "gate": 0.5, "cut": 0.4, "shows": [-4.0, 3.0, 2.5], "right": [1.0, -2.0, -1.5]}
AT_CUT = {"gate": 0.5, "cut": 0.4, "recall_kept": 0.9, "wrong_kept": 0.5}
CURVE = {"slope": 20.0, "intercept": 10.0, "cut": 0.3, "gate": 0.35, "found": FOUND, "measured": {"at_cut": AT_CUT}}


def made_up(path: Path, rows: np.ndarray) -> Evidence:
    """Evidence of random numbers, so that every part of it is worth something; `rows` are the embeddings of the items, `(n, d)`."""
    rng = np.random.default_rng(11)
    table = rng.normal(0, 1, (table_rows(path), 2)).astype(np.float32)
    table[:, 1] = rng.random(len(table)) < 0.6
    table[:, 0] *= table[:, 1]
    linear = rng.normal(0, 1, (2, rows.shape[1])).astype(np.float32)
    weights = rng.normal(0, 0.5, (4, 2))
    words = WordEvidence(table) if len(table) else None
    return Evidence(np.array([0.4, -3.0]), linear, Spread.of(rows), np.array([2.0, -1.0]), words, weights if len(table) else None)


def with_found(source: Path, target: Path, texts: Sequence[str] = ()) -> Evidence:
    """Copies a searcher, with a curve that looks at the query; returns what its graph says of queries.

    Given texts, half of them pass the gate, and the cut is within their results.
    """
    engine = GraphEngine(BaseOptions(str(source), num_threads=1))
    ids, rows = engine.contents()
    metadata = [engine.item(int(i)) for i in ids]
    engine.close()
    evidence = made_up(source, rows)
    items = IndexedItems(embeddings=rows, metadata=metadata, embedder=source, normalized=True)
    write_index(items, target, IndexSettings(), FileContent(relevance={"search_text": CURVE}, evidence=evidence))
    if texts:
        asked = [judged(target, text, FOUND["results"]) for text in texts]
        gate = float(np.median([answer["found"] for answer in asked]))
        passing = [answer["relevance"] for answer in asked if answer["found"] >= gate]
        curve = {**CURVE, "found": {**FOUND, "gate": gate, "cut": float(np.median(np.concatenate(passing)))}}
        write_index(items, target, IndexSettings(), FileContent(relevance={"search_text": curve}, evidence=evidence))
    return evidence


def judged(path: Path, text: str, most: int, allowed: Sequence[int] | None = None) -> dict[str, Any]:
    """What Python finds, of all items or of those allowed.

    Returns:
        `query`, `found`, the `relevance` of the results, and how many of them `matches` by gate and cut.
    """

    def search(least: str | None) -> Any:
        options = SearchOptions(max_results=most, min_relevance=least)
        with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=options)) as opened:
            return opened.search(text, allowed=allowed)

    result, strong = search(None), search("auto")
    relevance = [n.relevance for n in result.nearest_neighbors]
    return {"query": text, "found": result.found, "relevance": relevance, "matches": len(strong.nearest_neighbors)}
