"""Relevance: the probability that a result at some distance is relevant.

It is a logistic curve of the distance, fitted to held-out captions and measured on other held-out captions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maker.data.captions import Caption
from maker.evaluation.judged import KEPT, Predicted, measure_predicted
from maker.evaluation.shared_words import SharedWords
from maker.progress import progress, say
from task.processor.relevance import RelevanceCurve

RESULTS = 10  # per query
MOST_QUERIES = 2000
BLOCK = 64
ENOUGH = 20  # relevant results, and other results, that a fit needs
GATE = 0.5  # share of the relevant results that may be lost which the gate loses
RULE = (
    f"if the first result of a query is below the gate, all its results are hidden, which loses {50 * (1 - KEPT):.0f} % of the relevant "
    f"results among the first {RESULTS}; gate and cut together keep {100 * KEPT:.0f} % of them"
)


@dataclass(frozen=True)
class JudgedResults:
    """The first results of queries, and which of them are relevant.

    Attributes:
        distances: `(q, r)` float32, ascending per query.
        relevant: `(q, r)` bool.
        absent: `(q,)` float32: the nearest distance after all pictures of the queried thing were removed; NaN if the thing is unknown.
    """

    distances: np.ndarray
    relevant: np.ndarray
    absent: np.ndarray

    def of(self, chosen: np.ndarray) -> JudgedResults:
        """The results of some queries, chosen by index or mask."""
        return JudgedResults(self.distances[chosen], self.relevant[chosen], self.absent[chosen])


def choose_queries(captions: Sequence[Caption], rows: Mapping[str, int]) -> list[Caption]:
    """At most 2,000 captions, evenly spread over those whose picture has a row."""
    usable = [c for c in captions if c.image in rows]
    return [usable[i] for i in np.linspace(0, len(usable) - 1, min(MOST_QUERIES, len(usable))).astype(int)]


def calibrate(
    captions: Sequence[Caption], queries: np.ndarray, rows: Mapping[str, int], items: np.ndarray, known: Sequence[Caption]
) -> dict[str, Any] | None:
    """Fits the relevance curve of `search_text` and measures it.

    The captions of every second held-out picture fit the curve and choose gate and cut. The other captions measure all three.

    Args:
        captions: Held-out captions, as `choose_queries` returns them.
        queries: `(len(captions), d)` float32, their embeddings.
        rows: Row of each picture in `items`.
        items: `(n, d)` float32 embeddings; distances are negative dot products with them.
        known: All captions of the pictures; they decide which results are relevant.

    Returns:
        The manifest's `relevance.search_text`; None if there are too few results to fit, or nearer results are not more often relevant.
    """
    words = SharedWords([c for c in known if c.image in rows])
    pool = np.asarray(items[[rows[image] for image in words.images]], np.float32)
    results = judge(captions, queries, pool, words)
    _, number = np.unique([c.image for c in captions], return_inverse=True)
    fitted, measured = results.of(number % 2 == 0), results.of(number % 2 == 1)
    if not enough((fitted, measured)):
        return None
    slope, intercept = fit_logistic(fitted.distances.ravel(), fitted.relevant.ravel())
    if slope <= 0:
        say("nearer results are not more often relevant: the file has no relevance curve")
        return None
    return curve_entry(fitted, measured, slope, intercept, _how(words, len(fitted.distances)))


def enough(halves: Sequence[JudgedResults]) -> bool:
    """Whether each has enough relevant results, and enough others, for a fit."""
    return min(min(half.relevant.sum(), (~half.relevant).sum()) for half in halves) >= ENOUGH


def curve_entry(fitted: JudgedResults, measured: JudgedResults, slope: float, intercept: float, how: str) -> dict[str, Any]:
    """The manifest's `relevance.search_text` of a curve: its gate and cut, chosen by `fitted`, and what they do to `measured`."""
    gate, cut = (float(p) for p in probability(np.array(gate_and_cut(fitted, KEPT)), slope, intercept))
    return {
        "slope": round(slope, 5),
        "intercept": round(intercept, 5),
        "gate": round(gate, 5),
        "cut": round(cut, 5),
        "rule": RULE,
        "how": how,
        "measured": measure(measured, slope, intercept, gate, cut),
    }


def judge(captions: Sequence[Caption], queries: np.ndarray, items: np.ndarray, words: SharedWords) -> JudgedResults:
    """Runs all queries by exact search among the items and judges the results.

    Args:
        captions: The queries' captions.
        queries: `(q, d)` float32.
        items: `(n, d)` float32, in the order of `words.images`.
        words: Decides which results are relevant.
    """
    count = min(RESULTS, len(items))
    distances = np.empty((len(queries), count), np.float32)
    relevant = np.empty((len(queries), count), bool)
    absent = np.full(len(queries), np.nan, np.float32)
    for start in progress(range(0, len(queries), BLOCK), "relevance", quiet=len(queries) * items.size < 1 << 32):
        scores = -(queries[start : start + BLOCK] @ items.T)
        best = np.argpartition(scores, count - 1, axis=1)[:, :count]
        best = np.take_along_axis(best, np.argsort(np.take_along_axis(scores, best, axis=1), axis=1, kind="stable"), axis=1)
        for row, (caption, images) in enumerate(zip(captions[start : start + BLOCK], best, strict=True), start):
            distances[row] = scores[row - start, images]
            relevant[row] = words.fits(caption, images)
            remaining = words.without_its_thing(caption)
            if remaining is not None and remaining.any():
                absent[row] = scores[row - start, remaining].min()
    return JudgedResults(distances, relevant, absent)


