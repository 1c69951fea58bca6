"""The data sets of the benchmark: items, queries and true neighbours, all seeded.

`flickr` is real: the photos and held-out captions of Flickr8k, embedded by the towers of `make bench-flickr`; further items are photos with
noise of the same covariance. `minilm`, `lite2` and `lite2-512` are real, too, and have more dimensions: `real_vectors.py`. `clustered` and
`heavy` are random. Their queries lie in another cone than the items, like sentences and pictures (Liang et al., "Mind the Gap", NeurIPS
2022).
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

from .real_vectors import DIMENSIONS, missing, real_vectors, tile, unit

NEIGHBOURS = 10
QUERIES, ROUTING = 1000, 20_000
DIMENSION = 128
BLOCK = 16_384
REVISION = 2  # increase it when the data changes
ENCODER = Path("build/flickr/searcher.tflite")


class DataMissingError(Exception):
    """A data set cannot be made; the message says why."""


@dataclass(frozen=True)
class DataSet:
    """The location of a data set.

    Attributes:
        name: `flickr`, `minilm`, `lite2`, `lite2-512`, `clustered` or `heavy`.
        folder: Contains `vectors.npy` `(n, d)`, `queries.npy` and `tuning.npy` `(1000, d)` and `routing.npy` of 10,000 rows and more, all
            float32 of norm 1; `truth.npy` `(1000, 10)` int64, the nearest items of each query by exact search; and `queries.txt` if
            queries are sentences. Queries for tuning and routing are never measured; those for routing are training captions.
        encoder: Embeds the sentences.
    """

    name: str
    folder: Path
    encoder: Path | None

    @property
    def dimension(self) -> int:
        """d."""
        return DIMENSIONS.get(self.name, DIMENSION)

    @property
    def vectors(self) -> Path:
        """The file of the items."""
        return self.folder / "vectors.npy"


def prepare(name: str, items: int, work: Path) -> DataSet:
    """Makes a data set, unless it exists.

    Args:
        name: That of the `DataSet`.
        items: Number of items.
        work: Folder of the benchmark.

    Raises:
        DataMissingError: Flickr8k or its encoders are missing.
    """
    encoder = ENCODER if name == "flickr" else None
    data_set = DataSet(name, work / f"{name}-{items}", encoder)
    if name == "flickr" and not ENCODER.exists():
        raise DataMissingError(f"{ENCODER} is missing; make bench-flickr makes it" if FLICKR.is_dir() else absent(FLICKR))
    if name in DIMENSIONS and missing(name):
        raise DataMissingError(missing(name))
    made_of = {"revision": REVISION, "items": items} | ({"encoder": ENCODER.stat().st_mtime} if encoder else {})
    marker = data_set.folder / "data.json"
    if marker.exists() and json.loads(marker.read_text()) == made_of:
        return data_set
    data_set.folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"{data_set.folder}: drawing {items} items\n")
    vectors = np.lib.format.open_memmap(data_set.vectors, "w+", np.float32, (items, data_set.dimension))
    if name == "flickr":
        queries = _flickr(vectors, data_set.folder, work)
    elif name in DIMENSIONS:
        rows, queries = real_vectors(name, work)
        tile(rows, vectors, 14)
    else:
        queries = {"clustered": Clustered, "heavy": Heavy}[name]().write(vectors)
    vectors.flush()
    np.save(data_set.folder / "queries.npy", queries[:QUERIES])
    np.save(data_set.folder / "tuning.npy", queries[QUERIES : 2 * QUERIES])
    np.save(data_set.folder / "routing.npy", queries[2 * QUERIES :])
    np.save(data_set.folder / "truth.npy", exact_neighbours(vectors, queries[:QUERIES], "dot_product", NEIGHBOURS))
    marker.write_text(json.dumps(made_of))
    return data_set


class Clustered:
    """Like product classes: 200 clusters in 20 groups; each cluster is a thin, low-dimensional cloud with its own directions."""

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
        coordinates = 0.6 * rng.standard_normal((count, self.rank)).astype(np.float32)
        rows = self.centres[cluster] + np.einsum("nr,nrd->nd", coordinates, self.axes[cluster])
        return unit(rows + 0.02 * rng.standard_normal((count, DIMENSION)).astype(np.float32))

    def write(self, vectors: np.ndarray) -> np.ndarray:
        """Fills `vectors` and returns 22,000 queries: other items, moved into a cone of their own and blurred."""
        rng = np.random.default_rng(12)
        for start in range(0, len(vectors), BLOCK):
            vectors[start : start + BLOCK] = self.draw(rng, min(BLOCK, len(vectors) - start))
        count = 2 * QUERIES + ROUTING
        blur = rng.standard_normal((count, DIMENSION)) / np.sqrt(DIMENSION)
        return unit(self.draw(rng, count) + self.gap * self.cone + self.jitter * blur)


class Heavy(Clustered):
    """Clusters with sizes by Zipf's law, Student's t distribution instead of the normal one, and a few dominant dimensions."""

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
    tile(photos, vectors, 14, first=0)
    sentences, queries = texts
    (folder / "queries.txt").write_text("".join(f"{s}\n" for s in sentences[:QUERIES]), encoding="utf-8")
    return queries


def _embedded(work: Path) -> tuple[np.ndarray, tuple[list[str], np.ndarray]]:
    """Embeddings of Flickr8k's photos, and English captions with their embeddings: 2,000 held-out ones, then 20,000 training captions."""
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
