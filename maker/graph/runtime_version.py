"""Which TensorFlow Lite release first ran an operator in the version that a file names.

Facts from TensorFlow's release history (`lite/tools/versioning/runtime_version.cc` keeps the same list); only operators that this
project writes or has met in embedders are here. That signatures can be asked by name is another matter: 2.7 can, in Python, and 2.4 cannot.
"""

from __future__ import annotations

from typing import Any

from ai_edge_litert.schema_py_generated import BuiltinOperator as Op
from ai_edge_litert.schema_py_generated import TensorType as Type

BASE = "1.14.0"  # every operator up to NEWEST_IN_BASE in version 1 that is not listed
NEWEST_IN_BASE = Op.ROUND
UNKNOWN = "2.17.0"  # newer than any that the list knows
# The releases of versions 1, 2, 3, ….
SINCE = {
    Op.ABS: ("1.13.0", "2.4.0", "2.5.0", "2.6.0"),
    Op.ADD: ("1.5.0", "1.14.0", "2.4.0", "2.6.0"),
    Op.ARG_MAX: ("1.9.0", "1.14.0", "2.9.0"),
    Op.AVERAGE_POOL_2D: ("1.5.0", "1.14.0", "2.3.0"),
    Op.BATCH_MATMUL: ("2.3.0", "2.3.0", "2.4.0", "2.5.0"),
    Op.BROADCAST_ARGS: ("2.6.0",),
    Op.BROADCAST_TO: (UNKNOWN, "2.5.0", "2.5.0"),  # version 1 was taken back
    Op.CAST: ("1.5.0", "2.7.0", "2.8.0", "2.9.0"),
    Op.CONCATENATION: ("1.5.0", "1.14.0", "2.3.0"),
    Op.CONV_2D: ("1.5.0", "1.14.0", "1.14.0", "2.3.0", "2.4.0", "2.9.0"),
    Op.CUMSUM: ("2.4.0",),
    Op.DEPTHWISE_CONV_2D: ("1.5.0", "1.12.0", "1.14.0", "2.2.0", "2.3.0", "2.3.0"),
    Op.DEQUANTIZE: ("1.13.1", "1.14.0", "1.15.0", "2.2.0", "2.7.0"),
    Op.DIV: ("1.6.0", "2.3.0"),
    Op.EQUAL: ("1.14.0", "1.14.0", "2.3.0"),
    Op.FILL: ("1.13.0", "2.3.0", "2.5.0"),
    Op.FLOOR_DIV: ("1.14.0", "1.14.0"),
    Op.FULLY_CONNECTED: ("1.5.0", "1.10.0", "1.14.0", "1.14.0", "2.0.0", "2.1.0", "2.3.0", "2.3.0", "2.3.0", "2.11.0"),
    Op.GATHER: ("1.6.0", "1.14.0", "1.15.0", "2.4.0", "2.5.0"),
    Op.GATHER_ND: ("1.14.0", "2.3.0", "2.5.0"),
    Op.GELU: ("2.9.0", "2.9.0"),
    Op.GREATER: ("1.14.0", "1.14.0"),
    Op.GREATER_EQUAL: ("1.14.0", "1.14.0"),
    Op.HARD_SWISH: ("1.15.0",),
    Op.IF: ("1.15.0",),
    Op.L2_NORMALIZATION: ("1.5.0", "1.14.0"),
    Op.LESS: ("1.14.0", "1.14.0"),
    Op.LESS_EQUAL: ("1.14.0", "1.14.0"),
    Op.LOGICAL_AND: ("1.11.0",),
    Op.LOGICAL_NOT: ("1.11.0",),
    Op.LOGICAL_OR: ("1.11.0",),
    Op.LOGISTIC: ("1.14.0", "1.14.0", "2.3.0"),
    Op.MAXIMUM: ("1.14.0", "1.14.0", "2.3.0", "2.3.0"),
    Op.MAX_POOL_2D: ("1.5.0", "1.14.0", "2.3.0"),
    Op.MEAN: ("1.6.0", "1.14.0", "2.4.0"),
    Op.MINIMUM: ("1.14.0", "1.14.0", "2.3.0", "2.3.0"),
    Op.MUL: ("1.5.0", "1.14.0", "1.15.0", "2.3.0", "2.6.0"),
    Op.NOT_EQUAL: ("1.14.0", "1.14.0", "2.3.0"),
    Op.PACK: ("1.11.0", "1.14.0", "2.3.0"),
    Op.PAD: ("1.5.0", "1.14.0", "2.4.0", "2.6.0"),
    Op.PADV2: ("1.9.0", "1.14.0", "2.4.0", "2.6.0"),
    Op.QUANTIZE: ("1.14.0", "1.15.0", "2.7.0"),
    Op.REDUCE_ALL: ("2.6.0",),
    Op.REDUCE_ANY: ("1.11.0",),
    Op.REDUCE_MAX: ("1.11.0", "1.14.0", "2.5.0"),
    Op.REDUCE_MIN: ("1.11.0", "1.14.0", "2.5.0"),
    Op.RELU: ("1.5.0", "2.1.0", "2.5.0"),
    Op.RELU6: ("1.5.0", "1.14.0", "2.5.0"),
    Op.RESIZE_BILINEAR: ("1.7.0", "1.14.0", "2.2.0", "2.5.0"),
    Op.RSQRT: ("1.10.0", "2.5.0"),
    Op.SCATTER_ND: ("2.1.0",),
    Op.SELECT: ("1.14.0", "1.14.0"),
    Op.SELECT_V2: ("2.2.0",),
    Op.SLICE: ("1.14.0", "1.14.0", "1.14.0", "2.4.0", "2.5.0"),
    Op.SOFTMAX: ("1.5.0", "1.14.0", "2.3.0"),
    Op.SPLIT: ("1.5.0", "1.14.0", "1.14.0", "2.3.0"),
    Op.SQUARED_DIFFERENCE: ("1.13.1", "2.5.0"),
    Op.SQUEEZE: ("1.6.0", "2.5.0"),
    Op.STRIDED_SLICE: ("1.6.0", "1.14.0", "2.1.0", "2.2.0", "2.5.0", "2.6.0"),
    Op.SUB: ("1.6.0", "1.14.0", "2.3.0", "2.4.0", "2.4.0"),
    Op.SUM: ("1.10.0", "1.15.0"),
    Op.TANH: ("1.14.0", "1.14.0", "2.3.0"),
    Op.TILE: ("1.10.1", "2.2.0", "2.8.0"),
    Op.TOPK_V2: ("1.7.0", "1.14.0"),
    Op.TRANSPOSE: ("1.6.0", "1.14.0", "1.15.0", "2.3.0", "2.4.0"),
    Op.UNPACK: ("1.11.0", "1.14.0", "2.2.0", "2.3.0"),
    Op.UNSORTED_SEGMENT_MIN: ("2.11.0",),
    Op.WHILE: ("1.15.0",),
}


