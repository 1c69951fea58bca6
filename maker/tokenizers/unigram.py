"""SentencePiece Unigram (Kudo, ACL 2018): the pieces whose scores sum up to the most, by Viterbi's algorithm.

A trie is walked from all places at once, unrolled to the longest piece. Then best scores are relaxed until none improves, for all words at
once; a round looks at all pieces. Which places the best pieces end at follows from the ends of words by doubling jumps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.trie import Trie
from maker.tokenizers.values import ONE, ZERO, as_flag, int32

NEVER = np.array(-1e30, np.float32)
UNKNOWN_PENALTY = np.float32(10)  # below the lowest score, as in SentencePiece


class Unigram:
    """Pieces with scores."""

    def __init__(self, pieces: Sequence[tuple[Sequence[int], float, int]], unknown: int) -> None:
        """Takes pieces as (symbols, score, id), and the id of what no piece covers."""
        self._unknown = int32(unknown)
        self._longest = max(len(symbols) for symbols, _, _ in pieces)
        self._trie = Trie((0, symbols, number) for number, (symbols, _, _) in enumerate(pieces))
        scores, ids = np.array([score for _, score, _ in pieces], np.float32), np.array([number for _, _, number in pieces], np.int32)
        value = self._trie.values
        self._scores = np.where(value >= 0, scores[value], NEVER).astype(np.float32)
        self._ids = np.where(value >= 0, ids[value], unknown).astype(np.int32)
        self._unknown_score = np.array(scores.min() - UNKNOWN_PENALTY, np.float32)

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        return self._trie.nbytes - self._trie.values.nbytes + self._scores.nbytes + self._ids.nbytes

    def write(self, g: Subgraph, symbol: int, start: int) -> tuple[int, int]:
        """Ids and flags of where there is one, at the place behind each piece.

        Args:
            g: The subgraph.
            symbol: `[s]` int32, 0 where there is none; the last is 0.
            start: `[s]` int32 flags of where words start.
        """
        (s,) = g.shape(symbol)
        there = g.minimum(symbol, ONE)
        scores, nodes = self._edges(g, symbol, g.greater(there, ZERO))
        starts = g.greater(start, ZERO)
        longest_first = g.concat(scores[::-1])
        end = self._relax(g, starts, longest_first, s)
        candidates = g.reshape(self._sums(g, end, starts, longest_first), (self._longest, s))
        which = g.arg_max(candidates, 0)  # the longest of equals
        place = np.arange(s, dtype=np.int32)
        before = g.maximum(g.sub(place, g.gather(np.arange(self._longest, 0, -1, dtype=np.int32), which)), ZERO)
        node = g.gather(g.concat(nodes[::-1]), g.add(g.mul(which, int32(s)), place))
        piece = g.gather(self._ids, node)
        # Back from the place behind each word, over the places between its pieces.
        behind = g.mul(g.shift(there, 1), g.maximum(g.sub(ONE, there), start))
        link = g.mul(before, g.sub(ONE, g.gather(start, before)))  # the first piece of a word leads to place 0, which is behind none
        mark = _reached(g, behind, link)
        unknown = g.mul(mark, as_flag(g, g.equal(piece, self._unknown)))
        repeated = g.mul(unknown, g.gather(unknown, link))  # neighbouring unknown characters are one id
        return piece, g.sub(mark, repeated)

    def _edges(self, g: Subgraph, symbol: int, there: int) -> tuple[list[int], list[int]]:
        """Scores and nodes of the pieces of each length, `[s]` each, at the places behind them."""
        (s,) = g.shape(symbol)
        dead = int32(self._trie.dead)
        padded = g.concat([symbol, np.zeros(self._longest, np.int32)])
        node = g.mul(symbol, ZERO)
        scores, nodes = [], []
        for length in range(1, self._longest + 1):
            following, leads = self._trie.step(g, node, g.slice(padded, (length - 1,), (s,)))
            node = g.select(leads, following, dead)
            score = g.gather(self._scores, node)
            if length == 1:
                lonely = g.logical_and(there, g.less_equal(score, NEVER))
                score = g.select(lonely, self._unknown_score, score)
            scores.append(g.concat([np.full(length, NEVER, np.float32), g.slice(score, (0,), (s - length,))]))
            nodes.append(g.concat([np.full(length, dead, np.int32), g.slice(node, (0,), (s - length,))]))
        return scores, nodes

    def _sums(self, g: Subgraph, end: int, starts: int, edges: int) -> int:
        """`[longest * s]`: the best score before each piece plus the piece's own, the longest pieces first."""
        (s,) = g.shape(end)
        lengths = np.arange(self._longest, 0, -1)[:, None]
        before = np.maximum(np.arange(s)[None] - lengths, 0).reshape(-1).astype(np.int32)
        return g.add(g.gather(g.select(starts, np.array(0, np.float32), end), g.constant(before)), edges)

    def _relax(self, g: Subgraph, starts: int, edges: int, s: int) -> int:
        """The best score of each place, `[s]`; `NEVER` where no piece ends."""

        def more(g: Subgraph, v: list[int]) -> int:
            return g.reshape(v[1], ())

        def body(g: Subgraph, v: list[int]) -> list[int]:
            end, _, starts, edges = v
            best, rows = self._sums(g, end, starts, edges), self._longest
            while rows > 1:  # halves against each other; REDUCE_MAX along the first axis is several times slower
                half = rows // 2
                larger = g.maximum(g.slice(best, ((rows - half) * s,), (half * s,)), g.slice(best, (0,), (half * s,)))
                best = g.concat([larger, g.slice(best, (half * s,), (s,))]) if rows % 2 else larger
                rows -= half
            best = g.maximum(best, NEVER)
            return [best, g.reduce_any(g.not_equal(best, end), 0), starts, edges]

        first = g.constant(np.full(s, NEVER, np.float32))
        return g.loop("viterbi", [first, g.reduce_any(starts, 0), starts, edges], more, body, most=s)[0]


def _reached(g: Subgraph, mark: int, hop: int) -> int:
    """Flags of the places that jumps from the marked ones lead over, place 0 excepted, by doubling."""
    (s,) = g.shape(mark)
    inner = np.append(0, np.ones(s - 1)).astype(np.int32)
    for _ in range(int(np.ceil(np.log2(s)))):
        mark = g.minimum(g.add(mark, g.scatter(hop, mark, s)), ONE)
        hop = g.gather(hop, hop)
    return g.mul(mark, inner)
