"""A sample corpus: drawn scenes with English captions, small enough to learn from scratch in minutes.

Scenes are planned first (which objects, colours and places), then drawn and described. A quarter of all combinations
of background, object and colour is kept out of the training scenes, and the held-out scenes use nothing else: finding
them by their captions takes more than having seen the same thing before.
"""

import os
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from maker.data.scene_objects import OBJECTS, Pen, paint_background

Triple = tuple[str, str, str]
Progress = Callable[[Iterable["Scene"]], Iterable["Scene"]]

OVERSAMPLING = 3
HEADER = "image\tsplit\tlang\tcaption\n"


@dataclass(frozen=True)
class Kind:
    """What can be drawn: where it lives, what it is called, what it does and which colours it comes in."""

    home: str
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    colours: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black")


@dataclass(frozen=True)
class Backdrop:
    """A background: what lives in its upper and lower half, colours that would drown in it, and how to say it."""

    upper: str
    lower: str
    drowned: tuple[str, ...]
    places: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """An object, or a group of up to three, in one of the three columns of the upper or lower row."""

    kind: str
    colour: str
    count: int
    size: str
    row: str
    column: str
    x: float
    y: float
    radius: float
    mirrored: bool


@dataclass(frozen=True)
class Scene:
    """Everything needed to draw and describe one picture."""

    name: str
    split: str
    background: str
    items: tuple[Item, ...]

    @property
    def triples(self) -> set[Triple]:
        """The combinations of background, object and colour in this scene."""
        return {(self.background, item.kind, item.colour) for item in self.items}


COLOURS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "red": ((224, 56, 60), ("red", "red", "red", "bright red")),
    "orange": ((246, 140, 40), ("orange", "orange", "orange", "bright orange")),
    "yellow": ((252, 208, 56), ("yellow", "yellow", "yellow", "golden")),
    "green": ((62, 168, 82), ("green",)),
    "blue": ((48, 106, 216), ("blue", "blue", "blue", "bright blue")),
    "purple": ((140, 78, 190), ("purple", "purple", "purple", "violet")),
    "pink": ((248, 134, 180), ("pink", "pink", "pink", "rosy")),
    "brown": ((146, 92, 56), ("brown", "brown", "brown", "chestnut")),
    "white": ((250, 250, 250), ("white", "white", "white", "snow-white")),
    "black": ((52, 50, 60), ("black",)),
}
KINDS: dict[str, Kind] = {
    "sun": Kind("air", ("sun",), ("shine", "glow"), ("red", "orange", "yellow", "pink", "white")),
    "moon": Kind("air", ("moon",), ("shine", "glow"), ("orange", "yellow", "white", "pink", "red")),
    "star": Kind("air", ("star",), ("shine", "twinkle")),
    "cloud": Kind("air", ("cloud",), ("drift", "float"), ("white", "pink", "blue", "purple", "orange", "black")),
    "balloon": Kind("air", ("balloon",), ("float", "hover")),
    "kite": Kind("air", ("kite",), ("fly", "soar")),
    "bird": Kind("air", ("bird",), ("fly", "glide")),
    "plane": Kind("air", ("plane", "airplane"), ("fly",)),
    "house": Kind("land", ("house", "house", "cottage"), ("stand",)),
    "tree": Kind("land", ("tree",), ("stand", "grow"), ("red", "orange", "yellow", "green", "pink", "purple", "white")),
    "car": Kind("land", ("car",), ("wait", "stand")),
    "cat": Kind("land", ("cat", "cat", "kitten"), ("sit", "rest")),
    "dog": Kind("land", ("dog", "dog", "puppy"), ("stand", "wait")),
    "flower": Kind("land", ("flower",), ("grow", "bloom")),
    "umbrella": Kind("land", ("umbrella",), ("stand",)),
    "apple": Kind("land", ("apple",), ("lie", "rest"), ("red", "yellow", "green", "orange", "pink")),
    "mushroom": Kind("land", ("mushroom", "mushroom", "toadstool"), ("grow", "stand")),
    "boat": Kind("water", ("boat", "boat", "sailboat"), ("sail", "float")),
    "duck": Kind("water", ("duck",), ("swim", "float")),
    "whale": Kind("water", ("whale",), ("swim",)),
    "fish": Kind("deep", ("fish",), ("swim",)),
    "octopus": Kind("deep", ("octopus",), ("swim", "hover")),
    "crab": Kind("deep", ("crab",), ("sit", "rest")),
    "jellyfish": Kind("deep", ("jellyfish",), ("float", "drift")),
}
BACKDROPS: dict[str, Backdrop] = {
    "meadow": Backdrop("air", "land", ("green",), ("in a meadow", "on the grass", "in a grassy meadow")),
    "beach": Backdrop("air", "land", (), ("on a beach", "at the beach", "on a sandy beach")),
    "night": Backdrop("air", "land", ("black", "blue", "purple"), ("at night", "on a dark night", "in the dark night")),
    "snow": Backdrop("air", "land", ("white",), ("in the snow", "on a snowy winter day", "on snowy ground")),
    "sea": Backdrop("air", "water", ("blue",), ("at sea", "on the open sea", "on the wide sea")),
    "sunset": Backdrop("air", "land", ("orange", "purple"), ("at sunset", "during the sunset", "under a sunset sky")),
    "city": Backdrop("air", "land", (), ("in the city", "on a city street", "in a street of the city")),
    "desert": Backdrop("air", "land", ("orange",), ("in the desert", "on desert sand", "in a hot desert")),
    "underwater": Backdrop("deep", "deep", ("blue",), ("under water", "deep under water", "on the ocean floor")),
    "lake": Backdrop("air", "water", (), ("on a mountain lake", "on a lake", "on a lake in the mountains")),
    "forest": Backdrop("air", "land", ("green", "brown"), ("in a forest", "in the woods", "among forest trees")),
}
RADII = {"big": 0.21, "small": 0.13, "": 0.17}
SIZE_WORDS = {"big": ("big", "large", "huge"), "small": ("small", "little", "tiny"), "": ("",)}
COUNT_WORDS = {2: ("two", "two", "a pair of"), 3: ("three",)}
COLUMNS = {1: {"left": 0.26, "middle": 0.5, "right": 0.74}, 2: {"left": 0.26, "right": 0.74}}
CROWDED = {"left": 0.18, "middle": 0.5, "right": 0.82}
GROUPS = {1: ((0.0, 0.0, 1.0),), 2: ((-0.6, 0.3, 0.58), (0.6, -0.3, 0.58))}
GROUPS[3] = ((-0.66, 0.44, 0.52), (0.0, -0.48, 0.52), (0.66, 0.44, 0.52))
POSITIONS = {
    ("upper", "left"): ("at the top left", "in the upper left", "on the left"),
    ("upper", "middle"): ("at the top", "in the upper middle", "high up in the middle"),
    ("upper", "right"): ("at the top right", "in the upper right", "on the right"),
    ("lower", "left"): ("at the bottom left", "in the lower left", "on the left"),
    ("lower", "middle"): ("at the bottom", "in the lower middle", "down in the middle"),
    ("lower", "right"): ("at the bottom right", "in the lower right", "on the right"),
}


