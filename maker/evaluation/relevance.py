"""From a distance to the probability that a result is relevant: a logistic curve, fitted to held-out captions and measured on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maker.data.captions import Caption
from maker.evaluation.shared_words import SharedWords
from maker.progress import progress, say

RESULTS = 10  # of a query, that are looked at
MOST_QUERIES = 2000
BLOCK = 64
ENOUGH = 20  # relevant and other results, below which no curve is fitted
KEPT = 0.9  # of the relevant results, by the default gate and cut
TRADE = (0.99, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)
BINS = 10
RULE = (
    f"a query whose first result is below the gate finds nothing, which costs {50 * (1 - KEPT):.0f} % of the relevant results among the "
    f"first {RESULTS}; the cut leaves {100 * KEPT:.0f} % of them"
)


@dataclass(frozen=True)
class Judged:
    """What queries found, and which of it is relevant.

    Attributes:
        distances: `(q, r)` float32, of the first results, ascending.
        relevant: `(q, r)` bool.
        absent: `(q,)` float32, the nearest distance when every picture of the thing asked for is taken out; NaN where it is not known
            what the thing is.
    """

    distances: np.ndarray
    relevant: np.ndarray
    absent: np.ndarray

    def of(self, chosen: np.ndarray) -> Judged:
        """Some of the queries."""
        return Judged(self.distances[chosen], self.relevant[chosen], self.absent[chosen])


def choose_queries(captions: Sequence[Caption], rows: Mapping[str, int]) -> list[Caption]:
    """Held-out captions to ask: at most 2,000 of those whose picture has a row, evenly spread."""
    usable = [c for c in captions if c.image in rows]
    return [usable[place] for place in np.linspace(0, len(usable) - 1, min(MOST_QUERIES, len(usable))).astype(int)]


def calibrate(
    captions: Sequence[Caption], queries: np.ndarray, rows: Mapping[str, int], items: np.ndarray, known: Sequence[Caption]
) -> dict[str, Any] | None:
    """Fits the curve of `search_text` and measures it.

    The captions of every second held-out picture fit the curve and choose gate and cut; those of the others measure all three.

    Args:
        captions: Held-out captions, as `choose_queries` chooses them.
        queries: `(len(captions), d)` float32, their embeddings.
        rows: Row of each picture in `items`.
        items: `(n, d)` float32 embeddings; distances are negative dot products with them.
        known: All captions of the pictures, by which results are judged.

    Returns:
        The manifest's entry, as FORMAT.md has it; None where there is too little to fit, or where nearer is not more relevant.
    """
    words = SharedWords([c for c in known if c.image in rows])
    pool = np.asarray(items[[rows[image] for image in words.images]], np.float32)
    judged = judge(captions, queries, pool, words)
    _, number = np.unique([c.image for c in captions], return_inverse=True)
    fitted, measured = judged.of(number % 2 == 0), judged.of(number % 2 == 1)
    if min(min(j.relevant.sum(), (~j.relevant).sum()) for j in (fitted, measured)) < ENOUGH:
        return None
    slope, intercept = fit_logistic(fitted.distances.ravel(), fitted.relevant.ravel())
    if slope <= 0:
        say("nearer results are not more often relevant: the file has no relevance curve")
        return None
    gate, cut = (float(p) for p in probability(np.array(gate_and_cut(fitted, KEPT)), slope, intercept))
    return {
        "slope": round(slope, 5),
        "intercept": round(intercept, 5),
        "gate": round(gate, 5),
        "cut": round(cut, 5),
        "rule": RULE,
        "how": _how(words, len(fitted.distances)),
        "measured": measure(measured, slope, intercept, gate, cut),
    }


def judge(captions: Sequence[Caption], queries: np.ndarray, items: np.ndarray, words: SharedWords) -> Judged:
    """Asks every query by exact search among the items.

    Args:
        captions: The queries' captions.
        queries: `(q, d)` float32.
        items: `(n, d)` float32, in the order of `words.images`.
        words: What results are judged by.
    """
    count = min(RESULTS, len(items))
    distances = np.empty((len(queries), count), np.float32)
    relevant = np.empty((len(queries), count), bool)
    absent = np.full(len(queries), np.nan, np.float32)
    for start in progress(range(0, len(queries), BLOCK), "relevance", quiet=len(queries) * items.size < 1 << 32):
        scores = -(queries[start : start + BLOCK] @ items.T)
        best = np.argpartition(scores, count - 1, axis=1)[:, :count]
        best = np.take_along_axis(best, np.argsort(np.take_along_axis(scores, best, axis=1), axis=1, kind="stable"), axis=1)
        for row, (caption, found) in enumerate(zip(captions[start : start + BLOCK], best, strict=True), start):
            distances[row] = scores[row - start, found]
            relevant[row] = words.fits(caption, found)
            left = words.without_its_thing(caption)
            if left is not None and left.any():
                absent[row] = scores[row - start, left].min()
    return Judged(distances, relevant, absent)


def fit_logistic(distances: np.ndarray, relevant: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of `p = 1 / (1 + exp(slope * distance + intercept))` by maximum likelihood (Platt, 1999).

    Platt's targets, which keep the curve from 0 and 1 where classes do not overlap; Newton's method on the standardised distance.

    Args:
        distances: `(n,)`.
        relevant: `(n,)` bool; both values occur.
    """
    wanted = np.asarray(relevant, bool)
    ones, zeros = int(wanted.sum()), int((~wanted).sum())
    target = np.where(wanted, (ones + 1) / (ones + 2), 1 / (zeros + 2))
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


