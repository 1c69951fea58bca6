"""Relevance without captions: a curve that is fitted to the answers of a list of queries, against the rest of the list as a background.

Nobody says which picture answers which query. A result therefore counts as relevant if the query describes the picture better than nearly
all other queries of the list do. That is a weaker judgement than captions give.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from maker.evaluation.relevance import RESULTS, JudgedResults, curve_entry, enough, fit_logistic
from maker.progress import progress

FITTING = 0.01  # a query fits a picture if it is among this share of the list's queries for the picture
BLOCK = 1024
MOST_ITEMS = 20_000  # pictures that queries are judged on


def calibrate_without_captions(queries: np.ndarray, items: np.ndarray, how: str) -> dict[str, Any] | None:
    """Fits the relevance curve of `search_text` to the answers of a list of queries.

    Every second query fits the curve and chooses gate and cut; the others measure them.

    Args:
        queries: `(q, d)` float32, norm 1.
        items: `(n, d)` float32, norm 1; distances are negative dot products with them.
        how: What the queries are.

    Returns:
        The manifest's `relevance.search_text`; None if there are too few results to fit, or nearer results are not more often relevant.
    """
    items = items[np.linspace(0, len(items) - 1, min(MOST_ITEMS, len(items))).astype(int)]
    results, number = _judge(queries, items), np.arange(len(queries))
    fitted, measured = results.of(number % 2 == 0), results.of(number % 2 == 1)
    if not enough((fitted, measured)):
        return None
    slope, intercept = fit_logistic(fitted.distances.ravel(), fitted.relevant.ravel())
    if slope <= 0:
        return None
    return curve_entry(fitted, measured, slope, intercept, _how(how, len(fitted.distances), len(items)))


def _judge(queries: np.ndarray, items: np.ndarray) -> JudgedResults:
    """The first results of all queries; those are relevant whose query is among the best of the list for the picture.

    A query that is near to all pictures would be among the best of many. Its mean score over the pictures is therefore subtracted first.
    """
    usual = queries @ items.mean(axis=0)
    least = np.empty(len(items), np.float32)  # score of the last query that fits, by picture
    fitting = max(1, round(FITTING * len(queries)))
    for start in progress(range(0, len(items), BLOCK), "relevance", quiet=len(queries) * items.size < 1 << 32):
        above = queries @ items[start : start + BLOCK].T - usual[:, None]
        least[start : start + BLOCK] = np.partition(above, len(queries) - fitting, axis=0)[len(queries) - fitting]
    count = min(RESULTS, len(items))
    distances, relevant = np.empty((len(queries), count), np.float32), np.empty((len(queries), count), bool)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK] @ items.T
        best = np.argpartition(-scores, count - 1, axis=1)[:, :count]
        best = np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable"), axis=1)
        found = np.take_along_axis(scores, best, axis=1)
        distances[start : start + BLOCK] = -found
        relevant[start : start + BLOCK] = found - usual[start : start + BLOCK, None] >= least[best]
    return JudgedResults(distances, relevant, np.full(len(queries), np.nan, np.float32))


def _how(queries: str, fitted: int, items: int) -> str:
    return (
        f"fitted to the first {RESULTS} results of {fitted} {queries} among {items} pictures, without captions: a result counts as "
        f"relevant if its query is among the {100 * FITTING:.0f} % of the queries that describe the picture best; this is weaker than a "
        "curve from captions; measured on the other queries of the list"
    )
