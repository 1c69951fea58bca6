"""Applies a trained head to cached features, with the same operators as the exported graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.encoders.layers import Layer, write_layers
from maker.graph.model import Model
from maker.progress import progress
from maker.workspace import atomic
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

SIGNATURE = "project"


def write_head(path: Path, head: Sequence[Layer], width: int) -> None:
    """Writes a head as its own `.tflite`, from features `[1, width]` to a unit-norm embedding."""
    model = Model("pocket-searcher head")
    g = model.subgraph(SIGNATURE)
    query = g.tensor("query", (1, width), np.float32)
    model.signature(g, {"query": query}, {"embedding": g.l2_normalize(write_layers(g, query, head))})
    with atomic(path) as temporary:
        model.write(temporary)


def project(features: np.ndarray, head: Path) -> np.ndarray:
    """Embeds features.

    Args:
        features: `(n, f)` float32; may be memory-mapped.
        head: A file of `write_head`.

    Returns:
        Unit-norm embeddings, `(n, d)` float32.
    """
    options = BaseOptions(str(head), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        rows = progress(features, "project", quiet=len(features) < 10_000)
        embeddings = [runners.run(SIGNATURE, np.asarray(row, np.float32)[None])["embedding"][0] for row in rows]
        runners.close()
    return np.stack(embeddings)
