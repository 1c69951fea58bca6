"""A pen that draws in a unit square, and the colours that several drawings share."""

from collections.abc import Sequence

from PIL import ImageDraw

Colour = tuple[int, int, int] | tuple[int, int, int, int]
Point = tuple[float, float]

CREAM, INK, WHITE = (255, 240, 214), (45, 40, 55), (255, 255, 255)
BLUSH = (255, 150, 150, 150)


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
