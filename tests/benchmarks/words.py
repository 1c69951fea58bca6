"""What the lexical index finds and costs; part of `make bench-queries`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from maker.data.captions import Caption
from maker.index.lexical import lexical_index
from task.format import lexical
from task.search.lexical import CANDIDATES, LexicalPart, LexicalSearch, fused
from task.text import TextSearcher

RANK_CONSTANT = 60  # of reciprocal rank fusion (Cormack et al., 2009)
COST_ITEMS, QUERIES = 123_287, 200


def words_and_vectors(searcher: TextSearcher, captions: Sequence[Caption]) -> list[dict[str, object]]:
    """R@1, R@5 and R@10 in percent if the first caption of each photo is indexed, and its last one is the query."""
    texts: dict[str, list[str]] = defaultdict(list)
    for caption in captions:
        texts[caption.image].append(caption.text)
    ids, rows = searcher.engine.contents()  # type: ignore[attr-defined]
    row_of = {searcher.get_metadata(int(item)).decode(): rows[place] for place, item in enumerate(ids)}
    photos = [name for name in texts if name in row_of]
    index = lexical_index([texts[name][0].encode() for name in photos], {}, {})
    search, vectors = LexicalSearch([LexicalPart(index)]), np.stack([row_of[name] for name in photos])
    places: dict[str, list[int]] = defaultdict(list)
    for target, name in enumerate(photos):
        query = texts[name][-1]
        distances = -(vectors @ searcher.engine.embed_text(query))
        near = np.argsort(distances, kind="stable")[:CANDIDATES]
        items, scores, _ = search.scores(query, None)
        both = np.union1d(near, items)
        by_words = np.zeros(len(photos))
        by_words[items] = scores
        reciprocal = np.zeros(len(photos))
        for listed in (near, items):
            reciprocal[listed] += 1 / (RANK_CONSTANT + 1 + np.arange(len(listed)))
        for method, found in (
            ("embeddings", near),
            ("words", items),
            ("reciprocal ranks", both[np.argsort(-reciprocal[both], kind="stable")]),
            ("scores", both[np.argsort(-fused(distances[both], by_words[both]), kind="stable")]),
        ):
            at = np.flatnonzero(found == target)
            places[method].append(int(at[0]) if len(at) else len(photos))
    size = len(lexical.encode(index)[1]) / len(photos)
    return [
        {
            "method": method,
            **{f"R@{k}": round(100 * float(np.mean(np.array(at) < k)), 1) for k in (1, 5, 10)},
            "bytes an item": round(size, 1),
        }
        for method, at in places.items()
    ]


def word_cost(captions: Sequence[Caption]) -> dict[str, object]:
    """Median milliseconds to score the words of a caption among 123,287 items, whose captions are those of Flickr8k, drawn again."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(captions), COST_ITEMS)
    index = lexical_index([captions[place].text.encode() for place in drawn], {}, {})
    search, times = LexicalSearch([LexicalPart(index)]), []
    for place in rng.integers(0, len(captions), QUERIES):
        begin = time.perf_counter()
        search.scores(captions[place].text, None)
        times.append(time.perf_counter() - begin)
    size = len(lexical.encode(index)[1]) / COST_ITEMS
    return {"items": COST_ITEMS, "words ms": round(1e3 * float(np.median(times)), 2), "bytes an item": round(size, 1)}
