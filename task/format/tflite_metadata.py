"""TFLite Metadata (`metadata_schema.fbs`) with all fields, so that metadata can be read and written again without loss.

Lists of fields describe the tables, for both the encoder and the decoder. The numbers are the field ids of the schema.
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
AUDIO = 4  # ContentProperties of a tensor that takes samples
# ProcessUnitOptions
NORMALIZATION_OPTIONS, SCORE_CALIBRATION_OPTIONS, SCORE_THRESHOLDING_OPTIONS = 1, 2, 3
BERT_TOKENIZER, SENTENCE_PIECE_TOKENIZER, REGEX_TOKENIZER = 4, 5, 6

# A field is (name, id, kind). A kind is text, texts, bytes, one of SCALARS or VECTORS, a Union, One table, or the fields of each table
# in a list.
SCALARS = {"byte": ("B", "Uint8"), "int": ("i", "Int32"), "uint": ("I", "Uint32"), "float": ("f", "Float32")}
VECTORS = {"floats": ("f", np.float32), "uints": ("I", np.uint32)}
DATA_ALIGNMENT = 16  # of custom metadata


@dataclass(frozen=True)
class One:
    """A field that is a table."""

    fields: list[Any]


@dataclass(frozen=True)
class Union:
    """A field that is one of several tables; an earlier field, `selector`, holds which one."""

    selector: str
    tables: dict[int, list[Any]]


ASSOCIATED_FILE = [("name", 0, "text"), ("description", 1, "text"), ("type", 2, "byte"), ("locale", 3, "text"), ("version", 4, "text")]
NORMALIZATION = [("mean", 0, "floats"), ("std", 1, "floats")]
OPTIONS: dict[int, list[Any]] = {
    NORMALIZATION_OPTIONS: NORMALIZATION,
    SCORE_CALIBRATION_OPTIONS: [("score_transformation", 0, "byte"), ("default_score", 1, "float")],
    SCORE_THRESHOLDING_OPTIONS: [("global_score_threshold", 0, "float")],
    BERT_TOKENIZER: [("vocab_file", 0, ASSOCIATED_FILE)],
    SENTENCE_PIECE_TOKENIZER: [("sentencePiece_model", 0, ASSOCIATED_FILE), ("vocab_file", 1, ASSOCIATED_FILE)],
    REGEX_TOKENIZER: [("delim_regex_pattern", 0, "text"), ("vocab_file", 1, ASSOCIATED_FILE)],
}
PROCESS_UNIT = [("options_type", 0, "byte"), ("options", 1, Union("options_type", OPTIONS))]
IMAGE_SIZE = [("width", 0, "uint"), ("height", 1, "uint")]
CONTENTS: dict[int, list[Any]] = {
    1: [],  # features
    2: [("color_space", 0, "byte"), ("default_size", 1, One(IMAGE_SIZE))],
    3: [("index", 0, "uints"), ("type", 1, "byte"), ("coordinate_type", 2, "byte")],  # bounding boxes
    AUDIO: [("sample_rate", 0, "uint"), ("channels", 1, "uint")],
}
CONTENT = [
    ("content_properties_type", 0, "byte"),
    ("content_properties", 1, Union("content_properties_type", CONTENTS)),
    ("range", 2, One([("min", 0, "int"), ("max", 1, "int")])),
]
TENSOR = [
    ("name", 0, "text"),
    ("description", 1, "text"),
    ("dimension_names", 2, "texts"),
    ("content", 3, One(CONTENT)),
    ("process_units", 4, PROCESS_UNIT),
    ("stats", 5, One([("max", 0, "floats"), ("min", 1, "floats")])),
    ("associated_files", 6, ASSOCIATED_FILE),
]
TENSOR_GROUP = [("name", 0, "text"), ("tensor_names", 1, "texts")]
SUBGRAPH = [
    ("name", 0, "text"),
    ("description", 1, "text"),
    ("input_tensor_metadata", 2, TENSOR),
    ("output_tensor_metadata", 3, TENSOR),
    ("associated_files", 4, ASSOCIATED_FILE),
    ("input_process_units", 5, PROCESS_UNIT),
    ("output_process_units", 6, PROCESS_UNIT),
    ("input_tensor_groups", 7, TENSOR_GROUP),
    ("output_tensor_groups", 8, TENSOR_GROUP),
    ("custom_metadata", 9, [("name", 0, "text"), ("data", 1, "bytes")]),
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
    """The buffer is not valid TFLite Metadata."""


@dataclass
class TensorMetadata:
    """The metadata of one tensor."""

    name: str = ""
    description: str = ""
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)


def encode(model: dict[str, Any]) -> bytes:
    """Encodes nested dictionaries whose keys are the field names above."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_write(builder, MODEL, model), IDENTIFIER)
    return bytes(builder.Output())


