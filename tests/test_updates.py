"""Items added to an open searcher and removed from it: found at once, kept in a file, folded into a new searcher."""

from __future__ import annotations

import json
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from conftest import DIMENSION, SIDE, TEXTS
from task_library_files import DOT, float_index, lookup_text_model

from maker import searcher
from maker.cli import main
from maker.evaluation.file_parts import tower_parts
from maker.evaluation.inspection import inspect
from maker.evaluation.relevance import JudgedResults, measure
from maker.pipeline import IndexSettings, index_embeddings, update_index
from maker.pipeline.index import FileContent, IndexedItems, write_index
from maker.report.card import CardFields, card_fields, model_card, read_card
from task.core import BaseOptions
from task.errors import DamagedFileError, InvalidArgumentError, MissingFileError, NewerFormatError, TaskError
from task.format import overlay_file
from task.format.lexical import LexicalIndex
from task.format.stored_rows import StoredRows, locate_rows
from task.processor import SearchOptions
from task.search import SearchRequest
from task.search.facts import checked
from task.search.graph import GraphEngine
from task.search.overlay import Overlay
from task.text import TextSearcher, TextSearcherOptions
from task.vision import ImageSearcher, TensorImage

BUILT = 300  # items of `searcher_file`


def open_text(path: Path, results: int = 5, overlay: Path | None = None) -> TextSearcher:
    options = SearchOptions(max_results=results, overlay_file_name=None if overlay is None else str(overlay))
    return TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(str(path), num_threads=1), search_options=options))


def unit(seed: int, count: int = 1) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def test_added_items_are_found_at_once_by_all_that_asks(searcher_file):
    pixels = np.random.default_rng(0).integers(0, 256, (3 * SIDE, 2 * SIDE, 3), np.uint8)
    image = TensorImage.create_from_array(pixels)
    vector = unit(1)[0]
    with ImageSearcher.create_from_file(str(searcher_file)) as by_image, open_text(searcher_file) as by_text:
        for one in (by_image, by_text):
            ids = [one.add(TEXTS[0], "the sentence"), one.add(image, b"the image"), one.add(vector, b"\xff")]
            assert ids == [BUILT, BUILT + 1, BUILT + 2]
            assert one.items == BUILT + 3
            assert one.get_metadata(BUILT) == b"the sentence"
            first = one.search_embedding(vector).nearest_neighbors[0]
            assert (first.id, first.metadata) == (BUILT + 2, b"\xff")
            assert first.distance == pytest.approx(-1, abs=2e-3)  # it is rounded to 8 bits
        first = by_image.search(image).nearest_neighbors[0]
        assert (first.id, first.metadata) == (BUILT + 1, b"the image")
        first = by_text.search(TEXTS[0]).nearest_neighbors[0]
        assert (first.id, first.metadata) == (BUILT, b"the sentence")
        assert by_text.search_batch([TEXTS[0]])[0].nearest_neighbors[0] == first


@pytest.mark.parametrize("distance", ["dot_product", "squared_l2"])
def test_what_is_added_is_merged_exactly(tmp_path, distance):
    """A searcher with half of the items built in and half added answers as exact search over all."""
    rng = np.random.default_rng(2)
    vectors = rng.standard_normal((400, DIMENSION)).astype(np.float32)
    options = searcher.ScaNNOptions(distance, score_brute_force=searcher.ScoreBruteForce())
    data = searcher.DataLoader(None, vectors[:200], [str(i) for i in range(200)])
    path = tmp_path / "s.tflite"
    searcher.Searcher.create_from_data(data, options).export(export_filename=path)
    with open_text(path, 50) as half:
        for i, vector in enumerate(vectors[200:], 200):
            assert half.add(vector, str(i)) == i
        gone = rng.choice(400, 120, replace=False)
        for item in gone:
            half.remove(item)
        left = np.setdiff1d(np.arange(400), gone)
        for query in rng.standard_normal((20, DIMENSION)).astype(np.float32):
            exact = -(vectors @ query) if distance == "dot_product" else ((vectors - query) ** 2).sum(axis=1)
            order = left[np.argsort(exact[left])]
            found = half.search_embedding(query).nearest_neighbors
            assert [n.id for n in found] == order[:50].tolist()
            assert [n.metadata for n in found] == [str(i).encode() for i in order[:50]]
            np.testing.assert_allclose([n.distance for n in found], exact[order[:50]], rtol=1e-4, atol=1e-4)
            allowed = rng.choice(400, 40, replace=False)
            found = half.search_embedding(query, allowed=allowed).nearest_neighbors
            assert [n.id for n in found] == [i for i in order if i in set(allowed.tolist())]


