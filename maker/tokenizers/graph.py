"""A tokenizer as a part of a graph: UTF-8 bytes in, ids and mask out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from maker.graph.subgraph import Subgraph
from maker.tokenizers.code_points import Places
from maker.tokenizers.expansion import Expansion
from maker.tokenizers.frame import Frame
from maker.tokenizers.left_out import LeftOut
from maker.tokenizers.utf8 import decode
from maker.tokenizers.values import int32


class Rewrite(Protocol):
    """What characters do to their neighbours."""

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""

    def needed(self, g: Subgraph, places: Places, real: int) -> int:
        """Whether a text has to be rewritten, a bool scalar."""

    def apply(self, g: Subgraph, byte: int) -> int:
        """The text's bytes rewritten, `[n]` int32."""


class Model(Protocol):
    """What makes ids."""

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""

    def write(self, g: Subgraph, content: int, kind: int, there: int) -> tuple[int, int]:
        """Ids and flags of where there is one, int32 of one length, from what `Expansion.expand` makes."""


@dataclass(frozen=True)
class GraphTokenizer:
    """A tokenizer that is written into a graph.

    Attributes:
        expansion: What each code point becomes.
        rewrite: What is done before that to texts whose characters act on each other; None where they never do.
        rewritten: What code points become in rewritten texts.
        model: Makes ids.
        frame: Lays them out.
        max_bytes: UTF-8 bytes of a text.
        left_out: Classes of texts whose ids may differ from the library's.
    """

    expansion: Expansion
    rewrite: Rewrite | None
    rewritten: Expansion
    model: Model
    frame: Frame
    max_bytes: int
    left_out: Sequence[LeftOut] = ()

    @property
    def nbytes(self) -> int:
        """Size of the tables in the file."""
        expansions = self.expansion.nbytes + (self.rewritten.nbytes if self.rewritten is not self.expansion else 0)
        return expansions + (self.rewrite.nbytes if self.rewrite else 0) + self.model.nbytes

    def write(self, g: Subgraph, query: int) -> dict[str, int]:
        """Adds the tokenizer.

        Args:
            g: The subgraph.
            query: uint8 `[1, max_bytes]`, UTF-8, zero padded.

        Returns:
            `ids` and `mask`, int32 `[1, length]`.
        """
        byte = g.cast(g.reshape(query, (self.max_bytes,)), np.int32)
        code, real = decode(g, byte)
        places = Places(g, code)
        entries = self.expansion.entries(g, places, real)
        rewrite = self.rewrite
        if rewrite is not None:

            def rewritten(g: Subgraph, v: list[int]) -> list[int]:
                byte = rewrite.apply(g, v[0])
                code, real = decode(g, byte)
                return [byte, self.rewritten.entries(g, Places(g, code), real)]

            byte, entries = g.if_else("rewrite", rewrite.needed(g, places, real), [byte, entries], rewritten, lambda g, v: v)
        # Few texts become longer than they are; those that do take the same way with more room.
        usual, most = self.max_bytes + 1, math.ceil(self.max_bytes * self.expansion.growth) + 1
        if most <= usual:
            ids, mask = self._finish(g, [byte, entries], usual)
        else:
            longer = g.reshape(g.greater(self.expansion.total(g, entries), int32(usual - 1)), ())
            ids, mask = g.if_else(
                "longer", longer, [byte, entries], lambda g, v: self._finish(g, v, most), lambda g, v: self._finish(g, v, usual)
            )
        return {"ids": ids, "mask": mask}

    def _finish(self, g: Subgraph, v: list[int], size: int) -> list[int]:
        byte, entries = v
        ids, alive = self.model.write(g, *self.expansion.expand(g, byte, entries, size))
        return list(self.frame.write(g, ids, alive))
