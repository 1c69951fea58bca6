"""Queries as people type them over drawn scenes, with the scenes that the generator knows to show what they ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from maker.sample.catalogue import KINDS
from maker.sample.plan import Scene
from maker.sample.sentences import plural

LEAST = 5  # scenes that a query needs for precision@5 to be able to reach 1
OBJECT, COLOUR_OBJECT, TWO_OBJECTS, COUNTED = "object", "colour object", "two objects", "counted"
NUMBERS = {2: "two", 3: "three"}
NEVER_DRAWN = (
    *("bicycle", "bus", "helicopter", "train", "tractor", "motorcycle", "rocket", "elephant", "giraffe", "horse", "cow", "monkey"),
    *("penguin", "snake", "spider", "zebra", "dinosaur", "robot", "banana", "pizza", "bridge", "castle", "chair", "table", "sofa"),
    *("lamp", "clock", "book", "laptop", "camera", "guitar", "piano", "violin", "hat", "shoe"),
)
ABSENT = tuple(query for thing in NEVER_DRAWN for query in (thing, f"red {thing}"))  # no scene shows what these ask for


@dataclass(frozen=True)
class TypedQuery:
    """A query, and the scenes that show what it asks for.

    Attributes:
        kind: `object` ("car"), `colour object` ("yellow car"), `two objects` ("cat and car") or `counted` ("two cars").
        text: The query.
        scenes: Names of the scenes, in the order of the plan.
    """

    kind: str
    text: str
    scenes: tuple[str, ...]


def typed_queries(scenes: Sequence[Scene]) -> list[TypedQuery]:
    """The queries of all kinds that at least five of the scenes answer.

    A scene answers a query by what is drawn in it, whatever its captions say: "two cars" needs a group of two, "car" any number of cars.
    """
    shown: defaultdict[Hashable, list[str]] = defaultdict(list)
    for scene in scenes:
        for fact in _facts(scene):
            shown[fact].append(scene.name)
    return [TypedQuery(kind, text, tuple(shown[fact])) for kind, text, fact in _questions() if len(shown[fact]) >= LEAST]


def _facts(scene: Scene) -> set[Hashable]:
    """What a scene shows: objects, with their colours and counts, and pairs of objects."""
    kinds = {item.kind for item in scene.items}
    with_attributes = {(item.kind, attribute) for item in scene.items for attribute in (item.colour, item.count)}
    return kinds | with_attributes | {frozenset(pair) for pair in combinations(kinds, 2)}


def _questions() -> Iterator[tuple[str, str, Hashable]]:
    """Each query that can be asked: its kind, its text, and the fact that a scene has to show."""
    for name, kind in KINDS.items():
        for noun in dict.fromkeys(kind.nouns):
            yield OBJECT, noun, name
        noun = kind.nouns[0]
        for colour in kind.colours:
            yield COLOUR_OBJECT, f"{colour} {noun}", (name, colour)
        for count, number in NUMBERS.items():
            yield COUNTED, f"{number} {plural(noun)}", (name, count)
    for one, other in combinations(KINDS, 2):
        yield TWO_OBJECTS, f"{KINDS[one].nouns[0]} and {KINDS[other].nouns[0]}", frozenset((one, other))
