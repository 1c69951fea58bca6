"""`lexical.json` and `lexical.bin`: which words are in the texts of which items. docs/format.md specifies both.

Items are indexed in blocks of 65,536, so that a posting takes two bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from mmap import mmap

import numpy as np

from .arrays import Arrays, ArraysError, ascends, view

LIST, DATA = "lexical.json", "lexical.bin"
BLOCK = 1 << 16
COMMON = 4  # a word of more than one in so many items tells little; it is left out
FEW = 64  # items, below which all words are kept
NO_TERMS = np.empty(0, np.uint32)
LONGEST = 255  # words of an item that count


class LexicalError(Exception):
    """The index cannot be read."""


@dataclass(frozen=True, eq=False)
class Block:
    """The postings of consecutive items.

    Attributes:
        terms: `(t,)` uint32, ascending: numbers of words (`task.search.words.term`).
        starts: `(t + 1,)` where the items of each begin in `postings`.
        postings: `(p,)` uint16, the items with each word, counted from the first of the block, ascending.
    """

    terms: np.ndarray
    starts: np.ndarray
    postings: np.ndarray

    def with_terms(self, terms: np.ndarray) -> list[np.ndarray]:
        """For each of some words, `(w,)` uint32, the items with it, counted from the first of the block."""
        if not len(self.terms):
            return [self.postings[:0]] * len(terms)
        places = np.searchsorted(self.terms, terms)
        known = self.terms[np.minimum(places, len(self.terms) - 1)] == terms
        bounds = zip(self.starts[places * known].tolist(), self.starts[(places + 1) * known].tolist(), strict=True)
        return [self.postings[start:end] for start, end in bounds]


@dataclass(frozen=True, eq=False)
class LexicalIndex:
    """The words of items.

    Attributes:
        lengths: `(n,)` uint8, the number of different words of each item.
        blocks: The postings.
        common: `(c,)` uint32, ascending: words of so many items that they have no postings. Files of earlier releases do not list them.
    """

    lengths: np.ndarray
    blocks: Sequence[Block]
    common: np.ndarray = field(default_factory=lambda: NO_TERMS)

    @classmethod
    def of(cls, terms: np.ndarray, items: np.ndarray, count: int, common: np.ndarray = NO_TERMS, leave_out: bool = True) -> LexicalIndex:
        """Makes the index.

        Args:
            terms: `(p,)` uint32, a word for each pair of word and item.
            items: `(p,)` the item of each pair.
            count: Number of items.
            common: Words that are left out however few items have them, because they are in an index that this one is made from.
            leave_out: Whether words that are common here are left out, too.
        """
        pairs = np.unique(items.astype(np.uint64) << np.uint64(32) | terms.astype(np.uint64))
        items, terms = (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        lengths = np.minimum(np.bincount(items, minlength=count), LONGEST).astype(np.uint8)
        known, counts = np.unique(terms, return_counts=True)
        if leave_out and count >= FEW:
            common = np.union1d(common, known[counts * COMMON > count])
        kept = ~np.isin(terms, common)
        items, terms = items[kept], terms[kept]
        blocks = []
        for first in range(0, count, BLOCK):
            low, high = np.searchsorted(items, (first, first + BLOCK))
            blocks.append(_block(terms[low:high], items[low:high] - first))
        return cls(lengths, blocks, common)

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """All pairs of a word, uint32, and an item that has it, int64; those of common words are not known."""
        terms, items = [NO_TERMS], [np.empty(0, np.int64)]
        for number, block in enumerate(self.blocks):
            starts = block.starts.astype(np.int64)
            terms.append(np.repeat(block.terms, starts[1:] - starts[:-1]))
            items.append(block.postings.astype(np.int64) + number * BLOCK)
        return np.concatenate(terms), np.concatenate(items)

    def take(self, items: np.ndarray) -> LexicalIndex:
        """The index of some items, `(m,)` ascending."""
        new = np.full(len(self.lengths), -1)
        new[items] = np.arange(len(items))
        terms, places = self.pairs()
        places = new[places]
        taken = LexicalIndex.of(terms[places >= 0], places[places >= 0], len(items), self.common)
        return replace(taken, lengths=self.lengths[items])


def joined(indexes: Sequence[LexicalIndex]) -> LexicalIndex:
    """One index of the items of several, in their order."""
    starts = np.cumsum([0, *(len(index.lengths) for index in indexes)])
    pairs = [index.pairs() for index in indexes]
    terms = np.concatenate([terms for terms, _ in pairs])
    items = np.concatenate([items + start for (_, items), start in zip(pairs, starts[:-1], strict=True)])
    common = np.unique(np.concatenate([index.common for index in indexes]))
    index = LexicalIndex.of(terms, items, int(starts[-1]), common)
    return replace(index, lengths=np.concatenate([index.lengths for index in indexes]))


def _block(terms: np.ndarray, items: np.ndarray) -> Block:
    order = np.lexsort((items, terms))
    known, starts = np.unique(terms[order], return_index=True)
    return Block(known, np.append(starts, len(terms)).astype(np.uint32), items[order].astype(np.uint16))


def encode(index: LexicalIndex) -> tuple[bytes, bytes]:
    """The contents of `lexical.json` and `lexical.bin`."""
    arrays = Arrays()
    blocks = [
        {
            "terms": arrays.put(b.terms.astype("<u4")),
            "starts": arrays.put(b.starts.astype("<u4")),
            "postings": arrays.put(b.postings.astype("<u2")),
        }
        for b in index.blocks
    ]
    listed = {"lengths": arrays.put(index.lengths.astype("<u1")), "blocks": blocks, "common": arrays.put(index.common.astype("<u4"))}
    return (json.dumps(listed) + "\n").encode(), bytes(arrays.content)


def decode(listed: bytes, content: bytes | mmap, within: tuple[int, int], items: int) -> LexicalIndex:
    """Reads the index in place.

    Args:
        listed: The content of `lexical.json`.
        content: The whole searcher.
        within: Offset and size of `lexical.bin` in it.
        items: Number of items that it has to have.

    Raises:
        LexicalError: It is damaged, or is that of other items.
    """
    try:
        described = json.loads(listed)
        lengths = view(content, within, described["lengths"], "lengths", items)
        blocks = [
            Block(*(view(content, within, block[part], part) for part in ("terms", "starts", "postings"))) for block in described["blocks"]
        ]
        common = view(content, within, described["common"], "common") if "common" in described else NO_TERMS
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError, ArraysError) as error:
        raise LexicalError(f"{LIST} is damaged ({type(error).__name__}: {error})") from error
    if len(blocks) != -(-items // BLOCK):
        raise LexicalError(f"{LIST} has {len(blocks)} blocks for {items} items")
    for number, block in enumerate(blocks):
        whole = ascends(block.starts, len(block.postings)) and len(block.starts) == len(block.terms) + 1
        if not whole or (len(block.postings) and int(block.postings.max()) >= items - number * BLOCK):
            raise LexicalError(f"{DATA}: the postings of block {number} do not fit {items} items")
    return LexicalIndex(lengths, blocks, common)
