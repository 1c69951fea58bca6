"""Matrices and tables of pretrained encoders in a graph, stored as float32, float16 or int8."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cached_property
from typing import Literal, TypeAlias, get_args

import numpy as np

from maker.graph.int8 import int8_rows
from maker.graph.subgraph import Subgraph

Weights: TypeAlias = Literal["int8", "float16", "float32"]
WEIGHTS: tuple[Weights, ...] = get_args(Weights)


class Linear:
    """x W^T + b.

    int8 weights have a scale for each row of W. The graph multiplies by the codes, in a FULLY_CONNECTED that takes one scale for all of
    them, and then by the rows' scales: as exact as a scale for each channel inside the operator, and every runtime has these operators.
    That FULLY_CONNECTED also rounds each row of x to 8 bits, by its largest magnitude.
    """

    def __init__(self, rows: np.ndarray, bias: np.ndarray | None = None, weights: Weights = "float32") -> None:
        """Takes W `(n, d)` and b `(n,)`, float32. With int8 and float16, W itself is not kept."""
        self._bias = None if bias is None else np.ascontiguousarray(bias, np.float32)
        self._weights = weights
        self._scales: np.ndarray | None = None
        if weights == "int8":
            self._rows, scales = int8_rows(np.asarray(rows, np.float32))
            self._scales = scales[None]
        else:
            self._rows = np.ascontiguousarray(rows, np.float16 if weights == "float16" else np.float32)

    @property
    def size(self) -> int:
        """n, the length of the result's rows."""
        return int(self._rows.shape[0])

    def write(self, g: Subgraph, x: int) -> int:
        """Adds the operators: x is `[m, d]` float32, the result `[m, n]`."""
        if self._scales is None:
            rows = g.dequantize(g.constant(self._rows, "weights")) if self._weights == "float16" else g.constant(self._rows, "weights")
            return g.fully_connected(x, rows, self._bias)
        product = g.mul(g.fully_connected(x, g.constant(self._rows, "weights", 1.0)), self._scales)
        return product if self._bias_row is None else g.add(product, self._bias_row)

    @cached_property
    def _bias_row(self) -> np.ndarray | None:
        return None if self._bias is None else self._bias[None]


class Table:
    """Rows that are looked up by their number.

    Two int8 codes and scales stand for a row of float16 weights: the second code is what the first leaves over. Old runtimes do not gather
    float16.
    """

    def __init__(self, rows: np.ndarray, weights: Weights = "float32") -> None:
        """Takes the rows, `(n, d)` float32; with int8 and float16 they are not kept."""
        rows = np.ascontiguousarray(rows, np.float32)
        self._parts: list[tuple[np.ndarray, np.ndarray | None]] = [(rows, None)]
        if weights != "float32":
            self._parts = [_coded(rows)]
        if weights == "float16":
            codes, scales = self._parts[0]
            self._parts.append(_coded(rows - codes * scales))

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self._parts[0][0])

    def kept(self, numbers: Sequence[int]) -> Table:
        """A table of some of the rows."""
        table, rows = copy.copy(self), np.asarray(numbers)
        table._parts = [(codes[rows], None if scales is None else scales[rows]) for codes, scales in self._parts]
        return table

    def write(self, g: Subgraph, numbers: int) -> int:
        """Adds the operators: `numbers` is `[m]` int32, the result `[m, d]` float32."""
        total, *rest = [self._look_up(g, numbers, *part) for part in self._parts]
        for part in rest:
            total = g.add(total, part)
        return total

    @staticmethod
    def _look_up(g: Subgraph, numbers: int, rows: np.ndarray, scales: np.ndarray | None) -> int:
        if scales is None:
            return g.gather(rows, numbers)
        return g.mul(g.dequantize(g.gather(g.constant(rows, "table", 1.0), numbers)), g.gather(scales, numbers))


def _coded(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`(n, d)` int8 codes and `(n, 1)` float32 scales."""
    codes, scales = int8_rows(rows)
    return codes, scales[:, None]
