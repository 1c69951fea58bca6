"""Results of embedders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InvalidArgumentError


@dataclass(frozen=True, eq=False)
class FeatureVector:
    """The values of an embedding.

    Attributes:
        value: `(d,)` float32. With `EmbeddingOptions.quantize`, int8 stored as uint8, as in the Task Library: use
            `value.view(np.int8)`.
    """

    value: np.ndarray


@dataclass(frozen=True)
class Embedding:
    """The embedding of one output of a model.

    Attributes:
        feature_vector: The values.
        output_index: Number of the output.
    """

    feature_vector: FeatureVector
    output_index: int


@dataclass(frozen=True)
class EmbeddingResult:
    """The embeddings of a query, one per output of the model."""

    embeddings: list[Embedding]


def quantize(vector: np.ndarray) -> np.ndarray:
    """Quantises a float32 vector to `round(128 x)`, clipped to int8 and stored as uint8. Halves are rounded away from zero."""
    scaled = vector * np.float32(128)
    rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return np.clip(rounded, -128, 127).astype(np.int8).view(np.uint8)


def cosine_similarity(u: FeatureVector, v: FeatureVector) -> float:
    """The cosine of the angle between two embeddings, in `[-1, 1]`; larger is more similar.

    Raises:
        InvalidArgumentError: Only one of them is quantised, their dimensions differ, or one has norm 0.
    """
    if (u.value.dtype == np.uint8) != (v.value.dtype == np.uint8):
        raise InvalidArgumentError("Cannot compute cosine similarity between quantized and float embeddings.")
    if u.value.shape != v.value.shape or not u.value.size:
        raise InvalidArgumentError(f"Cannot compute cosine similarity between embeddings of sizes {u.value.size} and {v.value.size}.")
    a, b = (x.value.view(np.int8).astype(np.float64) if x.value.dtype == np.uint8 else x.value.astype(np.float64) for x in (u, v))
    norms = float(np.sqrt(a @ a) * np.sqrt(b @ b))
    if not norms > 0:
        raise InvalidArgumentError("Cannot compute cosine similarity on embedding with 0 norm.")
    return float(a @ b) / norms
