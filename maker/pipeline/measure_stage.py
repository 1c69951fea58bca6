"""Measures a trained encoder: retrieval among held-out photos, and the relevance curve."""

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


def measure_retrieval(encoder: Encoder, held_out: HeldOut, work: Workspace) -> dict[str, Any]:
    """Measures retrieval among the held-out photos, by the exported towers and exact search.

    Among few photos a random order finds much too. Few held-out photos are therefore searched for among all photos.

    Returns:
        `retrieval`, for the report in the manifest; empty if nothing is held out.
    """
    rows, splits = held_out.photos.rows(), held_out.splits
    captions = [c for c in splits.validation if c.image in rows]
    if not captions:
        return {}
    described = {c.image for c in captions}
    images = sorted(described if len(described) >= FEW_IMAGES else rows)
    places = {image: place for place, image in enumerate(images)}
    queries = encoder.embed_texts([c.text for c in captions], work)
    items = np.asarray(held_out.photos.values[[rows[image] for image in images]])
    targets = np.array([places[c.image] for c in captions])
    languages = np.array([c.language for c in captions])
    figures: dict[str, Any] = by_language(ranks(queries, items, targets), targets, languages, items=len(items))
    figures |= {"queries": len(captions), "images": len(described), "items": len(items)}
    figures["images_like_a_training_image"] = len(held_out.near_duplicates)
    used, within = np.unique(targets, return_inverse=True)
    figures["image_to_text"] = image_to_text(items[used], queries, within, languages)
    cut = f", the first {encoder.dimension} dimensions" if encoder.dimension else ""
    among = "the images" if len(images) == len(described) else f"all {len(images)} images, training images too; captions"
    figures["how"] = f"text to image among {among} of the {splits.how} validation split, exported towers{cut}, exact search"
    return {"retrieval": figures}


def fit_relevance(encoder: Encoder, held_out: HeldOut, work: Workspace) -> dict[str, Any]:
    """Fits the curve from a distance to the probability that a result is relevant.

    Returns:
        `search_text`, for the manifest; empty if there are too few captions.
    """
    rows, splits = held_out.photos.rows(), held_out.splits
    captions = choose_queries(splits.validation, rows)
    if not captions:
        return {}
    queries = encoder.embed_texts([c.text for c in captions], work)
    curve = calibrate(captions, queries, rows, held_out.photos.values, [*splits.train, *splits.validation])
    return {"search_text": curve} if curve else {}


def tuning_captions(splits: Splits) -> list[str]:
    """Captions as typical queries: held-out ones if there are any, else training captions."""
    return spread([c.text for c in splits.validation or splits.train], TUNING_QUERIES)


def tuning_queries(encoder: Encoder, splits: Splits, items: np.ndarray, work: Workspace) -> Queries:
    """Embeds captions to measure an index of `items`, `(n, d)` float32, and others to train its routing."""
    for_routing = spread([c.text for c in splits.train], routing_queries(items)) if splits.validation else []
    return Queries(
        encoder.embed_texts(tuning_captions(splits), work),
        "held-out captions" if splits.validation else "training captions",
        encoder.embed_texts(for_routing, work) if for_routing else np.zeros((0, 0), np.float32),
        "training captions",
    )


def spread(values: Sequence[T], count: int) -> list[T]:
    """At most `count` of the values, evenly spread."""
    return [values[i] for i in np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)]
