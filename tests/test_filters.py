"""Searches among chosen items: the right ones, however few, with the distances that a search among all gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS
from task_library_files import DOT, L2, float_index, hashed_index, lookup_text_model

from maker import searcher
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import build_index
from task.core import BaseOptions
from task.errors import ArgumentTypeError, InvalidArgumentError
from task.format.stored_rows import StoredRows, locate_rows
from task.processor import NearestNeighbor, SearchOptions
from task.search import SearchRequest
from task.search.graph import GraphEngine
from task.search.nearest import nearest
from task.task_library.index import ScannIndex
from task.task_library.scann_messages import LookupType
from task.text import TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, TensorImage

ITEMS = 2000
KINDS = {
    "int8": {},
    "squared L2": {"distance_measure": "squared_l2"},
    "float32": {"score_ah": None, "score_brute_force": searcher.ScoreBruteForce()},
    "4 bits": {"bits": 4},
    "tree, 4 bits": {"bits": 4, "tree": searcher.Tree(40, 40)},
    "tree, 4 bits, squared L2": {"bits": 4, "tree": searcher.Tree(40, 40), "distance_measure": "squared_l2"},
    "codes": {"score_ah": searcher.ScoreAH(3)},
    "codes, squared L2": {"score_ah": searcher.ScoreAH(2), "distance_measure": "squared_l2"},
    "tree": {"tree": searcher.Tree(40, 40)},
    "tree, float32, squared L2": {
        "tree": searcher.Tree(40, 40),
        "score_ah": None,
        "score_brute_force": searcher.ScoreBruteForce(),
        "distance_measure": "squared_l2",
    },
}


def build(path: Path, vectors: np.ndarray, **options: object) -> Path:
    settings: dict[str, object] = {"distance_measure": "dot_product", "score_ah": searcher.ScoreAH(1), **options}
    bits = int(str(settings.pop("bits", 8)))
    index = build_index(vectors, searcher.ScaNNOptions(**settings), bits=bits)  # type: ignore[arg-type]
    write_searcher(SearcherContent(index=index, metadata=[b"%d" % i for i in range(len(vectors))]), path)
    return path


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Of many lengths, so that a step or a norm taken from another row shows."""
    rng = np.random.default_rng(5)
    return rng.standard_normal((ITEMS, DIMENSION), np.float32) * rng.uniform(0.3, 2, (ITEMS, 1)).astype(np.float32)


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, vectors: np.ndarray) -> GraphEngine:
    """A file that scans everything, so that what it finds is the truth."""
    path = build(tmp_path_factory.mktemp("filters") / "s.tflite", vectors, **KINDS[request.param])
    return GraphEngine(BaseOptions(str(path), num_threads=1))


def test_chosen_items_have_the_distances_of_a_search_among_all(engine, vectors):
    for query in vectors[:10] + 0.1:
        everything = engine.search_embedding(query, SearchRequest(max_results=50)).nearest_neighbors
        chosen = engine.search_embedding(
            query, SearchRequest(max_results=50, allowed=np.sort([n.id for n in everything]))
        ).nearest_neighbors
        assert [n.id for n in chosen] == [n.id for n in everything]
        # Of vectors of norm up to 10: the graph takes differences of large sums for squared L2, and more so for 4-bit rows.
        tolerance = 3e-4 if engine.manifest.index["rows"] == "int4" else 3e-5
        np.testing.assert_allclose([n.distance for n in chosen], [n.distance for n in everything], rtol=1e-6, atol=tolerance)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 1.0])
def test_the_right_ones_are_found_however_few(engine, vectors, share):
    rng = np.random.default_rng(1)
    allowed = np.sort(rng.choice(ITEMS, max(2, int(share * ITEMS)), replace=False))
    for query in vectors[:5] + 0.1:
        found = engine.search_embedding(query, SearchRequest(max_results=ITEMS, allowed=allowed)).nearest_neighbors
        assert sorted(n.id for n in found) == allowed.tolist()  # more than k where that is asked for
        assert [n.metadata for n in found] == [str(n.id).encode() for n in found]
        distances = [n.distance for n in found]
        assert distances == sorted(distances)
        exact = -(vectors @ query)
        if engine.distance == "squared_l2":
            exact = ((vectors - query) ** 2).sum(axis=1)
        # Rows and query are rounded; what is found may be off by that, not by a row of another item.
        assert np.abs(distances - exact[[n.id for n in found]]).mean() < 0.25 * exact.std()
        best = engine.search_embedding(query, SearchRequest(max_results=3, allowed=allowed)).nearest_neighbors
        assert best == found[:3]


