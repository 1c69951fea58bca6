"""The `words` text tower: it sums rows of an embedding table; the direction of the sum is the embedding of the sentence.

With attention, the weight of a row also depends on the whole sentence: the direction of the plain sum, times a learnt matrix, is the query
of one attention head whose keys and values are the rows (cf. Bahdanau, Cho, Bengio, ICLR 2015). The length of a row is its weight
independent of the sentence. A matrix of zeros gives the plain sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from maker.encoders.tokenizer import HashTable, TokenizerSize, rows, units
from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph

MANY = 1e6  # larger than the inverse of any weight; as a penalty it excludes unused places from the softmax


@dataclass(frozen=True)
class WordsTower:
    """A trained text tower.

    Attributes:
        hashes: `(v,)` int32 hashes of the vocabulary, in the order of the table's rows 1 to v.
        table: `(1 + v + gram_rows, d)` float32; row 0 is unused. It is stored as int8 with one scale per row. Longer rows weigh more.
        size: Size of the tokenizer, which limits how much of a query is read.
        attention: `(d, d)` float32, from the direction of the sentence to the attention query; None for the plain sum.
    """

    hashes: np.ndarray
    table: np.ndarray
    size: TokenizerSize
    attention: np.ndarray | None = None

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower, from UTF-8 bytes `[1, max_bytes]` uint8 to `[1, d]` float32, not normalised."""
        row, weight = rows(g, units(g, query, self.size), self._lookup, self.size)
        (count,) = g.shape(row)
        codes, scales = self._quantised
        picked = g.dequantize(g.gather(g.constant(codes, "embedding", 1.0), row))
        scale = g.gather(scales, row)
        # MUL and SUM instead of a matrix product, because the order of its additions differs between runtimes.
        plain = _sum(g, picked, g.mul(weight, scale))
        if self.attention is None:
            return plain
        query_vector = g.fully_connected(g.l2_normalize(plain), self._attention_rows)
        scores = g.mul(g.sum(g.mul(picked, query_vector), axis=1), scale)
        used = g.minimum(g.mul(weight, np.array(MANY, np.float32)), np.array(1, np.float32))
        masked = g.add(scores, g.mul(g.sub(used, np.array(1, np.float32)), np.array(MANY, np.float32)))
        share = g.reshape(g.softmax(g.reshape(masked, (1, count))), (count,))
        return _sum(g, picked, g.mul(g.mul(weight, share), scale))

    @cached_property
    def _lookup(self) -> HashTable:
        return HashTable(self.hashes)

    @cached_property
    def _quantised(self) -> tuple[np.ndarray, np.ndarray]:
        return int8_rows(self.table)

    @cached_property
    def _attention_rows(self) -> np.ndarray:
        assert self.attention is not None
        return np.ascontiguousarray(self.attention.T, np.float32)


def _sum(g: Subgraph, vectors: int, weights: int) -> int:
    """`[1, d]`: the sum of `[t, d]` vectors times `[t]` weights."""
    count, dimension = g.shape(vectors)
    return g.reshape(g.sum(g.mul(vectors, g.reshape(weights, (count, 1))), axis=0), (1, dimension))
