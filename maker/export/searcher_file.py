"""Writes `searcher.tflite` and checks the written file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import SENTENCES, AnyTower, Tower
from maker.encoders.evidence import OUTPUT, Evidence, StoredEvidence, tower_name, word_rows
from maker.encoders.token_tower import declare_queries
from maker.encoders.tokenizer_file import TokenizerFile
from maker.errors import BuildError, DataError
from maker.export import digest, golden
from maker.export.description import searcher_metadata
from maker.export.search_constants import SearchConstants, search_constants
from maker.export.search_graph import no_results_for_empty_text, search
from maker.graph.model import Model
from maker.graph.packed_weights import LIGHT
from maker.graph.source import SourceTensor
from maker.graph.subgraph import Subgraph
from maker.index.build import Index, are_normalized
from maker.index.options import DEFAULT_K
from maker.workspace import atomic
from task.format import archive, facts, item_table, lexical, tflite_metadata
from task.format import manifest as manifest_format
from task.format.facts import Column
from task.format.lexical import LexicalIndex
from task.format.manifest import Manifest

CARD = "model_card.md"


@dataclass(kw_only=True)
class SearcherContent:
    """Everything that goes into a searcher file.

    Attributes:
        index: The index.
        constants: Those of the index with any budget, if they were made before; saves making them again.
        metadata: One entry per item.
        towers: Towers by kind; empty for a file that takes only embeddings as queries.
        k: Number of neighbours that a signature returns.
        user_info: Free text of the builder.
        encoders, training, report: Parts of the manifest.
        example_texts: Sentences from which golden queries are chosen.
        relevance: Curves from distances to relevance, for the manifest.
        evidence: What a sentence says about whether its answer can be right; an output of `search_text` and `search_tokens`. None for none.
        sentence_mean: The mean embedding of sentences, `(d,)` float32; None if it is not known.
        card: Called with the manifest, which has no digests yet; returns the file's model card.
        measure: Called with the file before the manifest is added; returns figures that are added to the report.
        facts: Columns of facts, one value per item each.
        lexical: The words of the items; None for no lexical index.
        normalized: Whether the embeddings have norm 1, if the towers normalise their output themselves, as the towers of a searcher do. If
            None, the embeddings are checked, and the graph normalises queries where they have norm 1.
    """

    index: Index
    constants: SearchConstants | None = None
    metadata: Sequence[bytes]
    towers: dict[str, AnyTower] = field(default_factory=dict)
    k: int = DEFAULT_K
    user_info: str = ""
    encoders: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    example_texts: Sequence[str] = ()
    relevance: dict[str, Any] = field(default_factory=dict)
    evidence: Evidence | StoredEvidence | None = None
    sentence_mean: np.ndarray | None = None
    card: Callable[[Manifest], str] | None = None
    measure: Callable[[Path], dict[str, Any]] | None = None
    facts: Mapping[str, Column] = field(default_factory=dict)
    lexical: LexicalIndex | None = None
    normalized: bool | None = None

    @property
    def tokenizer(self) -> TokenizerFile | None:
        """The tokenizer that `task` has to apply; None if the graph does it."""
        return self.towers["tokens"].tokenizer if "tokens" in self.towers else None


def write_searcher(content: SearcherContent, path: Path) -> Manifest:
    """Writes the file, opens it with `task` and runs its golden queries; only then is it renamed to `path`.

    Raises:
        DataError: Metadata and embeddings differ in number, or an embedder's dimension differs from the embeddings'.
        BuildError: k is below 1, the file would exceed 2 GB, or a golden query does not return its results.
    """
    check_content(content)
    content = replace(content, index=content.index.with_capacity_for(content.k))
    with atomic(path) as temporary:
        normalized = are_normalized(content.index.embeddings) if content.normalized is None else content.normalized
        model = search_model(content, normalized)
        model.write(temporary)
        offsets, data = _encode_items(content.metadata)
        archive.append(temporary, item_table.OFFSETS, offsets)
        archive.append(temporary, item_table.BYTES, data)
        if content.facts:
            for name, part in zip((facts.LIST, facts.DATA), facts.encode(content.facts, len(content.metadata)), strict=True):
                archive.append(temporary, name, part)
        if content.lexical is not None:
            for name, part in zip((lexical.LIST, lexical.DATA), lexical.encode(content.lexical), strict=True):
                archive.append(temporary, name, part)
        if content.tokenizer is not None:
            archive.append(temporary, content.tokenizer.name, content.tokenizer.content)
        manifest = Manifest(
            distance=content.index.distance,
            dimension=int(content.index.embeddings.shape[1]),
            items=len(content.metadata),
            k=content.k,
            normalized=normalized,
            user_info=content.user_info,
            query={kind: tower.describe_query() for kind, tower in content.towers.items()},
            index=content.index.describe(),
            encoders=content.encoders,
            training=content.training,
            report={**content.report, **(content.measure(temporary) if content.measure else {})},
            relevance=content.relevance,
            means=_means(content),
            golden=golden.record_answers(temporary, content.towers, content.index, content.example_texts),
        )
        if content.card is not None:
            archive.append(temporary, CARD, content.card(manifest).encode())
        manifest.sha256 = digest.digests(temporary)
        archive.append(temporary, manifest_format.FILE, manifest_format.encode(manifest))
        golden.check_answers(temporary)
    return manifest


def _means(content: SearcherContent) -> dict[str, list[float]]:
    """The means for the manifest, with four decimals; none unless both are known."""
    sentences = content.sentence_mean
    embeddings = content.index.embeddings
    if sentences is None or len(sentences) != embeddings.shape[1]:
        return {}
    means = {"text": sentences, "image": embeddings.mean(axis=0, dtype=np.float64)}
    return {kind: [round(float(value), 4) for value in mean] for kind, mean in means.items()}


def check_content(content: SearcherContent) -> None:
    """Checks that metadata, towers and embeddings match.

    Raises:
        DataError: Metadata and embeddings differ in number, or an embedder's dimension differs from the embeddings'.
        BuildError: k is below 1.
    """
    items, dimension = content.index.embeddings.shape
    if len(content.metadata) != items:
        raise DataError(f"{len(content.metadata)} metadata entries for {items} embeddings, expected one per item, in the same order")
    if content.k < 1:
        raise BuildError(f"k must be at least 1, found {content.k}")
    check_dimensions(content.towers, dimension)


def check_dimensions(towers: Mapping[str, AnyTower], dimension: int) -> None:
    """Checks that all towers produce embeddings of that dimension.

    Raises:
        DataError: A tower does not.
    """
    for tower in towers.values():
        if tower.dimension != dimension:
            raise DataError(
                f"{tower.source.path}: the embedder produces {tower.dimension} dimensions, but the embeddings have {dimension}; "
                "embed the items with this embedder"
            )


def search_model(content: SearcherContent, normalized: bool) -> Model:
    """The graph: `embed_*` and `search_*` for each tower, and `search_embedding`; all search the same constants."""
    model = Model("pocket-searcher")
    constants = search_constants(content.index) if content.constants is None else replace(content.constants, index=content.index)
    dimension = int(content.index.embeddings.shape[1])
    unit = normalized and content.normalized is None
    # TFLite Metadata describes the first subgraphs, so those of the signatures come before the parts that they call.
    graphs = {(verb, kind): model.subgraph(f"{verb}_{kind}") for kind in content.towers for verb in ("search", "embed")}
    searching = model.subgraph("search_embedding")
    for kind, tower in content.towers.items():
        part = _Embedding(tower, unit, word_rows(tower.source, tower.signature) if isinstance(tower, Tower) else None)
        for verb in ("search", "embed"):
            g = graphs[verb, kind]
            queries = declare_queries(g, kind, tower.input_shape, tower.tokenizer)
            evidence = content.evidence if kind in SENTENCES else None
            embedding, *rows = part.add_to(g, list(queries.values()))
            if verb == "embed":
                model.signature(g, queries, {"embedding": embedding})
            else:
                distances, ids = search(g, embedding, constants, content.k)
                if kind == "text":
                    distances, ids = no_results_for_empty_text(g, embedding, distances, ids)
                found = {"distances": distances, "ids": ids}
                if evidence is not None:
                    found[OUTPUT] = evidence.write(g, embedding, rows[0] if rows else None)
                model.signature(g, queries, found)
    g = searching
    query = g.tensor("query", (1, dimension), np.float32)
    distances, ids = search(g, query, constants, content.k)
    model.signature(g, {"query": query}, {"distances": distances, "ids": ids})
    described = list(content.towers), len(content.metadata), content.index.distance, content.tokenizer
    description = searcher_metadata(*described, files={CARD: "model card"} if content.card else {})
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(description))
    return model


@dataclass(frozen=True)
class _Embedding:
    """Writes a tower for `search_*` and `embed_*`.

    Attributes:
        tower: The tower.
        unit: Divide the embedding by its norm.
        rows: The tensor with the rows of the embedding table that a `words` tower reads; None for other towers.
    """

    tower: AnyTower
    unit: bool
    rows: SourceTensor | None

    @property
    def name(self) -> str:
        """The name of the part; that of one with rows says so."""
        return tower_name(self.tower.kind, self.rows is not None)

    def add_to(self, g: Subgraph, queries: Sequence[int]) -> list[int]:
        """Adds the tower to a signature and returns the embedding, `[1, d]` float32, and the rows, `[t]` int32, if there are any.

        A tower with large weights is called, so that they are in memory once.
        """
        if self.packed_bytes < LIGHT:
            made = self(g, queries)
            for number, tensor in enumerate(made):  # named as a call names them: `StoredEvidence` reads from the file where the tower ends
                g.table.tensors[tensor].name = f"{self.name}{number}"
            return made
        embedding, *rows = g.call(self.name, queries, self, key=self.tower.kind)
        # What a call returns may be allocated only when it has run; LiteRT's CompiledModel takes no such tensor for an output.
        return [g.copy(embedding), *rows]

    @cached_property
    def packed_bytes(self) -> int:
        """The bytes of the weights that XNNPACK would pack anew in each signature."""
        model = Model("trial")
        g = model.subgraph("trial")
        self(g, list(declare_queries(g, self.tower.kind, self.tower.input_shape, self.tower.tokenizer).values()))
        return model.packed_bytes()

    def __call__(self, g: Subgraph, queries: Sequence[int]) -> list[int]:
        """Adds the operators of the tower; returns what `add_to` does."""
        more: list[int] = []
        if self.rows is not None and isinstance(self.tower, Tower):
            embedding, more = self.tower.write_reading(g, queries[0], [self.rows])
        else:
            embedding = self.tower.write(g, *queries)
        return [g.l2_normalize(embedding) if self.unit else embedding, *more]


def _encode_items(metadata: Sequence[bytes]) -> tuple[bytes, bytes]:
    try:
        return item_table.encode(metadata)
    except item_table.ItemTableError as error:
        raise DataError(str(error)) from error
