"""Operators of neural networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.tensors import NO_ACTIVATION, Op, Options, Tensors

RELU = schema.ActivationFunctionType.RELU


class Network(Tensors):
    """float32 throughout, weights excepted."""

    def softmax(self, x: int) -> int:
        """exp(x) divided by its sum along the last axis."""
        options = schema.SoftmaxOptionsT()
        options.beta = 1.0
        return self._new(Op.SOFTMAX, self.shape(x), np.float32, [x], options, Options.SoftmaxOptions)

    def l2_normalize(self, x: int) -> int:
        """Rows divided by their Euclidean norm."""
        return self._new(Op.L2_NORMALIZATION, self.shape(x), np.float32, [x], schema.L2NormOptionsT(), Options.L2NormOptions)

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
