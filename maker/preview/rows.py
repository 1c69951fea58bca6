"""Finds the stored rows of a searcher's index in its file, so that a reader of the file can ask with an item ("more like this").

A graph searcher has no signature that takes an item. Its rows are constants of the graph, and the operators around them say what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from mmap import mmap
from typing import Any

from ai_edge_litert import schema_py_generated as schema

SIGNATURE, ROWS = b"search_embedding", b"rows"
TYPES = {schema.TensorType.FLOAT32: "float32", schema.TensorType.INT8: "int8", schema.TensorType.UINT8: "uint8"}
DATA_FIELD = 4  # vtable slot of Buffer.data
Op = schema.BuiltinOperator


@dataclass(frozen=True)
class Place:
    """An array in the file: bytes from the file's start, and its shape; little-endian, row-major."""

    offset: int
    shape: list[int]


@dataclass(frozen=True)
class Rows:
    """Where an index keeps what it knows of its items.

    Attributes:
        type: `int8` (value times the row's scale), `float32`, or `uint8` (codes: entry numbers, a block of dimensions each).
        rows: `(chunks, rows, width)` values.
        scales: `(chunks, rows)` float32; None where rows are no int8.
        ids: `(chunks, rows)` int32, the item in each row, -1 for padding; None where row i is item i.
        entries: `(blocks, entries, dimensions)` float32; None where rows are no codes.
    """

    type: str
    rows: Place
    scales: Place | None = None
    ids: Place | None = None
    entries: Place | None = None

    def describe(self) -> dict[str, Any]:
        """As JSON can say it."""
        return asdict(self)


def locate_rows(content: bytes | mmap) -> Rows | None:
    """Finds the rows.

    Args:
        content: The whole file.

    Returns:
        Where they are, or None where the graph is not one that this release knows: the file can be searched all the same.
    """
    graph = _graph(content)
    if graph is None:
        return None
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    model = schema.Model.GetRootAs(content, 0)
    operators = [(_code(model, graph, i), graph.Operators(i)) for i in range(graph.OperatorsLength())]

    def gathers() -> Iterator[tuple[int, int, int]]:
        for code, operator in operators:
            if code == Op.GATHER:
                yield operator.Inputs(0), operator.Inputs(1), operator.Outputs(0)

    def place(tensor: int) -> Place | None:
        table = model.Buffers(tensors[tensor].Buffer())._tab
        field = table.Offset(DATA_FIELD)
        if not field:
            return None
        shape = [int(tensors[tensor].Shape(i)) for i in range(tensors[tensor].ShapeLength())]
        return Place(int(table.Vector(field)), shape)

    picks = [picked for values, picked, _ in gathers() if tensors[values].Name() == ROWS]
    if len(picks) != 1:
        return None
    found: dict[str, Place] = {}
    kind = ""
    for values, picked, output in gathers():
        at, dtype = place(values), tensors[values].Type()
        if picked != picks[0] or at is None:
            continue
        if tensors[values].Name() == ROWS:
            found["rows"], kind = at, TYPES.get(dtype, "")
        elif dtype == schema.TensorType.INT32:
            found["ids"] = at
        elif Op.MUL in _users(operators, output):
            found["scales"] = at
    for code, operator in operators:
        if code == Op.MUL and tensors[operator.Inputs(1)].ShapeLength() == 3 and (at := place(operator.Inputs(1))):
            found["entries"] = at
    complete = {"int8": "scales" in found, "float32": True, "uint8": "entries" in found}
    return Rows(kind, **found) if complete.get(kind) else None


def _graph(content: bytes | mmap) -> Any:
    model = schema.Model.GetRootAs(content, 0)
    for i in range(model.SignatureDefsLength()):
        if model.SignatureDefs(i).SignatureKey() == SIGNATURE:
            return model.Subgraphs(model.SignatureDefs(i).SubgraphIndex())
    return None


def _code(model: Any, graph: Any, operator: int) -> int:
    entry = model.OperatorCodes(graph.Operators(operator).OpcodeIndex())
    return max(int(entry.BuiltinCode()), int(entry.DeprecatedBuiltinCode()))


def _users(operators: list[tuple[int, Any]], tensor: int) -> set[int]:
    """The operators that read a tensor, a RESHAPE looked through."""
    users: set[int] = set()
    for code, operator in operators:
        if tensor in [operator.Inputs(i) for i in range(operator.InputsLength())]:
            users |= _users(operators, operator.Outputs(0)) if code == Op.RESHAPE else {code}
    return users
