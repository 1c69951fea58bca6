"""Compares a tokenizer's graph with its library, text by text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.graph.model import Model
from maker.graph.run import running
from maker.progress import progress
from maker.tokenizers.graph import GraphTokenizer
from task.format import utf8

SIGNATURE = "tokenize"


@dataclass(frozen=True)
class Difference:
    """A text whose ids differ.

    Attributes:
        text: What the library got.
        wanted, found: Its ids, and the graph's.
        left_out: The class of texts that are left out to which it belongs; empty for none.
    """

    text: str
    wanted: list[int]
    found: list[int]
    left_out: str

    def __str__(self) -> str:
        return f"{self.text[:60]!r} gives {self.found[:8]}, expected {self.wanted[:8]}"


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    Attributes:
        texts: How many were compared.
        differences: Those that differ.
    """

    texts: int
    differences: Sequence[Difference]

    @property
    def wrong(self) -> list[Difference]:
        """Differences outside the classes that are left out."""
        return [d for d in self.differences if not d.left_out]

    @property
    def left_out(self) -> dict[str, int]:
        """Differences of each class that is left out."""
        return dict(Counter(d.left_out for d in self.differences if d.left_out))


def compare(tokenizer: GraphTokenizer, reference: Callable[[str], list[int]], texts: Iterable[str | bytes]) -> Comparison:
    """Runs the graph over texts.

    Args:
        tokenizer: The tokenizer.
        reference: The library's ids of a text, cut and not padded.
        texts: Texts, cut to the bytes that the graph reads; or bytes, which the library gets as Python decodes them.
    """
    differences, count = [], 0
    with running(_model(tokenizer)) as runners:
        for text in progress(texts, "tokenize"):
            query = _query(text, tokenizer.max_bytes)
            given = query.tobytes().rstrip(b"\0").decode("utf8", "replace")
            outputs = runners.run(SIGNATURE, query)
            found, wanted = outputs["ids"][0][outputs["mask"][0] > 0].tolist(), list(reference(given))
            count += 1
            if found != wanted:
                reason = next((c.name for c in tokenizer.left_out if c.holds(given, wanted, found)), "")
                differences.append(Difference(given, wanted, found, reason))
    return Comparison(count, differences)


def write_tokenizer(tokenizer: GraphTokenizer, path: Path) -> int:
    """Writes a file that only tokenizes, by the signature `tokenize`; its size in bytes."""
    return _model(tokenizer).write(path)


def _model(tokenizer: GraphTokenizer) -> Model:
    model = Model("tokenizer")
    g = model.subgraph(SIGNATURE)
    query = g.tensor("query", (1, tokenizer.max_bytes), np.uint8)
    model.signature(g, {"query": query}, tokenizer.write(g, query))
    return model


def _query(text: str | bytes, size: int) -> np.ndarray:
    if isinstance(text, str):
        return utf8.encode(text, size)
    query = np.zeros((1, size), np.uint8)
    query[0, : len(text[:size])] = np.frombuffer(text[:size], np.uint8)
    return query
