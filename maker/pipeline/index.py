"""Indexes embeddings and writes the searcher."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from maker.data.facts_file import read_facts
from maker.encoders.embedder import SENTENCES, embedder_manifest, example_texts, open_embedder
from maker.encoders.evidence import Evidence, StoredEvidence
from maker.encoders.prefix import trained_prefixes
from maker.encoders.tokenizer_file import TextModelOptions
from maker.errors import BuildError, DataError
from maker.evaluation.file_parts import tower_parts
from maker.evaluation.index_quality import QUERIES, index_recall, measure_index, measure_text_latency, perturbed_items
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import are_normalized, check_embeddings
from maker.index.lexical import lexical_index
from maker.pipeline.built_in_queries import built_in_embeddings
from maker.pipeline.dimension import cut_embeddings
from maker.pipeline.facts_stage import CollectedFacts, index_facts
from maker.pipeline.index_curve import draw_curve
from maker.pipeline.report import BuildReport, file_lines, line
from maker.pipeline.tuning import IndexSettings, Queries, choose_index, is_partitioned, routing_queries
from maker.workspace import prepare_output
from task.format import item_table
from task.format.facts import Column
from task.format.lexical import LexicalIndex
from task.format.manifest import Manifest

ITEM_OFFSET = 4  # bytes per item in the table of metadata
OTHER_PARTS = 100_000  # approximate bytes of manifest, model card and graph


def index_embeddings(
    embeddings: np.ndarray,
    metadata: Sequence[bytes],
    output: Path,
    *,
    embedder: Path | None = None,
    text_model: TextModelOptions | None = None,
    queries: np.ndarray | None = None,
    facts: Path | None = None,
    lexical: bool = False,
    overwrite: bool = False,
    user_info: str = "",
    settings: IndexSettings | None = None,
    names: tuple[str, str] = ("embeddings", "metadata"),
) -> BuildReport:
    """Indexes embeddings of any origin and writes a searcher.

    Args:
        embeddings: `(n, d)` float32; may be memory-mapped.
        metadata: One entry per embedding.
        output: The searcher to write.
        embedder: A `.tflite` that embeds queries. Without it, the searcher only takes embeddings as queries.
        text_model: The tokenizer of an embedder that takes token ids.
        queries: `(q, d)` float32, typical queries. Up to 1,000 measure the index; the others train the choice of leaves. None takes
            built-in sentences if the embedder is a file of this project with a text tower, else perturbed items.
        facts: A file of facts about the items (`maker.data.facts_file`).
        lexical: Also index the words of metadata and facts.
        overwrite: Replace an existing output.
        user_info: Text that `get_user_info` returns.
        settings: Settings of the index.
        names: Names of the embeddings and the metadata in errors.

    Returns:
        A summary with figures.

    Raises:
        MakerError: An input cannot be used. Then `output` is not written.
    """
    begin = time.perf_counter()
    for path in (output, curve_picture(output)):
        prepare_output(path, overwrite)
    if embedder is None and text_model is not None and text_model.tokenizer is not None:
        raise BuildError(f"--tokenizer {text_model.tokenizer}: found no text model to use it with; pass the model with --embedder")
    check_embeddings(embeddings, names[0])
    if len(metadata) != len(embeddings):
        raise DataError(f"{names[1]}: {len(metadata)} metadata for {len(embeddings)} embeddings in {names[0]}; expected one per embedding")
    collected = index_facts(read_facts(facts), metadata) if facts else CollectedFacts({}, [])
    settings, trained = settings or IndexSettings(), embedder_manifest(embedder) if embedder else None
    how = "given queries"
    if queries is not None:
        check_queries(queries, embeddings)
    elif embedder is not None:
        queries, how = built_in_queries_for(embeddings, embedder, settings)
    if settings.dimension is not None:
        towers = open_embedder(embedder, text_model) if embedder else {}
        embeddings, queries = cut_embeddings(embeddings, queries, settings.dimension, towers, trained, (names[0], str(embedder)))
    items = IndexedItems(
        embeddings=embeddings,
        metadata=metadata,
        embedder=embedder,
        text_model=text_model,
        queries=None if queries is None else split_queries(queries, embeddings, how),
        facts=collected.columns,
        lexical=lexical_index(metadata, collected.columns, {}) if lexical else None,
    )
    manifest = write_index(items, output, settings, FileContent(user_info=user_info))
    lines = file_lines(manifest, output)
    lines += collected.lines
    if trained and trained.relevance:
        lines.append(line("relevance", f"none: the curve of {embedder} was fitted on its own items and does not apply to others"))
    seconds = round(time.perf_counter() - begin, 1)
    figures = {"items": manifest.items, "seconds": seconds, **manifest.report}
    return BuildReport(figures, [*lines, line("time", f"{seconds} s")])


@dataclass(frozen=True, kw_only=True)
class IndexedItems:
    """The items to index.

    Attributes:
        embeddings: `(n, d)` float32, already truncated to the dimension of the settings; may be memory-mapped.
        metadata: One entry per item.
        embedder: A `.tflite` whose towers embed queries; they are truncated to `d`. None for a searcher that only takes embeddings.
        text_model: The tokenizer of an embedder that takes token ids.
        kinds: Kinds of towers that go into the file.
        queries: Typical queries of dimension `d`; perturbed items if None.
        facts: Columns of facts, one value per item each.
        lexical: The words of the items; None for no lexical index.
        normalized: That of `SearcherContent`: embeddings out of a searcher stand for vectors of norm 1, although rounding changed theirs.
    """

    embeddings: np.ndarray
    metadata: Sequence[bytes]
    embedder: Path | None = None
    text_model: TextModelOptions | None = None
    kinds: Sequence[str] = (*SENTENCES, "image", "audio")
    queries: Queries | None = None
    facts: Mapping[str, Column] = field(default_factory=dict)
    lexical: LexicalIndex | None = None
    normalized: bool | None = None


@dataclass(frozen=True, kw_only=True)
class FileContent:
    """The content of a searcher besides its items.

    Attributes:
        user_info: Text that `get_user_info` returns.
        report: Figures for the manifest.
        relevance: Relevance curves for the manifest. Those of an embedder do not apply: they were fitted on other items.
        examples: Texts of the golden queries; those of the embedder if there are none.
        evidence: What sentences say about their answers, which belongs to `relevance`.
        sentence_mean: The mean embedding of sentences, `(d,)` float32; that of the embedder if None.
        card: Makes the model card from the manifest.
    """

    user_info: str = ""
    report: dict[str, Any] = field(default_factory=dict)
    relevance: dict[str, Any] = field(default_factory=dict)
    examples: Sequence[str] = ()
    evidence: Evidence | StoredEvidence | None = None
    sentence_mean: np.ndarray | None = None
    card: Callable[[Manifest], str] | None = None


def write_index(items: IndexedItems, output: Path, settings: IndexSettings, content: FileContent | None = None) -> Manifest:
    """Builds and tunes an index according to the settings, and writes the searcher. Returns its manifest."""
    content = content or FileContent()
    embeddings, embedder = items.embeddings, items.embedder
    towers = open_embedder(embedder, items.text_model) if embedder else {}
    towers = {kind: tower for kind, tower in towers.items() if kind in items.kinds}
    trained = embedder_manifest(embedder) if embedder else None
    measured = (
        {name: figures for name, figures in trained.report.items() if name != "splits"} if trained else {}
    )  # those are of its own items
    if settings.dimension is not None and any(tower.dimension > settings.dimension for tower in towers.values()):
        towers = {kind: replace(tower, prefix=settings.dimension) for kind, tower in towers.items()}
        measured = {name: figures for name, figures in measured.items() if name != "retrieval"}  # it was measured with all dimensions
    queries = items.queries or _perturbed_queries(items)
    texts = list(content.examples) or example_texts(trained)

    def measure(path: Path) -> dict[str, Any]:
        figures: dict[str, Any] = {"index_curve": chosen.curve, "index_rows": chosen.rows}
        asked = queries.embeddings if chosen.index.leaves is None else queries.held_out
        quality = measure_index(path, embeddings, asked, settings.distance, queries.how, settings.k)
        figures["index"] = {**quality, **chosen.against(index_recall(quality)[1])}
        for kind in [kind for kind in SENTENCES if kind in towers and texts]:
            figures[f"search_{kind}"] = measure_text_latency(path, kind, [towers[kind].prepare(text) for text in texts])
        return figures

    rest = {item_table.BYTES: sum(len(entry) for entry in items.metadata), item_table.OFFSETS: ITEM_OFFSET * len(items.metadata)}
    rest |= tower_parts(embedder, list(towers)) if embedder else {}
    rest["other parts"] = OTHER_PARTS
    lengths = [length for length in trained_prefixes(trained) if length < embeddings.shape[1]]
    chosen = choose_index(embeddings, settings, queries, rest, output, lengths)
    written = SearcherContent(
        index=chosen.index,
        constants=chosen.constants,
        metadata=items.metadata,
        towers=towers,
        k=settings.k,
        user_info=content.user_info,
        encoders=trained.encoders if trained else {kind: {"file": Path(t.source.path).name} for kind, t in towers.items()},
        training=trained.training if trained else {},
        report={**measured, **content.report},
        relevance=content.relevance,
        evidence=content.evidence,
        sentence_mean=_sentence_mean(content, trained),
        example_texts=texts,
        card=content.card,
        measure=measure,
        normalized=items.normalized,
        facts=items.facts,
        lexical=items.lexical,
    )
    manifest = write_searcher(written, output)
    if chosen.curve:
        draw_curve(curve_picture(output), chosen.curve, chosen.index.budget, chosen.rows)
    return manifest


def _sentence_mean(content: FileContent, trained: Manifest | None) -> np.ndarray | None:
    if content.sentence_mean is not None:
        return content.sentence_mean
    return np.array(trained.means["text"], np.float32) if trained and trained.means else None


def _perturbed_queries(items: IndexedItems) -> Queries:
    """Queries for items that come without: the items with some noise."""
    unit = are_normalized(items.embeddings) if items.normalized is None else items.normalized
    for_routing = perturbed_items(items.embeddings, unit, routing_queries(items.embeddings), seed=1)
    return Queries(perturbed_items(items.embeddings, unit), "perturbed items", for_routing, "perturbed items")


def curve_picture(output: Path) -> Path:
    """The file of the plot of recall and latency, beside a searcher."""
    return output.with_name(f"{output.stem}.index.png")


def check_queries(queries: np.ndarray, embeddings: np.ndarray) -> None:
    """Checks that queries are of the embeddings' kind.

    Raises:
        DataError: They are not finite, or of another dimension.
    """
    check_embeddings(queries, "queries")
    if queries.shape[1] != embeddings.shape[1]:
        raise DataError(f"queries: found {queries.shape[1]} dimensions, expected {embeddings.shape[1]}, those of the embeddings")


def built_in_queries_for(embeddings: np.ndarray, embedder: Path, settings: IndexSettings) -> tuple[np.ndarray | None, str]:
    """Typical queries for items that come without, `(q, d)` float32, and where they come from.

    None if the index has no leaves, which finds the same for all queries, or if the embedder has no text tower for these embeddings.
    """
    if settings.leaves == 0 or (settings.leaves is None and not is_partitioned(len(embeddings))):
        return None, ""
    queries, how = built_in_embeddings(embedder) or (None, "")
    return (queries, how) if queries is not None and queries.shape[1] == embeddings.shape[1] else (None, "")


def split_queries(queries: np.ndarray, embeddings: np.ndarray, how: str) -> Queries:
    """Takes up to 1,000 evenly spread queries to measure the index, and trains routing with as many of the others as seconds allow.

    A query that is given several times counts once: else it could take part both in tuning and in measuring.
    """
    queries = queries[np.sort(np.unique(queries, axis=0, return_index=True)[1])]
    measuring = np.zeros(len(queries), np.bool_)
    measuring[np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)] = True
    others = np.asarray(queries[~measuring], np.float32)
    return Queries(np.asarray(queries[measuring], np.float32), how, others[: routing_queries(embeddings)], how)
