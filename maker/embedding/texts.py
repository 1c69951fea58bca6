"""Embeds sentences with an encoder file, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.progress import progress
from task.core import BaseOptions
from task.search import GraphEmbedder


def embed_texts(texts: Sequence[str], encoder: Path) -> np.ndarray:
    """Embeds sentences by the signature `embed_text` or `embed_tokens` of an encoder; returns `(n, d)` float32."""
    embedder = GraphEmbedder(BaseOptions(str(encoder), num_threads=1))
    embeddings = [embedder.embed_text(text) for text in progress(texts, "embed captions", quiet=len(texts) < 10_000)]
    embedder.close()
    return np.stack(embeddings)
