"""Measures a trained encoder: retrieval among held-out photos, by captions and by short queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from maker.data.captions import Caption
from maker.data.duplicates import near_duplicates
from maker.data.splits import Splits
from maker.embedding.features import Features
from maker.embedding.word_rows import rows_of_texts
from maker.encoders.evidence import Evidence
from maker.encoders.phrases import mine_phrases
from maker.evaluation.identical_captions import KEY as IDENTICAL
from maker.evaluation.identical_captions import lenient_figures, lenient_ranks, repeated_captions
from maker.evaluation.relevance import is_answered
from maker.evaluation.typed_figures import measure_typed
from maker.evaluation.typed_queries import TypedQuery, typed_queries
from maker.pipeline.encoder import Encoder
from maker.pipeline.tuning import Queries, routing_queries
from maker.training.metrics import FEW_IMAGES, by_language, image_to_text, ranks
from maker.workspace import Workspace

TUNING_QUERIES = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class HeldOut:
    """The captions and photos to measure retrieval with.

    Attributes:
        splits: The captions of both splits.
        photos: Embeddings of all held-out photos that could be read, and maybe of others.
        near_duplicates: `(held-out photo, training photo)` that look alike.
    """

    splits: Splits
    photos: Features
    near_duplicates: list[tuple[str, str]]

    @classmethod
    def of(cls, splits: Splits, photos: Features) -> HeldOut:
        """Finds near-duplicates by the perceptual hashes of the photos."""
        return cls(splits, photos, near_duplicates(splits, dict(zip(photos.images, photos.hashes, strict=True))))

    @cached_property
    def captions(self) -> list[Caption]:
        """The held-out captions of photos that could be read."""
        rows = self.photos.rows()
        return [c for c in self.splits.validation if c.image in rows]

    @cached_property
    def images(self) -> list[str]:
        """The held-out photos that captions describe."""
        return sorted({c.image for c in self.captions})

    @cached_property
    def typed(self) -> list[TypedQuery]:
        """Queries of one to three words; the numbers of their pictures are places in `images`."""
        return typed_queries(self.captions, self.images)

    def embeddings(self, images: Sequence[str]) -> np.ndarray:
        """`(len(images), d)` float32: those of the photos `images`."""
        rows = self.photos.rows()
        return np.asarray(self.photos.values[[rows[image] for image in images]])


def measure_retrieval(encoder: Encoder, held_out: HeldOut, work: Workspace) -> dict[str, Any]:
    """Measures retrieval among the held-out photos, by the exported towers and exact search.

    Among few photos a random order finds much too. Few held-out photos are therefore searched for among all photos.

    Returns:
        `retrieval`, for the report in the manifest; empty if nothing is held out.
    """
    captions, images = held_out.captions, held_out.images
    if not captions:
        return {}
    searched = images if len(images) >= FEW_IMAGES else sorted(held_out.photos.images)
    places = {image: place for place, image in enumerate(searched)}
    queries, items = encoder.embed_texts([c.text for c in captions], work), held_out.embeddings(searched)
    targets = np.array([places[c.image] for c in captions])
    languages = np.array([c.language for c in captions])
    strict = ranks(queries, items, targets)
    figures: dict[str, Any] = by_language(strict, targets, languages, items=len(items))
    figures |= {"queries": len(captions), "images": len(images), "items": len(items)}
    figures["images_like_a_training_image"] = len(held_out.near_duplicates)
    repeated = repeated_captions([c.text for c in captions], targets)
    if repeated:
        figures[IDENTICAL] = lenient_figures(lenient_ranks(strict, repeated, queries, items), targets, repeated, len(items))
    used, within = np.unique(targets, return_inverse=True)
    figures["image_to_text"] = image_to_text(items[used], queries, within, languages)
    cut = f", the first {encoder.dimension} dimensions" if encoder.dimension else ""
    among = "the images" if len(searched) == len(images) else f"all {len(searched)} images, training images too; captions"
    figures["how"] = f"text to image among {among} of the {held_out.splits.how} validation split, exported towers{cut}, exact search"
    return {"retrieval": figures}


def measure_typed_queries(
    encoder: Encoder, held_out: HeldOut, items: np.ndarray, curve: dict[str, Any] | None, evidence: Evidence | None, work: Workspace
) -> dict[str, Any]:
    """Measures queries of one to three words among the held-out photos, by the exported towers and exact search.

    Args:
        encoder: The trained encoder.
        held_out: The held-out photos.
        items: `(n, d)` float32, the items of the file.
        curve: The relevance curve of the file; it decides which queries are answered among its items.
        evidence: What the graph computes of a query, for this curve.
        work: Keeps features.

    Returns:
        `typed_queries`, for the report in the manifest; empty if there are no such queries.
    """
    if not held_out.typed:
        return {}
    texts = [query.text for query in held_out.typed]
    queries = encoder.embed_texts(texts, work)
    said = evidence(queries, rows_of_texts(texts, encoder.file)) if evidence else None
    answered = is_answered(queries, np.asarray(items), curve, said) if curve else None
    how = f"the images of the {held_out.splits.how} validation split, exported towers, exact search"
    return {"typed_queries": measure_typed(held_out.typed, queries, held_out.embeddings(held_out.images), how, answered)}


def example_texts(splits: Splits, count: int) -> list[str]:
    """Captions as examples of queries: held-out ones if there are any, else training captions."""
    return spread([c.text for c in splits.validation or splits.train], count)


def tuning_texts(splits: Splits, held_out: HeldOut | None) -> list[str]:
    """Typical queries: held-out captions and queries of one to three words, one as often as the other; without any, training captions.

    Each is there once: else it could take part both in tuning and in measuring.
    """
    captions = splits.validation or splits.train
    typed = [query.text for query in held_out.typed] if held_out else []
    short = spread(typed, TUNING_QUERIES // 2)
    return list(dict.fromkeys([*spread([c.text for c in captions], TUNING_QUERIES - len(short)), *short]))


def tuning_queries(encoder: Encoder, splits: Splits, held_out: HeldOut | None, items: np.ndarray, work: Workspace) -> Queries:
    """Embeds typical queries to measure an index of `items`, `(n, d)` float32, and others to train its routing."""
    count = routing_queries(items) if splits.validation else 0
    phrases = (
        spread(mine_phrases([c.text for c in splits.train], np.arange(len(splits.train)), longest=3).texts, count // 2) if count else []
    )
    asked = tuning_texts(splits, held_out)
    measuring = set(asked)
    for_routing = [text for text in (*spread([c.text for c in splits.train], count - len(phrases)), *phrases) if text not in measuring]
    typed = " and typed queries" if held_out and held_out.typed else ""
    return Queries(
        encoder.embed_texts(asked, work),
        f"held-out captions{typed}" if splits.validation else "training captions",
        encoder.embed_texts(for_routing, work) if for_routing else np.zeros((0, 0), np.float32),
        "training captions and phrases of them",
    )


def spread(values: Sequence[T], count: int) -> list[T]:
    """At most `count` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
