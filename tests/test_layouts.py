"""The layout of the rows of many dimensions: what is chosen, and that it does what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from maker.errors import BuildError
from maker.evaluation.index_quality import exact_neighbours
from maker.export.search_constants import index_bytes
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.rows import row_coder
from maker.index.ties import right_results
from maker.pipeline.layouts import WIDE, layouts
from maker.pipeline.tuning import IndexSettings, Queries, choose_index
from task.text import TextSearcher

COUNT, ASKED = 2500, 60


@pytest.fixture(scope="module")
def wide():
    """Items and queries of 256 dimensions, whose dot products vary less and less along them."""
    rng = np.random.default_rng(3)
    spread = (np.arange(1, WIDE + 1) ** -0.6).astype(np.float32)
    rotation = np.linalg.qr(rng.standard_normal((WIDE, WIDE)))[0].astype(np.float32)
    drawn = (rng.standard_normal((COUNT + ASKED, WIDE)).astype(np.float32) * spread) @ rotation
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn[:COUNT], Queries(drawn[COUNT:], "test")


def chosen(wide, tmp_path, **settings):
    items, queries = wide
    return choose_index(items, IndexSettings(leaves=90, k=10, **settings), queries, {"graph": 1000}, tmp_path / "s.tflite").index


@pytest.fixture(scope="module")
def split(wide, tmp_path_factory):
    """The index for a recall of 0.9, and its file."""
    folder = tmp_path_factory.mktemp("split")
    index, path = chosen(wide, folder, recall=0.9), folder / "s.tflite"
    write_searcher(SearcherContent(index=index, metadata=[b"%d" % i for i in range(COUNT)], k=10), path)
    return index, path


def bytes_of(index):
    return index_bytes(row_coder(index))


def test_rows_of_many_dimensions_are_split_and_the_reason_is_said(wide, tmp_path, capsys):
    index = chosen(wide, tmp_path, recall=0.9)
    assert index.rescorer in ("rest4", "rest8")
    assert index.dimension < WIDE
    assert index.dimension + index.rest.items.shape[1] <= WIDE
    said = capsys.readouterr().err
    assert f"rows: {index.dimension} int8 dimensions scanned, {index.rest.items.shape[1]} of {index.rescorer[-1]} bits for the best" in said
    assert "bytes an item, recall 0." in said
    assert "the least work for recall 0.9, of " in said


def test_of_the_layouts_that_fit_a_size_the_best_is_taken(wide, tmp_path, capsys):
    least_recall, sizes = [], (150 * COUNT + 1000, 230 * COUNT + 1000)
    for most in sizes:
        index = chosen(wide, tmp_path, recall=0.999, max_size=most)
        assert bytes_of(index) <= most
        said = capsys.readouterr().err
        assert f"the highest recall in at most {(most - 1000) / COUNT:.0f} bytes an item" in said
        least_recall.append(float(said.split("recall ")[1].split()[0]))
    assert least_recall[0] < least_recall[1]
    with pytest.raises(BuildError, match=r"use fewer dimensions, shorter metadata or fewer items"):
        chosen(wide, tmp_path, max_size=100 * COUNT)


@pytest.mark.parametrize("asked", [{"scan_dimension": 0}, {"bits": 4}, {"rescore": "float32"}])
def test_a_layout_that_is_asked_for_is_kept(wide, tmp_path, asked):
    index = chosen(wide, tmp_path, **asked)
    assert index.projection is None
    assert (index.scorer, index.rescorer) == ("int4" if "bits" in asked else "int8", asked.get("rescore"))


def test_a_file_of_split_rows_finds_what_was_measured_and_filters_by_the_same_distances(wide, split):
    (items, queries), (index, path) = wide, split
    assert path.stat().st_size < bytes_of(index) + 80_000
    truth, right = exact_neighbours(items, queries.held_out, "dot_product"), 0
    with TextSearcher.create_from_file(str(path)) as opened:
        for query, true in zip(queries.held_out, truth, strict=True):
            found = opened.search_embedding(query).nearest_neighbors
            right += right_results(items, query, np.array([n.id for n in found]), true, "dot_product") / len(found)
        again = opened.search_embedding(query, allowed=[n.id for n in found]).nearest_neighbors
        np.testing.assert_allclose([n.distance for n in again], [n.distance for n in found], atol=1e-5)
    assert right / len(truth) > 0.93  # of the five results, so many are among the true ten


def test_items_like_an_item_are_found_by_its_split_row(wide, split):
    _, path = split
    with TextSearcher.create_from_file(str(path)) as opened:
        alike = opened.similar(7).nearest_neighbors
    items = wide[0]
    assert alike[0].id in np.argsort(-(items @ items[7]))[1:4]


def test_the_rest_fills_the_size_that_is_asked_for():
    rests = {layout.rest for layout in layouts(384, 64, 152) if layout.rescorer == "rest4"}
    assert rests == {32, 64, 96, 128, 152}
    assert {layout.rest for layout in layouts(384, 64, 384) if layout.rescorer == "rest4"} == {32, 64, 96, 128, 192, 256, 320}
    assert {layout.rest for layout in layouts(384, 64, 0) if layout.rescorer == "rest4"} == {32}  # the smallest, where none fits
