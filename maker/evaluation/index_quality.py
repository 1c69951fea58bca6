"""What an index costs: recall against exact float search, and latency."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maker.progress import progress
from task.core import BaseOptions
from task.core.interpreter import SignatureRunners
from task.core.model_file import ModelFile

NEIGHBOURS = 10
QUERIES = 1000
WARM_UP = 20
BLOCK, ITEMS = 64, 1 << 17  # queries and items whose products are held at a time
GROUP = 32  # of which only the largest is compared at first
JITTER = 0.3  # norm of the noise on items that stand in for queries


def exact_neighbours(embeddings: np.ndarray, queries: np.ndarray, distance: str, k: int = NEIGHBOURS) -> np.ndarray:
    """The k nearest items of each query by float search, `(q, k)` int; k is at most the number of items."""
    k = min(k, len(embeddings))
    scores = np.zeros((len(queries), 0), np.float32)
    found = np.zeros((len(queries), 0), np.int64)
    for start in progress(range(0, len(embeddings), ITEMS), "exact search", quiet=len(queries) * embeddings.size < 2e10):
        block = np.asarray(embeddings[start : start + ITEMS], np.float32)
        norms = np.einsum("nd,nd->n", block, block) if distance == "squared_l2" else None
        near, places = _best_of_block(queries, block, norms, min(k, len(block)))
        scores, found = np.concatenate([scores, near], axis=1), np.concatenate([found, places + start], axis=1)
        # Stable, so that of equals the earlier item stays.
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        scores, found = np.take_along_axis(scores, order, axis=1), np.take_along_axis(found, order, axis=1)
    return found


def _best_of_block(queries: np.ndarray, items: np.ndarray, norms: np.ndarray | None, k: int) -> tuple[np.ndarray, np.ndarray]:
    near, places = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK] @ items.T
        if norms is not None:
            scores = 2 * scores - norms
        best = np.sort(_best_columns(scores, k), axis=1)
        near[start : start + BLOCK], places[start : start + BLOCK] = np.take_along_axis(scores, best, axis=1), best
    return near, places


def _best_columns(scores: np.ndarray, k: int) -> np.ndarray:
    """The k largest of each row, in no order, `(rows, k)`.

    The k largest lie in the k groups of columns whose largest are largest, and groups are compared much faster than columns.
    """
    rows, columns = scores.shape
    size = columns // GROUP
    if size <= 4 * k:
        return np.argpartition(scores, -k, axis=1)[:, -k:]
    groups = scores[:, : GROUP * size].reshape(rows, GROUP, size).max(1)
    best = np.argpartition(groups, -k, axis=1)[:, -k:]
    rest = np.broadcast_to(np.arange(GROUP * size, columns), (rows, columns - GROUP * size))
    candidates = np.concatenate([(best[:, None] + size * np.arange(GROUP)[None, :, None]).reshape(rows, -1), rest], axis=1)
    chosen = np.argpartition(np.take_along_axis(scores, candidates, axis=1), -k, axis=1)[:, -k:]
    return np.take_along_axis(candidates, chosen, axis=1)


def perturbed_items(embeddings: np.ndarray, normalized: bool, count: int = QUERIES, seed: int = 0) -> np.ndarray:
    """Items with noise, `(q, d)`: queries for want of real ones; at most one an item."""
    rng = np.random.default_rng(seed)
    chosen = np.asarray(embeddings[np.sort(rng.choice(len(embeddings), min(count, len(embeddings)), replace=False))], np.float32)
    noise = rng.standard_normal(chosen.shape).astype(np.float32)
    noise *= JITTER * np.linalg.norm(chosen, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
    queries = chosen + noise
    return queries / np.linalg.norm(queries, axis=1, keepdims=True) if normalized else queries


def measure_index(path: Path, embeddings: np.ndarray, queries: np.ndarray, distance: str, how: str, k: int = NEIGHBOURS) -> dict[str, Any]:
    """Asks a file's `search_embedding` and compares with exact float search.

    Args:
        path: The file; it needs no manifest yet.
        embeddings: `(n, d)` float32, what it holds.
        queries: `(q, d)` float32; at most 1,000 are asked.
        distance: `dot_product` or `squared_l2`.
        how: What the queries are, for the report.
        k: Neighbours that the file returns; no more than ten are compared.

    Returns:
        `index_recall@10` (or `@n` where there are fewer items), `queries`, `how`, `p50_ms` and `p99_ms` of the bare signature on one
        thread, called from Python.
    """
    queries = queries[np.linspace(0, len(queries) - 1, min(QUERIES, len(queries))).astype(int)]
    truth = exact_neighbours(embeddings, queries, distance, min(k, NEIGHBOURS))
    options = BaseOptions(str(path), num_threads=1)
    hits, times = 0, []
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        for query in queries[:WARM_UP]:
            runners.run("search_embedding", query[None])
        for query, expected in zip(queries, truth, strict=True):
            begin = time.perf_counter()
            found = runners.run("search_embedding", query[None])["ids"][0]
            times.append(time.perf_counter() - begin)
            hits += len(set(found[: len(expected)].tolist()) & set(expected.tolist()))
        runners.close()
    return {
        f"index_recall@{truth.shape[1]}": round(hits / truth.size, 4),
        "queries": len(queries),
        "how": how,
        "p50_ms": round(1e3 * float(np.median(times)), 3),
        "p99_ms": round(1e3 * float(np.percentile(times, 99)), 3),
    }


def measure_text_latency(path: Path, kind: str, queries: Sequence[Mapping[str, np.ndarray]], repeats: int = 200) -> dict[str, Any]:
    """`p50_ms` and `p99_ms` of a file's bare `search_text` or `search_tokens` on one thread; `embed_…` the same of `embed_`.

    Args:
        path: The file; it needs no manifest yet.
        kind: `text` or `tokens`.
        queries: Inputs by name.
        repeats: Times that are measured.
    """
    options = BaseOptions(str(path), num_threads=1)
    with ModelFile(options) as file:
        runners = SignatureRunners(file, options)
        figures = {}
        for signature, prefix in ((f"search_{kind}", ""), (f"embed_{kind}", "embed_")):
            times = []
            for turn in range(WARM_UP + repeats):
                begin = time.perf_counter()
                runners.run(signature, queries[turn % len(queries)])
                times.append(time.perf_counter() - begin)
            figures[f"{prefix}p50_ms"] = round(1e3 * float(np.median(times[WARM_UP:])), 3)
            figures[f"{prefix}p99_ms"] = round(1e3 * float(np.percentile(times[WARM_UP:], 99)), 3)
        runners.close()
    return figures
