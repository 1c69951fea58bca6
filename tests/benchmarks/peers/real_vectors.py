"""Real vectors of 384 to 1,280 dimensions: captions and photos of Flickr8k, by two pretrained encoders.

`minilm`: items are three captions of each photo, queries the two others, embedded by MiniLM, 384-d. `lite2`: items are photos, queries are
other photos, by the 1,280 features of EfficientNet-Lite2. `lite2-512`: the same, by their first 512 principal components.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from maker.encoders.embedder import open_embedder
from maker.encoders.tokenizer_file import TextModelOptions
from maker.export.encoder_file import write_encoder
from maker.pipeline import embed
from tests.outside_data import FLICKR, MINILM, WEIGHTS, absent

MEASURING = 2000  # queries that measure or tune
CAPTION_ITEMS = 3  # of the five captions of a photo
SHORT = 512
DIMENSIONS = {"minilm": 384, "lite2": 1280, f"lite2-{SHORT}": SHORT}
NEEDED = {
    "minilm": (FLICKR / "captions.tsv", MINILM / "minilm_int8.tflite", MINILM / "vocab.txt"),
    "lite2": (FLICKR / "captions.tsv", FLICKR / "images", WEIGHTS / "efficientnet_lite2_260_int8.tflite"),
}
TILE_NOISE = 0.6  # norm of the noise on a copy of an item, whose norm is 1
BLOCK = 16_384


def missing(name: str) -> str:
    """One line that names a file that the data set needs and that is not here; empty if all are."""
    return next((absent(path) for path in NEEDED[name.split("-")[0]] if not path.exists()), "")


def real_vectors(name: str, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Items and queries, both `(n, d)` float32 of norm 1. The first 2,000 queries have nothing to do with the others.

    Args:
        name: A key of `DIMENSIONS`.
        work: Keeps the embeddings; to embed all captions or photos takes minutes.
    """
    work.mkdir(parents=True, exist_ok=True)
    items, queries = _captions(work) if name == "minilm" else _photos(work)
    if name == f"lite2-{SHORT}":
        directions = np.linalg.eigh(items.T.astype(np.float64) @ items)[1][:, ::-1][:, :SHORT].astype(np.float32)
        items, queries = unit(items @ directions), unit(queries @ directions)
    return items, queries


def tile(rows: np.ndarray, vectors: np.ndarray, seed: int, *, first: int | None = None) -> None:
    """Fills `vectors` `(n, d)` with the rows, then with copies that carry noise of the rows' covariance, all of norm 1.

    Args:
        rows: `(m, d)` float32 of norm 1.
        vectors: Is filled; may be memory-mapped.
        seed: Seeds the noise.
        first: How many rows are without noise; None for m.
    """
    rng, plain = np.random.default_rng(seed), len(rows) if first is None else first
    centred = rows - rows.mean(0)
    root = np.linalg.cholesky(centred.T @ centred / len(rows) + 1e-6 * np.eye(rows.shape[1])).T
    scale = TILE_NOISE / np.sqrt(np.trace(root.T @ root))
    for start in range(0, len(vectors), BLOCK):
        numbers = np.arange(start, min(start + BLOCK, len(vectors)))
        block = rows[numbers % len(rows)]
        noise = scale * rng.standard_normal(block.shape) @ root
        vectors[numbers] = np.where(numbers[:, None] < plain, block, unit(block + noise))


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows, scaled to norm 1, float32."""
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _captions(work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Three captions of each photo, and two others of it; the first 2,000 queries are of 1,000 photos."""
    captions: dict[str, list[str]] = {}
    with open(FLICKR / "captions.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["lang"] == "en":
                captions.setdefault(row["image"], []).append(row["caption"].strip())
    photos = [texts for _, texts in sorted(captions.items())]
    photos = [photos[i] for i in np.random.default_rng(16).permutation(len(photos))]
    sentences = [text for texts in photos for text in texts[:CAPTION_ITEMS]]
    count = len(sentences)
    sentences += [text for texts in photos for text in texts[CAPTION_ITEMS:]]
    values = work / "minilm.npy"
    if not values.exists():
        encoder, source = work / "minilm-encoder.tflite", work / "minilm-sentences.txt"
        tower = open_embedder(MINILM / "minilm_int8.tflite", TextModelOptions(tokenizer=MINILM / "vocab.txt"))["text"]
        write_encoder(encoder, {"text": tower}, {"text": tower.input_shape}, dimension=tower.dimension)
        source.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
        embed(encoder, "text", source, values, overwrite=True)
    rows = np.load(values)
    return unit(rows[:count]), unit(rows[count:])


def _photos(work: Path) -> tuple[np.ndarray, np.ndarray]:
    """Photos, and other ones as queries; from the 2,001st on, queries are the items with noise, to learn from."""
    values = work / "lite2.npy"
    if not values.exists():
        encoder = work / "lite2-encoder.tflite"
        tower = open_embedder(WEIGHTS / "efficientnet_lite2_260_int8.tflite")["image"]
        write_encoder(encoder, {"image": tower}, {"image": tower.input_shape}, dimension=tower.dimension)
        embed(encoder, "image", FLICKR / "images", values, overwrite=True)
    rows = unit(np.load(values))
    rows = rows[np.random.default_rng(17).permutation(len(rows))]
    items = rows[MEASURING:]
    learnt = np.empty((2 * len(items), items.shape[1]), np.float32)
    tile(items, learnt, 18, first=0)
    return items, np.concatenate([rows[:MEASURING], learnt])
