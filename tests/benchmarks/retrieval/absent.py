"""Queries of every length: whether their things are there, and how right the relevance of their results is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from maker.encoders.embedder import embedder_manifest
from maker.evaluation.typed_queries import LENGTHS, MORE_WORDS, ONE_WORD
from tests.benchmarks.retrieval.corpus import Built, Flickr
from tests.benchmarks.retrieval.frozen import MOBILENET
from tests.benchmarks.retrieval.rows import Row, mean

BEFORE, TARGET = {"captions": "65 %"}, {"captions": "45 %"}


def rows(flickr: Flickr, seeds: int) -> list[Row]:
    """The lines of this part."""
    built = [flickr.build("mobilenet", MOBILENET, seed) for seed in range(seeds)]
    found = []
    for length in ("captions", ONE_WORD, MORE_WORDS):
        name = f"{LENGTHS.get(length, length)}:"
        answered = _share(built, length, lambda figures: figures["at_cut"]["absent_answered"])
        found.append(Row(f"{name} about absent things, answered", BEFORE.get(length, ""), TARGET.get(length, ""), answered))
        found.append(Row(f"{name} relevant results kept", "", "", _share(built, length, lambda figures: figures["at_cut"]["recall_kept"])))
        found.append(Row(f"{name} mean error of the relevance", "", "", _share(built, length, lambda f: f["expected_calibration_error"])))
    for length in (ONE_WORD, MORE_WORDS):
        precision = mean([searcher.figures["typed_queries"][length]["P@5"] for searcher in built])
        found.append(Row(f"{LENGTHS[length]} out of held-out captions: precision@5", "", "", f"{precision} %"))
    return found


def _share(built: list[Built], length: str, of: Callable[[dict[str, Any]], float]) -> str:
    return f"{mean([100 * of(_measured(searcher.file)[length]) for searcher in built])} %"


def _measured(path: Path) -> dict[str, Any]:
    """The figures of the relevance by length of the query."""
    described = embedder_manifest(path)
    assert described is not None
    measured: dict[str, Any] = described.relevance["search_text"]["measured"]["by_length"]
    return measured
