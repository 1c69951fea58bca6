import importlib.util
import math
from dataclasses import replace

import numpy as np
import pytest

from maker import searcher
from maker.errors import BuildError, DataError
from maker.export.searcher_file import SearcherContent, write_searcher
from maker.index.assignment import taken_best
from maker.index.balanced import leaf_shape, partition
from maker.index.build import build_index, default_options, with_routing
from maker.index.kmeans import assign_leaves, train_centroids
from maker.index.options import ScaNNOptions, ScoreAH, ScoreBruteForce, Tree
from maker.index.rows import row_coder
from maker.index.small_groups import centroids_within
from maker.index.tune import leaf_ranks, recall_at_budget, rows_recall, tune
from task.core import BaseOptions
from task.processor import SearchOptions
from task.text import TextSearcher, TextSearcherOptions


def export(embeddings, path, options, k=20, **kwargs):
    data = searcher.DataLoader(None, embeddings, [str(i) for i in range(len(embeddings))])
    searcher.Searcher.create_from_data(data, options, trainer="own", **kwargs).export(export_filename=path, k=k)
    return TextSearcher.create_from_options(
        TextSearcherOptions(
            BaseOptions(str(path)),
            search_options=SearchOptions(max_results=k),
        )
    )


def distances(embeddings, query, measure):
    return -(embeddings @ query) if measure == "dot_product" else ((embeddings - query) ** 2).sum(1)


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
@pytest.mark.parametrize("tree", [None, Tree(9, 9)])
@pytest.mark.parametrize("items", [5, 9, 130, 257])
def test_float_rows_give_exact_neighbours_and_distances(tmp_path, measure, tree, items, rng):
    if tree and items < tree.num_leaves:
        tree = Tree(items, items)
    embeddings = rng.standard_normal((items, 13)).astype(np.float32)
    with export(embeddings, tmp_path / "x.tflite", ScaNNOptions(measure, tree=tree, score_brute_force=ScoreBruteForce())) as opened:
        for query in rng.standard_normal((5, 13)).astype(np.float32):
            expected = distances(embeddings, query, measure)
            found = opened.search_embedding(query).nearest_neighbors
            assert [int(n.metadata) for n in found] == np.argsort(expected, kind="stable")[:20].tolist()
            assert np.allclose([n.distance for n in found], np.sort(expected)[:20], atol=1e-4)


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
@pytest.mark.parametrize(("block", "least"), [(1, 0.95), (2, 0.75), (3, 0.6), (50, 0.05)])
def test_quantised_rows_find_most_neighbours(tmp_path, measure, block, least, rng):
    embeddings = rng.standard_normal((1000, 24)).astype(np.float32)
    with export(embeddings, tmp_path / "x.tflite", ScaNNOptions(measure, score_ah=ScoreAH(block)), k=10) as opened:
        hits = 0
        queries = rng.standard_normal((40, 24)).astype(np.float32)
        for query in queries:
            truth = set(np.argsort(distances(embeddings, query, measure))[:10].tolist())
            hits += len(truth & {int(n.metadata) for n in opened.search_embedding(query).nearest_neighbors})
    assert hits / 400 >= least


def test_fewer_rows_than_codebook_entries_work(tmp_path, rng):
    embeddings = rng.standard_normal((20, 8)).astype(np.float32)
    with export(embeddings, tmp_path / "x.tflite", ScaNNOptions("dot_product", score_ah=ScoreAH(2)), k=3) as opened:
        nearest = opened.search_embedding(embeddings[4] * 9).nearest_neighbors
    assert int(nearest[0].metadata) == int(np.argmax(embeddings @ embeddings[4]))


def test_negative_similarities_are_not_displaced_by_padding(tmp_path, rng):
    embeddings = -np.abs(rng.standard_normal((19, 6))).astype(np.float32)
    query = np.ones(6, np.float32)
    with export(embeddings, tmp_path / "x.tflite", ScaNNOptions("dot_product", score_ah=ScoreAH(1)), k=30) as opened:
        found = opened.search_embedding(query).nearest_neighbors
    assert len(found) == 19
    assert all(n.distance > 0 for n in found)
    assert {int(n.metadata) for n in found} == set(range(19))


