"""Measures how well queries as people type them are answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from maker.evaluation.typed_queries import JUDGED, LENGTHS, TypedQuery
from maker.training.metrics import mean_interval

CUTOFFS = (5, 10)  # the k of P@k
BLOCK = 256


def measure_typed(
    queries: Sequence[TypedQuery], embeddings: np.ndarray, items: np.ndarray, how: str, answered: np.ndarray | None = None
) -> dict[str, Any]:
    """Measures precision by exact search among the pictures that the queries were judged on.

    Args:
        queries: The queries.
        embeddings: `(len(queries), d)` float32; a larger dot product with an item is nearer.
        items: `(n, d)` float32, by the numbers of the pictures.
        how: Says among which pictures, for the figures.
        answered: `(len(queries),)` bool: whether the query still has a result after those of low relevance were hidden; None if unknown.

    Returns:
        By name of the length (`one_word`, `two_to_three_words`), for lengths that have queries: `queries`; `P@5` and `P@10`, each with its
        95 % interval by bootstrap over queries, in percent; and `answered` in percent, if known. A query that fits fewer than k pictures
        counts by as many results. Also `images` and `how`; empty without queries.
    """
    if not queries:
        return {}
    precision = {cutoff: np.empty(len(queries)) for cutoff in CUTOFFS}
    for start in range(0, len(queries), BLOCK):
        scores = embeddings[start : start + BLOCK] @ items.T
        first = np.argsort(-scores, axis=1, kind="stable")[:, : max(CUTOFFS)]
        for row, query in enumerate(queries[start : start + BLOCK]):
            right = np.isin(first[row], query.pictures)
            for cutoff in CUTOFFS:
                precision[cutoff][start + row] = 100 * right[: min(cutoff, len(query.pictures))].mean()
    figures: dict[str, Any] = {}
    lengths = np.array([query.length for query in queries])
    for length in LENGTHS:
        chosen = np.flatnonzero(lengths == length)
        if len(chosen):
            figures[length] = {"queries": len(chosen)}
            for cutoff, values in precision.items():
                mean, interval = float(values[chosen].mean()), mean_interval(values[chosen], chosen)
                figures[length] |= {f"P@{cutoff}": round(mean, 2), f"P@{cutoff}_interval": interval}
            if answered is not None:
                figures[length]["answered"] = round(100 * float(answered[chosen].mean()), 2)
    return figures | {"images": len(items), "how": f"{how}; {JUDGED}"}


def typed_rows(figures: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The lengths in words, each with its figures."""
    return ((name, figures[length]) for length, name in LENGTHS.items() if length in figures)


def in_words(figures: Mapping[str, Any]) -> str:
    """The figures of one length: `P@5 41.2 %  P@10 36.3 %, 97.1 % answered`."""
    shares = "  ".join(f"P@{cutoff} {figures[f'P@{cutoff}']:.1f} %" for cutoff in CUTOFFS)
    return shares + (f", {figures['answered']:.1f} % answered" if "answered" in figures else "")
