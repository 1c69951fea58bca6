"""Rows that are rounded by what queries ask for."""

from dataclasses import replace

import numpy as np
import pytest

from maker.evaluation.index_quality import exact_neighbours
from maker.export.search_constants import search_constants
from maker.index.build import build_index
from maker.index.options import ScaNNOptions, ScoreAH, Tree
from maker.index.projection import learn_directions
from maker.index.rounding import QueryMoments, Rounding, learn_moments
from maker.index.rows import RowCoder, fine_coder, row_coder
from maker.index.tune import rows_recall

DIMENSION = 32


def asked(rng, count):
    """Queries that vary in few directions, away from the items, like sentences."""
    directions = np.random.default_rng(5).standard_normal((DIMENSION, DIMENSION)) * 0.7 ** np.arange(DIMENSION)[:, None]
    queries = rng.standard_normal((count, DIMENSION)) @ directions + 0.05 * rng.standard_normal((count, DIMENSION))
    return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)


def items(rng, count=4000):
    rows = rng.standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def coders(rows, queries, bits, tree=None, distance="dot_product"):
    """The coder of an index that knows the queries, and of the same index that rounds to the nearest."""
    index = build_index(rows, ScaNNOptions(distance, tree=tree, score_ah=ScoreAH(1)), bits=bits, queries=queries)
    return row_coder(index), row_coder(replace(index, moments=None))


def errors(coder):
    first = 0
    for rows in coder.row_blocks():
        yield coder.decode(coder.encode(rows, first), first) - rows
        first += len(rows)


def error(coder, queries):
    return float(np.sqrt(np.mean(np.square(queries @ np.concatenate(list(errors(coder))).T))))


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("tree", [None, Tree(100, 10)])
def test_dot_products_with_queries_like_those_known_change_less(rng, bits, tree):
    known, nearest = coders(items(rng), asked(rng, 2000), bits, tree)
    others = asked(rng, 100)
    assert error(known, others) < 0.75 * error(nearest, others)


def test_queries_of_another_kind_lose_little(rng):
    known, nearest = coders(items(rng), asked(rng, 2000), 8)
    others = items(rng, 100)
    assert error(known, others) < 1.15 * error(nearest, others)


def test_rows_allow_a_higher_recall(rng):
    rows, others = items(rng, 20_000), asked(rng, 100)
    truth = exact_neighbours(rows, others, "dot_product")
    known, nearest = (rows_recall(coder, others, truth) for coder in coders(rows, asked(rng, 2000), 4))
    assert known > nearest + 0.02


def test_squared_distances_keep_the_precision_of_the_nearest(rng):
    rows, others = items(rng), asked(rng, 100)
    known, nearest = coders(rows, asked(rng, 2000), 4, distance="squared_l2")
    truth = exact_neighbours(rows, others, "squared_l2")
    assert rows_recall(known, others, truth) >= rows_recall(nearest, others, truth)


def test_projected_rows_are_rounded_by_projected_queries(rng):
    rows, queries = items(rng), asked(rng, 2000)
    projection = learn_directions(rows, queries, 0).first(12)
    projected = QueryMoments(rows[:1], (queries.T @ queries)[None]).projected(projection)
    np.testing.assert_allclose(
        projected.moments[0], (queries @ projection.queries).T @ (queries @ projection.queries), rtol=1e-3, atol=1e-3
    )
    np.testing.assert_allclose(projected.centres, projection.of_items(rows[:1]), rtol=1e-3, atol=1e-5)


def test_rows_that_rescore_projected_ones_know_the_queries_too(rng):
    rows, queries, others = items(rng), asked(rng, 2000), asked(rng, 100)
    options = ScaNNOptions("dot_product", score_ah=ScoreAH(1))
    index = build_index(rows, options, queries=queries, projection=learn_directions(rows, queries, 0).first(12))
    known, nearest = (fine_coder(replace(each, rescorer="int8")) for each in (index, replace(index, moments=None)))
    assert error(known, others) < 0.75 * error(nearest, others)
    assert row_coder(index).encode(index.projected[:10], 0).codes.shape == (10, 12)