def fit_logistic(distances: np.ndarray, relevant: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of `p = 1 / (1 + exp(slope * distance + intercept))` by maximum likelihood (Platt, 1999).

    Platt's targets keep the curve away from 0 and 1 if the classes do not overlap. Newton's method runs on the standardised distance.

    Args:
        distances: `(n,)`.
        relevant: `(n,)` bool; both values must occur.
    """
    labels = np.asarray(relevant, bool)
    ones, zeros = int(labels.sum()), int((~labels).sum())
    target = np.where(labels, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    x = np.asarray(distances, np.float64)
    mean, scale = x.mean(), x.std() or 1.0
    inputs = np.stack([(x - mean) / scale, np.ones(len(x))], axis=1)
    weights = np.array([0.0, np.log((zeros + 1) / (ones + 1))])
    for _ in range(100):
        p = 1 / (1 + np.exp(np.clip(inputs @ weights, -500, 500)))
        curvature = (inputs * (p * (1 - p))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, inputs.T @ (target - p))
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return float(weights[0] / scale), float(weights[1] - weights[0] * mean / scale)


def gate_and_cut(results: JudgedResults, kept: float) -> tuple[float, float]:
    """The distances beyond which results are hidden; each of the two loses half of the relevant results that may be lost.

    The distance of the first result says best whether the queried thing is there at all. To hide results for absent things, a gate on that
    distance therefore costs fewer relevant results than a stricter cut.

    Args:
        results: Results of which at least one is relevant.
        kept: Share of the relevant results that gate and cut together keep, above 0.

    Returns:
        The gate: if a query's first result is farther, all its results are hidden. The cut: results that are farther are hidden.
    """
    first = results.distances[:, 0]
    gate = float(np.quantile(np.repeat(first, results.relevant.sum(axis=1)), 1 - (1 - kept) / 2))
    passing = results.of(first <= gate)
    relevant = passing.distances[passing.relevant]
    return gate, float(np.quantile(relevant, min(1.0, kept * results.relevant.sum() / len(relevant))))


def is_answered(queries: np.ndarray, items: np.ndarray, described: Mapping[str, Any], evidence: np.ndarray | None) -> np.ndarray:
    """Whether a file still answers queries after results of low relevance were hidden.

    Args:
        queries: `(q, d)` float32.
        items: `(n, d)` float32; distances are negative dot products with them.
        described: The curve, as the manifest describes it.
        evidence: `(q, 2)`, what the graph says of the queries; None for a curve that does not look at it.

    Returns:
        `(q,)` bool.
    """
    curve = RelevanceCurve.of(described)
    count = min(curve.found.results if curve.found else 1, len(items))
    answered = np.zeros(len(queries), bool)
    for row, query in enumerate(queries):
        scores = items @ query
        distances = np.sort(-np.partition(scores, len(scores) - count)[-count:]).tolist()
        if curve.found is not None and evidence is not None:
            found, relevance = curve.found.judge(evidence[row].tolist(), distances)
            answered[row] = found >= curve.found.gate and relevance[0] >= curve.found.cut
        else:
            answered[row] = curve(distances[0]) >= max(curve.gate, curve.cut)
    return answered


def probability(distances: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """The relevance at distances of any shape, in [0, 1]."""
    return 1 / (1 + np.exp(np.clip(slope * np.asarray(distances, np.float64) + intercept, -500, 500)))


def measure(results: JudgedResults, slope: float, intercept: float, gate: float, cut: float) -> dict[str, Any]:
    """Measures the predictions of the curve and the effect of gate and cut, as `maker.evaluation.judged.measure_predicted` does."""
    p, absent = (probability(distances, slope, intercept) for distances in (results.distances, results.absent))
    return measure_predicted(Predicted(p, p[:, 0], results.relevant, absent[:, None], absent), gate, cut, GATE)


def _how(words: SharedWords, queries: int) -> str:
    if words.typical is None:
        criterion = "only the caption's own picture counts as relevant, so probabilities are too low if it fits other pictures too"
    else:
        criterion = (
            "relevant results are the caption's own picture and pictures whose captions share at least "
            f"{100 * words.typical:.0f} % of its words by weight, the median between captions of one picture; this estimate is too low "
            "if people use different words for the same thing, and too high if the same words describe different scenes"
        )
    fitted = f"fitted to the first {RESULTS} results of {queries} held-out captions among {len(words.images)} captioned pictures"
    return f"{fitted}; {criterion}; measured on the captions of other held-out pictures"
