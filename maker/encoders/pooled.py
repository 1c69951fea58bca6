"""Finds the features behind the class scores of an image classifier."""

from __future__ import annotations

import math

from ai_edge_litert import schema_py_generated as schema

from maker.graph.source import Source, SourceTensor

Op = schema.BuiltinOperator
POOLS = (Op.MEAN, Op.AVERAGE_POOL_2D)
SCORES = (Op.SOFTMAX, Op.LOGISTIC, Op.LOG_SOFTMAX)
# What classifiers have between the pooled features and the class scores.
BETWEEN = (Op.FULLY_CONNECTED, Op.CONV_2D, Op.RESHAPE, Op.SQUEEZE, Op.QUANTIZE, Op.DEQUANTIZE, Op.HARD_SWISH, *SCORES)
IMAGENET = (1000, 1001)  # its classes, and one for the background
LEAST = 64  # features; fewer are no pooled feature map


def pooled_features(source: Source) -> SourceTensor | None:
    """The last pooled features of a classifier: a better embedding than its class scores.

    A model counts as a classifier if its one output has the size of ImageNet's classes or ends in a softmax or a sigmoid.

    Returns:
        The tensor; None if the model is no classifier, or of a shape that is not known here.
    """
    sub = source.subgraph()
    if len(sub.outputs) != 1:
        return None
    writers = {int(output): operator for operator in sub.operators for output in operator.outputs}
    tensor, is_classifier = int(sub.outputs[0]), _size(source.outputs()[0]) in IMAGENET
    while tensor in writers:
        operator = writers[tensor]
        codes = source.model.operatorCodes[operator.opcodeIndex]
        code = max(codes.builtinCode, codes.deprecatedBuiltinCode)  # old models have only the latter
        found = source.at(tensor)
        if code in POOLS and found.shape[-1] == _size(found) >= LEAST:
            return found if is_classifier else None
        if code not in BETWEEN:
            return None
        is_classifier |= code in SCORES
        tensor = int(operator.inputs[0])
    return None


def _size(tensor: SourceTensor) -> int:
    return math.prod(tensor.shape)
