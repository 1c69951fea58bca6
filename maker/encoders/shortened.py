"""A text model at fewer places than it was converted for: the same operators and weights, with shorter tensors.

Which dimensions are places follows from the inputs, operator by operator; a model with an operator whose dimensions cannot be followed
stays as it is. That a shorter run gives the same embedding (the tower is masked, or causal) is not looked up here but tried by the caller.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.source import DTYPES, Source

Op = schema.BuiltinOperator
ELEMENTWISE = {
    *(Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MAXIMUM, Op.MINIMUM, Op.POW, Op.SQUARED_DIFFERENCE, Op.FLOOR_DIV, Op.FLOOR_MOD),
    *(Op.CAST, Op.DEQUANTIZE, Op.QUANTIZE, Op.GELU, Op.RELU, Op.RELU6, Op.TANH, Op.LOGISTIC, Op.HARD_SWISH, Op.EXP, Op.NEG),
    *(Op.RSQRT, Op.SQRT, Op.SQUARE, Op.ABS, Op.SOFTMAX, Op.EQUAL, Op.NOT_EQUAL, Op.LESS, Op.LESS_EQUAL, Op.GREATER, Op.GREATER_EQUAL),
    *(Op.LOGICAL_AND, Op.LOGICAL_OR, Op.LOGICAL_NOT, Op.SELECT, Op.SELECT_V2),
}
Marks = tuple[bool, ...]  # of each dimension of a tensor: whether it is places


class NotFollowedError(Exception):
    """A dimension of places cannot be followed through an operator."""


class ShortenedSource(Source):
    """A model at fewer places; it shares the constants of the model that it was made of."""

    def __init__(self, source: Source, signature: str | None, inputs: Sequence[int], length: int) -> None:
        """Makes it.

        Args:
            source: The model.
            signature: Which subgraph; the first one where None.
            inputs: The inputs whose last dimension is places.
            length: Places.

        Raises:
            NotFollowedError: An operator's dimensions cannot be followed.
        """
        self.path = source.path
        self.model = copy.copy(source.model)
        self.model.buffers = list(source.model.buffers)
        self.model.subgraphs = list(source.model.subgraphs)
        number = source.signatures[signature].subgraphIndex if signature else 0
        self._graph = copy.copy(source.subgraph(signature))
        self._graph.tensors = [copy.copy(tensor) for tensor in self._graph.tensors]
        self._graph.operators = [copy.copy(operator) for operator in self._graph.operators]
        self.model.subgraphs[number] = self._graph
        self._length = length
        self._marks: dict[int, Marks] = {}
        for tensor in self._graph.inputs:
            marks = [False] * len(self._shape(tensor))
            if int(tensor) in inputs:
                self._places, marks[-1] = self._shape(tensor)[-1], True
            self._marks[int(tensor)] = tuple(marks)
        for operator in self._graph.operators:
            self._follow(operator)
        for index, found in self._marks.items():
            self._shorten(index, found)

    def _follow(self, operator: Any) -> None:
        code = self.model.operatorCodes[operator.opcodeIndex]
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        given = [int(i) for i in operator.inputs]
        outputs = [int(o) for o in operator.outputs]
        marks = [self._marks_of(i) if i >= 0 else () for i in given]
        if not any(any(m) for m in marks):
            self._marks.update({o: (False,) * len(self._shape(o)) for o in outputs})
            return
        if builtin in ELEMENTWISE:
            found = self._broadcast(given, outputs[0])
            if builtin == Op.SOFTMAX and marks[0][:-1] == found[:-1]:
                found = marks[0]
        elif builtin == Op.FULLY_CONNECTED:
            found = self._fully_connected(marks, outputs[0])
        elif builtin == Op.BATCH_MATMUL:
            found = self._matrix_product(operator, marks)
        elif builtin == Op.GATHER:
            axis = operator.builtinOptions.axis
            found = marks[0][:axis] + marks[1] + marks[0][axis + 1 :]
            self._require(not any(marks[0]))
        elif builtin == Op.RESHAPE:
            found = self._reshape(operator, given, marks[0], outputs[0])
        elif builtin == Op.TRANSPOSE:
            found = tuple(marks[0][axis] for axis in self._constant(given[1]).tolist())
        elif builtin in (Op.MEAN, Op.SUM, Op.REDUCE_MAX):
            axes = {int(axis) % len(marks[0]) for axis in self._constant(given[1]).reshape(-1)}
            self._require(builtin != Op.MEAN or not any(marks[0][axis] for axis in axes))
            kept = operator.builtinOptions.keepDims
            found = tuple(m and i not in axes for i, m in enumerate(marks[0]) if kept or i not in axes)
        elif builtin == Op.CONCATENATION:
            axis = operator.builtinOptions.axis % len(marks[0])
            found = tuple(any(m[i] for m in marks) for i in range(len(marks[0])))
            self._require(not found[axis] and all(m == found for m in marks))
        elif builtin == Op.SLICE:
            found = self._slice(operator, given, marks[0])
        else:
            raise NotFollowedError
        self._marks[outputs[0]] = found

    def _broadcast(self, given: list[int], output: int) -> Marks:
        """Marks of the result; constants of all places get theirs, to be cut."""
        rank = len(self._shape(output))
        aligned = {i: (False,) * (rank - len(self._shape(i))) + self._marks_of(i) for i in given if i >= 0}
        found = tuple(any(marks[axis] for marks in aligned.values()) for axis in range(rank))
        for index, marks in aligned.items():
            shape = self._shape(index)
            lead = rank - len(shape)
            wanted = tuple(found[lead + axis] and shape[axis] > 1 for axis in range(len(shape)))
            if wanted != marks[lead:]:
                self._require(self._is_constant(index) and not any(self._marks.get(index, ())))
                self._marks[index] = wanted
        return found

    def _fully_connected(self, marks: list[Marks], output: int) -> Marks:
        self._require(not marks[0][-1] and not any(any(m) for m in marks[1:]))
        rank = len(self._shape(output))
        if rank == len(marks[0]):
            return (*marks[0][:-1], False)
        raise NotFollowedError

    def _matrix_product(self, operator: Any, marks: list[Marks]) -> Marks:
        a, b = marks
        first = a[:-2] + ((a[-1], a[-2]) if operator.builtinOptions.adjX else (a[-2], a[-1]))
        second = b[:-2] + ((b[-1], b[-2]) if operator.builtinOptions.adjY else (b[-2], b[-1]))
        self._require(len(a) == len(b) and first[-1] == second[-2] and not any(first[:-2]) and not any(second[:-2]))
        return (*first[:-2], first[-2], second[-1])

    def _reshape(self, operator: Any, given: list[int], marks: Marks, output: int) -> Marks:
        """Places stay a dimension of their own: the one of that size with as many values before it."""
        before, after = self._shape(given[0]), self._shape(output)
        found = [False] * len(after)
        for axis in np.flatnonzero(marks).tolist():
            places = [i for i, size in enumerate(after) if size == before[axis] and np.prod(after[:i]) == np.prod(before[:axis])]
            self._require(len(places) == 1)
            found[places[0]] = True
        shape = [self._length if marked else size for marked, size in zip(found, after, strict=True)]
        if len(given) > 1:
            operator.inputs = [given[0], self._new_constant(given[1], np.array(shape, np.int32))]
        if operator.builtinOptions is not None:
            operator.builtinOptions = copy.copy(operator.builtinOptions)
            operator.builtinOptions.newShape = shape
        return tuple(found)

    def _slice(self, operator: Any, given: list[int], marks: Marks) -> Marks:
        begin, size = self._constant(given[1]), self._constant(given[2]).copy()
        found = list(marks)
        for axis, marked in enumerate(marks):
            if marked:
                whole = begin[axis] == 0 and size[axis] in (-1, self._places)
                self._require(whole or (begin[axis] == 0 and size[axis] == 1))
                found[axis] = bool(whole)
                size[axis] = self._length if whole else 1
        operator.inputs = [given[0], given[1], self._new_constant(given[2], size)]
        return tuple(found)

    def _marks_of(self, index: int) -> Marks:
        return self._marks.get(index, (False,) * len(self._shape(index)))

    def _shape(self, index: int) -> tuple[int, ...]:
        shape = self._graph.tensors[index].shape
        return tuple(int(d) for d in (shape if shape is not None else ()))

    def _is_constant(self, index: int) -> bool:
        data = self.model.buffers[self._graph.tensors[index].buffer].data
        return data is not None and len(data) > 0

    def _constant(self, index: int) -> np.ndarray:
        self._require(self._is_constant(index))
        tensor = self._graph.tensors[index]
        data = np.asarray(self.model.buffers[tensor.buffer].data, np.uint8)
        return data.view(DTYPES[tensor.type]).reshape(self._shape(index))

    def _new_constant(self, like: int, content: np.ndarray) -> int:
        """A tensor as another one, with other content of its type."""
        tensor = copy.copy(self._graph.tensors[like])
        buffer = schema.BufferT()
        buffer.data = np.ascontiguousarray(content.astype(DTYPES[tensor.type])).reshape(-1).view(np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer, tensor.shape = len(self.model.buffers) - 1, list(content.shape)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def _shorten(self, index: int, marks: Marks) -> None:
        if not any(marks):
            return
        tensor, shape = self._graph.tensors[index], self._shape(index)
        if self._is_constant(index):
            cut = self._constant(index)[tuple(slice(0, self._length if m else None) for m in marks)]
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(cut).reshape(-1).view(np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        tensor.shape = [self._length if m else size for m, size in zip(marks, shape, strict=True)]
        tensor.shapeSignature = None

    def _require(self, condition: Any) -> None:
        if not condition:
            raise NotFollowedError
