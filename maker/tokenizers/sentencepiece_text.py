"""SentencePiece's view of a text: symbols instead of bytes, and spaces that are part of the word behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maker.errors import EncoderError
from maker.graph.subgraph import Subgraph
from maker.tokenizers.merges import Merges
from maker.tokenizers.unigram import Unigram
from maker.tokenizers.values import ONE, ZERO, as_flag, int32
from maker.tokenizers.words import number_words

SPACE = "\u2581"  # what a space becomes; typed by a user it is one, too


@dataclass(frozen=True, kw_only=True)
class Spaces:
    """What happens to spaces.

    Attributes:
        symbol: The symbol of a space.
        none: What stands where there is no symbol.
        prefix: `always` puts a space before a text, `missing` before one that starts with another character, `never` leaves it.
        collapse: Whether runs of spaces become one, and those at the ends go.
    """

    symbol: int
    none: int
    prefix: str
    collapse: bool

    def write(self, g: Subgraph, symbol: int, there: int) -> tuple[int, int, int]:
        """Symbols, flags of where there is one, and flags of where words start, `[s + 1]` int32 each, of symbols `[s]`.

        A word starts with the first space of a run: pieces have spaces nowhere but at their start.
        """
        (s,) = g.shape(symbol)
        space = g.mul(there, as_flag(g, g.equal(symbol, int32(self.symbol))))
        first = g.slice(there, (0,), (1,))
        if self.prefix == "never":
            first = g.mul(first, ZERO)
        elif self.prefix == "missing":
            first = g.mul(first, g.sub(ONE, g.slice(space, (0,), (1,))))
        symbol = g.concat([np.array([self.symbol], np.int32), symbol])
        there, space = g.concat([first, there]), g.concat([first, space])
        if self.collapse:
            text_behind = g.mul(g.shift(there, -1), g.sub(ONE, g.shift(space, -1)))
            lost = g.mul(space, g.sub(ONE, text_behind))
            there, space = g.sub(there, lost), g.sub(space, lost)
        before = g.mul(g.shift(there, 1), g.sub(ONE, g.mul(space, g.sub(ONE, g.shift(space, 1)))))
        start = g.mul(there, g.sub(ONE, before))
        return g.select(g.greater(there, ZERO), symbol, int32(self.none)), there, start


class UnigramText:
    """A Unigram model behind its spaces; symbol 0 is nothing."""

    def __init__(self, model: Unigram, spaces: Spaces) -> None:
        self._model, self._spaces = model, spaces

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        return self._model.nbytes

    def write(self, g: Subgraph, content: int, kind: int, there: int) -> tuple[int, int]:
        """Ids and flags of where there is one, of symbols."""
        symbol, _, start = self._spaces.write(g, content, there)
        return self._model.write(g, symbol, start)


class MergedText:
    """A BPE model whose first symbols are characters, and bytes of characters that it does not know, behind its spaces."""

    def __init__(self, merges: Merges, spaces: Spaces, unknown: int, limit: int) -> None:
        self._merges, self._spaces, self._unknown, self._limit = merges, spaces, int32(unknown), limit

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        return self._merges.nbytes

    def write(self, g: Subgraph, content: int, kind: int, there: int) -> tuple[int, int]:
        """Ids and flags of where there is one, of symbols."""
        symbol, there, start = self._spaces.write(g, content, there)
        symbol, alive = self._merges.write(g, symbol, number_words(g, start, there, self._limit))
        unknown = g.mul(alive, as_flag(g, g.equal(symbol, self._unknown)))
        return symbol, g.sub(alive, g.mul(unknown, g.shift(unknown, 1)))  # neighbouring unknown characters are one id


def piece_merges(pieces: Mapping[str, int], order: Sequence[str]) -> Merges:
    """All pairs of pieces that are a piece together, as SentencePiece merges them.

    Args:
        pieces: Ids of the pieces.
        order: The pieces, the first to be made first.
    """
    rank = {piece: number for number, piece in enumerate(order)}
    left, right, ranks = [], [], []
    for piece in pieces:
        for at in range(1, len(piece)):
            a, b = pieces.get(piece[:at]), pieces.get(piece[at:])
            if a is not None and b is not None:
                left.append(a)
                right.append(b)
                ranks.append(rank[piece])
    merged = np.array([pieces[piece] for piece in order], np.int32)
    pairs = np.array(left, np.int64), np.array(right, np.int64), np.array(ranks, np.int64)
    return Merges(max(pieces.values()) + 1, *pairs, merged)


def check_spaces(pieces: Sequence[str]) -> None:
    """Looks at whether words can be told apart.

    Raises:
        EncoderError: A piece has a space behind a character.
    """
    for piece in pieces:
        if SPACE in piece.lstrip(SPACE):
            raise EncoderError(f"piece {piece!r} goes on behind a space")
