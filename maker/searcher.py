"""Model Maker's searcher API: embeddings and a `.tflite` embedder in, a searcher file out. Imports no TensorFlow.

```python
from maker import searcher

data = searcher.DataLoader("embedder.tflite", embeddings, metadata)
options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
model = searcher.Searcher.create_from_data(data, options)
model.export(export_filename="searcher.tflite", userinfo="", export_format=searcher.ExportFormat.TFLITE)
```
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import Tower, embedder_manifest, example_texts, open_embedder
from maker.errors import BuildError, DataError
from maker.export.searcher_file import DEFAULT_K, SearcherContent, check, write_searcher
from maker.index.build import Index, build_index, check_embeddings
from maker.index.options import ScaNNOptions, ScoreAH, ScoreBruteForce, Tree

__all__ = ["DataLoader", "ExportFormat", "ScaNNOptions", "ScoreAH", "ScoreBruteForce", "Searcher", "Tree"]


class ExportFormat(enum.Enum):
    """What `Searcher.export` writes."""

    TFLITE = "TFLITE"
    SCANN_INDEX_FILE = "SCANN_INDEX_FILE"


class DataLoader:
    """Embeddings, their metadata and the embedder that made them."""

    def __init__(
        self, embedder_path: str | None = None, dataset: np.ndarray | None = None, metadata: Sequence[bytes | str] | None = None
    ) -> None:
        """Keeps the arguments.

        Args:
            embedder_path: The `.tflite` that embeds queries; without it the file is searched with embeddings only.
            dataset: `(n, d)` float32; may be memory-mapped.
            metadata: One entry an embedding; text is stored as UTF-8.

        Raises:
            DataError: The embeddings have a wrong shape or a value that is not finite, or metadata and embeddings differ in number.
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
                raise DataError(f"{len(self._metadata)} metadata for {len(embeddings)} embeddings; there has to be one an item")
        elif metadata:
            raise DataError(f"{len(metadata)} metadata without embeddings; pass both")

    @property
    def embedder_path(self) -> str | None:
        """The embedder's path."""
        return self._embedder_path

    @property
    def dataset(self) -> np.ndarray:
        """All embeddings, `(n, d)` float32.

        Raises:
            DataError: There are none.
        """
        if not self._parts:
            raise DataError("the loader has no embeddings yet")
        if len(self._parts) > 1:
            self._parts = [np.vstack(self._parts)]
        return self._parts[0]

    @property
    def metadata(self) -> list[bytes]:
        """One entry an embedding."""
        return self._metadata

    def __len__(self) -> int:
        """The number of items."""
        return len(self._metadata)

    def append(self, other: DataLoader) -> None:
        """Adds another loader's items.

        Raises:
            DataError: The embeddings' dimensions differ.
        """
        if self._parts and other._parts and self._parts[0].shape[1] != other._parts[0].shape[1]:
            raise DataError("The embedding dimension must be the same.")
        self._parts.extend(other._parts)
        self._metadata.extend(other._metadata)


class Searcher:
    """An index over a loader's items, ready to be exported."""

    def __init__(self, data: DataLoader, index: Index, towers: dict[str, Tower]) -> None:
        """Use `create_from_data`."""
        self._data = data
        self._towers = towers
        self.index = index

    @classmethod
    def create_from_data(
        cls, data: DataLoader, scann_options: ScaNNOptions, cache_dir: str | None = None, *, seed: int = 0, trainer: str = "auto"
    ) -> Searcher:
        """Builds the index.

        Args:
            data: The items.
            scann_options: Distance, partitioning and scorer.
            cache_dir: Accepted as in Model Maker; nothing is cached, the index is built in memory.
            seed: Of the k-means.
            trainer: `scann`, `own`, or `auto` for ScaNN's k-means where it is installed.

        Raises:
            DataError: There are no embeddings, or the embedder's dimension is not theirs.
            EncoderError: The embedder cannot be used.
            BuildError: There are fewer embeddings than leaves.
        """
        towers = open_embedder(data.embedder_path) if data.embedder_path else {}
        for tower in towers.values():
            if tower.dimension != data.dataset.shape[1]:
                raise DataError(
                    f"{data.embedder_path}: the embedder makes {tower.dimension} dimensions, the embeddings have {data.dataset.shape[1]}; "
                    "embed the items with this embedder"
                )
        return cls(data, build_index(data.dataset, scann_options, seed, trainer), towers)

    def export(
        self,
        export_format: ExportFormat = ExportFormat.TFLITE,
        export_filename: str | Path = "searcher.tflite",
        userinfo: str = "",
        compression: bool = True,
        *,
        k: int = DEFAULT_K,
        measure: Callable[[Path], dict[str, Any]] | None = None,
    ) -> None:
        """Writes the searcher; an existing file is replaced, as Model Maker does.

        Args:
            export_format: `TFLITE`.
            export_filename: The file.
            userinfo: Text that `get_user_info` returns.
            compression: Accepted as in Model Maker, whose indexes it compresses; a graph searcher is mapped, not unpacked.
            k: Neighbours that a query returns at most.
            measure: Called with the file before it is finished; what it returns goes into the manifest's report.

        Raises:
            BuildError: The format is not supported, or the file would pass 2 GB.
        """
        if export_format is not ExportFormat.TFLITE:
            raise BuildError(f"Unsupported export format: {export_format}; this release writes ExportFormat.TFLITE")
        trained = embedder_manifest(self._data.embedder_path) if self._data.embedder_path else None
        content = SearcherContent(
            index=self.index,
            metadata=self._data.metadata,
            towers=self._towers,
            k=k,
            user_info=userinfo,
            encoders=trained.encoders if trained else {kind: {"file": Path(t.source.path).name} for kind, t in self._towers.items()},
            training=trained.training if trained else {},
            report=trained.report if trained else {},
            example_texts=example_texts(trained),
            measure=measure,
        )
        check(content)
        write_searcher(content, Path(export_filename))