def test_a_file_without_changes_is_asked_through_its_graph_alone(searcher_file, embeddings, monkeypatch):
    with open_text(searcher_file) as one:
        monkeypatch.setattr("task.search.finder.Finder.find", lambda *_: pytest.fail("the graph's answer was not enough"))
        assert one.search_embedding(embeddings[7]).nearest_neighbors[0].id == 7
        assert len(one.search(TEXTS[0]).nearest_neighbors) == 5


def test_removed_items_leave_no_gap(searcher_file, embeddings):
    with open_text(searcher_file, 50) as one:
        everything = GraphEngine(BaseOptions(str(searcher_file))).search_embedding(
            embeddings[0], SearchRequest(max_results=BUILT, allowed=np.arange(BUILT))
        )
        ranking = [n.id for n in everything.nearest_neighbors]
        for removed in range(0, BUILT, 15):
            for item in ranking[removed : removed + 15]:
                one.remove(item)
            expected = ranking[removed + 15 :][:50]
            assert [n.id for n in one.search_embedding(embeddings[0]).nearest_neighbors] == expected
        assert one.search(TEXTS[0]).nearest_neighbors == []
        new = one.add(embeddings[0], "alone")
        assert [n.id for n in one.search_embedding(embeddings[0]).nearest_neighbors] == [new]
        one.remove(new)
        assert one.search_embedding(embeddings[0]).nearest_neighbors == []
        assert one.add(embeddings[0], "again") == new + 1  # ids are not used twice


def test_what_cannot_be_added_or_removed_is_refused(searcher_file, tmp_path):
    with open_text(searcher_file) as one:
        for vector, problem in [
            (np.ones(3, np.float32), "3 dimensions, the index 16"),
            (np.ones(DIMENSION, np.float32), "has norm 4, the file's have 1"),
            (np.full(DIMENSION, np.nan, np.float32), "not finite"),
            (np.array("text"), "has to be a str, a TensorImage, a TensorAudio or an embedding, found ndarray"),
            ([[None]], "has to be a str, a TensorImage, a TensorAudio or an embedding, found list"),
        ]:
            with pytest.raises(InvalidArgumentError, match=problem):
                one.add(vector, b"")
        assert one.items == BUILT
        for item in (-1, BUILT, 10**12):
            with pytest.raises(InvalidArgumentError, match=f"no item {item} to remove; ids go from 0 to 299"):
                one.remove(item)
        one.remove(7)
        with pytest.raises(InvalidArgumentError, match="no item 7 to remove"):
            one.remove(7)
        with pytest.raises(InvalidArgumentError, match="there is no item 7"):
            one.get_metadata(7)
        with pytest.raises(TypeError):
            one.remove(1.5)
    index = float_index(unit(0, 9), [b"x"] * 9, distance=DOT)
    model = lookup_text_model(tmp_path / "model.tflite", unit(1, 3), index)
    with TextSearcher.create_from_file(str(model)) as legacy:
        for change in (lambda: legacy.add(unit(2)[0], b""), lambda: legacy.remove(0), lambda: legacy.save_overlay(tmp_path / "o")):
            with pytest.raises(InvalidArgumentError, match="a Task Library index takes no changes; index the items with `maker index`"):
                change()
    with pytest.raises(InvalidArgumentError, match="only graph searchers have overlays"):
        open_text(model, overlay=tmp_path / "o")


