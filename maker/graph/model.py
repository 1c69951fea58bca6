"""A TFLite model under construction: its subgraphs and their signatures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph import flatbuffer, runtime_version
from maker.graph.packed_weights import packed_bytes
from maker.graph.shared_tables import SharedTables
from maker.graph.subgraph import Subgraph


class Model:
    """Collects subgraphs; `write` makes the file."""

    def __init__(self, description: str) -> None:
        self._shared = SharedTables()
        self._model = self._shared.model
        self._model.version = 3
        self._model.description = description
        self._model.signatureDefs = []

    def subgraph(self, name: str) -> Subgraph:
        """Opens a new, empty subgraph."""
        return Subgraph(self._shared, self._shared.subgraph(name)[1])

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

    def metadata(self, name: str, content: bytes) -> None:
        """Attaches a named metadata buffer."""
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, self._shared.buffer(np.frombuffer(content, np.uint8))
        self._model.metadata = [*(self._model.metadata or []), entry]

    def packed_bytes(self) -> int:
        """The bytes of the weights that XNNPACK packs, of all subgraphs."""
        return packed_bytes(self._model, self._model.subgraphs, lambda tensor: tensor.buffer in self._shared.constants)

    def min_runtime_version(self) -> str:
        """The TensorFlow Lite release from which every operator used is known."""
        return runtime_version.required(self._model)

    def write(self, path: Path) -> int:
        """Writes the file and returns its size in bytes.

        Raises:
            BuildError: It would pass 2 GB.
        """
        # TensorFlow Lite's convention: a 16-byte, zero-padded string.
        self.metadata("min_runtime_version", self.min_runtime_version().encode().ljust(16, b"\0"))
        return flatbuffer.write(self._model, self._shared.constants, path)


def _tensor_map(name: str, index: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, index
    return entry
