"""From embeddings to a searcher file."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import SENTENCES, embedder_manifest, example_texts, open_embedder
from maker.encoders.prefix import trained_prefixes
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import BuildError, DataError
from maker.evaluation.index_quality import QUERIES, measure_index, measure_text_latency, perturbed_items
from maker.evaluation.inspection import tower_bytes
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import are_normalized, check_embeddings
from maker.pipeline.dimension import cut_embeddings
from maker.pipeline.index_curve import draw_curve
from maker.pipeline.report import BuildReport, file_lines, line
from maker.pipeline.tuning import IndexSettings, Queries, choose_index, routing_queries
from maker.workspace import prepare_output
from task.format.manifest import Manifest

ITEM_OFFSET = 4  # bytes an item in the table of metadata
OTHER_PARTS = 100_000  # bytes, about, of manifest, card and graph


def index_embeddings(
    embeddings: np.ndarray,
    metadata: Sequence[bytes],
    output: Path,
    *,
    embedder: Path | None = None,
    text_model: TextModelOptions | None = None,
    queries: np.ndarray | None = None,
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
        text_model: The tokenizer of an embedder that takes ids.
        queries: `(q, d)` float32 of the kind that will be asked: up to 1,000 judge the index, the others teach it which leaves to look
            into; perturbed items where None.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns.
        settings: What the index is asked for.
        names: What errors call the embeddings and the metadata.

    Raises:
        MakerError: An input cannot be used; nothing is written at `output`.
    """
    begin = time.perf_counter()
    for path in (output, curve_picture(output)):
        prepare_output(path, overwrite)
    if embedder is None and text_model is not None and text_model.tokenizer is not None:
        raise BuildError(f"--tokenizer {text_model.tokenizer}: there is no text model that it is for; name it with --embedder")
    check_embeddings(embeddings, names[0])
    if len(metadata) != len(embeddings):
        raise DataError(f"{names[1]}: {len(metadata)} metadata for {len(embeddings)} embeddings in {names[0]}; there has to be one an item")
    settings, trained = settings or IndexSettings(), embedder_manifest(embedder) if embedder else None
    if queries is not None:
        check_queries(queries, embeddings)
    if settings.dimension is not None:
        towers = open_embedder(embedder, text_model) if embedder else {}
        embeddings, queries = cut_embeddings(embeddings, queries, settings.dimension, towers, trained, (names[0], str(embedder)))
    asked = None if queries is None else split_queries(queries, embeddings)
    items = IndexedItems(embeddings=embeddings, metadata=metadata, embedder=embedder, text_model=text_model, queries=asked)
    manifest = write_index(items, output, settings, FileContent(user_info=user_info))
    told = []
    if trained and trained.relevance:
        told = [line("relevance", f"none: the curve of {embedder} was fitted on the items that it holds, and does not hold on others")]
    seconds = round(time.perf_counter() - begin, 1)
    figures = {"items": manifest.items, "seconds": seconds, **manifest.report}
    return BuildReport(figures, [*file_lines(manifest, output), *told, line("time", f"{seconds} s")])


@dataclass(frozen=True, kw_only=True)
class IndexedItems:
    """What is indexed.

    Attributes:
        embeddings: `(n, d)` float32 with the dimension that the settings ask for; may be memory-mapped.
        metadata: One entry an item.
        embedder: A `.tflite` whose towers embed queries, cut to that dimension; None for a file that is asked with embeddings.
        text_model: The tokenizer of an embedder that takes ids.
        queries: Queries of that dimension, of the kind that will be asked; perturbed items where None.
        normalized: That of `SearcherContent`: embeddings out of a searcher stand for vectors of norm 1, although rounding changed theirs.
    """

    embeddings: np.ndarray
    metadata: Sequence[bytes]
    embedder: Path | None = None
    text_model: TextModelOptions | None = None
    queries: Queries | None = None
    normalized: bool | None = None


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """What a searcher file holds besides its items.

    Attributes:
        user_info: Text that `get_user_info` returns.
        report: Figures for the manifest.
        relevance: Curves for the manifest. An embedder's own were fitted on other items, among which distances are others.
        examples: Texts of which golden queries are made; those of the embedder where there are none.
        card: Makes the model card from the manifest.
    """

    user_info: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    relevance: dict[str, Any] = field(default_factory=dict)
    examples: Sequence[str] = ()
    card: Callable[[Manifest], str] | None = None