def test_a_graph_of_others_takes_additions_only(searcher_file, embeddings, tmp_path):
    """Without rows that are known, choices and gaps cannot be served; everything else can."""
    content = searcher_file.read_bytes().replace(b"rows\0", b"vows\0")
    with TextSearcher.create_from_options(TextSearcherOptions(BaseOptions(file_content=content))) as one:
        new = one.add(embeddings[7], "new")
        assert {n.id for n in one.search_embedding(embeddings[7]).nearest_neighbors[:2]} == {7, new}
        one.remove(new)
        assert one.search_embedding(embeddings[7]).nearest_neighbors[0].id == 7
        for ask in (lambda: one.remove(7), lambda: one.search(TEXTS[0], allowed=[7])):
            with pytest.raises(
                InvalidArgumentError, match="the rows of its index are not found, so `allowed` and `remove` cannot be served"
            ):
                ask()
    with open_text(searcher_file) as one:
        one.remove(7)
        one.save_overlay(tmp_path / "o")
    (tmp_path / "s.tflite").write_bytes(content)
    with pytest.raises(InvalidArgumentError, match="the rows of its index are not found"):
        open_text(tmp_path / "s.tflite", overlay=tmp_path / "o")


def test_masks_speak_of_the_items_there_were(searcher_file, embeddings):
    with open_text(searcher_file, 400) as one:
        mask = np.zeros(BUILT, bool)
        mask[[1, 2]] = True
        new = one.add(embeddings[1], "new")
        assert {n.id for n in one.search_embedding(embeddings[1], allowed=mask).nearest_neighbors} == {1, 2}
        assert {n.id for n in one.search_embedding(embeddings[1], allowed=[1, new]).nearest_neighbors} == {1, new}
        one.remove(1)
        assert [n.id for n in one.search_embedding(embeddings[1], allowed=[1, new]).nearest_neighbors] == [new]
        assert one.search_embedding(embeddings[1], allowed=[1]).nearest_neighbors == []


def test_an_overlay_is_kept_in_a_file(searcher_file, tmp_path):
    path = tmp_path / "photos.overlay"
    vectors = unit(4, 100)
    with open_text(searcher_file, 50) as one:
        ids = [one.add(vector, f"new {i}") for i, vector in enumerate(vectors)]
        for item in (*ids[10:20], ids[-1], 0, 299, 5):
            one.remove(item)
        one.save_overlay(path)
        answers = [one.search_embedding(vector) for vector in vectors[:30]]
    assert [p.name for p in tmp_path.iterdir()] == ["photos.overlay"]
    assert path.stat().st_size < 100 * (4 * DIMENSION + 40) + 2000
    assert b"new 15" not in path.read_bytes()  # what was removed is gone
    with open_text(searcher_file, 50, path) as again:
        for vector, expected in zip(vectors[:30], answers, strict=True):
            found = again.search_embedding(vector).nearest_neighbors
            assert [one.id for one in found] == [one.id for one in expected.nearest_neighbors]
            np.testing.assert_allclose([n.distance for n in found], [n.distance for n in expected.nearest_neighbors], atol=1e-6)
        assert again.items == BUILT + 100
        assert again.add(vectors[0], "more") == BUILT + 100
        with pytest.raises(InvalidArgumentError, match=f"no item {ids[10]} to remove"):
            again.remove(ids[10])
        again.remove(ids[0])
        again.save_overlay(path)
    with TextSearcher.create_from_file(str(searcher_file), overlay=path) as third:
        found = third.search_embedding(vectors[0]).nearest_neighbors[0]
        assert (found.id, found.metadata) == (BUILT + 100, b"more")


def test_an_overlay_opens_with_its_base_only(searcher_file, tmp_path, embeddings):
    path, other = tmp_path / "o", tmp_path / "other.tflite"
    with open_text(searcher_file) as one:
        one.add(TEXTS[0], "x")
        one.save_overlay(path)
    data = searcher.DataLoader(None, embeddings[::-1].copy(), ["x"] * BUILT)
    options = searcher.ScaNNOptions("dot_product", score_ah=searcher.ScoreAH(1))
    searcher.Searcher.create_from_data(data, options).export(export_filename=other)
    with pytest.raises(InvalidArgumentError, match=r"o: it belongs to another searcher \(sha256.model .*other.tflite"):
        open_text(other, overlay=path)
    with pytest.raises(MissingFileError, match="Unable to open file at .*none"):
        open_text(searcher_file, overlay=tmp_path / "none")
    with pytest.raises(DamagedFileError, match="no overlay file"):
        open_text(searcher_file, overlay=searcher_file)


