"""Writes an encoder file: `embed_text` and `embed_image` without an index, the product of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from maker.encoders import spellings
from maker.export import digest
from maker.export.description import encoder_metadata
from maker.files import atomic
from maker.graph.model import Model
from maker.graph.subgraph import Subgraph
from task.format import archive, tflite_metadata
from task.format import manifest as manifest_format
from task.format.manifest import Manifest


class Encoder(Protocol):
    """Anything that can add itself to a graph."""

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the encoder, from its query to `[1, d]` float32."""


def write_encoder(
    path: Path,
    encoders: Mapping[str, Encoder],
    shapes: Mapping[str, tuple[int, ...]],
    *,
    normalize: bool = True,
    dimension: int = 0,
    described: dict[str, Any] | None = None,
    training: dict[str, Any] | None = None,
    example_texts: Sequence[str] = (),
    words: Mapping[str, int] | None = None,
) -> None:
    """Writes the file.

    Args:
        path: Where.
        encoders: By kind, `text` or `image`.
        shapes: Input shape of each, uint8.
        normalize: Divide embeddings by their Euclidean norm.
        dimension: Length of the embeddings.
        described: What the towers are, for the manifest.
        training: Options and curve of the training, for the manifest.
        example_texts: Queries kept as examples for golden ones.
        words: Row of the text tower's table by spelling, which a Task Library model is made of.
    """
    model = Model("pocket-searcher encoder")
    for kind, encoder in encoders.items():
        g = model.subgraph(f"embed_{kind}")
        tensor = g.tensor("query", shapes[kind], np.uint8)
        embedding = encoder.write(g, tensor)
        if normalize:
            embedding = g.l2_normalize(embedding)
        model.signature(g, {"query": tensor}, {"embedding": embedding})
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(encoder_metadata(list(encoders), words is not None)))
    with atomic(path) as temporary:
        model.write(temporary)
        if words is not None:
            archive.append(temporary, spellings.FILE, spellings.encode(words))
        manifest = Manifest(
            distance="dot_product",
            dimension=dimension,
            items=0,
            k=0,
            normalized=normalize,
            encoders=described or {},
            training=training or {},
            golden=[{"signature": "embed_text", "query": text} for text in example_texts],
            sha256=digest.digests(temporary),
        )
        archive.append(temporary, manifest_format.FILE, manifest_format.encode(manifest))