def gate_and_cut(judged: Judged, kept: float) -> tuple[float, float]:
    """The distances that together keep a share of the relevant results, and lose half of the rest each.

    How far the nearest result is says better than any other's distance whether the thing is there at all: where queries about absent things
    are to find nothing, deciding on it costs fewer relevant results than a stricter cut.

    Args:
        judged: At least one result is relevant.
        kept: The share, above 0.

    Returns:
        The gate, above which a query's first result leaves all of its results out, and the cut, above which a result is left out.
    """
    first = judged.distances[:, 0]
    gate = float(np.quantile(np.repeat(first, judged.relevant.sum(axis=1)), 1 - (1 - kept) / 2))
    passing = judged.of(first <= gate)
    left = passing.distances[passing.relevant]
    return gate, float(np.quantile(left, min(1.0, kept * judged.relevant.sum() / len(left))))


def probability(distances: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """The curve's values."""
    return 1 / (1 + np.exp(np.clip(slope * np.asarray(distances, np.float64) + intercept, -500, 500)))


def measure(judged: Judged, slope: float, intercept: float, gate: float, cut: float) -> dict[str, Any]:
    """How well the curve foretells, and what gate and cut do; shares are in [0, 1].

    Returns:
        `queries`, `results`, `relevant` (share of all results that are), `expected_calibration_error` (Guo et al., 2017), `at_cut` and
        `trade` (see `_at`, the latter for other shares kept), and `reliability`: ten bins of as many results each, with the mean
        relevance `predicted`, the share `found` relevant and the number of `results`.
    """
    p = probability(judged.distances, slope, intercept)
    order = np.argsort(p, axis=None, kind="stable")
    bins = [
        {"predicted": _short(p.ravel()[part].mean()), "found": _short(judged.relevant.ravel()[part].mean()), "results": len(part)}
        for part in np.array_split(order, BINS)
        if len(part)
    ]
    error = sum(b["results"] * abs(b["predicted"] - b["found"]) for b in bins) / p.size
    return {
        "queries": len(p),
        "results": p.size,
        "relevant": _short(judged.relevant.mean()),
        "expected_calibration_error": _short(error),
        "at_cut": _at(judged, slope, intercept, gate, cut),
        "trade": [_at(judged, slope, intercept, *probability(np.array(gate_and_cut(judged, kept)), slope, intercept)) for kept in TRADE],
        "reliability": bins,
    }


def _at(judged: Judged, slope: float, intercept: float, gate: float, cut: float) -> dict[str, float]:
    """What gate and cut do.

    Relevant and wrong results kept, their precision, queries answered, of those with a relevant result the share that keeps one, and
    queries answered although the thing is absent. The share of relevant results alone flatters a gate, which takes all of a few queries.
    """
    p = probability(judged.distances, slope, intercept)
    shown = (p[:, :1] >= gate) & (p >= cut)
    known = ~np.isnan(judged.absent)
    figures = {
        "gate": gate,
        "cut": cut,
        "recall_kept": shown[judged.relevant].mean(),
        "wrong_kept": shown[~judged.relevant].mean(),
        "precision": judged.relevant[shown].mean() if shown.any() else 0.0,
        "answered": shown.any(axis=1).mean(),
        "queries_kept": (shown & judged.relevant).any(axis=1)[judged.relevant.any(axis=1)].mean(),
    }
    if known.any():
        figures["absent_answered"] = (probability(judged.absent[known], slope, intercept) >= max(gate, cut)).mean()
    return {name: _short(value) for name, value in figures.items()}


def _how(words: SharedWords, queries: int) -> str:
    if words.typical is None:
        judged = "relevant is the caption's own picture only, so the probabilities are low where others fit it as well"
    else:
        judged = (
            f"relevant is the caption's own picture, or one whose captions share {100 * words.typical:.0f} % of its words by weight, as "
            "those of one picture do in the median: a proxy, low where people choose other words, high where the same words mean another "
            "scene"
        )
    asked = f"{queries} held-out captions, the first {RESULTS} results of each among {len(words.images)} captioned pictures"
    return f"{asked}; {judged}; measured on the captions of other held-out pictures"


def _short(value: Any) -> float:
    return round(float(value), 4)
