"""Embeddings with their metadata, the input of a searcher."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from maker.errors import DataError
from maker.index.build import check_embeddings


class DataLoader:
    """Embeddings, their metadata and the embedder that made them."""

    def __init__(
        self, embedder_path: str | None = None, dataset: np.ndarray | None = None, metadata: Sequence[bytes | str] | None = None
    ) -> None:
        """Keeps the arguments.

        Args:
            embedder_path: The `.tflite` that embeds queries. Without it, the searcher only takes embeddings as queries.
            dataset: `(n, d)` float32; may be memory-mapped.
            metadata: One entry per embedding; text is stored as UTF-8.

        Raises:
            DataError: The embeddings have another shape or a value that is not finite, or metadata and embeddings differ in number.
        """
        self._embedder_path = embedder_path
        self._parts: list[np.ndarray] = []
        self._metadata: list[bytes] = []
        if dataset is not None:
            embeddings = dataset if isinstance(dataset, np.ndarray) else np.asarray(dataset, np.float32)
            check_embeddings(embeddings)
            self._parts.append(embeddings)
            self._metadata = [m.encode() if isinstance(m, str) else bytes(m) for m in metadata or ()]
            if len(self._metadata) != len(embeddings):
                raise DataError(f"{len(self._metadata)} metadata for {len(embeddings)} embeddings; expected one per embedding")
        elif metadata:
            raise DataError(f"{len(metadata)} metadata without embeddings; pass both")

    @property
    def embedder_path(self) -> str | None:
        """The path of the embedder."""
        return self._embedder_path

    @property
    def dataset(self) -> np.ndarray:
        """All embeddings, `(n, d)` float32.

        Raises:
            DataError: There are no embeddings.
        """
        if not self._parts:
            raise DataError("the loader has no embeddings yet")
        if len(self._parts) > 1:
            self._parts = [np.vstack(self._parts)]
        return self._parts[0]

    @property
    def metadata(self) -> list[bytes]:
        """One entry per embedding."""
        return self._metadata

    def __len__(self) -> int:
        """The number of items."""
        return len(self._metadata)

    def append(self, other: DataLoader) -> None:
        """Adds the items of another loader.

        Raises:
            DataError: The dimensions of the embeddings differ.
        """
        if self._parts and other._parts and self._parts[0].shape[1] != other._parts[0].shape[1]:
            raise DataError("The embedding dimension must be the same.")
        self._parts.extend(other._parts)
        self._metadata.extend(other._metadata)
