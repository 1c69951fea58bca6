"""The frame of a text: ids moved to the front, a start and an end around them, padding, and the mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.values import ZERO, as_flag, int32, to_front


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How ids are laid out.

    Attributes:
        length: Ids that the text tower takes.
        start, end: Ids around a text. A longer text loses its end, not the frame.
        padding: What fills the rest.
        left: Whether the padding is in front.
    """

    length: int
    start: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    padding: int = 0
    left: bool = False

    @property
    def room(self) -> int:
        """Ids of a text that fit."""
        return self.length - len(self.start) - len(self.end)

    def write(self, g: Subgraph, ids: int, alive: int) -> tuple[int, int]:
        """Frames the ids `[n]` whose int32 flag is 1: `ids` and `mask`, int32 `[1, length]`."""
        length, place = self.length, np.arange(self.length, dtype=np.int32)
        (n,) = g.shape(ids)
        count = g.minimum(g.slice(g.cumsum(alive), (n - 1,), (1,)), int32(self.room))
        (body,) = to_front(g, [ids], alive, self.room)
        parts = [part for part in (np.array(self.start, np.int32), body, np.zeros(len(self.end), np.int32)) if not _is_empty(part)]
        framed = g.concat(parts) if len(parts) > 1 else body
        count = g.add(count, int32(len(self.start)))
        for piece in self.end:
            framed = g.select(g.equal(place, count), int32(piece), framed)
            count = g.add(count, int32(1))
        there = g.less(place, count)
        framed = g.select(there, framed, int32(self.padding))
        mask = as_flag(g, there)
        if self.left:
            source = g.sub(place, g.sub(int32(length), count))
            within, source = g.greater_equal(source, ZERO), g.maximum(source, ZERO)
            framed = g.select(within, g.gather(framed, source), int32(self.padding))
            mask = as_flag(g, within)
        return g.reshape(framed, (1, length)), g.reshape(mask, (1, length))


def _is_empty(part: int | np.ndarray) -> bool:
    return isinstance(part, np.ndarray) and part.size == 0
