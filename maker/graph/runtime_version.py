"""Which TensorFlow Lite release first ran an operator in the version that a file names.

Facts from TensorFlow's release history (`tensorflow/lite/tools/versioning/runtime_version.cc` lists the same pairs); only what this
project writes or has met in embedders is listed, and an unknown pair is answered with the newest release that tests run on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ai_edge_litert.schema_py_generated import BuiltinOperator as Op

BASE = "1.14.0"  # every operator in version 1 that is not listed
UNKNOWN = "2.14.0"
SINCE = {
    (Op.GATHER, 2): "1.14.0",
    (Op.FULLY_CONNECTED, 2): "1.10.0",
    (Op.FULLY_CONNECTED, 3): "1.14.0",
    (Op.FULLY_CONNECTED, 4): "1.14.0",
    (Op.FULLY_CONNECTED, 9): "2.3.0",
    (Op.DEQUANTIZE, 2): "1.14.0",
    (Op.CONV_2D, 2): "1.14.0",
    (Op.CONV_2D, 3): "1.14.0",
    (Op.DEPTHWISE_CONV_2D, 2): "1.12.0",
    (Op.DEPTHWISE_CONV_2D, 3): "1.14.0",
    (Op.CUMSUM, 1): "2.4.0",
    (Op.BATCH_MATMUL, 1): "2.3.0",
    (Op.SELECT_V2, 1): "2.2.0",
    (Op.FLOOR_MOD, 1): "1.13.0",
    (Op.TOPK_V2, 1): "1.7.0",
    (Op.GELU, 1): "2.9.0",
}


def required(operator_codes: Iterable[Any]) -> str:
    """The newest release that any of the operator codes (`schema.OperatorCodeT`) asks for."""
    releases = [BASE]
    for code in operator_codes:
        key = (max(code.builtinCode, code.deprecatedBuiltinCode), code.version)
        releases.append(SINCE.get(key, BASE if code.version == 1 else UNKNOWN))
    return max(releases, key=lambda release: tuple(map(int, release.split("."))))