@pytest.mark.parametrize("keep", [0, 10, 200, -1])
def test_a_cut_overlay_is_damaged(searcher_file, tmp_path, keep):
    path = tmp_path / "o"
    with open_text(searcher_file) as one:
        one.add(TEXTS[0], "x")
        one.save_overlay(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedFileError, match="damaged"):
        open_text(searcher_file, overlay=path)


def test_a_changed_overlay_is_damaged(searcher_file, tmp_path):
    path = tmp_path / "o"
    with open_text(searcher_file) as one:
        one.add(TEXTS[0], "x")
        one.remove(3)
        one.save_overlay(path)
    whole = path.read_bytes()
    at = whole.index(overlay_file.CODES.encode()) + len(overlay_file.CODES)
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(DamagedFileError, match="CRC"):
        open_text(searcher_file, overlay=path)
    path.write_bytes(whole)
    for key, value, error in [
        ("format_version", 3, NewerFormatError),
        ("added", 2, DamagedFileError),
        ("next_id", BUILT, DamagedFileError),
        ("removed", 0, DamagedFileError),
        ("format", "else", DamagedFileError),
    ]:
        changed = tmp_path / f"{key}.overlay"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(changed, "w") as target:
            for name in source.namelist():
                content = source.read(name)
                if name == overlay_file.FILE:
                    content = json.dumps({**json.loads(content), key: value}).encode()
                target.writestr(name, content)
        with pytest.raises(error):
            open_text(searcher_file, overlay=changed)


def test_a_column_that_two_threads_add_at_once_has_the_type_of_the_first(searcher_file):
    with open_text(searcher_file) as opened:
        one, other = checked({"place": 3}, {}), checked({"place": "home"}, {})  # before either is added
        overlay = opened.engine._finder.overlay
        overlay.add(unit(1)[0], b"one", one)
        with pytest.raises(InvalidArgumentError, match="facts: 'place' is a text, but the column has type number"):
            overlay.add(unit(2)[0], b"other", other)
        assert opened.items == BUILT + 1
        assert [n.id for n in opened.search_embedding(unit(1)[0], where="place == 3").nearest_neighbors] == [BUILT]


def test_an_overlay_of_no_items_may_list_their_words():
    overlay = Overlay(3, DIMENSION, "dot_product")
    empty = LexicalIndex.of(np.empty(0, np.uint32), np.empty(0, np.int64), 0)
    none = np.empty(0, np.int32)
    rows = np.empty((0, DIMENSION), np.float32)
    content = overlay_file.OverlayContent(base="", items=3, next_id=5, rows=rows, ids=none, metadata=[], removed=none, lexical=empty)
    overlay.load(content, indexed=True)
    assert overlay.next_id == 5


def test_items_are_listed_without_reading_facts_and_words(searcher_file, monkeypatch):
    with open_text(searcher_file, results=310) as opened:
        new = opened.add(unit(1)[0], "new")
        opened.add(unit(2)[0], "gone")
        opened.remove("gone")
        monkeypatch.setattr(opened.engine._finder.overlay, "content", None)
        assert opened.engine.present().tolist() == [*range(BUILT), new]
        assert opened.find("new") == new
        assert len(opened.search_embedding(unit(1)[0]).nearest_neighbors) == BUILT + 1


