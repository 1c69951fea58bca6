"""How the benchmark of roundings imitates ScaNN's."""

from __future__ import annotations

import numpy as np

from tests.benchmarks import rounding


def test_anisotropic_errors_lie_across_the_row(rng):
    rows = rng.standard_normal((200, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    values = 20 * rows
    codes = rounding.Anisotropic(0.5).codes(values, rows, -127, 127)

    def along(rounded):
        return float(np.abs(((rounded - values) * rows).sum(1)).mean())

    assert along(codes) < 0.3 * along(np.rint(values))
    assert np.array_equal(codes, np.rint(codes))
    assert np.array_equal(rounding.Anisotropic(0.0).codes(values, rows, -127, 127), np.rint(values))


def test_the_recall_of_unrounded_rows_is_1(rng):
    rows, queries = rng.standard_normal((500, 8)).astype(np.float32), rng.standard_normal((20, 8)).astype(np.float32)
    truth = np.argsort(-(queries @ rows.T), 1)[:, :10]
    assert rounding.recall(rows, rounding.Asked(queries, truth)) == 1
    assert rounding.recall(np.zeros_like(rows), rounding.Asked(queries, truth)) < 0.2