def write_index(items: IndexedItems, output: Path, settings: IndexSettings, content: FileContent | None = None) -> Manifest:
    """Tunes an index by what the settings ask for, and writes the searcher."""
    content = content or FileContent()
    embeddings, embedder = items.embeddings, items.embedder
    towers = open_embedder(embedder, items.text_model) if embedder else {}
    trained = embedder_manifest(embedder) if embedder else None
    measured = trained.report if trained else {}
    if settings.dimension is not None and any(tower.dimension > settings.dimension for tower in towers.values()):
        towers = {kind: replace(tower, prefix=settings.dimension) for kind, tower in towers.items()}
        measured = {name: figures for name, figures in measured.items() if name != "retrieval"}  # that was with all dimensions
    queries = items.queries or _perturbed_queries(items)
    texts = list(content.examples) or example_texts(trained)

    def measure(path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {"index_curve": chosen.curve, "index_rows": chosen.rows}
        found["index"] = measure_index(path, embeddings, queries.embeddings, settings.distance, queries.how, settings.k)
        for kind in [kind for kind in SENTENCES if kind in towers and texts]:
            found[f"search_{kind}"] = measure_text_latency(path, kind, [towers[kind].prepare(text) for text in texts])
        return found

    rest = sum(len(entry) + ITEM_OFFSET for entry in items.metadata) + (tower_bytes(embedder) if embedder else 0) + OTHER_PARTS
    lengths = [length for length in trained_prefixes(trained) if length < embeddings.shape[1]]
    chosen = choose_index(embeddings, settings, queries, rest, lengths)
    written = SearcherContent(
        index=chosen.index,
        metadata=items.metadata,
        towers=towers,
        k=settings.k,
        user_info=content.user_info,
        encoders=trained.encoders if trained else {kind: {"file": Path(t.source.path).name} for kind, t in towers.items()},
        training=trained.training if trained else {},
        report={**measured, **content.report},
        relevance=content.relevance,
        example_texts=texts,
        card=content.card,
        measure=measure,
        normalized=items.normalized,
    )
    manifest = write_searcher(written, output)
    if chosen.curve:
        draw_curve(curve_picture(output), chosen.curve, chosen.index.budget, chosen.rows)
    return manifest


def _perturbed_queries(items: IndexedItems) -> Queries:
    """Queries where none are given: items with some noise."""
    unit = are_normalized(items.embeddings) if items.normalized is None else items.normalized
    learning = perturbed_items(items.embeddings, unit, routing_queries(items.embeddings), seed=1)
    return Queries(perturbed_items(items.embeddings, unit), "perturbed items", learning, "perturbed items")


def curve_picture(output: Path) -> Path:
    """Where the picture of a searcher's recall and latency lies."""
    return output.with_name(f"{output.stem}.index.png")


def check_queries(queries: np.ndarray, embeddings: np.ndarray) -> None:
    """Checks that queries are of the embeddings' kind.

    Raises:
        DataError: They are not finite, or of another dimension.
    """
    check_embeddings(queries, "queries")
    if queries.shape[1] != embeddings.shape[1]:
        raise DataError(f"queries: {queries.shape[1]} dimensions, expected {embeddings.shape[1]} as the embeddings have")


def split_queries(queries: np.ndarray, embeddings: np.ndarray) -> Queries:
    """Up to 1,000 queries to judge by, evenly spread, and of the others as many as can be learned from in seconds."""
    judging = np.zeros(len(queries), np.bool_)
    judging[np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)] = True
    others = np.asarray(queries[~judging], np.float32)
    return Queries(np.asarray(queries[judging], np.float32), "given queries", others[: routing_queries(embeddings)], "given queries")