def test_the_same_input_gives_the_same_bytes(tmp_path, rng):
    embeddings = rng.standard_normal((200, 8)).astype(np.float32)
    contents = []
    for name in ("a", "b"):
        export(embeddings, tmp_path / name, ScaNNOptions("dot_product", tree=Tree(10, 3), score_ah=ScoreAH(2))).close()
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_a_query_scans_the_share_of_the_leaves_that_was_asked_for(rng):
    embeddings = rng.standard_normal((3200, 8)).astype(np.float32)
    index = build_index(embeddings, ScaNNOptions("dot_product", tree=Tree(40, 4), score_ah=ScoreAH(1)))
    assert index.budget == math.ceil(0.1 * index.blocks)
    assert sorted(index.order.tolist()) == list(range(3200))


def test_few_items_are_not_partitioned():
    assert default_options(19_999).tree is None
    assert default_options(20_000).tree is not None


def test_the_share_for_a_recall_gives_that_recall(rng):
    embeddings = rng.standard_normal((4000, 12)).astype(np.float32)
    queries = rng.standard_normal((200, 12)).astype(np.float32)
    truth = np.argsort(-(queries @ embeddings.T), 1)[:, :10]
    index = tune(build_index(embeddings, ScaNNOptions("dot_product", tree=Tree(60, 1), score_ah=ScoreAH(1))), queries, truth, 0.9)
    means = [embeddings[index.order[start : start + index.block]].mean(0) for start in range(0, 4000, index.block)]
    scanned = np.argsort(-(queries @ np.array(means).T), 1)[:, : index.budget]
    hits = np.mean([np.isin(index.leaf_of[t], s).mean() for t, s in zip(truth, scanned, strict=True)])
    assert 0.9 <= hits < 0.93
    assert index.budget < index.blocks


