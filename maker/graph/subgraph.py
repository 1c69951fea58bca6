"""One subgraph under construction: tensors, operators, and other models' operators inlined."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.errors import EncoderError
from maker.graph.flatbuffer import Chunks, Constant
from maker.graph.shared_tables import SharedTables
from maker.graph.source import DTYPES, Source

Op, Options, Type = schema.BuiltinOperator, schema.BuiltinOptions, schema.TensorType
TYPES = {dtype: code for code, dtype in DTYPES.items() if dtype != np.dtype(object)}
RELU, NO_ACTIVATION = schema.ActivationFunctionType.RELU, schema.ActivationFunctionType.NONE
# Operators that reach beyond their subgraph.
REFUSED = {Op.IF, Op.WHILE, Op.CALL_ONCE, Op.CALL, Op.CUSTOM, Op.VAR_HANDLE, Op.READ_VARIABLE, Op.ASSIGN_VARIABLE}


class Subgraph:
    """Adds operators and returns the index of their output tensor.

    Shapes are static throughout. A NumPy array or scalar given where a tensor is expected becomes a constant.
    """

    def __init__(self, shared: SharedTables, table: Any) -> None:
        self.shared = shared
        self.table = table
        self._constant_of: dict[int, int] = {}
        self._kept: list[Any] = []

    # -- tensors -----------------------------------------------------------------------------------------------------------------

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

    def _given(self, value: int | np.ndarray | Chunks) -> int:
        return self.constant(value) if isinstance(value, (np.ndarray, Chunks)) else value

    # -- operators ---------------------------------------------------------------------------------------------------------------

    def operator(
        self, code: int, inputs: list[int], outputs: list[int], options: Any = None, options_type: int = 0, version: int = 1
    ) -> None:
        """Appends an operator."""
        entry = schema.OperatorT()
        entry.opcodeIndex = self.shared.operator_code(code, version)
        entry.inputs, entry.outputs = inputs, outputs
        entry.builtinOptions, entry.builtinOptionsType = options, options_type
        self.table.operators.append(entry)

    def _new(self, code: int, shape: tuple[int, ...], dtype: Any, inputs: list[int], *args: Any, **kwargs: Any) -> int:
        output = self.tensor(f"t{len(self.table.tensors)}", shape, dtype, kwargs.pop("scale", None))
        self.operator(code, inputs, [output], *args, **kwargs)
        return output

    def _binary(self, code: int, options: Any, kind: int, a: Any, b: Any, dtype: Any = None, activation: int | None = None) -> int:
        a, b = self._given(a), self._given(b)
        if activation is not None:
            options.fusedActivationFunction = activation
        shape = np.broadcast_shapes(self.shape(a), self.shape(b))
        return self._new(code, shape, dtype or self.dtype(a), [a, b], options, kind)

    def add(self, a: Any, b: Any, activation: int = NO_ACTIVATION) -> int:
        """a + b."""
        return self._binary(Op.ADD, schema.AddOptionsT(), Options.AddOptions, a, b, activation=activation)

    def sub(self, a: Any, b: Any) -> int:
        """a - b."""
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
        """a == b as int32 0 or 1."""
        same = self._binary(Op.EQUAL, schema.EqualOptionsT(), Options.EqualOptions, a, b, dtype=np.bool_)
        return self.cast(same, np.int32)

    def cast(self, x: int, dtype: Any) -> int:
        """Converts a tensor's type."""
        options = schema.CastOptionsT()
        source = self.table.tensors[x].type
        options.inDataType, options.outDataType = source, TYPES[np.dtype(dtype)]
        return self._new(Op.CAST, self.shape(x), dtype, [x], options, Options.CastOptions)

    def reshape(self, x: int, shape: tuple[int, ...]) -> int:
        """The same values in another shape; a quantised tensor keeps its scale."""
        if self.shape(x) == tuple(shape):
            return x
        options = schema.ReshapeOptionsT()
        options.newShape = list(shape)
        wanted = self.constant(np.array(shape, np.int32), "shape")
        return self._new(Op.RESHAPE, tuple(shape), self.dtype(x), [x, wanted], options, Options.ReshapeOptions, scale=self._scale(x))

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
        bounds = [self.constant(np.array(v, np.int32), "bounds") for v in (begin, size)]
        return self._new(Op.SLICE, size, self.dtype(x), [x, *bounds], schema.SliceOptionsT(), Options.SliceOptions)

    def shift(self, x: int, by: int, fill: int = 0) -> int:
        """A vector moved `by` places to the right (to the left where negative), with `fill` coming in."""
        (length,) = self.shape(x)
        filling = np.full(abs(by), fill, self.dtype(x))
        if by > 0:
            return self.concat([filling, self.slice(x, (0,), (length - by,))])
        return self.concat([self.slice(x, (-by,), (length + by,)), filling])

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

    def _reduce(self, code: int, x: int, axis: int) -> int:
        options = schema.ReducerOptionsT()
        options.keepDims = False
        shape = tuple(d for i, d in enumerate(self.shape(x)) if i != axis % len(self.shape(x)))
        axes = self.constant(np.array([axis], np.int32), "axis")
        return self._new(code, shape, self.dtype(x), [x, axes], options, Options.ReducerOptions)

    def sum(self, x: int, axis: int) -> int:
        """Sum over one axis."""
        return self._reduce(Op.SUM, x, axis)

    def mean(self, x: int, axis: int) -> int:
        """Mean over one axis."""
        return self._reduce(Op.MEAN, x, axis)

    def reduce_max(self, x: int, axis: int) -> int:
        """Largest value over one axis."""
        return self._reduce(Op.REDUCE_MAX, x, axis)

    def floor(self, x: int) -> int:
        """The largest integer that is not above x, as float32."""
        return self._new(Op.FLOOR, self.shape(x), np.float32, [x])

    def rsqrt(self, x: int) -> int:
        """1 / sqrt(x)."""
        return self._new(Op.RSQRT, self.shape(x), np.float32, [x])

    def logistic(self, x: int) -> int:
        """1 / (1 + exp(-x))."""
        return self._new(Op.LOGISTIC, self.shape(x), np.float32, [x])

    def softmax(self, x: int) -> int:
        """exp(x) divided by its sum along the last axis."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self._new(Op.SOFTMAX, self.shape(x), np.float32, [x], options, Options.SoftmaxOptions)

    def l2_normalize(self, x: int) -> int:
        """Rows divided by their Euclidean norm."""
        return self._new(Op.L2_NORMALIZATION, self.shape(x), np.float32, [x], schema.L2NormOptionsT(), Options.L2NormOptions)

    def dequantize(self, x: int) -> int:
        """A quantised tensor as float32."""
        version = 2 if self.dtype(x) == np.int8 else 1
        return self._new(Op.DEQUANTIZE, self.shape(x), np.float32, [x], schema.DequantizeOptionsT(), Options.DequantizeOptions, version)

    def fully_connected(self, x: int, weights: Any, bias: Any = None, activation: int = NO_ACTIVATION) -> int:
        """x `[1, d]` float32 times the rows of `weights` `[n, d]`, plus `bias` `[n]`: `[1, n]`.

        int8 weights take the hybrid kernel (operator version 3), which needs no newer runtime; it also quantises x, to 8 bits by its
        largest magnitude.
        """
        weights = self._given(weights)
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        version = 3 if self.dtype(weights) == np.int8 else 1
        shape = (self.shape(x)[0], self.shape(weights)[0])
        inputs = [x, weights, -1 if bias is None else self._given(bias)]
        return self._new(Op.FULLY_CONNECTED, shape, np.float32, inputs, options, Options.FullyConnectedOptions, version)

    def _set_scale(self, x: int, scale: float) -> None:
        quantisation = schema.QuantizationParametersT()
        quantisation.scale, quantisation.zeroPoint = np.array([scale], np.float32), np.array([0], np.int64)
        self.table.tensors[x].quantization = quantisation

    def _scale(self, x: int) -> float | None:
        quantisation = self.table.tensors[x].quantization
        return float(quantisation.scale[0]) if quantisation is not None and quantisation.scale is not None else None

    # -- inlining ----------------------------------------------------------------------------------------------------------------

    def inline(self, source: Source, given: dict[int, int], wanted: list[int], signature: str | None = None) -> list[int]:
        """Copies the operators that `wanted` needs from a subgraph of `source`.

        Args:
            source: The model to copy from.
            given: Tensor index in the source to tensor index here, for its inputs.
            wanted: Tensor indices in the source.
            signature: Which subgraph; the first one where None.

        Returns:
            The tensors here that stand for `wanted`, in its order.

        Raises:
            EncoderError: An operator needs another subgraph (IF, WHILE, CALL_ONCE) or is a custom one.
        """
        other = source.subgraph(signature)
        moved = dict(given)
        for operator in _needed(other.operators, wanted, set(given)):
            for index in [*operator.inputs, *operator.outputs]:
                if index >= 0 and int(index) not in moved:
                    moved[int(index)] = self._import_tensor(source, other.tensors[index])
            code = source.model.operatorCodes[operator.opcodeIndex]
            builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
            if builtin in REFUSED:
                raise EncoderError(
                    f"{source.path}: operator {_operator_name(code)} cannot be taken into a searcher; convert the embedder with builtin "
                    "operators only, its variables frozen and without control flow"
                )
            copied = copy.copy(operator)
            copied.opcodeIndex = self.shared.operator_code(builtin, code.version)
            copied.inputs = [moved[int(i)] if i >= 0 else -1 for i in operator.inputs]
            copied.outputs = [moved[int(i)] for i in operator.outputs]
            self.table.operators.append(copied)
        return [moved[i] for i in wanted]

    def _import_tensor(self, source: Source, tensor: Any) -> int:
        copied = copy.copy(tensor)
        copied.buffer = self.shared.import_buffer(source, tensor.buffer)
        self.table.tensors.append(copied)
        return len(self.table.tensors) - 1


def _needed(operators: list[Any], wanted: list[int], given: set[int]) -> list[Any]:
    """The operators on which `wanted` depends, in their order; a walk back over the topologically sorted list."""
    open_tensors, kept = set(wanted) - given, []
    for operator in reversed(operators):
        if open_tensors.intersection(int(o) for o in operator.outputs):
            kept.append(operator)
            open_tensors.update(int(i) for i in operator.inputs if i >= 0 and int(i) not in given)
    return kept[::-1]


def _operator_name(code: Any) -> str:
    if code.customCode:
        return code.customCode.decode() if isinstance(code.customCode, bytes) else str(code.customCode)
    names = {v: k for k, v in vars(Op).items() if isinstance(v, int)}
    return names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown")
