"""Embeds sentences with an encoder or searcher file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from maker.progress import progress
from task.core import BaseOptions
from task.search import GraphEmbedder


@dataclass
class TextTower:
    """The text tower of an encoder or searcher file. Each process opens the file once, when it embeds its first sentence.

    Attributes:
        file: The file, with the signature `embed_text` or `embed_tokens`.
    """

    file: Path
    _opened: GraphEmbedder | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, object]:
        """What is sent to another process, which opens the file itself."""
        return {**self.__dict__, "_opened": None}

    def embed(self, texts: Iterable[str]) -> np.ndarray:
        """Embeds at least one sentence; returns `(n, d)` float32.

        Raises:
            InvalidArgumentError: The file does not embed text, or an embedding is not finite.
        """
        if self._opened is None:
            self._opened = GraphEmbedder(BaseOptions(str(self.file), num_threads=1))
        return np.stack([self._opened.embed_text(text) for text in texts])

    def close(self) -> None:
        """Closes the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def embed_texts(texts: Sequence[str], encoder: Path) -> np.ndarray:
    """Embeds sentences in this process; returns `(n, d)` float32."""
    tower = TextTower(encoder)
    embeddings = tower.embed(progress(texts, "embed captions", quiet=len(texts) < 10_000))
    tower.close()
    return embeddings