def test_rows_that_are_kept_for_the_next_query_have_the_same_distances(engine, vectors, monkeypatch):
    for most in (None, 100):  # with and without a copy of the rows
        if most is not None:
            monkeypatch.setattr("task.search.exact.MOST_COPIED", most)
        for share in (0.01, 0.7):
            allowed = np.sort(np.random.default_rng(1).choice(ITEMS, int(share * ITEMS), replace=False))
            kept = allowed.copy()
            kept.flags.writeable = False
            for query in vectors[:3] + 0.1:
                answers = [engine.search_embedding(query, SearchRequest(max_results=30, allowed=ids)) for ids in (allowed, kept, kept)]
                assert answers[0].nearest_neighbors == answers[1].nearest_neighbors == answers[2].nearest_neighbors


def test_the_nearest_of_many_are_those_of_a_sort():
    rng = np.random.default_rng(2)
    rows = np.sort(rng.permutation(200_000)[:100_003])
    for distances in (rng.standard_normal(100_003), rng.integers(0, 50, 100_003), np.full(100_003, np.nan)):
        values = distances.astype(np.float32)
        values[rng.integers(0, len(values), 500)] = np.nan
        values[-1] = -100
        order = np.lexsort((rows, values))
        for count in (1, 10, 300, 90_000):
            assert nearest(rows, values, count).tolist() == order[: min(count, int((~np.isnan(values)).sum()))].tolist()


def test_rows_are_read_in_place(tmp_path, vectors):
    path = build(tmp_path / "s.tflite", vectors, tree=searcher.Tree(40, 40))
    with open(path, "rb") as file:
        content = file.read()
    places = locate_rows(content)
    assert places is not None
    rows = StoredRows(content, places, DIMENSION)
    assert not rows.rows.flags.owndata
    real = rows.items >= 0
    order = rows.items[real]
    assert sorted(order) == list(range(ITEMS))
    step = rows.scales(np.flatnonzero(real))[:, None]
    assert (np.abs(rows.decode(np.flatnonzero(real)) - vectors[order]) <= 0.52 * step).all()
    # Rows are differences from their leaf's base, so their steps are finer than those of whole rows.
    assert np.median(step) < np.median(np.abs(vectors).max(axis=1)) / 127


def test_ids_and_masks_say_the_same(searcher_file):
    with TextSearcher.create_from_file(str(searcher_file)) as by_text:
        ids = [7, 3, 250, 3, 99]
        mask = np.zeros(by_text.items, bool)
        mask[ids] = True
        expected = by_text.search(TEXTS[0], allowed=mask)
        assert {n.id for n in expected.nearest_neighbors} == set(ids)
        for same in (ids, tuple(ids), set(ids), iter(ids), np.array(ids), np.array(ids, np.uint8)):
            assert by_text.search(TEXTS[0], allowed=same) == expected
        assert by_text.search(TEXTS[0], allowed=[]).nearest_neighbors == []
        assert by_text.search(TEXTS[0], allowed=np.zeros(by_text.items, bool)).nearest_neighbors == []


