"""Byte pair encoding (Sennrich, Haddow, Birch, ACL 2016): the same merges in the graph and in Python.

A round merges one pair in each word, the one of the lowest rank, leftmost first: merging all pairs that are lower than their neighbours
would be faster, and wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.hashed import Pairs
from maker.tokenizers.values import ZERO, as_flag, int32
from maker.tokenizers.words import Words

NEVER = np.iinfo(np.int32).max


class Merges:
    """Pairs of symbols that become one.

    Attributes:
        symbols: How many symbols there are; this number itself means none.
    """

    def __init__(self, symbols: int, left: np.ndarray, right: np.ndarray, rank: np.ndarray, merged: np.ndarray) -> None:
        """Takes the pairs, `(n,)` left and right symbols, all different, their ranks, and `(r,)` what the pairs of each rank become."""
        self.symbols = symbols
        self._pairs = Pairs(left, right)
        self._rank = self._pairs.table(rank, 0)
        self._merged = np.ascontiguousarray(merged, np.int32)
        self._ranks = {pair: int(r) for pair, r in zip(zip(left.tolist(), right.tolist(), strict=True), rank.tolist(), strict=True)}

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return self._pairs.nbytes + self._rank.nbytes + self._merged.nbytes

    def apply(self, symbols: Sequence[int]) -> list[int]:
        """What a word's symbols become; in Python."""
        found = list(symbols)
        while True:
            best = (
                min((self._ranks.get(pair, NEVER), i) for i, pair in enumerate(zip(found, found[1:], strict=False))) if found[1:] else None
            )
            if best is None or best[0] == NEVER:
                return found
            rank, at = best
            found[at : at + 2] = [int(self._merged[rank])]

    def write(self, g: Subgraph, symbol: int, words: Words) -> tuple[int, int]:
        """Merges the symbols of each word.

        Args:
            g: The subgraph.
            symbol: `[s]` int32; `symbols` where there is none.
            words: Where the words lie.

        Returns:
            `[s]` int32 symbols, where merged ones stand at the places of their first parts, and flags of where one stands.
        """
        (s,) = g.shape(symbol)
        behind, none, never = int32(s - 1), int32(self.symbols), int32(NEVER)
        place_ = np.arange(s, dtype=np.int32)
        within = g.mul(g.sub(g.minimum(words.number, int32(1)), words.end), as_flag(g, g.less(symbol, none)))
        following = g.add(g.mul(within, g.sub(place_ + 1, behind)), behind)

        def ranked(g: Subgraph, symbol: int, following: int) -> tuple[int, int]:
            """Each pair's rank, and its key in the order of merging."""
            slot, found = self._pairs.look_up(g, symbol, g.gather(symbol, following))
            rank = g.gather(self._rank, slot)
            return g.select(found, g.add(g.mul(rank, int32(s)), place_), never), rank

        def more(g: Subgraph, v: list[int]) -> int:
            return g.less(g.reduce_min(v[2], 0), never)

        def body(g: Subgraph, v: list[int]) -> list[int]:
            symbol, following, key, rank, number = v
            lowest = g.gather(g.segment_min(key, number, words.limit + 1), number)
            hit = g.logical_and(g.equal(key, lowest), g.less(key, never))
            gone = g.scatter(g.select(hit, following, behind), as_flag(g, hit), s)
            symbol = g.select(hit, g.gather(self._merged, rank), symbol)
            symbol = g.select(g.greater(gone, ZERO), none, symbol)
            following = g.select(hit, g.gather(following, following), following)
            return [symbol, following, *ranked(g, symbol, following), number]

        symbol, *_ = g.loop("merge", [symbol, following, *ranked(g, symbol, following), words.number], more, body, most=s)
        return symbol, as_flag(g, g.less(symbol, none))
