"""The catalogue of drawings: kinds of objects, their colours, and the backgrounds that they belong to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of object: its backgrounds, names, actions and colours."""

    home: str
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]
    colours: tuple[str, ...] = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black")


@dataclass(frozen=True)
class Backdrop:
    """A background: the objects of its upper and lower half, colours that would be invisible on it, and phrases for it."""

    upper: str
    lower: str
    drowned: tuple[str, ...]
    places: tuple[str, ...]


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
