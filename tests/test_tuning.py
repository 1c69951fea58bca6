import json

import numpy as np
import pytest

from maker.cli import main
from maker.errors import BuildError
from maker.evaluation.index_quality import exact_neighbours
from maker.export.search_constants import index_bytes, search_constants
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.build import build_index
from maker.index.options import ScaNNOptions, ScoreAH, Tree
from maker.index.projection import learn_directions
from maker.index.rows import fine_coder, row_coder
from maker.index.tune import rows_recall
from maker.pipeline.index import split_queries
from maker.pipeline.index_curve import measure_curve
from maker.pipeline.report import target_in_words
from maker.pipeline.tuning import IndexSettings, Queries, choose_index
from task.format import archive
from task.text import TextSearcher


def unit(count, seed):
    vectors = np.random.default_rng(seed).standard_normal((count, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


ITEMS, ASKED = unit(4000, seed=8), unit(200, seed=9)


def manifest(path):
    with open(path, "rb") as file:
        content = file.read()
    start, size = archive.locate(content)["searcher.json"]
    return json.loads(content[start : start + size])


def test_the_curve_rises_and_meets_what_a_file_of_that_budget_finds(tmp_path):
    index = build_index(ITEMS, ScaNNOptions("dot_product", tree=Tree(100, 10), score_ah=ScoreAH(1)))
    truth = exact_neighbours(ITEMS, ASKED, "dot_product")
    points = measure_curve(search_constants(index), [40, 4, 100, 40], ASKED, truth, 10, tmp_path / "s.tflite")
    assert [p["leaves_scanned"] for p in points] == [4, 40, index.blocks]
    assert [p["share_scanned"] for p in points] == [round(b / index.blocks, 6) for b in (4, 40, index.blocks)]
    assert points[0]["recall"] < points[1]["recall"] < points[2]["recall"]
    assert points[2]["recall"] > 0.95
    assert all(0 < p["p50_ms"] <= p["p99_ms"] for p in points)


def test_more_time_buys_more_leaves(tmp_path):
    queries = Queries(ASKED, "test")
    chosen = [choose_index(ITEMS, IndexSettings(leaves=400, max_ms=ms, k=10), queries, {}, tmp_path / "s.tflite") for ms in (1e-4, 1e3)]
    assert chosen[0].index.budget == 1
    assert chosen[1].index.budget == 100  # a quarter at most
    assert chosen[1].index.budget in [p["leaves_scanned"] for p in chosen[1].curve]


@pytest.mark.parametrize(("leaves", "rescore"), [(0, "int8"), (100, "int8"), (0, "rest4"), (100, "rest4"), (100, "rest8")])
def test_scanning_projected_rows_finds_what_whole_rows_find(tmp_path, leaves, rescore):
    rng = np.random.default_rng(4)
    few = rng.standard_normal((6, 48)).astype(np.float32)  # dot products vary in 6 of 48 directions
    items = (rng.standard_normal((4000, 6)) @ few + 0.02 * rng.standard_normal((4000, 48))).astype(np.float32)
    queries = Queries((rng.standard_normal((400, 6)) @ few).astype(np.float32), "test")
    settings = IndexSettings(leaves=leaves, scan_dimension=8, rescore=rescore, k=10)
    index = choose_index(items, settings, queries, {}, tmp_path / "s.tflite").index
    scanned, fine = row_coder(index), fine_coder(index)
    assert (scanned.width, fine.width, index.describe()["scanned_dimensions"]) == (8, {"int8": 48, "rest4": 20, "rest8": 40}[rescore], 8)
    assert rows_recall(scanned, queries.held_out, exact_neighbours(items, queries.held_out, "dot_product"), 100) > 0.97
    path = tmp_path / "s.tflite"
    write_searcher(SearcherContent(index=index.with_share(1), metadata=[b"%d" % i for i in range(4000)], k=10), path)
    known, size = index_bytes(scanned), path.stat().st_size
    assert known < size < known + 60_000
    with TextSearcher.create_from_file(str(path)) as opened:
        for query in queries.held_out[:20]:
            found = opened.search_embedding(query).nearest_neighbors
            right = np.argsort(-(items @ query))[: len(found)]
            assert len({neighbor.id for neighbor in found} & set(right.tolist())) >= 4
            chosen = opened.search_embedding(query, allowed=[neighbor.id for neighbor in found]).nearest_neighbors
            np.testing.assert_allclose([n.distance for n in chosen], [n.distance for n in found], rtol=1e-5)
            # What `similar` asks with is the stored embedding.
            stored = opened.search_embedding(items[right[0]], allowed=[int(right[0])]).nearest_neighbors[0].distance
            assert abs(stored + items[right[0]] @ items[right[0]]) < 0.05 * abs(stored)


def test_leaves_of_projected_rows_are_scored_in_few_dimensions(tmp_path):
    rng = np.random.default_rng(5)
    few = rng.standard_normal((4, 40)).astype(np.float32)
    items = (rng.standard_normal((3000, 4)) @ few + 0.01 * rng.standard_normal((3000, 40))).astype(np.float32)
    queries = Queries((rng.standard_normal((300, 4)) @ few).astype(np.float32), "test")
    settings = IndexSettings(leaves=90, scan_dimension=6, k=10)
    chosen = choose_index(items, settings, queries, {}, tmp_path / "s.tflite")
    assert chosen.index.leaves.vectors.shape == (chosen.index.blocks, 6)
    assert chosen.index.budget < 0.4 * chosen.index.blocks
    points = [point["recall"] for point in chosen.curve if point["leaves_scanned"] == chosen.index.budget]
    assert points[0] > 0.93


def test_few_queries_do_not_blind_a_projection_to_the_rest_of_the_items():
    rng = np.random.default_rng(6)
    items = rng.standard_normal((2000, 32)).astype(np.float32)
    few = rng.standard_normal((3, 32)).astype(np.float32)
    projection = learn_directions(items, few, 0).first(32)
    others = rng.standard_normal((50, 32)).astype(np.float32)
    exact = others @ items.T
    assert np.allclose(others @ projection.queries @ projection.of_items(items).T, exact, atol=0.05)
    assert projection.of_items(items).std(0).max() < 6 * projection.of_items(items).std(0).min()


def test_too_few_scanned_dimensions_are_named_as_such(tmp_path, capsys):
    choose_index(ITEMS, IndexSettings(leaves=100, scan_dimension=2, k=10), Queries(ASKED, "test"), {}, tmp_path / "s.tflite")
    assert "pass a larger --scan-dimension, for more" in capsys.readouterr().err


@pytest.mark.parametrize(("bits", "rescorer"), [(8, None), (4, "int8")])
def test_more_scanned_dimensions_than_there_are_have_no_effect(tmp_path, capsys, bits, rescorer):
    settings = IndexSettings(scan_dimension=16, bits=bits, rescore="int8")
    index = choose_index(ITEMS, settings, Queries(ASKED, "test"), {}, tmp_path / "s.tflite").index
    assert (index.projection, index.rescorer) == (None, rescorer)  # int8 rows beside int8 rows would be stored in vain
    assert "the rows have 16 dimensions: whole rows are scanned; --scan-dimension 16 has no effect" in capsys.readouterr().err


def test_a_partitioner_without_leaves_is_refused_or_named(tmp_path, capsys):
    with pytest.raises(BuildError, match="partitioner scann makes leaves, but 0 are asked for"):
        IndexSettings(partitioner="scann", leaves=0)
    choose_index(ITEMS, IndexSettings(partitioner="scann", k=10), Queries(ASKED, "test"), {}, tmp_path / "s.tflite")
    assert "items get no leaves: partitioner scann has no effect; ask for --leaves" in capsys.readouterr().err


def test_another_number_of_leaves_than_asked_for_is_named(tmp_path, capsys):
    found = choose_index(ITEMS[:50], IndexSettings(leaves=20, k=10), Queries(ASKED, "test"), {}, tmp_path / "s.tflite").index
    assert (found.blocks, found.block) == (25, 2)
    assert "25 leaves in place of 20: all leaves have one size, here 2 rows" in capsys.readouterr().err


def test_queries_that_tune_an_index_do_not_measure_it(tmp_path):
    queries = Queries(ASKED, "test")
    assert len(queries.tuning) == len(queries.held_out) == 100
    assert not {row.tobytes() for row in queries.tuning} & {row.tobytes() for row in queries.held_out}
    few = Queries(ASKED[:19], "test")
    assert len(few.tuning) == len(few.held_out) == 19
    settings = IndexSettings(leaves=100, recall=0.9, k=10)
    chosen = choose_index(ITEMS, settings, queries, {}, tmp_path / "s.tflite")
    assert chosen.against(0.9)["met"]
    assert chosen.against(0.9)["tuned_recall"] >= 0.9
    assert choose_index(ITEMS, settings, few, {}, tmp_path / "s.tflite").against(0.9) == {"target": 0.9, "met": True}
    assert not chosen.against(0.899)["met"]
    assert choose_index(ITEMS, IndexSettings(), queries, {}, tmp_path / "s.tflite").against(0.9) == {}  # scans everything


def test_a_query_that_is_given_several_times_does_not_both_tune_and_measure():
    queries = split_queries(np.repeat(ASKED[:60], 3, axis=0), ITEMS, "test")
    assert len(queries.tuning) == len(queries.held_out) == 30
    assert not {row.tobytes() for row in queries.tuning} & {row.tobytes() for row in queries.held_out}
    np.testing.assert_array_equal(split_queries(ASKED, ITEMS, "test").embeddings, ASKED)


def test_a_size_is_met_with_fewer_bits_or_refused(capsys, tmp_path):
    queries = Queries(ASKED, "test")
    eight = choose_index(ITEMS, IndexSettings(), queries, {"graph": 1000}, tmp_path / "s.tflite")
    assert eight.index.scorer == "int8"
    size = index_bytes(row_coder(eight.index)) + 1000
    assert choose_index(ITEMS, IndexSettings(max_size=size), queries, {"graph": 1000}, tmp_path / "s.tflite").index.scorer == "int8"
    assert choose_index(ITEMS, IndexSettings(max_size=size - 1), queries, {"graph": 1000}, tmp_path / "s.tflite").index.scorer == "int4"
    assert "using 4-bit rows" in capsys.readouterr().err
    with pytest.raises(
        BuildError, match="the smallest file of these items, with 4-bit rows, has 0.04 MB, more than the maximum of 0.02 MB"
    ):
        choose_index(ITEMS, IndexSettings(max_size=20_000), queries, {"graph": 1000}, tmp_path / "s.tflite")
    with pytest.raises(BuildError, match="use no --rescore and no --scan-dimension, fewer dimensions, shorter metadata or fewer items"):
        choose_index(ITEMS, IndexSettings(max_size=50_000, scan_dimension=8), queries, {"graph": 1000}, tmp_path / "s.tflite")


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("leaves", [0, 100])
def test_the_bytes_of_an_index_are_those_of_its_file(tmp_path, bits, leaves):
    index = choose_index(ITEMS, IndexSettings(bits=bits, leaves=leaves), Queries(ASKED, "test"), {}, tmp_path / "s.tflite").index
    path = tmp_path / "s.tflite"
    write_searcher(SearcherContent(index=index, metadata=[b""] * len(ITEMS)), path)
    with open(path, "rb") as file:
        content = file.read()
    known = index_bytes(row_coder(index))
    assert known < archive.model_size(content) < known + 15_000  # the graph itself, and numbers of blocks


def test_what_rows_cost_and_allow_is_reported_for_each_kind(tmp_path):
    rows = choose_index(ITEMS, IndexSettings(), Queries(ASKED, "test"), {}, tmp_path / "s.tflite").rows
    assert [entry["rows"] for entry in rows] == ["int4", "int8", "float32"]
    assert [entry["bytes_per_item"] for entry in rows] == sorted(entry["bytes_per_item"] for entry in rows)
    assert rows[0]["recall"] < rows[1]["recall"] < rows[2]["recall"] == 1


def test_the_command_tunes_by_given_queries_and_keeps_curve_and_picture(tmp_path, capsys):
    np.save(tmp_path / "e.npy", ITEMS)
    np.save(tmp_path / "q.npy", ASKED)
    (tmp_path / "m.txt").write_text("\n".join(map(str, range(len(ITEMS)))))
    output = tmp_path / "s.tflite"
    command = [
        "index",
        "--embeddings",
        str(tmp_path / "e.npy"),
        "--metadata",
        str(tmp_path / "m.txt"),
        "--output",
        str(output),
        "--leaves",
        "100",
    ]
    assert main([*command, "--queries", str(tmp_path / "q.npy"), "--recall", "0.9", "--max-size", "1M"]) == 0
    summary = capsys.readouterr().out
    assert "given queries" in summary
    assert "100 queries that took no part in tuning; those that did find 0.9" in summary
    assert (tmp_path / "s.index.png").read_bytes().startswith(b"\x89PNG")
    held = manifest(output)
    quality = held["report"]["index"]
    assert quality["index_recall@10"] >= 0.85  # 100 queries
    assert (quality["queries"], quality["target"], quality["met"]) == (100, 0.9, quality["index_recall@10"] >= 0.9)
    assert quality["tuned_recall"] in [p["recall"] for p in held["report"]["index_curve"]]
    assert held["index"]["blocks_scanned"] in [p["leaves_scanned"] for p in held["report"]["index_curve"]]
    assert {entry["rows"] for entry in held["report"]["index_rows"]} == {"int4", "int8", "float32"}
    with TextSearcher.create_from_file(str(output)) as opened:
        assert opened.search_embedding(ITEMS[7]).nearest_neighbors[0].metadata == b"7"
    np.save(tmp_path / "q.npy", ASKED[:19])
    assert main([*command, "--overwrite", "--queries", str(tmp_path / "q.npy"), "--recall", "0.9"]) == 0
    assert "measured with 19 queries that also tuned it, as they are few" in capsys.readouterr().out
    assert "tuned_recall" not in manifest(output)["report"]["index"]
    assert main(["report", str(output), "-o", str(tmp_path / "r.html")]) == 0
    assert "the same queries tuned it (target 0.9: " in (tmp_path / "r.html").read_text(encoding="utf-8")
    np.save(tmp_path / "q.npy", ASKED[:, :5])
    assert main([*command, "--overwrite", "--queries", str(tmp_path / "q.npy")]) == 1
    assert "queries: found 5 dimensions, expected 16" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [{"max_ms": 0.0}, {"max_size": 0}, {"scan_dimension": -1}, {"bits": 3}, {"recall": 1.1}, {"leaves": -1}, {"k": 0}, {"seed": -1}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(BuildError, match=next(iter(wrong))):
        IndexSettings(**wrong)


def test_a_missed_target_is_said_with_what_helps():
    near = {"queries": 500, "tuned_recall": 0.948, "target": 0.95, "met": False}
    assert target_in_words(near).endswith("the target of 0.95 is not met: ask for a little more with --recall")
    assert target_in_words({**near, "tuned_recall": 0.93}).endswith("the target of 0.95 is not met")
