"""Byte-level BPE as CLIP has it: words by kinds of characters, bytes as the first symbols, whole words looked up at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from maker.errors import EncoderError
from maker.graph.subgraph import Subgraph
from maker.tokenizers.merges import Merges
from maker.tokenizers.values import ZERO, int32
from maker.tokenizers.words import WordTable, split

SPACE, LETTER, DIGIT, OTHER = range(4)
PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]


def byte_characters() -> dict[int, str]:
    """The character that stands for each byte in the vocabulary (GPT-2's): itself where it can be printed, else one from U+0100 on."""
    hidden = [byte for byte in range(256) if byte not in PRINTABLE]
    return {byte: chr(byte) for byte in PRINTABLE} | {byte: chr(0x100 + i) for i, byte in enumerate(hidden)}


class ByteLevelBpe:
    """CLIP's model: what each word becomes.

    Attributes:
        limit: Words of a text that can matter, for each has an id at least.
    """

    alone = (DIGIT,)

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[tuple[str, str]], suffix: str, limit: int) -> None:
        """Makes the tables.

        Args:
            vocabulary: Ids of the pieces, in `byte_characters`.
            merges: Pairs of pieces, the first to merge first.
            suffix: What the last piece of a word ends with.
            limit: Words that are read.

        Raises:
            EncoderError: A byte or a merged piece has no id.
        """
        self.limit = limit
        characters = byte_characters()
        try:
            self._first = np.array([vocabulary[characters[byte]] for byte in range(256)], np.int32)
            self._final = np.array([vocabulary[characters[byte] + suffix] for byte in range(256)], np.int32)
            left, right, merged = (
                np.array([vocabulary[piece] for piece in pieces], np.int64)
                for pieces in ([a for a, _ in merges], [b for _, b in merges], [a + b for a, b in merges])
            )
        except KeyError as error:
            raise EncoderError(f"the vocabulary has no {error.args[0]!r}") from error
        self.merges = Merges(max(vocabulary.values()) + 1, left, right, np.arange(len(merges)), merged)
        self._words = WordTable(self._whole_words(vocabulary, suffix))

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        return self.merges.nbytes + self._words.nbytes

    def write(self, g: Subgraph, byte: int, kind: int, there: int) -> tuple[int, int]:
        """Ids and flags of where there is one, `[s]` int32 each, of bytes and their kinds."""
        words = split(g, byte, kind, self.alone, self.limit, contractions=True)
        none = int32(self.merges.symbols)
        inside = g.greater(words.number, ZERO)
        last = g.greater(words.end, ZERO)
        symbol = g.select(inside, g.select(last, g.gather(self._final, byte), g.gather(self._first, byte)), none)
        known = self._words.look_up(g, byte, words.first, words.last)
        known = g.concat([np.array([-1], np.int32), g.slice(known, (1,), (words.limit,))])
        known = g.gather(known, words.number)
        whole = g.select(g.greater(words.start, ZERO), known, none)
        symbol = g.select(g.greater_equal(known, ZERO), whole, symbol)
        return self.merges.write(g, symbol, words)

    def apply(self, word: bytes) -> list[int]:
        """A word's ids, in Python."""
        return self.merges.apply([*self._first[list(word[:-1])].tolist(), int(self._final[word[-1]])])

    def _whole_words(self, vocabulary: Mapping[str, int], suffix: str) -> dict[bytes, int]:
        """The words that merges make one piece of."""
        byte_of = {character: byte for byte, character in byte_characters().items()}
        found: dict[bytes, int] = {}
        for piece, number in vocabulary.items():
            text = piece.removesuffix(suffix)
            if piece.endswith(suffix) and len(text) > 1 and all(character in byte_of for character in text):
                word = bytes(byte_of[character] for character in text)
                if self.apply(word) == [number]:
                    found[word] = number
        return found
