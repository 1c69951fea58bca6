"""Compares ScaNN's partitioning with the project's own; `make bench-partitioners` runs it.

A partition is judged by how many rows a query has to scan: it goes through the leaves, best first, and a neighbour is found when a leaf
that holds it is scanned. Three ways to choose leaves are measured: without any queries; with leaves that are shaped by typical queries
(`maker.index.metric`); and with vectors learned from queries, too (`maker.index.routing`). Groups of leaves, and how rows are stored,
are left out, because they are the same for every partition. Items and queries are those of `make bench`.

Soar, the second assignment of Sun et al. ("SOAR: Improved Indexing for Approximate Nearest Neighbor Search", NeurIPS 2023), stores every
item in a second leaf, whose residual is as orthogonal as possible to that of the first. Both copies count as scanned rows.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from maker.evaluation.index_quality import exact_neighbours
from maker.index.build import build_index, default_options
from maker.index.kmeans import assign_leaves, scann_tree
from maker.index.metric import learn_transform
from maker.index.options import PARTITIONERS
from maker.index.routing import Router, centroid_router, learn_router
from maker.pipeline.tuning import routing_queries
from tests.benchmarks.peers.data import DataMissingError, DataSet, prepare

BUDGETS = (512, 1024, 2048, 4096)  # scanned rows
RECALLS = (0.9, 0.95, 0.98)
SAMPLE = 250_000  # that ScaNN's tree is trained on, as in `make bench`
ORTHOGONAL = 1.0  # SOAR's weight of the part of the second residual along the first
BLOCK = 2048  # items at a time


@dataclass(frozen=True)
class Leaves:
    """A partition.

    Attributes:
        name: Name in the table.
        router: Chooses leaves.
        leaf_of: `(n, copies)` int: the leaves of each item.
        seconds: Processor seconds that it took.
    """

    name: str
    router: Router
    leaf_of: np.ndarray
    seconds: float


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description="Compares ScaNN's partitioning with the project's own.")
    parser.add_argument("--data", default="flickr", help="a data set of the benchmark (default: %(default)s)")
    parser.add_argument("--items", type=int, default=123_287)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="the benchmark's folder (default: %(default)s)")
    given = parser.parse_args()
    try:
        data = prepare(given.data, given.items, given.work)
    except DataMissingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    columns = ["leaves", "chosen by", *(f"recall of {b:,} rows" for b in BUDGETS), *(f"rows for {r}" for r in RECALLS)]
    columns += ["rows stored of an item", "CPU s"]
    sys.stdout.write("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns) + "\n")
    for line in measured(data):
        sys.stdout.write("| " + " | ".join(line) + " |\n")
        sys.stdout.flush()
    return 0


def measured(data: DataSet) -> Iterator[list[str]]:
    """The lines of the table."""
    vectors = np.load(data.vectors)
    queries, truth = np.load(data.folder / "queries.npy"), np.load(data.folder / "truth.npy")
    learned_from = np.load(data.folder / "routing.npy")[: routing_queries(vectors)]
    targets = exact_neighbours(vectors, learned_from, "dot_product")
    for shape in (None, learned_from):
        equal = (equal_leaves(vectors, shape, partitioner) for partitioner in PARTITIONERS)
        natural = (scann_leaves(vectors, shape, times, copies) for times, copies in ((1, 1), (2, 1), (2, 2)))
        for leaves in chain(equal, natural):
            yield line(leaves, "centroids" if shape is None else "centroids, shaped by queries", queries, truth)
            if shape is not None:
                router = learn_router(leaves.router, learned_from, leaves.leaf_of[targets].reshape(len(targets), -1), 0)
                yield line(replace(leaves, router=router), "vectors learned from queries", queries, truth)


def line(leaves: Leaves, chosen_by: str, queries: np.ndarray, truth: np.ndarray) -> list[str]:
    """A line of the table."""
    rows = rows_needed(leaves, queries, truth)
    needed = np.quantile(rows, RECALLS)
    copies = leaves.leaf_of.shape[1]
    recalls = (f"{(rows <= budget).mean():.3f}" for budget in BUDGETS)
    return [leaves.name, chosen_by, *recalls, *(f"{n:,.0f}" for n in needed), str(copies), f"{leaves.seconds:.0f}"]


def rows_needed(leaves: Leaves, queries: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`(q, k)` int64: the rows that a query scans until it has scanned a leaf with each of its neighbours."""
    sizes = np.bincount(leaves.leaf_of.ravel(), minlength=len(leaves.router.vectors))
    needed = np.empty(truth.shape, np.int64)
    for row, query, neighbours in zip(needed, queries, truth, strict=True):
        best_first = np.argsort(-leaves.router.scores(query[None])[0], kind="stable")
        scanned = np.empty(len(sizes), np.int64)
        scanned[best_first] = np.cumsum(sizes[best_first])
        row[:] = scanned[leaves.leaf_of[neighbours]].min(1)
    return needed


def equal_leaves(vectors: np.ndarray, queries: np.ndarray | None, partitioner: str) -> Leaves:
    """The leaves of the product, all of one size."""
    begin = cpu_seconds()
    index = build_index(vectors, default_options(len(vectors)), queries=queries, partitioner=partitioner)
    assert index.leaves is not None
    name = "own, equal" if partitioner == "own" else "ScaNN's tree, made equal"
    return Leaves(name, index.leaves, index.leaf_of[:, None], cpu_seconds() - begin)


def scann_leaves(vectors: np.ndarray, queries: np.ndarray | None, times: int, copies: int) -> Leaves:
    """ScaNN's own leaves, as large as they come, `times` as many as ours; with two copies of every item as SOAR stores them."""
    tree = default_options(len(vectors)).tree
    assert tree is not None
    begin = cpu_seconds()
    transform = None if queries is None else learn_transform(vectors, queries, 0)
    rows = vectors if transform is None else vectors @ transform
    sample = rows[np.random.default_rng(0).permutation(len(rows))[:SAMPLE]]
    centroids = scann_tree(sample, times * tree.num_leaves)
    leaf_of = assign_leaves(rows, centroids)[:, None]
    if copies == 2:
        leaf_of = np.stack([leaf_of[:, 0], second_leaves(rows, centroids, leaf_of[:, 0])], axis=1)
    if transform is not None:
        centroids = np.linalg.solve(transform.T.astype(np.float64), centroids.T).T.astype(np.float32)
    name = "ScaNN's tree, as it is" + (", twice the leaves" if times == 2 else "") + (", SOAR" if copies == 2 else "")
    return Leaves(name, centroid_router(centroids, "dot_product"), leaf_of, cpu_seconds() - begin)


def second_leaves(rows: np.ndarray, centroids: np.ndarray, first: np.ndarray) -> np.ndarray:
    """`(n,)` int32: SOAR's second leaf of each row, of which `first` says the nearest leaf."""
    squares = np.einsum("ld,ld->l", centroids, centroids)
    second = np.empty(len(rows), np.int32)
    for start in range(0, len(rows), BLOCK):
        part, own = rows[start : start + BLOCK], first[start : start + BLOCK]
        residual = part - centroids[own]
        residual /= np.maximum(np.linalg.norm(residual, axis=1, keepdims=True), 1e-12)
        along = np.einsum("nd,nd->n", part, residual)[:, None] - residual @ centroids.T
        loss = squares - 2 * (part @ centroids.T) + ORTHOGONAL * along**2
        loss[np.arange(len(part)), own] = np.inf
        second[start : start + BLOCK] = loss.argmin(1)
    return second


def cpu_seconds() -> float:
    """Processor seconds of this process and its finished children."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    raise SystemExit(main())
