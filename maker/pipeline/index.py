"""From embeddings to a searcher file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import embedder_manifest, example_texts, open_embedder
from maker.errors import BuildError, DataError
from maker.evaluation.index_quality import exact_neighbours, measure_index, measure_text_latency, perturbed_items
from maker.export.searcher_file import DEFAULT_K, SearcherContent, write_searcher
from maker.files import refuse_overwrite
from maker.index.build import Index, are_normalized, build_index, check_embeddings, default_options
from maker.index.options import ScaNNOptions, Tree
from maker.index.tune import rows_recall, share_for_recall
from maker.pipeline.report import BuildReport, file_lines, line
from maker.progress import say
from task.format.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What an index is asked for.

    Attributes:
        distance: `dot_product` or `squared_l2`.
        leaves: Partitions; 0 for none, None to choose by the number of items.
        recall: Share of the true ten nearest to find, which decides how many of the partitions a query scans.
        k: Neighbours that a query returns at most.
        trainer: `scann`, `own`, or `auto` for ScaNN's k-means where it is installed.
        seed: Of the k-means.
    """

    distance: str = "dot_product"
    leaves: int | None = None
    recall: float = 0.95
    k: int = DEFAULT_K
    trainer: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the ranges.

        Raises:
            BuildError: A value is out of its range.
        """
        if not 0 < self.recall <= 1:
            raise BuildError(f"recall must be within (0, 1], found {self.recall}")
        if self.leaves is not None and self.leaves < 0:
            raise BuildError(f"leaves must be at least 0, found {self.leaves}")
        if self.k < 1:
            raise BuildError(f"k must be at least 1, found {self.k}")
        if self.seed < 0:
            raise BuildError(f"seed must be at least 0, found {self.seed}")


@dataclass(frozen=True)
class Queries:
    """Queries by which an index is tuned and measured: `(q, d)` float32 embeddings, and what they are."""

    embeddings: np.ndarray
    how: str


def index_embeddings(
    embeddings: np.ndarray,
    metadata: Sequence[bytes],
    output: Path,
    *,
    embedder: Path | None = None,
    overwrite: bool = False,
    user_info: str = "",
    settings: IndexSettings | None = None,
    names: tuple[str, str] = ("embeddings", "metadata"),
) -> BuildReport:
    """Indexes embeddings from anywhere.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        metadata: One entry an embedding.
        output: The searcher to write.
        embedder: A `.tflite` that embeds queries; without it the file is asked with embeddings.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns.
        settings: What the index is asked for.
        names: What errors call the embeddings and the metadata.

    Raises:
        MakerError: An input cannot be used; nothing is written at `output`.
    """
    begin = time.perf_counter()
    refuse_overwrite(output, overwrite)
    check_embeddings(embeddings, names[0])
    if len(metadata) != len(embeddings):
        raise DataError(f"{names[1]}: {len(metadata)} metadata for {len(embeddings)} embeddings in {names[0]}; there has to be one an item")
    manifest = write_index(embeddings, metadata, output, embedder, settings or IndexSettings(), user_info=user_info)
    seconds = round(time.perf_counter() - begin, 1)
    figures = {"items": manifest.items, "seconds": seconds, **manifest.report}
    return BuildReport(figures, [*file_lines(manifest, output), line("time", f"{seconds} s")])


def write_index(
    embeddings: np.ndarray,
    metadata: Sequence[bytes],
    output: Path,
    embedder: Path | None,
    settings: IndexSettings,
    *,
    queries: Queries | None = None,
    user_info: str = "",
    report: dict[str, Any] | None = None,
    examples: Sequence[str] = (),
) -> Manifest:
    """Indexes and writes; `queries` stand for what will be asked, perturbed items where None."""
    towers = open_embedder(embedder) if embedder else {}
    trained = embedder_manifest(embedder) if embedder else None
    queries = queries or Queries(perturbed_items(embeddings, are_normalized(embeddings)), "perturbed items")
    texts = list(examples) or example_texts(trained)

    def measure(path: Path) -> dict[str, Any]:
        found = {"index": measure_index(path, embeddings, queries.embeddings, settings.distance, queries.how, settings.k)}
        if "text" in towers and texts:
            found["search_text"] = measure_text_latency(path, texts)
        return found

    content = SearcherContent(
        index=_index(embeddings, settings, queries),
        metadata=metadata,
        towers=towers,
        k=settings.k,
        user_info=user_info,
        encoders=trained.encoders if trained else {kind: {"file": Path(t.source.path).name} for kind, t in towers.items()},
        training=trained.training if trained else {},
        report={**(trained.report if trained else {}), **(report or {})},
        example_texts=texts,
        measure=measure,
    )
    return write_searcher(content, output)


def _index(embeddings: np.ndarray, settings: IndexSettings, queries: Queries) -> Index:
    options = default_options(len(embeddings), settings.distance)
    if settings.leaves is not None:
        tree = Tree(settings.leaves, settings.leaves) if settings.leaves else None
        options = ScaNNOptions(settings.distance, tree=tree, score_ah=options.score_ah)
    index = build_index(embeddings, options, settings.seed, settings.trainer)
    if index.centroids is None:
        return index
    truth = exact_neighbours(embeddings, queries.embeddings, settings.distance)
    # A neighbour is found when its chunk is scanned and quantisation has not moved it out of the first ten.
    possible = rows_recall(index, queries.embeddings, truth)
    if possible < settings.recall:
        say(f"the quantised rows alone give a recall of {possible:.3f}, less than {settings.recall}: everything is scanned")
        return index.with_share(1.0)
    return index.with_share(share_for_recall(index, queries.embeddings, truth, settings.recall / possible))
