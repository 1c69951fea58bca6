"""Measures what was trained: retrieval among held-out photos, and what counts as relevant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from maker.data.duplicates import near_duplicates
from maker.data.splits import Splits
from maker.embedding.features import Features
from maker.evaluation.relevance import calibrate, choose_queries
from maker.pipeline.encoder import Encoder
from maker.pipeline.tuning import Queries, routing_queries
from maker.training.metrics import by_language, image_to_text, ranks
from maker.workspace import Workspace

TUNING_QUERIES = 1000
T = TypeVar("T")


@dataclass(frozen=True)
class HeldOut:
    """Held-out captions and the photos that were embedded to measure them.

    Attributes:
        splits: Captions of both sides.
        photos: Embeddings of at least the held-out photos that could be read.
        twins: Held-out photos that look like a training photo, each with that photo.
    """

    splits: Splits
    photos: Features
    twins: list[tuple[str, str]]

    @classmethod
    def of(cls, splits: Splits, photos: Features) -> HeldOut:
        """Finds the twins by the photos' perceptual hashes."""
        return cls(splits, photos, near_duplicates(splits, dict(zip(photos.images, photos.hashes, strict=True))))


def measure_retrieval(encoder: Encoder, held_out: HeldOut, work: Workspace) -> dict[str, Any]:
    """Retrieval among the held-out photos, by the exported towers and exact search; empty where nothing is held out.

    Returns:
        `retrieval`, for the manifest's report.
    """
    rows, splits = held_out.photos.rows(), held_out.splits
    captions = [c for c in splits.validation if c.image in rows]
    if not captions:
        return {}
    images = sorted({c.image for c in captions})
    places = {image: place for place, image in enumerate(images)}
    queries = encoder.embed_texts([c.text for c in captions], work)
    items = np.asarray(held_out.photos.values[[rows[image] for image in images]])
    targets = np.array([places[c.image] for c in captions])
    languages = np.array([c.language for c in captions])
    figures: dict[str, Any] = by_language(ranks(queries, items, targets), targets, languages)
    figures |= {"queries": len(captions), "images": len(images), "images_like_a_training_image": len(held_out.twins)}
    figures["image_to_text"] = image_to_text(items, queries, targets, languages)
    cut = f", the first {encoder.dimension} dimensions" if encoder.dimension else ""
    figures["how"] = f"text to image among the images of the {splits.how} validation split, exported towers{cut}, exact search"
    return {"retrieval": figures}


def fit_relevance(encoder: Encoder, held_out: HeldOut, work: Workspace) -> dict[str, Any]:
    """The curve from a distance to the probability that a result is relevant, for the manifest; empty where there is too little to fit."""
    rows, splits = held_out.photos.rows(), held_out.splits
    captions = choose_queries(splits.validation, rows)
    if not captions:
        return {}
    queries = encoder.embed_texts([c.text for c in captions], work)
    curve = calibrate(captions, queries, rows, held_out.photos.values, [*splits.train, *splits.validation])
    return {"search_text": curve} if curve else {}


def tuning_captions(splits: Splits) -> list[str]:
    """Captions that stand for what will be asked: held-out ones where there are any."""
    return spread([c.text for c in splits.validation or splits.train], TUNING_QUERIES)


def tuning_queries(encoder: Encoder, splits: Splits, items: np.ndarray, work: Workspace) -> Queries:
    """Embedded captions by which an index of `items`, `(n, d)` float32, is judged, and others from which it learns routing."""
    learning = spread([c.text for c in splits.train], routing_queries(items)) if splits.validation else []
    return Queries(
        encoder.embed_texts(tuning_captions(splits), work),
        "held-out captions" if splits.validation else "training captions",
        encoder.embed_texts(learning, work) if learning else np.zeros((0, 0), np.float32),
        "training captions",
    )


def spread(values: Sequence[T], count: int) -> list[T]:
    """At most `count` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
