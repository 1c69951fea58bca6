"""Fits the relevance of a searcher to held-out captions, and to queries of one to three words out of captions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from maker.data.captions import Caption
from maker.embedding.word_rows import read_spellings, rows_of_texts, table_rows
from maker.encoders.evidence import Evidence, Spread
from maker.evaluation.asked import ask, caption_questions, typed_questions
from maker.evaluation.found import HOW, MOVED, RULE, AskedQueries, Fitted, fit_found, shift
from maker.evaluation.relevance import calibrate, choose_queries
from maker.evaluation.shared_words import SharedWords
from maker.evaluation.typed_queries import typed_queries
from maker.evaluation.word_probes import WordProbes, fit_probes
from maker.pipeline.encoder import Encoder
from maker.pipeline.measure_stage import HeldOut
from maker.workspace import Workspace


def fit_relevance(encoder: Encoder, held_out: HeldOut, work: Workspace) -> tuple[dict[str, Any], Evidence | None]:
    """Fits the probability that a result is relevant: a curve of the distance, and one that also looks at the query.

    Returns:
        `search_text`, for the manifest, and what the graph computes of a query; empty and None if there are too few captions.
    """
    captions = choose_queries(held_out.splits.validation, held_out.photos.rows())
    known = [*held_out.splits.train, *held_out.splits.validation]
    curve, fitted, _ = _fit(encoder, held_out, captions, known, work)
    if curve is None or fitted is None:
        return {"search_text": curve} if curve else {}, None
    return {"search_text": {**curve, "found": fitted.described, "rule": RULE, "how": HOW, "measured": fitted.measured}}, fitted.evidence


def move_relevance(encoder: Encoder, held_out: HeldOut, items: np.ndarray, work: Workspace) -> tuple[dict[str, Any], Evidence | None]:
    """Fits the relevance among the held-out photos, and moves it to other items, which have no captions.

    Nothing was trained on either. The curve of the distance alone is moved by the mean spread of the queries.

    Args:
        encoder: The trained encoder.
        held_out: The held-out photos.
        items: `(n, d)` float32, the items to search.
        work: Keeps features.

    Returns:
        As `fit_relevance`; nothing where only the curve of the distance could be fitted, which says too little about other items.
    """
    captions = choose_queries(held_out.splits.validation, held_out.photos.rows())
    curve, fitted, probes = _fit(encoder, held_out, captions, held_out.captions, work)
    if curve is None or fitted is None:
        return {}, None
    table = probes.table(items, table_rows(encoder.file)) if probes is not None else None
    moved = fitted.moved(len(held_out.images), items, table)
    queries = encoder.embed_texts([c.text for c in captions], work)
    nearer = float(shift(len(held_out.images), len(items)).mean() * Spread.of(items)(queries).mean())
    intercept = round(curve["intercept"] + curve["slope"] * nearer, 5)
    described = {"found": fitted.described, "rule": RULE, "how": f"{HOW}; {MOVED}", "measured": fitted.measured}
    return {"search_text": {**curve, "intercept": intercept, **described}}, moved


def _fit(
    encoder: Encoder, held_out: HeldOut, captions: Sequence[Caption], known: Sequence[Caption], work: Workspace
) -> tuple[dict[str, Any] | None, Fitted | None, WordProbes | None]:
    """Fits both curves among the pictures that the captions `known` describe; None for what there are too few captions for."""
    if not captions:
        return None, None, None
    rows, values = held_out.photos.rows(), held_out.photos.values
    queries = encoder.embed_texts([c.text for c in captions], work)
    curve = calibrate(captions, queries, rows, values, known)
    if curve is None:
        return None, None, None
    described = [c for c in known if c.image in rows]
    words = SharedWords(described)
    typed = typed_queries(described, words.images)
    items = np.asarray(values[[rows[image] for image in words.images]], np.float32)
    questions = [*caption_questions(captions, words), *typed_questions(typed, words)]
    embeddings = np.concatenate([queries, encoder.embed_texts([query.text for query in typed], work)]) if typed else queries
    word_rows, spelt = rows_of_texts([question.text for question in questions], encoder.file), read_spellings(encoder.file)
    probes = fit_probes(held_out.splits.train, rows, values, spelt) if word_rows is not None and spelt else None
    asked = ask(questions, embeddings, word_rows, items, probes)
    table = probes.table(items, table_rows(encoder.file)) if probes is not None else None
    return curve, fit_found(AskedQueries(questions, embeddings, word_rows, asked), items, table), probes
