"""Which rows of its embedding table a `words` tower reads for texts, and which words they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.encoders import spellings
from maker.encoders.embedder import Tower, open_embedder
from maker.encoders.evidence import ROWS, word_rows
from maker.graph.model import Model
from maker.graph.run import running
from maker.graph.source import Source
from maker.progress import progress
from task.core import BaseOptions
from task.core.model_file import ModelFile


def rows_of_texts(texts: Sequence[str], encoder: Path) -> np.ndarray | None:
    """The rows of the table that the text tower of a file reads for texts.

    Args:
        texts: The texts.
        encoder: A `.tflite` of this project.

    Returns:
        `(len(texts), t)` int32, 0 for unused places; None if the tower is no `words` tower.
    """
    tower = open_embedder(encoder).get("text")
    read = word_rows(tower.source, tower.signature) if isinstance(tower, Tower) else None
    if read is None or not isinstance(tower, Tower):
        return None
    model = Model(ROWS)
    g = model.subgraph(ROWS)
    query = g.tensor("query", tower.input_shape, np.uint8)
    _, (rows,) = tower.write_reading(g, query, [read])
    model.signature(g, {"query": query}, {ROWS: rows})
    with running(model) as runners:
        found = [runners.run(ROWS, tower.prepare(text))[ROWS] for text in progress(texts, "words", quiet=len(texts) < 10_000)]
    return np.array(found, np.int32).reshape(len(texts), -1)


def table_rows(encoder: Path) -> int:
    """The number of rows of the embedding table of a `words` tower; 0 for files without one."""
    tensors = [tensor for graph in Source(encoder).model.subgraphs for tensor in graph.tensors]
    return max((int(tensor.shape[0]) for tensor in tensors if tensor.name == b"embedding"), default=0)


def read_spellings(encoder: Path) -> dict[str, int]:
    """Row of the embedding table by spelling; empty if the file does not tell its words."""
    with ModelFile(BaseOptions(str(encoder))) as file:
        return spellings.decode(file.read(spellings.FILE)) if spellings.FILE in file.entries else {}
