"""One vector for a composed query."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ArgumentTypeError, InvalidArgumentError
from .engine import Embedder
from .query import Part, Picture, Query, Sound

PUSH = 0.2  # by `make bench-queries`: half as much leaves out less, twice as much loses results that were right
RANK = 0.1  # excluded parts whose directions differ by less count as one
LEFT = 1e-3  # what is left of a query has at least this part of its length


def embedded(part: Part, embedder: Embedder) -> np.ndarray:
    """The embedding of a sentence, a picture or a sound, `(d,)` float32; an embedding itself, unchecked.

    Raises:
        InvalidArgumentError: The file has no tower for the part, or the part is of another type.
    """
    if isinstance(part, str):
        return embedder.embed_text(part)
    if isinstance(part, Picture):
        return embedder.embed_image(part.prepared(*embedder.image_size(), embedder.preparation))
    if isinstance(part, Sound):
        return embedder.embed_audio(part.samples_for(embedder.sound_format))
    vector = np.asarray(part)
    if vector.dtype.kind not in "fiu":
        raise ArgumentTypeError(
            f"what is embedded has to be a str, a TensorImage, a TensorAudio or an embedding, found {type(part).__name__}."
        )
    return vector


def compose(query: Query, embedder: Embedder, means: Mapping[str, np.ndarray]) -> np.ndarray:
    """One vector for a query of several parts.

    The wanted parts are averaged by their weights. Then the excluded parts are projected away: what is left is orthogonal to each of
    them (Widdows, "Orthogonal negation in vector spaces for modelling word-meanings and document retrieval", ACL 2003). Photos of the
    wanted thing show the excluded one more often than others do, so the query is also pushed off: its cosine with each excluded
    part is `-PUSH` before it gets its length.

    Where sentences meet items, pictures or sounds, the mean of its kind is removed from each part first. Embeddings count as items.

    Args:
        query: The query.
        embedder: Embeds the parts.
        means: The mean embeddings of sentences and of items, `text` and `image`, `(d,)` float32; empty if the file has none.

    Returns:
        `(d,)` float32, as long as the wanted parts are on average.

    Raises:
        InvalidArgumentError: A part cannot be embedded, a sentence has no word, an embedding is zero, has another dimension or is not
            finite, or the query excludes all that it wants.
    """
    parts = [part for part, _ in query.wanted] + list(query.excluded)
    vectors = np.stack([_checked(part, embedded(part, embedder), embedder.dimension) for part in parts])
    kinds = ["text" if isinstance(part, str) else "image" for part in parts]
    norms = np.linalg.norm(vectors, axis=1)
    if len(set(kinds)) == 2 and means:
        vectors = vectors - np.stack([means[kind] for kind in kinds])
        vectors *= (norms / np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny))[:, None]
    count = len(query.wanted)
    weights = np.array([weight for _, weight in query.wanted])
    weights /= weights.sum()
    wanted, length = weights @ vectors[:count], weights @ norms[:count]
    if query.excluded:
        excluded = vectors[count:] / norms[count:, None]
        inverse = np.linalg.pinv(excluded, rcond=RANK)
        rest = wanted - inverse @ (excluded @ wanted)
        left = float(np.linalg.norm(rest))
        if left > LEFT * length:
            wanted = rest / left - PUSH * inverse.sum(axis=1)
        else:
            wanted = np.zeros_like(rest)
    left = float(np.linalg.norm(wanted))
    if left <= LEFT * length:
        raise InvalidArgumentError("nothing is left of the query: its parts cancel each other; leave one of them out.")
    return np.asarray(wanted * (length / left), np.float32)


def _checked(part: Part, vector: np.ndarray, dimension: int) -> np.ndarray:
    values = np.asarray(vector, np.float64).reshape(-1)
    if len(values) != dimension:
        raise InvalidArgumentError(f"a part of the query has {len(values)} dimensions, the index {dimension}.")
    if not np.isfinite(values).all():
        raise InvalidArgumentError("a part of the query has a value that is not finite.")
    if not values.any():
        what = f"the part {part[:60]!r} of the query has no word" if isinstance(part, str) else "a part of the query is a zero vector"
        raise InvalidArgumentError(f"{what}; leave it out.")
    return values
