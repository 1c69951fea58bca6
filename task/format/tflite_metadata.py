"""TFLite Metadata (`metadata_schema.fbs`): the parts that this project writes and reads.

Tables are described as field lists, so that encoding and decoding stay side by side; the numbers are the schema's field ids.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers.table import Table

NAME = "TFLITE_METADATA"  # of the entry in Model.metadata
IDENTIFIER = b"M001"
VOCABULARY, SCANN_INDEX_FILE = 5, 6  # AssociatedFileType
NORMALIZATION_OPTIONS, BERT_TOKENIZER, SENTENCE_PIECE_TOKENIZER, REGEX_TOKENIZER = 1, 4, 5, 6  # ProcessUnitOptions

# A field is (name, id, kind); kinds are text, byte, floats, table (of the fields that options_type says), or a table's fields in a list.
ASSOCIATED_FILE = [("name", 0, "text"), ("description", 1, "text"), ("type", 2, "byte")]
NORMALIZATION = [("mean", 0, "floats"), ("std", 1, "floats")]
OPTIONS: dict[int, list[Any]] = {
    NORMALIZATION_OPTIONS: NORMALIZATION,
    BERT_TOKENIZER: [("vocab_file", 0, ASSOCIATED_FILE)],
    SENTENCE_PIECE_TOKENIZER: [("sentencePiece_model", 0, ASSOCIATED_FILE), ("vocab_file", 1, ASSOCIATED_FILE)],
    REGEX_TOKENIZER: [("delim_regex_pattern", 0, "text"), ("vocab_file", 1, ASSOCIATED_FILE)],
}
PROCESS_UNIT = [("options_type", 0, "byte"), ("options", 1, "table")]
TENSOR = [("name", 0, "text"), ("description", 1, "text"), ("process_units", 4, PROCESS_UNIT), ("associated_files", 6, ASSOCIATED_FILE)]
SUBGRAPH = [
    ("name", 0, "text"),
    ("description", 1, "text"),
    ("input_tensor_metadata", 2, TENSOR),
    ("output_tensor_metadata", 3, TENSOR),
    ("associated_files", 4, ASSOCIATED_FILE),
    ("input_process_units", 5, PROCESS_UNIT),
]
MODEL = [
    ("name", 0, "text"),
    ("description", 1, "text"),
    ("version", 2, "text"),
    ("subgraph_metadata", 3, SUBGRAPH),
    ("author", 4, "text"),
    ("license", 5, "text"),
    ("associated_files", 6, ASSOCIATED_FILE),
    ("min_parser_version", 7, "text"),
]


class MetadataError(Exception):
    """The buffer is no TFLite Metadata."""


@dataclass
class TensorMetadata:
    """What the metadata say of one tensor."""

    name: str = ""
    description: str = ""
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)


def encode(model: dict[str, Any]) -> bytes:
    """Packs nested dictionaries whose keys are the field names above."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, MODEL, model), IDENTIFIER)
    return bytes(builder.Output())


def decode(content: bytes) -> dict[str, Any]:
    """Unpacks into nested dictionaries; absent fields are left out.

    Raises:
        MetadataError: It is no TFLite Metadata, or it is damaged.
    """
    if content[4:8] != IDENTIFIER:
        raise MetadataError(f"bytes 4 to 8 are {content[4:8]!r}, expected {IDENTIFIER!r}")
    try:
        (root,) = struct.unpack_from("<I", content, 0)
        return _read(Table(bytearray(content), root), MODEL)
    except (struct.error, IndexError, UnicodeDecodeError, TypeError, ValueError, OverflowError) as error:
        raise MetadataError(f"the metadata are damaged ({error})") from error


def first_input(content: bytes) -> TensorMetadata:
    """What the metadata say of the first subgraph's first input; empty where they say nothing."""
    for subgraph in decode(content).get("subgraph_metadata", [])[:1]:
        for tensor in subgraph.get("input_tensor_metadata", [])[:1]:
            found = TensorMetadata(tensor.get("name", ""), tensor.get("description", ""))
            for unit in tensor.get("process_units", []):
                if unit.get("options_type") == NORMALIZATION_OPTIONS:
                    options = unit.get("options", {})
                    found.mean, found.std = options.get("mean", []), options.get("std", [])
            return found
    return TensorMetadata()


def _write(builder: Any, fields: list[Any], values: dict[str, Any]) -> int:
    unknown = values.keys() - {name for name, _, _ in fields}
    if unknown:
        raise KeyError(f"no such field: {', '.join(sorted(unknown))}")
    prepared = []
    for name, slot, kind in fields:
        if name not in values:
            continue
        value = values[name]
        if kind == "text":
            prepared.append((slot, kind, builder.CreateString(value)))
        elif kind == "floats":
            prepared.append((slot, kind, builder.CreateNumpyVector(np.asarray(value, np.float32))))
        elif kind == "byte":
            prepared.append((slot, kind, value))
        elif kind == "table":
            prepared.append((slot, kind, _write(builder, OPTIONS[values["options_type"]], value)))
        else:
            tables = [_write(builder, kind, v) for v in value]
            builder.StartVector(4, len(tables), 4)
            for table in reversed(tables):
                builder.PrependUOffsetTRelative(table)
            prepared.append((slot, "vector", builder.EndVector()))
    builder.StartObject(1 + max(slot for _, slot, _ in fields))
    for slot, kind, value in prepared:
        if kind == "byte":
            builder.PrependUint8Slot(slot, value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _read(table: Table, fields: list[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, slot, kind in fields:
        offset = table.Offset(4 + 2 * slot)
        if not offset:
            continue
        if kind == "text":
            values[name] = table.String(offset + table.Pos).decode()
        elif kind == "byte":
            values[name] = table.Bytes[offset + table.Pos]
        elif kind == "floats":
            start, count = table.Vector(offset), table.VectorLen(offset)
            values[name] = list(struct.unpack_from(f"<{count}f", table.Bytes, start))
        elif kind == "table":
            if values.get("options_type") in OPTIONS:
                values[name] = _read(Table(table.Bytes, table.Indirect(offset + table.Pos)), OPTIONS[values["options_type"]])
        else:
            start, count = table.Vector(offset), table.VectorLen(offset)
            values[name] = [_read(Table(table.Bytes, table.Indirect(start + 4 * i)), kind) for i in range(count)]
    return values
