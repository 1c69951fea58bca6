"""WordPiece: a word is split from the left into the longest pieces that there are (Wu et al., 2016; BERT's `WordpieceTokenizer`).

Words of one piece, which most are, are looked up whole. For the others every word has a cursor of its own that walks a trie, one byte a
round for all words at once; where a walk ends, the longest piece that it passed goes out and the cursor returns to that piece's end.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.trie import Trie
from maker.tokenizers.utf8 import CONTINUATION
from maker.tokenizers.values import ONE, ZERO, as_flag, int32, to_places
from maker.tokenizers.words import Words, WordTable, split

SPACE, WORD, ALONE = range(3)
FIRST, INSIDE = 0, 1  # the tries' roots


class WordPiece:
    """BERT's model: what each word becomes."""

    def __init__(self, vocabulary: Mapping[str, int], unknown: int, prefix: str, longest: int, limit: int) -> None:
        """Makes the tables.

        Args:
            vocabulary: Ids of the pieces.
            unknown: The id of a word that cannot be split.
            prefix: What pieces inside a word start with.
            longest: Characters of a word; a longer one is unknown.
            limit: Words that are read.
        """
        self.limit, self._unknown, self._longest = limit, int32(unknown), longest
        first = {piece.encode(): number for piece, number in vocabulary.items() if piece}
        inside = {
            piece.removeprefix(prefix).encode(): number
            for piece, number in vocabulary.items()
            if piece.startswith(prefix) and piece != prefix
        }
        entries = [(root, list(piece), number) for root, pieces in ((FIRST, first), (INSIDE, inside)) for piece, number in pieces.items()]
        self._longest_piece = max((len(piece) for _, piece, _ in entries), default=0)
        self._trie = Trie(entries, roots=2)
        self._words = WordTable(first)

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        return self._trie.nbytes + self._words.nbytes

    def write(self, g: Subgraph, byte: int, kind: int, there: int) -> tuple[int, int]:
        """Ids and flags of where there is one, `[s]` int32 each, of bytes and their kinds."""
        (s,) = g.shape(byte)
        words = split(g, byte, kind, (ALONE,), self.limit)
        characters = g.cumsum(g.mul(g.minimum(kind, ONE), g.gather(1 - CONTINUATION, byte)))
        length = g.add(g.sub(g.gather(characters, words.last), g.gather(characters, words.first)), ONE)
        known = self._words.look_up(g, byte, words.first, words.last)
        known = g.select(g.greater(length, int32(self._longest)), self._unknown, known)
        number = np.arange(self.limit + 1, dtype=np.int32)
        used = g.logical_and(g.less_equal(number, words.count), number > 0)
        whole = as_flag(g, g.logical_and(used, g.greater_equal(known, ZERO)))
        out = to_places(g, words.first, g.add(known, ONE), whole, s)  # an id + 1, so that 0 is none
        out, bad = self._split_words(g, byte, words, out, g.sub(as_flag(g, used), whole))
        unknown = g.mul(words.start, g.add(self._unknown, ONE))
        out = g.select(g.greater(g.gather(bad, words.number), ZERO), unknown, out)
        alive = g.minimum(out, ONE)
        return g.sub(out, alive), alive

    def _split_words(self, g: Subgraph, byte: int, words: Words, out: int, active: int) -> tuple[int, int]:
        """Adds the pieces of the words that are active to `out`; and flags of words that cannot be split."""
        (s,) = g.shape(byte)
        trie, stop = self._trie, g.add(words.last, ONE)
        zero, none = g.mul(words.first, ZERO), g.add(g.mul(words.first, ZERO), int32(-1))

        def more(g: Subgraph, v: list[int]) -> int:
            return g.greater(g.reduce_max(v[6], 0), ZERO)

        def body(g: Subgraph, v: list[int]) -> list[int]:
            out, at, node, piece, best_end, best_id, active, bad, stop, byte = v
            inside = as_flag(g, g.less(at, stop))
            character = g.mul(g.gather(byte, g.minimum(at, int32(s - 1))), inside)
            following, leads = trie.step(g, node, character)
            leads = g.logical_and(leads, g.greater(inside, ZERO))
            value = g.gather(trie.values, following)
            hit = g.logical_and(leads, g.greater_equal(value, ZERO))
            over = g.mul(active, as_flag(g, g.logical_not(leads)))
            emitted = g.mul(over, as_flag(g, g.greater_equal(best_id, ZERO)))
            failed = g.sub(over, emitted)
            out = g.add(out, to_places(g, piece, g.add(best_id, ONE), emitted, s))
            finished = g.mul(emitted, as_flag(g, g.equal(best_end, stop)))
            after = g.add(at, ONE)
            return [
                out,
                g.select(leads, after, best_end),
                g.select(leads, following, int32(INSIDE)),
                g.select(leads, piece, best_end),
                g.select(hit, after, best_end),
                g.select(hit, value, g.select(leads, best_id, int32(-1))),
                g.sub(active, g.add(failed, finished)),
                g.maximum(bad, failed),
                stop,
                byte,
            ]

        most = s * (self._longest_piece + 1)  # pieces of a byte each, every one found by a walk as long as the longest piece
        values = [out, words.first, zero, words.first, words.first, none, active, zero, stop, byte]
        found = g.loop("pieces", values, more, body, most=most)
        return found[0], found[7]
