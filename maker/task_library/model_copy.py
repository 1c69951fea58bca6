"""Models for the Task Library: copies of existing models, and models made from towers of this project."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from maker.encoders.embedder import Tower
from maker.errors import EncoderError
from maker.graph import flatbuffer
from maker.graph.model import Model
from maker.graph.source import Source, SourceTensor
from maker.task_library import words_model
from task.format import archive, tflite_metadata

PARSER_VERSION = "1.4.0"  # the first with support for indexes
VOCABULARY = "vocab.txt"
EMBEDDING = "embedding"
GRAPH = "serving_default"  # unlike the signatures of an encoder of this project


def copied_model(path: Path, source_path: str, tower: Tower | None, index_file: str) -> bool:
    """Copies a model with its associated files, except for an index in it.

    Args:
        path: The file to write.
        source_path: The model.
        tower: The image tower in the model; None for a model that takes text.
        index_file: Name of the new index in the metadata.

    Returns:
        False, and nothing is written, where the Task Library would not take the model as it is.

    Raises:
        EncoderError: The Task Library does not support the output of a text model.
    """
    source = Source(source_path)
    inputs, outputs = source.inputs(), source.outputs()
    number = 1 if len(inputs) == 3 and len(outputs) > 1 else 0
    plain = len(source.model.subgraphs) == 1 and (number == 1 or len(outputs) == 1) and _is_taken(outputs[number])
    if tower is not None and (not plain or tower.output.index != outputs[0].index):
        return False
    if not plain:
        raise EncoderError(
            f"{source_path}: the output {outputs[number].name!r} is {outputs[number].dtype} {list(outputs[number].shape)} of "
            f"{len(source.model.subgraphs)} subgraphs; the Task Library takes text models of one subgraph and one float32 or uint8 [1, d]"
        )
    content = Path(source_path).read_bytes()
    files = archive.locate(content)
    described = _described(source)
    held = {f.get("name", "") for f in _indexes(described)}
    _complete(described, inputs, outputs)
    if tower is not None and tower.mean is not None and tower.std is not None:
        _normalize(described, tower.mean, tower.std)
    _name_index(described, number, index_file)
    _write_copy(path, source, tflite_metadata.encode(described))
    for name, (start, size) in files.items():
        if name not in held and name != index_file:
            archive.append(path, name, content[start : start + size])
    return True


def rebuilt_image_model(path: Path, tower: Tower, index_file: str) -> None:
    """Writes an image tower as a model with one subgraph, from uint8 `image` to float32 `embedding`."""
    model = Model("pocket-searcher image embedder")
    g = model.subgraph(GRAPH)
    query = g.tensor("image", tower.input_shape, np.uint8)
    embedding = tower.write(g, query)
    if g.table.tensors[embedding].buffer or embedding == query:
        raise EncoderError(f"{tower.source.path}: the embedding does not depend on the image")
    _finish(path, model, g, {"image": query}, embedding, [{"name": "image", "description": "RGB pixels"}], index_file)


def written_words_model(path: Path, encoder: str, index_file: str) -> None:
    """Writes the `words` tower of an encoder with a regex tokenizer. It raises the errors of `words_model.words_model`."""
    words = words_model.words_model(encoder)
    model = Model("pocket-searcher text embedder")
    g = model.subgraph(GRAPH)
    ids, embedding = words.write(g)
    vocabulary = [{"name": VOCABULARY, "description": "tokens and their ids", "type": tflite_metadata.VOCABULARY}]
    unit = {
        "options_type": tflite_metadata.REGEX_TOKENIZER,
        "options": {"delim_regex_pattern": words_model.delimiters(), "vocab_file": vocabulary},
    }
    inputs = [{"name": "ids", "description": "the query's words", "process_units": [unit]}]
    _finish(path, model, g, {"ids": ids}, embedding, inputs, index_file)
    archive.append(path, VOCABULARY, words.vocabulary())


def _finish(
    path: Path, model: Model, g: Any, given: Mapping[str, int], embedding: int, inputs: list[dict[str, Any]], index_file: str
) -> None:
    model.signature(g, dict(given), {EMBEDDING: embedding})
    described = {
        "name": "Pocket searcher for the Task Library",
        "subgraph_metadata": [{"input_tensor_metadata": inputs, "output_tensor_metadata": [{"name": EMBEDDING}]}],
    }
    _name_index(described, 0, index_file)
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(described))
    model.write(path)


def _is_taken(output: SourceTensor) -> bool:
    shaped = len(output.shape) in (2, 4) and all(d == 1 for d in output.shape[:-1])
    return shaped and (output.dtype == np.float32 or (output.dtype == np.uint8 and output.scale is not None))


def _described(source: Source) -> dict[str, Any]:
    """The TFLite Metadata of a model; empty if there are none."""
    for entry in source.model.metadata or []:
        data = source.model.buffers[entry.buffer].data
        if _text(entry.name) == tflite_metadata.NAME and data is not None:
            try:
                return tflite_metadata.decode(bytes(np.asarray(data, np.uint8)))
            except tflite_metadata.MetadataError as error:
                raise EncoderError(f"{source.path}: {error}; write the metadata again") from error
    return {}


def _complete(described: dict[str, Any], inputs: list[SourceTensor], outputs: list[SourceTensor]) -> None:
    """Makes sure that each tensor has an entry, and drops an index."""
    subgraphs = described.setdefault("subgraph_metadata", [])
    if not subgraphs:
        subgraphs.append({})
    for key, tensors in (("input_tensor_metadata", inputs), ("output_tensor_metadata", outputs)):
        entries = subgraphs[0].setdefault(key, [])
        entries.extend({"name": tensor.name} for tensor in tensors[len(entries) :])
    for tensor in subgraphs[0]["output_tensor_metadata"]:
        files = [f for f in tensor.get("associated_files", []) if f.get("type") != tflite_metadata.SCANN_INDEX_FILE]
        tensor.pop("associated_files", None)
        if files:
            tensor["associated_files"] = files


def _indexes(described: dict[str, Any]) -> list[dict[str, Any]]:
    tensors = [t for s in described.get("subgraph_metadata", [])[:1] for t in s.get("output_tensor_metadata", [])]
    return [f for t in tensors for f in t.get("associated_files", []) if f.get("type") == tflite_metadata.SCANN_INDEX_FILE]


def _normalize(described: dict[str, Any], mean: np.ndarray, std: np.ndarray) -> None:
    """Adds the normalisation of pixels if the metadata have none."""
    tensor = described["subgraph_metadata"][0]["input_tensor_metadata"][0]
    units = tensor.setdefault("process_units", [])
    if not any(unit.get("options_type") == tflite_metadata.NORMALIZATION_OPTIONS for unit in units):
        length = max(len(mean), len(std))
        options = {"mean": np.broadcast_to(mean, length).tolist(), "std": np.broadcast_to(std, length).tolist()}
        units.append({"options_type": tflite_metadata.NORMALIZATION_OPTIONS, "options": options})


def _name_index(described: dict[str, Any], number: int, index_file: str) -> None:
    tensor = described["subgraph_metadata"][0]["output_tensor_metadata"][number]
    index = {"name": index_file, "description": "On-device ScaNN index", "type": tflite_metadata.SCANN_INDEX_FILE}
    tensor.setdefault("associated_files", []).append(index)
    described["min_parser_version"] = max(described.get("min_parser_version", ""), PARSER_VERSION, key=_release)


def _release(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def _write_copy(path: Path, source: Source, metadata: bytes) -> None:
    """Writes a model with new TFLite Metadata. Its constants move, aligned, but do not change."""
    model = Source(source.path).model  # a copy that can be changed
    constants: dict[int, flatbuffer.Constant] = {}
    for index, buffer in enumerate(model.buffers):
        if (getattr(buffer, "offset", 0) or 0) > 1:
            raise EncoderError(f"{source.path}: constants lie outside the FlatBuffer; convert the model without buffer offsets")
        if buffer.data is not None and len(buffer.data):
            constants[index] = np.asarray(buffer.data, np.uint8)
    entries = [entry for entry in model.metadata or [] if _text(entry.name) != tflite_metadata.NAME]
    for entry in model.metadata or []:
        if _text(entry.name) == tflite_metadata.NAME:
            constants.pop(entry.buffer, None)
            model.buffers[entry.buffer].data = None
    added = schema.MetadataT()
    added.name, added.buffer = tflite_metadata.NAME, len(model.buffers)
    model.buffers.append(schema.BufferT())
    constants[added.buffer] = np.frombuffer(metadata, np.uint8)
    model.metadata = [*entries, added]
    flatbuffer.write(model, constants, path)


def _text(name: bytes | str | None) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""
