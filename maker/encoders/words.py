"""The `words` text tower: rows of one embedding table, averaged by weight, then a projection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maker.encoders.layers import Layer, write_layers
from maker.encoders.tokenizer import HashTable, TokenizerSize, rows, units
from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph

TINY = np.array(1e-6, np.float32)


@dataclass(frozen=True)
class WordsTower:
    """A trained text tower.

    Attributes:
        hashes: `(v,)` int32 hashes of the vocabulary, in the order of the table's rows 1 to v.
        table: `(1 + v + gram_rows, d)` float32; row 0 is unused. It is stored as int8 with a scale a row.
        importance: `(1 + v + gram_rows,)` float32 positive weight of each row in the average.
        head: What follows the average.
        size: How much of a query is read.
    """

    hashes: np.ndarray
    table: np.ndarray
    importance: np.ndarray
    head: Sequence[Layer]
    size: TokenizerSize

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower, from UTF-8 bytes `[1, max_bytes]` uint8 to `[1, d]` float32, not normalised."""
        row, weight = rows(g, units(g, query, self.size), self._lookup, self.size)
        (count,) = g.shape(row)
        weight = g.mul(weight, g.gather(self._importance, row))
        total = g.reshape(g.maximum(g.sum(weight, axis=0), TINY), (1, 1))
        codes, scales = self._quantised
        picked = g.dequantize(g.gather(g.constant(codes, "embedding", 1.0), row))
        scaled = g.reshape(g.mul(weight, g.gather(scales, row)), (count, 1))
        # MUL and SUM rather than a matrix product, whose kernels differ in their order of summation between runtimes.
        pooled = g.div(g.reshape(g.sum(g.mul(picked, scaled), axis=0), (1, codes.shape[1])), total)
        return write_layers(g, pooled, self.head)

    @cached_property
    def _lookup(self) -> HashTable:
        return HashTable(self.hashes)

    @cached_property
    def _importance(self) -> np.ndarray:
        return np.ascontiguousarray(self.importance, np.float32)

    @cached_property
    def _quantised(self) -> tuple[np.ndarray, np.ndarray]:
        return int8_rows(self.table)
