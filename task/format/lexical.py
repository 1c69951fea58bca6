"""`lexical.json` and `lexical.bin`: which words are in the texts of which items. docs/format.md specifies both.

Items are indexed in blocks of 65,536, so that a posting takes two bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap

import numpy as np

from .arrays import Arrays, ArraysError, ascends, view

LIST, DATA = "lexical.json", "lexical.bin"
BLOCK = 1 << 16
COMMON = 4  # a word of more than one in so many items of a block tells little; it is left out
FEW = 64  # blocks with fewer items keep all words
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

    def with_term(self, term: int) -> np.ndarray:
        """The items with a word, counted from the first of the block."""
        place = int(np.searchsorted(self.terms, np.uint32(term)))
        if place == len(self.terms) or self.terms[place] != term:
            return self.postings[:0]
        return self.postings[int(self.starts[place]) : int(self.starts[place + 1])]


@dataclass(frozen=True, eq=False)
class LexicalIndex:
    """The words of items.

    Attributes:
        lengths: `(n,)` uint8, the number of different words of each item.
        blocks: The postings.
    """

    lengths: np.ndarray
    blocks: Sequence[Block]

    @classmethod
    def of(cls, terms: np.ndarray, items: np.ndarray, count: int) -> LexicalIndex:
        """Makes the index.

        Args:
            terms: `(p,)` uint32, a word for each pair of word and item.
            items: `(p,)` the item of each pair.
            count: Number of items.
        """
        pairs = np.unique(items.astype(np.uint64) << np.uint64(32) | terms.astype(np.uint64))
        items, terms = (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        lengths = np.minimum(np.bincount(items, minlength=count), LONGEST).astype(np.uint8)
        blocks = []
        for first in range(0, count, BLOCK):
            low, high = np.searchsorted(items, (first, first + BLOCK))
            blocks.append(_block(terms[low:high], items[low:high] - first, min(BLOCK, count - first)))
        return cls(lengths, blocks)

    def take(self, items: np.ndarray) -> LexicalIndex:
        """The index of some items, `(m,)` ascending; -1 at the end for items without words."""
        new = np.full(len(self.lengths), -1)
        real = items >= 0
        new[items[real]] = np.flatnonzero(real)
        pairs = []
        for number, block in enumerate(self.blocks):
            counts = block.starts[1:].astype(np.int64) - block.starts[:-1]
            pairs.append((np.repeat(block.terms, counts), new[block.postings.astype(np.int64) + number * BLOCK]))
        terms = np.concatenate([terms for terms, _ in pairs] or [np.empty(0, np.uint32)])
        places = np.concatenate([places for _, places in pairs] or [np.empty(0, np.int64)])
        return LexicalIndex.of(terms[places >= 0], places[places >= 0], len(items))


def _block(terms: np.ndarray, items: np.ndarray, count: int) -> Block:
    order = np.lexsort((items, terms))
    known, starts, counts = np.unique(terms[order], return_index=True, return_counts=True)
    kept = counts * COMMON <= count if count >= FEW else np.ones(len(known), np.bool_)
    rows = np.repeat(kept, counts)
    return Block(known[kept], np.cumsum([0, *counts[kept]]).astype(np.uint32), items[order][rows].astype(np.uint16))


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
    listed = {"lengths": arrays.put(index.lengths.astype("<u1")), "blocks": blocks}
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
    except (ValueError, TypeError, KeyError, RecursionError, AttributeError, ArraysError) as error:
        raise LexicalError(f"{LIST} is damaged ({type(error).__name__}: {error})") from error
    if len(blocks) != -(-items // BLOCK):
        raise LexicalError(f"{LIST} has {len(blocks)} blocks for {items} items")
    for number, block in enumerate(blocks):
        whole = ascends(block.starts, len(block.postings)) and len(block.starts) == len(block.terms) + 1
        if not whole or (len(block.postings) and int(block.postings.max()) >= items - number * BLOCK):
            raise LexicalError(f"{DATA}: the postings of block {number} do not fit {items} items")
    return LexicalIndex(lengths, blocks)
