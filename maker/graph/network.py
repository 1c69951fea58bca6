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

    def gelu(self, x: int) -> int:
        """x times the cumulative normal distribution at x, exactly, by the error function. Releases from 2.9 on have it."""
        options = schema.GeluOptionsT()
        options.approximate = False
        return self._new(Op.GELU, self.shape(x), np.float32, [x], options, Options.GeluOptions)

    def batch_matmul(self, a: int, b: int, transpose_b: bool = False) -> int:
        """Matrix products `[…, n, k]` of `[…, n, m]` and `[…, m, k]`, or `[…, k, m]` where b is transposed."""
        options = schema.BatchMatMulOptionsT()
        options.adjX, options.adjY, options.asymmetricQuantizeInputs = False, transpose_b, False
        shape = (*self.shape(a)[:-1], self.shape(b)[-2 if transpose_b else -1])
        return self._new(Op.BATCH_MATMUL, shape, np.float32, [a, b], options, Options.BatchMatMulOptions)

    def fully_connected(self, x: int, weights: Any, bias: Any = None, activation: int = NO_ACTIVATION) -> int:
        """x `[m, d]` float32 times the rows of `weights` `[n, d]`, plus `bias` `[n]`: `[m, n]`.

        int8 weights take the hybrid kernel (operator version 3), which needs no newer runtime; it also quantises x, to 8 bits by the
        largest magnitude of each row.
        """
        weights = self._given(weights)
        options = schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        version = 3 if self.dtype(weights) == np.int8 else 1
        shape = (self.shape(x)[0], self.shape(weights)[0])
        inputs = [x, weights, -1 if bias is None else self._given(bias)]
        return self._new(Op.FULLY_CONNECTED, shape, np.float32, inputs, options, Options.FullyConnectedOptions, version)
