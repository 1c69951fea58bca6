"""A searcher over drawn scenes whose encoders are written down, not trained, so that it is the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maker import cli
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.export.encoder_file import write_encoder
from maker.graph.subgraph import Subgraph
from maker.training.vocabulary import build_vocabulary

SIDE, BLOCK, DIMENSION = 64, 8, 32
CELLS = (SIDE // BLOCK) ** 2
WORDS = (
    "a the on in two small big red blue green orange yellow white black brown ball balls car cat boat tree house balloon flower bird birds "
    "grass beach forest city sea"
)


class MeanColours:
    """An image encoder of a few operators: the mean colours of 64 squares, each spread over the embedding, bent and added up."""

    def __init__(self) -> None:
        rng = np.random.default_rng(11)
        self.spread = rng.standard_normal((DIMENSION, 3 * CELLS)).astype(np.float32)
        self.offset = rng.standard_normal(DIMENSION).astype(np.float32)

    def write(self, g: Subgraph, query: int) -> int:
        """Adds the encoder, from pixels uint8 `[1, 64, 64, 3]` to `[1, 32]` float32, not normalised."""
        across = SIDE // BLOCK
        pixels = g.mul(g.cast(query, np.float32), np.array(1 / 255, np.float32))
        squares = g.reshape(pixels, (across, BLOCK, across, BLOCK * 3))
        colours = g.reshape(g.mean(squares, axis=1), (CELLS, BLOCK, 3))
        colours = g.reshape(g.mean(colours, axis=1), (1, 3 * CELLS))
        return g.fully_connected(colours, self.spread, self.offset)


def write_encoder_file(path: Path) -> None:
    """Writes the two encoders as one file; the word vectors are random."""
    size = TokenizerSize()
    vocabulary = build_vocabulary(tokenize([WORDS] * 2, size), 2, 0, size)
    table = np.random.default_rng(3).standard_normal((vocabulary.table_rows, DIMENSION)).astype(np.float32)
    tower = WordsTower(vocabulary.hashes, table, size)
    shapes = {"text": (1, size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    texts = ["a red ball on the grass", "two orange birds", "a black cat in the forest"]
    write_encoder(path, {"text": tower, "image": MeanColours()}, shapes, dimension=DIMENSION, example_texts=texts)


def write_sample(scenes: Path, path: Path, encoder: Path, training: int, held_out: int) -> None:
    """Draws scenes and indexes them with the written encoders."""
    run("sample", scenes, "--scenes", training, "--held-out", held_out)
    write_encoder_file(encoder)
    rows = path.with_suffix(".npy")
    run("embed", encoder, scenes, "--kind", "image", "--output", rows)
    run("index", "--embeddings", rows, "--metadata", rows.with_suffix(".txt"), "--embedder", encoder, "--output", path)


def run(*arguments: object) -> None:
    """Runs the command line."""
    if status := cli.main([str(a) for a in arguments]):
        raise SystemExit(status)
