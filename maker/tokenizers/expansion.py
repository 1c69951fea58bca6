"""What each code point becomes: nothing, its own bytes, or a sequence of values from a pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from maker.errors import EncoderError
from maker.graph.subgraph import Subgraph
from maker.tokenizers.code_points import CODE_POINTS, SURROGATES, CodePointTable, Places
from maker.tokenizers.spread import spread
from maker.tokenizers.utf8 import REPLACEMENT
from maker.tokenizers.values import ZERO, int32

KINDS, LENGTHS = 8, 64  # an entry is kind + 8 * length + 512 * place in the pool; place 0 means its own bytes
INFO = KINDS * LENGTHS
KIND_STEP = 1 << 20  # a value is kind * KIND_STEP + content


class Expansion:
    """Code points to values; a value has a kind (0 to 7) and a content below `KIND_STEP`.

    Attributes:
        growth: The largest number of values that a byte of text becomes.
    """

    def __init__(
        self,
        becomes: Mapping[int, str],
        kinds: np.ndarray,
        own: np.ndarray,
        content: Callable[[str], list[int]] | None = None,
        default: tuple[int, ...] | None = None,
        pool: Pool | None = None,
    ) -> None:
        """Makes the tables.

        Args:
            becomes: What a code point turns into, where that is not itself.
            kinds: `(0x110000,)` kinds of characters.
            own: `(256,)` int32 contents of the bytes of what stays itself.
            content: The contents of a character of what a code point turns into; those of its bytes where None.
            default: What a code point becomes that `becomes` does not name; its own bytes where None.
            pool: Where sequences are kept; one of its own where None.
        """
        self.pool = Pool() if pool is None else pool
        self._own = np.ascontiguousarray(own, np.int32)
        code = np.arange(CODE_POINTS)
        lengths = 1 + (code >= 0x80) + (code >= 0x800) + (code >= 0x10000)
        if default is None:
            entries = kinds.astype(np.int64) + KINDS * lengths
        else:
            entries = np.full(CODE_POINTS, self.pool.entry(default), np.int64)
        changed = dict(becomes)
        changed.setdefault(REPLACEMENT, chr(REPLACEMENT))  # its own bytes would be damaged ones
        for number, text in changed.items():
            values = [
                int(kinds[ord(character)]) * KIND_STEP + value
                for character in text
                for value in (content(character) if content else self._own[list(character.encode("utf8"))].tolist())
            ]
            entries[number] = self.pool.entry(tuple(values))
        entries[0] = entries[SURROGATES] = 0
        self.growth = float((((entries % INFO) // KINDS) / lengths).max())
        self._table = CodePointTable(entries.astype(np.int32))

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return self._table.nbytes + self.pool.values.nbytes

    def entries(self, g: Subgraph, places: Places, real: int) -> int:
        """What code points become, as the table has it; 0, which is nothing, where none starts."""
        return g.mul(self._table.look_up(g, places), real)

    def total(self, g: Subgraph, entries: int) -> int:
        """`[1]`: how many values entries become."""
        (n,) = g.shape(entries)
        length = g.gather(LENGTH_OF, g.floor_mod(entries, int32(INFO)))
        return g.reshape(g.sum(g.reshape(length, (1, n)), axis=1), (1,))

    def expand(self, g: Subgraph, byte: int, entries: int, size: int) -> tuple[int, int, int]:
        """Contents, kinds and flags of where there is a value, `[size]` int32 each; all 0 behind the last value, and at the last place."""
        (n,) = g.shape(byte)
        info, offset = g.floor_mod(entries, int32(INFO)), g.floor_div(entries, int32(INFO))
        source, number, there = spread(g, g.gather(LENGTH_OF, info), size)
        offset = g.gather(offset, source)
        own = g.gather(self._own, g.gather(byte, g.minimum(g.add(source, number), int32(n - 1))))
        own = g.add(own, g.gather(KIND_OF, g.gather(info, source)))
        pooled = g.gather(self.pool.values, g.minimum(g.add(offset, number), int32(len(self.pool.values) - 1)))
        there = g.mul(there, np.append(np.ones(size - 1, np.int32), ZERO))
        value = g.mul(g.select(g.greater(offset, ZERO), pooled, own), there)
        return g.floor_mod(value, int32(KIND_STEP)), g.floor_div(value, int32(KIND_STEP)), there


LENGTH_OF = (np.arange(INFO) // KINDS).astype(np.int32)
KIND_OF = (np.arange(INFO) % KINDS * KIND_STEP).astype(np.int32)


class Pool:
    """Sequences of values, each stored once."""

    def __init__(self) -> None:
        self._values = [0]
        self._offsets: dict[tuple[int, ...], int] = {}
        self._array: np.ndarray | None = None

    def entry(self, values: tuple[int, ...]) -> int:
        """The entry of a code point that becomes these values.

        Raises:
            EncoderError: There are too many.
        """
        if not values:
            return 0
        if len(values) >= LENGTHS:
            raise EncoderError(f"a character becomes {len(values)} values, more than {LENGTHS - 1}")
        if values not in self._offsets:
            self._offsets[values] = len(self._values)
            self._values.extend(values)
            self._array = None
        return KINDS * len(values) + INFO * self._offsets[values]

    @property
    def values(self) -> np.ndarray:
        """All of them, int32; the same array until one is added."""
        if self._array is None:
            self._array = np.array(self._values, np.int32)
        return self._array
