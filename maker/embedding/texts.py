"""Embeds sentences with an encoder file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from maker.progress import progress
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile
from task.format import utf8


def embed_texts(texts: Sequence[str], encoder: Path) -> np.ndarray:
    """`(n, d)` float32 embeddings of sentences, by the encoder's `embed_text`."""
    options = BaseOptions(str(encoder), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        _, length = runners.input_shape("embed_text")
        shown = progress(texts, "embed captions", quiet=len(texts) < 10_000)
        embeddings = [runners.run("embed_text", utf8.encode(text, length))["embedding"][0] for text in shown]
        runners.close()
    return np.stack(embeddings)
