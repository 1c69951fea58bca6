"""Finds items by the words in their texts, and joins that with what their embeddings say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..format.lexical import BLOCK, COMMON, Block, LexicalIndex
from ..format.lexical import FEW as FEW_ITEMS
from .words import term, words

SATURATION, LENGTH_WEIGHT = 1.2, 0.75  # k1 and b of BM25
CANDIDATES = 50  # of each list
FEW = 1000  # items that are scored: those with the rarest words of the query, before they exceed this number
WORD_WEIGHT = 1.0  # so that what has all words of a query comes first or second, however far its embedding is
DENSE = 8  # a word's items are looked up among the candidates if they are at most so many times as many, else the candidates among them


@dataclass(frozen=True, eq=False)
class LexicalPart:
    """The words of consecutive items: those of a file, or those that were added to it.

    Attributes:
        index: The words.
        hidden: `(n,)` bool, the items that were removed; None for none.
    """

    index: LexicalIndex
    hidden: np.ndarray | None = None


class LexicalSearch:
    """Scores items by BM25 (Robertson et al., "Okapi at TREC-3", 1994); thread-safe. A word counts once for an item.

    Only items with one of the rarest words of a query are scored. The other words add to their scores. Several parts are scored as one
    index of all their items would be. A word that is common in one part, and so has no items there, is left out of all.
    """

    def __init__(self, parts: Sequence[LexicalPart]) -> None:
        """Takes the parts, in the order of their ids."""
        self._blocks: list[_Block] = []
        self._lengths = np.concatenate([part.index.lengths for part in parts])
        self._common = {int(number) for part in parts for number in part.index.common.tolist()}
        self._parts = len(parts)
        start = self._items = words_ = 0
        for part in parts:
            count = len(part.index.lengths)
            for number, block in enumerate(part.index.blocks):
                hidden = None if part.hidden is None else part.hidden[number * BLOCK : (number + 1) * BLOCK]
                self._blocks.append(_Block(start + number * BLOCK, block, hidden))
            lengths = part.index.lengths if part.hidden is None else part.index.lengths[~part.hidden]
            self._items, words_ = self._items + len(lengths), words_ + int(lengths.sum(dtype=np.int64))
            start += count
        self._average = max(words_ / self._items, 1.0) if self._items else 1.0

    def scores(self, text: str, allowed: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The items with the highest scores.

        Args:
            text: The query.
            allowed: Ascending ids of the items that may be found; None for all.

        Returns:
            Ids, int64, of at most `CANDIDATES` items; their scores, float32, above 0 and descending; and whether an item has all words
            of the query that the index knows. Equal scores come by id.
        """
        known = self._known(text)
        items = self._candidates(known, allowed)
        scores, counts = np.zeros(len(items)), np.zeros(len(items), np.int64)
        bounds = np.searchsorted(items, [block.start for block in self._blocks] + [len(self._lengths)]).tolist()
        for number, (low, high) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            if low < high:
                here = (items[low:high] - self._blocks[number].start).astype(np.uint16)
                _add(here, [(found.blocks[number], found.rarity) for found in known], scores[low:high], counts[low:high])
        length = 1 - LENGTH_WEIGHT + LENGTH_WEIGHT / self._average * self._lengths[items].astype(np.float32)
        scores = (scores * ((SATURATION + 1) / (1 + SATURATION * length))).astype(np.float32)
        if len(items) > CANDIDATES:
            kept = np.flatnonzero(scores >= np.partition(scores, len(items) - CANDIDATES)[len(items) - CANDIDATES])
            items, scores, counts = items[kept], scores[kept], counts[kept]
        order = np.lexsort((items, -scores))[:CANDIDATES]
        return items[order], scores[order], counts[order] == len(known)

    def _known(self, text: str) -> list[_Postings]:
        """The words of a text that the index knows, the rarest first."""
        numbers = [number for number in map(term, dict.fromkeys(words(text))) if number not in self._common]
        blocks = [block.with_terms(np.array(numbers, np.uint32)) for block in self._blocks]
        most = self._items // COMMON if self._parts > 1 and self._items >= FEW_ITEMS else self._items
        found = []
        for number in range(len(numbers)):
            postings = [block[number] for block in blocks]
            total = sum(map(len, postings))
            if 0 < total <= most:
                found.append(_Postings(postings, total, math.log(1 + (self._items - total + 0.5) / (total + 0.5))))
        return sorted(found, key=lambda postings: postings.total)

    def _candidates(self, known: list[_Postings], allowed: np.ndarray | None) -> np.ndarray:
        """The items with one of the rarest words, ascending: those of as many words as keep them few, but of one at least."""
        taken: list[np.ndarray] = []
        total = 0
        for found in known:
            if total and total + found.total > FEW:
                break
            items = np.concatenate([part.astype(np.int64) + block.start for part, block in zip(found.blocks, self._blocks, strict=True)])
            if allowed is not None:
                items = items[_among(items, allowed)]
            taken.append(items)
            total += len(items)
        if not taken:
            return np.empty(0, np.int64)
        every = np.sort(np.concatenate(taken))
        return every[np.append(True, every[1:] != every[:-1])] if len(every) else every


@dataclass(frozen=True)
class _Block:
    """A block of a part.

    Attributes:
        start: The id of its first item.
        block: The postings.
        hidden: As in `LexicalPart`, of the items of the block.
    """

    start: int
    block: Block
    hidden: np.ndarray | None

    def with_terms(self, terms: np.ndarray) -> list[np.ndarray]:
        """For each word, the items with it that were not removed, counted from the first of the block."""
        found = self.block.with_terms(terms)
        return found if self.hidden is None else [items[~self.hidden[items]] for items in found]


@dataclass(frozen=True)
class _Postings:
    """The items with a word, block by block; their number; and what the word adds to a score."""

    blocks: list[np.ndarray]
    total: int
    rarity: float


def _add(candidates: np.ndarray, postings: list[tuple[np.ndarray, float]], scores: np.ndarray, counts: np.ndarray) -> None:
    """Adds the words of a block to the scores of its candidates, and to the number of words that each has.

    Args:
        candidates: `(c,)` uint16, ascending.
        postings: For each word, the items with it, ascending, and what it adds.
        scores: `(c,)` float64, changed.
        counts: `(c,)` int64, changed.
    """
    count = len(candidates)
    few = [(items, rarity) for items, rarity in postings if len(items) <= DENSE * count]
    places = np.full(BLOCK, count, np.int32)
    places[candidates] = np.arange(count, dtype=np.int32)
    if few:
        found = places[np.concatenate([items for items, _ in few])]
        weights = np.repeat([rarity for _, rarity in few], [len(items) for items, _ in few])
        scores += np.bincount(found, weights, count + 1)[:count]
        counts += np.bincount(found, minlength=count + 1)[:count]
    for items, rarity in postings:
        if len(items) > DENSE * count:
            has = items[np.minimum(np.searchsorted(items, candidates), len(items) - 1)] == candidates
            scores += rarity * has
            counts += has


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
