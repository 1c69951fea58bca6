"""Finds items by the words in their texts, and joins that with what their embeddings say."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..format.lexical import BLOCK, LexicalIndex
from .words import term, words

SATURATION, LENGTH_WEIGHT = 1.2, 0.75  # k1 and b of BM25
CANDIDATES = 50  # of each list
FEW = 1000  # items that are scored: those with the rarest words of the query, before they exceed this number
WORD_WEIGHT = 1.0  # so that what has all words of a query comes first or second, however far its embedding is


class LexicalSearch:
    """Scores items by BM25 (Robertson et al., "Okapi at TREC-3", 1994); thread-safe. A word counts once for an item.

    Only items with one of the rarest words of a query are scored. The other words add to their scores.
    """

    def __init__(self, index: LexicalIndex) -> None:
        """Takes the index."""
        self._index = index
        lengths = index.lengths.astype(np.float32)
        average = max(float(lengths.mean()), 1.0) if len(lengths) else 1.0
        saturated = 1 + SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * lengths / average)
        self._weights = ((SATURATION + 1) / saturated).astype(np.float32)

    def scores(self, text: str, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The items with the highest scores.

        Args:
            text: The query.
            allowed: Ascending ids of the items that may be found; None for all.

        Returns:
            Ids, int64, of at most `CANDIDATES` items; their scores, float32, above 0 and descending; and whether an item has all words
            of the query that the index knows. Equal scores come by id.
        """
        postings = [self._postings(term(word)) for word in dict.fromkeys(words(text))]
        known = sorted((found for found in postings if found.total), key=lambda found: found.total)
        items = self._candidates(known, allowed)
        scores, counts = np.zeros(len(items), np.float32), np.zeros(len(items), np.int64)
        bounds = np.searchsorted(items, np.arange(len(self._index.blocks) + 1) * BLOCK).tolist()
        for found in known:
            rarity = math.log(1 + (len(self._weights) - found.total + 0.5) / (found.total + 0.5))
            for number, part in enumerate(found.blocks):
                here = slice(bounds[number], bounds[number + 1])
                if len(part) and bounds[number] < bounds[number + 1]:
                    wanted = (items[here] - number * BLOCK).astype(np.uint16)
                    has = part[np.minimum(np.searchsorted(part, wanted), len(part) - 1)] == wanted
                    scores[here] += np.float32(rarity) * has
                    counts[here] += has
        scores *= self._weights[items]
        if len(items) > CANDIDATES:
            kept = np.flatnonzero(scores >= np.partition(scores, len(items) - CANDIDATES)[len(items) - CANDIDATES])
            items, scores, counts = items[kept], scores[kept], counts[kept]
        order = np.lexsort((items, -scores))[:CANDIDATES]
        return items[order], scores[order], counts[order] == len(known)

    def _postings(self, number: int) -> _Postings:
        blocks = [block.with_term(number) for block in self._index.blocks]
        return _Postings(blocks, sum(map(len, blocks)))

    @staticmethod
    def _candidates(known: list[_Postings], allowed: np.ndarray | None) -> np.ndarray:
        """The items with one of the rarest words, ascending: those of as many words as keep them few, but of one at least."""
        taken: list[np.ndarray] = []
        total = 0
        for found in known:
            if total and total + found.total > FEW:
                break
            items = np.concatenate([part.astype(np.int64) + number * BLOCK for number, part in enumerate(found.blocks)])
            if allowed is not None:
                items = items[_among(items, allowed)]
            taken.append(items)
            total += len(items)
        return np.unique(np.concatenate(taken)) if taken else np.empty(0, np.int64)


@dataclass(frozen=True)
class _Postings:
    """The items with a word, block by block."""

    blocks: list[np.ndarray]
    total: int


def _among(items: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Which items are among others, which ascend."""
    if not len(allowed):
        return np.zeros(len(items), np.bool_)
    return np.asarray(allowed[np.minimum(np.searchsorted(allowed, items), len(allowed) - 1)] == items)


def fused(distances: np.ndarray, word_scores: np.ndarray) -> np.ndarray:
    """One score of each candidate, higher is better: a convex combination of both lists.

    Distances are scaled to [0, 1] between the farthest and the nearest candidate; word scores by the highest, as 0 is their least (Bruch et
    al., "An Analysis of Fusion Functions for Hybrid Retrieval", 2023).

    Args:
        distances: `(c,)` smaller is nearer.
        word_scores: `(c,)` at least 0.
    """
    spread = float(distances.max() - distances.min()) or 1.0
    return (distances.max() - distances) / spread + WORD_WEIGHT * word_scores / (float(word_scores.max()) or 1.0)


def is_name(metadata: bytes, text: str) -> bool:
    """Whether a text is the file name in the metadata of an item, with or without its folder and its extension, whatever the case."""
    path = metadata.decode("utf-8", "replace")
    name = path.rpartition("/")[2]
    wanted = words(text)
    return bool(wanted) and wanted in (words(path), words(name), words(name.rpartition(".")[0]))
