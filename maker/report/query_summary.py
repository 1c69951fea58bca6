"""Runs held-out captions as queries: examples, failures, slices and latencies for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption
from maker.evaluation.retrieval import as_dot_products, search_milliseconds
from maker.evaluation.shared_words import words_of
from maker.training.metrics import interval, ranks
from task.processor import NearestNeighbor
from task.search import GraphEngine, SearchRequest

EXAMPLES, RESULTS = 12, 6
MOST_QUERIES, TIMED = 2000, 500
LENGTHS = ((1, 6), (7, 9), (10, 12), (13, 10**6))  # different words
SMALLEST_SLICE = 20  # captions


@dataclass(frozen=True)
class Example:
    """A query and its results.

    Attributes:
        query: The sentence.
        results: The nearest items, nearest first.
        image: Metadata of the picture that the sentence describes; None if the picture is unknown or not in the index.
        rank: Rank of that picture, from 1, among the pictures that captions describe; None if unknown.
    """

    query: str
    results: list[NearestNeighbor]
    image: bytes | None = None
    rank: int | None = None


@dataclass(frozen=True)
class QuerySummary:
    """Results of queries, for the report.

    Attributes:
        examples, failures: At most twelve each; failures are the captions whose picture has the worst rank, one per picture.
        slices: An entry per slice of the captions: `kind`, `name`, `captions`, `R@10` in percent, `low` and `high` of its 95 % interval.
        milliseconds: `(t,)` latencies of `TextSearcher.search` with five results on one thread.
        images: Number of pictures that captions describe.
    """

    examples: list[Example]
    failures: list[Example]
    slices: list[dict[str, Any]]
    milliseconds: np.ndarray
    images: int


def summarise_queries(
    searcher: Path, engine: GraphEngine, rows: np.ndarray | None, captions: Sequence[Caption], golden: Sequence[str]
) -> QuerySummary:
    """Runs queries on a searcher that takes sentences.

    Args:
        searcher: The file.
        engine: The same file, opened.
        rows: `(n, d)` float32, the embeddings of its items; None if they cannot be read.
        captions: Queries; at most 2,000 are used, evenly spread.
        golden: Sentences to show as examples if there are no captions.
    """
    captions = _spread(captions, MOST_QUERIES)
    items = {engine.item(number): number for number in range(engine.items)}
    texts = [c.text for c in captions] or list(golden)
    known = [c for c in captions if c.image.encode() in items] if rows is not None else []
    found_at = _ranks(engine, rows, known, items) if rows is not None and known else np.empty(0)
    rank_of = {id(c): int(rank) + 1 for c, rank in zip(known, found_at, strict=True)}

    def search(text: str) -> list[NearestNeighbor]:
        return engine.search_text(text, SearchRequest(max_results=RESULTS)).nearest_neighbors

    def example(caption: Caption) -> Example:
        image = caption.image.encode()
        return Example(caption.text, search(caption.text), image if image in items else None, rank_of.get(id(caption)))

    examples = [example(c) for c in _spread(captions, EXAMPLES)]
    if not captions:
        examples = [Example(text, search(text)) for text in golden[:EXAMPLES]]
    worst: dict[str, Caption] = {}
    for caption in sorted(known, key=lambda c: -rank_of[id(c)]):
        worst.setdefault(caption.image, caption)
    failures = [example(c) for c in list(worst.values())[:EXAMPLES] if rank_of[id(c)] > 1]
    latencies = search_milliseconds(searcher, _spread(texts, TIMED), max_results=5)
    return QuerySummary(examples, failures, _slices(known, found_at), latencies, len({c.image for c in known}))


def _ranks(engine: GraphEngine, rows: np.ndarray, captions: Sequence[Caption], items: dict[bytes, int]) -> np.ndarray:
    """`(q,)` int: rank, from 0, of each caption's picture among all pictures with captions, by exact search in the stored rows."""
    numbers = np.array([items[c.image.encode()] for c in captions])
    described, targets = np.unique(numbers, return_inverse=True)
    queries = np.stack([engine.embed_text(c.text) for c in captions])
    return ranks(*as_dot_products(queries, rows[described], engine.distance), targets)


def _slices(captions: Sequence[Caption], found_at: np.ndarray) -> list[dict[str, Any]]:
    """R@10 by number of words and, if there are several, by language."""
    lengths = np.array([len(words_of(c.text)) for c in captions])
    languages = np.array([c.language for c in captions])
    images = np.array([c.image for c in captions])
    parts = [("different words", _range(low, high), (lengths >= low) & (lengths <= high)) for low, high in LENGTHS]
    if len(set(languages.tolist())) > 1:
        parts += [("language", name or "none", languages == name) for name in sorted(set(languages.tolist()))]
    slices = []
    for kind, name, chosen in parts:
        if chosen.sum() >= SMALLEST_SLICE:
            share = 100 * float((found_at[chosen] < 10).mean())
            low, high = interval(found_at[chosen], images[chosen], 10)
            slices.append({"kind": kind, "name": name, "captions": int(chosen.sum()), "R@10": share, "low": low, "high": high})
    return slices


def _range(low: int, high: int) -> str:
    return f"{low} to {high}" if high < 10**6 else f"{low} or more"


def _spread(values: Sequence[Any], count: int) -> list[Any]:
    """At most `count` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