def split_triples(seed: int) -> tuple[set[Triple], set[Triple]]:
    """Returns the combinations for training and the held-out ones: about a quarter of each object's colours."""
    rng = random.Random(f"triples {seed}")
    train: set[Triple] = set()
    held_out: set[Triple] = set()
    for background, backdrop in BACKDROPS.items():
        for name, kind in KINDS.items():
            if kind.home in (backdrop.upper, backdrop.lower):
                colours = [colour for colour in kind.colours if colour not in backdrop.drowned]
                rng.shuffle(colours)
                cut = max(1, round(len(colours) / 4))
                held_out.update((background, name, colour) for colour in colours[:cut])
                train.update((background, name, colour) for colour in colours[cut:])
    return train, held_out


def plan_row(rng: random.Random, row: str, choices: list[tuple[str, str]], wanted: int, taken: set[str]) -> list[Item]:
    """Fills a row with objects whose kinds and colours do not occur in the scene yet."""
    columns = CROWDED if wanted == 3 else COLUMNS[wanted]
    items: list[Item] = []
    for column in sorted(rng.sample(sorted(columns), wanted)):
        free = [(kind, colour) for kind, colour in choices if kind not in taken and colour not in taken]
        if not free:
            continue
        kind, colour = rng.choice(free)
        taken.update((kind, colour))
        # There is only one sun and one moon, and a row of three leaves no room for groups, which have no size either.
        count = 1 if wanted == 3 or kind in ("sun", "moon") else rng.choices((1, 2, 3), (6, 2, 2))[0]
        size = rng.choice(("big", "small")) if count == 1 else ""
        radius = RADII[size] * (0.78 if wanted == 3 else 1.0)
        y = (0.27 if row == "upper" else 0.74) + rng.uniform(-0.04, 0.04)
        if row == "lower" and KINDS[kind].home != "deep":
            y = rng.uniform(0.86, 0.95) - radius  # big or small, all stand on the same ground
        x = columns[column] + rng.uniform(-0.04, 0.04)
        items.append(Item(kind, colour, count, size, row, column, x, y, radius, rng.random() < 0.5))
    return items


