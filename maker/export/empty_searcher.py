"""Writes a searcher without items, from ready towers: for apps and pages that index their users' own pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from maker.encoders.embedder import AnyTower
from maker.errors import BuildError
from maker.export import digest, golden
from maker.export.description import empty_metadata
from maker.export.encoder_file import embedding_model
from maker.export.searcher_file import check_dimensions
from maker.index.options import DEFAULT_K
from maker.workspace import atomic
from task.format import archive, item_table, lexical, tflite_metadata
from task.format import manifest as manifest_format
from task.format.lexical import LexicalIndex
from task.format.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class EmptyContent:
    """Everything that goes into a searcher without items.

    Attributes:
        towers: The towers by kind, at least one.
        normalize: Divide embeddings by their norm, if the towers do not.
        normalized: Whether the embeddings have norm 1.
        distance: `dot_product` or `squared_l2`.
        k: Number of results of a query, unless another number is asked for.
        lexical: Whether the words of items that are added are indexed.
        means: The mean embeddings of sentences and of pictures, for composed queries; empty if they are not known.
        user_info, encoders, training: Parts of the manifest.
        example_texts: Sentences of the golden queries.
    """

    towers: Mapping[str, AnyTower]
    normalize: bool = False
    normalized: bool = True
    distance: str = "dot_product"
    k: int = DEFAULT_K
    lexical: bool = False
    means: Mapping[str, list[float]] = field(default_factory=dict)
    user_info: str = ""
    encoders: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    example_texts: Sequence[str] = ()


def write_empty(content: EmptyContent, path: Path) -> Manifest:
    """Writes the file, opens it with `task` and runs its golden queries; only then is it renamed to `path`.

    Raises:
        BuildError: k is below 1, or a golden query does not return its embedding.
        DataError: The towers' embeddings differ in length.
        EncoderError: A tower gives values that are not finite.
    """
    if content.k < 1:
        raise BuildError(f"k must be at least 1, found {content.k}")
    towers = content.towers
    dimension = next(iter(towers.values())).dimension
    check_dimensions(towers, dimension)
    tokenizer = towers["tokens"].tokenizer if "tokens" in towers else None
    shapes = {kind: tower.input_shape for kind, tower in towers.items()}
    model = embedding_model("pocket-searcher", towers, shapes, content.normalize, tokenizer)
    model.metadata(tflite_metadata.NAME, tflite_metadata.encode(empty_metadata(list(towers), content.distance, tokenizer)))
    with atomic(path) as temporary:
        model.write(temporary)
        for name, part in zip((item_table.OFFSETS, item_table.BYTES), item_table.encode([]), strict=True):
            archive.append(temporary, name, part)
        if content.lexical:
            none = LexicalIndex.of(np.empty(0, np.uint32), np.empty(0, np.int64), 0)
            for name, part in zip((lexical.LIST, lexical.DATA), lexical.encode(none), strict=True):
                archive.append(temporary, name, part)
        if tokenizer is not None:
            archive.append(temporary, tokenizer.name, tokenizer.content)
        manifest = Manifest(
            distance=content.distance,
            dimension=dimension,
            items=0,
            k=content.k,
            normalized=content.normalized,
            user_info=content.user_info,
            query={kind: tower.describe_query() for kind, tower in towers.items()},
            index={"kind": "none"},
            encoders=dict(content.encoders),
            training=dict(content.training),
            means=dict(content.means),
            golden=golden.record_embeddings(temporary, towers, content.example_texts),
            sha256=digest.digests(temporary),
        )
        archive.append(temporary, manifest_format.FILE, manifest_format.encode(manifest))
        golden.check_answers(temporary)
    return manifest
