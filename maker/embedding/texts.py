"""Embeds sentences with an encoder file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.progress import progress
from task.core import BaseOptions
from task.search import GraphEmbedder


def embed_texts(texts: Sequence[str], encoder: Path) -> np.ndarray:
    """`(n, d)` float32 embeddings of sentences, by the encoder's `embed_text` or `embed_tokens`."""
    embedder = GraphEmbedder(BaseOptions(str(encoder), num_threads=1))
    embeddings = [embedder.embed_text(text) for text in progress(texts, "embed captions", quiet=len(texts) < 10_000)]
    embedder.close()
    return np.stack(embeddings)
