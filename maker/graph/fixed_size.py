"""Gives a model whose input has open dimensions a fixed size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from maker.errors import EncoderError
from maker.graph.source import Source


def with_input_shape(path: str | Path, shape: tuple[int, ...]) -> Source:
    """Reads a model with one input, and says the shapes that its tensors have with an input of this shape.

    The runtime finds them: the model is run once, with zeros.

    Raises:
        EncoderError: It is no TFLite model, or does not take this shape.
    """
    source = Source(path)
    # A delegate would leave the shapes of its own tensors as they are in the file.
    plain = {"experimental_op_resolver_type": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES, "experimental_preserve_all_tensors": True}
    interpreter = Interpreter(str(path), **plain)
    try:
        (query,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(query["index"], shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(query["index"], np.zeros(shape, query["dtype"]))
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise EncoderError(f"{path}: does not take an input of shape {list(shape)} ({error})") from error
    tensors = source.subgraph().tensors
    for details in interpreter.get_tensor_details():
        if details["index"] < len(tensors):
            tensor = tensors[details["index"]]
            tensor.shape, tensor.shapeSignature = np.asarray(details["shape"], np.int32), None
    return source