def decode(content: bytes) -> dict[str, Any]:
    """Decodes to nested dictionaries without absent fields.

    Raises:
        MetadataError: The content is not TFLite Metadata, or it is damaged.
    """
    if content[4:8] != IDENTIFIER:
        raise MetadataError(f"bytes 4 to 8 are {content[4:8]!r}, expected {IDENTIFIER!r}")
    try:
        (root,) = struct.unpack_from("<I", content, 0)
        return _read(Table(bytearray(content), root), MODEL)
    except (struct.error, IndexError, UnicodeDecodeError, TypeError, ValueError, OverflowError) as error:
        raise MetadataError(f"the metadata are damaged ({error})") from error


def first_input(content: bytes) -> TensorMetadata:
    """The metadata of the first input of the first subgraph; empty if there are none."""
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
        if isinstance(kind, str) and kind in SCALARS:
            prepared.append((slot, kind, value))
        else:
            prepared.append((slot, kind, _write_beside(builder, kind, value, values)))
    builder.StartObject(1 + max((slot for _, slot, _ in fields), default=-1))
    for slot, kind, value in prepared:
        if isinstance(kind, str) and kind in SCALARS:
            getattr(builder, f"Prepend{SCALARS[kind][1]}Slot")(slot, value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(slot, value, 0)
    return int(builder.EndObject())


def _write_beside(builder: Any, kind: Any, value: Any, values: dict[str, Any]) -> int:
    """Writes a value that a table points to, and returns its offset."""
    if isinstance(kind, Union):
        return _write(builder, kind.tables[values[kind.selector]], value)
    if isinstance(kind, One):
        return _write(builder, kind.fields, value)
    if kind == "text":
        return int(builder.CreateString(value))
    if kind == "bytes":
        builder.StartVector(1, len(value), DATA_ALIGNMENT)
        for byte in reversed(value):
            builder.PrependUint8(byte)
        return int(builder.EndVector())
    if isinstance(kind, str) and kind in VECTORS:
        return int(builder.CreateNumpyVector(np.asarray(value, VECTORS[kind][1])))
    parts = [builder.CreateString(v) if kind == "texts" else _write(builder, kind, v) for v in value]
    builder.StartVector(4, len(parts), 4)
    for part in reversed(parts):
        builder.PrependUOffsetTRelative(part)
    return int(builder.EndVector())


def _read(table: Table, fields: list[Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, slot, kind in fields:
        offset = table.Offset(4 + 2 * slot)
        if not offset:
            continue
        if isinstance(kind, str) and kind in SCALARS:
            (values[name],) = struct.unpack_from(f"<{SCALARS[kind][0]}", table.Bytes, offset + table.Pos)
        elif isinstance(kind, Union | One):
            inner = kind.fields if isinstance(kind, One) else kind.tables.get(values.get(kind.selector, 0))
            if inner is not None:
                values[name] = _read(Table(table.Bytes, table.Indirect(offset + table.Pos)), inner)
        elif kind == "text":
            values[name] = table.String(offset + table.Pos).decode()
        else:
            values[name] = _read_vector(table, offset, kind)
    return values


def _read_vector(table: Table, offset: int, kind: Any) -> Any:
    start, count = table.Vector(offset), table.VectorLen(offset)
    if kind == "bytes":
        return bytes(table.Bytes[start : start + count])
    if isinstance(kind, str) and kind in VECTORS:
        return list(struct.unpack_from(f"<{count}{VECTORS[kind][0]}", table.Bytes, start))
    places = range(start, start + 4 * count, 4)
    if kind == "texts":
        return [table.String(place).decode() for place in places]
    return [_read(Table(table.Bytes, table.Indirect(place)), kind) for place in places]
