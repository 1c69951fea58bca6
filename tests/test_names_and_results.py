"""Items by their names, more results than the k of the file, and image files that are given as words."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import DIMENSION, TEXTS
from PIL import Image

from maker import searcher
from maker.cli import main
from task.core import BaseOptions
from task.errors import ArgumentTypeError, InvalidArgumentError
from task.format import item_table
from task.processor import SearchOptions
from task.text import Query, TextSearcher, TextSearcherOptions


def test_the_item_table_finds_items_by_their_metadata(rng):
    items = [bytes(rng.integers(97, 99, rng.integers(0, 5)).astype(np.uint8)) for _ in range(500)]
    offsets, data = item_table.encode(items)
    table = item_table.ItemTable(b"pad" + offsets + data, (3, len(offsets)), (3 + len(offsets), len(data)))
    for wanted in ({b"ab"}, {b""}, {b"a", b"bbbb", b"absent"}, {b"zz"}, set()):
        assert table.find(wanted) == {number: item for number, item in enumerate(items) if item in wanted}


@pytest.fixture
def opened(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as opened:
        yield opened


def test_names_stand_for_ids(opened):
    assert opened.find("images/17.png") == opened.find(b"images/17.png") == 17
    assert opened.get_metadata("images/17.png") == b"images/17.png"
    found = opened.search(TEXTS[0], allowed=["images/5.png", 8, "images/2.png"]).nearest_neighbors
    assert sorted(n.id for n in found) == [2, 5, 8]
    first = opened.search(TEXTS[0]).nearest_neighbors[0]
    opened.remove(first.metadata.decode())
    assert first.id not in [n.id for n in opened.search(TEXTS[0]).nearest_neighbors]
    added = opened.add(TEXTS[0], "my new picture.jpg")
    assert opened.find("my new picture.jpg") == added
    opened.remove("my new picture.jpg")
    for name in ("my new picture.jpg", first.metadata, "images/17.pn", "\ud800"):
        with pytest.raises(InvalidArgumentError, match="there is no item"):
            opened.find(name)


def test_a_name_of_several_items_is_refused(opened):
    opened.add(TEXTS[1], "images/3.png")
    with pytest.raises(InvalidArgumentError, match=r"several items are 'images/3.png': 3, 300; name one by its id"):
        opened.remove("images/3.png")
    with pytest.raises(ArgumentTypeError, match="allowed has to be ids"):
        opened.search(TEXTS[0], allowed="images/3.png")


def test_names_are_found_in_shards(searcher_file, encoder, embeddings, tmp_path):
    twice = TextSearcher.create_from_files([str(searcher_file), str(searcher_file)])
    with twice as shards, pytest.raises(InvalidArgumentError, match="several items are 'images/9.png': 9, 309"):
        shards.find("images/9.png")
    data = searcher.DataLoader(str(encoder), embeddings[:20], [f"x{i}" for i in range(20)])
    model = searcher.Searcher.create_from_data(data, searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1)), trainer="own")
    model.export(export_filename=str(tmp_path / "s.tflite"))
    with TextSearcher.create_from_files([str(searcher_file), str(tmp_path / "s.tflite")]) as shards:
        assert shards.find("x7") == 307


@pytest.mark.parametrize("count", [51, 120, 500])
def test_more_results_than_k_are_the_nearest_of_all_items(searcher_file, count):
    options = TextSearcherOptions(BaseOptions(str(searcher_file)), search_options=SearchOptions(max_results=count))
    with TextSearcher.create_from_options(options) as opened:
        found = opened.search(TEXTS[1]).nearest_neighbors
        everything = opened.search(TEXTS[1], allowed=range(300)).nearest_neighbors
        assert [n.id for n in found] == [n.id for n in everything]
        assert len(found) == min(count, 300)
        assert [n.distance for n in found] == sorted(n.distance for n in found)
        opened.remove(found[0].id)
        added = opened.add(TEXTS[1], "new")
        again = opened.search(TEXTS[1]).nearest_neighbors
        assert again[0].id == added
        assert [n.id for n in again][1:] == [n.id for n in found][1 : len(again)]


def test_an_image_file_is_not_taken_as_words(opened, searcher_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save("query.jpg")
    for ask in (opened.search, lambda text: opened.add(text, "new"), lambda text: opened.search(Query(TEXTS[0]) - text)):
        with pytest.raises(InvalidArgumentError, match=r"'query.jpg' is an image file.*TensorImage.create_from_file"):
            ask("query.jpg")
    assert main(["search", str(searcher_file), "query.jpg"]) == 1
    assert "--by-image" in capsys.readouterr().err
    assert len(opened.search("absent.jpg").nearest_neighbors) == 5  # words that end like a file
    assert len(opened.search("a query").nearest_neighbors) == 5
    assert opened.add(np.eye(DIMENSION, dtype=np.float32)[0], "query.jpg") == 300
