"""Several searchers asked as one: the answers of one file that holds all items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS, PooledColours, words_tower

from maker import searcher
from maker.export.encoder_file import write_encoder
from task.core import BaseOptions
from task.errors import InvalidArgumentError, MissingFileError
from task.processor import SearchOptions, SearchResult
from task.text import TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, ImageSearcherOptions, TensorImage

CUTS = (0, 60, 61, 300)  # one shard has one item


def build(path: Path, vectors: np.ndarray, embedder: Path | None, names: list[str], distance: str = "dot_product") -> str:
    data = searcher.DataLoader(None if embedder is None else str(embedder), vectors, names)
    options = searcher.ScaNNOptions(distance, score_brute_force=searcher.ScoreBruteForce())  # rounding would depend on a file's other rows
    searcher.Searcher.create_from_data(data, options).export(export_filename=path)
    return str(path)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory, encoder: Path, embeddings: np.ndarray) -> list[str]:
    folder = tmp_path_factory.mktemp("shards")
    names = [f"images/{i}.png" for i in range(len(embeddings))]
    return [build(folder / f"{a}.tflite", embeddings[a:b], encoder, names[a:b]) for a, b in zip(CUTS, CUTS[1:], strict=False)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, encoder: Path, embeddings: np.ndarray) -> str:
    names = [f"images/{i}.png" for i in range(len(embeddings))]
    return build(tmp_path_factory.mktemp("whole") / "whole.tflite", embeddings, encoder, names)


def assert_same(found: SearchResult, expected: SearchResult) -> None:
    assert [(n.id, n.metadata) for n in found.nearest_neighbors] == [(n.id, n.metadata) for n in expected.nearest_neighbors]
    np.testing.assert_allclose(
        [n.distance for n in found.nearest_neighbors], [n.distance for n in expected.nearest_neighbors], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("results", [1, 5, 50])
def test_shards_answer_as_one_file(shards, whole, results):
    options = SearchOptions(max_results=results)
    base = BaseOptions(shards[0])
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, 2 * SIDE, 3), np.uint8)
    image = TensorImage.create_from_array(pixels)
    with (
        TextSearcher.create_from_options(TextSearcherOptions(base, search_options=options, shards=shards[1:])) as many,
        TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(whole), search_options=options)) as one,
    ):
        assert many.items == one.items == 300
        assert [many.get_metadata(i) for i in (0, 59, 60, 61, 299)] == [one.get_metadata(i) for i in (0, 59, 60, 61, 299)]
        for found, expected in zip(many.search_batch(TEXTS), one.search_batch(TEXTS), strict=True):
            assert_same(found, expected)
        allowed = [299, 3, 60, 61, 100]
        assert_same(many.search(TEXTS[0], allowed=allowed), one.search(TEXTS[0], allowed=allowed))
        assert many.search(TEXTS[0], allowed=[61]).nearest_neighbors[0].id == 61
    with (
        ImageSearcher.create_from_options(ImageSearcherOptions(base, search_options=options, shards=shards[1:])) as many_by_image,
        ImageSearcher.create_from_options(ImageSearcherOptions(BaseOptions(whole), search_options=options)) as one_by_image,
    ):
        assert_same(many_by_image.search(image), one_by_image.search(image))


def test_threads_find_what_one_thread_finds(shards, monkeypatch):
    with TextSearcher.create_from_files(shards) as alone:
        monkeypatch.setattr("task.search.shards.LEAST", 0)
        monkeypatch.setattr("task.search.shards._cores", lambda: 2)
        with TextSearcher.create_from_files(shards) as together:
            assert (len(alone.engine._threads), len(together.engine._threads)) == (0, 2)
            for text in TEXTS:
                assert together.search(text) == alone.search(text)
                assert together.search(text, allowed=[299, 3, 60, 61]) == alone.search(text, allowed=[299, 3, 60, 61])
            with pytest.raises(InvalidArgumentError, match="dimension"):
                together.search_embedding(np.zeros(3, np.float32))


def test_files_are_opened_as_one(shards, whole):
    with TextSearcher.create_from_files(shards) as many, TextSearcher.create_from_file(whole) as one:
        assert_same(many.search(TEXTS[2]), one.search(TEXTS[2]))
        assert many.get_user_info() == ""
        for change in (lambda: many.add(TEXTS[0], b""), lambda: many.remove(1), lambda: many.save_overlay("o")):
            with pytest.raises(InvalidArgumentError, match="one of 3 shards, which take no changes; open one of them alone"):
                change()
        with pytest.raises(InvalidArgumentError, match="no item 300"):
            many.get_metadata(300)
    with TextSearcher.create_from_files(Path(p) for p in shards[:1]) as alone:
        assert alone.items == 60


def test_files_that_do_not_belong_together_are_refused(shards, tmp_path, encoder, embeddings):
    other_texts, other_images = tmp_path / "texts.tflite", tmp_path / "images.tflite"
    tower, colours = words_tower(seed=1), PooledColours()
    shapes = {"text": (1, tower.size.max_bytes), "image": (1, SIDE, SIDE, 3)}
    write_encoder(other_texts, {"text": tower, "image": colours}, shapes, dimension=DIMENSION, example_texts=TEXTS[:2])
    colours.weights = -colours.weights
    write_encoder(other_images, {"text": words_tower(), "image": colours}, shapes, dimension=DIMENSION, example_texts=TEXTS[:2])
    few, names = embeddings[:4], list("abcd")
    folded = np.concatenate([few, few], axis=1) / np.float32(np.sqrt(2))
    for file, problem in [
        (build(tmp_path / "l2.tflite", few, encoder, names, "squared_l2"), "distance squared_l2, but .*0.tflite has dot_product"),
        (build(tmp_path / "wide.tflite", folded, None, names), "dimensions 32, but .*0.tflite has 16"),
        (build(tmp_path / "bare.tflite", few, None, names), r"image size None, but .*0.tflite has \(12, 12\)"),
        (build(tmp_path / "t.tflite", few, other_texts, names), "its tower embeds a sentence differently from that of .*0.tflite"),
        (build(tmp_path / "i.tflite", few, other_images, names), "its tower embeds an image differently from that of .*0.tflite"),
    ]:
        with pytest.raises(InvalidArgumentError, match=f"{Path(file).name}: {problem}"):
            TextSearcher.create_from_files([shards[0], file])
    with pytest.raises(MissingFileError):
        TextSearcher.create_from_files([shards[0], str(tmp_path / "none")])
    with pytest.raises(InvalidArgumentError, match="at least one file"):
        TextSearcher.create_from_files([])
    options = TextSearcherOptions(BaseOptions(shards[0]), search_options=SearchOptions(overlay_file_name="o"), shards=shards[1:])
    with pytest.raises(InvalidArgumentError, match="neither an index nor an overlay"):
        TextSearcher.create_from_options(options)
