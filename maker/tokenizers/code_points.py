"""Tables of all code points in two levels: pages that are equal are stored once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.values import int32

CODE_POINTS = 0x110000
PAGE = 64
SURROGATES = range(0xD800, 0xE000)


class Places:
    """Where code points lie in any such table: their pages and their places there, `[n]` int32 each."""

    def __init__(self, g: Subgraph, code: int) -> None:
        self.page = g.floor_div(code, int32(PAGE))
        self.within = g.sub(code, g.mul(self.page, int32(PAGE)))


class CodePointTable:
    """An int32 for each code point.

    Attributes:
        starts: `(pages,)` int32: where each page starts in `rows`.
        rows: The pages that differ, one after the other.
    """

    def __init__(self, values: np.ndarray | Mapping[int, int]) -> None:
        """Takes `(0x110000,)` int32, or the values that are not 0."""
        if isinstance(values, Mapping):
            sparse, values = values, np.zeros(CODE_POINTS, np.int32)
            values[list(sparse)] = list(sparse.values())
        pages, numbers = np.unique(values.reshape(-1, PAGE), axis=0, return_inverse=True)
        self.rows = np.ascontiguousarray(pages.reshape(-1), np.int32)
        self.starts = (numbers.reshape(-1) * PAGE).astype(np.int32)

    @property
    def nbytes(self) -> int:
        """Size in the file."""
        return self.starts.nbytes + self.rows.nbytes

    def look_up(self, g: Subgraph, places: Places) -> int:
        """The values of code points, `[n]` int32."""
        return g.gather(self.rows, g.add(g.gather(self.starts, places.page), places.within))
