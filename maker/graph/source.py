"""Reads an existing `.tflite` so that its operators can be inlined into another model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.errors import EncoderError


@dataclass(frozen=True)
class SourceTensor:
    """What a caller has to know of a tensor: shape, NumPy dtype and its quantisation (real = scale * (value - zero_point)).

    `is_dynamic` says that a dimension behind the first, the batch, is left open; `is_open` that any is.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    scale: float | None
    zero_point: int
    is_dynamic: bool
    is_open: bool = False

    @property
    def is_readable(self) -> bool:
        """Whether its values are float32, or 8 bits with one scale."""
        return self.dtype == np.float32 or (self.dtype in (np.uint8, np.int8) and self.scale is not None)


# Where an operator's options name subgraphs.
PARTS = {
    schema.BuiltinOptions.IfOptions: ("thenSubgraphIndex", "elseSubgraphIndex"),
    schema.BuiltinOptions.WhileOptions: ("condSubgraphIndex", "bodySubgraphIndex"),
}
DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT32: np.dtype(np.int32),
    schema.TensorType.UINT8: np.dtype(np.uint8),
    schema.TensorType.INT64: np.dtype(np.int64),
    schema.TensorType.BOOL: np.dtype(np.bool_),
    schema.TensorType.INT16: np.dtype(np.int16),
    schema.TensorType.INT8: np.dtype(np.int8),
    schema.TensorType.STRING: np.dtype(object),
}


class Source:
    """A `.tflite` read from disk; immutable by convention, since several models may inline it.

    Raises:
        EncoderError: The file is no TFLite model.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        content = Path(path).read_bytes()
        if content[4:8] != b"TFL3":
            raise EncoderError(f"{path}: not a TFLite model (bytes 4 to 8 are {content[4:8]!r}, expected b'TFL3')")
        try:
            self.model = schema.ModelT.InitFromPackedBuf(content, 0)
        except Exception as error:  # the generated reader raises struct.error, IndexError, … on damage
            raise EncoderError(f"{path}: the FlatBuffer is damaged ({error})") from error

    @cached_property
    def signatures(self) -> dict[str, Any]:
        """Signature key to `schema.SignatureDefT`."""
        return {_text(s.signatureKey): s for s in self.model.signatureDefs or []}

    def subgraph(self, signature: str | None = None) -> Any:
        """The `schema.SubGraphT` of a signature, or the first one."""
        return self.model.subgraphs[self.signatures[signature].subgraphIndex if signature else 0]

    def with_parts(self, signature: str) -> list[Any]:
        """The `schema.SubGraphT` of a signature, and those that its operators name (IF, WHILE), each once."""
        waiting, found = [self.signatures[signature].subgraphIndex], dict[int, Any]()
        while waiting:
            number = waiting.pop()
            if number not in found:
                found[number] = self.model.subgraphs[number]
                for operator in found[number].operators:
                    waiting += [getattr(operator.builtinOptions, part) for part in PARTS.get(operator.builtinOptionsType, ())]
        return list(found.values())

    def rounds_activations(self, signature: str | None = None) -> bool:
        """Whether a FULLY_CONNECTED takes float32 and int8 weights: each kernel rounds the float32 to 8 bits in its own way."""
        for sub in self.with_parts(signature) if signature else [self.subgraph()]:
            for operator in sub.operators:
                code = self.model.operatorCodes[operator.opcodeIndex]
                if max(code.builtinCode, code.deprecatedBuiltinCode) == schema.BuiltinOperator.FULLY_CONNECTED:
                    values, weights = (sub.tensors[number].type for number in operator.inputs[:2])
                    if values == schema.TensorType.FLOAT32 and weights == schema.TensorType.INT8:
                        return True
        return False

    def is_constant(self, tensor: Any) -> bool:
        """Whether a `schema.TensorT` of the model has content in the file."""
        data = self.model.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    def inputs(self, signature: str | None = None) -> list[SourceTensor]:
        """The inputs in the subgraph's order."""
        sub = self.subgraph(signature)
        return [self._tensor(sub, i) for i in sub.inputs]

    def outputs(self, signature: str | None = None) -> list[SourceTensor]:
        """The outputs in the subgraph's order."""
        sub = self.subgraph(signature)
        return [self._tensor(sub, i) for i in sub.outputs]

    def tensor(self, name: str) -> SourceTensor:
        """A tensor of the first subgraph by its name.

        Raises:
            EncoderError: There is none of that name; the message lists float and 8-bit ones that an operator writes, from the end.
        """
        sub = self.model.subgraphs[0]
        for index, tensor in enumerate(sub.tensors):
            if _text(tensor.name) == name:
                return self._tensor(sub, index)
        written = [_text(sub.tensors[o].name) for op in sub.operators for o in op.outputs]
        raise EncoderError(f"{self.path}: no tensor {name!r}; the last ones are {', '.join(written[-6:])}")

    def at(self, index: int, signature: str | None = None) -> SourceTensor:
        """A tensor of a signature's subgraph, or of the first one, by its number."""
        return self._tensor(self.subgraph(signature), index)

    def written(self, output: SourceTensor, query: SourceTensor, signature: str | None = None) -> list[SourceTensor]:
        """The tensors that the operators between a query and an output write, in order."""
        sub = self.subgraph(signature)
        operators = needed(sub.operators, [output.index], {query.index})
        return [self._tensor(sub, index) for operator in operators for index in operator.outputs]

    def _tensor(self, sub: Any, index: int) -> SourceTensor:
        tensor = sub.tensors[index]
        quantisation = tensor.quantization
        scaled = quantisation is not None and quantisation.scale is not None and len(quantisation.scale) == 1
        return SourceTensor(
            index=int(index),
            name=_text(tensor.name),
            shape=tuple(int(d) for d in (tensor.shape if tensor.shape is not None else ())),
            dtype=DTYPES.get(tensor.type, np.dtype(object)),
            scale=float(quantisation.scale[0]) if scaled else None,
            is_dynamic=tensor.shapeSignature is not None and bool(np.any(np.asarray(tensor.shapeSignature)[1:] < 0)),
            is_open=tensor.shapeSignature is not None and bool(np.any(np.asarray(tensor.shapeSignature) < 0)),
            zero_point=int(quantisation.zeroPoint[0]) if scaled and quantisation.zeroPoint is not None else 0,
        )


def needed(operators: list[Any], wanted: list[int], given: set[int]) -> list[Any]:
    """The operators on which tensors depend, in their order: a walk back over the topologically sorted list.

    Args:
        operators: Those of a subgraph.
        wanted: The tensors.
        given: Tensors that are known already, such as inputs.
    """
    open_tensors, kept = set(wanted) - given, []
    for operator in reversed(operators):
        if open_tensors.intersection(int(o) for o in operator.outputs):
            kept.append(operator)
            open_tensors.update(int(i) for i in operator.inputs if i >= 0 and int(i) not in given)
    return kept[::-1]


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