def plan_scenes(split: str, triples: set[Triple], wanted: int, seed: int) -> list[Scene]:
    """Plans scenes that only use the given combinations, no two of them alike.

    Raises:
        ValueError: If there are not enough different scenes.
    """
    rng = random.Random(f"{split} {seed}")
    choices: dict[tuple[str, str], list[tuple[str, str]]] = {}
    # Sets have no order of their own: sort, or the same seed would give other scenes in the next process.
    for background, kind, colour in sorted(triples):
        choices.setdefault((background, KINDS[kind].home), []).append((kind, colour))
    scenes: list[Scene] = []
    seen: set[frozenset[tuple[str, ...]]] = set()
    for attempt in range(20 * wanted + 20):
        if len(scenes) == wanted:
            break
        background = sorted(BACKDROPS)[attempt % len(BACKDROPS)]
        backdrop = BACKDROPS[background]
        upper, lower = rng.choices(((1, 1), (0, 2), (1, 2), (2, 1), (0, 3), (2, 2), (1, 3)), (4, 2, 4, 2, 2, 2, 2))[0]
        taken: set[str] = set()
        items = plan_row(rng, "upper", choices[background, backdrop.upper], upper, taken) if upper else []
        items += plan_row(rng, "lower", choices[background, backdrop.lower], lower, taken)
        look = frozenset((background, item.kind, item.colour, str(item.count), item.size) for item in items)
        if len(items) >= 2 and look not in seen:
            seen.add(look)
            scenes.append(Scene(f"images/scene_{split}_{len(scenes) + 1:05d}.png", split, background, tuple(items)))
    if len(scenes) < wanted:
        raise ValueError(f"Only {len(scenes)} different {split} scenes could be planned, {wanted} were asked for.")
    return scenes


def plan_corpus(scenes: int, held_out: int, seed: int) -> list[Scene]:
    """Plans the training scenes, then the held-out ones."""
    train, unseen = split_triples(seed)
    return plan_scenes("train", train, scenes, seed) + plan_scenes("val", unseen, held_out, seed)


def draw_scene(scene: Scene, size: int) -> Image.Image:
    """Draws a scene; the same scene always gives the same pixels."""
    rng = random.Random(scene.name + scene.background)
    pixels = size * OVERSAMPLING
    image = Image.new("RGB", (pixels, pixels))
    draw = paint_background(image, scene.background, rng)
    for item in sorted(scene.items, key=lambda item: item.y + item.radius):
        for across, down, share in GROUPS[item.count]:
            centre = ((item.x + across * item.radius) * pixels, (item.y + down * item.radius) * pixels)
            pen = Pen(draw, centre, item.radius * share * pixels, mirrored=item.mirrored)
            if item.row == "lower":
                pen.oval((20, 30, 60, 45), 0, 0.98, 0.9, 0.14)
            OBJECTS[item.kind](pen, COLOURS[item.colour][0])
    return image.reduce(OVERSAMPLING)


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


def draw_corpus(
    folder: Path,
    *,
    scenes: int = 2400,
    held_out: int = 400,
    size: int = 128,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Draws a corpus of captioned scenes: `images/*.png` and `captions.tsv`, with three captions per scene.

    The same arguments always give the same captions and the same pixels. `captions.tsv` is written last, so a folder
    that has it is complete.

    Args:
        folder: Where to write; created if missing.
        scenes: The number of training scenes.
        held_out: The number of validation scenes; each of their combinations of background, object and colour is
            missing from the training scenes.
        size: The width and height of the images in pixels.
        seed: Chooses the scenes and their wording.
        progress: Wraps the scenes while they are drawn, as `tqdm` does.

    Returns:
        The path of `captions.tsv`: columns image, split (train or val), lang (en) and caption.

    Raises:
        ValueError: If there are not enough different scenes.
    """
    plan = plan_corpus(scenes, held_out, seed)
    captions = folder / "captions.tsv"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    captions.unlink(missing_ok=True)
    lines = [HEADER]
    for scene in progress(plan) if progress else plan:
        # Level 1 writes three times as fast as the default, for files a little larger.
        draw_scene(scene, size).save(folder / scene.name, compress_level=1)
        lines += [f"{scene.name}\t{scene.split}\ten\t{caption}\n" for caption in write_captions(scene, seed)]
    unfinished = captions.with_suffix(".part")
    unfinished.write_text("".join(lines), encoding="utf-8", newline="\n")
    os.replace(unfinished, captions)
    return captions
