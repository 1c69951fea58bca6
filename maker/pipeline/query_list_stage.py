"""Typical queries for a build without captions: they tune the index, and a relevance curve is fitted to their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from maker.embedding.features import Features
from maker.errors import UsageError
from maker.evaluation.list_relevance import calibrate_without_captions
from maker.pipeline.built_in_queries import built_in_sentences, known_languages
from maker.pipeline.corpus_stage import OpenedCorpus
from maker.pipeline.encoder import Encoder
from maker.pipeline.index import split_queries
from maker.pipeline.options import Corpus
from maker.pipeline.tuning import Queries
from maker.queries import LANGUAGES
from maker.workspace import Workspace


@dataclass(frozen=True)
class ListedQueries:
    """A list of queries.

    Attributes:
        texts: The queries.
        embeddings: `(len(texts), d)` float32.
        how: Where they come from, for the report.
    """

    texts: list[str]
    embeddings: np.ndarray
    how: str

    def tuning(self, items: np.ndarray) -> Queries:
        """Up to 1,000 of them to measure an index of `items`, `(n, d)` float32, and the others to train its routing."""
        return split_queries(self.embeddings, items, self.how)

    def relevance(self, photos: Features) -> dict[str, Any]:
        """The curve of `search_text`, for the manifest; empty if none can be fitted."""
        curve = calibrate_without_captions(self.embeddings, np.asarray(photos.values, np.float32), self.how)
        return {"search_text": curve} if curve else {}


def listed_queries(corpus: Corpus, opened: OpenedCorpus, encoder: Encoder, work: Workspace) -> ListedQueries:
    """The user's list of queries, or the built-in queries in the languages that the text tower knows, embedded.

    Raises:
        UsageError: There are no built-in queries in the language, or the tower knows no word of any query.
    """
    if opened.queries is not None and corpus.query_list is not None:
        return _embedded(opened.queries, f"queries of {corpus.query_list.name}", encoder, work)
    if corpus.language is not None and corpus.language not in LANGUAGES:
        known = " and ".join(LANGUAGES)
        raise UsageError(f"--language {corpus.language}: the built-in queries are in {known}; pass your own with --query-list FILE")
    languages = (corpus.language,) if corpus.language else known_languages(lambda texts: encoder.embed_texts(texts, work), encoder.file)
    return _embedded(*built_in_sentences(languages), encoder, work)


def texts_of(corpus: Corpus, opened: OpenedCorpus) -> Iterator[str]:
    """What the file will be asked: the captions and the queries of the list, or the built-in ones in both languages."""
    yield from (c.text for c in (*opened.splits.train, *opened.splits.validation))
    if opened.queries is not None:
        yield from opened.queries
        return
    languages = (corpus.language,) if corpus.language in LANGUAGES else LANGUAGES
    yield from built_in_sentences(languages)[0]


def _embedded(texts: Sequence[str], how: str, encoder: Encoder, work: Workspace) -> ListedQueries:
    """The queries that the tower knows any word of: others have an embedding of zeros, and every picture is equally near."""
    embeddings = encoder.embed_texts(texts, work)
    known = np.flatnonzero(embeddings.any(axis=1))
    if not len(known):
        raise UsageError(f"{how}: the text tower knows none of their words; pass typical queries in its language with --query-list FILE")
    return ListedQueries([texts[row] for row in known.tolist()], embeddings[known], how)
