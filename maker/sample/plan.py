"""Plans scenes: which objects, in which colours and places, on which background.

A quarter of all combinations of background, object and colour is excluded from the training scenes, and the held-out scenes only use these.
So a searcher cannot find a held-out scene just because it was trained on the same combination.
"""

import random
from dataclasses import dataclass

from maker.sample.catalogue import BACKDROPS, KINDS

Triple = tuple[str, str, str]

RADII = {"big": 0.21, "small": 0.13, "": 0.17}
COLUMNS = {1: {"left": 0.26, "middle": 0.5, "right": 0.74}, 2: {"left": 0.26, "right": 0.74}}
CROWDED = {"left": 0.18, "middle": 0.5, "right": 0.82}


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
        # There is only one sun and one moon. A row of three objects has no space for groups, and groups have no size.
        count = 1 if wanted == 3 or kind in ("sun", "moon") else rng.choices((1, 2, 3), (6, 2, 2))[0]
        size = rng.choice(("big", "small")) if count == 1 else ""
        radius = RADII[size] * (0.78 if wanted == 3 else 1.0)
        y = (0.27 if row == "upper" else 0.74) + rng.uniform(-0.04, 0.04)
        if row == "lower" and KINDS[kind].home != "deep":
            y = rng.uniform(0.86, 0.95) - radius  # all sizes stand on the same ground
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
    # Sets have no stable order: without sorting, the same seed would give other scenes in another process.
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
        raise ValueError(f"Only {len(scenes)} different {split} scenes are possible, expected {wanted}.")
    return scenes


def plan_corpus(scenes: int, held_out: int, seed: int) -> list[Scene]:
    """Plans the training scenes, then the held-out ones."""
    train, unseen = split_triples(seed)
    return plan_scenes("train", train, scenes, seed) + plan_scenes("val", unseen, held_out, seed)