@pytest.mark.parametrize(("items", "leaves"), [(50, 8), (257, 16), (1003, 16), (20_001, 8)])
def test_there_are_as_many_leaves_as_asked_for_where_leaves_of_one_size_can(items, leaves):
    exact = any(-(-items // rows) == leaves for rows in range(1, items))
    assert leaf_shape(items, leaves)[0] == leaves or not exact


@pytest.mark.parametrize(("items", "leaves"), [(1, 1), (5, 5), (257, 9), (3200, 40), (19_997, 600), (123_287, 3800), (1_000_003, 31_000)])
def test_leaves_of_one_size_leave_fewer_rows_of_padding_than_a_leaf_has(items, leaves):
    count, rows = leaf_shape(items, leaves)
    assert 0 <= count * rows - items < rows
    assert count == pytest.approx(leaves, rel=0.12, abs=1)


@pytest.mark.parametrize(("items", "leaves"), [(4403, 12), (12_000, 1200)])
def test_a_partition_holds_each_item_once_with_others_that_are_near(items, leaves, rng):
    embeddings = rng.standard_normal((items, 4)).astype(np.float32)
    cut = partition(embeddings, leaves, 0)
    assert sorted(cut.order.tolist()) == list(range(items))
    assert (len(cut.leaves_per_group) > 1) == (leaves > 1024)
    assert cut.leaves_per_group.sum() == len(cut.centroids) == -(-items // cut.rows_per_leaf)
    starts = np.arange(0, items, cut.rows_per_leaf)
    means = np.add.reduceat(embeddings[cut.order], starts) / np.diff([*starts, items])[:, None]
    np.testing.assert_allclose(cut.centroids, means, atol=1e-5)
    leaf = np.arange(items) // cut.rows_per_leaf
    spread = ((embeddings[cut.order] - cut.centroids[leaf]) ** 2).sum(1).mean()
    assert spread < 0.5 * ((embeddings - embeddings.mean(0)) ** 2).sum(1).mean()


def test_clusters_share_leaves_with_their_nearest_neighbours_only():
    rng = np.random.default_rng(1)
    sizes = np.array([9, 11, 9, 11, 9, 11] * 200)  # rows around each of 1,200 places, of leaves with 10 rows
    centres = 5 * rng.standard_normal((1200, 16)).astype(np.float32)
    centres[1::2] = centres[::2] + 1
    owner = np.repeat(np.arange(1200), sizes)
    embeddings = centres[owner] + 0.1 * rng.standard_normal((12_000, 16)).astype(np.float32)
    cut = partition(embeddings, 1200, 0)
    pair = owner[cut.order].reshape(1200, 10) // 2
    assert (pair == pair[:, :1]).mean() > 0.985


@pytest.mark.parametrize("leaves", [120, 1200])
def test_clusters_that_fill_no_whole_number_of_leaves_are_found_in_few_of_them(leaves):
    rng = np.random.default_rng(4)
    size = 12_000 // leaves
    centres = rng.standard_normal((12_000 // (3 * size), 24)).astype(np.float32)
    embeddings = centres[rng.integers(0, len(centres), 12_000)] + 0.3 * rng.standard_normal((12_000, 24)).astype(np.float32)
    queries = embeddings[::60] + 0.1 * rng.standard_normal((200, 24)).astype(np.float32)
    truth = np.argsort(((queries[:, None] - embeddings) ** 2).sum(2), 1)[:, :10]
    index = build_index(embeddings, ScaNNOptions("squared_l2", tree=Tree(leaves, 1), score_ah=ScoreAH(1)))
    assert recall_at_budget(leaf_ranks([index], queries, truth), 10) > 0.95


def test_small_groups_are_divided_within_themselves_into_leaves_of_similar_sizes(rng):
    leaves, sizes = np.array([3, 1, 2, 3]), [45, 4, 33, 40]
    centres = 10 * rng.standard_normal((4, 8)).astype(np.float32)
    of = rng.permutation(np.repeat(np.arange(4), sizes))
    embeddings = centres[of] + rng.standard_normal((122, 8)).astype(np.float32)
    found = centroids_within(embeddings, [np.flatnonzero(of == group) for group in range(4)], leaves, rng)
    owner = np.repeat(np.arange(4), leaves)
    np.testing.assert_array_equal(((found[:, None] - centres) ** 2).sum(2).argmin(1), owner)
    np.testing.assert_allclose(found[owner == 1][0], embeddings[of == 1].mean(0), atol=1e-4)
    held = np.bincount(((embeddings[:, None] - found) ** 2).sum(2).argmin(1), minlength=9)
    assert held.min() >= 4
    assert held.max() <= 30


def test_the_best_columns_are_those_of_a_sort(rng):
    scores = rng.standard_normal((50, 30)).astype(np.float32)
    columns, values = taken_best(scores.copy(), 7)
    np.testing.assert_array_equal(columns, np.argsort(-scores, axis=1, kind="stable")[:, :7])
    np.testing.assert_array_equal(values, np.take_along_axis(scores, columns, 1))


def queries_of_another_kind(count, seed):
    """Items in one half of the space, queries turned away from them, as sentences are from pictures."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((count, 16)).astype(np.float32)
    queries[:, :8] *= 0.2
    queries[:, 0] += 2
    return queries


@pytest.mark.parametrize("leaves", [150, 1200])
def test_routing_learned_from_queries_finds_more_at_the_same_budget(leaves, rng):
    embeddings = rng.standard_normal((12_000, 16)).astype(np.float32)
    embeddings[:, 8:] *= 0.4
    learning, asked = queries_of_another_kind(6000, 1), queries_of_another_kind(300, 2)
    index = build_index(embeddings, ScaNNOptions("dot_product", tree=Tree(leaves, leaves // 20), score_ah=ScoreAH(1)))
    nearest = [np.argsort(-(q @ embeddings.T), 1)[:, :10] for q in (learning, asked)]
    learned = with_routing(index, learning, nearest[0])
    assert learned.leaves.training_queries
    before, after = (recall_at_budget(leaf_ranks([i], asked, nearest[1]), index.budget) for i in (index, learned))
    assert after > before + 0.02


def test_tuning_searches_as_many_groups_as_the_recall_needs():
    rng = np.random.default_rng(12)
    embeddings = rng.standard_normal((12_000, 16)).astype(np.float32)
    queries = rng.standard_normal((400, 16)).astype(np.float32)
    truth = np.argsort(-(queries @ embeddings.T), 1)[:, :10]
    index = build_index(embeddings, ScaNNOptions("dot_product", tree=Tree(1200, 60), score_ah=ScoreAH(1)))
    searched = []
    for target in (0.6, 0.9, 1.0):
        met = tune(index, queries, truth, target)
        assert recall_at_budget(leaf_ranks([met], queries, truth), met.budget) >= target
        searched.append(met.groups_searched)
    assert searched[0] < searched[2]
    assert searched == sorted(searched)


def test_routing_that_does_not_help_is_not_taken(rng):
    embeddings = rng.standard_normal((3000, 8)).astype(np.float32)
    index = build_index(embeddings, ScaNNOptions("dot_product", tree=Tree(60, 6), score_ah=ScoreAH(1)))
    queries = rng.standard_normal((600, 8)).astype(np.float32)
    meaningless = rng.integers(0, 3000, (600, 10))
    assert with_routing(index, queries, meaningless).leaves is index.leaves


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
@pytest.mark.parametrize(("dimension", "tree"), [(16, None), (13, None), (1, None), (16, Tree(20, 20)), (16, Tree(1025, 900))])
def test_four_bits_answer_what_their_rows_say(tmp_path, measure, dimension, tree, rng):
    embeddings = rng.standard_normal((2203, dimension)).astype(np.float32)
    options = ScaNNOptions(measure, tree=tree, score_ah=ScoreAH(1))
    index = build_index(embeddings, options, bits=4)
    coder = row_coder(index)
    stored = coder.decode(coder.encode(embeddings[index.order], 0), 0)
    place = np.argsort(index.order)
    metadata = [str(i).encode() for i in range(len(embeddings))]
    write_searcher(SearcherContent(index=index, metadata=metadata, k=10), tmp_path / "x.tflite")
    with TextSearcher.create_from_file(str(tmp_path / "x.tflite")) as opened:
        for query in rng.standard_normal((8, dimension)).astype(np.float32):
            expected = distances(stored, query, measure)
            if coder.centroids is not None:  # the query is rounded to int8 where it meets the centroids of the leaves
                centroids = (coder.centroids.codes * coder.centroids.scales)[np.arange(len(stored)) // index.block]
                step = np.abs(query).max() / 127
                lost = centroids @ (query - np.rint(query / step) * step)
                expected += lost if measure == "dot_product" else 2 * lost
            found = opened.search_embedding(query).nearest_neighbors
            best = np.argsort(expected, kind="stable")[:5]
            tolerance = 2e-4 * max(1, np.abs(expected[best]).max())
            np.testing.assert_allclose([n.distance for n in found], expected[best], atol=tolerance, rtol=0)
            np.testing.assert_allclose([expected[place[n.id]] for n in found], expected[best], atol=tolerance, rtol=0)


@pytest.mark.parametrize("measure", ["dot_product", "squared_l2"])
@pytest.mark.parametrize(("bits", "rescorer"), [(4, "int8"), (4, "float32"), (8, "float32")])
@pytest.mark.parametrize("tree", [None, Tree(20, 20), Tree(1025, 1025)])
def test_finer_rows_rescore_the_best(tmp_path, measure, bits, rescorer, tree, rng):
    embeddings = rng.standard_normal((2203, 24)).astype(np.float32)
    coarse = build_index(embeddings, ScaNNOptions(measure, tree=tree, score_ah=ScoreAH(1)), bits=bits)
    index = replace(coarse, rescorer=rescorer)
    queries = rng.standard_normal((30, 24)).astype(np.float32)
    truth = np.stack([np.argsort(distances(embeddings, q, measure))[:10] for q in queries])
    metadata = [str(i).encode() for i in range(len(embeddings))]
    write_searcher(SearcherContent(index=index, metadata=metadata, k=10), tmp_path / "x.tflite")
    options = TextSearcherOptions(BaseOptions(str(tmp_path / "x.tflite")), search_options=SearchOptions(max_results=10))
    with TextSearcher.create_from_options(options) as opened:
        answers = [opened.search_embedding(q).nearest_neighbors for q in queries]
        among = opened.search_embedding(queries[0], allowed=np.arange(0, 2203, 3)).nearest_neighbors
    hits = np.mean([np.isin(t, [int(n.metadata) for n in a]).mean() for t, a in zip(truth, answers, strict=True)])
    assert hits > (0.995 if rescorer == "float32" else 0.97) > rows_recall(row_coder(coarse), queries, truth) - 0.02 * (bits == 8)
    assert hits == pytest.approx(rows_recall(row_coder(index), queries, truth, 100), abs=0.005)
    if rescorer == "float32":
        for query, row, answer in zip(queries, truth, answers, strict=True):
            expected = {str(i).encode(): d for i, d in zip(row, distances(embeddings[row], query, measure), strict=True)}
            assert all(np.isclose(n.distance, expected[n.metadata], atol=1e-3) for n in answer if n.metadata in expected)
    exact = np.sort(distances(embeddings[::3], queries[0], measure))[:10]
    assert np.allclose([n.distance for n in among], exact, atol=1e-3 if rescorer == "float32" else 0.3)


def test_four_bits_take_half_the_bytes_and_lose_less_counted_from_their_leaf(tmp_path, rng):
    centres = rng.standard_normal((40, 32)).astype(np.float32)
    embeddings = (centres[rng.integers(0, 40, 4000)] + 0.4 * rng.standard_normal((4000, 32))).astype(np.float32)
    errors, sizes = [], []
    for bits, tree in ((8, Tree(40, 8)), (4, Tree(40, 8)), (4, None)):
        index = build_index(embeddings, ScaNNOptions("dot_product", tree=tree, score_ah=ScoreAH(1)), bits=bits)
        coder = row_coder(index)
        rows = embeddings[index.order]
        errors.append(((coder.decode(coder.encode(rows, 0), 0) - rows) ** 2).sum(1).mean())
        sizes.append(coder.encode(rows[:1], 0).codes.nbytes)
    assert sizes == [32, 16, 16]
    assert errors[0] < errors[1] < 0.4 * errors[2]


@pytest.mark.parametrize(("bits", "tree"), [(8, None), (4, None), (4, Tree(40, 8))])
def test_rows_are_coded_alike_however_they_are_cut(monkeypatch, rng, bits, tree):
    embeddings = (rng.uniform(0.8, 1.25, (2000, 1)) * rng.standard_normal((2000, 32))).astype(np.float32)
    index = build_index(embeddings, ScaNNOptions("dot_product", tree=tree, score_ah=ScoreAH(1)), bits=bits)
    rows, coder = embeddings[index.order], row_coder(index)
    whole = coder.encode(rows, 0)
    rest = coder.encode(rows[700:], 700)
    assert np.array_equal(rest.codes, whole.codes[700:])
    assert np.array_equal(rest.scales, whole.scales[700:])
    assert np.array_equal(coder.decode(rest, 700), coder.decode(whole, 0)[700:])
    monkeypatch.setattr("maker.index.build.BLOCK", 300)
    again = row_coder(index)
    assert (again.scale_unit, again.scale_type) == (coder.scale_unit, coder.scale_type)


def test_scales_of_a_byte_are_wide_enough_for_the_widest_rows(rng):
    embeddings = (rng.uniform(0.8, 1.25, (2000, 1)) * rng.standard_normal((2000, 32))).astype(np.float32)
    widest = embeddings[np.argsort(embeddings.std(1))[-50:]]
    coder = row_coder(build_index(embeddings, ScaNNOptions("dot_product", score_ah=ScoreAH(1)), bits=4))
    assert coder.scale_type is np.uint8
    of_bytes, of_floats = (
        ((each.decode(each.encode(widest, 0), 0) - widest) ** 2).sum()
        for each in (coder, replace(coder, scale_unit=1.0, scale_type=np.float32))
    )
    assert of_bytes < 1.02 * of_floats


def test_four_bits_are_refused_where_there_are_no_single_dimensions():
    for options in (ScaNNOptions("dot_product", score_brute_force=ScoreBruteForce()), ScaNNOptions("dot_product", score_ah=ScoreAH(2))):
        with pytest.raises(BuildError, match="bits must be 8, or 4 with"):
            build_index(np.ones((3, 4), np.float32), options, bits=4)


def test_scales_of_very_different_rows_keep_their_precision(tmp_path, rng):
    embeddings = rng.standard_normal((500, 16)).astype(np.float32)
    embeddings[::2] *= 1e-3
    coder = row_coder(build_index(embeddings, ScaNNOptions("squared_l2", score_ah=ScoreAH(1))))
    assert coder.scale_type is np.float32
    error = np.abs(coder.decode(coder.encode(embeddings, 0), 0) - embeddings).max(1)
    assert (error <= 0.51 * np.abs(embeddings).max(1) / 127).all()
    even = row_coder(build_index(embeddings[1::2], ScaNNOptions("squared_l2", score_ah=ScoreAH(1))))
    assert even.scale_type is np.uint8


def test_what_rows_allow_is_what_an_exhaustive_search_of_them_finds(tmp_path, rng):
    embeddings = rng.standard_normal((700, 16)).astype(np.float32)
    queries = rng.standard_normal((60, 16)).astype(np.float32)
    truth = np.argsort(-(queries @ embeddings.T), 1)[:, :10]
    for options in (ScaNNOptions("dot_product", score_ah=ScoreAH(1)), ScaNNOptions("dot_product", score_ah=ScoreAH(4))):
        with export(embeddings, tmp_path / "x.tflite", options, k=10) as opened:
            found = [{int(n.metadata) for n in opened.search_embedding(q).nearest_neighbors} for q in queries]
        measured = np.mean([len(f & set(t.tolist())) / 10 for f, t in zip(found, truth, strict=True)])
        assert abs(rows_recall(row_coder(build_index(embeddings, options)), queries, truth) - measured) < 0.01


def test_many_results_are_those_of_the_query_that_is_not_rounded(tmp_path, rng):
    embeddings = rng.standard_normal((4000, 32)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    with export(embeddings, tmp_path / "x.tflite", ScaNNOptions("dot_product", score_ah=ScoreAH(1)), k=60) as opened:
        ids, rows = opened.engine.contents()
        for query in embeddings[:50]:
            expected = np.sort(ids[np.argsort(-(rows @ query))[:60]])
            assert np.sort([n.id for n in opened.search_embedding(query).nearest_neighbors]).tolist() == expected.tolist()


@pytest.mark.parametrize("leaves", [50, 400, 1000])
def test_however_small_the_leaves_an_item_is_found_by_its_own_embedding(tmp_path, leaves, rng):
    embeddings = rng.standard_normal((2000, 32)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    options = ScaNNOptions("squared_l2", tree=Tree(leaves, leaves // 10), score_ah=ScoreAH(1))
    with export(embeddings, tmp_path / "x.tflite", options, k=5) as opened:
        found = [int(opened.search_embedding(e).nearest_neighbors[0].metadata) == i for i, e in enumerate(embeddings[:200])]
    assert np.mean(found) > 0.98


def test_a_query_scans_enough_rows_for_k_neighbours(tmp_path, rng):
    embeddings = rng.standard_normal((2000, 8)).astype(np.float32)
    with export(embeddings, tmp_path / "x.tflite", ScaNNOptions("dot_product", tree=Tree(100, 1), score_ah=ScoreAH(1)), k=50) as opened:
        assert len(opened.search_embedding(embeddings[0]).nearest_neighbors) == 50


def test_values_too_large_to_square_are_refused():
    with pytest.raises(DataError, match="row 1 has a value beyond"):
        build_index(np.array([[1, 1], [1e30, 0]], np.float32), default_options(2))


def test_own_k_means_leaves_no_leaf_empty_and_lowers_the_error(rng):
    points = np.repeat(rng.standard_normal((3, 4)).astype(np.float32), 50, axis=0) + 0.01 * rng.standard_normal((150, 4)).astype(np.float32)
    centroids, trainer = train_centroids(points, Tree(3, 1), 0, "own")
    leaves = assign_leaves(points, centroids)
    assert trainer == "own"
    assert np.bincount(leaves, minlength=3).min() > 0
    assert ((points - centroids[leaves]) ** 2).sum(1).mean() < 0.8


def test_k_means_plus_plus_finds_separate_clusters(rng):
    centres = 10 * np.eye(5, dtype=np.float32)
    points = np.repeat(centres, 20, axis=0) + 0.01 * rng.standard_normal((100, 5)).astype(np.float32)
    centroids, _ = train_centroids(points, Tree(5, 1, random_init=False), 0, "own")
    assert np.bincount(assign_leaves(points, centroids), minlength=5).tolist() == [20] * 5


def test_scann_and_the_own_trainer_are_about_as_good(rng):
    if importlib.util.find_spec("scann") is None:
        pytest.skip("scann is not installed")
    points = rng.standard_normal((4000, 16)).astype(np.float32)
    errors = []
    for trainer in ("scann", "own"):
        centroids, made_by = train_centroids(points, Tree(50, 1), 0, trainer)
        assert made_by == trainer
        assert centroids.shape == (50, 16)
        errors.append(((points - centroids[assign_leaves(points, centroids)]) ** 2).sum(1).mean())
    assert errors[1] < 1.05 * errors[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_named_by_row(value):
    embeddings = np.ones((7, 3), np.float32)
    embeddings[4, 1] = value
    with pytest.raises(DataError, match="row 4"):
        build_index(embeddings, default_options(7))


@pytest.mark.parametrize("embeddings", [np.ones(3, np.float32), np.ones((0, 3), np.float32), np.ones((2, 3), np.int32)])
def test_arrays_of_another_kind_are_refused(embeddings):
    with pytest.raises(DataError, match="expected"):
        build_index(embeddings, default_options(7))


def test_more_leaves_than_items_are_refused():
    with pytest.raises(BuildError, match="cannot fill 9 leaves"):
        build_index(np.ones((3, 2), np.float32), ScaNNOptions("dot_product", tree=Tree(9, 1), score_ah=ScoreAH(1)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ScaNNOptions("cosine", score_ah=ScoreAH(1)),
        lambda: ScaNNOptions("dot_product"),
        lambda: ScaNNOptions("dot_product", score_ah=ScoreAH(1), score_brute_force=ScoreBruteForce()),
        lambda: Tree(0, 1),
        lambda: Tree(4, 5),
        lambda: ScoreAH(0),
    ],
)
def test_options_out_of_range_are_refused(make):
    with pytest.raises(BuildError):
        make()


@pytest.mark.parametrize("leaves", [100, 1100])
def test_leaves_that_start_from_the_tree_of_scann_are_equal_and_near(leaves):
    pytest.importorskip("scann")
    rng = np.random.default_rng(5)
    centres = 4 * rng.standard_normal((60, 8))
    embeddings = (centres[rng.integers(0, 60, 6000)] + rng.standard_normal((6000, 8))).astype(np.float32)
    options = ScaNNOptions("squared_l2", tree=Tree(leaves, 10), score_ah=ScoreAH(1))
    index = build_index(embeddings, options, partitioner="scann")
    assert not np.array_equal(index.order, build_index(embeddings, options).order)
    assert sorted(index.order.tolist()) == list(range(6000))
    means = np.stack([embeddings[index.order[i * index.block : (i + 1) * index.block]].mean(0) for i in range(index.blocks)])
    np.testing.assert_allclose(index.leaves.vectors, means, atol=1e-4)
    within = ((embeddings - means[index.leaf_of]) ** 2).sum(1).mean()
    assert within < 0.12 * embeddings.var(0).sum()


def test_an_unknown_partitioner_is_refused():
    options = ScaNNOptions("dot_product", tree=Tree(4, 1), score_ah=ScoreAH(1))
    with pytest.raises(BuildError, match="partitioner must be one of own, scann, found 'faiss'"):
        build_index(np.eye(40, dtype=np.float32), options, partitioner="faiss")


def test_the_rows_of_a_distant_cluster_share_a_leaf():
    # In many dimensions the neighbours of a row's nearest centroid are not the row's own: a full leaf must not send it anywhere.
    clusters, size = 600, 16
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(clusters), size)
    rows = rng.standard_normal((clusters, 64))[of] + 0.5 * rng.standard_normal((len(of), 64))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    leaf = np.empty(len(rows), np.int64)
    leaf[partition(rows, clusters, 0).order] = np.arange(len(rows)) // size
    assert np.mean([len(np.unique(leaf[of == cluster])) for cluster in range(clusters)]) < 1.08
