"""Backgrounds of the drawn scenes, made of Pillow primitives.

A background fills the unit square of its `Pen`: from -1 to 1, y points down.
"""

# ruff: noqa: D103 - the names of the painting functions say what they paint

import random
from collections.abc import Callable

from PIL import Image, ImageDraw

from maker.sample.pen import INK, WHITE, Colour, Pen, blend


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
