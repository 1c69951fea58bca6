"""Runs the tokenizer's graph over many texts, for building a vocabulary and for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maker.encoders.tokenizer import TokenizerSize, units
from maker.graph.model import Model
from maker.graph.run import running
from maker.progress import progress
from task.format import utf8

FIELDS = ("hashes", "present", "pair_hashes", "pair_present", "is_word", "lengths", "gram_rows", "gram_unit", "gram_present")


@dataclass(frozen=True)
class Tokens:
    """What the graph finds in n texts; the columns are those of `tokenizer.Units`, int32.

    Attributes:
        hashes, present, pair_hashes, pair_present, is_word, lengths: `(n, max_units)`.
        gram_rows, gram_unit, gram_present: `(n, max_characters)`.
    """

    hashes: np.ndarray
    present: np.ndarray
    pair_hashes: np.ndarray
    pair_present: np.ndarray
    is_word: np.ndarray
    lengths: np.ndarray
    gram_rows: np.ndarray
    gram_unit: np.ndarray
    gram_present: np.ndarray


def tokenize(texts: Sequence[str], size: TokenizerSize) -> Tokens:
    """Tokenises texts with the graph that is exported."""
    model = Model("tokenizer")
    g = model.subgraph("tokenize")
    query = g.tensor("query", (1, size.max_bytes), np.uint8)
    found = units(g, query, size)
    model.signature(g, {"query": query}, {name: getattr(found, name) for name in FIELDS})
    columns: dict[str, list[np.ndarray]] = {name: [] for name in FIELDS}
    with running(model) as runners:
        for text in progress(texts, "tokenize", quiet=len(texts) < 10_000):
            found_here = runners.run("tokenize", utf8.encode(text, size.max_bytes))
            for name in FIELDS:
                columns[name].append(found_here[name])
    return Tokens(**{name: np.stack(values) for name, values in columns.items()})
