"""Flat, children's-book drawings of single objects, made of Pillow primitives.

Every drawing function works in unit coordinates: the object fills the square from -1 to 1, y points down, and things
that stand on the ground stand on y = 1. A `Pen` maps this square to its place and size in the picture.
"""

# ruff: noqa: D103 - the names of the drawing functions say what they draw

import math
from collections.abc import Callable

from maker.sample.pen import CREAM, INK, WHITE, Colour, Pen, Point, darker, lighter

LEAF, WOOD, GLASS = (76, 153, 76), (128, 84, 54), (205, 236, 250)


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
