"""Operators along an axis: running sums, sums, extremes, and the largest values' places."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.tensors import Op, Options, Tensors


class Reductions(Tensors):
    """The axis goes away."""

    def cumsum(self, x: int) -> int:
        """Running sum of a vector, each value included."""
        axis = self.constant(np.array(0, np.int32), "axis")
        return self._new(Op.CUMSUM, self.shape(x), self.dtype(x), [x, axis], schema.CumsumOptionsT(), Options.CumsumOptions)

    def top_k(self, x: int, k: int) -> tuple[int, int]:
        """The k largest along the last axis, descending, and their positions (int32); ties by lower position."""
        count = self.constant(np.array(k, np.int32), "k")
        shape = (*self.shape(x)[:-1], k)
        values = self.tensor(f"t{len(self.table.tensors)}", shape, self.dtype(x))
        positions = self.tensor(f"t{len(self.table.tensors)}", shape, np.int32)
        self.operator(Op.TOPK_V2, [x, count], [values, positions], schema.TopKV2OptionsT(), Options.TopKV2Options)
        return values, positions

    def arg_max(self, x: int, axis: int) -> int:
        """Position of the largest value along one axis, int32; the first of equal ones."""
        options = schema.ArgMaxOptionsT()
        options.outputType = schema.TensorType.INT32
        shape = tuple(d for i, d in enumerate(self.shape(x)) if i != axis % len(self.shape(x)))
        return self._new(Op.ARG_MAX, shape, np.int32, [x, self.constant(np.array(axis, np.int32), "axis")], options, Options.ArgMaxOptions)

    def segment_min(self, x: int, segment: int, count: int) -> int:
        """`[count]`: the least of the values of `x` `[n]` whose `segment` (int32 `[n]` in `[0, count)`) is that number.

        A segment without values has the type's largest.
        """
        inputs = [x, segment, self.constant(np.array(count, np.int32), "count")]
        options = schema.UnsortedSegmentMinOptionsT()
        return self._new(Op.UNSORTED_SEGMENT_MIN, (count,), self.dtype(x), inputs, options, Options.UnsortedSegmentMinOptions)

    def sum(self, x: int, axis: int) -> int:
        """Sum over one axis."""
        return self._reduce(Op.SUM, x, axis)

    def mean(self, x: int, axis: int) -> int:
        """Mean over one axis."""
        return self._reduce(Op.MEAN, x, axis)

    def reduce_max(self, x: int, axis: int) -> int:
        """Largest value over one axis."""
        return self._reduce(Op.REDUCE_MAX, x, axis)

    def reduce_min(self, x: int, axis: int) -> int:
        """Smallest value over one axis."""
        return self._reduce(Op.REDUCE_MIN, x, axis)

    def reduce_any(self, x: int, axis: int) -> int:
        """Whether one is true along an axis, bool."""
        return self._reduce(Op.REDUCE_ANY, x, axis)

    def _reduce(self, code: int, x: int, axis: int) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = False
        shape = tuple(d for i, d in enumerate(self.shape(x)) if i != axis % len(self.shape(x)))
        axes = self.constant(np.array([axis], np.int32), "axis")
        return self._new(code, shape, self.dtype(x), [x, axes], options, Options.ReducerOptions)
