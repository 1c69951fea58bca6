"""Writes searchers for the Task Library: an embedder with TFLite Metadata for its inputs, and an on-device ScaNN index."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maker.encoders.embedder import AnyTower, open_embedder
from maker.encoders.sentence_tower import SentenceTower
from maker.encoders.token_tower import TokenTower
from maker.errors import BuildError, EncoderError
from maker.graph.source import Source
from maker.task_library.model_copy import copied_model, rebuilt_image_model, written_words_model
from maker.task_library.scann_index import ScannContent, write_index
from maker.workspace import atomic
from task.core import BaseOptions
from task.errors import TaskError
from task.format import archive
from task.opening import open_engine
from task.processor import EmbeddingOptions, SearchOptions

INDEX_FILE = "on_device_scann_index.ldb"  # its name in Model Maker
KINDS = ("text", "image")


@dataclass(frozen=True)
class Embedder:
    """A `.tflite` that embeds queries.

    Attributes:
        path: The file.
        dimension: Dimension of the embeddings.
        towers: The towers by kind, if a graph searcher can contain them.
        refused: The error that says why it cannot, for a text model for the Task Library.
    """

    path: str
    dimension: int
    towers: dict[str, AnyTower] = field(default_factory=dict)
    refused: EncoderError | None = None


def open_any_embedder(path: str) -> Embedder:
    """Opens an embedder for a graph searcher or a Task Library searcher.

    Raises:
        EncoderError: The file is not a TFLite model, or it takes neither an image nor text.
    """
    try:
        towers = open_embedder(path)
    except EncoderError as error:
        source = Source(path)
        inputs, outputs = source.inputs(), source.outputs()
        if not outputs or len(inputs) not in (1, 3) or any(len(t.shape) > 2 or t.dtype.kind not in "iO" for t in inputs):
            raise
        number = 1 if len(inputs) == 3 and len(outputs) > 1 else 0  # a universal sentence encoder for questions
        return Embedder(path, outputs[number].shape[-1] if outputs[number].shape else 0, {}, error)
    return Embedder(path, next(iter(towers.values())).dimension, towers)


def write_task_library(
    path: Path,
    embedder: Embedder,
    content: ScannContent,
    metadata: Sequence[bytes],
    user_info: str = "",
    compression: bool = True,
    query: str | None = None,
) -> None:
    """Writes the searcher and opens it to check it. An existing file is replaced.

    Args:
        path: The file to write.
        embedder: Embeds queries. An index in its file is left out.
        content: The index.
        metadata: One entry per item.
        user_info: The text of the builder.
        compression: Compress the index with Snappy.
        query: `text` or `image`, for an embedder with both, because Task Library models have one input; text if None.

    Raises:
        EncoderError: The embedder cannot be written as a model for the Task Library.
        BuildError: The dimensions differ, the embedder does not take this kind of query, or the written file cannot be opened.
    """
    if embedder.dimension != content.dimension:
        raise BuildError(
            f"{embedder.path}: the embedder makes {embedder.dimension} dimensions, the index has {content.dimension}; "
            "embed the items with this embedder"
        )
    with atomic(path) as temporary, tempfile.TemporaryDirectory(dir=path.parent, prefix=".index.") as folder:
        _write_model(temporary, embedder, query)
        index = Path(folder, INDEX_FILE)
        write_index(index, content, metadata, user_info, compression)
        archive.append(temporary, INDEX_FILE, index)
        try:
            open_engine(BaseOptions(str(temporary)), EmbeddingOptions(), SearchOptions()).close()
        except TaskError as error:
            raise BuildError(str(error).replace(temporary.name, path.name)) from error


def _write_model(path: Path, embedder: Embedder, query: str | None) -> None:
    if query is not None and query not in KINDS:
        raise BuildError(f"query must be one of {', '.join(KINDS)}, found {query!r}")
    own = any(tower.signature for tower in embedder.towers.values())
    kind = query or ("text" if {"text", "tokens"} & embedder.towers.keys() or not embedder.towers else "image")
    if kind == "text" and any(isinstance(tower, (TokenTower, SentenceTower)) for tower in embedder.towers.values()):
        raise EncoderError(f"{embedder.path}: a pretrained text tower cannot be exported to the Task Library; export TFLITE")
    if kind not in (embedder.towers or ("text",)):
        raise BuildError(f"{embedder.path}: the embedder takes no {kind}; give one that does, or ask with what it takes")
    if own and kind == "text":
        written_words_model(path, embedder.path, INDEX_FILE)
        return
    tower = embedder.towers.get(kind)
    assert not isinstance(tower, (TokenTower, SentenceTower))
    if own or not copied_model(path, embedder.path, tower, INDEX_FILE):
        assert tower is not None  # a text model is copied or refused
        rebuilt_image_model(path, tower, INDEX_FILE)
