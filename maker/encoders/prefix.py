"""The first dimensions of embeddings as embeddings of their own (Kusupati et al., "Matryoshka Representation Learning", NeurIPS 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from task.format.manifest import Manifest

TINY = np.float32(1e-12)


def prefix(embeddings: np.ndarray, dimension: int, normalize: bool = True) -> np.ndarray:
    """`(n, dimension)` float32 of `(n, d)`: each row's first dimensions, divided by their Euclidean norm where `normalize`."""
    cut = np.array(embeddings[:, :dimension], np.float32)
    if normalize:
        cut /= np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), TINY)
    return cut


def trained_prefixes(described: Manifest | None) -> list[int]:
    """Lengths that the embeddings of an encoder or searcher were trained to be cut to, ascending; none where nothing says so."""
    if described is None:
        return []
    lengths = described.training.get("options", {}).get("matryoshka", ())
    return sorted(length for length in lengths if length < described.dimension)


def prefixes_in_words(training: Mapping[str, Any]) -> str:
    """What a manifest's `training` says of the lengths that embeddings were trained to be cut to, in one line; empty where nothing."""
    found = training.get("prefixes", ())
    told = [f"{entry['dimension']}: {' / '.join(format(entry[name], '.1f') for name in ('R@1', 'R@5', 'R@10'))} %" for entry in found]
    return f"R@1 / R@5 / R@10 with {', '.join(told)} (text to image on the held-out split, float towers)" if told else ""