def test_every_way_to_ask_takes_allowed(searcher_file):
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    with TextSearcher.create_from_file(str(searcher_file)) as by_text, ImageSearcher.create_from_file(str(searcher_file)) as by_image:
        expected = by_text.engine.search_text(TEXTS[1], SearchRequest(max_results=50)).nearest_neighbors[1::20]
        ids = [n.id for n in expected]
        assert len(ids) == 3
        one = by_text.search(TEXTS[1], allowed=ids)
        assert_same(one.nearest_neighbors, expected)
        assert by_text.search_batch(TEXTS[:2], allowed=iter(ids)) == [by_text.search(TEXTS[0], allowed=ids), one]
        by_vector = by_text.search_embedding(by_text.engine.embed_text(TEXTS[1]), allowed=ids)
        assert by_vector == one
        image, expected = (
            TensorImage.create_from_array(pixels),
            by_image.engine.search_image(pixels, SearchRequest(max_results=50)).nearest_neighbors[1::20],
        )
        ids = [n.id for n in expected]
        seen = by_image.search(image, allowed=ids)
        assert_same(seen.nearest_neighbors, expected)
        assert by_image.search_batch([image], allowed=iter(ids)) == [seen]


def assert_same(found: list[NearestNeighbor], expected: list[NearestNeighbor]) -> None:
    assert [(n.id, n.metadata) for n in found] == [(n.id, n.metadata) for n in expected]
    assert [n.distance for n in found] == pytest.approx([n.distance for n in expected], abs=1e-5)


@pytest.mark.parametrize(
    ("allowed", "problem"),
    [
        ([300], "names item 300, expected ids from 0 to 299"),
        ([-1], "names item -1"),
        (np.ones(299, bool), "has 299 values, expected one for each of 300"),
        (np.ones(301, bool), "has 301 values"),
        ([0.5], "float64"),
        (np.ones((2, 2), np.int32), "one dimension"),
        ("12", "found str"),
        (7, "found int"),
    ],
)
def test_what_is_no_choice_is_refused(searcher_file, allowed, problem):
    with TextSearcher.create_from_file(str(searcher_file)) as by_text:
        with pytest.raises(InvalidArgumentError, match=problem):
            by_text.search(TEXTS[0], allowed=allowed)
        with pytest.raises(ArgumentTypeError, match="found float64"):
            by_text.search(TEXTS[0], allowed=np.ones(3))


@pytest.mark.parametrize("distance", [DOT, L2])
@pytest.mark.parametrize("kind", ["floats", "codes"])
def test_task_library_indexes_are_filtered_too(vectors, distance, kind):
    rows, metadata = vectors[:600], [b"%d" % i for i in range(600)]
    if kind == "floats":
        content = float_index(rows, metadata, distance=distance, leaves=9, searched=1)
    else:
        content = hashed_index(rows, metadata, block=2, distance=distance, lookup=LookupType.INT16, entries=64, leaves=9, searched=1)
    index = ScannIndex("test", content)
    query = vectors[900]
    everything = {n.id: n for n in index.search(query, SearchRequest(max_results=600, num_leaves=9)).nearest_neighbors}
    assert len(everything) == 600
    for count in (1, 4, 300, 600):  # of which most lie in leaves that the query would not look into
        allowed = np.sort(np.random.default_rng(count).choice(600, count, replace=False))
        found = index.search(query, SearchRequest(max_results=600, allowed=allowed)).nearest_neighbors
        assert [n.id for n in found] == [i for i in everything if i in set(allowed.tolist())]
        assert [n.metadata for n in found] == [everything[n.id].metadata for n in found]
        np.testing.assert_allclose([n.distance for n in found], [everything[n.id].distance for n in found], atol=1e-5)


def test_leaves_and_allowed_exclude_each_other(tmp_path, vectors):
    words = np.random.default_rng(0).standard_normal((5, DIMENSION)).astype(np.float32)
    index = float_index(vectors[:60], [b"%d" % i for i in range(60)], distance=DOT, leaves=4, searched=1)
    path = lookup_text_model(tmp_path / "model.tflite", words, index)
    options = TextSearcherOptions(BaseOptions(str(path)), search_options=SearchOptions(max_results=60))
    with TextSearcher.create_from_options(options) as by_text:
        assert {n.id for n in by_text.search("a b", allowed=[2, 59]).nearest_neighbors} == {2, 59}
        with pytest.raises(InvalidArgumentError, match="exclude each other"):
            by_text.search("a b", allowed=[2], num_leaves_to_search=2)
