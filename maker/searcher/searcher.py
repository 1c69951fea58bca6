"""`Searcher`: an index over the items of a loader, to export."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import embedder_manifest, example_texts
from maker.errors import BuildError, DataError
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import Index, build_index, check_index_inputs
from maker.index.options import DEFAULT_K, ScaNNOptions
from maker.searcher.data_loader import DataLoader
from maker.task_library.scann_index import ScannContent, scann_content, write_index
from maker.task_library.searcher_file import Embedder, open_any_embedder, write_task_library
from maker.task_library.server_scann import read_server_scann


class ExportFormat(enum.Enum):
    """The formats of `Searcher.export`.

    - `TFLITE`: a graph that runs wherever LiteRT runs.
    - `TASK_LIBRARY`: an embedder with an on-device ScaNN index, for apps with the Task Library. Model Maker calls this TFLITE.
    - `SCANN_INDEX_FILE`: that index alone.
    """

    TFLITE = "TFLITE"
    SCANN_INDEX_FILE = "SCANN_INDEX_FILE"
    TASK_LIBRARY = "TASK_LIBRARY"


@dataclass(frozen=True)
class _Data:
    """Embeddings and how to index them. A graph and the Task Library need different indexes."""

    embeddings: np.ndarray
    options: ScaNNOptions
    seed: int
    trainer: str

    @cached_property
    def index(self) -> Index:
        """The index of a graph."""
        return build_index(self.embeddings, self.options, self.seed)

    @cached_property
    def scann_content(self) -> ScannContent:
        """The index for the Task Library."""
        return scann_content(self.embeddings, self.options, self.seed, self.trainer)


class Searcher:
    """An index over items, to export."""

    def __init__(self, source: _Data | ScannContent, metadata: Sequence[bytes], embedder: Embedder | None) -> None:
        """Use `create_from_data` or `create_from_server_scann`."""
        self._source = source
        self._metadata = metadata
        self._embedder = embedder

    @property
    def index(self) -> Index:
        """The index of a graph, built at the first access.

        Raises:
            BuildError: The searcher holds an index of server-side ScaNN, which has no embeddings.
        """
        if isinstance(self._source, ScannContent):
            raise BuildError("a server's ScaNN index has no embeddings to build a graph of; export SCANN_INDEX_FILE or TASK_LIBRARY")
        return self._source.index

    @classmethod
    def create_from_data(
        cls, data: DataLoader, scann_options: ScaNNOptions, cache_dir: str | None = None, *, seed: int = 0, trainer: str = "auto"
    ) -> Searcher:
        """Builds the index.

        Examples:
            >>> from maker import searcher
            >>> data = searcher.DataLoader("embedder.tflite", embeddings, [f"{number}.jpg" for number in range(len(embeddings))])
            >>> options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
            >>> searcher.Searcher.create_from_data(data, options).export(export_filename="from_data.tflite")

        Args:
            data: The items.
            scann_options: Distance, partitioning and scorer.
            cache_dir: Accepted as in Model Maker; nothing is cached, the index is built in memory.
            seed: Seed of the partitioning.
            trainer: Implementation of k-means for Task Library indexes: `scann`, `own`, or `auto` for ScaNN if it is installed.

        Raises:
            DataError: There are no embeddings, or the embedder has another dimension.
            EncoderError: The embedder cannot be used.
            BuildError: There are fewer embeddings than leaves.
        """
        embedder = _opened(data.embedder_path, data.dataset.shape[1])
        check_index_inputs(data.dataset, scann_options)
        return cls(_Data(data.dataset, scann_options, seed, trainer), data.metadata, embedder)

    @classmethod
    def create_from_server_scann(
        cls, serialized_scann_path: str | Path, metadata: Sequence[bytes | str], embedder_path: str | None = None
    ) -> Searcher:
        """Takes an index that `searcher.serialize` of server-side ScaNN wrote. It exports as `SCANN_INDEX_FILE` or `TASK_LIBRARY`.

        Args:
            serialized_scann_path: The folder.
            metadata: One entry per item; text is stored as UTF-8.
            embedder_path: The `.tflite` that embeds queries.

        Raises:
            DataError: Metadata and items differ in number, or the embedder has another dimension.
            EncoderError: The embedder cannot be used.
            BuildError: The folder cannot be read, or its index cannot be searched on a device.
        """
        content = read_server_scann(Path(serialized_scann_path))
        if len(metadata) != len(content.order):
            raise DataError(f"{serialized_scann_path}: {len(metadata)} metadata for {len(content.order)} items; expected one per item")
        entries = [m.encode() if isinstance(m, str) else bytes(m) for m in metadata]
        return cls(content, entries, _opened(embedder_path, content.dimension))

    def export(
        self,
        export_format: ExportFormat = ExportFormat.TFLITE,
        export_filename: str | Path = "searcher.tflite",
        userinfo: str = "",
        compression: bool = True,
        *,
        k: int = DEFAULT_K,
        query: str | None = None,
        measure: Callable[[Path], dict[str, Any]] | None = None,
    ) -> None:
        """Writes the searcher. An existing file is replaced, as in Model Maker.

        A `TASK_LIBRARY` file does not record whether its items are normalised. If they are and the embedder does not normalise, apps
        have to set `EmbeddingOptions.l2_normalize`.

        Args:
            export_format: `TFLITE`, `TASK_LIBRARY` or `SCANN_INDEX_FILE`.
            export_filename: The file.
            userinfo: Text that `get_user_info` returns.
            compression: Compress an on-device ScaNN index with Snappy. Graph searchers are memory-mapped and never compressed.
            k: Maximum number of neighbours that a query of a `TFLITE` file returns.
            query: For `TASK_LIBRARY` and an embedder with both: `text` (also if None) or `image`. Of a `words` tower only known words and
                their pairs are exported, not the trigrams of unknown words.
            measure: Called with a `TFLITE` file before it is finished. Its result goes into the report in the manifest.

        Raises:
            BuildError: The format is not supported, an embedder is missing, or the file would exceed 2 GB.
            EncoderError: The embedder cannot be written to this format.
        """
        path = Path(export_filename)
        if export_format is ExportFormat.TFLITE:
            self._write_graph(path, userinfo, k, measure)
        elif export_format is ExportFormat.SCANN_INDEX_FILE:
            write_index(path, self._scann_content(), self._metadata, userinfo, compression)
        elif export_format is ExportFormat.TASK_LIBRARY:
            if self._embedder is None:
                raise BuildError("Can't export the tflite model since embedder model is not provided.")
            write_task_library(path, self._embedder, self._scann_content(), self._metadata, userinfo, compression, query)
        else:
            raise BuildError(f"Unsupported export format: {export_format}")

    def _scann_content(self) -> ScannContent:
        if isinstance(self._source, ScannContent):
            return self._source
        return self._source.scann_content

    def _write_graph(self, path: Path, userinfo: str, k: int, measure: Callable[[Path], dict[str, Any]] | None) -> None:
        index, embedder = self.index, self._embedder
        if embedder is not None and embedder.refused is not None:
            raise embedder.refused
        towers = embedder.towers if embedder else {}
        trained = embedder_manifest(embedder.path) if embedder else None
        content = SearcherContent(
            index=index,
            metadata=self._metadata,
            towers=towers,
            k=k,
            user_info=userinfo,
            encoders=trained.encoders if trained else {kind: {"file": Path(t.source.path).name} for kind, t in towers.items()},
            training=trained.training if trained else {},
            report=trained.report if trained else {},
            example_texts=example_texts(trained),
            measure=measure,
        )
        write_searcher(content, path)


def _opened(path: str | None, dimension: int) -> Embedder | None:
    if path is None:
        return None
    embedder = open_any_embedder(path)
    if embedder.dimension != dimension:
        raise DataError(
            f"{path}: the embedder has {embedder.dimension} dimensions, the embeddings have {dimension}; embed the items with this embedder"
        )
    return embedder
