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
ROUNDS = 24  # of all words at once, before one goes on place by place
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
        self._source_tables: dict[int, np.ndarray] = {}
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
        there, starts = g.minimum(symbol, ONE), g.greater(start, ZERO)
        nodes = self._nodes(g, symbol)
        scores = g.gather(self._scores, nodes)
        lonely = g.logical_and(g.greater(there, ZERO), g.less_equal(g.slice(scores, (0,), (s,)), NEVER))
        single = g.select(lonely, self._unknown_score, g.slice(scores, (0,), (s,)))
        scores = g.concat([single, g.slice(scores, (s,), ((self._longest - 1) * s,))]) if self._longest > 1 else single
        end = self._best(g, starts, scores, s)
        candidates = g.reshape(self._candidates(g, end, starts, scores), (self._longest, s))
        which = g.arg_max(candidates, 0)  # the longest of equals
        place = np.arange(s, dtype=np.int32)
        length = g.sub(int32(self._longest), which)
        before = g.maximum(g.sub(place, length), ZERO)
        piece = g.gather(self._ids, g.gather(nodes, g.add(g.mul(g.sub(length, ONE), int32(s)), before)))
        # Back from the place behind each word, over the places between its pieces.
        behind = g.mul(g.shift(there, 1), g.maximum(g.sub(ONE, there), start))
        link = g.mul(before, g.sub(ONE, g.gather(start, before)))  # the first piece of a word leads to place 0, which is behind none
        mark = _reached(g, behind, link)
        unknown = g.mul(mark, as_flag(g, g.equal(piece, self._unknown)))
        repeated = g.mul(unknown, g.gather(unknown, link))  # neighbouring unknown characters are one id
        return piece, g.sub(mark, repeated)

    def _nodes(self, g: Subgraph, symbol: int) -> int:
        """`[longest * s]`: the nodes of the sequences of each length that start at each place."""
        (s,) = g.shape(symbol)
        padded = g.concat([symbol, np.zeros(self._longest, np.int32)])
        node = g.mul(symbol, ZERO)
        nodes = []
        for length in range(self._longest):
            following, leads = self._trie.step(g, node, g.slice(padded, (length,), (s,)))
            node = g.select(leads, following, int32(self._trie.dead))
            nodes.append(node)
        return g.concat(nodes) if len(nodes) > 1 else nodes[0]

    def _candidates(self, g: Subgraph, end: int, starts: int, scores: int) -> int:
        """`[longest * s]`: the scores of the best ways to each place by a last piece of each length, the longest first."""
        (s,) = g.shape(end)
        before = g.reshape(g.select(starts, np.array(0, np.float32), end), (1, s))
        sums = g.reshape(g.add(before, g.reshape(scores, (self._longest, s))), (self._longest * s,))
        return g.gather(sums, g.constant(self._sources(s)))

    def _sources(self, s: int) -> np.ndarray:
        """Where a piece of each length that ends at each place starts; the last place, where no piece does, if that is before the text."""
        if s not in self._source_tables:
            length, place = np.arange(self._longest, 0, -1)[:, None], np.arange(s)[None]
            source = np.where(place >= length, place - length, s - 1)
            self._source_tables[s] = ((length - 1) * s + source).reshape(-1).astype(np.int32)
        return self._source_tables[s]

    def _best(self, g: Subgraph, starts: int, scores: int, s: int) -> int:
        """The best score of each place, `[s]`; `NEVER` where no piece ends.

        All words at once, a piece a round, which suits sentences. A word of many pieces goes on place by place.
        """

        def more(g: Subgraph, v: list[int]) -> int:
            return g.reshape(v[1], ())

        def body(g: Subgraph, v: list[int]) -> list[int]:
            end, _, starts, scores = v
            best, rows = self._candidates(g, end, starts, scores), self._longest
            while rows > 1:  # halves against each other; REDUCE_MAX along the first axis is several times slower
                half = rows // 2
                larger = g.maximum(g.slice(best, ((rows - half) * s,), (half * s,)), g.slice(best, (0,), (half * s,)))
                best = g.concat([larger, g.slice(best, (half * s,), (s,))]) if rows % 2 else larger
                rows -= half
            best = g.maximum(best, NEVER)
            return [best, g.reduce_any(g.not_equal(best, end), 0), starts, scores]

        first = g.constant(np.full(s, NEVER, np.float32))
        given = [first, g.reduce_any(starts, 0), starts, scores]
        end, unfinished, *_ = g.loop("viterbi", given, more, body, most=ROUNDS)
        (end,) = g.if_else(
            "long_word",
            g.reshape(unfinished, ()),
            [end, g.select(starts, np.array(1, np.float32), np.array(0, np.float32)), scores],
            lambda g, v: [self._place_by_place(g, v[1], v[2], s)],
            lambda g, v: [v[0]],
        )
        return end

    def _place_by_place(self, g: Subgraph, starts: int, scores: int, s: int) -> int:
        """The same by one round a place, which looks at the last few places only."""
        longest = self._longest
        backwards = np.arange(longest)[:, None] * s + np.arange(s)[None]
        by_place = g.reshape(g.gather(scores, g.constant(backwards.T.reshape(-1).astype(np.int32))), (s, longest))

        def body(g: Subgraph, v: list[int]) -> list[int]:
            # ahead[i]: the best way so far to the place i + 1 behind this one.
            place, ahead, end, by_place, starts = v
            here = g.slice(ahead, (0,), (1,))
            end = g.select(g.equal(np.arange(s, dtype=np.int32), place), here, end)
            start = g.greater(g.gather(starts, g.reshape(place, (1,))), np.array(0, np.float32))
            sums = g.add(g.select(start, np.array(0, np.float32), here), g.reshape(g.gather(by_place, g.reshape(place, (1,))), (longest,)))
            rest = g.concat([g.slice(ahead, (1,), (longest,)), np.array([NEVER])])
            ahead = g.maximum(rest, g.concat([sums, np.array([NEVER])]))
            return [g.add(place, ONE), g.maximum(ahead, NEVER), end, by_place, starts]

        never = np.full(longest + 1, NEVER, np.float32)
        given = [g.constant(np.array(0, np.int32)), g.constant(never), g.constant(np.full(s, NEVER, np.float32)), by_place, starts]
        return g.loop("places", given, lambda g, v: g.less(v[0], int32(s)), body, most=s)[2]


def _reached(g: Subgraph, mark: int, hop: int) -> int:
    """Flags of the places that jumps from the marked ones lead over, place 0 excepted, by doubling."""
    (s,) = g.shape(mark)
    inner = np.append(0, np.ones(s - 1)).astype(np.int32)
    for _ in range(int(np.ceil(np.log2(s)))):
        mark = g.minimum(g.add(mark, g.scatter(hop, mark, s)), ONE)
        hop = g.gather(hop, hop)
    return g.mul(mark, inner)
