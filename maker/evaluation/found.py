"""Fits the part of the relevance that looks at the query: do the pictures show what is asked for, and how likely is each result right?

Both are logistic regressions. The first tells queries whose thing is there from the same queries after all pictures of the thing were
removed; the second tells relevant results from others. Queries of every length take part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from maker.encoders.evidence import Evidence, Spread, WordEvidence, lengths_of
from maker.evaluation.asked import RESULTS, Asked, Question
from maker.evaluation.judged import KEPT, Predicted, measure_predicted

FOLDS = 5
RIDGE = 1e-2  # on standardised inputs; the log loss is a mean
STEPS, CLOSE = 15, 1e-4  # of Newton's method, on standardised weights
FEWEST = 100  # queries with relevant results, and queries about absent things, that a fit needs
GATE = 0.8  # share of the relevant results that may be lost which the gate loses; the cut loses the others
RULE = (
    "if `found` is below the gate, all results of a query are hidden, which loses "
    f"{100 * (1 - KEPT) * GATE:.0f} % of the relevant results among the first {RESULTS}; gate and cut together keep {100 * KEPT:.0f} % of "
    "them"
)
HOW = (
    f"fitted to the first {RESULTS} results of held-out captions and of queries of one to three words out of the captions, among "
    "captioned pictures; the relevant results of a caption are its own picture and pictures whose captions share as much of its words as "
    "captions of one picture do, those of a short query the pictures of which a third of the captions hold its words; measured by "
    f"cross-validation in {FOLDS} parts"
)
MOVED = "fitted among the held-out pictures, and moved to other items by their number and the spread of their scores"
OF_DISTANCES = 3  # inputs: first, mean and last distance


@dataclass(frozen=True)
class Fitted:
    """The fit.

    Attributes:
        described: The `found` of a curve in the manifest.
        measured: Its figures.
        evidence: What the graph computes of a query.
        models: Both regressions.
    """

    described: dict[str, Any]
    measured: dict[str, Any]
    evidence: Evidence
    models: tuple[_Linear, _Linear]

    def moved(self, fitted_on: int, items: np.ndarray, words: WordEvidence | None) -> Evidence:
        """The evidence among other items, so that `described` holds there too.

        The mean, the spread and the words are those of the items. Among more items, the nearest are nearer; by how much is what order
        statistics of normally distributed scores say.

        Args:
            fitted_on: The number of items that the fit was made with.
            items: `(n, d)` float32.
            words: The evidence of words by these items, if the fit had any.
        """
        moved = _evidence(self.models, np.asarray(items.mean(axis=0), np.float32), Spread.of(items), words)
        nearer = shift(fitted_on, len(items))
        of_spread = [float(nearer @ weights) for weights in (self.described["shows"], self.described["right"])]
        of_spread[1] -= self.described["slope"] * float(nearer[1])
        return replace(moved, of_spread=moved.of_spread + np.array(of_spread))


@dataclass(frozen=True)
class AskedQueries:
    """Queries with all that is known of them.

    Attributes:
        questions: The queries.
        embeddings: `(q, d)` float32.
        rows: `(q, t)` int32, as `maker.embedding.word_rows.rows_of_texts` gives them; None for text towers without words.
        asked: Their results.
    """

    questions: Sequence[Question]
    embeddings: np.ndarray
    rows: np.ndarray | None
    asked: Asked


def fit_found(queries: AskedQueries, items: np.ndarray, words: WordEvidence | None) -> Fitted | None:
    """Fits both regressions, and measures them by cross-validation: each fifth of the queries is predicted by a fit to the others.

    Args:
        queries: The queries.
        items: `(n, d)` float32.
        words: The evidence of words by these items; None without any.

    Returns:
        The fit; None if there are too few queries, or farther results are more often relevant.
    """
    spread, mean = Spread.of(items), np.asarray(items.mean(axis=0), np.float32)
    asked = _as_many(queries.asked, spread(queries.embeddings), len(items))
    known = ~np.isnan(asked.absent[:, 0])
    if min((asked.relevant.any(axis=1)).sum(), known.sum()) < FEWEST:
        return None
    fixed: list[Any] = [queries.embeddings @ mean, spread(queries.embeddings)]
    if queries.rows is not None and words is not None:
        fixed += lengths_of(queries.rows).T.tolist()
    present, absent = (
        np.column_stack([*_of_distances(distances), *fixed, *(evidence.T if words is not None else ()), queries.embeddings])
        for distances, evidence in ((asked.distances, asked.words), (asked.absent, asked.absent_words))
    )
    lengths = np.array([question.length for question in queries.questions])
    fold = np.array([question.fold for question in queries.questions]) % FOLDS
    logit, absent_logit = np.empty(len(fold)), np.full(len(fold), np.nan)
    usual, absent_usual = np.empty(len(fold)), np.full(len(fold), np.nan)
    slopes = np.empty(len(fold))
    for number in range(FOLDS):
        here = fold == number
        shows, right, slope = _fit_both(present[~here], absent[~here], _part(asked, ~here), lengths[~here])
        logit[here], absent_logit[here & known] = shows(present[here]), shows(absent[here & known])
        usual[here], absent_usual[here & known], slopes[here] = right(present[here]), right(absent[here & known]), slope
    shows, right, slope = _fit_both(present, absent, asked, lengths)
    if min(slope, slopes.min()) <= 0:
        return None

    def relevance(distances: np.ndarray, logits: np.ndarray) -> np.ndarray:
        return _sigmoid(logits[:, None] - slopes[:, None] * distances)

    predicted = Predicted(
        relevance(asked.distances, usual), _sigmoid(logit), asked.relevant, relevance(asked.absent, absent_usual), _sigmoid(absent_logit)
    )
    gate, cut = predicted.gate_and_cut(KEPT, GATE)
    described: dict[str, Any] = {"results": RESULTS, "slope": round(slope, 5), "gate": round(gate, 5), "cut": round(cut, 5)}
    for name, model in (("shows", shows), ("right", right)):
        described[name] = [round(float(weight), 5) for weight in model.weights[:OF_DISTANCES]]
    measured = measure_predicted(predicted, gate, cut, GATE)
    measured["by_length"] = {
        name: measure_predicted(predicted.of(lengths == name), gate, cut, GATE, short=True) for name in dict.fromkeys(lengths.tolist())
    }
    return Fitted(described, measured, _evidence((shows, right), mean, spread, words), (shows, right))


@dataclass(frozen=True)
class _Linear:
    """`inputs @ weights + bias`."""

    weights: np.ndarray
    bias: float

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        return inputs @ self.weights + self.bias


def _as_many(asked: Asked, spread: np.ndarray, items: int) -> Asked:
    """Moves the results without the thing to where they would be among as many pictures: fewer pictures alone have farther results."""
    nearer = {left: _expected(items, every=True) - _expected(left, every=True) for left in set(asked.left.tolist())}
    moved = np.stack([nearer[left][: asked.absent.shape[1]] for left in asked.left.tolist()]) * spread[:, None]
    return replace(asked, absent=asked.absent - moved)


def shift(fitted: int, items: int) -> np.ndarray:
    """How much nearer the first result, the mean and the last are among `items` than among `fitted` items, in deviations of the scores."""
    return _expected(items) - _expected(fitted)


def _expected(items: int, every: bool = False) -> np.ndarray:
    """The expected first score, mean of the first ten, and tenth, of normally distributed ones, or all ten (Blom, 1958)."""
    scores = np.array([NormalDist().inv_cdf(1 - (rank - 0.375) / (items + 0.25)) for rank in range(1, min(RESULTS, items) + 1)])
    return scores if every else np.array([scores[0], scores.mean(), scores[-1]])


def _of_distances(distances: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return distances[:, 0], distances.mean(axis=1), distances[:, -1]


def _fit_present(present: np.ndarray, absent: np.ndarray, relevant: np.ndarray, lengths: np.ndarray) -> _Linear:
    """Tells queries with their pictures from queries without them.

    Queries without a relevant result do not count, for there is nothing to keep. A thing of two pictures counts as much as one of many.
    """
    counts, known = np.asarray(relevant.any(axis=1), np.float64), ~np.isnan(absent[:, 0])
    ones, zeros = np.zeros(len(counts)), np.zeros(len(counts))
    for name in set(lengths.tolist()):
        here = lengths == name
        ones[here] = here.sum() * counts[here] / max(counts[here].sum(), 1)
        zeros[here & known] = here.sum() / max((here & known).sum(), 1)
    inputs = np.concatenate([present, absent[known]])
    targets = np.concatenate([np.ones(len(present)), np.zeros(known.sum())])
    shares = np.concatenate([ones / ones.sum(), zeros[known] / zeros.sum()]) / 2
    return _fit(inputs, targets, shares, RIDGE)


def _fit_right(present: np.ndarray, asked: Asked, lengths: np.ndarray) -> tuple[_Linear, float]:
    """Tells relevant results from others, by what is known of the query and by the distance; each length counts the same.

    Returns:
        The part of the query, and the slope of the distance.
    """
    results = asked.distances.shape[1]
    shares = np.zeros(len(lengths))
    for name in set(lengths.tolist()):
        shares[lengths == name] = 1 / (lengths == name).sum()
    inputs = np.column_stack([np.repeat(present, results, axis=0), asked.distances.ravel()])
    model = _fit(inputs, asked.relevant.ravel().astype(np.float64), np.repeat(shares / (results * shares.sum()), results), RIDGE)
    return _Linear(model.weights[:-1], model.bias), -float(model.weights[-1])


def _fit_both(present: np.ndarray, absent: np.ndarray, asked: Asked, lengths: np.ndarray) -> tuple[_Linear, _Linear, float]:
    return (_fit_present(present, absent, asked.relevant, lengths), *_fit_right(present, asked, lengths))


def _part(asked: Asked, chosen: np.ndarray) -> Asked:
    return Asked(*(getattr(asked, name)[chosen] for name in asked.__dataclass_fields__))


def _fit(inputs: np.ndarray, targets: np.ndarray, shares: np.ndarray, ridge: float) -> _Linear:
    """Ridge-penalised logistic regression by Newton's method on standardised inputs; `shares` weigh the rows and add up to 1."""
    centre, scale = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
    standard = np.column_stack([(inputs - centre) / scale, np.ones(len(inputs))])
    penalty = np.append(np.full(inputs.shape[1], ridge), 0.0)
    weights = np.zeros(standard.shape[1])
    for _ in range(STEPS):
        p = _sigmoid(standard @ weights)
        curvature = (standard * (shares * p * (1 - p))[:, None]).T @ standard + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, standard.T @ (shares * (targets - p)) - penalty * weights)
        weights += step
        if np.abs(step).max() < CLOSE:
            break
    raw = weights[:-1] / scale
    return _Linear(raw, float(weights[-1] - raw @ centre))


def _evidence(models: Sequence[_Linear], mean: np.ndarray, spread: Spread, words: WordEvidence | None) -> Evidence:
    """The parts of the models that need no results."""
    weights = np.stack([model.weights[OF_DISTANCES:] for model in models])  # of the mean, the spread, the words, the embedding
    linear = weights[:, -len(mean) :] + weights[:, :1] * mean
    of_words = weights[:, 2 : -len(mean)].T if words is not None else None
    return Evidence(np.array([model.bias for model in models]), linear, spread, weights[:, 1], words, of_words)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
