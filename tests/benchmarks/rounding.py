"""Compares ways to round rows; `make bench-rounding` runs it.

Every query scans all rows as they are stored: the recall is what rounding alone allows. Rows are rounded to the nearest, by ScaNN's
anisotropic rounding (Guo et al., "Accelerating Large-Scale Inference with Anisotropic Vector Quantization", ICML 2020), and by what
queries ask for (`maker.index.rounding`): real ones, or items with noise. Queries that measure take no part. Items and queries are those of
`make bench`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from maker.evaluation.index_quality import exact_neighbours, perturbed_items
from maker.index.build import build_index, default_options
from maker.index.rounding import learn_moments
from maker.index.rows import RowCoder, row_coder
from maker.pipeline.tuning import routing_queries
from tests.benchmarks.peers.data import prepare

THRESHOLD = 0.2  # ScaNN's recommendation, which its own examples and Model Maker's use
SWEEPS = 2
COLUMNS = ("data", "rows", "rounded", "recall of queries", "recall of perturbed items", "error of dot products, 1e-5", "CPU s")


class Anisotropic:
    """ScaNN's rounding: the error along the row counts more than the error across it. Coordinate descent from the nearest codes."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def codes(self, values: np.ndarray, rows: np.ndarray, least: float, largest: float) -> np.ndarray:
        """As `maker.index.rounding.Rounding.codes`."""
        norms = np.linalg.norm(rows, axis=1)
        cosine = np.minimum(self.threshold / np.maximum(norms, 1e-12), 0.99) ** 2
        weight = (rows.shape[1] - 1) * cosine / (1 - cosine) - 1  # of the error along the row, on top of that of all errors
        along = (rows / np.maximum(norms, 1e-12)[:, None]).T * np.sqrt(np.maximum(weight, 0))
        values = values.T
        codes = np.clip(np.rint(values - least) + least, least, largest)
        parallel = ((codes - values) * along).sum(0)
        for _ in range(SWEEPS):
            for value, code, share in zip(values, codes, along, strict=True):
                step = -np.rint((code - value + share * parallel) / (1 + share * share))
                step = np.clip(code + step, least, largest) - code
                code += step
                parallel += share * step
        return np.ascontiguousarray(codes.T, np.float32)


class AnisotropicCoder(RowCoder):
    """Rounds as ScaNN does."""

    @cached_property
    def rounding(self) -> Anisotropic:  # type: ignore[override]
        """ScaNN's rounding."""
        return Anisotropic(THRESHOLD)


@dataclass(frozen=True)
class Asked:
    """Queries `(q, d)`, and the numbers of the rows that are nearest to each, `(q, 10)`."""

    queries: np.ndarray
    truth: np.ndarray


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description="Compares ways to round rows.")
    parser.add_argument("--data", default="flickr,minilm,clustered,heavy", help="data sets of the benchmark (default: %(default)s)")
    parser.add_argument("--items", type=int, default=123_287)
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="the benchmark's folder (default: %(default)s)")
    given = parser.parse_args()
    sys.stdout.write("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS) + "\n")
    for name in given.data.split(","):
        for line in measured(name, given.items, given.work):
            sys.stdout.write("| " + " | ".join([name, *line]) + " |\n")
            sys.stdout.flush()
    return 0


def measured(name: str, items: int, work: Path) -> Iterator[list[str]]:
    """The lines of a data set."""
    data = prepare(name, items, work)
    vectors, queries = np.load(data.vectors), np.load(data.folder / "queries.npy")
    known = np.load(data.folder / "routing.npy")[: routing_queries(vectors)]
    noisy = perturbed_items(vectors, True, len(known), seed=1)
    index = build_index(vectors, default_options(len(vectors)), queries=known)
    place = np.argsort(index.order)
    others = perturbed_items(vectors, True, len(queries), seed=2)
    asked = Asked(queries, place[np.load(data.folder / "truth.npy")])
    for_items = Asked(others, place[exact_neighbours(vectors, others, "dot_product")])
    for bits in (8, 4):
        typed = replace(index, scorer=f"int{bits}", moments=None)
        by_noisy = replace(typed, moments=learn_moments(vectors, noisy, "dot_product", 0))
        by_known = replace(typed, moments=index.moments)
        nearest = row_coder(typed)
        scann = AnisotropicCoder(nearest.index, nearest.scale_unit, nearest.scale_type, nearest.centroids)
        for how, coder in (
            ("to the nearest", nearest),
            ("ScaNN's anisotropic", scann),
            ("by perturbed items", row_coder(by_noisy)),
            ("by queries", row_coder(by_known)),
        ):
            yield [f"{bits} bits", how, *line(coder, asked, for_items)]


def line(coder: RowCoder, asked: Asked, for_items: Asked) -> list[str]:
    """Recalls, root mean square error of the dot products of queries with their neighbours, and seconds to encode."""
    begin = time.process_time()
    stored = stored_rows(coder)
    seconds = time.process_time() - begin
    exact = coder.index.embeddings[coder.index.order]
    errors = np.einsum("qkd,qd->qk", stored[asked.truth] - exact[asked.truth], asked.queries)
    error = 1e5 * float(np.sqrt(np.mean(np.square(errors))))
    return [f"{recall(stored, asked):.4f}", f"{recall(stored, for_items):.4f}", f"{error:.1f}", f"{seconds:.1f}"]


def stored_rows(coder: RowCoder) -> np.ndarray:
    """All rows as they are stored, `(n, d)` float32."""
    parts, first = [], 0
    for rows in coder.row_blocks():
        parts.append(coder.decode(coder.encode(rows, first), first))
        first += len(rows)
    return np.concatenate(parts)


def recall(stored: np.ndarray, asked: Asked) -> float:
    """The share of the true neighbours among the best ten rows as they are stored."""
    found = exact_neighbours(stored, asked.queries, "dot_product", asked.truth.shape[1])
    return float(np.mean([len(np.intersect1d(f, t)) / len(t) for f, t in zip(found, asked.truth, strict=True)]))


if __name__ == "__main__":
    raise SystemExit(main())