def test_errors_are_made_up_for_by_later_dimensions():
    """With queries along (1, 1, …), the errors of a row add up to less than half a step."""
    ones = np.ones((1, 9, 9), np.float32)
    values = np.random.default_rng(1).uniform(-3, 3, (50, 9)).astype(np.float32)
    codes = Rounding(QueryMoments(np.zeros((1, 9), np.float32), ones), 0.3).codes(values, values, -127, 127)
    assert np.abs((codes - values).sum(1)).max() < 1 < np.abs((np.rint(values) - values).sum(1)).max()
    assert np.array_equal(codes, np.rint(codes))


def test_codes_stay_within_their_range():
    moments = QueryMoments(np.zeros((1, 5), np.float32), np.ones((1, 5, 5), np.float32))
    values = np.array([[-9, 9, 0.2, 7.4, 300], [0, 0, 0, 0, 0]], np.float32)
    codes = Rounding(moments, 0.3).codes(values, values, -7.5, 7.5)
    assert set(np.unique(codes % 1)) == {0.5}
    assert codes.min() == -7.5
    assert codes.max() == 7.5


def test_rows_with_outliers_are_rounded_to_the_nearest():
    moments = QueryMoments(np.zeros((1, 5), np.float32), np.ones((1, 5, 5), np.float32))
    values = np.array([[0.9, 0.9, 0.9, 0.9, 100], [0.9, 0.9, 0.9, 0.9, 6.5]], np.float32)
    codes = Rounding(moments, 0.3).codes(values, values, -7.5, 7.5)
    assert codes[0].tolist() == [0.5, 0.5, 0.5, 0.5, 7.5]
    assert codes[1].tolist() != [0.5, 0.5, 0.5, 0.5, 6.5]
    assert len(Rounding(moments, 0.3).codes(values[:1], values[:1], -7.5, 7.5)) == 1


def test_rows_with_heavy_tails_allow_no_lower_recall(rng):
    rows = rng.standard_t(2, (20_000, DIMENSION)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    others = asked(rng, 100)
    truth = exact_neighbours(rows, others, "dot_product")
    known, nearest = (rows_recall(coder, others, truth) for coder in coders(rows, asked(rng, 2000), 4))
    assert known > nearest - 0.005


def test_very_many_values_are_rounded_to_the_nearest(rng, monkeypatch):
    known, nearest = coders(items(rng), asked(rng, 2000), 8)
    monkeypatch.setattr("maker.index.rows.MOST_VALUES", 4000 * DIMENSION - 1)
    rows = items(rng, 50)
    assert np.array_equal(known.encode(rows, 0).codes, nearest.encode(rows, 0).codes)
    assert known.to_nearest() is known


def test_rows_of_zeros_stay_zero(rng):
    rows = items(rng)
    rows[::7] = 0
    for bits in (8, 4):
        known, _ = coders(rows, asked(rng, 2000), bits)
        quantised = known.encode(rows[:50], 0)
        assert not known.decode(quantised, 0)[::7].any()


def test_too_few_queries_or_empty_ones_say_nothing(rng):
    rows = items(rng)
    assert learn_moments(rows, asked(rng, 2 * DIMENSION - 1), "dot_product", 0) is None
    assert learn_moments(rows, np.zeros((500, DIMENSION), np.float32), "dot_product", 0) is None
    assert learn_moments(rows[:3], asked(rng, 2 * DIMENSION), "dot_product", 0) is not None


def test_rows_of_the_next_file_are_not_rounded_again(rng, monkeypatch):
    known, nearest = coders(items(rng), asked(rng, 2000), 8, Tree(100, 10))
    constants = search_constants(known.index)
    first = np.concatenate(list(constants.scanned.codes.pieces))
    assert len(first) == known.index.blocks * known.index.block
    monkeypatch.setattr(RowCoder, "encode", None)
    assert np.array_equal(np.concatenate(list(constants.scanned.codes.pieces)), first)
    monkeypatch.undo()
    assert not np.array_equal(np.concatenate(list(search_constants(nearest.index).scanned.codes.pieces)), first)