def test_threads_add_remove_and_search_at_once(searcher_file):
    errors: list[BaseException] = []
    ids: list[int] = []
    with open_text(searcher_file, 50) as one:

        def write(seed: int) -> None:
            for number, vector in enumerate(unit(100 + seed, 150)):
                item = one.add(vector, f"{seed} {number}")
                ids.append(item)
                found = one.search_embedding(vector).nearest_neighbors[0]
                assert (found.id, found.metadata) == (item, f"{seed} {number}".encode())
                if number % 3 == 0:
                    one.remove(item)
                    assert item not in [n.id for n in one.search_embedding(vector).nearest_neighbors]
                if number % 5 == 0:
                    one.remove(seed * 30 + number // 5)

        def run(seed: int) -> None:
            try:
                write(seed)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert sorted(ids) == list(range(BUILT, BUILT + 600))
        alive = one.engine.search_embedding(unit(9)[0], SearchRequest(max_results=2000, allowed=np.arange(one.items))).nearest_neighbors
        assert len(alive) == BUILT + 600 - 4 * 50 - 4 * 30


def stored_vectors(path: Path) -> dict[bytes, np.ndarray]:
    """What is stored of each item, by its metadata."""
    content = path.read_bytes()
    places = locate_rows(content)
    assert places is not None
    rows = StoredRows(content, places, DIMENSION)
    vectors = rows.decode(slice(None))
    with TextSearcher.create_from_file(str(path)) as one:
        return {one.get_metadata(int(item)): vectors[row] for row, item in enumerate(rows.items) if item >= 0}


def test_an_overlay_is_folded_into_a_new_searcher(searcher_file, embeddings, tmp_path, capsys):
    overlay, new = tmp_path / "o", tmp_path / "new.tflite"
    vectors = unit(8, 40)
    with open_text(searcher_file, 50) as one:
        added = [one.add(vector, f"new {i}") for i, vector in enumerate(vectors)]
        for item in (*range(0, BUILT, 3), added[5]):
            one.remove(item)
        one.save_overlay(overlay)
        queries = [one.engine.embed_text(sentence) for sentence in TEXTS]
        before = [one.search_embedding(query).nearest_neighbors for query in queries]
    main(["index", "--update", str(searcher_file), "--overlay", str(overlay), "--output", str(new), "--json"])
    figures = json.loads(capsys.readouterr().out)
    assert (figures["items"], figures["added"], figures["removed"]) == (200 + 39, 39, 100)
    with open_text(new, 50) as folded:
        assert folded.get_user_info() == "made by a test"
        assert folded.engine.manifest.normalized
        assert folded.get_metadata(0) == b"images/1.png"
        assert folded.get_metadata(200 + 5) == b"new 6"
        for query, sentence, expected in zip(queries, TEXTS, before, strict=True):
            found = folded.search_embedding(query).nearest_neighbors
            assert found == folded.search(sentence).nearest_neighbors
            distances = {n.metadata: n.distance for n in found}
            assert len(set(distances) & {n.metadata for n in expected}) > 45
            for neighbor in expected:  # what was added is rounded now
                if neighbor.metadata in distances:
                    assert distances[neighbor.metadata] == pytest.approx(neighbor.distance, abs=0.01)
    stored, stays = stored_vectors(searcher_file), stored_vectors(new)
    for name in [n for n in stays if n.startswith(b"images")]:
        step = np.abs(stored[name]).max() / 127
        assert np.abs(stays[name] - stored[name]).max() <= step
    again, nothing = tmp_path / "again.tflite", tmp_path / "nothing"
    with open_text(new) as folded:
        folded.save_overlay(nothing)
    assert main(["index", "--update", str(new), "--overlay", str(nothing), "--output", str(again)]) == 0
    with open_text(searcher_file) as first, open_text(again) as third:  # however often, the towers are taken over as they are
        assert third.engine.signatures == first.engine.signatures
        assert third.items == 239
        assert (third.engine.embed_text(TEXTS[0]) == first.engine.embed_text(TEXTS[0])).all()


def test_folding_is_refused_where_nothing_can_come_of_it(searcher_file, tmp_path, capsys):
    overlay = tmp_path / "o"
    with open_text(searcher_file) as one:
        for item in range(BUILT):
            one.remove(item)
        one.save_overlay(overlay)
    for arguments, problem in [
        (["--update", str(searcher_file), "--overlay", str(overlay)], "removes every item"),
        (["--update", str(searcher_file)], "--overlay is missing"),
        (["--overlay", str(overlay)], "--update is missing"),
        (["--embeddings", "e.npy"], "--metadata is missing"),
        (["--update", "s", "--overlay", "o", "--embedder", "e"], "--embedder comes from the searcher"),
    ]:
        assert main(["index", *arguments, "--output", str(tmp_path / "new.tflite")]) == (1 if problem == "removes every item" else 2)
        assert problem in capsys.readouterr().err
    assert not (tmp_path / "new.tflite").exists()


@pytest.mark.parametrize(("bits", "rescore", "scanned"), [(4, "int8", None), (8, "float32", None), (8, "int8", 8), (4, "float32", 8)])
def test_a_fold_keeps_the_finer_rows_and_the_scanned_dimensions(tmp_path, bits, rescore, scanned):
    base, overlay, new = tmp_path / "base.tflite", tmp_path / "overlay", tmp_path / "new.tflite"
    settings = IndexSettings(bits=bits, rescore=rescore, scan_dimension=scanned)
    index_embeddings(unit(3, 300), [b"%d" % i for i in range(300)], base, settings=settings)
    with open_text(base) as opened:
        opened.add(unit(4)[0], "added")
        opened.save_overlay(overlay)
    update_index(base, overlay, new)
    for path in (base, new):
        described = inspect(path)["manifest"]["index"]
        assert (described["rows"], described["rescored_by"], described["scanned_dimensions"]) == (f"int{bits}", rescore, scanned)


def test_a_removed_id_is_not_found_again_after_a_reload(searcher_file, tmp_path):
    vectors = unit(7, 3)
    with open_text(searcher_file, 50) as one:
        ids = [one.add(vector, f"new {n}") for n, vector in enumerate(vectors)]
        one.remove(ids[1])
        one.save_overlay(tmp_path / "o")
    with open_text(searcher_file, 50, tmp_path / "o") as again:
        mask = np.ones(again.items, bool)
        found = [n.id for n in again.search_embedding(vectors[2], allowed=mask).nearest_neighbors]
        assert len(found) == len(set(found)) == 50
        assert found[0] == ids[2]
        assert ids[1] not in found
        assert again.search_embedding(vectors[1], allowed=[ids[1]]).nearest_neighbors == []
        assert again.add(vectors[1], "again") == ids[2] + 1


def test_metadata_that_are_neither_text_nor_bytes_are_refused(searcher_file):
    with open_text(searcher_file) as one, pytest.raises(TypeError, match="metadata has to be a str or bytes, found int"):
        one.add(unit(5)[0], 7)


def test_a_ragged_choice_of_items_is_refused(searcher_file):
    with open_text(searcher_file) as one, pytest.raises(TypeError, match="allowed has to be ids or a boolean mask"):
        one.search_embedding(unit(5)[0], allowed=[[1], [2, 3]])


def changed_overlay(path: Path, target: Path, rng: np.random.Generator) -> Path:
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), rng.integers(1, 4)):
        content[place] = rng.integers(0, 256)
    target.write_bytes(content[: rng.integers(0, len(content))] if rng.random() < 0.3 else content)
    return target


