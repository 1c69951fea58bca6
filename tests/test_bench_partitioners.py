"""How the benchmark of partitions counts scanned rows, and where SOAR stores an item again."""

from __future__ import annotations

import numpy as np
import pytest

from maker.index.routing import centroid_router
from tests.benchmarks import partitioners


def leaves(leaf_of):
    router = centroid_router(np.array([[1.0], [2.0], [3.0]], np.float32), "dot_product")
    return partitioners.Leaves("l", router, np.array(leaf_of), 0.0)


def test_a_query_scans_whole_leaves_until_it_has_its_neighbour():
    found = partitioners.rows_needed(leaves([[2], [2], [1], [0], [0]]), np.ones((1, 1), np.float32), np.array([[0, 2, 4]]))
    assert found.tolist() == [[2, 3, 5]]


def test_a_second_copy_is_found_earlier_and_scanned_too():
    found = partitioners.rows_needed(leaves([[2, 1], [2, 0], [1, 2], [0, 1]]), np.ones((1, 1), np.float32), np.array([[2, 3]]))
    assert found.tolist() == [[3, 6]]


def test_soar_prefers_the_leaf_whose_residual_is_orthogonal():
    row, centroids = np.array([[1.0, 0.0]], np.float32), np.array([[0.7, 0.0], [0.6, 0.0], [1.0, 0.42]], np.float32)
    assert partitioners.second_leaves(row, centroids, np.array([0])).tolist() == [2]
    assert partitioners.second_leaves(row, centroids[:2], np.array([0])).tolist() == [1]


def test_scann_leaves_hold_every_item_twice_for_soar():
    pytest.importorskip("scann")
    vectors = np.random.default_rng(0).standard_normal((20_000, 8), np.float32)
    found = partitioners.scann_leaves(vectors, None, 1, 2)
    best = (vectors @ found.router.vectors.T - 0.5 * (found.router.vectors**2).sum(1)).argmax(1)
    assert (found.leaf_of[:, 0] == best).mean() > 0.999
    assert (found.leaf_of[:, 0] != found.leaf_of[:, 1]).all()
