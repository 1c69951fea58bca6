"""What the graph says of a query, and the relevance made of it: by the formula, in the graph, with filters, and in damaged files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import TEXTS

from maker.embedding.word_rows import read_spellings, rows_of_texts, table_rows
from maker.encoders.evidence import Spread, StoredEvidence, worst_and_mean
from maker.graph.packed_weights import LIGHT
from maker.graph.source import Source
from maker.pipeline.index import FileContent, IndexedItems, write_index
from maker.pipeline.tuning import IndexSettings
from maker.pipeline.update import update_index
from task.core import BaseOptions
from task.errors import DamagedFileError
from task.format import archive, manifest
from task.processor import SearchOptions
from task.processor.relevance import FoundCurve, RelevanceCurve
from task.search import GraphEngine, SearchRequest
from task.text import TextSearcher, TextSearcherOptions
from tests.found_file import CURVE, FOUND, judged, with_found

QUERIES = [*TEXTS, "dog", "kite dog", "zzyx unheard", "a zzyx dog", "猫"]


@pytest.fixture(scope="module")
def found_file(tmp_path_factory, searcher_file):
    """A searcher with a curve that looks at the query, and what its graph says."""
    path = tmp_path_factory.mktemp("found") / "found.tflite"
    return path, with_found(searcher_file, path)


@pytest.fixture
def engine(found_file):
    opened = GraphEngine(BaseOptions(str(found_file[0]), num_threads=1))
    yield opened
    opened.close()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_the_graph_says_what_the_formula_says(found_file, engine):
    path, evidence = found_file
    said = np.array([engine._search(*engine._text("search", text))[2] for text in QUERIES])
    embeddings = np.stack([engine.embed_text(text) for text in QUERIES])
    np.testing.assert_allclose(said, evidence(embeddings, rows_of_texts(QUERIES, path)), atol=1e-4)
    assert len(np.unique(said.round(3), axis=0)) == len(QUERIES)


def test_the_rows_of_words_are_found_in_encoders_and_in_searchers_made_of_them(encoder, searcher_file, found_file):
    rows = rows_of_texts(["dogs", "a man riding", "zzyx"], encoder)
    assert table_rows(encoder) == table_rows(found_file[0]) > 64
    for path in (searcher_file, found_file[0]):
        np.testing.assert_array_equal(rows_of_texts(["dogs", "a man riding", "zzyx"], path), rows)
    assert (rows > 0).sum(axis=1).tolist()[:2] == [1, 3]
    assert read_spellings(encoder) == {}  # this one does not tell its words


def test_found_and_relevance_are_those_of_the_formula(found_file, engine):
    _, evidence = found_file
    for text in QUERIES:
        result = engine.search_text(text, SearchRequest(max_results=20))
        distances = np.array([n.distance for n in result.nearest_neighbors])
        said = evidence(engine.embed_text(text)[None], rows_of_texts([text], found_file[0]))[0]
        summary = np.array([distances[0], distances[:10].mean(), distances[9]])
        assert result.found == pytest.approx(sigmoid(said[0] + summary @ FOUND["shows"]), abs=1e-4)
        expected = sigmoid(said[1] + summary @ FOUND["right"] - FOUND["slope"] * distances)
        np.testing.assert_allclose([n.relevance for n in result.nearest_neighbors], expected, atol=1e-4)


def test_the_gate_looks_at_found_and_the_cut_at_each_result(found_file):
    answers = [judged(found_file[0], text, 10) for text in QUERIES]
    for answer in answers:
        passing = [r for r in answer["relevance"] if r >= FOUND["cut"]] if answer["found"] >= FOUND["gate"] else []
        assert answer["matches"] == len(passing)
    assert {answer["found"] >= FOUND["gate"] for answer in answers} == {True, False}


def test_fewer_results_are_judged_as_more(found_file):
    assert judged(found_file[0], TEXTS[0], 2)["relevance"] == judged(found_file[0], TEXTS[0], 10)["relevance"][:2]
    assert judged(found_file[0], TEXTS[0], 2)["found"] == judged(found_file[0], TEXTS[0], 10)["found"]


def test_a_filter_that_lets_all_pass_changes_nothing(found_file):
    options = TextSearcherOptions(BaseOptions(str(found_file[0])), search_options=SearchOptions(max_results=3))
    with TextSearcher.create_from_options(options) as opened:
        plain, filtered = opened.search(TEXTS[1]), opened.search(TEXTS[1], allowed=range(opened.items))
        assert filtered.found == pytest.approx(plain.found, abs=1e-4)
        assert [n.id for n in filtered.nearest_neighbors] == [n.id for n in plain.nearest_neighbors]
        relevance = [[n.relevance for n in result.nearest_neighbors] for result in (plain, filtered)]
        np.testing.assert_allclose(*relevance, atol=1e-4)
        few = opened.search(TEXTS[1], allowed=[plain.nearest_neighbors[0].id])
        assert len(few.nearest_neighbors) == 1
        assert few.found != pytest.approx(plain.found, abs=1e-3)  # what stands out among others is another matter


@pytest.mark.parametrize("light", [LIGHT, 0])
def test_a_fold_of_few_changes_keeps_what_the_graph_says_wherever_the_tower_is(tmp_path, monkeypatch, found_file, light):
    path, found = found_file[0], []
    for number in range(2):  # the second reads what the first wrote
        monkeypatch.setattr("maker.export.searcher_file.LIGHT", light)
        with TextSearcher.create_from_file(str(path)) as opened:
            found.append(opened.search(TEXTS[1]))
            opened.remove(number)
            opened.save_overlay(str(tmp_path / "overlay"))
        new = tmp_path / f"{number}.tflite"
        update_index(path, tmp_path / "overlay", new)
        path = new
        called = {source.signatures[key].subgraphIndex for source in [Source(path)] for key in source.signatures}
        assert len(Source(path).model.subgraphs) - len(called) == (0 if light else 2)  # the two towers
        assert StoredEvidence.of(Source(path)).signature == "search_text"
    with TextSearcher.create_from_file(str(path)) as opened:
        found.append(opened.search(TEXTS[1]))
    for after in found[1:]:  # rows were rounded again
        assert after.found == pytest.approx(found[0].found, abs=0.01)
        relevance = [[n.relevance for n in result.nearest_neighbors] for result in (found[0], after)]
        np.testing.assert_allclose(*relevance, atol=0.01)


def test_embeddings_and_pictures_have_no_found(engine):
    assert engine.search_embedding(engine.embed_text(TEXTS[0]), SearchRequest(max_results=3)).found is None


def test_a_file_of_another_file_with_evidence_says_nothing(tmp_path, found_file, embeddings):
    items = IndexedItems(embeddings=embeddings, metadata=[b"x"] * len(embeddings), embedder=found_file[0])
    write_index(items, tmp_path / "other.tflite", IndexSettings(), FileContent())
    engine = GraphEngine(BaseOptions(str(tmp_path / "other.tflite")))
    result = engine.search_text(TEXTS[0], SearchRequest(max_results=3))
    assert result.found is None
    assert result.nearest_neighbors[0].relevance is None
    engine.close()
    assert (tmp_path / "other.tflite").stat().st_size < found_file[0].stat().st_size


def test_without_evidence_the_plain_curve_judges(engine):
    curve = RelevanceCurve.of(CURVE)
    assert curve.found == FoundCurve(10, (-4.0, 3.0, 2.5), (1.0, -2.0, -1.5), 9.0, 0.4, 0.5)
    assert curve(-0.5) == pytest.approx(0.5)


def test_the_spread_is_the_deviation_of_scores(rng):
    items = rng.standard_normal((500, 48)).astype(np.float32) * np.linspace(1, 3, 48, dtype=np.float32)
    queries = rng.standard_normal((20, 48)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    np.testing.assert_allclose(Spread.of(items)(queries), (queries @ items.T).std(axis=1), rtol=0.1)
    np.testing.assert_allclose(Spread.of(items[:, :16])(queries[:, :16]), (queries[:, :16] @ items[:, :16].T).std(axis=1), rtol=1e-3)


def test_words_without_evidence_do_not_count():
    evidence, known = np.array([[3.0, -9.0, 1.0], [5.0, 5.0, 5.0]]), np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(worst_and_mean(evidence, known), [[1, 2], [0, 0]])


@pytest.mark.parametrize(
    "change",
    [
        {"shows": [1, 2]},
        {"right": [1, 2, "x"]},
        {"results": 0},
        {"results": 2.5},
        {"slope": 0},
        {"gate": 1.5},
        {"cut": None},
        {"slope": float("inf")},
        {"shows": 3},
    ],
)
def test_damaged_curves_are_refused(tmp_path, found_file, change):
    content = found_file[0].read_bytes()
    start, size = archive.locate(content)[manifest.FILE]
    values = json.loads(content[start : start + size])
    values["relevance"]["search_text"]["found"].update(change)
    with pytest.raises(manifest.ManifestError, match=r"relevance\.search_text\.found"):
        manifest.decode(json.dumps(values).encode())
    values["relevance"]["search_text"]["found"] = [1]
    with pytest.raises(manifest.ManifestError, match="found"):
        manifest.decode(json.dumps(values).encode())
    assert issubclass(DamagedFileError, Exception)
