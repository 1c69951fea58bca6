"""Writes what `AddedBenchmark.kt` measures: `python android_demo/without_gradle/benchmark/files.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[3]))  # a script is not run from the root
from maker.pipeline import index_embeddings  # noqa: E402
from tests.benchmarks.scale import draw  # noqa: E402

ITEMS, ADDED, QUERIES, DIMENSION = 123_287, 50_000, 1000, 128  # the items of `make bench-updates`


def write(folder: Path) -> None:
    """Writes `base.tflite`, `added.f32` and `queries.f32`."""
    folder.mkdir(parents=True, exist_ok=True)
    source, rng = folder / "drawn.npy", np.random.default_rng(1)
    draw(source, ITEMS + ADDED, DIMENSION)
    everything = np.load(source)
    queries = everything[rng.integers(0, ITEMS, QUERIES)] + 0.03 * rng.standard_normal((QUERIES, DIMENSION), np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    everything[ITEMS:].astype("<f4").tofile(folder / "added.f32")
    queries.astype("<f4").tofile(folder / "queries.f32")
    np.save(source, everything[:ITEMS])
    index_embeddings(np.load(source, mmap_mode="r"), [b"%d" % i for i in range(ITEMS)], folder / "base.tflite", overwrite=True)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
