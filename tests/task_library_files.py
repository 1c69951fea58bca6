"""Task Library models and indexes that the tests and the conformance run make themselves."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from maker.graph.model import Model
from maker.graph.subgraph import Subgraph
from task.format import archive, tflite_metadata
from task.task_library import scann_file
from task.task_library.scann_messages import (
    AsymmetricHashingProto,
    DistanceMeasure,
    EmbeddingType,
    IndexConfig,
    LookupType,
    PartitionerProto,
    ScannOnDeviceConfig,
)

INDEX, VOCABULARY = "index.ldb", "vocab.txt"
DOT, L2 = DistanceMeasure.DOT_PRODUCT, DistanceMeasure.SQUARED_L2_DISTANCE


def write_model(
    path: Path,
    build: Callable[[Subgraph], tuple[list[int], list[int]]],
    *,
    inputs: list[dict[str, Any]] | None = None,
    input_process_units: list[dict[str, Any]] | None = None,
    files: dict[str, bytes] | None = None,
    index: bytes | None = None,
    custom_operator: str | None = None,
) -> Path:
    """Writes a model with TFLite Metadata; `build` returns its input and output tensors."""
    model = Model("test")
    graph = model.subgraph("main")
    given, made = build(graph)
    model.signature(graph, {f"input_{i}": t for i, t in enumerate(given)}, {f"output_{i}": t for i, t in enumerate(made)})
    if custom_operator:
        graph.table.operators[0].opcodeIndex = graph.shared.operator_code(32, 1, custom_operator)
        graph.table.operators[0].builtinOptionsType = 0
        graph.table.operators[0].builtinOptions = None
    outputs: list[dict[str, Any]] = [{"name": f"output_{i}"} for i in range(len(made))]
    if index is not None:
        outputs[0]["associated_files"] = [{"name": INDEX, "type": tflite_metadata.SCANN_INDEX_FILE}]
    subgraph = {
        "input_tensor_metadata": inputs or [{"name": f"input_{i}"} for i in range(len(given))],
        "output_tensor_metadata": outputs,
    }
    if input_process_units:
        subgraph["input_process_units"] = input_process_units
    content = {"name": "test", "subgraph_metadata": [subgraph], "min_parser_version": "1.4.0"}
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(content))
    model.write(path)
    for name, data in (files or {}).items():
        archive.append(path, name, data)
    if index is not None:
        archive.append(path, INDEX, index)
    return path


def regex_unit(pattern: str = r"[^\w\']+") -> dict[str, Any]:
    """The process unit of a regex tokenizer."""
    vocabulary = [{"name": VOCABULARY, "type": tflite_metadata.VOCABULARY}]
    options = {"delim_regex_pattern": pattern, "vocab_file": vocabulary}
    return {"options_type": tflite_metadata.REGEX_TOKENIZER, "options": options}


def bert_unit() -> dict[str, Any]:
    """The process unit of a WordPiece tokenizer."""
    options = {"vocab_file": [{"name": VOCABULARY, "type": tflite_metadata.VOCABULARY}]}
    return {"options_type": tflite_metadata.BERT_TOKENIZER, "options": options}


def normalization_unit(mean: list[float], std: list[float]) -> dict[str, Any]:
    """The process unit of pixels as floats."""
    return {"options_type": tflite_metadata.NORMALIZATION_OPTIONS, "options": {"mean": mean, "std": std}}


def lookup_text_model(path: Path, vectors: np.ndarray, index: bytes | None = None) -> Path:
    """A text model to which the query `q7` is row 7 of `vectors`, `(n, d)` float32 or quantised `(uint8 rows, scale)`."""

    def build(g: Subgraph) -> tuple[list[int], list[int]]:
        ids = g.tensor("ids", (1, 1), np.int32)
        rows = g.gather(vectors, g.reshape(ids, (1,)))
        return [ids], [rows]

    vocabulary = "".join(f"q{i} {i}\n" for i in range(len(vectors))) + "<PAD> 0\n<UNKNOWN> 0\n"
    inputs = [{"name": "ids", "process_units": [regex_unit()]}]
    return write_model(path, build, inputs=inputs, files={VOCABULARY: vocabulary.encode()}, index=index)


def echo_ids_model(path: Path, length: int, vocabulary: bytes, pattern: str = r"[^\w\']+") -> Path:
    """A text model whose embedding is its input's ids."""

    def build(g: Subgraph) -> tuple[list[int], list[int]]:
        ids = g.tensor("ids", (1, length), np.int32)
        return [ids], [g.cast(ids, np.float32)]

    return write_model(path, build, inputs=[{"name": "ids", "process_units": [regex_unit(pattern)]}], files={VOCABULARY: vocabulary})


