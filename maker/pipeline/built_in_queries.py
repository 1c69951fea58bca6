"""The built-in sentences as typical queries, in the languages that a text tower knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from maker.embedding.texts import embed_texts
from maker.encoders.embedder import SENTENCES, embedder_manifest, example_texts, open_embedder
from maker.progress import say
from maker.queries import LANGUAGES, Query, built_in_queries

PROBES = 300  # queries in both languages, by which the tower shows whether it knows both
UNDERSTOOD = 0.5  # share of the probes that must be nearest to their own translation
SCRIPTS = re.compile("[a-z]", re.IGNORECASE), re.compile("[\u4e00-\u9fff]")  # of LANGUAGES

Embed: TypeAlias = Callable[[Sequence[str]], np.ndarray]  # from n sentences to `(n, d)` float32


def built_in_embeddings(embedder: Path) -> tuple[np.ndarray, str] | None:
    """The embeddings of the built-in queries by the text tower of an encoder or searcher, and where they come from, for the report.

    Sentences do not lie where pictures lie. An index that is tuned and routed by its own items, with some noise, finds the neighbours of
    items, but it can miss many of a sentence.

    Returns:
        `(q, d)` float32, without queries of which the tower knows no word; None if there are none, or the file has no text tower.
    """
    towers = open_embedder(embedder)
    if not any(kind in towers and towers[kind].signature for kind in SENTENCES):
        return None
    say("embedding the built-in sentences, which tune the index; --queries takes your own")

    embedded: dict[str, np.ndarray] = {}

    def embed(texts: Sequence[str]) -> np.ndarray:
        new = [text for text in texts if text not in embedded]  # the probes are some of the queries
        embedded.update(zip(new, embed_texts(new, embedder), strict=True) if new else ())
        return np.stack([embedded[text] for text in texts])

    texts, how = built_in_sentences(known_languages(embed, embedder))
    embeddings = embed(texts)
    known = embeddings.any(axis=1)
    return (embeddings[known], how) if known.any() else None


def built_in_sentences(languages: Sequence[str]) -> tuple[list[str], str]:
    """The built-in queries in these languages, each once, and what they are called in reports."""
    texts = [getattr(query, language) for query in built_in_queries() for language in languages]
    return list(dict.fromkeys(texts)), f"built-in queries ({', '.join(languages)})"


def known_languages(embed: Embed, embedder: Path) -> Sequence[str]:
    """The languages of the built-in queries that a text tower knows; `embedder` is its file.

    It knows both if a query is nearest to its own translation. Else its golden sentences, which are captions that it was trained on, show
    the language; a tower without them knows the language whose queries it tells apart better.
    """
    queries: Sequence[Query] = built_in_queries()
    probes = [queries[i] for i in np.linspace(0, len(queries) - 1, PROBES).astype(int)]
    embeddings = [embed([getattr(query, language) for query in probes]) for language in LANGUAGES]
    scores = embeddings[0] @ embeddings[1].T
    understood = float((scores.argmax(axis=1) == np.arange(len(probes))).mean())
    if understood >= UNDERSTOOD:
        return LANGUAGES
    trained_on = "".join(example_texts(embedder_manifest(embedder)))
    if trained_on:
        return tuple(lang for lang, found in zip(LANGUAGES, SCRIPTS, strict=True) if found.search(trained_on)) or LANGUAGES[:1]
    alike = [float(np.linalg.norm(vectors.mean(axis=0)) + (~vectors.any(axis=1)).mean()) for vectors in embeddings]
    return (LANGUAGES[int(np.argmin(alike))],)
