"""Flat, children's-book drawings of single objects and of whole backgrounds, made of Pillow primitives.

Every drawing function works in unit coordinates: the object fills the square from -1 to 1, y points down, and things
that stand on the ground stand on y = 1. A `Pen` maps that square to the place and size wanted in the picture.
"""

# ruff: noqa: D103 - the drawing functions are named after what they draw, and say no more than that

import math
import random
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int] | tuple[int, int, int, int]
Point = tuple[float, float]

CREAM, INK, WHITE = (255, 240, 214), (45, 40, 55), (255, 255, 255)
LEAF, WOOD, GLASS, BLUSH = (76, 153, 76), (128, 84, 54), (205, 236, 250), (255, 150, 150, 150)


def blend(colour: Colour, other: Colour, share: float) -> Colour:
    """Returns `colour` moved by `share` towards `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(colour[:3], other[:3], strict=True))
    return red, green, blue


def darker(colour: Colour, share: float = 0.22) -> Colour:
    """Returns a shade of `colour`, for wings, roofs and other parts that must stand out."""
    # A shade of black would not show, so near-black colours get a tint instead.
    return blend(colour, WHITE, 0.22) if max(colour[:3]) < 90 else blend(colour, (40, 20, 60), share)


def lighter(colour: Colour, share: float = 0.4) -> Colour:
    """Returns a tint of `colour`."""
    return blend(colour, WHITE, share)


class Pen:
    """Draws in a unit square that lies somewhere in the picture, mirrored if asked."""

    def __init__(self, draw: ImageDraw.ImageDraw, centre: Point, radius: float, *, mirrored: bool = False) -> None:
        """Maps the unit square to `centre` and `radius`, both in pixels."""
        self.draw, self.centre, self.radius, self.mirrored = draw, centre, radius, mirrored

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        turn = -self.radius if self.mirrored else self.radius
        return [(self.centre[0] + x * turn, self.centre[1] + y * self.radius) for x, y in points]

    def _box(self, left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        (x0, y0), (x1, y1) = self._pixels([(left, top), (right, bottom)])
        return min(x0, x1), y0, max(x0, x1), y1

    def shape(self, colour: Colour, *points: Point) -> None:
        """Fills a polygon."""
        self.draw.polygon(self._pixels(points), fill=colour)

    def oval(self, colour: Colour, x: float, y: float, width: float, height: float | None = None) -> None:
        """Fills an ellipse around (x, y) with the given half axes; one half axis alone makes a circle."""
        height = width if height is None else height
        self.draw.ellipse(self._box(x - width, y - height, x + width, y + height), fill=colour)

    def dome(self, colour: Colour, x: float, y: float, width: float, height: float) -> None:
        """Fills the upper half of an ellipse around (x, y)."""
        self.draw.pieslice(self._box(x - width, y - height, x + width, y + height), 180, 360, fill=colour)

    def bar(self, colour: Colour, left: float, top: float, right: float, bottom: float, corner: float = 0.0) -> None:
        """Fills a rectangle with rounded corners."""
        self.draw.rounded_rectangle(self._box(left, top, right, bottom), corner * self.radius, fill=colour)

    def stroke(self, colour: Colour, width: float, *points: Point) -> None:
        """Draws a line through the points, with round ends."""
        self.draw.line(self._pixels(points), fill=colour, width=max(2, round(width * self.radius)), joint="curve")
        for x, y in (points[0], points[-1]):
            self.oval(colour, x, y, width / 2)

    def eyes(self, y: float, gap: float, size: float = 0.12, x: float = 0.0) -> None:
        """Draws two eyes; the white rim keeps them visible on dark colours."""
        for side in (-gap, gap):
            self.oval(WHITE, x + side, y, size)
            self.oval(INK, x + side, y, size * 0.65)

    def face(self, y: float, gap: float, size: float = 0.12, x: float = 0.0) -> None:
        """Draws eyes, rosy cheeks and a smile."""
        self.eyes(y, gap, size, x)
        for side in (-1.4 * gap, 1.4 * gap):
            self.oval(BLUSH, x + side, y + gap * 0.75, size * 0.9)
        smile = [(x + gap * t / 4 * 0.7, y + gap * (1.0 - 0.4 * (t / 4) ** 2)) for t in range(-4, 5)]
        self.stroke(INK, 0.07, *smile)


def ring(points: int, outer: float, inner: float, y: float = 0.0) -> list[Point]:
    """Returns the corners of a star with the given number of points."""
    steps = ((math.pi * i / points - math.pi / 2, inner if i % 2 else outer) for i in range(2 * points))
    return [(r * math.cos(t), y + r * math.sin(t)) for t, r in steps]


def draw_sun(pen: Pen, colour: Colour) -> None:
    pen.shape(lighter(colour), *ring(12, 1.0, 0.68))
    pen.oval(colour, 0, 0, 0.68)
    pen.face(-0.1, 0.25)


def draw_moon(pen: Pen, colour: Colour) -> None:
    outer = [(0.95 * math.cos(math.radians(t)), 0.95 * math.sin(math.radians(t))) for t in range(50, 311, 10)]
    inner = [(0.61 - 0.7 * (1 - (y / 7) ** 2), y / 7 * 0.73) for y in range(-6, 7)]
    pen.shape(colour, *outer, *inner)
    pen.oval(darker(colour, 0.12), -0.55, 0.3, 0.13)
    pen.oval(darker(colour, 0.12), -0.42, -0.5, 0.1)
    pen.oval(INK, -0.4, -0.1, 0.08)


def draw_star(pen: Pen, colour: Colour) -> None:
    pen.shape(colour, *ring(5, 1.0, 0.5, 0.08))
    pen.face(0.0, 0.2, 0.11)


def draw_cloud(pen: Pen, colour: Colour) -> None:
    pen.bar(darker(colour, 0.1), -0.95, 0.05, 0.95, 0.55, 0.25)
    for x, y, size in ((-0.5, 0.1, 0.42), (0.1, -0.12, 0.52), (0.58, 0.14, 0.36)):
        pen.oval(colour, x, y, size)
    pen.face(0.08, 0.22, 0.1)


def draw_balloon(pen: Pen, colour: Colour) -> None:
    pen.stroke(INK, 0.06, (0, 0.5), (0.08, 0.68), (-0.06, 0.84), (0.02, 1.0))
    pen.shape(darker(colour), (0, 0.4), (-0.15, 0.6), (0.15, 0.6))
    pen.oval(colour, 0, -0.25, 0.64, 0.75)
    pen.oval(lighter(colour, 0.6), -0.28, -0.52, 0.13, 0.2)


def draw_kite(pen: Pen, colour: Colour) -> None:
    pen.stroke(INK, 0.05, (0, 0.4), (0.15, 0.6), (-0.1, 0.8), (0.05, 1.0))
    for x, y in ((0.12, 0.6), (-0.08, 0.82)):
        pen.shape(darker(colour), (x, y), (x - 0.2, y - 0.1), (x - 0.2, y + 0.1))
        pen.shape(darker(colour), (x, y), (x + 0.2, y - 0.1), (x + 0.2, y + 0.1))
    pen.shape(colour, (0, -1.0), (0.72, -0.3), (0, 0.45), (-0.72, -0.3))
    pen.shape(lighter(colour), (0, -1.0), (0.72, -0.3), (0, -0.3))
    pen.shape(lighter(colour), (0, 0.45), (-0.72, -0.3), (0, -0.3))


def draw_bird(pen: Pen, colour: Colour) -> None:
    pen.shape(darker(colour), (-0.5, 0.1), (-1.0, -0.2), (-0.95, 0.35))
    pen.oval(colour, -0.05, 0.15, 0.62, 0.4)
    pen.oval(colour, 0.5, -0.15, 0.32)
    pen.shape((250, 165, 50), (0.76, -0.22), (1.05, -0.08), (0.76, 0.04))
    pen.shape(darker(colour), (-0.3, 0.15), (0.25, 0.1), (-0.15, -0.85), (-0.45, -0.6))
    pen.oval(WHITE, 0.56, -0.2, 0.11)
    pen.oval(INK, 0.58, -0.2, 0.07)


def draw_plane(pen: Pen, colour: Colour) -> None:
    pen.shape(darker(colour), (-0.95, -0.55), (-0.7, -0.55), (-0.45, 0), (-0.85, 0))
    pen.shape(darker(colour), (0.1, -0.1), (-0.2, -0.6), (-0.05, -0.6), (0.45, -0.1))
    pen.bar(colour, -0.95, -0.2, 1.0, 0.25, 0.22)
    pen.shape(darker(colour), (0.2, 0.08), (-0.4, 0.7), (-0.15, 0.7), (0.5, 0.08))
    for x in (-0.45, -0.2, 0.05, 0.3):
        pen.oval(GLASS, x, -0.03, 0.08)
    pen.bar(GLASS, 0.58, -0.14, 0.82, 0.02, 0.06)


def draw_house(pen: Pen, colour: Colour) -> None:
    pen.bar(darker(colour, 0.4), 0.35, -0.85, 0.6, -0.2)
    pen.bar(colour, -0.75, -0.2, 0.75, 1.0)
    pen.shape(darker(colour, 0.4), (0, -1.0), (1.0, -0.12), (-1.0, -0.12))
    pen.bar(CREAM, -0.2, 0.35, 0.2, 1.0, 0.08)
    pen.oval(INK, 0.1, 0.7, 0.05)
    for x in (-0.48, 0.48):
        pen.bar((255, 236, 150), x - 0.17, 0.08, x + 0.17, 0.44, 0.05)
    pen.oval(CREAM, 0, -0.45, 0.14)


def draw_tree(pen: Pen, colour: Colour) -> None:
    pen.bar(WOOD, -0.15, 0.1, 0.15, 1.0)
    pen.stroke(WOOD, 0.12, (0, 0.5), (0.35, 0.15))
    for x, y, size in ((-0.42, 0.02, 0.44), (0.42, 0.02, 0.44), (0, -0.42, 0.56)):
        pen.oval(colour, x, y, size)
    for x, y in ((-0.2, -0.6), (0.2, -0.25), (-0.45, -0.05), (0.5, 0.08)):
        pen.oval(lighter(colour, 0.3), x, y, 0.11)


def draw_car(pen: Pen, colour: Colour) -> None:
    pen.shape(colour, (-0.6, 0.3), (-0.4, -0.3), (0.3, -0.3), (0.6, 0.3))
    pen.shape(GLASS, (-0.45, 0.2), (-0.32, -0.18), (-0.08, -0.18), (-0.08, 0.2))
    pen.shape(GLASS, (0.04, 0.2), (0.04, -0.18), (0.24, -0.18), (0.42, 0.2))
    pen.bar(colour, -1.0, 0.18, 1.0, 0.78, 0.2)
    pen.bar(darker(colour), -0.95, 0.55, 0.95, 0.7, 0.05)
    pen.oval((255, 240, 150), 0.88, 0.4, 0.1)
    for x in (-0.52, 0.52):
        pen.oval(INK, x, 0.75, 0.26)
        pen.oval((205, 205, 215), x, 0.75, 0.12)


def draw_cat(pen: Pen, colour: Colour) -> None:
    pen.stroke(darker(colour), 0.17, (0.4, 0.88), (0.8, 0.75), (0.85, 0.4), (0.7, 0.15))
    pen.oval(colour, 0, 0.5, 0.48, 0.5)
    pen.oval(lighter(colour), 0, 0.6, 0.24, 0.32)
    for side in (-1, 1):
        pen.shape(colour, (side * 0.58, -0.95), (side * 0.08, -0.65), (side * 0.55, -0.2))
        pen.shape((255, 190, 190), (side * 0.5, -0.76), (side * 0.24, -0.6), (side * 0.48, -0.4))
        pen.oval(darker(colour), side * 0.25, 0.93, 0.17, 0.09)
    pen.oval(colour, 0, -0.25, 0.56, 0.46)
    pen.eyes(-0.3, 0.24, 0.14)
    pen.shape((240, 120, 140), (-0.08, -0.12), (0.08, -0.12), (0, -0.02))
    for side in (-1, 1):
        pen.stroke(INK, 0.035, (side * 0.35, -0.06), (side * 0.75, -0.12))
        pen.stroke(INK, 0.035, (side * 0.35, 0.0), (side * 0.72, 0.06))


def draw_dog(pen: Pen, colour: Colour) -> None:
    pen.stroke(colour, 0.15, (-0.7, 0.15), (-0.95, -0.25))
    for x in (-0.62, -0.32, 0.18, 0.45):
        pen.bar(darker(colour) if x in (-0.32, 0.18) else colour, x - 0.1, 0.3, x + 0.1, 1.0, 0.08)
    pen.bar(colour, -0.82, 0.0, 0.6, 0.6, 0.28)
    pen.bar(colour, 0.15, -0.72, 0.75, 0.2, 0.28)
    pen.bar(lighter(colour), 0.5, -0.36, 1.0, 0.0, 0.17)
    pen.oval(INK, 0.95, -0.28, 0.1)
    pen.bar(darker(colour, 0.45), 0.02, -0.68, 0.28, -0.05, 0.13)
    pen.oval(WHITE, 0.5, -0.46, 0.11)
    pen.oval(INK, 0.52, -0.46, 0.07)
    pen.bar((220, 70, 70) if colour[0] < 200 else (60, 120, 210), 0.14, 0.06, 0.66, 0.17, 0.05)


def draw_flower(pen: Pen, colour: Colour) -> None:
    pen.stroke(LEAF, 0.13, (0, 0), (0, 0.97))
    pen.shape(LEAF, (0, 0.85), (0.5, 0.45), (0.42, 0.8))
    pen.shape(LEAF, (0, 0.95), (-0.5, 0.55), (-0.42, 0.9))
    for x, y in ring(3, 0.42, 0.42, -0.3):
        pen.oval(colour, x, y, 0.3)
    pen.oval((255, 215, 80) if colour[2] > 90 else (125, 75, 45), 0, -0.3, 0.27)
    pen.oval(INK, -0.09, -0.33, 0.05)
    pen.oval(INK, 0.09, -0.33, 0.05)


def draw_umbrella(pen: Pen, colour: Colour) -> None:
    pen.stroke(WOOD, 0.1, (0, -0.9), (0, 0.8), (0.08, 0.93), (0.22, 0.93), (0.3, 0.8))
    pen.dome(colour, 0, 0.1, 1.0, 0.95)
    pen.dome(lighter(colour), 0, 0.1, 0.4, 0.95)
    for x in (-0.7, 0.7):
        pen.dome(darker(colour), x, 0.1, 0.3, 0.16)
    pen.dome(colour, 0, 0.1, 0.4, 0.16)


def draw_apple(pen: Pen, colour: Colour) -> None:
    pen.stroke(WOOD, 0.12, (0, -0.35), (0.08, -0.85))
    pen.shape(LEAF, (0.08, -0.6), (0.3, -0.95), (0.75, -0.85), (0.5, -0.55))
    for x in (-0.32, 0.32):
        pen.oval(colour, x, 0.15, 0.56, 0.68)
    pen.oval(colour, 0, 0.4, 0.6, 0.58)
    pen.oval(lighter(colour, 0.6), -0.5, -0.12, 0.13, 0.2)
    pen.face(0.15, 0.25)


def draw_mushroom(pen: Pen, colour: Colour) -> None:
    pen.bar(CREAM, -0.36, -0.1, 0.36, 1.0, 0.3)
    pen.dome(colour, 0, 0.15, 1.0, 1.1)
    dots = CREAM if min(colour[:3]) < 200 else (235, 130, 130)
    for x, y, size in ((-0.5, -0.2, 0.17), (0.1, -0.55, 0.2), (0.55, -0.12, 0.14), (-0.05, -0.05, 0.12)):
        pen.oval(dots, x, y, size)
    pen.face(0.38, 0.17, 0.08)


def draw_boat(pen: Pen, colour: Colour) -> None:
    pen.bar(WOOD, -0.07, -1.0, 0.07, 0.4)
    pen.shape(lighter(colour, 0.25), (0.12, -0.95), (0.12, 0.25), (0.85, 0.25))
    pen.shape(CREAM, (-0.12, -0.7), (-0.12, 0.25), (-0.65, 0.25))
    pen.shape(colour, (-1.0, 0.38), (1.0, 0.38), (0.65, 1.0), (-0.65, 1.0))
    pen.bar(WHITE, -0.88, 0.5, 0.88, 0.62)


def draw_duck(pen: Pen, colour: Colour) -> None:
    pen.shape(colour, (-0.5, 0.4), (-1.0, 0.0), (-0.7, 0.7))
    pen.oval(colour, -0.1, 0.5, 0.75, 0.48)
    pen.bar(colour, 0.15, -0.4, 0.55, 0.5, 0.2)
    pen.oval(colour, 0.35, -0.45, 0.4)
    pen.bar((245, 140, 40), 0.62, -0.45, 1.05, -0.22, 0.11)
    pen.oval(darker(colour), -0.25, 0.42, 0.38, 0.22)
    pen.oval(WHITE, 0.43, -0.55, 0.12)
    pen.oval(INK, 0.45, -0.55, 0.08)


def draw_whale(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.stroke(GLASS, 0.12, (0.25, -0.3), (0.25 + side * 0.1, -0.75), (0.25 + side * 0.35, -0.7))
        pen.shape(darker(colour), (-0.85, 0.15), (-0.9 + side * 0.25, -0.5), (-0.75 + side * 0.1, -0.1))
    pen.stroke(colour, 0.3, (-0.82, 0.0), (-0.65, 0.45))
    pen.dome(colour, 0.12, 0.55, 0.88, 0.88)
    pen.bar(colour, -0.76, 0.5, 1.0, 0.95, 0.22)
    pen.bar(lighter(colour, 0.65), -0.45, 0.7, 0.98, 0.95, 0.14)
    pen.oval(WHITE, 0.6, 0.3, 0.12)
    pen.oval(INK, 0.62, 0.3, 0.08)


def draw_fish(pen: Pen, colour: Colour) -> None:
    pen.shape(darker(colour), (-0.45, 0), (-1.0, -0.5), (-0.85, 0), (-1.0, 0.5))
    pen.shape(darker(colour), (-0.3, -0.35), (0.0, -0.8), (0.35, -0.4))
    pen.oval(colour, 0.2, 0, 0.8, 0.52)
    for x in (-0.25, 0.1):
        pen.oval(lighter(colour, 0.55), x, 0, 0.08, 0.4)
    pen.oval(WHITE, 0.6, -0.12, 0.16)
    pen.oval(INK, 0.64, -0.12, 0.1)


def draw_octopus(pen: Pen, colour: Colour) -> None:
    for x in (-0.75, -0.4, 0.0, 0.4, 0.75):
        pen.stroke(darker(colour, 0.1), 0.22, (x * 0.6, 0.2), (x, 0.6), (x * 1.15, 0.85))
    pen.oval(colour, 0, -0.3, 0.66, 0.68)
    pen.face(-0.2, 0.27, 0.14)


def draw_crab(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        for y in (0.45, 0.65, 0.85):
            pen.stroke(darker(colour), 0.1, (side * 0.4, 0.45), (side * 0.85, y), (side * 0.9, y + 0.12))
        pen.stroke(darker(colour), 0.14, (side * 0.5, 0.2), (side * 0.8, -0.15))
        pen.oval(colour, side * 0.76, -0.42, 0.26, 0.32)
        pen.shape(darker(colour, 0.5), (side * 0.76, -0.4), (side * 0.7, -0.8), (side * 0.92, -0.75))
        pen.stroke(colour, 0.1, (side * 0.2, 0.1), (side * 0.2, -0.25))
    pen.oval(colour, 0, 0.4, 0.68, 0.48)
    pen.eyes(-0.28, 0.2, 0.15)


def draw_jellyfish(pen: Pen, colour: Colour) -> None:
    for x in (-0.5, -0.17, 0.17, 0.5):
        pen.stroke(lighter(colour, 0.3), 0.11, (x, 0), (x + 0.12, 0.35), (x - 0.1, 0.65), (x + 0.05, 0.95))
    pen.dome(colour, 0, 0.15, 0.85, 1.1)
    for x in (-0.57, 0, 0.57):
        pen.oval(colour, x, 0.13, 0.28, 0.14)
    pen.face(-0.3, 0.27)


OBJECTS: dict[str, Callable[[Pen, Colour], None]] = {
    name.removeprefix("draw_"): function for name, function in list(globals().items()) if name.startswith("draw_")
}


def paint_sky(draw: ImageDraw.ImageDraw, size: int, top: Colour, bottom: Colour) -> None:
    """Fills the whole picture with a vertical gradient."""
    for y in range(0, size, 4):
        draw.rectangle((0, y, size, y + 3), fill=blend(top, bottom, y / size))


def hills(pen: Pen, colour: Colour, rng: random.Random, *, top: float, count: int = 2) -> None:
    """Draws rolling hills whose tops lie about at `top`."""
    shift = rng.uniform(-0.4, 0.4)
    for index in range(count):
        x = shift + (index - (count - 1) / 2) * 1.5
        pen.oval(blend(colour, INK, 0.05 * index), x, top + 1.2, 1.7, 1.2 + rng.uniform(-0.08, 0.08))


def speckles(pen: Pen, colour: Colour, rng: random.Random, area: tuple[float, float], count: int, size: float) -> None:
    """Scatters dots between two heights: snowflakes, stars, pebbles, grains of sand."""
    for _ in range(count):
        pen.oval(colour, rng.uniform(-1, 1), rng.uniform(*area), size * rng.uniform(0.5, 1))


def waves(pen: Pen, colour: Colour, rng: random.Random, area: tuple[float, float]) -> None:
    """Draws short wave crests between two heights."""
    for _ in range(9):
        x, y = rng.uniform(-1, 0.9), rng.uniform(*area)
        pen.stroke(colour, 0.02, (x, y), (x + 0.06, y - 0.025), (x + 0.12, y), (x + 0.18, y - 0.025), (x + 0.24, y))


def firs(pen: Pen, colour: Colour, rng: random.Random, *, foot: float, step: float, height: float) -> None:
    """Draws a row of fir trees."""
    x = -1 - rng.uniform(0, step)
    while x < 1.1:
        tall = height * rng.uniform(0.75, 1.1)
        pen.shape(colour, (x, foot - tall), (x + step * 0.75, foot), (x - step * 0.75, foot))
        x += step


def paint_meadow(pen: Pen, rng: random.Random) -> None:
    hills(pen, (160, 214, 122), rng, top=0.05)
    hills(pen, (132, 198, 100), rng, top=0.3, count=3)
    speckles(pen, (255, 250, 210), rng, (0.45, 1), 16, 0.02)


def paint_beach(pen: Pen, rng: random.Random) -> None:
    pen.bar((72, 178, 205), -1, 0, 1, 0.4)
    waves(pen, (190, 232, 240), rng, (0.06, 0.3))
    pen.oval(WHITE, rng.uniform(-0.3, 0.3), 1.26, 2.4, 0.98)
    pen.oval((247, 224, 168), 0, 1.32, 2.4, 0.98)
    speckles(pen, (226, 196, 132), rng, (0.5, 1), 20, 0.015)


def paint_night(pen: Pen, rng: random.Random) -> None:
    speckles(pen, (235, 235, 200), rng, (-1, 0.1), 34, 0.016)
    hills(pen, (44, 58, 104), rng, top=0.12)
    hills(pen, (34, 44, 84), rng, top=0.36, count=3)


def paint_snow(pen: Pen, rng: random.Random) -> None:
    firs(pen, (150, 182, 196), rng, foot=0.35, step=0.22, height=0.5)
    hills(pen, (240, 246, 252), rng, top=0.15, count=3)
    speckles(pen, WHITE, rng, (-1, 1), 45, 0.028)


def paint_sea(pen: Pen, rng: random.Random) -> None:
    pen.bar((42, 128, 186), -1, 0.1, 1, 1)
    pen.bar((30, 108, 168), -1, 0.55, 1, 1)
    waves(pen, (150, 208, 232), rng, (0.2, 0.95))


def paint_sunset(pen: Pen, rng: random.Random) -> None:
    pen.oval((255, 226, 150, 150), rng.uniform(-0.5, 0.5), 0.1, 0.5)
    hills(pen, (150, 84, 110), rng, top=0.1)
    hills(pen, (112, 62, 96), rng, top=0.34, count=3)


def paint_city(pen: Pen, rng: random.Random) -> None:
    x = -1.0
    while x < 1:
        width, top = rng.uniform(0.22, 0.36), rng.uniform(-0.6, 0.05)
        pen.bar(rng.choice(((176, 178, 196), (160, 164, 186), (190, 186, 198))), x, top, x + width, 0.5)
        for row in range(int((0.4 - top) / 0.16)):
            for column in (0.25, 0.65):
                left, height = x + width * column, top + 0.08 + 0.16 * row
                pen.bar((244, 238, 206), left - 0.03, height, left + 0.05, height + 0.07)
        x += width
    pen.bar((206, 206, 212), -1, 0.42, 1, 0.56)
    pen.bar((110, 112, 124), -1, 0.56, 1, 1)
    for left in (-0.9, -0.4, 0.1, 0.6):
        pen.bar((235, 235, 225), left, 0.75, left + 0.28, 0.8)


def paint_desert(pen: Pen, rng: random.Random) -> None:
    hills(pen, (232, 172, 104), rng, top=0.1)
    hills(pen, (222, 152, 84), rng, top=0.36, count=3)
    for x in (rng.uniform(-0.9, -0.6), rng.uniform(0.6, 0.9)):
        pen.stroke((98, 148, 92), 0.09, (x, 0.05), (x, 0.42))
        pen.stroke((98, 148, 92), 0.06, (x, 0.28), (x + 0.12, 0.26), (x + 0.12, 0.12))


def paint_underwater(pen: Pen, rng: random.Random) -> None:
    for x in (-0.6, 0.0, 0.6):
        pen.shape((255, 255, 255, 28), (x, -1), (x + 0.2, -1), (x + 0.5, 1), (x - 0.1, 1))
    for _ in range(6):
        x = rng.uniform(-0.95, 0.95)
        pen.stroke((22, 132, 112), 0.05, (x, 0.9), (x + 0.06, 0.7), (x - 0.04, 0.5), (x + 0.04, rng.uniform(0.2, 0.4)))
    pen.oval((214, 200, 150), 0, 1.3, 1.8, 0.55)
    speckles(pen, (200, 240, 250, 150), rng, (-0.9, 0.6), 14, 0.035)


def paint_lake(pen: Pen, rng: random.Random) -> None:
    for x in (-0.75, 0.75, rng.uniform(-0.2, 0.2)):
        peak = rng.uniform(-0.7, -0.35)
        pen.shape((138, 146, 178), (x, peak), (x + 0.8, 0.3), (x - 0.8, 0.3))
        pen.shape((246, 248, 252), (x, peak), (x + 0.2, peak + 0.22), (x, peak + 0.16), (x - 0.2, peak + 0.22))
    pen.bar((104, 172, 130), -1, 0.12, 1, 0.3)
    pen.bar((112, 196, 206), -1, 0.26, 1, 1)
    waves(pen, (200, 236, 238), rng, (0.35, 0.95))


def paint_forest(pen: Pen, rng: random.Random) -> None:
    firs(pen, (112, 160, 124), rng, foot=0.4, step=0.3, height=1.25)
    firs(pen, (62, 118, 88), rng, foot=0.42, step=0.24, height=0.75)
    pen.bar((120, 104, 72), -1, 0.4, 1, 1)
    hills(pen, (136, 118, 80), rng, top=0.45, count=3)
    speckles(pen, (196, 146, 72), rng, (0.5, 1), 18, 0.025)


SKIES: dict[str, tuple[Colour, Colour]] = {
    "meadow": ((132, 204, 244), (226, 244, 250)),
    "beach": ((150, 216, 246), (240, 248, 240)),
    "night": ((18, 24, 62), (58, 66, 124)),
    "snow": ((176, 200, 220), (222, 232, 240)),
    "sea": ((170, 222, 248), (236, 246, 250)),
    "sunset": ((240, 110, 100), (255, 206, 128)),
    "city": ((196, 216, 232), (232, 232, 228)),
    "desert": ((250, 222, 160), (255, 240, 206)),
    "underwater": ((46, 164, 190), (14, 78, 132)),
    "lake": ((190, 214, 240), (240, 240, 244)),
    "forest": ((206, 226, 190), (236, 240, 210)),
}


def paint_background(image: Image.Image, name: str, rng: random.Random) -> ImageDraw.ImageDraw:
    """Paints the named background over a square image and returns the drawing surface for what comes on top."""
    # Mode "RGBA" makes Pillow blend half-transparent colours into the RGB image.
    draw = ImageDraw.Draw(image, "RGBA")
    half = image.width / 2
    paint_sky(draw, image.width, *SKIES[name])
    PAINTERS[name](Pen(draw, (half, half), half), rng)
    return draw


PAINTERS: dict[str, Callable[[Pen, random.Random], None]] = {name: globals()[f"paint_{name}"] for name in SKIES}
