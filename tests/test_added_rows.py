"""Rows of many added items: sorted into cells while they are added, and found as by a scan of all, whatever happens meanwhile."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from task.format.overlay_file import FLOAT32
from task.search import added_rows, cells
from task.search.facts import checked
from task.search.overlay import Overlay

DIMENSION = 16
BASE = 10


def clustered(count: int, seed: int = 0, groups: int = 40) -> np.ndarray:
    """`(count, 16)` float32 unit vectors around some directions."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((groups, DIMENSION))
    values = (centres[rng.integers(0, groups, count)] + 0.3 * rng.standard_normal((count, DIMENSION))).astype(np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Cells for few rows already, with few rows to scan."""
    monkeypatch.setattr(added_rows, "FLAT", 0)
    monkeypatch.setattr(added_rows, "TAIL", 32)
    monkeypatch.setattr(cells, "FIRST", 256)
    monkeypatch.setattr(cells, "LEAST_SCANNED", 64)
    monkeypatch.setattr(cells, "SCANNED", 6.0)


def filled(vectors: np.ndarray, distance: str = "dot_product") -> Overlay:
    overlay = Overlay(BASE, DIMENSION, distance, FLOAT32)
    for number, vector in enumerate(vectors):
        overlay.add(vector, b"%d" % number, checked({}, {}))
    return overlay


@pytest.mark.parametrize("distance", ["dot_product", "squared_l2"])
def test_the_nearest_of_many_are_found_in_few_cells(distance):
    vectors = clustered(3000) * (1 if distance == "dot_product" else np.random.default_rng(1).uniform(0.5, 2, (3000, 1)).astype(np.float32))
    overlay, found, scanned = filled(vectors, distance), 0, []
    for query in vectors[::30]:
        exact = -(vectors @ query) if distance == "dot_product" else ((vectors - query) ** 2).sum(axis=1)
        ids, distances = overlay.nearest(query, 10)
        assert ids[0] == BASE + int(exact.argmin())
        np.testing.assert_allclose(distances, exact[ids - BASE], atol=1e-4)
        assert (np.diff(distances) >= 0).all()
        found += len(np.intersect1d(ids - BASE, np.argsort(exact)[:10]))
        scanned.append(len(overlay._added.scanned(query, distance == "squared_l2", BASE)[1]))
    assert found / 1000 > 0.97
    assert 64 <= np.mean(scanned) < 1200


def test_beside_many_other_items_fewer_rows_are_scanned():
    grouped = filled(clustered(1024))._added.cells
    assert grouped is not None
    query = clustered(1)[0]
    alone, beside = (grouped.sizes[grouped.best(query, False, others)].sum() for others in (0, 20_000))
    assert 64 <= beside < 110 < 180 < alone


def test_ids_metadata_and_embeddings_stay_with_their_items_when_rows_move():
    vectors = clustered(1500, seed=2)
    overlay = filled(vectors)
    added = overlay._added
    assert added.cells is not None
    assert added.cells.centres.made_of == 1024
    assert not np.array_equal(added.ids, np.sort(added.ids))  # rows did move
    for number in (0, 1, 700, 1499):
        assert overlay.metadata(BASE + number) == b"%d" % number
        np.testing.assert_array_equal(overlay.embedding(BASE + number), vectors[number])
    assert overlay.find([b"1234"]) == {BASE + 1234: b"1234"}
    content = overlay.content("base")
    np.testing.assert_array_equal(content.rows, vectors)
    assert content.ids.tolist() == list(range(BASE, BASE + 1500))
    chosen = np.array([BASE + 3, BASE + 900, BASE + 1400, BASE + 5000])
    ids, distances = overlay.nearest(vectors[900], 10, chosen)
    assert ids[0] == BASE + 900
    assert set(ids.tolist()) == {BASE + 3, BASE + 900, BASE + 1400}


def test_removed_rows_are_neither_found_nor_counted():
    vectors = clustered(2000, seed=3)
    overlay = filled(vectors)
    left = np.arange(0, 2000, 10)
    for number in np.setdiff1d(np.arange(2000), left):
        overlay.remove(BASE + int(number))
    assert overlay._added.cells is not None
    tail = len(overlay._added) - len(overlay._added.cells)
    assert overlay._added.cells.sizes.sum() + tail >= len(left) >= overlay._added.cells.sizes.sum()
    for query in vectors[:300:10]:
        ids, _ = overlay.nearest(query, 5)
        order = left[np.argsort(-(vectors[left] @ query))]
        assert ids[0] - BASE == order[0]
        assert np.isin(ids - BASE, left).all()
        assert len(ids) == 5  # as many as wanted, although nine of ten of the nearest are gone
    assert overlay.present().tolist() == [*range(BASE), *(BASE + left)]


def test_an_overlay_with_many_rows_answers_after_loading_as_before():
    vectors = clustered(1200, seed=4)
    overlay = filled(vectors)
    again = Overlay(BASE, DIMENSION, "dot_product", FLOAT32)
    again.load(overlay.content("base"), indexed=False)
    assert again._added.cells is not None
    for query in vectors[::40]:
        assert again.nearest(query, 1)[0].tolist() == overlay.nearest(query, 1)[0].tolist()


def test_adding_copies_each_row_a_few_times_only(monkeypatch):
    moved = []
    original = added_rows.AddedRows.regrouped

    def counting(self: added_rows.AddedRows) -> added_rows.AddedRows:
        result = original(self)
        if result is not self:
            moved.append(len(self))
        return result

    monkeypatch.setattr(added_rows.AddedRows, "regrouped", counting)
    filled(clustered(3000, seed=5))
    assert sum(moved) < 15 * 3000


def test_readers_find_everything_while_rows_move():
    """Rows are sorted into cells while other threads search: each finds what was there when it began."""
    vectors = clustered(2500, seed=6)
    overlay, errors, done = filled(vectors[:300]), [], threading.Event()

    def read(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while not done.is_set():
            count = overlay.next_id - BASE
            number = int(rng.integers(0, min(count, 300)))
            ids, distances = overlay.nearest(vectors[number], 3)
            if ids[0] != BASE + number or abs(distances[0] + 1) > 1e-5 or overlay.metadata(int(ids[0])) != b"%d" % number:
                errors.append((number, ids, distances))
            if not np.allclose(overlay.embedding(BASE + number), vectors[number]):
                errors.append(number)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    for reader in readers:
        reader.start()
    for number, vector in enumerate(vectors[300:], 300):
        overlay.add(vector, b"%d" % number, checked({}, {}))
    done.set()
    for reader in readers:
        reader.join()
    assert not errors


def test_many_items_are_said_once_to_be_faster_in_a_file(monkeypatch):
    monkeypatch.setattr("task.search.overlay.MANY", 3)
    vectors = clustered(5)
    with pytest.warns(UserWarning, match="3 items were added; make one file of them and the searcher") as warned:
        overlay = filled(vectors)
    assert len(warned) == 1
    with pytest.warns(UserWarning, match="5 items were added"):
        Overlay(BASE, DIMENSION, "dot_product", FLOAT32).load(overlay.content("base"), indexed=False)


def test_the_number_of_rows_that_centres_are_made_of():
    counts = [0, 255, 256, 511, 512, 1023, 1024, 5000]
    assert [cells.rows_of_centres(count) for count in counts] == [0, 0, 256, 256, 512, 512, 1024, 4096]
