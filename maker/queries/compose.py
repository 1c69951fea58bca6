"""Combines the words of `words.txt` into queries: things, scenes, actions and attributes, as people type them into a search box."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import product

LANGUAGES = ("en", "zh")
SEED = 1
THINGS = ("animal", "vehicle", "food", "thing", "nature")
# How many of the possible combinations of each kind are taken.
COLOURED, DESCRIBED, ANIMALS_DESCRIBED, ACTING, ACTING_SOMEWHERE, IN_PLACES, TOGETHER, CLOSE = 300, 100, 120, 450, 350, 300, 120, 60


@dataclass(frozen=True)
class Query:
    """A query in both languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class _Word:
    """A word; `where_en` and `where_zh` say that something is in this place, and are empty of other words."""

    en: str
    zh: str
    where_en: str = ""
    where_zh: str = ""

    @property
    def bare(self) -> str:
        """The English word without its article."""
        return self.en.removeprefix("an ").removeprefix("a ")


@lru_cache
def built_in_queries() -> tuple[Query, ...]:
    """The built-in queries, about two thousand in each language, always the same and in the same mixed order."""
    words = _words()
    rng = random.Random(SEED)

    def some(count: int, make: Callable[..., Query], *kinds: Iterable[_Word]) -> list[Query]:
        combined = list(product(*kinds))
        return [make(*chosen) for chosen in rng.sample(combined, min(count, len(combined)))]

    of_all = [word for kind in THINGS for word in words[kind]]
    queries = [Query(word.bare, word.zh) for kind in (*THINGS, "person", "moment", *_kinds(words, "place")) for word in words[kind]]
    queries += [Query(word.en, word.zh) for kind in _kinds(words, "action") for word in words[kind]]
    queries += some(COLOURED, _described, words["colour"], [*words["thing"], *words["vehicle"], *words["nature"]])
    queries += some(DESCRIBED, _described, words["attribute"], [*words["thing"], *words["vehicle"]])
    queries += some(ANIMALS_DESCRIBED, _described, words["coat"], words["animal"])
    queries += some(ACTING, _acting, words["person"], [word for kind in _kinds(words, "action") for word in words[kind]])
    queries += some(ACTING // 3, _acting, words["animal"], words["motion"])
    for kind in _kinds(words, "place"):
        actions = [*words["action." + kind.partition(".")[2]], *(words["action.anywhere"] if "water" not in kind else [])]
        share = ACTING_SOMEWHERE * len(words[kind]) // sum(len(words[place]) for place in _kinds(words, "place"))
        queries += some(share, _acting_somewhere, words["person"], actions, words[kind])
    outdoors = [*words["place.outdoor"], *words["place.snow"]]
    queries += some(IN_PLACES // 2, _in_place, [*words["animal"], *words["person"], *words["vehicle"]], outdoors)
    queries += some(IN_PLACES // 2, _in_place, [*words["person"], *words["thing"]], words["place.indoor"])
    queries += some(TOGETHER, _together, words["person"], [*words["animal"], *words["thing"], *words["vehicle"]])
    queries += some(CLOSE, _close, of_all)
    unique = list({query.en: query for query in queries}.values())
    rng.shuffle(unique)
    return tuple(unique)


def _words() -> dict[str, list[_Word]]:
    """The words by their kind."""
    words: defaultdict[str, list[_Word]] = defaultdict(list)
    for line in files("maker.queries").joinpath("words.txt").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, *forms = line.split("\t")
            words[kind].append(_Word(*forms))
    return words


def _kinds(words: dict[str, list[_Word]], of: str) -> list[str]:
    return [kind for kind in words if kind.startswith(of + ".")]


def _described(attribute: _Word, thing: _Word) -> Query:
    article = "an" if attribute.en[0] in "aeiou" else "a"
    return Query(f"{article} {attribute.en} {thing.bare}", attribute.zh + thing.zh)


def _acting(who: _Word, action: _Word) -> Query:
    return Query(f"{who.en} {action.en}", f"{action.zh}的{who.zh}")


def _acting_somewhere(who: _Word, action: _Word, place: _Word) -> Query:
    return Query(f"{who.en} {action.en} {place.where_en}", f"在{place.where_zh}{action.zh}的{who.zh}")


def _in_place(thing: _Word, place: _Word) -> Query:
    return Query(f"{thing.en} {place.where_en}", f"{place.where_zh}的{thing.zh}")


def _together(one: _Word, other: _Word) -> Query:
    return Query(f"{one.en} and {other.en}", f"{one.zh}和{other.zh}")


def _close(thing: _Word) -> Query:
    return Query(f"close-up of {thing.en}", f"{thing.zh}的特写")