def test_damaged_overlays_raise_this_projects_errors_only(searcher_file, tmp_path):
    with open_text(searcher_file) as one:
        one.add(unit(5)[0], "new")
        one.remove(3)
        one.save_overlay(tmp_path / "o")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        try:
            open_text(searcher_file, overlay=changed_overlay(tmp_path / "o", tmp_path / "changed", rng)).close()
        except TaskError:
            refused += 1
    assert refused > 100


def test_ids_end_before_those_without_an_item_fill_the_memory(searcher_file, embeddings, monkeypatch):
    monkeypatch.setattr("task.search.overlay.MOST_ADDED", 2)
    with TextSearcher.create_from_file(str(searcher_file)) as opened:
        for _ in range(2):
            opened.remove(opened.add(embeddings[0], "again"))
        with pytest.raises(InvalidArgumentError, match="there are no ids left; fold the overlay in with `maker index --update`"):
            opened.add(embeddings[0], "one too many")


@pytest.mark.parametrize("next_id", [-1, 0, BUILT - 1, BUILT + (1 << 22) + 1, 1 << 40, "x", "9" * 5000, None, 1e400])
def test_an_overlays_next_id_is_checked(searcher_file, tmp_path, next_id):
    with open_text(searcher_file) as one:
        one.remove(3)
        one.save_overlay(tmp_path / "o")
    with zipfile.ZipFile(tmp_path / "o") as source, zipfile.ZipFile(tmp_path / "changed", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == overlay_file.FILE:
                content = json.dumps({**json.loads(content), "next_id": next_id}).encode()
            target.writestr(name, content)
    with pytest.raises(DamagedFileError) as raised:
        open_text(searcher_file, overlay=tmp_path / "changed")
    assert len(str(raised.value)) < 1000


def with_change(base: Path, overlay: Path, added: int = 0, removed: int = 0) -> Path:
    with open_text(base) as opened:
        for number, vector in enumerate(unit(11, added) if added else []):
            opened.add(vector, f"added {number}")
        for item in range(removed):
            opened.remove(item)
        opened.save_overlay(overlay)
    return overlay


@pytest.fixture
def indexed(tmp_path: Path) -> Path:
    """A searcher of 300 items by their embeddings, with a model card and a curve."""
    items = IndexedItems(embeddings=unit(3, 300), metadata=[b"%d" % i for i in range(300)])
    curve = {"slope": 8.0, "intercept": 4.0, "gate": 0.3, "cut": 0.2, "rule": "a rule", "how": "some captions"}
    judged = JudgedResults(np.array([[-0.9, -0.2]], np.float32), np.array([[True, False]]), np.array([np.nan], np.float32))
    curve["measured"] = measure(judged, 8.0, 4.0, 0.3, 0.2)
    fields = CardFields(author="A. Nother", license="CC0", data="drawn", intended_use="finding a test's items")
    content = FileContent(relevance={"search_text": curve}, card=lambda manifest: model_card(manifest, fields, "base"))
    write_index(items, tmp_path / "base.tflite", IndexSettings(k=20), content)
    return tmp_path / "base.tflite"


def test_a_fold_keeps_the_model_cards_author_terms_and_use(indexed, tmp_path):
    update_index(indexed, with_change(indexed, tmp_path / "o", added=2), tmp_path / "new.tflite")
    card = read_card(tmp_path / "new.tflite")
    assert card_fields(card) == CardFields(author="A. Nother", license="CC0", data="drawn", intended_use="finding a test's items")
    assert "searches 302 items" in card


@pytest.mark.parametrize(("added", "removed", "kept"), [(10, 20, True), (40, 0, False), (0, 40, False)])
def test_a_fold_keeps_the_relevance_curve_where_little_changed(indexed, tmp_path, added, removed, kept):
    report = update_index(indexed, with_change(indexed, tmp_path / "o", added, removed), tmp_path / "new.tflite")
    assert bool(inspect(tmp_path / "new.tflite")["manifest"]["relevance"]) == kept
    assert any("more than a tenth of the items changed" in line for line in report.lines) != kept


def test_a_fold_takes_k_and_queries_and_refuses_another_distance(indexed, tmp_path, capsys):
    overlay = with_change(indexed, tmp_path / "o", added=1)
    command = ["index", "--update", str(indexed), "--overlay", str(overlay), "--output", str(tmp_path / "new.tflite"), "--overwrite"]
    np.save(tmp_path / "q.npy", unit(8, 30))
    assert main([*command, "--queries", str(tmp_path / "q.npy"), "--k", "7"]) == 0
    manifest = inspect(tmp_path / "new.tflite")["manifest"]
    assert manifest["k"] == 7
    assert manifest["report"]["index"]["how"] == "given queries"
    assert main(command) == 0
    assert inspect(tmp_path / "new.tflite")["manifest"]["k"] == 20
    np.save(tmp_path / "q.npy", unit(8, 30)[:, :3])
    assert main([*command, "--queries", str(tmp_path / "q.npy")]) == 1
    assert main([*command, "--distance", "squared_l2"]) == 1
    assert "has dot_product, which --update keeps" in capsys.readouterr().err


def test_the_size_of_a_fold_counts_the_old_index_once(searcher_file, tmp_path):
    overlay = with_change(searcher_file, tmp_path / "o", added=1)
    size = searcher_file.stat().st_size
    update_index(searcher_file, overlay, tmp_path / "new.tflite", settings=IndexSettings(max_size=size + 150_000))
    assert inspect(tmp_path / "new.tflite")["manifest"]["index"]["rows"] == "int8"
    assert sum(tower_parts(searcher_file, ("text", "image")).values()) < size
