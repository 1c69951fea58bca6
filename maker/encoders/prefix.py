"""Prefixes of embeddings, which are embeddings too (Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from task.format.manifest import Manifest

TINY = np.float32(1e-12)


def prefix(embeddings: np.ndarray, dimension: int, normalize: bool = True) -> np.ndarray:
    """The first dimensions of each row of `(n, d)` embeddings, `(n, dimension)` float32, optionally divided by their Euclidean norm."""
    rows = np.array(embeddings[:, :dimension], np.float32)
    if normalize:
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), TINY)
    return rows


def trained_prefixes(described: Manifest | None) -> list[int]:
    """The smaller dimensions that an encoder or searcher was trained for, ascending; empty if its manifest has none."""
    if described is None:
        return []
    lengths = described.training.get("options", {}).get("matryoshka", ())
    return sorted(length for length in lengths if length < described.dimension)


def prefixes_in_words(training: Mapping[str, Any]) -> str:
    """The retrieval figures by dimension in the `training` of a manifest, as one line; empty if there are none."""
    prefixes = training.get("prefixes", ())
    parts = [f"{entry['dimension']}: {' / '.join(format(entry[name], '.1f') for name in ('R@1', 'R@5', 'R@10'))} %" for entry in prefixes]
    return f"R@1 / R@5 / R@10 with {', '.join(parts)} (text to image on the held-out split, float towers)" if parts else ""
