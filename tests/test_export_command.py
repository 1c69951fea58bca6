"""`maker export`: a searcher's items for apps that use the Task Library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, words_tower

from maker import cli, searcher
from maker.encoders.spellings import spellings
from maker.export.encoder_file import write_encoder
from task.task_library.scann_file import ScannFile
from task.text import TextSearcher
from task.vision import ImageSearcher, TensorImage


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> Path:
    """The tests' encoder, with its words."""
    path, tower = tmp_path_factory.mktemp("worded") / "encoder.tflite", words_tower()
    shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    words = spellings(TEXTS, tower.hashes)
    write_encoder(path, {"text": tower, "image": PooledColours()}, shapes, dimension=DIMENSION, words=words)
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory, encoder, embeddings) -> Path:
    path = tmp_path_factory.mktemp("built") / "searcher.tflite"
    data = searcher.DataLoader(str(encoder), embeddings, [f"item {i}" for i in range(len(embeddings))])
    searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))).export(
        export_filename=path, userinfo="built here"
    )
    return path


def export(*arguments: object) -> int:
    return cli.main(["export", *(str(a) for a in arguments)])


def test_a_searcher_becomes_one_for_the_task_library(built, encoder, tmp_path):
    assert export(built, "--embedder", encoder, "--output", tmp_path / "s.tflite") == 0
    with TextSearcher.create_from_file(str(built)) as own, TextSearcher.create_from_file(str(tmp_path / "s.tflite")) as other:
        assert type(own.engine) is not type(other.engine)
        assert other.get_user_info() == "built here"
        for text in TEXTS[:2]:
            a, b = (s.search(text).nearest_neighbors for s in (own, other))
            assert a[0].metadata == b[0].metadata
            np.testing.assert_allclose([n.distance for n in b], [n.distance for n in a], atol=0.08)


def test_an_image_searcher_needs_no_other_embedder(built, tmp_path):
    assert export(built, "--query", "image", "--output", tmp_path / "s.tflite") == 0
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    with ImageSearcher.create_from_file(str(built)) as own, ImageSearcher.create_from_file(str(tmp_path / "s.tflite")) as other:
        image = TensorImage.create_from_array(pixels)
        assert own.search(image).nearest_neighbors[0].metadata == other.search(image).nearest_neighbors[0].metadata


def test_the_index_alone_with_leaves_and_without_compression(built, tmp_path):
    for name, more in (("packed", []), ("plain", ["--no-compression"])):
        arguments = ["--format", "scann_index_file", "--leaves", 9, "--leaves-searched", 3, "--user-info", "another"]
        assert export(built, "--output", tmp_path / name, *arguments, *more) == 0
    assert (tmp_path / "packed").stat().st_size < (tmp_path / "plain").stat().st_size
    index = ScannFile((tmp_path / "plain").read_bytes())
    assert index.partitions == 9
    assert np.ceil(9 * np.float32(index.config.scann_config.partitioner.search_fraction)) == 3
    assert sorted(index.metadata(i) for i in range(300)) == sorted(f"item {i}".encode() for i in range(300))
    assert index.user_info() == b"another"


def test_what_cannot_be_exported_is_one_line(built, tmp_path, capsys):
    target = tmp_path / "s.tflite"
    assert export(built, "--output", target) == 1  # its own text tower has no words
    assert "encoder-….tflite in the work folder of the build" in capsys.readouterr().err
    assert not target.exists()
    target.write_bytes(b"mine")
    assert export(built, "--query", "image", "--output", target) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert target.read_bytes() == b"mine"
