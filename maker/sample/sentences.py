"""Describes a scene in three English sentences."""

import random

from maker.sample.catalogue import BACKDROPS, COLOURS, KINDS
from maker.sample.plan import Item, Scene

SIZE_WORDS = {"big": ("big", "large", "huge"), "small": ("small", "little", "tiny"), "": ("",)}
COUNT_WORDS = {2: ("two", "two", "a pair of"), 3: ("three",)}
POSITIONS = {
    ("upper", "left"): ("at the top left", "in the upper left", "on the left"),
    ("upper", "middle"): ("at the top", "in the upper middle", "high up in the middle"),
    ("upper", "right"): ("at the top right", "in the upper right", "on the right"),
    ("lower", "left"): ("at the bottom left", "in the lower left", "on the left"),
    ("lower", "middle"): ("at the bottom", "in the lower middle", "down in the middle"),
    ("lower", "right"): ("at the bottom right", "in the lower right", "on the right"),
}


def plural(word: str) -> str:
    """Returns the plural of a noun, which is also how a verb ends after "it"."""
    if word.endswith("fish"):
        return word
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "sh", "ch", "x")) else "s")


def ongoing(verb: str) -> str:
    """Returns the -ing form of a verb."""
    if verb == "lie":
        return "lying"
    if verb in ("sit", "swim"):
        return verb + verb[-1] + "ing"
    return verb.removesuffix("e") + "ing"


def join(parts: list[str]) -> str:
    """Joins phrases with commas and a final "and"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def phrase(item: Item, rng: random.Random) -> str:
    """Names an object: "a small red kite", "two pink birds"."""
    noun, colour = rng.choice(KINDS[item.kind].nouns), rng.choice(COLOURS[item.colour][1])
    if item.count > 1:
        return f"{rng.choice(COUNT_WORDS[item.count])} {colour} {plural(noun)}"
    # People leave the size out about as often as they mention it.
    words = f"{rng.choice((*SIZE_WORDS[item.size], '', ''))} {colour} {noun}".strip()
    article = "the" if item.kind in ("sun", "moon") and rng.random() < 0.3 else "an" if words[0] in "aeiou" else "a"
    return f"{article} {words}"


def acting(item: Item, rng: random.Random) -> str:
    """Returns what the object does, as in "floats" or "are floating"."""
    verb = rng.choice(KINDS[item.kind].verbs)
    if rng.random() < 0.7:
        return verb if item.count > 1 else plural(verb)
    return f"{'are' if item.count > 1 else 'is'} {ongoing(verb)}"


def relation(one: Item, other: Item, rng: random.Random) -> str:
    """Says where `one` is, seen from `other`."""
    if one.row != other.row:
        return rng.choice(("above", "over", "above") if one.row == "upper" else ("below", "under", "beneath"))
    side = "left" if one.x < other.x else "right"
    return rng.choice((f"to the {side} of", f"on the {side} of", f"{side} of", "next to", "beside"))


def describe_all(scene: Scene, rng: random.Random) -> str:
    """Names everything in the picture and the place."""
    place = rng.choice(BACKDROPS[scene.background].places)
    rows = [[item for item in scene.items if item.row == row] for row in ("upper", "lower")]
    upper, lower = ([phrase(item, rng) for item in row] for row in rows)
    sentences = [
        f"{join(upper + lower)} {place}",
        f"{place}, there {'is' if (rows[0] + rows[1])[0].count == 1 else 'are'} {join(upper + lower)}",
        f"{place} you can see {join(upper + lower)}",
    ]
    if upper:
        sentences += [f"{join(upper)} above {join(lower)} {place}", f"{join(lower)} under {join(upper)} {place}"]
        verb = acting(rows[0][0], rng) if len(upper) == 1 else "are"
        sentences += [f"{join(upper)} {verb} over {join(lower)} {place}"]
    return rng.choice(sentences)


def describe_relation(scene: Scene, rng: random.Random) -> str:
    """Tells where one object is, seen from another one or two."""
    place = rng.choice(BACKDROPS[scene.background].places)
    lower = [item for item in scene.items if item.row == "lower"]
    if len(lower) == 3 and rng.random() < 0.5:
        left, one, right = sorted(lower, key=lambda item: item.x)
        where = f"between {phrase(left, rng)} and {phrase(right, rng)}"
    else:
        one, other = rng.sample(scene.items, 2)
        where = f"{relation(one, other, rng)} {phrase(other, rng)}"
    name, verb = phrase(one, rng), acting(one, rng)
    return rng.choice(
        (
            f"{name} {verb} {where} {place}",
            f"{place}, {name} {verb} {where}",
            f"{name} {where} {place}",
            f"there {'are' if one.count > 1 else 'is'} {name} {where} {place}",
        )
    )


def describe_positions(scene: Scene, rng: random.Random) -> str:
    """Tells where in the picture two or three of the objects are."""
    place = rng.choice(BACKDROPS[scene.background].places)
    items = rng.sample(scene.items, min(len(scene.items), rng.choice((2, 3))))
    where = [rng.choice(POSITIONS[item.row, item.column]) for item in items]
    names = [phrase(item, rng) for item in items]
    if len(items) == 3:
        return f"{place}: {join([f'{name} {spot}' for name, spot in zip(names, where, strict=True)])}"
    first, second = (acting(item, rng) for item in items)
    return rng.choice(
        (
            f"{names[0]} {first} {where[0]} while {names[1]} {second} {where[1]}, {place}",
            f"{place}, {names[0]} {first} {where[0]} and {names[1]} {second} {where[1]}",
            f"{names[0]} {where[0]} and {names[1]} {where[1]} {place}",
        )
    )


def write_captions(scene: Scene, seed: int) -> list[str]:
    """Describes a scene in three sentences, of which the first names all of its objects."""
    rng = random.Random(f"captions {seed} {scene.name}")
    captions = [describe(scene, rng) for describe in (describe_all, describe_relation, describe_positions)]
    return [caption[0].upper() + caption[1:] + "." for caption in captions]
