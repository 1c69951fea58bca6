"""A tower that PyTorch's converter wrote, with its weights rounded to int8 here.

The converter's own int8 files give NaN on older runtimes. Here each matrix and kernel is int8 with a scale a channel: the graph makes
float32 of it with one scale, computes in float32, and multiplies the result by the channels' scales. Every runtime has these operators.
It saves bytes in the file, not time.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.encoders.weights import Weights
from maker.errors import EncoderError
from maker.graph.int8 import int8_rows
from maker.graph.source import Source
from maker.graph.subgraph import NO_ACTIVATION, Subgraph
from maker.graph.tensors import Op

SMALLEST = 1024  # values; smaller tensors stay as they are
CHANNEL = {Op.FULLY_CONNECTED: 0, Op.CONV_2D: 0, Op.DEPTHWISE_CONV_2D: 3}  # the axis of the weights that is the result's last


@dataclass(frozen=True)
class ConvertedTower:
    """A tower for pictures in a float32 `.tflite`, from uint8 `[1, size, size, 3]` to `[1, dimension]`.

    Attributes:
        source: The file.
        weights: How its matrices and kernels are stored.
    """

    source: Source
    weights: Weights
    _stored: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Looks at the file's input and output.

        Raises:
            EncoderError: They are not of that kind.
        """
        inputs, outputs = self.source.inputs(), self.source.outputs()
        taken = [(tensor.shape, tensor.dtype) for tensor in inputs]
        square = len(taken) == 1 and len(taken[0][0]) == 4 and taken[0][0][1] == taken[0][0][2] and taken[0][0][3] == 3
        if not square or taken[0][1] != np.uint8 or len(outputs) != 1 or len(outputs[0].shape) != 2:
            raise EncoderError(f"{self.source.path}: takes {taken}, expected pixels uint8 [1, size, size, 3] and one embedding [1, d]")

    @property
    def input_shape(self) -> tuple[int, ...]:
        """`(1, size, size, 3)`."""
        return self.source.inputs()[0].shape

    @property
    def size(self) -> int:
        """Height and width of a picture."""
        return self.input_shape[1]

    @property
    def dimension(self) -> int:
        """Length of the embedding."""
        return self.source.outputs()[0].shape[1]

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the tower: pixels uint8 of `input_shape` to `[1, dimension]` float32."""
        rewrite = self._rewrite if self.weights != "float32" else None
        (embedding,) = g.inline(self.source, {self.source.inputs()[0].index: query}, [self.source.outputs()[0].index], None, rewrite)
        return embedding

    def _rewrite(self, g: Any, code: int, operator: Any, other: Any, place: Callable[[int], int]) -> int | None:
        """Writes a product with rounded weights."""
        if code not in CHANNEL or len(operator.inputs) < 2:
            return None
        number = int(operator.inputs[1])
        stored = self._constant(other.tensors[number], CHANNEL[code])
        if stored is None:
            return None
        values, scales = stored
        options = copy.copy(operator.builtinOptions)
        activation, options.fusedActivationFunction = options.fusedActivationFunction, NO_ACTIVATION
        weights = g.dequantize(g.constant(values, "weights") if self.weights == "float16" else g.constant(values, "weights", 1.0))
        shape = tuple(int(d) for d in other.tensors[operator.outputs[0]].shape)
        inputs = [
            place(int(operator.inputs[0])),
            weights,
            -1 if code == Op.FULLY_CONNECTED else g.constant(np.zeros(len(scales), np.float32)),
        ]
        source_code = self.source.model.operatorCodes[operator.opcodeIndex]
        result = g._new(code, shape, np.float32, inputs, options, operator.builtinOptionsType, source_code.version)
        has_bias = len(operator.inputs) > 2 and operator.inputs[2] >= 0
        if self.weights != "float16":
            result = g.mul(result, scales)
        bias = place(int(operator.inputs[2])) if has_bias else g.constant(np.zeros(len(scales), np.float32))
        return int(g.add(result, bias, activation))

    def _constant(self, tensor: Any, channel: int) -> tuple[np.ndarray, np.ndarray] | None:
        """A tensor's values as they are stored, and scales of the channels; None for one that stays as it is."""
        data = self.source.model.buffers[tensor.buffer].data
        if tensor.type != schema.TensorType.FLOAT32 or data is None or len(data) < 4 * SMALLEST:
            return None
        if id(data) not in self._stored:
            values = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.float32).reshape([int(d) for d in tensor.shape])
            rows = np.moveaxis(values, channel, 0)
            codes, scales = int8_rows(np.ascontiguousarray(rows.reshape(len(rows), -1)))
            if self.weights == "float16":
                self._stored[id(data)] = values.astype(np.float16), scales
            else:
                self._stored[id(data)] = np.ascontiguousarray(np.moveaxis(codes.reshape(rows.shape), 0, channel)), scales
        return self._stored[id(data)]
