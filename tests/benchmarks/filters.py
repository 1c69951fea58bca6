"""What a filter costs among 1,000,000 items; part of `make bench-queries`.

Each filtered search alternates with a plain one, query by query. Processor time is measured: on a busy machine, a search of several
milliseconds waits for others, and one of a quarter does not.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from maker.pipeline.index import IndexedItems, write_index
from maker.pipeline.tuning import IndexSettings
from task.core import BaseOptions
from task.format.facts import Numbers, Texts, Words
from task.search.facts import SearchedFacts
from task.search.where_parser import parsed
from task.text import TextSearcher, TextSearcherOptions
from tests.benchmarks.scale import draw

QUERIES, WARM_UP = 30, 3
SHARES = (0.0001, 0.001, 0.01, 0.1, 0.5, 1.0)


def filter_costs(items: int = 1_000_000, dimension: int = 128) -> list[dict[str, object]]:
    """The median processor time of searches with filters of several selectivities, each divided by that of a plain search.

    `first time` is a filter that was not asked before; `filter alone` is the part of it that finds the matching items. `again` is the
    filter of the query before.
    """
    rng = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "e.npy"), Path(folder, "s.tflite")
        draw(source, items, dimension)
        facts = {
            "rank": Numbers(rng.permutation(items), None),
            "album": Texts(Words.of(f"album {i}" for i in range(1000)), rng.integers(0, 1000, items)),
        }
        vectors = np.load(source, mmap_mode="r")
        write_index(IndexedItems(embeddings=vectors, metadata=[b"%d" % i for i in range(items)], facts=facts), target, IndexSettings())
        queries = vectors[np.sort(rng.integers(0, items, QUERIES))] + 0.03 * rng.standard_normal((QUERIES, dimension), np.float32)
        options = TextSearcherOptions(BaseOptions(str(target), num_threads=1))
        with TextSearcher.create_from_options(options) as searcher:
            return [_cost(searcher, queries, share, items) for share in SHARES]


def _cost(searcher: TextSearcher, queries: np.ndarray, share: float, items: int) -> dict[str, object]:
    facts: SearchedFacts = searcher.engine.facts
    times = []
    for number, query in enumerate(queries):
        where, other = (f"rank < {round(share * items)} and album != 'album {place}'" for place in (2 * number, 2 * number + 1))
        marks = [time.thread_time()]
        searcher.search_embedding(query)
        marks.append(time.thread_time())
        searcher.search_embedding(query, where=where)
        marks.append(time.thread_time())
        searcher.search_embedding(query, where=where)
        marks.append(time.thread_time())
        matching = facts.matching(parsed(other))
        marks.append(time.thread_time())
        times.append(np.diff(marks))
    plain, filtered, again, alone = np.median(times[WARM_UP:], axis=0)
    return {
        "items left": len(matching),
        "first time": round(float(filtered / plain), 2),
        "again": round(float(again / plain), 2),
        "filter alone": round(float(alone / plain), 2),
        "plain ms": round(1e3 * float(plain), 2),
    }
