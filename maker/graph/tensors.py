"""Tensors of one subgraph under construction, and the bare addition of an operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.flatbuffer import Chunks, Constant
from maker.graph.shared_tables import SharedTables
from maker.graph.source import DTYPES

Op, Options = schema.BuiltinOperator, schema.BuiltinOptions
TYPES = {dtype: code for code, dtype in DTYPES.items() if dtype != np.dtype(object)}
NO_ACTIVATION = schema.ActivationFunctionType.NONE


class Tensors:
    """Declares tensors and appends operators; shapes are static throughout.

    Attributes:
        shared: What the model's subgraphs share.
        table: The `schema.SubGraphT` that is filled.
    """

    def __init__(self, shared: SharedTables, table: Any) -> None:
        self.shared = shared
        self.table = table
        self._constant_of: dict[int, int] = {}
        self._kept: list[Any] = []

    def tensor(self, name: str, shape: tuple[int, ...], dtype: Any, scale: float | None = None, buffer: int = 0) -> int:
        """Declares a tensor; `scale` is the step of a symmetrically quantised one."""
        entry = schema.TensorT()
        entry.name, entry.shape, entry.type, entry.buffer = name, list(shape), TYPES[np.dtype(dtype)], buffer
        entry.hasRank = True
        self.table.tensors.append(entry)
        added = len(self.table.tensors) - 1
        if scale is not None:
            self._set_scale(added, scale)
        return added

    def constant(self, content: Constant, name: str = "constant", scale: float | None = None) -> int:
        """A constant tensor; the same array object is stored once in the model."""
        if id(content) not in self._constant_of:
            self._kept.append(content)
            index = self.tensor(name, content.shape, content.dtype, scale, self.shared.buffer(content))
            self._constant_of[id(content)] = index
        return self._constant_of[id(content)]

    def shape(self, tensor: int) -> tuple[int, ...]:
        """The shape of a tensor."""
        return tuple(int(d) for d in self.table.tensors[tensor].shape)

    def dtype(self, tensor: int) -> np.dtype:
        """The type of a tensor's values."""
        return DTYPES[self.table.tensors[tensor].type]

    def operator(
        self, code: int, inputs: list[int], outputs: list[int], options: Any = None, options_type: int = 0, version: int = 1
    ) -> None:
        """Appends an operator."""
        entry = schema.OperatorT()
        entry.opcodeIndex = self.shared.operator_code(code, version)
        entry.inputs, entry.outputs = inputs, outputs
        entry.builtinOptions, entry.builtinOptionsType = options, options_type
        self.table.operators.append(entry)

    def _given(self, value: int | np.ndarray | Chunks) -> int:
        """The tensor that stands for a value; an array becomes a constant, and so does a NumPy scalar."""
        if isinstance(value, np.generic):
            value = np.asarray(value)
        return self.constant(value) if isinstance(value, (np.ndarray, Chunks)) else value

    def _new(self, code: int, shape: tuple[int, ...], dtype: Any, inputs: list[int], *args: Any, **kwargs: Any) -> int:
        output = self.tensor(f"t{len(self.table.tensors)}", shape, dtype, kwargs.pop("scale", None))
        self.operator(code, inputs, [output], *args, **kwargs)
        return output

    def _set_scale(self, x: int, scale: float) -> None:
        quantisation = schema.QuantizationParametersT()
        quantisation.scale, quantisation.zeroPoint = np.array([scale], np.float32), np.array([0], np.int64)
        self.table.tensors[x].quantization = quantisation

    def _scale(self, x: int) -> float | None:
        quantisation = self.table.tensors[x].quantization
        return float(quantisation.scale[0]) if quantisation is not None and quantisation.scale is not None else None
