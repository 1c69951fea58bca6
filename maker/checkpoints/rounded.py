"""Rounds the weights of a converted float32 network, operator by operator.

Matrices, and kernels of 1 x 1, are int8 rows that are multiplied as in `maker.encoders.weights.Linear`. Of other int8 kernels, and of
float16, the graph makes float32 before it computes: that saves bytes in the file, but neither time nor memory.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.encoders.weights import Linear, Weights
from maker.graph.int8 import int8_rows
from maker.graph.source import Source
from maker.graph.subgraph import NO_ACTIVATION
from maker.graph.tensors import Op

# Values; smaller weights stay float32. In int8, those of the first layers and depthwise kernels lose most and save least.
SMALLEST = {"float16": 1024, "int8": 65_536}
CHANNEL = {Op.FULLY_CONNECTED: 0, Op.CONV_2D: 0, Op.DEPTHWISE_CONV_2D: 3}  # the axis of the weights that is the result's last


class RoundedProducts:
    """Writes the products of a network with rounded weights, as a `Rewrite` of `maker.graph.inlining.inline`.

    Each constant is rounded once, so that a model stores it once however often the network is written.
    """

    def __init__(self, source: Source, weights: Weights) -> None:
        """Takes the network; `weights` says how its products are stored."""
        self._source = source
        self._weights = weights
        self._matrices: dict[int, Linear] = {}
        self._kernels: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, g: Any, code: int, operator: Any, other: Any, place: Callable[[int], int]) -> int | None:
        """Adds an operator with rounded weights; None for one that stays as it is."""
        if code not in CHANNEL or len(operator.inputs) < 2 or self._weights == "float32":
            return None
        tensor = other.tensors[int(operator.inputs[1])]
        data = self._source.model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) < 4 * SMALLEST[self._weights]:
            return None
        options = copy.copy(operator.builtinOptions)
        activation, options.fusedActivationFunction = options.fusedActivationFunction, NO_ACTIVATION
        x, shape = place(int(operator.inputs[0])), tuple(int(d) for d in other.tensors[operator.outputs[0]].shape)
        kernel = tuple(int(d) for d in tensor.shape)
        if self._weights == "int8" and _is_matrix(code, kernel, g.shape(x), options):
            rows = self._matrices.setdefault(id(data), Linear(_values(data, (kernel[0], kernel[-1])), None, "int8"))
            result = g.reshape(rows.write(g, g.reshape(x, (int(np.prod(shape[:-1])), kernel[-1]))), shape)
        else:
            values, scales = self._kernel(data, kernel, CHANNEL[code])
            stored = g.dequantize(g.constant(values, "weights") if self._weights == "float16" else g.constant(values, "weights", 1.0))
            bias = -1 if code == Op.FULLY_CONNECTED else g.constant(np.zeros(shape[-1], np.float32))
            version = self._source.model.operatorCodes[operator.opcodeIndex].version
            result = g._new(code, shape, np.float32, [x, stored, bias], options, operator.builtinOptionsType, version)
            if self._weights == "int8":
                result = g.mul(result, scales)
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        added = place(int(operator.inputs[2])) if has_bias else g.constant(np.zeros(shape[-1], np.float32))
        return int(g.add(result, added, activation))

    def _kernel(self, data: np.ndarray, shape: tuple[int, ...], channel: int) -> tuple[np.ndarray, np.ndarray]:
        """Values as they are stored, and scales of the channels, which float16 has no use for."""
        if id(data) not in self._kernels:
            values = _values(data, shape)
            if self._weights == "float16":
                self._kernels[id(data)] = values.astype(np.float16), np.ones(0, np.float32)
            else:
                rows = np.moveaxis(values, channel, 0)
                codes, scales = int8_rows(np.ascontiguousarray(rows.reshape(len(rows), -1)))
                self._kernels[id(data)] = np.ascontiguousarray(np.moveaxis(codes.reshape(rows.shape), 0, channel)), scales
        return self._kernels[id(data)]


def _is_matrix(code: int, kernel: tuple[int, ...], x: tuple[int, ...], options: Any) -> bool:
    """Whether a product is that of a matrix with each vector of the last axis."""
    if code == Op.FULLY_CONNECTED:
        return x[-1] == kernel[-1]
    plain = code == Op.CONV_2D and kernel[1:3] == (1, 1) and x[-1] == kernel[-1]  # else in groups of channels
    return bool(plain and options.strideH == options.strideW == 1)


def _values(data: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(np.ascontiguousarray(data).tobytes(), np.float32).reshape(shape)
