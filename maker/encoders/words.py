"""The `words` text tower: the sum of rows of one embedding table, whose direction is the sentence's embedding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maker.encoders.tokenizer import HashTable, TokenizerSize, rows, units
from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph


@dataclass(frozen=True)
class WordsTower:
    """A trained text tower.

    Attributes:
        hashes: `(v,)` int32 hashes of the vocabulary, in the order of the table's rows 1 to v.
        table: `(1 + v + gram_rows, d)` float32; row 0 is unused. It is stored as int8 with a scale a row. A longer row counts more.
        size: How much of a query is read.
    """

    hashes: np.ndarray
    table: np.ndarray
    size: TokenizerSize

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower, from UTF-8 bytes `[1, max_bytes]` uint8 to `[1, d]` float32: a sum, whose norm is left to the caller."""
        row, weight = rows(g, units(g, query, self.size), self._lookup, self.size)
        (count,) = g.shape(row)
        codes, scales = self._quantised
        picked = g.dequantize(g.gather(g.constant(codes, "embedding", 1.0), row))
        scaled = g.reshape(g.mul(weight, g.gather(scales, row)), (count, 1))
        # MUL and SUM rather than a matrix product, whose kernels differ in their order of summation between runtimes.
        return g.reshape(g.sum(g.mul(picked, scaled), axis=0), (1, codes.shape[1]))

    @cached_property
    def _lookup(self) -> HashTable:
        return HashTable(self.hashes)

    @cached_property
    def _quantised(self) -> tuple[np.ndarray, np.ndarray]:
        return int8_rows(self.table)
