"""Captions that stand for several images in the same words: beside the strict figures, each of these images counts as right."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maker.training.metrics import ranks, retrieval

KEY = "identical_captions"  # of the figures, beside the strict ones
LABEL = "any image of the same caption"
LEAST = 0.01  # share of the captions that must repeat, to be worth a line


def repeated_captions(texts: Sequence[str], images: np.ndarray) -> dict[int, np.ndarray]:
    """The captions that stand for several images.

    Args:
        texts: The captions.
        images: `(len(texts),)` the image that each describes.

    Returns:
        The images of each such caption, by its number; empty if fewer than 1 % of the captions are such.
    """
    of_text: defaultdict[str, set[int]] = defaultdict(set)
    for text, image in zip(texts, images.tolist(), strict=True):
        of_text[text].add(image)
    shared = {text: np.array(sorted(found)) for text, found in of_text.items() if len(found) > 1}
    found = {number: shared[text] for number, text in enumerate(texts) if text in shared}
    return found if len(found) >= LEAST * len(texts) else {}


def lenient_ranks(strict: np.ndarray, repeated: dict[int, np.ndarray], queries: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The ranks of the best image that has the caption.

    Args:
        strict: `(q,)` the rank of each caption's own image, from 0.
        repeated: Captions and their images, of `repeated_captions`.
        queries: `(q, d)` float32 embeddings of the captions.
        items: `(n, d)` float32 embeddings of the images; higher dot products are nearer.

    Returns:
        `(q,)` float64 from 0.
    """
    pairs = [(query, image) for query, images in repeated.items() for image in images.tolist()]
    numbers, targets = np.array(pairs).T
    lenient = np.array(strict, np.float64)
    np.minimum.at(lenient, numbers, ranks(queries[numbers], items, targets))
    return lenient


def lenient_figures(
    lenient: np.ndarray, images: np.ndarray, repeated: Mapping[int, np.ndarray], items: int, limit: int | None = None
) -> dict[str, Any]:
    """`maker.training.metrics.retrieval` of lenient ranks, without chance, and `captions`: how many stand for several images."""
    figures = retrieval(lenient, images, limit, items=items)
    return {name: value for name, value in figures.items() if not name.endswith("_chance")} | {"captions": len(repeated)}


def share_in_words(captions: int, lenient: Mapping[str, Any]) -> str:
    """What the figures count, for a summary; `captions` is the number of all captions."""
    return f"{LABEL} counts as right: {100 * lenient['captions'] / captions:.0f} % of the captions stand for several images"
