"""Asks queries among pictures that captions describe: what is found, what of it is relevant, and what is found if the thing is absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from maker.data.captions import Caption
from maker.encoders.evidence import worst_and_mean
from maker.evaluation.shared_words import SharedWords
from maker.evaluation.typed_queries import TypedQuery
from maker.evaluation.word_probes import BEST, WordProbes
from maker.progress import progress

RESULTS = 10  # per query
CAPTIONS = "captions"


@dataclass(frozen=True)
class Question:
    """A query, and how its results are judged.

    Attributes:
        text: The query.
        length: `captions`, or the length of a typed query.
        fold: Queries of one fold are about the same pictures, or are the same one.
        fits: Says which pictures the query fits, by number.
        without: The pictures that do not show its thing, `(n,)` bool; None if the thing is unknown.
    """

    text: str
    length: str
    fold: int
    fits: Callable[[np.ndarray], np.ndarray]
    without: Callable[[], np.ndarray | None]


def caption_questions(captions: Sequence[Caption], words: SharedWords) -> list[Question]:
    """Whole captions as questions."""
    return [
        Question(c.text, CAPTIONS, words.number(c.image), lambda images, c=c: words.fits(c, images), lambda c=c: words.without_its_thing(c))  # type: ignore[misc]
        for c in captions
    ]


def typed_questions(queries: Sequence[TypedQuery], words: SharedWords) -> list[Question]:
    """Typed queries as questions; their pictures have the numbers of `words`."""
    return [
        Question(
            query.text,
            query.length,
            number,
            lambda images, query=query: np.isin(images, query.pictures),  # type: ignore[misc]
            lambda query=query: words.without_rarest(query.text),  # type: ignore[misc]
        )
        for number, query in enumerate(queries)
    ]


@dataclass(frozen=True)
class Asked:
    """The first results of questions, with the pictures of the thing and without them.

    Attributes:
        distances, relevant: `(q, r)` float32, ascending, and bool.
        absent: `(q, r)` float32: the distances after all pictures of the thing were removed; NaN if it is unknown or nothing is left.
        words, absent_words: `(q, 2)`: worst and mean evidence of the query's words, both times.
        left: `(q,)` int64: the number of pictures without the thing; all where the thing is unknown.
    """

    distances: np.ndarray
    relevant: np.ndarray
    absent: np.ndarray
    words: np.ndarray
    absent_words: np.ndarray
    left: np.ndarray


def ask(
    questions: Sequence[Question], embeddings: np.ndarray, rows: np.ndarray | None, items: np.ndarray, probes: WordProbes | None
) -> Asked:
    """Runs all questions by exact search.

    Args:
        questions: The questions.
        embeddings: `(q, d)` float32.
        rows: `(q, t)` int32: the rows of the embedding table of words that each reads; None without such a table.
        items: `(n, d)` float32; distances are negative dot products with them.
        probes: Give the evidence of words; None for none.
    """
    count = min(RESULTS, len(items))
    distances, absent = np.empty((len(questions), count), np.float32), np.full((len(questions), count), np.nan, np.float32)
    relevant = np.empty((len(questions), count), bool)
    pictures = np.full(len(questions), len(items))
    words, absent_words = np.zeros((len(questions), 2)), np.zeros((len(questions), 2))
    probe_of = np.full(0 if rows is None else int(rows.max(initial=0)) + 1, -1)
    if probes is not None and len(probe_of):
        within = probes.rows < len(probe_of)
        probe_of[probes.rows[within]] = np.flatnonzero(within)
    everything = probes.evidence(items) if probes is not None else np.empty(0)
    for number, question in enumerate(progress(questions, "relevance", quiet=len(questions) * items.size < 1 << 32)):
        scores = items @ embeddings[number]
        nearest = _nearest(scores, count)
        distances[number], relevant[number] = -scores[nearest], question.fits(nearest)
        used = probe_of[rows[number]] if rows is not None and probes is not None else np.empty(0, np.int64)
        used = used[used >= 0]
        if len(used):
            words[number] = worst_and_mean(everything[used][None], np.ones((1, len(used))))[0]
        left = question.without()
        if left is None or left.sum() < count:
            continue
        absent[number], pictures[number] = -_largest(scores[left], count), left.sum()
        if probes is not None and len(used):
            evidence = _without(probes, items, used, left)
            absent_words[number] = worst_and_mean(evidence[None], np.ones((1, len(used))))[0]
    return Asked(distances, relevant, absent, words, absent_words, pictures)


def _without(probes: WordProbes, items: np.ndarray, used: np.ndarray, left: np.ndarray) -> np.ndarray:
    """The evidence of words by the items that are left."""
    scores = probes.directions[used] @ items.T
    return np.stack([_largest(row[left], min(BEST, int(left.sum()))).mean() for row in scores]) - probes.offsets[used]


def _nearest(scores: np.ndarray, count: int) -> np.ndarray:
    best = np.argpartition(-scores, count - 1)[:count]
    return best[np.argsort(-scores[best], kind="stable")]


def _largest(scores: np.ndarray, count: int) -> np.ndarray:
    """The largest scores, descending."""
    return -np.sort(np.partition(-scores, count - 1)[:count])
