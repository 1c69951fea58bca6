"""What the subgraphs of one model share: its buffers, its operator codes, and each other."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.graph.flatbuffer import Constant
from maker.graph.source import Source


class SharedTables:
    """Buffers, operator codes and subgraphs of a model under construction.

    A constant is stored once however many subgraphs use it: they name the same array object, and it is kept alive here.

    Attributes:
        model: The FlatBuffer's model; its `buffers`, `operatorCodes` and `subgraphs` are filled here.
        constants: Content of each buffer, by its index.
        parts: Subgraphs of choices that are used again, by their key.
    """

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.buffers = [schema.BufferT()]  # buffer 0 means "no data"
        self.model.operatorCodes = []
        self.model.subgraphs = []
        self.constants: dict[int, Constant] = {}
        self._buffer_of: dict[int, int] = {}
        self._code_of: dict[tuple[int, int, str | None], int] = {}
        self._imported: dict[int, int] = {}
        self._kept: list[Any] = []
        self.parts: dict[Hashable, Any] = {}
        self._imported_subgraphs: dict[tuple[int, int], int] = {}
        self._sources: list[Source] = []

    def subgraph(self, name: str) -> tuple[int, Any]:
        """Adds an empty subgraph; its number, and its `schema.SubGraphT`."""
        table = schema.SubGraphT()
        table.name, table.tensors, table.operators = name, [], []
        table.inputs, table.outputs = [], []
        self.model.subgraphs.append(table)
        return len(self.model.subgraphs) - 1, table

    def buffer(self, content: Constant) -> int:
        """The index of the buffer that holds `content`, made at its first use."""
        if id(content) not in self._buffer_of:
            self.model.buffers.append(schema.BufferT())
            index = len(self.model.buffers) - 1
            self.constants[index] = content
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
            self.model.operatorCodes.append(entry)
            self._code_of[key] = len(self.model.operatorCodes) - 1
        return self._code_of[key]

    def import_buffer(self, source: Source, index: int) -> int:
        """The buffer here that holds what buffer `index` of `source` holds; 0 where that is empty."""
        data = source.model.buffers[index].data
        if data is None or not len(data):
            return 0
        if id(data) not in self._imported:  # a model at fewer places holds the same arrays as the whole one
            self._kept.append(data)  # keeps its id from being used again
            self._imported[id(data)] = self.buffer(np.asarray(data, np.uint8))
        return self._imported[id(data)]

    def imported_subgraph(self, source: Source, number: int) -> int | None:
        """The number here of the source's subgraph that was imported before; None where it was not."""
        return self._imported_subgraphs.get((id(source), number))

    def remember_subgraph(self, source: Source, number: int, added: int) -> None:
        """Notes that subgraph `number` of `source` is `added` here."""
        self._sources.append(source)  # keeps id(source) from being reused
        self._imported_subgraphs[id(source), number] = added
