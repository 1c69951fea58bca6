"""Small encoders and searchers that the tests make themselves, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

from maker import searcher
from maker.encoders.tokenize import tokenize
from maker.encoders.tokenizer import TokenizerSize
from maker.encoders.words import WordsTower
from maker.export.encoder_file import write_encoder
from maker.graph.subgraph import Subgraph
from maker.training.options import SCRATCH
from maker.training.vocabulary import build_vocabulary

# Machines are shared: how long something takes is no property of it.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--count", type=int, help="cases of each part of tests/faults (default: what `make test-faults` runs)")
    parser.addoption("--seed", type=int, default=1, help="seed of tests/faults (default %(default)s)")


@pytest.fixture
def fault_count(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """How many cases to run: the number given, unless `--count` says another."""
    given = request.config.getoption("--count")
    return lambda usual: usual if given is None else given


@pytest.fixture
def fault_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the cases."""
    return request.config.getoption("--seed")


DIMENSION, SIDE = 16, 12
TEXTS = [
    "a red kite above a green hill",
    "two white dogs play in the snow",
    "一只黑猫坐在红色的房子前",
    "a man riding a bike on the beach",
    "an old boat on the blue sea",
]


class PooledColours:
    """An image encoder of a few operators: the mean colour, spread over the embedding."""

    def __init__(self) -> None:
        self.weights = np.random.default_rng(7).standard_normal((DIMENSION, 3)).astype(np.float32)

    def write(self, g: Subgraph, query: int) -> int:
        pixels = g.reshape(g.cast(query, np.float32), (1, SIDE * SIDE, 3))
        return g.fully_connected(g.mul(g.mean(pixels, axis=1), np.array(1 / 255, np.float32)), self.weights)


def words_tower(seed: int = 0, word_pairs: int = 0) -> WordsTower:
    """A text tower with random rows that knows the words of TEXTS, and pairs where `word_pairs` is 1 or 2."""
    size = TokenizerSize(max_bytes=96, max_characters=64, max_units=24, max_grams=24, gram_rows=64)
    vocabulary = build_vocabulary(tokenize(TEXTS * 2, size), 2, word_pairs, size)
    rng = np.random.default_rng(seed)
    table = rng.standard_normal((vocabulary.table_rows, DIMENSION)).astype(np.float32)
    return WordsTower(vocabulary.hashes, table, size)


@pytest.fixture(scope="session", autouse=True)
def _no_least_steps() -> Iterator[None]:
    """Towers from scratch take as few steps as the tests ask for; by default a build of few pictures takes hundreds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SCRATCH, "min_steps", 0)
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers of one test, the same whichever tests ran before it."""
    return np.random.default_rng(5)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder file with a text and an image tower."""
    path = tmp_path_factory.mktemp("encoder") / "encoder.tflite"
    tower = words_tower()
    shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    write_encoder(path, {"text": tower, "image": PooledColours()}, shapes, dimension=DIMENSION, example_texts=TEXTS[:2])
    return path


@pytest.fixture(scope="session")
def embeddings() -> np.ndarray:
    """300 unit vectors."""
    values = np.random.default_rng(3).standard_normal((300, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def searcher_file(tmp_path_factory: pytest.TempPathFactory, encoder: Path, embeddings: np.ndarray) -> Path:
    """A searcher over the embeddings, asked with text, images and vectors."""
    path = tmp_path_factory.mktemp("searcher") / "searcher.tflite"
    data = searcher.DataLoader(str(encoder), embeddings, [f"images/{i}.png" for i in range(len(embeddings))])
    options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options).export(export_filename=str(path), userinfo="made by a test")
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 24 plain pictures in six colours, with captions in captions.tsv."""
    folder = tmp_path / "photos"
    folder.mkdir()
    colours = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (250, 250, 250)}
    lines = ["image\tsplit\tlang\tcaption"]
    rng = np.random.default_rng(0)
    for number in range(24):
        name, colour = list(colours.items())[number % len(colours)]
        pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (20, 30, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        split = "val" if number >= 16 else "train"
        lines.append(f"{number}.png\t{split}\ten\ta plain {name} picture")
        lines.append(f"{number}.png\t{split}\ten\tsomething all {name}")
    (folder / "captions.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def run_fresh(code: str, *arguments: str) -> str:
    """Runs code in a process of its own and returns what it prints."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
