"""The weights that XNNPACK packs: a copy in memory for each subgraph that multiplies by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from maker.graph.source import DTYPES
from maker.graph.tensors import Op

PACKING = {Op.FULLY_CONNECTED, Op.CONV_2D, Op.DEPTHWISE_CONV_2D, Op.TRANSPOSE_CONV, Op.BATCH_MATMUL}  # their second input is the weights
LIGHT = 1 << 21  # bytes; fewer are worth a second copy: an IF plans its operators anew for each query, 0.2 microseconds an operator


def packed_bytes(model: Any, tables: Iterable[Any], is_constant: Callable[[Any], bool]) -> int:
    """The bytes of the weights that subgraphs multiply by.

    Args:
        model: The `schema.ModelT`.
        tables: Its `schema.SubGraphT`s to look at.
        is_constant: Whether a `schema.TensorT` has content in the file.
    """
    weights = []
    for table in tables:
        for operator in table.operators:
            code = model.operatorCodes[operator.opcodeIndex]
            if max(code.builtinCode, code.deprecatedBuiltinCode) in PACKING and is_constant(table.tensors[operator.inputs[1]]):
                weights.append(table.tensors[operator.inputs[1]])
    return sum(int(np.prod(weight.shape, dtype=np.int64)) * DTYPES[weight.type].itemsize for weight in weights)