def since(operator: int, version: int) -> str | None:
    """The release that first ran an operator in a version, `BASE` for any up to that one; None where the list does not have it."""
    releases = SINCE.get(operator, (BASE,) if operator <= NEWEST_IN_BASE else ())
    return max(releases[version - 1], BASE, key=_number) if 1 <= version <= len(releases) else None


def required(model: Any) -> str:
    """The release from which every operator of a `schema.ModelT` runs, with right results; `UNKNOWN` if the list lacks one of them."""
    releases = [since(_code(code), code.version) or UNKNOWN for code in model.operatorCodes]
    if any(_outruns_its_version(model, graph, operator) for graph in model.subgraphs for operator in graph.operators):
        releases.append(UNKNOWN)
    return max([BASE, *releases], key=_number)


def _outruns_its_version(model: Any, graph: Any, operator: Any) -> bool:
    """Whether an operator needs a newer release than its version says.

    Measured on 2.14: FULLY_CONNECTED of float32 with int8 weights of a scale per channel loads and returns NaN, and GATHER of float16 is
    refused. Converters give them the versions of older operators.
    """
    code = _code(model.operatorCodes[operator.opcodeIndex])
    if code == Op.FULLY_CONNECTED:
        values, weights = (graph.tensors[number] for number in operator.inputs[:2])
        scales = weights.quantization.scale if weights.quantization is not None else None
        return bool(values.type == Type.FLOAT32 and weights.type == Type.INT8 and scales is not None and len(scales) > 1)
    return bool(code == Op.GATHER and graph.tensors[operator.inputs[0]].type == Type.FLOAT16)


def _code(code: Any) -> int:
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))
