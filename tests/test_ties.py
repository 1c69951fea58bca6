"""Equally near items count as right, when an index is tuned and when it is measured."""

import json

import numpy as np
import pytest

from maker.cli import main
from maker.evaluation.index_quality import exact_neighbours
from maker.export.search_constants import search_constants
from maker.index.build import build_index
from maker.index.options import ScaNNOptions, ScoreAH, Tree
from maker.index.rows import row_coder
from maker.index.ties import find_copies, right_results
from maker.index.tune import leaf_ranks, rows_recall
from maker.pipeline.index_curve import measure_curve
from task.format import archive

COPIES = 84


def distances(embeddings, query, measure):
    embeddings, query = embeddings.astype(np.float64), query.astype(np.float64)
    return -(embeddings @ query) if measure == "dot_product" else ((embeddings - query) ** 2).sum(1)


def with_copies(rng, rows, copies, dimension=8):
    """Unit vectors, each several times, in no order, `(rows * copies, dimension)`."""
    embeddings = rng.standard_normal((rows, dimension)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return rng.permutation(np.repeat(embeddings, copies, axis=0))


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
def test_a_result_is_right_if_no_more_than_k_items_are_nearer(measure, rng):
    embeddings = rng.integers(-1, 2, (400, 4)).astype(np.float32)  # many equal distances, of equal and of different rows
    tied = 0
    for query in rng.integers(-2, 3, (50, 4)).astype(np.float32):
        truth = exact_neighbours(embeddings, query[None], measure)[0]
        found = np.append(rng.choice(np.argsort(distances(embeddings, query, measure))[:60], 12), -1)
        near = distances(embeddings, query, measure)
        expected = {i for i in found.tolist() if i >= 0 and near[i] <= np.sort(near)[9]}
        assert right_results(embeddings, query, found, truth, measure) == min(10, len(expected))
        tied += bool(expected - set(truth.tolist()))
    assert tied > 25


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
def test_without_ties_the_right_results_are_the_true_neighbours(measure, rng):
    embeddings, queries = rng.standard_normal((5000, 16)).astype(np.float32), rng.standard_normal((100, 16)).astype(np.float32)
    for query, nearest in zip(queries, exact_neighbours(embeddings, queries, measure, 20), strict=True):
        found = rng.choice(nearest, 10, replace=False)
        assert right_results(embeddings, query, found, nearest[:10], measure) == len(set(found) & set(nearest[:10]))


def test_no_result_more_than_the_true_neighbours_counts():
    embeddings = np.ones((50, 2), np.float32)
    assert right_results(embeddings, embeddings[0], range(20, 40), np.arange(10), "dot_product") == 10
    assert right_results(embeddings, embeddings[0], [20, 20, 20, -1], np.arange(10), "dot_product") == 1
    assert right_results(embeddings, embeddings[0], [], np.arange(10), "dot_product") == 0


def test_results_that_differ_by_rounding_are_equally_near_and_others_are_not():
    embeddings = np.full((4, 2), 0.1, np.float32)
    embeddings[1] = np.nextafter(embeddings[1], np.float32(0))
    embeddings[2] *= np.float32(0.99999)
    assert [right_results(embeddings, np.ones(2, np.float32), [i], np.array([0]), "dot_product") for i in range(4)] == [1, 1, 0, 1]


def test_copies_are_the_items_with_equal_values(monkeypatch, rng):
    monkeypatch.setattr("maker.index.ties.BLOCK", 100)
    embeddings = rng.integers(-2, 3, (700, 3)).astype(np.float32) * rng.choice(np.array([-1, 1], np.float32), (700, 1))
    assert np.signbit(embeddings[embeddings == 0]).any()  # -0.0 equals 0.0
    embeddings[:200] += rng.standard_normal((200, 3)).astype(np.float32)
    wanted = rng.choice(700, (6, 5))
    copies = find_copies(embeddings, wanted)
    equal = (embeddings[:, None] == embeddings).all(2)
    expected = {tuple(np.flatnonzero(equal[item])) for item in wanted.ravel() if equal[item].sum() > 1}
    assert {tuple(items) for items in copies.items} == expected
    for number, items in enumerate(copies.items):
        assert np.array_equal(np.flatnonzero(copies.group_of == number), items)


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
@pytest.mark.parametrize("leaves", [60, 1100])
@pytest.mark.parametrize("copies", [1, 7])
def test_a_budget_finds_as_many_equally_near_items_as_its_leaves_hold(measure, leaves, copies, rng):
    embeddings = with_copies(rng, 4200 // copies, copies)
    queries = rng.standard_normal((40, 8)).astype(np.float32)
    index = build_index(embeddings, ScaNNOptions(measure, tree=Tree(leaves, 1), score_ah=ScoreAH(1)))
    truth = exact_neighbours(embeddings, queries, measure)
    ranks = leaf_ranks([index], queries, truth)[0]
    for query, row in zip(queries, ranks, strict=True):
        near = distances(embeddings, query, measure)
        right = near <= np.sort(near)[9] + 1e-9
        scores = index.leaves.scores(query[None])[0]
        if index.groups is not None:
            searched = np.argsort(-index.groups.scores(query[None])[0])[: index.groups_searched]
            scores[~np.isin(index.group_of, searched)] = -np.inf
        for budget in (1, 2, 3, 5, 10, 20, 50):
            scanned = ((scores > scores[:, None]).sum(1) < budget) & np.isfinite(scores)
            assert (row < budget).sum() == min(10, (right & scanned[index.leaf_of]).sum())


def test_rows_and_curve_count_equally_near_items(rng, tmp_path):
    embeddings = with_copies(rng, 50, COPIES, 16)
    queries = rng.standard_normal((100, 16)).astype(np.float32)
    index = build_index(embeddings, ScaNNOptions("dot_product", tree=Tree(100, 10), score_ah=ScoreAH(1)))
    truth = exact_neighbours(embeddings, queries, "dot_product")
    assert rows_recall(row_coder(index), queries, truth) > 0.95
    assert measure_curve(search_constants(index), [index.blocks], queries, truth, 10, tmp_path / "s.tflite")[0]["recall"] > 0.95


def test_an_index_of_copies_is_tuned_and_measured_by_distances(tmp_path, capsys):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "e.npy", with_copies(rng, 300, COPIES, 16))
    (tmp_path / "m.txt").write_text("".join(f"{i}\n" for i in range(300 * COPIES)))
    command = [
        "index",
        "--embeddings",
        str(tmp_path / "e.npy"),
        "--metadata",
        str(tmp_path / "m.txt"),
        "--output",
        str(tmp_path / "s.tflite"),
    ]
    assert main(command) == 0
    assert "warning" not in capsys.readouterr().err
    content = (tmp_path / "s.tflite").read_bytes()
    start, size = archive.locate(content)["searcher.json"]
    manifest = json.loads(content[start : start + size])
    assert manifest["report"]["index"]["index_recall@10"] >= 0.95
    assert manifest["index"]["share_scanned"] < 0.1
    recalls = {point["leaves_scanned"]: point["recall"] for point in manifest["report"]["index_curve"]}
    assert recalls[manifest["index"]["blocks_scanned"]] >= 0.95
