"""What composed queries find on Flickr8k: exclusions, and pictures with a word; part of `make bench-queries`.

A photo shows a thing if one of its captions names it. The photos are the 1,000 of the `val` split, whose captions were not learned from.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from maker.data.captions import Caption
from task.search.compose import compose
from task.search.query import Query
from task.text import TextSearcher

FIRST = 10
PAIRS = 200
LEAST = 10  # photos that show both things of a pair, and that show the first without the second
THINGS = re.findall(
    r"\w+",
    """dog man woman boy girl child people water grass snow beach ball bike shirt hat street car field pool tree rock helmet couch sand
    wall fence stick frisbee crowd camera mountain bench ocean building baby skateboard jacket road horse toy flower river guitar tent
    swing slide chair table sign boat surfboard kayak rope umbrella hill dress bag cap window""",
)
SMALL_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an the is are in on at of with and to his her their its while by for from this that there it as be two one some into up over
        through down near him them out""",
    )
)


class Photos:
    """The photos of one split in a searcher.

    Attributes:
        rows: `(n, d)` float32, their embeddings.
        words: The words in the captions of each.
    """

    def __init__(self, searcher: TextSearcher, captions: Sequence[Caption]) -> None:
        """Takes the photos that the captions name."""
        self.searcher, self.captions = searcher, captions
        texts: dict[str, list[str]] = defaultdict(list)
        for caption in captions:
            texts[caption.image].append(caption.text)
        ids, rows = searcher.engine.contents()  # type: ignore[attr-defined]
        names = [searcher.get_metadata(int(item)).decode() for item in ids]
        kept = [place for place, name in enumerate(names) if name in texts]
        self.rows = rows[kept]
        self.place = {names[at]: place for place, at in enumerate(kept)}
        self.words = [set(words_of(" ".join(texts[names[at]]))) for at in kept]

    def showing(self, thing: str) -> np.ndarray:
        """`(n,)` bool: which photos show a thing, by a caption that names it or its plural."""
        return np.array([thing in words or f"{thing}s" in words for words in self.words])

    def first(self, query: str | Query, without: int | None = None) -> np.ndarray:
        """The places of the ten photos nearest to a query, by exact search; `without` is left out."""
        engine = self.searcher.engine
        scores = self.rows @ compose(query if isinstance(query, Query) else Query(query), engine, engine.means)
        if without is not None:
            scores[without] = -np.inf
        return np.argsort(-scores)[:FIRST]


def words_of(text: str) -> list[str]:
    """The words of a caption, in lower case."""
    return re.findall("[a-z]+", text.lower())


def exclusions(photos: Photos, seed: int = 0) -> list[dict[str, object]]:
    """For 200 pairs "X without Y": the shares of the first ten that show Y, that show X, and that show X without Y, in percent."""
    shows = {thing: photos.showing(thing) for thing in THINGS}
    pairs = [(x, y) for x in THINGS for y in THINGS if x != y and min((shows[x] & shows[y]).sum(), (shows[x] & ~shows[y]).sum()) >= LEAST]
    random.Random(seed).shuffle(pairs)
    pairs = pairs[:PAIRS]
    asked: dict[str, Callable[[str, str], str | Query]] = {
        "X": lambda x, _: f"a {x}",
        "X without Y, as a sentence": lambda x, y: f"a {x} without a {y}",
        "Query(X) - Y": lambda x, y: Query(f"a {x}") - f"a {y}",
    }
    rows: list[dict[str, object]] = []
    for name, ask in asked.items():
        found = [(photos.first(ask(x, y)), shows[x], shows[y]) for x, y in pairs]
        rows.append(
            {
                "query": name,
                "pairs": len(pairs),
                "show Y": _percent([y[top].mean() for top, _, y in found]),
                "show X": _percent([x[top].mean() for top, x, _ in found]),
                "show X without Y": _percent([(x & ~y)[top].mean() for top, x, y in found]),
            }
        )
    return rows


def pictures_with_a_word(photos: Photos, seed: int = 0, count: int = 400) -> list[dict[str, object]]:
    """Two photos whose captions share all but one word: how often the first photo plus the other's word finds the other, in percent."""
    with_word: dict[frozenset[str], list[tuple[str, str]]] = defaultdict(list)
    for caption in photos.captions:
        words = frozenset(words_of(caption.text)) - SMALL_WORDS
        if len(words) >= 3:
            for word in words:
                with_word[words - {word}].append((caption.image, word))
    pairs = {
        (image, other, word)
        for same in with_word.values()
        for image, _ in same
        for other, word in same
        if image in photos.place and other in photos.place and word not in photos.words[photos.place[image]]
    }
    chosen = random.Random(seed).sample(sorted(pairs), min(count, len(pairs)))
    asked: dict[str, Callable[[np.ndarray, str], Query]] = {
        "picture": lambda row, _: Query(row),
        "word": lambda _, word: Query(word),
        "Query(picture) + word": lambda row, word: Query(row) + word,
    }
    rows: list[dict[str, object]] = []
    for name, ask in asked.items():
        hits = []
        for image, other, word in chosen:
            place = photos.place[image]
            hits.append(photos.place[other] in photos.first(ask(photos.rows[place], word), place))
        rows.append({"query": name, "pairs": len(chosen), "the other photo is among the first ten": _percent(hits)})
    return rows


def _percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1)
