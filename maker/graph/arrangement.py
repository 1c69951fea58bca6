"""Operators that move values: shapes, slices, gathering and scattering."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.tensors import Op, Options, Tensors


class Arrangement(Tensors):
    """A NumPy array in the place of a tensor becomes a constant."""

    def reshape(self, x: int, shape: tuple[int, ...]) -> int:
        """The same values in another shape; a quantised tensor keeps its scale."""
        if self.shape(x) == tuple(shape):
            return x
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        wanted = self.constant(np.array(shape, np.int32), "shape")
        return self._new(Op.RESHAPE, tuple(shape), self.dtype(x), [x, wanted], options, Options.ReshapeOptions, scale=self._scale(x))

    def transpose(self, x: int, axes: tuple[int, ...]) -> int:
        """The same values with their axes in another order: axis i of the result is axis `axes[i]` of x."""
        shape = tuple(self.shape(x)[axis] for axis in axes)
        inputs = [x, self.constant(np.array(axes, np.int32), "axes")]
        return self._new(Op.TRANSPOSE, shape, self.dtype(x), inputs, schema.TransposeOptionsT(), Options.TransposeOptions)

    def gather(self, table: Any, index: int, axis: int = 0) -> int:
        """Slices of `table` along `axis` at int32 positions."""
        table = self._given(table)
        options = schema.GatherOptionsT()
        options.axis = axis
        shape = self.shape(table)[:axis] + self.shape(index) + self.shape(table)[axis + 1 :]
        version = 2 if self.dtype(table) == np.int8 else 1
        scale = self._scale(table)
        return self._new(Op.GATHER, shape, self.dtype(table), [table, index], options, Options.GatherOptions, version, scale=scale)

    def gather_blocks(self, table: int, index: int) -> int:
        """Blocks of rows, `[c, b, d]` at `[n]` int32 positions, one after the other: `[n * b, d]`.

        Between the two operators the tensor has no scale. With one, XNNPACK takes the reshape of int8 values, and copies them; the
        interpreter's own only gives them another shape.
        """
        scale = self._scale(table)
        blocks = self.gather(table, index)
        self.table.tensors[blocks].quantization = None
        _, rows, width = self.shape(table)
        rows = self.reshape(blocks, (self.shape(index)[0] * rows, width))
        if scale is not None:
            self._set_scale(rows, scale)
        return rows

    def scatter(self, index: int, updates: Any, size: int) -> int:
        """`[size]`: zeros, to which `updates[i]` is added at `index[i]`; both `[n]`, index int32 in `[0, size)`.

        TensorFlow Lite's kernel adds up what falls on one place, on every release; a test holds it to that.
        """
        updates = self._given(updates)
        (n,) = self.shape(index)
        inputs = [self.reshape(index, (n, 1)), updates, self.constant(np.array([size], np.int32), "size")]
        return self._new(Op.SCATTER_ND, (size,), self.dtype(updates), inputs, schema.ScatterNdOptionsT(), Options.ScatterNdOptions)

    def concat(self, parts: list[Any], axis: int = 0) -> int:
        """Joins tensors along `axis`."""
        inputs = [self._given(part) for part in parts]
        options = schema.ConcatenationOptionsT()
        options.axis = axis
        shape = list(self.shape(inputs[0]))
        shape[axis] = sum(self.shape(i)[axis] for i in inputs)
        return self._new(Op.CONCATENATION, tuple(shape), self.dtype(inputs[0]), inputs, options, Options.ConcatenationOptions)

    def slice(self, x: int, begin: tuple[int, ...], size: tuple[int, ...]) -> int:
        """The block of `size` that starts at `begin`."""
        if size == self.shape(x):
            return x
        bounds = [self.constant(np.array(v, np.int32), "bounds") for v in (begin, size)]
        return self._new(Op.SLICE, size, self.dtype(x), [x, *bounds], schema.SliceOptionsT(), Options.SliceOptions)

    def shift(self, x: int, by: int, fill: int = 0) -> int:
        """A vector moved `by` places to the right (to the left where negative), with `fill` coming in."""
        (length,) = self.shape(x)
        filling = np.full(abs(by), fill, self.dtype(x))
        if by > 0:
            return self.concat([filling, self.slice(x, (0,), (length - by,))])
        return self.concat([self.slice(x, (-by,), (length + by,)), filling])