def echo_bert_model(path: Path, length: int, vocabulary: bytes, names: tuple[str, ...] = ("ids", "mask", "segment_ids")) -> Path:
    """A BERT model whose embedding is its three inputs, one after the other."""

    def build(g: Subgraph) -> tuple[list[int], list[int]]:
        given = [g.tensor(f"given_{i}", (1, length), np.int32) for i in range(3)]
        return given, [g.concat([g.cast(t, np.float32) for t in given], axis=1)]

    inputs = [{"name": name} for name in names]
    return write_model(path, build, inputs=inputs, input_process_units=[bert_unit()], files={VOCABULARY: vocabulary})


def echo_image_model(
    path: Path,
    side: tuple[int, int],
    dtype: type = np.uint8,
    unit: dict[str, Any] | None = None,
    projection: np.ndarray | None = None,
    index: bytes | None = None,
) -> Path:
    """An image model whose embedding is its pixels, or `projection` `(d, pixels)` times them."""
    height, width = side

    def build(g: Subgraph) -> tuple[list[int], list[int]]:
        pixels = g.tensor("image", (1, height, width, 3), dtype)
        values = pixels if dtype == np.float32 else g.cast(pixels, np.float32)
        if dtype == np.float32 and projection is None:
            values = g.mul(values, np.array(1, np.float32))
        flat = g.reshape(values, (1, height * width * 3))
        return [pixels], [flat if projection is None else g.fully_connected(flat, projection)]

    inputs = [{"name": "image", **({"process_units": [unit]} if unit else {})}]
    return write_model(path, build, inputs=inputs, index=index)


def float_index(
    rows: np.ndarray,
    metadata: list[bytes],
    *,
    distance: DistanceMeasure = L2,
    leaves: int = 0,
    searched: int = 1,
    leaf_distance: DistanceMeasure | None = None,
    user_info: bytes = b"",
    compress: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """An index over rows stored as floats; centroids are the first rows."""
    partitions, order, partitioner = _partition(rows, rows, leaves, searched, distance if leaf_distance is None else leaf_distance)
    config = IndexConfig(
        scann_config=ScannOnDeviceConfig(query_distance=distance, partitioner=partitioner), embedding_type=EmbeddingType.FLOAT
    )
    return _encode(config, partitions, [metadata[i] for i in order], user_info, compress)


def hashed_index(
    rows: np.ndarray,
    metadata: list[bytes],
    *,
    block: int,
    distance: DistanceMeasure = L2,
    lookup: LookupType = LookupType.INT8,
    leaves: int = 0,
    searched: int = 1,
    entries: int = 256,
    user_info: bytes = b"",
    compress: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """An index over rows stored as codes; codebooks are sampled rows."""
    rng = np.random.default_rng(5)
    books = []
    for start in range(0, rows.shape[1], block):
        sampled = rows[rng.choice(len(rows), entries, replace=len(rows) < entries), start : start + block]
        books.append(np.ascontiguousarray(sampled))
    codes = np.empty((len(rows), len(books)), np.uint8)
    for s, book in enumerate(books):
        part = rows[:, s * block : (s + 1) * block]
        codes[:, s] = ((part[:, None] - book[None]) ** 2).sum(2).argmin(1)
    partitions, order, partitioner = _partition(rows, codes, leaves, searched, distance)
    hashing = AsymmetricHashingProto(subspace=books, query_distance=distance, lookup_type=lookup)
    scann = ScannOnDeviceConfig(query_distance=distance, asymmetric_hashing=hashing, partitioner=partitioner)
    config = IndexConfig(scann_config=scann, embedding_type=EmbeddingType.UINT8)
    return _encode(config, partitions, [metadata[i] for i in order], user_info, compress)


def _partition(
    rows: np.ndarray, stored: np.ndarray, leaves: int, searched: int, distance: DistanceMeasure
) -> tuple[list[np.ndarray], np.ndarray, PartitionerProto | None]:
    if not leaves:
        return [stored], np.arange(len(rows)), None
    centroids = rows[:leaves].copy()
    leaf = ((rows[:, None] - centroids[None]) ** 2).sum(2).argmin(1)
    parts = [np.flatnonzero(leaf == i) for i in range(leaves)]
    fraction = float(np.float32(searched) / np.float32(leaves))
    return (
        [stored[p] for p in parts],
        np.concatenate(parts),
        PartitionerProto(leaf=list(centroids), search_fraction=fraction, query_distance=distance),
    )


def _encode(config: IndexConfig, partitions: list[np.ndarray], metadata: list[bytes], user_info: bytes, compress: Any) -> bytes:
    target = io.BytesIO()
    scann_file.encode(target, config, partitions, metadata, user_info, compress)
    return target.getvalue()
