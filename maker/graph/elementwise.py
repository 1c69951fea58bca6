"""Operators that work on each element: arithmetic, comparisons, logic, choices, types."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.tensors import NO_ACTIVATION, TYPES, Op, Options, Tensors


class Elementwise(Tensors):
    """Binary operators broadcast as NumPy's do; a NumPy array or scalar in the place of a tensor becomes a constant."""

    def _binary(self, code: int, options: Any, kind: int, a: Any, b: Any, dtype: Any = None, activation: int | None = None) -> int:
        a, b = self._given(a), self._given(b)
        if activation is not None:
            options.fusedActivationFunction = activation
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self._new(code, shape, dtype or self.dtype(a), [a, b], options, kind)

    def add(self, a: Any, b: Any, activation: int = NO_ACTIVATION) -> int:
        """a + b; int32 wraps around."""
        return self._binary(Op.ADD, schema.AddOptionsT(), Options.AddOptions, a, b, activation=activation)

    def sub(self, a: Any, b: Any) -> int:
        """a - b; int32 wraps around."""
        return self._binary(Op.SUB, schema.SubOptionsT(), Options.SubOptions, a, b)

    def mul(self, a: Any, b: Any) -> int:
        """a * b; int32 wraps around."""
        return self._binary(Op.MUL, schema.MulOptionsT(), Options.MulOptions, a, b)

    def div(self, a: Any, b: Any) -> int:
        """a / b for floats."""
        return self._binary(Op.DIV, schema.DivOptionsT(), Options.DivOptions, a, b)

    def floor_div(self, a: Any, b: Any) -> int:
        """Floor of a / b for int32."""
        return self._binary(Op.FLOOR_DIV, schema.FloorDivOptionsT(), Options.FloorDivOptions, a, b)

    def floor_mod(self, a: Any, b: Any) -> int:
        """a modulo b, of b's sign, for int32."""
        return self._binary(Op.FLOOR_MOD, schema.FloorModOptionsT(), Options.FloorModOptions, a, b)

    def minimum(self, a: Any, b: Any) -> int:
        """The smaller of each pair."""
        return self._binary(Op.MINIMUM, schema.MaximumMinimumOptionsT(), Options.MaximumMinimumOptions, a, b)

    def maximum(self, a: Any, b: Any) -> int:
        """The larger of each pair."""
        return self._binary(Op.MAXIMUM, schema.MaximumMinimumOptionsT(), Options.MaximumMinimumOptions, a, b)

    def equal(self, a: Any, b: Any) -> int:
        """a == b, bool."""
        return self._binary(Op.EQUAL, schema.EqualOptionsT(), Options.EqualOptions, a, b, np.bool_)

    def not_equal(self, a: Any, b: Any) -> int:
        """a != b, bool."""
        return self._binary(Op.NOT_EQUAL, schema.NotEqualOptionsT(), Options.NotEqualOptions, a, b, np.bool_)

    def less(self, a: Any, b: Any) -> int:
        """a < b, bool."""
        return self._binary(Op.LESS, schema.LessOptionsT(), Options.LessOptions, a, b, np.bool_)

    def less_equal(self, a: Any, b: Any) -> int:
        """a <= b, bool."""
        return self._binary(Op.LESS_EQUAL, schema.LessEqualOptionsT(), Options.LessEqualOptions, a, b, np.bool_)

    def greater(self, a: Any, b: Any) -> int:
        """a > b, bool."""
        return self._binary(Op.GREATER, schema.GreaterOptionsT(), Options.GreaterOptions, a, b, np.bool_)

    def greater_equal(self, a: Any, b: Any) -> int:
        """a >= b, bool."""
        return self._binary(Op.GREATER_EQUAL, schema.GreaterEqualOptionsT(), Options.GreaterEqualOptions, a, b, np.bool_)

    def logical_and(self, a: Any, b: Any) -> int:
        """Both, bool."""
        return self._binary(Op.LOGICAL_AND, schema.LogicalAndOptionsT(), Options.LogicalAndOptions, a, b, np.bool_)

    def logical_or(self, a: Any, b: Any) -> int:
        """Either, bool."""
        return self._binary(Op.LOGICAL_OR, schema.LogicalOrOptionsT(), Options.LogicalOrOptions, a, b, np.bool_)

    def logical_not(self, a: int) -> int:
        """The other truth value, bool."""
        return self._new(Op.LOGICAL_NOT, self.shape(a), np.bool_, [a], schema.LogicalNotOptionsT(), Options.LogicalNotOptions)

    def select(self, condition: int, a: Any, b: Any) -> int:
        """a where `condition` (bool) holds, else b."""
        a, b = self._given(a), self._given(b)
        shape = np.broadcast_shapes(self.shape(condition), self.shape(a), self.shape(b))
        return self._new(Op.SELECT_V2, shape, self.dtype(a), [condition, a, b], schema.SelectV2OptionsT(), Options.SelectV2Options)

    def cast(self, x: int, dtype: Any) -> int:
        """Converts a tensor's type; bool becomes 0 or 1."""
        options = schema.CastOptionsT()
        source = self.table.tensors[x].type
        options.inDataType, options.outDataType = source, TYPES[np.dtype(dtype)]
        return self._new(Op.CAST, self.shape(x), dtype, [x], options, Options.CastOptions)

    def floor(self, x: int) -> int:
        """The largest integer that is not above x, as float32."""
        return self._new(Op.FLOOR, self.shape(x), np.float32, [x])

    def rsqrt(self, x: int) -> int:
        """1 / sqrt(x)."""
        return self._new(Op.RSQRT, self.shape(x), np.float32, [x])

    def log(self, x: int) -> int:
        """The natural logarithm."""
        return self._new(Op.LOG, self.shape(x), np.float32, [x])

    def logistic(self, x: int) -> int:
        """1 / (1 + exp(-x))."""
        return self._new(Op.LOGISTIC, self.shape(x), np.float32, [x])

    def dequantize(self, x: int) -> int:
        """A quantised or float16 tensor as float32."""
        version = {np.dtype(np.int8): 2, np.dtype(np.float16): 3}.get(self.dtype(x), 1)
        return self._new(Op.DEQUANTIZE, self.shape(x), np.float32, [x], schema.DequantizeOptionsT(), Options.DequantizeOptions, version)
