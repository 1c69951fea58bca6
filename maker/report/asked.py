"""Asks a searcher held-out captions: examples, failures, slices, times."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.captions import Caption
from maker.evaluation.retrieval import as_dot_products
from maker.evaluation.shared_words import words_of
from maker.training.metrics import interval, ranks
from task.core import BaseOptions
from task.processor import NearestNeighbor
from task.search import GraphEngine, SearchRequest
from task.text import TextSearcher

EXAMPLES, RESULTS = 12, 6
MOST, TIMED, WARM_UP = 2000, 500, 20
LENGTHS = ((1, 6), (7, 9), (10, 12), (13, 10**6))  # words
FEWEST = 20  # captions of a slice


@dataclass(frozen=True)
class Example:
    """A query and what it found.

    Attributes:
        query: The sentence.
        results: The nearest items, nearest first.
        image: Metadata of the picture that the sentence was written for; None where the index does not hold it, or nobody knows.
        place: Where that picture is among those that captions describe, from 1.
    """

    query: str
    results: list[NearestNeighbor]
    image: bytes | None = None
    place: int | None = None


@dataclass(frozen=True)
class Asked:
    """What captions found.

    Attributes:
        examples, failures: At most twelve each; failures are the captions whose picture is farthest back, one a picture.
        slices: A line each: kind, name, captions, R@10 in percent and its 95 % interval.
        milliseconds: `(t,)` of `TextSearcher.search`, five results, one thread.
        images: How many pictures captions describe.
    """

    examples: list[Example]
    failures: list[Example]
    slices: list[dict[str, Any]]
    milliseconds: np.ndarray
    images: int


def ask(searcher: Path, engine: GraphEngine, rows: np.ndarray | None, captions: Sequence[Caption], golden: Sequence[str]) -> Asked:
    """Asks a searcher that answers sentences.

    Args:
        searcher: The file.
        engine: The same, open.
        rows: `(n, d)` float32, its items' embeddings; None where they cannot be read.
        captions: Captions to ask; at most 2,000, evenly spread, are.
        golden: Sentences to show where there are no captions.
    """
    captions = _spread(captions, MOST)
    items = {engine.item(number): number for number in range(engine.items)}
    texts = [c.text for c in captions] or list(golden)
    known = [c for c in captions if c.image.encode() in items] if rows is not None else []
    places = _places(engine, rows, known, items) if rows is not None and known else np.empty(0)
    place_of = {id(c): int(place) + 1 for c, place in zip(known, places, strict=True)}

    def example(caption: Caption) -> Example:
        image = caption.image.encode()
        found = engine.search_text(caption.text, SearchRequest(max_results=RESULTS)).nearest_neighbors
        return Example(caption.text, found, image if image in items else None, place_of.get(id(caption)))

    shown = [example(c) for c in _spread(captions, EXAMPLES)]
    if not captions:
        shown = [
            Example(text, engine.search_text(text, SearchRequest(max_results=RESULTS)).nearest_neighbors) for text in golden[:EXAMPLES]
        ]
    worst: dict[str, Caption] = {}
    for caption in sorted(known, key=lambda c: -place_of[id(c)]):
        worst.setdefault(caption.image, caption)
    failures = [example(c) for c in list(worst.values())[:EXAMPLES] if place_of[id(c)] > 1]
    return Asked(shown, failures, _slices(known, places), _times(searcher, _spread(texts, TIMED)), len({c.image for c in known}))


def _places(engine: GraphEngine, rows: np.ndarray, captions: Sequence[Caption], items: dict[bytes, int]) -> np.ndarray:
    """`(q,)` how many of the pictures that captions describe are nearer than the right one, by exact search among the stored rows."""
    numbers = np.array([items[c.image.encode()] for c in captions])
    described, targets = np.unique(numbers, return_inverse=True)
    queries = np.stack([engine.embed_text(c.text) for c in captions])
    return ranks(*as_dot_products(queries, rows[described], engine.distance), targets)


def _slices(captions: Sequence[Caption], places: np.ndarray) -> list[dict[str, Any]]:
    lengths = np.array([len(words_of(c.text)) for c in captions])
    languages = np.array([c.language for c in captions])
    images = np.array([c.image for c in captions])
    parts = [("different words", _range(low, high), (lengths >= low) & (lengths <= high)) for low, high in LENGTHS]
    if len(set(languages.tolist())) > 1:
        parts += [("language", name or "none", languages == name) for name in sorted(set(languages.tolist()))]
    found = []
    for kind, name, chosen in parts:
        if chosen.sum() >= FEWEST:
            share = 100 * float((places[chosen] < 10).mean())
            low, high = interval(places[chosen], images[chosen], 10)
            found.append({"kind": kind, "name": name, "captions": int(chosen.sum()), "R@10": share, "low": low, "high": high})
    return found


def _range(low: int, high: int) -> str:
    return f"{low} to {high}" if high < 10**6 else f"{low} or more"


def _times(searcher: Path, texts: Sequence[str]) -> np.ndarray:
    if not texts:
        return np.empty(0)
    times = []
    with TextSearcher.create_from_options(TextSearcher.options_type(BaseOptions(str(searcher), num_threads=1))) as opened:
        for text in [*(texts[i % len(texts)] for i in range(WARM_UP)), *texts]:
            begin = time.perf_counter()
            opened.search(text)
            times.append(1e3 * (time.perf_counter() - begin))
    return np.array(times[WARM_UP:])


def _spread(values: Sequence[Any], count: int) -> list[Any]:
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
