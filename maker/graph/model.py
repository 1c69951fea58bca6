"""A TFLite model under construction: constants and operator codes that its subgraphs share, and their signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph import flatbuffer, runtime_version
from maker.graph.source import Source
from maker.graph.subgraph import Subgraph


class Model:
    """Collects subgraphs; `write` makes the file.

    A constant is stored once however many subgraphs use it: they name the same array object, and the model keeps it alive.
    """

    def __init__(self, description: str) -> None:
        self._model = schema.ModelT()
        self._model.version = 3
        self._model.description = description
        self._model.buffers = [schema.BufferT()]  # buffer 0 means "no data"
        self._model.operatorCodes = []
        self._model.subgraphs = []
        self._model.signatureDefs = []
        self._constants: dict[int, flatbuffer.Constant] = {}
        self._buffer_of: dict[int, int] = {}
        self._code_of: dict[tuple[int, int, str | None], int] = {}
        self._imported: dict[tuple[int, int], int] = {}
        self._sources: list[Source] = []

    def subgraph(self, name: str) -> Subgraph:
        """Opens a new, empty subgraph."""
        subgraph = schema.SubGraphT()
        subgraph.name, subgraph.tensors, subgraph.operators = name, [], []
        subgraph.inputs, subgraph.outputs = [], []
        self._model.subgraphs.append(subgraph)
        return Subgraph(self, subgraph)

    def signature(self, graph: Subgraph, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        """Declares `graph` callable under its own name, with named inputs and outputs (tensor indices)."""
        graph.table.inputs, graph.table.outputs = list(inputs.values()), list(outputs.values())
        for name, index in (*inputs.items(), *outputs.items()):
            graph.table.tensors[index].name = name
        signature = schema.SignatureDefT()
        signature.signatureKey = graph.table.name
        signature.subgraphIndex = self._model.subgraphs.index(graph.table)
        signature.inputs = [_tensor_map(n, i) for n, i in inputs.items()]
        signature.outputs = [_tensor_map(n, i) for n, i in outputs.items()]
        self._model.signatureDefs.append(signature)

    def buffer(self, content: flatbuffer.Constant) -> int:
        """The index of the buffer that holds `content`, made at its first use."""
        if id(content) not in self._buffer_of:
            self._model.buffers.append(schema.BufferT())
            index = len(self._model.buffers) - 1
            self._constants[index] = content
            self._buffer_of[id(content)] = index
        return self._buffer_of[id(content)]

    def operator_code(self, code: int, version: int, custom: str | None = None) -> int:
        """The index of an operator code, made at its first use."""
        key = (code, version, custom)
        if key not in self._code_of:
            entry = schema.OperatorCodeT()
            # Readers older than the 127th operator look at the deprecated field only.
            entry.builtinCode, entry.deprecatedBuiltinCode, entry.version = code, min(code, 127), version
            entry.customCode = custom
            self._model.operatorCodes.append(entry)
            self._code_of[key] = len(self._model.operatorCodes) - 1
        return self._code_of[key]

    def import_buffer(self, source: Source, index: int) -> int:
        """The buffer here that holds what buffer `index` of `source` holds; 0 where that is empty."""
        data = source.model.buffers[index].data
        if data is None or not len(data):
            return 0
        key = (id(source), index)
        if key not in self._imported:
            self._sources.append(source)  # keeps id(source) from being reused
            self._imported[key] = self.buffer(np.asarray(data, np.uint8))
        return self._imported[key]

    def metadata(self, name: str, content: bytes) -> None:
        """Attaches a named metadata buffer."""
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self.buffer(np.frombuffer(content, np.uint8))
        self._model.metadata = [*(self._model.metadata or []), entry]

    def min_runtime_version(self) -> str:
        """The TensorFlow Lite release from which every operator used is known."""
        return runtime_version.required(self._model.operatorCodes)

    def write(self, path: Path) -> int:
        """Writes the file and returns its size in bytes.

        Raises:
            BuildError: It would pass 2 GB.
        """
        # TensorFlow Lite's convention: a 16-byte, zero-padded string.
        self.metadata("min_runtime_version", self.min_runtime_version().encode().ljust(16, b"\0"))
        return flatbuffer.write(self._model, self._constants, path)


def _tensor_map(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry
