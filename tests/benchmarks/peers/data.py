"""The benchmark's data sets, seeded: what is indexed, what is asked, and the true answers.

`flickr` is real: Flickr8k's photos and held-out captions through the towers of `make bench-flickr`, the photos tiled with noise of their
own covariance. `clustered` and `heavy` are drawn; their queries lie in another cone than the items, as sentences do to pictures (Liang
et al., "Mind the Gap", NeurIPS 2022).
"""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maker.evaluation.index_quality import exact_neighbours
from maker.pipeline import embed
from tests.outside_data import FLICKR, absent

NEIGHBOURS = 10
QUERIES, ROUTING = 1000, 20_000
DIMENSION = 128
BLOCK = 16_384
REVISION = 2  # one more whenever what is drawn changes
ENCODER = Path("build/flickr/searcher.tflite")
TILE_NOISE = 0.6  # norm of the noise on a photo's embedding, whose norm is 1


class DataMissingError(Exception):
    """A data set cannot be made here; the text says why."""


@dataclass(frozen=True)
class DataSet:
    """Where a data set lies.

    Attributes:
        name: `flickr`, `clustered` or `heavy`.
        folder: Holds `vectors.npy` `(n, 128)`, `queries.npy` and `tuning.npy` `(1000, 128)`, `routing.npy` `(20000, 128)`, all float32 of
            norm 1, `truth.npy` `(1000, 10)` int64 the nearest items of each query by exact float search, and `queries.txt`, the sentences,
            where there are any. What is learned and tuned by is not what is measured; sentences to learn from are training captions.
        encoder: What embeds the sentences.
    """

    name: str
    folder: Path
    encoder: Path | None

    @property
    def vectors(self) -> Path:
        """Path of the items."""
        return self.folder / "vectors.npy"


def prepare(name: str, items: int, work: Path) -> DataSet:
    """Makes a data set where it does not lie there yet.

    Args:
        name: `flickr`, `clustered` or `heavy`.
        items: How many.
        work: Folder of the benchmark.

    Raises:
        DataMissingError: Flickr8k or its towers are not there.
    """
    encoder = ENCODER if name == "flickr" else None
    found = DataSet(name, work / f"{name}-{items}", encoder)
    if name == "flickr" and not ENCODER.exists():
        raise DataMissingError(f"{ENCODER} is missing; make bench-flickr makes it" if FLICKR.is_dir() else absent(FLICKR))
    made_of = {"revision": REVISION, "items": items} | ({"encoder": ENCODER.stat().st_mtime} if encoder else {})
    marker = found.folder / "data.json"
    if marker.exists() and json.loads(marker.read_text()) == made_of:
        return found
    found.folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"{found.folder}: drawing {items} items\n")
    vectors = np.lib.format.open_memmap(found.vectors, "w+", np.float32, (items, DIMENSION))
    if name == "flickr":
        queries = _flickr(vectors, found.folder, work)
    else:
        queries = {"clustered": Clustered, "heavy": Heavy}[name]().write(vectors)
    vectors.flush()
    np.save(found.folder / "queries.npy", queries[:QUERIES])
    np.save(found.folder / "tuning.npy", queries[QUERIES : 2 * QUERIES])
    np.save(found.folder / "routing.npy", queries[2 * QUERIES :])
    np.save(found.folder / "truth.npy", exact_neighbours(vectors, queries[:QUERIES], "dot_product", NEIGHBOURS))
    marker.write_text(json.dumps(made_of))
    return found


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of norm 1."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Clustered:
    """Classes of products: 200 clusters of 20 groups, each a thin, low-dimensional cloud of its own direction."""

    groups, clusters, rank = 20, 200, 16
    gap, jitter = 0.5, 0.4

    def __init__(self) -> None:
        rng = np.random.default_rng(11)
        group = rng.standard_normal((self.groups, DIMENSION))
        self.centres = unit(group[rng.integers(0, self.groups, self.clusters)] + 0.8 * rng.standard_normal((self.clusters, DIMENSION)))
        decay = 0.8 ** np.arange(self.rank)
        axes = rng.standard_normal((self.clusters, self.rank, DIMENSION)) / np.sqrt(DIMENSION)
        self.axes = (axes * decay[None, :, None]).astype(np.float32)
        self.weights = np.full(self.clusters, 1 / self.clusters)
        self.cone = unit(rng.standard_normal((1, DIMENSION)))

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Items, `(count, 128)` of norm 1."""
        cluster = rng.choice(self.clusters, count, p=self.weights)
        places = 0.6 * rng.standard_normal((count, self.rank)).astype(np.float32)
        rows = self.centres[cluster] + np.einsum("nr,nrd->nd", places, self.axes[cluster])
        return unit(rows + 0.02 * rng.standard_normal((count, DIMENSION)).astype(np.float32))

    def write(self, vectors: np.ndarray) -> np.ndarray:
        """Fills the items and returns 22,000 queries: unseen items, moved into a cone of their own and blurred."""
        rng = np.random.default_rng(12)
        for start in range(0, len(vectors), BLOCK):
            vectors[start : start + BLOCK] = self.draw(rng, min(BLOCK, len(vectors) - start))
        count = 2 * QUERIES + ROUTING
        blur = rng.standard_normal((count, DIMENSION)) / np.sqrt(DIMENSION)
        return unit(self.draw(rng, count) + self.gap * self.cone + self.jitter * blur)


class Heavy(Clustered):
    """Clusters of sizes after Zipf's law, with Student's t in place of the normal distribution and few dimensions that dominate."""

    clusters = 2000

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(13)
        sizes = 1 / np.arange(1, self.clusters + 1)
        self.weights = sizes / sizes.sum()
        self.spread = (np.arange(1, DIMENSION + 1) ** -0.5 * np.sqrt(DIMENSION) / 3).astype(np.float32)[rng.permutation(DIMENSION)]

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Items, `(count, 128)` of norm 1."""
        cluster = rng.choice(self.clusters, count, p=self.weights)
        tails = rng.standard_t(3, (count, DIMENSION)).astype(np.float32) / np.sqrt(3 * DIMENSION)
        return unit(self.centres[cluster] * self.spread + 0.6 * tails * self.spread)


def _flickr(vectors: np.ndarray, folder: Path, work: Path) -> np.ndarray:
    photos, texts = _embedded(work)
    rng = np.random.default_rng(14)
    centred = photos - photos.mean(0)
    root = np.linalg.cholesky(centred.T @ centred / len(photos) + 1e-6 * np.eye(DIMENSION)).T
    scale = TILE_NOISE / np.sqrt(np.trace(root.T @ root))
    for start in range(0, len(vectors), BLOCK):
        rows = photos[np.arange(start, min(start + BLOCK, len(vectors))) % len(photos)]
        noise = scale * rng.standard_normal(rows.shape) @ root
        vectors[start : start + BLOCK] = rows if start + len(rows) <= len(photos) else unit(rows + noise)
    sentences, queries = texts
    (folder / "queries.txt").write_text("".join(f"{s}\n" for s in sentences[:QUERIES]), encoding="utf-8")
    return queries


def _embedded(work: Path) -> tuple[np.ndarray, tuple[list[str], np.ndarray]]:
    """Photos of Flickr8k, and English captions with their embeddings: 2,000 held-out ones, 20,000 that the towers learned from."""
    if not FLICKR.is_dir():
        raise DataMissingError(absent(FLICKR))
    work.mkdir(parents=True, exist_ok=True)
    with open(FLICKR / "captions.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rng, chosen = np.random.default_rng(15), []
    for split, count in (("val", 2 * QUERIES), ("train", ROUTING)):
        captions = sorted({row["caption"].strip() for row in rows if row["split"] == split and row["lang"] == "en"})
        chosen += [captions[i] for i in rng.permutation(len(captions))[:count]]
    source = work / "flickr-captions.txt"
    source.write_text("".join(f"{caption}\n" for caption in chosen), encoding="utf-8")
    for kind, given in (("image", FLICKR / "images"), ("text", source)):
        embed(ENCODER, kind, given, work / f"flickr-{kind}.npy", overwrite=True)
    return np.load(work / "flickr-image.npy"), (chosen, np.load(work / "flickr-text.npy"))
